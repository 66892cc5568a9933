//! Who may enter: by requests, from the socket's side of the chain.

use crate::harness::{Harness, RBAC};
use http_body_util::{BodyExt, Full};
use kcp_apiserver::Peer;
use kcp_apiserver::control;
use serde_json::{Value, json};
use std::time::Duration;

const CONFIG_MAPS: &str = "/api/v1/namespaces/default/configmaps";
const REVIEWS: &str = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
const ROW: &str = "/apis/core.kcp.io/v1alpha1/logicalclusters/cluster";

async fn make(harness: &Harness, cluster: &str) {
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "made"}});
    harness.post("admin", &format!("/clusters/{cluster}{CONFIG_MAPS}"), map).await.expect(201);
}

async fn own(harness: &Harness, cluster: &str, user: &str) {
    make(harness, cluster).await;
    harness.bind(cluster, "cluster-admin", json!({"kind": "User", "name": user})).await;
}

async fn mark(harness: &Harness, cluster: &str, annotations: Value) {
    let headers = [("authorization", "Bearer admin"), ("content-type", "application/merge-patch+json")];
    let patch = json!({"metadata": {"annotations": annotations}});
    harness.send("PATCH", &format!("/clusters/{cluster}{ROW}"), &headers, &patch).await.expect(200);
}

fn review(user: &str, verb: &str) -> Value {
    let attributes = json!({"namespace": "default", "verb": verb, "resource": "configmaps"});
    json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
        "spec": {"user": user, "resourceAttributes": attributes}})
}

#[tokio::test]
async fn a_cluster_that_goes_offline_ends_its_watches_and_says_so() {
    let harness = Harness::new().await;
    own(&harness, "one", "bob").await;
    own(&harness, "two", "bob").await;
    let open = async |token: &str, path: &str| {
        let body = Full::new(bytes::Bytes::new()).map_err(|never| match never {}).boxed();
        let request = http::Request::get(format!("{path}?watch=true"))
            .header("authorization", format!("Bearer {token}"))
            .body(body);
        let response = harness.server.handle(request.expect("a request"), Peer::default()).await;
        assert_eq!(response.status(), 200, "{path}");
        let mut body = response.into_body();
        // The first event, so that the watch is live.
        body.frame().await.expect("an event").expect("an event");
        body
    };
    let maps = open("bob", &format!("/clusters/one{CONFIG_MAPS}")).await;
    let mut other = open("bob", &format!("/clusters/two{CONFIG_MAPS}")).await;
    let mut rows = open("bob", "/clusters/one/apis/core.kcp.io/v1alpha1/logicalclusters").await;
    let everywhere = open("admin", "/clusters/*/api/v1/configmaps").await;
    let mut all_rows = open("admin", "/clusters/*/apis/core.kcp.io/v1alpha1/logicalclusters").await;
    mark(&harness, "one", json!({"core.kcp.io/inactive": "true"})).await;
    for body in [maps, everywhere] {
        let ended = tokio::time::timeout(Duration::from_secs(30), body.collect()).await;
        let told = ended.expect("the watch ends").expect("an end").to_bytes();
        assert!(!String::from_utf8_lossy(&told).contains("ERROR"), "clients ask again from where they are");
    }
    for body in [&mut rows, &mut all_rows] {
        body.frame().await.expect("what happened to the row").expect("what happened to the row");
    }
    make_another(&harness, "two").await;
    other.frame().await.expect("an event").expect("an event");
    // Administrators see all that is stored, inactive or not, and a watch that begins now goes on.
    let mut again = open("admin", "/clusters/*/api/v1/configmaps").await;
    make_another(&harness, "three").await;
    again.frame().await.expect("an event").expect("an event");
    let listed = harness.get("admin", "/clusters/*/api/v1/configmaps").await.expect(200);
    let clusters = listed.body["items"].as_array().expect("items").iter();
    assert!(clusters.map(|item| &item["metadata"]["annotations"]["kcp.io/cluster"]).any(|cluster| cluster == "one"));
    for query in ["", "?watch=true"] {
        let answer = harness.get("bob", &format!("/clusters/one{CONFIG_MAPS}{query}")).await.expect(403);
        assert_eq!(answer.message(), "logical cluster is marked inactive");
    }
    let answer = harness.get("alice", &format!("/clusters/one{CONFIG_MAPS}")).await.expect(403);
    assert!(answer.message().ends_with(": access denied"), "{}", answer.body);
    harness.get("bob", &format!("/clusters/one{ROW}")).await.expect(200);
    // Who acts as another meets what the other meets.
    let headers = [("authorization", "Bearer admin"), ("impersonate-user", "bob")];
    harness.send("GET", &format!("/clusters/one{ROW}"), &headers, &json!(null)).await.expect(200);
    let answer = harness.send("GET", &format!("/clusters/one{CONFIG_MAPS}"), &headers, &json!(null)).await.expect(403);
    assert_eq!(answer.message(), "logical cluster is marked inactive");
    mark(&harness, "one", json!({"core.kcp.io/inactive": null})).await;
    harness.get("bob", &format!("/clusters/one{CONFIG_MAPS}")).await.expect(200);
}

async fn make_another(harness: &Harness, cluster: &str) {
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "another"}});
    harness.post("admin", &format!("/clusters/{cluster}{CONFIG_MAPS}"), map).await.expect(201);
}

#[tokio::test]
async fn reviews_agree_with_what_requests_meet() {
    let harness = Harness::new().await;
    make(&harness, "one").await;
    harness.bind("one", "view", json!({"kind": "User", "name": "alice"})).await;
    let reviews = format!("/clusters/one{REVIEWS}");
    let allowed = async || {
        let answer = harness.post("admin", &reviews, review("alice", "get")).await.expect(201);
        answer.body["status"]["allowed"].as_bool().expect("an answer")
    };
    let path = format!("/clusters/one{CONFIG_MAPS}/made");
    assert!(!allowed().await);
    harness.get("alice", &path).await.expect(403);
    // A deep one asks for rules alone, and only the server's own kind may ask so.
    let deep = async |token: &str, value: &str| {
        let bearer = format!("Bearer {token}");
        let headers = [("authorization", bearer.as_str()), ("x-kcp-internal-deep-subjectaccessreview", value)];
        let answer = harness.send("POST", &reviews, &headers, &review("alice", "get")).await.expect(201);
        answer.body["status"]["allowed"].as_bool().expect("an answer")
    };
    assert!(deep("admin", "true").await);
    assert!(!deep("admin", "yes").await);
    assert!(!deep("kcp-admin", "true").await);
    harness.admit("one", json!({"kind": "User", "name": "alice"})).await;
    assert!(allowed().await);
    harness.get("alice", &path).await.expect(200);
}

#[tokio::test]
async fn a_review_explains_itself_to_those_who_may_read_bindings() {
    let harness = Harness::new().await;
    own(&harness, "one", "bob").await;
    harness.bind("one", "view", json!({"kind": "User", "name": "alice"})).await;
    let explain = format!("/clusters/one{REVIEWS}?explain=true");
    let answer = harness.post("bob", &explain, review("alice", "get")).await.expect(201);
    assert_eq!(answer.body["status"]["reason"], "refused by 02-content: no verb=access permission on /");
    let said = &answer.body["metadata"]["annotations"];
    assert_eq!(said["sar.auth.kcp.io/01-requiredgroups-decision"], "Passed");
    assert_eq!(said["sar.auth.kcp.io/02-content-decision"], "NoOpinion");
    assert_eq!(said["sar.auth.kcp.io/05-rbac-decision"], Value::Null);
    harness.admit("one", json!({"kind": "User", "name": "alice"})).await;
    let answer = harness.post("bob", &explain, review("alice", "get")).await.expect(201);
    let reason = answer.body["status"]["reason"].as_str().expect("a reason");
    assert!(reason.starts_with("allowed by 05-rbac: RBAC: allowed by ClusterRoleBinding"), "{reason}");
    assert!(reason.contains(r#"of ClusterRole "view" to User "alice""#), "{reason}");
    // Who may ask but not read bindings hears nothing of them.
    let rules =
        json!([{"apiGroups": ["authorization.k8s.io"], "resources": ["subjectaccessreviews"], "verbs": ["create"]}]);
    let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "asker"},
        "rules": rules});
    harness.post("admin", &format!("/clusters/one{RBAC}/clusterroles"), role).await.expect(201);
    harness.bind("one", "asker", json!({"kind": "User", "name": "alice"})).await;
    harness.post("alice", &explain, review("bob", "get")).await.expect(403);
    harness.post("alice", &format!("/clusters/one{REVIEWS}"), review("bob", "get")).await.expect(201);
}

#[tokio::test]
async fn controllers_ask_who_may_enter_and_why() {
    let harness = Harness::new().await;
    for cluster in ["one", "two", "three"] {
        make(&harness, cluster).await;
    }
    for cluster in ["one", "three"] {
        harness.admit(cluster, json!({"kind": "User", "name": "alice"})).await;
    }
    harness.bind("two", "view", json!({"kind": "User", "name": "alice"})).await;
    let ask = async |question: Value| control::ask(&harness.server, question.to_string().as_bytes()).await;
    let mut question = json!({"question": "entries", "user": "alice", "groups": ["system:authenticated"], "limit": 2});
    let found = ask(question.clone()).await.expect("an answer");
    assert_eq!(found, json!({"everywhere": false, "clusters": ["one", "root"], "after": "root"}));
    question["after"] = found["after"].clone();
    let found = ask(question).await.expect("an answer");
    assert_eq!(found, json!({"everywhere": false, "clusters": ["three"], "after": null}));
    let wish = json!({"question": "explain", "cluster": "two", "user": "alice", "verb": "get", "resource": "configmaps",
        "namespace": "default"});
    let answer = ask(wish).await.expect("an answer");
    assert_eq!((&answer["allowed"], &answer["step"]), (&json!(false), &json!("02-content")));
}

#[tokio::test]
async fn nobody_comes_by_more_through_impersonation() {
    let harness = Harness::new().await;
    own(&harness, "one", "bob").await;
    let call = async |token: &str, path: &str, extra: &[(&str, &str)]| {
        let bearer = format!("Bearer {token}");
        let mut headers = vec![("authorization", bearer.as_str()), ("impersonate-user", "somebody")];
        headers.extend(extra);
        harness.send("GET", path, &headers, &Value::Null).await
    };
    let path = format!("/clusters/one{CONFIG_MAPS}");
    let refused = "impersonation is not allowed for the requestor";
    // An owner may be anybody in his cluster, but for groups and attributes that count elsewhere.
    for group in [
        "system:masters",
        "system:kcp:admin",
        "system:kcp:logical-cluster-admin",
        "system:kcp:external-logical-cluster-admin",
        "system:kcp:tenancy:workspace-bootstrapper",
        "system:kcp:initializer:root:org:type",
        "system:kcp:terminator:root:org:type",
    ] {
        let answer = call("bob", &path, &[("impersonate-group", group)]).await.expect(403);
        assert_eq!(answer.message(), refused, "{group}");
    }
    let warrant = json!({"user": "owner-of-another", "groups": ["system:masters"]}).to_string();
    for extra in [
        ("impersonate-extra-authorization.kcp.io%2Fwarrant", warrant.as_str()),
        ("impersonate-extra-authentication.kcp.io%2Fcluster-name", "two"),
    ] {
        assert_eq!(call("bob", &path, &[extra]).await.expect(403).message(), refused, "{}", extra.0);
    }
    // Scopes only narrow what is left.
    let scopes = ("impersonate-extra-authentication.kcp.io%2Fscopes", "cluster:two");
    let answer = call("bob", &path, &[scopes]).await.expect(403);
    assert!(answer.message().contains("system:anonymous") || answer.message().ends_with("access denied"));
    // Who may not be in a cluster acts as nobody there, whatever rules say, and hears what he would hear anywhere.
    make(&harness, "two").await;
    let rules = json!([{"apiGroups": [""], "resources": ["users"], "verbs": ["impersonate"]}]);
    let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "actor"},
        "rules": rules});
    harness.post("admin", &format!("/clusters/two{RBAC}/clusterroles"), role).await.expect(201);
    harness.bind("two", "actor", json!({"kind": "User", "name": "bob"})).await;
    harness.bind("two", "cluster-admin", json!({"kind": "User", "name": "somebody"})).await;
    let there = call("bob", &format!("/clusters/two{CONFIG_MAPS}"), &[]).await.expect(403);
    for nowhere in ["none", "root:none", "user:none"] {
        let answer = call("bob", &format!("/clusters/{nowhere}{CONFIG_MAPS}"), &[]).await.expect(403);
        assert_eq!(answer.body, there.body, "{nowhere}");
    }
    harness.admit("two", json!({"kind": "User", "name": "bob"})).await;
    call("bob", &format!("/clusters/two{CONFIG_MAPS}"), &[]).await.expect(200);
}

#[tokio::test]
async fn services_are_inside_authentication_and_hear_who_calls_from_nobody_else() {
    let harness = Harness::new().await;
    let claims = [
        ("x-remote-user", "admin"),
        ("x-remote-group", "system:masters"),
        ("x-remote-extra-scopes", "everything"),
        ("X-Remote-Uid", "0"),
    ];
    let call = async |path: &str, more: &[(&str, &str)]| {
        let headers: Vec<(&str, &str)> = claims.iter().chain(more).copied().collect();
        harness.send("GET", path, &headers, &Value::Null).await
    };
    let impersonating = [("authorization", "Bearer admin"), ("impersonate-user", "bob"), ("impersonate-uid", "7")];
    for path in ["/services/cache/shards/root/clusters/root/api", "/services/x", "/clusters/root/services/x"] {
        call(path, &[("authorization", "Bearer nobody-knows-it")]).await.expect(401);
        let stranger = call(path, &[]).await.expect(200).body;
        assert_eq!((&stranger["user"], &stranger["headers"]), (&json!("system:anonymous"), &json!([])), "{path}");
        let bob = call(path, &[("authorization", "Bearer bob")]).await.expect(200).body;
        assert_eq!((&bob["user"], &bob["headers"]), (&json!("bob"), &json!([])), "{path}");
        let acting = call(path, &impersonating).await.expect(200).body;
        assert_eq!((&acting["user"], &acting["headers"]), (&json!("bob"), &json!([])), "{path}");
    }
}
