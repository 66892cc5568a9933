//! ServiceAccounts.

use super::base::{self, Base};
use super::{Departure, Part, Strategy, cells};
use crate::birth;
use crate::server::ApiServer;
use kcp_apimachinery::Status;
use kcp_apimachinery::field::ErrorList;
use kcp_storage::{BoxFuture, Key};
use serde_json::{Value, json};

/// The strategy of ServiceAccounts.
pub struct ServiceAccounts {
    base: Base,
}

impl ServiceAccounts {
    /// For the kind that an OpenAPI definition describes.
    pub fn new(definition: &str) -> Self {
        Self { base: Base::new(definition) }
    }
}

/// A secret is referred to by its name and nothing else.
fn clean_references(object: &mut Value) {
    for secret in object.get_mut("secrets").and_then(Value::as_array_mut).into_iter().flatten() {
        *secret = secret.get("name").map_or_else(|| json!({}), |name| json!({ "name": name }));
    }
}

impl Strategy for ServiceAccounts {
    fn prepare_create(&self, object: &mut Value) {
        clean_references(object);
    }

    fn prepare_update(&self, new: &mut Value, _old: &Value, _part: Part) {
        clean_references(new);
    }

    fn validate_create(&self, object: &Value) -> ErrorList {
        base::errors(object)
    }

    fn validate_update(&self, new: &Value, _old: &Value, _part: Part) -> ErrorList {
        base::errors(new)
    }

    fn depart<'a>(&'a self, server: &'a ApiServer, key: &'a Key) -> BoxFuture<'a, Result<Departure, Status>> {
        Box::pin(birth::departure(server, key))
    }

    fn answers_removed(&self) -> bool {
        true
    }

    fn updates_unconditionally(&self) -> bool {
        true
    }

    fn base(&self) -> Option<&Base> {
        Some(&self.base)
    }

    fn cells(&self, object: &Value, now: jiff::Timestamp) -> Vec<Value> {
        vec![cells::name(object), cells::age(object, now)]
    }
}
