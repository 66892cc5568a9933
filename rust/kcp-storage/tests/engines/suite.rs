//! What every engine has to do, once for all of them.
//!
//! `engine_suite!(make)` turns each case below, and those of `counts.rs`, into a test; `make()` returns an empty store
//! that leaves [`crate::counts::UNCOUNTED`] out of totals, and whatever has to live as long as it.

use kcp_storage::{
    At, Backend, Batch, Birth, Change, CommitError, Committed, Error, Event, EventKind, Expect, Guard, IndexEntry,
    Item, Key, KeyRange, ListQuery, Observer, Op, Page, Piece, Revision, Template, TemplateObject, Value, Watch,
    WatchError, WatchQuery,
};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

pub type Store = Arc<dyn Backend>;

/// Makes a test of each case.
#[macro_export]
macro_rules! engine_suite {
    ($make:expr) => {
        $crate::engine_suite!($make => suite
            a_written_value_is_read_back_with_its_revision
            expectations_and_guards_are_checked_and_a_failed_batch_changes_nothing
            changes_of_a_batch_take_consecutive_revisions
            lists_are_in_key_order_and_page_without_gaps
            exact_reads_show_the_past
            a_watch_delivers_history_and_live_changes_once_in_order
            watches_see_their_own_range_only
            past_changes_are_read_without_a_watch
            a_watch_from_a_future_revision_skips_what_comes_before_it
            a_slow_reader_is_closed_and_others_are_not
            a_dropped_watch_leaves_the_hub
            progress_follows_changes_outside_the_range
            the_index_follows_the_values
            an_indexed_object_is_not_deleted_as_an_unindexed_one
            an_owner_goes_or_gets_a_dependent_never_both
            observers_see_changes_before_the_writer_is_told
            watches_end_before_a_store_closes
            a_closed_store_ends_watches_and_refuses_commits
            a_cluster_is_born_with_its_objects
            born_objects_are_changed_and_deleted_like_others
        );
        $crate::engine_suite!($make => counts
            counts_follow_every_write_and_what_is_born
            a_subtree_counts_all_below_and_lasts_as_long_as_it_holds_an_object
            a_cluster_born_again_elsewhere_takes_what_is_below_it_along
            a_limit_refuses_what_would_pass_it_and_never_a_delete
            racing_creates_never_pass_a_limit
            what_has_to_be_left_empty_is
        );
    };
    ($make:expr => $room:ident $($case:ident)*) => {
        $(#[tokio::test]
        async fn $case() {
            let (store, _keep) = $make;
            $crate::$room::$case(store).await;
        })*
    };
}

pub fn cm(cluster: &str, namespace: &str, name: &str) -> Key {
    Key::new("configmaps", cluster, namespace, name)
}

pub async fn put(store: &Store, key: &Key, expect: Expect, data: &str) -> Result<Committed, CommitError> {
    let op = Op::put(key.clone(), expect, Value::new(data.to_owned()));
    store.commit(Batch::of(vec![op])).await
}

pub async fn create(store: &Store, key: &Key, data: &str) -> Revision {
    put(store, key, Expect::Absent, data).await.expect("created").last
}

pub async fn delete(store: &Store, key: &Key, expect: Expect) -> Result<Committed, CommitError> {
    store.commit(Batch::of(vec![Op::delete(key.clone(), expect)])).await
}

pub async fn get(store: &Store, key: &Key) -> Option<(u64, String)> {
    store.get(key).await.expect("reads").map(|item| (item.revision.get(), text(&item.value)))
}

pub async fn list(store: &Store, range: KeyRange, at: At) -> Result<Page, Error> {
    store.list(ListQuery { range, at, after: None, limit: None }).await
}

pub fn text(value: &Value) -> String {
    String::from_utf8(value.data.to_vec()).expect("UTF-8")
}

pub fn names(items: &[Item]) -> Vec<String> {
    items.iter().map(|item| format!("{:?}={}", item.key, text(&item.value))).collect()
}

pub fn brief(events: &[Arc<Event>]) -> Vec<String> {
    events
        .iter()
        .map(|event| {
            let kind = match event.kind {
                EventKind::Added => '+',
                EventKind::Modified => '~',
                EventKind::Deleted => '-',
            };
            let previous = event.previous.as_ref().map(|(at, value)| format!(" was {}@{at}", text(value)));
            let (name, value) = (event.key.name(), text(&event.value));
            format!("{}{kind}{name}={value}{}", event.revision, previous.unwrap_or_default())
        })
        .collect()
}

pub fn watch(store: &Store, range: KeyRange, since: u64) -> Watch {
    store.watch(WatchQuery { range, since: Revision::new(since), buffer: 100 }).expect("in the window")
}

/// Reads until `count` changes arrived.
pub async fn take(watch: &mut Watch, count: usize) -> Vec<Arc<Event>> {
    let mut events = Vec::new();
    while events.len() < count {
        events.extend(watch.next().await.expect("goes on"));
    }
    events
}

/// Whether the watch has nothing to say right now, history included.
pub fn idle(watch: &mut Watch) -> bool {
    let mut out = Vec::new();
    let mut cx = Context::from_waker(Waker::noop());
    // A watch that still walks through history says so by waking itself; a few polls settle it.
    (0..50).all(|_| watch.poll_next(&mut cx, &mut out) == Poll::Pending)
}

pub async fn a_written_value_is_read_back_with_its_revision(store: Store) {
    let key = cm("a", "n", "x");
    assert_eq!(store.head(), Revision::ZERO);
    assert_eq!(get(&store, &key).await, None);
    assert_eq!(create(&store, &key, "1").await.get(), 1);
    assert_eq!(get(&store, &key).await, Some((1, "1".into())));
    put(&store, &key, Expect::At(Revision::new(1)), "2").await.expect("updates");
    assert_eq!(get(&store, &key).await, Some((2, "2".into())));
    delete(&store, &key, Expect::Any).await.expect("deletes");
    assert_eq!(get(&store, &key).await, None);
    assert_eq!(store.head().get(), 3);
}

pub async fn expectations_and_guards_are_checked_and_a_failed_batch_changes_nothing(store: Store) {
    let (x, y) = (cm("a", "n", "x"), cm("a", "n", "y"));
    create(&store, &x, "1").await;
    let conflict = put(&store, &x, Expect::Absent, "2").await;
    assert!(
        matches!(&conflict, Err(CommitError::Conflict { index: 0, current: Some(item) }) if text(&item.value) == "1"),
        "{conflict:?}"
    );
    let stale = put(&store, &x, Expect::At(Revision::new(7)), "2").await;
    assert!(matches!(stale, Err(CommitError::Conflict { index: 0, current: Some(_) })), "{stale:?}");
    let absent = delete(&store, &y, Expect::Any).await;
    assert!(matches!(absent, Err(CommitError::Conflict { index: 0, current: None })), "{absent:?}");
    let op = |key: &Key, expect| Op::put(key.clone(), expect, Value::new("new"));
    let half = store.commit(Batch::of(vec![op(&y, Expect::Absent), op(&x, Expect::Absent)])).await;
    assert!(matches!(half, Err(CommitError::Conflict { index: 1, .. })), "{half:?}");
    let twice = store.commit(Batch::of(vec![op(&y, Expect::Any), op(&y, Expect::Any)])).await;
    assert!(matches!(twice, Err(CommitError::Conflict { index: 1, .. })), "{twice:?}");
    let guard = Guard { key: x.clone(), expect: Expect::At(Revision::new(9)) };
    let guarded =
        store.commit(Batch { ops: vec![op(&y, Expect::Absent)], guards: vec![guard], ..Batch::default() }).await;
    assert!(matches!(guarded, Err(CommitError::Guard { index: 0 })), "{guarded:?}");
    assert_eq!(get(&store, &y).await, None);
    assert_eq!(store.head().get(), 1);
    let guard = Guard { key: x.clone(), expect: Expect::At(Revision::new(1)) };
    store
        .commit(Batch { ops: vec![op(&y, Expect::Absent)], guards: vec![guard], ..Batch::default() })
        .await
        .expect("guard holds");
    assert_eq!(get(&store, &y).await, Some((2, "new".into())));
}

pub async fn changes_of_a_batch_take_consecutive_revisions(store: Store) {
    let ops = ["x", "y", "z"].map(|name| Op::put(cm("a", "n", name), Expect::Absent, Value::new(name)));
    let done = store.commit(Batch::of(ops.into())).await.expect("commits");
    assert_eq!((done.first.get(), done.last.get()), (1, 3));
    assert_eq!(get(&store, &cm("a", "n", "z")).await, Some((3, "z".into())));
    let nothing = store.commit(Batch::default()).await.expect("commits");
    assert_eq!((nothing.first.get(), nothing.last.get()), (4, 3));
}

pub async fn lists_are_in_key_order_and_page_without_gaps(store: Store) {
    for (cluster, name) in [("b", "q"), ("a", "z"), ("a", "x"), ("a-b", "w"), ("a", "y")] {
        create(&store, &cm(cluster, "n", name), name).await;
    }
    create(&store, &Key::new("secrets", "a", "n", "s"), "s").await;
    let page = list(&store, KeyRange::resource("configmaps"), At::Latest).await.expect("lists");
    assert_eq!(page.revision.get(), 6);
    assert!(!page.more);
    let all = names(&page.items);
    let expected = [
        "configmaps/a/n/x=x",
        "configmaps/a/n/y=y",
        "configmaps/a/n/z=z",
        "configmaps/a-b/n/w=w",
        "configmaps/b/n/q=q",
    ];
    assert_eq!(all, expected);
    let in_a = list(&store, KeyRange::cluster("configmaps", "a"), At::Latest).await.expect("lists");
    assert_eq!(names(&in_a.items), expected[..3]);
    let none = list(&store, KeyRange::namespace("configmaps", "a", "m"), At::Latest).await.expect("lists");
    assert!(none.items.is_empty() && !none.more);
    let one = list(&store, KeyRange::object(&cm("a", "n", "y")), At::Latest).await.expect("lists");
    assert_eq!(names(&one.items), expected[1..2]);
    for at in [At::Latest, At::Exact(Revision::new(6))] {
        let (mut paged, mut after) = (Vec::new(), None);
        loop {
            let query = ListQuery { range: KeyRange::resource("configmaps"), at, after, limit: Some(2) };
            let page = store.list(query).await.expect("lists");
            after = page.items.last().map(|item| item.key.to_bytes());
            paged.extend(names(&page.items));
            if !page.more {
                break;
            }
            assert_eq!(page.items.len(), 2);
        }
        assert_eq!(paged, expected);
        for (limit, expected) in [(None, expected.len()), (Some(2), 2)] {
            let query = ListQuery { range: KeyRange::resource("configmaps"), at, after: None, limit };
            assert_eq!(store.count(query).await.expect("counts"), expected);
        }
    }
}

pub async fn exact_reads_show_the_past(store: Store) {
    let (x, y) = (cm("a", "n", "x"), cm("a", "n", "y"));
    create(&store, &x, "1").await;
    create(&store, &y, "2").await;
    put(&store, &x, Expect::Any, "3").await.expect("updates");
    delete(&store, &y, Expect::Any).await.expect("deletes");
    put(&store, &x, Expect::Any, "5").await.expect("updates");
    let expected: [&[&str]; 6] = [&[], &["x=1@1"], &["x=1@1", "y=2@2"], &["x=3@3", "y=2@2"], &["x=3@3"], &["x=5@5"]];
    for (revision, expected) in expected.iter().enumerate() {
        let at = Revision::new(revision as u64);
        let page = list(&store, KeyRange::cluster("configmaps", "a"), At::Exact(at)).await.expect("lists");
        let items: Vec<String> = page
            .items
            .iter()
            .map(|item| format!("{}={}@{}", item.key.name(), text(&item.value), item.revision))
            .collect();
        assert_eq!((page.revision, items), (at, expected.iter().map(|item| (*item).to_owned()).collect()));
    }
    let future = list(&store, KeyRange::cluster("configmaps", "a"), At::Exact(Revision::new(6))).await;
    assert!(matches!(future, Err(Error::Future { .. })), "{future:?}");
}

pub async fn a_watch_delivers_history_and_live_changes_once_in_order(store: Store) {
    let key = cm("a", "n", "x");
    create(&store, &key, "1").await;
    put(&store, &key, Expect::Any, "2").await.expect("updates");
    let mut from_start = watch(&store, KeyRange::cluster("configmaps", "a"), 0);
    let mut from_one = watch(&store, KeyRange::cluster("configmaps", "a"), 1);
    let mut from_now = watch(&store, KeyRange::cluster("configmaps", "a"), 2);
    put(&store, &key, Expect::Any, "3").await.expect("updates");
    delete(&store, &key, Expect::Any).await.expect("deletes");
    let expected = ["1+x=1", "2~x=2 was 1@1", "3~x=3 was 2@2", "4-x=3 was 3@3"];
    assert_eq!(brief(&take(&mut from_start, 4).await), expected);
    assert_eq!(brief(&take(&mut from_one, 3).await), expected[1..]);
    assert_eq!(brief(&take(&mut from_now, 2).await), expected[2..]);
    for watch in [&mut from_start, &mut from_one, &mut from_now] {
        assert!(idle(watch));
        assert_eq!(watch.progress().get(), 4);
    }
}

pub async fn watches_see_their_own_range_only(store: Store) {
    let ranges = [
        KeyRange::resource("configmaps"),
        KeyRange::cluster("configmaps", "a"),
        KeyRange::namespace("configmaps", "a", "n"),
        KeyRange::object(&cm("a", "n", "x")),
        KeyRange::cluster("secrets", "a"),
    ];
    let mut watches = ranges.map(|range| watch(&store, range, 0));
    for key in [cm("a", "n", "x"), cm("a", "n", "y"), cm("a", "m", "x"), cm("b", "n", "x")] {
        create(&store, &key, "").await;
    }
    for (watch, count) in watches.iter_mut().zip([4, 3, 2, 1, 0]) {
        assert_eq!(take(watch, count).await.len(), count);
        assert!(idle(watch));
        assert_eq!(watch.progress().get(), 4);
    }
}

pub async fn past_changes_are_read_without_a_watch(store: Store) {
    for (cluster, name) in [("a", "x"), ("b", "y"), ("a", "z")] {
        create(&store, &cm(cluster, "n", name), name).await;
    }
    delete(&store, &cm("a", "n", "x"), Expect::Any).await.expect("deletes");
    let changes = async |range: KeyRange, since: u64, upto: u64| {
        brief(&store.changes(&range, Revision::new(since), Revision::new(upto)).await.expect("in the window"))
    };
    let all = KeyRange::resource("configmaps");
    assert_eq!(changes(all.clone(), 0, 4).await, ["1+x=x", "2+y=y", "3+z=z", "4-x=x was x@1"]);
    assert_eq!(changes(KeyRange::cluster("configmaps", "a"), 1, 3).await, ["3+z=z"]);
    assert_eq!(changes(all.clone(), 4, 4).await, [""; 0]);
    assert_eq!(changes(all, 9, 4).await, [""; 0]);
}

pub async fn a_watch_from_a_future_revision_skips_what_comes_before_it(store: Store) {
    let mut watch = watch(&store, KeyRange::cluster("configmaps", "a"), 2);
    for name in ["x", "y", "z"] {
        create(&store, &cm("a", "n", name), name).await;
    }
    assert_eq!(brief(&take(&mut watch, 1).await), ["3+z=z"]);
}

pub async fn a_slow_reader_is_closed_and_others_are_not(store: Store) {
    let query = WatchQuery { range: KeyRange::cluster("configmaps", "a"), since: Revision::ZERO, buffer: 3 };
    let mut slow = store.watch(query).expect("watches");
    let mut patient = watch(&store, KeyRange::cluster("configmaps", "a"), 0);
    for name in ["a", "b", "c", "d"] {
        create(&store, &cm("a", "n", name), name).await;
    }
    assert_eq!(slow.next().await.err(), Some(WatchError::Slow));
    assert_eq!(slow.next().await.err(), Some(WatchError::Slow));
    assert_eq!(take(&mut patient, 4).await.len(), 4);
}

pub async fn a_dropped_watch_leaves_the_hub(store: Store) {
    let mut kept = watch(&store, KeyRange::cluster("configmaps", "a"), 0);
    drop(watch(&store, KeyRange::cluster("configmaps", "a"), 0));
    create(&store, &cm("a", "n", "x"), "").await;
    assert_eq!(take(&mut kept, 1).await.len(), 1);
}

pub async fn progress_follows_changes_outside_the_range(store: Store) {
    let mut watch = watch(&store, KeyRange::cluster("configmaps", "a"), 0);
    create(&store, &cm("b", "n", "x"), "").await;
    assert!(idle(&mut watch));
    assert_eq!(watch.progress().get(), 1);
    create(&store, &cm("a", "n", "x"), "").await;
    assert_eq!(watch.progress().get(), 1, "a queued change has not been handed out");
    take(&mut watch, 1).await;
    assert_eq!(watch.progress().get(), 2);
}

pub async fn the_index_follows_the_values(store: Store) {
    let indexed = |name: &str, terms: &[&str]| {
        let terms = terms.iter().map(|term| bytes::Bytes::copy_from_slice(term.as_bytes())).collect();
        Op::put(cm("a", "n", name), Expect::Any, Value::indexed(name.to_owned(), terms))
    };
    let ops = vec![indexed("x", &["owner/1", "todo"]), indexed("y", &["owner/1"]), indexed("z", &["owner/2"])];
    store.commit(Batch::of(ops)).await.expect("commits");
    let find = async |prefix: &str, after: Option<&IndexEntry>, limit: usize| {
        store.index(prefix.as_bytes(), after, limit).await.expect("reads")
    };
    let brief = |entries: &[IndexEntry]| -> Vec<String> {
        entries.iter().map(|entry| format!("{} {}", String::from_utf8_lossy(&entry.term), entry.key.name())).collect()
    };
    let all = find("owner/", None, 10).await;
    assert_eq!(brief(&all), ["owner/1 x", "owner/1 y", "owner/2 z"]);
    assert_eq!(brief(&find("owner/", None, 2).await), ["owner/1 x", "owner/1 y"]);
    assert_eq!(brief(&find("owner/", Some(&all[1]), 10).await), ["owner/2 z"]);
    assert_eq!(brief(&find("todo", None, 10).await), ["todo x"]);
    let last = find("todo", None, 10).await;
    assert_eq!(brief(&find("owner/", Some(&last[0]), 10).await), [""; 0]);
    assert_eq!(brief(&find("todo", Some(&all[0]), 10).await), ["todo x"]);
    store.commit(Batch::of(vec![indexed("x", &["owner/3"])])).await.expect("commits");
    delete(&store, &cm("a", "n", "y"), Expect::Any).await.expect("deletes");
    assert_eq!(brief(&find("", None, 10).await), ["owner/2 z", "owner/3 x"]);
    let item = store.get(&cm("a", "n", "x")).await.expect("reads").expect("is there");
    assert_eq!(item.value.terms.as_ref(), [bytes::Bytes::from_static(b"owner/3")]);
}

const UID: &[u8; 36] = b"8f2c1c2e-0000-4000-8000-000000000001";

fn dependent(name: &str) -> Batch {
    let value = Value::indexed("dependent", vec![bytes::Bytes::from_static(b"owner/1")]);
    let guard = Guard { key: cm("a", "n", "owner"), expect: Expect::Containing(*UID) };
    Batch { ops: vec![Op::put(cm("a", "n", name), Expect::Absent, value)], guards: vec![guard], ..Batch::default() }
}

fn delete_owner() -> Batch {
    let change = Change::DeleteUnindexed(bytes::Bytes::from_static(b"owner/1"));
    Batch::of(vec![Op { key: cm("a", "n", "owner"), expect: Expect::Any, change }])
}

pub async fn an_indexed_object_is_not_deleted_as_an_unindexed_one(store: Store) {
    let uid = String::from_utf8_lossy(UID);
    create(&store, &cm("a", "n", "owner"), &format!("{{\"uid\":\"{uid}\"}}")).await;
    store.commit(dependent("x")).await.expect("the owner is there");
    let kept = store.commit(delete_owner()).await;
    assert!(matches!(kept, Err(CommitError::Conflict { index: 0, current: Some(_) })), "{kept:?}");
    delete(&store, &cm("a", "n", "x"), Expect::Any).await.expect("deletes");
    store.commit(delete_owner()).await.expect("nothing is indexed any more");
    let absent = store.commit(delete_owner()).await;
    assert!(matches!(absent, Err(CommitError::Conflict { index: 0, current: None })), "{absent:?}");
    let alone = store.commit(dependent("x")).await;
    assert!(matches!(alone, Err(CommitError::Guard { index: 0 })), "{alone:?}");
    create(&store, &cm("a", "n", "owner"), "another one of that name").await;
    let alone = store.commit(dependent("x")).await;
    assert!(matches!(alone, Err(CommitError::Guard { index: 0 })), "{alone:?}");
}

pub async fn an_owner_goes_or_gets_a_dependent_never_both(store: Store) {
    let uid = String::from_utf8_lossy(UID).into_owned();
    for round in 0..100 {
        create(&store, &cm("a", "n", "owner"), &uid).await;
        // Both are in the queue before either is waited for; which comes first alternates.
        let (first, second) =
            if round % 2 == 0 { (dependent("x"), delete_owner()) } else { (delete_owner(), dependent("x")) };
        let (first, second) = (store.commit(first), store.commit(second));
        let done = [first.await.is_ok(), second.await.is_ok()];
        assert_eq!(done, [true, false], "round {round}");
        let left = if round % 2 == 0 { ["x", "owner"].as_slice() } else { &[] };
        for name in left {
            delete(&store, &cm("a", "n", name), Expect::Any).await.expect("is there");
        }
    }
}

#[derive(Default)]
struct Recorder(Mutex<Vec<u64>>);

impl Observer for Recorder {
    fn committed(&self, events: &[Arc<Event>]) {
        self.0.lock().expect("not poisoned").extend(events.iter().map(|event| event.revision.get()));
    }
}

pub async fn observers_see_changes_before_the_writer_is_told(store: Store) {
    let recorder = Arc::new(Recorder::default());
    store.observe(recorder.clone());
    for name in ["x", "y"] {
        let revision = create(&store, &cm("a", "n", name), name).await;
        assert_eq!(recorder.0.lock().expect("not poisoned").last(), Some(&revision.get()));
    }
    assert_eq!(*recorder.0.lock().expect("not poisoned"), [1, 2]);
}

pub async fn watches_end_before_a_store_closes(store: Store) {
    let mut watch = watch(&store, KeyRange::cluster("configmaps", "a"), 0);
    store.end_watches();
    assert_eq!(watch.next().await.err(), Some(WatchError::Closed));
    create(&store, &cm("a", "n", "x"), "1").await;
    let mut late = self::watch(&store, KeyRange::cluster("configmaps", "a"), 1);
    assert_eq!(late.next().await.err(), Some(WatchError::Closed));
}

pub async fn a_closed_store_ends_watches_and_refuses_commits(store: Store) {
    let mut watch = watch(&store, KeyRange::cluster("configmaps", "a"), 0);
    store.close().await;
    assert_eq!(watch.next().await.err(), Some(WatchError::Closed));
    let refused = put(&store, &cm("a", "n", "x"), Expect::Any, "1").await;
    assert!(matches!(refused, Err(CommitError::Unavailable(_))), "{refused:?}");
}

pub fn template() -> Arc<Template> {
    let object = |resource: &str, namespace: &str, name: &str| TemplateObject {
        resource: resource.into(),
        namespace: namespace.into(),
        name: name.into(),
        pieces: vec![Piece::Text(format!("{name} born ").into()), Piece::Slot(0)],
    };
    Arc::new(Template::new(vec![
        object("namespaces", "", "default"),
        object("serviceaccounts", "default", "default"),
        object("configmaps", "default", "root-ca"),
    ]))
}

pub fn row(cluster: &str) -> Key {
    Key::new("logicalclusters.core.kcp.io", cluster, "", "cluster")
}

pub async fn bear(store: &Store, cluster: &str) -> Result<Committed, CommitError> {
    let birth = Birth { template: template(), slots: vec![format!("in {cluster}").into()], parent: None };
    let op = Op::bear(row(cluster), Value::new(format!("row of {cluster}")), birth);
    store.commit(Batch::of(vec![op])).await
}

pub async fn a_cluster_is_born_with_its_objects(store: Store) {
    let mut wildcard = watch(&store, KeyRange::resource("configmaps"), 0);
    let mut namespaces = watch(&store, KeyRange::cluster("namespaces", "b"), 0);
    create(&store, &cm("a", "z", "own"), "own").await;
    let done = bear(&store, "b").await.expect("is born");
    assert_eq!((done.first.get(), done.last.get()), (2, 5));
    bear(&store, "a").await.expect("is born");
    assert_eq!(get(&store, &cm("b", "default", "root-ca")).await, Some((4, "root-ca born in b".into())));
    assert_eq!(get(&store, &row("b")).await, Some((5, "row of b".into())));
    let page = list(&store, KeyRange::resource("configmaps"), At::Latest).await.expect("lists");
    let all = [
        "configmaps/a/default/root-ca=root-ca born in a",
        "configmaps/a/z/own=own",
        "configmaps/b/default/root-ca=root-ca born in b",
    ];
    assert_eq!(names(&page.items), all);
    let before = list(&store, KeyRange::resource("configmaps"), At::Exact(Revision::new(5))).await.expect("lists");
    assert_eq!(names(&before.items), all[1..]);
    let middle = list(&store, KeyRange::resource("configmaps"), At::Exact(Revision::new(3))).await.expect("lists");
    assert_eq!(names(&middle.items), all[1..2]);
    let query = ListQuery {
        range: KeyRange::resource("configmaps"),
        at: At::Latest,
        after: Some(page.items[0].key.to_bytes()),
        limit: Some(1),
    };
    let second = store.list(query).await.expect("lists");
    assert_eq!((names(&second.items), second.more), (vec![all[1].to_owned()], true));
    let born = ["1+own=own", "4+root-ca=root-ca born in b", "8+root-ca=root-ca born in a"];
    assert_eq!(brief(&take(&mut wildcard, 3).await), born);
    assert_eq!(brief(&take(&mut namespaces, 1).await), ["2+default=default born in b"]);
    assert!(matches!(bear(&store, "b").await, Err(CommitError::Conflict { index: 0, .. })));
    assert_eq!(store.head().get(), 9);
}

pub async fn born_objects_are_changed_and_deleted_like_others(store: Store) {
    bear(&store, "b").await.expect("is born");
    let mut wildcard = watch(&store, KeyRange::resource("configmaps"), 3);
    let key = cm("b", "default", "root-ca");
    let exists = put(&store, &key, Expect::Absent, "mine").await;
    assert!(matches!(&exists, Err(CommitError::Conflict { current: Some(item), .. }) if item.revision.get() == 3));
    put(&store, &key, Expect::At(Revision::new(3)), "mine").await.expect("updates");
    assert_eq!(get(&store, &key).await, Some((5, "mine".into())));
    delete(&store, &key, Expect::At(Revision::new(5))).await.expect("deletes");
    assert_eq!(get(&store, &key).await, None);
    let listed = list(&store, KeyRange::cluster("configmaps", "b"), At::Latest).await.expect("lists");
    assert!(listed.items.is_empty() && !listed.more);
    let gone = delete(&store, &key, Expect::Any).await;
    assert!(matches!(gone, Err(CommitError::Conflict { current: None, .. })));
    create(&store, &key, "again").await;
    let account = Key::new("serviceaccounts", "b", "default", "default");
    delete(&store, &account, Expect::Any).await.expect("deletes what nobody wrote");
    assert_eq!(get(&store, &account).await, None);
    let expected = ["5~root-ca=mine was root-ca born in b@3", "6-root-ca=mine was mine@5", "7+root-ca=again"];
    assert_eq!(brief(&take(&mut wildcard, 3).await), expected);
    let past = list(&store, KeyRange::cluster("configmaps", "b"), At::Exact(Revision::new(4))).await.expect("lists");
    assert_eq!(names(&past.items), ["configmaps/b/default/root-ca=root-ca born in b"]);
    delete(&store, &row("b"), Expect::Any).await.expect("deletes");
    assert!(get(&store, &Key::new("namespaces", "b", "", "default")).await.is_some(), "a row's end is not theirs");
    let refused = bear(&store, "b").await;
    assert!(matches!(refused, Err(CommitError::Conflict { index: 0, current: Some(_) })), "{refused:?}");
    delete(&store, &Key::new("namespaces", "b", "", "default"), Expect::Any).await.expect("deletes");
    delete(&store, &key, Expect::Any).await.expect("deletes");
    bear(&store, "b").await.expect("a name is free again");
    assert_eq!(get(&store, &key).await.map(|(_, text)| text), Some("root-ca born in b".into()));
    assert!(get(&store, &account).await.is_some());
}
