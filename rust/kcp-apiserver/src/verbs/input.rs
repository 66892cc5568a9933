//! Bodies of writes: read within the limit, decoded from JSON or YAML, held against the endpoint's kind.

use crate::body::BodyError;
use crate::exchange::Exchange;
use crate::protobuf;
use crate::registry::Served;
use crate::verbs::options::FieldValidation;
use crate::yaml;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use kcp_apimachinery::status::Status;
use kcp_apimachinery::strict;
use serde_json::{Value, json};
use std::time::Duration;

/// How long a client may take to send a whole body.
const WHOLE_BODY: Duration = Duration::from_secs(60);

/// Largest body of a request, bytes.
pub const MAX_BODY: usize = 3 * 1024 * 1024;

const TYPES: [&str; 3] = ["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"];

/// A decoded body.
pub struct Input {
    /// The object, as sent.
    pub object: Value,
    /// Complaints of strict decoding so far (duplicate fields).
    pub complaints: Vec<String>,
}

/// Takes the body out of the exchange.
///
/// # Errors
/// 413 past [`MAX_BODY`]; 400 when the body breaks off; 504 when it does not end in time.
pub async fn read(exchange: &mut Exchange) -> Result<Bytes, Status> {
    // A body that is there already is read at once and starts no timer.
    let late = |_| Status::timeout("request did not complete within the allotted timeout", 0);
    tokio::time::timeout(WHOLE_BODY, read_whole(exchange)).await.map_err(late)?
}

async fn read_whole(exchange: &mut Exchange) -> Result<Bytes, Status> {
    let declared = exchange.headers().get(http::header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    if declared.and_then(|text| text.parse::<u64>().ok()).is_some_and(|length| length > MAX_BODY as u64) {
        return Err(Status::too_large(MAX_BODY));
    }
    let Some(mut body) = exchange.body.take() else { return Ok(Bytes::new()) };
    let mut first: Option<Bytes> = None;
    let mut rest = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(broken)?;
        let Ok(data) = frame.into_data() else { continue };
        if first.as_ref().map_or(0, Bytes::len) + rest.len() + data.len() > MAX_BODY {
            return Err(Status::too_large(MAX_BODY));
        }
        match &first {
            None => first = Some(data),
            Some(_) => rest.extend_from_slice(&data),
        }
    }
    let first = first.unwrap_or_default();
    if rest.is_empty() {
        return Ok(first);
    }
    let mut whole = BytesMut::with_capacity(first.len() + rest.len());
    whole.extend_from_slice(&first);
    whole.extend_from_slice(&rest);
    Ok(whole.freeze())
}

fn broken(error: BodyError) -> Status {
    Status::bad_request(format!("unable to read the request body: {error}"))
}

/// The media type of the request's body without parameters; JSON when none is given.
pub fn media_type(exchange: &Exchange) -> String {
    let header = exchange.headers().get(http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media = header.unwrap_or_default().split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if media.is_empty() { "application/json".to_owned() } else { media }
}

/// Decodes a body: JSON, YAML, and protobuf for built-in kinds.
///
/// # Errors
/// 415 for other media types, 400 for bodies that are not what they say.
pub fn decode(media: &str, body: &[u8], served: &Served) -> Result<Input, Status> {
    match media {
        "application/json" => match strict::decode_strict(body) {
            Ok(decoded) => Ok(Input { object: decoded.value, complaints: decoded.duplicates }),
            Err(error) => Err(Status::bad_request(strict::unrecognized(&served.kind, &error, body))),
        },
        "application/yaml" => {
            let (object, complaints) = yaml::decode(body, &served.kind)?;
            Ok(Input { object, complaints })
        }
        protobuf::MEDIA_TYPE if served.is_typed() => {
            let object = match protobuf::decode(body, (&served.api_version, &served.kind)) {
                Ok(object) => object,
                // The endpoint's own check refuses what is of another kind, in its words.
                Err(protobuf::DecodeError::Kind { kind, api_version }) if kind != served.kind => {
                    json!({"kind": kind, "apiVersion": api_version})
                }
                Err(error) => {
                    let (kind, summary) = (&served.kind, strict::summarize(body));
                    let message =
                        format!("the object provided is unrecognized (must be of type {kind}): {error} ({summary})");
                    return Err(Status::bad_request(message));
                }
            };
            Ok(Input { object, complaints: Vec::new() })
        }
        // Only who sends protobuf is told that custom resources have none.
        _ => Err(unsupported(served.is_typed() || media != protobuf::MEDIA_TYPE)),
    }
}

/// The refusal of a media type that bodies of typed, or of custom, kinds do not have.
pub fn unsupported(typed: bool) -> Status {
    Status::unsupported_media_type(if typed { &TYPES } else { &TYPES[..2] })
}

/// What Go's decoder calls a value's type.
pub fn go_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// Applies a request's field validation to what strict decoding complained about.
///
/// # Errors
/// 400 naming every complaint, for [`FieldValidation::Strict`].
pub fn settle(
    exchange: &mut Exchange,
    served: &Served,
    validation: FieldValidation,
    complaints: Vec<String>,
) -> Result<(), Status> {
    match validation {
        _ if complaints.is_empty() => Ok(()),
        FieldValidation::Ignore => Ok(()),
        FieldValidation::Warn => {
            for complaint in complaints {
                match complaint.strip_prefix(yaml::COMPLAINT) {
                    Some(lines) => exchange.warnings.extend(lines.lines().map(|line| line.trim().to_owned())),
                    None => exchange.warnings.push(complaint),
                }
            }
            Ok(())
        }
        FieldValidation::Strict => {
            let error = strict::strict_error(&complaints);
            Err(Status::bad_request(strict::cannot_be_handled(&served.kind, &served.version, &error)))
        }
    }
}
