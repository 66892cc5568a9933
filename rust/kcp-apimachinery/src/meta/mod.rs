//! Metadata of an object: reading and writing its fields, and checking them.

mod validate;

use serde_json::{Map, Value};

pub use validate::{
    custom_resource_finalizer_warnings, validate_annotations, validate_core_finalizers, validate_field_manager,
    validate_labels, validate_managed_fields, validate_object_meta, validate_object_meta_update,
    validate_owner_references,
};

/// Finalizer of objects whose dependents are deleted before them.
pub const FINALIZER_FOREGROUND: &str = "foregroundDeletion";
/// Finalizer of objects whose dependents are kept.
pub const FINALIZER_ORPHAN: &str = "orphan";
/// Most bytes that the keys and values of all annotations may have together.
pub const ANNOTATIONS_MAX: usize = 256 * 1024;

/// The `metadata` of an object.
pub fn metadata(object: &Value) -> Option<&Map<String, Value>> {
    object.get("metadata")?.as_object()
}

/// The `metadata` of an object, put there when missing. `None` when the object is no JSON object.
pub fn metadata_mut(object: &mut Value) -> Option<&mut Map<String, Value>> {
    let metadata = object.as_object_mut()?.entry("metadata").or_insert_with(|| Value::Object(Map::new()));
    if !metadata.is_object() {
        *metadata = Value::Object(Map::new());
    }
    metadata.as_object_mut()
}

fn text<'a>(object: &'a Value, field: &str) -> &'a str {
    metadata(object).and_then(|m| m.get(field)).and_then(Value::as_str).unwrap_or_default()
}

/// `apiVersion`; empty when missing.
pub fn api_version(object: &Value) -> &str {
    object.get("apiVersion").and_then(Value::as_str).unwrap_or_default()
}

/// `kind`; empty when missing.
pub fn kind(object: &Value) -> &str {
    object.get("kind").and_then(Value::as_str).unwrap_or_default()
}

/// `metadata.name`; empty when missing.
pub fn name(object: &Value) -> &str {
    text(object, "name")
}

/// `metadata.generateName`; empty when missing.
pub fn generate_name(object: &Value) -> &str {
    text(object, "generateName")
}

/// `metadata.namespace`; empty when missing.
pub fn namespace(object: &Value) -> &str {
    text(object, "namespace")
}

/// `metadata.uid`; empty when missing.
pub fn uid(object: &Value) -> &str {
    text(object, "uid")
}

/// `metadata.resourceVersion`; empty when missing.
pub fn resource_version(object: &Value) -> &str {
    text(object, "resourceVersion")
}

/// `metadata.generation`; 0 when missing.
pub fn generation(object: &Value) -> i64 {
    metadata(object).and_then(|m| m.get("generation")).and_then(Value::as_i64).unwrap_or_default()
}

/// `metadata.creationTimestamp`.
pub fn creation_timestamp(object: &Value) -> Option<&str> {
    metadata(object)?.get("creationTimestamp")?.as_str()
}

/// `metadata.deletionTimestamp`: when set, the object is being deleted.
pub fn deletion_timestamp(object: &Value) -> Option<&str> {
    metadata(object)?.get("deletionTimestamp")?.as_str()
}

/// `metadata.deletionGracePeriodSeconds`.
pub fn deletion_grace_period_seconds(object: &Value) -> Option<i64> {
    metadata(object)?.get("deletionGracePeriodSeconds")?.as_i64()
}

/// `metadata.labels`.
pub fn labels(object: &Value) -> Option<&Map<String, Value>> {
    metadata(object)?.get("labels")?.as_object()
}

/// One label.
pub fn label<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    labels(object)?.get(key)?.as_str()
}

/// `metadata.annotations`.
pub fn annotations(object: &Value) -> Option<&Map<String, Value>> {
    metadata(object)?.get("annotations")?.as_object()
}

/// One annotation.
pub fn annotation<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    annotations(object)?.get(key)?.as_str()
}

fn list<'a>(object: &'a Value, field: &str) -> &'a [Value] {
    metadata(object).and_then(|m| m.get(field)).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// `metadata.finalizers`.
pub fn finalizers(object: &Value) -> impl Iterator<Item = &str> {
    list(object, "finalizers").iter().filter_map(Value::as_str)
}

/// Whether a finalizer is set.
pub fn has_finalizer(object: &Value, name: &str) -> bool {
    finalizers(object).any(|f| f == name)
}

/// `metadata.ownerReferences`.
pub fn owner_references(object: &Value) -> &[Value] {
    list(object, "ownerReferences")
}

/// `metadata.managedFields`.
pub fn managed_fields(object: &Value) -> &[Value] {
    list(object, "managedFields")
}

/// Sets a field of `metadata`; `null` and the empty string remove it.
pub fn set(object: &mut Value, field: &str, value: impl Into<Value>) {
    let value = value.into();
    let Some(metadata) = metadata_mut(object) else {
        return;
    };
    if value.is_null() || value.as_str() == Some("") {
        metadata.remove(field);
    } else {
        metadata.insert(field.to_owned(), value);
    }
}

/// Removes a field of `metadata` and returns it.
pub fn remove(object: &mut Value, field: &str) -> Option<Value> {
    object.get_mut("metadata")?.as_object_mut()?.remove(field)
}

/// Sets `metadata.name`.
pub fn set_name(object: &mut Value, name: &str) {
    set(object, "name", name);
}

/// Sets `metadata.namespace`.
pub fn set_namespace(object: &mut Value, namespace: &str) {
    set(object, "namespace", namespace);
}

/// Sets `metadata.uid`.
pub fn set_uid(object: &mut Value, uid: &str) {
    set(object, "uid", uid);
}

/// Sets `metadata.resourceVersion`.
pub fn set_resource_version(object: &mut Value, version: &str) {
    set(object, "resourceVersion", version);
}

/// Sets `metadata.generation`; 0 removes it.
pub fn set_generation(object: &mut Value, generation: i64) {
    set(object, "generation", if generation == 0 { Value::Null } else { generation.into() });
}

/// Sets one annotation.
pub fn set_annotation(object: &mut Value, key: &str, value: &str) {
    set_entry(object, "annotations", key, value);
}

/// Sets one label.
pub fn set_label(object: &mut Value, key: &str, value: &str) {
    set_entry(object, "labels", key, value);
}

fn set_entry(object: &mut Value, field: &str, key: &str, value: &str) {
    let Some(metadata) = metadata_mut(object) else {
        return;
    };
    let entry = metadata.entry(field).or_insert_with(|| Value::Object(Map::new()));
    if !entry.is_object() {
        *entry = Value::Object(Map::new());
    }
    entry[key] = Value::from(value);
}

/// Removes one annotation, and the map with the last one.
pub fn remove_annotation(object: &mut Value, key: &str) -> Option<Value> {
    remove_entry(object, "annotations", key)
}

/// Removes one label, and the map with the last one.
pub fn remove_label(object: &mut Value, key: &str) -> Option<Value> {
    remove_entry(object, "labels", key)
}

fn remove_entry(object: &mut Value, field: &str, key: &str) -> Option<Value> {
    let metadata = object.get_mut("metadata")?.as_object_mut()?;
    let entries = metadata.get_mut(field)?.as_object_mut()?;
    let removed = entries.remove(key);
    if entries.is_empty() {
        metadata.remove(field);
    }
    removed
}

/// Sets `metadata.finalizers`; an empty list removes the field.
pub fn set_finalizers<S: Into<String>>(object: &mut Value, finalizers: impl IntoIterator<Item = S>) {
    let list: Vec<Value> = finalizers.into_iter().map(|f| Value::String(f.into())).collect();
    set(object, "finalizers", if list.is_empty() { Value::Null } else { Value::Array(list) });
}

/// Drops owner references that occur twice. Returns the warning to send when there were any.
pub fn dedup_owner_references(object: &mut Value) -> Option<String> {
    let references = object.get_mut("metadata")?.get_mut("ownerReferences")?.as_array_mut()?;
    let mut seen: Vec<Value> = Vec::with_capacity(references.len());
    let mut uids = Vec::new();
    for reference in references.drain(..) {
        if seen.contains(&reference) {
            let uid = reference.get("uid").and_then(Value::as_str).unwrap_or_default();
            if !uids.iter().any(|u| u == uid) {
                uids.push(uid.to_owned());
            }
        } else {
            seen.push(reference);
        }
    }
    *references = seen;
    (!uids.is_empty()).then(|| {
        format!(
            ".metadata.ownerReferences contains duplicate entries; API server dedups owner references in 1.20+, and may \
             reject such requests as early as 1.24; please fix your requests; duplicate UID(s) observed: {}",
            uids.join(", ")
        )
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_are_read_and_written() {
        let mut object = json!({"kind": "A", "apiVersion": "v1"});
        assert_eq!((name(&object), generation(&object), finalizers(&object).count()), ("", 0, 0));
        set_name(&mut object, "n");
        set_generation(&mut object, 2);
        set_annotation(&mut object, "a", "1");
        set_label(&mut object, "l", "2");
        set_finalizers(&mut object, ["f"]);
        let want = json!({"kind": "A", "apiVersion": "v1", "metadata": {"name": "n", "generation": 2,
            "annotations": {"a": "1"}, "labels": {"l": "2"}, "finalizers": ["f"]}});
        assert_eq!(object, want);
        assert_eq!(annotation(&object, "a"), Some("1"));
        assert!(has_finalizer(&object, "f"));
        set_name(&mut object, "");
        set_generation(&mut object, 0);
        remove_annotation(&mut object, "a");
        remove_label(&mut object, "l");
        set_finalizers(&mut object, Vec::<String>::new());
        assert_eq!(object, json!({"kind": "A", "apiVersion": "v1", "metadata": {}}));
    }

    #[test]
    fn odd_objects_are_no_danger() {
        for mut object in [json!(null), json!([]), json!({"metadata": 1}), json!({"metadata": {"labels": 1}})] {
            assert_eq!(name(&object), "");
            assert_eq!(label(&object, "x"), None);
            set_name(&mut object, "n");
            set_label(&mut object, "x", "y");
            remove_annotation(&mut object, "z");
            dedup_owner_references(&mut object);
        }
    }

    #[test]
    fn owners_are_named_once() {
        let owner = json!({"apiVersion": "v1", "kind": "A", "name": "a", "uid": "u"});
        let mut object = json!({"metadata": {"ownerReferences": [owner, owner, {"uid": "v"}]}});
        let warning = dedup_owner_references(&mut object).expect("a warning");
        assert!(warning.ends_with("duplicate UID(s) observed: u"));
        assert_eq!(owner_references(&object).len(), 2);
        assert_eq!(dedup_owner_references(&mut object), None);
    }
}
