//! Metadata of resources and of resources embedded in them: typed decoding and validation.

use crate::fault::{self, Faults};
use crate::path::At;
use crate::shape::{self, Field, Print, Shape, Struct};
use crate::structural::{EMBEDDED, EMBEDS, Node, Structural};
use kcp_apimachinery::field::{Error, ErrorList, Path};
use kcp_apimachinery::{meta, names};
use serde_json::{Map, Value, json};

const TEXTS: Shape = Shape::List(&Shape::Text, "[]string");
const TEXT_MAP: Shape = Shape::Map(&Shape::Text, "map[string]string");

static OWNER_REFERENCE: Struct = Struct {
    name: "OwnerReference",
    full: "v1.OwnerReference",
    fields: &[
        Field::new("apiVersion", Shape::Text, Print::Always),
        Field::new("kind", Shape::Text, Print::Always),
        Field::new("name", Shape::Text, Print::Always),
        Field::new("uid", Shape::Text, Print::Always),
        Field::new("controller", Shape::Bool, Print::IfGiven),
        Field::new("blockOwnerDeletion", Shape::Bool, Print::IfGiven),
    ],
};

static MANAGED_FIELDS_ENTRY: Struct = Struct {
    name: "ManagedFieldsEntry",
    full: "v1.ManagedFieldsEntry",
    fields: &[
        Field::new("manager", Shape::Text, Print::UnlessEmpty),
        Field::new("operation", Shape::Text, Print::UnlessEmpty),
        Field::new("apiVersion", Shape::Text, Print::UnlessEmpty),
        Field::new("time", Shape::Time, Print::IfGiven),
        Field::new("fieldsType", Shape::Text, Print::UnlessEmpty),
        Field::new("fieldsV1", Shape::Any, Print::IfGiven),
        Field::new("subresource", Shape::Text, Print::UnlessEmpty),
    ],
};

pub(crate) static OBJECT_META: Struct = Struct {
    name: "ObjectMeta",
    full: "v1.ObjectMeta",
    fields: &[
        Field::new("name", Shape::Text, Print::UnlessEmpty),
        Field::new("generateName", Shape::Text, Print::UnlessEmpty),
        Field::new("namespace", Shape::Text, Print::UnlessEmpty),
        Field::new("selfLink", Shape::Text, Print::UnlessEmpty),
        Field::new("uid", Shape::Text, Print::UnlessEmpty),
        Field::new("resourceVersion", Shape::Text, Print::UnlessEmpty),
        Field::new("generation", Shape::Int64, Print::UnlessEmpty),
        Field::new("creationTimestamp", Shape::Time, Print::IfGiven),
        Field::new("deletionTimestamp", Shape::Time, Print::IfGiven),
        Field::new("deletionGracePeriodSeconds", Shape::Int64, Print::IfGiven),
        Field::new("labels", TEXT_MAP, Print::UnlessEmpty),
        Field::new("annotations", TEXT_MAP, Print::UnlessEmpty),
        Field::new(
            "ownerReferences",
            Shape::List(&Shape::Struct(&OWNER_REFERENCE), "[]v1.OwnerReference"),
            Print::UnlessEmpty,
        ),
        Field::new("finalizers", TEXTS, Print::UnlessEmpty),
        Field::new(
            "managedFields",
            Shape::List(&Shape::Struct(&MANAGED_FIELDS_ENTRY), "[]v1.ManagedFieldsEntry"),
            Print::UnlessEmpty,
        ),
    ],
};

/// What to do with metadata fields of the wrong type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// Refuse the object, for requests.
    Refuse,
    /// Drop the field, for what was stored before the rules were.
    Drop,
}

/// Decodes one `metadata` in place as the API server's types do: unknown fields go, empty ones are left out, times are
/// normalised. Returns the paths of unknown fields, relative to the metadata; the error is worded as Go's decoder does.
pub fn coerce(metadata: &mut Value, malformed: Malformed) -> Result<Vec<String>, String> {
    let mut unknown = Vec::new();
    if metadata.is_null() {
        *metadata = Value::Object(Map::new());
        return Ok(unknown);
    }
    if shape::is_clean(metadata, &OBJECT_META) {
        return Ok(unknown);
    }
    // Metadata is read from what was written down, so that whole numbers are integers however they came.
    kcp_apimachinery::json::settle(metadata);
    let before = (malformed == Malformed::Drop).then(|| metadata.clone());
    let error = match shape::decode(metadata, &OBJECT_META, &mut unknown) {
        Ok(()) => return Ok(unknown),
        Err(error) => error,
    };
    let Some(Value::Object(fields)) = before else { return Err(error) };
    let mut kept = Map::new();
    unknown.clear();
    for (key, value) in fields {
        let mut single = Value::Object(Map::from_iter([(key, value)]));
        let mut dropped = Vec::new();
        if shape::decode(&mut single, &OBJECT_META, &mut dropped).is_ok() {
            unknown.append(&mut dropped);
            if let Value::Object(single) = single {
                kept.extend(single);
            }
        }
    }
    *metadata = Value::Object(kept);
    Ok(unknown)
}

impl Structural {
    /// What decoding a whole custom resource does: metadata is decoded, unknown fields are pruned, nulls settled and
    /// defaults filled in. Returns the paths of unknown fields in the order in which strict decoding reports them; those of
    /// stored objects are not collected.
    pub fn decode(&self, object: &mut Value, malformed: Malformed) -> Result<Vec<String>, DecodeError> {
        let mut unknown = Vec::new();
        if let Some(metadata) = object.get_mut("metadata") {
            let paths = coerce(metadata, malformed).map_err(DecodeError::Malformed)?;
            unknown.extend(paths.into_iter().map(|path| format!("metadata.{path}")));
            unknown.sort();
        }
        match malformed {
            Malformed::Refuse => unknown.extend(self.prune(object)),
            // Nobody is told about what is dropped on reading.
            Malformed::Drop => self.prune_only(object),
        }
        self.default(object);
        unknown.extend(self.coerce_embedded(object, malformed).map_err(DecodeError::Field)?);
        Ok(unknown)
    }

    /// Decodes type and metadata fields of embedded resources; those of the resource itself are not touched.
    pub fn coerce_embedded(&self, object: &mut Value, malformed: Malformed) -> Result<Vec<String>, Error> {
        let mut unknown = Vec::new();
        if self.root().has(EMBEDS) {
            self.coerce_node(object, self.root(), &At::Root, malformed, &mut unknown)?;
        }
        unknown.sort();
        Ok(unknown)
    }

    fn coerce_node(
        &self,
        value: &mut Value,
        node: &Node,
        at: &At<'_>,
        malformed: Malformed,
        unknown: &mut Vec<String>,
    ) -> Result<(), Error> {
        if !node.has(EMBEDS) {
            return Ok(());
        }
        match value {
            Value::Object(map) => {
                if node.has(EMBEDDED) {
                    coerce_resource(map, at, malformed, unknown)?;
                }
                for (key, value) in map.iter_mut() {
                    if let Some(property) = self.property(node, key) {
                        self.coerce_node(value, property, &at.child(key), malformed, unknown)?;
                    } else if let Some(schema) = self.entry(node, key) {
                        self.coerce_node(value, schema, &at.key(key), malformed, unknown)?;
                    }
                }
            }
            Value::Array(items) => {
                if let Some(schema) = self.items(node) {
                    for (index, item) in items.iter_mut().enumerate() {
                        self.coerce_node(item, schema, &at.index(index), malformed, unknown)?;
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Errors in type and metadata fields of embedded resources.
    pub fn validate_embedded(&self, object: &Value) -> ErrorList {
        let mut errors = Faults::default();
        if self.root().has(EMBEDS) {
            self.embedded_below(object, self.root(), &At::Root, &mut errors);
        }
        errors.into_list()
    }

    /// Errors in type and metadata fields of a value that is a whole resource, and in resources embedded in it: the first
    /// of wrong types, else all others.
    pub(crate) fn resource_errors(&self, value: &Value, at: &At<'_>) -> ErrorList {
        let mut errors = Faults::default();
        if let Value::Object(map) = value {
            match coerce_resource(&mut map.clone(), at, Malformed::Refuse, &mut Vec::new()) {
                Err(error) => {
                    errors.push(error);
                    return errors.into_list();
                }
                Ok(()) => validate_resource(map, at, &mut errors),
            }
        }
        errors.extend(self.embedded_errors_at(value, self.root(), at));
        errors.into_list()
    }

    /// Errors in embedded resources of a value that stands at `node`: the first of wrong types, else all others.
    pub(crate) fn embedded_errors_at(&self, value: &Value, node: &Node, at: &At<'_>) -> ErrorList {
        let mut errors = Faults::default();
        let mut decoded = value.clone();
        match self.coerce_node(&mut decoded, node, at, Malformed::Refuse, &mut Vec::new()) {
            Err(error) => errors.push(error),
            Ok(()) => self.embedded_below(value, node, at, &mut errors),
        }
        errors.into_list()
    }

    fn embedded_below(&self, value: &Value, node: &Node, at: &At<'_>, errors: &mut Faults) {
        if !node.has(EMBEDS) || errors.is_full() {
            return;
        }
        match value {
            Value::Object(map) => {
                if node.has(EMBEDDED) {
                    validate_resource(map, at, errors);
                }
                for (key, value) in map {
                    if let Some(property) = self.property(node, key) {
                        self.embedded_below(value, property, &at.child(key), errors);
                    } else if let Some(schema) = self.entry(node, key) {
                        self.embedded_below(value, schema, &at.key(key), errors);
                    }
                }
            }
            Value::Array(items) => {
                if let Some(schema) = self.items(node) {
                    for (index, item) in items.iter().enumerate() {
                        self.embedded_below(item, schema, &at.index(index), errors);
                    }
                }
            }
            _ => {}
        }
    }
}

/// Why a custom resource could not be decoded.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum DecodeError {
    /// The metadata of the resource itself has a field of the wrong type.
    #[error("{0}")]
    Malformed(String),
    /// An embedded resource has one.
    #[error("{0}")]
    Field(Error),
}

/// Decodes type and metadata fields of one embedded resource.
pub(crate) fn coerce_resource(
    map: &mut Map<String, Value>,
    at: &At<'_>,
    malformed: Malformed,
    unknown: &mut Vec<String>,
) -> Result<(), Error> {
    for key in ["apiVersion", "kind"] {
        match map.get(key) {
            Some(value) if !value.is_string() => {
                if malformed == Malformed::Refuse {
                    return Err(fault::invalid(&at.child(key), value, "must be a string"));
                }
                map.remove(key);
            }
            _ => {}
        }
    }
    if let Some(metadata) = map.get_mut("metadata") {
        let at = at.child("metadata");
        let original = metadata.clone();
        match coerce(metadata, malformed) {
            Ok(paths) => unknown.extend(paths.into_iter().map(|path| format!("{at}.{path}"))),
            Err(_) if malformed == Malformed::Drop => {}
            Err(error) => return Err(fault::invalid(&at, &original, &error)),
        }
    }
    Ok(())
}

/// Checks type and metadata fields of one embedded resource.
pub(crate) fn validate_resource(map: &Map<String, Value>, at: &At<'_>, errors: &mut Faults) {
    for key in ["apiVersion", "kind"] {
        if !map.contains_key(key) {
            errors.push(fault::required(&at.child(key), ""));
        }
    }
    if let Some(value) = map.get("apiVersion") {
        let at = at.child("apiVersion");
        match value.as_str() {
            None => errors.push(fault::invalid(&at, value, "must be a string")),
            Some("") => errors.push(fault::invalid(&at, value, "must not be empty")),
            Some(text) if text.matches('/').count() > 1 => {
                errors.push(fault::invalid(&at, value, &format!("unexpected GroupVersion string: {text}")));
            }
            Some(_) => {}
        }
    }
    if let Some(value) = map.get("kind") {
        let at = at.child("kind");
        match value.as_str() {
            None => errors.push(fault::invalid(&at, value, "must be a string")),
            Some("") => errors.push(fault::invalid(&at, value, "must not be empty")),
            Some(kind) => {
                let wrong = names::is_dns1035_label(&kind.to_lowercase());
                if !wrong.is_empty() {
                    let detail = format!("may have mixed case, but should otherwise match: {}", wrong.join(","));
                    errors.push(fault::invalid(&at, value, &detail));
                }
            }
        }
    }
    if let Some(metadata) = map.get("metadata") {
        let at = at.child("metadata");
        let mut decoded = metadata.clone();
        match coerce(&mut decoded, Malformed::Refuse) {
            Err(error) => errors.push(fault::invalid(&at, metadata, &error)),
            Ok(_) => validate_metadata(&decoded, &at, errors),
        }
    }
}

/// Embedded metadata follows the rules of any other, but its name may be missing and any path segment is a good one.
fn validate_metadata(metadata: &Value, at: &At<'_>, errors: &mut Faults) {
    let mut object = json!({ "metadata": metadata });
    if meta::name(&object).is_empty() {
        meta::set_name(&mut object, "fakename");
    }
    let namespaced = !meta::namespace(&object).is_empty();
    let path = Path::root(at.to_string());
    errors.extend(meta::validate_object_meta(&object, namespaced, names::path_name, &path));
}
