//! `Status`: every answer that is not an object, with Kubernetes' reasons, codes and wording.
//!
//! Each reason has its constructor; the reason fixes the code. Callers ask predicates, never strings.

use std::fmt;

use serde::{Deserialize, Serialize};

mod make;
mod reason;

pub use reason::Reason;

/// Whether the request did what it asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// It did.
    Success,
    /// It did not.
    Failure,
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

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Status {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::{Error, ErrorList, Path};
    use crate::gvk::{GroupKind, GroupResource};

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
