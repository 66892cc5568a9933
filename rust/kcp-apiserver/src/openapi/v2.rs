//! The OpenAPI 2.0 document: everything at once.

use crate::openapi::built_in;
use crate::openapi::fragment::{self, Fragment};
use crate::openapi::operations::{Dialect, Forms, Item, Operation, Takes};
use crate::openapi::parameters::Parameter;
use crate::openapi::v3;
use bytes::Bytes;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

const PREFIX: &str = "#/definitions/";
const META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1";

/// How paths are written.
const DIALECT: Dialect = Dialect { operation: operate, in_path, in_query };

/// What some paths bring along, as values: entries of paths and of definitions.
pub struct Parts {
    /// Entries of paths.
    pub paths: Vec<(String, Value)>,
    /// Entries of definitions.
    pub definitions: Vec<(String, Value)>,
}

impl Parts {
    /// Those of some paths, with the definitions that are not built in.
    pub fn new(items: &[Item], definitions: BTreeMap<String, Value>) -> Self {
        let paths = items.iter().map(|item| (item.path.clone(), item.write(&DIALECT))).collect();
        Self { paths, definitions: definitions.into_iter().collect() }
    }

    /// The pieces as JSON.
    pub fn to_json(&self) -> Fragment {
        let text = |(name, value): &(String, Value)| (name.clone(), fragment::exact(value.to_string().into_bytes()));
        Fragment {
            paths: self.paths.iter().map(text).collect(),
            schemas: self.definitions.iter().map(text).collect(),
            ..Fragment::default()
        }
    }
}

/// The definitions of all built-in kinds. `groups` are those that options and events are kinds of.
pub fn definitions(groups: &[&str]) -> BTreeMap<String, Value> {
    let mut definitions = BTreeMap::new();
    for name in built_in::names() {
        // Parsed afresh and dropped: what is kept parsed is for those who decode objects.
        let text = built_in::text(name).unwrap_or_default();
        let mut schema: Value = serde_json::from_str(text).unwrap_or_default();
        rewrite(&mut schema);
        let kind = name.strip_prefix(META).and_then(|rest| rest.strip_prefix('.'));
        if let Some(kind @ ("DeleteOptions" | "WatchEvent")) = kind {
            let entry = |group: &&str| json!({"group": group, "kind": kind, "version": "v1"});
            schema["x-kubernetes-group-version-kind"] = groups.iter().map(entry).collect();
        }
        definitions.insert(name.into(), schema);
    }
    definitions
}

/// The document of some fragments, in pieces that share what the fragments hold.
pub fn document(fragments: &[Arc<Fragment>]) -> Vec<Bytes> {
    let all = || fragments.iter().map(|fragment| &**fragment);
    let version = Value::from(crate::version::git_version());
    let mut out = vec![Bytes::from(format!(
        r#"{{"swagger":"2.0","info":{{"title":"Kubernetes","version":{version}}},"paths":{{"#
    ))];
    fragment::pieces(&mut out, &fragment::paths(all()));
    out.push(Bytes::from_static(br#"},"definitions":{"#));
    fragment::pieces(&mut out, &fragment::schemas(all()));
    out.push(Bytes::from_static(
        br#"},"securityDefinitions":{"BearerToken":{"description":"Bearer token","type":"apiKey","name":"authorization","in":"header"}},"security":[{"BearerToken":[]}]}"#,
    ));
    out
}

/// Turns a schema of a v3 document into one of a v2 document.
fn rewrite(schema: &mut Value) {
    let Some(object) = schema.as_object_mut() else { return };
    if let Some([only]) = object.get("allOf").and_then(Value::as_array).map(Vec::as_slice)
        && let Some(reference) = only.get("$ref").cloned()
    {
        object.remove("allOf");
        object.insert("$ref".into(), reference);
    }
    if let Some(Value::String(target)) = object.get_mut("$ref")
        && let Some(name) = target.strip_prefix(v3::PREFIX)
    {
        *target = format!("{PREFIX}{name}");
    }
    for key in ["items", "additionalProperties"] {
        if let Some(inner) = object.get_mut(key) {
            rewrite(inner);
        }
    }
    if let Some(Value::Object(properties)) = object.get_mut("properties") {
        properties.values_mut().for_each(rewrite);
    }
}

fn operate(item: &Item, operation: &Operation) -> Value {
    let mut parameters = Vec::new();
    let body = |definition: &str, required: bool| {
        let mut parameter = json!({"name": "body", "in": "body", "schema": {"$ref": format!("{PREFIX}{definition}")}});
        if required {
            parameter["required"] = true.into();
        }
        parameter
    };
    match &operation.takes {
        Takes::Nothing => {}
        Takes::Object(definition) => parameters.push(body(definition, true)),
        Takes::DeleteOptions => parameters.push(body(&format!("{META}.DeleteOptions"), false)),
        Takes::Patch => parameters.push(body(&format!("{META}.Patch"), true)),
    }
    parameters.extend(operation.query.iter().map(|parameter| in_query(parameter)));
    let mut responses = Map::new();
    for (code, description) in operation.codes() {
        let schema = json!({"$ref": format!("{PREFIX}{}", operation.gives)});
        responses.insert((*code).to_owned(), json!({"description": description, "schema": schema}));
    }
    responses.insert("401".into(), json!({"description": "Unauthorized"}));
    let produces = answers(item.forms, operation.streams());
    let consumes = match (&operation.takes, item.forms) {
        (Takes::Patch, forms) => patches(forms),
        // Of an operation on objects anything is said to be taken.
        (_, Forms::Typed) if operation.kind.is_some() => &["*/*"][..],
        _ => answers(item.forms, false),
    };
    let mut out = json!({
        "tags": [item.tag],
        "description": operation.description,
        "operationId": operation.id,
        "consumes": consumes,
        "produces": produces,
        "schemes": ["https"],
        "responses": responses,
    });
    if !parameters.is_empty() {
        out["parameters"] = parameters.into();
    }
    if let Some(kind) = &operation.kind {
        out["x-kubernetes-action"] = operation.action.into();
        out["x-kubernetes-group-version-kind"] =
            json!({"group": kind.group, "version": kind.version, "kind": kind.kind});
    }
    out
}

/// Media types of patches; custom resources have no strategic merge.
fn patches(forms: Forms) -> &'static [&'static str] {
    match forms {
        Forms::Typed => &[
            "application/json-patch+json",
            "application/merge-patch+json",
            "application/strategic-merge-patch+json",
            "application/apply-patch+yaml",
        ],
        Forms::Json | Forms::Text => {
            &["application/json-patch+json", "application/merge-patch+json", "application/apply-patch+yaml"]
        }
    }
}

/// Media types of answers.
const fn answers(forms: Forms, streams: bool) -> &'static [&'static str] {
    const ALL: [&str; 5] = [
        "application/json",
        "application/yaml",
        "application/vnd.kubernetes.protobuf",
        "application/json;stream=watch",
        "application/vnd.kubernetes.protobuf;stream=watch",
    ];
    match (forms, streams) {
        (Forms::Json, _) => ALL.split_at(1).0,
        (Forms::Text, _) => ALL.split_at(2).0,
        (Forms::Typed, false) => ALL.split_at(3).0,
        (Forms::Typed, true) => &ALL,
    }
}

fn in_path(name: &str, description: &str) -> Value {
    json!({"name": name, "in": "path", "description": description, "required": true, "type": "string", "uniqueItems": true})
}

fn in_query(parameter: &Parameter) -> Value {
    json!({
        "name": parameter.name,
        "in": "query",
        "description": parameter.description,
        "type": parameter.kind,
        "uniqueItems": true,
    })
}
