//! What exists because a cluster or a namespace does, and how it ends.

use crate::harness::{ask, create, named, server};
use serde_json::{Map, Value, json};

#[tokio::test]
async fn a_cluster_is_born_with_its_default_namespace() {
    let server = server();
    let path = "/api/v1/namespaces/default/configmaps";
    create(&server, path, named("ConfigMap", "first", json!({"data": {"a": "1"}}))).await;
    let get = async |path: &str| ask(&server, "GET", path, &Map::new(), &Value::Null).await;
    let namespace = get("/api/v1/namespaces/default").await;
    assert_eq!(namespace.body["status"]["phase"], "Active");
    assert_eq!(namespace.body["metadata"]["labels"]["kubernetes.io/metadata.name"], "default");
    let account = get("/api/v1/namespaces/default/serviceaccounts/default").await;
    assert_eq!(account.code, 200, "{}", account.body);
    let authority = get("/api/v1/namespaces/default/configmaps/kube-root-ca.crt").await;
    assert_eq!(authority.body["data"]["ca.crt"], json!(server.root_ca));
    assert_eq!(account.body["metadata"]["uid"].as_str().unwrap().len(), 36);
    assert_ne!(account.body["metadata"]["uid"], authority.body["metadata"]["uid"]);
}

#[tokio::test]
async fn a_namespace_has_its_account_and_authority_at_once_and_others_are_kept_out_when_it_goes() {
    let server = server();
    create(&server, "/api/v1/namespaces", named("Namespace", "n", json!({}))).await;
    let none = Map::new();
    for path in ["serviceaccounts/default", "configmaps/kube-root-ca.crt"] {
        let answer = ask(&server, "GET", &format!("/api/v1/namespaces/n/{path}"), &none, &Value::Null).await;
        assert_eq!(answer.code, 200, "{path}: {}", answer.body);
    }
    let missing =
        ask(&server, "POST", "/api/v1/namespaces/none/configmaps", &none, &named("ConfigMap", "x", json!({}))).await;
    assert_eq!((missing.code, missing.body["message"].as_str()), (404, Some("namespaces \"none\" not found")));
    let gone = ask(&server, "DELETE", "/api/v1/namespaces/n", &none, &Value::Null).await;
    assert_eq!((gone.code, &gone.body["status"]["phase"]), (200, &json!("Terminating")), "{}", gone.body);
    let late =
        ask(&server, "POST", "/api/v1/namespaces/n/configmaps", &none, &named("ConfigMap", "x", json!({}))).await;
    assert_eq!(late.code, 403);
    assert_eq!(
        late.body["message"],
        "configmaps \"x\" is forbidden: unable to create new content in namespace n because it is being terminated"
    );
    assert_eq!(late.body["details"]["causes"][0]["reason"], "NamespaceTerminating");
    let finalized = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n"}, "spec": {}});
    let answer = ask(&server, "PUT", "/api/v1/namespaces/n/finalize", &none, &finalized).await;
    assert_eq!(answer.code, 200, "{}", answer.body);
    assert_eq!(ask(&server, "GET", "/api/v1/namespaces/n", &none, &Value::Null).await.code, 404);
    for name in ["default", "kube-system", "kube-public"] {
        let kept = ask(&server, "DELETE", &format!("/api/v1/namespaces/{name}"), &none, &Value::Null).await;
        let want = format!("namespaces \"{name}\" is forbidden: this namespace may not be deleted");
        assert_eq!((kept.code, kept.body["message"].as_str()), (403, Some(want.as_str())));
    }
}

#[tokio::test]
async fn what_every_namespace_has_comes_back_when_it_is_deleted() {
    let server = server();
    let core = "/api/v1/namespaces/default";
    create(&server, &format!("{core}/configmaps"), named("ConfigMap", "first", json!({}))).await;
    let none = Map::new();
    for path in ["serviceaccounts/default", "configmaps/kube-root-ca.crt"] {
        let path = format!("{core}/{path}");
        let before = ask(&server, "GET", &path, &none, &Value::Null).await;
        let deleted = ask(&server, "DELETE", &path, &none, &Value::Null).await;
        // Service accounts are told as they were, everything else by a status.
        let said = if path.contains("serviceaccounts") { "ServiceAccount" } else { "Status" };
        assert_eq!((deleted.code, &deleted.body["kind"]), (200, &json!(said)), "{}", deleted.body);
        let after = ask(&server, "GET", &path, &none, &Value::Null).await;
        assert_eq!(after.code, 200, "{path}");
        assert_ne!(after.body["metadata"]["uid"], before.body["metadata"]["uid"]);
        assert_ne!(after.body["metadata"]["resourceVersion"], before.body["metadata"]["resourceVersion"]);
        assert_eq!(after.body["data"], before.body["data"]);
    }
    let path = format!("{core}/configmaps/kube-root-ca.crt");
    let merge = Map::from_iter([("Content-Type".to_owned(), json!("application/merge-patch+json"))]);
    let changed = ask(&server, "PATCH", &path, &merge, &json!({"data": {"ca.crt": "mine"}})).await;
    assert_eq!((changed.code, &changed.body["data"]["ca.crt"]), (200, &json!(server.root_ca)));
    let account = format!("{core}/serviceaccounts/other");
    create(&server, &format!("{core}/serviceaccounts"), named("ServiceAccount", "other", json!({}))).await;
    assert_eq!(ask(&server, "DELETE", &account, &none, &Value::Null).await.code, 200);
    assert_eq!(ask(&server, "GET", &account, &none, &Value::Null).await.code, 404);
}
