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

#[tokio::test]
async fn a_collection_is_deleted_by_selector() {
    let admin = filled("collection", 4).await;
    let deleted = admin.delete(&format!("{MAPS}?labelSelector=parity%3Dodd")).await;
    assert_eq!((deleted.code, &deleted.body["kind"]), (200, &json!("ConfigMapList")), "{}", deleted.text);
    assert_eq!(deleted.body["items"].as_array().map(Vec::len), Some(2));
    let left = admin.get(&format!("{MAPS}?labelSelector=parity")).await;
    assert_eq!(left.body["items"].as_array().map(Vec::len), Some(2));
}

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
