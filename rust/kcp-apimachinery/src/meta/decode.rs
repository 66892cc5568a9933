//! What a client sent as metadata, brought into the shape the server stores: wrong types are refused in Go's words,
//! unknown fields are dropped and named, empty fields are dropped, times are normalised.

use serde_json::{Map, Value};

use crate::time;

/// How Kubernetes decodes the object around the metadata, which shows in the words of its errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeStyle {
    /// A built-in kind, decoded as a whole into its type.
    BuiltIn,
    /// A custom resource, whose metadata is decoded by itself.
    Custom,
}

/// The type of a field, with what Go calls it.
#[derive(Clone, Copy)]
enum Type {
    /// A string; the name differs for types derived from it.
    Text(&'static str),
    Integer,
    Boolean,
    Time,
    TextMap,
    TextList,
    /// A list of structures: Go's name of the structure, its fields, and those that are printed when empty.
    Structs(&'static Struct),
    /// Kept as it is.
    Any,
}

struct Struct {
    name: &'static str,
    fields: &'static [(&'static str, Type)],
    /// Kubernetes prints these even when they are empty.
    always: &'static [&'static str],
}

const TEXT: Type = Type::Text("string");
const UID: Type = Type::Text("types.UID");

static OWNER_REFERENCE: Struct = Struct {
    name: "OwnerReference",
    fields: &[
        ("apiVersion", TEXT),
        ("blockOwnerDeletion", Type::Boolean),
        ("controller", Type::Boolean),
        ("kind", TEXT),
        ("name", TEXT),
        ("uid", UID),
    ],
    always: &["apiVersion", "kind", "name", "uid"],
};

static MANAGED_FIELDS_ENTRY: Struct = Struct {
    name: "ManagedFieldsEntry",
    fields: &[
        ("apiVersion", TEXT),
        ("fieldsType", TEXT),
        ("fieldsV1", Type::Any),
        ("manager", TEXT),
        ("operation", Type::Text("v1.ManagedFieldsOperationType")),
        ("subresource", TEXT),
        ("time", Type::Time),
    ],
    always: &[],
};

static OBJECT_META: Struct = Struct {
    name: "ObjectMeta",
    fields: &[
        ("annotations", Type::TextMap),
        ("creationTimestamp", Type::Time),
        ("deletionGracePeriodSeconds", Type::Integer),
        ("deletionTimestamp", Type::Time),
        ("finalizers", Type::TextList),
        ("generateName", TEXT),
        ("generation", Type::Integer),
        ("labels", Type::TextMap),
        ("managedFields", Type::Structs(&MANAGED_FIELDS_ENTRY)),
        ("name", TEXT),
        ("namespace", TEXT),
        ("ownerReferences", Type::Structs(&OWNER_REFERENCE)),
        ("resourceVersion", TEXT),
        ("selfLink", TEXT),
        ("uid", UID),
    ],
    always: &[],
};

/// Brings `object`'s metadata into the stored shape; a missing one becomes empty. Returns the paths of unknown fields,
/// which have been dropped, sorted: `metadata.foo`, `metadata.ownerReferences[0].bar`.
///
/// `kind` names the object's type in errors.
///
/// # Errors
/// Go's words for the first field of the wrong type, or a time that is none. The object is half converted then.
pub fn decode(object: &mut Value, kind: &str, style: DecodeStyle) -> Result<Vec<String>, String> {
    let Some(object) = object.as_object_mut() else {
        return Err(format!("json: cannot unmarshal {} into Go value of type v1.{kind}", describe(object)));
    };
    let metadata = object.entry("metadata").or_insert(Value::Null);
    if metadata.is_null() {
        *metadata = Value::Object(Map::new());
    }
    let Some(fields) = metadata.as_object_mut() else {
        let what = describe(metadata);
        return Err(match style {
            DecodeStyle::BuiltIn => {
                format!("json: cannot unmarshal {what} into Go struct field {kind}.metadata of type v1.ObjectMeta")
            }
            DecodeStyle::Custom => {
                format!("json: cannot unmarshal {what} into Go value of type v1.ObjectMeta")
            }
        });
    };
    let mut decoder = Decoder { unknown: Vec::new() };
    let go_path = if style == DecodeStyle::BuiltIn { "metadata" } else { "" };
    decoder.structure(fields, &OBJECT_META, go_path, "metadata")?;
    // Never printed by servers of today, and dropped when sent.
    fields.remove("selfLink");
    if fields.get("generation").and_then(Value::as_i64) == Some(0) {
        fields.remove("generation");
    }
    Ok(decoder.unknown)
}

struct Decoder {
    unknown: Vec<String>,
}

impl Decoder {
    /// `go_path` is the path in Go's errors, which has no indexes; `path` the one of unknown fields.
    fn structure(
        &mut self,
        map: &mut Map<String, Value>,
        ty: &'static Struct,
        go_path: &str,
        path: &str,
    ) -> Result<(), String> {
        let mut failure = None;
        map.retain(|name, value| {
            let Ok(at) = ty.fields.binary_search_by(|(known, _)| (*known).cmp(name)) else {
                self.unknown.push(format!("{path}.{name}"));
                return false;
            };
            if failure.is_some() {
                return true;
            }
            let field = Field { structure: ty, name: ty.fields[at].0, go_path };
            match self.field(value, ty.fields[at].1, &field, path) {
                Ok(empty) => !empty,
                Err(error) => {
                    failure = Some(error);
                    true
                }
            }
        });
        for name in ty.always {
            if !map.contains_key(*name) {
                map.insert((*name).to_owned(), Value::from(""));
            }
        }
        failure.map_or(Ok(()), Err)
    }

    /// Checks and rewrites one field. Returns whether it is empty, and so to be left out.
    fn field(&mut self, value: &mut Value, ty: Type, field: &Field<'_>, path: &str) -> Result<bool, String> {
        if value.is_null() {
            return Ok(true);
        }
        match ty {
            Type::Any => Ok(false),
            Type::Text(go) => match value {
                Value::String(s) => Ok(s.is_empty()),
                other => Err(field.wrong(&describe(other), go)),
            },
            Type::Integer => match value.as_i64() {
                Some(_) => Ok(false),
                None if value.is_number() => Err(field.wrong(&format!("number {value}"), "int64")),
                None => Err(field.wrong(&describe(value), "int64")),
            },
            Type::Boolean if value.is_boolean() => Ok(false),
            Type::Boolean => Err(field.wrong(&describe(value), "bool")),
            Type::Time => match value {
                Value::String(s) => {
                    *s = time::normalize(s)?;
                    Ok(false)
                }
                other => Err(field.wrong(&describe(other), "string")),
            },
            Type::TextMap => {
                let Value::Object(map) = value else {
                    return Err(field.wrong(&describe(value), "map[string]string"));
                };
                map.values_mut().try_for_each(|v| element(v, field))?;
                Ok(map.is_empty())
            }
            Type::TextList => {
                let Value::Array(list) = value else {
                    return Err(field.wrong(&describe(value), "[]string"));
                };
                list.iter_mut().try_for_each(|v| element(v, field))?;
                Ok(list.is_empty())
            }
            Type::Structs(ty) => {
                let go_list = || format!("[]v1.{}", ty.name);
                let Value::Array(list) = value else {
                    return Err(field.wrong(&describe(value), &go_list()));
                };
                let go_path = field.path();
                for (i, item) in list.iter_mut().enumerate() {
                    if item.is_null() {
                        *item = Value::Object(Map::new());
                    }
                    let Value::Object(map) = item else {
                        return Err(field.wrong(&describe(item), &go_list()[2..]));
                    };
                    self.structure(map, ty, &go_path, &format!("{path}.{}[{i}]", field.name))?;
                }
                Ok(list.is_empty())
            }
        }
    }
}

/// A text inside a map or list; `null` stands for the empty one.
fn element(value: &mut Value, field: &Field<'_>) -> Result<(), String> {
    match value {
        Value::String(_) => Ok(()),
        Value::Null => {
            *value = Value::from("");
            Ok(())
        }
        other => Err(field.wrong(&describe(other), "string")),
    }
}

/// Where a value stands, as Go tells it.
struct Field<'a> {
    structure: &'static Struct,
    name: &'static str,
    go_path: &'a str,
}

impl Field<'_> {
    fn path(&self) -> String {
        if self.go_path.is_empty() { self.name.to_owned() } else { format!("{}.{}", self.go_path, self.name) }
    }

    fn wrong(&self, what: &str, go_type: &str) -> String {
        let (structure, path) = (self.structure.name, self.path());
        format!("json: cannot unmarshal {what} into Go struct field {structure}.{path} of type {go_type}")
    }
}

fn describe(value: &Value) -> String {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn built_in(metadata: Value) -> Result<(Value, Vec<String>), String> {
        let mut object = json!({"metadata": metadata});
        let unknown = decode(&mut object, "ConfigMap", DecodeStyle::BuiltIn)?;
        Ok((object["metadata"].take(), unknown))
    }

    #[test]
    fn fields_of_known_structures_are_sorted() {
        for ty in [&OBJECT_META, &OWNER_REFERENCE, &MANAGED_FIELDS_ENTRY] {
            assert!(ty.fields.is_sorted_by_key(|(name, _)| *name), "{} is searched by halves", ty.name);
        }
    }

    #[test]
    fn metadata_takes_the_stored_shape() {
        for (name, sent, want) in [
            ("missing", json!(null), json!({})),
            (
                "empty fields",
                json!({"name": "", "labels": {}, "finalizers": [], "generation": 0, "creationTimestamp": null}),
                json!({}),
            ),
            ("null label", json!({"labels": {"a": null}}), json!({"labels": {"a": ""}})),
            ("link to itself", json!({"selfLink": "/x"}), json!({})),
            (
                "time",
                json!({"creationTimestamp": "2024-01-01T02:00:00.5+02:00"}),
                json!({"creationTimestamp": "2024-01-01T00:00:00Z"}),
            ),
            (
                "owner",
                json!({"ownerReferences": [{"uid": "u", "controller": null}]}),
                json!({"ownerReferences": [{"apiVersion": "", "kind": "", "name": "", "uid": "u"}]}),
            ),
            ("zero grace", json!({"deletionGracePeriodSeconds": 0}), json!({"deletionGracePeriodSeconds": 0})),
        ] {
            assert_eq!(built_in(sent).map(|(m, _)| m), Ok(want), "{name}");
        }
    }

    #[test]
    fn unknown_fields_are_named() {
        let (metadata, unknown) = built_in(json!({"name": "a", "zoo": 1, "foo": {},
            "ownerReferences": [{"uid": "u"}, {"uid": "v", "bar": 1}]}))
        .expect("decodes");
        assert_eq!(unknown, ["metadata.foo", "metadata.ownerReferences[1].bar", "metadata.zoo"]);
        assert!(metadata.get("foo").is_none());
    }

    #[test]
    fn wrong_types_are_refused_as_go_does() {
        for (sent, want) in [
            (
                json!({"name": 1}),
                "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.name of type string",
            ),
            (
                json!({"uid": true}),
                "json: cannot unmarshal bool into Go struct field ObjectMeta.metadata.uid of type types.UID",
            ),
            (
                json!({"generation": "1"}),
                "json: cannot unmarshal string into Go struct field ObjectMeta.metadata.generation of type int64",
            ),
            (
                json!({"generation": 1.5}),
                "json: cannot unmarshal number 1.5 into Go struct field ObjectMeta.metadata.generation of type int64",
            ),
            (
                json!({"labels": {"a": 1}}),
                "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.labels of type string",
            ),
            (
                json!({"labels": []}),
                "json: cannot unmarshal array into Go struct field ObjectMeta.metadata.labels of type map[string]string",
            ),
            (
                json!({"finalizers": "x"}),
                "json: cannot unmarshal string into Go struct field ObjectMeta.metadata.finalizers of type []string",
            ),
            (
                json!({"ownerReferences": [{"name": {}}]}),
                "json: cannot unmarshal object into Go struct field OwnerReference.metadata.ownerReferences.name of type string",
            ),
            (
                json!({"ownerReferences": [1]}),
                "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.ownerReferences of type v1.OwnerReference",
            ),
            (
                json!({"managedFields": {}}),
                "json: cannot unmarshal object into Go struct field ObjectMeta.metadata.managedFields of type []v1.ManagedFieldsEntry",
            ),
            (
                json!({"creationTimestamp": 1}),
                "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.creationTimestamp of type string",
            ),
            (
                json!({"creationTimestamp": "x"}),
                r#"parsing time "x" as "2006-01-02T15:04:05Z07:00": cannot parse "x" as "2006""#,
            ),
            (json!(7), "json: cannot unmarshal number into Go struct field ConfigMap.metadata of type v1.ObjectMeta"),
        ] {
            assert_eq!(built_in(sent.clone()), Err(want.to_owned()), "{sent}");
        }
        let mut custom = json!({"metadata": {"name": 1}});
        assert_eq!(
            decode(&mut custom, "Foo", DecodeStyle::Custom),
            Err("json: cannot unmarshal number into Go struct field ObjectMeta.name of type string".to_owned())
        );
    }
}
