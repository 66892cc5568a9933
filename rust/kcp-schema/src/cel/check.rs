//! Type checking: what type every part of an expression has, and which overloads its calls can mean.

use super::ast::{Ast, Fold, Id, Kind, Literal};
use super::declarations::{self, Function};
use super::declared::Declared;
use super::source::Issues;
use super::types::Type;
use std::collections::HashMap;
use std::sync::Arc;

/// A checked expression. The tree was rewritten on the way: qualified names became identifiers and functions.
#[derive(Debug)]
pub(crate) struct Checked {
    pub ast: Ast,
    /// By node.
    pub types: Vec<Type>,
    /// Overloads of the calls, by node.
    pub overloads: HashMap<Id, Vec<&'static str>>,
    /// Identifiers that mean types, by node.
    pub type_names: HashMap<Id, Type>,
    /// Variables of the environment that are mentioned.
    pub mentioned: Vec<Box<str>>,
}

impl Checked {
    pub(crate) fn type_of(&self, id: Id) -> &Type {
        &self.types[id as usize]
    }

    pub(crate) fn result_type(&self) -> &Type {
        self.type_of(self.ast.root)
    }
}

/// What an expression may refer to.
pub(crate) struct Environment<'e> {
    pub variables: &'e [(&'e str, Type)],
    pub declared: Option<&'e Declared<'e>>,
    /// Items of a list, and keys and values of a map, written out must be of one type.
    pub homogeneous: bool,
}

/// Checks an expression.
pub(crate) fn check(ast: Ast, environment: &Environment<'_>) -> Result<Checked, Issues> {
    let nodes = ast.nodes.len();
    let mut checker = Checker {
        environment,
        checked: Checked {
            ast,
            types: vec![Type::Error; nodes],
            overloads: HashMap::new(),
            type_names: HashMap::new(),
            mentioned: Vec::new(),
        },
        issues: Issues::default(),
        scopes: Vec::new(),
        bindings: Bindings::default(),
        variables: 0,
    };
    let root = checker.checked.ast.root;
    checker.check(root);
    let Checker { mut checked, issues, bindings, .. } = checker;
    if !issues.is_empty() {
        return Err(issues);
    }
    for ty in &mut checked.types {
        *ty = bindings.resolve(ty, true);
    }
    let issues = super::literals::check(&checked, environment.homogeneous);
    if issues.is_empty() { Ok(checked) } else { Err(issues) }
}

/// What is known of the types still to be found out.
#[derive(Default)]
struct Bindings {
    known: HashMap<u32, Type>,
    /// What the attempt that is under way changed, with what stood there before.
    trail: Vec<(u32, Option<Type>)>,
}

impl Bindings {
    /// Tries an assignment of several types; what it found out is kept only if all of them hold.
    fn attempt(&mut self, from: &[Type], to: &[Type]) -> bool {
        self.trail.clear();
        let holds = from.len() == to.len() && from.iter().zip(to).all(|(from, to)| self.assignable(from, to));
        if !holds {
            while let Some((index, before)) = self.trail.pop() {
                match before {
                    Some(ty) => self.known.insert(index, ty),
                    None => self.known.remove(&index),
                };
            }
        }
        holds
    }

    fn learn(&mut self, index: u32, ty: Type) {
        let before = self.known.insert(index, ty);
        self.trail.push((index, before));
    }

    /// A type with everything known put in its place; what stays unknown becomes dynamic if asked.
    fn resolve(&self, ty: &Type, to_dyn: bool) -> Type {
        match ty {
            Type::Var(index) => match self.known.get(index) {
                Some(known) => self.resolve(known, to_dyn),
                None if to_dyn => Type::Dyn,
                None => ty.clone(),
            },
            Type::List(item) => self.resolve(item, to_dyn).list(),
            Type::Map(pair) => Type::map(self.resolve(&pair.0, to_dyn), self.resolve(&pair.1, to_dyn)),
            Type::Optional(inner) => self.resolve(inner, to_dyn).optional(),
            Type::Kind(Some(of)) => Type::Kind(Some(Arc::new(self.resolve(of, to_dyn)))),
            other => other.clone(),
        }
    }

    /// Whether one type can stand where the other is asked for; finds out types on the way.
    fn assignable(&mut self, from: &Type, to: &Type) -> bool {
        if matches!(to, Type::Var(_)) {
            let (valid, is_bound) = self.substitute(from, to);
            if valid || is_bound {
                return valid;
            }
        }
        if matches!(from, Type::Var(_)) {
            return self.substitute(to, from).0;
        }
        if from.is_dyn_or_error() || to.is_dyn_or_error() {
            return true;
        }
        match (from, to) {
            (Type::Null, other) | (other, Type::Null) => other.is_nullable(),
            (Type::Kind(_), Type::Kind(_)) => true,
            (Type::List(a), Type::List(b)) | (Type::Optional(a), Type::Optional(b)) => self.assignable(a, b),
            (Type::Map(a), Type::Map(b)) => self.assignable(&a.0, &b.0) && self.assignable(&a.1, &b.1),
            (from, to) => from == to,
        }
    }

    /// Whether `ty` can be what the variable stands for, and whether that was known already.
    fn substitute(&mut self, ty: &Type, variable: &Type) -> (bool, bool) {
        if ty == variable {
            return (true, true);
        }
        let Type::Var(index) = variable else { return (false, false) };
        if let Some(known) = self.known.get(index).cloned() {
            if *ty == known {
                return (true, true);
            }
            if self.assignable(ty, &known) {
                let general = if at_least_as_general(ty, &known) { ty.clone() } else { known };
                if !self.occurs(variable, &general) {
                    self.learn(*index, general);
                }
                return (true, true);
            }
            return (false, true);
        }
        if self.occurs(variable, ty) {
            return (false, false);
        }
        self.learn(*index, ty.clone());
        (true, false)
    }

    fn occurs(&self, variable: &Type, within: &Type) -> bool {
        if variable == within {
            return true;
        }
        match within {
            Type::Var(index) => self.known.get(index).is_some_and(|known| self.occurs(variable, known)),
            Type::List(inner) | Type::Optional(inner) | Type::Kind(Some(inner)) => self.occurs(variable, inner),
            Type::Map(pair) => self.occurs(variable, &pair.0) || self.occurs(variable, &pair.1),
            _ => false,
        }
    }
}

fn at_least_as_general(a: &Type, b: &Type) -> bool {
    match (a, b) {
        (Type::Dyn | Type::Var(_), _) => true,
        (_, Type::Dyn | Type::Var(_)) => false,
        (Type::List(a), Type::List(b)) | (Type::Optional(a), Type::Optional(b)) => at_least_as_general(a, b),
        (Type::Map(a), Type::Map(b)) => at_least_as_general(&a.0, &b.0) && at_least_as_general(&a.1, &b.1),
        (Type::Kind(_), Type::Kind(_)) => true,
        (a, b) => a == b,
    }
}

struct Checker<'e> {
    environment: &'e Environment<'e>,
    checked: Checked,
    issues: Issues,
    /// Variables of the comprehensions around, innermost last.
    scopes: Vec<(Box<str>, Type)>,
    bindings: Bindings,
    variables: u32,
}

impl Checker<'_> {
    fn report(&mut self, id: Id, message: String) {
        let at = self.checked.ast.at(id);
        self.issues.add(Some(at), message);
    }

    fn set(&mut self, id: Id, ty: Type) {
        self.checked.types[id as usize] = ty;
    }

    fn get(&self, id: Id) -> Type {
        self.checked.types[id as usize].clone()
    }

    fn fresh(&mut self) -> Type {
        self.variables += 1;
        Type::Var(self.variables - 1)
    }

    fn resolved(&self, ty: &Type) -> Type {
        self.bindings.resolve(ty, false)
    }

    /// Tries an assignment; what it found out is kept only if it holds.
    fn assignable(&mut self, from: &Type, to: &Type) -> bool {
        self.bindings.attempt(std::slice::from_ref(from), std::slice::from_ref(to))
    }

    fn check(&mut self, id: Id) {
        match self.checked.ast.kind(id).clone() {
            Kind::Literal(literal) => {
                let ty = match literal {
                    Literal::Null => Type::Null,
                    Literal::Bool(_) => Type::Bool,
                    Literal::Int(_) => Type::Int,
                    Literal::Uint(_) => Type::Uint,
                    Literal::Double(_) => Type::Double,
                    Literal::Text(_) => Type::String,
                    Literal::Bytes(_) => Type::Bytes,
                };
                self.set(id, ty);
            }
            Kind::Ident(name) => {
                if !self.ident(id, &name) {
                    self.undeclared(id, &name);
                }
            }
            Kind::Select { operand, field, test } => self.select(id, operand, &field, test),
            Kind::Call { function, target, args } => self.call(id, &function, target, &args),
            Kind::List { items, optional } => self.list(id, &items, &optional),
            Kind::Map(entries) => {
                let (mut key, mut value) = (None, None);
                for entry in &entries {
                    self.check(entry.key);
                    let found = self.get(entry.key);
                    key = Some(self.join(key, found));
                    self.check(entry.value);
                    let found = self.element(entry.value, entry.optional);
                    value = Some(self.join(value, found));
                }
                let key = key.unwrap_or_else(|| self.fresh());
                let value = value.unwrap_or_else(|| self.fresh());
                self.set(id, Type::map(key, value));
            }
            Kind::Struct { name, fields } => {
                let name = name.trim_start_matches('.');
                match declarations::type_named(name) {
                    None => self.undeclared(id, name),
                    Some(ty) => {
                        let message = format!("'{ty}' is not a message type");
                        self.report(id, message);
                    }
                }
                for field in &fields {
                    self.check(*field);
                }
            }
            Kind::Fold(fold) => self.fold(id, &fold),
        }
    }

    fn undeclared(&mut self, id: Id, name: &str) {
        self.set(id, Type::Error);
        self.report(id, format!("undeclared reference to '{name}' (in container '')"));
    }

    /// Resolves a name to a variable or a type.
    fn ident(&mut self, id: Id, name: &str) -> bool {
        // A dot in front skips the variables of comprehensions.
        let (absolute, name) = match name.strip_prefix('.') {
            Some(rest) => (true, rest),
            None => (false, name),
        };
        if !absolute && let Some((_, ty)) = self.scopes.iter().rev().find(|(variable, _)| **variable == *name) {
            let ty = ty.clone();
            self.set(id, ty);
            return true;
        }
        if let Some((_, ty)) = self.environment.variables.iter().find(|(variable, _)| *variable == name) {
            let ty = ty.clone();
            self.set(id, ty);
            self.checked.mentioned.push(name.into());
            self.checked.ast.nodes[id as usize].kind = Kind::Ident(name.into());
            return true;
        }
        if let Some(ty) = declarations::type_named(name) {
            self.set(id, Type::Kind(Some(Arc::new(ty.clone()))));
            self.checked.type_names.insert(id, ty);
            return true;
        }
        false
    }

    fn select(&mut self, id: Id, operand: Id, field: &str, test: bool) {
        if !test && let Some(name) = self.checked.ast.qualified_name(id) {
            let root = name.split('.').next().unwrap_or_default();
            // A variable of a comprehension hides whatever else its name begins.
            let hidden = self.scopes.iter().any(|(variable, _)| **variable == *root);
            if !hidden && self.ident(id, &name) {
                self.checked.ast.nodes[id as usize].kind = Kind::Ident(name.trim_start_matches('.').into());
                return;
            }
        }
        let ty = self.select_field(id, operand, field, false);
        let ty = if test { Type::Bool } else { self.resolved(&ty) };
        self.set(id, ty);
    }

    fn select_field(&mut self, id: Id, operand: Id, field: &str, optional: bool) -> Type {
        self.check(operand);
        let operand_type = self.resolved(&self.get(operand));
        let (target, is_optional) = operand_type.unwrap_optional();
        let result = match &target {
            Type::Map(pair) => pair.1.clone(),
            Type::Object(object) => {
                let found = self.environment.declared.and_then(|declared| declared.field_type(object, field));
                found.unwrap_or_else(|| {
                    self.report(id, format!("undefined field '{field}'"));
                    Type::Error
                })
            }
            Type::Named(name) if !matches!(*name, declarations::IP | declarations::CIDR) => {
                self.report(id, format!("undefined field '{field}'"));
                Type::Error
            }
            Type::Var(_) => {
                self.assignable(&Type::Dyn, &target);
                Type::Dyn
            }
            Type::Dyn | Type::Error => Type::Dyn,
            other => {
                self.report(id, format!("type '{other}' does not support field selection"));
                Type::Dyn
            }
        };
        if is_optional || optional { result.optional() } else { result }
    }

    fn call(&mut self, id: Id, function: &str, target: Option<Id>, args: &[Id]) {
        if function == "_?._" {
            let [operand, field] = args else {
                let message = format!(
                    "unsupported optional field selection: incorrect signature. argument count: {}",
                    args.len()
                );
                return self.report(id, message);
            };
            let Kind::Literal(Literal::Text(field)) = self.checked.ast.kind(*field).clone() else {
                return self.report(*field, "unsupported optional field selection".to_owned());
            };
            let ty = self.select_field(id, *operand, &field, true);
            let ty = self.resolved(&ty);
            self.set(args[1], Type::String);
            self.set(id, ty);
            self.checked.overloads.insert(id, vec!["select_optional_field"]);
            return;
        }
        for arg in args {
            self.check(*arg);
        }
        let Some(target_id) = target else {
            return match declarations::function(function.trim_start_matches('.')) {
                Some(found) => self.overload(id, found, None, args),
                None => self.undeclared(id, function),
            };
        };
        if let Some(prefix) = self.checked.ast.qualified_name(target_id)
            && let Some(found) = declarations::function(&format!("{}.{function}", prefix.trim_start_matches('.')))
        {
            let kind = Kind::Call { function: found.name.as_str().into(), target: None, args: args.into() };
            self.checked.ast.nodes[id as usize].kind = kind;
            return self.overload(id, found, None, args);
        }
        self.check(target_id);
        match declarations::function(function) {
            Some(found) => self.overload(id, found, Some(target_id), args),
            None => self.undeclared(id, function),
        }
    }

    fn overload(&mut self, id: Id, function: &'static Function, target: Option<Id>, args: &[Id]) {
        let arg_types: Vec<Type> = target.iter().chain(args).map(|arg| self.get(*arg)).collect();
        if matches!(function.name.as_str(), "_&&_" | "_||_") {
            return self.logical(id, function, args, &arg_types);
        }
        let mut result: Option<Type> = None;
        let mut found = Vec::new();
        for overload in &function.overloads {
            if overload.is_member != target.is_some() {
                continue;
            }
            let fresh: Vec<(char, Type)> = overload.letters.iter().map(|letter| (*letter, self.fresh())).collect();
            let params: Vec<Type> = overload.params.iter().map(|ty| instantiate(ty, &fresh)).collect();
            if !self.bindings.attempt(&arg_types, &params) {
                continue;
            }
            found.push(overload.id.as_str());
            let ty = self.resolved(&instantiate(&overload.result, &fresh));
            result = Some(match result {
                None => ty,
                Some(Type::Dyn) => Type::Dyn,
                Some(known) if known == ty => known,
                Some(_) => Type::Dyn,
            });
        }
        match result {
            Some(ty) => {
                self.set(id, ty);
                self.checked.overloads.insert(id, found);
            }
            None => {
                self.set(id, Type::Error);
                let types: Vec<String> =
                    arg_types.iter().map(|ty| self.bindings.resolve(ty, true).to_string()).collect();
                let signature = match (target, types.split_first()) {
                    (Some(_), Some((target, args))) => format!("{target}.({})", args.join(", ")),
                    _ => format!("({})", types.join(", ")),
                };
                self.report(id, format!("found no matching overload for '{}' applied to '{signature}'", function.name));
            }
        }
    }

    fn logical(&mut self, id: Id, function: &'static Function, args: &[Id], types: &[Type]) {
        let mut wrong = false;
        for (arg, ty) in args.iter().zip(types) {
            if !self.assignable(ty, &Type::Bool) {
                wrong = true;
                self.report(*arg, format!("expected type 'bool' but found '{ty}'"));
            }
        }
        self.set(id, if wrong { Type::Error } else { Type::Bool });
        if let Some(overload) = function.overloads.first() {
            self.checked.overloads.insert(id, vec![overload.id.as_str()]);
        }
    }

    /// The type of an item or a value; of an optional one, what is inside.
    fn element(&mut self, id: Id, optional: bool) -> Type {
        let ty = self.get(id);
        if !optional {
            return ty;
        }
        let (inner, is_optional) = ty.unwrap_optional();
        if !is_optional && !matches!(inner, Type::Dyn) {
            let expected = inner.clone().optional();
            self.report(id, format!("expected type '{expected}' but found '{inner}'"));
        }
        inner
    }

    fn list(&mut self, id: Id, items: &[Id], optional: &[usize]) {
        let mut joined = None;
        for (index, item) in items.iter().enumerate() {
            self.check(*item);
            let ty = self.element(*item, optional.contains(&index));
            joined = Some(self.join(joined, ty));
        }
        let item = joined.unwrap_or_else(|| self.fresh());
        self.set(id, item.list());
    }

    fn join(&mut self, previous: Option<Type>, current: Type) -> Type {
        let Some(previous) = previous else { return current };
        if self.assignable(&previous, &current) {
            return if at_least_as_general(&previous, &current) { previous } else { current };
        }
        // That they differ is told later: what is formatted may be of any type.
        Type::Dyn
    }

    fn fold(&mut self, id: Id, fold: &Fold) {
        self.check(fold.range);
        self.check(fold.init);
        let range = self.resolved(&self.get(fold.range));
        let accu = self.get(fold.init);
        let (first, second) = match &range {
            Type::List(item) if fold.var2.is_some() => (Type::Int, (**item).clone()),
            Type::List(item) => ((**item).clone(), Type::Error),
            Type::Map(pair) => (pair.0.clone(), pair.1.clone()),
            Type::Dyn | Type::Error | Type::Var(_) => {
                self.assignable(&Type::Dyn, &range);
                (Type::Dyn, Type::Dyn)
            }
            other => {
                let message = format!(
                    "expression of type '{other}' cannot be range of a comprehension (must be list, map, or dynamic)"
                );
                self.report(fold.range, message);
                (Type::Error, Type::Error)
            }
        };
        let depth = self.scopes.len();
        self.scopes.push((fold.accu.clone(), accu.clone()));
        let loop_depth = self.scopes.len();
        self.scopes.push((fold.var.clone(), first));
        if let Some(var2) = &fold.var2 {
            self.scopes.push((var2.clone(), second));
        }
        self.check(fold.condition);
        self.expect(fold.condition, &Type::Bool);
        self.check(fold.step);
        self.expect(fold.step, &accu);
        self.scopes.truncate(loop_depth);
        self.check(fold.result);
        self.scopes.truncate(depth);
        let ty = self.resolved(&self.get(fold.result));
        self.set(id, ty);
    }

    fn expect(&mut self, id: Id, expected: &Type) {
        let found = self.get(id);
        if !self.assignable(expected, &found) {
            self.report(id, format!("expected type '{expected}' but found '{found}'"));
        }
    }
}

/// A declared type with fresh variables for its letters.
fn instantiate(ty: &Type, fresh: &[(char, Type)]) -> Type {
    match ty {
        Type::Param(letter) => {
            fresh.iter().find(|(other, _)| other == letter).map_or(Type::Dyn, |(_, variable)| variable.clone())
        }
        Type::List(item) => instantiate(item, fresh).list(),
        Type::Map(pair) => Type::map(instantiate(&pair.0, fresh), instantiate(&pair.1, fresh)),
        Type::Optional(inner) => instantiate(inner, fresh).optional(),
        Type::Kind(Some(of)) => Type::Kind(Some(Arc::new(instantiate(of, fresh)))),
        other => other.clone(),
    }
}
