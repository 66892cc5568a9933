//! Field management of requests: whose write it is, the schemas of built-in kinds, and what becomes of
//! `metadata.managedFields` on the way from a request to the store.
//!
//! The rules are `kcp_apimachinery::managed`'s. On the way an object goes without its entries: they are taken from it
//! when it is read and stored as text of their own, so that a write that is about something else neither decodes nor
//! encodes what it does not change.

mod schema;
mod versions;

pub use schema::KindSchema;
pub use versions::{OneVersion, ServedVersions};

use crate::exchange::Exchange;
use crate::server::ApiServer;
use crate::strategy::Part;
use crate::verbs::Target;
use kcp_apimachinery::field::{ErrorList, Path};
use kcp_apimachinery::managed::{self, Applied, Apply, Entries, FieldSet, Refusal, Request, SCALE_VERSION, Versions};
use kcp_apimachinery::{Status, meta, text, time};
use serde_json::Value;
use std::sync::LazyLock;

/// Longest name of a manager, bytes.
const MANAGER_MAX: usize = 128;

/// `status` alone.
pub static STATUS: LazyLock<FieldSet<'static>> = LazyLock::new(|| FieldSet::of(&[&["status"]]));
/// `spec` alone.
pub static SPEC: LazyLock<FieldSet<'static>> = LazyLock::new(|| FieldSet::of(&[&["spec"]]));
/// What writes to the status of a custom resource do not touch.
pub static METADATA_AND_SPEC: LazyLock<FieldSet<'static>> = LazyLock::new(|| FieldSet::of(&[&["metadata"], &["spec"]]));

/// Who makes a write, and when.
#[derive(Clone, Debug)]
pub struct Author {
    manager: String,
    subresource: &'static str,
    now: String,
}

impl Author {
    /// The author of a request: the manager it names, or the beginning of its user agent.
    pub fn of(server: &ApiServer, exchange: &Exchange, manager: &str, part: Part) -> Self {
        let agent = exchange.headers().get(http::header::USER_AGENT).map(|value| value.as_bytes());
        let manager = if manager.is_empty() {
            from_user_agent(&String::from_utf8_lossy(agent.unwrap_or_default()))
        } else {
            manager.to_owned()
        };
        let subresource = match part {
            Part::Main => "",
            Part::Status => "status",
            Part::Finalize => "finalize",
        };
        Self { manager, subresource, now: time::format_rfc3339(server.clock.now().as_second()) }
    }

    /// The same author, writing through `/scale`, which leaves no time.
    #[must_use]
    pub fn of_scale(mut self) -> Self {
        self.now.clear();
        self.through("scale")
    }

    /// The same author, writing through another subresource.
    #[must_use]
    pub const fn through(mut self, subresource: &'static str) -> Self {
        self.subresource = subresource;
        self
    }

    fn request<'a>(&'a self, api_version: &'a str) -> Request<'a> {
        Request { manager: &self.manager, api_version, subresource: self.subresource, now: &self.now }
    }
}

/// What stands before the first slash, without what cannot be printed.
fn from_user_agent(agent: &str) -> String {
    let mut name = String::new();
    for c in agent.split('/').next().unwrap_or_default().chars().filter(|c| text::is_printable(*c)) {
        if name.len() + c.len_utf8() > MANAGER_MAX {
            break;
        }
        name.push(c);
    }
    name
}

/// Takes the entries out of an object.
pub fn take(object: &mut Value) -> Option<Value> {
    meta::remove(object, "managedFields")
}

/// Keeps the wish to throw the entries away, an empty list, from being decoded as no list. Only kinds that clients have
/// types for are told so: the decoder of the others makes no entries of an empty list, which change nothing.
pub fn keep_reset(object: &mut Value) {
    let entries = object.get_mut("metadata").and_then(|meta| meta.get_mut("managedFields"));
    if let Some(Value::Array(entries)) = entries.filter(|entries| entries.as_array().is_some_and(Vec::is_empty)) {
        entries.push(Value::Object(serde_json::Map::new()));
    }
}

/// Puts entries into an object that is answered as a value.
pub fn put(object: &mut Value, entries: &[u8]) {
    if let (false, Ok(entries)) = (entries.is_empty(), serde_json::from_slice::<Value>(entries)) {
        meta::set(object, "managedFields", entries);
    }
}

/// The entries of a new object.
pub fn created(target: &Target, author: &Author, object: &Value, given: Option<&Value>) -> Vec<u8> {
    let served = &target.served;
    let versions = ServedVersions::new(&target.view, served, Part::Main);
    let mut empty = served.strategy.empty();
    if let Some(empty) = empty.as_object_mut() {
        empty.insert("metadata".to_owned(), Value::Object(serde_json::Map::new()));
    }
    let given = given.filter(|given| !managed::is_reset(given));
    let entries = given.and_then(|given| Entries::decode(given).ok()).unwrap_or_default();
    managed::update(&empty, object, entries, &author.request(&served.api_version), &versions, true).to_json()
}

/// The entries of an object that is answered and not stored; `empty` is what its kind has without anything being set.
pub fn answered(versions: &OneVersion<'_>, author: &Author, empty: &Value, object: &Value) -> Vec<u8> {
    let request = author.request(versions.api_version);
    managed::update(empty, object, Entries::default(), &request, versions, true).to_json()
}

/// The entries after an update. `given` are those that the new object came with: they count on the main endpoint.
pub fn updated(
    target: &Target,
    author: &Author,
    part: Part,
    (old, live): (&Value, &[u8]),
    (new, given): (&Value, Option<&Value>),
) -> Vec<u8> {
    let versions = ServedVersions::new(&target.view, &target.served, part);
    let given = given.filter(|_| author.subresource.is_empty());
    if given.is_some_and(managed::is_reset) {
        return Vec::new();
    }
    let given = given.and_then(|given| Entries::decode(given).ok()).filter(|entries| !entries.is_empty());
    let entries = given.unwrap_or_else(|| Entries::parse(live).unwrap_or_default());
    managed::update(old, new, entries, &author.request(&target.served.api_version), &versions, false).to_json()
}

/// What is wrong with entries that a client had a hand in.
pub fn problems(entries: &[u8]) -> ErrorList {
    let entries: Vec<Value> = serde_json::from_slice(entries).unwrap_or_default();
    meta::validate_managed_fields(&entries, &Path::root("metadata").child("managedFields"))
}

/// Merges an applied document into an object, which is empty when it is to be created.
///
/// # Errors
/// 409 for conflicts, a 500 without reason for documents that the schema does not allow.
pub fn applied(
    target: &Target,
    author: &Author,
    part: Part,
    (live, entries): (Option<&Value>, &[u8]),
    (config, force): (&Value, bool),
) -> Result<Applied, Status> {
    let served = &target.served;
    let versions = ServedVersions::new(&target.view, served, part);
    let mut empty = served.strategy.empty();
    empty["apiVersion"] = Value::from(served.api_version.as_str());
    empty["kind"] = Value::from(served.kind.as_str());
    let wanted = Apply { live: live.unwrap_or(&empty), empty: &empty, config, force };
    merged(wanted, parse(entries)?, &author.request(&served.api_version), &versions)
}

/// What a controller writes over an object, in the commit of somebody else's write: an apply that takes over what others
/// own.
#[derive(Clone, Debug)]
pub struct Over {
    /// The controller's name as a manager.
    pub manager: &'static str,
    /// The object that the other write would have left, without entries.
    pub live: Value,
    /// What is applied.
    pub config: Value,
}

impl Over {
    /// The entries after it, as JSON text; `entries` are those that the other write left. `now` is RFC 3339 in UTC, to the
    /// second.
    ///
    /// # Errors
    /// 500 when the entries cannot be read, or the version of what is applied is not among `versions`.
    pub fn entries(&self, versions: &dyn Versions, entries: &[u8], now: &str) -> Result<Vec<u8>, Status> {
        let api_version = meta::api_version(&self.config);
        let empty = serde_json::json!({"apiVersion": api_version, "kind": meta::kind(&self.config), "metadata": {}});
        let wanted = Apply { live: &self.live, empty: &empty, config: &self.config, force: true };
        let request = Request { manager: self.manager, api_version, subresource: "", now };
        Ok(merged(wanted, parse(entries)?, &request, versions)?.entries)
    }
}

/// Merges an applied scale into the one that an object shows. Returns the merged scale and the object's entries.
///
/// # Errors
/// As [`applied`].
pub fn applied_scale(
    target: &Target,
    author: &Author,
    (live, entries): (&Value, &[u8]),
    (config, force): (&Value, bool),
) -> Result<Applied, Status> {
    static SCALE: LazyLock<KindSchema> = LazyLock::new(|| KindSchema::compile("io.k8s.api.autoscaling.v1.Scale"));
    let parents = ServedVersions::new(&target.view, &target.served, Part::Main);
    let replicas = |version: &str| parents.replicas(version);
    let entries = parse(entries)?;
    let empty = serde_json::json!({"metadata": {}, "spec": {}, "status": {"replicas": 0}});
    let wanted = Apply { live, empty: &empty, config, force };
    let versions = OneVersion { api_version: SCALE_VERSION, of: SCALE.root() };
    let applied = merged(wanted, entries.to_scale(replicas), &author.request(SCALE_VERSION), &versions)?;
    let after = entries.with_scale(parse(&applied.entries)?, &target.served.api_version, replicas).to_json();
    Ok(Applied { object: applied.object, entries: after })
}

fn parse(entries: &[u8]) -> Result<Entries<'_>, Status> {
    Entries::parse(entries).map_err(|error| Status::generic(500, format!("failed to decode managed fields: {error}")))
}

fn merged(
    wanted: Apply<'_>,
    entries: Entries<'_>,
    request: &Request<'_>,
    versions: &dyn managed::Versions,
) -> Result<Applied, Status> {
    managed::apply(wanted, entries, request, versions).map_err(|refusal| match refusal {
        Refusal::Conflict(status) => *status,
        Refusal::Version => Status::internal("the version is not served"),
        Refusal::Invalid(error) => {
            let shown = described(wanted.config);
            Status::generic(500, format!("failed to create typed patch object ({shown}): {error}"))
        }
    })
}

/// An object as such errors name it: `default/x; apps/v1, Kind=Deployment`.
pub fn described(object: &Value) -> String {
    let version = meta::api_version(object);
    let version = if version.contains('/') { version.to_owned() } else { format!("/{version}") };
    format!("{}/{}; {version}, Kind={}", meta::namespace(object), meta::name(object), meta::kind(object))
}

#[cfg(test)]
mod tests {
    use super::*;

    // kube-api 3.1.8
    #[test]
    fn the_manager_is_what_stands_before_the_slash_of_the_user_agent() {
        for (agent, name) in
            [("kubectl/v1.37.2 (linux/amd64)", "kubectl"), ("curl", "curl"), ("a\u{7}b/c", "ab"), ("", "")]
        {
            assert_eq!(from_user_agent(agent), name);
        }
        assert_eq!(from_user_agent(&"ä".repeat(100)), "ä".repeat(64));
    }
}
