//! ConfigMaps: keys, sizes, immutability.

use super::base::{self, Base, map};
use super::{Admission, Departure, Part, Strategy, cells};
use crate::birth;
use crate::exchange::Exchange;
use crate::server::ApiServer;
use crate::typed::check_base64;
use kcp_apimachinery::field::{Error, ErrorList, Path};
use kcp_apimachinery::{Status, meta, names};
use kcp_storage::{BoxFuture, Key, Value as Stored};
use serde_json::Value;

/// Most bytes that the values of a ConfigMap or Secret have together.
pub const MAX_SIZE: usize = 1024 * 1024;

/// The strategy of ConfigMaps.
pub struct ConfigMaps {
    base: Base,
    published: Published,
}

/// The certificate authority that every namespace is told.
///
/// Objects stored, or born, under another one are read as if they said this one: a restart with another authority looks
/// for none of them.
struct Published {
    pem: String,
    /// The same as it stands in a stored object.
    stored: Vec<u8>,
}

impl ConfigMaps {
    /// For the kind that an OpenAPI definition describes.
    pub fn new(definition: &str) -> Self {
        Self::publishing(definition, "")
    }

    /// The same, with the certificate authority (PEM) that [`birth::ROOT_CA`] says in every namespace; empty: what is
    /// stored there.
    pub fn publishing(definition: &str, pem: &str) -> Self {
        let stored = kcp_apimachinery::json::to_vec(&birth::root_ca_data(pem));
        Self { base: Base::new(definition), published: Published { pem: pem.to_owned(), stored } }
    }
}

/// The rules that hold for every ConfigMap.
fn validate(object: &Value, errors: &mut ErrorList) {
    let (text, binary) = (map(object, "data"), map(object, "binaryData"));
    let path = Path::root("data");
    let mut size = 0;
    for (key, value) in text {
        key_problems(key, &path, errors);
        if binary.contains_key(key) {
            errors.push(Error::invalid(&path.key(key), key.as_str(), "duplicate of key present in binaryData"));
        }
        size += value.as_str().unwrap_or_default().len();
    }
    let path = Path::root("binaryData");
    for (key, value) in binary {
        key_problems(key, &path, errors);
        let value = value.as_str().unwrap_or_default();
        size += check_base64(value).unwrap_or(value.len());
    }
    if size > MAX_SIZE {
        // A field without a name says that the whole object is meant.
        errors.push(Error::too_long(&Path::root("").key(""), MAX_SIZE));
    }
}

/// Keys become file names.
pub fn key_problems(key: &str, path: &Path, errors: &mut ErrorList) {
    for problem in names::config_map_key(key) {
        errors.push(Error::invalid(&path.key(key), key, problem));
    }
}

impl Strategy for ConfigMaps {
    fn validate_create(&self, object: &Value) -> ErrorList {
        let mut errors = base::errors(object);
        validate(object, &mut errors);
        errors
    }

    fn validate_update(&self, new: &Value, old: &Value, _part: Part) -> ErrorList {
        let mut errors = base::errors(new);
        base::immutable_rules(new, old, &["data", "binaryData"], &mut errors);
        validate(new, &mut errors);
        errors
    }

    fn admit<'a>(
        &'a self,
        _server: &'a ApiServer,
        _exchange: &'a Exchange,
        new: &'a mut Value,
        old: Option<&'a Value>,
        _part: Part,
    ) -> BoxFuture<'a, Result<Admission, Status>> {
        // The server's own certificate authority is not for others to say.
        if old.is_some() && meta::name(new) == birth::ROOT_CA {
            new["data"] = birth::root_ca_data(&self.published.pem);
        }
        Box::pin(std::future::ready(Ok(Admission::default())))
    }

    fn depart<'a>(&'a self, server: &'a ApiServer, key: &'a Key) -> BoxFuture<'a, Result<Departure, Status>> {
        Box::pin(birth::departure(server, key))
    }

    fn overrides(&self, key: &Key, stored: &Stored) -> bool {
        let said = || birth::find(&stored.data, &self.published.stored).is_some();
        key.name() == birth::ROOT_CA && !self.published.pem.is_empty() && !said()
    }

    fn read(&self, object: &mut Value, _stored: &Stored) {
        if meta::name(object) == birth::ROOT_CA && !self.published.pem.is_empty() {
            object["data"] = birth::root_ca_data(&self.published.pem);
        }
    }

    fn updates_unconditionally(&self) -> bool {
        true
    }

    fn base(&self) -> Option<&Base> {
        Some(&self.base)
    }

    fn cells(&self, object: &Value, now: jiff::Timestamp) -> Vec<Value> {
        let count = map(object, "data").len() + map(object, "binaryData").len();
        vec![cells::name(object), count.into(), cells::age(object, now)]
    }
}
