//! Merge keys of native kinds: for strategic merge patches, and as OpenAPI documents tell clients.

use crate::protobuf;
use kcp_apimachinery::patch::StrategicSchema;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::OnceLock;

/// How a field merges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rule {
    /// As in `x-kubernetes-patch-strategy`.
    strategy: &'static str,
    /// As in `x-kubernetes-patch-merge-key`; empty for none.
    key: &'static str,
}

/// The merge rules of a kind by the name of its definition.
pub fn schema(definition: &str) -> StrategicSchema {
    let mut schema = StrategicSchema::new();
    for (field, below) in protobuf::fields(definition) {
        let below = below.map_or_else(StrategicSchema::new, self::schema);
        match rule(definition, field) {
            Some(Rule { strategy, key: "" }) if strategy.split(',').any(|word| word == "merge") => {
                schema = schema.merge_values(field);
            }
            Some(Rule { strategy, key }) if strategy.split(',').any(|word| word == "merge") => {
                schema = schema.merge_by_key(field, key, below);
            }
            _ if below.is_empty() => {}
            _ => schema = schema.below(field, below),
        }
    }
    schema
}

/// Adds to a published schema how its lists merge.
pub fn annotate(schema: &mut Value, definition: &str) {
    let fields = protobuf::fields(definition);
    let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) else { return };
    for (name, property) in properties {
        let Some(below) = fields.get(name.as_str()) else { continue };
        if let (Some(Rule { strategy, key }), Some(property)) = (rule(definition, name), property.as_object_mut()) {
            property.insert("x-kubernetes-patch-strategy".into(), strategy.into());
            if !key.is_empty() {
                property.insert("x-kubernetes-patch-merge-key".into(), key.into());
            }
        }
        let Some(below) = below else { continue };
        let inside = ["items", "additionalProperties"].into_iter().find(|key| property.get(key).is_some());
        match inside {
            Some(key) => annotate(&mut property[key], below),
            None => annotate(property, below),
        }
    }
}

/// The rule of a field. Fields of an embedded message have that message's rules.
fn rule(definition: &str, field: &str) -> Option<Rule> {
    static RULES: OnceLock<HashMap<(&str, &str), Rule>> = OnceLock::new();
    let rules = RULES.get_or_init(|| parse(include_str!("merge.txt")));
    let own = rules.get(&(definition, field)).copied();
    own.or_else(|| protobuf::embedded(definition).find_map(|inner| rule(inner, field)))
}

fn parse(text: &'static str) -> HashMap<(&'static str, &'static str), Rule> {
    let mut rules = HashMap::new();
    let mut definition = "";
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let Some(line) = line.strip_prefix("  ") else {
            definition = line;
            continue;
        };
        let mut words = line.split(' ');
        if let (Some(field), Some(strategy)) = (words.next(), words.next()) {
            rules.insert((definition, field), Rule { strategy, key: words.next().unwrap_or_default() });
        }
    }
    rules
}

#[cfg(test)]
mod tests {
    use super::*;
    use kcp_apimachinery::patch::StrategicPatch;
    use serde_json::json;

    /// kube-api 3.7.5: lists with merge keys merge.
    #[test]
    fn containers_merge_by_name_and_their_ports_by_port() {
        let mut object = json!({"spec": {"template": {"spec": {"containers": [
            {"name": "a", "image": "1", "ports": [{"containerPort": 80, "name": "web"}], "args": ["x"]},
            {"name": "b", "image": "1"}]}}}});
        let patch = json!({"spec": {"template": {"spec": {"containers": [
            {"name": "a", "image": "2", "ports": [{"containerPort": 81}], "args": ["y"]}]}}}});
        let patch = StrategicPatch::parse(patch.to_string().as_bytes()).unwrap();
        patch.apply(&mut object, &schema("io.k8s.api.apps.v1.Deployment")).unwrap();
        let containers = &object["spec"]["template"]["spec"]["containers"];
        assert_eq!(containers[0]["image"], "2");
        assert_eq!(containers[0]["args"], json!(["y"]));
        assert_eq!(containers[0]["ports"].as_array().unwrap().len(), 2);
        assert_eq!(containers[1], json!({"name": "b", "image": "1"}));
    }

    #[test]
    fn published_schemas_tell_how_lists_merge() {
        let list = |inner: Value| json!({"type": "array", "items": {"type": "object", "properties": inner}});
        let mut schema = json!({"properties": {"spec": {"properties": {"containers": list(json!({"env": list(json!({}))})),
            "volumes": list(json!({})), "odd": {"type": "string"}}}}});
        annotate(&mut schema, "io.k8s.api.core.v1.Pod");
        let spec = &schema["properties"]["spec"]["properties"];
        assert_eq!(spec["containers"]["x-kubernetes-patch-merge-key"], "name");
        assert_eq!(spec["containers"]["items"]["properties"]["env"]["x-kubernetes-patch-strategy"], "merge");
        assert_eq!(spec["volumes"]["x-kubernetes-patch-strategy"], "merge,retainKeys");
        assert_eq!(spec["odd"], json!({"type": "string"}));
    }

    #[test]
    fn every_rule_is_about_a_field_there_is() {
        for (definition, field) in parse(include_str!("merge.txt")).keys() {
            assert!(protobuf::fields(definition).contains_key(field), "{definition}.{field}");
        }
    }
}
