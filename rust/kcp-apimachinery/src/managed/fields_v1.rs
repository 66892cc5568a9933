//! `fieldsV1`: the JSON form of a set, read from text or from a decoded object without copying names.

use super::element::Element;
use super::set::{FieldSet, Node};
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use std::borrow::Cow;
use std::fmt;

impl FieldSet<'_> {
    /// Appends the JSON of the set.
    pub fn write(&self, out: &mut Vec<u8>) {
        self.write_below(false, out);
    }

    fn write_below(&self, itself: bool, out: &mut Vec<u8>) {
        out.push(b'{');
        if itself && !self.is_empty() {
            out.extend_from_slice(b"\".\":{}");
        }
        for (index, node) in self.nodes().iter().enumerate() {
            if itself || index > 0 {
                out.push(b',');
            }
            node.element.write(out);
            out.push(b':');
            node.children.write_below(node.member, out);
        }
        out.push(b'}');
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for FieldSet<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Below::deserialize(deserializer)?.children)
    }
}

/// What stands under a key: the paths that go on, and whether the one that ends here is in the set.
struct Below<'a> {
    children: FieldSet<'a>,
    member: bool,
}

impl<'de: 'a, 'a> Deserialize<'de> for Below<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(BelowVisitor)
    }
}

struct BelowVisitor;

impl<'de> Visitor<'de> for BelowVisitor {
    type Value = Below<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of fields")
    }

    fn visit_unit<E>(self) -> Result<Below<'de>, E> {
        Ok(Below { children: FieldSet::new(), member: true })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Below<'de>, A::Error> {
        let mut nodes: Vec<Node<'de>> = Vec::new();
        let mut member = false;
        while let Some(Text(key)) = map.next_key::<Text<'de>>()? {
            if key == "." {
                member = true;
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            let Some(element) = Element::parse(key).map_err(A::Error::custom)? else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            let below = map.next_value::<Below<'de>>()?;
            nodes.push(Node { element, member: below.member, children: below.children });
        }
        let children = FieldSet::from_nodes(nodes);
        // What has nothing below it is there itself.
        member |= children.is_empty();
        Ok(Below { children, member })
    }
}

/// A string, borrowed where it can be.
pub(super) struct Text<'a>(pub Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(TextVisitor)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
        Ok(Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
        Ok(Text(Cow::Owned(text.to_owned())))
    }

    fn visit_string<E>(self, text: String) -> Result<Text<'de>, E> {
        Ok(Text(Cow::Owned(text)))
    }
}
