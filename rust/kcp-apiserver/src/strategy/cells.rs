//! Cells of the tables that built-in kinds are printed as.

use kcp_apimachinery::{meta, time};
use serde_json::Value;

/// `Name`.
pub fn name(object: &Value) -> Value {
    meta::name(object).into()
}

/// `Age`: time since the object was created.
pub fn age(object: &Value, now: jiff::Timestamp) -> Value {
    since(meta::creation_timestamp(object).unwrap_or_default(), now).into()
}

/// `Created At`: when the object was created.
pub fn created(object: &Value) -> Value {
    meta::creation_timestamp(object).unwrap_or_default().into()
}

/// How long ago a time was, `<unknown>` for none.
pub fn since(then: &str, now: jiff::Timestamp) -> String {
    if then.is_empty() { "<unknown>".to_owned() } else { time::age(then, now.as_second()) }
}
