//! Streams of changes.

use crate::harness::{DEFINITIONS, Harness, MAPS, config_map, cowboys};
use http_body_util::BodyExt;
use kcp_apiserver::Body;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::time::Duration;

/// Reads events off a watch's body.
struct Lines {
    body: Body,
    rest: String,
    ready: VecDeque<Value>,
}

impl Lines {
    async fn open(admin: &Harness, path: &str) -> Self {
        let response = admin.open("GET", path, "", bytes::Bytes::new()).await;
        assert_eq!(response.status(), 200);
        Self { body: response.into_body(), rest: String::new(), ready: VecDeque::new() }
    }

    /// The next event; `None` at the end of the stream.
    async fn next(&mut self) -> Option<Value> {
        while self.ready.is_empty() {
            let frame = tokio::time::timeout(Duration::from_secs(10), self.body.frame()).await.expect("an event");
            let data = frame?.expect("a frame").into_data().expect("data");
            self.rest.push_str(std::str::from_utf8(&data).expect("text"));
            while let Some((line, rest)) = self.rest.split_once('\n') {
                self.ready.push_back(serde_json::from_str(line).expect("an event is JSON"));
                self.rest = rest.to_owned();
            }
        }
        self.ready.pop_front()
    }

    async fn shape(&mut self) -> (String, String) {
        let event = self.next().await.expect("an event");
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        (text(&event["type"]), text(&event["object"]["metadata"]["name"]))
    }
}

fn pair(kind: &str, name: &str) -> (String, String) {
    (kind.to_owned(), name.to_owned())
}

#[tokio::test]
async fn a_watch_delivers_each_change_after_its_revision_once_and_in_order() {
    let admin = Harness::new("watch");
    let created = admin.post(MAPS, &config_map("one", json!({"a": "1"}))).await;
    let revision = created.body["metadata"]["resourceVersion"].as_str().unwrap_or_default();
    let mut lines = Lines::open(&admin, &format!("{MAPS}?watch=true&resourceVersion={revision}")).await;
    admin.post(MAPS, &config_map("two", json!({}))).await;
    admin.merge(&format!("{MAPS}/one"), &json!({"data": {"a": "2"}})).await;
    admin.merge(&format!("{MAPS}/one"), &json!({"data": {"a": "2"}})).await;
    admin.delete(&format!("{MAPS}/two")).await;
    assert_eq!(lines.shape().await, pair("ADDED", "two"));
    assert_eq!(lines.shape().await, pair("MODIFIED", "one"));
    assert_eq!(lines.shape().await, pair("DELETED", "two"));
}

#[tokio::test]
async fn a_watch_list_begins_with_what_is_there_and_marks_its_end() {
    let admin = Harness::new("watchlist");
    admin.post(MAPS, &config_map("one", json!({}))).await;
    let options = "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
    let mut lines = Lines::open(&admin, &format!("{MAPS}?{options}")).await;
    assert_eq!(lines.shape().await, pair("ADDED", "kube-root-ca.crt"));
    assert_eq!(lines.shape().await, pair("ADDED", "one"));
    let mark = lines.next().await.expect("the mark");
    assert_eq!(mark["type"], "BOOKMARK");
    assert_eq!(mark["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"], "true");
    admin.post(MAPS, &config_map("two", json!({}))).await;
    assert_eq!(lines.shape().await, pair("ADDED", "two"));
}

#[tokio::test]
async fn a_selected_watch_sees_objects_come_and_go() {
    let admin = Harness::new("selected");
    admin.post(MAPS, &config_map("one", json!({}))).await;
    let mut lines = Lines::open(&admin, &format!("{MAPS}?watch=true&labelSelector=on")).await;
    let one = format!("{MAPS}/one");
    admin.merge(&one, &json!({"metadata": {"labels": {"on": "1"}}})).await;
    admin.merge(&one, &json!({"data": {"a": "1"}})).await;
    let last = admin.merge(&one, &json!({"metadata": {"labels": null}, "data": {"a": "2"}})).await;
    assert_eq!(lines.shape().await, pair("ADDED", "one"));
    assert_eq!(lines.shape().await, pair("MODIFIED", "one"));
    let gone = lines.next().await.expect("an event");
    assert_eq!((&gone["type"], &gone["object"]["data"]["a"]), (&json!("DELETED"), &json!("1")));
    assert_eq!(gone["object"]["metadata"]["resourceVersion"], last.body["metadata"]["resourceVersion"]);
}

#[tokio::test(start_paused = true)]
async fn a_watch_ends_after_its_seconds_with_a_last_bookmark() {
    let admin = Harness::new("ends");
    admin.post(MAPS, &config_map("one", json!({}))).await;
    let path = format!("{MAPS}?watch=true&resourceVersion=1&timeoutSeconds=5&allowWatchBookmarks=true");
    let response = admin.open("GET", &path, "", bytes::Bytes::new()).await;
    let text = response.into_body().collect().await.expect("a body").to_bytes();
    let text = String::from_utf8_lossy(&text);
    let last: Value = serde_json::from_str(text.lines().last().unwrap_or_default()).expect("an event");
    assert_eq!(last["type"], "BOOKMARK");
}

#[tokio::test]
async fn a_watch_of_custom_resources_ends_with_their_definition() {
    let admin = Harness::new("defined");
    assert_eq!(admin.post(DEFINITIONS, &cowboys("v1", json!({}))).await.code, 201);
    let mut lines = Lines::open(&admin, "/apis/example.com/v1/cowboys?watch=true").await;
    let path = "/apis/example.com/v1/namespaces/default/cowboys";
    let cowboy = json!({"apiVersion": "example.com/v1", "kind": "Cowboy", "metadata": {"name": "lucky"}});
    assert_eq!(admin.post(path, &cowboy).await.code, 201);
    assert_eq!(lines.shape().await, pair("ADDED", "lucky"));
    assert_eq!(admin.delete(&format!("{path}/lucky")).await.code, 200);
    assert_eq!(lines.shape().await, pair("DELETED", "lucky"));
    let definition = format!("{DEFINITIONS}/cowboys.example.com");
    assert_eq!(admin.delete(&definition).await.code, 200);
    admin.merge(&definition, &json!({"metadata": {"finalizers": null}})).await;
    assert_eq!(lines.next().await, None);
}

#[tokio::test]
async fn a_wildcard_watch_sees_every_logical_cluster() {
    let east = Harness::new("east");
    let west = east.in_cluster("west");
    east.post(MAPS, &config_map("seed", json!({}))).await;
    west.post(MAPS, &config_map("seed", json!({}))).await;
    let head = east.get(MAPS).await.body["metadata"]["resourceVersion"].as_str().unwrap_or_default().to_owned();
    let path = format!("/api/v1/configmaps?watch=true&resourceVersion={head}");
    let mut lines = Lines::open(&east.in_cluster("*"), &path).await;
    east.post(MAPS, &config_map("e", json!({}))).await;
    west.post(MAPS, &config_map("w", json!({}))).await;
    let (first, second) = (lines.next().await.expect("one"), lines.next().await.expect("two"));
    assert_eq!(first["object"]["metadata"]["annotations"]["kcp.io/cluster"], "east");
    assert_eq!(second["object"]["metadata"]["annotations"]["kcp.io/cluster"], "west");
}

#[tokio::test]
async fn a_large_state_is_told_as_it_was_however_slowly_it_is_taken() {
    const MANY: usize = 700;
    let admin = Harness::new("large");
    for number in 0..MANY {
        admin.post(MAPS, &config_map(&format!("m{number:03}"), json!({"a": "1"}))).await;
    }
    let mut lines =
        Lines::open(&admin, &format!("{MAPS}?watch=true&allowWatchBookmarks=true&labelSelector=!absent")).await;
    assert_eq!(lines.shape().await, pair("ADDED", "kube-root-ca.crt"));
    admin.merge(&format!("{MAPS}/m699"), &json!({"data": {"a": "2"}})).await;
    admin.delete(&format!("{MAPS}/m698")).await;
    admin.post(MAPS, &config_map("m9", json!({}))).await;
    for number in 0..MANY {
        let event = lines.next().await.expect("an event");
        assert_eq!(event["object"]["metadata"]["name"], format!("m{number:03}"));
        assert_eq!((&event["type"], &event["object"]["data"]["a"]), (&json!("ADDED"), &json!("1")));
    }
    assert_eq!(lines.next().await.expect("the mark")["type"], "BOOKMARK");
    assert_eq!(lines.shape().await, pair("MODIFIED", "m699"));
    assert_eq!(lines.shape().await, pair("DELETED", "m698"));
    assert_eq!(lines.shape().await, pair("ADDED", "m9"));
}
