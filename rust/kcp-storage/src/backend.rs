//! The narrow waist between the API server and an engine.

use crate::born::Birth;
use crate::watch::Watch;
use crate::{CommitError, Counts, Error, Event, Key, KeyRange, Limit, Revision, Value};
use bytes::Bytes;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

/// A boxed future that borrows its engine.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A key with the value that stands there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Where.
    pub key: Key,
    /// Revision of the change that put the value there.
    pub revision: Revision,
    /// What.
    pub value: Value,
}

/// The state a read is made at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// The newest state.
    Latest,
    /// The state right after this revision.
    Exact(Revision),
}

/// A range read.
#[derive(Clone, Debug)]
pub struct ListQuery {
    /// Which keys.
    pub range: KeyRange,
    /// Which state.
    pub at: At,
    /// Continue after this encoded key (exclusive).
    pub after: Option<Bytes>,
    /// At most this many items; `None`: all of them.
    pub limit: Option<usize>,
}

/// One page of a range read, in key order.
#[derive(Debug)]
pub struct Page {
    /// The state that was read.
    pub revision: Revision,
    /// The items.
    pub items: Vec<Item>,
    /// Whether the range holds more after the last item.
    pub more: bool,
}

/// What an operation wants to find at its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// Nothing.
    Absent,
    /// A value of exactly this revision.
    At(Revision),
    /// A value, of whatever revision, whose payload contains these bytes: the same object as long as they are its uid.
    Containing([u8; 36]),
    /// A value, whatever it is.
    Present,
    /// No value at any key of the key's resource and logical cluster, whatever its other parts.
    Vacant,
    /// Anything or nothing.
    Any,
}

/// What an operation does to its key.
#[derive(Clone, Debug)]
pub enum Change {
    /// Stores a value.
    Put(Value),
    /// Removes the value; deleting an absent key is a [`CommitError::Conflict`].
    Delete,
    /// Removes the value unless some value carries this index term: then, too, it is a [`CommitError::Conflict`]. A
    /// term that a batch of the same group took away may still count.
    DeleteUnindexed(Bytes),
    /// Creates a logical cluster's row and with it the objects of a birth template, which take the revisions directly
    /// before the row's own. A [`CommitError::Conflict`] when the row or one of the objects already stands there.
    Bear(Value, Birth),
}

/// One change of a batch.
#[derive(Clone, Debug)]
pub struct Op {
    /// Which key; a batch names a key at most once.
    pub key: Key,
    /// What has to stand there.
    pub expect: Expect,
    /// What happens.
    pub change: Change,
}

impl Op {
    /// Stores `value`.
    pub fn put(key: Key, expect: Expect, value: Value) -> Self {
        Self { key, expect, change: Change::Put(value) }
    }

    /// Removes what stands at `key`.
    pub fn delete(key: Key, expect: Expect) -> Self {
        Self { key, expect, change: Change::Delete }
    }

    /// Creates the row of the logical cluster in `key` and what the cluster is born with.
    pub fn bear(key: Key, row: Value, birth: Birth) -> Self {
        Self { key, expect: Expect::Absent, change: Change::Bear(row, birth) }
    }

    /// How many revisions the change takes: one, and one for each object born with it.
    pub fn revisions(&self) -> u64 {
        match &self.change {
            Change::Bear(_, birth) => 1 + birth.len() as u64,
            Change::Put(_) | Change::Delete | Change::DeleteUnindexed(_) => 1,
        }
    }
}

/// A key that has to be unchanged for a batch to commit.
#[derive(Clone, Debug)]
pub struct Guard {
    /// Which key.
    pub key: Key,
    /// What has to stand there.
    pub expect: Expect,
}

/// Changes that happen together or not at all. Each takes [revisions of its own](Op::revisions), in order.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// The changes.
    pub ops: Vec<Op>,
    /// What else has to hold.
    pub guards: Vec<Guard>,
    /// How many objects there may be afterwards. Compared and counted in one step: whoever races, none is passed.
    pub limits: Vec<Limit>,
    /// Logical clusters that have to hold nothing afterwards, whatever raced with the batch.
    pub emptied: Vec<String>,
}

impl Batch {
    /// Changes that depend on nothing beside what they expect at their keys.
    pub fn of(ops: Vec<Op>) -> Self {
        Self { ops, ..Self::default() }
    }
}

/// A batch that is durable and visible.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// Revision of the first change; the others follow without a gap.
    pub first: Revision,
    /// Revision of the last change.
    pub last: Revision,
}

/// A subscription.
#[derive(Clone, Debug)]
pub struct WatchQuery {
    /// Which keys.
    pub range: KeyRange,
    /// Deliver changes after this revision.
    pub since: Revision,
    /// Events held for a slow reader before it is closed.
    pub buffer: usize,
}

/// A key found by an index term.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexEntry {
    /// The term.
    pub term: Bytes,
    /// The key whose value carries the term.
    pub key: Key,
}

/// Sees every committed change, in revision order, before the writer is told.
///
/// Called on the writer's thread with the changes of one or more batches: it must be quick and must not block, and
/// what it records (generations of derived state, wake-ups) is in force when the write is acknowledged.
pub trait Observer: Send + Sync {
    /// `events` are durable and visible to reads.
    fn committed(&self, events: &[Arc<Event>]);
}

/// An engine. Reads complete at once wherever the data is in memory.
pub trait Backend: Send + Sync + 'static {
    /// The newest revision that reads see.
    fn head(&self) -> Revision;

    /// The oldest revision that exact reads and watches can still start from.
    fn compacted(&self) -> Revision;

    /// What stands at `key` now.
    fn get<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Option<Item>, Error>>;

    /// One page of a range. [`Error::Compacted`], [`Error::Future`] for exact states outside the history.
    fn list(&self, query: ListQuery) -> BoxFuture<'_, Result<Page, Error>>;

    /// How many items [`Backend::list`] would find, reading keys only; no more than the limit are counted. Errors as
    /// there.
    fn count(&self, query: ListQuery) -> BoxFuture<'_, Result<usize, Error>>;

    /// How many live objects a logical cluster holds now, by resource and in total, and how many stand below it. One
    /// read whatever the numbers; nothing is walked.
    fn counts<'a>(&'a self, cluster: &'a str) -> BoxFuture<'a, Result<Counts, Error>>;

    /// Everything that a logical cluster holds now of some resources, one after the other, all of one state: its revision
    /// and the items, sorted by key within a resource. For what is read as a whole, such as a cluster's rules.
    fn contents<'a>(
        &'a self,
        cluster: &'a str,
        resources: &'a [&'a str],
    ) -> BoxFuture<'a, Result<(Revision, Vec<Item>), Error>> {
        Box::pin(async move {
            let at = self.head();
            let mut items = Vec::new();
            for resource in resources {
                let range = KeyRange::cluster(resource, cluster);
                let page = self.list(ListQuery { range, at: At::Exact(at), after: None, limit: None }).await?;
                items.extend(page.items);
            }
            Ok((at, items))
        })
    }

    /// Makes `batch` durable and visible, or changes nothing. A dropped future does not undo a queued batch.
    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<Committed, CommitError>>;

    /// Delivers each change in a range after `since` once, in revision order. A `since` in the future is allowed.
    fn watch(&self, query: WatchQuery) -> Result<Watch, Error>;

    /// The changes in a range after `since` up to `upto`, a revision that reads see, in revision order.
    /// [`Error::Compacted`] when history does not reach back that far.
    fn changes<'a>(
        &'a self,
        range: &'a KeyRange,
        since: Revision,
        upto: Revision,
    ) -> BoxFuture<'a, Result<Vec<Arc<Event>>, Error>>;

    /// Keys whose current value carries a term that starts with `prefix`, sorted by term and key, at most `limit`.
    fn index<'a>(
        &'a self,
        prefix: &'a [u8],
        after: Option<&'a IndexEntry>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<IndexEntry>, Error>>;

    /// Registers an observer of every later commit.
    fn observe(&self, observer: Arc<dyn Observer>);

    /// Ends every watch with [`crate::WatchError::Closed`]; later ones end at once. The first step of a shutdown.
    fn end_watches(&self);

    /// Ends with [`crate::WatchError::Closed`] every watch of one logical cluster, and every watch over all of them, but
    /// those of `except`, a resource. Later ones live.
    fn end_watches_of(&self, cluster: &str, except: &str);

    /// Stops taking commits, finishes the queued ones, ends watches with [`crate::WatchError::Closed`] and closes files.
    fn close(&self) -> BoxFuture<'_, ()>;
}
