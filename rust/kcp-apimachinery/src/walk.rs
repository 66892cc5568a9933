//! A JSON document read for where its fields stand, without keeping what is in them.

use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, MapAccess, SeqAccess, Visitor};

/// Goes through the fields of a document in the order in which they stand. `see` gets the path of each
/// (`spec.list[2].name`) and whether its object has given the field before. Ends at the first syntax error.
pub fn fields(bytes: &[u8], mut see: impl FnMut(&str, bool)) {
    let mut path = String::new();
    let mut document = serde_json::Deserializer::from_slice(bytes);
    // Decoding reports what is wrong; here only what was read counts.
    let _ = Walk { path: &mut path, see: &mut see }.deserialize(&mut document);
}

/// One value on the way.
struct Walk<'a> {
    path: &'a mut String,
    see: &'a mut dyn FnMut(&str, bool),
}

impl Walk<'_> {
    fn below(&mut self) -> Walk<'_> {
        Walk { path: self.path, see: self.see }
    }
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<(), A::Error> {
        let length = self.path.len();
        for index in 0_usize.. {
            self.path.push_str(&format!("[{index}]"));
            let item = items.next_element_seed(self.below())?;
            self.path.truncate(length);
            if item.is_none() {
                break;
            }
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut entries: A) -> Result<(), A::Error> {
        let length = self.path.len();
        let mut given = HashSet::new();
        while let Some(key) = entries.next_key::<String>()? {
            if length > 0 {
                self.path.push('.');
            }
            self.path.push_str(&key);
            (self.see)(self.path, given.contains(&key));
            entries.next_value_seed(self.below())?;
            self.path.truncate(length);
            given.insert(key);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::fields;

    #[test]
    fn fields_come_in_the_order_of_the_document_with_their_paths() {
        let mut seen = Vec::new();
        fields(br#"{"b": {"c": [1, {"d": null}]}, "a": 1, "b": {"c": 2}, "a": [}"#, |path, repeated| {
            seen.push((path.to_owned(), repeated));
        });
        let want =
            [("b", false), ("b.c", false), ("b.c[1].d", false), ("a", false), ("b", true), ("b.c", false), ("a", true)];
        assert_eq!(seen, want.map(|(path, repeated)| (path.to_owned(), repeated)));
    }
}
