//! Random sets and objects: the algebra holds, and what is written is what is read.

use super::tests::{Document, everything};
use super::*;
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

fn element() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "f:[a-d]",
        1 => "v:[0-3]",
        1 => (0..3u8, 0..3u8).prop_map(|(a, b)| format!("k:{{\"a\":{a},\"b\":\"{b}\"}}")),
        1 => "i:[0-2]",
    ]
}

/// A set by its paths, so that a set of text can say what is right.
fn paths() -> impl Strategy<Value = BTreeSet<Vec<String>>> {
    prop::collection::btree_set(prop::collection::vec(element(), 1..4), 0..12)
}

fn set(paths: &BTreeSet<Vec<String>>) -> FieldSet<'static> {
    let mut set = FieldSet::new();
    for path in paths {
        set.insert(path.iter().map(|step| Element::parse(step.clone().into()).unwrap().unwrap()));
    }
    set
}

/// Objects of the schema with one of everything.
fn object() -> impl Strategy<Value = Value> {
    let data = prop::collection::btree_map("[a-c]", "[x-z]", 0..4);
    let tags = prop::collection::vec("[a-e]", 0..5);
    let ports = prop::collection::vec((0..4u8, prop::option::of("[x-z]"), prop::option::of(0..3u8)), 0..4);
    let leaf = prop_oneof![Just(Value::Null), any::<bool>().prop_map(Value::from), (0..3i64).prop_map(Value::from)];
    let free = leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map("[a-c]", inner, 0..3).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    });
    (prop::option::of(data), prop::option::of(tags), prop::option::of(ports), prop::option::of(0..3i64), free).prop_map(
        |(data, tags, ports, replicas, free)| {
            let mut spec = Map::new();
            let unique = |mut items: Vec<Value>| {
                let mut seen = BTreeSet::new();
                items.retain(|item| seen.insert(item.get("port").unwrap_or(item).to_string()));
                Value::from(items)
            };
            if let Some(tags) = tags {
                spec.insert("tags".into(), unique(tags.into_iter().map(Value::from).collect()));
            }
            if let Some(ports) = ports {
                let port = |(port, name, target): (u8, Option<String>, Option<u8>)| {
                    let mut item = json!({"port": port});
                    if let Some(name) = name {
                        item["name"] = name.into();
                    }
                    if let Some(target) = target {
                        item["target"] = target.into();
                    }
                    item
                };
                spec.insert("ports".into(), unique(ports.into_iter().map(port).collect()));
            }
            if let Some(replicas) = replicas {
                spec.insert("replicas".into(), replicas.into());
            }
            let mut object = json!({"spec": spec, "free": free});
            if let Some(data) = data {
                object["data"] = data.into_iter().collect::<Value>();
            }
            object
        },
    )
}

proptest! {
    #[test]
    fn the_algebra_is_that_of_sets_of_paths(a in paths(), b in paths()) {
        let (x, y) = (set(&a), set(&b));
        prop_assert_eq!(x.len(), a.len());
        prop_assert_eq!(x.intersection(&y), set(&a.intersection(&b).cloned().collect()));
        prop_assert_eq!(x.meets(&y), !a.is_disjoint(&b));
        prop_assert_eq!(x.is_subset(&y), a.is_subset(&b));
        let mut united = x.clone();
        united.unite(y.clone());
        prop_assert_eq!(&united, &set(&a.union(&b).cloned().collect()));
        prop_assert_eq!(&FieldSet::union_of(vec![x.clone(), y.clone(), x.clone()]), &united);
        let mut left = x.clone();
        left.subtract(&y);
        prop_assert_eq!(left, set(&a.difference(&b).cloned().collect()));
        let mut left = x.clone();
        left.subtract_deep(&y);
        let covered = |path: &Vec<String>| (1..=path.len()).any(|end| b.contains(&path[..end]));
        prop_assert_eq!(left, set(&a.iter().filter(|path| !covered(path)).cloned().collect()));
    }

    #[test]
    fn a_long_set_and_a_short_one_are_as_any_other(long in prop::collection::btree_set(0..200u8, 100..150), short in prop::collection::btree_set(0..200u8, 0..4)) {
        let paths = |all: &BTreeSet<u8>| all.iter().map(|n| vec![format!("f:{n:03}")]).collect::<BTreeSet<_>>();
        let (a, b) = (paths(&long), paths(&short));
        let (x, y) = (set(&a), set(&b));
        let both = set(&a.intersection(&b).cloned().collect());
        prop_assert_eq!(&x.intersection(&y), &both);
        prop_assert_eq!(&y.intersection(&x), &both);
        let (mut without, mut rest) = (x.clone(), y.clone());
        without.subtract(&y);
        rest.subtract(&x);
        prop_assert_eq!(without, set(&a.difference(&b).cloned().collect()));
        prop_assert_eq!(rest, set(&b.difference(&a).cloned().collect()));
        prop_assert_eq!(y.is_subset(&x), b.is_subset(&a));
    }

    #[test]
    fn what_is_written_is_what_is_read(a in paths()) {
        let written = set(&a);
        let mut text = Vec::new();
        written.write(&mut text);
        let read: FieldSet<'_> = serde_json::from_slice(&text).unwrap();
        prop_assert_eq!(&read, &written);
        let value: Value = serde_json::from_slice(&text).unwrap();
        prop_assert_eq!(<FieldSet<'_> as serde::Deserialize>::deserialize(&value).unwrap(), written);
    }

    #[test]
    fn an_object_does_not_differ_from_itself(a in object()) {
        let document = Document::new(&everything());
        let copy = a.clone();
        prop_assert!(Comparison::of(&a, &copy, document.root()).is_same());
    }

    #[test]
    fn what_one_state_adds_the_other_way_round_it_removes(a in object(), b in object()) {
        let document = Document::new(&everything());
        let (there, back) = (Comparison::of(&a, &b, document.root()), Comparison::of(&b, &a, document.root()));
        prop_assert_eq!(&there.added, &back.removed);
        prop_assert_eq!(&there.removed, &back.added);
        prop_assert_eq!(&there.modified, &back.modified);
        prop_assert!(!there.added.meets(&there.removed) && !there.added.meets(&there.modified));
    }

    #[test]
    fn a_merge_takes_every_value_that_was_applied(live in object(), config in object()) {
        let document = Document::new(&everything());
        let mut merged = live.clone();
        merge(&mut merged, &config, document.root());
        let found = Comparison::of(&config, &merged, document.root());
        let mut lost = found.modified;
        lost.unite(found.removed);
        // A null that stands for a map or a list that is there leaves it as it is.
        lost.subtract_deep(&nulls(&config));
        prop_assert_eq!(lost.to_string(), "");
        let mut again = merged.clone();
        merge(&mut again, &config, document.root());
        prop_assert_eq!(again, merged);
    }

    #[test]
    fn applying_twice_changes_nothing_the_second_time(live in object(), config in object(), other in object()) {
        let versions = One(Document::new(&everything()));
        let empty = json!({});
        let mut state = (live, Vec::new());
        for (manager, config) in [("a", &other), ("m", &config), ("m", &config)] {
            let entries = Entries::parse(&state.1).unwrap();
            let request = Request { manager, api_version: "v1", subresource: "", now: "2026-01-01T00:00:00Z" };
            let wanted = Apply { live: &state.0, empty: &empty, config, force: true };
            let applied = apply(wanted, entries, &request, &versions).unwrap();
            let before = state;
            state = (applied.object, applied.entries);
            if manager == "m" && before.1 == state.1 {
                prop_assert_eq!(&before.0, &state.0);
            }
        }
        let entries = Entries::parse(&state.1).unwrap();
        let request = Request { manager: "m", api_version: "v1", subresource: "", now: "2027-01-01T00:00:00Z" };
        let wanted = Apply { live: &state.0, empty: &empty, config: &config, force: false };
        let again = apply(wanted, entries, &request, &versions).unwrap();
        prop_assert_eq!(&again.object, &state.0);
        prop_assert_eq!(again.entries, state.1);
    }

    #[test]
    fn whatever_entries_a_client_sends_nothing_breaks(text in "[\\[\\]{}\":,a-f.kvi0-9 ]{0,60}", a in object(), b in object()) {
        let entries = format!("[{{\"manager\":\"m\",\"operation\":\"Apply\",\"apiVersion\":\"v1\",\"fieldsType\":\"FieldsV1\",\"fieldsV1\":{text}}}]");
        if let Ok(entries) = Entries::parse(entries.as_bytes()) {
            let versions = One(Document::new(&everything()));
            let request = Request { manager: "m", api_version: "v1", subresource: "", now: "2026-01-01T00:00:00Z" };
            let empty = json!({});
            let wanted = Apply { live: &a, empty: &empty, config: &b, force: true };
            let _ = apply(wanted, entries.clone(), &request, &versions);
            let after = update(&a, &b, entries, &request, &versions, false).to_json();
            prop_assert!(Entries::parse(&after).is_ok());
        }
    }
}

struct One(Document);

impl Versions for One {
    fn typed(&self, api_version: &str) -> Option<Type<'_>> {
        (api_version == "v1").then(|| self.0.root())
    }

    fn convert(&self, object: &Value, _: &str) -> Option<Value> {
        Some(object.clone())
    }

    fn reset(&self, _: &str) -> Option<&FieldSet<'static>> {
        None
    }
}

/// The paths of a document at which null stands.
fn nulls(value: &Value) -> FieldSet<'_> {
    let nodes = value.as_object().into_iter().flatten().map(|(name, value)| Node {
        element: Element::field(name),
        member: value.is_null(),
        children: nulls(value),
    });
    FieldSet::from_nodes(nodes.collect())
}
