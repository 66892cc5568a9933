//! `kind` and `apiVersion` of a body, held against the endpoint it was sent to.

use crate::openapi;
use crate::registry::Served;
use crate::verbs::input::go_type;
use crate::verbs::options::FieldValidation;
use kcp_apimachinery::field::{Error, ErrorList, Path};
use kcp_apimachinery::{GroupKind, Status, meta, strict, text};
use serde_json::{Map, Value};

/// Characters of a body that an answer repeats.
const REPEATED: usize = 1024;

const DEFINITIONS_GROUP: &str = "apiextensions.k8s.io";

/// What an endpoint takes.
pub struct Expected<'a> {
    /// Group of the kind.
    pub group: &'a str,
    /// Group and version.
    pub api_version: &'a str,
    /// The kind.
    pub kind: &'a str,
}

impl<'a> From<&'a Served> for Expected<'a> {
    fn from(served: &'a Served) -> Self {
        Self { group: &served.group, api_version: &served.api_version, kind: &served.kind }
    }
}

/// Holds what a typed object says of itself against an endpoint that fills in what it does not say.
///
/// # Errors
/// 400, as Kubernetes answers objects of another kind or version.
pub fn check_typed(object: &Value, expected: &Expected<'_>) -> Result<(), Status> {
    let or = |given: &'_ str, default: &'_ str| if given.is_empty() { default.to_owned() } else { given.to_owned() };
    let kind = or(meta::kind(object), expected.kind);
    let api_version = or(meta::api_version(object), expected.api_version);
    if kind == expected.kind && api_version == expected.api_version {
        return Ok(());
    }
    Err(built_in_mismatch(&kind, &api_version, expected))
}

/// Holds `kind` and `apiVersion` of an object against the endpoint. Built-in endpoints fill in absent ones.
///
/// # Errors
/// 400 or 422, as Kubernetes answers objects of another kind or version.
pub fn check(object: &mut Value, served: &Served, body: &[u8], fields: FieldValidation) -> Result<(), Status> {
    let custom = !served.is_typed();
    if object.is_null() {
        *object = Value::Object(Map::new());
    }
    let unrecognized = |error: &str| Status::bad_request(strict::unrecognized(&served.kind, error, body));
    let Some(map) = object.as_object_mut() else {
        return Err(unrecognized(&format!(
            "json: cannot unmarshal {} into Go value of type struct {{ APIVersion string \
             \"json:\\\"apiVersion,omitempty\\\"\"; Kind string \"json:\\\"kind,omitempty\\\"\" }}",
            go_type(object)
        )));
    };
    for (field, expected) in [("apiVersion", &served.api_version), ("kind", &served.kind)] {
        match map.get(field) {
            Some(Value::String(given)) if !given.is_empty() => {}
            None | Some(Value::Null | Value::String(_)) if !custom => {
                map.insert(field.to_owned(), Value::String(expected.clone()));
            }
            None | Some(Value::Null | Value::String(_)) => {}
            Some(other) => {
                let found = go_type(other);
                let error = format!("json: cannot unmarshal {found} into Go struct field .{field} of type string");
                return Err(unrecognized(&error));
            }
        }
    }
    let (kind, api_version) = (meta::kind(object), meta::api_version(object));
    if kind.is_empty() {
        let shown: String = String::from_utf8_lossy(body).chars().take(REPEATED).collect();
        let missing = format!("Object 'Kind' is missing in '{shown}'");
        // The reader that is not strict knows already what it was to read.
        if fields == FieldValidation::Ignore {
            let version = served.api_version.rsplit('/').next().unwrap_or_default();
            return Err(Status::bad_request(strict::cannot_be_handled(&served.kind, version, &missing)));
        }
        let (kind, summary) = (&served.kind, strict::summarize(body));
        return Err(Status::bad_request(format!(
            "the object provided is unrecognized (must be of type {kind}): {missing} ({summary})"
        )));
    }
    if kind == served.kind && api_version == served.api_version {
        return Ok(());
    }
    if api_version.matches('/').count() > 1 {
        let summary = strict::summarize(body);
        return Err(Status::bad_request(format!(
            "the object provided is unrecognized (must be of type {}): unexpected GroupVersion string: {api_version} \
             ({summary})",
            served.kind
        )));
    }
    Err(if custom { custom_mismatch(object, served) } else { built_in_mismatch(kind, api_version, &served.into()) })
}

fn other_version(api_version: &str, expected: &str) -> Status {
    Status::bad_request(format!(
        "the API version in the data ({api_version}) does not match the expected API version ({expected})"
    ))
}

fn custom_mismatch(object: &Value, served: &Served) -> Status {
    let (kind, api_version) = (meta::kind(object), meta::api_version(object));
    if api_version != served.api_version {
        return other_version(api_version, &served.api_version);
    }
    let error = Error::invalid(&Path::root("kind"), kind, format!("must be {}", served.kind));
    Status::invalid(&GroupKind::new(&served.group, kind), meta::name(object), &ErrorList::from(error))
}

/// Why a patched custom resource is not what the endpoint takes, when its header says that it is something else.
pub fn patched_mismatch(object: &Value, served: &Served) -> Option<Status> {
    let (kind, api_version) = (object["kind"].as_str()?, object["apiVersion"].as_str()?);
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    if served.is_typed() || kind.is_empty() || version.is_empty() || version.contains('/') {
        return None;
    }
    let mut errors = ErrorList::default();
    for (field, given, expected) in [("kind", kind, &served.kind), ("apiVersion", api_version, &served.api_version)] {
        if given != expected {
            errors.push(Error::invalid(&Path::root(field), given, format!("must be {expected}")));
        }
    }
    (!errors.is_empty()).then(|| Status::invalid(&GroupKind::new(group, kind), meta::name(object), &errors))
}

fn built_in_mismatch(kind: &str, api_version: &str, expected: &Expected<'_>) -> Status {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    if kind == expected.kind && is_known(group, version, kind) && package(group) == package(expected.group) {
        return other_version(api_version, expected.api_version);
    }
    // Definitions are decoded by a scheme of their own, which knows no kinds of other groups.
    let scheme_has_it = expected.group != DEFINITIONS_GROUP || group == DEFINITIONS_GROUP;
    let why = if scheme_has_it && is_known(group, version, kind) {
        format!("converting ({version}.{kind}) to ({}.{}): unknown conversion", package(expected.group), expected.kind)
    } else {
        format!(
            "no kind {} is registered for version {} in scheme \"pkg/runtime/scheme.go:111\"",
            text::quote(kind),
            text::quote(api_version)
        )
    };
    let version = text::quote(version);
    Status::bad_request(format!("{kind} in version {version} cannot be handled as a {}: {why}", expected.kind))
}

/// Whether a kind is one of the built-in ones.
fn is_known(group: &str, version: &str, kind: &str) -> bool {
    if (group, version, kind) == ("", "v1", "List") {
        return true;
    }
    let named = openapi::built_in::names().filter(|name| name.rsplit('.').next() == Some(kind));
    named.filter_map(openapi::built_in::definition).any(|definition| {
        let kinds = definition.get("x-kubernetes-group-version-kind").and_then(Value::as_array);
        kinds.into_iter().flatten().any(|of| of["group"] == group && of["version"] == version && of["kind"] == kind)
    })
}

/// The Go package of the internal types of a group.
fn package(group: &str) -> &str {
    match group {
        "" | "events.k8s.io" => "core",
        group => group.split('.').next().unwrap_or(group),
    }
}
