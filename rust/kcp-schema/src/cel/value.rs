//! Values of expressions. What stands in an object is borrowed from it and looked at only when it is asked for.

use super::declared::{Place, escape, unescape, whole};
use super::error::Error;
use super::functions::{cidr::Cidr, format::Named, quantity::Quantity, url::Url};
use super::times;
use crate::structural::{Kind, ListType, NULLABLE, PRESERVE, Structural};
use serde_json::Value as Json;
use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::IpAddr;
use std::rc::Rc;

/// A value; `'a` is the life of the object and of the program.
#[derive(Clone, Debug)]
pub(crate) enum Value<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    Text(Text<'a>),
    Bytes(Rc<[u8]>),
    /// Nanoseconds since 1970.
    Timestamp(i128),
    /// Nanoseconds.
    Duration(i64),
    List(List<'a>),
    Map(Map<'a>),
    Optional(Option<Rc<Value<'a>>>),
    Type(Rc<str>),
    Url(Rc<Url>),
    Ip(IpAddr),
    Cidr(Cidr),
    Quantity(Rc<Quantity>),
    Semver(Rc<semver::Version>),
    Format(&'static Named),
    /// Data that no schema speaks of: it can only be compared.
    Unknown(&'a Json),
    /// What a comprehension carries along from a turn that failed: a later turn may decide all the same.
    Failed(Error),
}

/// Text, borrowed where it can be.
#[derive(Clone, Debug)]
pub(crate) enum Text<'a> {
    Borrowed(&'a str),
    Owned(Rc<str>),
}

impl std::ops::Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Text::Borrowed(text) => text,
            Text::Owned(text) => text,
        }
    }
}

impl PartialEq for Text<'_> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Text<'_> {}

impl PartialOrd for Text<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Text<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        (**self).cmp(&**other)
    }
}

/// A JSON value and the place of the schema it stands in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Typed<'a> {
    pub schema: &'a Structural,
    pub place: Place,
}

#[derive(Clone, Debug)]
pub(crate) enum List<'a> {
    Json(&'a [Json], Typed<'a>),
    Owned(Rc<Vec<Value<'a>>>),
}

#[derive(Clone, Debug)]
pub(crate) enum Map<'a> {
    Json(&'a serde_json::Map<String, Json>, Typed<'a>),
    Owned(Rc<BTreeMap<Key<'a>, Value<'a>>>),
}

/// The key of a map that an expression built.
#[derive(Clone, Debug)]
pub(crate) enum Key<'a> {
    Bool(bool),
    Int(i64),
    Uint(u64),
    Text(Text<'a>),
}

impl Key<'_> {
    fn rank(&self) -> u8 {
        match self {
            Key::Bool(_) => 0,
            Key::Int(_) | Key::Uint(_) => 1,
            Key::Text(_) => 2,
        }
    }

    fn number(&self) -> i128 {
        match self {
            Key::Int(n) => i128::from(*n),
            Key::Uint(n) => i128::from(*n),
            _ => 0,
        }
    }
}

impl PartialEq for Key<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Key<'_> {}

impl PartialOrd for Key<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Key<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.rank().cmp(&other.rank()).then_with(|| match (self, other) {
            (Key::Bool(a), Key::Bool(b)) => a.cmp(b),
            (Key::Text(a), Key::Text(b)) => a.cmp(b),
            (a, b) => a.number().cmp(&b.number()),
        })
    }
}

impl<'a> Key<'a> {
    /// The key that a value is; whole doubles look up as numbers.
    pub(crate) fn of(value: &Value<'a>) -> Option<Key<'a>> {
        Some(match value {
            Value::Bool(b) => Key::Bool(*b),
            Value::Int(n) => Key::Int(*n),
            Value::Uint(n) => Key::Uint(*n),
            Value::Text(text) => Key::Text(text.clone()),
            Value::Double(n) if n.fract() == 0.0 && *n >= -(2f64.powi(63)) && *n < 2f64.powi(63) => Key::Int(*n as i64),
            Value::Double(n) if n.fract() == 0.0 && *n >= 0.0 && *n < 2f64.powi(64) => Key::Uint(*n as u64),
            _ => return None,
        })
    }

    pub(crate) fn value(&self) -> Value<'a> {
        match self {
            Key::Bool(b) => Value::Bool(*b),
            Key::Int(n) => Value::Int(*n),
            Key::Uint(n) => Value::Uint(*n),
            Key::Text(text) => Value::Text(text.clone()),
        }
    }
}

pub(crate) type Outcome<'a> = Result<Value<'a>, Error>;

impl<'a> Typed<'a> {
    /// A JSON value as its schema says.
    pub(crate) fn value(self, json: &'a Json) -> Outcome<'a> {
        let invalid = |expected: &str| Err(Error::new(format!("invalid data, {expected}")));
        let schema = self.schema;
        let node = match self.place {
            Place::Text(_) => {
                return match json {
                    Json::String(text) => Ok(Value::Text(Text::Borrowed(text))),
                    Json::Null => invalid("got null for schema with nullable=false"),
                    _ => invalid("expected string"),
                };
            }
            Place::Metadata(_) => {
                return match json {
                    Json::Object(map) => Ok(Value::Map(Map::Json(map, self))),
                    _ => invalid("expected a map for the provided schema with type=object"),
                };
            }
            Place::Node(node) | Place::Root(node) => schema.node(node),
        };
        if json.is_null() {
            return if node.has(NULLABLE) {
                Ok(Value::Null)
            } else {
                invalid("got null for schema with nullable=false")
            };
        }
        match (node.kind, json) {
            (Kind::IntOrString | Kind::String, Json::String(text)) => match self.place {
                Place::Node(index) if node.kind == Kind::String => formatted(schema.format(index), text),
                _ => Ok(Value::Text(Text::Borrowed(text))),
            },
            (Kind::IntOrString, Json::Number(number)) => match whole(number) {
                Some(n) => Ok(Value::Int(n)),
                None => invalid("expected XIntOrString value to be either a string or integer"),
            },
            (Kind::IntOrString, _) => invalid("expected XIntOrString value to be either a string or integer"),
            (Kind::Object, Json::Object(map)) => Ok(Value::Map(Map::Json(map, self))),
            (Kind::Object, _) => invalid("expected a map for the provided schema with type=object"),
            (Kind::Array, Json::Array(items)) => Ok(Value::List(List::Json(items, self))),
            (Kind::Array, _) => invalid("expected an array for the provided schema with type=array"),
            (Kind::String, _) => invalid("expected string"),
            (Kind::Number, Json::Number(number)) => Ok(Value::Double(number.as_f64().unwrap_or(f64::NAN))),
            (Kind::Number, _) => invalid("expected float"),
            (Kind::Integer, Json::Number(number)) => match whole(number) {
                Some(n) => Ok(Value::Int(n)),
                None => invalid("expected int, got float64"),
            },
            (Kind::Integer, _) => invalid("expected int"),
            (Kind::Boolean, Json::Bool(b)) => Ok(Value::Bool(*b)),
            (Kind::Boolean, _) => invalid("expected bool"),
            (Kind::Untyped | Kind::Unknown, json) if node.has(PRESERVE) => Ok(Value::Unknown(json)),
            _ => Err(Error::new("invalid type, expected object, array, number, integer, boolean or string")),
        }
    }

    /// The place of a field or an entry by its name in JSON.
    fn entry(self, name: &str) -> Option<Typed<'a>> {
        let place = if self.schema.has_named_fields(self.place) {
            self.schema.field_place(self.place, name)?
        } else {
            self.schema.element_place(self.place)?
        };
        Some(Typed { schema: self.schema, place })
    }

    fn item(self) -> Option<Typed<'a>> {
        Some(Typed { schema: self.schema, place: self.schema.element_place(self.place)? })
    }
}

fn formatted<'a>(format: &str, text: &'a str) -> Outcome<'a> {
    match format {
        "duration" => match times::format_duration(text) {
            Some(nanos) => Ok(Value::Duration(nanos)),
            None => Err(Error::new(format!("Invalid duration {text}"))),
        },
        "date" => match times::format_date(text) {
            Some(nanos) => Ok(Value::Timestamp(nanos)),
            None => Err(Error::new(format!("Invalid date formatted string {text}"))),
        },
        "date-time" => match times::format_date_time(text) {
            Some(nanos) => Ok(Value::Timestamp(nanos)),
            None => Err(Error::new(format!("Invalid date-time formatted string {text}"))),
        },
        "byte" => match super::functions::base64(text) {
            Some(bytes) => Ok(Value::Bytes(bytes.into())),
            None => Err(Error::new(format!("Invalid byte formatted string {text}"))),
        },
        _ => Ok(Value::Text(Text::Borrowed(text))),
    }
}

impl<'a> From<String> for Value<'a> {
    fn from(text: String) -> Value<'a> {
        Value::Text(Text::Owned(text.into()))
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Value<'a> {
        Value::Text(Text::Borrowed(text))
    }
}

impl<'a> From<Vec<Value<'a>>> for Value<'a> {
    fn from(items: Vec<Value<'a>>) -> Value<'a> {
        Value::List(List::Owned(Rc::new(items)))
    }
}

impl<'a> List<'a> {
    pub(crate) fn len(&self) -> usize {
        match self {
            List::Json(items, _) => items.len(),
            List::Owned(items) => items.len(),
        }
    }

    pub(crate) fn get(&self, index: usize) -> Option<Outcome<'a>> {
        match self {
            List::Json(items, typed) => items.get(index).map(|json| item(*typed, json)),
            List::Owned(items) => items.get(index).cloned().map(Ok),
        }
    }

    pub(crate) fn items(&self) -> impl Iterator<Item = Outcome<'a>> + '_ {
        (0..self.len()).filter_map(|index| self.get(index))
    }

    pub(crate) fn to_vec(&self) -> Result<Vec<Value<'a>>, Error> {
        match self {
            List::Json(..) => self.items().collect(),
            List::Owned(items) => Ok(items.to_vec()),
        }
    }

    /// How the items of two lists correspond: by the list type of the schema.
    pub(crate) fn list_type(&self) -> ListType {
        match self {
            List::Json(_, Typed { schema, place: Place::Node(node) | Place::Root(node) }) => schema.node(*node).list,
            _ => ListType::Unsaid,
        }
    }

    /// The keys of the items of a list of type map.
    pub(crate) fn map_keys(&self) -> Vec<&'a str> {
        match self {
            List::Json(_, Typed { schema, place: Place::Node(node) | Place::Root(node) }) => {
                schema.map_keys(schema.node(*node)).iter().map(|key| schema.name(*key)).collect()
            }
            _ => Vec::new(),
        }
    }

    pub(crate) fn contains(&self, wanted: &Value<'a>) -> Result<bool, Error> {
        for item in self.items() {
            if item?.equals(wanted)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn equals(&self, other: &List<'a>) -> Result<bool, Error> {
        if self.len() != other.len() {
            return Ok(false);
        }
        match self.list_type() {
            ListType::Set => {
                let (mut own, mut theirs) = (HashSet::new(), HashSet::new());
                for item in self.items() {
                    own.insert(item?.identity());
                }
                for item in other.items() {
                    let item = item?.identity();
                    if !own.contains(&item) {
                        return Ok(false);
                    }
                    theirs.insert(item);
                }
                Ok(own.len() == theirs.len())
            }
            ListType::Map => {
                let keys = self.map_keys();
                let mut own = HashMap::new();
                for item in self.items() {
                    let item = item?;
                    own.insert(item.key_identity(&keys), item);
                }
                let mut seen = HashSet::new();
                for item in other.items() {
                    let item = item?;
                    let key = item.key_identity(&keys);
                    match own.get(&key) {
                        Some(own) if own.equals(&item)? => {}
                        _ => return Ok(false),
                    }
                    seen.insert(key);
                }
                Ok(seen.len() == own.len())
            }
            _ => {
                for (a, b) in self.items().zip(other.items()) {
                    if !a?.equals(&b?)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
        }
    }

    /// `a + b`: lists of type set and map keep their items unique.
    pub(crate) fn joined(&self, other: &List<'a>) -> Result<Vec<Value<'a>>, Error> {
        let mut items = self.to_vec()?;
        match self.list_type() {
            ListType::Set => {
                let mut seen: HashSet<String> = items.iter().map(Value::identity).collect();
                for item in other.items() {
                    let item = item?;
                    if seen.insert(item.identity()) {
                        items.push(item);
                    }
                }
            }
            ListType::Map => {
                let keys = self.map_keys();
                let mut at: HashMap<String, usize> =
                    items.iter().enumerate().map(|(index, item)| (item.key_identity(&keys), index)).collect();
                for item in other.items() {
                    let item = item?;
                    match at.get(&item.key_identity(&keys)) {
                        Some(index) => items[*index] = item,
                        None => {
                            at.insert(item.key_identity(&keys), items.len());
                            items.push(item);
                        }
                    }
                }
            }
            _ => items.extend(other.to_vec()?),
        }
        Ok(items)
    }
}

fn item<'a>(list: Typed<'a>, json: &'a Json) -> Outcome<'a> {
    match list.item() {
        Some(typed) => typed.value(json),
        None => Ok(Value::Unknown(json)),
    }
}

impl<'a> Map<'a> {
    pub(crate) fn len(&self) -> usize {
        match self {
            Map::Json(map, _) => map.len(),
            Map::Owned(map) => map.len(),
        }
    }

    /// The value under a key; of an object the field with that name in expressions.
    pub(crate) fn get(&self, key: &Value<'a>) -> Result<Option<Value<'a>>, Error> {
        match self {
            Map::Json(map, typed) => match key {
                Value::Text(name) => self.field(map, *typed, name),
                _ => Err(Error::no_overload()),
            },
            Map::Owned(map) => match Key::of(key) {
                Some(key) => Ok(map.get(&key).cloned()),
                None if matches!(key, Value::Double(_)) => Ok(None),
                None => Err(Error::new(format!("unsupported key type: {}", key.type_name()))),
            },
        }
    }

    pub(crate) fn get_field(&self, name: &str) -> Result<Option<Value<'a>>, Error> {
        match self {
            Map::Json(map, typed) => self.field(map, *typed, name),
            Map::Owned(map) => Ok(map.get(&Key::Text(Text::Owned(name.into()))).cloned()),
        }
    }

    fn field(
        &self,
        map: &'a serde_json::Map<String, Json>,
        typed: Typed<'a>,
        name: &str,
    ) -> Result<Option<Value<'a>>, Error> {
        let named = typed.schema.has_named_fields(typed.place);
        let name = if named {
            let Some(name) = unescape(name) else { return Ok(None) };
            name
        } else {
            Cow::Borrowed(name)
        };
        let Some(json) = map.get(&*name) else { return Ok(None) };
        // Of an object with fields, null counts as absent.
        if named && json.is_null() {
            return Ok(None);
        }
        typed.entry(&name).map(|typed| typed.value(json)).transpose()
    }

    /// Keys as expressions see them, in a steady order.
    pub(crate) fn keys(&self) -> Vec<Value<'a>> {
        match self {
            Map::Json(map, typed) => {
                let named = typed.schema.has_named_fields(typed.place);
                map.keys()
                    .filter(|name| typed.entry(name).is_some())
                    .map(|name| match escape(name) {
                        Some(Cow::Owned(escaped)) if named => escaped.into(),
                        _ => Value::Text(Text::Borrowed(name)),
                    })
                    .collect()
            }
            Map::Owned(map) => map.keys().map(Key::value).collect(),
        }
    }

    fn equals(&self, other: &Map<'a>) -> Result<bool, Error> {
        if self.len() != other.len() {
            return Ok(false);
        }
        match (self, other) {
            (Map::Json(map, typed), _) => {
                for (name, json) in *map {
                    if typed.entry(name).is_none() {
                        let Map::Json(theirs, _) = other else { return Err(Error::no_overload()) };
                        if theirs.get(name).is_some_and(|value| !same_data(value, json)) {
                            return Ok(false);
                        }
                        continue;
                    }
                    match (self.get_field(name)?, other.get_field(name)?) {
                        (None, None) => {}
                        (Some(a), Some(b)) => {
                            if !a.equals(&b)? {
                                return Ok(false);
                            }
                        }
                        _ => return Ok(false),
                    }
                }
                Ok(true)
            }
            (Map::Owned(map), _) => {
                for (key, value) in &**map {
                    match other.get(&key.value())? {
                        Some(theirs) if value.equals(&theirs)? => {}
                        _ => return Ok(false),
                    }
                }
                Ok(true)
            }
        }
    }
}

fn same_data(a: &Json, b: &Json) -> bool {
    a == b
}

impl<'a> Value<'a> {
    /// The name of the value's type, as `type()` and messages give it.
    pub(crate) fn type_name(&self) -> &str {
        match self {
            Value::Null => "null_type",
            Value::Bool(_) => "bool",
            Value::Int(_) => "int",
            Value::Uint(_) => "uint",
            Value::Double(_) => "double",
            Value::Text(_) => "string",
            Value::Bytes(_) => "bytes",
            Value::Timestamp(_) => "google.protobuf.Timestamp",
            Value::Duration(_) => "google.protobuf.Duration",
            Value::List(_) => "list",
            Value::Map(_) => "map",
            Value::Optional(_) => "optional_type",
            Value::Type(_) => "type",
            Value::Url(_) => super::declarations::URL,
            Value::Ip(_) => super::declarations::IP,
            Value::Cidr(_) => super::declarations::CIDR,
            Value::Quantity(_) => super::declarations::QUANTITY,
            Value::Semver(_) => super::declarations::SEMVER,
            Value::Format(_) => super::declarations::FORMAT,
            Value::Unknown(_) => "unknown",
            Value::Failed(_) => "error",
        }
    }

    /// Whether two values are equal; numbers are compared by what they mean, other types must agree.
    pub(crate) fn equals(&self, other: &Value<'a>) -> Result<bool, Error> {
        Ok(match (self, other) {
            (Value::Null, Value::Null) => true,
            (Value::Bool(a), Value::Bool(b)) => a == b,
            (Value::Int(_) | Value::Uint(_) | Value::Double(_), Value::Int(_) | Value::Uint(_) | Value::Double(_)) => {
                numeric_order(self, other) == Some(Ordering::Equal)
            }
            (Value::Text(a), Value::Text(b)) => a == b,
            (Value::Bytes(a), Value::Bytes(b)) => a == b,
            (Value::Timestamp(a), Value::Timestamp(b)) => a == b,
            (Value::Duration(a), Value::Duration(b)) => a == b,
            (Value::List(a), Value::List(b)) => a.equals(b)?,
            (Value::Map(a), Value::Map(b)) => a.equals(b)?,
            (Value::Optional(None), Value::Optional(None)) => true,
            (Value::Optional(Some(a)), Value::Optional(Some(b))) => a.equals(b)?,
            (Value::Type(a), Value::Type(b)) => a == b,
            (Value::Url(a), Value::Url(b)) => a.text == b.text,
            (Value::Ip(a), Value::Ip(b)) => a == b,
            (Value::Cidr(a), Value::Cidr(b)) => a == b,
            (Value::Quantity(_), Value::Quantity(b)) if b.is_calculated => return Err(Error::no_overload()),
            (Value::Quantity(a), Value::Quantity(b)) => a.compare(b).is_eq(),
            (Value::Semver(a), Value::Semver(b)) => a.cmp_precedence(b).is_eq(),
            (Value::Format(a), Value::Format(b)) => a.name == b.name,
            (Value::Unknown(a), Value::Unknown(b)) => same_data(a, b),
            // What stands in an object knows its type, and nothing else is compared with it.
            (Value::List(List::Json(..)) | Value::Map(Map::Json(..)), other) if !matches!(other, Value::Null) => {
                return Err(Error::no_overload());
            }
            _ => false,
        })
    }

    /// The order of two values of comparable types.
    pub(crate) fn order(&self, other: &Value<'a>) -> Result<Ordering, Error> {
        Ok(match (self, other) {
            (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
            (Value::Int(_) | Value::Uint(_) | Value::Double(_), Value::Int(_) | Value::Uint(_) | Value::Double(_)) => {
                numeric_order(self, other).ok_or_else(|| Error::new("NaN values cannot be ordered"))?
            }
            (Value::Text(a), Value::Text(b)) => a.cmp(b),
            (Value::Bytes(a), Value::Bytes(b)) => a.cmp(b),
            (Value::Timestamp(a), Value::Timestamp(b)) => a.cmp(b),
            (Value::Duration(a), Value::Duration(b)) => a.cmp(b),
            _ => return Err(Error::no_overload()),
        })
    }

    /// `size()` where there is one.
    pub(crate) fn size(&self) -> Option<usize> {
        match self {
            Value::Text(text) => Some(count_chars(text)),
            Value::Bytes(bytes) => Some(bytes.len()),
            Value::List(list) => Some(list.len()),
            Value::Map(map) => Some(map.len()),
            _ => None,
        }
    }

    /// Whether it is the zero of its type.
    pub(crate) fn is_zero(&self) -> bool {
        match self {
            Value::Null => true,
            Value::Bool(b) => !b,
            Value::Int(n) => *n == 0,
            Value::Uint(n) => *n == 0,
            Value::Double(n) => *n == 0.0,
            Value::Duration(n) => *n == 0,
            Value::Timestamp(n) => *n == 0,
            Value::Optional(inner) => inner.is_none(),
            other => other.size() == Some(0),
        }
    }

    /// A text that is equal for equal values, for sets and keys.
    fn identity(&self) -> String {
        match self {
            Value::Int(n) => format!("#{n}"),
            Value::Uint(n) => format!("#{n}"),
            Value::Double(n) if n.fract() == 0.0 && n.abs() < 2f64.powi(63) => format!("#{}", *n as i64),
            Value::Double(n) => format!("#{n}"),
            Value::Text(text) => format!("t{}", &**text),
            Value::List(list) => {
                let items: Vec<String> = list.items().flatten().map(|item| item.identity()).collect();
                format!("l{items:?}")
            }
            Value::Map(Map::Json(map, _)) => {
                // Keys of a JSON value may stand in any order.
                let sorted: BTreeMap<&String, &Json> = map.iter().collect();
                format!("m{sorted:?}")
            }
            other => format!("{other:?}"),
        }
    }

    /// The identity of an item in a list of type map.
    fn key_identity(&self, keys: &[&str]) -> String {
        let Value::Map(map) = self else { return self.identity() };
        let mut out = String::new();
        for key in keys {
            let value = match map {
                Map::Json(map, typed) => map.get(*key).and_then(|json| typed.entry(key).map(|typed| typed.value(json))),
                Map::Owned(_) => map.get_field(key).transpose(),
            };
            match value {
                Some(Ok(value)) => {
                    let part = value.identity();
                    out.push_str(&format!("{}:{part};", part.len()));
                }
                _ => out.push('-'),
            }
        }
        out
    }
}

/// Characters of a text; most are ASCII, and then its length says it.
pub(crate) fn count_chars(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.chars().count() }
}

/// The order of two numbers, none for what is not a number.
fn numeric_order(a: &Value<'_>, b: &Value<'_>) -> Option<Ordering> {
    let whole = |value: &Value<'_>| match value {
        Value::Int(n) => Some(i128::from(*n)),
        Value::Uint(n) => Some(i128::from(*n)),
        _ => None,
    };
    match (a, b) {
        (Value::Double(a), Value::Double(b)) => a.partial_cmp(b),
        (Value::Double(a), b) => double_order(*a, whole(b)?),
        (a, Value::Double(b)) => double_order(*b, whole(a)?).map(Ordering::reverse),
        (a, b) => Some(whole(a)?.cmp(&whole(b)?)),
    }
}

/// A 64-bit number is rounded to a double before it is compared with one.
fn double_order(double: f64, whole: i128) -> Option<Ordering> {
    double.partial_cmp(&(whole as f64))
}
