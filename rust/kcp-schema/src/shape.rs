//! Decoding into typed structures without having them: which fields exist, of which type, and what is printed.
//!
//! The API server decodes metadata and CRDs into structs, which drops unknown fields, refuses wrong types with a message
//! that names the struct, and leaves out empty optional fields when printing. A [`Struct`] says the same as data.

use serde_json::{Map, Value};

/// The type of a field.
pub(crate) enum Shape {
    Text,
    Bool,
    Int32,
    Int64,
    Float,
    /// RFC 3339, normalised to whole seconds of UTC.
    Time,
    /// base64.
    Bytes,
    Any,
    List(&'static Shape, &'static str),
    Map(&'static Shape, &'static str),
    Struct(&'static Struct),
    /// A structure or a boolean.
    BoolOr(&'static Struct),
    /// A structure or a list of it.
    ListOr(&'static Struct),
    /// A structure or a list of strings.
    TextsOr(&'static Struct),
}

/// A struct of the API, by its Go name.
pub(crate) struct Struct {
    pub name: &'static str,
    /// The name with its package.
    pub full: &'static str,
    pub fields: &'static [Field],
}

/// One field of a struct.
pub(crate) struct Field {
    pub name: &'static str,
    pub shape: Shape,
    pub print: Print,
}

/// When a field is printed.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Print {
    /// Always, with its zero value when absent.
    Always,
    /// Unless empty.
    UnlessEmpty,
    /// Whenever it was given, even when empty.
    IfGiven,
}

impl Field {
    pub(crate) const fn new(name: &'static str, shape: Shape, print: Print) -> Field {
        Field { name, shape, print }
    }
}

/// Deepest structure that is decoded.
const MAX_DEPTH: usize = 80;

/// Most unknown fields that are reported.
const MAX_UNKNOWN: usize = 1_000;

/// Decodes `value` in place. Unknown fields are dropped and their paths added to `unknown`; the error says, in Go's
/// words, what was of the wrong type first.
pub(crate) fn decode(value: &mut Value, shape: &'static Struct, unknown: &mut Vec<String>) -> Result<(), String> {
    let mut walk = Walk { here: String::new(), stack: Vec::new(), owner: shape.name, unknown, depth: 0 };
    walk.structure(value, shape)
}

/// Whether decoding would change nothing and find nothing: true of almost everything that was stored by this server.
pub(crate) fn is_clean(value: &Value, shape: &'static Struct) -> bool {
    let Value::Object(map) = value else { return false };
    map.iter().all(|(key, value)| {
        shape.fields.iter().find(|field| field.name == key).is_some_and(|field| {
            is_clean_value(value, &field.shape) && !(field.print == Print::UnlessEmpty && is_empty(value, &field.shape))
        })
    }) && shape.fields.iter().all(|field| field.print != Print::Always || map.contains_key(field.name))
}

fn is_clean_value(value: &Value, shape: &'static Shape) -> bool {
    match (shape, value) {
        (_, Value::Null) => false,
        (Shape::Any, _) | (Shape::Text, Value::String(_)) | (Shape::Bool, Value::Bool(_)) => true,
        (Shape::Int64, Value::Number(number)) => number.is_i64(),
        (Shape::Time, Value::String(text)) => {
            kcp_apimachinery::time::normalize(text).is_ok_and(|normalized| normalized == *text)
        }
        (Shape::List(item, _), Value::Array(items)) => items.iter().all(|value| is_clean_value(value, item)),
        (Shape::Map(item, _), Value::Object(map)) => map.values().all(|value| is_clean_value(value, item)),
        (Shape::Struct(shape), value) => is_clean(value, shape),
        // The rest is rare enough to be decoded.
        _ => false,
    }
}

struct Walk<'u> {
    here: String,
    stack: Vec<&'static str>,
    owner: &'static str,
    unknown: &'u mut Vec<String>,
    depth: usize,
}

impl Walk<'_> {
    fn mismatch(&self, found: &str, expected: &str) -> String {
        if self.stack.is_empty() {
            return format!("json: cannot unmarshal {found} into Go value of type {expected}");
        }
        let path = self.stack.join(".");
        format!("json: cannot unmarshal {found} into Go struct field {}.{path} of type {expected}", self.owner)
    }

    fn structure(&mut self, value: &mut Value, shape: &'static Struct) -> Result<(), String> {
        let Value::Object(map) = value else {
            return Err(self.mismatch(found(value), shape.full));
        };
        if self.depth >= MAX_DEPTH {
            return Err("json: exceeded max depth".to_owned());
        }
        self.depth += 1;
        let owner = std::mem::replace(&mut self.owner, shape.name);
        let mark = self.here.len();
        let outer = std::mem::take(map);
        for (key, mut value) in outer {
            let Some(field) = shape.fields.iter().find(|field| field.name == key) else {
                if self.unknown.len() < MAX_UNKNOWN {
                    let dot = if mark == 0 { "" } else { "." };
                    self.unknown.push(format!("{}{dot}{key}", self.here));
                }
                continue;
            };
            if value.is_null() {
                continue;
            }
            if mark > 0 {
                self.here.push('.');
            }
            self.here.push_str(&key);
            self.stack.push(field.name);
            let result = self.value(&mut value, &field.shape);
            self.here.truncate(mark);
            result?;
            self.stack.pop();
            if field.print != Print::UnlessEmpty || !is_empty(&value, &field.shape) {
                map.insert(key, value);
            }
        }
        self.owner = owner;
        self.depth -= 1;
        for field in shape.fields {
            if field.print == Print::Always && !map.contains_key(field.name) {
                map.insert(field.name.to_owned(), zero(&field.shape));
            }
        }
        Ok(())
    }

    fn value(&mut self, value: &mut Value, shape: &'static Shape) -> Result<(), String> {
        match (shape, &mut *value) {
            (Shape::Any, _) | (Shape::Text, Value::String(_)) | (Shape::Bool, Value::Bool(_)) => Ok(()),
            (Shape::Float, Value::Number(_)) => Ok(()),
            (Shape::Text, other) => Err(self.mismatch(found(other), "string")),
            (Shape::Bool, other) => Err(self.mismatch(found(other), "bool")),
            (Shape::Float, other) => Err(self.mismatch(found(other), "float64")),
            (Shape::Int32 | Shape::Int64, Value::Number(number)) => {
                let fits = |whole: &i64| matches!(shape, Shape::Int64) || i32::try_from(*whole).is_ok();
                if number.as_i64().filter(fits).is_some() {
                    return Ok(());
                }
                let expected = if matches!(shape, Shape::Int32) { "int32" } else { "int64" };
                Err(self.mismatch(&format!("number {number}"), expected))
            }
            (Shape::Int32, other) => Err(self.mismatch(found(other), "int32")),
            (Shape::Int64, other) => Err(self.mismatch(found(other), "int64")),
            (Shape::Time, Value::String(text)) => {
                *text = kcp_apimachinery::time::normalize(text)?;
                Ok(())
            }
            (Shape::Time, other) => Err(self.mismatch(found(other), "string")),
            (Shape::Bytes, Value::String(text)) => {
                let compact: String = text.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
                match bad_base64(&compact) {
                    Some(offset) => Err(format!("illegal base64 data at input byte {offset}")),
                    None => {
                        *value = Value::String(compact);
                        Ok(())
                    }
                }
            }
            (Shape::Bytes, other) => Err(self.mismatch(found(other), "[]uint8")),
            (Shape::List(item, _), Value::Array(items)) => self.items(items, item),
            (Shape::List(_, name), other) => Err(self.mismatch(found(other), name)),
            (Shape::Map(item, _), Value::Object(map)) => self.entries(map, item),
            (Shape::Map(_, name), other) => Err(self.mismatch(found(other), name)),
            (Shape::Struct(shape), value) => self.structure(value, shape),
            (Shape::BoolOr(_), Value::Bool(_)) => Ok(()),
            (Shape::BoolOr(shape), value @ Value::Object(_)) => self.structure(value, shape),
            (Shape::BoolOr(_), _) => Err("boolean or JSON schema expected".to_owned()),
            (Shape::ListOr(shape) | Shape::TextsOr(shape), value @ Value::Object(_)) => self.structure(value, shape),
            (Shape::ListOr(shape), Value::Array(items)) => {
                for (index, item) in items.iter_mut().enumerate() {
                    let mark = self.here.len();
                    self.here.push_str(&format!("[{index}]"));
                    self.structure(item, shape)?;
                    self.here.truncate(mark);
                }
                Ok(())
            }
            (Shape::TextsOr(_), Value::Array(items)) => self.items(items, &Shape::Text),
            (Shape::ListOr(_) | Shape::TextsOr(_), value) => {
                // Anything else decodes to nothing.
                *value = Value::Object(Map::new());
                Ok(())
            }
        }
    }

    fn items(&mut self, items: &mut [Value], shape: &'static Shape) -> Result<(), String> {
        for (index, item) in items.iter_mut().enumerate() {
            let mark = self.here.len();
            self.here.push_str(&format!("[{index}]"));
            if item.is_null() {
                *item = zero(shape);
            }
            if !item.is_null() {
                self.value(item, shape)?;
            }
            self.here.truncate(mark);
        }
        Ok(())
    }

    fn entries(&mut self, map: &mut Map<String, Value>, shape: &'static Shape) -> Result<(), String> {
        for (key, item) in map.iter_mut() {
            let mark = self.here.len();
            self.here.push('.');
            self.here.push_str(key);
            if item.is_null() {
                *item = zero(shape);
            }
            if !item.is_null() {
                self.value(item, shape)?;
            }
            self.here.truncate(mark);
        }
        Ok(())
    }
}

fn found(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn is_empty(value: &Value, shape: &Shape) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(flag) => !flag && !matches!(shape, Shape::BoolOr(_) | Shape::Any),
        Value::Number(number) => number.as_f64() == Some(0.0) && !matches!(shape, Shape::Any),
        Value::String(text) => text.is_empty() && !matches!(shape, Shape::Any),
        Value::Array(items) => items.is_empty() && !matches!(shape, Shape::Any),
        Value::Object(map) => map.is_empty() && matches!(shape, Shape::Map(..)),
    }
}

fn zero(shape: &'static Shape) -> Value {
    match shape {
        Shape::Text => Value::String(String::new()),
        Shape::Bool => Value::Bool(false),
        Shape::Int32 | Shape::Int64 | Shape::Float => 0.into(),
        Shape::Struct(shape) => {
            let mut map = Map::new();
            for field in shape.fields {
                if field.print == Print::Always {
                    map.insert(field.name.to_owned(), zero(&field.shape));
                }
            }
            Value::Object(map)
        }
        _ => Value::Null,
    }
}

fn bad_base64(text: &str) -> Option<usize> {
    let body = text.trim_end_matches('=');
    let bad = body.bytes().position(|b| !(b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/')));
    match bad {
        Some(offset) => Some(offset),
        None if !text.len().is_multiple_of(4) || text.len() - body.len() > 2 => Some(text.len() / 4 * 4),
        None => None,
    }
}
