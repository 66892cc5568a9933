//! Uniqueness in lists of type set and map.

use crate::fault::{self, Faults};
use crate::path::At;
use crate::structural::{LISTS, ListType, Node, Structural};
use kcp_apimachinery::field::ErrorList;
use serde_json::{Map, Value};
use std::collections::HashMap;

impl Structural {
    /// Duplicates in lists that must not have any. Each duplicated value is reported once.
    pub fn validate_lists(&self, object: &Value) -> ErrorList {
        let mut errors = Faults::default();
        if object.is_object() && self.root().has(LISTS) {
            self.lists_below(object, self.root(), &At::Root, &mut errors);
        }
        errors.into_list()
    }

    fn lists_below(&self, value: &Value, node: &Node, at: &At<'_>, errors: &mut Faults) {
        if !node.has(LISTS) || errors.is_full() {
            return;
        }
        match value {
            Value::Object(map) => {
                for (key, value) in map {
                    if let Some(property) = self.property(node, key) {
                        self.lists_below(value, property, &at.child(key), errors);
                    } else if let Some(schema) = self.entry(node, key) {
                        self.lists_below(value, schema, &at.key(key), errors);
                    }
                }
            }
            Value::Array(items) => {
                match node.list {
                    ListType::Unsaid | ListType::Atomic => {}
                    ListType::Set => {
                        for index in repeated(items.iter().map(Value::to_string)) {
                            errors.push(fault::duplicate(&at.index(index), &items[index]));
                        }
                    }
                    ListType::Map => self.map_list(items, node, at, errors),
                }
                if let Some(schema) = self.items(node) {
                    for (index, item) in items.iter().enumerate() {
                        self.lists_below(item, schema, &at.index(index), errors);
                    }
                }
            }
            _ => {}
        }
    }

    fn map_list(&self, items: &[Value], node: &Node, at: &At<'_>, errors: &mut Faults) {
        for (index, item) in items.iter().enumerate() {
            if !item.is_object() && !item.is_null() {
                let detail = "must be an object for an array of list-type map";
                errors.push(fault::invalid(&at.index(index), item, detail));
                return;
            }
        }
        let names = self.map_keys(node);
        let keys: Vec<Value> = items
            .iter()
            .map(|item| {
                let mut key = Map::new();
                for name in names {
                    let name = self.name(*name);
                    if let Some(part) = item.get(name) {
                        key.insert(name.to_owned(), part.clone());
                    }
                }
                Value::Object(key)
            })
            .collect();
        for index in repeated(keys.iter().map(Value::to_string)) {
            errors.push(fault::duplicate(&at.index(index), &keys[index]));
        }
    }
}

/// Where each repeated value stands for the second time.
fn repeated(values: impl Iterator<Item = String>) -> Vec<usize> {
    let mut seen: HashMap<String, usize> = HashMap::new();
    let mut found = Vec::new();
    for (index, value) in values.enumerate() {
        let times = seen.entry(value).or_insert(0);
        *times += 1;
        if *times == 2 {
            found.push(index);
        }
    }
    found
}
