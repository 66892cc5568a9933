//! Which parts of an old and a new value correspond, so that errors of what did not change can be forgiven.

use crate::structural::{ListType, Node, Structural};
use serde_json::Value;
use std::collections::HashMap;

/// The old value of a place and the schema that says how its parts correspond.
#[derive(Clone, Copy)]
pub(crate) struct Old<'a> {
    pub value: &'a Value,
    pub new: &'a Value,
    pub schema: &'a Node,
}

impl Structural {
    pub(crate) fn correlate_key<'a>(&'a self, old: Old<'a>, key: &str) -> Option<Old<'a>> {
        let schema = self.entry(old.schema, key)?;
        Some(Old { value: old.value.get(key)?, new: old.new.get(key)?, schema })
    }

    /// The old element of each new one: by key in lists of type map, by index in those of no type, else none.
    pub(crate) fn correlate_items<'a>(&'a self, old: Old<'a>) -> Vec<Option<Old<'a>>> {
        let (Value::Array(olds), Value::Array(news)) = (old.value, old.new) else { return Vec::new() };
        let Some(schema) = self.items(old.schema) else { return Vec::new() };
        let pair = |value: &'a Value, new: &'a Value| (!value.is_null()).then_some(Old { value, new, schema });
        match old.schema.list {
            ListType::Set | ListType::Atomic => Vec::new(),
            ListType::Unsaid => olds.iter().zip(news).map(|(value, new)| pair(value, new)).collect(),
            ListType::Map => {
                let keys = self.map_keys(old.schema);
                let key_of = |item: &Value| -> Option<String> {
                    let map = item.as_object()?;
                    let parts: Option<Vec<&Value>> = keys.iter().map(|key| map.get(self.name(*key))).collect();
                    serde_json::to_string(&parts?).ok()
                };
                let mut by_key = HashMap::new();
                for item in olds {
                    if let Some(key) = key_of(item) {
                        by_key.entry(key).or_insert(item);
                    }
                }
                news.iter().map(|new| pair(by_key.get(&key_of(new)?).copied()?, new)).collect()
            }
        }
    }

    /// Whether nothing changed, as far as old and new parts correspond: what no schema speaks of never does.
    pub(crate) fn unchanged(&self, old: Old<'_>) -> bool {
        match (old.value, old.new) {
            (Value::Array(olds), Value::Array(news)) => {
                if olds.len() != news.len() {
                    return false;
                }
                let pairs = self.correlate_items(old);
                match old.schema.list {
                    ListType::Map => {
                        pairs.len() == news.len()
                            && pairs.into_iter().all(|pair| pair.is_some_and(|p| self.unchanged(p)))
                    }
                    ListType::Unsaid if pairs.len() == news.len() && pairs.iter().all(Option::is_some) => {
                        pairs.into_iter().flatten().all(|pair| self.unchanged(pair))
                    }
                    _ => olds == news,
                }
            }
            (Value::Object(olds), Value::Object(news)) => {
                olds.len() == news.len()
                    && news.keys().all(|key| self.correlate_key(old, key).is_some_and(|pair| self.unchanged(pair)))
            }
            (value, new) => value == new,
        }
    }
}
