//! Why an expression has no value.

use std::borrow::Cow;
use std::fmt;

/// What went wrong while an expression ran.
#[derive(Clone, Debug, PartialEq)]
pub struct Error(Box<Inner>);

#[derive(Clone, Debug, PartialEq)]
struct Inner {
    message: Cow<'static, str>,
    cancelled: bool,
}

impl Error {
    pub(crate) fn new(message: impl Into<Cow<'static, str>>) -> Error {
        Error(Box::new(Inner { message: message.into(), cancelled: false }))
    }

    pub(crate) fn no_overload() -> Error {
        Error::new("no such overload")
    }

    /// The expression cost more than it may.
    pub(crate) fn cancelled() -> Error {
        Error(Box::new(Inner { message: "operation cancelled: actual cost limit exceeded".into(), cancelled: true }))
    }

    /// Whether it was stopped for what it cost: then nothing around it goes on either.
    pub fn is_cancelled(&self) -> bool {
        self.0.cancelled
    }

    /// In words.
    pub fn message(&self) -> &str {
        &self.0.message
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

impl std::error::Error for Error {}
