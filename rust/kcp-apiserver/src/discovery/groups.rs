//! What a view serves, in the order discovery shows it: groups, their versions, their resources.

use crate::registry::{ClusterView, CustomGroup, Identity, Origin, Served, Subresource};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ring::digest;
use std::sync::Arc;

/// Priority of groups that custom resources bring.
const CUSTOM_PRIORITY: u32 = 1_000;

/// A group.
pub struct Group<'v> {
    /// Name, empty for the core group.
    pub name: &'v str,
    /// Its versions, preferred first.
    pub versions: Vec<Version<'v>>,
    priority: u32,
}

/// A version of a group.
pub struct Version<'v> {
    /// Name.
    pub name: &'v str,
    /// Its resources, by name.
    pub resources: Vec<&'v Arc<Served>>,
    /// Names what its custom resources look like.
    pub custom: Identity,
}

impl Group<'_> {
    /// `group/version`, or the version alone for the core group.
    pub fn group_version(&self, version: &Version<'_>) -> String {
        if self.name.is_empty() { version.name.to_owned() } else { format!("{}/{}", self.name, version.name) }
    }
}

/// Everything a view serves. The core group comes first.
pub fn groups(view: &ClusterView) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = view.built_ins().groups.iter().map(|spec| built_in(view, &spec.group)).collect();
    let declared = groups.len();
    for custom in view.groups() {
        match groups[..declared].iter_mut().find(|group| *group.name == *custom.name) {
            Some(group) => add(group, custom),
            None => groups.push(of_custom(custom)),
        }
    }
    groups.sort_by(|a, b| b.priority.cmp(&a.priority).then_with(|| a.name.cmp(b.name)));
    groups
}

/// One group of a view.
pub fn group<'v>(view: &'v ClusterView, name: &str) -> Option<Group<'v>> {
    let custom = view.group(name);
    match view.built_ins().groups.iter().find(|spec| spec.group == name) {
        Some(spec) => {
            let mut group = built_in(view, &spec.group);
            if let Some(custom) = custom {
                add(&mut group, custom);
            }
            Some(group)
        }
        None => custom.map(|custom| of_custom(custom)),
    }
}

/// A declared group with its declared versions.
fn built_in<'v>(view: &'v ClusterView, name: &'v str) -> Group<'v> {
    let spec = view.built_ins().groups.iter().find(|spec| spec.group == name);
    let versions = spec.into_iter().flat_map(|spec| &spec.versions).map(|spec| {
        let served = view.built_ins().served.iter();
        let mut resources: Vec<_> =
            served.filter(|served| served.group == name && served.version == spec.version).collect();
        resources.sort_by(|a, b| a.resource.cmp(&b.resource));
        Version { name: &spec.version, resources, custom: Identity::NONE }
    });
    Group { name, versions: versions.collect(), priority: spec.map_or(CUSTOM_PRIORITY, |spec| spec.priority) }
}

fn of_custom(custom: &CustomGroup) -> Group<'_> {
    let mut group = Group { name: &custom.name, versions: Vec::new(), priority: CUSTOM_PRIORITY };
    add(&mut group, custom);
    group
}

/// Adds custom resources to a group. Versions that only they have stand behind the declared ones.
fn add<'v>(group: &mut Group<'v>, custom: &'v CustomGroup) {
    for version in &custom.versions {
        let served = version.served.iter();
        match group.versions.iter_mut().find(|known| known.name == version.name) {
            Some(known) => {
                known.resources.extend(served);
                known.resources.sort_by(|a, b| a.resource.cmp(&b.resource));
                known.custom = version.identity;
            }
            None => {
                let resources = served.collect();
                group.versions.push(Version { name: &version.name, resources, custom: version.identity });
            }
        }
    }
}

/// The subresources of a resource in the order discovery shows them: custom ones have `status` before `scale`.
pub fn subresources(served: &Served) -> Vec<&Subresource> {
    let mut all: Vec<&Subresource> = served.subresources.iter().collect();
    if matches!(served.origin, Origin::Custom { .. }) {
        all.sort_by(|a, b| b.name.cmp(&a.name));
    }
    all
}

/// Names the stored form of a resource, so that clients see when it changes. `None` for what is not stored.
pub fn storage_version_hash(served: &Served) -> Option<String> {
    if !served.allows("", "get") {
        return None;
    }
    let slash = if served.storage_api_version.contains('/') { "" } else { "/" };
    let stored = format!("{slash}{}/{}", served.storage_api_version, served.kind);
    let hash = digest::digest(&digest::SHA256, stored.as_bytes());
    Some(BASE64_STANDARD.encode(&hash.as_ref()[..8]))
}
