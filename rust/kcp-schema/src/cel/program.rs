//! A checked expression in the form that runs.

use super::ast::{Fold, Id, Kind, Literal};
use super::check::Checked;
use super::eval::{Machine, PER_CALL_LIMIT};
use super::functions::{self, Run};
use super::macros::{MAP_INSERT, RESULT};
use crate::pattern::{self, Pattern};
use std::sync::OnceLock;

/// A compiled expression. It can run any number of times, on several threads at once.
pub(crate) struct Program {
    pub(super) root: Op,
    pub(super) slots: usize,
}

/// One operation.
pub(super) enum Op {
    /// A value written out.
    Const(Literal),
    /// A type by its name.
    Type(Box<str>),
    /// A variable of the environment.
    Variable(usize),
    /// A variable of a comprehension.
    Local(usize),
    Select(Box<Op>, Box<str>),
    OptionalSelect(Box<Op>, Box<str>),
    Has(Box<Op>, Box<str>),
    Index {
        of: Box<Op>,
        key: Box<Op>,
        optional: bool,
    },
    And(Box<Op>, Box<Op>),
    Or(Box<Op>, Box<Op>),
    Choose(Box<[Op; 3]>),
    NotStrictlyFalse(Box<Op>),
    /// `a.or(b)` and, if it unwraps, `a.orValue(b)`.
    OptionalOr {
        first: Box<Op>,
        second: Box<Op>,
        unwraps: bool,
    },
    Call(Box<Call>),
    /// A list written out; one of nothing but literals is free.
    List {
        items: Box<[Op]>,
        optional: Box<[usize]>,
        is_free: bool,
    },
    Map {
        entries: Box<[(Op, Op, bool)]>,
        is_free: bool,
    },
    /// A value named for one expression.
    Bind {
        slot: usize,
        value: Box<Op>,
        body: Box<Op>,
    },
    Fold(Box<Loop>),
    /// The step of a comprehension that adds an item to the list in `slot`.
    Append {
        slot: usize,
        item: Box<Op>,
        is_free: bool,
    },
    /// The step of a comprehension that adds entries to the map in `slot`: a key and a value, or a map.
    Insert {
        slot: usize,
        entry: Box<[Op]>,
    },
}

pub(super) struct Call {
    pub name: Box<str>,
    /// The overload, if only one can be meant.
    pub overload: &'static str,
    pub run: Run,
    pub args: Box<[Op]>,
    /// What the API server works out beforehand costs nothing when it runs.
    pub is_free: bool,
    /// Whether an argument that fails ends it before the others are looked at.
    pub stops_early: bool,
    /// The pattern of a call that matches one written out, compiled when it is first needed.
    pub pattern: Option<(Box<str>, OnceLock<Option<Pattern>>)>,
}

pub(super) struct Loop {
    pub range: Op,
    pub accu: usize,
    pub var: usize,
    pub var2: Option<usize>,
    pub init: Op,
    pub condition: Op,
    pub step: Op,
    pub result: Op,
}

/// Functions that are tried beforehand on what is written out.
const CONVERSIONS: [&str; 10] =
    ["bool", "bytes", "double", "duration", "dyn", "int", "string", "timestamp", "type", "uint"];

impl Op {
    /// Whether it is known before anything runs.
    fn is_constant(&self) -> bool {
        match self {
            Op::Const(_) | Op::Type(_) => true,
            Op::List { is_free, .. } | Op::Map { is_free, .. } => *is_free,
            Op::Call(call) => call.is_free && CONVERSIONS.contains(&&*call.name),
            _ => false,
        }
    }
}

impl Op {
    /// Whether it is a list written out whose items can be looked up.
    fn is_set(&self) -> bool {
        let is_plain = |item: &Op| matches!(item, Op::Const(literal) if !matches!(literal, Literal::Bytes(_)));
        matches!(self, Op::List { items, is_free: true, .. } if items.iter().all(is_plain))
    }
}

impl Call {
    /// The pattern of the call, if it is written out and valid.
    pub(super) fn fixed_pattern(&self) -> Option<(&str, Option<&Pattern>)> {
        let (source, cell) = self.pattern.as_ref()?;
        Some((source, cell.get_or_init(|| pattern::compile(source).ok()).as_ref()))
    }
}

impl Program {
    /// Brings a checked expression into its running form. `variables` are the names of the environment, in the order
    /// in which values will be given.
    pub(crate) fn new(checked: &Checked, variables: &[&str]) -> Result<Program, String> {
        let mut lowering = Lowering { checked, variables, scope: Vec::new(), slots: 0, failure: None };
        let root = lowering.op(checked.ast.root);
        match lowering.failure {
            None => Ok(Program { root, slots: lowering.slots }),
            Some(failure) => Err(failure),
        }
    }
}

struct Lowering<'c> {
    checked: &'c Checked,
    variables: &'c [&'c str],
    scope: Vec<(Box<str>, usize)>,
    slots: usize,
    /// Why the expression cannot run, if so.
    failure: Option<String>,
}

impl Lowering<'_> {
    fn boxed(&mut self, id: Id) -> Box<Op> {
        Box::new(self.op(id))
    }

    fn slot(&mut self, name: &str) -> usize {
        self.scope.push((name.into(), self.slots));
        self.slots += 1;
        self.slots - 1
    }

    fn fail(&mut self, message: impl Into<String>) -> Op {
        self.failure.get_or_insert_with(|| message.into());
        Op::Const(Literal::Null)
    }

    fn op(&mut self, id: Id) -> Op {
        let ast = &self.checked.ast;
        match ast.kind(id) {
            Kind::Literal(literal) => Op::Const(literal.clone()),
            Kind::Ident(name) => {
                if let Some((_, slot)) = self.scope.iter().rev().find(|(local, _)| local == name) {
                    return Op::Local(*slot);
                }
                if let Some(index) = self.variables.iter().position(|variable| **variable == **name) {
                    return Op::Variable(index);
                }
                match self.checked.type_names.get(&id) {
                    Some(_) => Op::Type(name.trim_start_matches('.').into()),
                    None => self.fail("undeclared reference"),
                }
            }
            Kind::Select { operand, field, test } => {
                if self.checked.type_names.contains_key(&id) {
                    let name = ast.qualified_name(id).unwrap_or_default();
                    return Op::Type(name.into());
                }
                let operand = self.boxed(*operand);
                if *test { Op::Has(operand, field.clone()) } else { Op::Select(operand, field.clone()) }
            }
            Kind::Call { function, target, args } => self.call(id, function, *target, args),
            Kind::List { items, optional } => {
                let items: Box<[Op]> = items.iter().map(|item| self.op(*item)).collect();
                let is_free = optional.is_empty() && items.iter().all(Op::is_constant);
                Op::List { items, optional: optional.clone(), is_free }
            }
            Kind::Map(entries) => {
                let entries: Box<[(Op, Op, bool)]> =
                    entries.iter().map(|e| (self.op(e.key), self.op(e.value), e.optional)).collect();
                let is_free =
                    entries.iter().all(|(key, value, optional)| !optional && key.is_constant() && value.is_constant());
                Op::Map { entries, is_free }
            }
            Kind::Struct { .. } => self.fail("messages cannot be built"),
            Kind::Fold(fold) => self.fold(fold),
        }
    }

    fn call(&mut self, id: Id, function: &str, target: Option<Id>, args: &[Id]) -> Op {
        let all: Vec<Id> = target.into_iter().chain(args.iter().copied()).collect();
        let overloads = self.checked.overloads.get(&id).map(Vec::as_slice).unwrap_or_default();
        match (function, all.as_slice()) {
            ("_&&_", [a, b]) => Op::And(self.boxed(*a), self.boxed(*b)),
            ("_||_", [a, b]) => Op::Or(self.boxed(*a), self.boxed(*b)),
            ("_?_:_", [a, b, c]) => Op::Choose(Box::new([self.op(*a), self.op(*b), self.op(*c)])),
            ("@not_strictly_false", [a]) => Op::NotStrictlyFalse(self.boxed(*a)),
            ("_[_]", [of, key]) => Op::Index { of: self.boxed(*of), key: self.boxed(*key), optional: false },
            ("_[?_]", [of, key]) => Op::Index { of: self.boxed(*of), key: self.boxed(*key), optional: true },
            ("_?._", [of, field]) => match self.checked.ast.kind(*field).clone() {
                Kind::Literal(Literal::Text(field)) => Op::OptionalSelect(self.boxed(*of), field),
                _ => self.fail("unsupported optional field selection"),
            },
            ("or" | "orValue", [first, second]) => Op::OptionalOr {
                first: self.boxed(*first),
                second: self.boxed(*second),
                unwraps: function == "orValue",
            },
            _ => {
                let Some(run) = functions::find(function) else { return self.fail("undeclared function") };
                let overload = match overloads {
                    [one] => one,
                    _ => "",
                };
                let pattern = match function {
                    "matches" | "find" | "findAll" => all.get(1).and_then(|arg| match self.checked.ast.kind(*arg) {
                        Kind::Literal(Literal::Text(source)) => Some((source.clone(), OnceLock::new())),
                        _ => None,
                    }),
                    _ => None,
                };
                let args: Box<[Op]> = all.iter().map(|arg| self.op(*arg)).collect();
                if let ("@in", [_, Op::List { items, .. }]) = (function, &*args)
                    && items.is_empty()
                {
                    return Op::Const(Literal::Bool(false));
                }
                let is_free = match (function, &*args) {
                    (name, [arg]) => CONVERSIONS.contains(&name) && arg.is_constant(),
                    ("@in", [_, list]) => overload == "in_list" && list.is_set(),
                    _ => false,
                };
                // Those with more than two arguments, or with an implementation for any number of them.
                let is_fixed =
                    matches!(function, "matches" | "find" | "findAll") && args.get(1).is_some_and(Op::is_constant);
                let is_ambiguous = overload.is_empty() && function.starts_with(char::is_alphabetic);
                let stops_early = args.len() > 2 || is_ambiguous || is_fixed || function == "format";
                let call = Call { name: function.into(), overload, run, args, is_free, stops_early, pattern };
                let call = Op::Call(Box::new(call));
                self.prepared(call)
            }
        }
    }

    /// Conversions and patterns of what is written out are tried at once: what could never work is refused.
    fn prepared(&mut self, op: Op) -> Op {
        let Op::Call(call) = &op else { return op };
        let failure = match (&*call.name, &*call.args) {
            (name, [arg]) if CONVERSIONS.contains(&name) && arg.is_constant() => {
                Machine::new(&[], 0, PER_CALL_LIMIT).eval(&op).err().map(|error| error.to_string())
            }
            ("matches" | "find" | "findAll", _) => {
                call.pattern.as_ref().and_then(|(source, _)| pattern::compile(source).err())
            }
            _ => None,
        };
        match failure {
            Some(failure) => self.fail(failure),
            None => op,
        }
    }

    fn fold(&mut self, fold: &Fold) -> Op {
        let mark = self.scope.len();
        if self.checked.ast.is_bind(fold) {
            let value = self.boxed(fold.init);
            let slot = self.slot(&fold.accu);
            let body = self.boxed(fold.result);
            self.scope.truncate(mark);
            return Op::Bind { slot, value, body };
        }
        let range = self.op(fold.range);
        let init = self.op(fold.init);
        let accu = self.slot(&fold.accu);
        let inner = self.scope.len();
        let var = self.slot(&fold.var);
        let var2 = fold.var2.as_deref().map(|name| self.slot(name));
        let condition = self.op(fold.condition);
        let step = self.step(fold.step, accu);
        self.scope.truncate(inner);
        let result = self.op(fold.result);
        self.scope.truncate(mark);
        Op::Fold(Box::new(Loop { range, accu, var, var2, init, condition, step, result }))
    }

    /// The step of a comprehension; what only adds to the result does it in place.
    fn step(&mut self, id: Id, accu: usize) -> Op {
        let is_result =
            |this: &Self, id: Id| matches!(this.checked.ast.kind(id), Kind::Ident(name) if &**name == RESULT);
        let Kind::Call { function, target: None, args } = self.checked.ast.kind(id) else { return self.op(id) };
        match (&**function, &**args) {
            ("_+_", [sum, added]) if is_result(self, *sum) => match self.checked.ast.kind(*added) {
                Kind::List { items, optional } if items.len() == 1 && optional.is_empty() => {
                    let item = self.boxed(items[0]);
                    Op::Append { slot: accu, is_free: item.is_constant(), item }
                }
                _ => self.op(id),
            },
            (MAP_INSERT, [map, entry @ ..]) if is_result(self, *map) => {
                Op::Insert { slot: accu, entry: entry.iter().map(|part| self.op(*part)).collect() }
            }
            ("_?_:_", [condition, then, otherwise]) if is_result(self, *otherwise) => {
                let condition = self.op(*condition);
                Op::Choose(Box::new([condition, self.step(*then, accu), self.op(*otherwise)]))
            }
            _ => self.op(id),
        }
    }
}
