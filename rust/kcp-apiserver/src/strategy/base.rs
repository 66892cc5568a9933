//! What the built-in kinds have in common: typed decoding, the core's rule for finalizers, merge keys.

use crate::managed::KindSchema;
use crate::openapi;
use crate::strategy::merge;
use crate::typed::{Failure, Typed};
use kcp_apimachinery::field::{Error, ErrorList, Path};
use kcp_apimachinery::managed::Type;
use kcp_apimachinery::meta;
use kcp_apimachinery::patch::StrategicSchema;
use serde_json::{Map, Value};
use std::sync::OnceLock;

/// The part of a strategy that follows from the kind's definition.
pub struct Base {
    typed: Typed,
    strategic: StrategicSchema,
    definition: String,
    ownership: OnceLock<KindSchema>,
}

impl Base {
    /// For the kind that an OpenAPI definition describes.
    pub fn new(definition: &str) -> Self {
        let kind = definition.rsplit('.').next().unwrap_or(definition);
        Self {
            typed: Typed::new(definition, openapi::built_in::definition),
            strategic: merge::schema(kind),
            definition: definition.to_owned(),
            ownership: OnceLock::new(),
        }
    }

    /// See [`super::Strategy::decode`].
    ///
    /// # Errors
    /// The decoder's text.
    pub fn decode(&self, object: &mut Value) -> Result<Vec<String>, String> {
        self.typed.decode(object)
    }

    /// See [`super::Strategy::failures`].
    pub fn failures(&self, object: &mut Value) -> Vec<Failure> {
        self.typed.failures(object)
    }

    /// What field management has to know of the kind.
    pub fn ownership(&self) -> Type<'_> {
        self.ownership.get_or_init(|| KindSchema::compile(&self.definition)).root()
    }

    /// Merge keys of strategic merge patches.
    pub const fn strategic(&self) -> &StrategicSchema {
        &self.strategic
    }
}

/// A list of errors that begins with the core's rule for `metadata.finalizers`.
pub fn errors(object: &Value) -> ErrorList {
    meta::validate_core_finalizers(object, &Path::root("metadata"))
}

/// The string at a path of field names; empty where there is none.
pub fn text<'a>(object: &'a Value, path: &[&str]) -> &'a str {
    path.iter().try_fold(object, |value, field| value.get(field)).and_then(Value::as_str).unwrap_or_default()
}

/// The map in a field; empty where there is none.
pub fn map<'a>(object: &'a Value, field: &str) -> &'a Map<String, Value> {
    static EMPTY: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);
    object.get(field).and_then(Value::as_object).unwrap_or(&EMPTY)
}

/// Whether a field says `true`.
pub fn flag(object: &Value, field: &str) -> bool {
    object.get(field).and_then(Value::as_bool).unwrap_or(false)
}

/// Makes `new`'s field what it is in `old`.
pub fn keep(new: &mut Value, old: &Value, field: &str) {
    let Some(fields) = new.as_object_mut() else { return };
    match old.get(field) {
        Some(value) => fields.insert(field.to_owned(), value.clone()),
        None => fields.remove(field),
    };
}

/// The object in a field, put there when missing.
pub fn section<'a>(object: &'a mut Value, field: &str) -> Option<&'a mut Map<String, Value>> {
    let entry = object.as_object_mut()?.entry(field).or_insert_with(|| Value::Object(Map::new()));
    if !entry.is_object() {
        *entry = Value::Object(Map::new());
    }
    entry.as_object_mut()
}

/// Forbids changes of the named fields once `immutable` was set, and of `immutable` itself.
pub fn immutable_rules(new: &Value, old: &Value, fields: &[&str], errors: &mut ErrorList) {
    const DETAIL: &str = "field is immutable when `immutable` is set";
    if !flag(old, "immutable") {
        return;
    }
    if !flag(new, "immutable") {
        errors.push(Error::forbidden(&Path::root("immutable"), DETAIL));
    }
    for field in fields {
        if map(new, field) != map(old, field) {
            errors.push(Error::forbidden(&Path::root(*field), DETAIL));
        }
    }
}
