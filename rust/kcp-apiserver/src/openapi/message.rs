//! Protobuf messages under construction, as both forms of OpenAPI documents are written.

use crate::protobuf::encode::varint;
use serde_json::{Map, Value};

const VARINT: u64 = 0;
const FIXED64: u64 = 1;
const LENGTH: u64 = 2;

/// A message under construction.
#[derive(Default)]
pub(super) struct Message(Vec<u8>);

impl Message {
    /// A message of a name and a message.
    pub(super) fn of(name: &str, value: &Self) -> Self {
        let mut named = Self::default();
        named.bytes(1, name.as_bytes());
        named.message(2, value);
        named
    }

    /// What stands before the `length` bytes of a field.
    pub(super) fn before(field: u64, length: usize) -> Self {
        let mut out = Self::default();
        out.begin(field, length);
        out
    }

    fn begin(&mut self, field: u64, length: usize) {
        self.varint((field << 3) | LENGTH);
        self.varint(length as u64);
    }

    /// What was written.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// Whether nothing was written.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A truth value of a choice, written also when false.
    pub(super) fn truth(&mut self, field: u64, truth: bool) {
        self.varint((field << 3) | VARINT);
        self.varint(truth.into());
    }

    fn varint(&mut self, number: u64) {
        varint(&mut self.0, number);
    }

    pub(super) fn bytes(&mut self, field: u64, bytes: &[u8]) {
        self.begin(field, bytes.len());
        self.0.extend_from_slice(bytes);
    }

    pub(super) fn message(&mut self, field: u64, message: &Self) {
        self.bytes(field, &message.0);
    }

    pub(super) fn text(&mut self, field: u64, value: &Value) {
        if let Some(text) = value.as_str() {
            self.bytes(field, text.as_bytes());
        }
    }

    /// A text, or each text of a list.
    pub(super) fn texts(&mut self, field: u64, value: &Value) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| self.text(field, item)),
            one => self.text(field, one),
        }
    }

    pub(super) fn flag(&mut self, field: u64, value: &Value) {
        if value.as_bool() == Some(true) {
            self.varint((field << 3) | VARINT);
            self.varint(1);
        }
    }

    pub(super) fn integer(&mut self, field: u64, value: &Value) {
        if let Some(number) = value.as_i64() {
            self.varint((field << 3) | VARINT);
            self.varint(number as u64);
        }
    }

    pub(super) fn double(&mut self, field: u64, value: &Value) {
        if let Some(number) = value.as_f64() {
            self.varint((field << 3) | FIXED64);
            self.0.extend_from_slice(&number.to_le_bytes());
        }
    }

    /// Any value, as the YAML that its JSON is.
    pub(super) fn any(&mut self, field: u64, value: &Value) {
        let mut any = Self::default();
        any.bytes(2, value.to_string().as_bytes());
        self.message(field, &any);
    }

    /// The extensions of an object, each with its name.
    pub(super) fn extensions(&mut self, field: u64, object: &Value) {
        for (name, value) in fields(object).filter(|(name, _)| name.starts_with("x-")) {
            let mut named = Self::default();
            named.bytes(1, name.as_bytes());
            named.any(2, value);
            self.message(field, &named);
        }
    }

    /// The entries of a map, each with its name.
    pub(super) fn named(&mut self, field: u64, object: &Value, encode: fn(&Value) -> Self) {
        for (name, value) in fields(object).filter(|(name, _)| !name.starts_with("x-")) {
            self.message(field, &Self::of(name, &encode(value)));
        }
    }
}

pub(super) fn fields(object: &Value) -> impl Iterator<Item = (&String, &Value)> {
    object.as_object().into_iter().flat_map(Map::iter)
}

/// A message whose one field is another message.
pub(super) fn around(field: u64, inner: &Message) -> Message {
    let mut outer = Message::default();
    outer.message(field, inner);
    outer
}
