//! The embedded engine does what the in-memory one does, whatever the operations, across reopening and compaction.
//!
//! `PROPTEST_CASES` asks for more cases than the few that run by default.

use crate::counts::{counts, uncounted};
use crate::suite::{Store, brief, row, template};
use bytes::Bytes;
use kcp_storage::embedded::Clock;
use kcp_storage::{
    At, Batch, Birth, Change, CommitError, Embedded, Error, Event, Expect, Guard, Item, Key, KeyRange, Limit,
    LimitScope, ListQuery, Memory, Op, Options, Page, Retention, Revision, Value, Watch, WatchQuery,
};
use proptest::prelude::*;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Waker};

#[derive(Clone, Debug)]
enum Wanted {
    Absent,
    Current,
    Stale,
    Any,
    Present,
    Vacant,
    Containing(u8),
}

#[derive(Clone, Debug)]
enum Act {
    Put(usize, Wanted, u8),
    Delete(usize, Wanted),
    DeleteUnindexed(usize, Wanted, u8),
    Bear(usize, Option<usize>),
}

#[derive(Clone, Debug)]
enum Action {
    Commit(Vec<Act>, Option<(usize, Wanted)>, Option<Limit>),
    List { range: usize, back: Option<u64>, limit: Option<usize> },
    Index(Option<u8>),
    Watch { range: usize, back: u64 },
    Drain,
    Wait,
    Reopen { close: bool, recount: bool },
}

/// Where objects may stand, and one that only stands above others.
const CLUSTERS: [&str; 4] = ["a", "a-b", "c", "above"];

/// What is read of a cluster as a whole.
const CONTENTS: [&str; 3] = ["configmaps", "namespaces", "logicalclusters.core.kcp.io"];

fn keys() -> Vec<Key> {
    let mut keys = Vec::new();
    for cluster in ["a", "a-b", "c"] {
        keys.push(row(cluster));
        keys.push(Key::new("namespaces", cluster, "", "default"));
        keys.push(Key::new("namespaces", cluster, "", "other"));
        keys.push(Key::new("serviceaccounts", cluster, "default", "default"));
        for name in ["a", "root-ca", "z"] {
            keys.push(Key::new("configmaps", cluster, "default", name));
        }
    }
    keys
}

fn ranges() -> Vec<KeyRange> {
    vec![
        KeyRange::resource("configmaps"),
        KeyRange::resource("namespaces"),
        KeyRange::cluster("configmaps", "a"),
        KeyRange::cluster("namespaces", "c"),
        KeyRange::namespace("configmaps", "a-b", "default"),
        KeyRange::object(&Key::new("configmaps", "a", "default", "root-ca")),
        KeyRange::resource("logicalclusters.core.kcp.io"),
    ]
}

fn wanted() -> impl Strategy<Value = Wanted> {
    prop_oneof![1 => Just(Wanted::Absent), 1 => Just(Wanted::Stale), 3 => Just(Wanted::Current), 5 => Just(Wanted::Any),
        1 => Just(Wanted::Present), 1 => Just(Wanted::Vacant), 1 => (0..3_u8).prop_map(Wanted::Containing)]
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (0..keys().len(), wanted(), any::<u8>()).prop_map(|(key, wanted, value)| Act::Put(key, wanted, value)),
        2 => (0..keys().len(), wanted()).prop_map(|(key, wanted)| Act::Delete(key, wanted)),
        2 => (0..keys().len(), wanted(), 0..6_u8)
            .prop_map(|(key, wanted, value)| Act::DeleteUnindexed(key, wanted, value)),
        1 => (0..3_usize, proptest::option::of(0..CLUSTERS.len()))
            .prop_map(|(cluster, parent)| Act::Bear(cluster, parent)),
    ]
}

fn action() -> impl Strategy<Value = Action> {
    let guard = proptest::option::weighted(0.2, (0..keys().len(), wanted()));
    let limit = proptest::option::weighted(0.3, (0..CLUSTERS.len(), any::<bool>(), 0..15_u64)).prop_map(|limit| {
        limit.map(|(cluster, own, max)| {
            let scope = if own { LimitScope::Own } else { LimitScope::Subtree };
            Limit { cluster: CLUSTERS[cluster].to_owned(), scope, max }
        })
    });
    let commit = (proptest::collection::vec(act(), 1..4), guard, limit);
    let limit = proptest::option::of(1..4_usize);
    prop_oneof![
        12 => commit.prop_map(|(acts, guard, limit)| Action::Commit(acts, guard, limit)),
        5 => (0..ranges().len(), proptest::option::of(0..40_u64), limit)
            .prop_map(|(range, back, limit)| Action::List { range, back, limit }),
        1 => proptest::option::of(0..4_u8).prop_map(Action::Index),
        2 => (0..ranges().len(), 0..30_u64).prop_map(|(range, back)| Action::Watch { range, back }),
        3 => Just(Action::Drain),
        1 => Just(Action::Wait),
        1 => (any::<bool>(), any::<bool>()).prop_map(|(close, recount)| Action::Reopen { close, recount }),
    ]
}

/// One of few index terms.
fn term(of: u8, value: u8) -> Bytes {
    Bytes::from(vec![of, 0, value % 2])
}

/// One of few uids, as values contain them.
fn uid(of: u8) -> [u8; 36] {
    [b'a' + of; 36]
}

#[derive(Default)]
struct Hand(AtomicU64);

impl Clock for Hand {
    fn now_ms(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

/// A watch of one range over both engines.
struct Pair {
    range: KeyRange,
    real: Watch,
    model: Watch,
    seen: Revision,
}

struct World<'a> {
    directory: &'a Path,
    options: Options,
    clock: Arc<Hand>,
    real: Store,
    model: Store,
    watches: Vec<Pair>,
}

fn describe(result: Result<kcp_storage::Committed, CommitError>) -> String {
    match result {
        Ok(done) => format!("{}..={}", done.first, done.last),
        Err(error) => format!("{error:?}"),
    }
}

fn show(items: &[Item]) -> Vec<String> {
    items
        .iter()
        .map(|item| format!("{:?}={:?}@{} {:?}", item.key, item.value.data, item.revision, item.value.terms))
        .collect()
}

impl World<'_> {
    async fn expect(&self, key: &Key, wanted: &Wanted) -> Expect {
        match (wanted, self.model.get(key).await.expect("reads")) {
            (Wanted::Absent, _) | (Wanted::Current, None) => Expect::Absent,
            (Wanted::Current, Some(item)) => Expect::At(item.revision),
            (Wanted::Stale, _) => Expect::At(Revision::new(1)),
            (Wanted::Any, _) => Expect::Any,
            (Wanted::Present, _) => Expect::Present,
            (Wanted::Vacant, _) => Expect::Vacant,
            (Wanted::Containing(uid), _) => Expect::Containing(self::uid(*uid)),
        }
    }

    async fn commit(&self, acts: &[Act], guard: &Option<(usize, Wanted)>, limit: &Option<Limit>) {
        let keys = keys();
        let mut batch = Batch { limits: limit.iter().cloned().collect(), ..Batch::default() };
        for act in acts {
            batch.ops.push(match act {
                Act::Put(key, wanted, value) => {
                    let terms = (0..value % 3).map(|of| term(of, *value)).collect();
                    let uid = String::from_utf8_lossy(&uid(value % 4)).into_owned();
                    let data = format!("value {value} {uid} {}", "x".repeat(usize::from(*value)));
                    let value = Value::indexed(data, terms);
                    Op::put(keys[*key].clone(), self.expect(&keys[*key], wanted).await, value)
                }
                Act::Delete(key, wanted) => Op::delete(keys[*key].clone(), self.expect(&keys[*key], wanted).await),
                Act::DeleteUnindexed(key, wanted, value) => {
                    let expect = self.expect(&keys[*key], wanted).await;
                    let change = Change::DeleteUnindexed(term(value % 3, *value));
                    Op { key: keys[*key].clone(), expect, change }
                }
                Act::Bear(cluster, parent) => {
                    let cluster = CLUSTERS[*cluster];
                    let parent = parent.map(|parent| Arc::from(CLUSTERS[parent]));
                    let slots = vec![Bytes::from(format!("{cluster} at {}", self.model.head()))];
                    Op::bear(row(cluster), Value::new("row"), Birth { template: template(), slots, parent })
                }
            });
        }
        if let Some((key, wanted)) = guard {
            batch.guards.push(Guard { key: keys[*key].clone(), expect: self.expect(&keys[*key], wanted).await });
        }
        let real = self.real.commit(batch.clone()).await;
        assert_eq!(describe(real), describe(self.model.commit(batch).await));
        assert_eq!(self.real.head(), self.model.head());
        for key in &keys {
            assert_eq!(self.real.get(key).await.expect("reads"), self.model.get(key).await.expect("reads"));
        }
        self.counts().await;
    }

    async fn counts(&self) {
        for cluster in CLUSTERS {
            assert_eq!(counts(&self.real, cluster).await, counts(&self.model, cluster).await, "{cluster}");
            let (real, model) = (self.real.contents(cluster, &CONTENTS), self.model.contents(cluster, &CONTENTS));
            assert_eq!(real.await.expect("reads"), model.await.expect("reads"), "{cluster}");
        }
    }

    async fn list(&self, range: &KeyRange, back: Option<u64>, limit: Option<usize>) {
        let at = back.map_or(At::Latest, |back| At::Exact(Revision::new(self.model.head().get().saturating_sub(back))));
        let mut after = None;
        loop {
            let query = ListQuery { range: range.clone(), at, after, limit };
            let real = self.real.list(query.clone()).await;
            let counted = self.real.count(query.clone()).await;
            let model = self.model.list(query).await.expect("the model keeps everything");
            let Page { revision, items, more } = match real {
                Err(Error::Compacted { requested, oldest }) => {
                    // The writer drops history after it has acknowledged, so there may be less of it by now.
                    assert!(requested < oldest && oldest <= self.real.compacted());
                    return;
                }
                other => other.expect("reads"),
            };
            assert_eq!((revision, show(&items), more), (model.revision, show(&model.items), model.more));
            if !matches!(counted, Err(Error::Compacted { .. })) {
                assert_eq!(counted.expect("counts"), items.len());
            }
            after = items.last().map(|item| item.key.to_bytes());
            if !more {
                return;
            }
        }
    }

    async fn index(&self, prefix: &[u8]) {
        let real = self.real.index(prefix, None, 100).await.expect("reads");
        assert_eq!(real, self.model.index(prefix, None, 100).await.expect("reads"));
        if let Some(middle) = real.get(real.len() / 2) {
            let rest = self.real.index(prefix, Some(middle), 2).await.expect("reads");
            assert_eq!(rest, self.model.index(prefix, Some(middle), 2).await.expect("reads"));
        }
    }

    fn watch(&mut self, range: &KeyRange, since: Revision) {
        let query = WatchQuery { range: range.clone(), since, buffer: 10_000 };
        match self.real.watch(query.clone()) {
            Ok(real) => {
                let model = self.model.watch(query).expect("the model keeps everything");
                self.watches.push(Pair { range: range.clone(), real, model, seen: since });
            }
            Err(Error::Compacted { .. }) => assert!(since < self.real.compacted()),
            Err(other) => panic!("{other}"),
        }
    }

    fn drain(&mut self) {
        self.watches.retain_mut(|pair| {
            let model = everything(&mut pair.model).expect("the model's watch goes on");
            let Some(real) = everything(&mut pair.real) else { return false };
            assert_eq!(brief(&real), brief(&model), "{:?}", pair.range);
            pair.seen = pair.seen.max(pair.real.progress());
            assert_eq!(pair.real.progress(), pair.model.progress());
            true
        });
    }

    async fn reopen(&mut self, close: bool, recount: bool) {
        self.drain();
        if close {
            self.real.close().await;
        }
        let seen: Vec<(KeyRange, Revision)> =
            self.watches.drain(..).map(|pair| (pair.range.clone(), pair.seen)).collect();
        let (oldest, head) = (self.real.compacted(), self.real.head());
        self.real = Arc::new(Memory::default());
        if recount {
            // Other totals than before, then the same again: everything is counted anew, twice.
            let options = Options { uncounted: vec!["namespaces".into()], ..self.options.clone() };
            drop(Embedded::open(self.directory, options).expect("opens"));
        }
        self.real = Arc::new(Embedded::open(self.directory, self.options.clone()).expect("opens again"));
        assert_eq!(self.real.head(), head);
        assert!(self.real.compacted() >= oldest);
        self.counts().await;
        for (range, since) in seen {
            self.watch(&range, since);
        }
    }

    async fn act(&mut self, action: &Action) {
        match action {
            Action::Commit(acts, guard, limit) => self.commit(acts, guard, limit).await,
            Action::List { range, back, limit } => self.list(&ranges()[*range], *back, *limit).await,
            Action::Index(prefix) => self.index(prefix.as_slice()).await,
            Action::Watch { range, back } => {
                let since = Revision::new(self.model.head().get().saturating_sub(*back));
                self.watch(&ranges()[*range], since);
            }
            Action::Drain => self.drain(),
            Action::Wait => {
                self.clock.0.fetch_add(10_000, Ordering::SeqCst);
            }
            Action::Reopen { close, recount } => self.reopen(*close, *recount).await,
        }
    }
}

/// All that a watch has to say now; `None` when its history was compacted.
fn everything(watch: &mut Watch) -> Option<Vec<Arc<Event>>> {
    let mut events = Vec::new();
    let mut cx = Context::from_waker(Waker::noop());
    let mut quiet = 0;
    while quiet < 20 {
        match watch.poll_next(&mut cx, &mut events) {
            std::task::Poll::Pending => quiet += 1,
            std::task::Poll::Ready(Ok(())) => quiet = 0,
            std::task::Poll::Ready(Err(kcp_storage::WatchError::Compacted { .. })) => return None,
            std::task::Poll::Ready(Err(other)) => panic!("{other}"),
        }
    }
    Some(events)
}

fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(16)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_embedded_engine_does_what_the_model_does(actions in proptest::collection::vec(action(), 1..120)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("runs");
        runtime.block_on(async {
            let directory = tempfile::tempdir().expect("a directory");
            let clock = Arc::new(Hand::default());
            let retention = Retention { segment_bytes: 1_500, max_age_ms: 5_000, max_bytes: 50_000, min_events: 20 };
            let options = Options {
                retention,
                clock: clock.clone(),
                ring_events: 10,
                object_cache_bytes: 1_024,
                list_cache_bytes: 4_096,
                count_cache_bytes: 1_000,
                birth_cache_bytes: 1_000,
                uncounted: uncounted(),
                memtable_bytes: 1 << 20,
                ..Options::default()
            };
            let real: Store = Arc::new(Embedded::open(directory.path(), options.clone()).expect("opens"));
            let model: Store = Arc::new(Memory::with_uncounted(uncounted()));
            let watches = Vec::new();
            let mut world = World { directory: directory.path(), options, clock, real, model, watches };
            for action in &actions {
                world.act(action).await;
            }
            world.drain();
            world.reopen(true, true).await;
            for range in ranges() {
                world.list(&range, None, None).await;
            }
            world.index(b"").await;
        });
    }
}
