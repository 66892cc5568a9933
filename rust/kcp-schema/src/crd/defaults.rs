//! Whether the defaults of a schema satisfy the schema themselves.

use crate::fault::{self, Faults};
use crate::object_meta::{self, Malformed};
use crate::path::At;
use crate::props::Props;
use crate::structural::{Node, Structural};
use serde_json::{Map, Value, json};

/// One step from a resource to a place in its metadata.
#[derive(Clone, Copy)]
enum Step<'p> {
    Field(&'p str),
    Item,
}

/// Checks every default of a structural schema: pruned, well-formed metadata, valid.
pub(super) fn validate(schema: &Props<'_>, compiled: &Structural, at: &At<'_>, errors: &mut Faults) {
    if compiled.root().has(crate::structural::DEFAULTS) {
        Walk { compiled, errors }.node(schema, compiled.root(), at, true, None);
    }
}

struct Walk<'w> {
    compiled: &'w Structural,
    errors: &'w mut Faults,
}

impl Walk<'_> {
    /// `meta` is the way from the resource to here when this is inside its type or metadata fields.
    fn node(&mut self, s: &Props<'_>, node: &Node, at: &At<'_>, is_root: bool, meta: Option<&[Step<'_>]>) {
        if self.errors.is_full() {
            return;
        }
        if let Some(default) = s.default {
            self.default(default, node, &at.child("default"), is_root, meta.filter(|_| !s.embedded));
        }
        let is_resource = is_root || s.embedded;
        let extend = |step| meta.filter(|_| !is_resource).map(|steps| [steps, &[step]].concat());
        if let (Some(item), Some(node)) = (s.item(), self.compiled.items(node)) {
            self.node(item, node, &at.child("items"), false, extend(Step::Item).as_deref());
        }
        let properties = at.child("properties");
        for (name, property) in &s.properties {
            let Some(node) = self.compiled.property(node, name) else { continue };
            let steps = if is_resource && matches!(*name, "metadata" | "apiVersion" | "kind") {
                Some(vec![Step::Field(name)])
            } else {
                extend(Step::Field(name))
            };
            self.node(property, node, &properties.key(name), false, steps.as_deref());
        }
    }

    fn default(&mut self, default: &Value, node: &Node, at: &At<'_>, is_root: bool, meta: Option<&[Step<'_>]>) {
        let metadata_errors = match meta {
            Some(steps) => metadata_error(default, steps)
                .map(|error| {
                    let detail = format!("must result in valid metadata: {error}");
                    fault::list(fault::invalid(at, default, &detail))
                })
                .unwrap_or_default(),
            None => {
                let mut pruned = default.clone();
                match is_root {
                    true => self.compiled.prune_only(&mut pruned),
                    false => self.compiled.prune_at(&mut pruned, node),
                }
                if pruned != *default {
                    self.errors.push(fault::invalid(at, default, "must not have unknown fields"));
                }
                match is_root {
                    true => self.compiled.resource_errors(default, at),
                    false => self.compiled.embedded_errors_at(default, node, at),
                }
            }
        };
        if metadata_errors.is_empty() {
            let found = self.compiled.validate_at(default, node, &at.to_string());
            self.errors.extend(found);
        } else {
            self.errors.extend(metadata_errors);
        }
    }
}

/// What is wrong with the metadata of a resource that has nothing but this default.
fn metadata_error(default: &Value, steps: &[Step<'_>]) -> Option<String> {
    let mut value = default.clone();
    for step in steps.iter().rev() {
        value = match step {
            Step::Field(name) => Value::Object(Map::from_iter([((*name).to_owned(), value)])),
            Step::Item => json!([value]),
        };
    }
    let Value::Object(mut resource) = value else { return None };
    for (key, text) in [("apiVersion", "validation/v1"), ("kind", "Validation")] {
        resource.entry(key).or_insert_with(|| text.into());
    }
    if let Err(error) = object_meta::coerce_resource(&mut resource, &At::Root, Malformed::Refuse, &mut Vec::new()) {
        return Some(error.to_string());
    }
    let mut errors = Faults::default();
    object_meta::validate_resource(&resource, &At::Root, &mut errors);
    errors.into_list().aggregate()
}
