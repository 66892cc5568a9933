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
use crate::strict;

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
/// See [`MergePatch::parse`].
pub fn merge(document: &mut Value, patch: &[u8]) -> Result<Vec<String>, Status> {
    let patch = MergePatch::parse(patch)?;
    patch.apply(document);
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

/// A patch that has to be a JSON object, and the fields it repeats.
fn parse_object(bytes: &[u8], prefix: &str) -> Result<(Map<String, Value>, Vec<String>), Status> {
    let decoded = strict::decode_strict(bytes).map_err(|e| Status::bad_request(format!("{prefix}{e}")))?;
    let what = match decoded.value {
        Value::Object(map) => return Ok((map, decoded.duplicates)),
        // `null` leaves Go's map empty.
        Value::Null => return Ok((Map::new(), decoded.duplicates)),
        Value::Array(_) => "array",
        Value::String(_) => "string",
        Value::Number(_) => "number",
        Value::Bool(_) => "bool",
    };
    let error = format!("json: cannot unmarshal {what} into Go value of type map[string]interface {{}}");
    Err(Status::bad_request(format!("{prefix}{error}")))
}
