//! The rules for one `openAPIV3Schema` of a CRD.

use super::expressions::{Expressions, Position};
use super::printed;
use super::{defaults, structure, text};
use crate::fault::{self, Faults};
use crate::path::At;
use crate::props::{Extra, Items, Props};
use crate::structural::Structural;
use serde_json::{Value, json};

const TYPES: [&str; 6] = ["array", "boolean", "integer", "number", "object", "string"];
const REASONS: [&str; 4] = ["FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired"];
/// What a root schema may say when status is a subresource, spelled as messages list it.
const ROOT_FIELDS: &str = "[Description Type Format Title Maximum ExclusiveMaximum Minimum ExclusiveMinimum MaxLength \
                           MinLength Pattern MaxItems MinItems UniqueItems MultipleOf Required Items Properties \
                           ExternalDocs Example XPreserveUnknownFields XValidations]";

/// Checks a schema at `at`, the path of the object that holds `openAPIV3Schema`. `unchanged`: it was accepted before,
/// and its expressions may cost what they cost.
pub(super) fn validate(schema: &Value, status_enabled: bool, unchanged: bool, at: &At<'_>) -> Faults {
    let schema_at = at.child("openAPIV3Schema");
    let props = match Props::parse(schema, &schema_at) {
        Ok(props) => props,
        Err(error) => {
            let mut errors = Faults::default();
            errors.push(error);
            return errors;
        }
    };
    let mut errors = Faults::default();
    if status_enabled {
        root_under_status(&props, &schema_at, &mut errors);
    }
    if props.nullable {
        errors.push(fault::forbidden(&schema_at.child("nullable"), "nullable cannot be true at the root"));
    }
    let unsupported = structure::unsupported(&props);
    let mut compiled = None;
    if unsupported.is_none() {
        let found = structure::validate(&props, &schema_at);
        if found.is_empty() {
            let needed = |s: &Props<'_>| s.default.is_some() || s.validations.is_some_and(|rules| !rules.is_empty());
            if props.any(&mut |s| needed(s)) {
                compiled = Structural::from_props(&props, [0; 32]).ok();
            }
            let mut wrong = Faults::default();
            if let Some(compiled) = &compiled {
                defaults::validate(&props, compiled, &schema_at, &mut wrong);
            }
            if !wrong.is_empty() {
                compiled = None;
                errors.extend(wrong);
            }
        } else {
            errors.extend(found);
        }
    }
    let mut walk = Walk { errors: &mut errors, found: 0, expressions: None };
    walk.expressions = compiled.as_ref().map(|compiled| Expressions::new(compiled, unchanged));
    let root = walk.expressions.as_ref().map(Expressions::root);
    walk.visit(&props, &schema_at, Context { forbid_defaults: None, in_meta: false }, true, root);
    if let Some(expressions) = walk.expressions.take() {
        let total = expressions.total_errors(&schema_at);
        errors.extend(expressions.errors);
        errors.extend(total);
    }
    if errors.is_empty()
        && let Some(detail) = unsupported
    {
        errors.push(fault::invalid_text(&schema_at, "", &detail));
    }
    errors
}

fn root_under_status(s: &Props<'_>, at: &At<'_>, errors: &mut Faults) {
    if !s.kind.is_empty() && s.kind != "object" {
        let detail =
            "only \"object\" is allowed as the type at the root of the schema if the status subresource is enabled";
        errors.push(fault::invalid_text(&at.child("type"), s.kind, detail));
        return;
    }
    let forbidden = !s.id.is_empty()
        || !s.schema.is_empty()
        || s.reference.is_some()
        || s.nullable
        || s.default.is_some()
        || !s.values.is_empty()
        || s.max_properties.is_some()
        || s.min_properties.is_some()
        || !s.all_of.is_empty()
        || !s.one_of.is_empty()
        || !s.any_of.is_empty()
        || s.not.is_some()
        || s.extra.is_some()
        || !s.pattern_properties.is_empty()
        || s.dependencies.is_some()
        || s.additional_items.is_some()
        || !s.definitions.is_empty()
        || s.embedded
        || s.int_or_string
        || !s.list_map_keys.is_empty()
        || s.list_type.is_some()
        || s.map_type.is_some();
    if forbidden {
        let detail = format!(
            "only {ROOT_FIELDS} fields are allowed at the root of the schema if the status subresource is enabled"
        );
        errors.push(fault::invalid_printed(at, printed::schema(s), &detail));
    }
}

#[derive(Clone, Copy)]
struct Context<'c> {
    /// Why defaults are not allowed here, if they are not.
    forbid_defaults: Option<&'c str>,
    /// Inside the type or metadata fields of a resource.
    in_meta: bool,
}

struct Walk<'w, 's> {
    errors: &'w mut Faults,
    /// Errors of the walk so far: expressions are looked at only where the schema at and below them has none.
    found: usize,
    expressions: Option<Expressions<'s>>,
}

impl Walk<'_, '_> {
    fn visit(&mut self, s: &Props<'_>, at: &At<'_>, context: Context<'_>, is_root: bool, position: Option<Position>) {
        if self.errors.is_full() {
            return;
        }
        let before = self.found;
        self.own(s, at, context);
        let below_of = |walk: &Self, find: &dyn Fn(&Expressions<'_>, &Position) -> Option<Position>| {
            walk.expressions.as_ref().zip(position.as_ref()).and_then(|(expressions, from)| find(expressions, from))
        };
        if let Some(Extra::Schema(schema)) = &s.extra {
            let at = at.child("additionalProperties");
            let mut below = context;
            if context.in_meta {
                below.forbid_defaults = Some("inside additionalProperties applying to object metadata");
            }
            let position = below_of(self, &|expressions, from| expressions.values(from, s));
            self.visit(schema, &at, below, false, position);
        }
        let properties = at.child("properties");
        for (name, property) in &s.properties {
            let mut below = context;
            let reason;
            if (is_root || s.embedded) && matches!(*name, "metadata" | "kind" | "apiVersion") {
                below.in_meta = true;
                if is_root {
                    reason = format!("in top-level {name}");
                    below.forbid_defaults = Some(&reason);
                }
            }
            let position = below_of(self, &|expressions, from| expressions.property(from, s, name));
            self.visit(property, &properties.key(name), below, false, position);
        }
        if let Some(not) = &s.not {
            self.visit(not, &at.child("not"), context, false, None);
        }
        for (name, branches) in [("allOf", &s.all_of), ("oneOf", &s.one_of), ("anyOf", &s.any_of)] {
            let list = at.child(name);
            for (index, branch) in branches.iter().enumerate() {
                self.visit(branch, &list.index(index), context, false, None);
            }
        }
        let definitions = at.child("definitions");
        for (name, definition) in &s.definitions {
            self.visit(definition, &definitions.key(name), context, false, None);
        }
        let items_at = at.child("items");
        match &s.items {
            Some(Items::One(item)) => {
                let position = below_of(self, &|expressions, from| expressions.items(from, s, at));
                self.visit(item, &items_at, context, false, position);
            }
            Some(Items::Many(items)) => {
                for (index, item) in items.iter().enumerate() {
                    self.visit(item, &items_at.index(index), context, false, None);
                }
            }
            None => {}
        }
        let mut found = Faults::default();
        if s.preserve == Some(false) {
            let at = at.child("x-kubernetes-preserve-unknown-fields");
            found.push(fault::invalid(&at, &false.into(), "must be true or undefined"));
        }
        topology(s, at, &mut found);
        map_keys(s, at, &mut found);
        rules(s, at, &mut found);
        self.take(found);
        if self.found == before
            && let (Some(expressions), Some(position)) = (&mut self.expressions, &position)
        {
            expressions.check(position, s, at);
        }
    }

    /// What is wrong with a node itself, before those below it are looked at.
    fn own(&mut self, s: &Props<'_>, at: &At<'_>, context: Context<'_>) {
        let mut found = Faults::default();
        keywords(s, at, context, &mut found);
        if s.unique_items {
            let detail = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic";
            found.push(fault::forbidden(&at.child("uniqueItems"), detail));
        }
        if let Some(extra) = &s.extra
            && !s.properties.is_empty()
            && !matches!(extra, Extra::Allows(true))
        {
            let at = at.child("additionalProperties");
            found.push(fault::forbidden(&at, "additionalProperties and properties are mutual exclusive"));
        }
        self.take(found);
    }

    fn take(&mut self, found: Faults) {
        for error in found {
            self.found += 1;
            self.errors.push(error);
        }
    }
}

fn keywords(s: &Props<'_>, at: &At<'_>, context: Context<'_>, errors: &mut Faults) {
    if !s.kind.is_empty() && !TYPES.contains(&s.kind) {
        errors.push(fault::not_supported(&at.child("type"), &s.kind.into(), &TYPES));
    }
    if s.default.is_some()
        && let Some(reason) = context.forbid_defaults
    {
        errors.push(fault::forbidden(&at.child("default"), &format!("must not be set {reason}")));
    }
    for (used, name) in [
        (!s.id.is_empty(), "id"),
        (s.additional_items.is_some(), "additionalItems"),
        (!s.pattern_properties.is_empty(), "patternProperties"),
        (!s.definitions.is_empty(), "definitions"),
        (s.dependencies.is_some(), "dependencies"),
        (s.reference.is_some(), "$ref"),
    ] {
        if used {
            errors.push(fault::forbidden(&at.child(name), &format!("{name} is not supported")));
        }
    }
    if s.kind == "null" {
        let detail = "type cannot be set to null, use nullable as an alternative";
        errors.push(fault::forbidden(&at.child("type"), detail));
    }
    if matches!(&s.items, Some(Items::Many(items)) if !items.is_empty()) {
        errors.push(fault::forbidden(&at.child("items"), "items must be a schema object and not an array"));
    }
    if context.in_meta && s.embedded {
        let at = at.child("x-kubernetes-embedded-resource");
        errors.push(fault::forbidden(&at, "must not be used inside of resource meta"));
    }
}

/// List types, map types and what they ask of the node and its items.
fn topology(s: &Props<'_>, at: &At<'_>, errors: &mut Faults) {
    if let Some(map_type) = s.map_type {
        of_type(s, "object", "x-kubernetes-map-type", at, errors);
        if !matches!(map_type, "atomic" | "granular") {
            let at = at.child("x-kubernetes-map-type");
            errors.push(fault::not_supported(&at, &map_type.into(), &["atomic", "granular"]));
        }
    }
    let is_array = s.list_type.is_some() && of_type(s, "array", "x-kubernetes-list-type", at, errors);
    if is_array
        && s.list_type == Some("set")
        && let Some(item) = s.item()
    {
        let items = at.child("items");
        let printed = item.list_type.map_or(Value::Null, Into::into);
        let detail = "must be atomic as item of a list with x-kubernetes-list-type=set";
        if item.kind == "array" && item.list_type.is_some_and(|list_type| list_type != "atomic") {
            errors.push(fault::invalid(&items.child("x-kubernetes-list-type"), &printed, detail));
        }
        if item.kind == "object" && item.map_type != Some("atomic") {
            errors.push(fault::invalid(&items.child("x-kubernetes-map-type"), &printed, detail));
        }
    }
    if let Some(list_type) = s.list_type
        && !matches!(list_type, "atomic" | "set" | "map")
    {
        let at = at.child("x-kubernetes-list-type");
        errors.push(fault::not_supported(&at, &list_type.into(), &["atomic", "set", "map"]));
    }
}

/// Whether a node is of the type its extension is for; an error if not.
fn of_type(s: &Props<'_>, kind: &str, extension: &str, at: &At<'_>, errors: &mut Faults) -> bool {
    if s.kind != kind {
        let at = at.child("type");
        let detail = format!("must be {kind} if {extension} is specified");
        errors.push(match s.kind {
            "" => fault::required(&at, &detail),
            other => fault::invalid_text(&at, other, &detail),
        });
    }
    s.kind == kind
}

fn map_keys(s: &Props<'_>, at: &At<'_>, errors: &mut Faults) {
    let type_at = at.child("x-kubernetes-list-type");
    let keys_at = at.child("x-kubernetes-list-map-keys");
    let items_at = at.child("items");
    if !s.list_map_keys.is_empty() {
        let detail = "must be map if x-kubernetes-list-map-keys is non-empty";
        match s.list_type {
            None => errors.push(fault::required(&type_at, detail)),
            Some("map") => {}
            Some(other) => errors.push(fault::invalid_text(&type_at, other, detail)),
        }
    }
    if s.list_type == Some("map") {
        if s.list_map_keys.is_empty() {
            errors.push(fault::required(&keys_at, "must not be empty if x-kubernetes-list-type is map"));
        }
        match &s.items {
            None => {
                let detail = "must have a schema if x-kubernetes-list-type is map";
                errors.push(fault::required(&items_at, detail));
            }
            Some(Items::Many(_)) => {
                let detail = "must only have a single schema if x-kubernetes-list-type is map";
                errors.push(fault::invalid_printed(&items_at, printed::items(s), detail));
            }
            Some(Items::One(item)) if item.kind != "object" => {
                let detail = "must be object if parent array's x-kubernetes-list-type is map";
                errors.push(fault::invalid_text(&items_at.child("type"), item.kind, detail));
            }
            Some(Items::One(item)) => {
                let properties = items_at.child("properties");
                for (index, key) in s.list_map_keys.iter().enumerate() {
                    match item.property(key) {
                        Some(property) if matches!(property.kind, "array" | "object") => {
                            let detail = "must be a scalar type if parent array's x-kubernetes-list-type is map";
                            errors.push(fault::invalid_text(&properties.key(key).child("type"), item.kind, detail));
                        }
                        Some(_) => {}
                        None => {
                            let detail = "entries must all be names of item properties";
                            errors.push(fault::invalid(&keys_at, &json!(s.list_map_keys), detail));
                        }
                    }
                    if s.list_map_keys[..index].contains(key) {
                        let detail = "must not contain duplicate entries";
                        errors.push(fault::invalid(&keys_at, &json!(s.list_map_keys), detail));
                    }
                }
            }
        }
    }
    let (Some(list_type @ ("set" | "map")), Some(item)) = (s.list_type, s.item()) else { return };
    if item.nullable {
        let detail = format!("cannot be nullable when x-kubernetes-list-type is {list_type}");
        errors.push(fault::forbidden(&items_at.child("nullable"), &detail));
    }
    if list_type == "map" {
        let properties = items_at.child("properties");
        for key in &s.list_map_keys {
            let Some(property) = item.property(key) else { continue };
            if !item.required.contains(key) && property.default.is_none() {
                let detail = "this property is in x-kubernetes-list-map-keys, so it must have a default or be a \
                              required property";
                errors.push(fault::required(&properties.key(key).child("default"), detail));
            }
            if property.nullable {
                let detail = "this property is in x-kubernetes-list-map-keys, so it cannot be nullable";
                errors.push(fault::forbidden(&properties.key(key).child("nullable"), detail));
            }
        }
    }
}

/// The shape of `x-kubernetes-validations`; the expressions are looked at once the schema around them is right.
fn rules(s: &Props<'_>, at: &At<'_>, errors: &mut Faults) {
    let list = at.child("x-kubernetes-validations");
    for (index, rule) in s.validations.into_iter().flatten().enumerate() {
        let at = list.index(index);
        let (expression, message) = (text(rule, "rule"), text(rule, "message"));
        let broken = |text: &str| text.contains(['\n', '\r']);
        let message_at = at.child("message");
        if expression.trim().is_empty() {
            errors.push(fault::required(&at.child("rule"), "rule is not specified"));
        } else if !message.is_empty() && message.trim().is_empty() {
            errors.push(fault::invalid_text(&message_at, message, "must be non-empty if specified"));
        } else if broken(message.trim()) {
            errors.push(fault::invalid_text(&message_at, message, "must not contain line breaks"));
        } else if broken(expression.trim()) && message.trim().is_empty() {
            let detail = "message must be specified if rule contains line breaks";
            errors.push(fault::required(&message_at, detail));
        }
        let message_expression = text(rule, "messageExpression");
        if !message_expression.is_empty() && message_expression.trim().is_empty() {
            let detail = "messageExpression must be non-empty if specified";
            errors.push(fault::required(&at.child("messageExpression"), detail));
        }
        if let Some(reason) = rule.get("reason").and_then(Value::as_str)
            && !REASONS.contains(&reason)
        {
            errors.push(fault::not_supported(&at.child("reason"), &reason.into(), &REASONS));
        }
        let path = text(rule, "fieldPath");
        if !path.is_empty() {
            let at = at.child("fieldPath");
            if path.trim().is_empty() {
                errors.push(fault::invalid_text(&at, path, "must be non-empty if specified"));
            }
            if broken(path) {
                errors.push(fault::invalid_text(&at, path, "must not contain line breaks"));
            }
            if structure::unsupported(s).is_none() && field_path(path, s, true).is_err() {
                errors.push(fault::invalid_text(&at, path, "must be a valid path"));
            }
        }
    }
}

/// A field named by a simple JSON path.
pub(super) struct Found<'s, 'v> {
    /// The path as messages write it.
    pub path: String,
    /// The first name of the path.
    pub first: String,
    /// Its schema.
    pub schema: &'s Props<'v>,
}

/// Follows a path of dots and, if allowed, quoted names in brackets through a schema.
pub(super) fn field_path<'s, 'v>(path: &str, schema: &'s Props<'v>, brackets: bool) -> Result<Found<'s, 'v>, String> {
    let mut found = Found { path: String::new(), first: String::new(), schema };
    let mut tokens = tokens(path).into_iter();
    let unexpected_end = || "unexpected end of JSON path".to_owned();
    while let Some(token) = tokens.next() {
        let name = match token {
            "[" if !brackets => return Err("array notation is not allowed".to_owned()),
            "[" => {
                let token = tokens.next().ok_or_else(unexpected_end)?;
                let quoted = token.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''));
                let Some(quoted) = quoted else {
                    return Err(format!("expected single quoted string but got {token}"));
                };
                match tokens.next() {
                    Some("]") => quoted.replace("\\'", "'").replace("\\\\", "\\"),
                    Some(other) => return Err(format!("expected ] but got {other}")),
                    None => return Err(unexpected_end()),
                }
            }
            "." => tokens.next().ok_or_else(unexpected_end)?.to_owned(),
            other => return Err(format!("expected [ or . but got: {other}")),
        };
        let unknown = || "does not refer to a valid field".to_owned();
        if found.schema.properties.is_empty() {
            let Some(Extra::Schema(extra)) = &found.schema.extra else { return Err(unknown()) };
            found.schema = extra;
            found.path.push_str(&format!("[{name}]"));
        } else {
            found.schema = found.schema.property(&name).ok_or_else(unknown)?;
            if !found.path.is_empty() {
                found.path.push('.');
            }
            found.path.push_str(&name);
        }
        if found.first.is_empty() {
            found.first = name;
        }
    }
    Ok(found)
}

/// The dots, brackets and names of a simple JSON path.
pub(crate) fn tokens(path: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = path;
    while let Some(first) = rest.chars().next() {
        let len = match first {
            '.' | '[' | ']' => 1,
            '\'' => {
                let bytes = rest.as_bytes();
                (1..bytes.len())
                    .find(|at| bytes[*at] == b'\'' && bytes[at - 1] != b'\\')
                    .map_or(rest.len(), |at| at + 1)
            }
            _ => rest.find(['.', '[', ']']).unwrap_or(rest.len()),
        };
        tokens.push(&rest[..len]);
        rest = &rest[len..];
    }
    tokens
}
