//! Laws that hold for any schema and any value, tried on random ones.

use crate::structural::Structural;
use crate::{Malformed, Pool, crd, jsonpath, object_meta, openapi, pattern, shape};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// Names that schemas and values share, so that they meet.
fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[a-d]",
        1 => Just("metadata".to_owned()),
        1 => Just("apiVersion".to_owned()),
        1 => Just("spec".to_owned()),
        1 => Just("status".to_owned()),
        1 => "[\\PC]{0,3}",
    ]
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-3..4_i64).prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-c]{0,3}".prop_map(Value::from),
        "\\PC{0,5}".prop_map(Value::from),
        Just(json!("2024-01-01")),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    scalar().prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(name(), inner, 0..5).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Restrictions that may stand on any node.
fn rules() -> impl Strategy<Value = Map<String, Value>> {
    let one = prop_oneof![
        (0..4_i64).prop_map(|n| ("minLength", json!(n))),
        (0..4_i64).prop_map(|n| ("maxLength", json!(n))),
        (-2.0..4.0_f64).prop_map(|n| ("minimum", json!(n))),
        (-2.0..4.0_f64).prop_map(|n| ("maximum", json!(n))),
        any::<bool>().prop_map(|b| ("exclusiveMinimum", json!(b))),
        (-1.0..3.0_f64).prop_map(|n| ("multipleOf", json!(n))),
        (0..3_i64).prop_map(|n| ("minItems", json!(n))),
        (0..3_i64).prop_map(|n| ("maxItems", json!(n))),
        (0..3_i64).prop_map(|n| ("minProperties", json!(n))),
        (0..3_i64).prop_map(|n| ("maxProperties", json!(n))),
        any::<bool>().prop_map(|b| ("uniqueItems", json!(b))),
        any::<bool>().prop_map(|b| ("nullable", json!(b))),
        any::<bool>().prop_map(|b| ("x-kubernetes-preserve-unknown-fields", json!(b))),
        any::<bool>().prop_map(|b| ("x-kubernetes-embedded-resource", json!(b))),
        Just(("x-kubernetes-int-or-string", json!(true))),
        prop::sample::select(vec!["date", "int32", "uuid", "float", "double", "nope"])
            .prop_map(|f| ("format", json!(f))),
        prop::sample::select(vec!["^a", "[", "(?=x)", "b*$", "\\d"]).prop_map(|p| ("pattern", json!(p))),
        prop::sample::select(vec!["set", "map", "atomic"]).prop_map(|t| ("x-kubernetes-list-type", json!(t))),
        prop::collection::vec(name(), 0..3).prop_map(|names| ("required", json!(names))),
        prop::collection::vec(name(), 0..2).prop_map(|names| ("x-kubernetes-list-map-keys", json!(names))),
        prop::collection::vec(scalar(), 1..3).prop_map(|values| ("enum", json!(values))),
        value().prop_map(|default| ("default", default)),
    ];
    prop::collection::vec(one, 0..4)
        .prop_map(|rules| rules.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

fn schema() -> impl Strategy<Value = Value> {
    let kind = prop::sample::select(vec!["string", "integer", "number", "boolean", "object", "array", ""]);
    let leaf = (kind, rules()).prop_map(|(kind, mut rules)| {
        if !kind.is_empty() {
            rules.insert("type".to_owned(), kind.into());
        }
        Value::Object(rules)
    });
    leaf.prop_recursive(4, 30, 5, |inner| {
        let object = (rules(), prop::collection::btree_map(name(), inner.clone(), 0..5)).prop_map(|(mut s, fields)| {
            s.insert("type".to_owned(), "object".into());
            s.insert("properties".to_owned(), json!(fields));
            Value::Object(s)
        });
        let map =
            (rules(), prop_oneof![any::<bool>().prop_map(Value::from), inner.clone()]).prop_map(|(mut s, extra)| {
                s.insert("type".to_owned(), "object".into());
                s.insert("additionalProperties".to_owned(), extra);
                Value::Object(s)
            });
        let array = (rules(), inner.clone()).prop_map(|(mut s, items)| {
            s.insert("type".to_owned(), "array".into());
            s.insert("items".to_owned(), items);
            Value::Object(s)
        });
        let junctor = prop::sample::select(vec!["anyOf", "oneOf", "allOf"]);
        let combined =
            (rules(), junctor, prop::collection::vec(inner.clone(), 1..3)).prop_map(|(mut s, junctor, branches)| {
                s.insert(junctor.to_owned(), branches.into());
                Value::Object(s)
            });
        let negated = (rules(), inner).prop_map(|(mut s, not)| {
            s.insert("not".to_owned(), not);
            Value::Object(s)
        });
        prop_oneof![3 => object, 1 => map, 1 => array, 1 => combined, 1 => negated]
    })
}

/// A schema whose root is an object, as every schema of a CRD.
fn root() -> impl Strategy<Value = Value> {
    prop::collection::btree_map(name(), schema(), 0..5)
        .prop_map(|fields| json!({"type": "object", "properties": fields}))
}

fn object() -> impl Strategy<Value = Value> {
    prop::collection::btree_map(name(), value(), 0..5).prop_map(|map| Value::Object(map.into_iter().collect()))
}

/// Metadata with fields of the right and of the wrong type.
fn metadata() -> impl Strategy<Value = Value> {
    let field = prop::sample::select(vec![
        "name",
        "labels",
        "annotations",
        "finalizers",
        "ownerReferences",
        "managedFields",
        "creationTimestamp",
        "generation",
        "nope",
    ]);
    let owner = json!({"apiVersion": "v1", "kind": "A", "name": "a", "uid": "b"});
    let time = json!("2024-01-01T00:00:00.5+01:00");
    let sensible = prop::sample::select(vec![
        json!({"a": "b"}),
        json!(["a"]),
        json!([owner]),
        json!([{"manager": "m", "time": time}]),
        time,
        json!(1),
        json!("x"),
    ]);
    prop::collection::btree_map(field, prop_oneof![3 => sensible, 1 => value()], 0..5)
        .prop_map(|map| Value::Object(map.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()))
}

/// Few cases by default; `PROPTEST_CASES` asks for more.
fn config() -> ProptestConfig {
    let asked = ProptestConfig::default();
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { asked.cases } else { 64 };
    ProptestConfig { cases, ..asked }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn pruning_twice_is_pruning_once(schema in root(), object in object()) {
        let Ok(schema) = Structural::compile(&schema) else { return Ok(()) };
        let mut once = object.clone();
        schema.prune_only(&mut once);
        let mut told = object;
        schema.prune(&mut told);
        prop_assert_eq!(&once, &told, "telling the paths changes nothing");
        let mut twice = once.clone();
        prop_assert!(schema.prune(&mut twice).is_empty());
        prop_assert_eq!(once, twice);
    }

    #[test]
    fn defaulting_twice_is_defaulting_once(schema in root(), object in object()) {
        let Ok(schema) = Structural::compile(&schema) else { return Ok(()) };
        let mut once = object;
        schema.default(&mut once);
        let mut twice = once.clone();
        schema.default(&mut twice);
        prop_assert_eq!(once, twice);
    }

    #[test]
    fn a_value_is_accepted_exactly_when_there_is_nothing_to_report(schema in root(), object in object()) {
        let Ok(schema) = Structural::compile(&schema) else { return Ok(()) };
        let reported = schema.failures(&object);
        prop_assert_eq!(schema.is_accepted(&object), reported.is_empty(), "{:?}", reported);
    }

    #[test]
    fn what_did_not_change_below_the_root_is_forgiven(schema in root(), object in object(), extra in value()) {
        let Ok(schema) = Structural::compile(&schema) else { return Ok(()) };
        let mut new = object.clone();
        new["status"] = extra;
        for error in schema.validate_schema(&new, Some(&object)).iter() {
            let first = error.field.split(['.', '[']).next().unwrap_or_default().to_owned();

            // Lists and objects count as changed when some part of them has no schema.
            let as_before = |value: &Value| object.get(&first) == Some(value) && !value.is_array() && !value.is_object();
            let unchanged = new.get(&first).is_some_and(as_before);
            let exempt = matches!(&*first, "apiVersion" | "kind");
            prop_assert!(!unchanged || exempt, "{error} although {first} is as it was");
        }
    }

    #[test]
    fn any_value_passes_through_decode_and_validate_without_a_panic(
        schema in root(), new in object(), old in object(),
    ) {
        let Ok(compiled) = Structural::compile(&schema) else { return Ok(()) };
        let mut decoded = new.clone();
        if compiled.decode(&mut decoded, Malformed::Refuse).is_ok() {
            compiled.validate(&decoded, None);
        }
        let mut decoded = new.clone();
        let _ = compiled.decode(&mut decoded, Malformed::Drop);
        compiled.validate(&decoded, Some(&old));
        let resource = openapi::Resource {
            group: "a.b", version: "v1", kind: "K", list_kind: "KList", plural: "ks",
            schema: Some(&schema), selectable_fields: &[],
        };
        openapi::publish_v2(&resource);
        openapi::publish_v3(&resource);
    }

    #[test]
    fn any_schema_in_a_crd_is_judged_without_a_panic(schema in schema(), second in schema(), other in value()) {
        let mut crd = json!({
            "metadata": {"name": "ks.example.com"},
            "spec": {
                "group": "example.com", "scope": "Namespaced", "names": {"plural": "ks", "kind": "K"},
                "versions": [
                    {"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema},
                     "subresources": {"status": {}}, "selectableFields": [{"jsonPath": ".a.b"}]},
                    {"name": "v2", "served": true, "schema": {"openAPIV3Schema": second}},
                ],
            },
        });
        judge(&mut crd);
        crd["spec"]["versions"][0]["subresources"] = other.clone();
        judge(&mut crd);
        crd["spec"] = other;
        judge(&mut crd);
    }

    #[test]
    fn any_value_is_judged_as_a_crd_without_a_panic(mut value in value()) {
        judge(&mut value);
        let _ = Structural::compile(&value);
    }

    #[test]
    fn decoding_metadata_twice_is_decoding_it_once(metadata in metadata()) {
        if shape::is_clean(&metadata, &object_meta::OBJECT_META) {
            let (mut decoded, mut unknown) = (metadata.clone(), Vec::new());
            prop_assert!(shape::decode(&mut decoded, &object_meta::OBJECT_META, &mut unknown).is_ok());
            prop_assert!(unknown.is_empty());
            prop_assert_eq!(&decoded, &metadata);
        }
        for malformed in [Malformed::Refuse, Malformed::Drop] {
            let mut once = metadata.clone();
            if object_meta::coerce(&mut once, malformed).is_ok() {
                let mut twice = once.clone();
                prop_assert_eq!(object_meta::coerce(&mut twice, malformed), Ok(Vec::new()));
                prop_assert_eq!(&once, &twice);
            }
        }
    }

    #[test]
    fn any_text_is_a_pattern_or_refused(text in "[\\PC]{0,20}") {
        let _ = pattern::compile(&text);
    }

    #[test]
    fn text_of_pattern_characters_is_a_pattern_or_refused(text in "[\\[\\](){}a-c0-3,*+?|^$.:\\\\<>=!P-]{0,20}") {
        if let Ok(pattern) = pattern::compile(&text) {
            pattern.regex.is_match("abc");
        }
    }

    #[test]
    fn any_text_is_a_path_or_refused(text in "[a-c.\\[\\]*?(@)'\"=<>0-9:,$\\\\ -]{0,20}", object in value()) {
        if let Ok(path) = jsonpath::JsonPath::parse(&text) {
            path.find(&object);
        }
    }
}

const WORDS: [&str; 48] = [
    "self",
    "oldSelf",
    ".a",
    ".b",
    ".?a",
    "[0]",
    "[?1]",
    "['x']",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ",",
    ":",
    "?",
    "+",
    "-",
    "*",
    "/",
    "%",
    "==",
    "!=",
    "<",
    "in",
    "&&",
    "||",
    "!",
    "1",
    "2u",
    "1.5",
    "'x'",
    "b'x'",
    "null",
    "true",
    ".size()",
    ".all(x, x)",
    ".map(x, x)",
    ".exists(i, v, v)",
    ".matches('(')",
    "has(self.a)",
    "dyn(self)",
    "duration('1s')",
    "optional.none()",
    ".orValue(1)",
    "r'\\'",
    "x",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    // Whatever stands in a rule, the definition is accepted or refused, and an object judged.
    #[test]
    fn any_words_are_a_rule_or_refused(
        words in prop::collection::vec(prop::sample::select(&WORDS[..]), 0..14),
        noise in "\\PC{0,6}",
        object in value(),
    ) {
        for rule in [words.concat(), words.join(" "), format!("{}{noise}", words.concat())] {
            let schema = json!({
                "type": "object",
                "properties": {
                    "a": {"type": "array", "items": {"type": "string"}},
                    "b": {"x-kubernetes-int-or-string": true},
                },
                "x-kubernetes-validations": [{"rule": rule, "messageExpression": rule}],
            });
            let mut crd = json!({"spec": {"versions": [{"name": "v1", "schema": {"openAPIV3Schema": schema}}]}});
            judge(&mut crd);
            let schema = Structural::compile(&schema).unwrap();
            schema.validate_rules(&object, Some(&object));
        }
    }
}

/// Everything that is done with a CRD; with and without decoding it first.
fn judge(crd: &mut Value) {
    let old = crd.clone();
    for decode in [false, true] {
        if decode && crd::decode(crd).is_err() {
            return;
        }
        crd::default(crd);
        crd::prepare_for_create(crd);
        crd::validate_create(crd);
        crd::validate_update(crd, &old);
        crd::validate_status_update(crd, &old);
        crd::warnings(crd);
        crd::decide_status(crd, [&old].into_iter(), "2026-01-01T00:00:00Z");
        let _ = crd::Definition::parse(crd, &Pool::new());
    }
}
