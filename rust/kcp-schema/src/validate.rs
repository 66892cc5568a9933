//! Checking values against a schema, with the API server's messages, order and ratcheting.
//!
//! Most values are valid, so a first pass answers only yes or no and builds no path and no message; the second pass runs
//! only when the first said no.

use crate::fault::{self, Faults};
use crate::numbers::{Numeric, in_range, is_json_integer, number_accepts, number_rule, range_failure, same};
use crate::pattern::Pattern;
use crate::ratchet::Old;
use crate::structural::{Additional, Kind, LISTS, NULLABLE, Node, Rule, Structural};
use kcp_apimachinery::field::{Error, ErrorList};
use kcp_apimachinery::text::quote;
use serde_json::{Number, Value};
use std::cell::Cell;
use std::collections::HashSet;
use std::fmt::Write;
use std::ops::Deref;

/// What one failed check reports.
pub(crate) enum Failure {
    /// At the path of the value (or of the missing field), with its kind of error.
    Field(String, What, String),
    /// Not bound to a field.
    Plain(String),
}

pub(crate) enum What {
    Required,
    NotSupported(Value, Vec<String>),
    TooLong(i64),
    TooMany(i64, i64),
    TypeInvalid(Value),
    Invalid(Value),
}

impl Failure {
    fn message(&self) -> &str {
        match self {
            Failure::Field(_, _, message) | Failure::Plain(message) => message,
        }
    }

    fn error(self, prefix: &str) -> Error {
        match self {
            Failure::Plain(message) => fault::invalid(&prefix, &Value::String(String::new()), &message),
            Failure::Field(name, what, message) => {
                let name = name.strip_prefix('.').unwrap_or(&name);
                let path = match (prefix.is_empty(), name.is_empty()) {
                    (true, _) => name.to_owned(),
                    (false, true) => prefix.to_owned(),
                    (false, false) => format!("{prefix}.{name}"),
                };
                match what {
                    What::Required => fault::required(&path, ""),
                    What::NotSupported(value, values) => fault::not_supported(&path, &value, &values),
                    What::TooLong(max) => fault::too_long(&path, max),
                    What::TooMany(actual, max) => fault::too_many(&path, actual, max),
                    What::TypeInvalid(value) => fault::type_invalid(&path, &value, &message),
                    What::Invalid(value) => fault::invalid(&path, &value, &message),
                }
            }
        }
    }
}

/// Failures in order, each message once, and how many checks were passed through on the way.
#[derive(Default)]
struct Outcome {
    failures: Vec<Failure>,
    seen: HashSet<String>,
    bytes: usize,
    matches: usize,
}

impl Outcome {
    fn add(&mut self, failure: Failure) {
        if !self.is_full() && self.seen.insert(failure.message().to_owned()) {
            self.bytes += failure.message().len();
            self.failures.push(failure);
        }
    }

    fn is_full(&self) -> bool {
        self.failures.len() >= fault::MAX_ERRORS || self.bytes >= fault::MAX_ERROR_BYTES
    }

    fn merge(&mut self, other: Outcome) {
        self.matches += other.matches;
        if self.failures.is_empty() {
            self.failures = other.failures;
            self.seen = other.seen;
            self.bytes = other.bytes;
        } else {
            for failure in other.failures {
                self.add(failure);
            }
        }
    }

    fn is_valid(&self) -> bool {
        self.failures.is_empty()
    }
}

impl Structural {
    /// Validates a whole resource. With `old`, errors at places that did not change are left out.
    pub fn validate(&self, new: &Value, old: Option<&Value>) -> ErrorList {
        let mut errors = self.validate_schema(new, old);
        errors.extend(self.validate_embedded(new));
        if old.is_none_or(|old| self.list_errors(old).is_empty()) {
            errors.extend(self.list_errors(new));
        }
        errors
    }

    /// Value rules alone, without embedded resources and list uniqueness.
    pub fn validate_schema(&self, new: &Value, old: Option<&Value>) -> ErrorList {
        Checker::new(self).errors(new, old, self.root(), "")
    }

    /// Value rules of `.status` alone; paths in details are then relative to it.
    pub fn validate_status_schema(&self, new: &Value, old: Option<&Value>) -> ErrorList {
        match self.property(self.root(), "status") {
            Some(schema) => Checker::new(self).errors(new, old, schema, "status"),
            None => ErrorList::default(),
        }
    }

    /// Value rules of a value that stands at `node`.
    pub(crate) fn validate_at(&self, value: &Value, node: &Node, prefix: &str) -> ErrorList {
        Checker::new(self).errors(value, None, node, prefix)
    }

    /// What the slow pass reports of a whole resource, for tests that compare it with the quick one.
    #[cfg(test)]
    pub(crate) fn failures(&self, value: &Value) -> Vec<String> {
        let outcome = Checker::new(self).check(value, self.root(), None, &mut String::new());
        outcome.failures.iter().map(|failure| failure.message().to_owned()).collect()
    }

    fn list_errors(&self, object: &Value) -> ErrorList {
        if self.root().has(LISTS) { self.validate_lists(object) } else { ErrorList::default() }
    }

    /// What the quick pass says of a whole resource.
    #[cfg(test)]
    pub(crate) fn is_accepted(&self, value: &Value) -> bool {
        Checker::new(self).accepts(value, self.root())
    }
}

/// Most checks of one validation. Items times branches of combinators can be billions; honest objects take thousands.
const MAX_STEPS: usize = 5_000_000;
const EXHAUSTED: &str =
    "takes too many steps to validate; the schema has too many alternatives for an object of this size";

/// One validation with the steps it has left.
struct Checker<'s> {
    schema: &'s Structural,
    steps: Cell<usize>,
}

impl Deref for Checker<'_> {
    type Target = Structural;

    fn deref(&self) -> &Structural {
        self.schema
    }
}

impl<'s> Checker<'s> {
    fn new(schema: &'s Structural) -> Checker<'s> {
        Checker { schema, steps: Cell::new(MAX_STEPS) }
    }

    fn errors(&self, new: &Value, old: Option<&Value>, node: &Node, prefix: &str) -> ErrorList {
        if self.accepts(new, node) {
            return ErrorList::default();
        }
        let old = old.map(|value| Old { value, new, schema: node });
        let outcome = self.check(new, node, old, &mut String::new());
        if self.is_exhausted() {
            return fault::list(fault::invalid_text(&prefix, "", EXHAUSTED));
        }
        let mut faults = Faults::default();
        faults.extend(outcome.failures.into_iter().map(|failure| failure.error(prefix)));
        faults.into_list()
    }

    fn spend(&self, steps: usize) {
        self.steps.set(self.steps.get().saturating_sub(steps));
    }

    fn is_exhausted(&self) -> bool {
        self.steps.get() == 0
    }

    fn matches(&self, pattern: &Pattern, text: &str) -> bool {
        self.spend(text.len() / 16 * if pattern.heavy { 1024 } else { 1 });
        !self.is_exhausted() && pattern.regex.is_match(text)
    }

    /// Whether a value satisfies a node: the same checks as `check`, without a word.
    fn accepts(&self, value: &Value, node: &Node) -> bool {
        self.spend(1);
        if self.is_exhausted() || !self.type_accepts(value, node) {
            return false;
        }
        for rule in self.rules(node) {
            if !self.rule_accepts(value, node, rule) {
                return false;
            }
        }
        match value {
            Value::Number(number) => in_range(Numeric::of(number), node.kind, format_name(self, node)),
            Value::Array(items) => match self.items(node) {
                Some(schema) => items.iter().all(|item| self.accepts(item, schema)),
                None => true,
            },
            Value::Object(map) => {
                if !node.has_fields() && matches!(self.additional(node), Additional::Unsaid | Additional::Any) {
                    return true;
                }
                map.iter().all(|(key, value)| match self.property(node, key) {
                    Some(property) => self.accepts(value, property),
                    None => match self.additional(node) {
                        Additional::Unsaid | Additional::Any => true,
                        Additional::Forbidden => false,
                        Additional::Schema(schema) => self.accepts(value, schema),
                    },
                })
            }
            _ => true,
        }
    }

    fn type_accepts(&self, value: &Value, node: &Node) -> bool {
        match (value, node.kind) {
            (Value::Null, Kind::Untyped) => true,
            (Value::Null, _) => node.has(NULLABLE),
            (_, Kind::Untyped) | (Value::String(_) | Value::Array(_), _) if format_name(self, node).is_some() => {
                type_failure(value, node, format_name(self, node)).is_none()
            }
            (_, Kind::Untyped) => true,
            (Value::Object(_), kind) => kind == Kind::Object,
            (Value::Array(_), kind) => kind == Kind::Array,
            (Value::String(_), kind) => matches!(kind, Kind::String | Kind::IntOrString),
            (Value::Bool(_), kind) => kind == Kind::Boolean,
            (Value::Number(number), kind) => match Numeric::of(number) {
                Numeric::Int(_) => matches!(kind, Kind::Integer | Kind::Number | Kind::IntOrString),
                Numeric::Float(float) => {
                    kind == Kind::Number || matches!(kind, Kind::Integer | Kind::IntOrString) && is_json_integer(float)
                }
            },
        }
    }

    fn rule_accepts(&self, value: &Value, node: &Node, rule: &Rule) -> bool {
        match (rule, value) {
            (Rule::Enum(values), value) => {
                self.spend(values.len());
                values.iter().any(|allowed| same(value, allowed))
            }
            (_, Value::Null) => true,
            (Rule::AnyOf(any), value) => any.iter().any(|index| self.accepts(value, self.node(*index))),
            (Rule::OneOf(one), value) => {
                one.iter().filter(|index| self.accepts(value, self.node(**index))).count() == 1
            }
            (Rule::AllOf(all), value) => all.iter().all(|index| self.accepts(value, self.node(*index))),
            (Rule::Not(not), value) => !self.accepts(value, self.node(*not)),
            (Rule::Format(format, _), Value::String(text)) => format.accepts(text),
            (Rule::MaxLength(max), Value::String(text)) => length(text) <= *max,
            (Rule::MinLength(min), Value::String(text)) => length(text) >= *min,
            (Rule::Pattern(index), Value::String(text)) => {
                self.pattern(*index).1.is_some_and(|pattern| self.matches(pattern, text))
            }
            (Rule::MultipleOf(_) | Rule::Minimum { .. } | Rule::Maximum { .. }, Value::Number(number)) => {
                number_accepts(Numeric::of(number), node.kind, format_name(self, node), rule)
            }
            (Rule::MinItems(min), Value::Array(items)) => items.len() as i64 >= *min,
            (Rule::MaxItems(max), Value::Array(items)) => items.len() as i64 <= *max,
            (Rule::UniqueItems, Value::Array(items)) => all_unique(items),
            (Rule::MinProperties(min), Value::Object(map)) => map.len() as i64 >= *min,
            (Rule::MaxProperties(max), Value::Object(map)) => map.len() as i64 <= *max,
            (Rule::Required(names), Value::Object(map)) => {
                self.spend(names.len());
                names.iter().all(|name| map.contains_key(self.name(*name)))
            }
            _ => true,
        }
    }

    /// Checks a value and forgives what is unchanged since `old`.
    fn check(&self, value: &Value, node: &Node, old: Option<Old<'_>>, path: &mut String) -> Outcome {
        let mut outcome = self.check_new(value, node, old, path);
        if !outcome.is_valid() && old.is_some_and(|old| self.unchanged(old)) {
            outcome.failures.clear();
            outcome.seen.clear();
        }
        outcome
    }

    fn check_new(&self, value: &Value, node: &Node, old: Option<Old<'_>>, path: &mut String) -> Outcome {
        let mut out = Outcome::default();
        // A failure repeats the path.
        self.spend(1 + path.len() / 64);
        if self.is_exhausted() {
            return out;
        }
        let format = format_name(self, node);
        if node.kind != Kind::Untyped || format.is_some() {
            match type_failure(value, node, format) {
                Some((expected, got)) => {
                    let message = format!("{path} in body must be of type {expected}: {}", quote(got));
                    out.add(Failure::Field(path.clone(), What::TypeInvalid(got.into()), message));
                }
                None => out.matches += 1,
            }
            out.matches += 1;
        }
        if value.is_null() {
            out.matches = usize::from(out.is_valid());
            self.check_enum(value, node, path, &mut out);
            return out;
        }
        self.check_combinators(value, node, old, path, &mut out);
        match value {
            Value::String(text) => self.check_string(text, node, path, &mut out),
            Value::Number(number) => self.check_number(number, node, path, &mut out),
            Value::Array(items) => self.check_items(items, node, old, path, &mut out),
            _ => {}
        }
        self.check_enum(value, node, path, &mut out);
        out.matches += 1;
        if let Value::Object(_) = value {
            self.check_object(value, node, old, path, &mut out);
            out.matches += 1;
        }
        out.matches += 1;
        out
    }

    fn check_combinators(
        &self,
        value: &Value,
        node: &Node,
        old: Option<Old<'_>>,
        path: &mut String,
        out: &mut Outcome,
    ) {
        for rule in self.rules(node) {
            match rule {
                Rule::AnyOf(any) => {
                    let mut best: Option<Outcome> = None;
                    let mut success = None;
                    for index in any {
                        let outcome = self.check_new(value, self.node(*index), old, path);
                        if outcome.is_valid() {
                            success = Some(outcome);
                            break;
                        }
                        if best.as_ref().is_none_or(|best| outcome.matches > best.matches) {
                            best = Some(outcome);
                        }
                    }
                    match success {
                        Some(outcome) => out.merge(outcome),
                        None => {
                            out.add(plain(path, "must validate at least one schema (anyOf)"));
                            if let Some(best) = best {
                                out.merge(best);
                            }
                        }
                    }
                }
                Rule::OneOf(one) => {
                    let mut best: Option<Outcome> = None;
                    let mut first = None;
                    let mut validated = 0;
                    for index in one {
                        let outcome = self.check_new(value, self.node(*index), old, path);
                        if outcome.is_valid() {
                            validated += 1;
                            best = None;
                            first.get_or_insert(outcome);
                        } else if validated == 0 && best.as_ref().is_none_or(|best| outcome.matches > best.matches) {
                            best = Some(outcome);
                        }
                    }
                    if validated == 1 {
                        if let Some(first) = first {
                            out.merge(first);
                        }
                    } else {
                        let found = match validated {
                            0 => "Found none valid".to_owned(),
                            n => format!("Found {n} valid alternatives"),
                        };
                        out.add(plain(path, &format!("must validate one and only one schema (oneOf). {found}")));
                        if let Some(best) = best {
                            out.merge(best);
                        }
                    }
                }
                Rule::AllOf(all) => {
                    let mut validated = 0;
                    for index in all {
                        let outcome = self.check_new(value, self.node(*index), old, path);
                        validated += usize::from(outcome.is_valid());
                        out.merge(outcome);
                    }
                    if validated != all.len() {
                        let none = if validated == 0 { ". None validated" } else { "" };
                        out.add(plain(path, &format!("must validate all the schemas (allOf){none}")));
                    }
                }
                Rule::Not(not) if self.check_new(value, self.node(*not), old, path).is_valid() => {
                    out.add(plain(path, "must not validate the schema (not)"));
                }
                _ => {}
            }
        }
        out.matches += 2;
    }

    /// Stops at the first failure among length and pattern; the format is checked on its own.
    fn check_string(&self, text: &str, node: &Node, path: &str, out: &mut Outcome) {
        for rule in self.rules(node) {
            let failure = match rule {
                Rule::MaxLength(max) if length(text) > *max => {
                    (What::TooLong(*max), format!("{path} in body should be at most {max} chars long"))
                }
                Rule::MinLength(min) if length(text) < *min => {
                    (What::Invalid(text.into()), format!("{path} in body should be at least {min} chars long"))
                }
                Rule::Pattern(index) => match self.pattern(*index) {
                    (_, Some(pattern)) if self.matches(pattern, text) => continue,
                    (source, Some(_)) => {
                        (What::Invalid(text.into()), format!("{path} in body should match '{source}'"))
                    }
                    (source, None) => (
                        What::Invalid(text.into()),
                        format!("{path} in body should match '{source}, but pattern is invalid'"),
                    ),
                },
                _ => continue,
            };
            out.add(Failure::Field(path.to_owned(), failure.0, failure.1));
            break;
        }
        out.matches += 1;
        for rule in self.rules(node) {
            if let Rule::Format(format, name) = rule {
                if !format.accepts(text) {
                    let message = format!("{path} in body must be of type {}: {}", self.name(*name), quote(text));
                    out.add(Failure::Field(path.to_owned(), What::TypeInvalid(text.into()), message));
                }
                if format.is_text() {
                    out.matches += 1;
                }
            }
        }
    }

    fn check_number(&self, number: &Number, node: &Node, path: &str, out: &mut Outcome) {
        let value = Numeric::of(number);
        let format = format_name(self, node);
        if !in_range(value, node.kind, format) {
            out.add(range_failure("Checked", node.kind, format, path));
        }
        let mut failures = Vec::new();
        for rule in self.rules(node) {
            number_rule(number, node.kind, format, rule, path, &mut failures);
        }
        for failure in failures {
            out.add(failure);
        }
        out.matches += 2;
    }

    fn check_items(&self, items: &[Value], node: &Node, old: Option<Old<'_>>, path: &mut String, out: &mut Outcome) {
        if let Some(schema) = self.items(node) {
            let index_of_old = old.map(|old| self.correlate_items(old));
            for (index, item) in items.iter().enumerate() {
                if out.is_full() {
                    break;
                }
                let mark = path.len();
                // Writing to a String cannot fail.
                let _ = write!(path, "[{index}]");
                let old_item = index_of_old.as_ref().and_then(|olds| olds.get(index).copied().flatten());
                let outcome = self.check(item, schema, old_item, path);
                path.truncate(mark);
                out.merge(outcome);
            }
        }
        let size = items.len() as i64;
        for rule in self.rules(node) {
            let failure = match rule {
                Rule::MinItems(min) if size < *min => {
                    (What::Invalid(size.into()), format!("{path} in body should have at least {min} items"))
                }
                Rule::MaxItems(max) if size > *max => {
                    (What::TooMany(size, *max), format!("{path} in body should have at most {max} items"))
                }
                Rule::UniqueItems if !all_unique(items) => {
                    (What::Invalid("".into()), format!("{path} in body shouldn't contain duplicates"))
                }
                _ => continue,
            };
            out.add(Failure::Field(path.clone(), failure.0, failure.1));
        }
        out.matches += 2;
    }

    fn check_enum(&self, value: &Value, node: &Node, path: &str, out: &mut Outcome) {
        for rule in self.rules(node) {
            if let Rule::Enum(values) = rule
                && !values.iter().any(|allowed| same(value, allowed))
            {
                let names: Vec<String> = values
                    .iter()
                    .map(|value| match value {
                        Value::String(text) => text.clone(),
                        other => other.to_string(),
                    })
                    .collect();
                let message = format!("{path} in body should be one of [{}]", names.join(" "));
                out.add(Failure::Field(path.to_owned(), What::NotSupported(brief(value), names), message));
            }
        }
    }

    fn check_object(&self, value: &Value, node: &Node, old: Option<Old<'_>>, path: &mut String, out: &mut Outcome) {
        let Value::Object(map) = value else { return };
        let size = map.len() as i64;
        for rule in self.rules(node) {
            let failure = match rule {
                Rule::MinProperties(min) if size < *min => {
                    (What::Invalid(size.into()), format!("{path} in body should have at least {min} properties"))
                }
                Rule::MaxProperties(max) if size > *max => {
                    (What::TooMany(size, *max), format!("{path} in body should have at most {max} properties"))
                }
                _ => continue,
            };
            out.add(Failure::Field(path.clone(), failure.0, failure.1));
        }
        let at_root = path.is_empty();
        let descend = |key: &str, value: &Value, schema: &Node, path: &mut String, out: &mut Outcome| {
            // What the request's version hides (the type header) is never forgiven at the root.
            let old = if at_root && matches!(key, "kind" | "apiVersion") {
                None
            } else {
                old.and_then(|old| self.correlate_key(old, key))
            };
            if out.is_full() {
                return;
            }
            let outcome = self.check(value, schema, old, path);
            out.merge(outcome);
        };
        match self.additional(node) {
            Additional::Forbidden => {
                for key in map.keys() {
                    if self.property(node, key).is_none() {
                        let message = format!("{path}.{key} in body is a forbidden property");
                        out.add(Failure::Field(path.clone(), What::Invalid(key.as_str().into()), message));
                    }
                }
            }
            Additional::Schema(schema) => {
                for (key, value) in map {
                    if self.property(node, key).is_none() {
                        let mark = path.len();
                        path.push('.');
                        path.push_str(key);
                        descend(key, value, schema, path, out);
                        path.truncate(mark);
                    }
                }
            }
            Additional::Unsaid | Additional::Any => {}
        }
        for (name, schema) in self.properties(node) {
            if let Some(value) = map.get(name) {
                let mark = path.len();
                if mark > 0 {
                    path.push('.');
                }
                path.push_str(name);
                descend(name, value, schema, path, out);
                path.truncate(mark);
            }
        }
        for rule in self.rules(node) {
            if let Rule::Required(names) = rule {
                for name in names {
                    let name = self.name(*name);
                    if !map.contains_key(name) {
                        let field = format!("{path}.{name}");
                        let message = format!("{field} in body is required");
                        out.add(Failure::Field(field, What::Required, message));
                    }
                }
            }
        }
    }
}

fn plain(path: &str, what: &str) -> Failure {
    Failure::Plain(format!("{} {what}", quote(path)))
}

fn format_name<'s>(schema: &'s Structural, node: &Node) -> Option<&'s str> {
    schema.rules(node).iter().find_map(|rule| match rule {
        Rule::Format(_, name) => Some(schema.name(*name)),
        _ => None,
    })
}

/// The expected and the found type, when they differ.
fn type_failure<'s>(value: &Value, node: &Node, format: Option<&'s str>) -> Option<(&'s str, &'static str)> {
    let (found, found_format) = match value {
        Value::Null => {
            let wrong = node.kind != Kind::Untyped && !node.has(NULLABLE);
            return wrong.then(|| (node.kind.name(), "null"));
        }
        Value::Bool(_) => ("boolean", ""),
        Value::String(_) => ("string", ""),
        Value::Array(_) => ("array", ""),
        Value::Object(_) => ("object", ""),
        Value::Number(number) => match Numeric::of(number) {
            Numeric::Int(_) => ("integer", "int64"),
            Numeric::Float(_) => ("number", "float64"),
        },
    };
    let kind = node.kind;
    let whole_float = match value {
        Value::Number(number) => match Numeric::of(number) {
            Numeric::Float(float) => is_json_integer(float) && kind.contains("integer"),
            Numeric::Int(_) => false,
        },
        _ => false,
    };
    let int_as_float = found == "integer" && kind.contains("number");
    let text_or_list = matches!(value, Value::String(_) | Value::Array(_));
    if let Some(format) = format {
        if !(text_or_list || kind.contains(found) || found_format == format || whole_float || int_as_float) {
            return Some((format, found_format));
        }
        if text_or_list && !kind.contains("number") && !kind.contains("integer") {
            return None;
        }
    }
    (!(kind.contains(found) || whole_float || int_as_float)).then(|| (kind.name(), found))
}

/// A value as errors repeat it; one of more than 64 kB is not.
fn brief(value: &Value) -> Value {
    fn weigh(value: &Value, left: &mut usize) {
        let own = match value {
            Value::String(text) => text.len(),
            Value::Array(items) => items
                .iter()
                .take_while(|item| {
                    weigh(item, left);
                    *left > 0
                })
                .count(),
            Value::Object(map) => map
                .iter()
                .take_while(|(key, value)| {
                    *left = left.saturating_sub(key.len());
                    weigh(value, left);
                    *left > 0
                })
                .count(),
            _ => 8,
        };
        *left = left.saturating_sub(own);
    }
    let mut left = 64 << 10;
    weigh(value, &mut left);
    if left > 0 { value.clone() } else { "<value omitted>".into() }
}

fn length(text: &str) -> i64 {
    text.chars().count() as i64
}

fn all_unique(items: &[Value]) -> bool {
    let mut seen = HashSet::with_capacity(items.len());
    items.iter().all(|item| seen.insert(item.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_validation_without_end_ends_with_one_error() {
        // Only the last of many alternatives fits, for each of many items.
        let branches: Vec<Value> = (0..100).rev().map(|n| json!({ "minimum": n })).collect();
        let schema = json!({"type": "array", "items": {"type": "integer", "anyOf": branches}});
        let schema = Structural::compile(&schema).unwrap();
        let list = json!(vec![1; 1_000]);
        assert!(Checker::new(&schema).errors(&list, None, schema.root(), "").is_empty());
        let tired = Checker { schema: &schema, steps: Cell::new(10_000) };
        let errors = tired.errors(&list, None, schema.root(), "");
        assert_eq!(errors.len(), 1);
        assert!(errors[0].detail.contains("too many alternatives"), "{}", errors[0]);
    }
}
