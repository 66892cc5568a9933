//! Filling in defaults and settling `null`.

use crate::structural::{Additional, DEFAULTS, NULLABLE, Node, Structural};
use serde_json::Value;

impl Structural {
    /// Settles nulls and fills in defaults of a whole resource: a null that is not nullable takes the default or
    /// disappears; an absent property with a default appears where its parent is present.
    pub fn default(&self, object: &mut Value) {
        self.default_node(object, self.root());
    }

    fn default_node(&self, value: &mut Value, node: &Node) {
        if !node.has(DEFAULTS) && !has_null(value) {
            return;
        }
        match value {
            Value::Object(map) => {
                map.retain(|key, value| {
                    if !value.is_null() {
                        return true;
                    }
                    match self.entry(node, key) {
                        Some(schema) if !schema.has(NULLABLE) => match self.default_of(schema) {
                            Some(default) => {
                                *value = default.clone();
                                true
                            }
                            None => false,
                        },
                        _ => true,
                    }
                });
                if node.has(DEFAULTS) {
                    for (name, property) in self.properties(node) {
                        if let Some(default) = self.default_of(property)
                            && !map.contains_key(name)
                        {
                            map.insert(name.to_owned(), default.clone());
                        }
                    }
                }
                for (key, value) in map.iter_mut() {
                    if let Some(property) = self.property(node, key) {
                        self.default_node(value, property);
                    } else if let Additional::Schema(schema) = self.additional(node) {
                        self.default_node(value, schema);
                    }
                }
            }
            Value::Array(items) => {
                if let Some(schema) = self.items(node) {
                    for item in items {
                        if item.is_null()
                            && !schema.has(NULLABLE)
                            && let Some(default) = self.default_of(schema)
                        {
                            *item = default.clone();
                        }
                        self.default_node(item, schema);
                    }
                }
            }
            _ => {}
        }
    }
}

/// Whether there is a null anywhere: most objects have none, and then a schema without defaults has nothing to do.
fn has_null(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.iter().any(has_null),
        Value::Object(map) => map.values().any(has_null),
        _ => false,
    }
}
