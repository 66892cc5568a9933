//! What the OpenAPI definition of a built-in kind says about ownership.

use crate::openapi::built_in;
use kcp_apimachinery::managed::{DEDUCED, Place, Relation, Scalar, Schema, Shape, Type, UNTYPED};
use serde_json::Value;
use std::collections::HashMap;

const QUANTITY: &str = "io.k8s.apimachinery.pkg.api.resource.Quantity";
const RAW_EXTENSION: &str = "io.k8s.apimachinery.pkg.runtime.RawExtension";

/// The definition of a kind and all it refers to, as field management asks for it.
#[derive(Debug)]
pub struct KindSchema {
    nodes: Vec<Node>,
    root: Place,
}

#[derive(Debug, Default)]
struct Node {
    shape: Option<Shape>,
    /// Sorted by name.
    fields: Vec<Field>,
    keys: Vec<Box<str>>,
}

#[derive(Debug)]
struct Field {
    name: Box<str>,
    place: Place,
    default: Option<Value>,
}

impl KindSchema {
    /// Compiles a definition by its name, e.g. `io.k8s.api.core.v1.ConfigMap`.
    pub fn compile(definition: &str) -> Self {
        let mut compiler = Compiler::default();
        let root = compiler.named(definition, None);
        Self { nodes: compiler.nodes, root }
    }

    /// Objects of the kind.
    pub fn root(&self) -> Type<'_> {
        Type::new(self, self.root)
    }

    fn node(&self, place: Place) -> Option<&Node> {
        self.nodes.get(usize::try_from(place.0).ok()?)
    }

    fn declared(&self, map: Place, name: &str) -> Option<&Field> {
        let fields = &self.node(map)?.fields;
        let index = fields.binary_search_by(|field| (*field.name).cmp(name)).ok()?;
        fields.get(index)
    }
}

impl Schema for KindSchema {
    fn shape(&self, place: Place) -> Shape {
        let shape = self.node(place).and_then(|node| node.shape);
        shape.unwrap_or(Shape { scalar: None, list: None, map: None })
    }

    fn field(&self, map: Place, name: &str) -> Option<Place> {
        self.declared(map, name).map(|field| field.place)
    }

    fn key(&self, list: Place, index: usize) -> Option<&str> {
        self.node(list)?.keys.get(index).map(|key| &**key)
    }

    fn default(&self, map: Place, name: &str) -> Option<&Value> {
        self.declared(map, name)?.default.as_ref()
    }
}

#[derive(Default)]
struct Compiler {
    nodes: Vec<Node>,
    /// By name of the definition and what the reference says about its atomicity.
    places: HashMap<(String, Option<bool>), Place>,
}

impl Compiler {
    fn named(&mut self, name: &str, atomic: Option<bool>) -> Place {
        if name == RAW_EXTENSION {
            return UNTYPED;
        }
        if let Some(place) = self.places.get(&(name.to_owned(), atomic)) {
            return *place;
        }
        let place = self.reserve();
        self.places.insert((name.to_owned(), atomic), place);
        let node = match built_in::definition(name) {
            _ if name == QUANTITY => scalar(Scalar::Any),
            Some(schema) => self.node(schema, atomic),
            None => open(),
        };
        self.put(place, node);
        place
    }

    fn reserve(&mut self) -> Place {
        self.nodes.push(Node::default());
        Place(self.nodes.len() as u64 - 1)
    }

    fn put(&mut self, place: Place, node: Node) {
        if let Some(slot) = usize::try_from(place.0).ok().and_then(|index| self.nodes.get_mut(index)) {
            *slot = node;
        }
    }

    fn place(&mut self, schema: &Value) -> Place {
        let atomic = atomicity(schema);
        if let Some(name) = built_in::reference(schema) {
            return self.named(name, atomic);
        }
        let place = self.reserve();
        let node = self.node(schema, atomic);
        self.put(place, node);
        place
    }

    fn node(&mut self, schema: &Value, atomic: Option<bool>) -> Node {
        let atomic = atomic.or_else(|| atomicity(schema)).unwrap_or(false);
        let format = schema.get("format").and_then(Value::as_str).unwrap_or_default();
        match schema.get("type").and_then(Value::as_str) {
            Some("object") => self.map(schema, atomic),
            Some("array") => self.list(schema),
            Some("integer" | "number") => scalar(Scalar::Number),
            Some("boolean") => scalar(Scalar::Bool),
            Some("string") if matches!(format, "" | "byte") => scalar(Scalar::String),
            Some(_) => scalar(Scalar::Any),
            None => {
                let (map, list) = (self.map(schema, atomic), self.list(schema));
                let shapes = (map.shape, list.shape);
                let shape = Shape {
                    scalar: Some(Scalar::Any),
                    list: shapes.1.and_then(|shape| shape.list),
                    map: shapes.0.and_then(|shape| shape.map),
                };
                Node { shape: Some(shape), fields: map.fields, keys: list.keys }
            }
        }
    }

    fn map(&mut self, schema: &Value, atomic: bool) -> Node {
        let mut fields = Vec::new();
        let required = schema.get("required").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        for (name, schema) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
            let place = self.place(schema);
            // A scalar that is always there has a value when it is not given.
            let zero = || if required.iter().any(|field| field == name) { zero(schema) } else { None };
            let default = schema.get("default").cloned().or_else(zero);
            fields.push(Field { name: name.as_str().into(), place, default });
        }
        fields.sort_by(|a, b| a.name.cmp(&b.name));
        let preserves = schema.get("x-kubernetes-preserve-unknown-fields") == Some(&Value::Bool(true));
        let others = match schema.get("additionalProperties") {
            Some(Value::Bool(false)) => None,
            Some(Value::Bool(true)) => Some(DEDUCED),
            Some(schema) => Some(self.place(schema)),
            None => (preserves || fields.is_empty()).then_some(DEDUCED),
        };
        Node { shape: Some(Shape { scalar: None, list: None, map: Some((atomic, others)) }), fields, keys: Vec::new() }
    }

    fn list(&mut self, schema: &Value) -> Node {
        let items = schema.get("items").map_or(UNTYPED, |items| self.place(items));
        let text = |name: &str| schema.get(name).and_then(Value::as_str);
        let named = schema.get("x-kubernetes-list-map-keys").and_then(Value::as_array);
        let mut keys: Vec<Box<str>> = Vec::new();
        let relation = match (text("x-kubernetes-list-type"), text("x-kubernetes-patch-strategy")) {
            (Some("set"), _) => Relation::Set,
            (Some("map"), _) => {
                keys.extend(named.into_iter().flatten().filter_map(Value::as_str).map(Into::into));
                Relation::Map
            }
            (None, Some("merge" | "merge,retainKeys")) => match text("x-kubernetes-patch-merge-key") {
                Some(key) => {
                    keys.push(key.into());
                    Relation::Map
                }
                None => Relation::Set,
            },
            _ => Relation::Atomic,
        };
        Node { shape: Some(Shape { scalar: None, list: Some((relation, items)), map: None }), fields: Vec::new(), keys }
    }
}

/// What a scalar is that was never set.
fn zero(schema: &Value) -> Option<Value> {
    match schema.get("type").and_then(Value::as_str)? {
        "string" => Some(Value::from("")),
        "integer" | "number" => Some(Value::from(0)),
        "boolean" => Some(Value::from(false)),
        _ => None,
    }
}

fn atomicity(schema: &Value) -> Option<bool> {
    Some(schema.get("x-kubernetes-map-type")?.as_str()? == "atomic")
}

fn scalar(scalar: Scalar) -> Node {
    Node { shape: Some(Shape { scalar: Some(scalar), list: None, map: None }), ..Node::default() }
}

/// What is not known is taken as it comes.
fn open() -> Node {
    let shape =
        Shape { scalar: Some(Scalar::Any), list: Some((Relation::Atomic, UNTYPED)), map: Some((false, Some(DEDUCED))) };
    Node { shape: Some(shape), ..Node::default() }
}
