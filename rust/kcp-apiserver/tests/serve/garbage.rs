//! What a write leaves for the garbage collector, and what controllers ask about it.

use crate::harness::{Harness, MAPS, config_map};
use kcp_apiserver::control;
use serde_json::{Value, json};

const ABSENT: &str = "00000000-0000-4000-8000-000000000000";

async fn records(kcp: &Harness) -> Vec<String> {
    let keys = control::work(&kcp.server, "absent-owner", None, 100).await.unwrap();
    keys.iter().map(|key| key.name().to_owned()).collect()
}

async fn ask(kcp: &Harness, question: Value) -> Value {
    control::ask(&kcp.server, question.to_string().as_bytes()).await.unwrap()
}

fn owned(name: &str, uid: &str, owner: &str) -> Value {
    let mut map = config_map(name, json!({}));
    map["metadata"]["ownerReferences"] = json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": owner, "uid": uid}]);
    map
}

async fn make(kcp: &Harness, name: &str) -> String {
    let made = kcp.post(MAPS, &config_map(name, json!({}))).await;
    made.body["metadata"]["uid"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_owner_leaves_a_record_and_others_do_not() {
    let kcp = Harness::new("one");
    let owner = make(&kcp, "owner").await;
    make(&kcp, "alone").await;
    assert_eq!(kcp.post(MAPS, &owned("child", &owner, "owner")).await.code, 201);
    kcp.delete(&format!("{MAPS}/alone")).await;
    assert_eq!(records(&kcp).await, Vec::<String>::new());
    kcp.delete(&format!("{MAPS}/owner")).await;
    assert_eq!(records(&kcp).await, [owner.as_str()]);
}

#[tokio::test]
async fn an_owner_that_is_let_go_leaves_a_record_too() {
    let kcp = Harness::new("one");
    let mut held = config_map("owner", json!({}));
    held["metadata"]["finalizers"] = json!(["example.com/x"]);
    let owner = kcp.post(MAPS, &held).await.body["metadata"]["uid"].as_str().unwrap().to_owned();
    kcp.post(MAPS, &owned("child", &owner, "owner")).await;
    kcp.delete(&format!("{MAPS}/owner")).await;
    assert_eq!(records(&kcp).await, Vec::<String>::new());
    kcp.merge(&format!("{MAPS}/owner"), &json!({"metadata": {"finalizers": null}})).await;
    assert_eq!(records(&kcp).await, [owner.as_str()]);
}

#[tokio::test]
async fn a_dry_run_leaves_nothing() {
    let kcp = Harness::new("one");
    let owner = make(&kcp, "owner").await;
    kcp.post(&format!("{MAPS}?dryRun=All"), &owned("child", ABSENT, "owner")).await;
    kcp.post(MAPS, &owned("child", &owner, "owner")).await;
    kcp.delete(&format!("{MAPS}/owner?dryRun=All")).await;
    kcp.merge(
        &format!("{MAPS}/owner?dryRun=All"),
        &json!({"metadata": {"ownerReferences": [{"uid": ABSENT,
        "apiVersion": "v1", "kind": "ConfigMap", "name": "x"}]}}),
    )
    .await;
    assert_eq!(records(&kcp).await, Vec::<String>::new());
}

#[tokio::test]
async fn an_owner_may_change_while_its_dependents_are_made() {
    let kcp = Harness::new("one");
    let owner = make(&kcp, "owner").await;
    let busy = async {
        for number in 0..50 {
            let answer = kcp.merge(&format!("{MAPS}/owner"), &json!({"data": {"n": number.to_string()}})).await;
            assert_eq!(answer.code, 200, "{}", answer.text);
            tokio::task::yield_now().await;
        }
    };
    let making = async {
        for number in 0..50 {
            let answer = kcp.post(MAPS, &owned(&format!("child-{number}"), &owner, "owner")).await;
            assert_eq!(answer.code, 201, "{}", answer.text);
            tokio::task::yield_now().await;
        }
    };
    tokio::join!(busy, making);
    assert_eq!(records(&kcp).await, Vec::<String>::new());
}

#[tokio::test]
async fn dependents_are_told_page_by_page_with_what_their_owners_are_like() {
    let kcp = Harness::new("one");
    let owner = make(&kcp, "owner").await;
    for number in 0..5 {
        kcp.post(MAPS, &owned(&format!("child-{number}"), &owner, "owner")).await;
    }
    kcp.in_cluster("two").post(MAPS, &owned("stranger", &owner, "owner")).await;
    let mut after = Value::Null;
    let mut names = Vec::new();
    loop {
        let question = json!({"question": "dependents", "cluster": "one", "uid": owner, "after": after, "limit": 2});
        let page = ask(&kcp, question).await;
        for found in page["dependents"].as_array().unwrap() {
            assert_eq!(found["owners"][0]["state"], "solid");
            assert_eq!(found["path"], format!("{MAPS}/{}", found["metadata"]["name"].as_str().unwrap()));
            names.push(found["metadata"]["name"].as_str().unwrap().to_owned());
        }
        after = page["after"].clone();
        if after.is_null() {
            break;
        }
    }
    assert_eq!(names, ["child-0", "child-1", "child-2", "child-3", "child-4"]);
    // The stranger's reference leads nowhere in his own cluster.
    let key = control::work(&kcp.server, "absent-owner", None, 10).await.unwrap().remove(0);
    assert_eq!((key.cluster(), key.name()), ("two", owner.as_str()));
}

#[tokio::test]
async fn a_record_that_was_written_again_is_not_removed() {
    let kcp = Harness::new("one");
    kcp.post(MAPS, &owned("a", ABSENT, "nobody")).await;
    let dependents = json!({"question": "dependents", "cluster": "one", "uid": ABSENT, "after": null, "limit": 10});
    let revision = ask(&kcp, dependents.clone()).await["record"].clone();
    kcp.post(MAPS, &owned("b", ABSENT, "nobody")).await;
    let record = json!({"resource": "garbage/owners", "cluster": "one", "namespace": "", "name": ABSENT});
    let finish = |revision: &Value| json!({"question": "finish", "record": record, "revision": revision});
    assert_eq!(ask(&kcp, finish(&revision)).await, json!({"finished": false}));
    let revision = ask(&kcp, dependents).await["record"].clone();
    assert_eq!(ask(&kcp, finish(&revision)).await, json!({"finished": true}));
    assert_eq!(records(&kcp).await, Vec::<String>::new());
    let object = json!({"question": "finish", "revision": 1,
        "record": {"resource": "configmaps", "cluster": "one", "namespace": "default", "name": "a"}});
    let refused = control::ask(&kcp.server, object.to_string().as_bytes()).await.unwrap_err();
    assert_eq!(refused.code, 400);
}
