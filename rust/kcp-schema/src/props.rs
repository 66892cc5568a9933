//! One node of an `openAPIV3Schema` as written, borrowed from the JSON it was sent as.

use crate::fault;
use crate::path::At;
use kcp_apimachinery::field::Error;
use serde_json::{Map, Value};

/// How deep schemas may nest: about what JSON bodies, cut off at 128 levels, can hold. Recursion over schemas is bounded by
/// it everywhere.
pub const MAX_DEPTH: usize = 64;

/// How many nodes (properties, items, combinator branches) one schema may have.
pub const MAX_NODES: usize = 200_000;

/// `items`: one schema, or the forbidden list form.
#[derive(Debug, PartialEq)]
pub(crate) enum Items<'a> {
    One(Box<Props<'a>>),
    Many(Vec<Props<'a>>),
}

/// `additionalProperties`: a schema or a boolean.
#[derive(Debug, PartialEq)]
pub(crate) enum Extra<'a> {
    Schema(Box<Props<'a>>),
    Allows(bool),
}

/// The fields of JSONSchemaProps; absent, `null` and (for strings and lists) empty mean the same.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Props<'a> {
    pub id: &'a str,
    pub schema: &'a str,
    pub reference: Option<&'a str>,
    pub description: &'a str,
    pub kind: &'a str,
    pub nullable: bool,
    pub format: &'a str,
    pub title: &'a str,
    pub default: Option<&'a Value>,
    pub maximum: Option<f64>,
    pub exclusive_maximum: bool,
    pub minimum: Option<f64>,
    pub exclusive_minimum: bool,
    pub max_length: Option<i64>,
    pub min_length: Option<i64>,
    pub pattern: &'a str,
    pub max_items: Option<i64>,
    pub min_items: Option<i64>,
    pub unique_items: bool,
    pub multiple_of: Option<f64>,
    pub values: Vec<&'a Value>,
    pub max_properties: Option<i64>,
    pub min_properties: Option<i64>,
    pub required: Vec<&'a str>,
    pub items: Option<Items<'a>>,
    pub all_of: Vec<Props<'a>>,
    pub one_of: Vec<Props<'a>>,
    pub any_of: Vec<Props<'a>>,
    pub not: Option<Box<Props<'a>>>,
    /// Sorted by name.
    pub properties: Vec<(&'a str, Props<'a>)>,
    /// `properties` is there and empty, which only messages tell from absent.
    pub empty_properties: bool,
    pub extra: Option<Extra<'a>>,
    pub pattern_properties: Vec<(&'a str, Props<'a>)>,
    pub dependencies: Option<&'a Map<String, Value>>,
    pub additional_items: Option<&'a Value>,
    pub definitions: Vec<(&'a str, Props<'a>)>,
    pub external_docs: Option<&'a Value>,
    pub example: Option<&'a Value>,
    pub preserve: Option<bool>,
    pub embedded: bool,
    pub int_or_string: bool,
    pub list_map_keys: Vec<&'a str>,
    pub list_type: Option<&'a str>,
    pub map_type: Option<&'a str>,
    pub validations: Option<&'a Vec<Value>>,
    /// How many keys are set at all.
    pub keys: usize,
}

impl<'a> Props<'a> {
    /// Reads a schema, refusing what nests too deeply or is too large.
    pub(crate) fn parse(schema: &'a Value, at: &At<'_>) -> Result<Props<'a>, Error> {
        let mut props = Props::default();
        match (Reader { nodes: 0 }).fill(&mut props, schema, at, 0) {
            Ok(()) => Ok(props),
            Err(error) => Err(*error),
        }
    }

    /// The named property.
    pub(crate) fn property(&self, name: &str) -> Option<&Props<'a>> {
        self.properties.binary_search_by(|(other, _)| (*other).cmp(name)).ok().map(|index| &self.properties[index].1)
    }

    /// The single item schema.
    pub(crate) fn item(&self) -> Option<&Props<'a>> {
        match &self.items {
            Some(Items::One(item)) => Some(item),
            _ => None,
        }
    }

    /// Whether this node or any below satisfies `predicate`.
    pub(crate) fn any(&self, predicate: &mut dyn FnMut(&Props<'a>) -> bool) -> bool {
        if predicate(self) {
            return true;
        }
        match &self.items {
            Some(Items::One(item)) if item.any(predicate) => return true,
            Some(Items::Many(items)) if items.iter().any(|item| item.any(predicate)) => return true,
            _ => {}
        }
        if let Some(Extra::Schema(extra)) = &self.extra
            && extra.any(predicate)
        {
            return true;
        }
        self.all_of.iter().chain(&self.any_of).chain(&self.one_of).any(|s| s.any(predicate))
            || self.not.as_ref().is_some_and(|s| s.any(predicate))
            || self.properties.iter().any(|(_, s)| s.any(predicate))
            || self.pattern_properties.iter().any(|(_, s)| s.any(predicate))
            || self.definitions.iter().any(|(_, s)| s.any(predicate))
    }
}

struct Reader {
    nodes: usize,
}

/// Boxed, to keep the frames of the recursion small.
type Filled = Result<(), Box<Error>>;

impl Reader {
    fn fill<'a>(&mut self, props: &mut Props<'a>, value: &'a Value, at: &At<'_>, depth: usize) -> Filled {
        self.nodes += 1;
        if depth >= MAX_DEPTH || self.nodes > MAX_NODES {
            return Err(too_large(at, depth));
        }
        let map = match value {
            Value::Object(map) => map,
            Value::Null => return Ok(()),
            other => return Err(Box::new(fault::type_invalid(at, other, "must be an object"))),
        };
        let depth = depth + 1;
        for (name, value) in map {
            if value.is_null() {
                continue;
            }
            props.keys += 1;
            let at = &at.child(name);
            match name.as_str() {
                "items" => match value {
                    Value::Array(items) => {
                        let mut many = Vec::new();
                        self.fill_all(&mut many, items, at, depth)?;
                        props.items = Some(Items::Many(many));
                    }
                    value => {
                        let mut one = empty();
                        self.fill(&mut one, value, at, depth)?;
                        props.items = Some(Items::One(one));
                    }
                },
                "additionalProperties" => match value {
                    Value::Bool(allows) => props.extra = Some(Extra::Allows(*allows)),
                    value => {
                        let mut schema = empty();
                        self.fill(&mut schema, value, at, depth)?;
                        props.extra = Some(Extra::Schema(schema));
                    }
                },
                "not" => {
                    let mut not = empty();
                    self.fill(&mut not, value, at, depth)?;
                    props.not = Some(not);
                }
                "allOf" => self.fill_all(&mut props.all_of, list(value, at)?, at, depth)?,
                "oneOf" => self.fill_all(&mut props.one_of, list(value, at)?, at, depth)?,
                "anyOf" => self.fill_all(&mut props.any_of, list(value, at)?, at, depth)?,
                "properties" => {
                    let properties = object(value, at)?;
                    props.empty_properties = properties.is_empty();
                    self.fill_named(&mut props.properties, properties, at, depth)?;
                }
                "patternProperties" => self.fill_named(&mut props.pattern_properties, object(value, at)?, at, depth)?,
                "definitions" => self.fill_named(&mut props.definitions, object(value, at)?, at, depth)?,
                name => set(props, name, value, at)?,
            }
        }
        Ok(())
    }

    fn fill_all<'a>(&mut self, all: &mut Vec<Props<'a>>, values: &'a [Value], at: &At<'_>, depth: usize) -> Filled {
        all.resize_with(values.len(), Props::default);
        for (index, (props, value)) in all.iter_mut().zip(values).enumerate() {
            self.fill(props, value, &at.index(index), depth)?;
        }
        Ok(())
    }

    fn fill_named<'a>(
        &mut self,
        named: &mut Vec<(&'a str, Props<'a>)>,
        map: &'a Map<String, Value>,
        at: &At<'_>,
        depth: usize,
    ) -> Filled {
        named.extend(map.keys().map(|name| (name.as_str(), Props::default())));
        // The map may keep insertion order when another crate turns that feature on.
        named.sort_by(|a, b| a.0.cmp(b.0));
        for (name, props) in named {
            if let Some(value) = map.get(*name) {
                self.fill(props, value, &at.key(name), depth)?;
            }
        }
        Ok(())
    }
}

#[inline(never)]
fn empty<'a>() -> Box<Props<'a>> {
    Box::default()
}

fn too_large(at: &At<'_>, depth: usize) -> Box<Error> {
    let detail = if depth >= MAX_DEPTH {
        format!("must not nest more than {MAX_DEPTH} levels deep")
    } else {
        format!("must not have more than {MAX_NODES} nodes")
    };
    Box::new(fault::forbidden(at, &detail))
}

/// Sets a field that holds no schema.
#[inline(never)]
fn set<'a>(props: &mut Props<'a>, name: &str, value: &'a Value, at: &At<'_>) -> Filled {
    match name {
        "id" => props.id = text(value, at)?,
        "$schema" => props.schema = text(value, at)?,
        "$ref" => props.reference = Some(text(value, at)?),
        "description" => props.description = text(value, at)?,
        "type" => props.kind = text(value, at)?,
        "nullable" => props.nullable = flag(value, at)?,
        "format" => props.format = text(value, at)?,
        "title" => props.title = text(value, at)?,
        "default" => props.default = Some(value),
        "maximum" => props.maximum = Some(number(value, at)?),
        "exclusiveMaximum" => props.exclusive_maximum = flag(value, at)?,
        "minimum" => props.minimum = Some(number(value, at)?),
        "exclusiveMinimum" => props.exclusive_minimum = flag(value, at)?,
        "maxLength" => props.max_length = Some(integer(value, at)?),
        "minLength" => props.min_length = Some(integer(value, at)?),
        "pattern" => props.pattern = text(value, at)?,
        "maxItems" => props.max_items = Some(integer(value, at)?),
        "minItems" => props.min_items = Some(integer(value, at)?),
        "uniqueItems" => props.unique_items = flag(value, at)?,
        "multipleOf" => props.multiple_of = Some(number(value, at)?),
        "enum" => props.values = list(value, at)?.iter().collect(),
        "maxProperties" => props.max_properties = Some(integer(value, at)?),
        "minProperties" => props.min_properties = Some(integer(value, at)?),
        "required" => props.required = texts(value, at)?,
        "dependencies" => props.dependencies = Some(object(value, at)?),
        "additionalItems" => props.additional_items = Some(value),
        "externalDocs" => props.external_docs = Some(value),
        "example" => props.example = Some(value),
        "x-kubernetes-preserve-unknown-fields" => props.preserve = Some(flag(value, at)?),
        "x-kubernetes-embedded-resource" => props.embedded = flag(value, at)?,
        "x-kubernetes-int-or-string" => props.int_or_string = flag(value, at)?,
        "x-kubernetes-list-map-keys" => props.list_map_keys = texts(value, at)?,
        "x-kubernetes-list-type" => props.list_type = Some(text(value, at)?),
        "x-kubernetes-map-type" => props.map_type = Some(text(value, at)?),
        "x-kubernetes-validations" => props.validations = Some(list(value, at)?),
        // Not a field of schemas, so not counted either.
        _ => props.keys -= 1,
    }
    Ok(())
}

fn text<'a>(value: &'a Value, at: &At<'_>) -> Result<&'a str, Box<Error>> {
    value.as_str().ok_or_else(|| Box::new(fault::type_invalid(at, value, "must be a string")))
}

fn flag(value: &Value, at: &At<'_>) -> Result<bool, Box<Error>> {
    value.as_bool().ok_or_else(|| Box::new(fault::type_invalid(at, value, "must be a boolean")))
}

fn number(value: &Value, at: &At<'_>) -> Result<f64, Box<Error>> {
    value.as_f64().ok_or_else(|| Box::new(fault::type_invalid(at, value, "must be a number")))
}

fn integer(value: &Value, at: &At<'_>) -> Result<i64, Box<Error>> {
    value.as_i64().ok_or_else(|| Box::new(fault::type_invalid(at, value, "must be an integer")))
}

fn list<'a>(value: &'a Value, at: &At<'_>) -> Result<&'a Vec<Value>, Box<Error>> {
    value.as_array().ok_or_else(|| Box::new(fault::type_invalid(at, value, "must be an array")))
}

fn object<'a>(value: &'a Value, at: &At<'_>) -> Result<&'a Map<String, Value>, Box<Error>> {
    value.as_object().ok_or_else(|| Box::new(fault::type_invalid(at, value, "must be an object")))
}

fn texts<'a>(value: &'a Value, at: &At<'_>) -> Result<Vec<&'a str>, Box<Error>> {
    list(value, at)?.iter().enumerate().map(|(index, item)| text(item, &at.index(index))).collect()
}
