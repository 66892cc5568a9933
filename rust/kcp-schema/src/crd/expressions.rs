//! The expressions of `x-kubernetes-validations`: whether they compile, what they refer to, what they may cost.

use super::printed;
use crate::cel::declared::{Declared, Place};
use crate::cel::rules::{self, Compiled};
use crate::fault;
use crate::path::At;
use crate::props::Props;
use crate::structural::Structural;
use kcp_apimachinery::field::{BadValue, Error, ErrorType};

/// Most that one expression may cost, and all of a schema together.
const EXPRESSION_LIMIT: u64 = 10_000_000;
const SCHEMA_LIMIT: u64 = 100_000_000;
/// How many of the most expensive expressions are named when the sum is too much.
const NAMED: usize = 4;

/// Most rules of one schema, and most text in them: compiling takes about a millisecond for each rule, and more for long
/// ones.
const MAX_RULES: usize = 2_000;
const MAX_TEXT: usize = 300_000;

/// The check of one schema's expressions.
pub(super) struct Expressions<'s> {
    schema: &'s Structural,
    declared: Declared<'s>,
    /// Expressions of a schema that did not change may cost what they cost.
    lenient: bool,
    rules: usize,
    text: usize,
    total: u64,
    expensive: Vec<(String, u64)>,
    /// Errors found, told after those of the schema.
    pub errors: Vec<Error>,
}

/// Where a walk over the schema is.
#[derive(Clone)]
pub(super) struct Position {
    node: u32,
    place: Place,
    /// Most values there can be here, if lists and maps around are bounded.
    cardinality: Option<u64>,
    /// The part around it whose old and new items do not correspond.
    uncorrelatable: Option<String>,
}

impl<'s> Expressions<'s> {
    pub(super) fn new(schema: &'s Structural, lenient: bool) -> Expressions<'s> {
        let declared = Declared::new(schema);
        Expressions {
            schema,
            declared,
            lenient,
            rules: 0,
            text: 0,
            total: 0,
            expensive: Vec::new(),
            errors: Vec::new(),
        }
    }

    pub(super) fn root(&self) -> Position {
        let node = self.schema.root_index();
        Position { node, place: Place::Root(node), cardinality: Some(1), uncorrelatable: None }
    }

    pub(super) fn property(&self, from: &Position, s: &Props<'_>, name: &str) -> Option<Position> {
        let node = self.schema.property_index(self.schema.node(from.node), name)?;
        Some(self.below(from, s, node, from.uncorrelatable.clone()))
    }

    pub(super) fn values(&self, from: &Position, s: &Props<'_>) -> Option<Position> {
        let node = self.schema.additional_index(self.schema.node(from.node))?;
        Some(self.below(from, s, node, from.uncorrelatable.clone()))
    }

    pub(super) fn items(&self, from: &Position, s: &Props<'_>, at: &At<'_>) -> Option<Position> {
        let node = self.schema.items_index(self.schema.node(from.node))?;
        // The outermost such part is the one that is named.
        let own = (s.list_type != Some("map")).then(|| at.to_string());
        let uncorrelatable = from.uncorrelatable.clone().or(own);
        Some(self.below(from, s, node, uncorrelatable))
    }

    fn below(&self, from: &Position, s: &Props<'_>, node: u32, uncorrelatable: Option<String>) -> Position {
        let bound = |max: Option<i64>| max.map(|max| u64::try_from(max).unwrap_or_default());
        let most = match s.kind {
            "object" if s.extra.is_some() => bound(s.max_properties),
            "array" => bound(s.max_items),
            _ => Some(1),
        };
        let cardinality = from.cardinality.zip(most).map(|(a, b)| a.saturating_mul(b));
        Position { node, place: self.schema.place(node), cardinality, uncorrelatable }
    }

    /// Checks the expressions of one node.
    pub(super) fn check(&mut self, position: &Position, s: &Props<'_>, at: &At<'_>) {
        let written = s.validations.map(Vec::as_slice).unwrap_or_default();
        if written.is_empty() {
            return;
        }
        let list = at.child("x-kubernetes-validations");
        if self.rules > MAX_RULES || self.text > MAX_TEXT {
            return;
        }
        self.rules += written.len();
        let lengths =
            written.iter().flat_map(|rule| ["rule", "messageExpression"].map(|key| super::text(rule, key).len()));
        self.text += lengths.sum::<usize>();
        if self.rules > MAX_RULES || self.text > MAX_TEXT {
            let detail =
                format!("must not have more than {MAX_RULES} rules or {MAX_TEXT} bytes of expressions in a schema");
            self.errors.push(fault::forbidden(&list, &detail));
            return;
        }
        if self.declared.size(position.place).is_none() {
            let detail = "internal error: failed to construct type information for x-kubernetes-validations rules: \
                          unable to convert structural schema to CEL declarations";
            let (ty, field) = (ErrorType::Internal, list.to_string());
            self.errors.push(Error { ty, field, bad_value: BadValue::Omitted, detail: detail.to_owned() });
            return;
        }
        let schema = self.schema;
        let compiled = schema.compiled_rules(position.node);
        for ((index, rule), compiled) in written.iter().enumerate().zip(compiled) {
            let at = list.index(index);
            let rule_at = at.child("rule");
            let often = match position.cardinality {
                Some(often) => often,
                None => rules::max_cardinality(&self.declared, position.place),
            };
            self.cost("estimated rule cost", compiled.max_cost.saturating_mul(often), &rule_at);
            if let Some(error) = &compiled.error {
                self.errors.push(fault::invalid_printed(&rule_at, printed::rule(rule), error));
            }
            let message_at = at.child("messageExpression");
            if let Some(error) = &compiled.message_error {
                self.errors.push(fault::invalid_printed(&message_at, printed::rule(rule), error));
            } else if compiled.message.is_some() {
                self.cost("estimated messageExpression cost", compiled.message_max_cost, &message_at);
            }
            self.old_self(position, rule, compiled, &at);
        }
    }

    fn old_self(&mut self, position: &Position, rule: &serde_json::Value, compiled: &Compiled, at: &At<'_>) {
        let optional = rule.get("optionalOldSelf").filter(|value| value.is_boolean());
        if compiled.uses_old_self {
            if let Some(within) = &position.uncorrelatable {
                let detail =
                    format!("oldSelf cannot be used on the uncorrelatable portion of the schema within {within}");
                self.errors.push(fault::invalid_text(&at.child("rule"), super::text(rule, "rule"), &detail));
            }
        } else if let Some(value) = optional {
            let detail = "may not be set if oldSelf is not used in rule";
            self.errors.push(fault::invalid(&at.child("optionalOldSelf"), value, detail));
        }
    }

    fn cost(&mut self, what: &str, cost: u64, at: &At<'_>) {
        if cost > EXPRESSION_LIMIT && !self.lenient {
            self.errors.push(fault::forbidden(at, &too_expensive(what, cost, EXPRESSION_LIMIT)));
        }
        self.total = self.total.saturating_add(cost);
        if cost >= SCHEMA_LIMIT / 100 {
            self.expensive.push((at.to_string(), cost));
            self.expensive.sort_by_key(|(_, cost)| std::cmp::Reverse(*cost));
            self.expensive.truncate(NAMED);
        }
    }

    /// What is wrong with all of them together.
    pub(super) fn total_errors(&self, at: &At<'_>) -> Vec<Error> {
        if self.total <= SCHEMA_LIMIT {
            return Vec::new();
        }
        let detail = "contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema";
        let mut errors: Vec<Error> = self.expensive.iter().map(|(path, _)| fault::forbidden(path, detail)).collect();
        let what = "x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema";
        errors.push(fault::forbidden(at, &too_expensive(what, self.total, SCHEMA_LIMIT)));
        errors
    }
}

fn too_expensive(what: &str, cost: u64, limit: u64) -> String {
    let times = cost as f64 / limit as f64;
    let factor = if times > 100.0 {
        "more than 100x".to_owned()
    } else if times < 1.5 {
        format!("{times:.6}x")
    } else {
        format!("{times:.1}x")
    };
    format!(
        "{what} exceeds budget by factor of {factor} (try simplifying the rule, or adding maxItems, maxProperties, and \
         maxLength where arrays, maps, and strings are declared)"
    )
}
