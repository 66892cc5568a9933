//! Running a program: its value, and what it cost.
//!
//! Costs are counted as the API server counts them, and a program that exceeds its limit stops. Beside them stands a
//! count of the work really done, for what that cost model underrates: copies of large lists, patterns made up at run
//! time.

use super::ast::Literal;
use super::cost;
use super::error::Error;
use super::program::{Call, Loop, Op, Program};
use super::value::{Key, List, Map, Outcome, Text, Value};
use crate::pattern::{self, Pattern};
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

/// Most that one run may cost.
pub(crate) const PER_CALL_LIMIT: u64 = 1_000_000;
/// Most work of one run: about as many bytes or items copied or matched.
const WORK: u64 = 64 << 20;
/// Most patterns kept that were made up at run time.
const PATTERNS: usize = 32;

/// A program that is running.
pub(crate) struct Machine<'a> {
    variables: &'a [Value<'a>],
    locals: Vec<Value<'a>>,
    /// What locals stand for that nobody has asked for yet.
    pending: Vec<Option<&'a Op>>,
    limit: u64,
    spent: u64,
    work: u64,
    patterns: HashMap<String, Option<Rc<Pattern>>>,
}

/// A value and what it cost to find.
pub(crate) struct Run<'a> {
    pub value: Outcome<'a>,
    pub cost: u64,
}

impl Program {
    /// Runs the program with the variables it was compiled for.
    pub(crate) fn run<'a>(&'a self, variables: &'a [Value<'a>], limit: u64) -> Run<'a> {
        let mut machine = Machine::new(variables, self.slots, limit);
        let value = machine.eval(&self.root);
        Run { value, cost: machine.spent }
    }
}

impl<'a> Machine<'a> {
    pub(super) fn new(variables: &'a [Value<'a>], slots: usize, limit: u64) -> Machine<'a> {
        let locals = vec![Value::Null; slots];
        let pending = vec![None; slots];
        Machine { variables, locals, pending, limit, spent: 0, work: WORK, patterns: HashMap::new() }
    }

    /// Counts cost.
    pub(super) fn spend(&mut self, cost: u64) -> Result<(), Error> {
        self.spent = self.spent.saturating_add(cost);
        if self.spent > self.limit { Err(Error::cancelled()) } else { Ok(()) }
    }

    /// Counts work that is about to be done.
    pub(super) fn work(&mut self, units: usize) -> Result<(), Error> {
        match self.work.checked_sub(units as u64) {
            Some(left) => {
                self.work = left;
                Ok(())
            }
            None => {
                self.spent = self.limit.saturating_add(1);
                Err(Error::cancelled())
            }
        }
    }

    /// A pattern made up at run time.
    pub(super) fn pattern(&mut self, source: &str) -> Result<Rc<Pattern>, Error> {
        if let Some(found) = self.patterns.get(source) {
            return found.clone().ok_or_else(|| bad_pattern(source));
        }
        self.work(200_000 + source.len() * 2_000)?;
        let compiled = pattern::compile(source).ok().map(Rc::new);
        if self.patterns.len() >= PATTERNS {
            self.patterns.clear();
        }
        self.patterns.insert(source.to_owned(), compiled.clone());
        compiled.ok_or_else(|| bad_pattern(source))
    }

    /// The value of an operation. One that names a place in a variable costs a unit more than finding the place.
    pub(super) fn eval(&mut self, op: &'a Op) -> Outcome<'a> {
        let found = self.resolve(op);
        if has_root(op) {
            self.spend(1)?;
        }
        found
    }

    /// The value of an operation that another one goes on from: a chain of fields and indices is paid for as a whole.
    fn resolve(&mut self, op: &'a Op) -> Outcome<'a> {
        match op {
            Op::Const(literal) => Ok(constant(literal)),
            Op::Type(name) => Ok(Value::Type(name.as_ref().into())),
            Op::Variable(index) => match self.variables.get(*index) {
                Some(value) => Ok(value.clone()),
                None => Err(Error::new("no such attribute(s)")),
            },
            Op::Local(slot) => self.local(*slot),
            Op::Select(operand, field) => self.select(operand, field),
            Op::OptionalSelect(operand, field) => {
                let operand = self.resolve(operand)?;
                let found = optional_field(operand, field)?;
                self.spend(u64::from(matches!(found, Value::Optional(Some(_)))))?;
                Ok(found)
            }
            Op::Has(operand, field) => {
                let operand = self.resolve(operand)?;
                let is_optional = matches!(operand, Value::Optional(_));
                let found = has(operand, field);
                self.spend(u64::from(!is_optional || matches!(found, Ok(Value::Bool(true)))))?;
                found
            }
            Op::Index { of, key, optional } => self.index(of, key, *optional),
            Op::And(a, b) => self.logic(a, b, false),
            Op::Or(a, b) => self.logic(a, b, true),
            Op::Choose(parts) => {
                let [condition, then, otherwise] = &**parts;
                match self.eval(condition)? {
                    Value::Bool(true) => self.resolve(then),
                    Value::Bool(false) => self.resolve(otherwise),
                    _ => Err(Error::no_overload()),
                }
            }
            Op::NotStrictlyFalse(inner) => {
                let value = self.eval(inner);
                self.spend(1)?;
                match value {
                    Ok(Value::Bool(b)) => Ok(Value::Bool(b)),
                    Err(error) if error.is_cancelled() => Err(error),
                    _ => Ok(Value::Bool(true)),
                }
            }
            Op::OptionalOr { first, second, unwraps } => match self.eval(first)? {
                Value::Optional(Some(value)) if *unwraps => Ok((*value).clone()),
                Value::Optional(Some(value)) => Ok(Value::Optional(Some(value))),
                Value::Optional(None) => self.eval(second),
                _ => Err(Error::no_overload()),
            },
            Op::Call(call) => self.call(call),
            Op::List { items, optional, is_free } => {
                self.spend(if *is_free { 0 } else { 10 })?;
                self.list(items, optional)
            }
            Op::Map { entries, is_free } => {
                self.spend(if *is_free { 0 } else { 30 })?;
                self.map(entries)
            }
            Op::Bind { slot, value, body } => {
                self.pending[*slot] = Some(value);
                self.eval(body)
            }
            Op::Fold(fold) => self.fold(fold),
            Op::Append { .. } | Op::Insert { .. } => Err(Error::new("a step stands alone")),
        }
    }

    fn local(&mut self, slot: usize) -> Outcome<'a> {
        if let Some(op) = self.pending[slot].take() {
            self.locals[slot] = failed_or(self.eval(op))?;
        }
        match &self.locals[slot] {
            Value::Failed(error) => Err(error.clone()),
            value => Ok(value.clone()),
        }
    }

    fn select(&mut self, operand: &'a Op, field: &str) -> Outcome<'a> {
        let value = self.resolve(operand)?;
        match &value {
            Value::Optional(_) => {
                let found = optional_field(value, field)?;
                self.spend(u64::from(matches!(found, Value::Optional(Some(_)))))?;
                Ok(found)
            }
            Value::Map(map) => {
                self.spend(1)?;
                map.get_field(field)?.ok_or_else(|| Error::new(format!("no such key: {field}")))
            }
            _ => {
                self.spend(1)?;
                Err(Error::no_overload())
            }
        }
    }

    fn index(&mut self, of: &'a Op, key: &'a Op, optional: bool) -> Outcome<'a> {
        let of = self.resolve(of)?;
        if matches!(of, Value::Optional(None)) {
            return Ok(of);
        }
        let optional = optional || matches!(of, Value::Optional(_));
        let found = self.resolve(key).and_then(|key| index(of, &key, optional));
        if found.as_ref().is_err_and(Error::is_cancelled) {
            return found;
        }
        self.spend(u64::from(!optional || matches!(found, Ok(Value::Optional(Some(_))))))?;
        found
    }

    /// `&&` and `||`: the deciding value wins over errors, wherever it stands.
    fn logic(&mut self, a: &'a Op, b: &'a Op, decides: bool) -> Outcome<'a> {
        let first = self.eval(a);
        match &first {
            Ok(Value::Bool(value)) if *value == decides => return first,
            Err(error) if error.is_cancelled() => return first,
            _ => {}
        }
        let second = self.eval(b);
        match (&first, &second) {
            (_, Ok(Value::Bool(value))) if *value == decides => second,
            (_, Err(error)) if error.is_cancelled() => second,
            (Ok(Value::Bool(_)), Ok(Value::Bool(_))) => Ok(Value::Bool(!decides)),
            (Err(_), _) => first,
            (_, Err(_)) => second,
            _ => Err(Error::no_overload()),
        }
    }

    fn call(&mut self, call: &'a Call) -> Outcome<'a> {
        let mut args = Vec::with_capacity(call.args.len());
        let mut failed = None;
        for arg in &call.args {
            match self.eval(arg) {
                Ok(value) => args.push(value),
                Err(error) if error.is_cancelled() => return Err(error),
                // Such a call looks at nothing more, and is paid for only if there was nothing more to look at.
                Err(error) if call.stops_early && args.len() + 1 < call.args.len() => return Err(error),
                // Else the others are looked at all the same, and the call is paid for.
                Err(error) => {
                    args.push(Value::Failed(error.clone()));
                    failed.get_or_insert(error);
                }
            }
        }
        if let Some(error) = failed {
            self.spend(if call.is_free { 0 } else { cost::of_call(call, &args, None) })?;
            return Err(error);
        }
        let mut result = (call.run)(self, call, &args);
        if let Err(error) = &result {
            if error.is_cancelled() {
                return result;
            }
            if args.len() == 1 && error.message() == "no such overload" && call.name.starts_with(char::is_alphabetic) {
                let takes =
                    if call.name.as_ref() == "size" { String::new() } else { format!("({})", args[0].type_name()) };
                result = Err(Error::new(format!("no such overload: {}{takes}", call.name)));
            }
            let compares = matches!(&*call.name, "_<_" | "_<=_" | "_>_" | "_>=_");
            if compares && result.is_err() && matches!(args[0], Value::List(_) | Value::Map(_) | Value::Null) {
                result = Err(Error::new(format!("no such overload: {}", call.name)));
            }
        }
        if !call.is_free {
            self.spend(cost::of_call(call, &args, result.as_ref().ok()))?;
        }
        result
    }

    fn list(&mut self, ops: &'a [Op], optional: &[usize]) -> Outcome<'a> {
        let mut items = Vec::with_capacity(ops.len());
        for (index, op) in ops.iter().enumerate() {
            let value = self.eval(op)?;
            match value {
                Value::Optional(inner) if optional.contains(&index) => {
                    items.extend(inner.map(|inner| (*inner).clone()));
                }
                value if optional.contains(&index) => {
                    let message = format!(
                        "cannot initialize optional list element from non-optional value {}",
                        value.type_name()
                    );
                    return Err(Error::new(message));
                }
                value => items.push(value),
            }
        }
        Ok(items.into())
    }

    fn map(&mut self, entries: &'a [(Op, Op, bool)]) -> Outcome<'a> {
        let mut map = BTreeMap::new();
        for (key, value, optional) in entries {
            let key = self.eval(key)?;
            let value = self.eval(value)?;
            let name = key_of(&key)?;
            let value = match value {
                Value::Optional(None) if *optional => continue,
                Value::Optional(Some(inner)) if *optional => (*inner).clone(),
                value if *optional => {
                    let message =
                        format!("cannot initialize optional entry from non-optional value {}", value.type_name());
                    return Err(Error::new(message));
                }
                value => value,
            };
            // Of a repeated key the last value stays, as in the API server.
            map.insert(name, value);
        }
        Ok(Value::Map(Map::Owned(Rc::new(map))))
    }

    fn fold(&mut self, fold: &'a Loop) -> Outcome<'a> {
        let range = self.eval(&fold.range)?;
        let init = self.eval(&fold.init)?;
        self.locals[fold.accu] = init;
        match range {
            Value::List(list) => {
                let mut at = 0;
                while at < list.len() {
                    let Some(item) = list.get(at) else { break };
                    match fold.var2 {
                        Some(var2) => {
                            self.locals[fold.var] = Value::Int(at as i64);
                            self.locals[var2] = item?;
                        }
                        None => self.locals[fold.var] = item?,
                    }
                    if !self.turn(fold)? {
                        break;
                    }
                    at += 1;
                }
            }
            Value::Map(map) => {
                let keys = map.keys();
                self.work(keys.len())?;
                for key in keys {
                    if let Some(var2) = fold.var2 {
                        self.locals[var2] = map.get(&key)?.ok_or_else(|| Error::new("no such key"))?;
                    }
                    self.locals[fold.var] = key;
                    if !self.turn(fold)? {
                        break;
                    }
                }
            }
            _ => return Err(Error::no_overload()),
        }
        self.eval(&fold.result)
    }

    /// One turn of a comprehension; false when its condition ends it.
    fn turn(&mut self, fold: &'a Loop) -> Result<bool, Error> {
        self.work(1)?;
        if let Value::Bool(false) = self.eval(&fold.condition)? {
            return Ok(false);
        }
        self.step(&fold.step, fold.accu)?;
        Ok(true)
    }

    fn step(&mut self, step: &'a Op, accu: usize) -> Result<(), Error> {
        match step {
            Op::Append { slot, item, is_free } => {
                self.spend(1)?;
                let item = failed_or(self.eval(item))?;
                // The list of one item, and adding it.
                self.spend(if *is_free { 1 } else { 11 })?;
                match (&mut self.locals[*slot], item) {
                    (Value::Failed(_), _) => {}
                    (accu, item @ Value::Failed(_)) => *accu = item,
                    // Nothing else holds the list: its name cannot be spelled.
                    (Value::List(List::Owned(items)), item) => Rc::make_mut(items).push(item),
                    _ => return Err(Error::no_overload()),
                }
                Ok(())
            }
            Op::Insert { slot, entry } => {
                self.spend(1)?;
                if let Err(error) = self.insert(*slot, entry) {
                    if error.is_cancelled() {
                        return Err(error);
                    }
                    if !matches!(self.locals[*slot], Value::Failed(_)) {
                        self.locals[*slot] = Value::Failed(error);
                    }
                }
                Ok(())
            }
            Op::Choose(parts) if matches!(parts[1], Op::Append { .. } | Op::Insert { .. }) => {
                let [condition, then, otherwise] = &**parts;
                match failed_or(self.eval(condition))? {
                    Value::Bool(true) => self.step(then, accu),
                    Value::Bool(false) => failed_or(self.resolve(otherwise)).map(drop),
                    failed @ Value::Failed(_) => {
                        self.locals[accu] = failed;
                        Ok(())
                    }
                    _ => Err(Error::no_overload()),
                }
            }
            step => {
                self.locals[accu] = failed_or(self.eval(step))?;
                Ok(())
            }
        }
    }

    /// Adds entries to the map in a local: a key and a value, or all of a map.
    fn insert(&mut self, slot: usize, entry: &'a [Op]) -> Result<(), Error> {
        if let (Value::Failed(error), [_, _]) = (&self.locals[slot], entry) {
            return Err(error.clone());
        }
        let mut added = Vec::new();
        match entry {
            [key, value] => {
                let key = self.eval(key)?;
                let value = self.eval(value);
                self.spend(1)?;
                added.push((key_of(&key)?, value?));
            }
            [map] => {
                let map = self.eval(map);
                self.spend(1)?;
                let Value::Map(map) = map? else { return Err(Error::no_overload()) };
                self.work(map.len())?;
                for key in map.keys() {
                    let value = map.get(&key)?.ok_or_else(|| Error::new("no such key"))?;
                    added.push((key_of(&key)?, value));
                }
            }
            _ => return Err(Error::no_overload()),
        }
        let Value::Map(Map::Owned(map)) = &mut self.locals[slot] else { return Err(Error::no_overload()) };
        let map = Rc::make_mut(map);
        for (key, value) in added {
            let shown = super::functions::show(&key.value());
            if map.insert(key, value).is_some() {
                return Err(Error::new(format!("insert failed: key {shown} already exists")));
            }
        }
        Ok(())
    }
}

/// An error as the value that stands for it; that the run is over stays an error.
fn failed_or(outcome: Outcome<'_>) -> Outcome<'_> {
    outcome.or_else(|error| if error.is_cancelled() { Err(error) } else { Ok(Value::Failed(error)) })
}

fn bad_pattern(source: &str) -> Error {
    let reason = pattern::compile(source).err().unwrap_or_default();
    Error::new(reason)
}

/// Whether an operation ends a chain of fields and indices that begins with anything but a condition.
fn has_root(op: &Op) -> bool {
    match op {
        Op::Variable(_) | Op::Local(_) => true,
        Op::Select(inner, _) | Op::OptionalSelect(inner, _) | Op::Index { of: inner, .. } => {
            !is_chain(inner) || has_root(inner)
        }
        _ => false,
    }
}

fn is_chain(op: &Op) -> bool {
    matches!(
        op,
        Op::Variable(_) | Op::Local(_) | Op::Select(..) | Op::OptionalSelect(..) | Op::Index { .. } | Op::Choose(_)
    )
}

pub(super) fn constant<'a>(literal: &'a Literal) -> Value<'a> {
    match literal {
        Literal::Null => Value::Null,
        Literal::Bool(b) => Value::Bool(*b),
        Literal::Int(n) => Value::Int(*n),
        Literal::Uint(n) => Value::Uint(*n),
        Literal::Double(n) => Value::Double(*n),
        Literal::Text(text) => Value::Text(Text::Borrowed(text)),
        Literal::Bytes(bytes) => Value::Bytes(bytes.as_ref().into()),
    }
}

fn key_of<'a>(key: &Value<'a>) -> Result<Key<'a>, Error> {
    match key {
        Value::Double(_) => None,
        key => Key::of(key),
    }
    .ok_or_else(|| Error::new(format!("unsupported key type: {}", key.type_name())))
}

fn optional_field<'a>(operand: Value<'a>, field: &str) -> Outcome<'a> {
    match &operand {
        Value::Optional(None) => Ok(Value::Optional(None)),
        Value::Optional(Some(inner)) => optional_field((**inner).clone(), field),
        Value::Map(map) => Ok(Value::Optional(map.get_field(field)?.map(Rc::new))),
        _ => Err(Error::no_overload()),
    }
}

fn has<'a>(operand: Value<'a>, field: &str) -> Outcome<'a> {
    match &operand {
        Value::Optional(None) => Ok(Value::Bool(false)),
        Value::Optional(Some(inner)) => has((**inner).clone(), field),
        Value::Map(map) => Ok(Value::Bool(map.get_field(field)?.is_some())),
        _ => Err(Error::no_overload()),
    }
}

fn index<'a>(of: Value<'a>, key: &Value<'a>, optional: bool) -> Outcome<'a> {
    let found = match &of {
        Value::Optional(None) => return Ok(Value::Optional(None)),
        Value::Optional(Some(inner)) => return index((**inner).clone(), key, true),
        Value::Map(map) => map.get(key)?,
        Value::List(list) => {
            let at = match key {
                Value::Int(n) => usize::try_from(*n).ok(),
                Value::Uint(n) => usize::try_from(*n).ok(),
                Value::Double(n) if n.fract() == 0.0 && *n >= 0.0 && *n < 9e15 => Some(*n as usize),
                _ => return Err(Error::new(format!("unsupported index type '{}' in list", key.type_name()))),
            };
            at.and_then(|at| list.get(at)).transpose()?
        }
        _ => return Err(Error::no_overload()),
    };
    match found {
        found if optional => Ok(Value::Optional(found.map(Rc::new))),
        Some(value) => Ok(value),
        None => Err(Error::new(match of {
            Value::Map(_) => format!("no such key: {}", super::functions::show(key)),
            _ => format!("index out of bounds: {}", super::functions::show(key)),
        })),
    }
}
