//! One step of a path to a field, and its text in `fieldsV1` and in messages.

use super::value;
use crate::text::{json, write_json_string};
use serde_json::Value;
use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;

/// Selects a part of an object or a list. Borrows from the objects and texts it was made of.
#[derive(Clone, Debug)]
pub enum Element<'a> {
    /// A field of a structure or an entry of a map.
    Field(Cow<'a, str>),
    /// The item of a list that has these values in its key fields, sorted by name.
    Key(Vec<(Cow<'a, str>, Cow<'a, Value>)>),
    /// The item of a set.
    Value(Cow<'a, Value>),
    /// The item at a place of a list.
    Index(i64),
}

impl<'a> Element<'a> {
    /// The field of that name.
    pub const fn field(name: &'a str) -> Self {
        Self::Field(Cow::Borrowed(name))
    }

    /// The field's name, when it selects one.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Field(name) => Some(name),
            _ => None,
        }
    }

    /// Reads a key of `fieldsV1`; `Ok(None)` for kinds of elements that are not known (yet).
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn parse(text: Cow<'a, str>) -> Result<Option<Self>, String> {
        let bytes = text.as_bytes();
        if bytes.len() < 2 {
            return Err("key must be 2 characters long:".to_owned());
        }
        if bytes[1] != b':' {
            return Err(format!("missing colon: {text}"));
        }
        Ok(Some(match bytes[0] {
            b'f' => Self::Field(match text {
                Cow::Borrowed(text) => Cow::Borrowed(&text[2..]),
                Cow::Owned(mut text) => Cow::Owned(text.split_off(2)),
            }),
            b'v' => Self::Value(Cow::Owned(decode(&text[2..])?)),
            b'k' => match decode(&text[2..])? {
                Value::Object(fields) => {
                    Self::Key(fields.into_iter().map(|(name, value)| (Cow::Owned(name), Cow::Owned(value))).collect())
                }
                other => return Err(format!("a key is an object, not {other}")),
            },
            b'i' => Self::Index(text[2..].parse().map_err(|_| format!("{:?} is not an index", &text[2..]))?),
            _ => return Ok(None),
        }))
    }

    /// Appends the key of `fieldsV1` as a JSON string. Values in it are written as Go's encoder writes them, which escapes
    /// what HTML gives a meaning.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Field(name) => {
                let start = out.len();
                // Strings always serialize into a vector.
                let _ = serde_json::to_writer(&mut *out, name);
                out.splice(start + 1..=start, *b"f:");
            }
            Self::Key(fields) => {
                let mut text = String::from("k:{");
                for (index, (name, value)) in fields.iter().enumerate() {
                    if index > 0 {
                        text.push(',');
                    }
                    write_json_string(&mut text, name);
                    text.push(':');
                    text.push_str(&json(value));
                }
                text.push('}');
                let _ = serde_json::to_writer(out, &text);
            }
            Self::Value(value) => {
                let _ = serde_json::to_writer(out, &format!("v:{}", json(value)));
            }
            Self::Index(index) => out.extend_from_slice(format!("\"i:{index}\"").as_bytes()),
        }
    }

    const fn rank(&self) -> u8 {
        match self {
            Self::Field(_) => 0,
            Self::Key(_) => 1,
            Self::Value(_) => 2,
            Self::Index(_) => 3,
        }
    }
}

fn decode(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

impl Ord for Element<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Field(a), Self::Field(b)) => a.cmp(b),
            (Self::Key(a), Self::Key(b)) => {
                let pairs = a.iter().zip(b);
                let unequal = pairs.map(|((k, v), (l, w))| k.cmp(l).then_with(|| value::compare(v, w)));
                unequal.into_iter().find(|order| order.is_ne()).unwrap_or_else(|| a.len().cmp(&b.len()))
            }
            (Self::Value(a), Self::Value(b)) => value::compare(a, b),
            (Self::Index(a), Self::Index(b)) => a.cmp(b),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl PartialOrd for Element<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Element<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Element<'_> {}

/// As messages show it: `.spec`, `[name="x"]`, `[="x"]`, `[3]`.
impl fmt::Display for Element<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(name) => write!(f, ".{name}"),
            Self::Key(fields) => {
                f.write_str("[")?;
                for (index, (name, value)) in fields.iter().enumerate() {
                    let comma = if index > 0 { "," } else { "" };
                    write!(f, "{comma}{name}={}", value::shown(value))?;
                }
                f.write_str("]")
            }
            Self::Value(value) => write!(f, "[={}]", value::shown(value)),
            Self::Index(index) => write!(f, "[{index}]"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // kube-api 3.8.4, 3.8.8
    #[test]
    fn elements_have_a_text_in_fields_and_one_in_messages() {
        for (key, path) in [
            ("f:data", ".data"),
            ("f:a.b/c\"d", ".a.b/c\"d"),
            (r#"k:{"name":"x","port":80}"#, r#"[name="x",port=80]"#),
            (r#"v:"a\"b""#, r#"[="a\"b"]"#),
            (r#"k:{"a":"\u003c\u003e\u0026"}"#, r#"[a="<>&"]"#),
            (r#"v:"\u2028\u0001é""#, r#"[="\u2028\x01é"]"#),
            ("v:3", "[=3]"),
            ("v:true", "[=true]"),
            ("i:4", "[4]"),
        ] {
            let element = Element::parse(Cow::Borrowed(key)).unwrap().unwrap();
            assert_eq!(element.to_string(), path);
            let mut out = Vec::new();
            element.write(&mut out);
            assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), key);
        }
    }

    // kube-api 3.8.4
    #[test]
    fn keys_are_sorted_by_name() {
        let element = Element::parse(Cow::Borrowed(r#"k:{"port":80,"name":"x"}"#)).unwrap().unwrap();
        assert_eq!(element.to_string(), r#"[name="x",port=80]"#);
    }

    #[test]
    fn broken_keys_are_named_and_unknown_ones_passed_over() {
        let parse = |text: &'static str| Element::parse(Cow::Borrowed(text));
        assert!(parse("x:1").unwrap().is_none());
        for broken in ["", "f", "data", "i:x", "k:3", "k:{", "v:", "v:1 2"] {
            assert!(parse(broken).is_err(), "{broken}");
        }
    }

    #[test]
    fn fields_come_before_keys_values_and_indexes() {
        let texts =
            ["f:a", "f:b", r#"k:{"a":1}"#, r#"k:{"a":2}"#, r#"k:{"a":2,"b":1}"#, "v:1", "v:\"1\"", "i:0", "i:10"];
        let all: Vec<_> = texts.iter().map(|text| Element::parse(Cow::Borrowed(text)).unwrap().unwrap()).collect();
        assert!(all.is_sorted());
        assert!(all.windows(2).all(|pair| pair[0] != pair[1]));
    }
}
