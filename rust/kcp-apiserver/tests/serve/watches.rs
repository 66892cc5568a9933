//! Streams of changes.

use crate::harness::{DEFINITIONS, Harness, MAPS, config_map, cowboys};
use http_body_util::BodyExt;
use kcp_apiserver::Body;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::time::Duration;

/// Reads events off a watch's body.
pub struct Lines {
    body: Body,
    rest: String,
    ready: VecDeque<Value>,
}

impl Lines {
    /// Opens a watch.
    pub async fn open(admin: &Harness, path: &str) -> Self {
        Self::open_with(admin, path, "application/json").await
    }

    /// Opens a watch that is answered in a form.
    pub async fn open_with(admin: &Harness, path: &str, accept: &str) -> Self {
        let response = admin.get_with(path, &[("accept", accept)]).await;
        assert_eq!(response.status(), 200);
        Self { body: response.into_body(), rest: String::new(), ready: VecDeque::new() }
    }

    /// The next event; `None` at the end of the stream.
    pub async fn next(&mut self) -> Option<Value> {
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

/// kube-api 3.1.17, 3.5.2: each change once, in order; a write that changes nothing is none.
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

/// kube-api 3.5.9: the objects there are, the mark, then what happens.
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

/// kube-api 3.5.3: ADDED, MODIFIED and DELETED follow from whether the object matched before and matches now.
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

/// kube-api 3.5.7, 3.5.8: the end comes without an error, after a last bookmark.
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

/// kube-api 3.5.18: objects of a definition that goes are told of first, then the stream ends.
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

const TABLE: &str = "application/json;as=Table;g=meta.k8s.io;v=v1";
const PARTIAL: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
const WATCH_LIST: &str = "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan";

async fn head(admin: &Harness) -> u64 {
    let list = admin.get(MAPS).await;
    list.body["metadata"]["resourceVersion"].as_str().unwrap_or_default().parse().expect("a revision")
}

async fn text(response: http::Response<Body>) -> String {
    String::from_utf8_lossy(&response.into_body().collect().await.expect("a body").to_bytes()).into_owned()
}

/// kube-api 3.5.1: a 200 at once, before anything happened; then a JSON document a line.
#[tokio::test]
async fn a_watch_is_answered_before_anything_happens() {
    let admin = Harness::new("at-once");
    admin.post(MAPS, &config_map("one", json!({}))).await;
    let response = admin.get_with(&format!("{MAPS}?watch=1&resourceVersion={}", head(&admin).await), &[]).await;
    assert_eq!(
        (response.status().as_u16(), &response.headers()["content-type"]),
        (200, &"application/json".parse().unwrap())
    );
    assert!(!response.headers().contains_key("content-length"));
}

/// kube-api 3.5.2, 3.5.11: without a revision, or with 0, a watch begins with what is there and has no end mark unless it
/// takes bookmarks.
#[tokio::test(start_paused = true)]
async fn a_watch_without_a_revision_begins_with_what_is_there() {
    let admin = Harness::new("synthetic");
    admin.post(MAPS, &config_map("one", json!({}))).await;
    for query in ["", "&resourceVersion=0"] {
        let path = format!("{MAPS}?watch=1&timeoutSeconds=1{query}");
        let plain = text(admin.get_with(&path, &[]).await).await;
        let kinds: Vec<Value> = plain.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        assert_eq!(kinds.iter().map(|event| &event["type"]).collect::<Vec<_>>(), ["ADDED", "ADDED"], "{query}");
        let marked = text(admin.get_with(&format!("{path}&allowWatchBookmarks=1"), &[]).await).await;
        assert!(marked.lines().nth(2).is_some_and(|line| line.contains("initial-events-end")), "{marked}");
    }
}

/// kube-api 3.5.4: a revision that is gone is told as an event, and that is the end.
#[tokio::test]
async fn a_watch_from_a_forgotten_revision_is_expired() {
    let admin = Harness::new("too-old");
    admin.post(MAPS, &config_map("one", json!({}))).await;
    admin.post(MAPS, &config_map("two", json!({}))).await;
    admin.compact();
    let mut lines = Lines::open(&admin, &format!("{MAPS}?watch=1&resourceVersion=1")).await;
    let event = lines.next().await.expect("an event");
    assert_eq!((&event["type"], &event["object"]["kind"]), (&json!("ERROR"), &json!("Status")));
    assert_eq!((&event["object"]["code"], &event["object"]["reason"]), (&json!(410), &json!("Expired")));
    let message = format!("too old resource version: 1 ({})", head(&admin).await);
    assert_eq!(event["object"]["message"], message);
    assert_eq!(lines.next().await, None);
    // Also for those who read tables.
    let mut table = Lines::open_with(&admin, &format!("{MAPS}?watch=1&resourceVersion=1"), TABLE).await;
    assert_eq!(table.next().await.expect("an event")["object"]["kind"], "Status");
}

/// kube-api 3.5.5: a plain watch from the future waits for it; a watch list gives up after three seconds.
#[tokio::test(start_paused = true)]
async fn a_watch_of_the_future_delivers_only_what_comes_after_it() {
    let admin = Harness::new("to-come");
    admin.post(MAPS, &config_map("one", json!({}))).await;
    let revision = head(&admin).await + 1;
    let mut lines = Lines::open(&admin, &format!("{MAPS}?watch=1&resourceVersion={revision}")).await;
    admin.post(MAPS, &config_map("two", json!({}))).await;
    admin.post(MAPS, &config_map("three", json!({}))).await;
    assert_eq!(lines.shape().await, pair("ADDED", "three"));
    let path = format!("{MAPS}?{WATCH_LIST}&resourceVersion={}", revision + 100);
    let late = text(admin.get_with(&path, &[]).await).await;
    assert!(late.contains("ResourceVersionTooLarge") && late.contains("\"code\":504"), "{late}");
}

/// kube-api 3.5.6, 3.5.10: options are refused before the stream begins.
#[tokio::test]
async fn watches_with_wrong_options_are_refused() {
    let admin = Harness::new("refused");
    admin.post(MAPS, &config_map("one", json!({}))).await;
    assert!(admin.get(&format!("{MAPS}?watch=1&resourceVersion=x")).await.code >= 400);
    for (query, want) in [
        (
            "sendInitialEvents=true",
            "resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
        ),
        (
            "sendInitialEvents=true&resourceVersionMatch=Exact",
            "resourceVersionMatch: Unsupported value: \"Exact\": supported values: \"NotOlderThan\"",
        ),
        (
            "resourceVersionMatch=NotOlderThan",
            "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
        ),
    ] {
        let answer = admin.get(&format!("{MAPS}?watch=1&{query}")).await;
        assert!(
            answer.code == 422 && answer.body["message"].as_str().unwrap_or_default().contains(want),
            "{}",
            answer.text
        );
    }
}

/// kube-api 3.5.7: without a time of its own a watch lasts between half an hour and an hour.
#[tokio::test(start_paused = true)]
async fn a_watch_ends_by_itself() {
    let admin = Harness::new("lasting");
    admin.post(MAPS, &config_map("one", json!({}))).await;
    let begun = tokio::time::Instant::now();
    let path = format!("{MAPS}?watch=1&resourceVersion={}", head(&admin).await);
    assert_eq!(text(admin.get_with(&path, &[]).await).await, "");
    let lasted = begun.elapsed().as_secs();
    assert!((1_799..3_601).contains(&lasted), "{lasted} s");
}

/// kube-api 3.5.8, 2.14: bookmarks come about once a minute, only to those who asked, and hold nothing but the revision;
/// in every form.
#[tokio::test(start_paused = true)]
async fn bookmarks_tell_how_far_the_stream_is() {
    let admin = Harness::new("bookmarks");
    admin.post(MAPS, &config_map("one", json!({}))).await;
    assert_eq!(admin.post(DEFINITIONS, &cowboys("v1", json!({}))).await.code, 201);
    let since = head(&admin).await;
    // What happens elsewhere moves the revision on.
    admin.post("/api/v1/namespaces", &json!({"metadata": {"name": "other"}})).await;
    let now = head(&admin).await;
    let cowboys = "/apis/example.com/v1/namespaces/default/cowboys";
    for (path, kind, api_version) in [(MAPS, "ConfigMap", "v1"), (cowboys, "Cowboy", "example.com/v1")] {
        let path = format!("{path}?watch=1&resourceVersion={since}&timeoutSeconds=130");
        assert_eq!(text(admin.get_with(&path, &[]).await).await, "");
        let path = format!("{path}&allowWatchBookmarks=true");
        for (accept, want) in [
            (
                "application/json",
                json!({"kind": kind, "apiVersion": api_version, "metadata": {"resourceVersion": now.to_string()}}),
            ),
            (
                PARTIAL,
                json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1",
                "metadata": {"resourceVersion": now.to_string()}}),
            ),
        ] {
            let body = text(admin.get_with(&path, &[("accept", accept)]).await).await;
            let events: Vec<Value> = body.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
            // After one minute, after two, and two seconds before the end.
            assert_eq!(events.len(), 3, "{body}");
            assert!(events.iter().all(|event| event["type"] == "BOOKMARK" && event["object"] == want), "{body}");
        }
        let table = text(admin.get_with(&path, &[("accept", TABLE)]).await).await;
        let first: Value = serde_json::from_str(table.lines().next().unwrap_or_default()).expect("JSON");
        assert_eq!(first["object"]["metadata"]["resourceVersion"], now.to_string());
        assert_eq!(first["object"]["rows"].as_array().map(Vec::len), Some(1));
    }
}

/// kube-api 3.5.9, 2.14: the end of the initial events is marked in every form, also where there are none.
#[tokio::test]
async fn the_end_of_the_initial_events_is_marked_in_every_form() {
    let admin = Harness::new("marks");
    admin.post(MAPS, &config_map("one", json!({}))).await;
    let now = head(&admin).await.to_string();
    let empty = "/api/v1/namespaces/nowhere/configmaps";
    for (path, objects) in [(MAPS, 2), (empty, 0)] {
        for (accept, include) in [
            ("application/json", ""),
            (PARTIAL, ""),
            (TABLE, ""),
            (TABLE, "&includeObject=None"),
            (TABLE, "&includeObject=Object"),
        ] {
            let path = format!("{path}?{WATCH_LIST}&allowWatchBookmarks=1{include}");
            let mut lines = Lines::open_with(&admin, &path, accept).await;
            for _ in 0..objects {
                assert_eq!(lines.next().await.expect("an object")["type"], "ADDED");
            }
            let mark = lines.next().await.expect("the mark");
            let object = if accept == TABLE { &mark["object"]["rows"][0]["object"] } else { &mark["object"] };
            assert_eq!(mark["type"], "BOOKMARK", "{mark}");
            assert_eq!(object["metadata"]["annotations"]["k8s.io/initial-events-end"], "true", "{mark}");
            assert_eq!(mark["object"]["metadata"]["resourceVersion"], now, "{mark}");
        }
    }
    // Who takes no bookmarks gets no mark.
    let mut lines = Lines::open(&admin, &format!("{MAPS}?{WATCH_LIST}")).await;
    assert_eq!((lines.shape().await.0, lines.shape().await.0), ("ADDED".into(), "ADDED".into()));
    admin.delete(&format!("{MAPS}/one")).await;
    assert_eq!(lines.shape().await, pair("DELETED", "one"));
}

/// kube-api 2.10: a watch list is compressed for those who take it, and every event can be read as it comes; other watches
/// are not.
#[tokio::test]
async fn a_watch_list_is_compressed_event_by_event() {
    let admin = Harness::new("compressed");
    admin.post(MAPS, &config_map("one", json!({"text": "again and ".repeat(5_000)}))).await;
    let gzip = [("accept-encoding", "gzip")];
    let path = format!("{MAPS}?{WATCH_LIST}&allowWatchBookmarks=1");
    let response = admin.get_with(&path, &gzip).await;
    assert_eq!(response.headers()["content-encoding"], "gzip");
    assert!(response.headers()["vary"].to_str().unwrap_or_default().contains("Accept-Encoding"));
    let mut body = response.into_body();
    let mut raw = Vec::new();
    let mut read = async |wanted: &str| loop {
        let frame = tokio::time::timeout(Duration::from_secs(10), body.frame()).await.expect("a frame");
        raw.extend_from_slice(&frame.expect("more").expect("a frame").into_data().expect("data"));
        let mut seen = Vec::new();
        // The stream has no end yet: what is there has to be readable all the same.
        let _ = std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&raw[..]), &mut seen);
        if String::from_utf8_lossy(&seen)
            .lines()
            .last()
            .is_some_and(|line| line.contains(wanted) && line.ends_with('}'))
        {
            return (raw.len(), seen.len());
        }
    };
    let (sent, said) = read("initial-events-end").await;
    assert!(sent * 10 < said, "{sent} bytes for {said}");
    admin.post(MAPS, &config_map("two", json!({}))).await;
    read("\"two\"").await;
    admin.post(MAPS, &config_map("three", json!({}))).await;
    read("\"three\"").await;
    let plain = admin.get_with(&format!("{MAPS}?watch=1"), &gzip).await;
    assert!(!plain.headers().contains_key("content-encoding"));
}

/// kube-api 3.5.12: a reader that is too slow is cut off cleanly, told nothing wrong, and resumes where it was.
#[tokio::test]
async fn a_slow_reader_is_cut_off_and_resumes() {
    let admin = Harness::new("slow");
    admin.post(MAPS, &config_map("one", json!({}))).await;
    let mut since = head(&admin).await;
    let mut lines = Lines::open(&admin, &format!("{MAPS}?watch=1&resourceVersion={since}")).await;
    let change = async |index: usize| {
        assert_eq!(admin.merge(&format!("{MAPS}/one"), &json!({"data": {"i": index.to_string()}})).await.code, 200);
    };
    change(0).await;
    let mut seen = Vec::new();
    let mut note = |event: &Value| {
        assert_eq!(event["type"], "MODIFIED");
        let revision = event["object"]["metadata"]["resourceVersion"].as_str().unwrap_or_default();
        since = revision.parse().expect("a revision");
        seen.push(event["object"]["data"]["i"].clone());
    };
    note(&lines.next().await.expect("an event"));
    for index in 1..1_100 {
        change(index).await;
    }
    // The stream ends by itself, without an error and without a gap in what it said.
    while let Some(event) = lines.next().await {
        note(&event);
    }
    let mut lines = Lines::open(&admin, &format!("{MAPS}?watch=1&resourceVersion={since}")).await;
    while seen.len() < 1_100 {
        seen.push(lines.next().await.expect("the rest")["object"]["data"]["i"].clone());
    }
    let want: Vec<Value> = (0..1_100).map(|index| json!(index.to_string())).collect();
    assert_eq!(seen, want);
    assert_eq!(admin.memory.statistics().slow, 1);
}

/// kube-api 3.4.12, 3.5.16: one object is watched through its collection; a watch of its own path is a get.
#[tokio::test]
async fn one_object_is_watched_through_its_collection() {
    let admin = Harness::new("single");
    admin.post(MAPS, &config_map("one", json!({}))).await;
    let since = head(&admin).await;
    let path = format!("{MAPS}?watch=1&resourceVersion={since}&fieldSelector=metadata.name%3Done");
    let mut lines = Lines::open(&admin, &path).await;
    let old_path = "/api/v1/watch/namespaces/default/configmaps/one";
    let mut old = Lines::open(&admin, &format!("{old_path}?resourceVersion={since}")).await;
    admin.post(MAPS, &config_map("two", json!({}))).await;
    admin.delete(&format!("{MAPS}/one")).await;
    assert_eq!(lines.shape().await, pair("DELETED", "one"));
    assert_eq!(old.shape().await, pair("DELETED", "one"));
    assert_eq!(admin.get(&format!("{MAPS}/two?watch=1")).await.body["kind"], "ConfigMap");
    let other = admin.get(&format!("{old_path}?fieldSelector=metadata.name%3Dtwo")).await;
    let message = "fieldSelector metadata.name doesn't match requested name";
    assert_eq!((other.code, &other.body["message"]), (400, &json!(message)));
}

/// kube-api 3.5.17, 2.14, 2.15: events in the forms of tables and of metadata; the columns come once.
#[tokio::test]
async fn events_come_in_the_form_that_was_asked_for() {
    let admin = Harness::new("forms");
    admin.post(MAPS, &config_map("one", json!({"a": "1"}))).await;
    let path = format!("{MAPS}?watch=1&fieldSelector=metadata.name%3Done");
    let mut partial = Lines::open_with(&admin, &path, PARTIAL).await;
    let mut table = Lines::open_with(&admin, &path, TABLE).await;
    admin.merge(&format!("{MAPS}/one"), &json!({"data": {"a": "2"}})).await;
    let event = partial.next().await.expect("an event");
    assert_eq!((&event["object"]["kind"], event["object"].get("data")), (&json!("PartialObjectMetadata"), None));
    let (first, second) = (table.next().await.expect("one"), table.next().await.expect("two"));
    assert_eq!((&first["type"], &second["type"]), (&json!("ADDED"), &json!("MODIFIED")));
    assert!(first["object"]["columnDefinitions"].is_array() && second["object"]["columnDefinitions"].is_null());
    assert_eq!(second["object"]["rows"][0]["object"]["kind"], "PartialObjectMetadata");
}

/// kube-api 3.5.13, 3.5.19: a watch is never refused for want of a cache, and stays open while nothing happens.
#[tokio::test(start_paused = true)]
async fn an_idle_watch_stays_open() {
    let admin = Harness::new("idle");
    admin.post(MAPS, &config_map("one", json!({}))).await;
    let mut lines = Lines::open(&admin, &format!("{MAPS}?watch=1&resourceVersion={}", head(&admin).await)).await;
    tokio::time::advance(Duration::from_secs(900)).await;
    admin.post(MAPS, &config_map("two", json!({}))).await;
    assert_eq!(lines.shape().await, pair("ADDED", "two"));
}
