//! Answers: the one place where a `Status` becomes a response, and the headers every response carries.

use crate::body::Body;
use crate::exchange::{Exchange, Response};
use crate::negotiate::{self, Media};
use crate::protobuf;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, WARNING};
use kcp_apimachinery::status::Status;

const AUDIT_ID: HeaderName = HeaderName::from_static("audit-id");

/// Gives the request its id: the client's, when it is a short printable one, else a new one.
pub fn begin(exchange: &mut Exchange) {
    let given = exchange.headers().get(&AUDIT_ID).and_then(|value| value.to_str().ok());
    exchange.audit_id = match given {
        Some(id) if !id.is_empty() && id.len() <= 128 => id.to_owned(),
        _ => uuid::Uuid::new_v4().to_string(),
    };
}

/// A whole answer of one content type.
pub fn full(code: http::StatusCode, content_type: &'static str, body: impl Into<bytes::Bytes>) -> Response {
    with_body(code, content_type, Body::full(body))
}

/// An answer of one content type.
pub fn with_body(code: http::StatusCode, content_type: &'static str, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = code;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// A `Status` as an answer, in the encoding that was asked for.
pub fn status(exchange: &Exchange, status: &Status) -> Response {
    let code = http::StatusCode::from_u16(status.code).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
    let media = negotiate::of_refusals(exchange.headers());
    let other = match media {
        Media::Json => None,
        Media::Yaml => serde_saphyr::to_string(&status.to_value()).ok().map(String::into_bytes),
        Media::Protobuf => protobuf::encode(&status.to_value()).ok(),
    };
    let mut response = match other {
        Some(body) => full(code, media.content_type(), body),
        None => full(code, "application/json", status.to_json()),
    };
    let seconds = status.details.as_ref().map_or(0, |details| details.retry_after_seconds);
    if seconds > 0 {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    if code == http::StatusCode::FORBIDDEN {
        response.headers_mut().insert(http::header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    }
    response
}

/// The body that answers a request whose handling panicked (500).
pub fn panicked() -> Vec<u8> {
    Status::internal("the request could not be served; the server's log tells why").to_json()
}

/// Adds what every response carries: the request's id, cache control, warnings.
pub fn finish(exchange: &Exchange, mut response: Response) -> Response {
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(&exchange.audit_id) {
        headers.insert(AUDIT_ID, id);
    }
    if !headers.contains_key(CACHE_CONTROL) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    }
    for text in &exchange.warnings {
        let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
        if let Ok(value) = HeaderValue::from_str(&format!("299 - \"{escaped}\"")) {
            headers.append(WARNING, value);
        }
    }
    response
}
