//! Answers in protobuf, where they are asked for.

use crate::harness::{DEFINITIONS, Harness, MAPS, config_map, cowboys};
use bytes::Bytes;
use http_body_util::BodyExt;
use kcp_apiserver::protobuf::decode;
use serde_json::{Value, json};

const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";

/// What was answered: code, content type, body.
async fn ask(harness: &Harness, method: &str, path: &str, accept: &str, body: &[u8]) -> (u16, String, Bytes) {
    let headers = [("accept", accept), ("content-type", "application/json")];
    let response = harness.open_with(method, path, &headers, Bytes::copy_from_slice(body)).await;
    let (parts, body) = response.into_parts();
    let content_type = parts.headers["content-type"].to_str().unwrap().to_owned();
    (parts.status.as_u16(), content_type, body.collect().await.expect("a body").to_bytes())
}

async fn read(harness: &Harness, path: &str, accept: &str) -> Value {
    let (_, content_type, body) = ask(harness, "GET", path, accept, b"").await;
    assert_eq!(content_type, PROTOBUF, "{path}");
    decode(&body, ("", "")).unwrap()
}

/// kube-api 2.2, 2.6: what typed clients ask for first is what they get, and it says what JSON says.
#[tokio::test]
async fn objects_and_lists_say_in_protobuf_what_they_say_in_json() {
    let harness = Harness::new("root");
    harness.post(MAPS, &config_map("a", json!({"k": "v"}))).await;
    let path = format!("{MAPS}/a");
    let both = format!("{PROTOBUF},application/json");
    assert_eq!(read(&harness, &path, &both).await, harness.get(&path).await.body);
    let mut list = harness.get(MAPS).await.body;
    assert_eq!(read(&harness, MAPS, PROTOBUF).await, list.take());
    let created = config_map("b", json!({})).to_string();
    let (code, content_type, body) = ask(&harness, "POST", MAPS, PROTOBUF, created.as_bytes()).await;
    assert_eq!((code, content_type.as_str()), (201, PROTOBUF));
    assert_eq!(decode(&body, ("", "")).unwrap()["metadata"]["name"], "b");
}

#[tokio::test]
async fn every_built_in_kind_has_a_protobuf_list() {
    let harness = Harness::new("root");
    for group in [
        "/api/v1",
        "/apis/coordination.k8s.io/v1",
        "/apis/events.k8s.io/v1",
        "/apis/rbac.authorization.k8s.io/v1",
        "/apis/apiextensions.k8s.io/v1",
    ] {
        let resources = harness.get(group).await.body["resources"].clone();
        for resource in resources.as_array().unwrap() {
            let (name, verbs) = (resource["name"].as_str().unwrap(), resource["verbs"].to_string());
            if name.contains('/') || !verbs.contains("list") {
                continue;
            }
            let path = format!("{group}/{name}");
            let mut found = read(&harness, &path, PROTOBUF).await;
            // An empty list is none.
            found.as_object_mut().unwrap().entry("items").or_insert_with(|| json!([]));
            assert_eq!(found, harness.get(&path).await.body, "{path}");
        }
    }
}

/// kube-api 2.18
#[tokio::test]
async fn refusals_are_written_in_what_was_asked_for() {
    let harness = Harness::new("root");
    let (code, content_type, body) = ask(&harness, "GET", &format!("{MAPS}/none"), PROTOBUF, b"").await;
    assert_eq!((code, content_type.as_str()), (404, PROTOBUF));
    let status = decode(&body, ("", "")).unwrap();
    assert_eq!(status["message"], "configmaps \"none\" not found");
    assert_eq!(status["details"]["kind"], "configmaps");
    let (code, content_type, _) = ask(&harness, "GET", MAPS, "text/html", b"").await;
    assert_eq!((code, content_type.as_str()), (406, "application/json"));
}

/// kube-api 2.8, 2.15
#[tokio::test]
async fn metadata_of_custom_resources_has_a_protobuf_form_and_the_rest_has_not() {
    let harness = Harness::new("root");
    harness.post(DEFINITIONS, &cowboys("v1", json!({}))).await;
    let path = "/apis/example.com/v1/namespaces/default/cowboys";
    let cowboy =
        json!({"apiVersion": "example.com/v1", "kind": "Cowboy", "metadata": {"name": "a", "labels": {"x": "y"}}});
    assert_eq!(harness.post(path, &cowboy).await.code, 201);
    let (code, _, body) = ask(&harness, "GET", path, PROTOBUF, b"").await;
    assert_eq!(code, 406);
    let wanted = "only the following media types are accepted: application/json, application/yaml, \
                  application/vnd.kubernetes.protobuf";
    assert_eq!(decode(&body, ("", "")).unwrap()["message"], wanted);
    let (code, content_type, _) = ask(&harness, "GET", path, &format!("{PROTOBUF},application/json"), b"").await;
    assert_eq!((code, content_type.as_str()), (200, "application/json"));
    let metadata = |kind: &str| format!("{PROTOBUF};as={kind};g=meta.k8s.io;v=v1,application/json");
    let one = read(&harness, &format!("{path}/a"), &metadata("PartialObjectMetadata")).await;
    assert_eq!((&one["kind"], &one["metadata"]["labels"]["x"]), (&json!("PartialObjectMetadata"), &json!("y")));
    let list = read(&harness, path, &metadata("PartialObjectMetadataList")).await;
    assert_eq!(list["items"][0]["metadata"]["name"], "a");
    let beta = format!("{PROTOBUF};as=PartialObjectMetadataList;g=meta.k8s.io;v=v1beta1");
    let list = read(&harness, path, &beta).await;
    assert_eq!(
        (&list["apiVersion"], &list["items"][0]["metadata"]["name"]),
        (&json!("meta.k8s.io/v1beta1"), &json!("a"))
    );
}

/// kube-api 2.17
#[tokio::test]
async fn events_are_frames_with_their_length() {
    let harness = Harness::new("root");
    harness.post(MAPS, &config_map("a", json!({"k": "v"}))).await;
    let path = format!(
        "{MAPS}?watch=1&fieldSelector=metadata.name%3Da&timeoutSeconds=1&allowWatchBookmarks=true&sendInitialEvents=true\
        &resourceVersionMatch=NotOlderThan"
    );
    let (code, content_type, body) = ask(&harness, "GET", &path, &format!("{PROTOBUF};stream=watch"), b"").await;
    assert_eq!((code, content_type.as_str()), (200, "application/vnd.kubernetes.protobuf;stream=watch"));
    let mut rest = &body[..];
    let mut seen = Vec::new();
    while !rest.is_empty() {
        let length = u32::from_be_bytes(rest[..4].try_into().unwrap()) as usize;
        let frame = &rest[4..4 + length];
        rest = &rest[4 + length..];
        // The event's type is its first field, its object the second, in which the envelope is the first.
        let end = 2 + usize::from(frame[1]);
        let at = frame.windows(4).position(|window| window == b"k8s\0").unwrap();
        let object = decode(&frame[at..], ("", "")).unwrap();
        let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        seen.push((String::from_utf8(frame[2..end].to_vec()).unwrap(), name));
    }
    assert_eq!(seen, [("ADDED".to_owned(), "a".to_owned()), ("BOOKMARK".to_owned(), String::new())]);
    let (code, _, body) = ask(&harness, "GET", &format!("{MAPS}?watch=1"), "application/yaml", b"").await;
    assert_eq!(code, 406);
    assert!(String::from_utf8_lossy(&body).contains("application/vnd.kubernetes.protobuf;stream=watch"));
}

/// kube-api 1.1.11, 1.2.1
#[tokio::test]
async fn discovery_has_a_protobuf_form() {
    let harness = Harness::new("root");
    for path in ["/api", "/apis", "/apis/rbac.authorization.k8s.io", "/api/v1"] {
        let found = read(&harness, path, PROTOBUF).await;
        let json = harness.get(path).await.body;
        for field in ["kind", "groups", "versions", "resources", "groupVersion", "preferredVersion"] {
            if field != "versions" || path != "/api" {
                assert_eq!(without_empty(&found[field]), without_empty(&json[field]), "{path} {field}");
            }
        }
    }
    let parameters = ";g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
    let (code, content_type, body) = ask(&harness, "GET", "/apis", &format!("{PROTOBUF}{parameters}"), b"").await;
    assert_eq!((code, content_type), (200, format!("{PROTOBUF}{parameters}")));
    let found = decode(&body, ("", "")).unwrap();
    let names: Vec<&str> =
        found["items"].as_array().unwrap().iter().map(|g| g["metadata"]["name"].as_str().unwrap()).collect();
    assert!(names.contains(&"coordination.k8s.io"), "{names:?}");
}

/// Protobuf has no empty texts.
fn without_empty(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let kept = fields.iter().filter(|(_, value)| !matches!(value, Value::String(text) if text.is_empty()));
            kept.map(|(name, value)| (name.clone(), without_empty(value))).collect()
        }
        Value::Array(items) => items.iter().map(without_empty).collect(),
        other => other.clone(),
    }
}
