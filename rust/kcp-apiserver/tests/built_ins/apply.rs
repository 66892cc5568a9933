//! Server-side apply, held to recorded answers. kube-api 3.8.1, 3.8.2, 3.8.5–3.8.17, 3.8.20, 3.1.8–3.1.11.

use crate::harness::{ask, create, named, replay, server};
use kcp_apiserver::ApiServer;
use serde_json::{Map, Value, json};

async fn namespace(server: &ApiServer) {
    create(server, "/api/v1/namespaces", named("Namespace", "apply", json!({}))).await;
}

#[tokio::test]
async fn documents_are_applied_to_a_config_map() {
    let server = server();
    namespace(&server).await;
    // The harness goes past authorization.
    replay(&server, "apply", |name| name != "alice-creates").await;
}

#[tokio::test]
async fn documents_that_cannot_be_applied_are_refused() {
    let server = server();
    create(&server, "/api/v1/namespaces", named("Namespace", "apply-refused", json!({}))).await;
    let one = named("ConfigMap", "one", json!({"data": {"a": "1"}}));
    apply(&server, "/api/v1/namespaces/apply-refused/configmaps/one?fieldManager=one", &one).await;
    replay(&server, "apply-refused", |_| true).await;
}

// kube-api 3.8.16
#[tokio::test]
async fn kubectl_takes_over_what_it_applied_on_its_own() {
    let server = server();
    namespace(&server).await;
    replay(&server, "apply-last-applied", |_| true).await;
}

async fn apply(server: &ApiServer, path: &str, body: &Value) -> Value {
    let mut headers = Map::new();
    headers.insert("Content-Type".to_owned(), json!("application/apply-patch+yaml"));
    let answer = ask(server, "PATCH", path, &headers, body).await;
    assert!(answer.code < 300, "{path}: {}", answer.body);
    answer.body
}

fn definition() -> Value {
    let (number, text) = (json!({"type": "integer"}), json!({"type": "string"}));
    let defaulted = |default: &str| json!({"type": "string", "default": default});
    let port = json!({"type": "object", "required": ["port"], "properties": {
        "port": number, "protocol": defaulted("TCP"), "name": text, "target": number}});
    let spec = json!({"type": "object", "properties": {
        "replicas": number,
        "note": defaulted("none"),
        "either": {"x-kubernetes-int-or-string": true},
        "whole": {"type": "object", "x-kubernetes-map-type": "atomic", "additionalProperties": text},
        "args": {"type": "array", "items": text},
        "tags": {"type": "array", "items": text, "x-kubernetes-list-type": "set"},
        "ports": {"type": "array", "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["port", "protocol"], "items": port},
        "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}});
    let status = json!({"type": "object", "properties": {"replicas": number, "phase": text}});
    json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "gizmos.stable.example.com"},
        "spec": {"group": "stable.example.com", "scope": "Namespaced",
            "names": {"plural": "gizmos", "kind": "Gizmo"},
            "versions": [{"name": "v1", "served": true, "storage": true,
                "subresources": {"status": {}, "scale": {"specReplicasPath": ".spec.replicas",
                    "statusReplicasPath": ".status.replicas"}},
                "schema": {"openAPIV3Schema": {"type": "object",
                    "properties": {"spec": spec, "status": status}}}}]}})
}

#[tokio::test]
async fn documents_are_applied_to_a_custom_resource() {
    let server = server();
    namespace(&server).await;
    create(&server, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition()).await;
    // A real server of this release cannot apply a scale that changes something; here it can.
    replay(&server, "apply-custom-resource", |name| name != "scale-force").await;
}

// kube-api 3.8.17
#[tokio::test]
async fn an_applied_scale_owns_the_replicas_of_its_object() {
    let server = server();
    namespace(&server).await;
    create(&server, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition()).await;
    let path = "/apis/stable.example.com/v1/namespaces/apply/gizmos/g";
    let gizmo = json!({"apiVersion": "stable.example.com/v1", "kind": "Gizmo", "metadata": {"name": "g"},
        "spec": {"replicas": 1, "note": "x"}});
    apply(&server, &format!("{path}?fieldManager=owner"), &gizmo).await;
    let scale =
        json!({"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "g"}, "spec": {"replicas": 4}});
    let scaled = apply(&server, &format!("{path}/scale?fieldManager=scaler&force=true"), &scale).await;
    assert_eq!(scaled["spec"]["replicas"], 4);
    let object = ask(&server, "GET", path, &Map::new(), &Value::Null).await.body;
    assert_eq!(object["spec"]["replicas"], 4);
    let entries = object["metadata"]["managedFields"].as_array().unwrap();
    let owned = |manager: &str| entries.iter().find(|entry| entry["manager"] == manager).unwrap();
    assert_eq!(owned("owner")["fieldsV1"], json!({"f:spec": {"f:note": {}}}));
    let scaler = owned("scaler");
    assert_eq!(scaler["fieldsV1"], json!({"f:spec": {"f:replicas": {}}}));
    assert_eq!((&scaler["subresource"], &scaler["apiVersion"]), (&json!("scale"), &json!("stable.example.com/v1")));
}

// kube-api 3.8.14
#[tokio::test]
async fn an_update_that_resets_the_entries_clears_them_and_one_without_the_field_keeps_them() {
    let server = server();
    namespace(&server).await;
    create(&server, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition()).await;
    let gizmo = json!({"apiVersion": "stable.example.com/v1", "kind": "Gizmo", "metadata": {"name": "g"}, "spec": {}});
    let map = named("ConfigMap", "g", json!({"data": {"a": "1"}}));
    let gizmos = "/apis/stable.example.com/v1/namespaces/apply/gizmos";
    for (collection, object) in [("/api/v1/namespaces/apply/configmaps", map), (gizmos, gizmo)] {
        for empty in [json!([]), json!([{}])] {
            let path = format!("{collection}/g");
            apply(&server, &format!("{path}?fieldManager=m&force=true"), &object).await;
            let mut sent = ask(&server, "GET", &path, &Map::new(), &Value::Null).await.body;
            assert!(sent["metadata"]["managedFields"].is_array(), "{sent}");
            sent["metadata"].as_object_mut().unwrap().remove("managedFields");
            let kept = ask(&server, "PUT", &path, &Map::new(), &sent).await.body;
            assert!(kept["metadata"]["managedFields"].is_array(), "{kept}");
            sent["metadata"]["managedFields"] = empty.clone();
            let cleared = ask(&server, "PUT", &path, &Map::new(), &sent).await.body;
            // An empty list is one of no entries to whom clients have no types for.
            let keeps = collection == gizmos && empty == json!([]);
            assert_eq!(cleared["metadata"].get("managedFields").is_some(), keeps, "{empty}: {cleared}");
        }
    }
}

#[tokio::test]
async fn the_annotation_of_the_logical_cluster_is_nobodys() {
    let server = server();
    namespace(&server).await;
    let path = "/api/v1/namespaces/apply/configmaps/c?fieldManager=m";
    let mut object = apply(&server, path, &named("ConfigMap", "c", json!({"data": {"a": "1"}}))).await;
    assert_eq!(object["metadata"]["annotations"]["kcp.io/cluster"], "root");
    object["metadata"].as_object_mut().unwrap().remove("managedFields");
    let again = apply(&server, path, &object).await;
    assert_eq!(again["metadata"]["managedFields"][0]["fieldsV1"], json!({"f:data": {"f:a": {}}}));
}

// kube-api 3.8.1
#[tokio::test]
async fn those_who_apply_a_new_object_at_once_all_come_to_own_it() {
    let server = server();
    namespace(&server).await;
    let document = named("ConfigMap", "c", json!({"data": {"a": "1"}}));
    let managers: Vec<String> = (0..8).map(|index| format!("m{index}")).collect();
    let path = |manager: &str| format!("/api/v1/namespaces/apply/configmaps/c?fieldManager={manager}");
    let paths: Vec<String> = managers.iter().map(|manager| path(manager)).collect();
    futures_util::future::join_all(paths.iter().map(|path| apply(&server, path, &document))).await;
    let object = ask(&server, "GET", "/api/v1/namespaces/apply/configmaps/c", &Map::new(), &Value::Null).await.body;
    assert_eq!(object["metadata"]["managedFields"].as_array().map(Vec::len), Some(8), "{object}");
}

// kube-api 3.8.20: entries by the thousand and by the megabyte are settled or refused, in bounded time.
#[tokio::test]
async fn hostile_entries_are_settled_or_refused() {
    let server = server();
    namespace(&server).await;
    let maps = "/api/v1/namespaces/apply/configmaps";
    let entry = |index: usize, fields: Value| {
        json!({"manager": format!("m{index}"), "operation": "Apply", "apiVersion": "v1", "fieldsType": "FieldsV1",
            "fieldsV1": fields})
    };
    let begin = std::time::Instant::now();
    // Ten thousand managers of one field.
    let many: Vec<Value> = (0..10_000).map(|index| entry(index, json!({"f:data": {"f:k": {}}}))).collect();
    let mut object = named("ConfigMap", "many", json!({"data": {"k": "1"}}));
    create(&server, maps, object.clone()).await;
    let path = format!("{maps}/many");
    object["metadata"]["managedFields"] = Value::Array(many);
    let kept = ask(&server, "PUT", &path, &Map::new(), &object).await;
    assert_eq!(kept.code, 200, "{}", kept.body);
    assert_eq!(kept.body["metadata"]["managedFields"].as_array().map(Vec::len), Some(10_000));
    let mut headers = Map::new();
    headers.insert("Content-Type".to_owned(), json!("application/apply-patch+yaml"));
    let changed = named("ConfigMap", "many", json!({"data": {"k": "2"}}));
    let refused = ask(&server, "PATCH", &format!("{path}?fieldManager=x"), &headers, &changed).await;
    assert_eq!(refused.code, 409);
    assert!(refused.body["message"].as_str().unwrap().starts_with("Apply failed with 10000 conflicts: "));
    assert!(refused.body["message"].as_str().unwrap().ends_with("and 9000 more"));
    let taken = apply(&server, &format!("{path}?fieldManager=x&force=true"), &changed).await;
    assert_eq!(taken["metadata"]["managedFields"].as_array().map(Vec::len), Some(1));
    // A megabyte of fields in one entry, one of them very long, and entries nested as deep as a body may be.
    let fields: Map<String, Value> = (0..60_000).map(|index| (format!("f:{index:0>12}"), json!({}))).collect();
    let deep = (0..60).fold(json!({}), |below, _| json!({"f:a": below}));
    let broken = json!({"f:data": {"k:{\"a\":[[[[": {}}});
    for (fields, code) in [
        (json!({"f:data": fields}), 200),
        (json!({(format!("f:{}", "x".repeat(1_000_000))): {}}), 200),
        (deep, 200),
        (broken, 200),
    ] {
        object["metadata"]["managedFields"] = json!([entry(0, fields)]);
        let answer = ask(&server, "PUT", &path, &Map::new(), &object).await;
        assert_eq!(answer.code, code, "{:.300}", answer.body.to_string());
        let answer = ask(&server, "PATCH", &format!("{path}?fieldManager=y&force=true"), &headers, &changed).await;
        assert_eq!(answer.code, 200, "{:.300}", answer.body.to_string());
    }
    // A build without optimisation on a busy machine.
    assert!(begin.elapsed().as_secs() < 60, "{:?}", begin.elapsed());
}
