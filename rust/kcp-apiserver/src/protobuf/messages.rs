//! The table of messages, read when the first protobuf body arrives.

use std::collections::HashMap;
use std::sync::OnceLock;

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// UTF-8 text.
    Text,
    /// Bytes, base64 in JSON.
    Bytes,
    /// A truth value.
    Bool,
    /// A whole number.
    Int,
    /// A number.
    Double,
    /// Seconds and nanoseconds, to the second in JSON.
    Time,
    /// Seconds and nanoseconds, to the microsecond in JSON.
    MicroTime,
    /// A message whose only field holds JSON.
    Raw,
    /// A message whose only field is a list of texts.
    Strings,
    /// A message whose only field is a quantity's text.
    Quantity,
    /// A message with a choice, a number and a text.
    IntOrString,
    /// A message.
    Message(&'static str),
}

impl Type {
    /// Whether nothing set is written as a message without fields, which is no value.
    pub const fn is_null_when_unset(self) -> bool {
        matches!(self, Self::Time | Self::MicroTime | Self::Raw)
    }
}

/// How often a value may stand in its field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cardinality {
    /// Once.
    One,
    /// In a list.
    List,
    /// Under text keys.
    Map,
}

/// A field of a message.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Its number.
    pub number: u64,
    /// Its name in JSON; `*` for a message whose fields stand among those around it.
    pub name: &'static str,
    /// Whether JSON leaves it out when it is zero.
    pub omits_zero: bool,
    /// How often.
    pub cardinality: Cardinality,
    /// What it holds.
    pub kind: Type,
}

/// The fields of a message by its definition name.
pub fn message(name: &str) -> Option<&'static [Field]> {
    static MESSAGES: OnceLock<HashMap<&'static str, Vec<Field>>> = OnceLock::new();
    MESSAGES.get_or_init(|| parse(include_str!("messages.txt"))).get(name).map(Vec::as_slice)
}

fn parse(text: &'static str) -> HashMap<&'static str, Vec<Field>> {
    let mut messages = HashMap::new();
    let mut name = "";
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        match line.strip_prefix("  ") {
            None => {
                name = line;
                messages.insert(name, Vec::new());
            }
            Some(line) => {
                if let (Some(fields), Some(field)) = (messages.get_mut(name), field(line)) {
                    fields.push(field);
                }
            }
        }
    }
    messages
}

fn field(line: &'static str) -> Option<Field> {
    let mut words = line.split(' ');
    let number = words.next()?.parse().ok()?;
    let name = words.next()?;
    let (cardinality, kind) = match words.next()? {
        "list" => (Cardinality::List, words.next()?),
        "map" => (Cardinality::Map, words.next()?),
        kind => (Cardinality::One, kind),
    };
    let kind = match kind {
        "string" => Type::Text,
        "bytes" => Type::Bytes,
        "bool" => Type::Bool,
        "int" => Type::Int,
        "double" => Type::Double,
        "Time" => Type::Time,
        "MicroTime" => Type::MicroTime,
        "Raw" => Type::Raw,
        "Strings" => Type::Strings,
        "Quantity" => Type::Quantity,
        "IntOrString" => Type::IntOrString,
        message => Type::Message(message),
    };
    let bare = name.strip_suffix('?');
    Some(Field { number, name: bare.unwrap_or(name), omits_zero: bare.is_some(), cardinality, kind })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::openapi::built_in;
    use std::collections::BTreeSet;

    #[test]
    fn every_property_of_every_message_has_a_field() {
        let text = include_str!("messages.txt");
        for name in text.lines().filter(|line| !line.starts_with([' ', '#'])) {
            let fields = message(name).unwrap();
            assert_eq!(fields.len(), fields.iter().map(|field| field.number).collect::<BTreeSet<_>>().len(), "{name}");
            for field in fields {
                if let Type::Message(other) = field.kind {
                    assert!(message(other).is_some(), "{name} → {other}");
                }
            }
            let short = name.rsplit('.').next().unwrap();
            if short.starts_with("JSONSchemaPropsOr") {
                continue;
            }
            // Those of native kinds are held against their definitions in `native`.
            let Some(schema) = built_in::definition(name) else { continue };
            let properties = schema["properties"].as_object().cloned().unwrap_or_default();
            let known: BTreeSet<&str> = fields.iter().map(|field| field.name).collect();
            let wanted: BTreeSet<&str> =
                properties.keys().map(String::as_str).filter(|key| !is_type_header(name, key)).collect();
            assert_eq!(known, wanted, "{name}");
        }
    }

    /// Kinds say what they are in the envelope. In parts of objects the same names are fields.
    fn is_type_header(name: &str, key: &str) -> bool {
        let header = matches!(key, "kind" | "apiVersion");
        header && !message(name).unwrap().iter().any(|field| field.name == key)
    }
}
