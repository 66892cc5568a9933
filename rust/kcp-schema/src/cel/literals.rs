//! What can be seen to be wrong once types are known: literals that no run could use.

use super::ast::{Ast, Id, Kind, Literal};
use super::check::Checked;
use super::functions::text_format;
use super::source::Issues;
use super::times;
use super::types::Type;
use crate::pattern;

/// Durations, timestamps and patterns that are written out must be valid; lists and maps of one type.
pub(super) fn check(checked: &Checked, homogeneous: bool) -> Issues {
    let mut issues = Issues::default();
    let mut visit = Visit { checked, issues: &mut issues, homogeneous };
    let calls = ["duration", "timestamp", "matches"].map(Look::Calls);
    for kind in calls.into_iter().chain([Look::Aggregates, Look::Formats]) {
        visit.walk(checked.ast.root, &kind, false);
    }
    issues
}

enum Look {
    Calls(&'static str),
    Aggregates,
    Formats,
}

struct Visit<'v> {
    checked: &'v Checked,
    issues: &'v mut Issues,
    homogeneous: bool,
}

impl Visit<'_> {
    fn ast(&self) -> &Ast {
        &self.checked.ast
    }

    fn walk(&mut self, id: Id, look: &Look, exempt: bool) {
        let mut exempt = exempt;
        match self.ast().kind(id).clone() {
            Kind::Literal(_) | Kind::Ident(_) => {}
            Kind::Select { operand, .. } => self.walk(operand, look, exempt),
            Kind::Call { function, target, args } => {
                exempt = exempt || &*function == "format";
                if let (Look::Calls(name), Some(arg)) = (look, args.first())
                    && *name == &*function
                {
                    self.argument(name, *arg);
                }
                if let (Look::Formats, "format", Some(target), [list]) = (look, &*function, target, &*args) {
                    self.format(id, target, *list);
                }
                target.iter().chain(&args).for_each(|part| self.walk(*part, look, exempt));
            }
            Kind::List { items, optional } => {
                if matches!(look, Look::Aggregates) && self.homogeneous && !exempt {
                    let mut first: Option<Type> = None;
                    for (index, item) in items.iter().enumerate() {
                        let mut ty = self.checked.type_of(*item).clone();
                        if optional.contains(&index) {
                            ty = ty.unwrap_optional().0;
                        }
                        if !self.agrees(*item, &mut first, ty) {
                            break;
                        }
                    }
                }
                items.iter().for_each(|item| self.walk(*item, look, exempt));
            }
            Kind::Map(entries) => {
                if matches!(look, Look::Aggregates) && self.homogeneous && !exempt {
                    let (mut key, mut value) = (None, None);
                    for entry in &entries {
                        self.agrees(entry.key, &mut key, self.checked.type_of(entry.key).clone());
                        let mut ty = self.checked.type_of(entry.value).clone();
                        if entry.optional {
                            ty = ty.unwrap_optional().0;
                        }
                        self.agrees(entry.value, &mut value, ty);
                    }
                }
                for entry in &entries {
                    self.walk(entry.key, look, exempt);
                    self.walk(entry.value, look, exempt);
                }
            }
            Kind::Struct { fields, .. } => fields.iter().for_each(|field| self.walk(*field, look, exempt)),
            Kind::Fold(fold) => {
                for part in [fold.range, fold.init, fold.condition, fold.step, fold.result] {
                    self.walk(part, look, exempt);
                }
            }
        }
    }

    /// Whether an element has the type of the first one.
    fn agrees(&mut self, id: Id, first: &mut Option<Type>, ty: Type) -> bool {
        match first {
            None => *first = Some(ty),
            Some(first) if *first != ty => {
                let at = self.ast().at(id);
                self.issues.add(Some(at), format!("expected type '{first}' but found '{ty}'"));
                return false;
            }
            Some(_) => {}
        }
        true
    }

    /// A text to be formatted and a list, both written out: clauses and items must go together.
    fn format(&mut self, id: Id, text: Id, list: Id) {
        let (Kind::Literal(Literal::Text(text)), Kind::List { items, .. }) =
            (self.ast().kind(text).clone(), self.ast().kind(list).clone())
        else {
            return;
        };
        let mut next = 0;
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            if c != '%' {
                continue;
            }
            let clause = match text_format::clause(&mut chars) {
                Ok(clause) if clause.verb == '%' => continue,
                Ok(clause) => clause,
                Err(error) => return self.report(id, error.to_string()),
            };
            let Some(item) = items.get(next) else {
                return self.report(id, format!("index {next} out of range"));
            };
            next += 1;
            if let Some((at, message)) = self.unfit(clause.verb, *item) {
                return self.report(at, message);
            }
        }
        if items.len() > next {
            let given = items.len();
            self.report(id, format!("too many arguments supplied to string.format (expected {next}, got {given})"));
        }
    }

    /// Why an item cannot stand for a clause, and which part of it.
    fn unfit(&self, verb: char, item: Id) -> Option<(Id, String)> {
        let ty = self.checked.type_of(item);
        let fits = match verb {
            's' => {
                let inner: Vec<Id> = match self.ast().kind(item) {
                    Kind::List { items, .. } => items.to_vec(),
                    Kind::Map(entries) => entries.iter().flat_map(|entry| [entry.key, entry.value]).collect(),
                    _ => Vec::new(),
                };
                if let Some(found) = inner.into_iter().find_map(|inner| self.unfit('s', inner)) {
                    return Some(found);
                }
                !matches!(ty, Type::Named(_) | Type::Object(_) | Type::Optional(_))
            }
            'd' | 'o' => matches!(ty, Type::Int | Type::Uint),
            'f' | 'e' => matches!(ty, Type::Double | Type::String),
            'b' => matches!(ty, Type::Int | Type::Uint | Type::Bool),
            _ => matches!(ty, Type::Int | Type::Uint | Type::String | Type::Bytes),
        };
        let given = match ty {
            Type::List(_) => "list".to_owned(),
            Type::Map(_) => "map".to_owned(),
            Type::Optional(_) => "optional_type".to_owned(),
            Type::Null => "null_type".to_owned(),
            Type::Duration => "google.protobuf.Duration".to_owned(),
            Type::Timestamp => "google.protobuf.Timestamp".to_owned(),
            other => other.to_string(),
        };
        let fits = fits || matches!(ty, Type::Dyn);
        (!fits).then(|| (item, text_format::unfit(verb, &given).to_string()))
    }

    fn report(&mut self, id: Id, message: String) {
        let at = self.ast().at(id);
        self.issues.add(Some(at), message);
    }

    fn argument(&mut self, function: &str, arg: Id) {
        let Kind::Literal(literal) = self.ast().kind(arg) else { return };
        let valid = match (function, literal) {
            ("duration", Literal::Text(text)) => times::parse_duration(text).is_some(),
            ("timestamp", Literal::Text(text)) => times::parse_timestamp(text).is_some(),
            ("timestamp", Literal::Int(seconds)) => times::in_range(i128::from(*seconds) * 1_000_000_000).is_ok(),
            ("matches", Literal::Text(source)) => pattern::compile(source).is_ok(),
            _ => true,
        };
        if !valid {
            let at = self.ast().at(arg);
            self.issues.add(Some(at), format!("invalid {function} argument"));
        }
    }
}
