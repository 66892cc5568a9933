//! Bodies of built-in kinds, decoded.

use super::Typed;
use crate::openapi::built_in::definition;
use serde_json::{Value, json};

const CONFIG_MAP: &str = "io.k8s.api.core.v1.ConfigMap";
const SECRET: &str = "io.k8s.api.core.v1.Secret";
const LEASE: &str = "io.k8s.api.coordination.v1.Lease";
const EVENT: &str = "io.k8s.api.core.v1.Event";
const ROLE: &str = "io.k8s.api.rbac.v1.Role";

fn decode(kind: &str, object: Value) -> (Value, Result<Vec<String>, String>) {
    let mut object = object;
    let result = Typed::new(kind, definition).decode(&mut object);
    (object, result)
}

#[test]
fn unknown_fields_are_dropped_and_named_with_their_paths() {
    let (object, unknown) = decode(
        CONFIG_MAP,
        json!({"metadata": {"name": "x", "foo": 1, "ownerReferences": [{"uid": "u", "name": "n", "kind": "k",
            "apiVersion": "v1", "bar": {}}]}, "nope": 1, "data": {"a": "b"}}),
    );
    let want = ["metadata.foo", "metadata.ownerReferences[0].bar", "nope"];
    assert_eq!(unknown.unwrap(), want.map(|path| format!("unknown field \"{path}\"")));
    assert_eq!(
        object,
        json!({"data": {"a": "b"}, "metadata": {"name": "x", "ownerReferences":
            [{"uid": "u", "name": "n", "kind": "k", "apiVersion": "v1"}]}})
    );
}

#[test]
fn wrong_types_are_refused_in_the_words_of_go() {
    let field = |found: &str, field: &str, wanted: &str| {
        format!("json: cannot unmarshal {found} into Go struct field {field} of type {wanted}")
    };
    for (kind, object, want) in [
        (CONFIG_MAP, json!({"data": {"a": 1}}), field("number", "ConfigMap.data", "string")),
        (CONFIG_MAP, json!({"data": []}), field("array", "ConfigMap.data", "map[string]string")),
        (CONFIG_MAP, json!({"immutable": "x"}), field("string", "ConfigMap.immutable", "bool")),
        (
            CONFIG_MAP,
            json!({"metadata": {"labels": {"a": true}}}),
            field("bool", "ObjectMeta.metadata.labels", "string"),
        ),
        (CONFIG_MAP, json!({"metadata": "x"}), field("string", "ConfigMap.metadata", "v1.ObjectMeta")),
        (CONFIG_MAP, json!({"metadata": {"uid": 1}}), field("number", "ObjectMeta.metadata.uid", "types.UID")),
        (
            CONFIG_MAP,
            json!({"metadata": {"finalizers": "x"}}),
            field("string", "ObjectMeta.metadata.finalizers", "[]string"),
        ),
        (SECRET, json!({"type": 1}), field("number", "Secret.type", "v1.SecretType")),
        (SECRET, json!({"data": {"a": "%%%"}}), "illegal base64 data at input byte 0".to_owned()),
        (
            LEASE,
            json!({"spec": {"leaseDurationSeconds": "a"}}),
            field("string", "LeaseSpec.spec.leaseDurationSeconds", "int32"),
        ),
        (
            LEASE,
            json!({"spec": {"leaseDurationSeconds": 1.5}}),
            field("number 1.5", "LeaseSpec.spec.leaseDurationSeconds", "int32"),
        ),
        (
            CONFIG_MAP,
            json!({"metadata": {"creationTimestamp": "nope"}}),
            "parsing time \"nope\" as \"2006-01-02T15:04:05Z07:00\": cannot parse \"nope\" as \"2006\"".to_owned(),
        ),
        (
            LEASE,
            json!({"spec": {"renewTime": "2026-01-01T00:00:00Z"}}),
            "parsing time \"2026-01-01T00:00:00Z\" as \"2006-01-02T15:04:05.000000Z07:00\": cannot parse \"Z\" as \
             \".000000\""
                .to_owned(),
        ),
        (
            LEASE,
            json!({"spec": {"renewTime": "2026-01-01T00:00:00.1234567Z"}}),
            "parsing time \"2026-01-01T00:00:00.1234567Z\" as \"2006-01-02T15:04:05.000000Z07:00\": cannot parse \"7Z\" \
             as \"Z07:00\""
                .to_owned(),
        ),
        (
            CONFIG_MAP,
            json!({"metadata": {"creationTimestamp": 1}}),
            "json: cannot unmarshal number into Go value of type string".to_owned(),
        ),
    ] {
        assert_eq!(decode(kind, object.clone()).1, Err(want), "{object}");
    }
}

#[test]
fn what_go_omits_is_dropped_and_what_it_always_prints_is_added() {
    for (name, kind, object, want) in [
        (
            "empty maps, lists and nulls",
            CONFIG_MAP,
            json!({"data": {}, "binaryData": null, "metadata": {"labels": {}, "finalizers": [], "name": "x",
                "creationTimestamp": null}}),
            json!({"metadata": {"name": "x"}}),
        ),
        (
            "a pointer to false stays",
            CONFIG_MAP,
            json!({"immutable": false}),
            json!({"immutable": false, "metadata": {}}),
        ),
        (
            "null in a map is the zero value",
            CONFIG_MAP,
            json!({"data": {"a": null}}),
            json!({"data": {"a": ""}, "metadata": {}}),
        ),
        (
            "an empty holder is a value",
            LEASE,
            json!({"spec": {"holderIdentity": "", "leaseTransitions": 0, "renewTime": "2026-01-01T01:00:00.000000+01:00"}}),
            json!({"metadata": {}, "spec": {"holderIdentity": "", "leaseTransitions": 0,
                "renewTime": "2026-01-01T00:00:00.000000Z"}}),
        ),
        ("a lease without a spec", LEASE, json!({}), json!({"metadata": {}, "spec": {}})),
        (
            "an event",
            EVENT,
            json!({"count": 0}),
            json!({"metadata": {}, "involvedObject": {}, "source": {}, "firstTimestamp": null, "lastTimestamp": null,
                "eventTime": null, "reportingComponent": "", "reportingInstance": ""}),
        ),
        ("a role without rules", ROLE, json!({}), json!({"metadata": {}, "rules": null})),
        (
            "line breaks in base64",
            SECRET,
            json!({"data": {"a": "eA\n=="}}),
            json!({"metadata": {}, "data": {"a": "eA=="}}),
        ),
    ] {
        let mut decoded = decode(kind, object);
        assert_eq!(decoded.1, Ok(vec![]), "{name}");
        decoded.0.as_object_mut().unwrap().entry("metadata").or_insert(json!({}));
        assert_eq!(decoded.0, want, "{name}");
    }
}

#[test]
fn schemas_may_hold_themselves() {
    let kind = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps";
    let (object, unknown) = decode(
        kind,
        json!({"type": "object", "properties": {"a": {"items": {"type": "string", "nope": 1},
            "additionalProperties": false, "default": null, "enum": [null, 1], "zip": 1}}}),
    );
    assert_eq!(unknown, Ok(vec!["unknown field \"properties.a.zip\"".to_owned()]));
    assert_eq!(
        object,
        json!({"type": "object", "properties": {"a": {"items": {"type": "string"}, "additionalProperties": false,
            "enum": [null, 1]}}})
    );
}
