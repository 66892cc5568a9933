//! The aggregated discovery document: groups, versions and resources at once.

use crate::discovery::groups::{Group, subresources};
use crate::registry::Served;
use serde_json::{Value, json};

/// `/api` for the core group, `/apis` for the others.
pub fn document<'a>(groups: impl Iterator<Item = &'a Group<'a>>) -> Value {
    json!({
        "kind": "APIGroupDiscoveryList",
        "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {},
        "items": groups.filter(|group| !group.versions.is_empty()).map(describe).collect::<Vec<_>>(),
    })
}

fn describe(group: &Group<'_>) -> Value {
    let versions: Vec<Value> = group
        .versions
        .iter()
        .map(|version| {
            let resources: Vec<Value> = version.resources.iter().map(|served| resource(served)).collect();
            json!({"version": version.name, "resources": resources, "freshness": "Current"})
        })
        .collect();
    let metadata = if group.name.is_empty() { json!({}) } else { json!({"name": group.name}) };
    json!({"metadata": metadata, "versions": versions})
}

fn resource(served: &Served) -> Value {
    // Built-in resources leave out what equals the group and version they are listed under.
    let response_kind = |group: &str, version: &str, kind: &str| {
        let same = group.is_empty() && version.is_empty();
        let (group, version) = if same && served.is_custom() {
            (served.group.as_str(), served.version.as_str())
        } else {
            (group, version)
        };
        json!({"group": group, "version": version, "kind": kind})
    };
    let mut described = json!({
        "resource": served.resource,
        "responseKind": response_kind("", "", &served.kind),
        "scope": if served.namespaced { "Namespaced" } else { "Cluster" },
        "singularResource": served.singular,
        "verbs": served.verbs,
    });
    if !served.short_names.is_empty() {
        described["shortNames"] = json!(served.short_names);
    }
    if !served.categories.is_empty() {
        described["categories"] = json!(served.categories);
    }
    let subresources: Vec<Value> = subresources(served)
        .iter()
        .map(|sub| {
            json!({
                "subresource": sub.name,
                "responseKind": response_kind(&sub.group, &sub.version, &sub.kind),
                "verbs": sub.verbs,
            })
        })
        .collect();
    if !subresources.is_empty() {
        described["subresources"] = subresources.into();
    }
    described
}
