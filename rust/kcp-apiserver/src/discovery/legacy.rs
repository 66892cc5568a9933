//! The plain discovery documents: one for the groups, one per group, one per version.

use crate::discovery::groups::{Group, Version, storage_version_hash, subresources};
use serde_json::{Map, Value, json};

/// `/api`.
pub fn api_versions(core: Option<&Group<'_>>, address: &str) -> Value {
    let versions: Vec<&str> = core.iter().flat_map(|group| &group.versions).map(|version| version.name).collect();
    json!({
        "kind": "APIVersions",
        "versions": versions,
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}],
    })
}

/// `/apis`.
pub fn group_list<'a>(groups: impl Iterator<Item = &'a Group<'a>>) -> Value {
    let groups: Vec<Value> =
        groups.filter(|group| !group.name.is_empty()).map(|group| describe(group).into()).collect();
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
}

/// `/apis/GROUP`.
pub fn group(group: &Group<'_>) -> Value {
    let mut document = describe(group);
    document.insert("kind".into(), "APIGroup".into());
    document.insert("apiVersion".into(), "v1".into());
    document.into()
}

fn describe(group: &Group<'_>) -> Map<String, Value> {
    let version =
        |version: &Version<'_>| json!({"groupVersion": group.group_version(version), "version": version.name});
    let versions: Vec<Value> = group.versions.iter().map(version).collect();
    let mut described = Map::new();
    described.insert("name".into(), group.name.into());
    described.insert("preferredVersion".into(), versions.first().cloned().unwrap_or_default());
    described.insert("versions".into(), versions.into());
    described
}

/// `/api/VERSION` and `/apis/GROUP/VERSION`.
pub fn resource_list(group: &Group<'_>, version: &Version<'_>) -> Value {
    let mut resources = Vec::new();
    for served in &version.resources {
        let mut entry = json!({
            "name": served.resource,
            "singularName": served.singular,
            "namespaced": served.namespaced,
            "kind": served.kind,
            "verbs": served.verbs,
        });
        if !served.short_names.is_empty() {
            entry["shortNames"] = json!(served.short_names);
        }
        if !served.categories.is_empty() {
            entry["categories"] = json!(served.categories);
        }
        if let Some(hash) = storage_version_hash(served) {
            entry["storageVersionHash"] = hash.into();
        }
        resources.push(entry);
        for sub in subresources(served) {
            let mut entry = json!({
                "name": format!("{}/{}", served.resource, sub.name),
                "singularName": "",
                "namespaced": served.namespaced,
                "kind": sub.kind,
                "verbs": sub.verbs,
            });
            if !sub.group.is_empty() {
                entry["group"] = json!(sub.group);
            }
            if !sub.version.is_empty() {
                entry["version"] = json!(sub.version);
            }
            resources.push(entry);
        }
    }
    let mut document =
        json!({"kind": "APIResourceList", "groupVersion": group.group_version(version), "resources": resources});
    // The core group's document is older than the field.
    if !group.name.is_empty() {
        document["apiVersion"] = "v1".into();
    }
    document
}
