//! RFC 7386: the patch looks like the object, `null` removes a field, lists are replaced.

use serde_json::{Map, Value};

use crate::status::Status;

/// A merge patch of an object.
#[derive(Clone, Debug)]
pub struct MergePatch {
    patch: Map<String, Value>,
    warnings: Vec<String>,
    is_null: bool,
}

impl MergePatch {
    /// Reads a patch.
    ///
    /// # Errors
    /// 400 when the bytes are neither a JSON object nor `null`.
    pub fn parse(bytes: &[u8]) -> Result<Self, Status> {
        let (patch, warnings) = super::decode_object(bytes, "error decoding patch: ")?;
        Ok(Self { is_null: patch.is_none(), patch: patch.unwrap_or_default(), warnings })
    }

    /// Applies the patch. The result is nested no deeper than the deeper of document and patch.
    ///
    /// # Errors
    /// 400 when the patch is `null`: it is read like an empty one, but cannot be applied to an object.
    pub fn apply(&self, document: &mut Value) -> Result<(), Status> {
        if self.is_null {
            return Err(Status::bad_request("Invalid JSON Patch".to_owned()));
        }
        merge_map(document, &self.patch);
        Ok(())
    }

    /// The patch as a value.
    pub fn fields(&self) -> &Map<String, Value> {
        &self.patch
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

/// Merges any patch into any document, as RFC 7386 defines it for all JSON values.
pub fn merge_value(document: &mut Value, patch: &Value) {
    match patch {
        Value::Object(patch) => merge_map(document, patch),
        other => *document = without_nulls(other),
    }
}

fn merge_map(document: &mut Value, patch: &Map<String, Value>) {
    if !document.is_object() {
        *document = Value::Object(Map::new());
    }
    let Some(target) = document.as_object_mut() else { return };
    for (key, value) in patch {
        match value {
            Value::Null => {
                target.remove(key);
            }
            Value::Object(inner) => match target.get_mut(key) {
                Some(existing) if existing.is_object() => merge_map(existing, inner),
                _ => {
                    target.insert(key.clone(), without_nulls(value));
                }
            },
            // Kubernetes keeps the nulls inside a list that takes the place of an object.
            Value::Array(_) if target.get(key).is_some_and(Value::is_object) => {
                target.insert(key.clone(), value.clone());
            }
            other => {
                target.insert(key.clone(), without_nulls(other));
            }
        }
    }
}

/// A copy without fields that are `null`. Kubernetes removes them inside new lists too; list items that are `null` stay.
fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let kept = map.iter().filter(|(_, v)| !v.is_null()).map(|(k, v)| (k.clone(), without_nulls(v)));
            Value::Object(kept.collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(without_nulls).collect()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn the_table_of_the_rfc_holds() {
        for (original, patch, want) in [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
            (json!({"a": "b"}), json!({"a": null}), json!({})),
            (json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"})),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]})),
            (json!({"a": {"b": "c"}}), json!({"a": {"b": "d", "c": null}}), json!({"a": {"b": "d"}})),
            (json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]})),
            (json!(["a", "b"]), json!(["c", "d"]), json!(["c", "d"])),
            (json!({"a": "b"}), json!(["c"]), json!(["c"])),
            (json!({"a": "foo"}), json!(null), json!(null)),
            (json!({"a": "foo"}), json!("bar"), json!("bar")),
            (json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1})),
            (json!([1, 2]), json!({"a": "b", "c": null}), json!({"a": "b"})),
            (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
        ] {
            let mut document = original.clone();
            merge_value(&mut document, &patch);
            assert_eq!(document, want, "{original} patched with {patch}");
        }
    }

    #[test]
    fn patches_are_objects() {
        for (bytes, want) in [
            (
                &b"[]"[..],
                "error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}",
            ),
            (b"{", "invalid JSON patch"),
        ] {
            let status = MergePatch::parse(bytes).expect_err("no object");
            assert_eq!((status.code, status.message.as_str()), (400, want));
        }
        let status = MergePatch::parse(b"null").expect("it is read").apply(&mut json!({})).expect_err("null");
        assert_eq!((status.code, status.message.as_str()), (400, "Invalid JSON Patch"));
        let patch = MergePatch::parse(br#"{"spec":{"a":1,"a":2}}"#).expect("an object");
        assert_eq!(patch.warnings(), [r#"duplicate field "spec.a""#]);
    }

    /// Any JSON value of little depth.
    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![Just(Value::Null), any::<bool>().prop_map(Value::from), (0..3).prop_map(Value::from)];
        leaf.prop_recursive(3, 16, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                prop::collection::btree_map("[a-c]", inner, 0..3).prop_map(|m| Value::Object(m.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn applying_twice_changes_nothing_more(mut document in value(), patch in value()) {
            merge_value(&mut document, &patch);
            let once = document.clone();
            merge_value(&mut document, &patch);
            prop_assert_eq!(document, once);
        }
    }
}
