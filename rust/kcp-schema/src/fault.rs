//! Field errors built from stack paths.

use kcp_apimachinery::field::{BadValue, Error, ErrorList, ErrorType};
use serde_json::Value;
use std::fmt::Display;

fn error(ty: ErrorType, at: &impl Display, bad_value: BadValue, detail: &str) -> Error {
    let mut field = at.to_string();
    if field.is_empty() {
        field.push_str("<nil>");
    }
    Error { ty, field, bad_value, detail: detail.to_owned() }
}

pub(crate) fn required(at: &impl Display, detail: &str) -> Error {
    error(ErrorType::Required, at, "".into(), detail)
}

pub(crate) fn invalid(at: &impl Display, value: &Value, detail: &str) -> Error {
    error(ErrorType::Invalid, at, BadValue::Json(value.clone()), detail)
}

/// An invalid string; most invalid values are.
pub(crate) fn invalid_text(at: &impl Display, value: &str, detail: &str) -> Error {
    error(ErrorType::Invalid, at, value.into(), detail)
}

/// An invalid structure, printed as the API server prints it.
pub(crate) fn invalid_printed(at: &impl Display, printed: String, detail: &str) -> Error {
    error(ErrorType::Invalid, at, BadValue::Printed(printed), detail)
}

pub(crate) fn type_invalid(at: &impl Display, value: &Value, detail: &str) -> Error {
    error(ErrorType::TypeInvalid, at, BadValue::Json(value.clone()), detail)
}

pub(crate) fn not_supported(at: &impl Display, value: &Value, supported: &[impl AsRef<str>]) -> Error {
    let mut error = Error::not_supported(&at.to_string().as_str().into(), value.clone(), supported);
    if error.field.is_empty() {
        error.field.push_str("<nil>");
    }
    error
}

pub(crate) fn duplicate(at: &impl Display, value: &Value) -> Error {
    error(ErrorType::Duplicate, at, BadValue::Json(value.clone()), "")
}

pub(crate) fn forbidden(at: &impl Display, detail: &str) -> Error {
    error(ErrorType::Forbidden, at, "".into(), detail)
}

pub(crate) fn too_long(at: &impl Display, max: i64) -> Error {
    let unit = if max == 1 { "byte" } else { "bytes" };
    let detail = format!("may not be more than {max} {unit}");
    error(ErrorType::TooLong, at, "<value omitted>".into(), &detail)
}

pub(crate) fn too_many(at: &impl Display, actual: i64, max: i64) -> Error {
    let unit = if max == 1 { "item" } else { "items" };
    error(ErrorType::TooMany, at, actual.into(), &format!("must have at most {max} {unit}"))
}

/// A list of one.
pub(crate) fn list(error: Error) -> ErrorList {
    std::iter::once(error).collect()
}
