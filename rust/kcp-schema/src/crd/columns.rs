//! The rules for subresources, printer columns and selectable fields.

use super::schema::field_path;
use super::text;
use crate::fault::{self, Faults};
use crate::path::At;
use crate::props::Props;
use serde_json::Value;
use std::collections::HashSet;

const COLUMN_TYPES: [&str; 5] = ["boolean", "date", "integer", "number", "string"];
const COLUMN_FORMATS: [&str; 8] = ["byte", "date", "date-time", "double", "float", "int32", "int64", "password"];
const MAX_SELECTABLE_FIELDS: usize = 8;

/// A path in dot notation, as far as it is checked: it begins with a dot.
fn simple_path(path: &str, at: &At<'_>, errors: &mut Faults) -> bool {
    let dotted = path.starts_with('.');
    if !dotted {
        errors.push(fault::invalid_text(at, path, "must be a simple json path starting with ."));
    }
    dotted
}

pub(super) fn validate_subresources(subresources: Option<&Value>, at: &At<'_>, errors: &mut Faults) {
    let scale = subresources.and_then(|subresources| subresources.get("scale"));
    let Some(scale) = scale.filter(|scale| scale.is_object()) else { return };
    for (key, name, prefix) in [
        ("specReplicasPath", "scale.specReplicasPath", ".spec"),
        ("statusReplicasPath", "scale.statusReplicasPath", ".status"),
    ] {
        let path = text(scale, key);
        let at = at.child(name);
        if path.is_empty() {
            errors.push(fault::required(&at, ""));
        } else if simple_path(path, &at, errors) && !path.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('.'))
        {
            errors.push(fault::invalid_text(&at, path, &format!("should be a json path under {prefix}")));
        }
    }
    let path = text(scale, "labelSelectorPath");
    let at = at.child("scale.labelSelectorPath");
    if !path.is_empty()
        && simple_path(path, &at, errors)
        && !path.starts_with(".spec.")
        && !path.starts_with(".status.")
    {
        errors.push(fault::invalid_text(&at, path, "should be a json path under either .spec or .status"));
    }
}

pub(super) fn validate_column(column: &Value, at: &At<'_>, errors: &mut Faults) {
    if text(column, "name").is_empty() {
        errors.push(fault::required(&at.child("name"), ""));
    }
    let kind = text(column, "type");
    let must = format!("must be one of {}", COLUMN_TYPES.join(","));
    if kind.is_empty() {
        errors.push(fault::required(&at.child("type"), &must));
    } else if !COLUMN_TYPES.contains(&kind) {
        errors.push(fault::invalid_text(&at.child("type"), kind, &must));
    }
    let format = text(column, "format");
    if !format.is_empty() && !COLUMN_FORMATS.contains(&format) {
        let must = format!("must be one of {}", COLUMN_FORMATS.join(","));
        errors.push(fault::invalid_text(&at.child("format"), format, &must));
    }
    let path_at = at.child("JSONPath");
    match text(column, "jsonPath") {
        "" => errors.push(fault::required(&path_at, "")),
        path => {
            simple_path(path, &path_at, errors);
        }
    }
}

pub(super) fn validate_selectable_fields(fields: &[Value], schema: &Props<'_>, at: &At<'_>, errors: &mut Faults) {
    let mut unique = HashSet::new();
    for (index, field) in fields.iter().enumerate() {
        let field_at = at.index(index);
        let path_at = field_at.child("jsonPath");
        let path = text(field, "jsonPath");
        if path.is_empty() {
            errors.push(fault::required(&path_at, ""));
            continue;
        }
        let found = match field_path(path, schema, false) {
            Ok(found) => found,
            Err(error) => {
                errors.push(fault::invalid_text(&path_at, path, &format!("is an invalid path: {error}")));
                continue;
            }
        };
        if found.first == "metadata" {
            errors.push(fault::invalid_text(&path_at, path, "must not point to fields in metadata"));
        }
        if !matches!(found.schema.kind, "string" | "boolean" | "integer") {
            let detail = "must point to a field of type string, boolean or integer. Enum string fields and strings with \
                          formats are allowed.";
            errors.push(fault::invalid_text(&path_at, path, detail));
        }
        if !unique.insert(found.path) {
            errors.push(fault::duplicate(&path_at, &path.into()));
        }
    }
    if unique.len() > MAX_SELECTABLE_FIELDS {
        errors.push(fault::too_many(at, unique.len() as i64, MAX_SELECTABLE_FIELDS as i64));
    }
}
