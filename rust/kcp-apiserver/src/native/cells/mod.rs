//! Table rows of native kinds.

pub mod deployment;
pub mod pod;
pub mod service;

use serde_json::Value;

/// The list at a JSON pointer; empty where there is none.
fn list<'a>(object: &'a Value, pointer: &str) -> &'a [Value] {
    object.pointer(pointer).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// The string at a JSON pointer; empty where there is none.
fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The whole number at a JSON pointer; 0 where there is none.
fn number(object: &Value, pointer: &str) -> i64 {
    object.pointer(pointer).and_then(Value::as_i64).unwrap_or_default()
}

/// One field of every item, with commas between.
fn joined(items: &[Value], field: &str) -> String {
    items.iter().map(|item| item[field].as_str().unwrap_or_default()).collect::<Vec<_>>().join(",")
}

/// The text, or `<none>` for an empty one.
fn or_none(text: &str) -> &str {
    if text.is_empty() { "<none>" } else { text }
}
