//! Why a strategic merge patch cannot be applied, and how Kubernetes answers that.

use serde_json::{Map, Value};

use crate::status::Status;
use crate::text;

/// Why a patch cannot be applied.
#[derive(Debug, PartialEq)]
pub(super) enum Failure {
    /// A directive has the wrong form.
    Format(&'static str),
    ListOfLists,
    NoMergeKey(Map<String, Value>, String),
    UnknownDirective(Value, Map<String, Value>),
    /// Anything else, in Kubernetes' words.
    Other(String),
}

pub(super) const BAD_DELETE: Failure = Failure::Format("invalid patch format of primitive list");
pub(super) const BAD_RETAIN: Failure = Failure::Format("invalid patch format of retainKeys");
pub(super) const BAD_ORDER: Failure = Failure::Format("invalid patch format of setElementOrder list");

impl Failure {
    pub(super) fn status(self) -> Status {
        match self {
            Self::Format(message) => Status::bad_request(message),
            Self::ListOfLists => Status::unprocessable(),
            Self::NoMergeKey(map, key) => {
                let map = text::go_map(&map);
                Status::generic(500, format!("map: {map} does not contain declared merge key: {key}"))
            }
            Self::UnknownDirective(directive, map) => {
                let (directive, map) = (text::go_value(&directive), text::go_map(&map));
                Status::generic(500, format!("unknown patch type: {directive} in map: {map}"))
            }
            Self::Other(message) => Status::generic(500, message),
        }
    }

    pub(super) fn wrong_type(expected: &str, actual: &Value) -> Self {
        Self::Other(format!("expected a {expected}, but received a {}", go_type(actual)))
    }
}

pub(super) const GO_MAP: &str = "map[string]interface {}";
pub(super) const GO_LIST: &str = "[]interface {}";

pub(super) fn go_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "%!s(<nil>)",
        Value::Bool(_) => "bool",
        Value::Number(n) if n.is_f64() => "float64",
        Value::Number(_) => "int64",
        Value::String(_) => "string",
        Value::Array(_) => GO_LIST,
        Value::Object(_) => GO_MAP,
    }
}
