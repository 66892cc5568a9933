//! Readers beside the writer: every read is of one state, and nobody sees time run backwards.

use crate::suite::{Store, cm, get, text};
use kcp_storage::{At, Batch, Embedded, Expect, KeyRange, ListQuery, Op, Options, Page, Revision, Value, WatchQuery};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

const ROUNDS: u64 = 1_500;

fn number(text: &str) -> u64 {
    text.parse().expect("a number")
}

/// Writes the same number to two keys in one batch, and creates and deletes a third in turn.
async fn write(store: Store, done: Arc<AtomicBool>) {
    for round in 1..=ROUNDS {
        let value = || Value::new(round.to_string());
        let mut ops = vec![
            Op::put(cm("a", "n", "left"), Expect::Any, value()),
            Op::put(cm("a", "n", "right"), Expect::Any, value()),
        ];
        ops.push(match round % 2 {
            1 => Op::put(cm("a", "n", "sometimes"), Expect::Absent, value()),
            _ => Op::delete(cm("a", "n", "sometimes"), Expect::Any),
        });
        let done = store.commit(Batch::of(ops)).await.expect("commits");
        let (revision, text) = get(&store, &cm("a", "n", "right")).await.expect("reads its write");
        assert_eq!((revision, text), (done.last.get() - 1, round.to_string()));
    }
    done.store(true, Ordering::Release);
}

fn check(page: &Page) -> u64 {
    let by_name = |name: &str| page.items.iter().find(|item| item.key.name() == name).map(|item| text(&item.value));
    let Some(left) = by_name("left") else {
        assert!(page.items.is_empty());
        return 0;
    };
    let round = number(&left);
    assert_eq!(by_name("right"), Some(left.clone()), "half a batch was seen");
    assert_eq!(by_name("sometimes"), (round % 2 == 1).then_some(left));
    assert_eq!(page.revision.get(), round * 3, "the page is of another state than it says");
    round
}

async fn read(store: Store, done: Arc<AtomicBool>) {
    let mut newest = 0;
    while !done.load(Ordering::Acquire) {
        for name in ["left", "right"] {
            let seen = get(&store, &cm("a", "n", name)).await.map_or(0, |(_, text)| number(&text));
            assert!(seen >= newest, "{name} went back from {newest} to {seen}");
            newest = seen;
        }
        let sometimes = get(&store, &cm("a", "n", "sometimes")).await.map_or(0, |(_, text)| number(&text));
        assert!(sometimes == 0 || sometimes >= newest);
        newest = newest.max(sometimes);
        let query = |at| ListQuery { range: KeyRange::cluster("configmaps", "a"), at, after: None, limit: Some(10) };
        let page = store.list(query(At::Latest)).await.expect("lists");
        let round = check(&page);
        assert!(round >= newest, "a list went back from {newest} to {round}");
        newest = round;
        let back = Revision::new((round / 2) * 3);
        if round > 0 && back >= store.compacted() {
            assert_eq!(check(&store.list(query(At::Exact(back))).await.expect("lists")), round / 2);
        }
        tokio::task::yield_now().await;
    }
}

async fn follow(store: Store) {
    let range = KeyRange::cluster("configmaps", "a");
    let mut since = Revision::ZERO;
    let mut watch = store.watch(WatchQuery { range: range.clone(), since, buffer: 100_000 }).expect("watches");
    while since.get() < ROUNDS * 3 {
        for event in watch.next().await.expect("goes on") {
            assert_eq!(event.revision, since.next(), "a change is missing or repeated");
            since = event.revision;
            assert!(store.head() >= since, "a watch was ahead of reads");
            let standing = get(&store, &event.key).await.map_or(u64::MAX, |(revision, _)| revision);
            assert!(standing >= since.get() || event.key.name() == "sometimes");
        }
        // Begin again somewhere, so that history and live changes meet while writes go on.
        if since.get().is_multiple_of(7) {
            watch = store.watch(WatchQuery { range: range.clone(), since, buffer: 100_000 }).expect("watches");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn readers_beside_a_writer_see_whole_states_in_order() {
    let directory = tempfile::tempdir().expect("a directory");
    let options = Options { no_fsync: true, ring_events: 50, ..Options::default() };
    let store: Store = Arc::new(Embedded::open(directory.path(), options).expect("opens"));
    let done = Arc::new(AtomicBool::new(false));
    let mut tasks = vec![tokio::spawn(write(store.clone(), done.clone()))];
    tasks.extend((0..3).map(|_| tokio::spawn(read(store.clone(), done.clone()))));
    tasks.extend((0..2).map(|_| tokio::spawn(follow(store.clone()))));
    for task in tasks {
        task.await.expect("holds");
    }
}
