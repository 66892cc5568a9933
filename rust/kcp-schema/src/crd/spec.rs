//! The rules for a whole CRD.
//!
//! Errors name fields as the API server's internal form has them: what is equal in all versions stands once at the top
//! (`spec.validation`, `spec.subresources`, …), and only what differs is found under `spec.versions[i]`.

use super::printed::{self, Hoisted};
use super::status::{self, Approval};
use super::{columns, conversion, flag, is_condition_true, list, schema, text};
use crate::fault::{self, Faults};
use crate::path::At;
use crate::props::Props;
use kcp_apimachinery::field::ErrorList;
use kcp_apimachinery::names::{is_dns1035_label, is_dns1123_subdomain};
use kcp_apimachinery::text::is_printable;
use serde_json::{Value, json};
use std::collections::HashSet;

/// Groups without a dot that a CRD may still be of: kcp has no built-in kinds in them, or lets CRDs stand beside them.
pub const DOTLESS_GROUPS: [&str; 6] = ["", "apps", "autoscaling", "batch", "extensions", "policy"];

/// Errors of a CRD that is being created, after [`super::decode`], [`super::default`] and
/// [`super::prepare_for_create`]. Of the metadata only the name is checked.
pub fn validate_create(crd: &Value) -> ErrorList {
    let mut errors = Faults::default();
    let spec = crd.get("spec").unwrap_or(&Value::Null);
    let group = text(spec, "group");
    let plural = spec.get("names").map(|names| text(names, "plural")).unwrap_or_default();
    let name = crd.get("metadata").map(|metadata| text(metadata, "name")).unwrap_or_default();
    let wanted = format!("{plural}.{}", if group.is_empty() { "core" } else { group });
    // That there is none is for the rules of metadata to say.
    if !name.is_empty() && name != wanted {
        let metadata = At::Root.child("metadata");
        errors.push(fault::invalid_text(&metadata.child("name"), name, "must be spec.names.plural+\".\"+spec.group"));
    }
    let prefix = crd.get("metadata").map(|metadata| text(metadata, "generateName")).unwrap_or_default();
    if !prefix.is_empty() && prefix != wanted {
        let path = At::Root.child("metadata");
        errors.push(fault::invalid_text(
            &path.child("generateName"),
            prefix,
            "must be spec.names.plural+\".\"+spec.group",
        ));
    }
    let options = Options {
        recognized_review_version: true,
        check_bundle: false,
        refuse_webhook: true,
        unchanged_schemas: Vec::new(),
    };
    validate_spec(spec, &options, &mut errors);
    validate_status(crd, &mut errors);
    stored_versions(crd, &mut errors);
    validate_approval(crd, None, &mut errors);
    preserve_unknown_fields(crd, &mut errors);
    errors.into_list()
}

/// Errors of a change through the main endpoint. Of the metadata nothing is checked.
pub fn validate_update(new: &Value, old: &Value) -> ErrorList {
    let mut errors = Faults::default();
    let (spec, old_spec) = (new.get("spec").unwrap_or(&Value::Null), old.get("spec").unwrap_or(&Value::Null));
    let established = is_condition_true(old, "Established");
    let old_reviews = list(old_spec.pointer("/conversion/webhook/conversionReviewVersions"));
    let options = Options {
        recognized_review_version: old_reviews.is_empty() || conversion::has_accepted_version(old_reviews),
        check_bundle: established && !conversion::has_bad_bundle(old_spec),
        refuse_webhook: !conversion::needs_webhook(old_spec),
        unchanged_schemas: unchanged_schemas(spec, old_spec),
    };
    validate_spec(spec, &options, &mut errors);
    let at = At::Root.child("spec");
    let names_at = at.child("names");
    let names =
        |spec: &Value, key: &str| spec.get("names").map(|names| text(names, key).to_owned()).unwrap_or_default();
    let mut immutable = |at: &At<'_>, new: &str, old: &str| {
        if new != old {
            errors.push(fault::invalid_text(at, new, "field is immutable"));
        }
    };
    if established {
        immutable(&at.child("scope"), text(spec, "scope"), text(old_spec, "scope"));
        immutable(&names_at.child("kind"), &names(spec, "kind"), &names(old_spec, "kind"));
    }
    immutable(&at.child("group"), text(spec, "group"), text(old_spec, "group"));
    immutable(&names_at.child("plural"), &names(spec, "plural"), &names(old_spec, "plural"));
    validate_status(new, &mut errors);
    stored_versions(new, &mut errors);
    validate_approval(new, Some(old), &mut errors);
    if !flag(old_spec, "preserveUnknownFields") {
        preserve_unknown_fields(new, &mut errors);
    }
    errors.into_list()
}

/// Errors of a change through the status endpoint, which may also shrink the stored versions.
pub fn validate_status_update(new: &Value, _old: &Value) -> ErrorList {
    let mut errors = Faults::default();
    validate_status(new, &mut errors);
    errors.into_list()
}

pub(super) struct Options {
    /// A webhook must understand a version of ConversionReview that this server speaks.
    pub recognized_review_version: bool,
    /// The webhook's CA bundle must hold certificates.
    pub check_bundle: bool,
    /// Objects must not need a webhook to be converted.
    pub refuse_webhook: bool,
    /// Versions whose schema is what it was.
    pub unchanged_schemas: Vec<String>,
}

fn unchanged_schemas(spec: &Value, old_spec: &Value) -> Vec<String> {
    let olds = list(old_spec.get("versions"));
    let unchanged = |version: &&Value| {
        let old = olds.iter().find(|old| text(old, "name") == text(version, "name"));
        old.is_some_and(|old| open_api(old) == open_api(version))
    };
    list(spec.get("versions")).iter().filter(unchanged).map(|version| text(version, "name").to_owned()).collect()
}

fn validate_spec(spec: &Value, options: &Options, errors: &mut Faults) {
    let at = &At::Root.child("spec");
    validate_group(text(spec, "group"), at, errors);
    let scope_at = at.child("scope");
    match text(spec, "scope") {
        "" => errors.push(fault::required(&scope_at, "")),
        "Cluster" | "Namespaced" => {}
        other => errors.push(fault::not_supported(&scope_at, &other.into(), &["Cluster", "Namespaced"])),
    }
    let versions = list(spec.get("versions"));
    if flag(spec, "preserveUnknownFields") && versions.iter().filter_map(open_api).any(has_defaults) {
        let detail = "must be false in order to use defaults in the schema";
        errors.push(fault::invalid(&at.child("preserveUnknownFields"), &true.into(), detail));
    }
    let hoisted = hoisted(versions);
    let versions_at = at.child("versions");
    for (index, version) in versions.iter().enumerate() {
        if open_api(version).is_none() && (!hoisted.schema || versions.iter().all(|v| open_api(v).is_none())) {
            let version_at = versions_at.index(index);
            errors.push(fault::required(&version_at.child("schema").child("openAPIV3Schema"), ""));
        }
    }
    let mut names = HashSet::new();
    let mut unique = true;
    for (index, version) in versions.iter().enumerate() {
        let name = text(version, "name");
        unique &= names.insert(name);
        let version_at = versions_at.index(index);
        let wrong = is_dns1035_label(name);
        if !wrong.is_empty() {
            errors.push(fault::invalid_text(&version_at.child("name"), name, &wrong.join(",")));
        }
        validate_version(version, hoisted, options, &version_at, errors);
    }
    let printed =
        |detail: &str| fault::invalid_printed(&versions_at, printed::versions(spec.get("versions"), hoisted), detail);
    if !unique {
        errors.push(printed("must contain unique version names"));
    }
    if versions.iter().filter(|version| flag(version, "storage")).count() != 1 {
        errors.push(printed("must have exactly one version marked as storage version"));
    }
    if let Some(first) = versions.first() {
        let wrong = is_dns1035_label(text(first, "name"));
        if !wrong.is_empty() && !text(first, "name").is_empty() {
            errors.push(fault::invalid_text(&at.child("version"), text(first, "name"), &wrong.join(",")));
        }
    }
    let names = spec.get("names").unwrap_or(&Value::Null);
    let names_at = at.child("names");
    for key in ["plural", "singular", "kind", "listKind"] {
        if text(names, key).is_empty() {
            errors.push(fault::required(&names_at.child(key), ""));
        }
    }
    validate_names(names, &names_at, errors);
    validate_hoisted(versions, hoisted, options, at, errors);
    conversion::validate(spec, options, &at.child("conversion"), errors);
}

fn validate_group(group: &str, at: &At<'_>, errors: &mut Faults) {
    let at = at.child("group");
    if DOTLESS_GROUPS.contains(&group) {
        return;
    }
    let wrong = is_dns1123_subdomain(group);
    if !wrong.is_empty() {
        errors.push(fault::invalid_text(&at, group, &wrong.join(",")));
    } else if !group.contains('.') {
        errors.push(fault::invalid_text(&at, group, "should be a domain with at least one dot"));
    }
}

/// The schema a version was given.
pub(super) fn open_api(version: &Value) -> Option<&Value> {
    version.pointer("/schema/openAPIV3Schema").filter(|schema| schema.is_object())
}

/// Whether a default stands anywhere in a schema.
fn has_defaults(schema: &Value) -> bool {
    let Some(schema) = schema.as_object() else { return false };
    let inside = |(key, value): (&String, &Value)| match key.as_str() {
        "default" => !value.is_null(),
        "not" | "additionalProperties" | "additionalItems" => has_defaults(value),
        "allOf" | "oneOf" | "anyOf" => list(Some(value)).iter().any(has_defaults),
        "items" => has_defaults(value) || list(Some(value)).iter().any(has_defaults),
        "properties" | "patternProperties" | "definitions" | "dependencies" => {
            value.as_object().is_some_and(|schemas| schemas.values().any(has_defaults))
        }
        _ => false,
    };
    schema.iter().any(inside)
}

/// What all versions have in common.
pub(super) fn hoisted(versions: &[Value]) -> Hoisted {
    let Some(first) = versions.first() else { return Hoisted::default() };
    let same = |key: &str| {
        let given = |version: &'_ Value| version.get(key).filter(|value| !value.is_null()).cloned();
        versions[1..].iter().all(|version| given(version) == given(first))
    };
    let same_list = |key: &str| versions[1..].iter().all(|version| list(version.get(key)) == list(first.get(key)));
    Hoisted {
        schema: same("schema"),
        subresources: same("subresources"),
        columns: same_list("additionalPrinterColumns"),
        selectable_fields: same_list("selectableFields"),
    }
}

fn has_status(version: &Value) -> bool {
    version.pointer("/subresources/status").is_some_and(Value::is_object)
}

fn validate_version(version: &Value, hoisted: Hoisted, options: &Options, at: &At<'_>, errors: &mut Faults) {
    deprecation(version, &at.child("deprecationWarning"), errors);
    if !hoisted.schema
        && let Some(schema) = open_api(version)
    {
        let unchanged = options.unchanged_schemas.iter().any(|name| name == text(version, "name"));
        errors.extend(schema::validate(schema, has_status(version), unchanged, &at.child("schema")));
    }
    if !hoisted.subresources {
        columns::validate_subresources(version.get("subresources"), &at.child("subresources"), errors);
    }
    if !hoisted.columns {
        let columns_at = at.child("additionalPrinterColumns");
        for (index, column) in list(version.get("additionalPrinterColumns")).iter().enumerate() {
            columns::validate_column(column, &columns_at.index(index), errors);
        }
    }
    let fields = list(version.get("selectableFields"));
    if !hoisted.selectable_fields && !fields.is_empty() {
        let fields_at = at.child("selectableFields");
        match open_api(version).filter(|_| !hoisted.schema) {
            None => {
                let detail = "may only be set when `version.schema.openAPIV3Schema` is not included";
                errors.push(fault::invalid_text(&fields_at, "", detail));
            }
            Some(schema) => selectable_fields(fields, schema, &fields_at, errors),
        }
    }
}

/// What stands once for all versions.
fn validate_hoisted(versions: &[Value], hoisted: Hoisted, options: &Options, at: &At<'_>, errors: &mut Faults) {
    let Some(first) = versions.first() else { return };
    if hoisted.schema
        && let Some(schema) = open_api(first)
    {
        let any_status = versions.iter().any(has_status);
        let unchanged = options.unchanged_schemas.iter().any(|name| name == text(first, "name"));
        errors.extend(schema::validate(schema, any_status, unchanged, &at.child("validation")));
    }
    if hoisted.subresources {
        columns::validate_subresources(first.get("subresources"), &at.child("subresources"), errors);
    }
    if hoisted.columns {
        let columns_at = at.child("additionalPrinterColumns");
        for (index, column) in list(first.get("additionalPrinterColumns")).iter().enumerate() {
            columns::validate_column(column, &columns_at.index(index), errors);
        }
    }
    let fields = list(first.get("selectableFields"));
    if hoisted.selectable_fields && !fields.is_empty() {
        let fields_at = at.child("selectableFields");
        match open_api(first).filter(|_| hoisted.schema) {
            // Equal fields over different schemas are checked in each of them.
            None if !hoisted.schema => {
                let mut seen = HashSet::new();
                for schema in versions.iter().filter_map(open_api) {
                    let mut found = Faults::default();
                    selectable_fields(fields, schema, &fields_at, &mut found);
                    errors.extend(found.into_iter().filter(|error| seen.insert(error.to_string())));
                }
            }
            None => {
                let detail = "may only be set when validations.schema is included";
                errors.push(fault::invalid_text(&fields_at, "", detail));
            }
            Some(schema) => selectable_fields(fields, schema, &fields_at, errors),
        }
    }
}

fn selectable_fields(fields: &[Value], schema: &Value, at: &At<'_>, errors: &mut Faults) {
    // A schema that cannot be read has its own error.
    if let Ok(props) = Props::parse(schema, &At::Root) {
        columns::validate_selectable_fields(fields, &props, at, errors);
    }
}

fn deprecation(version: &Value, at: &At<'_>, errors: &mut Faults) {
    let Some(warning) = version.get("deprecationWarning").and_then(Value::as_str) else { return };
    let mut wrong = |detail: &str| errors.push(fault::invalid_text(at, warning, detail));
    if !flag(version, "deprecated") {
        wrong("can only be set for deprecated versions");
        return;
    }
    if warning.len() > 256 {
        wrong("must be <= 256 characters long");
    }
    if warning.is_empty() {
        wrong("must not be an empty string");
    }
    if let Some((index, _)) = warning.char_indices().find(|(_, c)| !is_printable(*c)) {
        wrong(&format!("must only contain printable UTF-8 characters; non-printable character found at index {index}"));
    }
}

/// Names of the spec and accepted names of the status; empty ones are judged elsewhere.
fn validate_names(names: &Value, at: &At<'_>, errors: &mut Faults) {
    for key in ["plural", "singular", "kind", "listKind"] {
        let name = text(names, key);
        if name.is_empty() {
            continue;
        }
        let mixed = matches!(key, "kind" | "listKind");
        let wrong = if mixed { is_dns1035_label(&name.to_lowercase()) } else { is_dns1035_label(name) };
        if !wrong.is_empty() {
            let words = if mixed { "may have mixed case, but should otherwise match: " } else { "" };
            let detail = format!("{words}{}", wrong.join(","));
            errors.push(fault::invalid_text(&at.child(key), name, &detail));
        }
    }
    let mut labels = |key: &str| {
        let at = at.child(key);
        for (index, name) in list(names.get(key)).iter().enumerate() {
            let name = name.as_str().unwrap_or_default();
            let wrong = is_dns1035_label(name);
            if !wrong.is_empty() {
                errors.push(fault::invalid_text(&at.index(index), name, &wrong.join(",")));
            }
        }
    };
    labels("shortNames");
    let (kind, list_kind) = (text(names, "kind"), text(names, "listKind"));
    if !kind.is_empty() && kind == list_kind {
        let detail = "kind and listKind may not be the same";
        errors.push(fault::invalid_text(&at.child("listKind"), list_kind, detail));
    }
    let at_categories = at.child("categories");
    for (index, name) in list(names.get("categories")).iter().enumerate() {
        let name = name.as_str().unwrap_or_default();
        let wrong = is_dns1035_label(name);
        if !wrong.is_empty() {
            errors.push(fault::invalid_text(&at_categories.index(index), name, &wrong.join(",")));
        }
    }
}

fn validate_status(crd: &Value, errors: &mut Faults) {
    let status = At::Root.child("status");
    if let Some(names) = crd.pointer("/status/acceptedNames") {
        validate_names(names, &status.child("acceptedNames"), errors);
    }
}

fn stored_versions(crd: &Value, errors: &mut Faults) {
    let status = At::Root.child("status");
    let at = status.child("storedVersions");
    let value = crd.pointer("/status/storedVersions").unwrap_or(&Value::Null);
    let stored = list(Some(value));
    if stored.is_empty() {
        errors.push(fault::invalid(&at, value, "must have at least one stored version"));
        return;
    }
    let versions = list(crd.pointer("/spec/versions"));
    for version in versions {
        let name = text(version, "name");
        if flag(version, "storage") && !stored.iter().any(|stored| stored.as_str() == Some(name)) {
            errors.push(fault::invalid(&at, &json!(stored), &format!("must have the storage version {name}")));
        }
    }
    for (index, name) in stored.iter().enumerate() {
        let name = name.as_str().unwrap_or_default();
        if !versions.iter().any(|version| text(version, "name") == name) {
            let detail = format!(
                "missing from spec.versions; {name} was previously a storage version, and must remain in spec.versions \
                 until a storage migration ensures no data remains persisted in {name} and removes {name} from \
                 status.storedVersions"
            );
            errors.push(fault::invalid_text(&at.index(index), name, &detail));
        }
    }
}

fn validate_approval(new: &Value, old: Option<&Value>, errors: &mut Faults) {
    let group = new.pointer("/spec/group").and_then(Value::as_str).unwrap_or_default();
    if !status::is_protected(group) {
        return;
    }
    let approval = status::approval(new);
    // What was let through before may stay as it is.
    if old.is_some_and(|old| std::mem::discriminant(&status::approval(old)) == std::mem::discriminant(&approval)) {
        return;
    }
    let metadata = At::Root.child("metadata");
    let annotations = metadata.child("annotations");
    let at = annotations.key(status::APPROVAL);
    match approval {
        Approval::Approved(_) | Approval::Bypassed(_) => {}
        Approval::Missing(reason) => errors.push(fault::required(&at, &reason)),
        Approval::Invalid(reason) => {
            let given = new.pointer("/metadata/annotations").map(|all| text(all, status::APPROVAL));
            errors.push(fault::invalid_text(&at, given.unwrap_or_default(), &reason));
        }
    }
}

fn preserve_unknown_fields(crd: &Value, errors: &mut Faults) {
    if crd.get("spec").is_some_and(|spec| flag(spec, "preserveUnknownFields")) {
        let spec = At::Root.child("spec");
        let detail = "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema \
                      instead";
        errors.push(fault::invalid(&spec.child("preserveUnknownFields"), &true.into(), detail));
    }
}
