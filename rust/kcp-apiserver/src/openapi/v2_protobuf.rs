//! The OpenAPI 2.0 document as protobuf, the only form in which kubectl asks for it: to look up kinds that the 3.0
//! documents do not know, and kinds that nobody can patch. Numbers are those of the published message definitions
//! (`openapi.v2.Document`).

use crate::openapi::fragment::{self, Fragment};
use crate::openapi::message::{Message, around};
use crate::openapi::v2::Parts;
use bytes::Bytes;
use serde_json::Value;
use std::sync::Arc;

/// What clients ask for, in both spellings.
pub const ACCEPTED: [&str; 2] = [
    "application/com.github.proto-openapi.spec.v2@v1.0+protobuf",
    "application/com.github.proto-openapi.spec.v2.v1.0+protobuf",
];

/// What answers say they are.
pub const CONTENT_TYPE: &str = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";

/// The pieces of a document as protobuf messages.
pub fn fragment(parts: &Parts) -> Fragment {
    let piece = |encode: fn(&Value) -> Message| {
        move |(name, value): &(String, Value)| {
            (name.clone(), fragment::exact(Message::of(name, &encode(value)).into_bytes()))
        }
    };
    Fragment {
        paths: parts.paths.iter().map(piece(path)).collect(),
        schemas: parts.definitions.iter().map(piece(schema)).collect(),
        ..Fragment::default()
    }
}

/// The document of some fragments, in pieces that share what the fragments hold.
pub fn document(fragments: &[Arc<Fragment>]) -> Vec<Bytes> {
    let all = || fragments.iter().map(|fragment| &**fragment);
    let mut head = Message::default();
    head.bytes(1, b"2.0");
    let mut info = Message::default();
    info.bytes(1, b"Kubernetes");
    info.bytes(2, crate::version::git_version().as_bytes());
    head.message(2, &info);
    let mut out = vec![Bytes::from(head.into_bytes())];
    for (field, entry, entries) in [(8, 2, fragment::paths(all())), (9, 1, fragment::schemas(all()))] {
        let mut named = Vec::with_capacity(2 * entries.len());
        for (_, piece) in entries {
            named.push(fragment::exact(Message::before(entry, piece.len()).into_bytes()));
            named.push(piece.clone());
        }
        let length = named.iter().map(Bytes::len).sum();
        out.push(Bytes::from(Message::before(field, length).into_bytes()));
        out.extend(named);
    }
    out
}

fn path(item: &Value) -> Message {
    let mut out = Message::default();
    let operations = ["get", "put", "post", "delete", "options", "head", "patch"];
    for (field, name) in (2..).zip(operations) {
        if let Some(value) = item.get(name) {
            out.message(field, &operation(value));
        }
    }
    parameters(&mut out, 9, &item["parameters"]);
    out.extensions(10, item);
    out
}

fn operation(operation: &Value) -> Message {
    let mut out = Message::default();
    out.texts(1, &operation["tags"]);
    out.text(3, &operation["description"]);
    out.text(5, &operation["operationId"]);
    out.texts(6, &operation["produces"]);
    out.texts(7, &operation["consumes"]);
    parameters(&mut out, 8, &operation["parameters"]);
    let mut responses = Message::default();
    responses.named(1, &operation["responses"], response);
    out.message(9, &responses);
    out.texts(10, &operation["schemes"]);
    out.extensions(13, operation);
    out
}

fn parameters(out: &mut Message, field: u64, list: &Value) {
    for parameter in list.as_array().into_iter().flatten() {
        let item = if parameter.get("$ref").is_some() {
            let mut reference = Message::default();
            reference.text(1, &parameter["$ref"]);
            around(2, &reference)
        } else if parameter["in"] == "body" {
            let mut body = Message::default();
            body.text(1, &parameter["description"]);
            body.text(2, &parameter["name"]);
            body.text(3, &parameter["in"]);
            body.flag(4, &parameter["required"]);
            body.message(5, &schema(&parameter["schema"]));
            around(1, &around(1, &body))
        } else {
            let in_path = parameter["in"] == "path";
            let mut plain = Message::default();
            plain.flag(1, &parameter["required"]);
            plain.text(2, &parameter["in"]);
            plain.text(3, &parameter["description"]);
            plain.text(4, &parameter["name"]);
            plain.text(if in_path { 5 } else { 6 }, &parameter["type"]);
            around(1, &around(2, &around(if in_path { 4 } else { 3 }, &plain)))
        };
        out.message(field, &item);
    }
}

fn response(response: &Value) -> Message {
    let mut out = Message::default();
    out.text(1, &response["description"]);
    if let Some(value) = response.get("schema") {
        out.message(2, &around(1, &schema(value)));
    }
    around(1, &out)
}

fn schema(value: &Value) -> Message {
    let mut out = Message::default();
    out.text(1, &value["$ref"]);
    out.text(2, &value["format"]);
    out.text(3, &value["title"]);
    out.text(4, &value["description"]);
    if let Some(default) = value.get("default") {
        out.any(5, default);
    }
    out.double(6, &value["multipleOf"]);
    out.double(7, &value["maximum"]);
    out.flag(8, &value["exclusiveMaximum"]);
    out.double(9, &value["minimum"]);
    out.flag(10, &value["exclusiveMinimum"]);
    out.integer(11, &value["maxLength"]);
    out.integer(12, &value["minLength"]);
    out.text(13, &value["pattern"]);
    out.integer(14, &value["maxItems"]);
    out.integer(15, &value["minItems"]);
    out.flag(16, &value["uniqueItems"]);
    out.integer(17, &value["maxProperties"]);
    out.integer(18, &value["minProperties"]);
    out.texts(19, &value["required"]);
    for option in value["enum"].as_array().into_iter().flatten() {
        out.any(20, option);
    }
    match value.get("additionalProperties") {
        Some(Value::Bool(allowed)) => {
            let mut item = Message::default();
            item.flag(2, &Value::Bool(*allowed));
            out.message(21, &item);
        }
        Some(inner) => out.message(21, &around(1, &schema(inner))),
        None => {}
    }
    if let Some(kinds) = value.get("type") {
        let mut item = Message::default();
        item.texts(1, kinds);
        out.message(22, &item);
    }
    if let Some(items) = value.get("items") {
        out.message(23, &around(1, &schema(items)));
    }
    for part in value["allOf"].as_array().into_iter().flatten() {
        out.message(24, &schema(part));
    }
    if let Some(properties) = value.get("properties").and_then(Value::as_object) {
        let mut all = Message::default();
        for (name, property) in properties {
            all.message(1, &Message::of(name, &schema(property)));
        }
        out.message(25, &all);
    }
    out.extensions(31, value);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_definition_is_written_field_by_field() {
        let definition = ("a".to_owned(), json!({"type": "string", "x-b": 1}));
        let parts = Parts { paths: Vec::new(), definitions: vec![definition] };
        let mut schema = vec![0xb2, 0x01, 8, 0x0a, 6];
        schema.extend(b"string");
        schema.extend([0xfa, 0x01, 10, 0x0a, 3]);
        schema.extend(b"x-b");
        schema.extend([0x12, 3, 0x12, 1, b'1']);
        let mut named = vec![0x0a, 1, b'a', 0x12, schema.len() as u8];
        named.extend(&schema);
        let version = crate::version::git_version();
        let version = version.as_bytes();
        let mut want = vec![0x0a, 3];
        want.extend(b"2.0");
        want.extend([0x12, version.len() as u8 + 14, 0x0a, 10]);
        want.extend(b"Kubernetes");
        want.extend([0x12, version.len() as u8]);
        want.extend(version);
        want.extend([0x42, 0]);
        want.extend([0x4a, named.len() as u8 + 2, 0x0a, named.len() as u8]);
        want.extend(&named);
        assert_eq!(document(&[Arc::new(fragment(&parts))]).concat(), want);
    }
}
