//! Events go by time: kube-api 6.5.2.

use crate::harness::Harness;
use jiff::Timestamp;
use kcp_apiserver::clock::Clock;
use kcp_apiserver::expiry::{Expiry, Swept};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

const EVENTS: &str = "/api/v1/namespaces/default/events";
const HOUR: i64 = 3600;

/// A clock that stands still until it is set.
struct Set(AtomicI64);

impl Clock for Set {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(self.0.load(Ordering::SeqCst)).unwrap()
    }
}

fn server() -> (Harness, Arc<Set>) {
    let clock = Arc::new(Set(AtomicI64::new(1_800_000_000)));
    (Harness::at("one", Arc::clone(&clock) as Arc<dyn Clock>), clock)
}

impl Set {
    fn pass(&self, seconds: i64) -> i64 {
        self.0.fetch_add(seconds, Ordering::SeqCst) + seconds
    }
}

fn event(name: &str) -> Value {
    json!({"metadata": {"name": name}, "involvedObject": {"namespace": "default"}, "count": 1})
}

async fn names(kcp: &Harness) -> Vec<String> {
    let list = kcp.get(EVENTS).await.body;
    list["items"].as_array().unwrap().iter().map(|item| item["metadata"]["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn an_event_lives_for_an_hour_after_it_was_last_written() {
    let (kcp, clock) = server();
    let mut expiry = Expiry::default();
    assert_eq!(expiry.sweep(&kcp.server).await.unwrap(), Swept { deleted: 0, next: None });
    for name in ["a", "b", "c"] {
        assert_eq!(kcp.post(EVENTS, &event(name)).await.code, 201);
    }
    let later = clock.pass(HOUR / 2);
    assert_eq!(kcp.merge(&format!("{EVENTS}/b"), &json!({"count": 2})).await.code, 200);
    // What changes nothing is no write.
    assert_eq!(kcp.merge(&format!("{EVENTS}/c"), &json!({"count": 1})).await.code, 200);
    let swept = expiry.sweep(&kcp.server).await.unwrap();
    assert_eq!(swept, Swept { deleted: 0, next: Some(later + HOUR / 2) });
    clock.pass(HOUR / 2 - 1);
    assert_eq!(expiry.sweep(&kcp.server).await.unwrap().deleted, 0);
    clock.pass(1);
    assert_eq!(expiry.sweep(&kcp.server).await.unwrap(), Swept { deleted: 2, next: Some(later + HOUR) });
    assert_eq!(names(&kcp).await, ["b"]);
    clock.pass(HOUR);
    assert_eq!(expiry.sweep(&kcp.server).await.unwrap(), Swept { deleted: 1, next: None });
    assert_eq!(names(&kcp).await, Vec::<String>::new());
}

#[tokio::test]
async fn events_of_all_clusters_go_in_batches_and_finalizers_do_not_hold_them() {
    let (kcp, clock) = server();
    for number in 0..701 {
        let kcp = kcp.in_cluster(["one", "two", "three"][number % 3]);
        assert_eq!(kcp.post(EVENTS, &event(&format!("e{number}"))).await.code, 201);
    }
    clock.pass(HOUR);
    let mut expiry = Expiry::default();
    assert_eq!(expiry.sweep(&kcp.server).await.unwrap(), Swept { deleted: 701, next: None });
    assert_eq!(expiry.sweep(&kcp.server).await.unwrap(), Swept { deleted: 0, next: None });
}

#[tokio::test]
async fn a_clock_that_is_set_back_hides_nothing() {
    let (kcp, clock) = server();
    let mut expiry = Expiry::default();
    clock.pass(10 * HOUR);
    expiry.sweep(&kcp.server).await.unwrap();
    let now = clock.pass(-10 * HOUR);
    assert_eq!(kcp.post(EVENTS, &event("a")).await.code, 201);
    assert_eq!(expiry.sweep(&kcp.server).await.unwrap().next, Some(now + HOUR));
    clock.pass(HOUR);
    assert_eq!(expiry.sweep(&kcp.server).await.unwrap().deleted, 1);
}
