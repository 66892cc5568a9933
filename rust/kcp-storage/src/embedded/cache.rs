//! What is hot: objects and listed ranges, each bounded in bytes and never stale.

use crate::{Event, Item, Key, KeyRange, Scope};
use bytes::Bytes;
use parking_lot::Mutex;
use quick_cache::sync::Cache;
use quick_cache::{Equivalent, Weighter};
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

const SHARDS: usize = 256;
const CLOCKS: usize = 1 << 14;
const ASKED: usize = 1 << 10;
/// What an entry costs beside its bytes, roughly.
const OVERHEAD: usize = 160;

/// The newest of what stands at a key.
///
/// The writer records a change here after the engine has it and before readers may see it, so an entry can be newer
/// than what a reader may see (it then asks its view) but never older. A reader's own insert counts only when no
/// change of the key's shard is newer than the view the reader read from.
pub(crate) struct Fresh<K, V> {
    items: Cache<K, Stamped<V>, ByWeight>,
    /// Newest change per shard.
    shards: Vec<Mutex<u64>>,
    hasher: RandomState,
}

/// Current objects by key.
pub(crate) type ObjectCache = Fresh<Key, Item>;

/// A value, and a revision since which it stands.
#[derive(Clone)]
struct Stamped<V> {
    since: u64,
    value: V,
}

/// What an entry costs, in bytes.
pub(crate) trait Weight<K> {
    fn weight(&self, key: &K) -> usize;
}

#[derive(Clone)]
struct ByWeight;

impl<K, V: Weight<K>> Weighter<K, Stamped<V>> for ByWeight {
    fn weight(&self, key: &K, entry: &Stamped<V>) -> u64 {
        entry.value.weight(key) as u64
    }
}

impl Weight<Key> for Item {
    fn weight(&self, _: &Key) -> usize {
        cost(self)
    }
}

fn cost(item: &Item) -> usize {
    OVERHEAD + item.key.as_bytes().len() + item.value.data.len()
}

impl<K: Hash + Eq + Clone, V: Clone + Weight<K>> Fresh<K, V> {
    /// A cache of at most `bytes`, for entries of about `each`.
    pub(crate) fn new(bytes: u64, each: u64) -> Self {
        Self {
            items: Cache::with_weighter(usize::try_from(bytes / each).unwrap_or(0), bytes, ByWeight),
            shards: (0..SHARDS).map(|_| Mutex::new(0)).collect(),
            hasher: RandomState::new(),
        }
    }

    /// What stands there, when it is here and not newer than `head`.
    pub(crate) fn get<Q: Hash + Equivalent<K> + ?Sized>(&self, key: &Q, head: u64) -> Option<V> {
        self.items.get(key).filter(|entry| entry.since <= head).map(|entry| entry.value)
    }

    /// Offers what a view of `revision` shows.
    pub(crate) fn offer(&self, key: K, value: V, revision: u64) {
        let newest = self.shard(&key).lock();
        if *newest <= revision {
            self.items.insert(key, Stamped { since: revision, value });
        }
    }

    /// Records a change of `revision`, and what stands there now if that is to be kept.
    pub(crate) fn change(&self, key: &K, value: Option<V>, revision: u64) {
        let mut newest = self.shard(key).lock();
        *newest = revision;
        match value {
            Some(value) => self.items.insert(key.clone(), Stamped { since: revision, value }),
            None => {
                self.items.remove(key);
            }
        }
    }

    fn shard(&self, key: &K) -> &Mutex<u64> {
        &self.shards[slot(&self.hasher, key, SHARDS)]
    }
}

/// Recently listed pages of one cluster or namespace, each good until something in its cluster changes.
pub(crate) struct ListCache {
    pages: Cache<PageKey, Arc<CachedPage>, PageBytes>,
    /// Newest change by hash of (resource, cluster), and of the resource alone. Two that share a place only cost a
    /// needless miss; what changed before the store was opened counts as changed then.
    clocks: Vec<AtomicU64>,
    /// Hashes of pages asked for lately. A page is kept when it is asked for again: a walk over everything passes by
    /// without pushing out what is hot.
    asked: Vec<AtomicU64>,
    hasher: RandomState,
}

#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct PageKey {
    start: Bytes,
    after: Option<Bytes>,
    limit: Option<usize>,
}

pub(crate) struct CachedPage {
    revision: u64,
    pub items: Box<[Item]>,
    pub more: bool,
}

impl CachedPage {
    /// The state it was read from.
    pub(crate) fn revision(&self) -> u64 {
        self.revision
    }
}

#[derive(Clone)]
struct PageBytes;

impl Weighter<PageKey, Arc<CachedPage>> for PageBytes {
    fn weight(&self, _: &PageKey, page: &Arc<CachedPage>) -> u64 {
        (OVERHEAD + page.items.iter().map(cost).sum::<usize>()) as u64
    }
}

impl ListCache {
    pub(crate) fn new(bytes: u64, head: u64) -> Self {
        Self {
            pages: Cache::with_weighter(usize::try_from(bytes / 100_000).unwrap_or(0), bytes, PageBytes),
            clocks: (0..CLOCKS).map(|_| AtomicU64::new(head)).collect(),
            asked: (0..ASKED).map(|_| AtomicU64::new(0)).collect(),
            hasher: RandomState::new(),
        }
    }

    /// Whether pages of the range are kept, and under which key.
    pub(crate) fn key(&self, range: &KeyRange, after: Option<&Bytes>, limit: Option<usize>) -> Option<PageKey> {
        matches!(range.scope(), Scope::Cluster(..) | Scope::Namespace(..)).then(|| PageKey {
            start: range.start.clone(),
            after: after.cloned(),
            limit,
        })
    }

    /// A page that is still what any view of today shows.
    pub(crate) fn get(&self, range: &KeyRange, key: &PageKey) -> Option<Arc<CachedPage>> {
        let page = self.pages.get(key)?;
        self.unchanged_since(range, page.revision).then_some(page)
    }

    /// Whether no view shows a change in the range after `revision`.
    pub(crate) fn unchanged_since(&self, range: &KeyRange, revision: u64) -> bool {
        let newest = match range.scope() {
            Scope::Cluster(resource, cluster) | Scope::Namespace(resource, cluster, _) => self.clock(resource, cluster),
            Scope::Resource(resource) => self.clock(resource, ""),
            Scope::Object(key) => self.clock(key.resource(), key.cluster()),
        };
        newest.load(Ordering::Acquire) <= revision
    }

    /// Keeps what a view of `revision` showed, if it was asked for before.
    pub(crate) fn offer(&self, key: PageKey, revision: u64, items: &[Item], more: bool) {
        let hash = self.hasher.hash_one(&key);
        let place = usize::try_from(hash % ASKED as u64).unwrap_or(0);
        if self.asked[place].swap(hash, Ordering::Relaxed) != hash {
            return;
        }
        let page = CachedPage { revision, items: items.into(), more };
        self.pages.insert(key, Arc::new(page));
    }

    /// Records a change, before any view shows it.
    pub(crate) fn change(&self, event: &Event) {
        for cluster in [event.key.cluster(), ""] {
            self.clock(event.key.resource(), cluster).store(event.revision.get(), Ordering::Release);
        }
    }

    fn clock(&self, resource: &str, cluster: &str) -> &AtomicU64 {
        &self.clocks[slot(&self.hasher, (resource, cluster), CLOCKS)]
    }
}

fn slot(hasher: &RandomState, what: impl Hash, count: usize) -> usize {
    usize::try_from(hasher.hash_one(what) % count as u64).unwrap_or(0)
}
