//! The fields that an applied document mentions, and whether it is what its schema allows.

use super::element::Element;
use super::schema::{Kind, Narrow, Relation, Scalar, Type};
use super::set::{FieldSet, Node};
use super::value::{go_syntax, go_type};
use crate::text;
use serde_json::Value;
use std::collections::BTreeSet;

/// Most errors that one message names.
const MAX_ERRORS: usize = 100;

/// Every field that a document mentions: leaves, entries of maps, items of lists.
pub fn field_set<'a>(document: &'a Value, of: Type<'a>) -> FieldSet<'a> {
    below(document, of).0
}

/// The set below a value, and whether the value itself is owned as a whole.
fn below<'a>(value: &'a Value, of: Type<'a>) -> (FieldSet<'a>, bool) {
    match of.narrow(Kind::of(value)) {
        Narrow::Scalar(_) => (FieldSet::new(), true),
        Narrow::Nothing => (FieldSet::new(), false),
        Narrow::Map(map) => {
            if map.atomic {
                return (FieldSet::new(), true);
            }
            let Some(fields) = value.as_object() else { return (FieldSet::new(), false) };
            let mut nodes = Vec::with_capacity(fields.len());
            for (name, value) in fields {
                let Some((of, declared)) = map.entry(name) else { continue };
                let (children, whole) = below(value, of);
                let empty = value.is_null() || value.as_object().is_some_and(serde_json::Map::is_empty);
                nodes.push(Node { element: Element::field(name), member: whole || empty || !declared, children });
            }
            (FieldSet::from_nodes(nodes), false)
        }
        Narrow::List(list) => {
            if list.relation == Relation::Atomic {
                return (FieldSet::new(), true);
            }
            let items = value.as_array().map_or(&[][..], Vec::as_slice);
            let nodes = super::compare::by_element(items, &list).into_iter().map(|(element, items)| {
                // Items that nothing tells apart are owned together.
                let children = match items.as_slice() {
                    [item] => below(item, list.items).0,
                    _ => FieldSet::new(),
                };
                Node { element, member: true, children }
            });
            (FieldSet::from_nodes(nodes.collect()), false)
        }
    }
}

/// Holds a document against its schema.
///
/// # Errors
/// The text of what is wrong: unknown fields, wrong types, items that occur twice.
pub fn validate(document: &Value, of: Type<'_>) -> Result<(), String> {
    let mut errors = Vec::new();
    Check { errors: &mut errors, way: None }.value(document, of);
    match errors.as_slice() {
        [] => Ok(()),
        [one] => Err(one.clone()),
        many => Err(format!("errors:\n  {}", many.join("\n  "))),
    }
}

/// A walk over a document, with the way back to its root on the stack.
struct Check<'c, 'w> {
    errors: &'c mut Vec<String>,
    way: Option<&'w Step<'w>>,
}

struct Step<'w> {
    parent: Option<&'w Step<'w>>,
    element: Element<'w>,
}

impl Check<'_, '_> {
    fn fail(&mut self, text: &str) {
        if self.errors.len() >= MAX_ERRORS {
            return;
        }
        let mut steps = Vec::new();
        let mut at = self.way;
        while let Some(step) = at {
            steps.push(step.element.to_string());
            at = step.parent;
        }
        let path: String = steps.into_iter().rev().collect();
        self.errors.push(if path.is_empty() { text.to_owned() } else { format!("{path}: {text}") });
    }

    fn below(&mut self, element: Element<'_>, value: &Value, of: Type<'_>) {
        let step = Step { parent: self.way, element };
        Check { errors: self.errors, way: Some(&step) }.value(value, of);
    }

    fn value(&mut self, value: &Value, of: Type<'_>) {
        if value.is_null() {
            return;
        }
        match of.narrow(Kind::of(value)) {
            Narrow::Scalar(scalar) => self.scalar(scalar, value),
            Narrow::Nothing => {}
            Narrow::Map(map) => {
                let Some(fields) = value.as_object() else {
                    return self.fail(&format!("expected map, got &{{{}}}", text::go_value(value)));
                };
                let mut unknown = None;
                for (name, value) in fields {
                    match map.entry(name) {
                        Some((of, _)) => self.below(Element::field(name), value, of),
                        None => unknown = unknown.or(Some(name)),
                    }
                }
                // As in Kubernetes, nothing more is said of a map after its first unknown field.
                if let Some(name) = unknown {
                    let step = Step { parent: self.way, element: Element::field(name) };
                    Check { errors: self.errors, way: Some(&step) }.fail("field not declared in schema");
                }
            }
            Narrow::List(list) => {
                let Some(items) = value.as_array() else {
                    return self.fail(&format!("expected list, got &{{{}}}", text::go_value(value)));
                };
                let mut seen = BTreeSet::new();
                for (item, index) in items.iter().zip(0..) {
                    let element = if list.relation == Relation::Atomic {
                        Element::Index(index)
                    } else {
                        match list.element(item) {
                            Ok(element) => element,
                            Err(error) => return self.fail(&format!("element {index}: {error}")),
                        }
                    };
                    if list.relation != Relation::Atomic && !seen.insert(element.clone()) {
                        self.fail(&format!("duplicate entries for key {element}"));
                    }
                    self.below(element, item, list.items);
                }
            }
        }
    }

    fn scalar(&mut self, scalar: Scalar, value: &Value) {
        let is_scalar = Kind::of(value) == Kind::Scalar;
        match scalar {
            Scalar::Number if value.is_number() => {}
            Scalar::Number => self.fail(&format!("expected numeric (int or float), got {}", go_type(value))),
            Scalar::String if value.is_string() => {}
            Scalar::String => {
                self.fail(&format!("expected string, got &value.valueUnstructured{{Value:{}}}", go_syntax(value)));
            }
            Scalar::Bool if value.is_boolean() => {}
            Scalar::Bool => self.fail(&format!("expected boolean, got &{{{}}}", text::go_value(value))),
            Scalar::Any if is_scalar => {}
            Scalar::Any => self.fail(&format!("expected any scalar, got &{{{}}}", text::go_value(value))),
        }
    }
}
