//! What a schema declares to the rules on it: the types of its places, their names in expressions, and how large
//! their values can be.

use super::types::{Object, Type};
use crate::numbers::Numeric;
use crate::structural::{Additional, EMBEDDED, Kind, Rule, Structural};
use serde_json::Value;
use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

/// The largest request, from which everything that is not bounded otherwise is bounded.
pub(crate) const MAX_REQUEST: i64 = 3 << 20;
const MAX_NAME: i64 = 253;

/// A place of a schema that rules can see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Place {
    /// A node of the schema.
    Node(u32),
    /// A node that holds a whole resource: its type and the names in its metadata can be seen too.
    Root(u32),
    /// The metadata of such a resource.
    Metadata(u32),
    /// A text that no node declares, of at most so many characters.
    Text(Option<i64>),
}

/// How large values of a place can be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Size {
    /// The shortest JSON of a value, in bytes.
    pub min_bytes: i64,
    /// The most items, entries or bytes of a value.
    pub max_elements: i64,
}

/// The declarations of one schema.
pub(crate) struct Declared<'s> {
    schema: &'s Structural,
    sizes: RefCell<HashMap<Place, Option<Size>>>,
}

impl Structural {
    /// The place of a node: a resource if it is the root or an embedded one.
    pub(crate) fn place(&self, node: u32) -> Place {
        if node == self.root_index() || self.node(node).has(EMBEDDED) { Place::Root(node) } else { Place::Node(node) }
    }

    /// Whether the schema itself says what its type and metadata look like.
    fn declares_resource(&self, node: u32) -> bool {
        let kind = |node: Option<u32>| node.map(|node| self.node(node).kind);
        let metadata = self.property_index(self.node(node), "metadata");
        kind(self.property_index(self.node(node), "kind")) == Some(Kind::String)
            && kind(self.property_index(self.node(node), "apiVersion")) == Some(Kind::String)
            && kind(metadata) == Some(Kind::Object)
            && ["name", "generateName"].iter().all(|name| {
                kind(metadata.and_then(|metadata| self.property_index(self.node(metadata), name))) == Some(Kind::String)
            })
    }

    /// The place of a property by its name in JSON.
    pub(crate) fn field_place(&self, of: Place, name: &str) -> Option<Place> {
        match of {
            Place::Node(node) => self.property_index(self.node(node), name).map(|node| self.nested(node)),
            Place::Root(node) => match name {
                "kind" | "apiVersion" | "metadata" if self.declares_resource(node) => {
                    self.property_index(self.node(node), name).map(|node| self.nested(node))
                }
                "kind" | "apiVersion" => Some(Place::Text(None)),
                "metadata" => Some(Place::Metadata(node)),
                _ => self.property_index(self.node(node), name).map(|node| self.nested(node)),
            },
            Place::Metadata(node) => {
                let longest = match name {
                    "name" => MAX_NAME,
                    "generateName" => MAX_NAME - 1,
                    _ => return None,
                };
                let own = self
                    .property_index(self.node(node), "metadata")
                    .and_then(|metadata| self.property_index(self.node(metadata), name))
                    .and_then(|node| self.bound(node, max_length));
                Some(Place::Text(Some(own.map_or(longest, |own| own.min(longest)))))
            }
            Place::Text(_) => None,
        }
    }

    /// The place of a node below another.
    pub(crate) fn nested(&self, node: u32) -> Place {
        if self.node(node).has(EMBEDDED) { Place::Root(node) } else { Place::Node(node) }
    }

    /// The place of the items of a list, or of the values of a map.
    pub(crate) fn element_place(&self, of: Place) -> Option<Place> {
        let (Place::Node(node) | Place::Root(node)) = of else { return None };
        match self.node(node).kind {
            Kind::Array => self.items_index(self.node(node)).map(|node| self.nested(node)),
            Kind::Object => self.additional_index(self.node(node)).map(|node| self.nested(node)),
            _ => None,
        }
    }

    /// Whether values of a place have named fields rather than being maps.
    pub(crate) fn has_named_fields(&self, place: Place) -> bool {
        match place {
            Place::Node(node) => self.node(node).has_fields(),
            Place::Root(_) | Place::Metadata(_) => true,
            Place::Text(_) => false,
        }
    }

    fn bound(&self, node: u32, pick: impl Fn(&Rule) -> Option<i64>) -> Option<i64> {
        self.rules(self.node(node)).iter().find_map(pick)
    }

    /// The format of a node as the schema spells it, if the server knows it.
    pub(crate) fn format(&self, node: u32) -> &str {
        let name = self.rules(self.node(node)).iter().find_map(|rule| match rule {
            Rule::Format(_, name) => Some(*name),
            _ => None,
        });
        name.map_or("", |name| self.name(name))
    }
}

fn max_length(rule: &Rule) -> Option<i64> {
    match rule {
        Rule::MaxLength(max) => Some(*max),
        _ => None,
    }
}

impl<'s> Declared<'s> {
    pub(crate) fn new(schema: &'s Structural) -> Declared<'s> {
        Declared { schema, sizes: RefCell::default() }
    }

    pub(crate) fn schema(&self) -> &'s Structural {
        self.schema
    }

    /// The type of a place, or nothing if rules cannot see it. `name` is its path from the rule's root.
    pub(crate) fn type_of(&self, place: Place, name: &str) -> Option<Type> {
        self.size(place)?;
        let node = match place {
            Place::Text(_) => return Some(Type::String),
            Place::Metadata(_) => return Some(object(place, name)),
            Place::Node(node) | Place::Root(node) => node,
        };
        Some(match self.schema.node(node).kind {
            Kind::IntOrString => Type::Dyn,
            Kind::Array => self.type_of(self.schema.element_place(place)?, &format!("{name}.@idx"))?.list(),
            Kind::Object => match self.schema.element_place(place) {
                Some(values) => Type::map(Type::String, self.type_of(values, &format!("{name}.@elem"))?),
                None => object(place, name),
            },
            Kind::String => match self.schema.format(node) {
                "byte" => Type::Bytes,
                "duration" => Type::Duration,
                "date" | "date-time" => Type::Timestamp,
                _ => Type::String,
            },
            Kind::Boolean => Type::Bool,
            Kind::Number => Type::Double,
            Kind::Integer => Type::Int,
            Kind::Untyped | Kind::Unknown => return None,
        })
    }

    /// The type of a field by its name in expressions.
    pub(crate) fn field_type(&self, of: &Object, field: &str) -> Option<Type> {
        // A keyword names its field too, although escaping it would be the one spelling.
        let keyword = || RESERVED.contains(&field).then(|| self.schema.field_place(of.place, field)).flatten();
        let place = self.field(of.place, field).or_else(keyword)?;
        self.type_of(place, &format!("{}.{field}", of.name))
    }

    /// The place of a field by its name in expressions.
    pub(crate) fn field(&self, of: Place, field: &str) -> Option<Place> {
        let name = unescape(field)?;
        // Only the one spelling that escaping gives names the field.
        if escape(&name).as_deref() != Some(field) {
            return None;
        }
        self.schema.field_place(of, &name)
    }

    /// How large values of a place can be; nothing if rules cannot see it.
    pub(crate) fn size(&self, place: Place) -> Option<Size> {
        if let Some(size) = self.sizes.borrow().get(&place) {
            return *size;
        }
        let size = self.measure(place);
        self.sizes.borrow_mut().insert(place, size);
        size
    }

    fn measure(&self, place: Place) -> Option<Size> {
        let schema = self.schema;
        let bytes = |min_bytes: i64, max_elements: i64| Some(Size { min_bytes, max_elements });
        let node = match place {
            Place::Text(None) => return bytes(2, MAX_REQUEST - 2),
            Place::Text(Some(longest)) => return bytes(2, longest.max(0).saturating_mul(4)),
            Place::Metadata(_) => return bytes(2, 0),
            Place::Node(node) | Place::Root(node) => node,
        };
        let longest = schema.bound(node, max_length).map(|max| max.max(0));
        match schema.node(node).kind {
            Kind::IntOrString => bytes(1, longest.map_or(MAX_REQUEST - 2, |max| max.saturating_mul(4))),
            Kind::Array => {
                let item = self.size(schema.element_place(place)?)?;
                let max = schema.bound(node, |rule| match rule {
                    Rule::MaxItems(max) => Some((*max).max(0)),
                    _ => None,
                });
                bytes(2, max.unwrap_or((MAX_REQUEST - 2) / (item.min_bytes + 1)))
            }
            Kind::Object => {
                if let Additional::Schema(_) = schema.additional(schema.node(node)) {
                    let value = self.size(schema.element_place(place)?)?;
                    let max = schema.bound(node, |rule| match rule {
                        Rule::MaxProperties(max) => Some((*max).max(0)),
                        _ => None,
                    });
                    return bytes(2, max.unwrap_or((MAX_REQUEST - 2) / (value.min_bytes + 6)));
                }
                let mut min = 2;
                for rule in schema.rules(schema.node(node)) {
                    let Rule::Required(names) = rule else { continue };
                    let mut counted: Vec<&str> = Vec::with_capacity(names.len());
                    for name in names {
                        let name = schema.name(*name);
                        let Some(field) = schema.field_place(place, name) else { continue };
                        let has_default = match field {
                            Place::Node(node) | Place::Root(node) => schema.default_of(schema.node(node)).is_some(),
                            _ => false,
                        };
                        if has_default || counted.contains(&name) {
                            continue;
                        }
                        counted.push(name);
                        if let Some(size) = self.size(field) {
                            min += name.len() as i64 + size.min_bytes + 4;
                        }
                    }
                }
                bytes(min, 0)
            }
            Kind::String => match schema.format(node) {
                "byte" => bytes(2, longest.unwrap_or(MAX_REQUEST - 2)),
                "duration" => bytes(3, 32),
                "date" => bytes(12, 12),
                "date-time" => bytes(21, 32),
                _ => bytes(
                    2,
                    match longest {
                        Some(max) => max.saturating_mul(4),
                        None => longest_choice(schema, node).unwrap_or(MAX_REQUEST - 2),
                    },
                ),
            },
            Kind::Boolean => bytes(4, 0),
            Kind::Number | Kind::Integer => bytes(1, 0),
            Kind::Untyped | Kind::Unknown => None,
        }
    }
}

/// The longest text of an enumeration, in bytes.
fn longest_choice(schema: &Structural, node: u32) -> Option<i64> {
    schema.rules(schema.node(node)).iter().find_map(|rule| match rule {
        Rule::Enum(values) => {
            Some(values.iter().filter_map(Value::as_str).map(|text| text.len() as i64).max().unwrap_or_default())
        }
        _ => None,
    })
}

fn object(place: Place, name: &str) -> Type {
    Type::Object(Arc::new(Object { name: name.to_owned(), place }))
}

/// Whether a JSON number is whole, as the type `integer` asks, and its value.
pub(crate) fn whole(number: &serde_json::Number) -> Option<i64> {
    match Numeric::of(number) {
        Numeric::Int(_) => number.as_i64(),
        Numeric::Float(_) => None,
    }
}

const RESERVED: [&str; 21] = [
    "true",
    "false",
    "null",
    "in",
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
];

/// The name of a field in expressions, unless it has none there.
pub(crate) fn escape(name: &str) -> Option<Cow<'_, str>> {
    let first = name.bytes().next()?;
    if first.is_ascii_digit() {
        return None;
    }
    if RESERVED.contains(&name) {
        return Some(Cow::Owned(format!("__{name}__")));
    }
    if name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') && !name.contains("__") {
        return Some(Cow::Borrowed(name));
    }
    let mut out = String::with_capacity(name.len() + 16);
    let mut rest = name;
    while let Some(c) = rest.chars().next() {
        let mut len = c.len_utf8();
        match c {
            '_' if rest.starts_with("__") => {
                out.push_str("__underscores__");
                len = 2;
            }
            '.' => out.push_str("__dot__"),
            '-' => out.push_str("__dash__"),
            '/' => out.push_str("__slash__"),
            c if c == '_' || c.is_ascii_alphanumeric() => out.push(c),
            _ => return None,
        }
        rest = &rest[len..];
    }
    Some(Cow::Owned(out))
}

/// The field that a name in expressions means.
pub(crate) fn unescape(name: &str) -> Option<Cow<'_, str>> {
    if !name.contains("__") {
        return Some(Cow::Borrowed(name));
    }
    let mut out = String::with_capacity(name.len());
    let mut rest = name;
    while let Some(start) = rest.find("__") {
        let after = &rest[start + 2..];
        // An escape has no underscore inside; where there is one, it may begin one character later.
        let inner = after.find('_').unwrap_or(after.len());
        if inner == 0 || !after[inner..].starts_with("__") {
            out.push_str(&rest[..start + 1]);
            rest = &rest[start + 1..];
            continue;
        }
        out.push_str(&rest[..start]);
        let word = &after[..inner];
        match word {
            "underscores" => out.push_str("__"),
            "dot" => out.push('.'),
            "dash" => out.push('-'),
            "slash" => out.push('/'),
            word if RESERVED.contains(&word) && name.len() == word.len() + 4 => out.push_str(word),
            _ => return None,
        }
        rest = &after[inner + 2..];
    }
    out.push_str(rest);
    Some(Cow::Owned(out))
}

#[cfg(test)]
mod tests {
    use super::*;

    // kube-api 5.7.3
    #[test]
    fn names_are_escaped_and_back() {
        for (name, escaped) in [
            ("plain_1", "plain_1"),
            ("a.b", "a__dot__b"),
            ("a-b/c", "a__dash__b__slash__c"),
            ("a__b", "a__underscores__b"),
            ("namespace", "__namespace__"),
            ("int", "int"),
        ] {
            assert_eq!(escape(name).as_deref(), Some(escaped));
            assert_eq!(unescape(escaped).as_deref(), Some(name));
        }
        for name in ["1a", "", "a b", "é", "$x"] {
            assert_eq!(escape(name), None, "{name}");
        }
        assert_eq!(unescape("a__bad__b"), None);
    }
}
