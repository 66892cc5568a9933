//! Running the rules of a schema on an object.

use super::eval::PER_CALL_LIMIT;
use super::rules::{Compiled, RuleText, type_word};
use super::value::{Typed, Value};
use crate::fault::{self, Faults};
use crate::path::At;
use crate::ratchet::Old;
use crate::structural::{ListType, RULES, Structural};
use kcp_apimachinery::field::{BadValue, Error, ErrorList, ErrorType};
use serde_json::Value as Json;
use std::collections::HashMap;
use std::rc::Rc;

/// Most that all rules may cost on one object.
const BUDGET: i64 = 10_000_000;
/// Longest message that an expression may make, in bytes.
const MAX_MESSAGE: usize = 5 << 10;

/// What the rules say of an object.
#[derive(Debug, Default)]
pub struct Verdict {
    /// What is wrong.
    pub errors: ErrorList,
    /// What is wrong but was so before, and is forgiven.
    pub warnings: Vec<String>,
    /// What the rules cost together, in the API server's units.
    pub cost: u64,
}

impl Structural {
    /// Whether there are rules at all.
    pub fn has_rules(&self) -> bool {
        self.root().has(RULES)
    }

    /// Runs the rules on a whole resource. With `old`, transition rules run too, and what did not change is forgiven.
    pub fn validate_rules(&self, new: &Json, old: Option<&Json>) -> Verdict {
        if !self.has_rules() {
            return Verdict::default();
        }
        let mut walk = Walk { schema: self, budget: BUDGET, faults: Faults::default(), warnings: Vec::new() };
        let correlated = old.map(|value| Old { value, new, schema: self.root() });
        let since = Since { current: correlated, nearest: None };
        walk.visit(self.root_index(), &At::Root, new, old, since);
        let cost = u64::try_from(BUDGET - walk.budget).unwrap_or_default();
        Verdict { errors: walk.faults.into_list(), warnings: walk.warnings, cost }
    }
}

/// What a value corresponds to in the old object, for forgiving what did not change.
#[derive(Clone, Copy)]
struct Since<'a> {
    current: Option<Old<'a>>,
    /// The nearest value around it that corresponds to something.
    nearest: Option<Old<'a>>,
}

struct Walk<'a> {
    schema: &'a Structural,
    /// Below zero: nothing more runs.
    budget: i64,
    faults: Faults,
    warnings: Vec<String>,
}

impl<'a> Walk<'a> {
    fn unchanged(&self, since: Since<'a>) -> bool {
        since.current.or(since.nearest).is_some_and(|old| self.schema.unchanged(old))
    }

    fn key(&self, since: Since<'a>, name: &str) -> Since<'a> {
        let Some(current) = since.current else { return since };
        // Both objects were converted to the same type: that it changed cannot be seen.
        if since.nearest.is_none() && matches!(name, "apiVersion" | "kind") {
            return Since { current: None, nearest: None };
        }
        Since { current: self.schema.correlate_key(current, name), nearest: Some(current) }
    }

    fn visit(&mut self, node: u32, at: &At<'_>, new: &'a Json, old: Option<&'a Json>, since: Since<'a>) {
        let schema = self.schema;
        let old = old.filter(|old| !old.is_null());
        let found = schema.node(node);
        if new.is_null() || self.budget < 0 || !found.has(RULES) || self.faults.is_full() {
            return;
        }
        let texts = schema.rule_texts(found);
        if !texts.is_empty() {
            self.run(node, texts, at, new, old, since);
        }
        match new {
            Json::Array(items) => {
                let Some(item_node) = schema.items_index(schema.node(node)) else { return };
                if !schema.node(item_node).has(RULES) {
                    return;
                }
                let olds = old.and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default();
                let counterparts = schema.counterparts(node, olds);
                let correlated = since.current.map(|current| schema.correlate_items(current));
                for (index, item) in items.iter().enumerate() {
                    if self.budget < 0 {
                        return;
                    }
                    let old_item = counterparts.as_ref().and_then(|found| found.of(item));
                    let since = match (&correlated, since.current) {
                        (Some(items), Some(current)) => {
                            Since { current: items.get(index).copied().flatten(), nearest: Some(current) }
                        }
                        _ => since,
                    };
                    self.visit(item_node, &at.index(index), item, old_item, since);
                }
            }
            Json::Object(map) => {
                let olds = old.and_then(Json::as_object);
                if let Some(values) = schema.additional_index(schema.node(node)) {
                    for (name, value) in map {
                        if schema.property_index(schema.node(node), name).is_none() {
                            let old_value = olds.and_then(|olds| olds.get(name));
                            self.visit(values, &at.key(name), value, old_value, self.key(since, name));
                        }
                    }
                }
                for (name, value) in map {
                    if let Some(property) = schema.property_index(schema.node(node), name) {
                        let old_value = olds.and_then(|olds| olds.get(name));
                        self.visit(property, &at.child(name), value, old_value, self.key(since, name));
                    }
                }
            }
            _ => {}
        }
    }

    fn run(
        &mut self,
        node: u32,
        texts: &'a [RuleText],
        at: &At<'_>,
        new: &'a Json,
        old: Option<&'a Json>,
        since: Since<'a>,
    ) {
        let schema = self.schema;
        let kind = type_word(schema, node);
        let compiled = schema.compiled_rules(node);
        if self.budget <= 0 {
            self.exhausted(kind, at);
            return;
        }
        let typed = Typed { schema, place: schema.place(node) };
        let own = typed.value(new);
        let former = old.map(|old| typed.value(old));
        for (text, compiled) in texts.iter().zip(compiled) {
            if let Some(error) = &compiled.error {
                self.faults.push(fault::invalid_text(at, kind, &format!("rule compile error: {error}")));
                continue;
            }
            let Some(program) = &compiled.program else { continue };
            let optional = text.optional_old_self == Some(true);
            if compiled.uses_old_self && old.is_none() && !optional {
                continue;
            }
            let value = match (&own, &former) {
                (Ok(own), Some(Ok(former))) if compiled.uses_old_self => {
                    let former = former.clone();
                    let former = if optional { Value::Optional(Some(Rc::new(former))) } else { former };
                    Ok([own.clone(), former])
                }
                (Ok(_), Some(Err(error))) if compiled.uses_old_self => Err(error.clone()),
                (Ok(own), _) => Ok([own.clone(), Value::Optional(None)]),
                (Err(error), _) => Err(error.clone()),
            };
            let variables = value.unwrap_or_else(|error| [Value::Failed(error.clone()), Value::Failed(error)]);
            let run = program.run(&variables, PER_CALL_LIMIT);
            let cost = i64::try_from(run.cost).unwrap_or(i64::MAX);
            if cost > self.budget {
                self.exhausted(kind, at);
                return;
            }
            self.budget -= cost;
            let shown = text.shown();
            match run.value {
                Ok(Value::Bool(true)) => continue,
                Ok(_) => {}
                Err(error) if error.message().starts_with("no such overload") => {
                    let detail = format!(
                        "'{error}': call arguments did not match a supported operator, function or macro signature \
                         for rule: {shown}"
                    );
                    self.faults.push(fault::invalid_text(at, kind, &detail));
                    continue;
                }
                Err(error) if error.is_cancelled() => {
                    let detail = format!(
                        "'{error}': no further validation rules will be run due to call cost exceeds limit for rule: \
                         {shown}"
                    );
                    self.faults.push(fault::invalid_text(at, kind, &detail));
                    self.budget = -1;
                    return;
                }
                Err(error) => {
                    self.faults.push(fault::invalid_text(at, kind, &format!("{error} evaluating rule: {shown}")));
                    continue;
                }
            }
            let path = match compiled.field_path.as_str() {
                "" => at.to_string(),
                below => at.child(below).to_string(),
            };
            let path = if path.is_empty() { "<nil>".to_owned() } else { path };
            let detail = match self.message(compiled, text, &variables) {
                Ok(Some(message)) => message,
                Ok(None) if text.message.is_empty() => format!("failed rule: {shown}"),
                Ok(None) => shown.to_owned(),
                Err(detail) => {
                    let error = invalid(path, kind.into(), detail);
                    self.report(error, compiled, since);
                    self.budget = -1;
                    return;
                }
            };
            let value =
                if matches!(kind, "object" | "array") { BadValue::Omitted } else { BadValue::Json(new.clone()) };
            let ty = match text.reason.as_deref() {
                Some("FieldValueForbidden") => ErrorType::Forbidden,
                Some("FieldValueRequired") => ErrorType::Required,
                Some("FieldValueDuplicate") => ErrorType::Duplicate,
                _ => ErrorType::Invalid,
            };
            let (value, detail) = match ty {
                ErrorType::Forbidden | ErrorType::Required => ("".into(), detail),
                ErrorType::Duplicate => (value, String::new()),
                _ => (value, detail),
            };
            self.report(Error { ty, field: path, bad_value: value, detail }, compiled, since);
        }
    }

    /// The message that an expression makes; none if it makes no good one, an error if it cost too much.
    fn message(
        &mut self,
        compiled: &'a Compiled,
        text: &RuleText,
        variables: &[Value<'a>],
    ) -> Result<Option<String>, String> {
        let Some(program) = &compiled.message else { return Ok(None) };
        let run = program.run(variables, PER_CALL_LIMIT);
        let cost = i64::try_from(run.cost).unwrap_or(i64::MAX);
        if cost > self.budget {
            let detail = "messageExpression evaluation failed due to running out of cost budget, no further validation \
                          rules will be run";
            return Err(detail.to_owned());
        }
        let value = match run.value {
            Ok(Value::Text(value)) => value,
            Err(error) if error.is_cancelled() => {
                return Err(format!(
                    "no further validation rules will be run due to call cost exceeds limit for messageExpression: {}",
                    kcp_apimachinery::text::quote(&text.message_expression)
                ));
            }
            _ => {
                self.budget -= cost;
                return Ok(None);
            }
        };
        self.budget -= cost;
        let value = value.trim();
        let usable = !value.is_empty() && value.len() <= MAX_MESSAGE && !value.contains('\n');
        Ok(usable.then(|| value.to_owned()))
    }

    /// An error, or a warning if the rule looks at the new value alone and that did not change.
    fn report(&mut self, error: Error, compiled: &Compiled, since: Since<'a>) {
        if !compiled.uses_old_self && self.unchanged(since) {
            self.warnings.push(error.to_string());
        } else {
            self.faults.push(error);
        }
    }

    fn exhausted(&mut self, kind: &str, at: &At<'_>) {
        let detail = "validation failed due to running out of cost budget, no further validation rules will be run";
        self.faults.push(fault::invalid_text(at, kind, detail));
        self.budget = -1;
    }
}

fn invalid(field: String, value: Json, detail: String) -> Error {
    Error { ty: ErrorType::Invalid, field, bad_value: BadValue::Json(value), detail }
}

/// Old items by their keys.
struct Counterparts<'a> {
    keys: Vec<&'a str>,
    by_key: HashMap<String, &'a Json>,
}

impl<'a> Counterparts<'a> {
    fn key(&self, item: &Json) -> Option<String> {
        let map = item.as_object()?;
        let parts: Vec<&Json> = self.keys.iter().map(|key| map.get(*key).unwrap_or(&Json::Null)).collect();
        serde_json::to_string(&parts).ok()
    }

    fn of(&self, item: &Json) -> Option<&'a Json> {
        self.by_key.get(&self.key(item)?).copied()
    }
}

impl Structural {
    /// The old items that transition rules compare with: only lists of type map have any.
    fn counterparts<'a>(&'a self, node: u32, olds: &'a [Json]) -> Option<Counterparts<'a>> {
        let node = self.node(node);
        if node.list != ListType::Map {
            return None;
        }
        let keys = self.map_keys(node).iter().map(|key| self.name(*key)).collect();
        let mut found = Counterparts { keys, by_key: HashMap::with_capacity(olds.len()) };
        for old in olds {
            if let Some(key) = found.key(old) {
                found.by_key.entry(key).or_insert(old);
            }
        }
        Some(found)
    }
}
