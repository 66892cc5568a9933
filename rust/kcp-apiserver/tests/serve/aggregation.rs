//! Rules of aggregated cluster roles are read as they were written: kube-api 6.7.5.

use crate::harness::Harness;
use serde_json::{Value, json};

const ROLES: &str = "/apis/rbac.authorization.k8s.io/v1/clusterroles";

fn role(name: &str, labels: Value, verbs: &[&str]) -> Value {
    let rules: Vec<Value> =
        verbs.iter().map(|verb| json!({"apiGroups": [""], "resources": ["pods"], "verbs": [verb]})).collect();
    json!({"metadata": {"name": name, "labels": labels}, "rules": rules})
}

fn aggregate(name: &str, labels: Value, selects: Value) -> Value {
    json!({"metadata": {"name": name, "labels": labels}, "rules": [],
        "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": selects}]}})
}

async fn verbs(kcp: &Harness, name: &str) -> Vec<String> {
    let role = kcp.get(&format!("{ROLES}/{name}")).await.body;
    let rules = role["rules"].as_array().cloned().unwrap_or_default();
    rules.iter().map(|rule| rule["verbs"][0].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn rules_follow_the_roles_that_are_selected() {
    let kcp = Harness::new("one");
    assert_eq!(kcp.post(ROLES, &role("b", json!({"to": "all"}), &["get", "list"])).await.code, 201);
    let created = kcp.post(ROLES, &aggregate("all", json!({}), json!({"to": "all"}))).await;
    assert_eq!(created.body["rules"].as_array().map(Vec::len), Some(2), "{}", created.text);
    assert_eq!(kcp.post(ROLES, &role("a", json!({"to": "all"}), &["watch", "get"])).await.code, 201);
    // In the order of names, each once.
    assert_eq!(verbs(&kcp, "all").await, ["watch", "get", "list"]);
    assert_eq!(kcp.post(ROLES, &role("c", json!({"to": "other"}), &["delete"])).await.code, 201);
    assert_eq!(verbs(&kcp, "all").await, ["watch", "get", "list"]);
    kcp.merge(&format!("{ROLES}/c"), &json!({"metadata": {"labels": {"to": "all"}}})).await;
    assert_eq!(verbs(&kcp, "all").await, ["watch", "get", "list", "delete"]);
    kcp.merge(&format!("{ROLES}/a"), &json!({"metadata": {"labels": {"to": null}}})).await;
    assert_eq!(verbs(&kcp, "all").await, ["get", "list", "delete"]);
    kcp.delete(&format!("{ROLES}/b")).await;
    assert_eq!(verbs(&kcp, "all").await, ["delete"]);
    // Whoever writes rules into such a role writes them in vain.
    let forced = kcp.merge(&format!("{ROLES}/all"), &json!({"rules": []})).await;
    assert_eq!(forced.body["rules"].as_array().map(Vec::len), Some(1));
    kcp.delete(&format!("{ROLES}/c")).await;
    let bare = kcp.get(&format!("{ROLES}/all")).await;
    assert_eq!(bare.body["rules"], Value::Null);
}

#[tokio::test]
async fn roles_of_roles_follow_as_well_and_other_clusters_do_not() {
    let kcp = Harness::new("one");
    let other = kcp.in_cluster("two");
    for kcp in [&kcp, &other] {
        assert_eq!(kcp.post(ROLES, &aggregate("top", json!({}), json!({"to": "top"}))).await.code, 201);
        assert_eq!(kcp.post(ROLES, &aggregate("mid", json!({"to": "top"}), json!({"to": "mid"}))).await.code, 201);
    }
    assert_eq!(kcp.post(ROLES, &role("leaf", json!({"to": "mid"}), &["get"])).await.code, 201);
    assert_eq!(verbs(&kcp, "mid").await, ["get"]);
    assert_eq!(verbs(&kcp, "top").await, ["get"]);
    assert_eq!(verbs(&other, "top").await, Vec::<String>::new());
}

#[tokio::test]
async fn a_write_that_changes_nothing_changes_no_role() {
    let kcp = Harness::new("one");
    kcp.post(ROLES, &role("leaf", json!({"to": "all"}), &["get"])).await;
    kcp.post(ROLES, &aggregate("all", json!({}), json!({"to": "all"}))).await;
    let before = kcp.get(ROLES).await.body["metadata"]["resourceVersion"].clone();
    for (name, patch) in
        [("all", json!({"metadata": {"name": "all"}})), ("leaf", json!({"metadata": {"labels": {"to": "all"}}}))]
    {
        assert_eq!(kcp.merge(&format!("{ROLES}/{name}"), &patch).await.code, 200);
    }
    assert_eq!(kcp.get(ROLES).await.body["metadata"]["resourceVersion"], before);
}

#[tokio::test]
async fn many_roles_of_one_aggregate_are_written_side_by_side() {
    let kcp = Harness::new("one");
    assert_eq!(kcp.post(ROLES, &aggregate("all", json!({}), json!({"to": "all"}))).await.code, 201);
    let verb = |number: usize| format!("verb{number:02}");
    let writes = (0..40).map(|number| {
        let kcp = &kcp;
        async move { kcp.post(ROLES, &role(&verb(number), json!({"to": "all"}), &[&verb(number)])).await.code }
    });
    assert_eq!(futures_util::future::join_all(writes).await, [201; 40]);
    let wanted: Vec<String> = (0..40).map(verb).collect();
    assert_eq!(verbs(&kcp, "all").await, wanted);
    let deleted = kcp.delete(&format!("{ROLES}?labelSelector=to%3Dall")).await;
    assert_eq!(deleted.code, 200, "{}", deleted.text);
    assert_eq!(verbs(&kcp, "all").await, Vec::<String>::new());
}

#[tokio::test]
async fn a_role_that_a_finalizer_held_leaves_its_aggregate_when_it_is_let_go() {
    let kcp = Harness::new("one");
    let mut leaf = role("leaf", json!({"to": "all"}), &["get"]);
    leaf["metadata"]["finalizers"] = json!(["example.com/x"]);
    assert_eq!(kcp.post(ROLES, &leaf).await.code, 201);
    assert_eq!(kcp.post(ROLES, &aggregate("all", json!({}), json!({"to": "all"}))).await.code, 201);
    kcp.delete(&format!("{ROLES}/leaf")).await;
    assert_eq!(verbs(&kcp, "all").await, ["get"]);
    assert_eq!(kcp.merge(&format!("{ROLES}/leaf"), &json!({"metadata": {"finalizers": null}})).await.code, 200);
    assert_eq!(verbs(&kcp, "all").await, Vec::<String>::new());
}

/// Managers of a role, each with its operation and whether the rules are its own.
async fn managers(kcp: &Harness, name: &str) -> Vec<(String, String, bool)> {
    let role = kcp.get(&format!("{ROLES}/{name}")).await.body;
    let entries = role["metadata"]["managedFields"].as_array().cloned().unwrap_or_default();
    let of = |entry: &Value, field: &str| entry[field].as_str().unwrap_or_default().to_owned();
    let has_rules = |entry: &Value| entry["fieldsV1"].get("f:rules").is_some();
    entries.iter().map(|entry| (of(entry, "manager"), of(entry, "operation"), has_rules(entry))).collect()
}

#[tokio::test]
async fn aggregated_rules_belong_to_the_controller_that_fills_them_in() {
    let kcp = Harness::new("one");
    let controller = ("clusterrole-aggregation-controller".to_owned(), "Apply".to_owned(), true);
    let writer = |rules: bool| ("me".to_owned(), "Update".to_owned(), rules);
    let path = format!("{ROLES}?fieldManager=me");
    kcp.post(&path, &role("leaf", json!({"to": "all"}), &["get"])).await;
    // By the write of the role itself, which loses the rules it came with…
    let mut all = aggregate("all", json!({}), json!({"to": "all"}));
    all["rules"] = json!([{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}]);
    let created = kcp.post(&path, &all).await;
    assert_eq!(created.body["rules"][0]["resources"], json!(["pods"]));
    assert_eq!(managers(&kcp, "all").await, [controller.clone(), writer(false)]);
    // …and by the write of a role it selects.
    kcp.post(&path, &aggregate("later", json!({}), json!({"to": "later"}))).await;
    assert_eq!(managers(&kcp, "later").await, [writer(true)]);
    kcp.post(&path, &role("new", json!({"to": "later"}), &["get"])).await;
    assert_eq!(managers(&kcp, "later").await, [controller.clone(), writer(false)]);
    // Whoever writes the same rules back takes nothing over, and a write about something else changes no revision more.
    let stored = kcp.get(&format!("{ROLES}/later")).await.body;
    let again =
        kcp.send("PUT", &format!("{ROLES}/later?fieldManager=you"), "application/json", stored.to_string()).await;
    assert_eq!(again.body, stored);
    // A rule written by hand is written over, and again belongs to the controller alone.
    kcp.merge(&format!("{ROLES}/later?fieldManager=you"), &json!({"rules": []})).await;
    assert_eq!(managers(&kcp, "later").await, [controller, writer(false)]);
    kcp.delete(&format!("{ROLES}/new")).await;
    assert_eq!(managers(&kcp, "later").await, [writer(false)]);
}

#[tokio::test]
async fn a_local_role_that_aggregates_to_view_shows_in_a_local_aggregate_of_the_same_label() {
    let kcp = Harness::new("one");
    let label = "rbac.authorization.k8s.io/aggregate-to-view";
    kcp.post(ROLES, &role("cowboys", json!({label: "true"}), &["get", "list"])).await;
    assert_eq!(kcp.post(ROLES, &aggregate("view", json!({}), json!({label: "true"}))).await.code, 201);
    assert_eq!(verbs(&kcp, "view").await, ["get", "list"]);
    let listed = kcp.get(ROLES).await.body;
    let view = listed["items"].as_array().unwrap().iter().find(|role| role["metadata"]["name"] == "view").unwrap();
    assert_eq!(view["rules"].as_array().map(Vec::len), Some(2));
}
