//! A CRD read once into what serving its resources needs.

use super::{flag, is_condition_true, list, text};
use crate::fault;
use crate::jsonpath::JsonPath;
use crate::pool::Pool;
use crate::structural::Structural;
use kcp_apimachinery::field::{Error, ErrorList, ErrorType};
use kcp_apimachinery::text::go_value;
use serde_json::{Value, json};
use std::sync::Arc;

/// The names a resource is served under.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// The resource, as in URLs.
    pub plural: Box<str>,
    /// One of them.
    pub singular: Box<str>,
    /// The kind of an object.
    pub kind: Box<str>,
    /// The kind of a list.
    pub list_kind: Box<str>,
    /// What people type.
    pub short_names: Box<[Box<str>]>,
    /// Groups such as `all` that kubectl expands.
    pub categories: Box<[Box<str>]>,
}

impl Names {
    /// Reads `spec.names` or `status.acceptedNames`; what is missing is empty.
    pub fn parse(names: &Value) -> Names {
        let texts = |key: &str| list(names.get(key)).iter().filter_map(Value::as_str).map(Into::into).collect();
        Names {
            plural: text(names, "plural").into(),
            singular: text(names, "singular").into(),
            kind: text(names, "kind").into(),
            list_kind: text(names, "listKind").into(),
            short_names: texts("shortNames"),
            categories: texts("categories"),
        }
    }
}

/// Where the scale subresource reads and writes.
#[derive(Clone, Debug)]
pub struct Scale {
    /// Under `.spec`.
    pub spec_replicas: JsonPath,
    /// Under `.status`.
    pub status_replicas: JsonPath,
    /// A string under `.spec` or `.status`.
    pub label_selector: Option<JsonPath>,
}

impl Scale {
    fn validate_spec(&self, object: &Value, errors: &mut ErrorList) {
        replicas(&self.spec_replicas, object, errors);
    }

    fn validate_status(&self, object: &Value, errors: &mut ErrorList) {
        replicas(&self.status_replicas, object, errors);
        if let Some(path) = &self.label_selector {
            let detail = match access(path, object) {
                Ok(None | Some(Value::String(_))) => return,
                Ok(Some(selector)) => mismatch(&path.to_string(), selector, "string"),
                Err(detail) => detail,
            };
            errors.push(fault::invalid_text(path, "", &detail));
        }
    }
}

/// What a path finds in the object, if it is there; the error says which part of the way is no object.
fn access<'v>(path: &JsonPath, object: &'v Value) -> Result<Option<&'v Value>, String> {
    let Some(fields) = path.fields() else { return Ok(path.first(object)) };
    let (mut value, mut way) = (object, String::new());
    for field in fields {
        way.push('.');
        way.push_str(field);
        value = match value {
            Value::Null => return Ok(None),
            Value::Object(map) => match map.get(field) {
                Some(value) => value,
                None => return Ok(None),
            },
            other => return Err(mismatch(&way, other, "map[string]interface{}")),
        };
    }
    Ok(Some(value))
}

fn mismatch(way: &str, value: &Value, wanted: &str) -> String {
    format!("{way} accessor error: {} is of the type {}, expected {wanted}", go_value(value), go_type(value))
}

/// A replica count is a whole number from 0 to 2^31 - 1.
fn replicas(path: &JsonPath, object: &Value, errors: &mut ErrorList) {
    let found = match access(path, object) {
        Ok(None) => return,
        Ok(Some(value)) => {
            value.as_i64().map(|count| (value, count)).ok_or_else(|| mismatch(&path.to_string(), value, "int64"))
        }
        Err(detail) => Err(detail),
    };
    let (value, count) = match found {
        Ok(found) => found,
        Err(detail) => {
            errors.push(fault::invalid(path, &0.into(), &detail));
            return;
        }
    };
    if count < 0 {
        errors.push(fault::invalid(path, value, "should be a non-negative integer"));
    } else if count > i64::from(i32::MAX) {
        errors.push(fault::invalid(path, value, "should be less than or equal to 2147483647"));
    }
}

fn go_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_i64() => "int64",
        Value::Number(_) => "float64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}

/// A printer column.
#[derive(Clone, Debug)]
pub struct Column {
    /// Heading.
    pub name: Box<str>,
    /// `integer`, `number`, `string`, `boolean` or `date`.
    pub kind: Box<str>,
    /// OpenAPI format; may be empty.
    pub format: Box<str>,
    /// For people; made up from the path when the CRD says nothing.
    pub description: Box<str>,
    /// 0 is always shown, anything above only in wide output.
    pub priority: i32,
    /// Where the value is; `None` when the path cannot be parsed, and then every cell is empty.
    pub path: Option<JsonPath>,
}

/// A field usable in field selectors.
#[derive(Clone, Debug)]
pub struct SelectableField {
    /// The selector's label: `spec.color`.
    pub name: Box<str>,
    /// Where the value is.
    pub path: JsonPath,
}

/// How objects change version.
#[derive(Clone, Debug, PartialEq)]
pub enum Conversion {
    /// Only `apiVersion` changes.
    None,
    /// By a webhook, given as `spec.conversion.webhook`.
    Webhook(Box<Value>),
}

/// What is found of a custom resource.
#[derive(Debug, Default)]
pub struct Judgement {
    /// What is wrong.
    pub errors: ErrorList,
    /// What the rules say is wrong but was so before, in a part that did not change: told whatever becomes of the change.
    pub warnings: Vec<String>,
}

/// One version of a custom resource.
#[derive(Clone, Debug)]
pub struct Version {
    /// `v1`.
    pub name: Box<str>,
    /// Whether requests may use it.
    pub served: bool,
    /// Whether objects are stored in it.
    pub storage: bool,
    /// The compiled schema.
    pub schema: Arc<Structural>,
    /// Whether there is a status subresource.
    pub status: bool,
    /// The scale subresource.
    pub scale: Option<Scale>,
    /// Columns after the name; creation time as age when the CRD declares none.
    pub columns: Box<[Column]>,
    /// The warning that every request to a deprecated version gets.
    pub deprecation_warning: Option<Box<str>>,
    /// Fields of field selectors beyond name and namespace.
    pub selectable_fields: Box<[SelectableField]>,
}

/// A CRD as served.
#[derive(Clone, Debug)]
pub struct Definition {
    /// `<plural>.<group>`.
    pub name: Box<str>,
    /// API group; may be empty in kcp.
    pub group: Box<str>,
    /// The accepted names.
    pub names: Names,
    /// Whether objects live in namespaces.
    pub namespaced: bool,
    /// In the order of the CRD.
    pub versions: Box<[Version]>,
    /// How objects change version.
    pub conversion: Conversion,
    /// Whether it is served at all.
    pub established: bool,
    /// Whether it is being deleted: no object may be created.
    pub terminating: bool,
}

impl Definition {
    /// Reads a stored CRD. Equal schemas come out of `pool` as one.
    pub fn parse(crd: &Value, pool: &Pool) -> Result<Definition, ErrorList> {
        let spec = crd.get("spec").unwrap_or(&Value::Null);
        let accepted = crd.pointer("/status/acceptedNames").unwrap_or(&Value::Null);
        let wanted = spec.get("names").unwrap_or(&Value::Null);
        let names = Names::parse(if text(accepted, "plural").is_empty() { wanted } else { accepted });
        let group = text(spec, "group");
        let versions = list(spec.get("versions"))
            .iter()
            .map(|version| Version::parse(version, spec, group, &names, pool))
            .collect::<Result<_, _>>()?;
        let conversion = match spec.get("conversion") {
            Some(conversion) if text(conversion, "strategy") == "Webhook" => {
                Conversion::Webhook(Box::new(conversion.get("webhook").cloned().unwrap_or_default()))
            }
            _ => Conversion::None,
        };
        Ok(Definition {
            name: crd.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default().into(),
            group: group.into(),
            names,
            namespaced: text(spec, "scope") == "Namespaced",
            versions,
            conversion,
            established: is_condition_true(crd, "Established"),
            terminating: crd.pointer("/metadata/deletionTimestamp").is_some_and(|time| !time.is_null())
                || is_condition_true(crd, "Terminating"),
        })
    }

    /// The version of a name.
    pub fn version(&self, name: &str) -> Option<&Version> {
        self.versions.iter().find(|version| &*version.name == name)
    }

    /// The version of a name, if requests may use it.
    pub fn served_version(&self, name: &str) -> Option<&Version> {
        self.version(name).filter(|version| version.served && self.established)
    }

    /// Errors of the type header of an object sent to a version.
    pub fn validate_type(&self, version: &Version, object: &Value) -> ErrorList {
        let api_version =
            if self.group.is_empty() { version.name.to_string() } else { format!("{}/{}", self.group, version.name) };
        let mut errors = ErrorList::default();
        for (key, wanted) in [("kind", &*self.names.kind), ("apiVersion", &api_version)] {
            let given = text(object, key);
            if given != wanted {
                errors.push(fault::invalid_text(&key, given, &format!("must be {wanted}")));
            }
        }
        errors
    }

    /// The version objects are stored in.
    pub fn storage_version(&self) -> Option<&Version> {
        self.versions.iter().find(|version| version.storage)
    }
}

impl Version {
    /// What is wrong with a custom resource in this version, beyond its type and metadata: schema, replica counts,
    /// embedded resources and lists, rules, in this order. With `old`, what did not change is no error, and what its rules
    /// forgive is a warning.
    pub fn validate(&self, new: &Value, old: Option<&Value>) -> Judgement {
        let mut errors = self.schema.validate_schema(new, old);
        if let Some(scale) = &self.scale {
            scale.validate_spec(new, &mut errors);
            scale.validate_status(new, &mut errors);
        }
        self.validate_structure(new, old, &mut errors);
        self.judge(new, old, errors)
    }

    /// What is wrong with a custom resource that is changed through its status endpoint.
    pub fn validate_status(&self, new: &Value, old: &Value) -> Judgement {
        let mut errors = match new.get("status") {
            Some(status) => self.schema.validate_status_schema(status, old.get("status")),
            None => ErrorList::default(),
        };
        if let Some(scale) = &self.scale {
            scale.validate_status(new, &mut errors);
        }
        self.validate_structure(new, Some(old), &mut errors);
        self.judge(new, Some(old), errors)
    }

    /// Adds what the validation rules say, unless the object is too broken to ask them.
    fn judge(&self, new: &Value, old: Option<&Value>, mut errors: ErrorList) -> Judgement {
        let mut warnings = Vec::new();
        if !self.schema.has_rules() {
            return Judgement { errors, warnings };
        }
        let blocks = |error: &Error| {
            matches!(
                error.ty,
                ErrorType::NotSupported
                    | ErrorType::Required
                    | ErrorType::TooLong
                    | ErrorType::TooMany
                    | ErrorType::TypeInvalid
            )
        };
        if errors.iter().any(blocks) {
            let detail = "some validation rules were not checked because the object was invalid; correct the existing \
                          errors to complete validation";
            errors.push(fault::invalid(&"", &Value::Null, detail));
        } else {
            let verdict = self.schema.validate_rules(new, old);
            errors.extend(verdict.errors);
            warnings = verdict.warnings;
        }
        Judgement { errors, warnings }
    }

    fn validate_structure(&self, new: &Value, old: Option<&Value>, errors: &mut ErrorList) {
        errors.extend(self.schema.validate_embedded(new));
        if old.is_none_or(|old| self.schema.validate_lists(old).is_empty()) {
            errors.extend(self.schema.validate_lists(new));
        }
    }

    fn parse(version: &Value, spec: &Value, group: &str, names: &Names, pool: &Pool) -> Result<Version, ErrorList> {
        let anything = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
        let schema = match version.pointer("/schema/openAPIV3Schema") {
            Some(schema) if schema.is_object() && !flag(spec, "preserveUnknownFields") => pool.compile(schema)?,
            _ => pool.compile(&anything)?,
        };
        let subresources = version.get("subresources").unwrap_or(&Value::Null);
        let simple = |value: &Value, key: &str| JsonPath::parse(text(value, key)).ok();
        let scale = subresources.get("scale").filter(|scale| scale.is_object()).and_then(|scale| {
            Some(Scale {
                spec_replicas: simple(scale, "specReplicasPath")?,
                status_replicas: simple(scale, "statusReplicasPath")?,
                label_selector: Some(text(scale, "labelSelectorPath"))
                    .filter(|path| !path.is_empty())
                    .and_then(|path| JsonPath::parse(path).ok()),
            })
        });
        let declared = list(version.get("additionalPrinterColumns"));
        let age = json!([{
            "name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp",
            "description": AGE_DESCRIPTION,
        }]);
        let columns = if declared.is_empty() { list(Some(&age)) } else { declared };
        Ok(Version {
            name: text(version, "name").into(),
            served: flag(version, "served"),
            storage: flag(version, "storage"),
            schema,
            status: subresources.get("status").is_some_and(Value::is_object),
            scale,
            columns: columns.iter().map(Column::parse).collect(),
            deprecation_warning: flag(version, "deprecated")
                .then(|| deprecation_warning(version, spec, group, names).into()),
            selectable_fields: list(version.get("selectableFields"))
                .iter()
                .filter_map(|field| {
                    let path = text(field, "jsonPath");
                    Some(SelectableField {
                        name: path.strip_prefix('.').unwrap_or(path).into(),
                        path: JsonPath::parse(path).ok()?,
                    })
                })
                .collect(),
        })
    }
}

const AGE_DESCRIPTION: &str = concat!(
    "CreationTimestamp is a timestamp representing the server time when this object was created. It is not guaranteed ",
    "to be set in happens-before order across separate operations. Clients may not set this value. It is represented ",
    "in RFC3339 form and is in UTC.\n\nPopulated by the system. Read-only. Null for lists. More info: ",
    "https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata"
);

/// The version's own words, or the standard ones, which name the newest stable version that is served instead.
fn deprecation_warning(version: &Value, spec: &Value, group: &str, names: &Names) -> String {
    if let Some(words) = version.get("deprecationWarning").and_then(Value::as_str) {
        return words.to_owned();
    }
    let name = text(version, "name");
    let mut warning = format!("{group}/{name} {} is deprecated", names.kind);
    let better = list(spec.get("versions"))
        .iter()
        .filter(|other| flag(other, "served") && !flag(other, "deprecated"))
        .map(|other| text(other, "name"))
        .max_by(|a, b| kcp_apimachinery::version::compare(a, b));
    if let Some(better) = better
        && kcp_apimachinery::version::compare(better, name).is_gt()
    {
        warning.push_str(&format!("; use {group}/{better} {}", names.kind));
    }
    warning
}

impl Column {
    fn parse(column: &Value) -> Column {
        let path = text(column, "jsonPath");
        let description = match text(column, "description") {
            "" => format!("Custom resource definition column (in JSONPath format): {path}"),
            words => words.to_owned(),
        };
        Column {
            name: text(column, "name").into(),
            kind: text(column, "type").into(),
            format: text(column, "format").into(),
            description: description.into(),
            priority: column
                .get("priority")
                .and_then(Value::as_i64)
                .and_then(|priority| i32::try_from(priority).ok())
                .unwrap_or_default(),
            path: JsonPath::parse(path).ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_says_which_part_of_its_way_is_no_object() {
        let path = |text: &str| JsonPath::parse(text).unwrap();
        let scale = Scale {
            spec_replicas: path(".spec.size"),
            status_replicas: path(".status.n.m"),
            label_selector: Some(path(".status.sel")),
        };
        let object = "expected map[string]interface{}";
        for (given, wanted) in [
            (json!({"spec": null, "status": {"n": null}}), vec![]),
            (
                json!({"spec": "x"}),
                vec![format!(
                    ".spec.size: Invalid value: 0: .spec.size accessor error: x is of the type string, {object}"
                )],
            ),
            (
                json!({"spec": [1, {}]}),
                vec![format!(
                    ".spec.size: Invalid value: 0: .spec.size accessor error: [1 map[]] is of the type []interface {{}}, \
                     {object}"
                )],
            ),
            (
                json!({"status": 1.5}),
                vec![
                    format!(
                        ".status.n.m: Invalid value: 0: .status.n accessor error: 1.5 is of the type float64, {object}"
                    ),
                    format!(
                        ".status.sel: Invalid value: \"\": .status.sel accessor error: 1.5 is of the type float64, {object}"
                    ),
                ],
            ),
            (
                json!({"status": {"n": {"m": "t"}, "sel": {}}}),
                vec![
                    ".status.n.m: Invalid value: 0: .status.n.m accessor error: t is of the type string, expected int64"
                        .to_owned(),
                    ".status.sel: Invalid value: \"\": .status.sel accessor error: map[] is of the type \
                     map[string]interface {}, expected string"
                        .to_owned(),
                ],
            ),
        ] {
            let mut errors = ErrorList::default();
            scale.validate_spec(&given, &mut errors);
            scale.validate_status(&given, &mut errors);
            let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
            assert_eq!(texts, wanted, "{given}");
        }
    }
}
