//! Definitions that are written at the same time.

use crate::harness::{DEFINITIONS, Harness};
use futures_util::future::join_all;
use kcp_apiserver::control;
use kcp_storage::{At, Backend, KeyRange, ListQuery};
use serde_json::{Value, json};
use std::sync::Arc;

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

/// The controller's way, as far as one look goes: the objects are deleted, then the finalizer.
async fn let_go(kcp: &Harness, name: &str) -> bool {
    let question = json!({"question": "deleteInstances", "cluster": "racing", "definition": name});
    if control::ask(&kcp.server, question.to_string().as_bytes()).await.is_err() {
        return true;
    }
    let path = format!("{DEFINITIONS}/{name}");
    let answer = kcp.merge(&format!("{path}/status"), &json!({"metadata": {"finalizers": []}})).await;
    assert!([200, 404, 409].contains(&answer.code), "{}", answer.text);
    kcp.get(&path).await.code == 404
}

/// An object whose create was let in before its definition was deleted came after the last look for objects: the
/// definition went, and the object was there again when somebody brought the definition back.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_definition_that_goes_leaves_no_object_behind_whoever_creates_some_meanwhile() {
    let admin = Arc::new(Harness::new("racing"));
    let path = "/apis/example.com/v1/namespaces/default/things";
    for round in 0..40 {
        assert_eq!(admin.post(DEFINITIONS, &definition("things", "Thing")).await.code, 201);
        let writers: Vec<_> = (0..6)
            .map(|writer| {
                let admin = Arc::clone(&admin);
                tokio::spawn(async move {
                    for number in 0.. {
                        let name = format!("r{round}-{writer}-{number}");
                        let thing =
                            json!({"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": name}});
                        let answer = admin.post(path, &thing).await;
                        match answer.code {
                            201 => {}
                            403 | 404 => return number,
                            _ => panic!("{}", answer.text),
                        }
                    }
                    0
                })
            })
            .collect();
        while admin.memory.count(things()).await.unwrap() < 10 {
            tokio::task::yield_now().await;
        }
        assert_eq!(admin.delete(&format!("{DEFINITIONS}/things.example.com")).await.code, 200);
        while !let_go(&admin, "things.example.com").await {}
        for writer in writers {
            writer.await.unwrap();
        }
        assert_eq!(admin.memory.count(things()).await.unwrap(), 0, "round {round}");
    }
}

fn things() -> ListQuery {
    ListQuery { range: KeyRange::cluster("things.example.com", "racing"), at: At::Latest, after: None, limit: None }
}

#[tokio::test]
async fn the_finalizer_of_a_definition_with_objects_cannot_be_taken_away() {
    let admin = Harness::new("one");
    assert_eq!(admin.post(DEFINITIONS, &definition("things", "Thing")).await.code, 201);
    let thing = json!({"apiVersion": "example.com/v1", "kind": "Thing",
        "metadata": {"name": "held", "finalizers": ["example.com/x"]}});
    let path = "/apis/example.com/v1/namespaces/default/things";
    assert_eq!(admin.post(path, &thing).await.code, 201);
    let definition = format!("{DEFINITIONS}/things.example.com");
    assert_eq!(admin.delete(&definition).await.code, 200);
    let refused = admin.merge(&definition, &json!({"metadata": {"finalizers": null}})).await;
    assert_eq!(refused.code, 409);
    let message = "there are still objects of the definition";
    assert!(refused.body["message"].as_str().unwrap().ends_with(message), "{}", refused.text);
    admin.delete(&format!("{path}/held")).await;
    admin.merge(&format!("{path}/held"), &json!({"metadata": {"finalizers": null}})).await;
    assert_eq!(admin.merge(&definition, &json!({"metadata": {"finalizers": null}})).await.code, 200);
    assert_eq!(admin.get(&definition).await.code, 404);
}
