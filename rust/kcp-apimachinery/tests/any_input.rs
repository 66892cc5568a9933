//! No input, however odd, makes a function of this crate panic; what it answers is checked elsewhere.

use kcp_apimachinery::field::Path;
use kcp_apimachinery::patch::{JsonPatch, MergePatch, StrategicPatch, StrategicSchema};
use kcp_apimachinery::selector::{field, label};
use kcp_apimachinery::{GroupKind, GroupVersion, LogicalClusterName, Status, meta, names, strict, text, time, version};
use proptest::prelude::*;
use serde_json::Value;

/// Any JSON value, whose fields often have the names that metadata gives a meaning to.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
        "[a-zA-Z0-9./_-]{0,12}".prop_map(Value::from),
    ];
    let key = "metadata|name|namespace|generateName|labels|annotations|finalizers|ownerReferences|managedFields|uid\
               |generation|creationTimestamp|deletionTimestamp|apiVersion|kind|controller|operation|matchLabels\
               |matchExpressions|key|operator|values|.{0,3}";
    leaf.prop_recursive(4, 48, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(key, inner, 0..5).prop_map(|m| Value::Object(m.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn objects(mut a in value(), b in value(), namespaced in any::<bool>()) {
        let path = Path::root("metadata");
        let mut errors = meta::validate_object_meta(&a, namespaced, names::subdomain_name, &path);
        errors.extend(meta::validate_object_meta_update(&a, &b, &path));
        errors.extend(meta::validate_core_finalizers(&a, &path));
        errors.extend(label::validate_label_selector(&b, &path));
        let status = Status::invalid(&GroupKind::new("g", "K"), meta::name(&a), &errors);
        prop_assert_eq!(Status::from_json(&status.to_json()), Some(status));
        let _ = meta::custom_resource_finalizer_warnings(&a, Some(&b));
        let _ = label::Selector::from_label_selector(&b).map(|s| s.matches_object(&a));
        let _ = meta::dedup_owner_references(&mut a);
        meta::set_label(&mut a, "x", "y");
        meta::set_finalizers(&mut a, ["z"]);
        if a.is_object() {
            prop_assert_eq!(meta::label(&a, "x"), Some("y"));
        }
    }

    #[test]
    fn patches(document in value(), patch in value()) {
        let bytes = patch.to_string();
        let mut patched = document.clone();
        if let Ok(patch) = MergePatch::parse(bytes.as_bytes()) {
            let _ = patch.apply(&mut patched);
            prop_assert!(strict::is_shallow(&patched));
        }
        let mut patched = document.clone();
        if let Ok(patch) = StrategicPatch::parse(bytes.as_bytes()) {
            let _ = patch.printed();
            let _ = patch.apply(&mut patched, &StrategicSchema::object());
        }
        let mut patched = document;
        if let Ok(patch) = JsonPatch::parse(bytes.as_bytes()) {
            let _ = patch.apply(&mut patched);
        }
    }

    #[test]
    fn texts(a in ".{0,40}", b in ".{0,10}") {
        for check in [names::subdomain_name, names::label_name, names::dns1035_name, names::path_name] {
            let _ = (check(&a, true), check(&a, false));
        }
        let _ = (names::config_map_key(&a), names::qualified_name(&a), names::label_value(&a));
        let _ = LogicalClusterName::parse(&a).map_err(|e| e.to_string());
        let _ = (GroupVersion::parse(&a), version::compare(&a, &b));
        let _ = label::Selector::parse(&a).map(|s| s.to_string());
        let _ = field::Selector::parse(&a).map(|s| s.to_string());
        let _ = (time::parse_micro(&a), time::age(&a, 0), text::quote(&a));
        let _ = meta::validate_field_manager(&a, &Path::nil()).to_string();
        let _ = strict::unrecognized(&b, &b, a.as_bytes());
    }
}
