//! What somebody may do in one logical cluster says nothing about another, and a right taken back is gone at once.

use crate::harness::{Harness, RBAC};
use kcp_apiserver::codec;
use kcp_apiserver::tenancy::WORKSPACES;
use kcp_storage::{Batch, Expect, Key, Op, Value as Stored};
use serde_json::{Value, json};

const V1: &str = "rbac.authorization.k8s.io/v1";
const CONFIG_MAPS: &str = "/api/v1/namespaces/default/configmaps";

async fn make(harness: &Harness, cluster: &str) {
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "made"}});
    harness.post("admin", &format!("/clusters/{cluster}{CONFIG_MAPS}"), map).await.expect(201);
}

#[tokio::test]
async fn a_binding_counts_in_its_own_cluster_and_not_after_its_end() {
    let harness = Harness::new().await;
    make(&harness, "one").await;
    make(&harness, "two").await;
    let bindings = format!("/clusters/one{RBAC}/clusterrolebindings");
    harness.admit("one", json!({"kind": "User", "name": "bob"})).await;
    for _ in 0..20 {
        harness.get("bob", &format!("/clusters/one{CONFIG_MAPS}")).await.expect(403);
        let binding = json!({"apiVersion": V1, "kind": "ClusterRoleBinding", "metadata": {"name": "b"},
            "roleRef": {"kind": "ClusterRole", "name": "view"}, "subjects": [{"kind": "User", "name": "bob"}]});
        harness.post("admin", &bindings, binding).await.expect(201);
        harness.get("bob", &format!("/clusters/one{CONFIG_MAPS}")).await.expect(200);
        harness.get("bob", &format!("/clusters/two{CONFIG_MAPS}")).await.expect(403);
        harness.get("alice", &format!("/clusters/one{CONFIG_MAPS}")).await.expect(403);
        harness.call("admin", "DELETE", &format!("{bindings}/b"), Value::Null).await.expect(200);
    }
}

#[tokio::test]
async fn a_role_narrowed_is_narrow_at_once() {
    let harness = Harness::new().await;
    make(&harness, "one").await;
    let roles = format!("/clusters/one{RBAC}/namespaces/default/roles");
    let role = |verbs: Value| {
        json!({"apiVersion": V1, "kind": "Role", "metadata": {"name": "r"},
            "rules": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": verbs}]})
    };
    harness.post("admin", &roles, role(json!(["get", "list"]))).await.expect(201);
    let binding = json!({"apiVersion": V1, "kind": "RoleBinding", "metadata": {"name": "b"},
        "roleRef": {"kind": "Role", "name": "r"}, "subjects": [{"kind": "Group", "name": "developers"}]});
    harness.post("admin", &format!("/clusters/one{RBAC}/namespaces/default/rolebindings"), binding).await.expect(201);
    harness.get("alice", &format!("/clusters/one{CONFIG_MAPS}")).await.expect(403);
    harness.admit("one", json!({"kind": "Group", "name": "developers"})).await;
    harness.get("alice", &format!("/clusters/one{CONFIG_MAPS}")).await.expect(200);
    harness.get("alice", "/clusters/one/api/v1/configmaps").await.expect(403);
    harness.call("admin", "PUT", &format!("{roles}/r"), role(json!(["get"]))).await.expect(200);
    harness.get("alice", &format!("/clusters/one{CONFIG_MAPS}")).await.expect(403);
    harness.get("alice", &format!("/clusters/one{CONFIG_MAPS}/made")).await.expect(200);
    harness.call("admin", "DELETE", &format!("{roles}/r"), Value::Null).await.expect(200);
    let answer = harness.get("alice", &format!("/clusters/one{CONFIG_MAPS}/made")).await.expect(403);
    let reason = r#"rbac: RBAC: role.rbac.authorization.k8s.io "r" not found"#;
    assert!(answer.message().ends_with(reason), "{}", answer.body);
}

/// What an update would hand on is asked before its revision is looked at, of the object as it was sent.
#[tokio::test]
async fn who_may_not_hand_on_a_right_is_told_so_before_a_conflict() {
    let harness = Harness::new().await;
    let roles = format!("/clusters/one{RBAC}/namespaces/default/roles");
    let role = |name: &str, group: &str, resource: &str| {
        json!({"apiVersion": V1, "kind": "Role", "metadata": {"name": name},
            "rules": [{"apiGroups": [group], "resources": [resource], "verbs": ["get", "update"]}]})
    };
    harness.post("admin", &roles, role("editor", "rbac.authorization.k8s.io", "roles")).await.expect(201);
    let binding = json!({"apiVersion": V1, "kind": "RoleBinding", "metadata": {"name": "b"},
        "roleRef": {"kind": "Role", "name": "editor"}, "subjects": [{"kind": "User", "name": "bob"}]});
    harness.post("admin", &format!("/clusters/one{RBAC}/namespaces/default/rolebindings"), binding).await.expect(201);
    harness.admit("one", json!({"kind": "User", "name": "bob"})).await;
    let made = harness.post("admin", &roles, role("r", "", "secrets")).await.expect(201).body;
    let path = format!("{roles}/r");
    let sent = |field: &str, value: Value| {
        let mut sent = made.clone();
        sent["metadata"][field] = value;
        sent
    };
    let update = async |sent: Value| harness.call("bob", "PUT", &path, sent).await;
    // What only frees the object for its end hands nothing on.
    update(made.clone()).await.expect(200);
    update(sent("managedFields", json!([]))).await.expect(200);
    for (field, value) in [
        ("resourceVersion", json!("1")),
        ("resourceVersion", Value::Null),
        ("creationTimestamp", Value::Null),
        ("labels", json!({"a": "b"})),
    ] {
        let refused = update(sent(field, value)).await.expect(403);
        assert!(refused.message().contains("is attempting to grant RBAC permissions not currently held"), "{field}");
    }
    let other = update(sent("uid", json!("11111111-2222-4333-8444-555555555555"))).await.expect(409);
    assert!(other.message().contains("UID in precondition"), "{}", other.message());
    // A role that aggregates is judged by the rules that were sent.
    let broken = json!({"apiVersion": V1, "kind": "ClusterRole", "metadata": {"name": "c"}, "rules": [{"verbs": ["get"]}],
        "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"a": "b"}}]}});
    let path = format!("/clusters/one{RBAC}/clusterroles");
    let refused = harness.post("admin", &path, broken).await.expect(422);
    assert!(refused.message().contains("rules[0].apiGroups: Required value"), "{}", refused.message());
}

#[tokio::test]
async fn a_cluster_role_narrowed_is_narrow_at_once() {
    let harness = Harness::new().await;
    make(&harness, "one").await;
    harness.admit("one", json!({"kind": "User", "name": "alice"})).await;
    let (roles, path) = (format!("/clusters/one{RBAC}/clusterroles"), format!("/clusters/one{CONFIG_MAPS}"));
    let role = |verbs: Value| {
        json!({"apiVersion": V1, "kind": "ClusterRole", "metadata": {"name": "r"},
            "rules": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": verbs}]})
    };
    harness.post("admin", &roles, role(json!(["get", "list"]))).await.expect(201);
    harness.get("alice", &path).await.expect(403);
    let bindings = format!("/clusters/one{RBAC}/namespaces/default/rolebindings");
    let binding = json!({"apiVersion": V1, "kind": "RoleBinding", "metadata": {"name": "b"},
        "roleRef": {"kind": "ClusterRole", "name": "r"}, "subjects": [{"kind": "User", "name": "alice"}]});
    harness.post("admin", &bindings, binding).await.expect(201);
    harness.get("alice", &path).await.expect(200);
    harness.call("admin", "PUT", &format!("{roles}/r"), role(json!(["get"]))).await.expect(200);
    harness.get("alice", &path).await.expect(403);
    harness.get("alice", &format!("{path}/made")).await.expect(200);
    harness.call("admin", "DELETE", &format!("{bindings}/b"), Value::Null).await.expect(200);
    harness.get("alice", &format!("{path}/made")).await.expect(403);
}

#[tokio::test]
async fn view_takes_in_roles_that_are_labelled_for_it() {
    let harness = Harness::new().await;
    make(&harness, "one").await;
    harness.admit("one", json!({"kind": "User", "name": "bob"})).await;
    harness.bind("one", "view", json!({"kind": "User", "name": "bob"})).await;
    let path = "/clusters/one/apis/coordination.k8s.io/v1/namespaces/default/leases";
    harness.get("bob", path).await.expect(403);
    let role = json!({"apiVersion": V1, "kind": "ClusterRole",
        "metadata": {"name": "leases", "labels": {"rbac.authorization.k8s.io/aggregate-to-view": "true"}},
        "rules": [{"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["list"]}]});
    harness.post("admin", &format!("/clusters/one{RBAC}/clusterroles"), role).await.expect(201);
    harness.get("bob", path).await.expect(200);
    make(&harness, "two").await;
    harness.admit("two", json!({"kind": "User", "name": "bob"})).await;
    harness.bind("two", "view", json!({"kind": "User", "name": "bob"})).await;
    harness.get("bob", &path.replace("/one/", "/two/")).await.expect(403);
}

#[tokio::test]
async fn a_tenants_role_does_not_stand_in_for_a_bootstrap_role() {
    let harness = Harness::new().await;
    make(&harness, "one").await;
    let role = json!({"apiVersion": V1, "kind": "ClusterRole", "metadata": {"name": "cluster-admin"}, "rules": []});
    harness.post("admin", &format!("/clusters/one{RBAC}/clusterroles"), role).await.expect(201);
    // Administrators are bound to the bootstrap role of that name and keep what it grants.
    harness.get("kcp-admin", &format!("/clusters/one{CONFIG_MAPS}")).await.expect(200);
    // The tenant's own bindings mean the tenant's own role.
    harness.bind("one", "cluster-admin", json!({"kind": "User", "name": "bob"})).await;
    harness.get("bob", &format!("/clusters/one{CONFIG_MAPS}")).await.expect(403);
}

#[tokio::test]
async fn what_does_not_exist_is_forbidden_to_those_who_may_not_know() {
    let harness = Harness::new().await;
    make(&harness, "one").await;
    for path in ["/clusters/none/api/v1/namespaces", "/clusters/root:a:b/api/v1/namespaces", "/clusters/none/api"] {
        for token in ["", "alice"] {
            let answer = harness.get(token, path).await.expect(403);
            assert!(answer.message().ends_with(": access denied"), "{path}: {}", answer.body);
        }
    }
    for token in ["admin", "kcp-admin"] {
        harness.get(token, "/clusters/none/api/v1/namespaces").await.expect(200);
        let answer = harness.get(token, "/clusters/root:a:b/api/v1/namespaces").await.expect(404);
        assert_eq!(answer.message(), r#"workspaces.tenancy.kcp.io "root:a:b" not found"#);
    }
    harness.get("kcp-admin", &format!("/clusters/system:admin{RBAC}/clusterroles")).await.expect(403);
    harness.get("admin", &format!("/clusters/system:admin{RBAC}/clusterroles/cluster-admin")).await.expect(200);
    // 403 before 404: a user without rights learns nothing of what there is.
    harness.get("alice", "/clusters/one/api/v1/namespaces/default/nopes/x").await.expect(403);
}

#[tokio::test]
async fn all_clusters_at_once_are_for_administrators_to_list() {
    let harness = Harness::new().await;
    make(&harness, "one").await;
    harness.get("alice", "/clusters/*/api/v1/configmaps").await.expect(403);
    harness.get("admin", "/clusters/*/api/v1/configmaps").await.expect(200);
    harness.get("kcp-admin", "/clusters/*/api/v1/configmaps").await.expect(200);
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}});
    let answer = harness.post("kcp-admin", &format!("/clusters/*{CONFIG_MAPS}"), map.clone()).await.expect(405);
    let message = r#"create is not supported on resources of kind "configmaps" in the `*` logical cluster"#;
    assert_eq!(answer.message(), message);
    harness.post("alice", &format!("/clusters/*{CONFIG_MAPS}"), map).await.expect(403);
}

#[tokio::test]
async fn paths_of_the_server_itself_need_no_logical_cluster() {
    let harness = Harness::new().await;
    for path in ["/healthz", "/readyz", "/livez", "/version"] {
        for token in ["", "alice", "kcp-admin", "admin"] {
            harness.get(token, path).await.expect(200);
        }
    }
    harness.get("alice", "/metrics").await.expect(403);
    harness.get("alice", "/nothing").await.expect(403);
}

#[tokio::test]
async fn impersonation_stays_within_what_the_caller_may_hand_on() {
    let harness = Harness::new().await;
    make(&harness, "one").await;
    make(&harness, "two").await;
    let rules = json!([{"apiGroups": [""], "resources": ["users", "groups"], "verbs": ["impersonate"]}]);
    let role = json!({"apiVersion": V1, "kind": "ClusterRole", "metadata": {"name": "actor"}, "rules": rules});
    harness.post("admin", &format!("/clusters/one{RBAC}/clusterroles"), role).await.expect(201);
    harness.admit("one", json!({"kind": "User", "name": "bob"})).await;
    harness.admit("one", json!({"kind": "User", "name": "alice"})).await;
    harness.bind("one", "actor", json!({"kind": "User", "name": "alice"})).await;
    harness.bind("one", "view", json!({"kind": "User", "name": "bob"})).await;
    let path = format!("/clusters/one{CONFIG_MAPS}");
    let call = async |token: &str, path: &str, extra: &[(&str, &str)]| {
        let bearer = format!("Bearer {token}");
        let mut headers = vec![("authorization", bearer.as_str())];
        headers.extend(extra);
        harness.send("GET", path, &headers, &Value::Null).await
    };
    call("alice", &path, &[]).await.expect(403);
    call("alice", &path, &[("impersonate-user", "bob")]).await.expect(200);
    call("alice", &format!("/clusters/two{CONFIG_MAPS}"), &[("impersonate-user", "bob")]).await.expect(403);
    call("bob", &path, &[("impersonate-user", "alice")]).await.expect(403);
    for group in ["system:masters", "system:kcp:admin", "system:kcp:logical-cluster-admin"] {
        let headers = [("impersonate-user", "bob"), ("impersonate-group", group)];
        let answer = call("alice", &path, &headers).await.expect(403);
        assert_eq!(answer.message(), "impersonation is not allowed for the requestor");
        call("kcp-admin", &path, &headers).await.expect(if group == "system:kcp:admin" { 200 } else { 403 });
        call("admin", &path, &headers).await.expect(200);
    }
    let anonymous = [("impersonate-user", "admin")];
    harness.send("GET", &path, &anonymous, &Value::Null).await.expect(403);
}

#[tokio::test]
async fn a_workspace_that_is_unavailable_says_so_to_those_who_may_enter() {
    let harness = Harness::new().await;
    make(&harness, "one").await;
    let workspace = json!({"metadata": {"name": "x"}, "spec": {"cluster": "one"}, "status": {"phase": "Unavailable"}});
    let key = Key::new(WORKSPACES, "root", "", "one");
    let stored = Stored::new(codec::encode(&workspace, 0));
    harness.server.store.commit(Batch::of(vec![Op::put(key, Expect::Absent, stored)])).await.expect("written");
    harness.admit("one", json!({"kind": "User", "name": "bob"})).await;
    for path in ["/clusters/root:one/api/v1/namespaces", "/clusters/root:one/apis"] {
        assert_eq!(harness.get("bob", path).await.expect(503).message(), "Not available.");
        let answer = harness.get("alice", path).await.expect(403);
        assert!(answer.message().ends_with(": access denied"), "{}", answer.body);
    }
}

#[tokio::test]
async fn an_update_or_apply_that_creates_takes_the_verb_create_too() {
    let harness = Harness::new().await;
    make(&harness, "one").await;
    let rules =
        json!([{"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["update", "patch", "get"]}]);
    let role = json!({"apiVersion": V1, "kind": "ClusterRole", "metadata": {"name": "keeper"}, "rules": rules});
    harness.post("admin", &format!("/clusters/one{RBAC}/clusterroles"), role).await.expect(201);
    harness.admit("one", json!({"kind": "User", "name": "bob"})).await;
    harness.bind("one", "keeper", json!({"kind": "User", "name": "bob"})).await;
    let path = "/clusters/one/apis/coordination.k8s.io/v1/namespaces/default/leases/x";
    let lease = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "x"}, "spec": {}});
    let refused = harness.call("bob", "PUT", path, lease.clone()).await.expect(403);
    assert!(refused.message().contains(r#"cannot create resource "leases""#), "{}", refused.body);
    let headers = [("authorization", "Bearer bob"), ("content-type", "application/apply-patch+yaml")];
    let refused = harness.send("PATCH", &format!("{path}?fieldManager=m"), &headers, &lease).await.expect(403);
    assert!(refused.message().contains(r#"cannot create resource "leases""#), "{}", refused.body);
    let made = harness.call("admin", "PUT", path, lease).await.expect(201);
    harness.call("bob", "PUT", path, made.body).await.expect(200);
}

#[tokio::test]
async fn nobody_in_particular_has_a_home_wherever_he_may_enter() {
    let harness = Harness::new().await;
    let path = "/clusters/root/apis/tenancy.kcp.io/v1alpha1/workspaces/~";
    harness.get("", path).await.expect(403);
    harness.bind("root", "cluster-admin", json!({"kind": "Group", "name": "system:unauthenticated"})).await;
    let answer = harness.get("", path).await.expect(403);
    assert!(answer.message().contains("only authenticated users have a home"), "{}", answer.body);
}
