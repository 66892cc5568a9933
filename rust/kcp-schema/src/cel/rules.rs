//! The rules of a schema: what was written, and what it compiles to.

use super::ast;
use super::check::{self, Environment};
use super::declared::{Declared, MAX_REQUEST, Place};
use super::estimate;
use super::program::Program;
use super::source::Issues;
use super::types::Type;
use crate::structural::{Kind, Structural};
use serde_json::Value;
use std::fmt;

/// The variables of rules, in the order in which programs take them.
pub(crate) const VARIABLES: [&str; 2] = ["self", "oldSelf"];

/// One entry of `x-kubernetes-validations`.
#[derive(Clone, Debug, Default)]
pub(crate) struct RuleText {
    pub rule: Box<str>,
    pub message: Box<str>,
    pub message_expression: Box<str>,
    pub reason: Option<Box<str>>,
    pub field_path: Box<str>,
    pub optional_old_self: Option<bool>,
}

impl RuleText {
    pub(crate) fn parse(rule: &Value) -> RuleText {
        let text = |key: &str| rule.get(key).and_then(Value::as_str).unwrap_or_default().into();
        RuleText {
            rule: text("rule"),
            message: text("message"),
            message_expression: text("messageExpression"),
            reason: rule.get("reason").and_then(Value::as_str).map(Into::into),
            field_path: text("fieldPath"),
            optional_old_self: rule.get("optionalOldSelf").and_then(Value::as_bool),
        }
    }

    /// What failures say: the message, or the rule itself.
    pub(crate) fn shown(&self) -> &str {
        if self.message.is_empty() { self.rule.trim() } else { self.message.trim() }
    }
}

/// A rule ready to run, or why it is not.
#[derive(Default)]
pub(crate) struct Compiled {
    pub program: Option<Program>,
    /// What keeps the rule from compiling.
    pub error: Option<String>,
    pub uses_old_self: bool,
    /// Worst cost of one run.
    pub max_cost: u64,
    pub message: Option<Program>,
    pub message_error: Option<String>,
    pub message_max_cost: u64,
    /// The path that failures name below the rule's own.
    pub field_path: String,
}

impl fmt::Debug for Compiled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compiled").field("error", &self.error).field("max_cost", &self.max_cost).finish_non_exhaustive()
    }
}

/// Most often that a value of a place can occur in one request.
pub(crate) fn max_cardinality(declared: &Declared<'_>, place: Place) -> u64 {
    let least = declared.size(place).map_or(0, |size| size.min_bytes);
    (MAX_REQUEST / (least + 1)) as u64
}

/// Compiles the rules of a node. Nothing comes out for a place that rules cannot see.
pub(crate) fn compile(schema: &Structural, node: u32) -> Vec<Compiled> {
    let declared = Declared::new(schema);
    let place = schema.place(node);
    let Some(ty) = declared.type_of(place, "selfType") else { return Vec::new() };
    schema
        .rule_texts(schema.node(node))
        .iter()
        .map(|text| if text.rule.trim().is_empty() { Compiled::default() } else { one(text, &declared, place, &ty) })
        .collect()
}

fn one(text: &RuleText, declared: &Declared<'_>, place: Place, ty: &Type) -> Compiled {
    let optional = text.optional_old_self == Some(true);
    let old = if optional { ty.clone().optional() } else { ty.clone() };
    let variables = [(VARIABLES[0], ty.clone()), (VARIABLES[1], old)];
    let environment = Environment { variables: &variables, declared: Some(declared), homogeneous: true };
    let mut compiled = Compiled::default();
    match expression(&text.rule, &environment, place) {
        Err(failure) => {
            compiled.error = Some(failure.detail("compilation", "program instantiation"));
            return compiled;
        }
        Ok(rule) => {
            if rule.result != Type::Bool {
                compiled.error = Some("cel expression must evaluate to a bool".to_owned());
                return compiled;
            }
            compiled.uses_old_self = rule.uses_old_self;
            compiled.max_cost = rule.cost;
            compiled.program = Some(rule.program);
        }
    }
    if !text.message_expression.is_empty() {
        match expression(&text.message_expression, &environment, place) {
            Err(failure) => {
                let detail = failure.detail("messageExpression compilation", "messageExpression instantiation");
                compiled.message_error = Some(detail);
                return compiled;
            }
            Ok(message) if message.result != Type::String => {
                compiled.message_error = Some("messageExpression must evaluate to a string".to_owned());
                return compiled;
            }
            Ok(message) => {
                compiled.message_max_cost = message.cost;
                compiled.message = Some(message.program);
            }
        }
    }
    let node = match place {
        Place::Node(node) | Place::Root(node) => Some(node),
        _ => None,
    };
    compiled.field_path =
        node.and_then(|node| field_path(declared.schema(), node, &text.field_path)).unwrap_or_default();
    compiled
}

struct Expression {
    program: Program,
    result: Type,
    uses_old_self: bool,
    cost: u64,
}

enum Failure {
    Compilation(String),
    Instantiation(String),
}

impl Failure {
    fn detail(self, compilation: &str, instantiation: &str) -> String {
        match self {
            Failure::Compilation(issues) => format!("{compilation} failed: {issues}"),
            Failure::Instantiation(reason) => format!("{instantiation} failed: {reason}"),
        }
    }
}

fn expression(source: &str, environment: &Environment<'_>, place: Place) -> Result<Expression, Failure> {
    let wrong = |issues: Issues| Failure::Compilation(issues.render(source));
    let ast = ast::parse(source).map_err(wrong)?;
    let checked = check::check(ast, environment).map_err(wrong)?;
    let program = Program::new(&checked, &VARIABLES).map_err(Failure::Instantiation)?;
    Ok(Expression {
        result: checked.result_type().clone(),
        uses_old_self: checked.mentioned.iter().any(|name| **name == *VARIABLES[1]),
        cost: estimate::estimate(&checked, environment.declared, place).max,
        program,
    })
}

/// A rule's field path as failures print it.
fn field_path(schema: &Structural, mut node: u32, path: &str) -> Option<String> {
    let mut out = String::new();
    let mut tokens = crate::crd::path_tokens(path).into_iter();
    while let Some(token) = tokens.next() {
        let name = match token {
            "." => tokens.next()?.to_owned(),
            "[" => {
                let quoted = tokens.next()?.strip_prefix('\'')?.strip_suffix('\'')?;
                tokens.next().filter(|token| *token == "]")?;
                quoted.replace("\\'", "'").replace("\\\\", "\\")
            }
            _ => return None,
        };
        if schema.node(node).has_fields() {
            node = schema.property_index(schema.node(node), &name)?;
            if !out.is_empty() {
                out.push('.');
            }
            out.push_str(&name);
        } else {
            node = schema.additional_index(schema.node(node))?;
            out.push_str(&format!("[{name}]"));
        }
    }
    Some(out)
}

/// What failures give as the value when it has none of its own: the type.
pub(crate) fn type_word(schema: &Structural, node: u32) -> &'static str {
    match schema.node(node).kind {
        Kind::IntOrString | Kind::Untyped => "",
        kind => kind.name(),
    }
}
