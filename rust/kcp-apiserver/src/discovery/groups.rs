//! What a view serves, in the order discovery shows it: groups, their versions, their resources.

use crate::registry::{ClusterView, Origin, Served, Subresource};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use kcp_apimachinery::version;
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
}

impl Group<'_> {
    /// `group/version`, or the version alone for the core group.
    pub fn group_version(&self, version: &Version<'_>) -> String {
        if self.name.is_empty() { version.name.to_owned() } else { format!("{}/{}", self.name, version.name) }
    }
}

/// Everything a view serves. The core group comes first.
pub fn groups(view: &ClusterView) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = view
        .built_ins()
        .groups
        .iter()
        .map(|spec| Group {
            name: &spec.group,
            versions: spec.versions.iter().map(|spec| Version { name: &spec.version, resources: Vec::new() }).collect(),
            priority: spec.priority,
        })
        .collect();
    for served in view.all() {
        let group = match groups.iter().position(|group| group.name == served.group) {
            Some(index) => &mut groups[index],
            None => {
                groups.push(Group { name: &served.group, versions: Vec::new(), priority: CUSTOM_PRIORITY });
                groups.last_mut().expect("a group was just added")
            }
        };
        match group.versions.iter_mut().find(|version| version.name == served.version) {
            Some(version) => version.resources.push(served),
            None => group.versions.push(Version { name: &served.version, resources: vec![served] }),
        }
    }
    for group in &mut groups {
        let declared = view.built_ins().groups.iter().find(|spec| spec.group == group.name);
        let declared = declared.map_or(0, |spec| spec.versions.len());
        // Versions of custom resources stand behind the declared ones; newer and more stable ones come first.
        group.versions[declared..].sort_by(|a, b| version::compare(b.name, a.name));
        for version in &mut group.versions {
            version.resources.sort_by(|a, b| a.resource.cmp(&b.resource));
        }
    }
    groups.sort_by(|a, b| b.priority.cmp(&a.priority).then_with(|| a.name.cmp(b.name)));
    groups
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
