//! Merge keys of strategic merge patches, where a built-in kind has more than every object's metadata.

use kcp_apimachinery::patch::StrategicSchema;

/// The merge rules of a kind.
pub fn schema(kind: &str) -> StrategicSchema {
    let object = StrategicSchema::object();
    let plain = StrategicSchema::new;
    match kind {
        "Namespace" => object.below("status", plain().merge_by_key("conditions", "type", plain())),
        "ServiceAccount" => object.merge_by_key("secrets", "name", plain()),
        _ => object,
    }
}
