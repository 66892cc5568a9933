//! Definitions of the built-in kinds, as the build wrote them; each is parsed when it is first asked for.

use serde_json::Value;
use std::sync::OnceLock;

include!(concat!(env!("OUT_DIR"), "/definitions.rs"));

static PARSED: [OnceLock<Value>; TEXTS.len()] = [const { OnceLock::new() }; TEXTS.len()];

/// A definition in its OpenAPI v3 form by its name, e.g. `io.k8s.api.core.v1.ConfigMap`. References in it read
/// `#/components/schemas/NAME`.
pub fn definition(name: &str) -> Option<&'static Value> {
    let index = TEXTS.binary_search_by(|(known, _)| (*known).cmp(name)).ok()?;
    let parse = || serde_json::from_str(TEXTS[index].1).unwrap_or_default();
    Some(PARSED[index].get_or_init(parse))
}

/// The description of a field of a kind that is not built in but well known, e.g. `io.k8s.api.core.v1.PodSpec.nodeName`.
pub fn description(field: &str) -> Option<&'static str> {
    let index = DESCRIBED.binary_search_by(|(known, _)| (*known).cmp(field)).ok()?;
    Some(DESCRIBED[index].1)
}

/// The names of all definitions, sorted.
pub fn names() -> impl Iterator<Item = &'static str> {
    TEXTS.iter().map(|(name, _)| *name)
}

/// The JSON of a definition.
pub(super) fn text(name: &str) -> Option<&'static str> {
    let index = TEXTS.binary_search_by(|(known, _)| (*known).cmp(name)).ok()?;
    Some(TEXTS[index].1)
}

/// The name that a schema refers to, directly or through a lone `allOf`.
pub fn reference(schema: &Value) -> Option<&str> {
    let target = match schema.get("allOf").and_then(Value::as_array).map(Vec::as_slice) {
        Some([only]) => only.get("$ref"),
        _ => schema.get("$ref"),
    };
    target?.as_str()?.rsplit('/').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(object) => {
                for (key, value) in object {
                    match (key.as_str(), value) {
                        ("$ref", Value::String(target)) => found.push(target),
                        _ => references(value, found),
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }

    #[test]
    fn every_reference_leads_to_a_definition() {
        for name in names() {
            let mut found = Vec::new();
            references(definition(name).unwrap(), &mut found);
            for target in found {
                let target = target.strip_prefix("#/components/schemas/").unwrap();
                assert!(definition(target).is_some(), "{name} → {target}");
            }
        }
    }

    #[test]
    fn definitions_carry_what_patches_and_validation_need() {
        let meta = definition("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta").unwrap();
        assert_eq!(meta["properties"]["ownerReferences"]["x-kubernetes-patch-merge-key"], "uid");
        assert_eq!(meta["properties"]["creationTimestamp"]["format"], Value::Null);
        let map = definition("io.k8s.api.core.v1.ConfigMap").unwrap();
        assert_eq!(map.get("required"), None);
        assert_eq!(map["x-kubernetes-group-version-kind"][0]["kind"], "ConfigMap");
        assert_eq!(reference(&map["properties"]["metadata"]), Some("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"));
        assert!(definition("io.k8s.api.core.v1.Nope").is_none());
    }
}
