//! The aggregated discovery document: groups, versions and resources at once, joined from one piece per resource.

use crate::discovery::groups::{Group, subresources};
use crate::registry::Served;
use serde_json::{Value, json};

/// `/api` for the core group, `/apis` for the others. Resources are described once and copied from then on.
pub fn document<'a>(groups: impl Iterator<Item = &'a Group<'a>>) -> Vec<u8> {
    let mut out = String::from(r#"{"apiVersion":"apidiscovery.k8s.io/v2","items":["#);
    let mut first = true;
    for group in groups.filter(|group| !group.versions.is_empty()) {
        if !std::mem::take(&mut first) {
            out.push(',');
        }
        describe(&mut out, group);
    }
    out.push_str(r#"],"kind":"APIGroupDiscoveryList","metadata":{}}"#);
    out.into_bytes()
}

fn describe(out: &mut String, group: &Group<'_>) {
    out.push_str(r#"{"metadata":{"#);
    if !group.name.is_empty() {
        // Names of groups and versions need no escapes.
        out.push_str(&format!(r#""name":"{}""#, group.name));
    }
    out.push_str(r#"},"versions":["#);
    for (index, version) in group.versions.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        out.push_str(r#"{"freshness":"Current","resources":["#);
        for (index, served) in version.resources.iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            out.push_str(served.described.get_or_init(|| resource(served).to_string().into()));
        }
        out.push_str(&format!(r#"],"version":"{}"}}"#, version.name));
    }
    out.push_str("]}");
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
