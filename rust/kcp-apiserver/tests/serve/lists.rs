//! Collections: pages, selectors, tables, deletecollection.

use crate::harness::{Harness, MAPS, config_map};
use serde_json::json;

async fn filled(cluster: &str, count: usize) -> Harness {
    let admin = Harness::new(cluster);
    for index in 0..count {
        let mut map = config_map(&format!("m-{index:02}"), json!({"i": index.to_string()}));
        map["metadata"]["labels"] = json!({"parity": if index % 2 == 0 { "even" } else { "odd" }});
        assert_eq!(admin.post(MAPS, &map).await.code, 201);
    }
    admin
}

/// kube-api 3.4.4, 3.4.9: one chain of pages is one state, in the order of names.
#[tokio::test]
async fn pages_share_one_revision_whatever_happens_in_between() {
    let admin = filled("pages", 10).await;
    let first = admin.get(&format!("{MAPS}?limit=4&fieldSelector=metadata.name!=kube-root-ca.crt")).await;
    assert_eq!(first.body["items"].as_array().map(Vec::len), Some(4), "{}", first.text);
    assert_eq!(admin.delete(&format!("{MAPS}/m-07")).await.code, 200);
    let mut names = Vec::new();
    let mut page = first;
    loop {
        let items = page.body["items"].as_array().cloned().unwrap_or_default();
        names.extend(items.iter().map(|item| item["metadata"]["name"].as_str().unwrap_or_default().to_owned()));
        let Some(token) = page.body["metadata"]["continue"].as_str() else { break };
        let path = format!("{MAPS}?limit=4&fieldSelector=metadata.name!=kube-root-ca.crt&continue={token}");
        let next = admin.get(&path).await;
        assert_eq!(next.code, 200, "{}", next.text);
        assert_eq!(next.body["metadata"]["resourceVersion"], page.body["metadata"]["resourceVersion"]);
        page = next;
    }
    assert_eq!(names, (0..10).map(|index| format!("m-{index:02}")).collect::<Vec<_>>());
}

/// kube-api 3.4.3, 3.4.5, 3.4.10, 3.4.11: what selects, and what is refused.
#[tokio::test]
async fn selectors_choose_and_unsupported_ones_are_refused() {
    let admin = filled("selectors", 4).await;
    let count = |answer: crate::harness::Answer| answer.body["items"].as_array().map_or(99, Vec::len);
    assert_eq!(count(admin.get(&format!("{MAPS}?labelSelector=parity%3Dodd")).await), 2);
    assert_eq!(count(admin.get(&format!("{MAPS}?labelSelector=parity+in+(odd,even)")).await), 4);
    assert_eq!(count(admin.get(&format!("{MAPS}?fieldSelector=metadata.name%3Dm-01")).await), 1);
    assert_eq!(count(admin.get("/api/v1/configmaps?fieldSelector=metadata.name%3Dm-01").await), 1);
    assert_eq!(admin.get(&format!("{MAPS}?fieldSelector=data.i%3D1")).await.code, 400);
    assert_eq!(admin.get(&format!("{MAPS}?labelSelector=a%3D%3D%3Db")).await.code, 400);
    assert_eq!(admin.get(&format!("{MAPS}?continue=nonsense")).await.code, 400);
    assert_eq!(admin.get(&format!("{MAPS}?resourceVersion=x")).await.code, 400);
}

/// kube-api 3.4.14: a collection is deleted by the selectors of lists.
#[tokio::test]
async fn a_collection_is_deleted_by_selector() {
    let admin = filled("collection", 4).await;
    let deleted = admin.delete(&format!("{MAPS}?labelSelector=parity%3Dodd")).await;
    assert_eq!((deleted.code, &deleted.body["kind"]), (200, &json!("ConfigMapList")), "{}", deleted.text);
    assert_eq!(deleted.body["items"].as_array().map(Vec::len), Some(2));
    let left = admin.get(&format!("{MAPS}?labelSelector=parity")).await;
    assert_eq!(left.body["items"].as_array().map(Vec::len), Some(2));
}

/// kube-api 3.4.1: `Exact` shows the state at its revision.
#[tokio::test]
async fn an_exact_list_shows_the_past() {
    let admin = filled("past", 2).await;
    let before = admin.get(MAPS).await;
    let revision = before.body["metadata"]["resourceVersion"].as_str().unwrap_or_default().to_owned();
    assert_eq!(admin.delete(&format!("{MAPS}/m-00")).await.code, 200);
    let past = admin.get(&format!("{MAPS}?resourceVersion={revision}&resourceVersionMatch=Exact")).await;
    assert_eq!(past.body["items"], before.body["items"], "{}", past.text);
}

/// kube-api 3.4.4: the number of items behind a page is told exactly, on every page, however many there are.
#[tokio::test]
async fn every_page_tells_how_many_items_are_left() {
    let admin = filled("left", 1_299).await;
    let mut path = format!("{MAPS}?limit=100");
    for left in (1..=12).rev() {
        let page = admin.get(&path).await;
        // `kube-root-ca.crt` is one more.
        assert_eq!(page.body["metadata"]["remainingItemCount"], left * 100, "{}", page.body["metadata"]);
        path = format!("{MAPS}?limit=100&continue={}", page.body["metadata"]["continue"].as_str().unwrap_or_default());
    }
    let last = admin.get(&path).await;
    assert_eq!(last.body["items"].as_array().map(Vec::len), Some(100));
    assert!(last.body["metadata"].get("remainingItemCount").is_none());
    assert!(last.body["metadata"].get("continue").is_none());
    let selected = admin.get(&format!("{MAPS}?limit=100&labelSelector=parity%3Dodd")).await;
    assert!(selected.body["metadata"]["continue"].is_string());
    assert!(selected.body["metadata"].get("remainingItemCount").is_none());
}

fn revision(answer: &crate::harness::Answer) -> String {
    answer.body["metadata"]["resourceVersion"].as_str().unwrap_or_default().to_owned()
}

fn names(answer: &crate::harness::Answer) -> Vec<String> {
    let items = answer.body["items"].as_array().cloned().unwrap_or_default();
    items.iter().map(|item| item["metadata"]["name"].as_str().unwrap_or_default().to_owned()).collect()
}

/// kube-api 3.4.1: what each pair of `resourceVersion` and `resourceVersionMatch` reads, with and without a limit.
#[tokio::test]
async fn lists_read_the_state_their_options_name() {
    let admin = filled("states", 2).await;
    let old = revision(&admin.get(MAPS).await);
    assert_eq!(admin.delete(&format!("{MAPS}/m-00")).await.code, 200);
    let new = revision(&admin.get(MAPS).await);
    for (query, state) in [
        (String::new(), &new),
        ("limit=9".to_owned(), &new),
        ("resourceVersion=0".to_owned(), &new),
        ("resourceVersion=0&limit=9".to_owned(), &new),
        ("resourceVersion=0&resourceVersionMatch=NotOlderThan".to_owned(), &new),
        (format!("resourceVersion={old}"), &new),
        (format!("resourceVersion={old}&resourceVersionMatch=NotOlderThan"), &new),
        (format!("resourceVersion={old}&resourceVersionMatch=NotOlderThan&limit=9"), &new),
        (format!("resourceVersion={old}&limit=9"), &old),
        (format!("resourceVersion={old}&resourceVersionMatch=Exact"), &old),
        (format!("resourceVersion={old}&resourceVersionMatch=Exact&limit=9"), &old),
    ] {
        let list = admin.get(&format!("{MAPS}?{query}")).await;
        assert_eq!((list.code, &revision(&list)), (200, state), "{query}: {}", list.text);
        assert_eq!(names(&list).contains(&"m-00".to_owned()), state == &old, "{query}");
    }
}

/// kube-api 3.4.2: options that contradict each other.
#[tokio::test]
async fn contradicting_options_are_refused() {
    let admin = filled("contradicting", 1).await;
    for (query, want) in [
        ("resourceVersionMatch=Exact", "resourceVersionMatch is forbidden unless resourceVersion is provided"),
        ("resourceVersionMatch=NotOlderThan", "resourceVersionMatch is forbidden unless resourceVersion is provided"),
        (
            "resourceVersion=1&resourceVersionMatch=Exact&continue=x",
            "resourceVersionMatch is forbidden when continue is provided",
        ),
        ("resourceVersion=1&resourceVersionMatch=Nearly", "resourceVersionMatch: Unsupported value: \"Nearly\""),
        (
            "resourceVersion=0&resourceVersionMatch=Exact",
            "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"",
        ),
        ("sendInitialEvents=true", "sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list"),
    ] {
        let answer = admin.get(&format!("{MAPS}?{query}")).await;
        let message = answer.body["message"].as_str().unwrap_or_default();
        assert_eq!(answer.code, 422, "{query}: {message}");
        assert!(message.starts_with("ListOptions.meta.k8s.io \"\" is invalid") && message.contains(want), "{message}");
    }
}

/// kube-api 3.4.5: a token stands instead of a revision, and is what it says.
#[tokio::test]
async fn continue_tokens_are_checked() {
    use base64::Engine;
    use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
    let admin = filled("tokens", 3).await;
    let page = admin.get(&format!("{MAPS}?limit=1")).await;
    let token = page.body["metadata"]["continue"].as_str().unwrap_or_default().to_owned();
    let said: serde_json::Value = serde_json::from_slice(&BASE64.decode(&token).expect("base64")).expect("JSON");
    assert_eq!((&said["v"], &said["start"]), (&json!("meta.k8s.io/v1"), &json!("kube-root-ca.crt\u{0}")));
    assert_eq!(said["rv"].to_string(), revision(&page));
    let both = admin.get(&format!("{MAPS}?continue={token}&resourceVersion={}", revision(&page))).await;
    let message = "specifying resource version is not allowed when using continue";
    assert_eq!((both.code, &both.body["message"]), (400, &json!(message)));
    assert_eq!(admin.get(&format!("{MAPS}?continue={token}&resourceVersion=0&limit=1")).await.code, 200);
    for wrong in ["!", "bm8", &BASE64.encode(r#"{"v":"v2","rv":1,"start":"a"}"#)] {
        let answer = admin.get(&format!("{MAPS}?continue={wrong}")).await;
        let message = answer.body["message"].as_str().unwrap_or_default();
        assert!(answer.code == 400 && message.contains("continue key is not valid: "), "{wrong}: {message}");
    }
}

/// kube-api 3.4.6: a token whose state is gone is answered with one that goes on at the newest state, in one logical
/// cluster and across all of them.
#[tokio::test]
async fn an_expired_token_comes_with_a_fresh_one() {
    let admin = filled("expired", 4).await;
    for (reader, path) in [(admin.in_cluster("expired"), MAPS), (admin.in_cluster("*"), "/api/v1/configmaps")] {
        let first = reader.get(&format!("{path}?limit=2")).await;
        let token = first.body["metadata"]["continue"].as_str().unwrap_or_default().to_owned();
        admin.post(MAPS, &config_map("zz", json!({}))).await;
        admin.compact();
        let gone = reader.get(&format!("{path}?limit=2&continue={token}")).await;
        assert_eq!((gone.code, &gone.body["reason"]), (410, &json!("Expired")), "{}", gone.text);
        let message = gone.body["message"].as_str().unwrap_or_default();
        assert!(message.starts_with("The provided continue parameter is too old to display a consistent list result."));
        assert!(message.ends_with("objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list."));
        let fresh = gone.body["metadata"]["continue"].as_str().unwrap_or_default().to_owned();
        let rest = reader.get(&format!("{path}?limit=9&continue={fresh}")).await;
        assert_eq!((rest.code, names(&rest)), (200, ["m-01", "m-02", "m-03", "zz"].map(str::to_owned).to_vec()));
        assert!(revision(&rest).parse::<u64>().ok() > revision(&first).parse::<u64>().ok());
        let some = reader.get(&format!("{path}?limit=1&continue={fresh}")).await;
        assert_eq!(some.body["metadata"]["remainingItemCount"], 3, "{}", some.body["metadata"]);
        assert_eq!(admin.delete(&format!("{MAPS}/zz")).await.code, 200);
    }
}

/// kube-api 3.4.7: an exact state that is gone.
#[tokio::test]
async fn an_exact_list_of_what_is_forgotten_is_expired() {
    let admin = filled("forgotten", 3).await;
    let old = revision(&admin.get(MAPS).await);
    admin.delete(&format!("{MAPS}/m-00")).await;
    admin.compact();
    let gone = admin.get(&format!("{MAPS}?resourceVersion={old}&resourceVersionMatch=Exact")).await;
    assert_eq!((gone.code, &gone.body["reason"]), (410, &json!("Expired")));
    assert_eq!(gone.body["message"], "The resourceVersion for the provided list is too old.");
    assert!(gone.body["metadata"].get("continue").is_none());
}

/// kube-api 3.4.8: a state to come is waited for, and given up after three seconds.
#[tokio::test(start_paused = true)]
async fn a_list_of_the_future_waits_and_is_told() {
    let admin = filled("future", 1).await;
    let head: u64 = revision(&admin.get(MAPS).await).parse().expect("a revision");
    let late = admin.get(&format!("{MAPS}?resourceVersion={}", head + 5)).await;
    assert_eq!((late.code, &late.body["reason"]), (504, &json!("Timeout")), "{}", late.text);
    assert_eq!(late.body["details"]["causes"][0]["reason"], "ResourceVersionTooLarge");
    let path = format!("{MAPS}?resourceVersion={}", head + 1);
    let change = config_map("soon", json!({}));
    let (list, written) = tokio::join!(admin.get(&path), admin.post(MAPS, &change));
    assert_eq!((list.code, written.code), (200, 201), "{}", list.text);
    assert!(names(&list).contains(&"soon".to_owned()));
}

/// kube-api 3.4.9: by namespace, then name, as bytes.
#[tokio::test]
async fn lists_are_in_the_order_of_namespaces_and_names() {
    let admin = filled("order", 0).await;
    for namespace in ["b", "a-b", "a"] {
        admin.post("/api/v1/namespaces", &json!({"metadata": {"name": namespace}})).await;
        for name in ["y", "x-1", "x.1", "x"] {
            let path = format!("/api/v1/namespaces/{namespace}/configmaps");
            assert_eq!(admin.post(&path, &config_map(name, json!({}))).await.code, 201);
        }
    }
    let list = admin.get("/api/v1/configmaps?fieldSelector=metadata.name!%3Dkube-root-ca.crt").await;
    let items = list.body["items"].as_array().cloned().unwrap_or_default();
    let keys: Vec<String> = items
        .iter()
        .map(|item| {
            let text = |key: &str| item["metadata"][key].as_str().unwrap_or_default();
            format!("{}/{}", text("namespace"), text("name"))
        })
        .collect();
    let want: Vec<String> = ["a", "a-b", "b"]
        .iter()
        .flat_map(|namespace| ["x", "x-1", "x.1", "y"].map(|name| format!("{namespace}/{name}")))
        .collect();
    assert_eq!(keys, want);
}

/// kube-api 3.4.10: every operator.
#[tokio::test]
async fn label_selectors_have_all_operators() {
    let admin = filled("labels", 0).await;
    for (name, labels) in [("one", json!({"k": "1", "x": ""})), ("two", json!({"k": "2"})), ("none", json!({}))] {
        let mut map = config_map(name, json!({}));
        map["metadata"]["labels"] = labels;
        assert_eq!(admin.post(MAPS, &map).await.code, 201);
    }
    for (selector, want) in [
        ("k", vec!["one", "two"]),
        ("!k", vec!["none"]),
        ("k=1", vec!["one"]),
        ("k==1", vec!["one"]),
        ("k!=1", vec!["none", "two"]),
        ("k in (1,2)", vec!["one", "two"]),
        ("k notin (1)", vec!["none", "two"]),
        ("k>1", vec!["two"]),
        ("k<2", vec!["one"]),
        ("k,!x", vec!["two"]),
    ] {
        let query: String =
            percent_encoding::utf8_percent_encode(selector, percent_encoding::NON_ALPHANUMERIC).collect();
        let only = "fieldSelector=metadata.name!%3Dkube-root-ca.crt";
        let list = admin.get(&format!("{MAPS}?{only}&labelSelector={query}")).await;
        assert_eq!(names(&list), want, "{selector}: {}", list.text);
    }
    let refused = admin.get(&format!("{MAPS}?labelSelector=a%20b")).await;
    assert!(refused.code == 400 && refused.text.contains("unable to parse requirement: "), "{}", refused.text);
}

/// kube-api 3.4.11: operators and escapes of field selectors, and labels that a kind does not have.
#[tokio::test]
async fn field_selectors_have_all_operators_and_escapes() {
    let admin = filled("fields", 2).await;
    for (selector, want) in [
        ("metadata.name%3Dm-00", vec!["m-00"]),
        ("metadata.name%3D%3Dm-00", vec!["m-00"]),
        ("metadata.name!%3Dm-00,metadata.name!%3Dkube-root-ca.crt", vec!["m-01"]),
        ("metadata.name%3Da%5C,b%5C%3Dc", vec![]),
    ] {
        let list = admin.get(&format!("{MAPS}?fieldSelector={selector}")).await;
        assert_eq!((list.code, names(&list)), (200, want.into_iter().map(str::to_owned).collect()), "{selector}");
    }
    for (path, code) in [
        ("/api/v1/namespaces?fieldSelector=status.phase%3DActive", 200),
        ("/api/v1/secrets?fieldSelector=type%3DOpaque", 200),
        ("/api/v1/events?fieldSelector=involvedObject.name%3Dx,reason%3Dy,source%3Dz", 200),
        ("/apis/events.k8s.io/v1/events?fieldSelector=regarding.kind%3Dx,reportingController%3Dy", 200),
        ("/api/v1/secrets?fieldSelector=data%3Dx", 400),
    ] {
        assert_eq!(admin.get(path).await.code, code, "{path}");
    }
}

/// kube-api 3.4.13: a watch from a list's revision sees exactly what came after it.
#[tokio::test]
async fn a_watch_from_a_list_misses_and_repeats_nothing() {
    let admin = filled("from-list", 2).await;
    let list = admin.get(MAPS).await;
    admin.post(MAPS, &config_map("after", json!({}))).await;
    let path = format!("{MAPS}?watch=1&resourceVersion={}", revision(&list));
    let mut lines = crate::watches::Lines::open(&admin, &path).await;
    admin.delete(&format!("{MAPS}/m-00")).await;
    let mut seen = Vec::new();
    for _ in 0..2 {
        let event = lines.next().await.expect("an event");
        seen.push((event["type"].clone(), event["object"]["metadata"]["name"].clone()));
    }
    assert_eq!(seen, [(json!("ADDED"), json!("after")), (json!("DELETED"), json!("m-00"))]);
}
