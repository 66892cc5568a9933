//! One object's life: create, get, update, patch, delete.

use crate::harness::{DEFINITIONS, Harness, MAPS, config_map, cowboys};
use crate::watches::Lines;
use kcp_storage::Backend;
use kcp_storage::memory::Memory;
use serde_json::json;
use std::sync::Arc;

#[tokio::test]
async fn an_object_is_created_read_changed_and_deleted() {
    let admin = Harness::new("life");
    let created = admin.post(MAPS, &config_map("one", json!({"a": "1"}))).await;
    assert_eq!(created.code, 201, "{}", created.text);
    assert_eq!(created.body["kind"], "ConfigMap");
    assert_eq!(created.body["metadata"]["namespace"], "default");
    assert_eq!(created.body["metadata"]["annotations"]["kcp.io/cluster"], "life");
    let one = format!("{MAPS}/one");
    assert_eq!(admin.get(&one).await.body, created.body);
    let patched = admin.merge(&one, &json!({"data": {"b": "2", "a": null}})).await;
    assert_eq!((patched.code, &patched.body["data"]), (200, &json!({"b": "2"})), "{}", patched.text);
    let deleted = admin.delete(&one).await;
    assert_eq!((deleted.code, &deleted.body["status"]), (200, &json!("Success")), "{}", deleted.text);
    assert_eq!(deleted.body["details"]["uid"], created.body["metadata"]["uid"]);
    let missing = admin.get(&one).await;
    assert_eq!((missing.code, &missing.body["message"]), (404, &json!("configmaps \"one\" not found")));
}

#[tokio::test]
async fn a_write_that_changes_nothing_keeps_its_revision() {
    let admin = Harness::new("noop");
    let created = admin.post(MAPS, &config_map("one", json!({"a": "1"}))).await;
    let one = format!("{MAPS}/one");
    assert_eq!(admin.put(&one, &created.body).await.body, created.body);
    assert_eq!(admin.put(&one, &config_map("one", json!({"a": "1"}))).await.body, created.body);
    assert_eq!(admin.merge(&one, &json!({})).await.body, created.body);
    let changed = admin.put(&one, &config_map("one", json!({"a": "2"}))).await;
    assert_ne!(changed.body["metadata"]["resourceVersion"], created.body["metadata"]["resourceVersion"]);
}

#[tokio::test]
async fn a_stale_update_is_a_conflict() {
    let admin = Harness::new("stale");
    let created = admin.post(MAPS, &config_map("one", json!({"a": "1"}))).await;
    let one = format!("{MAPS}/one");
    assert_eq!(admin.put(&one, &config_map("one", json!({"a": "2"}))).await.code, 200);
    let mut stale = created.body.clone();
    stale["data"]["a"] = json!("3");
    let refused = admin.put(&one, &stale).await;
    assert_eq!((refused.code, &refused.body["reason"]), (409, &json!("Conflict")));
}

#[tokio::test]
async fn a_dry_run_stores_nothing() {
    let admin = Harness::new("dry");
    assert_eq!(admin.post(MAPS, &config_map("seed", json!({}))).await.code, 201);
    let dry = admin.post(&format!("{MAPS}?dryRun=All"), &config_map("one", json!({}))).await;
    assert_eq!(dry.code, 201, "{}", dry.text);
    assert_eq!(admin.get(&format!("{MAPS}/one")).await.code, 404);
    assert_eq!(admin.send("DELETE", &format!("{MAPS}/seed?dryRun=All"), "", "").await.code, 200);
    assert_eq!(admin.get(&format!("{MAPS}/seed")).await.code, 200);
}

#[tokio::test]
async fn finalizers_hold_a_deleted_object_until_the_last_is_gone() {
    let admin = Harness::new("held");
    let mut held = config_map("held", json!({}));
    held["metadata"]["finalizers"] = json!(["example.com/hold"]);
    assert_eq!(admin.post(MAPS, &held).await.code, 201);
    let one = format!("{MAPS}/held");
    let marked = admin.delete(&one).await;
    assert!(marked.body["metadata"]["deletionTimestamp"].is_string(), "{}", marked.text);
    assert_eq!(admin.get(&one).await.code, 200);
    let again = admin.post(MAPS, &held).await;
    assert_eq!(again.code, 409);
    assert!(again.text.contains("object is being deleted: "), "{}", again.text);
    let released = admin.merge(&one, &json!({"metadata": {"finalizers": null}})).await;
    assert_eq!(released.code, 200, "{}", released.text);
    assert_eq!(admin.get(&one).await.code, 404);
}

#[tokio::test]
async fn a_custom_resource_is_served_the_moment_its_definition_is_acknowledged() {
    let admin = Harness::new("custom");
    let properties = json!({"hat": {"type": "string", "default": "stetson"}, "age": {"type": "integer"}});
    let defined = admin.post(DEFINITIONS, &cowboys("v1", properties)).await;
    assert_eq!(defined.code, 201, "{}", defined.text);
    let path = "/apis/example.com/v1/namespaces/default/cowboys";
    let cowboy = json!({"apiVersion": "example.com/v1", "kind": "Cowboy", "metadata": {"name": "lucky"},
        "spec": {"age": 30, "horse": "jolly"}, "status": {"fast": true}});
    let created = admin.post(path, &cowboy).await;
    assert_eq!(created.code, 201, "{}", created.text);
    assert_eq!(created.body["spec"], json!({"age": 30, "hat": "stetson"}));
    assert_eq!((&created.body["status"], &created.body["metadata"]["generation"]), (&json!(null), &json!(1)));
    let one = format!("{path}/lucky");
    let status = admin.merge(&format!("{one}/status"), &json!({"status": {"fast": true}, "spec": {"age": 1}})).await;
    assert_eq!((&status.body["status"]["fast"], &status.body["spec"]["age"]), (&json!(true), &json!(30)));
    assert_eq!(status.body["metadata"]["generation"], 1);
    let aged = admin.merge(&one, &json!({"spec": {"age": 31}})).await;
    assert_eq!((&aged.body["metadata"]["generation"], &aged.body["status"]["fast"]), (&json!(2), &json!(true)));
    let refused = admin.merge(&one, &json!({"spec": {"age": "old"}})).await;
    assert_eq!((refused.code, &refused.body["reason"]), (422, &json!("Invalid")), "{}", refused.text);
    let unknown = admin.post(&format!("{path}?fieldValidation=Strict"), &cowboy).await;
    assert_eq!(unknown.code, 400);
    assert!(unknown.text.contains("unknown field"), "{}", unknown.text);
}

#[tokio::test]
async fn strange_bodies_are_refused_and_nothing_breaks() {
    let admin = Harness::new("strange");
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    for body in ["", "{", "null", "[]", "7", "\"x\"", "{\"metadata\": 5}", "{\"metadata\": {\"name\": []}}", &deep] {
        let answer = admin.send("POST", MAPS, "application/json", body.to_owned()).await;
        assert!((400..=422).contains(&answer.code), "{:.40} answered {} {}", body, answer.code, answer.text);
    }
    let large = format!("{{\"data\": {{\"a\": \"{}\"}}}}", "x".repeat(3 * 1024 * 1024));
    let answer = admin.send("POST", MAPS, "application/json", large).await;
    assert_eq!((answer.code, &answer.body["reason"]), (413, &json!("RequestEntityTooLarge")));
    assert_eq!(admin.send("POST", MAPS, "text/plain", "x").await.code, 415);
}

/// kube-api 6.2.2: whoever is asked after a restart with another certificate authority says that one, whatever is stored.
#[tokio::test]
async fn the_root_ca_is_that_of_the_server_that_is_asked() {
    let store: Arc<dyn Backend> = Arc::new(Memory::default());
    let before = Harness::publishing("authority", Arc::clone(&store), "-----BEGIN CERTIFICATE-----\nold\n");
    // In one namespace it is stored, in another it was copied up by a write, in a third nobody ever touched it.
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "other"}});
    assert_eq!(before.post("/api/v1/namespaces", &namespace).await.code, 201);
    let root = "kube-root-ca.crt";
    let touched = json!({"metadata": {"annotations": {"touched": "yes"}}});
    assert_eq!(before.merge(&format!("{MAPS}/{root}"), &touched).await.code, 200);
    let born = before.in_cluster("unborn");
    assert_eq!(born.post(MAPS, &config_map("one", json!({"ca.crt": "mine"}))).await.code, 201);

    let new = "-----BEGIN CERTIFICATE-----\nnew\n";
    let after = Harness::publishing("authority", store, new);
    let unborn = after.in_cluster("unborn");
    let others = "/api/v1/namespaces/other/configmaps";
    for (admin, maps) in [(&after, MAPS), (&after, others), (&unborn, MAPS)] {
        let got = admin.get(&format!("{maps}/{root}")).await;
        assert_eq!(got.body["data"], json!({"ca.crt": new}), "{}", got.text);
        let list = admin.get(&format!("{maps}?fieldSelector=metadata.name%3D{root}")).await;
        assert_eq!(list.body["items"][0]["data"], json!({"ca.crt": new}), "{}", list.text);
        let mut watch = Lines::open(admin, &format!("{maps}?watch=true&fieldSelector=metadata.name%3D{root}")).await;
        let event = watch.next().await.unwrap_or_default();
        assert_eq!((&event["type"], &event["object"]["data"]), (&json!("ADDED"), &json!({"ca.crt": new})));
    }
    assert_eq!(unborn.get(&format!("{MAPS}/one")).await.body["data"], json!({"ca.crt": "mine"}));
    let list = after.get(MAPS).await;
    assert_eq!(list.body["items"][0]["data"], json!({"ca.crt": new}), "{}", list.text);
    // The next write stores it.
    let again = json!({"metadata": {"annotations": {"touched": "again"}}});
    assert_eq!(after.merge(&format!("{MAPS}/{root}"), &again).await.body["data"], json!({"ca.crt": new}));
    assert_eq!(
        before.get(&format!("{MAPS}/{root}")).await.body["data"]["ca.crt"],
        "-----BEGIN CERTIFICATE-----\nold\n"
    );
}
