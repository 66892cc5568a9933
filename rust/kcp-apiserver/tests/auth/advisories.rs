//! Three faults that control planes of this kind had, each held by itself: groups that count everywhere are handed on
//! through impersonation; something answers without asking who calls; a header says who calls.
//!
//! `tests/api/test_advisories.py` asks the same of a whole server.

use crate::harness::{Answer, Harness, RBAC};
use kcp_apiserver::chain::CHAIN;
use kcp_apiserver::{Peer, UserInfo};
use serde_json::{Value, json};
use std::sync::Arc;

const CONFIG_MAPS: &str = "/clusters/one/api/v1/namespaces/default/configmaps";
const WHO: &str = "/clusters/one/apis/authentication.k8s.io/v1/selfsubjectreviews";
const REFUSED: &str = "impersonation is not allowed for the requestor";
const WARRANT: &str = "Impersonate-Extra-Authorization.kcp.io%2Fwarrant";
const SCOPES: &str = "Impersonate-Extra-Authentication.kcp.io%2Fscopes";
/// Groups that mean something in clusters that did not give them.
const GLOBAL: [&str; 7] = [
    "system:masters",
    "system:kcp:admin",
    "system:kcp:logical-cluster-admin",
    "system:kcp:external-logical-cluster-admin",
    "system:kcp:tenancy:workspace-bootstrapper",
    "system:kcp:initializer:root:org:type",
    "system:kcp:terminator:root:org:type",
];

/// A cluster, `one`, in which `bob`, an account and the group `owners` may do everything. Returns the account's token.
async fn furnished() -> (Harness, String) {
    let harness = Harness::new().await;
    let robot = harness.account("one", "robot").await;
    harness.account("two", "robot").await;
    for subject in [
        json!({"kind": "User", "name": "bob"}),
        json!({"kind": "Group", "name": "owners"}),
        json!({"kind": "ServiceAccount", "namespace": "default", "name": "robot"}),
    ] {
        harness.bind("one", "cluster-admin", subject).await;
    }
    (harness, robot)
}

async fn acting(harness: &Harness, token: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    let bearer = format!("Bearer {token}");
    let mut all = vec![("authorization", bearer.as_str()), ("impersonate-user", "somebody")];
    all.extend(headers);
    harness.send("GET", path, &all, &Value::Null).await
}

#[tokio::test]
async fn advisory_global_groups_are_impersonated_by_nobody_who_does_not_hold_them() {
    let (harness, robot) = furnished().await;
    for token in ["bob", &robot, "kcp-admin"] {
        // What is refused below is not refused for another reason.
        acting(&harness, token, CONFIG_MAPS, &[("impersonate-group", "owners")]).await.expect(200);
        for group in GLOBAL {
            let warrant = json!({"user": "x", "groups": [group]}).to_string();
            let nested = json!({"user": "x", "extra": {"authorization.kcp.io/warrant": [warrant]}}).to_string();
            let (plain, here) = (("impersonate-group", group), (SCOPES, "cluster:one"));
            let owners = ("impersonate-group", "owners");
            let by_group: &[&[(&str, &str)]] = &[
                &[plain],
                &[owners, plain],
                &[plain, owners],
                &[("Impersonate-Group", group), ("impersonate-uid", "7")],
                &[plain, here],
                &[plain, (SCOPES, "cluster:one,cluster:two")],
                &[plain, here, (SCOPES, "cluster:two")],
            ];
            let by_warrant: &[&[(&str, &str)]] = &[
                &[owners, (WARRANT, &warrant)],
                &[owners, ("impersonate-extra-authorization.kcp.io%2fwarrant", &warrant)],
                &[owners, (WARRANT, &nested)],
                &[owners, (WARRANT, "{"), (WARRANT, &warrant)],
                &[owners, here, (WARRANT, &warrant)],
            ];
            let holds = token == "kcp-admin" && group == "system:kcp:admin";
            for headers in by_group.iter().filter(|_| !holds).chain(by_warrant) {
                let answer = acting(&harness, token, CONFIG_MAPS, headers).await.expect(403);
                assert_eq!(answer.message(), REFUSED, "{headers:?}");
            }
        }
    }
}

#[tokio::test]
async fn advisory_who_comes_from_another_cluster_is_impersonated_by_nobody() {
    let (harness, robot) = furnished().await;
    let origin = "Impersonate-Extra-Authentication.kcp.io%2Fcluster-name";
    for token in ["bob", &robot, "kcp-admin"] {
        for headers in [&[(origin, "two")][..], &[(origin, "one"), (origin, "two")], &[(origin, "")]] {
            let answer = acting(&harness, token, CONFIG_MAPS, headers).await.expect(403);
            assert_eq!(answer.message(), REFUSED, "{headers:?}");
        }
    }
}

#[tokio::test]
async fn advisory_an_impersonated_identity_is_good_in_its_cluster_alone() {
    let (harness, _) = furnished().await;
    let scopes = async |token: &str, more: &[(&str, &str)]| {
        let bearer = format!("Bearer {token}");
        let group = ("impersonate-group", "owners");
        let mut headers = vec![("authorization", bearer.as_str()), ("impersonate-user", "somebody"), group];
        headers.extend(more);
        let review = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"});
        let answer = harness.send("POST", WHO, &headers, &review).await;
        (answer.code, answer.body["status"]["userInfo"]["extra"]["authentication.kcp.io/scopes"].clone())
    };
    for token in ["bob", "kcp-admin"] {
        assert_eq!(scopes(token, &[]).await, (201, json!(["cluster:one"])), "{token}");
        let narrowed = (201, json!(["cluster:one,cluster:two", "cluster:one"]));
        assert_eq!(scopes(token, &[(SCOPES, "cluster:one,cluster:two")]).await, narrowed, "{token}");
        // Scopes of elsewhere are added to, never taken for leave: the identity is nobody here.
        assert_eq!(scopes(token, &[(SCOPES, "cluster:two")]).await.0, 403, "{token}");
    }
    assert_eq!(scopes("admin", &[]).await, (201, Value::Null));
}

#[tokio::test]
async fn advisory_nobody_impersonates_without_a_credential_whatever_rules_say() {
    let (harness, _) = furnished().await;
    harness.bind("one", "cluster-admin", json!({"kind": "Group", "name": "system:unauthenticated"})).await;
    harness.send("GET", CONFIG_MAPS, &[], &Value::Null).await.expect(200);
    for more in [&[][..], &[("impersonate-group", "owners")], &[("impersonate-group", "system:unauthenticated")]] {
        let mut headers = vec![("impersonate-user", "bob")];
        headers.extend(more);
        let answer = harness.send("GET", CONFIG_MAPS, &headers, &Value::Null).await.expect(403);
        assert_eq!(answer.message(), REFUSED, "{more:?}");
    }
}

#[tokio::test]
async fn advisory_each_part_of_an_identity_is_asked_for() {
    let (harness, _) = furnished().await;
    let rules = json!([{"apiGroups": [""], "resources": ["users"], "verbs": ["impersonate"]}]);
    let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "actor"},
        "rules": rules});
    harness.post("admin", &format!("/clusters/one{RBAC}/clusterroles"), role).await.expect(201);
    harness.admit("one", json!({"kind": "User", "name": "alice"})).await;
    harness.bind("one", "actor", json!({"kind": "User", "name": "alice"})).await;
    harness.bind("one", "cluster-admin", json!({"kind": "User", "name": "somebody"})).await;
    acting(&harness, "alice", CONFIG_MAPS, &[]).await.expect(200);
    for (part, resource) in [
        (("impersonate-group", "owners"), "groups"),
        (("impersonate-uid", "7"), "uids"),
        ((SCOPES, "cluster:one"), "userextras/authentication.kcp.io/scopes"),
        (("impersonate-extra-more", "x"), "userextras/more"),
    ] {
        let answer = acting(&harness, "alice", CONFIG_MAPS, &[part]).await.expect(403);
        let text = format!(r#"cannot impersonate resource "{resource}""#);
        let constrained = r#"cannot impersonate-on:user-info:list resource "configmaps""#;
        let message = answer.message();
        assert!(message.contains(&text) || message.contains(constrained), "{part:?}: {message}");
    }
}

/// Every path that answers in no cluster or in one, and what other servers are known to have beside the API; each with the
/// prefixes that it is asked for with.
async fn paths(harness: &Harness) -> Vec<(&'static str, String)> {
    let listed = harness.get("admin", "/clusters/one/").await.expect(200).body;
    let listed = listed["paths"].as_array().expect("paths").iter().filter_map(Value::as_str);
    let beside = [
        "/",
        "/services/",
        "/services/x",
        "/services/cache/shards/root/clusters/one/api/v1/secrets",
        "/services/apiexport/one/x/clusters/*/api",
        "/metrics",
        "/metrics/slis",
        "/debug/pprof/",
        "/debug/flags/v",
        "/debug/api_priority_and_fairness/dump_queues",
        "/configz",
        "/statusz",
        "/flagz",
        "/logs/",
        "/ui",
        "/nowhere",
        "/api/v1/secrets",
    ];
    let prefixes = ["", "/clusters/one", "/clusters/*", "/clusters/none", "/clusters/root:none"];
    let asked = |path: &str| prefixes.map(|prefix| (prefix, path.to_owned()));
    listed.chain(beside).flat_map(asked).collect()
}

#[tokio::test]
async fn advisory_nothing_answers_those_whose_credential_does_not_hold() {
    for anonymous in [true, false] {
        let harness = Harness::with(anonymous).await;
        harness.account("one", "robot").await;
        for (prefix, path) in paths(&harness).await {
            harness.get("nobody-knows-it", &format!("{prefix}{path}")).await.expect(401);
            let code = harness.get("", &format!("{prefix}{path}")).await.code;
            assert_eq!(code == 401, !anonymous, "{prefix}{path}: {code}");
        }
    }
    // Nothing stands before the step that finds out who calls, but those that say what is called.
    let names: Vec<&str> = CHAIN.iter().map(|step| step.name).collect();
    assert_eq!(names[..3], ["cluster::resolve", "request_info::parse", "authn::identify"]);
}

#[tokio::test]
async fn advisory_nobody_in_particular_reads_nothing_of_the_inside() {
    let (harness, _) = furnished().await;
    for (prefix, path) in paths(&harness).await {
        let answer = harness.get("", &format!("{prefix}{path}")).await;
        // What stands behind the bridge brings an authorizer of its own, and is told that nobody calls.
        if path.starts_with("/services/") {
            assert_eq!(answer.expect(200).body["user"], "system:anonymous", "{prefix}{path}");
            continue;
        }
        let expected = match path.as_str() {
            "/healthz" | "/livez" | "/readyz" => 200,
            "/version" if prefix.is_empty() => 200,
            "/metrics" if !prefix.is_empty() => 501,
            _ => 403,
        };
        assert_eq!(answer.code, expected, "{prefix}{path}: {}", answer.body);
    }
    for token in ["bob", "alice"] {
        harness.get(token, "/metrics").await.expect(403);
    }
}

#[tokio::test]
async fn advisory_headers_say_nothing_of_who_calls_and_reach_no_application() {
    let (harness, robot) = furnished().await;
    let claims = [
        ("X-Remote-User", "admin"),
        ("x-remote-group", "system:masters"),
        ("X-Remote-Group", "system:kcp:admin"),
        ("x-remote-extra-authorization.kcp.io%2fwarrant", r#"{"user":"admin","groups":["system:masters"]}"#),
        ("x-remote-uid", "admin-uid"),
    ];
    let embedded = || Peer {
        in_process: Some(Arc::new(UserInfo { name: "bob".into(), ..UserInfo::default() })),
        ..Peer::default()
    };
    let bearer = |token: &str| format!("Bearer {token}");
    for path in ["/services/x", "/services/cache/shards/root/clusters/one/api", "/clusters/one/services/x"] {
        // The account is shown where its cluster is meant or none.
        for (token, user) in [("", "system:anonymous"), ("bob", "bob"), (&robot, "system:serviceaccount:default:robot")]
        {
            let header = bearer(token);
            let mut headers = claims.to_vec();
            if !token.is_empty() {
                headers.push(("authorization", &header));
            }
            let seen = harness.send("GET", path, &headers, &Value::Null).await.expect(200).body;
            assert_eq!((&seen["user"], &seen["headers"]), (&json!(user), &json!([])), "{path}");
            assert!(!seen["groups"].to_string().contains("system:masters"), "{path}: {seen}");
        }
        // Who acts as somebody else is that one behind the bridge, and nothing tells how it came to be.
        let header = bearer("admin");
        let mut headers = claims.to_vec();
        headers.extend([
            ("authorization", header.as_str()),
            ("impersonate-user", "alice"),
            ("impersonate-group", "owners"),
            ("impersonate-uid", "7"),
            (SCOPES, "cluster:one"),
        ]);
        let seen = harness.send("GET", path, &headers, &Value::Null).await.expect(200).body;
        assert_eq!((&seen["user"], &seen["headers"]), (&json!("alice"), &json!([])), "{path}");
        // Who runs the server in his own process and passes a client's headers on says himself who that is.
        let mut headers = claims.to_vec();
        headers.push(("authorization", &header));
        let seen = harness.send_from(embedded(), "GET", path, &headers, &Value::Null).await.expect(200).body;
        assert_eq!((&seen["user"], &seen["headers"]), (&json!("bob"), &json!([])), "{path}");
    }
    for (token, code) in [("", 403), ("alice", 403), ("bob", 200)] {
        let header = bearer(token);
        let mut headers = claims.to_vec();
        if !token.is_empty() {
            headers.push(("authorization", &header));
        }
        harness.send("GET", CONFIG_MAPS, &headers, &Value::Null).await.expect(code);
    }
}
