//! The order in which a strict decoder complains: that of the document, which a decoded object no longer has.

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;

/// Sorts what a strict decoder says about a JSON body by where in the body it would say it: unknown fields where they
/// stand, repeated ones at their second place. What is not found stays behind the rest, in its order.
pub fn in_document_order(complaints: &mut [String], body: &[u8]) {
    if complaints.len() < 2 {
        return;
    }
    let places = RefCell::new(Places::default());
    let mut document = serde_json::Deserializer::from_slice(body);
    // A body that is no JSON has no order of its own to keep.
    let _ = Walk { path: String::new(), places: &places }.deserialize(&mut document);
    let places = places.into_inner();
    complaints.sort_by_cached_key(|complaint| places.of(complaint).unwrap_or(usize::MAX));
}

/// Where each field stands, by its path: the first and the second time.
#[derive(Default)]
struct Places {
    count: usize,
    by_path: HashMap<String, (usize, Option<usize>)>,
}

impl Places {
    fn note(&mut self, path: &str) {
        self.count += 1;
        let place = self.count;
        match self.by_path.get_mut(path) {
            Some((_, second)) => {
                second.get_or_insert(place);
            }
            None => {
                self.by_path.insert(path.to_owned(), (place, None));
            }
        }
    }

    fn of(&self, complaint: &str) -> Option<usize> {
        let (kind, quoted) = complaint.split_once(" field ")?;
        let path: String = serde_json::from_str(quoted).ok()?;
        let (first, second) = self.by_path.get(&path)?;
        if kind == "duplicate" { *second } else { Some(*first) }
    }
}

/// Notes the fields of a value and of all below it.
struct Walk<'a> {
    path: String,
    places: &'a RefCell<Places>,
}

impl Walk<'_> {
    fn below(&self, step: &str, separator: &str) -> Self {
        let separator = if self.path.is_empty() { "" } else { separator };
        Walk { path: format!("{}{separator}{step}", self.path), places: self.places }
    }
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<String>()? {
            let field = self.below(&name, ".");
            self.places.borrow_mut().note(&field.path);
            map.next_value_seed(field)?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let mut index = 0;
        while items.next_element_seed(self.below(&format!("[{index}]"), ""))?.is_some() {
            index += 1;
        }
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

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::in_document_order;

    #[test]
    fn complaints_follow_the_document() {
        let body = br#"{"nope": 1, "metadata": {"foo": 1, "name": "x"}, "data": {"a": "1", "a": "2"},
            "list": [{"z": 1}, {"y": 2}], "metada": {}, "immutable": true, "immutable": false}"#;
        let sorted = [
            "duplicate field \"data.a\"",
            "duplicate field \"immutable\"",
            "unknown field \"list[0].z\"",
            "unknown field \"list[1].y\"",
            "unknown field \"metada\"",
            "unknown field \"metadata.foo\"",
            "unknown field \"nope\"",
        ];
        let mut complaints = sorted.map(str::to_owned);
        in_document_order(&mut complaints, body);
        let want = [6, 5, 0, 2, 3, 4, 1].map(|index: usize| sorted[index].to_owned());
        assert_eq!(complaints, want);
    }
}
