//! Patches: RFC 6902 operations, RFC 7386 merging, and Kubernetes' strategic merging.
//!
//! A patch is parsed once and can then be applied to several revisions of an object, as a server that retries does.

mod json;
mod merge;
mod strategic;

use serde_json::{Map, Value};

pub use json::{JsonPatch, MAX_COPIED_BYTES, MAX_OPERATIONS};
pub use merge::{MergePatch, merge_value};
pub use strategic::{ListStrategy, StrategicPatch, StrategicSchema};

use crate::status::Status;
use crate::strict::{self, Decoded};

/// Applies a JSON patch. Returns the texts of strict decoding: unknown and repeated fields of its operations.
///
/// # Errors
/// See [`JsonPatch::parse`] and [`JsonPatch::apply`]; `document` may be half patched then.
pub fn json(document: &mut Value, patch: &[u8]) -> Result<Vec<String>, Status> {
    let patch = JsonPatch::parse(patch)?;
    patch.apply(document)?;
    Ok(patch.into_warnings())
}

/// Applies a merge patch. Returns the texts of strict decoding: repeated fields.
///
/// # Errors
/// See [`MergePatch::parse`] and [`MergePatch::apply`].
pub fn merge(document: &mut Value, patch: &[u8]) -> Result<Vec<String>, Status> {
    let patch = MergePatch::parse(patch)?;
    patch.apply(document)?;
    Ok(patch.into_warnings())
}

/// Applies a strategic merge patch. Returns the texts of strict decoding: repeated fields.
///
/// # Errors
/// See [`StrategicPatch::parse`] and [`StrategicPatch::apply`]; `document` may be half patched then.
pub fn strategic(document: &mut Value, patch: &[u8], schema: &StrategicSchema) -> Result<Vec<String>, Status> {
    let patch = StrategicPatch::parse(patch)?;
    patch.apply(document, schema)?;
    Ok(patch.into_warnings())
}

/// Decodes a patch of any kind.
fn decode(bytes: &[u8]) -> Result<Decoded, Status> {
    strict::decode_strict(bytes).map_err(|error| {
        // What Kubernetes cannot read either it refuses without saying why.
        let ours = strict::is_well_formed(bytes);
        Status::bad_request(if ours {
            format!("error decoding patch: {error}")
        } else {
            "invalid JSON patch".to_owned()
        })
    })
}

/// The fields of a patch, `None` for `null`.
type Fields = Option<Map<String, Value>>;

/// A patch that has to be a JSON object, or `null` (`None`), and the fields it repeats.
fn decode_object(bytes: &[u8], prefix: &str) -> Result<(Fields, Vec<String>), Status> {
    let decoded = decode(bytes)?;
    match decoded.value {
        Value::Object(map) => Ok((Some(map), decoded.duplicates)),
        Value::Null => Ok((None, decoded.duplicates)),
        other => Err(Status::bad_request(format!(
            "{prefix}json: cannot unmarshal {} into Go value of type map[string]interface {{}}",
            json_type(&other)
        ))),
    }
}

/// What Go's decoder calls a JSON value.
fn json_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
