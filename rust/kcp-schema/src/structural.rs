//! The compiled form of a schema: a flat, immutable arena with equal parts stored once.
//!
//! Nodes, fields and names are indices into boxed slices, so a schema with thousands of properties is a handful of
//! allocations, and the many equal subtrees of generated CRDs (pod templates, selectors) collapse into one.
//! Descriptions are not kept: publishing reads them from the CRD itself.

use crate::cel::rules::{self, Compiled, RuleText};
use crate::fault;
use crate::formats::Format;
use crate::path::At;
use crate::pattern::{self, Pattern};
use crate::props::{Extra, Items, Props};
use kcp_apimachinery::field::ErrorList;
use serde_json::Value;
use std::collections::HashMap;
use std::fmt;
use std::sync::OnceLock;

/// `type` of a node; int-or-string counts as a type of its own.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub(crate) enum Kind {
    Untyped,
    Object,
    Array,
    String,
    Integer,
    Number,
    Boolean,
    IntOrString,
    /// A type that no value has; only unvalidated schemas carry one.
    Unknown,
}

impl Kind {
    fn parse(name: &str) -> Kind {
        match name {
            "" => Kind::Untyped,
            "object" => Kind::Object,
            "array" => Kind::Array,
            "string" => Kind::String,
            "integer" => Kind::Integer,
            "number" => Kind::Number,
            "boolean" => Kind::Boolean,
            _ => Kind::Unknown,
        }
    }

    /// The type names as messages join them.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Untyped => "",
            Kind::Object => "object",
            Kind::Array => "array",
            Kind::String => "string",
            Kind::Integer => "integer",
            Kind::Number => "number",
            Kind::Boolean => "boolean",
            Kind::IntOrString => "integer,string",
            Kind::Unknown => "unknown",
        }
    }

    pub(crate) fn contains(self, name: &str) -> bool {
        match self {
            Kind::IntOrString => name == "integer" || name == "string",
            other => !name.is_empty() && other.name() == name,
        }
    }
}

/// `x-kubernetes-list-type`.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub(crate) enum ListType {
    /// Not said: replaced as a whole like atomic, but old and new items correspond by their index.
    Unsaid,
    Atomic,
    Set,
    Map,
}

pub(crate) const NULLABLE: u16 = 1;
pub(crate) const PRESERVE: u16 = 1 << 1;
pub(crate) const EMBEDDED: u16 = 1 << 2;
/// This node or one below has a default.
pub(crate) const DEFAULTS: u16 = 1 << 3;
/// This node or one below is a set or map list.
pub(crate) const LISTS: u16 = 1 << 4;
/// This node or one below is an embedded resource.
pub(crate) const EMBEDS: u16 = 1 << 5;
/// This node itself has a default.
pub(crate) const DEFAULTED: u16 = 1 << 6;
/// `x-kubernetes-map-type: atomic`.
pub(crate) const ATOMIC: u16 = 1 << 7;
/// This node or one below has validation rules.
pub(crate) const RULES: u16 = 1 << 8;
/// Flags that a node takes over from those below it.
const INHERITED: u16 = DEFAULTS | LISTS | EMBEDS | RULES;

const NONE: u32 = u32::MAX;
const ANY: u32 = u32::MAX - 1;
const FORBIDDEN: u32 = u32::MAX - 2;

/// What `additionalProperties` says.
pub(crate) enum Additional<'s> {
    Unsaid,
    Any,
    Forbidden,
    Schema(&'s Node),
}

/// One schema node; all indices point into the arena it belongs to.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub(crate) struct Node {
    pub kind: Kind,
    pub list: ListType,
    pub flags: u16,
    items: u32,
    extra: u32,
    fields: (u32, u32),
    rules: (u32, u32),
}

impl Node {
    pub(crate) fn has(&self, flag: u16) -> bool {
        self.flags & flag != 0
    }

    pub(crate) fn has_fields(&self) -> bool {
        self.fields.1 > 0
    }
}

/// A piece of the arena's text.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub(crate) struct Name {
    start: u32,
    len: u32,
}

#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
struct Field {
    name: Name,
    node: u32,
}

/// A value rule. A node's rules stand in the order in which the API server checks them.
#[derive(Debug)]
pub(crate) enum Rule {
    Format(Format, Name),
    AnyOf(Box<[u32]>),
    OneOf(Box<[u32]>),
    AllOf(Box<[u32]>),
    Not(u32),
    MaxLength(i64),
    MinLength(i64),
    Pattern(u32),
    MultipleOf(f64),
    Minimum { bound: f64, exclusive: bool },
    Maximum { bound: f64, exclusive: bool },
    MinItems(i64),
    MaxItems(i64),
    UniqueItems,
    Enum(Box<[Value]>),
    MinProperties(i64),
    MaxProperties(i64),
    Required(Box<[Name]>),
    MapKeys(Box<[Name]>),
    Default(Box<Value>),
    Validations(Box<[RuleText]>),
}

struct LazyPattern {
    source: Name,
    compiled: OnceLock<Option<Pattern>>,
}

/// A compiled schema. Share it by `Arc`; see [`crate::Pool`].
pub struct Structural {
    nodes: Box<[Node]>,
    fields: Box<[Field]>,
    rules: Box<[Rule]>,
    patterns: Box<[LazyPattern]>,
    text: Box<str>,
    root: u32,
    digest: [u8; 32],
    /// Validation rules by the node they stand at, compiled when they first run.
    compiled: HashMap<u32, OnceLock<Box<[Compiled]>>>,
}

impl fmt::Debug for Structural {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Structural")
            .field("nodes", &self.nodes.len())
            .field("fingerprint", &format_args!("{:016x}", self.fingerprint()))
            .finish_non_exhaustive()
    }
}

impl Structural {
    /// Compiles an `openAPIV3Schema`. Only what cannot be read at all is an error here: whether a schema is
    /// structural is decided by [`crate::crd::validate_create`].
    pub fn compile(schema: &Value) -> Result<Structural, ErrorList> {
        let props = Props::parse(schema, &At::Root).map_err(fault::list)?;
        Structural::from_props(&props, digest(schema))
    }

    pub(crate) fn from_props(props: &Props<'_>, digest: [u8; 32]) -> Result<Structural, ErrorList> {
        let mut builder = Builder::default();
        let root = builder.node(props);
        let Builder { nodes, fields, rules, patterns, text, .. } = builder;
        if text.len() > NONE as usize / 2 {
            return Err(fault::list(fault::forbidden(&At::Root, "is too large")));
        }
        let has_rules = |node: &Node| {
            let (start, len) = node.rules;
            rules[start as usize..(start + len) as usize].iter().any(|rule| matches!(rule, Rule::Validations(_)))
        };
        let with_rules = (0..).zip(&nodes).filter(|(_, node)| has_rules(node));
        let compiled = with_rules.map(|(index, _)| (index, OnceLock::new())).collect();
        Ok(Structural {
            compiled,
            nodes: nodes.into(),
            fields: fields.into(),
            rules: rules.into(),
            patterns: patterns.into_iter().map(|source| LazyPattern { source, compiled: OnceLock::new() }).collect(),
            text: text.into(),
            root,
            digest,
        })
    }

    /// A hash of the schema as written, equal in every process and run.
    pub fn fingerprint(&self) -> u64 {
        self.digest.iter().take(8).fold(0, |hash, byte| hash << 8 | u64::from(*byte))
    }

    /// SHA-256 of the schema as written: the key under which equal schemas may be shared between tenants.
    pub fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// Bytes held by this schema, without patterns compiled on first use.
    pub fn memory_size(&self) -> usize {
        size_of::<Structural>()
            + size_of_val(&*self.nodes)
            + size_of_val(&*self.fields)
            + size_of_val(&*self.rules)
            + size_of_val(&*self.patterns)
            + self.text.len()
    }

    pub(crate) fn root(&self) -> &Node {
        &self.nodes[self.root as usize]
    }

    pub(crate) fn node(&self, index: u32) -> &Node {
        &self.nodes[index as usize]
    }

    pub(crate) fn name(&self, name: Name) -> &str {
        &self.text[name.start as usize..(name.start + name.len) as usize]
    }

    pub(crate) fn items(&self, node: &Node) -> Option<&Node> {
        (node.items != NONE).then(|| self.node(node.items))
    }

    pub(crate) fn additional(&self, node: &Node) -> Additional<'_> {
        match node.extra {
            NONE => Additional::Unsaid,
            ANY => Additional::Any,
            FORBIDDEN => Additional::Forbidden,
            index => Additional::Schema(self.node(index)),
        }
    }

    /// Index of the root.
    pub(crate) fn root_index(&self) -> u32 {
        self.root
    }

    /// Index of the item schema.
    pub(crate) fn items_index(&self, node: &Node) -> Option<u32> {
        (node.items != NONE).then_some(node.items)
    }

    /// Index of the schema for entries that are no properties.
    pub(crate) fn additional_index(&self, node: &Node) -> Option<u32> {
        (node.extra < FORBIDDEN).then_some(node.extra)
    }

    /// Index of a property.
    pub(crate) fn property_index(&self, node: &Node, name: &str) -> Option<u32> {
        let fields = self.field_slice(node);
        fields.binary_search_by(|field| self.name(field.name).cmp(name)).ok().map(|index| fields[index].node)
    }

    fn field_slice(&self, node: &Node) -> &[Field] {
        let (start, len) = node.fields;
        &self.fields[start as usize..(start + len) as usize]
    }

    pub(crate) fn property(&self, node: &Node, name: &str) -> Option<&Node> {
        let fields = self.field_slice(node);
        fields.binary_search_by(|field| self.name(field.name).cmp(name)).ok().map(|index| self.node(fields[index].node))
    }

    /// Properties in the order of their names.
    pub(crate) fn properties(&self, node: &Node) -> impl Iterator<Item = (&str, &Node)> {
        self.field_slice(node).iter().map(|field| (self.name(field.name), self.node(field.node)))
    }

    /// The schema that applies to an entry of an object: its property, else the one for all others.
    pub(crate) fn entry(&self, node: &Node, name: &str) -> Option<&Node> {
        self.property(node, name).or_else(|| match self.additional(node) {
            Additional::Schema(schema) => Some(schema),
            _ => None,
        })
    }

    pub(crate) fn rules(&self, node: &Node) -> &[Rule] {
        let (start, len) = node.rules;
        &self.rules[start as usize..(start + len) as usize]
    }

    pub(crate) fn default_of(&self, node: &Node) -> Option<&Value> {
        if !node.has(DEFAULTED) {
            return None;
        }
        self.rules(node).iter().find_map(|rule| match rule {
            Rule::Default(value) => Some(&**value),
            _ => None,
        })
    }

    pub(crate) fn map_keys(&self, node: &Node) -> &[Name] {
        self.rules(node)
            .iter()
            .find_map(|rule| match rule {
                Rule::MapKeys(keys) => Some(&**keys),
                _ => None,
            })
            .unwrap_or_default()
    }

    /// The validation rules that stand at a node.
    pub(crate) fn rule_texts(&self, node: &Node) -> &[RuleText] {
        if !node.has(RULES) {
            return &[];
        }
        let found = self.rules(node).iter().find_map(|rule| match rule {
            Rule::Validations(texts) => Some(&**texts),
            _ => None,
        });
        found.unwrap_or_default()
    }

    /// The validation rules of a node, compiled once.
    pub(crate) fn compiled_rules(&self, node: u32) -> &[Compiled] {
        match self.compiled.get(&node) {
            Some(cell) => cell.get_or_init(|| rules::compile(self, node).into()),
            None => &[],
        }
    }

    /// A pattern's source and, unless it is no valid pattern, its matcher.
    pub(crate) fn pattern(&self, index: u32) -> (&str, Option<&Pattern>) {
        let pattern = &self.patterns[index as usize];
        let source = self.name(pattern.source);
        (source, pattern.compiled.get_or_init(|| pattern::compile(source).ok()).as_ref())
    }
}

/// SHA-256 over the compact JSON of a schema, or of any other value.
pub fn digest(schema: &Value) -> [u8; 32] {
    struct Sink(ring::digest::Context);
    impl std::io::Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.update(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut sink = std::io::BufWriter::new(Sink(ring::digest::Context::new(&ring::digest::SHA256)));
    // Neither writing into a digest nor encoding a Value (whose keys are strings) can fail.
    let _ = serde_json::to_writer(&mut sink, schema);
    let mut out = [0; 32];
    if let Ok(sink) = sink.into_inner() {
        out.copy_from_slice(sink.0.finish().as_ref());
    }
    out
}

#[derive(Default)]
struct Builder {
    nodes: Vec<Node>,
    fields: Vec<Field>,
    rules: Vec<Rule>,
    patterns: Vec<Name>,
    text: String,
    seen_names: HashMap<String, Name>,
    seen_nodes: HashMap<Node, u32>,
    seen_fields: HashMap<Vec<Field>, (u32, u32)>,
    seen_rules: HashMap<String, (u32, u32)>,
    seen_patterns: HashMap<Name, u32>,
}

impl Builder {
    fn name(&mut self, text: &str) -> Name {
        if let Some(name) = self.seen_names.get(text) {
            return *name;
        }
        let name = Name { start: self.text.len() as u32, len: text.len() as u32 };
        self.text.push_str(text);
        self.seen_names.insert(text.to_owned(), name);
        name
    }

    fn names(&mut self, texts: &[&str]) -> Box<[Name]> {
        texts.iter().map(|text| self.name(text)).collect()
    }

    fn node(&mut self, props: &Props<'_>) -> u32 {
        let mut flags = 0;
        let mut set = |flag: u16, on: bool| flags |= if on { flag } else { 0 };
        set(NULLABLE, props.nullable);
        set(PRESERVE, props.preserve == Some(true));
        set(EMBEDDED | EMBEDS, props.embedded);
        set(DEFAULTED | DEFAULTS, props.default.is_some());
        set(ATOMIC, props.map_type == Some("atomic"));
        let list = match props.list_type {
            Some("set") => ListType::Set,
            Some("map") => ListType::Map,
            Some("atomic") => ListType::Atomic,
            _ => ListType::Unsaid,
        };
        set(RULES, props.validations.is_some_and(|rules| !rules.is_empty()));
        set(LISTS, matches!(list, ListType::Set | ListType::Map));

        let items = match &props.items {
            Some(Items::One(item)) => self.node(item),
            _ => NONE,
        };
        let extra = match &props.extra {
            None => NONE,
            Some(Extra::Allows(true)) => ANY,
            Some(Extra::Allows(false)) => FORBIDDEN,
            Some(Extra::Schema(schema)) => self.node(schema),
        };
        let mut fields = Vec::with_capacity(props.properties.len());
        for (name, schema) in &props.properties {
            let field = Field { name: self.name(name), node: self.node(schema) };
            flags |= self.nodes[field.node as usize].flags & INHERITED;
            fields.push(field);
        }
        for below in [items, extra] {
            if below < FORBIDDEN {
                flags |= self.nodes[below as usize].flags & INHERITED;
            }
        }
        let kind = if props.int_or_string { Kind::IntOrString } else { Kind::parse(props.kind) };
        let node = Node {
            kind,
            list,
            flags,
            items,
            extra,
            fields: self.field_range(fields),
            rules: self.rule_range(props, kind),
        };
        if let Some(index) = self.seen_nodes.get(&node) {
            return *index;
        }
        let index = self.nodes.len() as u32;
        self.nodes.push(node);
        self.seen_nodes.insert(node, index);
        index
    }

    fn field_range(&mut self, fields: Vec<Field>) -> (u32, u32) {
        if fields.is_empty() {
            return (0, 0);
        }
        if let Some(range) = self.seen_fields.get(&fields) {
            return *range;
        }
        let range = (self.fields.len() as u32, fields.len() as u32);
        self.fields.extend_from_slice(&fields);
        self.seen_fields.insert(fields, range);
        range
    }

    fn nodes(&mut self, schemas: &[Props<'_>]) -> Box<[u32]> {
        schemas.iter().map(|schema| self.node(schema)).collect()
    }

    fn rule_range(&mut self, props: &Props<'_>, kind: Kind) -> (u32, u32) {
        let mut rules = Vec::new();
        let kind_name = if kind == Kind::IntOrString { "integer,string" } else { props.kind };
        if let Some(format) = Format::for_type(kind_name, props.format) {
            rules.push(Rule::Format(format, self.name(props.format)));
        }
        if !props.any_of.is_empty() {
            rules.push(Rule::AnyOf(self.nodes(&props.any_of)));
        }
        if !props.one_of.is_empty() {
            rules.push(Rule::OneOf(self.nodes(&props.one_of)));
        }
        if !props.all_of.is_empty() {
            rules.push(Rule::AllOf(self.nodes(&props.all_of)));
        }
        if let Some(not) = &props.not {
            rules.push(Rule::Not(self.node(not)));
        }
        rules.extend(props.max_length.map(Rule::MaxLength));
        rules.extend(props.min_length.map(Rule::MinLength));
        if !props.pattern.is_empty() {
            let source = self.name(props.pattern);
            let next = self.patterns.len() as u32;
            let index = *self.seen_patterns.entry(source).or_insert(next);
            if index == next {
                self.patterns.push(source);
            }
            rules.push(Rule::Pattern(index));
        }
        rules.extend(props.multiple_of.map(Rule::MultipleOf));
        rules.extend(props.minimum.map(|bound| Rule::Minimum { bound, exclusive: props.exclusive_minimum }));
        rules.extend(props.maximum.map(|bound| Rule::Maximum { bound, exclusive: props.exclusive_maximum }));
        rules.extend(props.min_items.map(Rule::MinItems));
        rules.extend(props.max_items.map(Rule::MaxItems));
        if props.unique_items {
            rules.push(Rule::UniqueItems);
        }
        if !props.values.is_empty() {
            rules.push(Rule::Enum(props.values.iter().map(|value| (*value).clone()).collect()));
        }
        rules.extend(props.min_properties.map(Rule::MinProperties));
        rules.extend(props.max_properties.map(Rule::MaxProperties));
        if !props.required.is_empty() {
            rules.push(Rule::Required(self.names(&props.required)));
        }
        if !props.list_map_keys.is_empty() {
            rules.push(Rule::MapKeys(self.names(&props.list_map_keys)));
        }
        if let Some(default) = props.default {
            rules.push(Rule::Default(Box::new(default.clone())));
        }
        if let Some(validations) = props.validations
            && !validations.is_empty()
        {
            rules.push(Rule::Validations(validations.iter().map(RuleText::parse).collect()));
        }
        if rules.is_empty() {
            return (0, 0);
        }
        let key = format!("{rules:?}");
        if let Some(range) = self.seen_rules.get(&key) {
            return *range;
        }
        let range = (self.rules.len() as u32, rules.len() as u32);
        self.rules.extend(rules);
        self.seen_rules.insert(key, range);
        range
    }
}
