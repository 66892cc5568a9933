//! What it costs to tell watchers: 200 of one namespace while 10,000 others watch elsewhere.

use crate::report;
use crate::workload::{Numbers, value};
use kcp_storage::{Backend, Batch, Embedded, Expect, Key, KeyRange, Op, Options, Revision, Value, WatchQuery};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

const WATCHERS: usize = 200;
const BYSTANDERS: u64 = 10_000;
const WRITERS: u64 = 32;
const WRITES: u64 = 500;

pub async fn run(directory: &Path) {
    let store = Arc::new(Embedded::open(directory, Options { no_fsync: true, ..Options::default() }).expect("opens"));
    let before = crate::workload::anonymous_rss_mb();
    let bystanders: Vec<_> = (0..BYSTANDERS)
        .map(|cluster| subscribe(&store, KeyRange::cluster("configmaps", &format!("quiet-{cluster}"))))
        .collect();
    let after = crate::workload::anonymous_rss_mb();
    report("bytes of an idle watch, each of another range", (after - before) * 1_048_576.0 / BYSTANDERS as f64);
    let watchers: Vec<_> = (0..WATCHERS)
        .map(|_| {
            let mut watch = subscribe(&store, KeyRange::namespace("configmaps", "busy", "default"));
            tokio::spawn(async move {
                let (mut seen, mut wakes) = (0, 0);
                while seen < WRITERS * WRITES {
                    seen += watch.next().await.expect("goes on").len() as u64;
                    wakes += 1;
                }
                wakes
            })
        })
        .collect();
    let begun = Instant::now();
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut numbers = Numbers::new(writer);
                for _ in 0..WRITES {
                    let key = Key::new("configmaps", "busy", "default", &format!("object-{writer}"));
                    let op = Op::put(key, Expect::Any, Value::new(value(&mut numbers)));
                    store.commit(Batch::of(vec![op])).await.expect("commits");
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.expect("writes");
    }
    let mut wakes = 0_u64;
    for watcher in watchers {
        wakes += watcher.await.expect("reads");
    }
    let deliveries = (WRITERS * WRITES * WATCHERS as u64) as f64;
    report("deliveries/s to 200 watchers", deliveries / begun.elapsed().as_secs_f64());
    report("deliveries per wake-up", deliveries / wakes as f64);
    drop(bystanders);
    store.close().await;
}

fn subscribe(store: &Embedded, range: KeyRange) -> kcp_storage::Watch {
    store.watch(WatchQuery { range, since: Revision::ZERO, buffer: 100_000 }).expect("watches")
}
