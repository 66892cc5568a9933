//! Schemas and versions as the API server prints them inside messages: its internal structs, field by field.

use super::{flag, list, text};
use crate::path::At;
use crate::props::{Extra, Items, Props};
use kcp_apimachinery::text::json;
use serde_json::Value;

/// Writes the fields of one struct.
struct Fields(String);

impl Fields {
    fn new() -> Fields {
        Fields("{".to_owned())
    }

    fn raw(&mut self, name: &str, printed: &str) -> &mut Fields {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        self.0.push_str(&format!("\"{name}\":{printed}"));
        self
    }

    fn value(&mut self, name: &str, value: impl Into<Value>) -> &mut Fields {
        let printed = json(&value.into());
        self.raw(name, &printed)
    }

    fn end(mut self) -> String {
        self.0.push('}');
        self.0
    }
}

fn optional<T: Into<Value>>(value: Option<T>) -> Value {
    value.map_or(Value::Null, Into::into)
}

fn array(items: impl ExactSizeIterator<Item = String>) -> String {
    if items.len() == 0 {
        return "null".to_owned();
    }
    format!("[{}]", items.collect::<Vec<_>>().join(","))
}

fn named(schemas: &[(&str, Props<'_>)]) -> String {
    if schemas.is_empty() {
        return "null".to_owned();
    }
    let entries: Vec<String> =
        schemas.iter().map(|(name, s)| format!("{}:{}", json(&(*name).into()), schema(s))).collect();
    format!("{{{}}}", entries.join(","))
}

/// The items of a node, as a struct of one or many schemas.
pub(super) fn items(s: &Props<'_>) -> String {
    let (one, many) = match &s.items {
        None => return "null".to_owned(),
        Some(Items::One(item)) => (schema(item), "null".to_owned()),
        Some(Items::Many(items)) => ("null".to_owned(), array(items.iter().map(schema))),
    };
    format!("{{\"Schema\":{one},\"JSONSchemas\":{many}}}")
}

/// One schema.
pub(super) fn schema(s: &Props<'_>) -> String {
    let mut f = Fields::new();
    f.value("ID", s.id).value("Schema", s.schema).value("Ref", optional(s.reference));
    f.value("Description", s.description).value("Type", s.kind).value("Nullable", s.nullable);
    f.value("Format", s.format).value("Title", s.title).value("Default", optional(s.default.cloned()));
    f.value("Maximum", optional(s.maximum)).value("ExclusiveMaximum", s.exclusive_maximum);
    f.value("Minimum", optional(s.minimum)).value("ExclusiveMinimum", s.exclusive_minimum);
    f.value("MaxLength", optional(s.max_length)).value("MinLength", optional(s.min_length));
    f.value("Pattern", s.pattern);
    f.value("MaxItems", optional(s.max_items)).value("MinItems", optional(s.min_items));
    f.value("UniqueItems", s.unique_items).value("MultipleOf", optional(s.multiple_of));
    f.raw("Enum", &array(s.values.iter().map(|value| json(value))));
    f.value("MaxProperties", optional(s.max_properties)).value("MinProperties", optional(s.min_properties));
    f.raw("Required", &array(s.required.iter().map(|name| json(&(*name).into()))));
    f.raw("Items", &items(s));
    f.raw("AllOf", &array(s.all_of.iter().map(schema)));
    f.raw("OneOf", &array(s.one_of.iter().map(schema)));
    f.raw("AnyOf", &array(s.any_of.iter().map(schema)));
    f.raw("Not", &s.not.as_ref().map_or("null".to_owned(), |not| schema(not)));
    f.raw("Properties", &if s.empty_properties { "{}".to_owned() } else { named(&s.properties) });
    let extra = match &s.extra {
        None => "null".to_owned(),
        Some(Extra::Allows(allows)) => format!("{{\"Allows\":{allows},\"Schema\":null}}"),
        Some(Extra::Schema(extra)) => format!("{{\"Allows\":true,\"Schema\":{}}}", schema(extra)),
    };
    f.raw("AdditionalProperties", &extra);
    f.raw("PatternProperties", &named(&s.pattern_properties));
    f.value("Dependencies", optional(s.dependencies.cloned().map(Value::Object)));
    f.value("AdditionalItems", optional(s.additional_items.cloned()));
    f.raw("Definitions", &named(&s.definitions));
    let docs = s.external_docs.map_or("null".to_owned(), |docs| {
        let mut f = Fields::new();
        f.value("Description", text(docs, "description")).value("URL", text(docs, "url"));
        f.end()
    });
    f.raw("ExternalDocs", &docs);
    f.value("Example", optional(s.example.cloned())).value("XPreserveUnknownFields", optional(s.preserve));
    f.value("XEmbeddedResource", s.embedded).value("XIntOrString", s.int_or_string);
    f.raw("XListMapKeys", &array(s.list_map_keys.iter().map(|key| json(&(*key).into()))));
    f.value("XListType", optional(s.list_type)).value("XMapType", optional(s.map_type));
    let no_rules = Vec::new();
    f.raw("XValidations", &array(s.validations.unwrap_or(&no_rules).iter().map(rule)));
    f.end()
}

/// One validation rule.
pub(super) fn rule(rule: &Value) -> String {
    let mut f = Fields::new();
    f.value("Rule", text(rule, "rule")).value("Message", text(rule, "message"));
    f.value("MessageExpression", text(rule, "messageExpression"));
    f.value("Reason", optional(rule.get("reason").cloned())).value("FieldPath", text(rule, "fieldPath"));
    f.value("OptionalOldSelf", optional(rule.get("optionalOldSelf").cloned()));
    f.end()
}

/// Which parts of versions are equal in all of them, and so not printed with each.
#[derive(Clone, Copy, Default)]
pub(super) struct Hoisted {
    pub schema: bool,
    pub subresources: bool,
    pub columns: bool,
    pub selectable_fields: bool,
}

/// The list of versions without what they have in common.
pub(super) fn versions(versions: Option<&Value>, hoisted: Hoisted) -> String {
    match versions {
        Some(Value::Array(versions)) if versions.is_empty() => "[]".to_owned(),
        Some(Value::Array(versions)) => array(versions.iter().map(|version| one_version(version, hoisted))),
        _ => "null".to_owned(),
    }
}

fn one_version(version: &Value, hoisted: Hoisted) -> String {
    let null = || "null".to_owned();
    let mut f = Fields::new();
    f.value("Name", text(version, "name")).value("Served", flag(version, "served"));
    f.value("Storage", flag(version, "storage")).value("Deprecated", flag(version, "deprecated"));
    f.value("DeprecationWarning", optional(version.get("deprecationWarning").cloned()));
    let validation = version.get("schema").filter(|schema| schema.is_object() && !hoisted.schema);
    let validation = validation.map_or_else(null, |validation| {
        let inner = validation.get("openAPIV3Schema").filter(|inner| inner.is_object());
        let inner = inner.and_then(|inner| Props::parse(inner, &At::Root).ok());
        format!("{{\"OpenAPIV3Schema\":{}}}", inner.as_ref().map_or_else(null, schema))
    });
    f.raw("Schema", &validation);
    let subresources = version.get("subresources").filter(|sub| sub.is_object() && !hoisted.subresources);
    let subresources = subresources.map_or_else(null, |subresources| {
        let mut f = Fields::new();
        f.value("Status", optional(subresources.get("status").cloned()));
        let scale = subresources.get("scale").filter(|scale| scale.is_object());
        let scale = scale.map_or_else(null, |scale| {
            let mut f = Fields::new();
            f.value("SpecReplicasPath", text(scale, "specReplicasPath"));
            f.value("StatusReplicasPath", text(scale, "statusReplicasPath"));
            f.value("LabelSelectorPath", optional(scale.get("labelSelectorPath").cloned()));
            f.end()
        });
        f.raw("Scale", &scale);
        f.end()
    });
    f.raw("Subresources", &subresources);
    let columns = list(version.get("additionalPrinterColumns").filter(|_| !hoisted.columns));
    f.raw("AdditionalPrinterColumns", &array(columns.iter().map(column)));
    let fields = list(version.get("selectableFields").filter(|_| !hoisted.selectable_fields));
    let field = |field: &Value| {
        let mut f = Fields::new();
        f.value("JSONPath", text(field, "jsonPath"));
        f.end()
    };
    f.raw("SelectableFields", &array(fields.iter().map(field)));
    f.end()
}

fn column(column: &Value) -> String {
    let mut f = Fields::new();
    f.value("Name", text(column, "name")).value("Type", text(column, "type"));
    f.value("Format", text(column, "format")).value("Description", text(column, "description"));
    f.value("Priority", column.get("priority").and_then(Value::as_i64).unwrap_or_default());
    f.value("JSONPath", text(column, "jsonPath"));
    f.end()
}
