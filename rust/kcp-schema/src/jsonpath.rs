//! JSONPath as printer columns and scale paths write it: `.status.conditions[?(@.type=="Ready")].status`.

use serde_json::Value;
use std::cell::Cell;
use std::cmp::Ordering;
use std::fmt;

/// Most values one path may find: `..` and wildcards of hostile paths stop there.
const MAX_RESULTS: usize = 10_000;
/// Most values one path may look at on its way; filters that search the whole object for each item stop there.
const MAX_VISITS: usize = 100_000;
/// Most steps of a path, those of filters included.
const MAX_STEPS: usize = 256;

/// A parsed path.
#[derive(Clone, Debug, PartialEq)]
pub struct JsonPath {
    steps: Box<[Step]>,
    text: Box<str>,
}

impl fmt::Display for JsonPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Step {
    Field(Box<str>),
    Wildcard,
    Recursive,
    Slice { start: Option<i64>, end: Option<i64>, step: Option<i64> },
    Index(i64),
    Union(Box<[Step]>),
    Filter(Box<Filter>),
}

#[derive(Clone, Debug, PartialEq)]
struct Filter {
    left: Operand,
    test: Test,
    right: Operand,
}

#[derive(Clone, Debug, PartialEq)]
enum Operand {
    /// Of the element (`@`) or of the whole object (`$`).
    Path {
        from_root: bool,
        steps: Box<[Step]>,
    },
    Literal(Value),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Test {
    Exists,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// A path that cannot be parsed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ParseError(String);

impl JsonPath {
    /// Parses a path without its enclosing braces.
    pub fn parse(text: &str) -> Result<JsonPath, ParseError> {
        let mut parser = Parser { text, at: 0, count: 0 };
        let steps = parser.steps(false)?;
        if parser.at < text.len() {
            return Err(parser.unexpected());
        }
        Ok(JsonPath { steps: steps.into(), text: text.into() })
    }

    /// Everything the path finds, in order; missing keys find nothing.
    pub fn find<'v>(&self, object: &'v Value) -> Vec<&'v Value> {
        walk(&self.steps, vec![object], object, &Cell::new(MAX_VISITS))
    }

    /// The first value found.
    pub fn first<'v>(&self, object: &'v Value) -> Option<&'v Value> {
        if let Some(fields) = self.fields() {
            return fields.into_iter().try_fold(object, |value, field| value.get(field));
        }
        self.find(object).into_iter().next()
    }

    /// The field names of a plain dotted path, `None` for any other.
    pub fn fields(&self) -> Option<Vec<&str>> {
        self.steps
            .iter()
            .map(|step| match step {
                Step::Field(name) => Some(&**name),
                _ => None,
            })
            .collect()
    }
}

fn walk<'v>(steps: &[Step], mut values: Vec<&'v Value>, root: &'v Value, visits: &Cell<usize>) -> Vec<&'v Value> {
    for step in steps {
        let mut next = Vec::new();
        for value in values {
            if next.len() >= MAX_RESULTS || visits.get() == 0 {
                break;
            }
            take(step, value, root, visits, &mut next);
            visits.set(visits.get().saturating_sub(1 + next.len() / 16));
        }
        next.truncate(MAX_RESULTS);
        values = next;
    }
    values
}

fn take<'v>(step: &Step, value: &'v Value, root: &'v Value, visits: &Cell<usize>, out: &mut Vec<&'v Value>) {
    match (step, value) {
        (Step::Field(name), Value::Object(map)) => out.extend(map.get(&**name)),
        (Step::Wildcard, Value::Object(map)) => out.extend(map.values()),
        (Step::Wildcard, Value::Array(items)) => out.extend(items),
        (Step::Recursive, value) => descend(value, out),
        (Step::Index(index), Value::Array(items)) => {
            let index = if *index < 0 { *index + items.len() as i64 } else { *index };
            out.extend(usize::try_from(index).ok().and_then(|index| items.get(index)));
        }
        (Step::Slice { start, end, step }, Value::Array(items)) => {
            let len = items.len() as i64;
            let place = |index: Option<i64>, absent: i64| match index {
                None => absent,
                Some(index) if index < 0 => (index + len).max(0),
                Some(index) => index.min(len),
            };
            let (start, end) = (place(*start, 0), place(*end, len));
            let step = usize::try_from(step.unwrap_or(1)).unwrap_or(1).max(1);
            if start < end {
                out.extend(items[start as usize..end as usize].iter().step_by(step));
            }
        }
        (Step::Union(steps), value) => {
            for step in steps {
                take(step, value, root, visits, out);
            }
        }
        (Step::Filter(filter), Value::Array(items)) => {
            out.extend(items.iter().filter(|item| filter.holds(item, root, visits)));
        }
        _ => {}
    }
}

fn descend<'v>(value: &'v Value, out: &mut Vec<&'v Value>) {
    if out.len() >= MAX_RESULTS {
        return;
    }
    out.push(value);
    match value {
        Value::Object(map) => map.values().for_each(|value| descend(value, out)),
        Value::Array(items) => items.iter().for_each(|item| descend(item, out)),
        _ => {}
    }
}

impl Filter {
    fn holds(&self, item: &Value, root: &Value, visits: &Cell<usize>) -> bool {
        visits.set(visits.get().saturating_sub(1));
        if visits.get() == 0 {
            return false;
        }
        let Some(left) = self.left.value(item, root, visits) else { return false };
        if self.test == Test::Exists {
            return true;
        }
        let Some(right) = self.right.value(item, root, visits) else { return false };
        let order = match (&left, &right) {
            (Value::Number(a), Value::Number(b)) => a.as_f64().partial_cmp(&b.as_f64()),
            (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
            (a, b) => (a == b).then_some(Ordering::Equal),
        };
        match self.test {
            Test::Exists => true,
            Test::Equal => order == Some(Ordering::Equal),
            Test::NotEqual => order != Some(Ordering::Equal),
            Test::Less => order == Some(Ordering::Less),
            Test::LessOrEqual => matches!(order, Some(Ordering::Less | Ordering::Equal)),
            Test::Greater => order == Some(Ordering::Greater),
            Test::GreaterOrEqual => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
        }
    }
}

impl Operand {
    fn value(&self, item: &Value, root: &Value, visits: &Cell<usize>) -> Option<Value> {
        match self {
            Operand::Literal(value) => Some(value.clone()),
            Operand::Path { from_root, steps } => {
                let start = if *from_root { root } else { item };
                walk(steps, vec![start], root, visits).first().map(|value| (*value).clone())
            }
        }
    }
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
    count: usize,
}

impl<'t> Parser<'t> {
    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn eat(&mut self, token: &str) -> bool {
        let found = self.rest().starts_with(token);
        if found {
            self.at += token.len();
        }
        found
    }

    fn spaces(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    fn unexpected(&self) -> ParseError {
        match self.peek() {
            Some(c) => ParseError(format!("unrecognized character in action: U+{:04X} {c:?}", u32::from(c))),
            None => ParseError("unexpected end of path".to_owned()),
        }
    }

    /// Steps up to the end, or, inside a filter, up to an operator or the closing parenthesis.
    fn steps(&mut self, in_filter: bool) -> Result<Vec<Step>, ParseError> {
        let mut steps = Vec::new();
        while let Some(c) = self.peek() {
            self.count += 1;
            if self.count > MAX_STEPS {
                return Err(ParseError("path has too many steps".to_owned()));
            }
            match c {
                '$' | '@' if steps.is_empty() && !in_filter => self.at += 1,
                '.' if self.eat("..") => {
                    steps.push(Step::Recursive);
                    if self.peek().is_some_and(is_name) {
                        steps.push(self.field()?);
                    }
                }
                '.' => {
                    self.at += 1;
                    match self.peek() {
                        Some('*') => {
                            self.at += 1;
                            steps.push(Step::Wildcard);
                        }
                        Some(c) if is_name(c) => steps.push(self.field()?),
                        // A lone dot is the object itself.
                        None | Some('[' | '.') => {}
                        Some(c) if in_filter && ends_operand(c) => {}
                        Some(_) => return Err(self.unexpected()),
                    }
                }
                '[' => steps.push(self.bracket()?),
                '*' => {
                    self.at += 1;
                    steps.push(Step::Wildcard);
                }
                c if in_filter && ends_operand(c) => break,
                c if steps.is_empty() && is_name(c) => steps.push(self.field()?),
                _ => return Err(self.unexpected()),
            }
        }
        Ok(steps)
    }

    /// A name; a backslash takes the next character as it is.
    fn field(&mut self) -> Result<Step, ParseError> {
        let mut name = String::new();
        while let Some(c) = self.peek() {
            match c {
                '\\' => {
                    self.at += 1;
                    let Some(escaped) = self.peek() else { return Err(self.unexpected()) };
                    name.push(escaped);
                    self.at += escaped.len_utf8();
                }
                c if is_name(c) => {
                    name.push(c);
                    self.at += c.len_utf8();
                }
                _ => break,
            }
        }
        Ok(Step::Field(name.into()))
    }

    fn bracket(&mut self) -> Result<Step, ParseError> {
        self.at += 1;
        self.spaces();
        if self.eat("?(") {
            let filter = self.filter()?;
            self.spaces();
            return if self.eat(")]") { Ok(Step::Filter(Box::new(filter))) } else { Err(unterminated("filter")) };
        }
        let mut parts = Vec::new();
        loop {
            self.spaces();
            parts.push(self.part()?);
            self.spaces();
            if self.eat(",") {
                self.count += 1;
                if self.count > MAX_STEPS {
                    return Err(ParseError("path has too many steps".to_owned()));
                }
                continue;
            }
            if self.eat("]") {
                break;
            }
            return Err(unterminated("array"));
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Step::Union(parts.into()) })
    }

    fn part(&mut self) -> Result<Step, ParseError> {
        match self.peek() {
            Some('*') => {
                self.at += 1;
                Ok(Step::Wildcard)
            }
            Some(quote @ ('\'' | '"')) => Ok(Step::Field(self.quoted(quote)?.into())),
            Some(c) if c == ':' || c == '-' || c.is_ascii_digit() => {
                let start = self.number()?;
                if !self.eat(":") {
                    return start.map(Step::Index).ok_or_else(|| self.unexpected());
                }
                let end = self.number()?;
                let step = if self.eat(":") { self.number()? } else { None };
                if step.is_some_and(|step| step <= 0) {
                    return Err(ParseError("step must be > 0".to_owned()));
                }
                Ok(Step::Slice { start, end, step })
            }
            _ => Err(ParseError(format!("invalid array index {}", self.rest().split(']').next().unwrap_or_default()))),
        }
    }

    fn number(&mut self) -> Result<Option<i64>, ParseError> {
        let rest = self.rest();
        let digits = rest.strip_prefix('-').unwrap_or(rest);
        let len = rest.len() - digits.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        if len == 0 {
            return Ok(None);
        }
        self.at += len;
        rest[..len].parse().map(Some).map_err(|_| ParseError(format!("invalid array index {}", &rest[..len])))
    }

    fn quoted(&mut self, quote: char) -> Result<String, ParseError> {
        self.at += 1;
        let mut out = String::new();
        while let Some(c) = self.peek() {
            self.at += c.len_utf8();
            if c == quote {
                return Ok(out);
            }
            if c == '\\' {
                let Some(escaped) = self.peek() else { break };
                self.at += escaped.len_utf8();
                out.push(escaped);
            } else {
                out.push(c);
            }
        }
        Err(ParseError("unterminated quoted string".to_owned()))
    }

    fn filter(&mut self) -> Result<Filter, ParseError> {
        self.spaces();
        let left = self.operand()?;
        self.spaces();
        for (token, test) in [
            ("==", Test::Equal),
            ("!=", Test::NotEqual),
            ("<=", Test::LessOrEqual),
            (">=", Test::GreaterOrEqual),
            ("<", Test::Less),
            (">", Test::Greater),
        ] {
            if self.eat(token) {
                self.spaces();
                return Ok(Filter { left, test, right: self.operand()? });
            }
        }
        Ok(Filter { left, test: Test::Exists, right: Operand::Literal(Value::Null) })
    }

    fn operand(&mut self) -> Result<Operand, ParseError> {
        match self.peek() {
            Some(start @ ('@' | '$')) => {
                self.at += 1;
                Ok(Operand::Path { from_root: start == '$', steps: self.steps(true)?.into() })
            }
            Some(quote @ ('\'' | '"')) => Ok(Operand::Literal(self.quoted(quote)?.into())),
            Some(_) => {
                let end = self.rest().find(|c| ends_operand(c) || c == ']').unwrap_or(self.rest().len());
                let word = &self.rest()[..end];
                let literal = match word {
                    "true" => Value::Bool(true),
                    "false" => Value::Bool(false),
                    word => match serde_json::from_str(word) {
                        Ok(Value::Number(number)) => Value::Number(number),
                        _ => return Err(ParseError(format!("cannot parse filter value {word:?}"))),
                    },
                };
                self.at += end;
                Ok(Operand::Literal(literal))
            }
            None => Err(unterminated("filter")),
        }
    }
}

fn unterminated(what: &str) -> ParseError {
    ParseError(format!("unterminated {what}"))
}

/// Characters that belong to an unquoted name.
fn is_name(c: char) -> bool {
    c == '\\' || !(c.is_whitespace() || ".[]{}()*,@$'\"|=<>!?".contains(c))
}

fn ends_operand(c: char) -> bool {
    c.is_whitespace() || "=!<>)".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn paths_find_what_they_find_in_kubectl() {
        let object = json!({
            "metadata": {"name": "a", "annotations": {"example.com/x": "y"}},
            "spec": {"replicas": 3, "list": [1, 2, 3, 4]},
            "status": {"conditions": [{"type": "Ready", "status": "True"}, {"type": "Other", "status": "False"}]},
        });
        for (path, found) in [
            (".metadata.name", json!(["a"])),
            (".metadata.annotations.example\\.com/x", json!(["y"])),
            (".metadata.annotations['example.com/x']", json!(["y"])),
            (".spec.list[1]", json!([2])),
            (".spec.list[-1]", json!([4])),
            (".spec.list[1:3]", json!([2, 3])),
            (".spec.list[::2]", json!([1, 3])),
            (".spec.list[0,2]", json!([1, 3])),
            (".spec.list[?(@ > 2)]", json!([3, 4])),
            (".spec.list[*]", json!([1, 2, 3, 4])),
            (".status.conditions[?(@.type==\"Ready\")].status", json!(["True"])),
            (".status.conditions[?(@.type=='Other')].status", json!(["False"])),
            (".status.conditions[?(@.missing)].status", json!([])),
            ("..status", json!([object["status"], "True", "False"])),
            (".missing.deep", json!([])),
            (".spec.list[9]", json!([])),
            ("$.spec.replicas", json!([3])),
            (".", json!([object])),
        ] {
            let parsed = JsonPath::parse(path).unwrap_or_else(|error| panic!("{path}: {error}"));
            assert_eq!(json!(parsed.find(&object)), found, "{path}");
        }
    }

    #[test]
    fn malformed_paths_are_refused() {
        for path in [".a[", ".a[x]", ".a['b", ".a}", ".a[?(@.b==]", ".a[0", ".a[1:2:0]", ".a[?(@.b"] {
            assert!(JsonPath::parse(path).is_err(), "{path}");
        }
    }

    #[test]
    fn a_path_of_wildcards_finds_a_bounded_number_of_values() {
        let row = Value::Array(vec![json!(1); 200]);
        let object = Value::Array(vec![Value::Array(vec![row; 20]); 20]);
        let path = JsonPath::parse("[*][*][*]").unwrap();
        assert_eq!(path.find(&object).len(), MAX_RESULTS);
    }

    #[test]
    fn filters_that_search_everything_for_everything_come_to_an_end() {
        let object = Value::Array(vec![json!({"a": [1, 2, 3]}); 5_000]);
        let path = "[?($..[?($..[?($..a)].b)].b)]";
        assert!(JsonPath::parse(path).unwrap().find(&object).is_empty());
    }
}
