//! ServiceAccounts.

use super::base::{self, Base};
use super::{Departure, Part, Strategy, cells};
use crate::garbage::{SERVICE_ACCOUNT_NAME, SERVICE_ACCOUNT_UID};
use crate::managed::OneVersion;
use crate::server::ApiServer;
use crate::verbs::{storage_error, write};
use crate::{birth, codec};
use kcp_apimachinery::field::ErrorList;
use kcp_apimachinery::managed::{self, Entries, Request};
use kcp_apimachinery::{Status, meta, time};
use kcp_storage::{BoxFuture, Expect, Key, Op};
use serde_json::{Value, json};

/// Storage name of the kind.
const STORAGE: &str = "serviceaccounts";

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

/// Who takes references off accounts, as their manager.
const MANAGER: &str = "kube-controller-manager";

/// The change that takes the reference to a token secret, which goes, off its account; `None` where the account is
/// another one by now or has none.
///
/// # Errors
/// When the store cannot be read.
pub(super) async fn without(server: &ApiServer, secret: &Value, cluster: &str) -> Result<Option<Op>, Status> {
    let Some(name) = meta::annotation(secret, SERVICE_ACCOUNT_NAME).filter(|name| !name.contains('\0')) else {
        return Ok(None);
    };
    let key = Key::new(STORAGE, cluster, meta::namespace(secret), name);
    let served = server.registry.plain().stored_as(STORAGE).cloned();
    let found = server.store.get(&key).await.map_err(|error| storage_error(&error))?;
    let (Some(served), Some(item)) = (served, found) else { return Ok(None) };
    let mut old = codec::decode_lean(&item, served.header()).map_err(Status::internal)?;
    codec::strip(&mut old);
    let uid = meta::annotation(secret, SERVICE_ACCOUNT_UID).unwrap_or_default();
    if !uid.is_empty() && uid != meta::uid(&old) {
        return Ok(None);
    }
    let mut new = old.clone();
    let Some(Value::Array(references)) = new.get_mut("secrets") else { return Ok(None) };
    let before = references.len();
    references.retain(|reference| reference["name"] != meta::name(secret));
    if references.len() == before {
        return Ok(None);
    }
    if references.is_empty() {
        new.as_object_mut().map(|fields| fields.remove("secrets"));
    }
    let strategy = &*served.strategy;
    let live = codec::managed(&item.value);
    let entries = match strategy.ownership() {
        Some(of) => {
            let now = time::format_rfc3339(server.clock.now().as_second());
            let request = Request { manager: MANAGER, api_version: "v1", subresource: "", now: &now };
            let versions = OneVersion { api_version: "v1", of };
            let entries = Entries::parse(live).unwrap_or_default();
            managed::update(&old, &new, entries, &request, &versions, false).to_json()
        }
        None => live.to_vec(),
    };
    let value = write::stored(server, cluster, strategy, &new, &entries);
    Ok(Some(Op::put(key, Expect::At(item.revision), value)))
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
