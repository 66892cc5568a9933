//! Definitions that are written at the same time.

use crate::harness::{DEFINITIONS, Harness};
use futures_util::future::join_all;
use serde_json::{Value, json};

fn definition(plural: &str, kind: &str) -> Value {
    json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.example.com")},
        "spec": {"group": "example.com", "scope": "Namespaced", "names": {"plural": plural, "kind": kind},
            "versions": [{"name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object"}}}]}})
}

/// kube-api 5.2.1: definitions of one group that are created at once all get their names.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_definitions_of_one_group_are_created_at_once() {
    let admin = Harness::new("crowd");
    let names: Vec<String> = (0..60).map(|index| format!("things{index}")).collect();
    let created = join_all(names.iter().map(async |name| {
        let answer = admin.post(DEFINITIONS, &definition(name, &name.to_uppercase())).await;
        assert_eq!(answer.code, 201, "{}", answer.text);
    }));
    created.await;
    for name in names {
        assert_eq!(admin.get(&format!("/apis/example.com/v1/{name}")).await.code, 200);
    }
}

/// kube-api 5.2.1: of those who ask for one kind at once, one gets it; when it goes, another does.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_rivals_for_a_kind_one_is_served() {
    let admin = Harness::new("rivals");
    let plurals = ["as", "bs", "cs", "ds"];
    join_all(plurals.iter().map(async |plural| admin.post(DEFINITIONS, &definition(plural, "Thing")).await)).await;
    let served = async || {
        let mut served = Vec::new();
        for plural in plurals {
            if admin.get(&format!("/apis/example.com/v1/{plural}")).await.code == 200 {
                served.push(plural);
            }
        }
        served
    };
    let first = served().await;
    assert_eq!(first.len(), 1);
    let path = format!("{DEFINITIONS}/{}.example.com", first[0]);
    assert_eq!(admin.delete(&path).await.code, 200);
    admin.merge(&path, &json!({"metadata": {"finalizers": null}})).await;
    let second = served().await;
    assert!(second.len() == 1 && second != first, "{first:?} then {second:?}");
}
