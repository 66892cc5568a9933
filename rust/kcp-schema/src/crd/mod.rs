//! CustomResourceDefinitions: decoding, defaults, validation, status, and the view used to serve them.

mod columns;
mod conversion;
mod defaults;
mod definition;
mod expressions;
mod printed;
mod schema;
mod shapes;
mod spec;
mod status;
mod structure;
mod warnings;

use crate::shape;
use serde_json::{Value, json};

pub(crate) use schema::tokens as path_tokens;

pub use definition::{Column, Conversion, Definition, Judgement, Names, Scale, SelectableField, Version};
pub use spec::{validate_create, validate_status_update, validate_update};
pub use status::{
    CLEANUP_FINALIZER, Taken, condition, decide_among, decide_status, is_condition_true, names_of, prepare_for_create,
    prepare_for_update, set_condition,
};
pub use warnings::{update_warnings, warnings};

/// Decodes a CRD as the API server's types do: unknown fields are dropped and returned as sorted paths, empty optional
/// fields left out, required ones filled with their zero value. A wrong type is an error in the words of Go's decoder.
pub fn decode(crd: &mut Value) -> Result<Vec<String>, String> {
    let mut unknown = Vec::new();
    shape::decode(crd, &shapes::CRD, &mut unknown)?;
    unknown.sort();
    Ok(unknown)
}

/// Fills in the defaults of a decoded CRD: singular, list kind, conversion strategy, the port of a conversion webhook's
/// service, and the storage version in `status.storedVersions`.
pub fn default(crd: &mut Value) {
    let Some(spec) = crd.get_mut("spec").and_then(Value::as_object_mut) else { return };
    if let Some(names) = spec.get_mut("names").and_then(Value::as_object_mut) {
        let is_empty = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().is_empty();
        let kind = names.get("kind").and_then(Value::as_str).unwrap_or_default().to_owned();
        if !kind.is_empty() {
            if is_empty(names.get("singular")) {
                names.insert("singular".to_owned(), kind.to_lowercase().into());
            }
            if is_empty(names.get("listKind")) {
                names.insert("listKind".to_owned(), format!("{kind}List").into());
            }
        }
    }
    let conversion = spec.entry("conversion").or_insert(Value::Null);
    if conversion.is_null() {
        *conversion = json!({"strategy": "None"});
    }
    if let Some(service) = conversion.pointer_mut("/webhook/clientConfig/service").and_then(Value::as_object_mut) {
        let port = service.entry("port").or_insert(Value::Null);
        if port.is_null() {
            *port = 443.into();
        }
    }
    let storage = status::storage_version(crd).map(str::to_owned);
    let status = status::ensure(crd);
    if let (Some(storage), Some(stored)) = (storage, status.get_mut("storedVersions"))
        && stored.as_array().is_none_or(Vec::is_empty)
    {
        *stored = json!([storage]);
    }
}

/// The elements of a list that may be absent.
fn list(value: Option<&Value>) -> &[Value] {
    value.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// A text that may be absent.
fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// A flag that may be absent.
fn flag(value: &Value, key: &str) -> bool {
    value.get(key).and_then(Value::as_bool).unwrap_or_default()
}
