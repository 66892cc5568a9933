//! Documents as clients read them.

use super::*;
use crate::authn::Authentication;
use crate::clock::SystemClock;
use crate::codec;
use crate::exchange::Peer;
use crate::registry::BuiltIns;
use crate::server::Config;
use crate::{Body, RequestBody};
use http::HeaderMap;
use http::header::{ETAG, IF_NONE_MATCH};
use http_body_util::{BodyExt, Empty};
use kcp_storage::{Backend, Batch, Expect, Memory, Op};

fn server() -> Arc<ApiServer> {
    server_over(Arc::new(Memory::default()))
}

fn server_over(store: Arc<Memory>) -> Arc<ApiServer> {
    let table = include_bytes!("../../../../python/kcp/resources/built_in.json");
    ApiServer::new(Config {
        store,
        clock: Arc::new(SystemClock),
        built_ins: BuiltIns::parse(table).unwrap(),
        authentication: Authentication::default(),
        bridge: None,
        hooks: None,
        external_address: "localhost:6443".into(),
        virtual_workspace_url: String::new(),
        root_ca: String::new(),
        event_ttl: crate::expiry::DEFAULT_EVENT_TTL,
        total_object_limit: 0,
    })
    .unwrap()
}

async fn get(server: &ApiServer, path: &str, headers: &[(http::HeaderName, &str)]) -> (StatusCode, HeaderMap, Vec<u8>) {
    let mut request = http::Request::get(path);
    for (name, value) in headers {
        request = request.header(name, *value);
    }
    let (parts, ()) = request.body(()).unwrap().into_parts();
    let body = RequestBody::new(Empty::new().map_err(|never| match never {}));
    let mut exchange = Exchange::new(parts, body, Peer::default());
    crate::cluster::resolve(server, &mut exchange).await.unwrap();
    let crate::chain::Next::Answer(response) = crate::paths::serve(server, &mut exchange).await.unwrap() else {
        panic!("{path} is answered")
    };
    let (parts, body): (_, Body) = response.into_parts();
    (parts.status, parts.headers, body.collect().await.unwrap().to_bytes().to_vec())
}

async fn document(server: &ApiServer, path: &str) -> Value {
    let (code, _, body) = get(server, path, &[]).await;
    assert_eq!(code, 200, "{path}");
    serde_json::from_slice(&body).unwrap()
}

/// Every name that a document refers to.
fn references(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                match value {
                    Value::String(target) if key == "$ref" => found.push(target.clone()),
                    _ => references(value, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

#[tokio::test]
async fn every_document_of_the_index_is_whole() {
    let server = server();
    let index = document(&server, "/openapi/v3").await;
    let paths = index["paths"].as_object().unwrap();
    assert!(paths.contains_key("api/v1") && paths.contains_key("apis/rbac.authorization.k8s.io/v1"));
    for (path, entry) in paths {
        let url = entry["serverRelativeURL"].as_str().unwrap();
        let document = document(&server, url).await;
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(!found.is_empty(), "{path}");
        for target in found {
            let name = target.strip_prefix(v3::PREFIX).unwrap();
            assert!(document["components"]["schemas"].get(name).is_some(), "{path}: {target}");
        }
    }
    let whole = document(&server, "/openapi/v2").await;
    let mut found = Vec::new();
    references(&whole, &mut found);
    for target in found {
        assert!(whole["definitions"].get(target.strip_prefix("#/definitions/").unwrap()).is_some(), "{target}");
    }
}

#[tokio::test]
async fn patches_of_namespaces_name_the_parameter_that_clients_look_for() {
    let server = server();
    let v3 = document(&server, "/openapi/v3/api/v1").await;
    let v2 = document(&server, "/openapi/v2").await;
    for document in [v3, v2] {
        let patch = &document["paths"]["/api/v1/namespaces/{name}"]["patch"];
        assert_eq!(patch["operationId"], "patchCoreV1Namespace");
        assert_eq!(patch["x-kubernetes-group-version-kind"]["kind"], "Namespace");
        let parameters = patch["parameters"].as_array().unwrap();
        assert!(
            parameters.iter().any(|parameter| parameter["name"] == "fieldValidation" && parameter["in"] == "query")
        );
    }
}

#[tokio::test]
async fn a_document_under_its_hash_never_changes() {
    let server = server();
    let index = document(&server, "/openapi/v3").await;
    let url = index["paths"]["apis/coordination.k8s.io/v1"]["serverRelativeURL"].as_str().unwrap();
    let (_, headers, _) = get(&server, url, &[]).await;
    assert_eq!(headers[CACHE_CONTROL], "public, immutable");
    assert!(headers[EXPIRES].to_str().unwrap().ends_with(" GMT"));
    let etag = headers[ETAG].to_str().unwrap();
    assert!(url.ends_with(etag.trim_matches('"')));
    let (code, _, body) = get(&server, url, &[(IF_NONE_MATCH, etag)]).await;
    assert_eq!((code, body.len()), (StatusCode::NOT_MODIFIED, 0));
    let (code, headers, _) = get(&server, "/openapi/v3/apis/coordination.k8s.io/v1?hash=OLD", &[]).await;
    assert_eq!((code, headers[LOCATION].to_str().unwrap()), (StatusCode::MOVED_PERMANENTLY, url));
    let (code, headers, _) = get(&server, "/openapi/v3/apis/coordination.k8s.io/v1", &[]).await;
    assert_eq!((code, headers.contains_key(EXPIRES)), (StatusCode::OK, false));
    // Refusals have no body; a document that there is not is missed in every form.
    for (path, wanted) in [
        ("/openapi/v3/apis/nope.example.com/v1", StatusCode::NOT_FOUND),
        ("/openapi/v3/api/v1", StatusCode::NOT_ACCEPTABLE),
        ("/openapi/v2", StatusCode::NOT_ACCEPTABLE),
    ] {
        let (code, headers, body) = get(&server, path, &[(http::header::ACCEPT, "text/html")]).await;
        assert_eq!((code, body.len(), headers.get(http::header::CONTENT_TYPE)), (wanted, 0, None), "{path}");
    }
    assert_eq!(get(&server, "/openapi/v3/apis/nope.example.com/v1", &[]).await.0, StatusCode::NOT_FOUND);
    // A service account that is deleted is answered, unlike other objects.
    let core = document(&server, "/openapi/v3/api/v1").await;
    let gives = |resource: &str| {
        let path = &core["paths"][format!("/api/v1/namespaces/{{namespace}}/{resource}/{{name}}")]["delete"];
        let schema = path.pointer("/responses/200/content/application~1json/schema/$ref").and_then(Value::as_str);
        schema.unwrap().rsplit('.').next().unwrap().to_owned()
    };
    assert_eq!((gives("serviceaccounts").as_str(), gives("secrets").as_str()), ("ServiceAccount", "Status"));
}

#[tokio::test]
async fn protobuf_is_offered_of_both_documents_in_both_spellings() {
    let server = server();
    // kube-api 1.4.1, 1.5.2
    for (path, version) in [("/openapi/v2", "v2"), ("/openapi/v3/api/v1", "v3")] {
        let offered = format!("application/com.github.proto-openapi.spec.{version}.v1.0+protobuf");
        for asked in [offered.clone(), offered.replace(".v1.0", "@v1.0")] {
            let (code, headers, body) = get(&server, path, &[(http::header::ACCEPT, &asked)]).await;
            assert_eq!((code, headers["content-type"].to_str().unwrap()), (StatusCode::OK, offered.as_str()));
            assert_eq!(&body[..2], [0x0a, if version == "v2" { 3 } else { 5 }]);
            let fallback = format!("{asked}, application/json");
            let (code, headers, _) = get(&server, path, &[(http::header::ACCEPT, &fallback)]).await;
            assert_eq!((code, headers["content-type"].to_str().unwrap()), (StatusCode::OK, "application/json"));
        }
        assert_eq!(get(&server, path, &[(http::header::ACCEPT, "text/html")]).await.0, StatusCode::NOT_ACCEPTABLE);
    }
}

/// A definition as it stands in the store, established.
fn definition(schema: &Value) -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "gauges.stable.example.com", "uid": "u"},
        "spec": {
            "group": "stable.example.com",
            "scope": "Namespaced",
            "names": {"plural": "gauges", "singular": "gauge", "kind": "Gauge", "listKind": "GaugeList",
                "shortNames": ["gg"], "categories": ["all"]},
            "conversion": {"strategy": "None"},
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": schema},
                "subresources": {
                    "status": {},
                    "scale": {"specReplicasPath": ".spec.size", "statusReplicasPath": ".status.replicas"},
                },
            }],
        },
        "status": {
            "acceptedNames": {"plural": "gauges", "singular": "gauge", "kind": "Gauge", "listKind": "GaugeList",
                "shortNames": ["gg"], "categories": ["all"]},
            "conditions": [{"type": "NamesAccepted", "status": "True"}, {"type": "Established", "status": "True"}],
            "storedVersions": ["v1"],
        },
    })
}

async fn store(memory: &Memory, cluster: &str, definition: &Value) {
    let key = Key::new(DEFINITIONS, cluster, "", "gauges.stable.example.com");
    let op = Op::put(key, Expect::Any, kcp_storage::Value::new(codec::encode(definition, 0)));
    memory.commit(Batch::of(vec![op])).await.unwrap();
}

fn recorded(name: &str) -> Value {
    let path =
        concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/conformance/recorded-http/discovery-custom-resource.json");
    let all: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    all["exchanges"].as_array().unwrap().iter().find(|one| one["name"] == name).unwrap()["body"].clone()
}

#[tokio::test]
async fn custom_resources_are_published_as_a_real_server_does() {
    let real = recorded("openapi-v3");
    let name = "com.example.stable.v1.Gauge";
    let mut schema = real["components"]["schemas"][name].clone();
    // What publishing adds.
    schema.as_object_mut().unwrap().remove("x-kubernetes-group-version-kind");
    for key in ["apiVersion", "kind", "metadata"] {
        schema["properties"].as_object_mut().unwrap().remove(key);
    }
    let memory = Arc::new(Memory::default());
    store(&memory, "a", &definition(&schema)).await;
    let server = server_over(memory);
    let ours = document(&server, "/clusters/a/openapi/v3/apis/stable.example.com/v1").await;
    for name in [name.to_owned(), format!("{name}List")] {
        assert_eq!(ours["components"]["schemas"][&name], real["components"]["schemas"][&name]);
    }
    for (path, item) in real["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap().iter().filter(|(method, _)| *method != "parameters") {
            let mine = &ours["paths"][path][method];
            for key in ["operationId", "tags", "x-kubernetes-action", "x-kubernetes-group-version-kind"] {
                assert_eq!(mine[key], operation[key], "{path} {method}");
            }
            if method == "patch" {
                assert_eq!(mine["requestBody"], operation["requestBody"], "{path}");
            }
        }
    }
    assert_eq!(document(&server, "/clusters/a/apis/stable.example.com/v1").await, recorded("resources"));
    assert_eq!(document(&server, "/clusters/a/apis/stable.example.com").await, recorded("group"));
}

#[tokio::test]
async fn documents_follow_the_definitions_of_their_logical_cluster() {
    let schema = |field: &str| {
        let properties = Value::Object([(field.to_owned(), json!({"type": "string"}))].into_iter().collect());
        json!({"type": "object", "properties": {"spec": {"type": "object", "properties": properties}}})
    };
    let memory = Arc::new(Memory::default());
    store(&memory, "a", &definition(&schema("colour"))).await;
    store(&memory, "b", &definition(&schema("size"))).await;
    let server = server_over(Arc::clone(&memory));
    let part = "apis/stable.example.com/v1";
    let url = async |cluster: &str| {
        let index = document(&server, &format!("/clusters/{cluster}/openapi/v3")).await;
        index["paths"].get(part).map(|entry| entry["serverRelativeURL"].as_str().unwrap().to_owned())
    };
    let fields = async |url: &str| {
        let document = document(&server, url).await;
        let spec = &document["components"]["schemas"]["com.example.stable.v1.Gauge"]["properties"]["spec"];
        spec["properties"].as_object().unwrap().keys().cloned().collect::<Vec<_>>()
    };
    let (a, b) = (url("a").await.unwrap(), url("b").await.unwrap());
    assert_eq!((fields(&a).await, fields(&b).await), (vec!["colour".to_owned()], vec!["size".to_owned()]));
    assert_eq!(url("c").await, None);
    let whole = document(&server, "/clusters/c/openapi/v2").await;
    assert!(whole["definitions"].get("com.example.stable.v1.Gauge").is_none());
    // A changed definition is another document under another hash, at once.
    store(&memory, "a", &definition(&schema("size"))).await;
    let changed = url("a").await.unwrap();
    assert_ne!(a, changed);
    assert_eq!(changed.split('?').nth(1), b.split('?').nth(1));
    assert_eq!(fields(&changed).await, ["size"]);
    let whole = document(&server, "/clusters/a/openapi/v2").await;
    assert!(whole["definitions"].get("com.example.stable.v1.Gauge").is_some());
}

/// kube-api 1.4.3, 1.4.4: paths, identifiers, actions, parameters and media types of the operations on built-in kinds are
/// those of a real server; what is not served is not offered.
#[tokio::test]
async fn operations_on_built_in_kinds_are_those_of_a_real_server() {
    const NOT_SERVED: [&str; 2] = ["shardSelector", "ignoreStoreReadErrorWithClusterBreakingPotential"];
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/conformance/recorded-openapi.json");
    let real: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let real = real["paths"].as_object().unwrap();
    let server = server();
    let names = |list: &Value| -> Vec<String> {
        let all = list.as_array().map(Vec::as_slice).unwrap_or_default();
        all.iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect()
    };
    let media = |value: Option<&Value>| -> Vec<String> {
        value.and_then(Value::as_object).map(|types| types.keys().cloned().collect()).unwrap_or_default()
    };
    let (mut compared, mut wrong) = (0, Vec::new());
    for part in
        ["api/v1", "apis/rbac.authorization.k8s.io/v1", "apis/coordination.k8s.io/v1", "apis/apiextensions.k8s.io/v1"]
    {
        let ours = document(&server, &format!("/openapi/v3/{part}")).await;
        let ours = ours["paths"].as_object().unwrap();
        let expected = real.iter().filter(|(path, _)| path.starts_with(&format!("/{part}/")));
        let expected: BTreeMap<_, _> = expected.collect();
        let missing: Vec<_> = expected.keys().filter(|path| !ours.contains_key(**path)).collect();
        let extra: Vec<_> = ours.keys().filter(|path| !expected.contains_key(path)).collect();
        assert!(missing.is_empty() && extra.is_empty(), "{part}: missing {missing:?}, extra {extra:?}");
        for (path, operations) in expected {
            for (method, want) in operations.as_object().unwrap() {
                let mine = &ours[path][method];
                let mut parameters = [names(&ours[path]["parameters"]), names(&mine["parameters"])].concat();
                parameters.sort();
                let gives: Map<String, Value> = mine["responses"]
                    .as_object()
                    .into_iter()
                    .flatten()
                    .map(|(code, answer)| (code.clone(), media(answer.get("content")).into()))
                    .collect();
                let seen = json!({
                    "id": mine["operationId"],
                    "action": mine["x-kubernetes-action"].as_str().unwrap_or_default(),
                    "parameters": parameters,
                    "takes": media(mine.pointer("/requestBody/content")),
                    "gives": gives,
                });
                let mut want = want.clone();
                let offered = want["parameters"].as_array().unwrap().iter();
                want["parameters"] =
                    offered.filter(|name| !NOT_SERVED.contains(&name.as_str().unwrap())).cloned().collect();
                compared += 1;
                if seen != want {
                    wrong.push(format!("{method} {path}\n  want {want}\n  got  {seen}"));
                }
            }
        }
    }
    assert!(compared > 100 && wrong.is_empty(), "{} of {compared} differ:\n{}", wrong.len(), wrong.join("\n"));
}

/// kube-api 1.2.5, 1.4.2, 1.5.3, 1.5.4: a tag is the same in every encoding, changes with the definitions, and is known
/// to those who send it back.
#[tokio::test]
async fn tags_follow_the_definitions_and_not_the_encoding() {
    use http::header::{ACCEPT, LAST_MODIFIED, VARY};
    const AGGREGATED: &str = ";g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
    let schema = |field: &str| json!({"type": "object", "properties": {(field): {"type": "string"}}});
    let memory = Arc::new(Memory::default());
    let server = server_over(Arc::clone(&memory));
    let mut seen = Vec::new();
    for definition in [None, Some(definition(&schema("size"))), Some(definition(&schema("colour")))] {
        if let Some(definition) = &definition {
            store(&memory, "a", definition).await;
        }
        let forms = [
            (
                "/clusters/a/apis",
                vec![format!("application/json{AGGREGATED}"), format!("application/yaml{AGGREGATED}")],
            ),
            ("/clusters/a/openapi/v2", vec!["application/json".into(), v2_protobuf::ACCEPTED[0].into()]),
        ];
        for (path, accepted) in forms {
            let mut tags = Vec::new();
            for accept in accepted {
                let (code, headers, body) = get(&server, path, &[(ACCEPT, &accept)]).await;
                assert!(code == 200 && !body.is_empty(), "{path} {accept}");
                assert!(headers[VARY].to_str().unwrap().contains("Accept"));
                assert_eq!(headers.contains_key(LAST_MODIFIED), path.ends_with("v2"));
                let tag = headers[ETAG].to_str().unwrap().to_owned();
                let (code, _, body) = get(&server, path, &[(ACCEPT, &accept), (IF_NONE_MATCH, &tag)]).await;
                assert_eq!((code.as_u16(), body.len()), (304, 0), "{path} {accept}");
                tags.push(tag);
            }
            assert_eq!(tags[0], tags[1], "{path}");
            seen.push((path, tags[0].clone()));
        }
    }
    let different: std::collections::BTreeSet<_> = seen.iter().collect();
    // The aggregated document does not show a schema.
    assert_eq!(different.len(), 5, "{seen:?}");
    let index = document(&server, "/clusters/a/openapi/v3").await;
    let url = index["paths"]["apis/stable.example.com/v1"]["serverRelativeURL"].as_str().unwrap();
    let (path, _) = url.split_once('?').unwrap();
    let (code, headers, _) = get(&server, &format!("{path}?hash=OLD"), &[]).await;
    assert_eq!((code.as_u16(), headers[LOCATION].to_str().unwrap()), (301, url));
}

/// kube-api 5.12.1: one more definition among many is there at once, the others' documents stay the same, and it goes.
#[tokio::test]
async fn one_definition_among_many_is_published_and_taken_away() {
    let memory = Arc::new(Memory::default());
    let server = server_over(Arc::clone(&memory));
    let named = |group: usize, plural: &str| {
        let mut one = definition(&json!({"type": "object", "properties": {"f": {"type": "string"}}}));
        let names = json!({"plural": plural, "singular": plural, "kind": plural, "listKind": format!("{plural}List")});
        one["metadata"]["name"] = format!("{plural}.g{group}.example.com").into();
        one["spec"]["group"] = format!("g{group}.example.com").into();
        one["spec"]["names"] = names.clone();
        one["status"]["acceptedNames"] = names;
        one
    };
    let put = async |one: &Value| {
        let key = Key::new(DEFINITIONS, "a", "", one["metadata"]["name"].as_str().unwrap());
        let op = Op::put(key, Expect::Any, kcp_storage::Value::new(codec::encode(one, 0)));
        memory.commit(Batch::of(vec![op])).await.unwrap();
    };
    for group in 0..30 {
        for plural in ["as", "bs", "cs"] {
            put(&named(group, plural)).await;
        }
    }
    let urls = async || document(&server, "/clusters/a/openapi/v3").await["paths"].as_object().unwrap().clone();
    let before = urls().await;
    put(&named(7, "fresh")).await;
    let after = urls().await;
    let changed: Vec<_> = after.iter().filter(|(path, url)| before.get(*path) != Some(url)).collect();
    assert_eq!(changed.iter().map(|(path, _)| path.as_str()).collect::<Vec<_>>(), ["apis/g7.example.com/v1"]);
    let part = document(&server, changed[0].1["serverRelativeURL"].as_str().unwrap()).await;
    let schemas = part["components"]["schemas"].as_object().unwrap();
    assert!(["as", "bs", "cs", "fresh"].iter().all(|kind| schemas.contains_key(&format!("com.example.g7.v1.{kind}"))));
    assert!(part["paths"].get("/apis/g7.example.com/v1/namespaces/{namespace}/fresh/{name}").is_some());
    let whole = document(&server, "/clusters/a/openapi/v2").await;
    assert!(whole["definitions"].get("com.example.g7.v1.fresh").is_some());
    let key = Key::new(DEFINITIONS, "a", "", "fresh.g7.example.com");
    memory.commit(Batch::of(vec![Op::delete(key, Expect::Any)])).await.unwrap();
    assert_eq!(urls().await, before);
}
