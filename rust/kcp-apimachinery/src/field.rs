//! Errors about one field of an object, worded as Kubernetes words them, and the path that names the field.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use crate::text;

/// Names a field from the root of an object: `spec.containers[0].name`, `data[my.key]`.
///
/// Paths share their beginnings, so extending or cloning one is cheap.
#[derive(Clone, Debug, Default)]
pub struct Path(Option<Arc<Node>>);

#[derive(Debug)]
struct Node {
    parent: Option<Arc<Node>>,
    step: Step,
}

#[derive(Debug)]
enum Step {
    Name(String),
    Index(usize),
    Key(String),
}

impl Path {
    /// The path of nothing; it prints as `<nil>`.
    pub const fn nil() -> Self {
        Self(None)
    }

    /// A path of one field at the root of the object.
    pub fn root(name: impl Into<String>) -> Self {
        Self::nil().child(name)
    }

    /// The field `name` of this one.
    #[must_use]
    pub fn child(&self, name: impl Into<String>) -> Self {
        self.step(Step::Name(name.into()))
    }

    /// The list item at `index` of this field.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        self.step(Step::Index(index))
    }

    /// The map entry under `key` of this field.
    #[must_use]
    pub fn key(&self, key: impl Into<String>) -> Self {
        self.step(Step::Key(key.into()))
    }

    /// Whether this is the path of nothing.
    pub fn is_nil(&self) -> bool {
        self.0.is_none()
    }

    fn step(&self, step: Step) -> Self {
        Self(Some(Arc::new(Node { parent: self.0.clone(), step })))
    }
}

impl From<&str> for Path {
    fn from(name: &str) -> Self {
        Self::root(name)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(last) = &self.0 else {
            return f.write_str("<nil>");
        };
        let mut steps = Vec::new();
        let mut node = Some(last);
        while let Some(n) = node {
            steps.push(&n.step);
            node = n.parent.as_ref();
        }
        for (i, step) in steps.into_iter().rev().enumerate() {
            match step {
                Step::Name(name) if i == 0 => f.write_str(name)?,
                Step::Name(name) => write!(f, ".{name}")?,
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Key(key) => write!(f, "[{key}]")?,
            }
        }
        Ok(())
    }
}

/// What is wrong with a field. Clients see it as the reason of a cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorType {
    /// A value that is looked up elsewhere is not there.
    NotFound,
    /// A needed value is missing.
    Required,
    /// A value that must be unique occurs twice.
    Duplicate,
    /// The value is malformed.
    Invalid,
    /// The value is none of an enumeration.
    NotSupported,
    /// The value is well formed but not allowed here.
    Forbidden,
    /// The value is too long.
    TooLong,
    /// The value is too short.
    TooShort,
    /// The list has too many items.
    TooMany,
    /// The list has too few items.
    TooFew,
    /// The value has another type than the schema wants.
    TypeInvalid,
    /// The server failed to check the value.
    Internal,
}

impl ErrorType {
    /// The reason of the cause in a Status.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::NotFound => "FieldValueNotFound",
            Self::Required => "FieldValueRequired",
            Self::Duplicate => "FieldValueDuplicate",
            Self::Invalid => "FieldValueInvalid",
            Self::NotSupported => "FieldValueNotSupported",
            Self::Forbidden => "FieldValueForbidden",
            Self::TooLong => "FieldValueTooLong",
            Self::TooShort => "FieldValueTooShort",
            Self::TooMany => "FieldValueTooMany",
            Self::TooFew => "FieldValueTooFew",
            Self::TypeInvalid => "FieldValueTypeInvalid",
            Self::Internal => "InternalError",
        }
    }

    /// The words that open an error's body.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotFound => "Not found",
            Self::Required => "Required value",
            Self::Duplicate => "Duplicate value",
            Self::Invalid | Self::TypeInvalid => "Invalid value",
            Self::NotSupported => "Unsupported value",
            Self::Forbidden => "Forbidden",
            Self::TooLong => "Too long",
            Self::TooShort => "Too short",
            Self::TooMany => "Too many",
            Self::TooFew => "Too few",
            Self::Internal => "Internal error",
        }
    }
}

/// The value that an error complains about.
#[derive(Clone, Debug, PartialEq)]
pub enum BadValue {
    /// The message leaves the value out.
    Omitted,
    /// A JSON value: strings are quoted, numbers and booleans plain, everything else compact JSON with sorted keys.
    Json(Value),
    /// A value already in its printed form, for structures that Kubernetes prints in their own order of fields.
    Printed(String),
}

impl<T: Into<Value>> From<T> for BadValue {
    fn from(value: T) -> Self {
        Self::Json(value.into())
    }
}

impl BadValue {
    fn body(&self) -> Option<String> {
        match self {
            Self::Omitted => None,
            Self::Printed(text) => Some(text.clone()),
            Self::Json(Value::String(s)) => Some(text::quote(s)),
            Self::Json(Value::Number(n)) if n.is_f64() => n.as_f64().map(text::float),
            Self::Json(value) => Some(text::json(value)),
        }
    }
}

/// One thing wrong with one field.
#[derive(Clone, Debug, PartialEq)]
pub struct Error {
    /// What is wrong.
    pub ty: ErrorType,
    /// Printed path of the field.
    pub field: String,
    /// The value complained about.
    pub bad_value: BadValue,
    /// More words; may be empty.
    pub detail: String,
}

impl Error {
    /// Builds an error from its parts.
    pub fn new(ty: ErrorType, path: &Path, bad_value: impl Into<BadValue>, detail: impl Into<String>) -> Self {
        Self { ty, field: path.to_string(), bad_value: bad_value.into(), detail: detail.into() }
    }

    /// `Required value[: detail]`
    pub fn required(path: &Path, detail: impl Into<String>) -> Self {
        Self::new(ErrorType::Required, path, "", detail)
    }

    /// `Invalid value: <value>[: detail]`
    pub fn invalid(path: &Path, value: impl Into<BadValue>, detail: impl Into<String>) -> Self {
        Self::new(ErrorType::Invalid, path, value, detail)
    }

    /// `Invalid value: <value>[: detail]`, for a value of the wrong type.
    pub fn type_invalid(path: &Path, value: impl Into<BadValue>, detail: impl Into<String>) -> Self {
        Self::new(ErrorType::TypeInvalid, path, value, detail)
    }

    /// `Unsupported value: <value>: supported values: "a", "b"`, in the order given.
    pub fn not_supported<S: AsRef<str>>(path: &Path, value: impl Into<BadValue>, supported: &[S]) -> Self {
        let quoted: Vec<String> = supported.iter().map(|s| text::quote(s.as_ref())).collect();
        let detail = if quoted.is_empty() { String::new() } else { format!("supported values: {}", quoted.join(", ")) };
        Self::new(ErrorType::NotSupported, path, value, detail)
    }

    /// `Duplicate value: <value>`
    pub fn duplicate(path: &Path, value: impl Into<BadValue>) -> Self {
        Self::new(ErrorType::Duplicate, path, value, "")
    }

    /// `Forbidden: detail`
    pub fn forbidden(path: &Path, detail: impl Into<String>) -> Self {
        Self::new(ErrorType::Forbidden, path, "", detail)
    }

    /// `Not found: <value>`
    pub fn not_found(path: &Path, value: impl Into<BadValue>) -> Self {
        Self::new(ErrorType::NotFound, path, value, "")
    }

    /// `Too long: may not be more than <max> bytes`; the value itself is never repeated.
    pub fn too_long(path: &Path, max: usize) -> Self {
        let unit = if max == 1 { "byte" } else { "bytes" };
        Self::new(ErrorType::TooLong, path, "<value omitted>", format!("may not be more than {max} {unit}"))
    }

    /// `Too long: may not be more than <max> characters`; the value itself is never repeated.
    pub fn too_long_characters(path: &Path, max: usize) -> Self {
        let unit = if max == 1 { "character" } else { "characters" };
        Self::new(ErrorType::TooLong, path, "<value omitted>", format!("may not be more than {max} {unit}"))
    }

    /// `Too short: must be at least <min> characters`
    pub fn too_short(path: &Path, value: impl Into<BadValue>, min: usize) -> Self {
        let unit = if min == 1 { "character" } else { "characters" };
        Self::new(ErrorType::TooShort, path, value, format!("must be at least {min} {unit}"))
    }

    /// `Too many: <actual>: must have at most <max> items`
    pub fn too_many(path: &Path, actual: usize, max: usize) -> Self {
        let unit = if max == 1 { "item" } else { "items" };
        Self::new(ErrorType::TooMany, path, actual, format!("must have at most {max} {unit}"))
    }

    /// `Too few: <actual>: must have at least <min> items`
    pub fn too_few(path: &Path, actual: usize, min: usize) -> Self {
        let unit = if min == 1 { "item" } else { "items" };
        Self::new(ErrorType::TooFew, path, actual, format!("must have at least {min} {unit}"))
    }

    /// `Internal error: detail`
    pub fn internal(path: &Path, detail: impl Into<String>) -> Self {
        Self::new(ErrorType::Internal, path, BadValue::Omitted, detail)
    }

    /// The message without the field: what a cause carries.
    pub fn body(&self) -> String {
        let mut body = self.ty.as_str().to_owned();
        let shows_value = match self.ty {
            ErrorType::Required
            | ErrorType::Forbidden
            | ErrorType::TooLong
            | ErrorType::TooShort
            | ErrorType::Internal => false,
            ErrorType::NotFound
            | ErrorType::Duplicate
            | ErrorType::Invalid
            | ErrorType::NotSupported
            | ErrorType::TooMany
            | ErrorType::TooFew
            | ErrorType::TypeInvalid => true,
        };
        if shows_value && let Some(value) = self.bad_value.body() {
            body.push_str(": ");
            body.push_str(&value);
        }
        if !self.detail.is_empty() {
            body.push_str(": ");
            body.push_str(&self.detail);
        }
        body
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.body())
    }
}

impl std::error::Error for Error {}

/// Everything wrong with an object, in the order found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ErrorList(Vec<Error>);

impl ErrorList {
    /// An empty list.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds one error.
    pub fn push(&mut self, error: Error) {
        self.0.push(error);
    }

    /// The message of all errors, each said once: one alone as it is, several as `[a, b]`; `None` without any.
    pub fn aggregate(&self) -> Option<String> {
        let mut seen = HashSet::new();
        let mut messages = Vec::new();
        for error in &self.0 {
            let message = error.to_string();
            if seen.insert(message.clone()) {
                messages.push(message);
            }
        }
        match messages.len() {
            0 => None,
            1 => messages.pop(),
            _ => Some(format!("[{}]", messages.join(", "))),
        }
    }

    /// `Ok` when there are no errors, the list otherwise.
    ///
    /// # Errors
    /// The list itself when it is not empty.
    pub fn into_result(self) -> Result<(), Self> {
        if self.0.is_empty() { Ok(()) } else { Err(self) }
    }
}

impl std::ops::Deref for ErrorList {
    type Target = Vec<Error>;

    fn deref(&self) -> &Vec<Error> {
        &self.0
    }
}

impl std::ops::DerefMut for ErrorList {
    fn deref_mut(&mut self) -> &mut Vec<Error> {
        &mut self.0
    }
}

impl fmt::Display for ErrorList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.aggregate().unwrap_or_default())
    }
}

impl std::error::Error for ErrorList {}

impl From<Vec<Error>> for ErrorList {
    fn from(errors: Vec<Error>) -> Self {
        Self(errors)
    }
}

impl From<Error> for ErrorList {
    fn from(error: Error) -> Self {
        Self(vec![error])
    }
}

impl Extend<Error> for ErrorList {
    fn extend<I: IntoIterator<Item = Error>>(&mut self, errors: I) {
        self.0.extend(errors);
    }
}

impl FromIterator<Error> for ErrorList {
    fn from_iter<I: IntoIterator<Item = Error>>(errors: I) -> Self {
        Self(errors.into_iter().collect())
    }
}

impl IntoIterator for ErrorList {
    type Item = Error;
    type IntoIter = std::vec::IntoIter<Error>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a ErrorList {
    type Item = &'a Error;
    type IntoIter = std::slice::Iter<'a, Error>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn paths_print_names_indexes_and_keys() {
        for (path, want) in [
            (Path::nil(), "<nil>"),
            (Path::root("spec"), "spec"),
            (Path::root("spec").child("containers").index(0).child("name"), "spec.containers[0].name"),
            (Path::root("data").key("my.key"), "data[my.key]"),
            (Path::nil().index(3).child("a"), "[3].a"),
        ] {
            assert_eq!(path.to_string(), want);
        }
    }

    #[test]
    fn bodies_are_worded_as_kubernetes_words_them() {
        let p = Path::root("f");
        for (error, want) in [
            (Error::required(&p, ""), "f: Required value"),
            (Error::required(&p, "why"), "f: Required value: why"),
            (Error::invalid(&p, "a\"b", "bad"), r#"f: Invalid value: "a\"b": bad"#),
            (Error::invalid(&p, -1, "neg"), "f: Invalid value: -1: neg"),
            (Error::invalid(&p, 1e6, ""), "f: Invalid value: 1e+06"),
            (Error::invalid(&p, true, ""), "f: Invalid value: true"),
            (Error::invalid(&p, Value::Null, "x"), "f: Invalid value: null: x"),
            (Error::invalid(&p, json!({"b": 1, "a": "<"}), "x"), r#"f: Invalid value: {"a":"\u003c","b":1}: x"#),
            (Error::invalid(&p, BadValue::Omitted, "x"), "f: Invalid value: x"),
            (Error::type_invalid(&p, "s", "must be integer"), r#"f: Invalid value: "s": must be integer"#),
            (Error::not_supported(&p, "x", &["a", "b"]), r#"f: Unsupported value: "x": supported values: "a", "b""#),
            (Error::not_supported::<&str>(&p, "x", &[]), r#"f: Unsupported value: "x""#),
            (Error::duplicate(&p, "x"), r#"f: Duplicate value: "x""#),
            (Error::forbidden(&p, "no"), "f: Forbidden: no"),
            (Error::not_found(&p, "x"), r#"f: Not found: "x""#),
            (Error::too_long(&p, 10), "f: Too long: may not be more than 10 bytes"),
            (Error::too_long(&p, 1), "f: Too long: may not be more than 1 byte"),
            (Error::too_short(&p, "x", 2), "f: Too short: must be at least 2 characters"),
            (Error::too_many(&p, 3, 2), "f: Too many: 3: must have at most 2 items"),
            (Error::too_few(&p, 0, 1), "f: Too few: 0: must have at least 1 item"),
            (Error::internal(&p, "oops"), "f: Internal error: oops"),
        ] {
            assert_eq!(error.to_string(), want);
        }
    }

    #[test]
    fn lists_say_each_error_once() {
        let a = Error::required(&Path::root("a"), "");
        let b = Error::required(&Path::root("b"), "");
        assert_eq!(ErrorList::new().aggregate(), None);
        assert_eq!(ErrorList::from(vec![a.clone(), a.clone()]).to_string(), "a: Required value");
        assert_eq!(ErrorList::from(vec![a.clone(), b, a]).to_string(), "[a: Required value, b: Required value]");
    }
}
