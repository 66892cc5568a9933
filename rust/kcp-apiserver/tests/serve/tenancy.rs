//! Logical clusters side by side.

use crate::harness::{DEFINITIONS, Harness, MAPS, config_map, cowboys};
use kcp_apiserver::paths::ROUTES;
use serde_json::json;

#[tokio::test]
async fn one_definition_name_means_two_things_in_two_clusters() {
    let east = Harness::new("east");
    let west = east.in_cluster("west");
    let north = east.in_cluster("north");
    assert_eq!(east.post(DEFINITIONS, &cowboys("v1", json!({"hat": {"type": "string"}}))).await.code, 201);
    assert_eq!(west.post(DEFINITIONS, &cowboys("v2", json!({"hat": {"type": "integer"}}))).await.code, 201);
    let at = |version: &str| format!("/apis/example.com/{version}/namespaces/default/cowboys");
    let cowboy = |version: &str, hat: serde_json::Value| {
        json!({"apiVersion": format!("example.com/{version}"), "kind": "Cowboy", "metadata": {"name": "lucky"},
            "spec": {"hat": hat}})
    };
    assert_eq!(east.post(&at("v1"), &cowboy("v1", json!("stetson"))).await.code, 201);
    assert_eq!(west.post(&at("v2"), &cowboy("v2", json!(7))).await.code, 201);
    assert_eq!(east.get(&at("v2")).await.code, 404);
    assert_eq!(west.get(&at("v1")).await.code, 404);
    assert_eq!(north.get(&at("v1")).await.code, 404);
    let refused = east.post(&at("v1"), &cowboy("v1", json!(7))).await;
    assert_eq!(refused.code, 422, "{}", refused.text);
    let listed = east.get(&at("v1")).await;
    assert_eq!(listed.body["items"].as_array().map(Vec::len), Some(1));
    assert_eq!(listed.body["items"][0]["spec"]["hat"], "stetson");
    let all = east.in_cluster("*").get("/apis/example.com/v1/cowboys").await;
    assert_eq!(all.body["items"].as_array().map(Vec::len), Some(1), "{}", all.text);
}

#[tokio::test]
async fn an_unknown_cluster_is_empty_until_its_first_write() {
    let admin = Harness::new("fresh");
    let namespaces = |answer: crate::harness::Answer| answer.body["items"].as_array().map_or(99, Vec::len);
    assert_eq!(namespaces(admin.get("/api/v1/namespaces").await), 0);
    assert_eq!(admin.post(MAPS, &config_map("one", json!({}))).await.code, 201);
    assert_eq!(namespaces(admin.get("/api/v1/namespaces").await), 1);
    assert_eq!(admin.get("/api/v1/namespaces/default/serviceaccounts/default").await.code, 200);
    assert_eq!(admin.get(&format!("{MAPS}/kube-root-ca.crt")).await.code, 200);
    let stranger = admin.as_user("eve", &["system:authenticated"]);
    assert_eq!(stranger.get("/api/v1/namespaces").await.code, 403);
    assert_eq!(stranger.in_cluster("nowhere").get("/api/v1/namespaces").await.code, 403);
}

#[tokio::test]
async fn names_that_are_no_clusters_are_refused() {
    let admin = Harness::new("x");
    for name in ["..", "%2e%2e", "a%2fb", "A", "a_b", "%00", "a".repeat(60_000).as_str()] {
        let answer = admin.in_cluster(name).get("/api/v1/namespaces").await;
        assert_eq!(answer.code, 400, "{:.40} answered {:.200}", name, answer.text);
    }
    let write = admin.in_cluster("*").post(MAPS, &config_map("one", json!({}))).await;
    assert_eq!(write.code, 405, "{}", write.text);
}

#[tokio::test]
async fn a_stranger_gets_through_no_route_but_health() {
    let admin = Harness::new("fresh");
    assert_eq!(admin.post(MAPS, &config_map("one", json!({}))).await.code, 201);
    let stranger = admin.as_user("system:anonymous", &["system:unauthenticated"]);
    let mut paths: Vec<String> = ROUTES.iter().map(|route| route.pattern.to_owned()).collect();
    for served in admin.server.registry.plain().all() {
        let base = if served.group.is_empty() { "/api".to_owned() } else { format!("/apis/{}", served.group) };
        let place = if served.namespaced { "/namespaces/default" } else { "" };
        let collection = format!("{base}/{}{place}/{}", served.version, served.resource);
        paths.extend(served.subresources.iter().map(|sub| format!("{collection}/one/{}", sub.name)));
        paths.extend([format!("{collection}/one"), format!("{collection}?watch=true"), collection]);
    }
    assert!(paths.len() > 50, "the router names its routes");
    for path in paths {
        let path = path.replace(['{', '}'], "x");
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
            let answer = stranger.send(method, &path, "application/json", "{}").await;
            let health = ["/healthz", "/livez", "/readyz"].contains(&path.as_str());
            // The server's own metrics are no logical cluster's, whoever asks.
            let expected = if path == "/metrics" { 501 } else { 403 };
            assert!(health || answer.code == expected, "{method} {path} answered {}", answer.code);
        }
    }
}
