//! Kinds without rules of their own: typed decoding, and the table every kind without a printer has.

use super::base::{self, Base};
use super::{Part, Strategy, cells};
use kcp_apimachinery::field::ErrorList;
use kcp_apimachinery::patch::StrategicSchema;
use serde_json::Value;

/// A kind without rules of its own.
pub struct Plain {
    base: Base,
}

impl Plain {
    /// For the kind that an OpenAPI definition describes.
    pub fn new(definition: &str) -> Self {
        Self { base: Base::new(definition) }
    }
}

impl Strategy for Plain {
    fn decode(&self, object: &mut Value) -> Result<Vec<String>, String> {
        self.base.decode(object)
    }

    fn validate_create(&self, object: &Value) -> ErrorList {
        base::errors(object)
    }

    fn validate_update(&self, new: &Value, _old: &Value, _part: Part) -> ErrorList {
        base::errors(new)
    }

    fn strategic(&self) -> Option<&StrategicSchema> {
        Some(self.base.strategic())
    }

    fn cells(&self, object: &Value, _now: jiff::Timestamp) -> Vec<Value> {
        vec![cells::name(object), cells::created(object)]
    }
}
