//! Leases.

use super::base::{Base, text};
use super::{Part, Strategy, cells};
use kcp_apimachinery::field::{Error, ErrorList, Path};
use serde_json::Value;

/// The strategy of Leases.
pub struct Leases {
    base: Base,
}

impl Leases {
    /// For the kind that an OpenAPI definition describes.
    pub fn new(definition: &str) -> Self {
        Self { base: Base::new(definition) }
    }
}

/// Drops the fields of coordinated leader election, which is not offered.
fn drop_disabled(object: &mut Value) {
    if let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) {
        spec.remove("strategy");
        spec.remove("preferredHolder");
    }
}

fn validate(object: &Value) -> ErrorList {
    // The core's rule for finalizers is not for this group.
    let mut errors = ErrorList::new();
    let path = Path::root("spec");
    let number = |field: &str| object["spec"][field].as_i64();
    if let Some(seconds) = number("leaseDurationSeconds").filter(|seconds| *seconds <= 0) {
        errors.push(Error::invalid(&path.child("leaseDurationSeconds"), seconds, "must be greater than 0"));
    }
    if let Some(count) = number("leaseTransitions").filter(|count| *count < 0) {
        errors.push(Error::invalid(&path.child("leaseTransitions"), count, "must be greater than or equal to 0"));
    }
    errors
}

impl Strategy for Leases {
    fn prepare_create(&self, object: &mut Value) {
        drop_disabled(object);
    }

    fn prepare_update(&self, new: &mut Value, _old: &Value, _part: Part) {
        drop_disabled(new);
    }

    fn validate_create(&self, object: &Value) -> ErrorList {
        validate(object)
    }

    fn validate_update(&self, new: &Value, _old: &Value, _part: Part) -> ErrorList {
        validate(new)
    }

    fn creates_on_update(&self) -> bool {
        true
    }

    fn base(&self) -> Option<&Base> {
        Some(&self.base)
    }

    fn cells(&self, object: &Value, now: jiff::Timestamp) -> Vec<Value> {
        vec![cells::name(object), text(object, &["spec", "holderIdentity"]).into(), cells::age(object, now)]
    }
}
