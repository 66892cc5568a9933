//! One constructor for each way to answer that is no object, in Kubernetes' words.

use std::fmt;

use super::{Cause, Details, Outcome, Reason, Status};
use crate::field::ErrorList;
use crate::gvk::{GroupKind, GroupResource};
use crate::text;

impl Status {
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
}

fn join<S: AsRef<str>>(items: &[S]) -> String {
    items.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(", ")
}
