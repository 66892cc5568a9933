//! The durable engine: an fsynced event log that is the window of history, and an LSM engine with current values.
//!
//! `docs/design/storage.md` tells why, draws the flow of a write and a watch, and shows the formats.

mod births;
mod cache;
mod current;
mod directory;
mod disk;
mod error;
mod log;
mod overlay;
mod pins;
mod record;
mod recount;
mod tallies;
mod window;
mod writer;

pub use disk::{Disk, FileSystem, LogFile};
pub use error::OpenError;
pub use log::Retention;

use crate::counts::{Ledger, Source, Tally};
use crate::hub::{Hub, HubStatistics};
use crate::off_worker;
use crate::watch::Watch;
use crate::{
    At, Backend, Batch, BoxFuture, CommitError, Committed, Counts, Error, Event, IndexEntry, Item, Key, KeyRange,
    ListQuery, Observer, Page, Revision, Scope, WatchError, WatchQuery,
};
use births::Templates;
use cache::{ListCache, ObjectCache};
use current::{Current, EngineMemory, Load, View};
use directory::Directory;
use log::{Appender, Log};
use overlay::overlay;
use parking_lot::{Mutex, RwLock};
use pins::Pins;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use tallies::{TalliesOf, TallyCache};
use window::{Undo, Window};
use writer::{Queue, Writer};

/// Items that a read takes without letting other tasks have the thread.
const AT_ONCE: usize = 1_000;
/// Keys that a count takes so.
const COUNTED_AT_ONCE: usize = 5_000;
/// Changes that are undone so, to read a past state.
const UNDONE_AT_ONCE: u64 = 5_000;

/// Tells the time; tests bring their own.
pub trait Clock: Send + Sync {
    /// Milliseconds since 1970.
    fn now_ms(&self) -> u64;
}

/// The system's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now_ms(&self) -> u64 {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }
}

/// How a store is opened.
#[derive(Clone)]
pub struct Options {
    /// Acknowledge writes before they are on stable storage. For stores that are thrown away.
    pub no_fsync: bool,
    /// How much history is kept on disk.
    pub retention: Retention,
    /// Newest changes kept in memory: this many,
    pub ring_events: usize,
    /// and at most this many bytes.
    pub ring_bytes: usize,
    /// Bytes of current objects kept decoded.
    pub object_cache_bytes: u64,
    /// Bytes of the newest counts of logical clusters.
    pub count_cache_bytes: u64,
    /// Bytes of what logical clusters were born with.
    pub birth_cache_bytes: u64,
    /// Bytes of recently listed pages.
    pub list_cache_bytes: u64,
    /// Bytes of the engine's blocks kept decompressed.
    pub block_cache_bytes: u64,
    /// Bytes the engine collects before it writes a sorted file.
    pub memtable_bytes: u64,
    /// Resources whose objects totals and limits leave out. Another list than the last time costs one walk over
    /// everything.
    pub uncounted: Vec<String>,
    /// Where the log is written; tests make it fail.
    pub disk: Arc<dyn Disk>,
    /// Tells how old history is.
    pub clock: Arc<dyn Clock>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            no_fsync: false,
            retention: Retention::default(),
            ring_events: 100_000,
            ring_bytes: 64 << 20,
            object_cache_bytes: 64 << 20,
            count_cache_bytes: 8 << 20,
            birth_cache_bytes: 8 << 20,
            list_cache_bytes: 32 << 20,
            block_cache_bytes: 64 << 20,
            memtable_bytes: 32 << 20,
            uncounted: Vec::new(),
            disk: Arc::new(FileSystem),
            clock: Arc::new(SystemClock),
        }
    }
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options")
            .field("no_fsync", &self.no_fsync)
            .field("retention", &self.retention)
            .finish_non_exhaustive()
    }
}

/// What a store holds and does.
#[derive(Clone, Copy, Debug)]
pub struct Statistics {
    /// The watch hub.
    pub hub: HubStatistics,
    /// Commits that wait for the writer.
    pub queued: usize,
    /// Changes in memory.
    pub ring_events: usize,
    /// Their bytes.
    pub ring_bytes: usize,
    /// Bytes of the event log on disk.
    pub log_bytes: u64,
    /// States kept for readers that are in the middle of them.
    pub pinned: usize,
}

/// A store on disk.
pub struct Embedded {
    shared: Arc<Shared>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

/// What readers and the writer share.
struct Shared {
    current: Current,
    templates: Arc<Templates>,
    window: Arc<Window>,
    /// The newest state readers may see. Everything a reader is shown is this state or an older one of the window.
    view: RwLock<Arc<View>>,
    objects: ObjectCache,
    tallies: TallyCache,
    lists: ListCache,
    pins: Pins,
    hub: Arc<Hub>,
    observers: RwLock<Vec<Arc<dyn Observer>>>,
    queue: Queue,
    clock: Arc<dyn Clock>,
    persist_on_close: AtomicBool,
    /// Last, so that the directory stays locked until the engine has let go of its files.
    _directory: Directory,
}

impl Embedded {
    /// Opens the store in `directory`, creating it when there is none, and brings the engine up to the log's end.
    ///
    /// # Errors
    /// One line saying what is wrong; nothing in the directory has been lost.
    pub fn open(directory: &Path, options: Options) -> Result<Self, OpenError> {
        let directory = Directory::open(directory)?;
        let templates = Arc::new(Templates::default());
        let (log, tail) = Log::scan(&directory.log(), templates.clone())?;
        let memory = EngineMemory {
            block_cache: options.block_cache_bytes,
            memtable: options.memtable_bytes,
            births: options.birth_cache_bytes,
        };
        let path = directory.current();
        let failed = |reason: String| OpenError::corrupt(&path, reason);
        let uncounted = options.uncounted.clone().into();
        let current = Current::open(&path, memory, templates.clone(), uncounted)?;
        let mut view = current.view().map_err(failed)?;
        let log = Arc::new(log);
        if view.revision > tail.head || view.revision < log.compacted() {
            let (at, first, head) = (view.revision, log.compacted() + 1, tail.head);
            return Err(failed(format!("it is at revision {at} and the event log holds {first} to {head}")));
        }
        recount::unless_counted(&current, &view).map_err(failed)?;
        view = current.view().map_err(failed)?;
        while view.revision < tail.head {
            let mut steps = Vec::new();
            let reached = log
                .read(view.revision, &mut |read| steps.extend(read))
                .map_err(|error| OpenError::corrupt(&directory.log(), error.to_string()))?;
            if reached == view.revision {
                let reason = format!("revision {} is missing", reached + 1);
                return Err(OpenError::corrupt(&directory.log(), reason));
            }
            // The engine applies whole groups, so its revision is always the end of a record.
            let mut ledger = Ledger::new(current.uncounted.clone());
            let source = TalliesOf { current: &current, view: &view };
            for step in &steps {
                ledger.step(&source, step).map_err(failed)?;
            }
            current.apply(&view, &steps, ledger, reached).map_err(failed)?;
            view = current.view().map_err(failed)?;
        }
        let appender = Appender::open(log.clone(), options.disk, options.retention, !options.no_fsync, &tail)?;
        let shared = Arc::new(Shared {
            current,
            templates,
            window: Arc::new(Window::new(log, tail.head, options.ring_events, options.ring_bytes)),
            view: RwLock::new(Arc::new(view)),
            objects: ObjectCache::new(options.object_cache_bytes, 1_000),
            tallies: TallyCache::new(options.count_cache_bytes, 400),
            lists: ListCache::new(options.list_cache_bytes, tail.head),
            pins: Pins::default(),
            hub: Hub::new(Revision::new(tail.head)),
            observers: RwLock::default(),
            queue: Queue::default(),
            clock: options.clock,
            persist_on_close: AtomicBool::new(false),
            _directory: directory,
        });
        let writer = Writer::new(shared.clone(), appender);
        let thread = std::thread::Builder::new().name("kcp-store-writer".into()).spawn(move || writer.run());
        let thread = thread.map_err(OpenError::io("start a thread for", &path))?;
        Ok(Self { shared, writer: Mutex::new(Some(thread)) })
    }

    /// What the store holds and does.
    pub fn statistics(&self) -> Statistics {
        let (ring_events, ring_bytes) = self.shared.window.in_memory();
        Statistics {
            hub: self.shared.hub.statistics(),
            queued: self.shared.queue.len(),
            ring_events,
            ring_bytes,
            log_bytes: self.shared.window.log.bytes(),
            pinned: self.shared.pins.len(),
        }
    }
}

impl Shared {
    fn view(&self) -> Arc<View> {
        self.view.read().clone()
    }

    /// Lets readers see a newer state: the view first, then the head, so that a reader never has a head whose state it
    /// cannot read.
    fn show(&self, view: View) {
        let revision = view.revision;
        *self.view.write() = Arc::new(view);
        self.window.set_head(revision);
        self.pins.expire(self.clock.now_ms());
    }

    fn get_now(&self, key: &Key) -> Result<Option<Item>, String> {
        if let Some(item) = self.objects.get(key, self.window.head()) {
            return Ok(Some(item));
        }
        let view = self.view();
        let item = self.current.get(&view, key)?;
        if let Some(item) = &item {
            self.objects.offer(key.clone(), item.clone(), view.revision);
        }
        Ok(item)
    }

    /// The counts of a cluster in `view`, which is the newest or was until a moment ago.
    fn tally_in(&self, view: &View, cluster: &str) -> Result<Arc<Tally>, String> {
        if let Some(tally) = self.tallies.get(cluster, view.revision) {
            return Ok(tally);
        }
        let tally = Arc::new(self.current.tally(view, cluster)?);
        self.tallies.offer(cluster.into(), tally.clone(), view.revision);
        Ok(tally)
    }

    /// How many objects of a range's resource its cluster holds; `None` for ranges of other kinds.
    fn counted(&self, view: &View, range: &KeyRange) -> Result<Option<u64>, String> {
        match range.scope() {
            Scope::Cluster(resource, cluster) | Scope::Namespace(resource, cluster, _) => {
                Ok(Some(self.tally_in(view, cluster)?.counts.of(resource)))
            }
            Scope::Resource(_) | Scope::Object(_) => Ok(None),
        }
    }

    fn list_now(&self, query: &ListQuery) -> Result<Page, Error> {
        match query.at {
            At::Latest => self.list_latest(query),
            At::Exact(revision) => self.list_exact(query, revision),
        }
    }

    fn list_latest(&self, query: &ListQuery) -> Result<Page, Error> {
        // Before the page: what is kept holds for every state from its own up to the one just looked at.
        let head = self.window.head();
        let kept = self.lists.key(&query.range, query.after.as_ref(), query.limit);
        if let Some(page) = kept.as_ref().and_then(|key| self.lists.get(&query.range, key)) {
            let revision = Revision::new(head.max(page.revision()));
            let view = self.view();
            if page.more && view.revision == revision.get() {
                self.pins.keep(&view, self.clock.now_ms());
            }
            return Ok(Page { revision, items: page.items.to_vec(), more: page.more });
        }
        let view = self.view();
        let revision = Revision::new(view.revision);
        let count = self.counted(&view, &query.range).map_err(Error::Unavailable)?;
        if count == Some(0) {
            return Ok(Page { revision, items: Vec::new(), more: false });
        }
        if let Some(count) = count.filter(|_| query.after.is_none() && query.limit.is_none())
            && let Some(items) = self.current.untouched(&view, &query.range, count).map_err(Error::Unavailable)?
        {
            return Ok(Page { revision, items, more: false });
        }
        let items = self.current.items(&view, &query.range, query.after.as_deref(), Load::Values);
        let page = page(revision, items, query.limit)?;
        if let Some(key) = kept {
            self.lists.offer(key, view.revision, &page.items, page.more);
        }
        if page.more {
            self.pins.keep(&view, self.clock.now_ms());
        }
        Ok(page)
    }

    fn contents_now(&self, cluster: &str, resources: &[&str]) -> Result<(Revision, Vec<Item>), Error> {
        let view = self.view();
        let revision = Revision::new(view.revision);
        let tally = self.tally_in(&view, cluster).map_err(Error::Unavailable)?;
        let mut items = Vec::new();
        for resource in resources {
            let count = tally.counts.of(resource);
            if count == 0 {
                continue;
            }
            let range = KeyRange::cluster(resource, cluster);
            match self.current.untouched(&view, &range, count).map_err(Error::Unavailable)? {
                Some(born) => items.extend(born),
                None => {
                    items.extend(page(revision, self.current.items(&view, &range, None, Load::Values), None)?.items)
                }
            }
        }
        Ok((revision, items))
    }

    fn list_exact(&self, query: &ListQuery, revision: Revision) -> Result<Page, Error> {
        let view = self.view();
        self.check_kept(revision, &view)?;
        // Most lists go on where nothing has changed: then the newest state is the one asked for. Looked at again after
        // the reading, as a change may have come in between.
        if self.lists.unchanged_since(&query.range, revision.get()) {
            let page = self.list_latest(query)?;
            if self.lists.unchanged_since(&query.range, revision.get()) {
                return Ok(Page { revision, ..page });
            }
        }
        if let Some(view) = self.pins.get(revision.get()) {
            let items = self.current.items(&view, &query.range, query.after.as_deref(), Load::Values);
            let page = page(revision, items, query.limit)?;
            if page.more {
                self.pins.keep(&view, self.clock.now_ms());
            }
            return Ok(page);
        }
        let past = self.past(query, revision, view.revision)?;
        page(revision, self.past_items(&view, query, &past, Load::Values), query.limit)
    }

    fn count_now(&self, query: &ListQuery) -> Result<usize, Error> {
        let view = self.view();
        let latest = || match self.counted(&view, &query.range).map_err(Error::Unavailable)? {
            Some(0) => Ok(0),
            Some(count) if query.after.is_none() && matches!(query.range.scope(), Scope::Cluster(..)) => {
                Ok(query.limit.unwrap_or(usize::MAX).min(usize::try_from(count).unwrap_or(usize::MAX)))
            }
            _ => tally(self.current.items(&view, &query.range, query.after.as_deref(), Load::Keys), query.limit),
        };
        let At::Exact(revision) = query.at else { return latest() };
        self.check_kept(revision, &view)?;
        if self.lists.unchanged_since(&query.range, revision.get()) {
            let count = latest()?;
            if self.lists.unchanged_since(&query.range, revision.get()) {
                return Ok(count);
            }
        }
        if let Some(view) = self.pins.get(revision.get()) {
            return tally(self.current.items(&view, &query.range, query.after.as_deref(), Load::Keys), query.limit);
        }
        let past = self.past(query, revision, view.revision)?;
        tally(self.past_items(&view, query, &past, Load::Keys), query.limit)
    }

    /// Whether the state at `revision` can be read.
    fn check_kept(&self, revision: Revision, view: &View) -> Result<(), Error> {
        if revision.get() > view.revision {
            return Err(Error::Future { requested: revision, current: Revision::new(view.revision) });
        }
        let oldest = Revision::new(self.window.compacted());
        if revision < oldest {
            return Err(Error::Compacted { requested: revision, oldest });
        }
        Ok(())
    }

    /// How the range differed at `revision` from a view of `upto`.
    fn past(&self, query: &ListQuery, revision: Revision, upto: u64) -> Result<Undo, Error> {
        let undo = || self.window.undo(&query.range, revision.get(), upto);
        let undo = if upto - revision.get() > UNDONE_AT_ONCE { off_worker(undo) } else { undo() };
        undo.map_err(|error| match error {
            WatchError::Compacted { oldest, .. } => Error::Compacted { requested: revision, oldest },
            other => Error::Unavailable(other.to_string()),
        })
    }

    fn past_items<'a>(
        &'a self,
        view: &'a View,
        query: &'a ListQuery,
        past: &'a Undo,
        load: Load,
    ) -> impl Iterator<Item = Result<Item, String>> + 'a {
        let after = query.after.as_deref();
        let past = past
            .iter()
            .filter(move |(key, _)| after.is_none_or(|after| key.as_bytes() > after))
            .map(|(key, item)| Ok((key.clone(), item.clone())));
        overlay(self.current.items(view, &query.range, after, load), past)
    }
}

impl Source for Shared {
    fn tally(&self, cluster: &str) -> Result<Arc<Tally>, String> {
        self.tally_in(&self.view(), cluster)
    }
}

fn page(
    revision: Revision,
    mut items: impl Iterator<Item = Result<Item, String>>,
    limit: Option<usize>,
) -> Result<Page, Error> {
    let limit = limit.unwrap_or(usize::MAX);
    let mut page = Vec::new();
    let mut fill = |upto: usize| -> Result<bool, Error> {
        while page.len() < upto {
            match items.next() {
                Some(item) => page.push(item.map_err(Error::Unavailable)?),
                None => return Ok(false),
            }
        }
        Ok(true)
    };
    let mut more = fill(limit.min(AT_ONCE))?;
    if more && limit > AT_ONCE {
        more = off_worker(|| fill(limit))?;
    }
    let more = more && items.next().transpose().map_err(Error::Unavailable)?.is_some();
    Ok(Page { revision, items: page, more })
}

/// Counts items, no more than `limit`.
fn tally(mut items: impl Iterator<Item = Result<Item, String>>, limit: Option<usize>) -> Result<usize, Error> {
    let limit = limit.unwrap_or(usize::MAX);
    let mut counted = 0;
    let mut count = |upto: usize| -> Result<(), Error> {
        while counted < upto {
            match items.next() {
                Some(item) => item.map_err(Error::Unavailable)?,
                None => break,
            };
            counted += 1;
        }
        Ok(())
    };
    count(limit.min(COUNTED_AT_ONCE))?;
    if limit > COUNTED_AT_ONCE {
        off_worker(|| count(limit))?;
    }
    Ok(counted)
}

fn ready<'a, T: Send + 'a>(value: T) -> BoxFuture<'a, T> {
    Box::pin(std::future::ready(value))
}

impl Backend for Embedded {
    fn head(&self) -> Revision {
        Revision::new(self.shared.window.head())
    }

    fn compacted(&self) -> Revision {
        Revision::new(self.shared.window.compacted())
    }

    fn get<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Option<Item>, Error>> {
        ready(self.shared.get_now(key).map_err(Error::Unavailable))
    }

    fn list(&self, query: ListQuery) -> BoxFuture<'_, Result<Page, Error>> {
        ready(self.shared.list_now(&query))
    }

    fn count(&self, query: ListQuery) -> BoxFuture<'_, Result<usize, Error>> {
        ready(self.shared.count_now(&query))
    }

    fn counts<'a>(&'a self, cluster: &'a str) -> BoxFuture<'a, Result<Counts, Error>> {
        let counts = self.shared.tally(cluster).map(|tally| tally.counts.clone());
        ready(counts.map_err(Error::Unavailable))
    }

    fn contents<'a>(
        &'a self,
        cluster: &'a str,
        resources: &'a [&'a str],
    ) -> BoxFuture<'a, Result<(Revision, Vec<Item>), Error>> {
        ready(self.shared.contents_now(cluster, resources))
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<Committed, CommitError>> {
        let answer = self.shared.queue.push(batch);
        Box::pin(async { answer.await.unwrap_or_else(|_| Err(CommitError::Unavailable("the store stopped".into()))) })
    }

    fn watch(&self, query: WatchQuery) -> Result<Watch, Error> {
        let oldest = self.compacted();
        if query.since < oldest {
            return Err(Error::Compacted { requested: query.since, oldest });
        }
        Ok(Watch::start(query.range, query.since, query.buffer, &self.shared.hub, self.shared.window.clone()))
    }

    fn changes<'a>(
        &'a self,
        range: &'a KeyRange,
        since: Revision,
        upto: Revision,
    ) -> BoxFuture<'a, Result<Vec<Arc<Event>>, Error>> {
        let oldest = self.compacted();
        if since < oldest {
            return ready(Err(Error::Compacted { requested: since, oldest }));
        }
        Box::pin(crate::watch::changes(&*self.shared.window, range, since, upto))
    }

    fn index<'a>(
        &'a self,
        prefix: &'a [u8],
        after: Option<&'a IndexEntry>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<IndexEntry>, Error>> {
        let view = self.shared.view();
        ready(self.shared.current.find(&view, prefix, after, limit).map_err(Error::Unavailable))
    }

    fn observe(&self, observer: Arc<dyn Observer>) {
        self.shared.observers.write().push(observer);
    }

    fn end_watches(&self) {
        self.shared.hub.close();
    }

    fn end_watches_of(&self, cluster: &str, except: &str) {
        self.shared.hub.close_cluster(cluster, except);
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.shared.persist_on_close.store(true, Ordering::Release);
        let finished = self.shared.queue.close();
        Box::pin(async {
            // An error means the same: the writer is gone.
            let _ = finished.await;
        })
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        drop(self.shared.queue.close());
        if let Some(thread) = self.writer.lock().take() {
            // A panic of the writer was already reported by its thread.
            let _ = thread.join();
        }
    }
}

impl std::fmt::Debug for Embedded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Embedded(head {})", self.head())
    }
}
