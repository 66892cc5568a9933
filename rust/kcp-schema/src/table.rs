//! Cells of custom resources in tables.

use crate::crd::{Column, Version};
use kcp_apimachinery::{text, time};
use serde_json::Value;

/// The cells of an object after its name, one for each column of the version; `now` is in seconds since 1970.
pub fn cells(version: &Version, object: &Value, now: i64) -> Vec<Value> {
    version.columns.iter().map(|column| cell(column, object, now)).collect()
}

/// What a column shows of an object: null when nothing is there or it is of another type.
pub fn cell(column: &Column, object: &Value, now: i64) -> Value {
    let Some(value) = column.path.as_ref().and_then(|path| path.first(object)) else { return Value::Null };
    let cell = match (&*column.kind, value) {
        (_, Value::Null) => None,
        ("integer", Value::Number(number)) => {
            // Fractions are cut off, as a conversion to a whole number does.
            number.as_i64().or_else(|| number.as_f64().map(|float| float as i64)).map(Value::from)
        }
        ("number", Value::Number(_)) | ("boolean", Value::Bool(_)) | ("string", Value::String(_)) => {
            Some(value.clone())
        }
        ("string", Value::Number(number)) if number.is_f64() => number.as_f64().map(|float| text::float(float).into()),
        ("string", value) => Some(text::json(value).into()),
        ("date", Value::String(date)) => Some(match time::parse(date) {
            Ok(seconds) => time::human_duration(now.saturating_sub(seconds)).into(),
            Err(_) => "<invalid>".into(),
        }),
        _ => None,
    };
    cell.unwrap_or(Value::Null)
}
