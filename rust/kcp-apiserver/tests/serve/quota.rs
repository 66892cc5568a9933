//! Limits of logical clusters and their subtrees.

use crate::harness::{Answer, Harness, MAPS, config_map};
use kcp_apiserver::birth;
use kcp_apiserver::tenancy::row::Draft;
use kcp_storage::Batch;
use serde_json::{Value, json};

const ROW: &str = "/apis/core.kcp.io/v1alpha1/logicalclusters/cluster";
const BINDINGS: &str = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings";

async fn annotate(admin: &Harness, key: &str, value: Value) -> Answer {
    let patch = json!({"metadata": {"annotations": {key: value}}}).to_string();
    admin.send("PATCH", ROW, "application/merge-patch+json", patch).await
}

async fn create(admin: &Harness, name: &str) -> Answer {
    admin.post(MAPS, &config_map(name, json!({}))).await
}

#[tokio::test]
async fn a_full_cluster_refuses_creates_until_something_is_deleted() {
    let admin = Harness::with_object_limit("full", 0);
    // With its namespace, service account and root CA: four.
    assert_eq!(create(&admin, "one").await.code, 201);
    let set = annotate(&admin, "core.kcp.io/max-total-objects", json!("5")).await;
    assert_eq!(set.code, 200, "{}", set.text);
    assert_eq!(create(&admin, "two").await.code, 201);
    let refused = create(&admin, "three").await;
    assert_eq!((refused.code, refused.body["reason"].as_str()), (403, Some("Forbidden")), "{}", refused.text);
    let text = "configmaps \"three\" is forbidden: logical cluster \"full\" has reached its total object count limit \
                (5/5 objects); delete objects to free up capacity";
    assert_eq!(refused.body["message"], text);
    let dry = admin.post(&format!("{MAPS}?dryRun=All"), &config_map("three", json!({}))).await;
    assert_eq!((dry.code, &dry.body["message"]), (403, &json!(text)));
    let applied = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "three"}}).to_string();
    let path = format!("{MAPS}/three?fieldManager=m");
    let applied = admin.send("PATCH", &path, "application/apply-patch+yaml", applied).await;
    assert_eq!((applied.code, &applied.body["message"]), (403, &json!(text)), "an apply that creates is a create");
    let namespace = admin.post("/api/v1/namespaces", &json!({"metadata": {"name": "more"}})).await;
    assert_eq!(namespace.code, 403, "{}", namespace.text);

    let event = json!({"metadata": {"name": "e"}, "involvedObject": {"namespace": "default"}});
    assert_eq!(admin.post("/api/v1/namespaces/default/events", &event).await.code, 201, "events are not counted");
    let binding = |name: &str| {
        json!({"metadata": {"name": name},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}})
    };
    assert_eq!(admin.post(BINDINGS, &binding("other")).await.code, 403);
    assert_eq!(admin.post(BINDINGS, &binding("workspace-admin")).await.code, 201);
    let update = json!({"metadata": {"name": "two"}, "data": {"a": "b"}});
    let update = admin.send("PUT", &format!("{MAPS}/two"), "application/json", update.to_string()).await;
    assert_eq!(update.code, 200, "{}", update.text);

    for (path, code) in [(format!("{BINDINGS}/workspace-admin"), 200), (format!("{MAPS}/one"), 200)] {
        assert_eq!(admin.send("DELETE", &path, "", "").await.code, code, "deletes always pass");
    }
    assert_eq!(create(&admin, "three").await.code, 201);
    for unlimited in [json!("0"), json!("-1"), Value::Null] {
        assert_eq!(create(&admin, "last").await.code, 403);
        assert_eq!(annotate(&admin, "core.kcp.io/max-total-objects", unlimited).await.code, 200);
        assert_eq!(create(&admin, "last").await.code, 201, "in force with the write of the row");
        assert_eq!(admin.send("DELETE", &format!("{MAPS}/last"), "", "").await.code, 200);
        assert_eq!(annotate(&admin, "core.kcp.io/max-total-objects", json!("5")).await.code, 200);
    }
}

#[tokio::test]
async fn the_default_limit_spares_the_root_and_yields_to_an_annotation() {
    let admin = Harness::with_object_limit("ordinary", 4);
    assert_eq!(create(&admin, "one").await.code, 201);
    assert_eq!(create(&admin, "two").await.code, 403);
    assert_eq!(annotate(&admin, "core.kcp.io/max-total-objects", json!("0")).await.code, 200);
    assert_eq!(create(&admin, "two").await.code, 201);
    let root = admin.in_cluster("root");
    for name in ["one", "two", "three"] {
        assert_eq!(create(&root, name).await.code, 201, "{name}");
    }
}

#[tokio::test]
async fn a_limit_of_a_subtree_holds_below_and_says_whose_it_is() {
    let admin = Harness::with_object_limit("org", 0);
    assert_eq!(create(&admin, "one").await.code, 201);
    let owner = Some(("org", "team", "7f1c1a2e-0000-4000-8000-000000000000"));
    let draft = |cluster: &'static str| Draft { owner, path: "org:team", ..Draft::plain(cluster) };
    let born = birth::bear(&admin.server, &draft("team"));
    admin.server.store.commit(Batch::of(vec![born])).await.expect("is born");
    let team = admin.in_cluster("team");
    let counts = admin.server.store.counts("org").await.expect("reads");
    assert_eq!(counts.children, 1, "the workspace's cluster stands below its parent");
    let limit = counts.subtree() + 1;
    assert_eq!(annotate(&admin, "core.kcp.io/max-subtree-objects", json!(limit.to_string())).await.code, 200);
    assert_eq!(create(&team, "first").await.code, 201);
    let refused = create(&team, "second").await;
    let text = format!(
        "configmaps \"second\" is forbidden: logical cluster \"org\" has reached its total subtree object count limit \
         ({limit}/{limit} objects); delete objects in it or below it to free up capacity"
    );
    assert_eq!((refused.code, &refused.body["message"]), (403, &json!(text)));
    assert_eq!(create(&admin.in_cluster("elsewhere"), "any").await.code, 201);
    assert_eq!(admin.send("DELETE", &format!("{MAPS}/one"), "", "").await.code, 200);
    assert_eq!(create(&team, "second").await.code, 201);
}
