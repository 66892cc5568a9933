//! `Status`: every answer that is not an object, with Kubernetes' reasons, codes and wording.
//!
//! Each reason has its constructor; the reason fixes the code. Callers ask predicates, never strings.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::field::ErrorList;
use crate::gvk::{GroupKind, GroupResource};
use crate::text;

/// Whether the request did what it asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// It did.
    Success,
    /// It did not.
    Failure,
}

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
    const ALL: [Self; 20] = [
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

/// What a Status is about, and its causes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Details {
    /// Name of the object.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// API group of the object.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// Plural resource, except for [`Reason::Invalid`], where it is the kind.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// Uid of the object.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub uid: String,
    /// One entry for each thing that is wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<Cause>,
    /// Seconds to wait before trying again; zero for no advice. Answers repeat it as the `Retry-After` header.
    #[serde(skip_serializing_if = "is_zero")]
    pub retry_after_seconds: u32,
}

/// One thing that is wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Cause {
    /// Machine-readable reason, such as `FieldValueRequired`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Message for people, without the field.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// Path of the field.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub field: String,
}

fn is_zero(n: &u32) -> bool {
    *n == 0
}

/// An answer that carries no object: a failure, or a success that leaves none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Success or failure.
    pub status: Outcome,
    /// Message for people.
    pub message: String,
    /// Machine-readable reason.
    pub reason: Reason,
    /// What it is about. `Some` of empty details prints `"details":{}`, as some answers of Kubernetes do.
    pub details: Option<Box<Details>>,
    /// HTTP code.
    pub code: u16,
    /// `metadata.continue`: where an expired list can be continued.
    pub continue_token: Option<String>,
}

/// The wire form, in Kubernetes' order of fields.
#[derive(Serialize, Deserialize)]
struct Wire {
    #[serde(default)]
    kind: String,
    #[serde(default, rename = "apiVersion")]
    api_version: String,
    #[serde(default)]
    metadata: WireMetadata,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status: Option<Outcome>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    message: String,
    #[serde(default, skip_serializing_if = "is_unknown")]
    reason: Reason,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    details: Option<Box<Details>>,
    #[serde(default, skip_serializing_if = "is_no_code")]
    code: u16,
}

#[derive(Default, Serialize, Deserialize)]
struct WireMetadata {
    #[serde(default, rename = "continue", skip_serializing_if = "Option::is_none")]
    continue_token: Option<String>,
}

fn is_unknown(reason: &Reason) -> bool {
    *reason == Reason::Unknown
}

fn is_no_code(code: &u16) -> bool {
    *code == 0
}

impl Status {
    /// A failure with this reason and the reason's code, without details.
    pub fn failure(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            status: Outcome::Failure,
            message: message.into(),
            reason,
            details: None,
            code: reason.code(),
            continue_token: None,
        }
    }

    /// The same Status with these details.
    #[must_use]
    pub fn with_details(mut self, details: Details) -> Self {
        self.details = Some(Box::new(details));
        self
    }

    /// The same Status with another message.
    #[must_use]
    pub fn with_message(mut self, message: impl Into<String>) -> Self {
        self.message = message.into();
        self
    }

    /// The same Status with one more cause.
    #[must_use]
    pub fn with_cause(
        mut self,
        reason: impl Into<String>,
        message: impl Into<String>,
        field: impl Into<String>,
    ) -> Self {
        let cause = Cause { reason: reason.into(), message: message.into(), field: field.into() };
        self.details.get_or_insert_default().causes.push(cause);
        self
    }

    fn about(self, resource: &GroupResource, name: &str) -> Self {
        self.with_details(Details {
            name: name.to_owned(),
            group: resource.group.clone(),
            kind: resource.resource.clone(),
            ..Details::default()
        })
    }

    /// 400 with this message.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::failure(Reason::BadRequest, message)
    }

    /// 401 `Unauthorized`.
    pub fn unauthorized() -> Self {
        Self::failure(Reason::Unauthorized, "Unauthorized")
    }

    /// 403 `<res> "<name>" is forbidden: <text>`; without a name the quoted part is left out, without a resource the
    /// message is `forbidden: <text>`. Authorization and admission both answer in this form.
    pub fn forbidden(resource: &GroupResource, name: &str, text: impl fmt::Display) -> Self {
        let message = if resource.is_empty() {
            format!("forbidden: {text}")
        } else if name.is_empty() {
            format!("{resource} is forbidden: {text}")
        } else {
            format!("{resource} {} is forbidden: {text}", text::quote(name))
        };
        Self::failure(Reason::Forbidden, message).about(resource, name)
    }

    /// 403 with exactly this message and no details.
    pub fn forbidden_raw(message: impl Into<String>) -> Self {
        Self::failure(Reason::Forbidden, message)
    }

    /// 404 `<res> "<name>" not found`.
    pub fn not_found(resource: &GroupResource, name: &str) -> Self {
        let message = format!("{resource} {} not found", text::quote(name));
        Self::failure(Reason::NotFound, message).about(resource, name)
    }

    /// 404 for a path that leads nowhere: no such group, version, resource or subresource.
    pub fn not_found_route() -> Self {
        Self::failure(Reason::NotFound, "the server could not find the requested resource")
            .with_details(Details::default())
    }

    /// 405 for a method that a path does not have.
    pub fn method_not_allowed() -> Self {
        Self::failure(Reason::MethodNotAllowed, "the server does not allow this method on the requested resource")
            .with_details(Details::default())
    }

    /// 405 `<action> is not supported on resources of kind "<res>"`.
    pub fn method_not_supported(resource: &GroupResource, action: &str) -> Self {
        let kind = text::quote(&resource.to_string());
        let message = format!("{action} is not supported on resources of kind {kind}");
        Self::failure(Reason::MethodNotAllowed, message).about(resource, "")
    }

    /// 406 listing the media types that can be produced.
    pub fn not_acceptable<S: AsRef<str>>(types: &[S]) -> Self {
        let message = format!("only the following media types are accepted: {}", join(types));
        Self::failure(Reason::NotAcceptable, message)
    }

    /// 415 listing the media types that are understood.
    pub fn unsupported_media_type<S: AsRef<str>>(types: &[S]) -> Self {
        let types = join(types);
        let message =
            format!("the body of the request was in an unknown format - accepted media types include: {types}");
        Self::failure(Reason::UnsupportedMediaType, message)
    }

    /// 409 `<res> "<name>" already exists`.
    pub fn already_exists(resource: &GroupResource, name: &str) -> Self {
        let message = format!("{resource} {} already exists", text::quote(name));
        Self::failure(Reason::AlreadyExists, message).about(resource, name)
    }

    /// 409 when no free name was found for a `generateName`; clients try again.
    pub fn generate_name_conflict(resource: &GroupResource, name: &str, retry_after_seconds: u32) -> Self {
        let name_quoted = text::quote(name);
        let message = format!(
            "{resource} {name_quoted} already exists, the server was not able to generate a unique name for the object"
        );
        Self::failure(Reason::AlreadyExists, message).about(resource, name).retry_after(retry_after_seconds)
    }

    /// 409 `Operation cannot be fulfilled on <res> "<name>": <err>`.
    pub fn conflict(resource: &GroupResource, name: &str, error: impl fmt::Display) -> Self {
        let message = format!("Operation cannot be fulfilled on {resource} {}: {error}", text::quote(name));
        Self::failure(Reason::Conflict, message).about(resource, name)
    }

    /// 409 when an update carries another resourceVersion than the stored object.
    pub fn modified(resource: &GroupResource, name: &str) -> Self {
        Self::conflict(
            resource,
            name,
            "the object has been modified; please apply your changes to the latest version and try again",
        )
    }

    /// 409 of server-side apply: one cause for each field that others own.
    pub fn apply_conflict(causes: Vec<Cause>, message: impl Into<String>) -> Self {
        Self::failure(Reason::Conflict, message).with_details(Details { causes, ..Details::default() })
    }

    /// 410: the revision asked for is no longer kept; clients list again.
    pub fn expired(message: impl Into<String>) -> Self {
        Self::failure(Reason::Expired, message)
    }

    /// 410: the item is gone for good.
    pub fn gone(message: impl Into<String>) -> Self {
        Self::failure(Reason::Gone, message)
    }

    /// 413 for a body of more than `limit` bytes.
    pub fn too_large(limit: usize) -> Self {
        Self::request_entity_too_large(format!("limit is {limit}"))
    }

    /// 413 `Request entity too large: <text>`.
    pub fn request_entity_too_large(text: impl fmt::Display) -> Self {
        Self::failure(Reason::RequestEntityTooLarge, format!("Request entity too large: {text}"))
    }

    /// 422 `<Kind>[.<group>] "<name>" is invalid: …` with one cause for each error.
    pub fn invalid(kind: &GroupKind, name: &str, errors: &ErrorList) -> Self {
        let mut message = format!("{kind} {} is invalid", text::quote(name));
        if let Some(all) = errors.aggregate() {
            message.push_str(": ");
            message.push_str(&all);
        }
        let causes = errors
            .iter()
            .map(|e| Cause { reason: e.ty.reason().to_owned(), message: e.body(), field: e.field.clone() })
            .collect();
        Self::failure(Reason::Invalid, message).with_details(Details {
            name: name.to_owned(),
            group: kind.group.clone(),
            kind: kind.kind.clone(),
            causes,
            ..Details::default()
        })
    }

    /// 422 for a patch that cannot be applied, without telling why.
    pub fn unprocessable() -> Self {
        Self::failure(Reason::Invalid, "the server rejected our request due to an error in our request")
            .with_details(Details::default())
    }

    /// 429 with this message.
    pub fn too_many_requests(message: impl Into<String>, retry_after_seconds: u32) -> Self {
        Self::failure(Reason::TooManyRequests, message)
            .with_details(Details::default())
            .retry_after(retry_after_seconds)
    }

    /// 500 `Internal error occurred: <err>`, the error again as cause.
    pub fn internal(error: impl fmt::Display) -> Self {
        let error = error.to_string();
        Self::failure(Reason::InternalError, format!("Internal error occurred: {error}")).with_cause("", error, "")
    }

    /// 500 for an operation that could not be completed now.
    pub fn server_timeout(resource: &GroupResource, operation: &str, retry_after_seconds: u32) -> Self {
        let message = format!(
            "The {operation} operation against {resource} could not be completed at this time, please try again."
        );
        // Kubernetes puts the operation where other reasons have the object's name.
        Self::failure(Reason::ServerTimeout, message).about(resource, operation).retry_after(retry_after_seconds)
    }

    /// 503 with this message.
    pub fn service_unavailable(message: impl Into<String>) -> Self {
        Self::failure(Reason::ServiceUnavailable, message)
    }

    /// 504 `Timeout: <text>`.
    pub fn timeout(text: impl fmt::Display, retry_after_seconds: u32) -> Self {
        Self::failure(Reason::Timeout, format!("Timeout: {text}"))
            .with_details(Details::default())
            .retry_after(retry_after_seconds)
    }

    /// 504 for a revision that does not exist yet; client-go falls back to a plain list when it sees the cause.
    pub fn too_large_resource_version(wanted: u64, current: u64, retry_after_seconds: u32) -> Self {
        let text = format!("Too large resource version: {wanted}, current: {current}");
        Self::timeout(text, retry_after_seconds).with_cause("ResourceVersionTooLarge", "Too large resource version", "")
    }

    /// A failure with a code of its own, an empty reason and no details, as Kubernetes answers errors it does not know.
    pub fn generic(code: u16, message: impl Into<String>) -> Self {
        Self { code, ..Self::failure(Reason::Unknown, message) }
    }

    /// 200 for a deletion that left nothing behind.
    pub fn success(details: Details) -> Self {
        // Kubernetes leaves the code out of this answer; 200 is on the status line.
        Self {
            status: Outcome::Success,
            message: String::new(),
            reason: Reason::Unknown,
            details: Some(Box::new(details)),
            code: 0,
            continue_token: None,
        }
    }

    fn retry_after(mut self, seconds: u32) -> Self {
        self.details.get_or_insert_default().retry_after_seconds = seconds;
        self
    }

    /// The code of the HTTP status line.
    pub fn http_code(&self) -> u16 {
        match (self.code, self.status) {
            (0, Outcome::Success) => 200,
            (0, Outcome::Failure) => 500,
            (code, _) => code,
        }
    }

    /// Seconds after which to try again; zero for no advice.
    pub fn retry_after_seconds(&self) -> u32 {
        self.details.as_ref().map_or(0, |d| d.retry_after_seconds)
    }

    /// Whether a cause with this reason is given.
    pub fn has_cause(&self, reason: &str) -> bool {
        self.details.as_ref().is_some_and(|d| d.causes.iter().any(|c| c.reason == reason))
    }

    /// Whether this tells of success.
    pub fn is_success(&self) -> bool {
        self.status == Outcome::Success
    }

    fn is(&self, reason: Reason, codes: &[u16]) -> bool {
        self.reason == reason || (self.reason == Reason::Unknown && codes.contains(&self.code))
    }

    /// The object or resource does not exist.
    pub fn is_not_found(&self) -> bool {
        self.is(Reason::NotFound, &[404])
    }

    /// An object of this name exists already.
    pub fn is_already_exists(&self) -> bool {
        self.reason == Reason::AlreadyExists
    }

    /// The object changed meanwhile, or a precondition does not hold.
    pub fn is_conflict(&self) -> bool {
        self.is(Reason::Conflict, &[409])
    }

    /// The object is not valid.
    pub fn is_invalid(&self) -> bool {
        self.is(Reason::Invalid, &[422])
    }

    /// The request itself is wrong.
    pub fn is_bad_request(&self) -> bool {
        self.is(Reason::BadRequest, &[400])
    }

    /// Who asks may not do this.
    pub fn is_forbidden(&self) -> bool {
        self.is(Reason::Forbidden, &[403])
    }

    /// Who asks is not known.
    pub fn is_unauthorized(&self) -> bool {
        self.is(Reason::Unauthorized, &[401])
    }

    /// The revision asked for is no longer kept.
    pub fn is_expired(&self) -> bool {
        matches!(self.reason, Reason::Expired | Reason::Gone)
    }

    /// The client should come back later.
    pub fn is_too_many_requests(&self) -> bool {
        self.is(Reason::TooManyRequests, &[429])
    }

    /// The time allotted ran out.
    pub fn is_timeout(&self) -> bool {
        self.is(Reason::Timeout, &[504])
    }

    /// The revision asked for does not exist yet.
    pub fn is_too_large_resource_version(&self) -> bool {
        self.is_timeout() && self.has_cause("ResourceVersionTooLarge")
    }

    /// The body, compact and without a trailing newline; also the object of a watch's ERROR event.
    pub fn to_json(&self) -> Vec<u8> {
        // Strings, numbers and derived structs only: encoding them cannot fail.
        serde_json::to_vec(&self.wire()).unwrap_or_default()
    }

    /// The body as an object.
    pub fn to_value(&self) -> serde_json::Value {
        serde_json::to_value(self.wire()).unwrap_or_default()
    }

    /// Reads a Status that another server sent; `None` when the bytes are none.
    pub fn from_json(bytes: &[u8]) -> Option<Self> {
        let wire: Wire = serde_json::from_slice(bytes).ok()?;
        if wire.kind != "Status" || !matches!(wire.api_version.as_str(), "v1" | "meta.k8s.io/v1") {
            return None;
        }
        Some(Self {
            status: wire.status.unwrap_or(Outcome::Failure),
            message: wire.message,
            reason: wire.reason,
            details: wire.details,
            code: wire.code,
            continue_token: wire.metadata.continue_token,
        })
    }

    fn wire(&self) -> Wire {
        Wire {
            kind: "Status".to_owned(),
            api_version: "v1".to_owned(),
            metadata: WireMetadata { continue_token: self.continue_token.clone() },
            status: Some(self.status),
            message: self.message.clone(),
            reason: self.reason,
            details: self.details.clone(),
            code: self.code,
        }
    }
}

fn join<S: AsRef<str>>(items: &[S]) -> String {
    items.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(", ")
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Status {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::{Error, Path};

    fn body(status: &Status) -> String {
        String::from_utf8(status.to_json()).expect("JSON is UTF-8")
    }

    #[test]
    fn bodies_are_those_of_kubernetes() {
        let cm = GroupResource::new("", "configmaps");
        let role = GroupResource::new("rbac.authorization.k8s.io", "roles");
        for (status, want) in [
            (Status::unauthorized(), r#""message":"Unauthorized","reason":"Unauthorized","code":401}"#),
            (
                Status::not_found(&cm, "x"),
                r#""message":"configmaps \"x\" not found","reason":"NotFound","details":{"name":"x","kind":"configmaps"},"code":404}"#,
            ),
            (
                Status::not_found_route(),
                r#""message":"the server could not find the requested resource","reason":"NotFound","details":{},"code":404}"#,
            ),
            (
                Status::already_exists(&role, "x"),
                r#""message":"roles.rbac.authorization.k8s.io \"x\" already exists","reason":"AlreadyExists","details":{"name":"x","group":"rbac.authorization.k8s.io","kind":"roles"},"code":409}"#,
            ),
            (
                Status::modified(&cm, "x"),
                r#""message":"Operation cannot be fulfilled on configmaps \"x\": the object has been modified; please apply your changes to the latest version and try again","reason":"Conflict","details":{"name":"x","kind":"configmaps"},"code":409}"#,
            ),
            (
                Status::forbidden(&cm, "", "no"),
                r#""message":"configmaps is forbidden: no","reason":"Forbidden","details":{"kind":"configmaps"},"code":403}"#,
            ),
            (
                Status::forbidden(&GroupResource::default(), "", "no"),
                r#""message":"forbidden: no","reason":"Forbidden","details":{},"code":403}"#,
            ),
            (Status::generic(500, "boom"), r#""message":"boom","code":500}"#),
            (
                Status::internal("boom"),
                r#""message":"Internal error occurred: boom","reason":"InternalError","details":{"causes":[{"message":"boom"}]},"code":500}"#,
            ),
            (
                Status::too_large(3_145_728),
                r#""message":"Request entity too large: limit is 3145728","reason":"RequestEntityTooLarge","code":413}"#,
            ),
            (
                Status::too_large_resource_version(9, 3, 1),
                r#""message":"Timeout: Too large resource version: 9, current: 3","reason":"Timeout","details":{"causes":[{"reason":"ResourceVersionTooLarge","message":"Too large resource version"}],"retryAfterSeconds":1},"code":504}"#,
            ),
            (
                Status::method_not_supported(&cm, "patch"),
                r#""message":"patch is not supported on resources of kind \"configmaps\"","reason":"MethodNotAllowed","details":{"kind":"configmaps"},"code":405}"#,
            ),
        ] {
            assert_eq!(
                body(&status),
                format!(r#"{{"kind":"Status","apiVersion":"v1","metadata":{{}},"status":"Failure",{want}"#)
            );
        }
    }

    #[test]
    fn success_has_details_and_no_code_of_its_own() {
        let details =
            Details { name: "x".to_owned(), kind: "configmaps".to_owned(), uid: "u".to_owned(), ..Details::default() };
        let status = Status::success(details);
        assert_eq!(
            body(&status),
            r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Success","details":{"name":"x","kind":"configmaps","uid":"u"}}"#
        );
        assert_eq!(status.http_code(), 200);
    }

    #[test]
    fn invalid_has_one_cause_for_each_error() {
        let mut errors = ErrorList::new();
        errors.push(Error::required(&Path::root("a"), ""));
        errors.push(Error::invalid(&Path::root("b"), "x", "bad"));
        let status = Status::invalid(&GroupKind::new("g.io", "Foo"), "n", &errors);
        assert_eq!(status.message, r#"Foo.g.io "n" is invalid: [a: Required value, b: Invalid value: "x": bad]"#);
        let details = status.details.expect("details");
        assert_eq!(
            details.causes[1],
            Cause {
                reason: "FieldValueInvalid".into(),
                message: r#"Invalid value: "x": bad"#.into(),
                field: "b".into()
            }
        );
        assert_eq!(details.kind, "Foo");
    }

    #[test]
    fn what_was_written_is_read_back() {
        let mut status = Status::expired("old");
        status.continue_token = Some("t".to_owned());
        assert!(body(&status).contains(r#""metadata":{"continue":"t"}"#));
        assert_eq!(Status::from_json(&status.to_json()), Some(status));
        assert_eq!(Status::from_json(br#"{"kind":"Pod","apiVersion":"v1"}"#), None);
        for reason in Reason::ALL {
            assert_eq!(Reason::parse(reason.as_str()), reason);
        }
    }

    #[test]
    fn predicates_trust_the_code_only_without_a_reason() {
        assert!(Status::generic(404, "x").is_not_found());
        assert!(!Status { code: 404, ..Status::bad_request("x") }.is_not_found());
        assert!(Status::too_large_resource_version(2, 1, 1).is_too_large_resource_version());
        assert!(Status::gone("x").is_expired());
    }
}
