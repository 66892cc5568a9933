//! Objects as protobuf, for those who ask for it: the reverse of decoding, from the JSON form of an object.
//!
//! A value that is there is written, also when it is zero: Go's pointers tell the two apart. Lists and maps without
//! entries are nothing in protobuf.

use super::messages::{Cardinality, Field, Type, message};
use super::{EXTENSIONS, MAGIC, definition};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use serde_json::Value;

/// Why an object cannot be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// Its kind has no messages.
    #[error("no kind {kind:?} of {api_version:?} has a protobuf form")]
    Kind {
        /// Kind.
        kind: String,
        /// API version.
        api_version: String,
    },
    /// A field holds something else than its kind's messages can say.
    #[error("the value of field {0:?} has no protobuf form")]
    Value(String),
}

/// Whether objects of a kind can be written.
pub fn is_known(api_version: &str, kind: &str) -> bool {
    message(&definition(api_version, kind)).is_some()
}

/// An object in its envelope, by its own `apiVersion` and `kind`.
///
/// # Errors
/// When the kind has no messages, or a value does not fit them.
pub fn encode(object: &Value) -> Result<Vec<u8>, EncodeError> {
    let text = |field: &str| object.get(field).and_then(Value::as_str).unwrap_or_default();
    let (api_version, kind) = (text("apiVersion"), text("kind"));
    let fields = message(&definition(api_version, kind))
        .ok_or_else(|| EncodeError::Kind { kind: kind.to_owned(), api_version: api_version.to_owned() })?;
    let mut out = Vec::with_capacity(512);
    out.extend_from_slice(MAGIC);
    nested(&mut out, 1, |out| {
        bytes(out, 1, api_version.as_bytes());
        bytes(out, 2, kind.as_bytes());
        Ok(())
    })?;
    nested(&mut out, 2, |out| encode_message(out, object, fields))?;
    bytes(&mut out, 3, b"");
    bytes(&mut out, 4, b"");
    Ok(out)
}

/// One event of a watch: its length in four bytes, big-endian, then what happened and the object in its envelope.
///
/// # Errors
/// As [`encode`].
pub fn frame(what: &str, object: &Value) -> Result<Vec<u8>, EncodeError> {
    let object = encode(object)?;
    let mut out = Vec::with_capacity(object.len() + 32);
    out.extend_from_slice(&[0; 4]);
    bytes(&mut out, 1, what.as_bytes());
    nested(&mut out, 2, |out| {
        bytes(out, 1, &object);
        Ok(())
    })?;
    // Objects are bounded far below four gigabytes.
    let length = u32::try_from(out.len() - 4).unwrap_or(u32::MAX);
    out[..4].copy_from_slice(&length.to_be_bytes());
    Ok(out)
}

fn encode_message(out: &mut Vec<u8>, object: &Value, fields: &[Field]) -> Result<(), EncodeError> {
    for field in fields {
        // The fields of an embedded message stand among the others.
        let value = if field.name == "*" { Some(object) } else { object.get(field.name) };
        let Some(value) = value.filter(|value| !value.is_null()) else { continue };
        match (field.cardinality, value) {
            (Cardinality::One, value) => encode_value(out, field.number, value, field)?,
            (Cardinality::List, Value::Array(items)) => {
                for item in items {
                    encode_value(out, field.number, item, field)?;
                }
            }
            (Cardinality::Map, Value::Object(entries)) => {
                for (key, value) in entries {
                    nested(out, field.number, |out| {
                        bytes(out, 1, key.as_bytes());
                        encode_value(out, 2, value, field)
                    })?;
                }
            }
            _ => return Err(unfit(field)),
        }
    }
    Ok(())
}

fn encode_value(out: &mut Vec<u8>, number: u64, value: &Value, field: &Field) -> Result<(), EncodeError> {
    match (field.kind, value) {
        (Type::Text, Value::String(text)) => bytes(out, number, text.as_bytes()),
        (Type::Bytes, Value::String(text)) => {
            let decoded = BASE64_STANDARD.decode(text).map_err(|_| unfit(field))?;
            bytes(out, number, &decoded);
        }
        (Type::Bool, Value::Bool(truth)) => integer(out, number, i64::from(*truth)),
        (Type::Int, Value::Number(given)) => integer(out, number, whole(given).ok_or_else(|| unfit(field))?),
        (Type::Double, Value::Number(given)) => {
            varint(out, number << 3 | 1);
            out.extend_from_slice(&given.as_f64().unwrap_or_default().to_le_bytes());
        }
        (Type::Time | Type::MicroTime, Value::String(text)) => {
            let time: Timestamp = text.parse().map_err(|_| unfit(field))?;
            nested(out, number, |out| {
                integer(out, 1, time.as_second());
                integer(out, 2, i64::from(time.subsec_nanosecond()));
                Ok(())
            })?;
        }
        (Type::Raw, value) => nested(out, number, |out| {
            bytes(out, 1, value.to_string().as_bytes());
            Ok(())
        })?,
        (Type::Strings, Value::Array(items)) => nested(out, number, |out| {
            for item in items {
                bytes(out, 1, item.as_str().ok_or_else(|| unfit(field))?.as_bytes());
            }
            Ok(())
        })?,
        (Type::Quantity, Value::String(text)) => quantity(out, number, text)?,
        (Type::Quantity, Value::Number(given)) => quantity(out, number, &given.to_string())?,
        (Type::IntOrString, Value::Number(given)) => {
            let given = whole(given).ok_or_else(|| unfit(field))?;
            nested(out, number, |out| {
                integer(out, 1, 0);
                integer(out, 2, given);
                bytes(out, 3, b"");
                Ok(())
            })?;
        }
        (Type::IntOrString, Value::String(text)) => nested(out, number, |out| {
            integer(out, 1, 1);
            integer(out, 2, 0);
            bytes(out, 3, text.as_bytes());
            Ok(())
        })?,
        (Type::Message(name), value) => nested(out, number, |out| either(out, name, value, field))?,
        _ => return Err(unfit(field)),
    }
    Ok(())
}

/// A message; what may be one of two things in JSON is a message with a field for each.
fn either(out: &mut Vec<u8>, name: &str, value: &Value, field: &Field) -> Result<(), EncodeError> {
    let fields = message(name).unwrap_or_default();
    let part = |out: &mut Vec<u8>, part: &str, value: &Value| {
        let Some(field) = fields.iter().find(|field| field.name == part) else { return Err(unfit(field)) };
        match (field.cardinality, value) {
            (Cardinality::List, Value::Array(items)) => {
                items.iter().try_for_each(|item| encode_value(out, field.number, item, field))
            }
            _ => encode_value(out, field.number, value, field),
        }
    };
    match (name.strip_prefix(EXTENSIONS), value) {
        (Some(".v1.JSONSchemaPropsOrBool"), Value::Bool(_)) => part(out, "allows", value),
        (Some(".v1.JSONSchemaPropsOrBool"), value) => {
            part(out, "allows", &Value::Bool(true))?;
            part(out, "schema", value)
        }
        (Some(".v1.JSONSchemaPropsOrArray"), Value::Array(_)) => part(out, "jSONSchemas", value),
        (Some(".v1.JSONSchemaPropsOrStringArray"), Value::Array(_)) => part(out, "property", value),
        (Some(".v1.JSONSchemaPropsOrArray" | ".v1.JSONSchemaPropsOrStringArray"), value) => part(out, "schema", value),
        (_, Value::Object(_)) => encode_message(out, value, fields),
        _ => Err(unfit(field)),
    }
}

fn quantity(out: &mut Vec<u8>, number: u64, text: &str) -> Result<(), EncodeError> {
    nested(out, number, |out| {
        bytes(out, 1, text.as_bytes());
        Ok(())
    })
}

fn whole(number: &serde_json::Number) -> Option<i64> {
    number.as_i64().or_else(|| number.as_f64().filter(|float| float.fract() == 0.0).map(|float| float as i64))
}

fn unfit(field: &Field) -> EncodeError {
    EncodeError::Value(field.name.to_owned())
}

/// Appends a number as protobuf writes it: seven bits a byte, the lowest first.
pub(crate) fn varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn integer(out: &mut Vec<u8>, number: u64, value: i64) {
    varint(out, number << 3);
    varint(out, value.cast_unsigned());
}

fn bytes(out: &mut Vec<u8>, number: u64, value: &[u8]) {
    varint(out, number << 3 | 2);
    varint(out, value.len() as u64);
    out.extend_from_slice(value);
}

/// A message within a message: its length goes in front once it is known.
fn nested(
    out: &mut Vec<u8>,
    number: u64,
    write: impl FnOnce(&mut Vec<u8>) -> Result<(), EncodeError>,
) -> Result<(), EncodeError> {
    varint(out, number << 3 | 2);
    let start = out.len();
    // Most messages are short: one byte is kept for the length, and more are made room for when it is not enough.
    out.push(0);
    write(out)?;
    let length = out.len() - start - 1;
    if length < 0x80 {
        out[start] = length as u8;
        return Ok(());
    }
    let mut prefix = Vec::with_capacity(5);
    varint(&mut prefix, length as u64);
    out.splice(start..=start, prefix);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protobuf::decode;
    use serde_json::json;

    /// kube-api 2.6: what is written is what is read.
    #[test]
    fn objects_come_back_as_they_were_written() {
        for object in [
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "labels": {"x": ""},
                "creationTimestamp": "2026-01-02T03:04:05Z", "generation": 3,
                "managedFields": [{"manager": "m", "operation": "Apply", "fieldsV1": {"f:data": {".": {}}}}]},
                "data": {"k": "v", "e": ""}, "binaryData": {"b": "AP8="}, "immutable": false}),
            json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
                "spec": {"leaseDurationSeconds": 0, "renewTime": "2026-01-02T03:04:05.000007Z"}}),
            json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"},
                "spec": {"replicas": 0, "selector": {"matchLabels": {"a": "b"}},
                    "strategy": {"rollingUpdate": {"maxSurge": "25%", "maxUnavailable": 1}},
                    "template": {"metadata": {}, "spec": {
                        "containers": [{"name": "c", "image": "i", "resources": {"limits": {"cpu": "100m"}},
                            "livenessProbe": {"httpGet": {"path": "/", "port": "http"}, "periodSeconds": 5},
                            "env": [{"name": "E", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]}],
                        "volumes": [{"name": "v", "emptyDir": {}}]}}}}),
            json!({"apiVersion": "v1", "kind": "PodList", "metadata": {"resourceVersion": "1"},
                "items": [{"metadata": {"name": "p"}, "spec": {"containers": []}}]}),
            json!({"apiVersion": "v1", "kind": "Service", "spec": {"ports": [{"port": 80, "targetPort": "web"}]}}),
        ] {
            let mut back = decode(&encode(&object).unwrap(), ("", "")).unwrap();
            // An empty list is none.
            if let Some(spec) = object.pointer("/items/0/spec") {
                *back.pointer_mut("/items/0/spec").unwrap() = spec.clone();
            }
            assert_eq!(back, object);
        }
    }

    #[test]
    fn schemas_or_something_else_are_written_as_what_they_are() {
        let schema = json!({"properties": {"a": {"items": {"type": "string"}, "additionalProperties": false},
            "b": {"additionalProperties": {"type": "object"}, "x-kubernetes-preserve-unknown-fields": true}},
            "minimum": 1.5, "default": {"x": [1]}, "enum": ["a", 1]});
        let object = json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "spec": {"versions": [{"name": "v1", "served": true, "storage": false,
                "schema": {"openAPIV3Schema": schema}}]}});
        let back = decode(&encode(&object).unwrap(), ("", "")).unwrap();
        let read = back.pointer("/spec/versions/0/schema/openAPIV3Schema").unwrap();
        for pointer in [
            "/properties/a/items/type",
            "/properties/a/additionalProperties",
            "/minimum",
            "/default",
            "/enum",
            "/properties/b/additionalProperties/type",
            "/properties/b/x-kubernetes-preserve-unknown-fields",
        ] {
            assert_eq!(read.pointer(pointer), schema.pointer(pointer), "{pointer}");
        }
    }

    /// kube-api 2.17: a frame is its length, then the event.
    #[test]
    fn a_frame_says_its_length() {
        let frame = frame("ADDED", &json!({"apiVersion": "v1", "kind": "Status", "code": 410})).unwrap();
        let length = u32::from_be_bytes(frame[..4].try_into().unwrap()) as usize;
        assert_eq!(length, frame.len() - 4);
        assert_eq!(&frame[4..11], b"\x0a\x05ADDED");
        assert!(frame.windows(4).any(|window| window == MAGIC));
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"k": 1}});
        assert_eq!(encode(&object), Err(EncodeError::Value("data".into())));
        let object = json!({"apiVersion": "example.com/v1", "kind": "Cowboy"});
        assert!(matches!(encode(&object), Err(EncodeError::Kind { .. })));
    }

    #[test]
    fn long_messages_have_long_lengths() {
        let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"k": "v".repeat(100_000)}});
        assert_eq!(decode(&encode(&object).unwrap(), ("", "")).unwrap(), object);
    }
}
