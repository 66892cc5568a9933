//! Custom resources in several versions: what is stored at one is served, watched and written at each.

use crate::harness::{Answer, DEFINITIONS, Harness, MAPS, config_map, cowboys};
use crate::watches::Lines;
use serde_json::{Value, json};

const DEFINITION: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/cowboys.example.com";

fn at(version: &str) -> String {
    format!("/apis/example.com/{version}/namespaces/default/cowboys")
}

fn cowboy(version: &str, name: &str, spec: Value) -> Value {
    json!({"apiVersion": format!("example.com/{version}"), "kind": "Cowboy", "metadata": {"name": name}, "spec": spec})
}

/// A definition with versions `v1` and `v2`: both know `both`, each a field of its own, and each another default.
fn two_versions(storage: &str) -> Value {
    let mut definition = cowboys("v1", json!({}));
    let version = |name: &str| {
        let properties = json!({"both": {"type": "string"}, name: {"type": "string"},
            "greeting": {"type": "string", "default": format!("hello from {name}")}});
        let mut version = cowboys(name, properties)["spec"]["versions"][0].clone();
        version["storage"] = (name == storage).into();
        version
    };
    definition["spec"]["versions"] = json!([version("v1"), version("v2")]);
    definition
}

async fn store_at(admin: &Harness, storage: &str) -> Answer {
    let answer =
        admin.merge(DEFINITION, &json!({"spec": {"versions": two_versions(storage)["spec"]["versions"]}})).await;
    assert_eq!(answer.code, 200, "{}", answer.text);
    answer
}

/// kube-api 5.8, 5.11.3, 5.11.5: pruned at both versions, defaulted by the one that is stored, served at each.
#[tokio::test]
async fn what_is_stored_at_one_version_is_served_at_each() {
    let admin = Harness::new("versions");
    assert_eq!(admin.post(DEFINITIONS, &two_versions("v1")).await.code, 201);
    let spec = json!({"both": "b", "v1": "1", "v2": "2", "greeting": "hi"});
    assert_eq!(admin.post(&at("v2"), &cowboy("v2", "by-v2", spec.clone())).await.code, 201);
    assert_eq!(admin.post(&at("v1"), &cowboy("v1", "by-v1", spec)).await.code, 201);
    for (version, name, want) in [
        ("v1", "by-v1", json!({"both": "b", "v1": "1", "greeting": "hi"})),
        ("v2", "by-v1", json!({"both": "b", "greeting": "hi"})),
        // Written at v2, which drops `v1`; stored at v1, which drops `v2`.
        ("v1", "by-v2", json!({"both": "b", "greeting": "hi"})),
        ("v2", "by-v2", json!({"both": "b", "greeting": "hi"})),
    ] {
        let object = admin.get(&format!("{}/{name}", at(version))).await;
        assert_eq!(object.body["apiVersion"], format!("example.com/{version}"));
        assert_eq!(object.body["spec"], want, "{name} at {version}");
    }
    let list = admin.get(&at("v2")).await;
    let items = list.body["items"].as_array().cloned().unwrap_or_default();
    assert!(items.iter().all(|item| item["apiVersion"] == "example.com/v2"), "{}", list.text);
    // What nobody sent is what the version it was sent to says.
    admin.post(&at("v2"), &cowboy("v2", "plain", json!({}))).await;
    let plain = admin.get(&format!("{}/plain", at("v1"))).await;
    assert_eq!(plain.body["spec"], json!({"greeting": "hello from v2"}));
}

/// kube-api 5.8.4, 3.5.17: a watch delivers events at its version, also across a change of the storage version.
#[tokio::test]
async fn a_watch_goes_on_at_its_version_when_the_storage_version_changes() {
    let admin = Harness::new("versions-watch");
    assert_eq!(admin.post(DEFINITIONS, &two_versions("v1")).await.code, 201);
    let mut lines = Lines::open(&admin, &format!("{}?watch=1", at("v1"))).await;
    let mut newer = Lines::open(&admin, &format!("{}?watch=1", at("v2"))).await;
    admin.post(&at("v1"), &cowboy("v1", "a", json!({"v1": "1", "both": "x"}))).await;
    store_at(&admin, "v2").await;
    admin.post(&at("v2"), &cowboy("v2", "b", json!({"v2": "2", "both": "y"}))).await;
    for (lines, version, specs) in [
        (&mut lines, "v1", [json!({"v1": "1", "both": "x"}), json!({"both": "y"})]),
        (&mut newer, "v2", [json!({"both": "x"}), json!({"v2": "2", "both": "y"})]),
    ] {
        for want in specs {
            let mut event = lines.next().await.expect("an event");
            assert_eq!(event["object"]["apiVersion"], format!("example.com/{version}"));
            event["object"]["spec"].as_object_mut().expect("a spec").remove("greeting");
            assert_eq!(event["object"]["spec"], want);
        }
    }
}

/// kube-api 5.8: a write that changes nothing leaves an object alone, unless it is stored at an older version: then it is
/// stored anew.
#[tokio::test]
async fn a_write_without_a_change_moves_an_object_to_the_storage_version() {
    let admin = Harness::new("versions-migrate");
    assert_eq!(admin.post(DEFINITIONS, &two_versions("v1")).await.code, 201);
    let path = format!("{}/a", at("v1"));
    admin.post(&at("v1"), &cowboy("v1", "a", json!({"both": "x"}))).await;
    let revision = |answer: &Answer| answer.body["metadata"]["resourceVersion"].as_str().unwrap_or_default().to_owned();
    let before = admin.get(&path).await;
    let same = admin.put(&path, &before.body).await;
    assert_eq!((same.code, revision(&same)), (200, revision(&before)));
    let definition = store_at(&admin, "v2").await;
    assert_eq!(definition.body["status"]["storedVersions"], json!(["v1", "v2"]));
    let moved = admin.put(&path, &same.body).await;
    assert_eq!(moved.code, 200, "{}", moved.text);
    assert_ne!(revision(&moved), revision(&same));
    assert_eq!((&moved.body["spec"], &moved.body["metadata"]["generation"]), (&same.body["spec"], &json!(1)));
    let again = admin.put(&path, &moved.body).await;
    assert_eq!(revision(&again), revision(&moved));
}

/// kube-api 5.8: an apply that changes nothing adds no defaults of its version to what is stored at another.
#[tokio::test]
async fn an_apply_without_a_change_leaves_another_versions_object_as_it_is() {
    let admin = Harness::new("versions-apply");
    let mut definition = two_versions("v1");
    let only_in_v2 = json!({"type": "string", "default": "n"});
    definition["spec"]["versions"][1]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["more"] =
        only_in_v2;
    assert_eq!(admin.post(DEFINITIONS, &definition).await.code, 201);
    let object = cowboy("v2", "a", json!({"both": "x", "greeting": "hi"}));
    assert_eq!(admin.post(&at("v2"), &object).await.code, 201);
    for (both, generation) in [("x", 1), ("y", 2)] {
        let path = format!("{}/a?fieldManager=one&force=true&dryRun=All", at("v2"));
        let body = cowboy("v2", "a", json!({"both": both})).to_string();
        let applied = admin.send("PATCH", &path, "application/apply-patch+yaml", body).await;
        assert_eq!((applied.code, &applied.body["metadata"]["generation"]), (200, &json!(generation)), "{both}");
    }
}

/// kube-api 5.8.1: a webhook that would have to be asked is refused, as nobody asks it; one that has nothing to do is kept.
#[tokio::test]
async fn a_conversion_webhook_is_refused_where_it_would_be_needed() {
    let admin = Harness::new("versions-webhook");
    let webhook = json!({"strategy": "Webhook", "webhook": {
        "conversionReviewVersions": ["v1"], "clientConfig": {"url": "https://convert.example.com/cowboys"}}});
    let mut several = two_versions("v1");
    several["spec"]["conversion"] = webhook.clone();
    let refuse = |answer: Answer| {
        assert_eq!((answer.code, &answer.body["reason"]), (422, &json!("Invalid")), "{}", answer.text);
        let message = answer.body["message"].as_str().unwrap_or_default();
        assert!(
            message.contains("spec.conversion.strategy: Forbidden: conversion webhooks are not called"),
            "{message}"
        );
    };
    refuse(admin.post(DEFINITIONS, &several).await);
    let mut one = cowboys("v1", json!({}));
    one["spec"]["conversion"] = webhook.clone();
    assert_eq!(admin.post(DEFINITIONS, &one).await.code, 201);
    // Nor may the second version come later, nor the webhook.
    refuse(admin.merge(DEFINITION, &json!({"spec": {"versions": two_versions("v1")["spec"]["versions"]}})).await);
    let none = json!({"spec": {"conversion": {"strategy": "None", "webhook": null}}});
    assert_eq!(admin.merge(DEFINITION, &none).await.code, 200);
    store_at(&admin, "v2").await;
    refuse(admin.merge(DEFINITION, &json!({"spec": {"conversion": webhook}})).await);
}

/// kube-api 5.1.11: versions that were ever stored stay named until a write of the status takes them away.
#[tokio::test]
async fn stored_versions_are_kept_until_they_are_taken_away() {
    let admin = Harness::new("versions-stored");
    let created = admin.post(DEFINITIONS, &two_versions("v1")).await;
    assert_eq!(created.body["status"]["storedVersions"], json!(["v1"]));
    store_at(&admin, "v2").await;
    let mut without_v1 = two_versions("v2")["spec"]["versions"].clone();
    without_v1.as_array_mut().expect("versions").remove(0);
    let refused = admin.merge(DEFINITION, &json!({"spec": {"versions": without_v1}})).await;
    let message = refused.body["message"].as_str().unwrap_or_default();
    assert_eq!(refused.code, 422);
    assert!(message.contains("status.storedVersions[0]: Invalid value: \"v1\": missing from spec.versions; v1 was previously a storage version"), "{message}");
    let status = format!("{DEFINITION}/status");
    // Nothing at all is filled in before it is looked at.
    let emptied = admin.merge(&status, &json!({"status": {"storedVersions": []}})).await;
    assert_eq!((emptied.code, &emptied.body["status"]["storedVersions"]), (200, &json!(["v2"])), "{}", emptied.text);
    let dropped = admin.merge(DEFINITION, &json!({"spec": {"versions": without_v1}})).await;
    assert_eq!((dropped.code, &dropped.body["status"]["storedVersions"]), (200, &json!(["v2"])), "{}", dropped.text);
    assert_eq!(admin.get(&at("v1")).await.code, 404);
}

/// kube-api 5.2.8: a watch goes on by the new schema when its definition changes, and ends when its version goes.
#[tokio::test]
async fn a_watch_follows_its_definition() {
    let admin = Harness::new("versions-follow");
    assert_eq!(admin.post(DEFINITIONS, &two_versions("v1")).await.code, 201);
    let mut lines = Lines::open(&admin, &format!("{}?watch=1", at("v2"))).await;
    let mut table =
        Lines::open_with(&admin, &format!("{}?watch=1", at("v2")), "application/json;as=Table;g=meta.k8s.io;v=v1")
            .await;
    let mut versions = two_versions("v1")["spec"]["versions"].clone();
    for version in versions.as_array_mut().expect("versions") {
        version["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["fresh"] = json!({"type": "string"});
    }
    assert_eq!(admin.merge(DEFINITION, &json!({"spec": {"versions": versions}})).await.code, 200);
    admin.post(&at("v2"), &cowboy("v2", "a", json!({"fresh": "f"}))).await;
    let event = lines.next().await.expect("an event");
    assert_eq!(event["object"]["spec"]["fresh"], "f", "{event}");
    assert_eq!(table.next().await.expect("a row")["object"]["rows"][0]["cells"][0], "a");
    // Other columns are another table.
    versions[1]["additionalPrinterColumns"] = json!([{"name": "Fresh", "type": "string", "jsonPath": ".spec.fresh"}]);
    assert_eq!(admin.merge(DEFINITION, &json!({"spec": {"versions": versions}})).await.code, 200);
    assert_eq!(table.next().await, None);
    versions[1]["served"] = false.into();
    assert_eq!(admin.merge(DEFINITION, &json!({"spec": {"versions": versions}})).await.code, 200);
    assert_eq!(lines.next().await, None);
    assert_eq!(admin.get(&at("v2")).await.code, 404);
}

/// A watch of all logical clusters sees custom resources of clusters that began to serve them after it.
#[tokio::test]
async fn a_wildcard_watch_learns_of_clusters_that_define_the_resource_later() {
    let east = Harness::new("east");
    let west = east.in_cluster("west");
    assert_eq!(east.post(DEFINITIONS, &two_versions("v1")).await.code, 201);
    west.post(MAPS, &config_map("seed", json!({}))).await;
    let mut lines = Lines::open(&east.in_cluster("*"), "/apis/example.com/v1/cowboys?watch=1").await;
    assert_eq!(west.post(DEFINITIONS, &cowboys("v1", json!({"west": {"type": "string"}}))).await.code, 201);
    assert_eq!(west.post(&at("v1"), &cowboy("v1", "w", json!({"west": "wild"}))).await.code, 201);
    assert_eq!(east.post(&at("v1"), &cowboy("v1", "e", json!({"both": "b"}))).await.code, 201);
    let (first, second) = (lines.next().await.expect("one"), lines.next().await.expect("two"));
    assert_eq!((&first["object"]["metadata"]["name"], &first["object"]["spec"]["west"]), (&json!("w"), &json!("wild")));
    assert_eq!(second["object"]["metadata"]["name"], "e");
}

/// An entry of another version in which the object does not fit keeps nobody from applying, and keeps what does fit.
#[tokio::test]
async fn an_owner_in_a_version_that_does_not_fit_keeps_nobody_from_applying() {
    const APPLY: &str = "application/apply-patch+yaml";
    let harness = Harness::new("root");
    let mut definition = two_versions("v1");
    let spec = "/spec/versions/1/schema/openAPIV3Schema/properties/spec/properties";
    let fields = definition.pointer_mut(spec).and_then(Value::as_object_mut).expect("fields");
    // A text in one version is an object in the other.
    fields.insert("v1".to_owned(), json!({"type": "object", "properties": {"x": {"type": "string"}}}));
    assert_eq!(harness.post(DEFINITIONS, &definition).await.code, 201);
    let apply = async |version: &str, manager: &str, spec: Value| {
        let path = format!("{}/one?fieldManager={manager}", at(version));
        harness.send("PATCH", &path, APPLY, cowboy(version, "one", spec).to_string()).await
    };
    assert_eq!(apply("v2", "two", json!({"both": "1"})).await.code, 201);
    for value in ["text", "more"] {
        let answer = apply("v1", "one", json!({"v1": value})).await;
        assert_eq!((answer.code, &answer.body["spec"]["v1"]), (200, &json!(value)), "{}", answer.text);
    }
    let answer = apply("v1", "one", json!({"v1": "more", "both": "2"})).await;
    assert_eq!(answer.code, 409, "{}", answer.text);
    assert_eq!(answer.body["details"]["causes"][0]["field"], ".spec.both");
}
