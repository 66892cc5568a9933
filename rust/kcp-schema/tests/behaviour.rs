//! What schemas do to objects, one sentence each.

use kcp_schema::{MAX_DEPTH, Malformed, Structural, crd};
use serde_json::{Value, json};

fn compile(spec: Value) -> Structural {
    let schema = json!({"type": "object", "properties": {"spec": spec, "status": {"type": "object"}}});
    Structural::compile(&schema).unwrap()
}

fn object(spec: Value) -> Value {
    json!({"apiVersion": "a.b/v1", "kind": "K", "metadata": {"name": "x"}, "spec": spec})
}

fn errors(schema: &Structural, new: &Value, old: Option<&Value>) -> Vec<String> {
    schema.validate(new, old).iter().map(ToString::to_string).collect()
}

#[test]
fn unknown_fields_are_dropped_and_named() {
    let schema = compile(json!({"type": "object", "properties": {
        "known": {"type": "string"},
        "list": {"type": "array", "items": {"type": "object", "properties": {"a": {"type": "string"}}}},
        "map": {"type": "object", "additionalProperties": {"type": "object", "properties": {"a": {"type": "string"}}}},
        "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true,
                 "properties": {"strict": {"type": "object", "properties": {}}}},
        "pod": {"type": "object", "x-kubernetes-embedded-resource": true,
                "properties": {"spec": {"type": "object", "properties": {}}}},
    }}));
    let mut sent = object(json!({
        "known": "x", "nope": 1,
        "list": [{"a": "x"}, {"a": "y", "b": 1}],
        "map": {"k": {"b": 1}},
        "free": {"anything": {"goes": 1}, "strict": {"no": 1}},
        "pod": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "odd": 1}, "spec": {"x": 1}, "other": 1},
    }));
    sent["metadata"]["unknownMeta"] = 1.into();
    sent["top"] = 1.into();
    let dropped = schema.decode(&mut sent, Malformed::Refuse).unwrap();
    assert_eq!(
        dropped,
        [
            "metadata.unknownMeta",
            "spec.free.strict.no",
            "spec.list[1].b",
            "spec.map.k.b",
            "spec.nope",
            "spec.pod.other",
            "spec.pod.spec.x",
            "top",
            "spec.pod.metadata.odd",
        ]
    );
    assert_eq!(
        sent,
        object(json!({
            "known": "x", "list": [{"a": "x"}, {"a": "y"}], "map": {"k": {}},
            "free": {"anything": {"goes": 1}, "strict": {}},
            "pod": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {}},
        }))
    );
}

#[test]
fn defaults_fill_what_is_absent_in_what_is_present() {
    let schema = compile(json!({"type": "object", "properties": {
        "a": {"type": "string", "default": "x"},
        "parent": {"type": "object", "properties": {"child": {"type": "integer", "default": 1}}},
        "made": {"type": "object", "default": {}, "properties": {"child": {"type": "integer", "default": 2}}},
        "list": {"type": "array", "items": {"type": "object", "properties": {"d": {"type": "string", "default": "y"}}}},
        "null-default": {"type": "string", "default": "z"},
        "null-dropped": {"type": "string"},
        "null-kept": {"type": "string", "nullable": true, "default": "never"},
    }}));
    for (sent, wanted) in [
        (json!({}), json!({"a": "x", "made": {"child": 2}, "null-default": "z", "null-kept": "never"})),
        (
            json!({"a": "q", "parent": {}, "list": [{}, {"d": "w"}], "null-default": null, "null-dropped": null,
                   "null-kept": null}),
            json!({"a": "q", "parent": {"child": 1}, "made": {"child": 2}, "list": [{"d": "y"}, {"d": "w"}],
                   "null-default": "z", "null-kept": null}),
        ),
    ] {
        let mut object = object(sent);
        schema.default(&mut object);
        assert_eq!(object["spec"], wanted);
    }
    let mut without_spec = json!({"kind": "K"});
    schema.default(&mut without_spec);
    assert_eq!(without_spec, json!({"kind": "K"}));
}

#[test]
fn numbers_are_judged_as_64_bit_integers_or_floats() {
    let schema = compile(json!({"type": "object", "properties": {
        "i": {"type": "integer"}, "i32": {"type": "integer", "format": "int32"}, "n": {"type": "number"},
    }}));
    for (spec, wanted) in [
        (json!({"i": 1.0, "n": 1}), vec![]),
        (json!({"i": 9_223_372_036_854_775_807_i64}), vec![]),
        (
            json!({"i": 1.5}),
            vec![
                "spec.i: Invalid value: \"number\": spec.i in body must be of type integer: \"number\"",
                "<nil>: Invalid value: \"\": Checked value must be of type integer (default format) in spec.i",
            ],
        ),
        (
            json!({"i32": 2_147_483_648_i64}),
            vec!["<nil>: Invalid value: \"\": Checked value must be of type integer with format int32 in spec.i32"],
        ),
    ] {
        assert_eq!(errors(&schema, &object(spec.clone()), None), wanted, "{spec}");
    }
}

#[test]
fn unchanged_errors_are_forgiven_where_old_and_new_correspond() {
    let short = json!({"type": "string", "maxLength": 2});
    let item = json!({"type": "object", "properties": {"k": {"type": "string"}, "v": short}, "required": ["k"]});
    let schema = compile(json!({"type": "object", "properties": {
        "field": short,
        "other": {"type": "string"},
        "keyed": {"type": "array", "items": item, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"]},
        "plain": {"type": "array", "items": short},
        "atomic": {"type": "array", "items": short, "x-kubernetes-list-type": "atomic"},
        "set": {"type": "array", "items": short, "x-kubernetes-list-type": "set"},
        "map": {"type": "object", "additionalProperties": short},
    }}));
    for (what, old, new, wanted) in [
        ("a field", json!({"field": "long", "other": "a"}), json!({"field": "long", "other": "b"}), 0),
        ("a changed field", json!({"field": "long"}), json!({"field": "longer"}), 1),
        ("a new field", json!({}), json!({"field": "long"}), 1),
        (
            "an item by its key, whatever its place",
            json!({"keyed": [{"k": "a", "v": "long"}]}),
            json!({"keyed": [{"k": "b", "v": "x"}, {"k": "a", "v": "long"}]}),
            0,
        ),
        (
            "an item under another key",
            json!({"keyed": [{"k": "a", "v": "long"}]}),
            json!({"keyed": [{"k": "b", "v": "long"}]}),
            1,
        ),
        ("an item by its index", json!({"plain": ["long", "a"]}), json!({"plain": ["long", "b"]}), 0),
        ("an item that moved", json!({"plain": ["long", "a"]}), json!({"plain": ["a", "long"]}), 1),
        ("an item of an atomic list", json!({"atomic": ["long", "a"]}), json!({"atomic": ["long", "b"]}), 1),
        ("an atomic list that is as it was", json!({"atomic": ["long"]}), json!({"atomic": ["long"]}), 0),
        ("an item of a set", json!({"set": ["long", "a"]}), json!({"set": ["long", "b"]}), 1),
        ("an entry of a map", json!({"map": {"k": "long"}}), json!({"map": {"k": "long", "l": "x"}}), 0),
    ] {
        let found = errors(&schema, &object(new), Some(&object(old)));
        assert_eq!(found.len(), wanted, "{what}: {found:?}");
    }
}

#[test]
fn of_failed_alternatives_the_one_that_came_furthest_is_told() {
    let schema = compile(json!({"type": "object", "properties": {
        "x": {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}}, "anyOf": [
            {"properties": {"a": {"enum": ["1"]}}, "required": ["b"]},
            {"properties": {"a": {"minLength": 1}, "b": {"maxLength": 1}}},
        ]},
    }}));
    assert_eq!(
        errors(&schema, &object(json!({"x": {"a": "q", "b": "long"}})), None),
        [
            "<nil>: Invalid value: \"\": \"spec.x\" must validate at least one schema (anyOf)",
            "spec.x.b: Too long: may not be more than 1 byte",
        ]
    );
}

#[test]
fn list_duplicates_are_forgiven_only_when_the_old_list_had_some() {
    let schema = compile(json!({"type": "object", "properties": {
        "set": {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"},
    }}));
    let (clean, double) = (object(json!({"set": ["a"]})), object(json!({"set": ["a", "a", "a"]})));
    assert_eq!(errors(&schema, &double, Some(&clean)), ["spec.set[1]: Duplicate value: \"a\""]);
    assert!(errors(&schema, &double, Some(&double)).is_empty());
}

#[test]
fn status_errors_are_found_below_status_and_named_from_there() {
    let schema = Structural::compile(&json!({"type": "object", "properties": {
        "status": {"type": "object", "properties": {"n": {"type": "integer"}}},
    }}))
    .unwrap();
    let found = schema.validate_status_schema(&json!({"n": "x"}), None);
    assert_eq!(
        found.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["status.n: Invalid value: \"string\": n in body must be of type integer: \"string\""]
    );
}

#[test]
fn metadata_of_stored_objects_is_repaired_where_that_of_requests_is_refused() {
    let schema = compile(json!({"type": "object"}));
    let mut sent = object(json!({}));
    sent["metadata"] = json!({"name": "x", "labels": {"a": 1}, "annotations": {}, "finalizers": ["a/b"]});
    let error = schema.decode(&mut sent.clone(), Malformed::Refuse).unwrap_err();
    assert_eq!(
        error.to_string(),
        "json: cannot unmarshal number into Go struct field ObjectMeta.labels of type string"
    );
    schema.decode(&mut sent, Malformed::Drop).unwrap();
    assert_eq!(sent["metadata"], json!({"name": "x", "finalizers": ["a/b"]}));
}

/// A schema as generators write them: the same parts in many places, a description on each.
fn large(kinds: usize) -> Value {
    let text = |what: &str| json!({"type": "string", "description": format!("The {what} of it, at some length.")});
    let mut spec = serde_json::Map::new();
    for kind in 0..kinds {
        let mut fields = serde_json::Map::new();
        for field in 0..20 {
            fields.insert(format!("field{kind}x{field}"), text(&format!("field {field} of {kind}")));
        }
        fields.insert("quantity".into(), json!({
            "anyOf": [{"type": "integer"}, {"type": "string"}], "x-kubernetes-int-or-string": true,
            "pattern": r"^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))))?$",
        }));
        spec.insert(
            format!("kind{kind}"),
            json!({
                "type": "array",
                "items": {"type": "object", "required": ["quantity"], "properties": fields},
            }),
        );
    }
    json!({"type": "object", "properties": {"spec": {"type": "object", "properties": spec}}})
}

#[test]
fn compiled_schemas_are_small() {
    let ordinary = Structural::compile(&large(15)).unwrap();
    assert!(ordinary.memory_size() < 64 << 10, "{} bytes for 300 properties", ordinary.memory_size());
    let text = large(500).to_string();
    let huge = Structural::compile(&large(500)).unwrap();
    assert!(huge.memory_size() < text.len() / 3, "{} bytes for {} of JSON", huge.memory_size(), text.len());
}

#[test]
fn the_fingerprint_is_that_of_the_content() {
    let (a, b) = (json!({"type": "object"}), json!({"type": "object", "description": "x"}));
    let fingerprint = |schema: &Value| Structural::compile(schema).unwrap().fingerprint();
    assert_eq!(fingerprint(&a), fingerprint(&a.clone()));
    assert_ne!(fingerprint(&a), fingerprint(&b));
    assert_eq!(fingerprint(&a), 0xa2c7_9926_2a3c_e3c1, "stable across runs and machines");
}

#[test]
fn schemas_that_nest_too_deeply_are_refused_with_a_clear_error() {
    let mut schema = json!({"type": "string"});
    for _ in 0..150 {
        schema = json!({"type": "object", "properties": {"a": schema}});
    }
    let errors = Structural::compile(&schema).unwrap_err();
    assert_eq!(errors.len(), 1);
    assert!(errors[0].detail.contains(&format!("must not nest more than {MAX_DEPTH} levels deep")), "{}", errors[0]);

    let mut deep = json!({"metadata": {"name": "ks.a.b"}, "spec": {"group": "a.b", "scope": "Cluster",
        "names": {"plural": "ks", "kind": "K"},
        "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}}]}});
    assert_eq!(crd::decode(&mut deep.clone()).unwrap_err(), "json: exceeded max depth");
    crd::default(&mut deep);
    crd::prepare_for_create(&mut deep);
    assert_eq!(crd::validate_create(&deep).len(), 1);
}

#[test]
fn the_deepest_schema_fits_a_small_stack() {
    let mut schema = json!({"type": "string", "default": "x"});
    for level in 1..MAX_DEPTH - 1 {
        schema = match level % 3 {
            0 => json!({"type": "array", "items": schema}),
            _ => json!({"type": "object", "properties": {"a": schema}, "anyOf": [{"required": ["a"]}, {}]}),
        };
    }
    // Tests' threads have 2 MiB, and so have the server's; half of it must do, in a debug build.
    let run = move || {
        let mut crd = json!({"metadata": {"name": "ks.a.b"}, "spec": {"group": "a.b", "scope": "Cluster",
            "names": {"plural": "ks", "kind": "K"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}}]}});
        crd::decode(&mut crd).unwrap();
        crd::default(&mut crd);
        crd::prepare_for_create(&mut crd);
        assert_eq!(crd::validate_create(&crd).aggregate(), None);
        crd::warnings(&crd);
        let schema = Structural::compile(&crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]).unwrap();
        let mut value = json!("y");
        for level in 1..MAX_DEPTH - 1 {
            value = if level % 3 == 0 { json!([value]) } else { json!({"a": value}) };
        }
        schema.decode(&mut value, Malformed::Refuse).unwrap();
        assert!(schema.validate(&value, Some(&value)).is_empty());
        value["a"]["a"] = json!({"a": 1});
        assert!(!schema.validate(&value, None).is_empty());
    };
    std::thread::Builder::new().stack_size(1 << 20).spawn(run).unwrap().join().unwrap();
}

#[test]
fn deep_values_are_pruned_and_validated_without_overflowing_the_stack() {
    let schema = compile(json!({"type": "object", "properties": {
        "any": {"type": "array", "items": {"x-kubernetes-preserve-unknown-fields": true}},
        "strict": {"type": "object", "properties": {}},
    }}));
    let mut value = json!(null);
    for _ in 0..1_000 {
        value = json!([value]);
    }
    let mut object = object(json!({"any": value.clone(), "strict": {"a": value}}));
    schema.decode(&mut object, Malformed::Refuse).unwrap();
    assert_eq!(object["spec"]["strict"], json!({}));
    assert!(errors(&schema, &object, None).is_empty());
}

#[test]
fn hostile_sizes_come_to_an_end() {
    // A million failures.
    let schema =
        compile(json!({"type": "object", "properties": {"l": {"type": "array", "items": {"type": "string"}}}}));
    let found = errors(&schema, &object(json!({"l": vec![1; 50_000]})), None);
    assert_eq!(found.len(), 1_001);
    assert!(found[1_000].contains("too many errors"), "{}", found[1_000]);
    // Unknown fields below a name of a megabyte.
    let long = "x".repeat(1 << 20);
    let unknown: serde_json::Map<String, Value> = (0..1_000).map(|n| (format!("f{n}"), json!(n))).collect();
    let schema = compile(json!({"type": "object", "properties": {(long.clone()): {"type": "object"}}}));
    let mut sent = object(json!({(long.clone()): unknown}));
    assert_eq!(schema.prune(&mut sent).len(), 1);
    assert_eq!(sent["spec"], json!({(long): {}}));
    // A schema in which everything is wrong.
    let wrong: serde_json::Map<String, Value> = (0..5_000).map(|n| (format!("f{n}"), json!({"type": "odd"}))).collect();
    let crd = json!({"spec": {"group": "a.b", "versions": [
        {"name": "v1", "schema": {"openAPIV3Schema": {"type": "object", "properties": wrong}}},
    ]}});
    assert!(crd::validate_create(&crd).len() <= 1_001);
}

#[test]
fn unknown_formats_earn_one_warning_each_and_none_again() {
    let schema = json!({"type": "object", "properties": {"a": {"type": "string", "format": "odd"}}});
    let version = |name: &str| json!({"name": name, "schema": {"openAPIV3Schema": schema}});
    let crd = json!({"spec": {"versions": [version("v1"), version("v2")]}});
    assert_eq!(crd::warnings(&crd), ["unrecognized format \"odd\""]);
    assert!(crd::update_warnings(&crd, &crd).is_empty());
}

#[test]
fn groups_without_a_dot_are_allowed_where_kcp_has_room_for_them() {
    for (group, name, allowed) in [
        ("apps", "deployments.apps", true),
        ("", "services.core", true),
        ("batch", "jobs.batch", true),
        ("stable", "fans.stable", false),
    ] {
        let plural = name.split('.').next().unwrap();
        let mut crd = json!({"metadata": {"name": name}, "spec": {
            "group": group, "scope": "Namespaced", "names": {"plural": plural, "kind": "Thing"},
            "versions": [{"name": "v1", "served": true, "storage": true,
                          "schema": {"openAPIV3Schema": {"type": "object"}}}],
        }});
        crd::decode(&mut crd).unwrap();
        crd::default(&mut crd);
        crd::prepare_for_create(&mut crd);
        let errors = crd::validate_create(&crd);
        assert_eq!(errors.is_empty(), allowed, "{group}: {errors:?}");
    }
}
