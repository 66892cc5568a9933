//! OpenAPI definitions, compiled into a tree that an object is walked against.

use super::go;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// Looks an OpenAPI definition up by name.
pub type Definitions = fn(&str) -> Option<&'static Value>;

/// What a value has to be.
#[derive(Clone, Debug)]
pub enum Node {
    /// Anything, kept as it is.
    Any,
    /// `true` or `false`.
    Bool,
    /// A string.
    String,
    /// A whole number of 32 bits.
    Int32,
    /// A whole number of 64 bits.
    Int64,
    /// A number.
    Float,
    /// A string or a whole number.
    IntOrString,
    /// A time in whole seconds.
    Time,
    /// A time with six digits of a second.
    MicroTime,
    /// Bytes in base64.
    Bytes,
    /// A list.
    List(Box<Node>),
    /// A map from strings.
    Map(Box<Node>),
    /// A structure, by its place in the tree.
    Struct(usize),
    /// A boolean or a structure.
    StructOrBool(usize),
    /// A structure or a list of them.
    StructOrList(usize),
    /// A structure or a list of strings.
    StructOrStrings(usize),
}

/// A field of a structure.
#[derive(Debug)]
pub struct Field {
    /// Its name.
    pub name: Box<str>,
    /// What it holds.
    pub node: Node,
    /// Whether an empty value is left out.
    pub omit_empty: bool,
    /// Name of the field's own type.
    pub named: Option<&'static str>,
}

/// A Go structure.
#[derive(Debug)]
pub struct Struct {
    /// Its name without the package.
    pub name: Box<str>,
    /// Its fields, sorted by name.
    pub fields: Vec<Field>,
    /// Fields that are printed even where the object has none, with what they say then.
    pub always: Vec<(Box<str>, Value)>,
}

impl Struct {
    /// The field of that name.
    pub fn field(&self, name: &str) -> Option<&Field> {
        let index = self.fields.binary_search_by(|field| field.name.as_ref().cmp(name)).ok()?;
        self.fields.get(index)
    }
}

/// Every structure that one kind reaches. The first is the kind itself.
#[derive(Debug)]
pub struct Tree {
    /// The structures; nodes refer to them by index, so that one may hold itself.
    pub structs: Vec<Struct>,
}

impl Tree {
    /// Compiles the definition of that name. A definition that is not known has no fields but the type header's and
    /// `metadata`'s.
    pub fn compile(definition: &str, definitions: Definitions) -> Self {
        let mut compiler = Compiler { definitions, places: HashMap::new(), structs: Vec::new() };
        compiler.structure(definition);
        let structs = compiler.structs.into_iter().flatten().collect();
        Self { structs }
    }
}

struct Compiler {
    definitions: Definitions,
    places: HashMap<String, usize>,
    /// `None` while a structure is being compiled: its place is taken so that it can refer to itself.
    structs: Vec<Option<Struct>>,
}

const SCHEMA_PROPS: &str = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps";

impl Compiler {
    fn structure(&mut self, definition: &str) -> usize {
        let place = self.structs.len();
        match self.places.entry(definition.to_owned()) {
            Entry::Occupied(known) => return *known.get(),
            Entry::Vacant(free) => free.insert(place),
        };
        self.structs.push(None);
        let name = definition.rsplit('.').next().unwrap_or(definition);
        let schema = (self.definitions)(definition);
        let properties = schema.and_then(|schema| schema.get("properties")).and_then(Value::as_object);
        let mut fields: Vec<Field> = Vec::new();
        for (field, schema) in properties.into_iter().flatten() {
            let node = self.node(schema);
            let omit_empty =
                !matches!(node, Node::Any | Node::Struct(_) | Node::StructOrBool(_)) && !go::is_pointer(name, field);
            fields.push(Field { name: field.as_str().into(), node, omit_empty, named: go::named(name, field) });
        }
        fields.sort_by(|a, b| a.name.cmp(&b.name));
        let required = schema.and_then(|schema| schema.get("required")).and_then(Value::as_array);
        let mut shown: Vec<&str> = required.into_iter().flatten().filter_map(Value::as_str).collect();
        shown.extend(go::always(definition, name));
        let mut always = Vec::new();
        for field in &mut fields {
            if shown.contains(&field.name.as_ref()) {
                field.omit_empty = false;
                always.push((field.name.clone(), zero(&field.node)));
            }
        }
        self.structs[place] = Some(Struct { name: name.into(), fields, always });
        place
    }

    fn node(&mut self, schema: &Value) -> Node {
        if let Some(name) = reference(schema) {
            return self.referred(name);
        }
        let format = schema.get("format").and_then(Value::as_str).unwrap_or_default();
        match schema.get("type").and_then(Value::as_str) {
            Some("boolean") => Node::Bool,
            Some("integer") if format == "int32" => Node::Int32,
            Some("integer") => Node::Int64,
            Some("number") => Node::Float,
            Some("string") if format == "byte" => Node::Bytes,
            Some("string") if format == "date-time" => Node::Time,
            Some("string") if format == "int-or-string" => Node::IntOrString,
            Some("string") => Node::String,
            Some("array") => Node::List(Box::new(schema.get("items").map_or(Node::Any, |items| self.node(items)))),
            Some("object") => match schema.get("additionalProperties") {
                Some(values @ Value::Object(_)) => Node::Map(Box::new(self.node(values))),
                _ => Node::Any,
            },
            _ => Node::Any,
        }
    }

    fn referred(&mut self, definition: &str) -> Node {
        match definition.rsplit('.').next().unwrap_or(definition) {
            "Time" => return Node::Time,
            "MicroTime" => return Node::MicroTime,
            "IntOrString" => return Node::IntOrString,
            "Quantity" | "FieldsV1" | "RawExtension" | "JSON" => return Node::Any,
            "JSONSchemaPropsOrBool" => return Node::StructOrBool(self.structure(SCHEMA_PROPS)),
            "JSONSchemaPropsOrArray" => return Node::StructOrList(self.structure(SCHEMA_PROPS)),
            "JSONSchemaPropsOrStringArray" => return Node::StructOrStrings(self.structure(SCHEMA_PROPS)),
            _ => {}
        }
        match (self.definitions)(definition) {
            Some(schema) if schema.get("properties").is_none() => self.node(schema),
            _ => Node::Struct(self.structure(definition)),
        }
    }
}

/// The definition a schema refers to, also where the reference is wrapped to carry a description.
fn reference(schema: &Value) -> Option<&str> {
    let wrapped = || schema.get("allOf")?.as_array()?.first()?.get("$ref");
    let target = schema.get("$ref").or_else(wrapped)?.as_str()?;
    target.rsplit('/').next()
}

/// What Go prints for a field that was not set and is not omitted.
fn zero(node: &Node) -> Value {
    match node {
        Node::Bool => Value::Bool(false),
        Node::String => Value::String(String::new()),
        Node::Int32 | Node::Int64 | Node::Float | Node::IntOrString => json!(0),
        Node::Struct(_) => json!({}),
        Node::Any
        | Node::Bytes
        | Node::Time
        | Node::MicroTime
        | Node::List(_)
        | Node::Map(_)
        | Node::StructOrBool(_)
        | Node::StructOrList(_)
        | Node::StructOrStrings(_) => Value::Null,
    }
}
