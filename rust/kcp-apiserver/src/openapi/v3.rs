//! OpenAPI 3.0 documents: one per version of a group.

use crate::openapi::built_in;
use crate::openapi::fragment::{self, Fragment};
use crate::openapi::operations::{Dialect, Forms, Item, Operation, Takes};
use crate::openapi::parameters::Parameter;
use bytes::Bytes;
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Where references lead.
pub const PREFIX: &str = "#/components/schemas/";
const META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1";
const MEDIA: [&str; 2] = ["application/json", "application/yaml"];
const TYPED: [&str; 3] = ["application/json", "application/vnd.kubernetes.protobuf", "application/yaml"];
const TYPED_STREAMS: [&str; 5] = [
    "application/json",
    "application/json;stream=watch",
    "application/vnd.kubernetes.protobuf",
    "application/vnd.kubernetes.protobuf;stream=watch",
    "application/yaml",
];

/// Media types of an operation's answers; custom resources without types of their own know no protobuf.
fn answers(item: &Item, operation: &Operation) -> &'static [&'static str] {
    match (item.forms, operation.streams()) {
        (Forms::Json, _) => &MEDIA[..1],
        (Forms::Text, _) => &MEDIA,
        (Forms::Typed, false) => &TYPED,
        (Forms::Typed, true) => &TYPED_STREAMS,
    }
}

/// Media types of patches; custom resources have no strategic merge.
fn patch_types(forms: Forms) -> &'static [&'static str] {
    const ALL: [&str; 4] = [
        "application/apply-patch+yaml",
        "application/json-patch+json",
        "application/merge-patch+json",
        "application/strategic-merge-patch+json",
    ];
    if forms == Forms::Typed { &ALL } else { &ALL[..3] }
}

/// How paths are written.
const DIALECT: Dialect = Dialect { operation: operate, in_path, in_query };

/// What some paths bring along, with the schemas that are not built in.
pub fn fragment(items: &[Item], schemas: &BTreeMap<String, Value>) -> Fragment {
    let text = |name: &String, value: &Value| (name.clone(), Bytes::from(value.to_string()));
    let paths: Vec<_> = items.iter().map(|item| text(&item.path, &item.write(&DIALECT))).collect();
    let schemas: Vec<_> = schemas.iter().map(|(name, schema)| text(name, schema)).collect();
    let texts = paths.iter().chain(&schemas).map(|(_, text)| std::str::from_utf8(text).unwrap_or_default());
    let references = texts.flat_map(references).map(str::to_owned).collect();
    Fragment { paths, schemas, references }
}

/// A document of some pieces and the built-in schemas they refer to.
pub fn document(fragments: &[Arc<Fragment>], group: &str) -> Vec<u8> {
    let all = || fragments.iter().map(|fragment| &**fragment);
    let (paths, own) = (fragment::paths(all()), fragment::schemas(all()));
    let mut shared_schemas: BTreeMap<String, Bytes> = BTreeMap::new();
    let mut open: Vec<String> = all().flat_map(|fragment| fragment.references.iter().cloned()).collect();
    while let Some(name) = open.pop() {
        if shared_schemas.contains_key(&name) || own.binary_search_by_key(&name.as_str(), |(name, _)| *name).is_ok() {
            continue;
        }
        let text = built_in::text(&name).map_or(Cow::Borrowed("{}"), |text| shared(&name, text, group));
        open.extend(references(&text).map(str::to_owned));
        let text = match text {
            Cow::Borrowed(text) => Bytes::from_static(text.as_bytes()),
            Cow::Owned(text) => text.into(),
        };
        shared_schemas.insert(name, text);
    }
    let mut schemas: Vec<(&str, &Bytes)> = own;
    schemas.extend(shared_schemas.iter().map(|(name, text)| (name.as_str(), text)));
    schemas.sort_unstable_by_key(|(name, _)| *name);
    let size: usize = paths.iter().chain(&schemas).map(|(name, text)| name.len() + text.len() + 8).sum();
    let mut out = Vec::with_capacity(size + 512);
    out.extend_from_slice(br#"{"openapi":"3.0.0","info":{"title":"Kubernetes","version":"#);
    out.extend_from_slice(Value::from(crate::version::git_version()).to_string().as_bytes());
    out.extend_from_slice(br#"},"paths":{"#);
    fragment::join(&mut out, &paths);
    out.extend_from_slice(br#"},"components":{"schemas":{"#);
    fragment::join(&mut out, &schemas);
    out.extend_from_slice(br#"},"securitySchemes":{"BearerToken":{"type":"apiKey","description":"Bearer token","#);
    out.extend_from_slice(br#""name":"authorization","in":"header"}}}}"#);
    out
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

fn operate(item: &Item, operation: &Operation) -> Value {
    let mut out = json!({
        "tags": [item.tag],
        "description": operation.description,
        "operationId": operation.id,
    });
    if !operation.query.is_empty() {
        out["parameters"] = operation.query.iter().map(|parameter| in_query(parameter)).collect();
    }
    // What is typed is taken in any encoding.
    let bodies: &[&str] = if item.forms == Forms::Typed { &["*/*"] } else { &MEDIA };
    match &operation.takes {
        Takes::Nothing => {}
        Takes::Object(definition) => {
            out["requestBody"] = json!({"content": content(bodies, definition), "required": true})
        }
        Takes::DeleteOptions => {
            out["requestBody"] = json!({"content": content(bodies, &format!("{META}.DeleteOptions"))})
        }
        Takes::Patch => {
            let content = content(patch_types(item.forms), &format!("{META}.Patch"));
            out["requestBody"] = json!({"content": content, "required": true});
        }
    }
    let mut responses = Map::new();
    for (code, description) in operation.codes() {
        let answer =
            json!({"description": description, "content": content(answers(item, operation), &operation.gives)});
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
