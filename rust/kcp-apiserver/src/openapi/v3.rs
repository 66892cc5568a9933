//! OpenAPI 3.0 documents: one per version of a group.

use crate::openapi::built_in;
use crate::openapi::operations::{Item, Operation, Takes};
use crate::openapi::parameters::{PRETTY, Parameter};
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Where references lead.
pub const PREFIX: &str = "#/components/schemas/";
const META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1";
const MEDIA: [&str; 2] = ["application/json", "application/yaml"];

/// Media types of patches; custom resources have no strategic merge.
pub fn patch_types(custom: bool) -> &'static [&'static str] {
    const ALL: [&str; 4] = [
        "application/apply-patch+yaml",
        "application/json-patch+json",
        "application/merge-patch+json",
        "application/strategic-merge-patch+json",
    ];
    if custom { &ALL[..3] } else { &ALL }
}

/// A document of some paths and what they refer to. `custom` are definitions that are not built in.
pub fn document(items: &[Item], group: &str, custom: &BTreeMap<String, Value>) -> Vec<u8> {
    let paths: Map<String, Value> = items.iter().map(|item| (item.path.clone(), path(item))).collect();
    let paths = Value::Object(paths).to_string();
    let mut schemas: BTreeMap<String, Cow<'static, str>> = BTreeMap::new();
    let mut open: Vec<String> = references(&paths).map(str::to_owned).collect();
    while let Some(name) = open.pop() {
        if schemas.contains_key(&name) {
            continue;
        }
        let text = match custom.get(&name) {
            Some(schema) => Cow::Owned(schema.to_string()),
            None => built_in::text(&name).map_or(Cow::Borrowed("{}"), |text| shared(&name, text, group)),
        };
        open.extend(references(&text).map(str::to_owned));
        schemas.insert(name, text);
    }
    let mut out =
        String::with_capacity(paths.len() + schemas.values().map(|text| text.len() + 64).sum::<usize>() + 512);
    out.push_str(r#"{"openapi":"3.0.0","info":{"title":"Kubernetes","version":"#);
    out.push_str(&Value::from(crate::version::git_version()).to_string());
    out.push_str(r#"},"paths":"#);
    out.push_str(&paths);
    out.push_str(r#","components":{"schemas":{"#);
    for (index, (name, text)) in schemas.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        out.push_str(&Value::from(name.as_str()).to_string());
        out.push(':');
        out.push_str(text);
    }
    out.push_str(r#"},"securitySchemes":{"BearerToken":{"type":"apiKey","description":"Bearer token","#);
    out.push_str(r#""name":"authorization","in":"header"}}}}"#);
    out.into_bytes()
}

/// Options and events are kinds of every group.
fn shared(name: &str, text: &'static str, group: &str) -> Cow<'static, str> {
    let Some(kind) = name.strip_prefix(META).and_then(|rest| rest.strip_prefix('.')) else { return text.into() };
    if !matches!(kind, "DeleteOptions" | "WatchEvent") {
        return text.into();
    }
    let Ok(mut schema) = serde_json::from_str::<Value>(text) else { return text.into() };
    let entry = |group: &str| json!({"group": group, "kind": kind, "version": "v1"});
    let mut kinds = vec![entry("")];
    if !group.is_empty() {
        kinds.push(entry(group));
    }
    schema["x-kubernetes-group-version-kind"] = kinds.into();
    schema.to_string().into()
}

/// The names that some compact JSON refers to.
fn references(text: &str) -> impl Iterator<Item = &str> {
    text.split("\"$ref\":\"#/components/schemas/").skip(1).filter_map(|rest| rest.split('"').next())
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
    let mut out = json!({
        "tags": [item.tag],
        "description": operation.description,
        "operationId": operation.id,
    });
    if !operation.query.is_empty() {
        out["parameters"] = operation.query.iter().map(|parameter| in_query(parameter)).collect();
    }
    match &operation.takes {
        Takes::Nothing => {}
        Takes::Object(definition) => {
            out["requestBody"] = json!({"content": content(&MEDIA, definition), "required": true})
        }
        Takes::DeleteOptions => {
            out["requestBody"] = json!({"content": content(&MEDIA, &format!("{META}.DeleteOptions"))})
        }
        Takes::Patch => {
            let content = content(patch_types(item.custom), &format!("{META}.Patch"));
            out["requestBody"] = json!({"content": content, "required": true});
        }
    }
    let mut responses = Map::new();
    for (code, description) in operation.codes() {
        let answer = json!({"description": description, "content": content(&MEDIA, &operation.gives)});
        responses.insert((*code).to_owned(), answer);
    }
    responses.insert("401".into(), json!({"description": "Unauthorized"}));
    out["responses"] = responses.into();
    if let Some(kind) = &operation.kind {
        out["x-kubernetes-action"] = operation.action.into();
        out["x-kubernetes-group-version-kind"] =
            json!({"group": kind.group, "version": kind.version, "kind": kind.kind});
    }
    out
}

fn content(types: &[&str], definition: &str) -> Value {
    let schema = json!({"schema": {"$ref": format!("{PREFIX}{definition}")}});
    types.iter().map(|media| ((*media).to_owned(), schema.clone())).collect()
}

fn in_path(name: &str, description: &str) -> Value {
    json!({
        "name": name,
        "in": "path",
        "description": description,
        "required": true,
        "schema": {"type": "string", "uniqueItems": true},
    })
}

fn in_query(parameter: &Parameter) -> Value {
    json!({
        "name": parameter.name,
        "in": "query",
        "description": parameter.description,
        "schema": {"type": parameter.kind, "uniqueItems": true},
    })
}
