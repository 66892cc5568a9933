//! OpenAPI 3.0 documents as protobuf. Numbers are those of the published message definitions (`openapi.v3.Document`).

use super::message::{Message, around, fields};
use serde_json::Value;

/// What clients ask for, in both spellings.
pub const ACCEPTED: [&str; 2] = [
    "application/com.github.proto-openapi.spec.v3@v1.0+protobuf",
    "application/com.github.proto-openapi.spec.v3.v1.0+protobuf",
];

/// What answers say they are.
pub const CONTENT_TYPE: &str = "application/com.github.proto-openapi.spec.v3.v1.0+protobuf";

/// The document as protobuf.
pub fn encode(document: &Value) -> Vec<u8> {
    let mut out = Message::default();
    out.text(1, &document["openapi"]);
    let mut info = Message::default();
    info.text(1, &document["info"]["title"]);
    info.text(6, &document["info"]["version"]);
    out.message(2, &info);
    let mut paths = Message::default();
    paths.named(1, &document["paths"], path);
    out.message(4, &paths);
    let parts = &document["components"];
    let mut components = Message::default();
    let mut schemas = Message::default();
    schemas.named(1, &parts["schemas"], schema_or_reference);
    components.message(1, &schemas);
    let mut schemes = Message::default();
    schemes.named(1, &parts["securitySchemes"], |scheme| {
        let mut out = Message::default();
        for (field, name) in (1..).zip(["type", "description", "name", "in"]) {
            out.text(field, &scheme[name]);
        }
        around(1, &out)
    });
    components.message(7, &schemes);
    out.message(5, &components);
    out.into_bytes()
}

fn path(item: &Value) -> Message {
    let mut out = Message::default();
    let operations = ["get", "put", "post", "delete", "options", "head", "patch"];
    for (field, name) in (4..).zip(operations) {
        if let Some(value) = item.get(name) {
            out.message(field, &operation(value));
        }
    }
    parameters(&mut out, 13, &item["parameters"]);
    out.extensions(14, item);
    out
}

fn operation(operation: &Value) -> Message {
    let mut out = Message::default();
    out.texts(1, &operation["tags"]);
    out.text(3, &operation["description"]);
    out.text(5, &operation["operationId"]);
    parameters(&mut out, 6, &operation["parameters"]);
    if let Some(body) = operation.get("requestBody") {
        let mut given = Message::default();
        given.message(2, &content(&body["content"]));
        given.flag(3, &body["required"]);
        out.message(7, &around(1, &given));
    }
    let mut responses = Message::default();
    responses.named(2, &operation["responses"], |response| {
        let mut out = Message::default();
        out.text(1, &response["description"]);
        if let Some(media) = response.get("content") {
            out.message(3, &content(media));
        }
        around(1, &out)
    });
    out.message(8, &responses);
    out.extensions(13, operation);
    out
}

/// Media types, each with its schema.
fn content(media: &Value) -> Message {
    let mut out = Message::default();
    out.named(1, media, |media| around(1, &schema_or_reference(&media["schema"])));
    out
}

fn parameters(out: &mut Message, field: u64, list: &Value) {
    for parameter in list.as_array().into_iter().flatten() {
        let mut item = Message::default();
        item.text(1, &parameter["name"]);
        item.text(2, &parameter["in"]);
        item.text(3, &parameter["description"]);
        item.flag(4, &parameter["required"]);
        item.message(10, &schema_or_reference(&parameter["schema"]));
        out.message(field, &around(1, &item));
    }
}

fn schema_or_reference(value: &Value) -> Message {
    if value.get("$ref").is_none() {
        return around(1, &schema(value));
    }
    let mut reference = Message::default();
    reference.text(1, &value["$ref"]);
    around(2, &reference)
}

fn schema(value: &Value) -> Message {
    let mut out = Message::default();
    out.flag(1, &value["nullable"]);
    out.text(9, &value["title"]);
    out.double(10, &value["multipleOf"]);
    out.double(11, &value["maximum"]);
    out.flag(12, &value["exclusiveMaximum"]);
    out.double(13, &value["minimum"]);
    out.flag(14, &value["exclusiveMinimum"]);
    out.integer(15, &value["maxLength"]);
    out.integer(16, &value["minLength"]);
    out.text(17, &value["pattern"]);
    out.integer(18, &value["maxItems"]);
    out.integer(19, &value["minItems"]);
    out.flag(20, &value["uniqueItems"]);
    out.integer(21, &value["maxProperties"]);
    out.integer(22, &value["minProperties"]);
    out.texts(23, &value["required"]);
    for option in value["enum"].as_array().into_iter().flatten() {
        out.any(24, option);
    }
    out.text(25, &value["type"]);
    for (field, name) in (26..).zip(["allOf", "oneOf", "anyOf"]) {
        for part in value[name].as_array().into_iter().flatten() {
            out.message(field, &schema_or_reference(part));
        }
    }
    if let Some(not) = value.get("not") {
        out.message(29, &schema(not));
    }
    if let Some(items) = value.get("items") {
        out.message(30, &around(1, &schema_or_reference(items)));
    }
    if value.get("properties").is_some() {
        let mut all = Message::default();
        for (name, property) in fields(&value["properties"]) {
            all.message(1, &Message::of(name, &schema_or_reference(property)));
        }
        out.message(31, &all);
    }
    match value.get("additionalProperties") {
        Some(Value::Bool(allowed)) => {
            let mut item = Message::default();
            item.truth(2, *allowed);
            out.message(32, &item);
        }
        Some(inner) => out.message(32, &around(1, &schema_or_reference(inner))),
        None => {}
    }
    // A default is a number, a truth value or a text; what is composed has no form.
    let mut default = Message::default();
    match value.get("default") {
        Some(number @ Value::Number(_)) => default.double(1, number),
        Some(Value::Bool(truth)) => default.truth(2, *truth),
        Some(text @ Value::String(_)) => default.text(3, text),
        _ => {}
    }
    if !default.is_empty() {
        out.message(33, &default);
    }
    out.text(34, &value["description"]);
    out.text(35, &value["format"]);
    out.extensions(36, value);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// kube-api 1.5.2
    #[test]
    fn a_definition_is_written_field_by_field() {
        let document = json!({
            "openapi": "3.0.0",
            "info": {"title": "t", "version": "v"},
            "paths": {},
            "components": {"schemas": {"a": {"type": "string", "default": "d"}, "b": {"$ref": "#/a"}}},
        });
        let named = |name: u8, inner: &[u8]| {
            [&[0x0a, inner.len() as u8 + 5, 0x0a, 1, name, 0x12, inner.len() as u8], inner].concat()
        };
        let string = [&[0xca, 0x01, 6][..], b"string", &[0x8a, 0x02, 3, 0x1a, 1, b'd']].concat();
        let a = named(b'a', &[&[0x0a, string.len() as u8][..], &string].concat());
        let b = named(b'b', b"\x12\x05\x0a\x03#/a");
        let schemas = [a, b].concat();
        let mut want = b"\x0a\x053.0.0\x12\x06\x0a\x01t\x32\x01v\x22\x00".to_vec();
        want.extend([0x2a, schemas.len() as u8 + 4, 0x0a, schemas.len() as u8]);
        want.extend(&schemas);
        want.extend([0x3a, 0]);
        assert_eq!(encode(&document), want);
    }
}
