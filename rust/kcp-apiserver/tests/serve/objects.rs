//! One object's life: create, get, update, patch, delete.

use crate::harness::{DEFINITIONS, Harness, MAPS, config_map, cowboys};
use crate::watches::Lines;
use bytes::Bytes;
use kcp_storage::Backend;
use kcp_storage::memory::Memory;
use serde_json::{Value, json};
use std::sync::Arc;

const APPLY: &str = "application/apply-patch+yaml";

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
    assert_eq!((dry.code, dry.body["metadata"].get("resourceVersion")), (201, None), "{}", dry.text);
    let mut revised = config_map("one", json!({}));
    revised["metadata"]["resourceVersion"] = json!("7");
    let dry = admin.post(&format!("{MAPS}?dryRun=All"), &revised).await;
    assert_eq!((dry.code, &dry.body["metadata"]["resourceVersion"]), (201, &json!("7")), "{}", dry.text);
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
    held["metadata"]["generateName"] = json!("he");
    let again = admin.post(MAPS, &held).await;
    let message = again.body["message"].as_str().unwrap();
    assert!(message.starts_with("object is being deleted: ") && message.contains("unique name"), "{message}");
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
async fn an_object_with_items_is_no_list() {
    let admin = Harness::new("items");
    let mut definition = cowboys("v1", json!({}));
    definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["x-kubernetes-preserve-unknown-fields"] =
        json!(true);
    assert_eq!(admin.post(DEFINITIONS, &definition).await.code, 201);
    let path = "/apis/example.com/v1/namespaces/default/cowboys";
    for (name, items) in [("list", json!([1, {"kind": "Horse"}])), ("number", json!(5)), ("empty", json!([]))] {
        let cowboy =
            json!({"apiVersion": "example.com/v1", "kind": "Cowboy", "metadata": {"name": name}, "items": items});
        let created = admin.post(path, &cowboy).await;
        assert_eq!((created.code, &created.body["items"]), (201, &items), "{}", created.text);
        let changed = admin.merge(&format!("{path}/{name}"), &json!({"a": 1})).await;
        assert_eq!((&changed.body["a"], &changed.body["items"]), (&json!(1), &items), "{}", changed.text);
    }
    let listed = admin.get(path).await;
    assert_eq!(listed.body["items"].as_array().unwrap().len(), 3, "{}", listed.text);
}

#[tokio::test]
async fn a_scale_is_taken_in_its_own_form_alone() {
    let admin = Harness::new("scaled");
    let mut definition = cowboys("v1", json!({"horses": {"type": "integer"}}));
    definition["spec"]["versions"][0]["subresources"]["scale"] =
        json!({"specReplicasPath": ".spec.horses", "statusReplicasPath": ".status.horses"});
    assert_eq!(admin.post(DEFINITIONS, &definition).await.code, 201);
    let path = "/apis/example.com/v1/namespaces/default/cowboys";
    let cowboy = json!({"apiVersion": "example.com/v1", "kind": "Cowboy", "metadata": {"name": "lucky"},
        "spec": {"horses": 1}});
    assert_eq!(admin.post(path, &cowboy).await.code, 201);
    let path = format!("{path}/lucky/scale");
    let scale = |field: &str, value: Value| {
        let mut scale = json!({"apiVersion": "autoscaling/v1", "kind": "Scale",
            "metadata": {"name": "lucky", "namespace": "default"}, "spec": {"replicas": 2}});
        scale[field] = value;
        scale
    };
    let wrong = [
        ("kind", json!("Other"), "no kind \"Other\" is registered"),
        ("apiVersion", json!("autoscaling/v9"), "for version \"autoscaling/v9\""),
        ("spec", json!({"replicas": "x"}), "cannot unmarshal string"),
        ("metadata", json!({"name": "other"}), "does not match the name on the URL"),
        ("metadata", json!({"name": "lucky", "namespace": "other"}), "does not match the namespace"),
    ];
    for (field, value, why) in wrong {
        let refused = admin.put(&path, &scale(field, value)).await;
        let message = refused.body["message"].as_str().unwrap_or_default();
        assert!(refused.code == 400 && message.contains(why), "{}", refused.text);
    }
    for patch in [json!({"kind": "Other"}), json!({"spec": {"replicas": "x"}})] {
        assert_eq!(admin.merge(&path, &patch).await.code, 422, "{patch}");
    }
    let unknown = scale("colour", json!("red"));
    assert_eq!(admin.put(&format!("{path}?fieldValidation=Strict"), &unknown).await.code, 400);
    let patch = json!({"spec": {"colour": "red"}});
    assert_eq!(admin.merge(&format!("{path}?fieldValidation=Strict"), &patch).await.code, 422);
    let body = Bytes::from(unknown.to_string());
    let warned = admin.open("PUT", &path, "application/json", body).await;
    assert_eq!(warned.headers()["warning"], "299 - \"unknown field \\\"colour\\\"\"");
    let headless = json!({"metadata": {"name": "lucky"}, "spec": {"replicas": 3}});
    assert_eq!(admin.put(&path, &headless).await.body["spec"]["replicas"], 3);
}

#[tokio::test]
async fn refusals_come_in_the_order_of_a_real_server() {
    let admin = Harness::new("ordered");
    let mut definition = cowboys("v1", json!({}));
    definition["spec"]["versions"][0]["deprecated"] = json!(true);
    let created = admin.post(DEFINITIONS, &definition).await;
    assert_eq!(created.code, 201, "{}", created.text);
    let path = "/apis/example.com/v1/namespaces/default/cowboys";
    // What is wrong with a time-out is said before anything is said of the kind.
    let refused = admin.open("GET", &format!("{path}?timeout=soon"), "", Bytes::new()).await;
    assert_eq!((refused.status().as_u16(), refused.headers().get("warning")), (400, None));
    assert!(admin.open("GET", path, "", Bytes::new()).await.headers().contains_key("warning"));
    // A part of what is not there is not there, whatever is applied to it.
    let missing = admin.send("PATCH", &format!("{path}/none/status?fieldManager=m"), APPLY, "{}").await;
    assert_eq!(missing.code, 404, "{}", missing.text);
    // A patch may not make another thing of it.
    let cowboy = json!({"apiVersion": "example.com/v1", "kind": "Cowboy", "metadata": {"name": "lucky"}});
    assert_eq!(admin.post(path, &cowboy).await.code, 201);
    let other = admin.merge(&format!("{path}/lucky"), &json!({"kind": "Horse", "apiVersion": "v9"})).await;
    let fields: Vec<_> =
        other.body["details"]["causes"].as_array().unwrap().iter().map(|one| one["field"].as_str().unwrap()).collect();
    assert_eq!(
        (other.code, fields, &other.body["details"]["kind"]),
        (422, vec!["kind", "apiVersion"], &json!("Horse"))
    );
    // One definition is looked at by its own endpoint, those of a collection are not.
    let options = json!({"preconditions": {"resourceVersion": "1"}}).to_string();
    let path = format!("{DEFINITIONS}/cowboys.example.com");
    let one = admin.send("DELETE", &path, "application/json", options.clone()).await;
    assert!(one.text.contains("precondition failed: ResourceVersion in precondition: 1"), "{}", one.text);
    let all = admin.send("DELETE", DEFINITIONS, "application/json", options).await;
    assert!(all.text.contains("the ResourceVersion in the precondition (1) does not match"), "{}", all.text);
}

#[tokio::test]
async fn a_strategic_patch_that_cannot_be_taken_is_shown_as_it_came() {
    let admin = Harness::new("strategic");
    assert_eq!(admin.post(MAPS, &config_map("one", json!({}))).await.code, 201);
    let path = format!("{MAPS}/one?fieldValidation=Strict");
    let patch = json!({"rules": [], "subjects": [{"a": 1}]}).to_string();
    let refused = admin.send("PATCH", &path, "application/strategic-merge-patch+json", patch).await;
    let message = refused.body["message"].as_str().unwrap();
    let shown = "Invalid value: \"map[rules:[] subjects:[map[a:1]]]\": strict decoding error: unknown field \"rules\"";
    assert!(refused.code == 422 && message.contains(shown), "{message}");
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

/// kube-api 6.2.3: with a token secret its reference goes off the account, however many go at a time; others stay.
#[tokio::test]
async fn an_account_forgets_its_token_secrets_when_they_go() {
    let admin = Harness::new("token-secrets");
    let accounts = "/api/v1/namespaces/default/serviceaccounts";
    let secrets = "/api/v1/namespaces/default/secrets";
    let names: Vec<String> = (0..20).map(|index| format!("t-{index}")).collect();
    let references: Vec<_> = ["other", "plain"].into_iter().chain(names.iter().map(String::as_str)).collect();
    let references: Vec<_> = references.iter().map(|name| json!({"name": name})).collect();
    let account =
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "robot"}, "secrets": references});
    let created = admin.post(accounts, &account).await;
    assert_eq!(created.code, 201, "{}", created.text);
    let secret = |name: &str, kind: &str, uid: &Value| {
        json!({"apiVersion": "v1", "kind": "Secret", "type": kind, "metadata": {"name": name, "labels": {"go": "yes"},
            "annotations": {"kubernetes.io/service-account.name": "robot", "kubernetes.io/service-account.uid": uid}}})
    };
    let token = "kubernetes.io/service-account-token";
    let uid = &created.body["metadata"]["uid"];
    for name in &names {
        assert_eq!(admin.post(secrets, &secret(name, token, uid)).await.code, 201);
    }
    // A secret of another type, and one of an account of that name that was there before.
    assert_eq!(admin.post(secrets, &secret("plain", "Opaque", uid)).await.code, 201);
    let before = json!("00000000-0000-4000-8000-000000000000");
    assert_eq!(admin.post(secrets, &secret("other", token, &before)).await.code, 201);
    assert_eq!(admin.delete(&format!("{secrets}/t-0")).await.code, 200);
    let robot = admin.get(&format!("{accounts}/robot")).await;
    assert_eq!(robot.body["secrets"].as_array().map(Vec::len), Some(21), "{}", robot.text);
    let deleted = admin.delete(&format!("{secrets}?labelSelector=go")).await;
    assert_eq!((deleted.code, deleted.body["items"].as_array().map(Vec::len)), (200, Some(21)), "{}", deleted.text);
    let robot = admin.get(&format!("{accounts}/robot")).await;
    assert_eq!(robot.body["secrets"], json!([{"name": "other"}, {"name": "plain"}]), "{}", robot.text);
    let entries = robot.body["metadata"]["managedFields"].to_string();
    assert!(!entries.contains("t-3"), "{entries}");
}
