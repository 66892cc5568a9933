//! Rules for metadata, at creation and at update, worded as Kubernetes words them.

use serde_json::{Map, Value};

use super::{ANNOTATIONS_MAX, FINALIZER_FOREGROUND, FINALIZER_ORPHAN};
use crate::field::{BadValue, Error, ErrorList, Path};
use crate::gvk::GroupVersion;
use crate::names;
use crate::text;

const IMMUTABLE: &str = "field is immutable";
const STANDARD_FINALIZERS: [&str; 3] = [FINALIZER_ORPHAN, FINALIZER_FOREGROUND, "kubernetes"];

/// Checks the metadata of an object that is to be created. Its name has been generated already.
///
/// `path` is usually `metadata`; `object` is the whole object.
pub fn validate_object_meta(
    object: &Value,
    namespaced: bool,
    name_fn: impl Fn(&str, bool) -> Vec<String>,
    path: &Path,
) -> ErrorList {
    let mut errors = ErrorList::new();
    let generate_name = super::generate_name(object);
    if !generate_name.is_empty() {
        let path = path.child("generateName");
        errors.extend(name_fn(generate_name, true).into_iter().map(|e| Error::invalid(&path, generate_name, e)));
    }
    let name = super::name(object);
    if name.is_empty() {
        errors.push(Error::required(&path.child("name"), "name or generateName is required"));
    } else {
        let path = path.child("name");
        errors.extend(name_fn(name, false).into_iter().map(|e| Error::invalid(&path, name, e)));
    }
    let namespace = super::namespace(object);
    if !namespaced && !namespace.is_empty() {
        errors.push(Error::forbidden(&path.child("namespace"), "not allowed on this type"));
    } else if namespaced && namespace.is_empty() {
        errors.push(Error::required(&path.child("namespace"), ""));
    } else if namespaced {
        let path = path.child("namespace");
        errors.extend(names::is_dns1123_label(namespace).into_iter().map(|e| Error::invalid(&path, namespace, e)));
    }
    errors.extend(validate_generation(object, path));
    errors.extend(validate_maps_and_owners(object, path));
    errors.extend(validate_finalizers(object, &path.child("finalizers")));
    errors.extend(validate_managed_fields(super::managed_fields(object), &path.child("managedFields")));
    errors
}

/// Checks the metadata of an object that is to replace `old`. What the server fills in (uid, creation time …) has been
/// copied from the old object already where the client left it out.
pub fn validate_object_meta_update(new: &Value, old: &Value, path: &Path) -> ErrorList {
    let mut errors = ErrorList::new();
    if super::deletion_timestamp(old).is_some() {
        let mut added: Vec<&str> = super::finalizers(new).filter(|f| !super::has_finalizer(old, f)).collect();
        added.sort_unstable();
        added.dedup();
        if !added.is_empty() {
            let added = text::go_string_slice(&added);
            errors.push(Error::forbidden(
                &path.child("finalizers"),
                format!("no new finalizers can be added if the object is being deleted, found new finalizers {added}"),
            ));
        }
    }
    if super::resource_version(new).is_empty() {
        errors.push(Error::invalid(&path.child("resourceVersion"), "", "must be specified for an update"));
    }
    errors.extend(validate_generation(new, path));
    let generation = super::generation(new);
    if generation < super::generation(old) {
        errors.push(Error::invalid(&path.child("generation"), generation, "must not be decremented"));
    }
    for field in ["name", "namespace", "uid"] {
        let (new, old) = (super::text(new, field), super::text(old, field));
        if new != old {
            errors.push(Error::invalid(&path.child(field), new, IMMUTABLE));
        }
    }
    for field in ["creationTimestamp", "deletionTimestamp"] {
        let (new, old) = (raw(new, field), raw(old, field));
        if instant(new) != instant(old) {
            errors.push(Error::invalid(&path.child(field), new.clone(), IMMUTABLE));
        }
    }
    let (grace, old_grace) = (raw(new, "deletionGracePeriodSeconds"), raw(old, "deletionGracePeriodSeconds"));
    if grace.as_i64() != old_grace.as_i64() {
        errors.push(Error::invalid(&path.child("deletionGracePeriodSeconds"), grace.clone(), IMMUTABLE));
    }
    errors.extend(validate_maps_and_owners(new, path));
    errors.extend(validate_managed_fields(super::managed_fields(new), &path.child("managedFields")));
    errors
}

fn raw<'a>(object: &'a Value, field: &str) -> &'a Value {
    super::metadata(object).and_then(|m| m.get(field)).unwrap_or(&Value::Null)
}

fn instant(time: &Value) -> Option<i64> {
    crate::time::parse(time.as_str()?).ok()
}

fn validate_generation(object: &Value, path: &Path) -> Option<Error> {
    let generation = super::generation(object);
    let error = || Error::invalid(&path.child("generation"), generation, "must be greater than or equal to 0");
    (generation < 0).then(error)
}

fn validate_maps_and_owners(object: &Value, path: &Path) -> ErrorList {
    let mut errors = ErrorList::new();
    if let Some(labels) = super::labels(object) {
        errors.extend(validate_labels(labels, &path.child("labels")));
    }
    if let Some(annotations) = super::annotations(object) {
        errors.extend(validate_annotations(annotations, &path.child("annotations")));
    }
    errors.extend(validate_owner_references(super::owner_references(object), &path.child("ownerReferences")));
    errors
}

/// Checks the keys and values of labels.
pub fn validate_labels(labels: &Map<String, Value>, path: &Path) -> ErrorList {
    let mut errors = ErrorList::new();
    for (key, value) in labels {
        let value = value.as_str().unwrap_or_default();
        errors.extend(names::qualified_name(key).into_iter().map(|e| Error::invalid(path, key.as_str(), e)));
        errors.extend(names::label_value(value).into_iter().map(|e| Error::invalid(path, value, e)));
    }
    errors
}

/// Checks the keys of annotations, without regard to case, and their size in all.
pub fn validate_annotations(annotations: &Map<String, Value>, path: &Path) -> ErrorList {
    let mut errors = ErrorList::new();
    let mut size = 0;
    for (key, value) in annotations {
        // Only a capital is worth a lower-case copy: capitals are what the rule forgives.
        let complaints = if key.bytes().any(|b| b.is_ascii_uppercase()) {
            names::qualified_name(&key.to_lowercase())
        } else {
            names::qualified_name(key)
        };
        errors.extend(complaints.into_iter().map(|e| Error::invalid(path, key.as_str(), e)));
        size += key.len() + value.as_str().map_or(0, str::len);
    }
    if size > ANNOTATIONS_MAX {
        errors.push(Error::too_long(path, ANNOTATIONS_MAX));
    }
    errors
}

/// Checks that owners are named in full, that none is an Event, and that at most one is the controller.
pub fn validate_owner_references(references: &[Value], path: &Path) -> ErrorList {
    let mut errors = ErrorList::new();
    let mut controller: Option<String> = None;
    for (i, reference) in references.iter().enumerate() {
        let path_of = path.index(i);
        let field = |name: &str| reference.get(name).and_then(Value::as_str).unwrap_or_default();
        let api_version = field("apiVersion");
        let parsed = GroupVersion::parse(api_version).ok();
        if api_version.is_empty() {
            errors.push(Error::required(&path_of.child("apiVersion"), "must not be empty"));
        } else if parsed.as_ref().is_none_or(|gv| gv.version.is_empty()) {
            let detail = "must be <group>/<version> or <version>";
            errors.push(Error::invalid(&path_of.child("apiVersion"), api_version, detail));
        }
        for name in ["kind", "name", "uid"] {
            if field(name).is_empty() {
                errors.push(Error::required(&path_of.child(name), "must not be empty"));
            }
        }
        let (kind, name) = (field("kind"), field("name"));
        if api_version == "v1" && kind == "Event" {
            let printed = BadValue::Printed(print_owner(reference));
            errors.push(Error::invalid(&path_of, printed, "/v1, Kind=Event is disallowed from being an owner"));
        }
        if reference.get("controller").and_then(Value::as_bool) == Some(true) {
            let current = format!("{kind}/{name}");
            if let Some(first) = &controller {
                let all: Vec<String> = references.iter().map(print_owner).collect();
                errors.push(Error::invalid(
                    path,
                    BadValue::Printed(format!("[{}]", all.join(","))),
                    format!(
                        "Only one reference can have Controller set to true. Found \"true\" in references for {first} and \
                         {current}"
                    ),
                ));
            } else {
                controller = Some(current);
            }
        }
    }
    errors
}

/// An owner reference in Kubernetes' order of fields.
fn print_owner(reference: &Value) -> String {
    let mut out = String::from("{");
    for name in ["apiVersion", "kind", "name", "uid", "controller", "blockOwnerDeletion"] {
        let value = match reference.get(name) {
            Some(value) if !value.is_null() => text::json(value),
            _ if name == "controller" || name == "blockOwnerDeletion" => continue,
            _ => "\"\"".to_owned(),
        };
        if out.len() > 1 {
            out.push(',');
        }
        out.push('"');
        out.push_str(name);
        out.push_str("\":");
        out.push_str(&value);
    }
    out.push('}');
    out
}

fn validate_finalizers(object: &Value, path: &Path) -> ErrorList {
    let mut errors = ErrorList::new();
    for finalizer in super::finalizers(object) {
        errors.extend(names::qualified_name(finalizer).into_iter().map(|e| Error::invalid(path, finalizer, e)));
    }
    if super::has_finalizer(object, FINALIZER_ORPHAN) && super::has_finalizer(object, FINALIZER_FOREGROUND) {
        let all: Vec<&str> = super::finalizers(object).collect();
        let detail = format!("finalizer {FINALIZER_ORPHAN} and {FINALIZER_FOREGROUND} cannot be both set");
        errors.push(Error::invalid(path, Value::from(all), detail));
    }
    errors
}

/// The further rule for kinds of Kubernetes' core: a finalizer without a domain must be one of the standard ones.
pub fn validate_core_finalizers(object: &Value, path: &Path) -> ErrorList {
    let path = path.child("finalizers");
    super::finalizers(object)
        .enumerate()
        .filter(|(_, f)| !f.contains('/') && !STANDARD_FINALIZERS.contains(f))
        .map(|(i, f)| {
            let detail = "name is neither a standard finalizer name nor is it fully qualified";
            Error::invalid(&path.index(i), f, detail)
        })
        .collect()
}

/// Warnings for finalizers that a custom resource has gained and that could clash with others' names.
pub fn custom_resource_finalizer_warnings(new: &Value, old: Option<&Value>) -> Vec<String> {
    let mut added: Vec<&str> = super::finalizers(new)
        .filter(|f| !f.contains('/') && !STANDARD_FINALIZERS.contains(f))
        .filter(|f| old.is_none_or(|old| !super::has_finalizer(old, f)))
        .collect();
    added.sort_unstable();
    added.dedup();
    added
        .into_iter()
        .map(|finalizer| {
            let how = if finalizer.contains('.') { "name including a path (/)" } else { "name" };
            format!(
                "metadata.finalizers: {}: prefer a domain-qualified finalizer {how} to avoid accidental conflicts with \
                 other finalizer writers",
                text::quote(finalizer)
            )
        })
        .collect()
}

/// Checks the entries of `managedFields` that a client sent.
pub fn validate_managed_fields(entries: &[Value], path: &Path) -> ErrorList {
    const SUBRESOURCE_MAX: usize = 256;
    let mut errors = ErrorList::new();
    for (i, entry) in entries.iter().enumerate() {
        let path = path.index(i);
        let field = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default();
        match field("operation") {
            "" => errors.push(Error::required(&path.child("operation"), "must not be empty")),
            "Apply" | "Update" => {}
            other => errors.push(Error::not_supported(&path.child("operation"), other, &["Apply", "Update"])),
        }
        let fields_type = field("fieldsType");
        if !fields_type.is_empty() && fields_type != "FieldsV1" {
            errors.push(Error::invalid(&path.child("fieldsType"), fields_type, "must be `FieldsV1`"));
        }
        errors.extend(validate_field_manager(field("manager"), &path.child("manager")));
        if field("subresource").len() > SUBRESOURCE_MAX {
            errors.push(Error::too_long(&path.child("subresource"), SUBRESOURCE_MAX));
        }
    }
    errors
}

/// Checks a field manager: at most 128 bytes, all printable.
pub fn validate_field_manager(manager: &str, path: &Path) -> ErrorList {
    const MANAGER_MAX: usize = 128;
    let mut errors = ErrorList::new();
    if manager.len() > MANAGER_MAX {
        errors.push(Error::too_long(path, MANAGER_MAX));
    }
    for (position, c) in manager.char_indices().filter(|(_, c)| !text::is_printable(*c)) {
        let detail = format!("invalid character U+{:04X} (at position {position})", u32::from(c));
        errors.push(Error::invalid(path, manager, detail));
    }
    errors
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(metadata: Value, namespaced: bool) -> String {
        let object = json!({"metadata": metadata});
        validate_object_meta(&object, namespaced, names::subdomain_name, &Path::root("metadata")).to_string()
    }

    #[test]
    fn creations_are_checked() {
        const KEY: &str = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
        for (name, metadata, namespaced, want) in [
            ("good", json!({"name": "a", "namespace": "b", "generateName": "a-", "labels": {"x": "y"}}), true, String::new()),
            ("no name", json!({}), false, "metadata.name: Required value: name or generateName is required".to_owned()),
            ("no namespace", json!({"name": "a"}), true, "metadata.namespace: Required value".to_owned()),
            ("needless namespace", json!({"name": "a", "namespace": "b"}), false, "metadata.namespace: Forbidden: not allowed on this type".to_owned()),
            ("generation", json!({"name": "a", "generation": -1}), false, "metadata.generation: Invalid value: -1: must be greater than or equal to 0".to_owned()),
            ("label key", json!({"name": "a", "labels": {"-x": ""}}), false, format!(r#"metadata.labels: Invalid value: "-x": {KEY}"#)),
            ("annotation key in capitals", json!({"name": "a", "annotations": {"Example.com/X": "é"}}), false, String::new()),
            ("annotations", json!({"name": "a", "annotations": {"x": "y".repeat(262_144)}}), false, "metadata.annotations: Too long: may not be more than 262144 bytes".to_owned()),
            ("both finalizers", json!({"name": "a", "finalizers": ["orphan", "foregroundDeletion"]}), false, r#"metadata.finalizers: Invalid value: ["orphan","foregroundDeletion"]: finalizer orphan and foregroundDeletion cannot be both set"#.to_owned()),
            ("owner", json!({"name": "a", "ownerReferences": [{"apiVersion": "a/b/c", "kind": "K", "name": "n"}]}), false, r#"[metadata.ownerReferences[0].apiVersion: Invalid value: "a/b/c": must be <group>/<version> or <version>, metadata.ownerReferences[0].uid: Required value: must not be empty]"#.to_owned()),
            ("event as owner", json!({"name": "a", "ownerReferences": [{"apiVersion": "v1", "kind": "Event", "name": "n", "uid": "u"}]}), false, r#"metadata.ownerReferences[0]: Invalid value: {"apiVersion":"v1","kind":"Event","name":"n","uid":"u"}: /v1, Kind=Event is disallowed from being an owner"#.to_owned()),
            ("managed fields", json!({"name": "a", "managedFields": [{"operation": "X", "fieldsType": "Y"}]}), false, r#"[metadata.managedFields[0].operation: Unsupported value: "X": supported values: "Apply", "Update", metadata.managedFields[0].fieldsType: Invalid value: "Y": must be `FieldsV1`]"#.to_owned()),
        ] {
            assert_eq!(check(metadata, namespaced), want, "{name}");
        }
    }

    #[test]
    fn only_one_owner_controls() {
        let owner =
            |name: &str| json!({"apiVersion": "v1", "kind": "K", "name": name, "uid": name, "controller": true});
        let errors = validate_owner_references(&[owner("a"), owner("b")], &Path::root("o"));
        assert_eq!(
            errors.to_string(),
            r#"o: Invalid value: [{"apiVersion":"v1","kind":"K","name":"a","uid":"a","controller":true},{"apiVersion":"v1","kind":"K","name":"b","uid":"b","controller":true}]: Only one reference can have Controller set to true. Found "true" in references for K/a and K/b"#
        );
    }

    #[test]
    fn updates_are_checked() {
        let old = json!({"metadata": {"name": "a", "uid": "u", "resourceVersion": "1", "generation": 2,
            "creationTimestamp": "2024-01-01T00:00:00Z"}});
        let with = |change: Value| {
            let mut new = old.clone();
            let target = new["metadata"].as_object_mut().expect("an object");
            target.extend(change.as_object().expect("an object").clone());
            validate_object_meta_update(&new, &old, &Path::root("metadata")).to_string()
        };
        for (change, want) in [
            (json!({}), ""),
            (json!({"creationTimestamp": "2024-01-01T01:00:00+01:00"}), ""),
            (
                json!({"resourceVersion": ""}),
                r#"metadata.resourceVersion: Invalid value: "": must be specified for an update"#,
            ),
            (json!({"generation": 1}), "metadata.generation: Invalid value: 1: must not be decremented"),
            (json!({"name": "b"}), r#"metadata.name: Invalid value: "b": field is immutable"#),
            (json!({"uid": "v"}), r#"metadata.uid: Invalid value: "v": field is immutable"#),
            (json!({"creationTimestamp": null}), "metadata.creationTimestamp: Invalid value: null: field is immutable"),
            (
                json!({"deletionGracePeriodSeconds": 5}),
                "metadata.deletionGracePeriodSeconds: Invalid value: 5: field is immutable",
            ),
        ] {
            assert_eq!(with(change.clone()), want, "{change}");
        }
    }

    #[test]
    fn what_is_being_deleted_gains_no_finalizers() {
        let time = "2024-01-01T00:00:00Z";
        let old = json!({"metadata": {"name": "a", "resourceVersion": "1", "deletionTimestamp": time, "finalizers": ["a/b"]}});
        let mut new = old.clone();
        new["metadata"]["finalizers"] = json!(["x/y", "a/b", "c/d"]);
        assert_eq!(
            validate_object_meta_update(&new, &old, &Path::root("metadata")).to_string(),
            r#"metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{"c/d", "x/y"}"#
        );
        new["metadata"]["finalizers"] = json!([]);
        assert!(validate_object_meta_update(&new, &old, &Path::root("metadata")).is_empty());
    }

    #[test]
    fn finalizers_want_a_domain() {
        let object = json!({"metadata": {"finalizers": ["orphan", "x", "a.b", "c/d"]}});
        assert_eq!(
            validate_core_finalizers(&object, &Path::root("metadata")).to_string(),
            r#"[metadata.finalizers[1]: Invalid value: "x": name is neither a standard finalizer name nor is it fully qualified, metadata.finalizers[2]: Invalid value: "a.b": name is neither a standard finalizer name nor is it fully qualified]"#
        );
        let old = json!({"metadata": {"finalizers": ["x"]}});
        assert_eq!(
            custom_resource_finalizer_warnings(&object, None),
            [
                r#"metadata.finalizers: "a.b": prefer a domain-qualified finalizer name including a path (/) to avoid accidental conflicts with other finalizer writers"#,
                r#"metadata.finalizers: "x": prefer a domain-qualified finalizer name to avoid accidental conflicts with other finalizer writers"#,
            ]
        );
        assert_eq!(custom_resource_finalizer_warnings(&object, Some(&old)).len(), 1);
    }

    #[test]
    fn field_managers_are_printable_and_short() {
        let path = Path::root("fieldManager");
        assert!(validate_field_manager("kubectl é", &path).is_empty());
        assert_eq!(
            validate_field_manager("a\n", &path).to_string(),
            r#"fieldManager: Invalid value: "a\n": invalid character U+000A (at position 1)"#
        );
        assert_eq!(
            validate_field_manager(&"a".repeat(129), &path).to_string(),
            "fieldManager: Too long: may not be more than 128 bytes"
        );
    }
}
