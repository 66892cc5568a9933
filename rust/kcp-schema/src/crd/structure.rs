//! Whether a schema is structural: every place has one type, and combinators only restrict what is specified outside them.

use crate::fault::{self, Faults};
use crate::path::At;
use crate::pattern;
use crate::props::{Extra, Items, Props};
use kcp_apimachinery::field::Error;
use std::collections::HashSet;

/// Most different patterns of one schema: each may take milliseconds to compile, and memory once it is used.
const MAX_PATTERNS: usize = 500;

#[derive(Clone, Copy, PartialEq)]
enum Level {
    Root,
    Item,
    Field,
}

#[derive(Default)]
struct Findings {
    faults: Faults,
    /// Patterns that compile: the same few stand in hundreds of places of a large CRD.
    good_patterns: HashSet<String>,
}

impl Findings {
    fn push(&mut self, error: Error) {
        self.faults.push(error);
    }

    fn pattern(&mut self, pattern: &str, at: &At<'_>) {
        if pattern.is_empty() || self.good_patterns.contains(pattern) {
            return;
        }
        if self.good_patterns.len() >= MAX_PATTERNS {
            let detail = format!("must not have more than {MAX_PATTERNS} different patterns");
            self.push(fault::forbidden(&at.child("pattern"), &detail));
            return;
        }
        match pattern::compile(pattern) {
            Ok(_) => {
                self.good_patterns.insert(pattern.to_owned());
            }
            Err(error) => {
                let detail = format!("must be a valid regular expression, but isn't: {error}");
                self.push(fault::invalid_text(&at.child("pattern"), pattern, &detail));
            }
        }
    }
}

/// Why a schema cannot be read as structural at all, if so.
pub(super) fn unsupported(schema: &Props<'_>) -> Option<String> {
    let mut found = None;
    schema.any(&mut |s| {
        let keyword = [
            (!s.id.is_empty(), "id"),
            (!s.schema.is_empty(), "schema"),
            (s.reference.is_some_and(|reference| !reference.is_empty()), "$ref"),
            (!s.pattern_properties.is_empty(), "patternProperties"),
            (s.dependencies.is_some_and(|dependencies| !dependencies.is_empty()), "dependencies"),
            (s.additional_items.is_some(), "additionalItems"),
            (!s.definitions.is_empty(), "definitions"),
        ]
        .into_iter()
        .find(|(used, _)| *used);
        if let Some((_, keyword)) = keyword {
            found = Some(format!("OpenAPIV3Schema '{keyword}' is not supported"));
        } else if s.preserve == Some(false) {
            found = Some("internal error: 'x-kubernetes-preserve-unknown-fields' must be true or undefined".to_owned());
        } else if matches!(&s.items, Some(Items::Many(items)) if !items.is_empty()) {
            found = Some("OpenAPIV3Schema 'items' must be a schema, but is an array".to_owned());
        }
        found.is_some()
    });
    found
}

/// What keeps a schema from being structural, sorted by message.
pub(super) fn validate(schema: &Props<'_>, at: &At<'_>) -> Faults {
    let mut errors = Findings::default();
    invariants(schema, Level::Root, at, &mut errors);
    combinators(schema, &mut |nested, path| complete(nested, Some(schema), at, path, &mut errors), at);
    errors.faults.sort();
    errors.faults
}

/// Visits the branches of a node's combinators with their paths.
fn combinators(s: &Props<'_>, visit: &mut dyn FnMut(&Props<'_>, &At<'_>), at: &At<'_>) {
    if let Some(not) = &s.not {
        visit(not, &at.child("not"));
    }
    for (name, branches) in [("allOf", &s.all_of), ("anyOf", &s.any_of), ("oneOf", &s.one_of)] {
        let list = at.child(name);
        for (index, branch) in branches.iter().enumerate() {
            visit(branch, &list.index(index));
        }
    }
}

/// Every place that a combinator speaks of must be specified outside it.
fn complete(nested: &Props<'_>, s: Option<&Props<'_>>, s_at: &At<'_>, v_at: &At<'_>, errors: &mut Findings) {
    if errors.faults.is_full() {
        return;
    }
    let Some(s) = s else {
        errors.push(fault::required(s_at, &format!("because it is defined in {v_at}")));
        return;
    };
    combinators(nested, &mut |branch, path| complete(branch, Some(s), s_at, path, errors), v_at);
    if let Some(item) = nested.item() {
        complete(item, s.item(), &s_at.child("items"), &v_at.child("items"), errors);
    }
    let (s_properties, v_properties) = (s_at.child("properties"), v_at.child("properties"));
    for (name, property) in &nested.properties {
        let (s_at, v_at) = (s_properties.key(name), v_properties.key(name));
        complete(property, s.property(name), &s_at, &v_at, errors);
    }
}

fn is_int_or_string(branches: &[Props<'_>]) -> bool {
    let only = |s: &Props<'_>, kind: &str| s.keys == 1 && s.kind == kind;
    matches!(branches, [a, b] if only(a, "integer") && only(b, "string"))
}

fn invariants(s: &Props<'_>, level: Level, at: &At<'_>, errors: &mut Findings) {
    if errors.faults.is_full() {
        return;
    }
    if s.kind == "array" && s.item().is_none() {
        errors.push(fault::required(&at.child("items"), "must be specified"));
    }
    if let Some(item) = s.item() {
        invariants(item, Level::Item, &at.child("items"), errors);
    }
    let properties = at.child("properties");
    for (name, property) in &s.properties {
        invariants(property, Level::Field, &properties.key(name), errors);
    }
    if let Some(extra) = &s.extra {
        let at = at.child("additionalProperties");
        if level == Level::Root {
            errors.push(fault::forbidden(&at, "must not be used at the root"));
        }
        if let Extra::Schema(schema) = extra {
            invariants(schema, Level::Field, &at, errors);
        }
    }
    if s.int_or_string {
        let detail = "must be false if x-kubernetes-int-or-string is true";
        for (set, name) in [
            (s.preserve == Some(true), "x-kubernetes-preserve-unknown-fields"),
            (s.embedded, "x-kubernetes-embedded-resource"),
        ] {
            if set {
                errors.push(fault::invalid(&at.child(name), &true.into(), detail));
            }
        }
    }
    // The two spellings of int-or-string are the only types allowed in combinators.
    let bare = is_int_or_string(&s.any_of);
    let in_all_of = s.all_of.first().is_some_and(|first| is_int_or_string(&first.any_of));
    value_validation(s, bare, in_all_of, at, errors);
    types(s, level, at, errors);
    meta_fields(s, level, at, errors);
    if s.embedded && s.preserve != Some(true) && s.properties.is_empty() {
        let detail = "must not be empty if x-kubernetes-embedded-resource is true without \
                      x-kubernetes-preserve-unknown-fields";
        errors.push(fault::required(&properties, detail));
    }
}

fn types(s: &Props<'_>, level: Level, at: &At<'_>, errors: &mut Findings) {
    let type_at = at.child("type");
    if s.embedded && s.kind != "object" {
        let detail = "must be object if x-kubernetes-embedded-resource is true";
        errors.push(match s.kind {
            "" => fault::required(&type_at, detail),
            kind => fault::invalid_text(&type_at, kind, detail),
        });
    } else if s.kind.is_empty() && !s.int_or_string && s.preserve != Some(true) {
        let detail = match level {
            Level::Root => "must not be empty at the root",
            Level::Item => "must not be empty for specified array items",
            Level::Field => "must not be empty for specified object fields",
        };
        errors.push(fault::required(&type_at, detail));
    }
    if s.embedded && s.extra.is_some() {
        let detail = "must not be used if x-kubernetes-embedded-resource is set";
        errors.push(fault::forbidden(&at.child("additionalProperties"), detail));
    }
    if level == Level::Root && !s.kind.is_empty() && s.kind != "object" {
        errors.push(fault::invalid_text(&type_at, s.kind, "must be object at the root"));
    }
}

fn meta_fields(s: &Props<'_>, level: Level, at: &At<'_>, errors: &mut Findings) {
    let checked = level == Level::Root || s.embedded;
    let properties = at.child("properties");
    for name in ["kind", "apiVersion"] {
        if let Some(property) = s.property(name)
            && checked
            && property.kind != "string"
        {
            errors.push(fault::invalid_text(&properties.key(name).child("type"), property.kind, "must be string"));
        }
    }
    let Some(metadata) = s.property("metadata") else { return };
    let metadata_at = properties.key("metadata");
    if checked && metadata.kind != "object" {
        errors.push(fault::invalid_text(&metadata_at.child("type"), metadata.kind, "must be object"));
    }
    if level == Level::Root {
        let others = metadata.keys
            - usize::from(!metadata.kind.is_empty())
            - usize::from(metadata.default.is_some())
            - usize::from(!metadata.properties.is_empty());
        let only_names = metadata.properties.iter().all(|(name, _)| matches!(*name, "name" | "generateName"));
        if others > 0 || !only_names {
            let detail = "must not specify anything other than name and generateName, but metadata is implicitly \
                          specified";
            errors.push(fault::forbidden(&metadata_at, detail));
        }
    }
}

fn value_validation(s: &Props<'_>, skip_any_of: bool, skip_first: bool, at: &At<'_>, errors: &mut Findings) {
    if !skip_any_of {
        let list = at.child("anyOf");
        for (index, branch) in s.any_of.iter().enumerate() {
            nested(branch, false, &list.index(index), errors);
        }
    }
    let list = at.child("allOf");
    for (index, branch) in s.all_of.iter().enumerate() {
        nested(branch, skip_first && index == 0, &list.index(index), errors);
    }
    let list = at.child("oneOf");
    for (index, branch) in s.one_of.iter().enumerate() {
        nested(branch, false, &list.index(index), errors);
    }
    if let Some(branch) = &s.not {
        nested(branch, false, &at.child("not"), errors);
    }
    errors.pattern(s.pattern, at);
}

/// A branch of a combinator: it may restrict values, never say what they are.
fn nested(s: &Props<'_>, skip_any_of: bool, at: &At<'_>, errors: &mut Findings) {
    if errors.faults.is_full() {
        return;
    }
    value_validation(s, skip_any_of, false, at, errors);
    if let Some(item) = s.item() {
        nested(item, false, &at.child("items"), errors);
    }
    let properties = at.child("properties");
    for (name, property) in &s.properties {
        nested(property, false, &properties.key(name), errors);
    }
    let extra = matches!(&s.extra, Some(Extra::Schema(_) | Extra::Allows(true)));
    for (used, name, must) in [
        (!s.kind.is_empty(), "type", "empty"),
        (extra, "additionalProperties", "undefined"),
        (s.default.is_some(), "default", "undefined"),
        (!s.title.is_empty(), "title", "empty"),
        (!s.description.is_empty(), "description", "empty"),
        (s.nullable, "nullable", "false"),
        (s.preserve == Some(true), "x-kubernetes-preserve-unknown-fields", "false"),
        (s.embedded, "x-kubernetes-embedded-resource", "false"),
        (s.int_or_string, "x-kubernetes-int-or-string", "false"),
        (!s.list_map_keys.is_empty(), "x-kubernetes-list-map-keys", "empty"),
        (s.list_type.is_some(), "x-kubernetes-list-type", "undefined"),
        (s.map_type.is_some(), "x-kubernetes-map-type", "undefined"),
        (s.validations.is_some_and(|rules| !rules.is_empty()), "x-kubernetes-validations", "empty"),
    ] {
        if used {
            errors.push(fault::forbidden(&at.child(name), &format!("must be {must} to be structural")));
        }
    }
    if s.property("metadata").is_some() {
        errors.push(fault::forbidden(&properties.key("metadata"), "must not be specified in a nested context"));
    }
}
