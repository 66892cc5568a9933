//! CustomResourceDefinitions decide about their names in the commit that writes them.

use crate::harness::{CLUSTER, ask, create, server};
use http_body_util::{BodyExt, Full};
use kcp_apiserver::chain::{CHAIN, Run};
use kcp_apiserver::strategy::Part;
use kcp_apiserver::{Exchange, Peer};
use kcp_storage::{Batch, Change, CommitError, Expect, Key, Op};
use serde_json::{Map, Value, json};

#[tokio::test]
async fn a_definition_is_established_by_its_create_and_names_collide() {
    let server = server();
    let crd = |plural: &str, group: &str, kind: &str| {
        json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": format!("{plural}.{group}")},
            "spec": {"group": group, "scope": "Namespaced", "names": {"plural": plural, "kind": kind},
                "versions": [{"name": "v1", "served": true, "storage": true,
                    "schema": {"openAPIV3Schema": {"type": "object"}}}]},
        })
    };
    let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    let first = create(&server, path, crd("lamps", "example.com", "Lamp")).await;
    let condition = |body: &Value, ty: &str| {
        let conditions = body["status"]["conditions"].as_array().cloned().unwrap_or_default();
        conditions.into_iter().find(|c| c["type"] == ty).unwrap_or(Value::Null)
    };
    assert_eq!(condition(&first.body, "Established")["status"], "True");
    assert_eq!(first.body["metadata"]["generation"], 1);
    let second = create(&server, path, crd("lights", "example.com", "Lamp")).await;
    let names = condition(&second.body, "NamesAccepted");
    assert_eq!((&names["status"], &names["reason"]), (&json!("False"), &json!("ListKindConflict")));
    let elsewhere = create(&server, path, crd("lights", "example.org", "Lamp")).await;
    assert_eq!(condition(&elsewhere.body, "Established")["status"], "True");
    let gone = ask(&server, "DELETE", &format!("{path}/lamps.example.com"), &Map::new(), &Value::Null).await;
    assert_eq!(gone.body["metadata"]["finalizers"], json!(["customresourcecleanup.apiextensions.k8s.io"]));
    assert_eq!(condition(&gone.body, "Terminating")["reason"], "InstanceDeletionPending");
    assert_eq!(condition(&gone.body, "Terminating")["lastTransitionTime"], gone.body["metadata"]["deletionTimestamp"]);
    assert_eq!(gone.body["metadata"]["generation"], 1);
    assert_eq!(gone.body["metadata"].get("deletionGracePeriodSeconds"), None);
    let merge = Map::from_iter([("Content-Type".to_owned(), json!("application/merge-patch+json"))]);
    let released = json!({"metadata": {"finalizers": null}});
    let gone = ask(&server, "PATCH", &format!("{path}/lamps.example.com"), &merge, &released).await;
    assert_eq!(gone.code, 200, "{}", gone.body);
    let heir = ask(&server, "GET", &format!("{path}/lights.example.com"), &Map::new(), &Value::Null).await;
    assert_eq!(condition(&heir.body, "Established")["status"], "True", "{}", heir.body);
    let mut shadow = crd("configmaps", "core", "Thing");
    shadow["spec"]["group"] = json!("");
    let shadow = create(&server, path, shadow).await;
    assert_eq!(condition(&shadow.body, "NamesAccepted")["message"], "\"configmaps\" is already in use");
}

/// Definitions have a scheme and a delete of their own, and say so in their refusals.
#[tokio::test]
async fn definitions_are_refused_in_words_of_their_own() {
    let server = server();
    let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    let definition = json!({
        "metadata": {"name": "lamps.example.com"},
        "spec": {"group": "example.com", "scope": "Cluster", "names": {"plural": "lamps", "kind": "Lamp"},
            "versions": [{"name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object"}}}]},
    });
    create(&server, path, definition).await;
    let lamp = format!("{path}/lamps.example.com");
    let json_body = Map::new();
    let list = json!({"apiVersion": "v1", "kind": "List", "metadata": {"name": "lamps.example.com"}});
    let strategic = Map::from_iter([("Content-Type".to_owned(), json!("application/strategic-merge-patch+json"))]);
    let rfc6902 = Map::from_iter([("Content-Type".to_owned(), json!("application/json-patch+json"))]);
    let revision = json!({"preconditions": {"resourceVersion": "1"}});
    for (method, path, headers, body, code, text) in [
        ("PUT", &lamp, &json_body, &list, 400, "no kind \"List\" is registered for version \"v1\" in scheme"),
        (
            "DELETE",
            &lamp,
            &json_body,
            &revision,
            409,
            "definitions.apiextensions.k8s.io \"lamps.example.com\": precondition failed: ResourceVersion in precondition: 1, ",
        ),
        ("PATCH", &format!("{path}/other.example.com"), &strategic, &json!([]), 404, "\"other.example.com\" not found"),
        ("PATCH", &lamp, &strategic, &json!([]), 400, "cannot unmarshal array into Go value of type map"),
        (
            "PATCH",
            &format!("{lamp}?fieldValidation=Ignore"),
            &rfc6902,
            &json!({}),
            400,
            "value of type jsonpatch.Patch",
        ),
    ] {
        let answer = ask(&server, method, path, headers, body).await;
        let message = answer.body["message"].as_str().unwrap_or_default();
        assert!(answer.code == code && message.contains(text), "{method} {path}: {} {message}", answer.code);
    }
}

#[tokio::test]
async fn of_two_new_definitions_that_want_one_name_one_comes_first() {
    let server = server();
    let crd = |plural: &str| {
        json!({
            "metadata": {"name": format!("{plural}.example.com")},
            "spec": {"group": "example.com", "scope": "Cluster", "names": {"plural": plural, "kind": "Lamp",
                "singular": "lamp", "listKind": "LampList"}, "versions": []},
        })
    };
    let path = format!("/clusters/{CLUSTER}/apis/apiextensions.k8s.io/v1/customresourcedefinitions");
    let (parts, ()) = http::Request::builder().method("POST").uri(path).body(()).unwrap().into_parts();
    let body = Full::new(bytes::Bytes::new()).map_err(|never| match never {}).boxed();
    let mut exchange = Exchange::new(parts, body, Peer::default());
    for step in CHAIN.iter().take(2) {
        if let Run::Now(run) = step.run {
            assert!(run(&server, &mut exchange).is_ok());
        }
    }
    let view = server.registry.view(CLUSTER).await.unwrap();
    let served = view.lookup("apiextensions.k8s.io", "v1", "customresourcedefinitions").unwrap();
    let (mut first, mut second) = (crd("lamps"), crd("lights"));
    let mut batches = Vec::new();
    for (object, name) in [(&mut first, "lamps"), (&mut second, "lights")] {
        let admission = served.strategy.admit(&server, &exchange, object, None, Part::Main).await.unwrap();
        let key = Key::new(&served.storage, CLUSTER, "", &format!("{name}.example.com"));
        let change = Change::Put(kcp_storage::Value::new(kcp_apiserver::codec::encode(object, 0)));
        let mut ops = vec![Op { key, expect: Expect::Absent, change }];
        ops.extend(admission.also);
        batches.push(Batch { ops, guards: admission.guards, ..Batch::default() });
    }
    let second = batches.pop().unwrap();
    assert!(server.store.commit(batches.pop().unwrap()).await.is_ok());
    assert!(matches!(server.store.commit(second).await, Err(CommitError::Conflict { index: 1, .. })));
}
