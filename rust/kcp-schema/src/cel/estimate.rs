//! What an expression can cost at worst, told before it ever runs.
//!
//! Sizes come from the schema (bounds of lists, maps and texts), from literals, and from what calls return; costs from
//! them by the API server's cost model, so that the same rules are accepted and the same ones are too expensive.

use super::ast::{Fold, Id, Kind, Literal};
use super::check::Checked;
use super::cost::{PATTERN_FACTOR, TEXT_FACTOR};
use super::declarations;
use super::declared::{Declared, Place};
use super::macros::RESULT;
use super::types::Type;
use std::collections::HashMap;
use std::rc::Rc;

/// A range: of sizes, or of costs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Range {
    pub min: u64,
    pub max: u64,
}

const NOTHING: Range = Range { min: 0, max: 0 };
const UNKNOWN: Range = Range { min: 0, max: u64::MAX };

impl Range {
    fn of(size: u64) -> Range {
        Range { min: size, max: size }
    }

    fn plus(self, other: Range) -> Range {
        Range { min: self.min.saturating_add(other.min), max: self.max.saturating_add(other.max) }
    }

    fn times(self, other: Range) -> Range {
        Range { min: self.min.saturating_mul(other.min), max: self.max.saturating_mul(other.max) }
    }

    fn scaled(self, factor: f64) -> Range {
        // Casts of doubles saturate.
        let scale = |n: u64| (n as f64 * factor).ceil() as u64;
        Range { min: scale(self.min), max: scale(self.max) }
    }

    fn or(self, other: Range) -> Range {
        Range { min: self.min.min(other.min), max: self.max.max(other.max) }
    }
}

/// Sizes of what is inside a list or a map.
#[derive(Clone, Copy)]
struct Entries {
    is_list: bool,
    key: Range,
    value: Range,
}

impl Entries {
    fn or(self, other: Entries) -> Entries {
        Entries { is_list: self.is_list, key: self.key.or(other.key), value: self.value.or(other.value) }
    }
}

/// Where a value comes from: a variable and the way from it.
type Path = Option<Rc<Way>>;

struct Way {
    before: Path,
    step: Step,
}

#[derive(Clone)]
enum Step {
    Variable(Box<str>),
    Field(Box<str>),
    Items,
    Indices,
    Keys,
    Values,
}

fn along(path: &Path, step: Step) -> Path {
    // Without a variable to begin at, a way leads nowhere, as a variable that does not exist.
    Some(Rc::new(Way { before: path.clone(), step }))
}

struct Local {
    name: Box<str>,
    path: Path,
    size: Option<Range>,
    entries: Option<Entries>,
}

struct Estimator<'c> {
    checked: &'c Checked,
    declared: Option<&'c Declared<'c>>,
    /// The place that the variables `self` and `oldSelf` stand for.
    root: Place,
    paths: HashMap<Id, Path>,
    sizes: HashMap<Id, Range>,
    entries: HashMap<Id, Entries>,
    locals: Vec<Local>,
}

/// The cost of a checked expression. `root` is the place of the schema that `self` stands for.
pub(crate) fn estimate(checked: &Checked, declared: Option<&Declared<'_>>, root: Place) -> Range {
    let mut estimator = Estimator {
        checked,
        declared,
        root,
        paths: HashMap::new(),
        sizes: HashMap::new(),
        entries: HashMap::new(),
        locals: Vec::new(),
    };
    estimator.cost(checked.ast.root)
}

/// What a call costs, and the size of what it returns.
struct Estimate {
    cost: Range,
    result: Option<Range>,
}

impl From<Range> for Estimate {
    fn from(cost: Range) -> Estimate {
        Estimate { cost, result: None }
    }
}

impl Estimator<'_> {
    fn kind(&self, id: Id) -> &Kind {
        self.checked.ast.kind(id)
    }

    fn ty(&self, id: Id) -> &Type {
        self.checked.type_of(id)
    }

    fn local(&self, name: &str) -> Option<&Local> {
        self.locals.iter().rev().find(|local| *local.name == *name)
    }

    fn path(&self, id: Id) -> Path {
        if let Kind::Ident(name) = self.kind(id)
            && let Some(local) = self.local(name)
        {
            return local.path.clone();
        }
        self.paths.get(&id).cloned().flatten()
    }

    fn cost(&mut self, id: Id) -> Range {
        match self.kind(id).clone() {
            Kind::Literal(_) => NOTHING,
            Kind::Ident(name) => {
                let path = match self.local(&name) {
                    Some(local) => local.path.clone(),
                    None => along(&None, Step::Variable(name)),
                };
                self.paths.insert(id, path);
                Range::of(1)
            }
            Kind::Select { operand, test: true, .. } => self.cost(operand),
            Kind::Select { operand, field, test: false } => {
                let mut sum = self.cost(operand);
                if matches!(self.ty(operand), Type::Map(_) | Type::Object(_) | Type::Named(_)) {
                    sum = sum.plus(Range::of(1));
                }
                let path = along(&self.path(operand), Step::Field(field));
                self.paths.insert(id, path);
                sum
            }
            Kind::Call { function, target, args } => self.call(id, &function, target, &args),
            Kind::List { items, .. } => {
                let mut sum = NOTHING;
                let mut inside = Range { min: if items.is_empty() { 0 } else { u64::MAX }, max: 0 };
                for item in &items {
                    sum = sum.plus(self.cost(*item));
                    inside = inside.or(self.size(*item).unwrap_or(UNKNOWN));
                }
                self.entries.insert(id, Entries { is_list: true, key: Range::of(1), value: inside });
                sum.plus(Range::of(10))
            }
            Kind::Map(entries) => {
                let mut sum = NOTHING;
                let least = if entries.is_empty() { 0 } else { u64::MAX };
                let (mut key, mut value) = (Range { min: least, max: 0 }, Range { min: least, max: 0 });
                for entry in &entries {
                    sum = sum.plus(self.cost(entry.key)).plus(self.cost(entry.value));
                    key = key.or(self.size(entry.key).unwrap_or(UNKNOWN));
                    value = value.or(self.size(entry.value).unwrap_or(UNKNOWN));
                }
                self.entries.insert(id, Entries { is_list: false, key, value });
                sum.plus(Range::of(30))
            }
            Kind::Struct { fields, .. } => fields.iter().fold(Range::of(40), |sum, field| sum.plus(self.cost(*field))),
            Kind::Fold(fold) if self.checked.ast.is_bind(&fold) => {
                let mut sum = self.cost(fold.range).plus(self.cost(fold.init));
                self.bind(&fold.accu, fold.init);
                sum = sum.plus(self.cost(fold.result));
                self.locals.pop();
                self.copy(id, fold.result);
                sum
            }
            Kind::Fold(fold) => self.fold(id, &fold),
        }
    }

    fn bind(&mut self, name: &str, value: Id) {
        let (path, entries, size) = (self.path(value), self.inside(value), self.size(value));
        self.locals.push(Local { name: name.into(), path, size, entries });
    }

    /// Gives one expression the sizes of another.
    fn copy(&mut self, to: Id, from: Id) {
        if let Some(size) = self.size(from) {
            self.sizes.insert(to, size);
        }
        if let Some(entries) = self.inside(from) {
            self.entries.insert(to, entries);
        }
    }

    fn fold(&mut self, id: Id, fold: &Fold) -> Range {
        let mut sum = self.cost(fold.range).plus(self.cost(fold.init));
        self.bind(&fold.accu, fold.init);
        let inside = self.inside(fold.range);
        let is_list = inside.map_or(matches!(self.ty(fold.range), Type::List(_)), |inside| inside.is_list);
        let path = self.path(fold.range);
        let key = along(&path, if is_list { Step::Indices } else { Step::Keys });
        let value = along(&path, if is_list { Step::Items } else { Step::Values });
        let (key_size, value_size) = (inside.map(|inside| inside.key), inside.map(|inside| inside.value));
        let local =
            |name: &str, path: Path, size: Option<Range>| Local { name: name.into(), path, size, entries: None };
        match &fold.var2 {
            Some(var2) => {
                self.locals.push(local(&fold.var, key, key_size));
                self.locals.push(local(var2, value, value_size));
            }
            None if is_list => self.locals.push(local(&fold.var, value, value_size)),
            None => self.locals.push(local(&fold.var, key, key_size)),
        }
        let turn = self.cost(fold.condition);
        let turn = self.cost(fold.step).plus(turn);
        self.locals.pop();
        if fold.var2.is_some() {
            self.locals.pop();
        }
        sum = sum.plus(self.cost(fold.result));
        self.locals.pop();
        let count = self.size(fold.range).unwrap_or(UNKNOWN);
        sum = sum.plus(count.times(turn));
        match self.kind(fold.init) {
            Kind::Literal(_) => {
                if let Some(size) = self.size(fold.init) {
                    self.sizes.insert(id, size);
                }
            }
            Kind::List { .. } | Kind::Map(_) => {
                self.sizes.insert(id, count);
                if let Some(inside) = self.inside(fold.step) {
                    self.entries.insert(id, inside);
                }
            }
            _ => {}
        }
        sum
    }

    /// The size of what an expression yields, if anything is known of it.
    fn size(&mut self, id: Id) -> Option<Range> {
        if let Some(size) = self.sizes.get(&id) {
            return Some(*size);
        }
        let literal = match self.kind(id) {
            Kind::Literal(Literal::Text(text)) => Some(text.chars().count()),
            Kind::Literal(Literal::Bytes(bytes)) => Some(bytes.len()),
            Kind::Literal(_) => Some(1),
            Kind::List { items, .. } => Some(items.len()),
            Kind::Map(entries) => Some(entries.len()),
            _ => None,
        };
        if let Some(size) = literal {
            return Some(Range::of(size as u64));
        }
        if let Some(size) = self.declared_size(&self.path(id)) {
            self.sizes.insert(id, size);
            return Some(size);
        }
        if self.ty(id).is_scalar() {
            return Some(Range::of(1));
        }
        match self.kind(id) {
            Kind::Ident(name) => self.local(name).and_then(|local| local.size),
            _ => None,
        }
    }

    fn inside(&self, id: Id) -> Option<Entries> {
        if let Some(entries) = self.entries.get(&id) {
            return Some(*entries);
        }
        match self.kind(id) {
            Kind::Ident(name) => self.local(name).and_then(|local| local.entries),
            _ => None,
        }
    }

    /// The size that the schema gives to a value.
    fn declared_size(&self, path: &Path) -> Option<Range> {
        enum At {
            Place(Place),
            Key,
        }
        let declared = self.declared?;
        let mut steps = Vec::new();
        let mut way = path.as_ref()?;
        loop {
            steps.push(&way.step);
            match &way.before {
                Some(before) => way = before,
                None => break,
            }
        }
        let mut at = At::Place(self.root);
        // The first step is the variable, and every variable stands for the root.
        for step in steps.into_iter().rev().skip(1) {
            let At::Place(place) = at else { return None };
            at = match step {
                Step::Items | Step::Values => At::Place(declared.schema().element_place(place)?),
                Step::Keys if declared.schema().element_place(place).is_some() && !self.is_list(place) => At::Key,
                Step::Field(name) if !self.is_map(place) => At::Place(declared.field(place, name)?),
                _ => return None,
            };
        }
        let max = match at {
            At::Key => 0,
            At::Place(place) => declared.size(place)?.max_elements,
        };
        Some(Range { min: 0, max: u64::try_from(max).unwrap_or_default() })
    }

    fn is_list(&self, place: Place) -> bool {
        match (place, self.declared) {
            (Place::Node(node) | Place::Root(node), Some(declared)) => {
                declared.schema().node(node).kind == crate::structural::Kind::Array
            }
            _ => false,
        }
    }

    fn is_map(&self, place: Place) -> bool {
        !self.is_list(place) && self.declared.is_some_and(|declared| declared.schema().element_place(place).is_some())
    }

    fn call(&mut self, id: Id, function: &str, target: Option<Id>, args: &[Id]) -> Range {
        if function == "dyn"
            && let [arg] = args
        {
            let cost = self.cost(*arg);
            self.copy(id, *arg);
            return cost.plus(Range::of(1));
        }
        let arg_costs: Vec<Range> = args.iter().map(|arg| self.cost(*arg)).collect();
        let overloads = self.checked.overloads.get(&id).cloned().unwrap_or_default();
        if overloads.is_empty() {
            return NOTHING;
        }
        let target_cost = target.map_or(NOTHING, |target| self.cost(target));
        let arg_sum = arg_costs.iter().fold(NOTHING, |sum, cost| sum.plus(*cost));
        let mut cost = Range { min: u64::MAX, max: 0 };
        let mut size: Option<Range> = None;
        for overload in overloads {
            let estimate = self.overload(id, function, overload, target, args, &arg_costs, arg_sum);
            cost = cost.or(estimate.cost);
            size = match (size, estimate.result) {
                (Some(a), Some(b)) => Some(a.or(b)),
                (a, b) => a.or(b),
            };
            let step = match overload {
                "index_list" => Some(Step::Items),
                "index_map" => Some(Step::Values),
                _ => None,
            };
            if let (Some(step), Some(of)) = (step, args.first()) {
                size = self.inside(*of).map(|inside| inside.value);
                let path = along(&self.path(*of), step);
                self.paths.insert(id, path);
            }
            if size.is_none() {
                size = self.size(id);
            }
        }
        if let Some(size) = size {
            self.sizes.insert(id, size);
        }
        target_cost.plus(cost)
    }

    /// The size of an argument, or all sizes.
    fn known(&mut self, id: Id) -> Range {
        self.size(id).unwrap_or(UNKNOWN)
    }

    /// The size of the items of a list.
    fn item_size(&mut self, list: Id) -> Range {
        let path = self.visible_path(list);
        path.and_then(|path| self.declared_size(&along(&Some(path), Step::Items))).unwrap_or(UNKNOWN)
    }

    /// The path of an argument; what a comprehension collects has none.
    fn visible_path(&self, id: Id) -> Path {
        let path = self.path(id)?;
        let mut first = &path;
        while let Some(before) = &first.before {
            first = before;
        }
        if matches!(&first.step, Step::Variable(name) if **name == *RESULT) { None } else { Some(path) }
    }

    #[allow(clippy::too_many_arguments)] // The parts of one call.
    fn overload(
        &mut self,
        id: Id,
        function: &str,
        overload: &str,
        target: Option<Id>,
        args: &[Id],
        arg_costs: &[Range],
        arg_sum: Range,
    ) -> Estimate {
        if let Some(estimate) = self.list_extension(overload, target, args) {
            return Estimate { cost: estimate.cost.plus(arg_sum), result: estimate.result };
        }
        if let Some(estimate) = self.kubernetes(function, overload, target, args) {
            return Estimate { cost: estimate.cost.plus(arg_sum), result: estimate.result };
        }
        match (overload, args) {
            ("string_format", _) => {
                let text = target.map_or(UNKNOWN, |target| self.known(target));
                text.scaled(TEXT_FACTOR).plus(arg_sum).into()
            }
            ("string_to_bytes", [arg]) => {
                let size = self.known(*arg);
                let result = Range { min: size.min, max: size.max.wrapping_mul(4) };
                Estimate { cost: size.scaled(TEXT_FACTOR).plus(arg_sum), result: Some(result) }
            }
            ("bytes_to_string", [arg]) => {
                let size = self.known(*arg);
                let result = Range { min: size.min / 4, max: size.max };
                Estimate { cost: size.scaled(TEXT_FACTOR).plus(arg_sum), result: Some(result) }
            }
            ("strings_quote", [arg]) => {
                let size = self.known(*arg);
                let result = Range { min: size.min.wrapping_add(2), max: size.max.wrapping_mul(2).wrapping_add(2) };
                Estimate { cost: size.scaled(TEXT_FACTOR).plus(arg_sum), result: Some(result) }
            }
            ("starts_with_string" | "ends_with_string", [part]) => {
                self.known(*part).scaled(TEXT_FACTOR).plus(arg_sum).into()
            }
            ("in_list", [_, list]) => self.known(*list).plus(arg_sum).into(),
            ("matches", [text, pattern]) => self.matching(*text, *pattern).plus(arg_sum).into(),
            ("matches_string", [pattern]) => match target {
                Some(text) => self.matching(text, *pattern).plus(arg_sum).into(),
                None => Range::of(1).plus(arg_sum).into(),
            },
            ("contains_string", [part]) => {
                let text = target.map_or(UNKNOWN, |target| self.known(target)).scaled(TEXT_FACTOR);
                text.times(self.known(*part).scaled(TEXT_FACTOR)).plus(arg_sum).into()
            }
            ("logical_or" | "logical_and", [_, _]) => {
                Range { min: arg_costs[0].min, max: arg_costs[0].plus(arg_costs[1]).max }.into()
            }
            ("conditional", [_, then, otherwise]) => {
                let size = self.known(*then).or(self.known(*otherwise));
                if let (Some(a), Some(b)) = (self.inside(*then), self.inside(*otherwise)) {
                    self.entries.insert(id, a.or(b));
                }
                Estimate { cost: arg_costs[0].plus(arg_costs[1].or(arg_costs[2])), result: Some(size) }
            }
            ("add_string" | "add_bytes" | "add_list", [a, b]) => {
                let size = self.known(*a).plus(self.known(*b));
                if let (Some(a), Some(b)) = (self.inside(*a), self.inside(*b)) {
                    self.entries.insert(id, a.or(b));
                }
                let own = if overload == "add_list" { Range::of(1) } else { size.scaled(TEXT_FACTOR) };
                Estimate { cost: own.plus(arg_sum), result: Some(size) }
            }
            ("equals" | "not_equals", [a, b]) => self.comparison(*a, *b).plus(arg_sum).into(),
            (name, [a, b])
                if (name.starts_with("less_") || name.starts_with("greater_"))
                    && (name.ends_with("_string") || name.ends_with("_bytes")) =>
            {
                self.comparison(*a, *b).plus(arg_sum).into()
            }
            _ => Range::of(1).plus(arg_sum).into(),
        }
    }

    fn comparison(&mut self, a: Id, b: Id) -> Range {
        let max = self.known(a).max.min(self.known(b).max);
        Range { min: u64::from(max > 0), max }.scaled(TEXT_FACTOR)
    }

    fn matching(&mut self, text: Id, pattern: Id) -> Range {
        let text = self.known(text).plus(Range::of(1)).scaled(TEXT_FACTOR);
        text.times(self.known(pattern).scaled(PATTERN_FACTOR))
    }

    /// A whole number written out.
    fn literal(&self, id: Id, otherwise: u64) -> u64 {
        match self.kind(id) {
            Kind::Literal(Literal::Int(n)) => u64::try_from(*n).unwrap_or_default(),
            _ => otherwise,
        }
    }

    /// The extension of lists and that of sets.
    fn list_extension(&mut self, overload: &str, target: Option<Id>, args: &[Id]) -> Option<Estimate> {
        let allocating =
            |factor: f64, size: Range| Estimate { cost: size.scaled(factor).plus(Range::of(11)), result: Some(size) };
        Some(match (overload, target, args) {
            ("list_slice", Some(list), [start, end]) => {
                let most = self.known(list).max;
                let (start, end) = (self.literal(*start, 0), self.literal(*end, most));
                allocating(1.0, Range::of(end.wrapping_sub(start)))
            }
            ("lists_range", None, [count]) => allocating(1.0, Range::of(self.literal(*count, u64::MAX))),
            ("list_reverse", Some(list), []) => allocating(1.0, self.known(list)),
            ("list_flatten", Some(list), []) => allocating(1.0, self.known(list)),
            ("list_flatten_int", Some(list), [depth]) => {
                let depth = self.literal(*depth, u64::MAX);
                allocating(depth as f64, self.known(list))
            }
            ("list_distinct", Some(list), []) => {
                let size = self.known(list);
                allocating(2.0, size.times(size))
            }
            (sort, Some(list), []) if sort.starts_with("list_") && sort.ends_with("_sort") => {
                let size = self.known(list);
                allocating(sorting_factor(sort), size.times(size))
            }
            (sort, Some(_), [keys]) if sort.ends_with("_sortByAssociatedKeys") => {
                let size = self.known(*keys);
                allocating(sorting_factor(sort), size.times(size))
            }
            ("list_sets_contains_list" | "list_sets_intersects_list", None, [a, b]) => {
                self.known(*a).times(self.known(*b)).plus(Range::of(1)).into()
            }
            ("list_sets_equivalent_list", None, [a, b]) => {
                self.known(*a).times(self.known(*b)).scaled(2.0).plus(Range::of(1)).into()
            }
            _ => return None,
        })
    }

    /// What the API server's own libraries cost, and what of the language it counts in its own way.
    fn kubernetes(&mut self, function: &str, overload: &str, target: Option<Id>, args: &[Id]) -> Option<Estimate> {
        let same = |size: Range| Estimate { cost: size.scaled(TEXT_FACTOR), result: Some(size) };
        Some(match (function, target, args) {
            ("isSorted" | "sum" | "max" | "min" | "indexOf" | "lastIndexOf", Some(target), _) => {
                let item = match self.ty(target) {
                    Type::List(item) => Some((**item).clone()),
                    _ => None,
                };
                match item {
                    Some(Type::String | Type::Bytes) => {
                        let each = Range::of(1).plus(self.item_size(target).scaled(TEXT_FACTOR));
                        self.known(target).times(each).into()
                    }
                    Some(_) => self.known(target).into(),
                    None => self.known(target).scaled(TEXT_FACTOR).into(),
                }
            }
            ("url", _, [text]) => same(self.known(*text)),
            ("lowerAscii" | "upperAscii" | "substring" | "trim", Some(text), _) => same(self.known(text)),
            ("replace", Some(text), [from, to, ..]) => {
                let (text, from, to) = (self.known(text), self.known(*from), self.known(*to));
                Estimate { cost: text.scaled(2.0 * TEXT_FACTOR), result: Some(replaced(text, from, to)) }
            }
            ("split", Some(text), args) => {
                let text = self.known(text);
                let max = args.get(1).map_or(text.max, |count| match self.kind(*count) {
                    Kind::Literal(Literal::Int(n)) => *n as u64,
                    _ => text.max,
                });
                Estimate { cost: text.scaled(2.0 * TEXT_FACTOR), result: Some(Range { min: 0, max }) }
            }
            ("join", Some(list), separator) => {
                let count = self.known(list);
                let mut size = count.times(self.item_size(list));
                if let [separator] = separator {
                    let gaps = Range { min: count.min.saturating_sub(1), max: count.max.saturating_sub(1) };
                    size = size.plus(self.known(*separator).times(gaps));
                }
                same(size)
            }
            ("find" | "findAll", Some(text), [pattern, ..]) => {
                let cost = self.matching(text, *pattern);
                let max = self.known(text).max;
                Estimate { cost, result: Some(Range { min: 0, max }) }
            }
            ("ip", ..) if overload == "cidr_ip" => Range::of(1).into(),
            ("cidr" | "isIP" | "isCIDR" | "ip" | "quantity" | "isQuantity" | "semver" | "isSemver", _, [text, ..]) => {
                self.known(*text).scaled(TEXT_FACTOR).into()
            }
            ("ip.isCanonical", _, [text]) => self.known(*text).scaled(2.0 * TEXT_FACTOR).into(),
            ("containsIP", _, [other]) => {
                let mut cost = Range { min: 8, max: 32 }.scaled(TEXT_FACTOR);
                if overload == "cidr_contains_ip_string" {
                    cost = cost.plus(self.known(*other).scaled(TEXT_FACTOR));
                }
                cost.into()
            }
            ("containsCIDR", _, [other]) => {
                let masked = Range { min: 4, max: 16 }.scaled(TEXT_FACTOR);
                let mut cost = Range { min: 8, max: 32 }.scaled(TEXT_FACTOR).plus(masked).plus(Range::of(1));
                if overload == "cidr_contains_cidr_string" {
                    cost = cost.plus(self.known(*other).scaled(TEXT_FACTOR));
                }
                cost.into()
            }
            ("validate", _, [text]) => self.known(*text).scaled(TEXT_FACTOR).scaled(128.0 * PATTERN_FACTOR).into(),
            (
                "masked"
                | "prefixLength"
                | "family"
                | "isUnspecified"
                | "isLoopback"
                | "isLinkLocalMulticast"
                | "isLinkLocalUnicast"
                | "isGlobalUnicast"
                | "format.named"
                | "sign"
                | "asInteger"
                | "isInteger"
                | "asApproximateFloat"
                | "isGreaterThan"
                | "isLessThan"
                | "compareTo"
                | "add"
                | "sub"
                | "major"
                | "minor"
                | "patch"
                | "getScheme"
                | "getHostname"
                | "getHost"
                | "getPort"
                | "getEscapedPath"
                | "getQuery",
                ..,
            ) => Range::of(1).into(),
            ("_==_", _, [a, b]) if self.ty(*a) == self.ty(*b) => match self.ty(*a) {
                Type::Named(declarations::IP | declarations::CIDR | declarations::QUANTITY | declarations::SEMVER) => {
                    Range::of(1).into()
                }
                Type::Named(declarations::FORMAT) => Range { min: 1, max: 64 }.scaled(TEXT_FACTOR).into(),
                Type::Named(declarations::URL) => {
                    let max = self.size(*b).map_or(1, |size| size.max);
                    Range { min: 1, max }.scaled(TEXT_FACTOR).into()
                }
                _ => return None,
            },
            _ => return None,
        })
    }
}

fn sorting_factor(overload: &str) -> f64 {
    if overload.starts_with("list_string_") || overload.starts_with("list_bytes_") { 2.0 + TEXT_FACTOR } else { 2.0 }
}

/// The size of a text in which one part was replaced by another.
fn replaced(text: Range, from: Range, to: Range) -> Range {
    let (mut count, mut kept) = (NOTHING, NOTHING);
    if from.min == 0 {
        count.max = text.max.saturating_add(1);
        kept.max = text.max;
    } else if to.max <= from.min {
        kept.max = text.max;
    } else {
        count.max = (text.max as f64 / from.min as f64).ceil() as u64;
    }
    if from.max == 0 {
        count.min = text.min.saturating_add(1);
        kept.min = text.min;
    } else if from.max <= to.min {
        kept.min = text.min;
    } else {
        count.min = (text.min as f64 / from.max as f64).ceil() as u64;
    }
    count.times(to).plus(kept)
}
