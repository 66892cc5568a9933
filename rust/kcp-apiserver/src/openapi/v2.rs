//! The OpenAPI 2.0 document: everything at once.

use crate::openapi::built_in;
use crate::openapi::operations::{Item, Operation, Takes};
use crate::openapi::parameters::{PRETTY, Parameter};
use crate::openapi::v3::{self, patch_types};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

const PREFIX: &str = "#/definitions/";
const META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1";

/// The document of all paths. `groups` are those that options and events are kinds of.
pub fn document(items: &[Item], groups: &[&str], custom: BTreeMap<String, Value>) -> Vec<u8> {
    let paths: Map<String, Value> = items.iter().map(|item| (item.path.clone(), path(item))).collect();
    let mut definitions = Map::new();
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
    definitions.extend(custom);
    let document = json!({
        "swagger": "2.0",
        "info": {"title": "Kubernetes", "version": crate::version::git_version()},
        "paths": paths,
        "definitions": definitions,
        "securityDefinitions": {
            "BearerToken": {"description": "Bearer token", "type": "apiKey", "name": "authorization", "in": "header"},
        },
        "security": [{"BearerToken": []}],
    });
    document.to_string().into_bytes()
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

fn path(item: &Item) -> Value {
    let operations = item.operations.iter().map(|operation| (operation.method.to_owned(), operate(item, operation)));
    let mut path: Map<String, Value> = operations.collect();
    let mut parameters = Vec::new();
    if let Some(kind) = &item.named {
        parameters.push(in_path("name", &format!("name of the {kind}")));
    }
    if item.path.contains("{namespace}") {
        parameters.push(in_path("namespace", "the namespace that the object is in"));
    }
    if item.operations.iter().any(|operation| operation.kind.is_some()) {
        parameters.push(in_query(&PRETTY));
        path.insert("parameters".into(), parameters.into());
    }
    path.into()
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
    let mut produces = vec!["application/json", "application/yaml"];
    if operation.action == "list" {
        produces.push("application/json;stream=watch");
    }
    let consumes = if operation.takes == Takes::Patch {
        patch_types(item.custom)
    } else {
        &["application/json", "application/yaml"]
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
