//! The in-memory engine: the specification in code, and the model the embedded engine is tested against.
//!
//! Everything is written out: born objects are stored like others, the index and the counts are computed by walking all
//! values, and the past is the present with changes undone.

use crate::check::{self, Step};
use crate::counts::check_limits;
use crate::hub::{Hub, HubStatistics};
use crate::watch::{History, Watch};
use crate::{
    At, Backend, Batch, BoxFuture, CommitError, Committed, Counts, Error, Event, EventKind, IndexEntry, Item, Key,
    KeyRange, Limit, LimitScope, ListQuery, Observer, Page, Revision, WatchError, WatchQuery,
};
use parking_lot::{Mutex, RwLock};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// A store that forgets everything when it is dropped.
pub struct Memory {
    shared: Arc<Shared>,
    hub: Arc<Hub>,
    /// Held for a whole commit, so that observers and watchers see commits in order; never taken by a read.
    writer: Mutex<Vec<Arc<dyn Observer>>>,
    window: usize,
}

/// Which cluster stands directly below which.
type Tree = BTreeMap<String, String>;

#[derive(Default)]
struct Shared(RwLock<State>);

#[derive(Default)]
struct State {
    current: BTreeMap<Key, Item>,
    tree: Tree,
    /// Resources that totals leave out.
    uncounted: Vec<String>,
    /// The newest changes; the oldest of them is the one after `compacted`.
    history: VecDeque<Arc<Event>>,
    head: Revision,
    compacted: Revision,
    closed: bool,
}

impl Default for Memory {
    fn default() -> Self {
        Self::with_window(100_000)
    }
}

impl Memory {
    /// An empty store that keeps the newest `window` changes.
    pub fn with_window(window: usize) -> Self {
        Self { shared: Arc::default(), hub: Hub::new(Revision::ZERO), writer: Mutex::default(), window }
    }

    /// An empty store whose totals leave out the objects of some resources.
    pub fn with_uncounted(uncounted: Vec<String>) -> Self {
        let memory = Self::default();
        memory.shared.0.write().uncounted = uncounted;
        memory
    }

    /// What the watch hub did and holds.
    pub fn statistics(&self) -> HubStatistics {
        self.hub.statistics()
    }

    /// Forgets history up to `revision`, as if the window had moved on.
    pub fn compact(&self, revision: Revision) {
        let mut state = self.shared.0.write();
        while state.history.front().is_some_and(|event| event.revision <= revision) {
            state.forget_oldest();
        }
    }

    fn commit_now(&self, batch: &Batch) -> Result<Committed, CommitError> {
        let observers = self.writer.lock();
        let events = {
            let mut state = self.shared.0.write();
            let steps = state.check(batch)?;
            if let Some(tree) = state.check_counts(batch, &steps)? {
                state.tree = tree;
            }
            let events: Vec<Arc<Event>> = check::events(&steps).cloned().collect();
            for event in &events {
                state.apply(event);
            }
            while state.history.len() > self.window {
                state.forget_oldest();
            }
            events
        };
        // Reads see the change now; observers learn of it before watchers, watchers before the writer.
        for observer in observers.iter() {
            observer.committed(&events);
        }
        self.hub.publish(&events);
        let head = self.head();
        let first = events.first().map_or(head.next(), |event| event.revision);
        Ok(Committed { first, last: head })
    }
}

impl State {
    /// What `batch` amounts to, or why it may not happen.
    fn check(&self, batch: &Batch) -> Result<Vec<Step>, CommitError> {
        if self.closed {
            return Err(CommitError::Unavailable("the store is closed".into()));
        }
        check::check(batch, self.head.get() + 1, self)
    }

    /// The tree that the steps leave, `None` for the one before; an error when a limit is passed.
    fn check_counts(&self, batch: &Batch, steps: &[Step]) -> Result<Option<Tree>, CommitError> {
        let moves = |step: &Step| match &step.born {
            Some((birth, _)) => birth.parent.is_some() || self.tree.contains_key(step.event.key.cluster()),
            None => step.event.kind == EventKind::Deleted && !self.tree.is_empty(),
        };
        if batch.limits.is_empty() && batch.emptied.is_empty() && !steps.iter().any(moves) {
            return Ok(None);
        }
        let mut tree = self.tree.clone();
        let mut keys: BTreeSet<&Key> = self.current.keys().collect();
        let before = self.counted(&batch.limits, &keys, &tree);
        for step in steps {
            if let Some((birth, _)) = &step.born {
                place(&mut tree, step.event.key.cluster(), birth.parent.as_deref())?;
            }
            for event in step.events() {
                if event.kind == EventKind::Deleted {
                    keys.remove(&event.key);
                } else {
                    keys.insert(&event.key);
                }
            }
            prune(&mut tree, &keys);
        }
        check_limits(&batch.limits, &before, &self.counted(&batch.limits, &keys, &tree))?;
        if let Some(cluster) = batch.emptied.iter().find(|cluster| keys.iter().any(|key| key.cluster() == **cluster)) {
            return Err(CommitError::Occupied { cluster: cluster.clone() });
        }
        Ok(Some(tree))
    }

    fn counted(&self, limits: &[Limit], keys: &BTreeSet<&Key>, tree: &Tree) -> Vec<u64> {
        let count = |limit: &Limit| {
            let stands = |key: &&&Key| match limit.scope {
                LimitScope::Own => key.cluster() == limit.cluster,
                LimitScope::Subtree => lineage(tree, key.cluster()).any(|cluster| cluster == limit.cluster),
            };
            keys.iter().filter(|key| self.is_counted(key)).filter(stands).count() as u64
        };
        limits.iter().map(count).collect()
    }

    fn is_counted(&self, key: &Key) -> bool {
        !self.uncounted.iter().any(|name| name == key.resource())
    }

    fn counts(&self, cluster: &str) -> Counts {
        let mut counts =
            Counts { parent: self.tree.get(cluster).map(|parent| parent.as_str().into()), ..Counts::default() };
        counts.children = self.tree.values().filter(|parent| *parent == cluster).count() as u64;
        for key in self.current.keys() {
            if key.cluster() == cluster {
                counts.add(key.resource(), EventKind::Added);
                counts.total += u64::from(self.is_counted(key));
            } else if lineage(&self.tree, key.cluster()).any(|above| above == cluster) {
                counts.below += u64::from(self.is_counted(key));
            }
        }
        counts
    }

    fn apply(&mut self, event: &Arc<Event>) {
        let Event { key, revision, value, .. } = event.as_ref();
        if event.kind == EventKind::Deleted {
            self.current.remove(key);
        } else {
            self.current.insert(key.clone(), Item { key: key.clone(), revision: *revision, value: value.clone() });
        }
        self.head = *revision;
        self.history.push_back(event.clone());
    }

    fn forget_oldest(&mut self) {
        if let Some(event) = self.history.pop_front() {
            self.compacted = event.revision;
        }
    }

    /// Everything that stood at `revision`.
    fn at(&self, revision: Revision) -> BTreeMap<Key, Item> {
        let mut items = self.current.clone();
        for event in self.history.iter().rev().take_while(|event| event.revision > revision) {
            match &event.previous {
                Some((revision, value)) => {
                    let item = Item { key: event.key.clone(), revision: *revision, value: value.clone() };
                    items.insert(event.key.clone(), item);
                }
                None => {
                    items.remove(&event.key);
                }
            }
        }
        items
    }

    fn list(&self, query: &ListQuery) -> Result<Page, Error> {
        let (revision, items) = match query.at {
            At::Latest => (self.head, None),
            At::Exact(revision) if revision > self.head => {
                return Err(Error::Future { requested: revision, current: self.head });
            }
            At::Exact(revision) if revision < self.compacted => {
                return Err(Error::Compacted { requested: revision, oldest: self.compacted });
            }
            At::Exact(revision) => (revision, Some(self.at(revision))),
        };
        let after = query.after.as_deref();
        let mut matching = items
            .as_ref()
            .unwrap_or(&self.current)
            .values()
            .filter(|item| query.range.contains(&item.key))
            .filter(|item| after.is_none_or(|after| item.key.as_bytes() > after));
        let items = matching.by_ref().take(query.limit.unwrap_or(usize::MAX)).cloned().collect();
        Ok(Page { revision, items, more: matching.next().is_some() })
    }

    fn index(&self, prefix: &[u8], after: Option<&IndexEntry>, limit: usize) -> Vec<IndexEntry> {
        let mut entries: Vec<IndexEntry> = self
            .current
            .values()
            .flat_map(|item| item.value.terms.iter().map(|term| (term, &item.key)))
            .filter(|(term, key)| {
                term.starts_with(prefix) && after.is_none_or(|after| (*term, *key) > (&after.term, &after.key))
            })
            .map(|(term, key)| IndexEntry { term: term.clone(), key: key.clone() })
            .collect();
        entries.sort_by(|a, b| (&a.term, &a.key).cmp(&(&b.term, &b.key)));
        entries.dedup();
        entries.truncate(limit);
        entries
    }
}

/// A cluster and all above it.
fn lineage<'a>(tree: &'a Tree, cluster: &'a str) -> impl Iterator<Item = &'a str> {
    std::iter::successors(Some(cluster), |cluster| tree.get(*cluster).map(String::as_str))
}

fn place(tree: &mut Tree, cluster: &str, parent: Option<&str>) -> Result<(), CommitError> {
    tree.remove(cluster);
    if let Some(parent) = parent {
        if lineage(tree, parent).any(|above| above == cluster) {
            let reason = format!("logical cluster {cluster:?} cannot stand below itself");
            return Err(CommitError::Unavailable(reason));
        }
        tree.insert(cluster.to_owned(), parent.to_owned());
    }
    Ok(())
}

/// A cluster keeps its place as long as it, or one below it, holds an object.
fn prune(tree: &mut Tree, keys: &BTreeSet<&Key>) {
    loop {
        let used: BTreeSet<&str> =
            keys.iter().map(|key| key.cluster()).chain(tree.values().map(String::as_str)).collect();
        let kept: Tree = tree
            .iter()
            .filter(|(cluster, _)| used.contains(cluster.as_str()))
            .map(|(a, b)| (a.clone(), b.clone()))
            .collect();
        if kept.len() == tree.len() {
            return;
        }
        *tree = kept;
    }
}

impl check::State for State {
    fn current(&self, key: &Key) -> Result<Option<Item>, String> {
        Ok(self.current.get(key).cloned())
    }

    fn is_vacant(&self, resource: &str, cluster: &str) -> Result<bool, String> {
        let range = KeyRange::cluster(resource, cluster);
        Ok(!self.current.keys().any(|key| range.contains(key)))
    }

    fn is_indexed(&self, term: &[u8]) -> Result<bool, String> {
        Ok(self.current.values().any(|item| item.value.terms.iter().any(|known| known == term)))
    }
}

impl History for Shared {
    fn newest(&self) -> Revision {
        self.0.read().head
    }

    fn read(
        &self,
        range: &KeyRange,
        after: Revision,
        upto: Revision,
        out: &mut Vec<Arc<Event>>,
    ) -> Result<Revision, WatchError> {
        let state = self.0.read();
        if after < state.compacted {
            return Err(WatchError::Compacted { requested: after, oldest: state.compacted });
        }
        let skip = usize::try_from(after.get() - state.compacted.get()).unwrap_or(usize::MAX);
        let step = state.history.iter().skip(skip).take_while(|event| event.revision <= upto);
        out.extend(step.filter(|event| range.contains(&event.key)).cloned());
        Ok(upto.max(after))
    }
}

impl Backend for Memory {
    fn head(&self) -> Revision {
        self.shared.0.read().head
    }

    fn compacted(&self) -> Revision {
        self.shared.0.read().compacted
    }

    fn get<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Option<Item>, Error>> {
        let item = self.shared.0.read().current.get(key).cloned();
        Box::pin(std::future::ready(Ok(item)))
    }

    fn list(&self, query: ListQuery) -> BoxFuture<'_, Result<Page, Error>> {
        let page = self.shared.0.read().list(&query);
        Box::pin(std::future::ready(page))
    }

    fn count(&self, query: ListQuery) -> BoxFuture<'_, Result<usize, Error>> {
        let page = self.shared.0.read().list(&query);
        Box::pin(std::future::ready(page.map(|page| page.items.len())))
    }

    fn counts<'a>(&'a self, cluster: &'a str) -> BoxFuture<'a, Result<Counts, Error>> {
        let counts = self.shared.0.read().counts(cluster);
        Box::pin(std::future::ready(Ok(counts)))
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<Committed, CommitError>> {
        Box::pin(std::future::ready(self.commit_now(&batch)))
    }

    fn watch(&self, query: WatchQuery) -> Result<Watch, Error> {
        let oldest = self.compacted();
        if query.since < oldest {
            return Err(Error::Compacted { requested: query.since, oldest });
        }
        Ok(Watch::start(query.range, query.since, query.buffer, &self.hub, self.shared.clone()))
    }

    fn changes<'a>(
        &'a self,
        range: &'a KeyRange,
        since: Revision,
        upto: Revision,
    ) -> BoxFuture<'a, Result<Vec<Arc<Event>>, Error>> {
        Box::pin(crate::watch::changes(&*self.shared, range, since, upto))
    }

    fn index<'a>(
        &'a self,
        prefix: &'a [u8],
        after: Option<&'a IndexEntry>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<IndexEntry>, Error>> {
        let entries = self.shared.0.read().index(prefix, after, limit);
        Box::pin(std::future::ready(Ok(entries)))
    }

    fn observe(&self, observer: Arc<dyn Observer>) {
        self.writer.lock().push(observer);
    }

    fn end_watches(&self) {
        self.hub.close();
    }

    fn end_watches_of(&self, cluster: &str, except: &str) {
        self.hub.close_cluster(cluster, except);
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        let _no_commit_under_way = self.writer.lock();
        self.shared.0.write().closed = true;
        self.hub.close();
        Box::pin(std::future::ready(()))
    }
}

impl std::fmt::Debug for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Memory(head {})", self.head())
    }
}
