//! The definitions of one API group of a logical cluster: what they serve, by version, and the names they have taken.
//!
//! Immutable, and shared by all logical clusters whose group is equal. A change of one definition makes a new group of
//! pointers to the old members and the new one; nothing of the others is read, parsed or compiled again.

use crate::codec::{self, Header};
use crate::registry::{Identity, Served, custom};
use kcp_apimachinery::version;
use kcp_schema::crd::{self, Definition, Names};
use kcp_schema::{Pool, digest};
use kcp_storage::Item;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The type header of stored definitions.
pub const HEADER: Header<'static> = Header { api_version: "apiextensions.k8s.io/v1", kind: "CustomResourceDefinition" };

/// One definition, compiled. Equal definitions of different logical clusters are one member.
pub struct Member {
    /// Its name, `<plural>.<group>`.
    pub name: Arc<str>,
    /// Names everything about it that anybody can see.
    pub identity: Identity,
    /// The names it was given.
    pub accepted: Names,
    /// Whether it was given all the names it asked for.
    pub settled: bool,
    /// Its served versions; none before it is established.
    pub served: Vec<Arc<Served>>,
}

impl Member {
    /// The identity of a stored definition.
    pub fn identify(object: &Value) -> Identity {
        let spec = digest(&object["spec"]);
        let names = digest(&object["status"]["acceptedNames"]);
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        let flags = [
            crd::is_condition_true(object, "Established"),
            crd::is_condition_true(object, "NamesAccepted"),
            crd::is_condition_true(object, "Terminating"),
            object.pointer("/metadata/deletionTimestamp").is_some(),
        ]
        .map(u8::from);
        Identity::of([name.as_bytes(), &spec, &names, &flags])
    }

    /// Compiles a stored definition.
    pub fn compile(object: &Value, identity: Identity, schemas: &Pool) -> Self {
        let name: Arc<str> = object["metadata"]["name"].as_str().unwrap_or_default().into();
        let served = match Definition::parse(object, schemas) {
            Ok(definition) if definition.established => custom::served(&Arc::new(definition), identity),
            Ok(_) => Vec::new(),
            Err(errors) => {
                // Definitions are checked before they are stored; one that cannot be read is not served.
                let errors = errors.aggregate().unwrap_or_default();
                tracing::error!(definition = %name, errors, "a stored definition cannot be read");
                Vec::new()
            }
        };
        Self {
            name,
            identity,
            accepted: Names::parse(&object["status"]["acceptedNames"]),
            settled: crd::is_condition_true(object, "NamesAccepted"),
            served,
        }
    }

    /// A stored definition as a value.
    ///
    /// # Errors
    /// When it does not decode.
    pub fn decode(item: &Item) -> Result<Value, serde_json::Error> {
        codec::decode(item, HEADER)
    }
}

/// The group in the name of a definition; `<plural>.core` is one of the core group.
pub fn group_of(definition: &str) -> &str {
    match definition.split_once('.') {
        Some((_, "core")) | None => "",
        Some((_, group)) => group,
    }
}

/// One version of a group.
pub struct GroupVersion {
    /// Name.
    pub name: String,
    /// Its custom resources, by name.
    pub served: Vec<Arc<Served>>,
    /// Names what its custom resources look like.
    pub identity: Identity,
}

/// A group.
pub struct CustomGroup {
    /// Name; empty for the core group.
    pub name: Arc<str>,
    /// By plural.
    members: BTreeMap<Arc<str>, Arc<Member>>,
    /// Its versions with custom resources, newest and most stable first.
    pub versions: Vec<GroupVersion>,
    /// Names what the whole group looks like.
    pub identity: Identity,
}

/// The first part of a definition's name.
fn plural(definition: &str) -> &str {
    definition.split('.').next().unwrap_or_default()
}

impl CustomGroup {
    /// A group of some definitions.
    fn new(name: &str, members: BTreeMap<Arc<str>, Arc<Member>>, identity: Identity) -> Self {
        let mut by_version: BTreeMap<&str, Vec<Arc<Served>>> = BTreeMap::new();
        // By plural, so that each version's resources come sorted.
        for served in members.values().flat_map(|member| &member.served) {
            by_version.entry(&served.version).or_default().push(Arc::clone(served));
        }
        let mut versions: Vec<GroupVersion> = by_version
            .into_iter()
            .map(|(name, served)| {
                let identity = Identity::of(served.iter().map(|served| served.identity.as_bytes()));
                GroupVersion { name: name.to_owned(), served, identity }
            })
            .collect();
        versions.sort_by(|a, b| version::compare(&b.name, &a.name));
        Self { name: name.into(), members, versions, identity }
    }

    /// One resource at one version.
    pub fn lookup(&self, version: &str, resource: &str) -> Option<&Arc<Served>> {
        self.members.get(resource)?.served.iter().find(|served| served.version == version)
    }

    /// The definition of a plural.
    pub fn member(&self, plural: &str) -> Option<&Arc<Member>> {
        self.members.get(plural)
    }

    /// Whether there is a definition of that name.
    pub fn has(&self, definition: &str) -> bool {
        self.members.contains_key(plural(definition))
    }

    /// Every definition.
    pub fn members(&self) -> impl Iterator<Item = &Arc<Member>> {
        self.members.values()
    }
}

/// A group on the way from one state to the next.
pub struct Draft {
    name: Arc<str>,
    members: BTreeMap<Arc<str>, Arc<Member>>,
}

impl Draft {
    /// Begins with what a group has, or with nothing.
    pub fn of(name: &str, group: Option<&CustomGroup>) -> Self {
        let members = group.map(|group| group.members.clone()).unwrap_or_default();
        Self { name: name.into(), members }
    }

    /// Puts a definition in, or takes the one of that name out.
    pub fn set(&mut self, definition: &str, member: Option<Arc<Member>>) {
        match member {
            Some(member) => self.members.insert(plural(definition).into(), member),
            None => self.members.remove(plural(definition)),
        };
    }

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Names the group that this will be.
    pub fn identity(&self) -> Identity {
        let members = self.members.values().map(|member| member.identity.as_bytes());
        Identity::of(std::iter::once(self.name.as_bytes()).chain(members))
    }

    /// The group.
    pub fn finish(self, identity: Identity) -> CustomGroup {
        CustomGroup::new(&self.name, self.members, identity)
    }
}
