//! The suite over the embedded engine, and what only a durable store can show.

use crate::counts::{BORN, bear_below, counts, uncounted};
use crate::suite::{Store, bear, brief, cm, create, delete, get, idle, list, names, put, take, watch};
use kcp_storage::embedded::Clock;
use kcp_storage::{
    At, CommitError, Embedded, Error, Expect, KeyRange, ListQuery, OpenError, Options, Retention, Revision, WatchQuery,
};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tempfile::TempDir;

/// Small caches and segments, so that a few writes reach every path.
fn small() -> Options {
    Options {
        ring_events: 8,
        ring_bytes: 4_096,
        object_cache_bytes: 2_048,
        list_cache_bytes: 8_192,
        count_cache_bytes: 1_000,
        birth_cache_bytes: 1_000,
        uncounted: uncounted(),
        block_cache_bytes: 1 << 20,
        memtable_bytes: 1 << 20,
        retention: Retention { segment_bytes: 600, ..Retention::default() },
        ..Options::default()
    }
}

fn open(directory: &Path, options: Options) -> Store {
    Arc::new(Embedded::open(directory, options).expect("opens"))
}

fn fresh(options: Options) -> (Store, TempDir) {
    let directory = tempfile::tempdir().expect("a directory");
    (open(directory.path(), options), directory)
}

mod default_sizes {
    use super::*;
    use crate::engine_suite;
    engine_suite!(fresh(Options { uncounted: uncounted(), ..Options::default() }));
}

mod small_sizes {
    use super::*;
    use crate::engine_suite;
    engine_suite!(fresh(small()));
}

fn segments(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory.join("log")).expect("a log");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    paths
}

fn refusal(directory: &Path) -> String {
    let error = Embedded::open(directory, small()).expect_err("refuses").to_string();
    assert!(!error.contains('\n'), "{error}");
    error
}

#[tokio::test]
async fn a_store_comes_back_as_it_was_with_or_without_a_clean_close() {
    let directory = tempfile::tempdir().expect("a directory");
    for round in 0..4_u64 {
        let store = open(directory.path(), small());
        assert_eq!(store.head().get(), round * 10);
        for number in 0..10 {
            let revision = put(&store, &cm("a", "n", &format!("x{number}")), Expect::Any, &format!("{round}")).await;
            assert_eq!(revision.expect("commits").last.get(), round * 10 + number + 1);
        }
        if round % 2 == 0 {
            store.close().await;
        }
        drop(store);
    }
    let store = open(directory.path(), small());
    let page = list(&store, KeyRange::cluster("configmaps", "a"), At::Latest).await.expect("lists");
    assert_eq!((page.items.len(), page.revision.get()), (10, 40));
    assert_eq!(get(&store, &cm("a", "n", "x9")).await, Some((40, "3".into())));
    let past = list(&store, KeyRange::cluster("configmaps", "a"), At::Exact(Revision::new(15))).await.expect("lists");
    let past = names(&past.items);
    assert_eq!((past.len(), past[4].as_str(), past[5].as_str()), (10, "configmaps/a/n/x4=1", "configmaps/a/n/x5=0"));
}

#[tokio::test]
async fn a_watch_continues_across_a_restart_without_loss_or_repetition() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = open(directory.path(), small());
    bear(&store, "a").await.expect("is born");
    for number in 0..30 {
        create(&store, &cm("a", "n", &format!("x{number:02}")), "1").await;
    }
    drop(store);
    let store = open(directory.path(), small());
    let mut resumed = watch(&store, KeyRange::cluster("configmaps", "a"), 2);
    for number in 0..30 {
        put(&store, &cm("a", "n", &format!("x{number:02}")), Expect::Any, "2").await.expect("commits");
    }
    let events = take(&mut resumed, 61).await;
    let revisions: Vec<u64> = events.iter().map(|event| event.revision.get()).collect();
    assert_eq!(revisions, [3].into_iter().chain(5..65).collect::<Vec<_>>());
    assert!(idle(&mut resumed));
    assert_eq!(brief(&events)[..2], ["3+root-ca=root-ca born in a", "5+x00=1"]);
    assert_eq!(brief(&events)[31], "35~x00=2 was 1@5");
}

#[tokio::test]
async fn a_second_open_is_refused_and_names_the_owner() {
    let (store, directory) = fresh(small());
    let error = refusal(directory.path());
    assert!(error.ends_with(&format!("is in use by another process (pid {})", std::process::id())), "{error}");
    create(&store, &cm("a", "n", "x"), "still works").await;
}

#[tokio::test]
async fn a_directory_of_another_format_is_refused_and_left_alone() {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join("FORMAT"), "kcp-store 9\n").expect("writes");
    assert!(refusal(directory.path()).contains("FORMAT says \"kcp-store 9\", expected \"kcp-store 2\""));
    std::fs::remove_file(directory.path().join("FORMAT")).expect("removes");
    std::fs::create_dir(directory.path().join("log")).expect("creates");
    assert!(refusal(directory.path()).contains("it holds data but no FORMAT file"));
    assert_eq!(std::fs::read_dir(directory.path()).expect("reads").count(), 1);
    let file = directory.path().join("file");
    std::fs::write(&file, "").expect("writes");
    assert!(matches!(Embedded::open(&file, small()), Err(OpenError::Io { .. })));
}

/// A store with a few acknowledged writes, closed, and where the last record of its log begins.
async fn written(directory: &Path) -> (PathBuf, Vec<u8>, usize) {
    let options = Options { retention: Retention::default(), ..small() };
    let store = open(directory, options);
    for name in ["a", "b", "c"] {
        create(&store, &cm("a", "n", name), &"value ".repeat(9)).await;
    }
    let path = segments(directory).pop().expect("a segment");
    let before = std::fs::read(&path).expect("reads").len();
    create(&store, &cm("a", "n", "last"), "value").await;
    drop(store);
    let bytes = std::fs::read(&path).expect("reads");
    (path, bytes, before)
}

/// Takes the engine's state away, as if it had lost what its journal had not synced.
fn forget_current(directory: &Path) {
    std::fs::remove_dir_all(directory.join("current")).expect("removes");
}

#[tokio::test]
async fn a_record_cut_anywhere_is_discarded_and_the_rest_is_kept() {
    let directory = tempfile::tempdir().expect("a directory");
    let (path, bytes, last) = written(directory.path()).await;
    for end in last..bytes.len() {
        forget_current(directory.path());
        std::fs::write(&path, &bytes[..end]).expect("writes");
        let store = open(directory.path(), small());
        assert_eq!(store.head().get(), 3, "cut at {end}");
        drop(store);
        assert_eq!(std::fs::read(&path).expect("reads"), bytes[..last]);
    }
}

#[tokio::test]
async fn a_last_record_garbled_anywhere_is_discarded_when_nothing_shows_it_was_durable() {
    let directory = tempfile::tempdir().expect("a directory");
    let (path, bytes, last) = written(directory.path()).await;
    for at in last..bytes.len() {
        forget_current(directory.path());
        let mut garbled = bytes.clone();
        garbled[at] ^= 0x55;
        std::fs::write(&path, &garbled).expect("writes");
        let store = open(directory.path(), small());
        assert_eq!(store.head().get(), 3, "garbled at {at}");
        create(&store, &cm("a", "n", "next"), "goes on").await;
    }
}

#[tokio::test]
async fn damage_before_durable_records_is_refused_and_nothing_is_overwritten() {
    let directory = tempfile::tempdir().expect("a directory");
    let (path, bytes, last) = written(directory.path()).await;
    for at in 0..last {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x55;
        std::fs::write(&path, &damaged).expect("writes");
        // The segment header's last four bytes are reserved.
        if !(28..32).contains(&at) {
            assert!(refusal(directory.path()).contains(".log is corrupt: "), "byte {at}");
        }
        assert_eq!(std::fs::read(&path).expect("reads"), damaged);
    }
    // The last record is damaged and the engine shows that it had been durable.
    let mut damaged = bytes.clone();
    damaged[last + 40] ^= 0x55;
    std::fs::write(&path, &damaged).expect("writes");
    assert!(
        refusal(directory.path()).contains("current is corrupt: it is at revision 4 and the event log holds 1 to 3")
    );
    assert_eq!(std::fs::read(&path).expect("reads"), damaged);
    std::fs::write(&path, &bytes).expect("writes");
    assert_eq!(open(directory.path(), small()).head().get(), 4);
}

#[tokio::test]
async fn a_segment_that_a_crash_left_without_a_header_is_begun_again() {
    let directory = tempfile::tempdir().expect("a directory");
    let (_, _, _) = written(directory.path()).await;
    for len in [0, 5, 32] {
        std::fs::write(directory.path().join("log/00000000000000000005.log"), vec![0; len]).expect("writes");
        let store = open(directory.path(), small());
        assert_eq!(store.head().get(), 4);
        drop(store);
        assert_eq!(segments(directory.path()).len(), 1);
    }
    let store =
        open(directory.path(), Options { retention: Retention { segment_bytes: 1, ..small().retention }, ..small() });
    create(&store, &cm("a", "n", "next"), "in a segment of its own").await;
    assert_eq!(segments(directory.path()).len(), 2);
    drop(store);
    assert_eq!(open(directory.path(), small()).head().get(), 5);
}

#[tokio::test]
async fn a_store_of_an_older_format_is_counted_once_and_then_of_this_one() {
    let directory = tempfile::tempdir().expect("a directory");
    let fill = open(directory.path(), Options { uncounted: Vec::new(), ..small() });
    bear_below(&fill, "b", "a").await.expect("is born");
    bear_below(&fill, "c", "b").await.expect("is born");
    for name in ["x", "y"] {
        create(&fill, &cm("b", "n", name), "1").await;
    }
    delete(&fill, &cm("b", "default", "root-ca"), Expect::Any).await.expect("deletes");
    put(&fill, &cm("c", "default", "root-ca"), Expect::Any, "mine").await.expect("copies up");
    fill.close().await;
    drop(fill);
    std::fs::write(directory.path().join("FORMAT"), "kcp-store 1\n").expect("writes");
    for round in 0..2 {
        let store = open(directory.path(), small());
        assert_eq!(std::fs::read_to_string(directory.path().join("FORMAT")).expect("reads"), "kcp-store 2\n");
        assert_eq!(counts(&store, "a").await, ["0+7 in 1 below - ", "1+7 in 1 below - configmaps:1"][round]);
        let b = "4+3 in 1 below a configmaps:2 logicalclusters.core.kcp.io:1 namespaces:1 serviceaccounts:1";
        assert_eq!(counts(&store, "b").await, b, "round {round}");
        assert_eq!(counts(&store, "c").await, format!("3+0 in 0 below b {BORN}"));
        if round == 0 {
            create(&store, &cm("a", "n", "x"), "1").await;
        }
    }
}

#[derive(Default)]
struct Hand(AtomicU64);

impl Clock for Hand {
    fn now_ms(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

#[tokio::test]
async fn history_is_dropped_by_age_and_size_but_never_below_its_floor() {
    let clock = Arc::new(Hand::default());
    let directory = tempfile::tempdir().expect("a directory");
    let retention = Retention { segment_bytes: 600, max_age_ms: 1_000, max_bytes: 5_000, min_events: 20 };
    let options = Options { retention, clock: clock.clone(), ..small() };
    let store = open(directory.path(), options.clone());
    let range = KeyRange::cluster("configmaps", "a");
    let noise: String = (0..200_u32).map(|at| char::from(33 + (at * at * 7 % 90) as u8)).collect();
    for number in 0..15 {
        put(&store, &cm("a", "n", "x"), Expect::Any, &format!("{number} {noise}")).await.expect("commits");
    }
    assert_eq!(store.compacted().get(), 0, "young and small");
    clock.0.store(2_000, Ordering::SeqCst);
    put(&store, &cm("a", "n", "x"), Expect::Any, "old now, but few").await.expect("commits");
    assert_eq!(store.compacted().get(), 0, "never below the floor");
    let mut behind = watch(&store, range.clone(), 0);
    for number in 0..200 {
        put(&store, &cm("a", "n", "x"), Expect::Any, &format!("{number} {noise}")).await.expect("commits");
    }
    let compacted = store.compacted().get();
    assert!((100..=196).contains(&compacted), "{compacted}");
    let at = |revision| list(&store, range.clone(), At::Exact(Revision::new(revision)));
    assert!(matches!(at(compacted - 1).await, Err(Error::Compacted { .. })));
    assert_eq!(at(compacted).await.expect("lists").items[0].revision.get(), compacted);
    let query = |since| WatchQuery { range: range.clone(), since: Revision::new(since), buffer: 1_000 };
    assert!(matches!(store.watch(query(compacted - 1)), Err(Error::Compacted { .. })));
    let since = |since| store.changes(&range, Revision::new(since), store.head());
    assert!(matches!(since(compacted - 1).await, Err(Error::Compacted { .. })));
    assert_eq!(since(compacted).await.expect("in the window").len() as u64, 216 - compacted);
    let mut from_oldest = store.watch(query(compacted)).expect("in the window");
    assert_eq!(take(&mut from_oldest, (216 - compacted) as usize).await[0].revision.get(), compacted + 1);
    assert!(behind.next().await.is_err(), "its history went while it did not read");
    drop(store);
    let store = open(directory.path(), options);
    assert_eq!((store.compacted().get(), store.head().get()), (compacted, 216));
    delete(&store, &cm("a", "n", "x"), Expect::Any).await.expect("deletes");
}

#[tokio::test]
async fn watches_that_resume_after_a_restart_share_what_the_first_one_read() {
    let directory = tempfile::tempdir().expect("a directory");
    let options = Options { ring_events: 100, ..Options::default() };
    let store = open(directory.path(), options.clone());
    for number in 0..80 {
        create(&store, &cm("a", "n", &format!("x{number}")), "1").await;
    }
    drop(store);
    let engine = Arc::new(Embedded::open(directory.path(), options).expect("opens"));
    assert_eq!(engine.statistics().ring_events, 0, "nothing is read before it is asked for");
    let store: Store = engine.clone();
    for since in [70, 60, 0] {
        let mut resumed = watch(&store, KeyRange::cluster("configmaps", "a"), since);
        assert_eq!(take(&mut resumed, 80 - since as usize).await[0].revision.get(), since + 1);
        assert_eq!(engine.statistics().ring_events, 50, "half of the ring is for what comes");
    }
    create(&store, &cm("a", "n", "y"), "1").await;
    assert_eq!(engine.statistics().ring_events, 51);
}

#[tokio::test]
async fn keys_the_engine_cannot_hold_are_refused() {
    let (store, _directory) = fresh(small());
    let key = cm("a", "n", &"x".repeat(100_000));
    let refused = put(&store, &key, Expect::Any, "1").await;
    assert!(matches!(refused, Err(CommitError::Unavailable(_))), "{refused:?}");
    assert_eq!(get(&store, &key).await, None);
    create(&store, &cm("a", "n", "x"), "goes on").await;
}

#[tokio::test]
async fn a_state_read_in_pages_is_kept_until_nobody_has_read_from_it_for_a_while() {
    struct Hand(AtomicU64);
    impl Clock for Hand {
        fn now_ms(&self) -> u64 {
            self.0.load(Ordering::SeqCst)
        }
    }
    let clock = Arc::new(Hand(AtomicU64::new(1_000)));
    let directory = tempfile::tempdir().expect("a directory");
    let options = Options { clock: clock.clone(), ..Options::default() };
    let engine = Arc::new(Embedded::open(directory.path(), options).expect("opens"));
    let store: Store = engine.clone();
    for name in ["a", "b", "c", "d"] {
        create(&store, &cm("a", "n", name), "1").await;
    }
    let page = |at, after| {
        let query = ListQuery { range: KeyRange::cluster("configmaps", "a"), at, after, limit: Some(2) };
        store.list(query)
    };
    let first = page(At::Latest, None).await.expect("lists");
    assert_eq!((engine.statistics().pinned, first.more), (1, true));
    put(&store, &cm("a", "n", "d"), Expect::Any, "2").await.expect("commits");
    let after = Some(first.items[1].key.to_bytes());
    for (passed, pinned) in [(10_000, 1), (30_000, 1), (40_000, 0)] {
        clock.0.store(passed, Ordering::SeqCst);
        put(&store, &cm("a", "n", "e"), Expect::Any, "2").await.expect("commits");
        let rest = page(At::Exact(first.revision), after.clone()).await.expect("lists");
        let found: Vec<(&str, &[u8])> = rest.items.iter().map(|item| (item.key.name(), &item.value.data[..])).collect();
        assert_eq!(found, [("c", &b"1"[..]), ("d", &b"1"[..])], "the same state from a pin as without one");
        assert_eq!(engine.statistics().pinned, pinned, "after {passed} ms");
    }
}
