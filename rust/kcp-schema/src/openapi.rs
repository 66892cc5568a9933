//! Schemas of custom resources as the OpenAPI documents publish them.
//!
//! Version 3 says everything. Version 2 is read by clients that stumble over much of it, so what they would misread is
//! left out: combinators, defaults, and the inside of what may hold unknown fields or null.

use serde_json::{Map, Value, json};

const API_VERSION: &str = "APIVersion defines the versioned schema of this representation of an object. Servers should \
                           convert recognized schemas to the latest internal value, and may reject unrecognized values. \
                           More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#resources";
const KIND: &str = "Kind is a string value representing the REST resource this object represents. Servers may infer this \
                    from the endpoint the client submits requests to. Cannot be updated. In CamelCase. More info: \
                    https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#types-kinds";
const EMBEDDED_API_VERSION: &str = "apiVersion defines the versioned schema of this representation of an object. More info: \
                                    https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#resources";
const EMBEDDED_KIND: &str = "kind is a string value representing the type of this object. In CamelCase. More info: \
                             https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#types-kinds";
const METADATA: &str = "Standard object's metadata. More info: \
                        https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata";
const LIST_METADATA: &str = "Standard list metadata. More info: \
                             https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#types-kinds";
const OBJECT_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";
const LIST_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta";

/// What is published of one version of a custom resource.
#[derive(Clone, Copy, Debug)]
pub struct Resource<'r> {
    /// API group.
    pub group: &'r str,
    /// The version.
    pub version: &'r str,
    /// The kind of an object.
    pub kind: &'r str,
    /// The kind of a list.
    pub list_kind: &'r str,
    /// The resource.
    pub plural: &'r str,
    /// `openAPIV3Schema` as written in the CRD.
    pub schema: Option<&'r Value>,
    /// `selectableFields` as written in the CRD.
    pub selectable_fields: &'r [Value],
}

/// The schemas of a resource and its list with the names under which documents hold them.
#[derive(Clone, Debug, PartialEq)]
pub struct Published {
    /// `com.example.v1.Cowboy`
    pub name: String,
    /// The schema of an object.
    pub schema: Value,
    /// `com.example.v1.CowboyList`
    pub list_name: String,
    /// The schema of a list.
    pub list: Value,
}

/// The name under which a kind's schema stands: the group's words reversed, version, kind.
pub fn definition_name(group: &str, version: &str, kind: &str) -> String {
    // The group without a name is called as in the names of definitions.
    let group = if group.is_empty() { "core" } else { group };
    let group: Vec<&str> = group.split('.').rev().collect();
    format!("{}.{version}.{kind}", group.join("."))
}

/// The component schemas of an OpenAPI 3 document.
pub fn publish_v3(resource: &Resource<'_>) -> Published {
    publish(resource, Dialect::V3)
}

/// The definitions of an OpenAPI 2 document.
pub fn publish_v2(resource: &Resource<'_>) -> Published {
    publish(resource, Dialect::V2)
}

#[derive(Clone, Copy, PartialEq)]
enum Dialect {
    V2,
    V3,
}

impl Dialect {
    fn reference(self, name: &str) -> Value {
        match self {
            Dialect::V2 => json!({"$ref": format!("#/definitions/{name}")}),
            Dialect::V3 => json!({"$ref": format!("#/components/schemas/{name}")}),
        }
    }

    /// A reference with a description; beside `$ref` version 3 reads nothing, so there it is wrapped.
    fn described(self, name: &str, description: &str) -> Value {
        match self {
            Dialect::V2 => {
                let mut reference = self.reference(name);
                reference["description"] = description.into();
                reference
            }
            Dialect::V3 => json!({"description": description, "allOf": [self.reference(name)]}),
        }
    }
}

fn publish(resource: &Resource<'_>, dialect: Dialect) -> Published {
    let name = definition_name(resource.group, resource.version, resource.kind);
    let preserves = |schema: &Value| flag(schema, "x-kubernetes-preserve-unknown-fields");
    let mut schema = match resource.schema.filter(|schema| schema.is_object()) {
        None => json!({"type": "object"}),
        Some(schema) if dialect == Dialect::V2 && preserves(schema) => json!({"type": "object"}),
        Some(schema) => {
            let mut out = convert(schema, dialect);
            let properties = object(&mut out, "properties");
            properties.insert("apiVersion".into(), json!({"type": "string", "description": API_VERSION}));
            properties.insert("kind".into(), json!({"type": "string", "description": KIND}));
            properties.insert("metadata".into(), dialect.described(OBJECT_META, METADATA));
            out
        }
    };
    let gvk = |kind: &str| json!([{"group": resource.group, "version": resource.version, "kind": kind}]);
    let mut list = json!({
        "type": "object",
        "description": format!("{} is a list of {}", resource.list_kind, resource.kind),
        "required": ["items"],
        "properties": {
            "apiVersion": {"type": "string", "description": API_VERSION},
            "kind": {"type": "string", "description": KIND},
            "metadata": dialect.described(LIST_META, LIST_METADATA),
            "items": {
                "type": "array",
                "description": format!(
                    "List of {}. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md",
                    resource.plural
                ),
                "items": dialect.reference(&name),
            },
        },
    });
    schema["x-kubernetes-group-version-kind"] = gvk(resource.kind);
    list["x-kubernetes-group-version-kind"] = gvk(resource.list_kind);
    let fields: Vec<Value> = resource
        .selectable_fields
        .iter()
        .filter_map(|field| field.get("jsonPath")?.as_str())
        .map(|path| json!({"fieldPath": path.strip_prefix('.').unwrap_or(path)}))
        .collect();
    if !fields.is_empty() {
        schema["x-kubernetes-selectable-fields"] = fields.clone().into();
        list["x-kubernetes-selectable-fields"] = fields.into();
    }
    let list_name = definition_name(resource.group, resource.version, resource.list_kind);
    Published { name, schema, list_name, list }
}

fn flag(schema: &Value, key: &str) -> bool {
    schema.get(key).and_then(Value::as_bool).unwrap_or_default()
}

/// The object under a key, made if need be.
fn object<'v>(value: &'v mut Value, key: &str) -> &'v mut Map<String, Value> {
    let entry = &mut value[key];
    if !entry.is_object() {
        *entry = json!({});
    }
    match entry {
        Value::Object(map) => map,
        _ => unreachable!("made an object above"),
    }
}

fn convert(schema: &Value, dialect: Dialect) -> Value {
    let Value::Object(map) = schema else { return schema.clone() };
    let v2 = dialect == Dialect::V2;
    let nullable = v2 && flag(schema, "nullable");
    let preserves = flag(schema, "x-kubernetes-preserve-unknown-fields");
    let hides_inside = nullable || v2 && preserves;
    let mut out = Map::new();
    for (key, value) in map {
        let kept = match key.as_str() {
            "allOf" | "anyOf" | "oneOf" | "not" | "nullable" | "default" if v2 => None,
            "items" | "properties" if hides_inside => None,
            "type" if nullable || v2 && preserves && value == "object" => None,
            "items" | "additionalProperties" => Some(convert(value, dialect)),
            "properties" => {
                let properties = value.as_object().into_iter().flatten();
                Some(properties.map(|(name, property)| (name.clone(), convert(property, dialect))).collect())
            }
            "required" if v2 => required(schema, value, hides_inside),
            _ => Some(value.clone()),
        };
        if let Some(kept) = kept {
            out.insert(key.clone(), kept);
        }
    }
    if v2 && out.get("type").is_some_and(|kind| kind == "array") && !out.contains_key("items") {
        out.remove("type");
    }
    if !v2 && flag(schema, "x-kubernetes-int-or-string") {
        unfold_int_or_string(&mut out);
    }
    let mut out = Value::Object(out);
    if flag(schema, "x-kubernetes-embedded-resource") && !(v2 && preserves) {
        embed(&mut out, dialect);
    }
    out
}

/// What stays required: a field that may be null need not be there.
fn required(schema: &Value, required: &Value, hides_inside: bool) -> Option<Value> {
    if schema.get("additionalProperties").is_some_and(|extra| flag(extra, "nullable")) {
        return None;
    }
    let properties = schema.get("properties").filter(|_| !hides_inside);
    let kept: Vec<Value> = required
        .as_array()
        .into_iter()
        .flatten()
        .filter(|name| {
            let property = name.as_str().and_then(|name| properties?.get(name));
            !property.is_some_and(|property| flag(property, "nullable"))
        })
        .cloned()
        .collect();
    (!kept.is_empty()).then(|| kept.into())
}

/// Spells out that a value is an integer or a string, unless the schema does.
fn unfold_int_or_string(schema: &mut Map<String, Value>) {
    let both = json!([{"type": "integer"}, {"type": "string"}]);
    if schema.get("anyOf") == Some(&both) {
        return;
    }
    let first = schema.get("allOf").and_then(|all| all.get(0)).and_then(|first| first.get("anyOf"));
    if first == Some(&both) {
        return;
    }
    if !schema.contains_key("anyOf") {
        schema.insert("anyOf".to_owned(), both);
        return;
    }
    let all = schema.entry("allOf").or_insert_with(|| json!([]));
    if let Value::Array(all) = all {
        all.insert(0, json!({"anyOf": both}));
    }
}

fn embed(schema: &mut Value, dialect: Dialect) {
    let properties = object(schema, "properties");
    properties.insert("apiVersion".into(), json!({"type": "string", "description": EMBEDDED_API_VERSION}));
    properties.insert("kind".into(), json!({"type": "string", "description": EMBEDDED_KIND}));
    properties.insert("metadata".into(), dialect.described(OBJECT_META, METADATA));
    let required = &mut schema["required"];
    if !required.is_array() {
        *required = json!([]);
    }
    if let Value::Array(required) = required {
        for name in ["kind", "apiVersion"] {
            if !required.iter().any(|other| other == name) {
                required.push(name.into());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn publish_both(schema: &Value) -> (Value, Value) {
        let resource = Resource {
            group: "example.com",
            version: "v1",
            kind: "Cowboy",
            list_kind: "CowboyList",
            plural: "cowboys",
            schema: Some(schema),
            selectable_fields: &[],
        };
        (publish_v2(&resource).schema, publish_v3(&resource).schema)
    }

    #[test]
    fn version_2_leaves_out_what_its_readers_misread() {
        let (v2, v3) = publish_both(&json!({
            "type": "object",
            "required": ["spec"],
            "properties": {
                "spec": {
                    "type": "object",
                    "required": ["a", "b"],
                    "properties": {
                        "a": {"type": "string", "nullable": true, "default": "x"},
                        "b": {"x-kubernetes-int-or-string": true, "description": "either"},
                        "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true,
                                 "properties": {"known": {"type": "string"}}},
                        "list": {"type": "array", "x-kubernetes-preserve-unknown-fields": true,
                                 "items": {"type": "string"}},
                        "one": {"type": "string", "oneOf": [{"minLength": 1}], "pattern": "a"},
                    },
                },
            },
        }));
        assert_eq!(
            v2["properties"]["spec"],
            json!({
                "type": "object",
                "required": ["b"],
                "properties": {
                    "a": {},
                    "b": {"x-kubernetes-int-or-string": true, "description": "either"},
                    "free": {"x-kubernetes-preserve-unknown-fields": true},
                    "list": {"x-kubernetes-preserve-unknown-fields": true},
                    "one": {"type": "string", "pattern": "a"},
                },
            })
        );
        let spec = &v3["properties"]["spec"]["properties"];
        assert_eq!(spec["a"], json!({"type": "string", "nullable": true, "default": "x"}));
        assert_eq!(spec["b"]["anyOf"], json!([{"type": "integer"}, {"type": "string"}]));
        assert_eq!(spec["one"]["oneOf"], json!([{"minLength": 1}]));
    }

    #[test]
    fn a_root_that_preserves_unknown_fields_is_any_object_in_version_2() {
        let (v2, v3) = publish_both(&json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true}));
        assert!(v2.get("properties").is_none());
        assert_eq!(v2["type"], "object");
        assert!(v3["properties"]["metadata"].is_object());
    }

    #[test]
    fn embedded_resources_get_their_type_fields() {
        let (v2, _) = publish_both(&json!({"type": "object", "properties": {
            "pod": {"type": "object", "x-kubernetes-embedded-resource": true, "properties": {"x": {"type": "string"}}},
        }}));
        let pod = &v2["properties"]["pod"];
        assert_eq!(pod["required"], json!(["kind", "apiVersion"]));
        assert!(pod["properties"]["metadata"]["$ref"].is_string());
    }

    #[test]
    fn names_reverse_the_group() {
        assert_eq!(definition_name("stable.example.com", "v1", "Cowboy"), "com.example.stable.v1.Cowboy");
    }
}
