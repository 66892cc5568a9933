//! Dropping fields that no schema names.

use crate::structural::{Additional, EMBEDDED, Node, PRESERVE, Structural};
use serde_json::Value;
use std::fmt::Write;

/// Records the paths of what is dropped, or nothing at all.
trait Trail {
    fn enter_key(&mut self, key: &str) -> usize;
    fn enter_index(&mut self, index: usize) -> usize;
    fn leave(&mut self, mark: usize);
    fn dropped(&mut self, key: &str);
    /// Type and metadata fields at the root are put back by the caller and never count as unknown.
    fn at_root(&self) -> bool;
}

struct Silent;

impl Trail for Silent {
    fn enter_key(&mut self, _: &str) -> usize {
        0
    }
    fn enter_index(&mut self, _: usize) -> usize {
        0
    }
    fn leave(&mut self, _: usize) {}
    fn dropped(&mut self, _: &str) {}
    fn at_root(&self) -> bool {
        false
    }
}

/// Most bytes of all reported paths together: a hostile body could make every one of them megabytes long.
const MAX_REPORT: usize = 1 << 20;

#[derive(Default)]
struct Paths {
    here: String,
    dropped: Vec<String>,
    bytes: usize,
}

impl Trail for Paths {
    fn enter_key(&mut self, key: &str) -> usize {
        let mark = self.here.len();
        if mark > 0 {
            self.here.push('.');
        }
        self.here.push_str(key);
        mark
    }

    fn enter_index(&mut self, index: usize) -> usize {
        let mark = self.here.len();
        // Writing to a String cannot fail.
        let _ = write!(self.here, "[{index}]");
        mark
    }

    fn leave(&mut self, mark: usize) {
        self.here.truncate(mark);
    }

    fn dropped(&mut self, key: &str) {
        if self.bytes > MAX_REPORT {
            return;
        }
        let mark = self.enter_key(key);
        self.bytes += self.here.len();
        self.dropped.push(self.here.clone());
        self.leave(mark);
    }

    fn at_root(&self) -> bool {
        self.here.is_empty()
    }
}

/// Deeper than this, schema-less nested lists are emptied instead of walked.
const MAX_LIST_DEPTH: usize = 512;

fn is_meta(key: &str) -> bool {
    matches!(key, "apiVersion" | "kind" | "metadata")
}

impl Structural {
    /// Drops unknown fields of a whole resource and returns their paths, sorted. `apiVersion`, `kind` and `metadata`
    /// stay as they are; for what is inside metadata see [`crate::object_meta::coerce`].
    pub fn prune(&self, object: &mut Value) -> Vec<String> {
        let mut paths = Paths::default();
        self.prune_node(object, self.root(), true, &mut paths);
        paths.dropped.sort();
        paths.dropped
    }

    /// Drops unknown fields of a whole resource.
    pub fn prune_only(&self, object: &mut Value) {
        self.prune_node(object, self.root(), true, &mut Silent);
    }

    /// Drops unknown fields of a value that stands at `node`.
    pub(crate) fn prune_at(&self, value: &mut Value, node: &Node) {
        self.prune_node(value, node, node.has(EMBEDDED), &mut Silent);
    }

    fn prune_node(&self, value: &mut Value, node: &Node, embedded: bool, trail: &mut impl Trail) {
        if node.has(PRESERVE) {
            return self.keep_unknown(value, node, embedded, trail);
        }
        match value {
            Value::Object(map) => map.retain(|key, value| {
                if embedded && is_meta(key) {
                    return true;
                }
                if let Some(property) = self.property(node, key) {
                    let mark = trail.enter_key(key);
                    self.prune_node(value, property, property.has(EMBEDDED), trail);
                    trail.leave(mark);
                    return true;
                }
                match self.additional(node) {
                    Additional::Schema(schema) => {
                        let mark = trail.enter_key(key);
                        self.prune_node(value, schema, schema.has(EMBEDDED), trail);
                        trail.leave(mark);
                        true
                    }
                    Additional::Any | Additional::Forbidden => {
                        let mark = trail.enter_key(key);
                        prune_unspecified(value, trail, 0);
                        trail.leave(mark);
                        true
                    }
                    Additional::Unsaid => {
                        if !is_meta(key) || !trail.at_root() {
                            trail.dropped(key);
                        }
                        false
                    }
                }
            }),
            Value::Array(items) => {
                let schema = self.items(node);
                for (index, item) in items.iter_mut().enumerate() {
                    let mark = trail.enter_index(index);
                    match schema {
                        Some(schema) => self.prune_node(item, schema, schema.has(EMBEDDED), trail),
                        None => prune_unspecified(item, trail, 0),
                    }
                    trail.leave(mark);
                }
            }
            _ => {}
        }
    }

    /// Below `x-kubernetes-preserve-unknown-fields` only what is specified again is pruned.
    fn keep_unknown(&self, value: &mut Value, node: &Node, embedded: bool, trail: &mut impl Trail) {
        match value {
            Value::Object(map) => {
                for (key, value) in map.iter_mut() {
                    if embedded && is_meta(key) {
                        continue;
                    }
                    let schema = match self.property(node, key) {
                        Some(property) => Some(property),
                        None => match self.additional(node) {
                            Additional::Unsaid => continue,
                            Additional::Schema(schema) => Some(schema),
                            Additional::Any | Additional::Forbidden => None,
                        },
                    };
                    let mark = trail.enter_key(key);
                    match schema {
                        Some(schema) => self.prune_node(value, schema, schema.has(EMBEDDED), trail),
                        None => prune_unspecified(value, trail, 0),
                    }
                    trail.leave(mark);
                }
            }
            Value::Array(items) => {
                if let Some(schema) = self.items(node) {
                    for (index, item) in items.iter_mut().enumerate() {
                        let mark = trail.enter_index(index);
                        self.keep_unknown(item, schema, schema.has(EMBEDDED), trail);
                        trail.leave(mark);
                    }
                }
            }
            _ => {}
        }
    }
}

/// Empties every object below a place that has no schema.
fn prune_unspecified(value: &mut Value, trail: &mut impl Trail, depth: usize) {
    match value {
        Value::Object(map) => {
            for key in map.keys() {
                trail.dropped(key);
            }
            map.clear();
        }
        Value::Array(items) if depth >= MAX_LIST_DEPTH => items.clear(),
        Value::Array(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                let mark = trail.enter_index(index);
                prune_unspecified(item, trail, depth + 1);
                trail.leave(mark);
            }
        }
        _ => {}
    }
}
