//! The suite over the in-memory engine, and what only it can show.

use crate::suite::{Store, cm, create, idle, list, watch};
use kcp_storage::{At, Error, KeyRange, Memory, Revision, WatchQuery};
use std::sync::Arc;

use crate::counts::uncounted;
use crate::engine_suite;

engine_suite!((Arc::new(Memory::with_uncounted(uncounted())) as Store, ()));

#[tokio::test]
async fn history_outside_the_window_is_compacted() {
    let store: Store = Arc::new(Memory::with_window(2));
    for name in ["a", "b", "c"] {
        create(&store, &cm("a", "n", name), name).await;
    }
    assert_eq!(store.compacted().get(), 1);
    let range = KeyRange::cluster("configmaps", "a");
    let query = |since| WatchQuery { range: range.clone(), since: Revision::new(since), buffer: 10 };
    assert!(matches!(store.watch(query(0)), Err(Error::Compacted { .. })));
    assert!(store.watch(query(1)).is_ok());
    assert!(matches!(list(&store, range.clone(), At::Exact(Revision::ZERO)).await, Err(Error::Compacted { .. })));
    assert_eq!(list(&store, range, At::Exact(Revision::new(1))).await.expect("lists").items.len(), 1);
}

#[tokio::test]
async fn the_hub_counts_what_it_does() {
    let memory = Arc::new(Memory::default());
    let store: Store = memory.clone();
    let mut watches: Vec<_> = (0..3).map(|_| watch(&store, KeyRange::cluster("configmaps", "a"), 0)).collect();
    assert!(watches.iter_mut().all(idle));
    create(&store, &cm("a", "n", "x"), "x").await;
    let statistics = memory.statistics();
    assert_eq!((statistics.watchers, statistics.ranges, statistics.published, statistics.delivered), (3, 1, 1, 3));
    drop(watches);
    assert_eq!(memory.statistics().watchers, 0);
}
