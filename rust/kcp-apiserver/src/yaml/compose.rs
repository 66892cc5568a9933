//! Makes JSON values of a YAML document's events.

use super::scalar::{Scalar, resolve};
use granit_parser::{Event, Parser, ScalarStyle, Span, StrInput, Tag};
use kcp_apimachinery::{strict, text};
use serde_json::{Map, Number, Value};
use std::collections::{HashMap, HashSet};

/// Nodes that aliases may add to a document. Documents written by hand stay far below; a few hundred bytes of aliases
/// of aliases would keep a thread busy for as long as this allows.
const REPLAYED: usize = 50_000;

/// The namespace of YAML's own tags.
const OWN_TAGS: &str = "tag:yaml.org,2002:";

/// A document and the lines that strict decoding complains about: `line 7: key "a" already set in map`.
pub struct Composed {
    pub value: Value,
    pub repeated: Vec<String>,
}

/// Reads the first document of a text; none is null.
///
/// # Errors
/// What is wrong, as Kubernetes tells it as far as it is about what the document says and not how it is written.
pub fn compose(text: &str) -> Result<Composed, String> {
    let mut composer =
        Composer { events: Parser::new_from_str(text), anchors: HashMap::new(), replayed: 0, repeated: Vec::new() };
    loop {
        match composer.next()?.0 {
            Event::StreamEnd => return Ok(Composed { value: Value::Null, repeated: Vec::new() }),
            Event::DocumentStart(..) => break,
            _ => {}
        }
    }
    let value = composer.value(0)?;
    Ok(Composed { value, repeated: composer.repeated })
}

struct Composer<'a> {
    events: Parser<'a, StrInput<'a>>,
    /// Completed nodes that a name was given to.
    anchors: HashMap<usize, Node>,
    replayed: usize,
    repeated: Vec<String>,
}

/// A node on its way to becoming a value or a key.
#[derive(Clone)]
enum Node {
    Scalar(Scalar),
    Other(Value),
}

impl<'a> Composer<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Span), String> {
        match self.events.next() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => Err(format!("yaml: {}", error.info())),
            None => Err("yaml: the document does not end".to_owned()),
        }
    }

    fn value(&mut self, depth: usize) -> Result<Value, String> {
        let (event, _) = self.next()?;
        let node = self.node(event, depth)?;
        json(node)
    }

    fn node(&mut self, event: Event<'a>, depth: usize) -> Result<Node, String> {
        if depth > strict::MAX_DEPTH {
            return Err("yaml: exceeded max depth".to_owned());
        }
        let (anchor, node) = match event {
            Event::Scalar(text, style, anchor, tag) => (anchor, Node::Scalar(scalar(&text, style, tag.as_deref())?)),
            Event::SequenceStart(_, anchor, _) => (anchor, Node::Other(self.sequence(depth)?)),
            Event::MappingStart(_, anchor, _) => (anchor, Node::Other(self.mapping(depth)?)),
            Event::Alias(id) => (0, self.alias(id)?),
            _ => return Err("yaml: a value is missing".to_owned()),
        };
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn alias(&mut self, id: usize) -> Result<Node, String> {
        let node = self.anchors.get(&id).ok_or("yaml: anchor value contains itself")?;
        self.replayed += match node {
            Node::Scalar(_) => 1,
            Node::Other(value) => size(value),
        };
        if self.replayed > REPLAYED {
            return Err("yaml: document contains excessive aliasing".to_owned());
        }
        Ok(node.clone())
    }

    fn sequence(&mut self, depth: usize) -> Result<Value, String> {
        let mut items = Vec::new();
        loop {
            match self.next()?.0 {
                Event::SequenceEnd => return Ok(Value::Array(items)),
                event => {
                    let node = self.node(event, depth + 1)?;
                    items.push(json(node)?);
                }
            }
        }
    }

    fn mapping(&mut self, depth: usize) -> Result<Value, String> {
        let (mut fields, mut seen) = (Map::new(), HashSet::new());
        loop {
            let key = match self.next()?.0 {
                Event::MappingEnd => return Ok(Value::Object(fields)),
                event => self.node(event, depth + 1)?,
            };
            let (event, span) = self.next()?;
            let value = json(self.node(event, depth + 1)?)?;
            let key = match key {
                Node::Scalar(Scalar::Merge) => {
                    merge(value, &mut fields, &mut seen)?;
                    continue;
                }
                Node::Scalar(key) => key,
                Node::Other(key) => return Err(format!("yaml: invalid map key: {}", text::go_value(&key))),
            };
            let Some(name) = key.key() else {
                let shown = text::go_value(&value);
                return Err(format!("unsupported map key of type: %!s(<nil>), key: <nil>, value: {shown}"));
            };
            if !seen.insert(key.go_syntax()) {
                let line = span.start.line();
                self.repeated.push(format!("  line {line}: key {} already set in map", key.go_syntax()));
            }
            fields.insert(name, value);
        }
    }
}

/// Puts the fields of another mapping, or of several of which the first counts most, into one.
fn merge(value: Value, fields: &mut Map<String, Value>, seen: &mut HashSet<String>) -> Result<(), String> {
    let refuse = || Err("yaml: map merge requires map or sequence of maps as the value".to_owned());
    let maps = match value {
        Value::Object(map) => vec![Value::Object(map)],
        Value::Array(maps) => maps,
        _ => return refuse(),
    };
    for map in maps.into_iter().rev() {
        let Value::Object(map) = map else { return refuse() };
        seen.extend(map.keys().map(|key| text::quote(key)));
        fields.extend(map);
    }
    Ok(())
}

fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Result<Scalar, String> {
    let own = tag.and_then(|tag| tag.suffix_in_namespace(OWN_TAGS));
    let foreign = tag.is_some() && own.is_none();
    let plain = style == ScalarStyle::Plain && tag.is_none();
    let own = if foreign { Some("str") } else { own.as_deref() };
    resolve(text, own, plain).map_err(|error| format!("yaml: {error}"))
}

/// A node as JSON has it: numbers as Go writes and reads them.
fn json(node: Node) -> Result<Value, String> {
    let float = |value: f64| {
        let mut value = Number::from_f64(value).map(Value::Number).unwrap_or_default();
        kcp_apimachinery::json::settle(&mut value);
        value
    };
    Ok(match node {
        Node::Other(value) => value,
        Node::Scalar(Scalar::Null) => Value::Null,
        Node::Scalar(Scalar::Bool(value)) => value.into(),
        Node::Scalar(Scalar::Int(value)) => value.into(),
        #[allow(clippy::cast_precision_loss)]
        Node::Scalar(Scalar::Large(value)) => float(value as f64),
        Node::Scalar(Scalar::Float(value)) if !value.is_finite() => {
            return Err(format!("json: unsupported value: {}", text::float(value)));
        }
        Node::Scalar(Scalar::Float(value)) => float(value),
        Node::Scalar(Scalar::Text(text)) => text.into(),
        Node::Scalar(Scalar::Merge) => "<<".into(),
    })
}

/// The number of nodes of a value.
fn size(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(size).sum(),
        Value::Object(map) => map.values().map(size).sum(),
        _ => 0,
    }
}
