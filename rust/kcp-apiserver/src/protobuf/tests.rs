//! Bodies as typed clients send them.

use super::*;

fn varint(mut number: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
    out
}

fn field(number: u64, bytes: &[u8]) -> Vec<u8> {
    [varint(number << 3 | 2), varint(bytes.len() as u64), bytes.to_vec()].concat()
}

fn message_of(fields: &[Vec<u8>]) -> Vec<u8> {
    fields.concat()
}

fn body(api_version: &str, kind: &str, raw: &[u8]) -> Vec<u8> {
    let header = message_of(&[field(1, api_version.as_bytes()), field(2, kind.as_bytes())]);
    [MAGIC.to_vec(), field(1, &header), field(2, raw), field(3, b""), field(4, b"")].concat()
}

#[test]
fn a_configmap_reads_as_its_json() {
    // Typed clients write empty texts and an empty time where nothing is set.
    let meta = message_of(&[field(1, b"a"), field(2, b""), field(3, b"default"), vec![0x38, 0], field(8, b"")]);
    let data = message_of(&[field(1, b"k"), field(2, b"v")]);
    let binary = message_of(&[field(1, b"b"), field(2, &[0, 255])]);
    let raw = message_of(&[field(1, &meta), field(2, &data), field(3, &binary), vec![0x20, 0]]);
    let object = decode(&body("v1", "ConfigMap", &raw), ("", "")).unwrap();
    assert_eq!(
        object,
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "default"},
            "data": {"k": "v"}, "binaryData": {"b": "AP8="}, "immutable": false})
    );
}

#[test]
fn options_of_deletions_are_a_kind_of_every_group() {
    let raw = message_of(&[vec![0x08, 0], field(4, b"Background")]);
    let object = decode(&body("rbac.authorization.k8s.io/v1", "DeleteOptions", &raw), ("", "")).unwrap();
    assert_eq!((&object["gracePeriodSeconds"], &object["propagationPolicy"]), (&json!(0), &json!("Background")));
}

#[test]
fn times_read_to_their_precision() {
    let time = message_of(&[vec![0x08, 0x80, 0x94, 0xeb, 0xdc, 0x03], vec![0x10, 0xb8, 0xd4, 0x3d]]);
    let meta = field(1, &field(8, &time));
    let spec = field(2, &field(4, &time));
    let object = decode(&body("coordination.k8s.io/v1", "Lease", &message_of(&[meta, spec])), ("", "")).unwrap();
    assert_eq!(object["metadata"]["creationTimestamp"], "2001-09-09T01:46:40Z");
    assert_eq!(object["spec"]["renewTime"], "2001-09-09T01:46:40.001010Z");
}

#[test]
fn schemas_or_something_else_read_as_what_they_are() {
    let name = |short: &str| format!("{EXTENSIONS}.v1.JSONSchemaPropsOr{short}");
    let schema = json!({"type": "string"});
    let object = |value: Value| value.as_object().cloned().unwrap();
    assert_eq!(either(&name("Bool"), Map::new()), json!(false));
    assert_eq!(either(&name("Bool"), object(json!({"allows": true}))), json!(true));
    assert_eq!(either(&name("Bool"), object(json!({"allows": true, "schema": schema}))), schema);
    assert_eq!(either(&name("Array"), object(json!({"schema": schema}))), schema);
    assert_eq!(either(&name("Array"), object(json!({"jSONSchemas": [schema]}))), json!([schema]));
    assert_eq!(either(&name("StringArray"), object(json!({"property": ["a"]}))), json!(["a"]));
}

#[test]
fn what_is_no_message_is_refused() {
    assert_eq!(decode(b"{}", ("v1", "ConfigMap")), Err(DecodeError::NoPrefix));
    let truncated = &body("v1", "ConfigMap", b"abc")[..20];
    assert!(matches!(decode(truncated, ("", "")), Err(DecodeError::Wire(_))));
    assert!(matches!(decode(&body("v1", "Nope", b""), ("", "")), Err(DecodeError::Kind { .. })));
    let bad = field(1, &field(1, &[0xff]));
    assert_eq!(decode(&body("v1", "ConfigMap", &bad), ("", "")), Err(DecodeError::Utf8("name".into())));
}

#[test]
fn messages_within_messages_come_to_an_end() {
    let fields = message(&format!("{EXTENSIONS}.v1.JSONSchemaProps")).unwrap();
    let nested = |depth| (0..depth).fold(field(5, b"object"), |schema, _| field(28, &schema));
    let left = Cell::new(MAX_MESSAGES);
    let room = Room { depth: 0, left: &left };
    assert_eq!(decode_message(&nested(10), fields, room).map(drop), Ok(()));
    assert_eq!(decode_message(&nested(1_000), fields, room), Err(DecodeError::Depth));
}

#[test]
fn bodies_of_nothing_but_messages_come_to_an_end() {
    let versions = field(2, &field(7, b"").repeat(MAX_MESSAGES + 1));
    let answer = decode(&body("apiextensions.k8s.io/v1", "CustomResourceDefinition", &versions), ("", ""));
    assert_eq!(answer, Err(DecodeError::Messages));
    let answer = decode(&body("v1", "ConfigMap", &field(2, b"").repeat(MAX_MESSAGES + 1)), ("", ""));
    assert_eq!(answer, Err(DecodeError::Messages));
}

#[test]
fn lengths_beyond_the_body_are_refused() {
    let huge = [varint(2 << 3 | 2), varint(u64::MAX), b"abc".to_vec()].concat();
    let answer = decode(&body("v1", "ConfigMap", &huge), ("", ""));
    assert_eq!(answer, Err(DecodeError::Wire(wire::WireError::Truncated)));
}

#[test]
fn a_deployment_reads_as_its_json() {
    let port = field(2, &message_of(&[field(1, b""), field(2, &[0x08, 1, 0x1a, 3, b'w', b'e', b'b'])]));
    let probe = field(1, &port);
    let limits = field(8, &field(1, &message_of(&[field(1, b"cpu"), field(2, &field(1, b"100m"))])));
    let container = message_of(&[field(1, b"c"), field(2, b"i"), limits, field(10, &probe)]);
    let template = field(3, &field(2, &field(2, &container)));
    let raw = field(2, &message_of(&[vec![0x08, 3], template]));
    let object = decode(&body("apps/v1", "Deployment", &raw), ("", "")).unwrap();
    let expected = json!({"name": "c", "image": "i", "resources": {"limits": {"cpu": "100m"}},
        "livenessProbe": {"httpGet": {"port": "web"}}});
    assert_eq!(object["spec"]["replicas"], 3);
    assert_eq!(object["spec"]["template"]["spec"]["containers"][0], expected);
}
