//! Field errors built from stack paths.

use kcp_apimachinery::field::{BadValue, Error, ErrorList, ErrorType};
use serde_json::Value;
use std::fmt::Display;

/// Errors in the order found, up to a limit: a hostile body could earn millions of them, each with a path of megabytes.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    list: Vec<Error>,
    bytes: usize,
}

/// Most errors of one object, and most bytes of their paths and details.
pub(crate) const MAX_ERRORS: usize = 1_000;
pub(crate) const MAX_ERROR_BYTES: usize = 1 << 20;
const TOO_MANY: &str = "too many errors, not all of them are listed";

impl Faults {
    /// Whether no more errors are taken. Walks ask before they go on.
    pub(crate) fn is_full(&self) -> bool {
        self.list.len() >= MAX_ERRORS || self.bytes >= MAX_ERROR_BYTES
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub(crate) fn push(&mut self, error: Error) {
        if !self.is_full() {
            self.bytes += error.field.len() + error.detail.len();
            self.list.push(error);
        }
    }

    pub(crate) fn extend(&mut self, errors: impl IntoIterator<Item = Error>) {
        errors.into_iter().for_each(|error| self.push(error));
    }

    pub(crate) fn sort(&mut self) {
        self.list.sort_by_cached_key(ToString::to_string);
    }

    /// All errors, and one more if there would have been more.
    pub(crate) fn into_list(mut self) -> ErrorList {
        if self.is_full() {
            self.list.push(invalid_text(&"", "", TOO_MANY));
        }
        self.list.into_iter().collect()
    }
}

impl IntoIterator for Faults {
    type Item = Error;
    type IntoIter = std::vec::IntoIter<Error>;

    fn into_iter(self) -> Self::IntoIter {
        self.list.into_iter()
    }
}

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
