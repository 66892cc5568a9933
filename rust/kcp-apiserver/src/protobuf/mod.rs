//! Protobuf of built-in and native kinds, which typed clients send and ask for. What a body says is turned into the JSON
//! that the same client would have sent; answers are written from their JSON form.

pub(crate) mod encode;
mod messages;
mod wire;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use messages::message;
pub(crate) use messages::{Cardinality, Field, Type};
use serde_json::{Map, Value, json};
use std::cell::Cell;
use std::collections::BTreeMap;
use wire::{Fields, Wire, WireError};

pub use encode::{EncodeError, encode, frame, is_known};

/// The media type.
pub const MEDIA_TYPE: &str = "application/vnd.kubernetes.protobuf";

const MAGIC: &[u8] = b"k8s\0";
const META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1";
const EXTENSIONS: &str = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions";

/// Messages within messages; schemas of definitions go deepest.
const MAX_DEPTH: usize = 100;

/// Messages and map entries in one body. An object in memory is many times larger than two bytes that say there is one.
const MAX_MESSAGES: usize = 200_000;

/// How much deeper and how many more messages a body may go.
#[derive(Clone, Copy)]
struct Room<'a> {
    depth: usize,
    left: &'a Cell<usize>,
}

impl Room<'_> {
    /// Room within one more message.
    fn enter(self) -> Result<Self, DecodeError> {
        if self.depth > MAX_DEPTH {
            return Err(DecodeError::Depth);
        }
        self.count()?;
        Ok(Self { depth: self.depth + 1, ..self })
    }

    fn count(self) -> Result<(), DecodeError> {
        self.left.set(self.left.get().checked_sub(1).ok_or(DecodeError::Messages)?);
        Ok(())
    }
}

/// Why a body cannot be decoded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// It does not begin as Kubernetes' protobuf does.
    #[error("provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]")]
    NoPrefix,
    /// There is nothing.
    #[error("empty data")]
    NoData,
    /// There is nothing behind the beginning.
    #[error("empty body")]
    NoBody,
    /// It is compressed or otherwise wrapped.
    #[error("unsupported content encoding {0:?}")]
    Encoding(String),
    /// It is no message.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// A field holds something else than it should.
    #[error("proto: wrong wireType for field {0}")]
    Type(String),
    /// A text is not UTF-8.
    #[error("proto: invalid UTF-8 in field {0}")]
    Utf8(String),
    /// Embedded JSON is none.
    #[error("invalid JSON in field {field}: {error}")]
    Json {
        /// The field.
        field: String,
        /// What the JSON decoder says.
        error: String,
    },
    /// A time is out of the range of times.
    #[error("invalid time in field {0}")]
    Time(String),
    /// Messages are nested too deep.
    #[error("proto: exceeded maximum recursion depth")]
    Depth,
    /// There are too many messages.
    #[error("proto: more than {MAX_MESSAGES} messages in one body")]
    Messages,
    /// It is of a kind that is not known here.
    #[error("no kind {kind:?} is registered for version {api_version:?}")]
    Kind {
        /// Kind.
        kind: String,
        /// API version.
        api_version: String,
    },
}

/// Decodes a body into the object it stands for. `expected` are API version and kind for a body that names none.
///
/// # Errors
/// When the body is not a message of a known kind.
pub fn decode(body: &[u8], expected: (&str, &str)) -> Result<Value, DecodeError> {
    if body.is_empty() {
        return Err(DecodeError::NoData);
    }
    let message = body.strip_prefix(MAGIC).ok_or(DecodeError::NoPrefix)?;
    if message.is_empty() {
        return Err(DecodeError::NoBody);
    }
    let (mut api_version, mut kind) = (String::new(), String::new());
    let mut raw: &[u8] = &[];
    for field in Fields::new(message) {
        match field? {
            (1, Wire::Bytes(header)) => {
                for field in Fields::new(header) {
                    match field? {
                        (1, Wire::Bytes(bytes)) => api_version = text(bytes, "apiVersion")?,
                        (2, Wire::Bytes(bytes)) => kind = text(bytes, "kind")?,
                        _ => {}
                    }
                }
            }
            (2, Wire::Bytes(bytes)) => raw = bytes,
            (3, Wire::Bytes(bytes)) if !bytes.is_empty() => {
                return Err(DecodeError::Encoding(text(bytes, "contentEncoding")?));
            }
            _ => {}
        }
    }
    if api_version.is_empty() {
        expected.0.clone_into(&mut api_version);
    }
    if kind.is_empty() {
        expected.1.clone_into(&mut kind);
    }
    let Some(fields) = messages::message(&definition(&api_version, &kind)) else {
        return Err(DecodeError::Kind { kind, api_version });
    };
    let left = Cell::new(MAX_MESSAGES);
    let mut object = decode_message(raw, fields, Room { depth: 0, left: &left })?;
    object.insert("apiVersion".into(), api_version.into());
    object.insert("kind".into(), kind.into());
    Ok(object.into())
}

/// The definition that describes a kind.
fn definition(api_version: &str, kind: &str) -> String {
    // Options of deletions are a kind of every group; groups and resources have no group of their own.
    if matches!(kind, "DeleteOptions" | "Status" | "APIVersions" | "APIGroupList" | "APIGroup" | "APIResourceList") {
        return format!("{META}.{kind}");
    }
    match api_version.split_once('/') {
        Some(("meta.k8s.io", "v1beta1")) if kind == "PartialObjectMetadataList" => format!("{META}beta1.{kind}"),
        Some(("meta.k8s.io", _)) => format!("{META}.{kind}"),
        None => format!("io.k8s.api.core.{api_version}.{kind}"),
        Some(("apiextensions.k8s.io", version)) => format!("{EXTENSIONS}.{version}.{kind}"),
        Some((group, version)) => {
            let group = group.split('.').next().unwrap_or_default();
            format!("io.k8s.api.{group}.{version}.{kind}")
        }
    }
}

/// The JSON fields of a message, those of embedded messages among them, each with the message it holds, if any.
pub fn fields(name: &str) -> BTreeMap<&'static str, Option<&'static str>> {
    let mut all = BTreeMap::new();
    for field in message(name).unwrap_or_default() {
        match (field.name, field.kind) {
            ("*", Type::Message(inner)) => all.extend(fields(inner)),
            (name, Type::Message(inner)) => drop(all.insert(name, Some(inner))),
            (name, _) => drop(all.insert(name, None)),
        }
    }
    all
}

/// The field of a message, or of a message embedded in it, by its name in JSON.
pub(crate) fn field(definition: &str, name: &str) -> Option<&'static Field> {
    let fields = message(definition)?;
    let own = fields.iter().find(|field| field.name == name);
    own.or_else(|| embedded(definition).find_map(|inner| field(inner, name)))
}

/// The messages whose fields stand among those of a message.
pub fn embedded(name: &str) -> impl Iterator<Item = &'static str> {
    let fields = message(name).unwrap_or_default().iter();
    fields.filter_map(|field| match (field.name, field.kind) {
        ("*", Type::Message(inner)) => Some(inner),
        _ => None,
    })
}

fn decode_message(bytes: &[u8], fields: &[Field], room: Room<'_>) -> Result<Map<String, Value>, DecodeError> {
    let room = room.enter()?;
    let mut object = Map::new();
    for field in Fields::new(bytes) {
        let (number, wire) = field?;
        let Some(field) = fields.iter().find(|field| field.number == number) else { continue };
        match field.cardinality {
            Cardinality::One => {
                let value = decode_value(wire, field, room)?;
                if let ("*", Value::Object(embedded)) = (field.name, &value) {
                    object.extend(embedded.clone());
                    continue;
                }
                // A time that is not set is written as a message without fields.
                let unset = value.is_null() && field.kind.is_null_when_unset();
                if !(unset || field.omits_zero && is_zero(&value)) {
                    object.insert(field.name.into(), value);
                }
            }
            Cardinality::List => {
                let value = decode_value(wire, field, room)?;
                if let Value::Array(items) = object.entry(field.name).or_insert_with(|| json!([])) {
                    items.push(value);
                }
            }
            Cardinality::Map => {
                let (key, value) = decode_entry(wire, field, room)?;
                if let Value::Object(entries) = object.entry(field.name).or_insert_with(|| json!({})) {
                    entries.insert(key, value);
                }
            }
        }
    }
    Ok(object)
}

fn decode_entry(wire: Wire<'_>, field: &Field, room: Room<'_>) -> Result<(String, Value), DecodeError> {
    let Wire::Bytes(entry) = wire else { return Err(wrong(field)) };
    room.count()?;
    let mut key = String::new();
    // An entry without a value holds the empty one.
    let mut value = decode_value(Wire::Bytes(&[]), field, room)?;
    for part in Fields::new(entry) {
        match part? {
            (1, Wire::Bytes(bytes)) => key = text(bytes, field.name)?,
            (2, wire) => value = decode_value(wire, field, room)?,
            _ => {}
        }
    }
    Ok((key, value))
}

fn decode_value(wire: Wire<'_>, field: &Field, room: Room<'_>) -> Result<Value, DecodeError> {
    Ok(match (field.kind, wire) {
        (Type::Text, Wire::Bytes(bytes)) => text(bytes, field.name)?.into(),
        (Type::Bytes, Wire::Bytes(bytes)) => BASE64_STANDARD.encode(bytes).into(),
        (Type::Bool, Wire::Varint(number)) => (number != 0).into(),
        (Type::Int, Wire::Varint(number)) => number.cast_signed().into(),
        (Type::Double, Wire::Fixed64(bits)) => double(f64::from_bits(bits)),
        (Type::Time, Wire::Bytes(bytes)) => time(bytes, "%Y-%m-%dT%H:%M:%SZ", field)?,
        (Type::MicroTime, Wire::Bytes(bytes)) => time(bytes, "%Y-%m-%dT%H:%M:%S.%6fZ", field)?,
        (Type::Raw, Wire::Bytes(bytes)) => raw(bytes, field)?,
        (Type::Strings, Wire::Bytes(bytes)) => strings(bytes, field)?,
        (Type::Quantity, Wire::Bytes(bytes)) => quantity(bytes, field)?,
        (Type::IntOrString, Wire::Bytes(bytes)) => int_or_string(bytes, field)?,
        (Type::Message(name), Wire::Bytes(bytes)) => {
            let object = decode_message(bytes, message(name).unwrap_or_default(), room)?;
            either(name, object)
        }
        _ => return Err(wrong(field)),
    })
}

/// In JSON, what may be one of two things is that thing; in protobuf it is a message with a field for each.
fn either(name: &str, mut object: Map<String, Value>) -> Value {
    let other = match name.strip_prefix(EXTENSIONS) {
        Some(".v1.JSONSchemaPropsOrBool") => {
            let allows = object.remove("allows").unwrap_or(Value::Bool(false));
            return object.remove("schema").unwrap_or(allows);
        }
        Some(".v1.JSONSchemaPropsOrArray") => "jSONSchemas",
        Some(".v1.JSONSchemaPropsOrStringArray") => "property",
        _ => return object.into(),
    };
    // Schemas count for more than a list, as in the JSON that clients write.
    match object.remove(other) {
        Some(list) if name.ends_with("OrArray") || !object.contains_key("schema") => list,
        _ => object.remove("schema").unwrap_or_default(),
    }
}

fn text(bytes: &[u8], field: &str) -> Result<String, DecodeError> {
    std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| DecodeError::Utf8(field.to_owned()))
}

fn double(number: f64) -> Value {
    // JSON writes whole numbers without a point; those within 2^53 are exact.
    if number.fract() == 0.0 && number.abs() < 9_007_199_254_740_992.0 {
        return (number as i64).into();
    }
    serde_json::Number::from_f64(number).map_or(Value::Null, Value::Number)
}

fn time(bytes: &[u8], format: &str, field: &Field) -> Result<Value, DecodeError> {
    if bytes.is_empty() {
        return Ok(Value::Null);
    }
    let (mut seconds, mut nanoseconds) = (0, 0);
    for part in Fields::new(bytes) {
        match part? {
            (1, Wire::Varint(number)) => seconds = number.cast_signed(),
            (2, Wire::Varint(number)) => nanoseconds = number.cast_signed(),
            _ => {}
        }
    }
    let nanoseconds = i32::try_from(nanoseconds).ok();
    let time = nanoseconds.and_then(|nanoseconds| Timestamp::new(seconds, nanoseconds).ok());
    time.map(|time| time.strftime(format).to_string().into()).ok_or_else(|| DecodeError::Time(field.name.into()))
}

fn raw(bytes: &[u8], field: &Field) -> Result<Value, DecodeError> {
    let mut json: &[u8] = &[];
    for part in Fields::new(bytes) {
        if let (1, Wire::Bytes(bytes)) = part? {
            json = bytes;
        }
    }
    if json.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_slice(json)
        .map_err(|error| DecodeError::Json { field: field.name.into(), error: error.to_string() })
}

fn strings(bytes: &[u8], field: &Field) -> Result<Value, DecodeError> {
    let mut items = Vec::new();
    for part in Fields::new(bytes) {
        if let (1, Wire::Bytes(bytes)) = part? {
            items.push(Value::from(text(bytes, field.name)?));
        }
    }
    Ok(items.into())
}

fn quantity(bytes: &[u8], field: &Field) -> Result<Value, DecodeError> {
    let mut amount = String::new();
    for part in Fields::new(bytes) {
        if let (1, Wire::Bytes(bytes)) = part? {
            amount = text(bytes, field.name)?;
        }
    }
    Ok(if amount.is_empty() { "0".into() } else { amount.into() })
}

fn int_or_string(bytes: &[u8], field: &Field) -> Result<Value, DecodeError> {
    let (mut is_text, mut number, mut words) = (false, 0, String::new());
    for part in Fields::new(bytes) {
        match part? {
            (1, Wire::Varint(choice)) => is_text = choice == 1,
            (2, Wire::Varint(given)) => number = given.cast_signed(),
            (3, Wire::Bytes(bytes)) => words = text(bytes, field.name)?,
            _ => {}
        }
    }
    Ok(if is_text { words.into() } else { number.into() })
}

fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(truth) => !truth,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(_) | Value::Object(_) => false,
    }
}

fn wrong(field: &Field) -> DecodeError {
    DecodeError::Type(field.name.to_owned())
}

#[cfg(test)]
mod tests;
