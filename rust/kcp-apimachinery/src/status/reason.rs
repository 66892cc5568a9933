//! Why a request failed, and the HTTP code that goes with it.

use serde::{Deserialize, Serialize};

/// Machine-readable cause of a failure. Clients look at it before they look at the code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Reason {
    /// None given; printed as nothing.
    #[default]
    Unknown,
    /// 400: the request itself is wrong.
    BadRequest,
    /// 401: who asks is not known.
    Unauthorized,
    /// 403: who asks may not do this.
    Forbidden,
    /// 404: the object or the resource does not exist.
    NotFound,
    /// 405: the resource does not support the verb.
    MethodNotAllowed,
    /// 406: none of the accepted media types can be produced.
    NotAcceptable,
    /// 409: an object of this name exists.
    AlreadyExists,
    /// 409: the object changed meanwhile, or a precondition does not hold.
    Conflict,
    /// 410: the item is gone for good.
    Gone,
    /// 410: the revision asked for is no longer kept.
    Expired,
    /// 413: the body is too large.
    RequestEntityTooLarge,
    /// 415: the body's media type is not understood.
    UnsupportedMediaType,
    /// 422: the object is not valid.
    Invalid,
    /// 429: try again later.
    TooManyRequests,
    /// 500: the server failed.
    InternalError,
    /// 500: the operation could not be completed now.
    ServerTimeout,
    /// 500: a stored object cannot be read.
    StoreReadError,
    /// 503: the server cannot serve this now.
    ServiceUnavailable,
    /// 504: the time allotted ran out.
    Timeout,
}

impl Reason {
    pub(super) const ALL: [Self; 20] = [
        Self::Unknown,
        Self::BadRequest,
        Self::Unauthorized,
        Self::Forbidden,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::NotAcceptable,
        Self::AlreadyExists,
        Self::Conflict,
        Self::Gone,
        Self::Expired,
        Self::RequestEntityTooLarge,
        Self::UnsupportedMediaType,
        Self::Invalid,
        Self::TooManyRequests,
        Self::InternalError,
        Self::ServerTimeout,
        Self::StoreReadError,
        Self::ServiceUnavailable,
        Self::Timeout,
    ];

    /// The reason on the wire; empty for [`Reason::Unknown`].
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "",
            Self::BadRequest => "BadRequest",
            Self::Unauthorized => "Unauthorized",
            Self::Forbidden => "Forbidden",
            Self::NotFound => "NotFound",
            Self::MethodNotAllowed => "MethodNotAllowed",
            Self::NotAcceptable => "NotAcceptable",
            Self::AlreadyExists => "AlreadyExists",
            Self::Conflict => "Conflict",
            Self::Gone => "Gone",
            Self::Expired => "Expired",
            Self::RequestEntityTooLarge => "RequestEntityTooLarge",
            Self::UnsupportedMediaType => "UnsupportedMediaType",
            Self::Invalid => "Invalid",
            Self::TooManyRequests => "TooManyRequests",
            Self::InternalError => "InternalError",
            Self::ServerTimeout => "ServerTimeout",
            Self::StoreReadError => "StorageReadError",
            Self::ServiceUnavailable => "ServiceUnavailable",
            Self::Timeout => "Timeout",
        }
    }

    /// Reads a reason from the wire; one that is not known becomes [`Reason::Unknown`].
    pub fn parse(text: &str) -> Self {
        Self::ALL.into_iter().find(|r| r.as_str() == text).unwrap_or_default()
    }

    /// The HTTP code that goes with the reason.
    pub const fn code(self) -> u16 {
        match self {
            Self::BadRequest => 400,
            Self::Unauthorized => 401,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::NotAcceptable => 406,
            Self::AlreadyExists | Self::Conflict => 409,
            Self::Gone | Self::Expired => 410,
            Self::RequestEntityTooLarge => 413,
            Self::UnsupportedMediaType => 415,
            Self::Invalid => 422,
            Self::TooManyRequests => 429,
            Self::Unknown | Self::InternalError | Self::ServerTimeout | Self::StoreReadError => 500,
            Self::ServiceUnavailable => 503,
            Self::Timeout => 504,
        }
    }
}

impl Serialize for Reason {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Reason {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::parse(&String::deserialize(deserializer)?))
    }
}
