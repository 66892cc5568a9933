//! One object walked against the tree of its kind.

use super::base64;
use super::compile::{Field, Node, Struct, Tree};
use kcp_apimachinery::text::quote;
use kcp_apimachinery::time;
use serde_json::{Map, Value};

/// Of a document with more wrong values than this one of the first is told.
const MAX_FAILURES: usize = 1000;

/// Where in the object a value stands, back to the root; lives on the stack.
#[derive(Clone, Copy)]
struct Place<'a> {
    parent: Option<&'a Place<'a>>,
    step: Step<'a>,
}

#[derive(Clone, Copy)]
enum Step<'a> {
    Root,
    Field(&'a Struct, &'a Field),
    Key(&'a str),
    Index(usize),
}

/// A value that is not what its field holds.
#[derive(Debug)]
pub struct Failure {
    /// Where it stands: `spec.list[2].name`.
    pub path: String,
    /// Whether a type's own decoder failed, which ends the decoding; other errors are told at the end.
    pub ends: bool,
    /// What Go's decoder says.
    pub text: String,
}

/// What a walk found out.
struct Findings {
    unknown: Vec<String>,
    failures: Vec<Failure>,
    /// Above 0 inside types with a decoder of their own, which forgets unknown fields silently.
    muted: usize,
}

impl Tree {
    /// Checks and normalises `object`; see [`super::Typed::decode`].
    pub fn decode(&self, object: &mut Value) -> Result<Vec<String>, String> {
        let findings = self.findings(object)?;
        let failures = findings.failures;
        let told = failures.iter().position(|failure| failure.ends).unwrap_or_default();
        failures.into_iter().nth(told).map_or(Ok(findings.unknown), |failure| Err(failure.text))
    }

    /// All values that are not what their fields hold, in the order of the object's sorted fields.
    pub fn failures(&self, object: &mut Value) -> Vec<Failure> {
        self.findings(object).map_or_else(|_| Vec::new(), |findings| findings.failures)
    }

    fn findings(&self, object: &mut Value) -> Result<Findings, String> {
        let mut findings = Findings { unknown: Vec::new(), failures: Vec::new(), muted: 0 };
        let root = Place { parent: None, step: Step::Root };
        match (object, self.structs.first()) {
            (Value::Object(fields), Some(kind)) => self.structure(kind, fields, &root, &mut findings),
            (other, kind) => {
                let kind = kind.map_or("", |kind| &kind.name);
                return Err(format!("json: cannot unmarshal {} into Go value of type v1.{kind}", noun(other)));
            }
        }
        Ok(findings)
    }

    fn structure(&self, kind: &Struct, fields: &mut Map<String, Value>, place: &Place<'_>, findings: &mut Findings) {
        fields.retain(|name, value| {
            let Some(field) = kind.field(name) else {
                if findings.muted == 0 {
                    let place = Place { parent: Some(place), step: Step::Key(name) };
                    findings.unknown.push(format!("unknown field {}", quote(&place.strict_path())));
                }
                return false;
            };
            if value.is_null() {
                return false;
            }
            self.value(&field.node, value, &Place { parent: Some(place), step: Step::Field(kind, field) }, findings);
            !(value.is_null() || field.omit_empty && is_empty(value))
        });
        for (name, zero) in &kind.always {
            if !fields.contains_key(&**name) {
                fields.insert((**name).to_owned(), zero.clone());
            }
        }
    }

    fn value(&self, node: &Node, value: &mut Value, place: &Place<'_>, findings: &mut Findings) {
        match (node, &mut *value) {
            (Node::Any, _)
            | (Node::Bool | Node::StructOrBool(_), Value::Bool(_))
            | (Node::String | Node::IntOrString, Value::String(_))
            | (Node::Float, Value::Number(_)) => {}
            (Node::Int32 | Node::IntOrString, Value::Number(number)) => {
                if number.as_i64().is_none_or(|number| i32::try_from(number).is_err()) {
                    findings.fail(place, || self.mismatch(&format!("number {number}"), &Node::Int32, place));
                }
            }
            (Node::Int64, Value::Number(number)) => {
                if number.as_i64().is_none() {
                    findings.fail(place, || self.mismatch(&format!("number {number}"), node, place));
                }
            }
            (Node::Time, Value::String(text)) => findings.rewrite(text, place, time::normalize),
            (Node::MicroTime, Value::String(text)) => findings.rewrite(text, place, micro_time),
            (Node::Bytes, Value::String(text)) => match base64::check(text) {
                Ok(_) => text.retain(|c| !matches!(c, '\n' | '\r')),
                Err(offset) => findings.fail(place, || format!("illegal base64 data at input byte {offset}")),
            },
            (Node::List(item), Value::Array(items)) => self.list(item, items, place, findings),
            (Node::Map(of), Value::Object(entries)) => {
                for (key, value) in entries {
                    if value.is_null() {
                        *value = zero_entry(of);
                    } else {
                        self.value(of, value, &Place { parent: Some(place), step: Step::Key(key) }, findings);
                    }
                }
            }
            (Node::Struct(index), Value::Object(fields)) => {
                self.structure(&self.structs[*index], fields, place, findings)
            }
            (
                Node::StructOrBool(index) | Node::StructOrList(index) | Node::StructOrStrings(index),
                Value::Object(_),
            ) => {
                self.muted(&Node::Struct(*index), value, place, findings);
            }
            (Node::StructOrList(index), Value::Array(_)) => {
                self.muted(&Node::List(Box::new(Node::Struct(*index))), value, place, findings);
            }
            (Node::StructOrStrings(_), Value::Array(_)) => {
                self.muted(&Node::List(Box::new(Node::String)), value, place, findings);
            }
            (Node::StructOrBool(_), _) => findings.end(place, || "boolean or JSON schema expected".to_owned()),
            (Node::StructOrList(_) | Node::StructOrStrings(_), other) => *other = Value::Null,
            (Node::MicroTime, other) => {
                let noun = noun(other);
                findings.end(place, || self.mismatch(noun, &Node::String, place));
            }
            (Node::Time, other) => {
                let noun = noun(other);
                findings.end(place, || format!("json: cannot unmarshal {noun} into Go value of type string"));
            }
            (
                Node::Bool
                | Node::String
                | Node::IntOrString
                | Node::Int32
                | Node::Int64
                | Node::Float
                | Node::Bytes
                | Node::List(_)
                | Node::Map(_)
                | Node::Struct(_),
                other,
            ) => {
                let noun = noun(other);
                findings.fail(place, || self.mismatch(noun, node, place));
            }
        }
    }

    fn list(&self, item: &Node, items: &mut [Value], place: &Place<'_>, findings: &mut Findings) {
        for (index, value) in items.iter_mut().enumerate() {
            if value.is_null() {
                *value = zero_entry(item);
            } else {
                self.value(item, value, &Place { parent: Some(place), step: Step::Index(index) }, findings);
            }
        }
    }

    fn muted(&self, node: &Node, value: &mut Value, place: &Place<'_>, findings: &mut Findings) {
        findings.muted += 1;
        self.value(node, value, place, findings);
        findings.muted -= 1;
    }

    /// Go's text for a value of the wrong type: the innermost structure's name, the fields from the root, the type.
    fn mismatch(&self, found: &str, node: &Node, place: &Place<'_>) -> String {
        let mut names = Vec::new();
        let (mut structure, mut named) = (None, None);
        let mut next = Some(place);
        while let Some(place) = next {
            if let Step::Field(kind, field) = place.step {
                structure.get_or_insert(&kind.name);
                if names.is_empty() {
                    named = field.named;
                }
                names.push(&*field.name);
            }
            next = place.parent;
        }
        names.reverse();
        let structure: &str = structure.map_or("", |name| name);
        let fields = names.join(".");
        let wanted = self.go_type(node, named);
        format!("json: cannot unmarshal {found} into Go struct field {structure}.{fields} of type {wanted}")
    }

    fn go_type(&self, node: &Node, named: Option<&str>) -> String {
        match node {
            Node::Any => "interface {}".to_owned(),
            Node::Bool => "bool".to_owned(),
            Node::String => named.unwrap_or("string").to_owned(),
            Node::Int32 => "int32".to_owned(),
            Node::Int64 => "int64".to_owned(),
            Node::Float => "float64".to_owned(),
            Node::IntOrString => "intstr.IntOrString".to_owned(),
            Node::Time => "v1.Time".to_owned(),
            Node::MicroTime => "v1.MicroTime".to_owned(),
            Node::Bytes => "[]uint8".to_owned(),
            Node::List(item) => format!("[]{}", self.go_type(item, named)),
            Node::Map(of) => format!("map[string]{}", self.go_type(of, named)),
            Node::Struct(index)
            | Node::StructOrBool(index)
            | Node::StructOrList(index)
            | Node::StructOrStrings(index) => format!("v1.{}", self.structs[*index].name),
        }
    }
}

impl Findings {
    /// A value of a wrong type, which is told when all else was decoded.
    fn fail(&mut self, place: &Place<'_>, error: impl FnOnce() -> String) {
        self.add(place, self.muted > 0, error);
    }

    /// What a type's own decoder refuses.
    fn end(&mut self, place: &Place<'_>, error: impl FnOnce() -> String) {
        self.add(place, true, error);
    }

    fn add(&mut self, place: &Place<'_>, ends: bool, error: impl FnOnce() -> String) {
        if self.failures.len() < MAX_FAILURES {
            self.failures.push(Failure { path: place.strict_path(), ends, text: error() });
        }
    }

    fn rewrite(&mut self, text: &mut String, place: &Place<'_>, canonical: fn(&str) -> Result<String, String>) {
        match canonical(text) {
            Ok(canonical) => *text = canonical,
            Err(error) => self.end(place, || error),
        }
    }
}

impl Place<'_> {
    fn strict_path(&self) -> String {
        let mut path = self.parent.map_or_else(String::new, Place::strict_path);
        match self.step {
            Step::Root => {}
            Step::Index(index) => path.push_str(&format!("[{index}]")),
            Step::Field(_, Field { name, .. }) => push_name(&mut path, name),
            Step::Key(name) => push_name(&mut path, name),
        }
        path
    }
}

fn push_name(path: &mut String, name: &str) {
    if !path.is_empty() {
        path.push('.');
    }
    path.push_str(name);
}

/// The canonical form of a time with six digits after the point, which Go reads with neither more nor fewer.
fn micro_time(text: &str) -> Result<String, String> {
    const SECONDS: usize = "2006-01-02T15:04:05".len();
    let canonical = time::normalize_micro(text)?;
    let rest = &text[SECONDS..];
    let digits = rest.bytes().skip(1).take_while(u8::is_ascii_digit).count();
    let (unread, element) = match (rest.starts_with(['.', ',']), digits) {
        (true, 6) => return Ok(canonical),
        (true, 7..) => (&rest[7..], "Z07:00"),
        _ => (rest, ".000000"),
    };
    let layout = "2006-01-02T15:04:05.000000Z07:00";
    Err(format!("parsing time {} as \"{layout}\": cannot parse {} as \"{element}\"", quote(text), quote(unread)))
}

/// Whether Go's encoder leaves the value out of a field that may be omitted.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(value) => !value,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
    }
}

/// What `null` becomes in a list or a map.
fn zero_entry(node: &Node) -> Value {
    match node {
        Node::String | Node::Bytes => Value::String(String::new()),
        Node::Bool => Value::Bool(false),
        Node::Int32 | Node::Int64 | Node::Float | Node::IntOrString => Value::from(0),
        Node::Struct(_) => Value::Object(Map::new()),
        Node::Any
        | Node::Time
        | Node::MicroTime
        | Node::List(_)
        | Node::Map(_)
        | Node::StructOrBool(_)
        | Node::StructOrList(_)
        | Node::StructOrStrings(_) => Value::Null,
    }
}

/// What Go calls a JSON value of that type.
fn noun(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
