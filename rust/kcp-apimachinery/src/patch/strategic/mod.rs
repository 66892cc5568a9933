//! Strategic merge patch: a merge patch whose lists merge too, by rules that the kind declares.
//!
//! Only the server's side is here, applying; patches are computed by clients. Directives in a patch:
//! `$patch: replace|delete` on a map or list item, `$deleteFromPrimitiveList/<field>`, `$setElementOrder/<field>` and
//! `$retainKeys`.

mod failure;
mod order;
mod schema;

use std::collections::HashSet;

use serde_json::{Map, Value};

use failure::{BAD_DELETE, BAD_ORDER, BAD_RETAIN, Failure, GO_LIST, GO_MAP, go_type};
use order::{check_order, in_order};
use schema::Field;
pub use schema::{ListStrategy, StrategicSchema};

use crate::status::Status;
use crate::text;

const DIRECTIVE: &str = "$patch";
const DELETE_FROM: &str = "$deleteFromPrimitiveList";
const SET_ORDER: &str = "$setElementOrder";
const RETAIN_KEYS: &str = "$retainKeys";

/// A strategic merge patch of an object.
#[derive(Clone, Debug)]
pub struct StrategicPatch {
    patch: Map<String, Value>,
    warnings: Vec<String>,
}

impl StrategicPatch {
    /// Reads a patch.
    ///
    /// # Errors
    /// 400 when the bytes are no JSON object.
    pub fn parse(bytes: &[u8]) -> Result<Self, Status> {
        let (patch, warnings) = super::decode_object(bytes, "")?;
        // `null` leaves Go's map empty.
        let patch = patch.unwrap_or_default();
        Ok(Self { patch, warnings })
    }

    /// Applies the patch by the rules of the object's kind. The result is nested no deeper than the deeper of document
    /// and patch.
    ///
    /// # Errors
    /// 400 for directives of the wrong form, 422 for lists of lists, 500 for patches that do not fit the object, as
    /// Kubernetes answers them. `document` is empty then.
    pub fn apply(&self, document: &mut Value, schema: &StrategicSchema) -> Result<(), Status> {
        let original = match document.take() {
            Value::Object(map) => map,
            _ => Map::new(),
        };
        *document = Value::Object(merge_map(original, self.patch.clone(), schema).map_err(Failure::status)?);
        Ok(())
    }

    /// The patch as a value.
    pub fn fields(&self) -> &Map<String, Value> {
        &self.patch
    }

    /// The patch as Go prints its map, for messages about the result of the patch.
    pub fn printed(&self) -> String {
        text::go_map(&self.patch)
    }

    /// The texts of strict decoding: fields that the patch repeats.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The texts of strict decoding, owned.
    pub fn into_warnings(self) -> Vec<String> {
        self.warnings
    }
}

fn merge_map(
    mut original: Map<String, Value>,
    mut patch: Map<String, Value>,
    schema: &StrategicSchema,
) -> Result<Map<String, Value>, Failure> {
    if let Some(directive) = patch.remove(DIRECTIVE) {
        return match directive.as_str() {
            Some("replace") => Ok(patch),
            Some("delete") => Ok(Map::new()),
            _ => {
                patch.insert(DIRECTIVE.to_owned(), directive.clone());
                Err(Failure::UnknownDirective(directive, patch))
            }
        };
    }
    if let Some(keys) = patch.remove(RETAIN_KEYS) {
        retain_keys(&mut original, &patch, &keys)?;
    }
    order_lists(&mut original, &mut patch, schema)?;

    for (key, value) in patch {
        if let Some(rest) = key.strip_prefix(DELETE_FROM) {
            let field = rest.strip_prefix('/').ok_or(BAD_DELETE)?;
            delete_from(&mut original, field, value)?;
            continue;
        }
        if value.is_null() {
            original.remove(&key);
            continue;
        }
        let Some(existing) = original.get_mut(&key) else {
            original.extend(stripped(value).map(|v| (key, v)));
            continue;
        };
        let rules = schema.field(&key);
        let merged = match (existing.take(), value) {
            (Value::Object(_), Value::Object(new)) if rules.replace_map => Value::Object(new),
            (Value::Object(old), Value::Object(new)) => Value::Object(merge_map(old, new, &rules.below)?),
            (Value::Array(old), Value::Array(new)) => Value::Array(merge_list(old, new, rules)?),
            (_, new) => {
                match stripped(new) {
                    Some(new) => original.insert(key, new),
                    None => original.remove(&key),
                };
                continue;
            }
        };
        original.insert(key, merged);
    }
    Ok(original)
}

/// Keeps only the named fields of `original`; everything that the patch sets has to be named.
fn retain_keys(original: &mut Map<String, Value>, patch: &Map<String, Value>, keys: &Value) -> Result<(), Failure> {
    let keys = keys.as_array().ok_or(BAD_RETAIN)?;
    let keys: HashSet<&str> = keys.iter().filter_map(Value::as_str).collect();
    let named = |(key, value): (&String, &Value)| {
        value.is_null() || key.starts_with(DELETE_FROM) || key.starts_with(SET_ORDER) || keys.contains(key.as_str())
    };
    if !patch.iter().all(named) {
        return Err(BAD_RETAIN);
    }
    original.retain(|key, _| keys.contains(key.as_str()));
    Ok(())
}

/// Takes the values of a `$deleteFromPrimitiveList` out of the list it names.
fn delete_from(original: &mut Map<String, Value>, field: &str, value: Value) -> Result<(), Failure> {
    if value.is_null() {
        original.remove(field);
        return Ok(());
    }
    // A list that is not there, or is none, has nothing to take out.
    let (Some(Value::Array(list)), Value::Array(unwanted)) = (original.get_mut(field), value) else {
        return Ok(());
    };
    if list.is_empty() && unwanted.is_empty() {
        return Ok(());
    }
    if item_kind(list, &unwanted)? == Kind::Map {
        return Err(Failure::Other("cannot delete maps from a list of primitives".to_owned()));
    }
    list.retain(|item| !unwanted.contains(item));
    Ok(())
}

/// Merges each list that a `$setElementOrder` of the patch names, in that order, and takes both out of the patch.
fn order_lists(
    original: &mut Map<String, Value>,
    patch: &mut Map<String, Value>,
    schema: &StrategicSchema,
) -> Result<(), Failure> {
    let directives: Vec<String> = patch.keys().filter(|k| k.starts_with(SET_ORDER)).cloned().collect();
    for directive in directives {
        let Some(order) = patch.remove(&directive) else { continue };
        let Value::Array(order) = order else { return Err(Failure::wrong_type(GO_LIST, &order)) };
        let field = directive[SET_ORDER.len()..].strip_prefix('/').ok_or(BAD_ORDER)?;
        let rules = schema.field(field);
        let key = match &rules.list {
            ListStrategy::MergeByKey(key) => Some(key.as_str()),
            _ => None,
        };
        // Both are checked before anything is taken out.
        for found in [original.get(field), patch.get(field)].into_iter().flatten() {
            if !found.is_array() {
                return Err(Failure::wrong_type(GO_LIST, found));
            }
        }
        let new = match patch.remove(field) {
            Some(Value::Array(list)) => Some(list),
            _ => None,
        };
        check_order(new.as_deref().unwrap_or_default(), &order, key)?;
        let old = match original.get_mut(field) {
            Some(Value::Array(list)) => Some(std::mem::take(list)),
            _ => None,
        };
        let (merged, server_order, kind) = match (old, new) {
            (None, None) => continue,
            (Some(old), None) => {
                let kind = item_kind(&old, &[])?;
                (old.clone(), old, kind)
            }
            (None, Some(new)) => {
                let kind = item_kind(&[], &new)?;
                (new.into_iter().filter_map(|v| new_value(v, true)).collect(), Vec::new(), kind)
            }
            (Some(old), Some(new)) => {
                let kind = item_kind(&old, &new)?;
                (merge_list(old.clone(), new, rules)?, old, kind)
            }
        };
        let ordered = in_order(merged, &order, &server_order, key.filter(|_| kind == Kind::Map))?;
        original.insert(field.to_owned(), Value::Array(ordered));
    }
    Ok(())
}

fn merge_list(old: Vec<Value>, new: Vec<Value>, rules: &Field) -> Result<Vec<Value>, Failure> {
    if rules.list == ListStrategy::Replace {
        return Ok(new);
    }
    if old.is_empty() && new.is_empty() {
        return Ok(old);
    }
    match (item_kind(&old, &new)?, &rules.list) {
        (Kind::Scalar, _) => merge_values(old, new),
        (Kind::Map, ListStrategy::MergeByKey(key)) => merge_by_key(old, new, key, &rules.below),
        (Kind::Map, _) => Err(Failure::Other("cannot merge lists without merge key for struct".to_owned())),
    }
}

fn merge_values(old: Vec<Value>, new: Vec<Value>) -> Result<Vec<Value>, Failure> {
    let mut merged: Vec<Value> = Vec::with_capacity(old.len() + new.len());
    for value in old.iter().chain(&new) {
        if !merged.contains(value) {
            merged.push(value.clone());
        }
    }
    in_order(merged, &new, &old, None)
}

fn merge_by_key(
    mut old: Vec<Value>,
    new: Vec<Value>,
    key: &str,
    schema: &StrategicSchema,
) -> Result<Vec<Value>, Failure> {
    let mut items = Vec::with_capacity(new.len());
    let mut replace = false;
    for item in new {
        let Value::Object(item) = item else { return Err(Failure::wrong_type(GO_MAP, &item)) };
        match item.get(DIRECTIVE) {
            None => items.push(item),
            Some(Value::String(s)) if s == "replace" => replace = true,
            Some(Value::String(s)) if s == "delete" => {
                let Some(unwanted) = item.get(key) else { return Err(Failure::NoMergeKey(item, key.to_owned())) };
                old.retain(|o| o.get(key) != Some(unwanted));
            }
            Some(Value::String(s)) if s == "merge" => {
                return Err(Failure::Other("merging lists cannot yet be specified in the patch".to_owned()));
            }
            Some(directive) => return Err(Failure::UnknownDirective(directive.clone(), item)),
        }
    }
    if replace {
        if let Some(unnamed) = items.iter().find(|item| !item.contains_key(key)) {
            return Err(Failure::NoMergeKey(unnamed.clone(), key.to_owned()));
        }
        return Ok(items.into_iter().map(Value::Object).collect());
    }
    let server_order: Vec<Value> = keys_of(&old, key)?;
    let patch_order: Vec<Value> = items.iter().map(|item| key_only(item, key)).collect::<Result<_, _>>()?;
    let mut merged = old;
    for item in items {
        let found = merged.iter_mut().find(|o| o.get(key).is_some() && o.get(key) == item.get(key));
        match found {
            Some(Value::Object(existing)) => {
                let merged = merge_map(std::mem::take(existing), item, schema)?;
                *existing = merged;
            }
            _ => merged.push(Value::Object(item)),
        }
    }
    in_order(merged, &patch_order, &server_order, Some(key))
}

/// A map of nothing but the merge key: enough to find an item's place, and cheap to keep.
fn key_only(item: &Map<String, Value>, key: &str) -> Result<Value, Failure> {
    let value = item.get(key).ok_or_else(|| Failure::NoMergeKey(item.clone(), key.to_owned()))?;
    Ok(Value::Object(Map::from_iter([(key.to_owned(), value.clone())])))
}

fn keys_of(list: &[Value], key: &str) -> Result<Vec<Value>, Failure> {
    list.iter()
        .map(|item| match item {
            Value::Object(map) => key_only(map, key),
            other => Err(Failure::wrong_type(GO_MAP, other)),
        })
        .collect()
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Map,
    Scalar,
}

/// What both lists consist of; they must be of one type, and not lists themselves.
fn item_kind(a: &[Value], b: &[Value]) -> Result<Kind, Failure> {
    let mut items = a.iter().chain(b);
    let first = items.next().ok_or_else(|| Failure::Other("no elements in any of the given slices".to_owned()))?;
    if first.is_array() {
        return Err(Failure::ListOfLists);
    }
    if items.any(|item| go_type(item) != go_type(first)) {
        let (a, b) = (text::go_list(a), text::go_list(b));
        return Err(Failure::Other(format!("list element types are not identical: [{a} {b}]")));
    }
    Ok(if first.is_object() { Kind::Map } else { Kind::Scalar })
}

/// A new value without fields that are `null`; `None` for a map that directs what is not there. Directives of other kinds
/// stay in it: they are unknown fields to the kind, and its decoding says so.
fn stripped(value: Value) -> Option<Value> {
    new_value(value, false)
}

fn new_value(value: Value, keep_nulls: bool) -> Option<Value> {
    match value {
        Value::Object(map) if map.contains_key(DIRECTIVE) => None,
        Value::Object(map) => {
            let kept = map.into_iter().filter(|(_, v)| keep_nulls || !v.is_null());
            Some(Value::Object(kept.filter_map(|(k, v)| Some((k, new_value(v, keep_nulls)?))).collect()))
        }
        Value::Array(items) => Some(Value::Array(items.into_iter().filter_map(|v| new_value(v, keep_nulls)).collect())),
        other => Some(other),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    /// Rules like those of a pod, small.
    fn pod() -> StrategicSchema {
        let container = StrategicSchema::new().merge_by_key("env", "name", StrategicSchema::new()).merge_by_key(
            "ports",
            "containerPort",
            StrategicSchema::new(),
        );
        let spec = StrategicSchema::new().merge_by_key("containers", "name", container).replace_map("whole");
        StrategicSchema::object().below("spec", spec)
    }

    fn apply(document: &Value, patch: &Value) -> Result<Value, (u16, String)> {
        let mut document = document.clone();
        let patch = StrategicPatch::parse(patch.to_string().as_bytes()).expect("an object");
        patch.apply(&mut document, &pod()).map_err(|s| (s.code, s.message))?;
        Ok(document)
    }

    fn names(list: &Value) -> String {
        let items = list.as_array().into_iter().flatten();
        items.map(|i| i.get("name").unwrap_or(i).as_str().unwrap_or("?").to_owned()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn maps_merge_and_nulls_remove() {
        let document = json!({"data": {"a": "1", "b": "2"}, "list": [1, 2]});
        for (name, patch, want) in [
            (
                "set and remove",
                json!({"data": {"a": null, "c": "3"}}),
                json!({"data": {"b": "2", "c": "3"}, "list": [1, 2]}),
            ),
            ("list", json!({"list": [3]}), json!({"data": {"a": "1", "b": "2"}, "list": [3]})),
            ("replace", json!({"data": {"$patch": "replace", "c": "3"}}), json!({"data": {"c": "3"}, "list": [1, 2]})),
            ("delete", json!({"data": {"$patch": "delete"}}), json!({"data": {}, "list": [1, 2]})),
            (
                "retain",
                json!({"data": {"$retainKeys": ["b", "c"], "c": "3"}}),
                json!({"data": {"b": "2", "c": "3"}, "list": [1, 2]}),
            ),
            ("another type", json!({"data": "x"}), json!({"data": "x", "list": [1, 2]})),
            ("directive on nothing", json!({"x": {"$patch": "delete"}}), document.clone()),
            (
                "nulls in what is new",
                json!({"x": {"a": null, "b": {"c": null}}}),
                json!({"data": {"a": "1", "b": "2"}, "list": [1, 2], "x": {"b": {}}}),
            ),
            ("nothing", json!({}), document.clone()),
        ] {
            assert_eq!(apply(&document, &patch), Ok(want), "{name}");
        }
        let document = json!({"spec": {"whole": {"a": 1}}});
        assert_eq!(apply(&document, &json!({"spec": {"whole": {"b": 2}}})), Ok(json!({"spec": {"whole": {"b": 2}}})));
    }

    #[test]
    fn lists_of_maps_merge_by_key() {
        let document = json!({"spec": {"containers": [
            {"name": "a", "image": "1", "env": [{"name": "X", "value": "1"}]},
            {"name": "b", "image": "1"},
        ]}});
        let merged = |patch: Value| apply(&document, &json!({"spec": {"containers": patch}}));
        let got = merged(json!([{"name": "c"}, {"name": "a", "image": "2", "env": [{"name": "Y"}]}])).expect("merges");
        assert_eq!(
            got["spec"]["containers"],
            json!([
                {"name": "c"},
                {"name": "a", "image": "2", "env": [{"name": "Y"}, {"name": "X", "value": "1"}]},
                {"name": "b", "image": "1"},
            ])
        );
        let got = merged(json!([{"name": "a", "$patch": "delete"}])).expect("deletes");
        assert_eq!(names(&got["spec"]["containers"]), "b");
        let got = merged(json!([{"name": "z"}, {"$patch": "replace"}])).expect("replaces");
        assert_eq!(got["spec"]["containers"], json!([{"name": "z"}]));
        assert_eq!(
            merged(json!([{"image": "x"}])),
            Err((500, "map: map[image:x] does not contain declared merge key: name".to_owned()))
        );
        assert_eq!(
            merged(json!([{"name": "a", "$patch": "frob"}])),
            Err((500, "unknown patch type: frob in map: map[$patch:frob name:a]".to_owned()))
        );
    }

    #[test]
    fn order_is_that_of_the_directive_then_the_patch_then_the_object() {
        let list = |names: &str| -> Value { names.split_whitespace().map(|n| json!({"name": n})).collect() };
        for (object, patch, order, want) in [
            ("a b c", "", "c b a", "c b a"),
            ("a b c", "c a", "", "b c a"),
            ("a b c", "d", "", "d a b c"),
            ("a b c", "d", "a d b c", "a d b c"),
            ("a b c d", "", "d b", "a c d b"),
            ("x a y b", "b c", "b c a", "x y b c a"),
            ("", "b a", "b a", "b a"),
        ] {
            let document =
                if object.is_empty() { json!({"spec": {}}) } else { json!({"spec": {"containers": list(object)}}) };
            let mut spec = Map::new();
            if !patch.is_empty() {
                spec.insert("containers".to_owned(), list(patch));
            }
            if !order.is_empty() {
                spec.insert("$setElementOrder/containers".to_owned(), list(order));
            }
            let got = apply(&document, &json!({"spec": spec})).expect("merges");
            assert_eq!(names(&got["spec"]["containers"]), want, "{object} / {patch} / {order}");
        }
    }

    #[test]
    fn lists_of_scalars_merge_by_value() {
        let document = json!({"metadata": {"finalizers": ["a", "b", "c"]}});
        for (name, patch, want) in [
            ("add", json!({"finalizers": ["d", "a"]}), "d a b c"),
            ("delete", json!({"$deleteFromPrimitiveList/finalizers": ["b"]}), "a c"),
            ("delete and add", json!({"$deleteFromPrimitiveList/finalizers": ["b"], "finalizers": ["d"]}), "d a c"),
            ("order", json!({"$setElementOrder/finalizers": ["c", "a"]}), "b c a"),
            (
                "delete in order",
                json!({"$deleteFromPrimitiveList/finalizers": ["b"], "$setElementOrder/finalizers": ["c", "a"]}),
                "c a",
            ),
        ] {
            let got = apply(&document, &json!({"metadata": patch})).expect("merges");
            assert_eq!(names(&got["metadata"]["finalizers"]), want, "{name}");
        }
        let got = apply(&json!({"metadata": {}}), &json!({"metadata": {"$deleteFromPrimitiveList/finalizers": ["b"]}}));
        assert_eq!(got, Ok(json!({"metadata": {}})));
    }

    #[test]
    fn malformed_directives_are_refused() {
        let document =
            json!({"metadata": {"finalizers": ["a"]}, "spec": {"containers": [{"name": "a"}]}, "data": {"a": 1}});
        for (patch, code, message) in [
            (json!({"$deleteFromPrimitiveListx": []}), 400, "invalid patch format of primitive list"),
            (json!({"$setElementOrderx": []}), 400, "invalid patch format of setElementOrder list"),
            (json!({"data": {"$retainKeys": "x"}}), 400, "invalid patch format of retainKeys"),
            (json!({"data": {"$retainKeys": ["a"], "b": 1}}), 400, "invalid patch format of retainKeys"),
            (json!({"data": {"$patch": "merge"}}), 500, "unknown patch type: merge in map: map[$patch:merge]"),
            (json!({"metadata": {"finalizers": [["x"]]}}), 500, "list element types are not identical: [[a] [[x]]]"),
            (
                json!({"metadata": {"$setElementOrder/finalizers": {}}}),
                500,
                "expected a []interface {}, but received a map[string]interface {}",
            ),
            (
                json!({"metadata": {"finalizers": ["x"], "$setElementOrder/finalizers": ["a"]}}),
                500,
                "The order in patch list:\n[x]\n doesn't match $setElementOrder list:\n[a]\n",
            ),
        ] {
            assert_eq!(apply(&document, &patch), Err((code, message.to_owned())), "{patch}");
        }
        let lists = json!({"metadata": {"finalizers": [["a"]]}});
        assert_eq!(apply(&lists, &lists).map_err(|e| e.0), Err(422));
    }

    /// Documents and patches with the fields and directives that matter, in any combination.
    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![Just(Value::Null), Just(json!(1)), "[ab]|replace|delete".prop_map(Value::from)];
        let key = "metadata|spec|containers|finalizers|name|env|\\$patch|\\$retainKeys|\\$setElementOrder/(containers|finalizers)|\\$deleteFromPrimitiveList/finalizers";
        leaf.prop_recursive(5, 32, 4, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                prop::collection::btree_map(key, inner, 0..4).prop_map(|m| Value::Object(m.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn no_patch_panics(document in value(), patch in value()) {
            if patch.is_object() {
                let _ = apply(&document, &patch);
            }
        }

        #[test]
        fn applying_twice_changes_nothing_more(a in "[a-d]{0,4}", b in "[a-d]{0,4}") {
            let list = |s: &str| -> Value {
                let mut seen = HashSet::new();
                s.chars().filter(|c| seen.insert(*c)).map(|c| json!({"name": c.to_string()})).collect()
            };
            let patch = json!({"spec": {"containers": list(&b)}});
            let once = apply(&json!({"spec": {"containers": list(&a)}}), &patch).expect("merges");
            prop_assert_eq!(apply(&once, &patch), Ok(once));
        }
    }
}
