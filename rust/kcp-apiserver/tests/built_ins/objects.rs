//! Warnings, field selectors and strategic patches of built-in kinds.

use crate::harness::{ask, create, event, named, new_event, server};
use kcp_apiserver::openapi;
use kcp_apiserver::registry::Origin;
use serde_json::{Map, Value, json};

#[tokio::test]
async fn unknown_fields_are_warned_about() {
    let server = server();
    let body = named("ConfigMap", "x", json!({"nope": 1, "data": {}}));
    let answer = create(&server, "/api/v1/namespaces/default/configmaps", body).await;
    assert_eq!(answer.warnings, [r#"299 - "unknown field \"nope\"""#]);
    assert_eq!(answer.body.get("data"), None);
}

/// The core's rule that a finalizer is qualified or a standard one holds for the core's kinds, and not for leases.
#[tokio::test]
async fn leases_take_finalizers_of_any_name() {
    let server = server();
    let lease = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": {"name": "x", "finalizers": ["nope"]}});
    let path = "/apis/coordination.k8s.io/v1/namespaces/default/leases";
    let mut made = create(&server, path, lease).await.body;
    made["metadata"]["labels"] = json!({"a": "b"});
    let same = ask(&server, "PUT", &format!("{path}/x"), &Map::new(), &made).await;
    assert_eq!((same.code, &same.body["metadata"]["finalizers"]), (200, &json!(["nope"])));
    let map = named("ConfigMap", "x", json!({"metadata": {"name": "x", "finalizers": ["nope"]}}));
    let refused = ask(&server, "POST", "/api/v1/namespaces/default/configmaps", &Map::new(), &map).await;
    assert_eq!(refused.code, 422, "{}", refused.body);
}

#[tokio::test]
async fn fields_select_where_kubernetes_lets_them() {
    let server = server();
    let core = "/api/v1/namespaces/default";
    create(&server, &format!("{core}/events"), event("default", "old")).await;
    let events = "/apis/events.k8s.io/v1/namespaces/default/events";
    create(&server, events, new_event("default", "new")).await;
    create(&server, &format!("{core}/secrets"), named("Secret", "plain", json!({}))).await;
    create(&server, &format!("{core}/secrets"), named("Secret", "own", json!({"type": "example.com/own"}))).await;
    for (path, selector, want) in [
        (format!("{core}/events"), "involvedObject.kind=ConfigMap", vec!["new", "old"]),
        (format!("{core}/events"), "involvedObject.name!=one", vec![]),
        (format!("{core}/events"), "source=recorder", vec!["old"]),
        (format!("{core}/events"), "source=example.com/recorder", vec!["new"]),
        (format!("{core}/events"), "reportingComponent=example.com/recorder,type=Normal", vec!["new"]),
        (events.to_owned(), "regarding.name=one,reason=Tested", vec!["new", "old"]),
        (events.to_owned(), "reportingController=example.com/recorder", vec!["new"]),
        (format!("{core}/secrets"), "type=example.com/own", vec!["own"]),
        ("/api/v1/namespaces".to_owned(), "status.phase=Active", vec!["default"]),
        ("/api/v1/namespaces".to_owned(), "status.phase=Terminating", vec![]),
    ] {
        let query = format!("{path}?fieldSelector={}", selector.replace('=', "%3D"));
        let answer = ask(&server, "GET", &query, &Map::new(), &Value::Null).await;
        let items = answer.body["items"].as_array().unwrap_or_else(|| panic!("{selector}: {}", answer.body));
        let names: Vec<&str> = items.iter().map(|item| item["metadata"]["name"].as_str().unwrap()).collect();
        assert_eq!(names, want, "{path} {selector}");
    }
    let known = "is not a known field selector: only \"metadata.name\", \"metadata.namespace\"";
    for (path, label, want) in [
        (format!("{core}/configmaps"), "data", format!("\"data\" {known}")),
        (events.to_owned(), "source", "field label not supported: source".to_owned()),
    ] {
        let query = format!("{path}?fieldSelector={label}%3Dx");
        let answer = ask(&server, "GET", &query, &Map::new(), &Value::Null).await;
        assert_eq!((answer.code, answer.body["message"].as_str()), (400, Some(want.as_str())));
    }
}

#[tokio::test]
async fn strategic_patches_merge_lists_by_their_keys() {
    let server = server();
    let path = "/api/v1/namespaces/default/serviceaccounts";
    let account = named("ServiceAccount", "robot", json!({"secrets": [{"name": "a", "namespace": "dropped"}]}));
    let made = create(&server, path, account).await;
    assert_eq!(made.body["secrets"], json!([{"name": "a"}]));
    let strategic = Map::from_iter([("Content-Type".to_owned(), json!("application/strategic-merge-patch+json"))]);
    let patch = json!({"secrets": [{"name": "b"}], "metadata": {"finalizers": ["example.com/x"]}});
    let patched = ask(&server, "PATCH", &format!("{path}/robot"), &strategic, &patch).await;
    assert_eq!(patched.body["secrets"], json!([{"name": "b"}, {"name": "a"}]), "{}", patched.body);
    let namespace = "/api/v1/namespaces/default/status";
    for ty in ["One", "Two", "One"] {
        let patch = json!({"status": {"conditions": [{"type": ty, "status": "True"}]}});
        let answer = ask(&server, "PATCH", namespace, &strategic, &patch).await;
        assert_eq!(answer.code, 200, "{}", answer.body);
    }
    let answer = ask(&server, "GET", "/api/v1/namespaces/default", &Map::new(), &Value::Null).await;
    assert_eq!(answer.body["status"]["conditions"].as_array().map(Vec::len), Some(2), "{}", answer.body["status"]);
}

#[test]
fn every_row_of_the_table_names_a_definition_and_every_column_says_what_it_shows() {
    let server = server();
    for served in &server.registry.plain().built_ins().served {
        let Origin::BuiltIn { definition } = &served.origin else { panic!("{} is not built in", served.resource) };
        assert!(openapi::built_in::definition(definition).is_some(), "{definition}");
        for column in &served.columns {
            assert!(!column.description().is_empty(), "{} {}", served.resource, column.name);
        }
    }
}

#[tokio::test]
async fn a_prefix_of_a_name_may_end_in_a_dash() {
    let server = server();
    for (path, kind, prefix) in [
        ("/api/v1/namespaces/default/configmaps", "ConfigMap", "generated-"),
        ("/api/v1/namespaces", "Namespace", "n-"),
    ] {
        let body = json!({"apiVersion": "v1", "kind": kind, "metadata": {"generateName": prefix}});
        let made = create(&server, path, body).await;
        let name = made.body["metadata"]["name"].as_str().unwrap();
        assert!(name.len() == prefix.len() + 5 && name.starts_with(prefix), "{name}");
        if kind == "Namespace" {
            assert_eq!(made.body["metadata"]["labels"]["kubernetes.io/metadata.name"], name);
        }
    }
}

#[tokio::test]
async fn a_dry_run_answers_as_if_and_leaves_nothing() {
    let server = server();
    let core = "/api/v1/namespaces/default/configmaps";
    let dry = create(&server, &format!("{core}?dryRun=All"), named("ConfigMap", "x", json!({}))).await;
    assert_eq!(dry.body["metadata"].get("resourceVersion"), None);
    let none = Map::new();
    assert_eq!(ask(&server, "GET", &format!("{core}/x"), &none, &Value::Null).await.code, 404);
    assert_eq!(server.store.head(), kcp_storage::Revision::ZERO, "the cluster is not born by it either");
    let made = create(&server, core, named("ConfigMap", "x", json!({}))).await;
    let changed = named("ConfigMap", "x", json!({"data": {"a": "b"}}));
    let dry = ask(&server, "PUT", &format!("{core}/x?dryRun=All"), &none, &changed).await;
    assert_eq!(dry.body["metadata"]["resourceVersion"], made.body["metadata"]["resourceVersion"], "{}", dry.body);
    assert_eq!(dry.body["data"]["a"], "b");
    let space = named("Namespace", "n", json!({}));
    create(&server, "/api/v1/namespaces?dryRun=All", space).await;
    assert_eq!(ask(&server, "GET", "/api/v1/namespaces/n", &none, &Value::Null).await.code, 404);
}
