//! The rules of field management, each over a small schema.

use super::*;
use serde_json::{Value, json};
use std::collections::HashMap;

/// A schema made of an OpenAPI-like document, for tests.
pub(super) struct Document {
    nodes: Vec<(Value, Shape)>,
    names: HashMap<(u64, String), Place>,
}

impl Document {
    pub(super) fn new(schema: &Value) -> Self {
        let mut document = Self { nodes: Vec::new(), names: HashMap::new() };
        document.add(schema);
        document
    }

    pub(super) fn root(&self) -> Type<'_> {
        Type::new(self, Place(0))
    }

    fn add(&mut self, schema: &Value) -> Place {
        if schema == "deduced" {
            return DEDUCED;
        }
        if schema == "meta" {
            return object_meta::OBJECT_META;
        }
        let place = Place(self.nodes.len() as u64);
        self.nodes.push((schema.clone(), Shape { scalar: None, list: None, map: None }));
        let mut shape = Shape { scalar: None, list: None, map: None };
        match schema["type"].as_str() {
            Some("object") => {
                for (name, field) in schema["properties"].as_object().into_iter().flatten() {
                    let field = self.add(field);
                    self.names.insert((place.0, name.clone()), field);
                }
                let others = schema.get("others").map(|others| self.add(others));
                shape.map = Some((schema["atomic"] == true, others));
            }
            Some("array") => {
                let relation = match schema["list"].as_str() {
                    Some("set") => Relation::Set,
                    Some("map") => Relation::Map,
                    _ => Relation::Atomic,
                };
                shape.list = Some((relation, self.add(&schema["items"])));
            }
            Some("number") => shape.scalar = Some(Scalar::Number),
            Some("boolean") => shape.scalar = Some(Scalar::Bool),
            Some("string") => shape.scalar = Some(Scalar::String),
            _ => shape.scalar = Some(Scalar::Any),
        }
        self.nodes[place.0 as usize].1 = shape;
        place
    }
}

impl Schema for Document {
    fn shape(&self, place: Place) -> Shape {
        if object_meta::has(place) { object_meta::shape(place) } else { self.nodes[place.0 as usize].1 }
    }

    fn field(&self, map: Place, name: &str) -> Option<Place> {
        if object_meta::has(map) {
            return object_meta::field(map, name);
        }
        self.names.get(&(map.0, name.to_owned())).copied()
    }

    fn key(&self, list: Place, index: usize) -> Option<&str> {
        if object_meta::has(list) {
            return object_meta::key(list, index);
        }
        self.nodes[list.0 as usize].0["keys"][index].as_str()
    }

    fn default(&self, map: Place, name: &str) -> Option<&Value> {
        if object_meta::has(map) {
            return object_meta::default(map, name);
        }
        self.nodes[map.0 as usize].0["properties"][name].get("default")
    }
}

/// Versions of one schema each, between which objects only change their `apiVersion`.
pub(super) struct Served {
    versions: Vec<(&'static str, Document)>,
    reset: FieldSet<'static>,
}

impl Versions for Served {
    fn typed(&self, api_version: &str) -> Option<Type<'_>> {
        self.versions.iter().find(|(name, _)| *name == api_version).map(|(_, schema)| schema.root())
    }

    fn convert(&self, object: &Value, api_version: &str) -> Option<Value> {
        let mut object = object.clone();
        object["apiVersion"] = json!(api_version);
        self.typed(api_version).map(|_| object)
    }

    fn reset(&self, _: &str) -> Option<&FieldSet<'static>> {
        Some(&self.reset)
    }
}

/// A schema with one of everything.
pub(super) fn everything() -> Value {
    let port = json!({"type": "object", "properties": {
        "name": {"type": "string"}, "port": {"type": "number"},
        "protocol": {"type": "string", "default": "TCP"}, "target": {"type": "number"}}});
    json!({"type": "object", "properties": {
        "apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": "meta",
        "data": {"type": "object", "others": {"type": "string"}},
        "free": "deduced",
        "spec": {"type": "object", "properties": {
            "replicas": {"type": "number"}, "paused": {"type": "boolean"},
            "selector": {"type": "object", "atomic": true, "others": {"type": "string"}},
            "args": {"type": "array", "items": {"type": "string"}},
            "tags": {"type": "array", "list": "set", "items": {"type": "string"}},
            "ports": {"type": "array", "list": "map", "keys": ["port", "protocol"], "items": port}}},
        "status": {"type": "object", "properties": {"ready": {"type": "number"}}}}})
}

fn served() -> Served {
    Served { versions: vec![("v1", Document::new(&everything()))], reset: FieldSet::new() }
}

fn request<'r>(manager: &'r str, now: &'r str) -> Request<'r> {
    Request { manager, api_version: "v1", subresource: "", now }
}

/// An object with its entries, as managers change it one after the other.
struct Life {
    versions: Served,
    object: Value,
    entries: Vec<u8>,
    clock: u32,
}

impl Life {
    fn new() -> Self {
        Self { versions: served(), object: json!({"apiVersion": "v1", "kind": "K"}), entries: Vec::new(), clock: 0 }
    }

    fn of(object: Value, entries: &Value) -> Self {
        Self { object, entries: entries.to_string().into_bytes(), ..Self::new() }
    }

    fn now(&mut self) -> String {
        self.clock += 1;
        format!("2026-01-01T00:00:{:02}Z", self.clock)
    }

    fn update(&mut self, manager: &str, new: Value) -> &mut Self {
        let now = self.now();
        let mut new = new;
        new["apiVersion"] = json!("v1");
        new["kind"] = json!("K");
        let entries = Entries::parse(&self.entries).unwrap();
        let created = self.entries.is_empty();
        let after = update(&self.object, &new, entries, &request(manager, &now), &self.versions, created).to_json();
        self.object = new;
        self.entries = after;
        self
    }

    fn try_apply(&mut self, manager: &str, config: Value, force: bool) -> Result<(), Refusal> {
        let now = self.now();
        let mut config = config;
        config["apiVersion"] = json!("v1");
        config["kind"] = json!("K");
        let empty = json!({"apiVersion": "v1", "kind": "K"});
        let entries = Entries::parse(&self.entries).unwrap();
        let wanted = Apply { live: &self.object, empty: &empty, config: &config, force };
        let applied = apply(wanted, entries, &request(manager, &now), &self.versions)?;
        self.object = applied.object;
        self.entries = applied.entries;
        Ok(())
    }

    fn apply(&mut self, manager: &str, config: Value) -> &mut Self {
        self.try_apply(manager, config, false).unwrap();
        self
    }

    fn force(&mut self, manager: &str, config: Value) -> &mut Self {
        self.try_apply(manager, config, true).unwrap();
        self
    }

    fn conflict(&mut self, manager: &str, config: Value) -> crate::status::Status {
        match self.try_apply(manager, config, false) {
            Err(Refusal::Conflict(status)) => *status,
            other => panic!("{other:?}"),
        }
    }

    fn invalid(&mut self, config: Value) -> String {
        match self.try_apply("m", config, true) {
            Err(Refusal::Invalid(text)) => text,
            other => panic!("{other:?}"),
        }
    }

    /// Manager and fields of every entry.
    fn owners(&self) -> Vec<(String, Value)> {
        let entries: Vec<Value> = serde_json::from_slice(&self.entries).unwrap_or_default();
        let owner = |entry: &Value| {
            let name = format!("{} {}", entry["manager"].as_str().unwrap(), entry["operation"].as_str().unwrap());
            (name, entry["fieldsV1"].clone())
        };
        entries.iter().map(owner).collect()
    }

    fn times(&self) -> Vec<Option<String>> {
        let entries: Vec<Value> = serde_json::from_slice(&self.entries).unwrap_or_default();
        entries.iter().map(|entry| entry["time"].as_str().map(str::to_owned)).collect()
    }

    fn spec(&self) -> &Value {
        &self.object["spec"]
    }
}

fn owner(name: &str, fields: Value) -> (String, Value) {
    (name.to_owned(), fields)
}

// kube-api 3.2.8
#[test]
fn a_create_has_one_entry_of_its_manager() {
    let mut life = Life::new();
    life.update("a", json!({"metadata": {"name": "x", "labels": {"l": "1"}}, "data": {"k": "v"}}));
    let fields = json!({"f:metadata": {"f:labels": {".": {}, "f:l": {}}}, "f:data": {".": {}, "f:k": {}}});
    assert_eq!(life.owners(), [owner("a Update", fields)]);
    assert_eq!(life.times(), [Some("2026-01-01T00:00:01Z".to_owned())]);
}

// kube-api 3.8.3
#[test]
fn entries_are_sorted_and_written_in_full() {
    let mut life = Life::new();
    life.update("z", json!({"data": {"a": "1"}}));
    life.update("b", json!({"data": {"a": "1", "b": "1"}}));
    life.apply("x", json!({"data": {"c": "1"}}));
    life.apply("c", json!({"data": {"d": "1"}}));
    let names: Vec<String> = life.owners().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["x Apply", "c Apply", "z Update", "b Update"]);
    let entries: Vec<Value> = serde_json::from_slice(&life.entries).unwrap();
    assert_eq!(
        entries[0],
        json!({"manager": "x", "operation": "Apply", "apiVersion": "v1", "time": "2026-01-01T00:00:03Z",
            "fieldsType": "FieldsV1", "fieldsV1": {"f:data": {"f:c": {}}}})
    );
}

// kube-api 3.8.4, 3.8.6
#[test]
fn structure_decides_what_is_owned() {
    let mut life = Life::new();
    life.apply(
        "a",
        json!({"spec": {"selector": {"x": "1"}, "args": ["1", "2"], "tags": ["t"],
        "ports": [{"port": 80, "name": "http"}]}, "free": {"a": {"b": [1]}}}),
    );
    let fields = json!({
        "f:spec": {
            "f:selector": {}, "f:args": {}, "f:tags": {"v:\"t\"": {}},
            "f:ports": {"k:{\"port\":80,\"protocol\":\"TCP\"}": {".": {}, "f:port": {}, "f:name": {}}}},
        "f:free": {"f:a": {".": {}, "f:b": {}}}});
    assert_eq!(life.owners(), [owner("a Apply", fields)]);
}

// kube-api 3.8.5
#[test]
fn system_fields_are_nobodys() {
    let mut life = Life::new();
    let meta = json!({"name": "x", "namespace": "n", "uid": "u", "creationTimestamp": "2026-01-01T00:00:00Z",
        "generation": 1, "resourceVersion": "1", "selfLink": "/x"});
    life.update("a", json!({"metadata": meta, "data": {"k": "v"}}));
    assert_eq!(life.owners(), [owner("a Update", json!({"f:data": {".": {}, "f:k": {}}}))]);
    life.apply("b", json!({"metadata": {"name": "x"}}));
    assert_eq!(life.owners().len(), 1);
}

// kube-api 3.8.5
#[test]
fn fields_that_a_request_cannot_change_are_not_owned_by_it() {
    let mut life = Life::new();
    life.versions.reset = FieldSet::of(&[&["status"]]);
    life.update("a", json!({"spec": {"replicas": 1}, "status": {"ready": 1}}));
    assert_eq!(life.owners(), [owner("a Update", json!({"f:spec": {".": {}, "f:replicas": {}}}))]);
    life.apply("b", json!({"spec": {"paused": true}, "status": {"ready": 2}}));
    assert_eq!(life.owners()[0], owner("b Apply", json!({"f:spec": {"f:paused": {}}})));
}

// kube-api 3.8.7
#[test]
fn a_conflict_names_the_manager_and_the_field() {
    let mut life = Life::new();
    life.apply("a", json!({"spec": {"replicas": 1}}));
    let refused = life.conflict("b", json!({"spec": {"replicas": 2}}));
    assert_eq!(refused.message, "Apply failed with 1 conflict: conflict with \"a\": .spec.replicas");
    assert_eq!(
        refused.to_value(),
        json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "reason": "Conflict",
            "code": 409, "message": refused.message, "details": {"causes": [{"reason": "FieldManagerConflict",
            "message": "conflict with \"a\"", "field": ".spec.replicas"}]}})
    );
    assert_eq!(life.spec()["replicas"], 1);
}

// kube-api 3.8.7, 3.8.8
#[test]
fn several_conflicts_are_grouped_by_manager() {
    let mut life = Life::new();
    life.update("up", json!({"data": {"a": "1", "b": "1"}}));
    life.apply("ap", json!({"spec": {"ports": [{"port": 80, "target": 1}], "tags": ["t"]}}));
    let wanted = json!({"data": {"a": "2", "b": "2"}, "spec": {"ports": [{"port": 80, "target": 2}]}});
    let refused = life.conflict("b", wanted);
    assert_eq!(
        refused.message,
        "Apply failed with 3 conflicts: conflicts with \"ap\":\n\
         - .spec.ports[port=80,protocol=\"TCP\"].target\n\
         conflicts with \"up\" using v1:\n- .data.a\n- .data.b"
    );
    assert_eq!(refused.details.unwrap().causes.len(), 3);
}

// kube-api 3.8.7
#[test]
fn a_conflict_names_the_subresource() {
    let entries = json!([{"manager": "s", "operation": "Update", "apiVersion": "v1", "subresource": "status",
        "fieldsType": "FieldsV1", "fieldsV1": {"f:data": {"f:a": {}}}}]);
    let mut life = Life::of(json!({"apiVersion": "v1", "kind": "K", "data": {"a": "1"}}), &entries);
    let refused = life.conflict("b", json!({"data": {"a": "2"}}));
    let want = "Apply failed with 1 conflict: conflict with \"s\" with subresource \"status\" using v1: .data.a";
    assert_eq!(refused.message, want);
}

// kube-api 3.8.9
#[test]
fn the_same_value_is_shared_and_force_takes_over() {
    let mut life = Life::new();
    life.apply("a", json!({"data": {"k": "1"}})).apply("b", json!({"data": {"k": "1"}}));
    let both = json!({"f:data": {"f:k": {}}});
    // The second changed nothing, so nothing says when.
    assert_eq!(life.owners(), [owner("b Apply", both.clone()), owner("a Apply", both.clone())]);
    assert_eq!(life.times(), [None, Some("2026-01-01T00:00:01Z".to_owned())]);
    life.force("b", json!({"data": {"k": "2"}}));
    assert_eq!(life.owners(), [owner("b Apply", both)]);
    assert_eq!(life.object["data"]["k"], "2");
}

// kube-api 3.8.10
#[test]
fn what_a_manager_no_longer_applies_goes_unless_others_own_it() {
    let mut life = Life::new();
    life.apply(
        "a",
        json!({"data": {"mine": "1", "ours": "1"}, "spec": {"tags": ["x", "y"], "replicas": 3,
        "ports": [{"port": 80, "name": "a"}, {"port": 81}]}}),
    );
    life.apply("b", json!({"data": {"ours": "1"}, "spec": {"tags": ["y"]}}));
    life.update("c", {
        let mut object = life.object.clone();
        object["spec"]["ports"][1]["target"] = json!(9);
        object
    });
    life.apply("a", json!({"spec": {"ports": [{"port": 80}]}}));
    assert_eq!(life.object["data"], json!({"ours": "1"}));
    // An item goes with all that is in it, whoever set that.
    assert_eq!(life.spec(), &json!({"tags": ["y"], "ports": [{"port": 80}]}));
    assert!(life.owners().iter().all(|(name, _)| name != "c Update"));
    let a = life.owners().into_iter().find(|(name, _)| name == "a Apply").unwrap().1;
    assert_eq!(a, json!({"f:spec": {"f:ports": {"k:{\"port\":80,\"protocol\":\"TCP\"}": {".": {}, "f:port": {}}}}}));
}

// kube-api 3.8.10
#[test]
fn a_field_that_an_updater_changed_stays_when_its_applier_drops_it() {
    let mut life = Life::new();
    life.apply("a", json!({"data": {"k": "1", "l": "1"}}));
    life.update("u", json!({"data": {"k": "2", "l": "1"}}));
    life.apply("a", json!({"data": {"l": "1"}}));
    assert_eq!(life.object["data"], json!({"k": "2", "l": "1"}));
    assert_eq!(life.owners()[1], owner("u Update", json!({"f:data": {"f:k": {}}})));
}

// kube-api 3.8.11
#[test]
fn documents_that_the_schema_does_not_allow_are_refused() {
    for (config, text) in [
        (json!({"foo": 1}), ".foo: field not declared in schema"),
        (json!({"spec": {"foo": 1}}), ".spec.foo: field not declared in schema"),
        (json!({"data": {"a": 1}}), ".data.a: expected string, got &value.valueUnstructured{Value:1}"),
        (json!({"data": "x"}), ".data: expected map, got &{x}"),
        (json!({"spec": {"paused": "x"}}), ".spec.paused: expected boolean, got &{x}"),
        (json!({"spec": {"replicas": "x"}}), ".spec.replicas: expected numeric (int or float), got string"),
        (json!({"spec": {"tags": {"a": 1}}}), ".spec.tags: expected list, got &{map[a:1]}"),
        (json!({"spec": {"tags": ["a", "a"]}}), ".spec.tags: duplicate entries for key [=\"a\"]"),
        (
            json!({"spec": {"ports": [{"port": 1}, {"port": 1, "protocol": "TCP"}]}}),
            ".spec.ports: duplicate entries for key [port=1,protocol=\"TCP\"]",
        ),
        (
            json!({"data": {"a": 1}, "foo": 1}),
            "errors:\n  .data.a: expected string, got &value.valueUnstructured{Value:1}\n  .foo: field not declared in \
             schema",
        ),
    ] {
        assert_eq!(Life::new().invalid(config), text);
    }
}

// kube-api 3.8.12
#[test]
fn what_was_there_before_the_first_apply_is_owned_by_somebody() {
    let mut life = Life::of(json!({"apiVersion": "v1", "kind": "K", "data": {"k": "1"}}), &json!([]));
    life.entries.clear();
    let refused = life.conflict("a", json!({"data": {"k": "2"}}));
    let want = "Apply failed with 1 conflict: conflict with \"before-first-apply\" using v1: .data.k";
    assert_eq!(refused.message, want);
    life.apply("a", json!({"data": {"k": "1"}}));
    assert_eq!(life.owners()[1], owner("before-first-apply Update", json!({"f:data": {".": {}, "f:k": {}}})));
}

// kube-api 3.8.12
#[test]
fn a_manager_without_a_name_is_unknown() {
    let mut life = Life::new();
    life.update("", json!({"data": {"k": "1"}}));
    assert_eq!(life.owners()[0].0, "unknown Update");
}

// kube-api 3.8.13
#[test]
fn what_an_update_changes_is_its_own_and_the_rest_stays() {
    let mut life = Life::new();
    life.apply("a", json!({"data": {"k": "1", "l": "1", "m": "1"}}));
    life.update("u", json!({"data": {"k": "2", "l": "1", "n": "1"}}));
    assert_eq!(
        life.owners(),
        [
            owner("a Apply", json!({"f:data": {"f:l": {}}})),
            owner("u Update", json!({"f:data": {"f:k": {}, "f:n": {}}}))
        ]
    );
    life.update("w", json!({"data": {"k": "2", "l": "1", "n": "1"}}));
    assert_eq!(life.owners().len(), 2);
}

// kube-api 3.8.13
#[test]
fn the_eleventh_updater_merges_the_oldest_two() {
    let mut life = Life::new();
    let mut data = serde_json::Map::new();
    for index in 0..12 {
        data.insert(format!("k{index}"), json!("1"));
        life.update(&format!("m{index:02}"), json!({"data": data}));
    }
    let owners = life.owners();
    assert_eq!(owners.len(), MAX_UPDATERS);
    assert_eq!(
        owners[0],
        owner("ancient-changes Update", json!({"f:data": {".": {}, "f:k0": {}, "f:k1": {}, "f:k2": {}}}))
    );
    assert_eq!(life.times()[0].as_deref(), Some("2026-01-01T00:00:03Z"));
    assert_eq!(owners[1].0, "m03 Update");
}

// kube-api 3.8.14
#[test]
fn an_object_without_entries_stays_without_until_it_is_applied_to() {
    let versions = served();
    let (old, new) = (json!({"data": {"a": "1"}}), json!({"data": {"a": "2"}}));
    let after = update(&old, &new, Entries::default(), &request("m", "t"), &versions, false);
    assert!(after.is_empty());
    for (given, reset) in [
        (json!([]), true),
        (json!([{}]), true),
        (json!([{"manager": ""}]), true),
        (json!([{"manager": "x"}]), false),
        (json!([{}, {}]), false),
        (json!(null), false),
    ] {
        assert_eq!(is_reset(&given), reset, "{given}");
    }
}

// kube-api 3.8.15
#[test]
fn a_time_changes_only_with_the_object() {
    let mut life = Life::new();
    life.apply("a", json!({"data": {"k": "1"}})).apply("a", json!({"data": {"k": "1"}}));
    assert_eq!(life.times(), [Some("2026-01-01T00:00:01Z".to_owned())]);
    life.update("u", json!({"data": {"k": "1"}}));
    assert_eq!(life.times().len(), 1);
    life.apply("a", json!({"data": {"k": "2"}}));
    assert_eq!(life.times(), [Some("2026-01-01T00:00:04Z".to_owned())]);
}

// kube-api 3.8.17
#[test]
fn a_write_without_a_clock_sets_no_time() {
    let versions = served();
    let (old, new) = (json!({"data": {"a": "1"}}), json!({"data": {"a": "2"}}));
    let request = Request { subresource: "scale", ..request("m", "") };
    let after = update(&old, &new, Entries::default(), &request, &versions, true).to_json();
    let entries: Vec<Value> = serde_json::from_slice(&after).unwrap();
    assert_eq!((entries[0].get("time"), &entries[0]["subresource"]), (None, &json!("scale")));
}

// kube-api 3.8.16
#[test]
fn kubectl_takes_over_what_it_applied_on_its_own() {
    let last = json!({"apiVersion": "v1", "kind": "K", "data": {"k": "1"}}).to_string();
    let object = json!({"metadata": {"annotations": {(LAST_APPLIED): last}}, "data": {"k": "1", "other": "1"}});
    let mut life = Life::new();
    life.update("kubectl-client-side-apply", object);
    let refused = life.conflict("somebody", json!({"data": {"k": "2"}}));
    assert_eq!(refused.details.unwrap().causes.len(), 1);
    let refused = life.conflict("kubectl", json!({"data": {"k": "2", "other": "2"}}));
    assert_eq!(refused.details.unwrap().causes[0].field, ".data.other");
    life.apply("kubectl", json!({"data": {"k": "2"}}));
    let note = crate::meta::annotation(&life.object, LAST_APPLIED).unwrap();
    assert_eq!(note, "{\"apiVersion\":\"v1\",\"data\":{\"k\":\"2\"},\"kind\":\"K\"}\n");
}

// kube-api 3.8.18
#[test]
fn entries_keep_their_version_and_those_of_unserved_ones_go() {
    let mut life = Life::new();
    life.versions.versions.push(("v2", Document::new(&everything())));
    life.object = json!({"apiVersion": "v1", "kind": "K", "data": {"a": "1", "b": "1"}});
    let entry = |version: &str, field: &str| {
        json!({"manager": "old", "operation": "Update", "apiVersion": version, "fieldsType": "FieldsV1",
            "fieldsV1": {"f:data": {(format!("f:{field}")): {}}}})
    };
    life.entries = json!([entry("v2", "a"), entry("v9", "b")]).to_string().into_bytes();
    let refused = life.conflict("m", json!({"data": {"a": "2"}}));
    assert!(refused.message.contains("conflict with \"old\" using v2: .data.a"), "{}", refused.message);
    life.update("u", json!({"data": {"a": "1", "b": "2"}}));
    let entries: Vec<Value> = serde_json::from_slice(&life.entries).unwrap();
    let versions: Vec<&str> = entries.iter().map(|entry| entry["apiVersion"].as_str().unwrap()).collect();
    assert_eq!(versions, ["v2", "v1"]);
}

// kube-api 3.8.18
#[test]
fn an_applier_that_changes_its_version_keeps_one_entry() {
    let mut life = Life::new();
    life.versions.versions.push(("v2", Document::new(&everything())));
    life.object = json!({"apiVersion": "v1", "kind": "K", "data": {"a": "1", "b": "1"}});
    life.entries = json!([{"manager": "m", "operation": "Apply", "apiVersion": "v2", "fieldsType": "FieldsV1",
        "fieldsV1": {"f:data": {"f:a": {}, "f:b": {}}}}])
    .to_string()
    .into_bytes();
    life.apply("m", json!({"data": {"a": "1"}}));
    assert_eq!(life.object["data"], json!({"a": "1"}));
    let entries: Vec<Value> = serde_json::from_slice(&life.entries).unwrap();
    assert_eq!((entries.len(), &entries[0]["apiVersion"]), (1, &json!("v1")));
}

#[test]
fn what_became_atomic_is_owned_as_a_whole() {
    let set = |text: &'static str| serde_json::from_str::<FieldSet<'_>>(text).unwrap();
    let document = Document::new(&everything());
    let reconciled = reconcile(set(r#"{"f:spec":{"f:selector":{".":{},"f:x":{}},"f:replicas":{}}}"#), document.root());
    assert_eq!(reconciled, set(r#"{"f:spec":{"f:selector":{},"f:replicas":{}}}"#));
    let same = set(r#"{"f:spec":{"f:ports":{"k:{\"port\":1}":{".":{},"f:name":{}}}},"f:free":{"f:a":{"f:b":{}}}}"#);
    assert_eq!(reconcile(same.clone(), document.root()), same);
}

#[test]
fn lists_merge_in_the_order_of_what_is_applied() {
    for (live, config, merged) in [
        (json!(["a", "b", "c"]), json!(["c", "a"]), json!(["b", "c", "a"])),
        (json!(["a", "b"]), json!(["x"]), json!(["a", "b", "x"])),
        (json!(["a", "b", "c", "d"]), json!(["b", "d", "x"]), json!(["a", "b", "c", "d", "x"])),
        (json!([]), json!(["x", "y"]), json!(["x", "y"])),
        (json!(["a", "b"]), json!([]), json!(["a", "b"])),
        (json!(["a", "b", "c"]), json!(["d", "b", "e"]), json!(["a", "d", "b", "c", "e"])),
    ] {
        let document = Document::new(&json!({"type": "array", "list": "set", "items": {"type": "string"}}));
        let mut value = live.clone();
        merge(&mut value, &config, document.root());
        assert_eq!(value, merged, "{live} + {config}");
    }
}

#[test]
fn items_that_occur_twice_are_owned_together() {
    let document = Document::new(&everything());
    let old = json!({"spec": {"tags": ["a", "a"], "ports": [{"port": 1, "name": "x"}]}});
    let new = json!({"spec": {"tags": ["a"], "ports": [{"port": 1, "name": "x"}, {"port": 1, "name": "y"}]}});
    let found = Comparison::of(&old, &new, document.root());
    let port = ".spec.ports[port=1,protocol=\"TCP\"]";
    assert_eq!(found.removed.to_string(), format!("{port}\n{port}.name\n{port}.port\n.spec.tags[=\"a\"]"));
    assert_eq!(found.added.to_string(), format!("{port}\n.spec.tags[=\"a\"]"));
    assert!(found.modified.is_empty());
}

#[test]
fn broken_entries_are_named() {
    for (entries, text) in [
        (json!([{"manager": "x"}]), "operation must be `Apply` or `Update`"),
        (json!([{"operation": "Apply"}]), "apiVersion must not be empty"),
        (json!([{"operation": "Apply", "apiVersion": "v1"}]), "missing fieldsType in managed fields entry 0"),
    ] {
        assert_eq!(Entries::decode(&entries).unwrap_err(), text);
    }
    let entry = |fields: Value| json!([{"operation": "Apply", "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": fields}]);
    for broken in [json!({"data": {}}), json!({"f:a": 1}), json!([]), json!({"k:[]": {}})] {
        assert!(Entries::decode(&entry(broken)).is_err());
    }
    assert!(Entries::decode(&entry(json!({"x:later": {"f:a": {}}, "f:a": {}}))).is_ok());
    assert!(Entries::decode(&entry(json!(null))).is_ok());
}

#[test]
fn ten_thousand_managers_and_their_fields_are_settled_quickly() {
    let entry = |index: usize| {
        json!({"manager": format!("m{index}"), "operation": "Update", "apiVersion": "v1",
            "time": "2026-01-01T00:00:00Z", "fieldsType": "FieldsV1",
            "fieldsV1": {"f:data": {(format!("f:k{index}")): {}, "f:shared": {}}}})
    };
    let entries: Vec<Value> = (0..10_000).map(entry).collect();
    let mut data: serde_json::Map<String, Value> = (0..20_000).map(|i| (format!("k{i}"), json!("1"))).collect();
    data.insert("shared".to_owned(), json!("1"));
    let mut life = Life::of(json!({"apiVersion": "v1", "kind": "K", "data": data}), &Value::Array(entries));
    let begin = std::time::Instant::now();
    let refused = life.conflict("a", json!({"data": {"shared": "2"}}));
    assert!(refused.message.starts_with("Apply failed with 10000 conflicts: "));
    assert_eq!(refused.details.as_ref().unwrap().causes.len(), 1000);
    let changed: serde_json::Map<String, Value> = data.keys().map(|key| (key.clone(), json!("2"))).collect();
    life.update("u", json!({"data": changed}));
    assert_eq!(life.owners().len(), 1);
    // A build without optimisation on a busy machine; what is quadratic takes minutes.
    assert!(begin.elapsed().as_secs() < 20, "{:?}", begin.elapsed());
}
