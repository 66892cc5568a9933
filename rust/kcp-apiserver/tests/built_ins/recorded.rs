//! Answers of built-in kinds beside those of a real kube-apiserver.

use crate::harness::{ask, create, event, named, new_event, recorded, replay, server};
use serde_json::{Map, Value, json};

#[tokio::test]
async fn core_kinds_refuse_what_kubernetes_refuses() {
    let server = server();
    create(&server, "/api/v1/namespaces", named("Namespace", "invalid", json!({}))).await;
    let core = "/api/v1/namespaces/invalid";
    create(&server, &format!("{core}/configmaps"), named("ConfigMap", "stored", json!({"data": {"a": "1"}}))).await;
    create(&server, &format!("{core}/secrets"), named("Secret", "stored", json!({"stringData": {"a": "b"}}))).await;
    let frozen = named("Secret", "frozen", json!({"immutable": true, "stringData": {"a": "b"}}));
    create(&server, &format!("{core}/secrets"), frozen).await;
    create(&server, &format!("{core}/events"), event("invalid", "stored")).await;
    create(&server, "/apis/events.k8s.io/v1/namespaces/invalid/events", new_event("invalid", "new-stored")).await;
    replay(&server, "builtin-invalid-core", |_| true).await;
}

#[tokio::test]
async fn metadata_is_refused_as_kubernetes_refuses_it() {
    let server = server();
    create(&server, "/api/v1/namespaces", named("Namespace", "invalid", json!({}))).await;
    // Two answers repeat a generated name.
    replay(&server, "builtin-invalid-metadata", |name| name != "generate-name").await;
}

#[tokio::test]
async fn leases_refuse_what_kubernetes_refuses() {
    let server = server();
    create(&server, "/api/v1/namespaces", named("Namespace", "invalid", json!({}))).await;
    let lease = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "stored"},
        "spec": {"leaseTransitions": 3}});
    create(&server, "/apis/coordination.k8s.io/v1/namespaces/invalid/leases", lease).await;
    // The recording hides the time that one of the answers repeats.
    replay(&server, "builtin-invalid-rbac", |name| name.starts_with("lease") && name != "lease-time-seconds").await;
}

#[tokio::test]
async fn objects_are_stored_and_read_as_kubernetes_does() {
    let server = server();
    create(&server, "/api/v1/namespaces", named("Namespace", "stored", json!({}))).await;
    let of_others = ["page-two", "pretty"];
    replay(&server, "stored-objects", |name| !name.contains("role") && !of_others.contains(&name)).await;
}

#[tokio::test]
async fn tables_of_built_in_kinds_have_the_cells_of_kubernetes() {
    let server = server();
    create(&server, "/api/v1/namespaces", named("Namespace", "tables", json!({}))).await;
    let stored: Vec<Value> = recorded("stored-objects");
    for exchange in stored.iter().filter(|exchange| exchange["request"]["method"] == "POST") {
        let text = exchange["request"].to_string();
        if text.contains("role") {
            continue;
        }
        let request: Value = serde_json::from_str(&text.replace("stored", "tables")).unwrap();
        create(&server, request["path"].as_str().unwrap(), request["body"].clone()).await;
    }
    let mut wrong = Vec::new();
    for exchange in recorded("tables") {
        let name = exchange["name"].as_str().unwrap();
        let kinds = ["namespace", "configmap", "secret", "serviceaccount", "event", "new-event", "lease"];
        if !kinds.contains(&name) {
            continue;
        }
        let headers = exchange["request"]["headers"].as_object().unwrap();
        let answer = ask(&server, "GET", exchange["request"]["path"].as_str().unwrap(), headers, &Value::Null).await;
        let cells = |body: &Value| -> Vec<Value> {
            let cells = body["rows"][0]["cells"].as_array().cloned().unwrap_or_default();
            // Ages differ from run to run.
            let is_age = |text: &str| text == "<age>" || text.ends_with(['s', 'd']) && text.len() < 6;
            cells.into_iter().map(|c| if c.as_str().is_some_and(is_age) { json!("<age>") } else { c }).collect()
        };
        if answer.body["columnDefinitions"] != exchange["body"]["columnDefinitions"]
            || cells(&answer.body) != cells(&exchange["body"])
        {
            wrong.push(format!("{name}: {} {}", answer.body, exchange["body"]));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn bodies_are_understood_as_kubernetes_understands_them() {
    let server = server();
    create(&server, "/api/v1/namespaces", named("Namespace", "refused-bodies", json!({}))).await;
    // Left out: what YAML says of itself, generated names, and bodies whose text the recording does not keep.
    let others = ["bad-yaml", "duplicate-yaml-strict", "generate-name", "kind-is-number", "unknown-field-strict"];
    replay(&server, "refused-bodies", |name| !others.contains(&name)).await;
    // The recording is read into sorted maps, but complaints follow the order of the body.
    let body = json!(r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x"},"nope":1,"metada":{}}"#);
    let path = "/api/v1/namespaces/refused-bodies/configmaps?fieldValidation=Strict";
    let answer = ask(&server, "POST", path, &Map::new(), &body).await;
    assert_eq!(
        answer.body["message"],
        "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: strict decoding error: unknown field \"nope\", \
         unknown field \"metada\""
    );
}
