//! The writer: one thread that owns the order of commits.
//!
//! It takes all batches that wait, checks each against the state that the ones before it leave, makes those that hold
//! durable with one append and one sync of the log, applies them to the engine as one engine batch, and then lets
//! readers, observers, watchers and writers know, in this order:
//!
//! ```text
//! check → log append + sync → ring → engine → caches → view, head → observers → hub → acknowledgements
//! ```
//! Up to the sync a failure leaves nothing behind; after it the changes are durable, and a failing engine stops the
//! store until it is opened again, which replays them.

use super::Shared;
use super::current::Current;
use super::log::Appender;
use super::record;
use crate::check::{self, Step};
use crate::counts::Ledger;
use crate::{Batch, CommitError, Committed, Event, EventKind, Item, Key, Revision, Template};
use bytes::Bytes;
use parking_lot::{Condvar, Mutex};
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// Batches that may wait; a server has fewer requests in flight.
const MAX_QUEUED: usize = 100_000;
/// A group ends when it holds this many bytes of keys and values,
const MAX_GROUP_BYTES: usize = 4 << 20;
/// or this many batches.
const MAX_GROUP: usize = 1_024;

/// A store that nobody writes to looks this often whether it may drop history.
const HOUSEKEEPING: Duration = Duration::from_secs(60);

type Reply = oneshot::Sender<Result<Committed, CommitError>>;

struct Request {
    batch: Batch,
    reply: Reply,
}

/// Where commits wait for the writer.
#[derive(Default)]
pub(crate) struct Queue {
    state: Mutex<QueueState>,
    filled: Condvar,
}

#[derive(Default)]
struct QueueState {
    requests: VecDeque<Request>,
    closed: bool,
    /// Told when the writer is done.
    closers: Vec<oneshot::Sender<()>>,
    finished: bool,
}

impl Queue {
    /// Queues a batch; the receiver is told what became of it.
    pub(crate) fn push(&self, batch: Batch) -> oneshot::Receiver<Result<Committed, CommitError>> {
        let (reply, answer) = oneshot::channel();
        let mut state = self.state.lock();
        if state.closed || state.requests.len() >= MAX_QUEUED {
            let reason = if state.closed { "the store is closed" } else { "too many commits are waiting" };
            // Nobody waits yet, so this cannot fail.
            let _ = reply.send(Err(CommitError::Unavailable(reason.into())));
            return answer;
        }
        state.requests.push_back(Request { batch, reply });
        if state.requests.len() == 1 {
            self.filled.notify_one();
        }
        answer
    }

    /// Refuses further commits; the receiver is told when the queued ones are done.
    pub(crate) fn close(&self) -> oneshot::Receiver<()> {
        let (done, finished) = oneshot::channel();
        let mut state = self.state.lock();
        state.closed = true;
        if state.finished {
            let _ = done.send(());
        } else {
            state.closers.push(done);
        }
        self.filled.notify_one();
        finished
    }

    /// Commits that wait.
    pub(crate) fn len(&self) -> usize {
        self.state.lock().requests.len()
    }

    /// All that wait, up to a group's size; nothing when nobody came for a while, `None` when closed and empty.
    fn take(&self) -> Option<Vec<Request>> {
        let mut state = self.state.lock();
        while state.requests.is_empty() {
            if state.closed {
                return None;
            }
            if self.filled.wait_for(&mut state, HOUSEKEEPING).timed_out() {
                return Some(Vec::new());
            }
        }
        let mut bytes = 0;
        let mut group = Vec::new();
        while group.len() < MAX_GROUP && bytes < MAX_GROUP_BYTES {
            let Some(request) = state.requests.pop_front() else { break };
            bytes += size(&request.batch);
            group.push(request);
        }
        Some(group)
    }

    /// Nobody waits for a writer that has gone, however it went.
    fn finish(&self) {
        let (requests, closers) = {
            let mut state = self.state.lock();
            state.closed = true;
            state.finished = true;
            (std::mem::take(&mut state.requests), std::mem::take(&mut state.closers))
        };
        for request in requests {
            let _ = request.reply.send(Err(CommitError::Unavailable("the store stopped".into())));
        }
        for closer in closers {
            let _ = closer.send(());
        }
    }
}

fn size(batch: &Batch) -> usize {
    let value = |change: &crate::Change| match change {
        crate::Change::Put(value) | crate::Change::Bear(value, _) => value.data.len(),
        crate::Change::Delete | crate::Change::DeleteUnindexed(_) => 0,
    };
    batch.ops.iter().map(|op| op.key.as_bytes().len() + value(&op.change)).sum()
}

struct Finish<'a>(&'a Queue);

impl Drop for Finish<'_> {
    fn drop(&mut self) {
        self.0.finish();
    }
}

/// The writer's own state.
pub(crate) struct Writer {
    shared: Arc<Shared>,
    appender: Appender,
    head: u64,
    /// Why the store takes no more commits.
    broken: Option<String>,
}

/// A group on its way.
struct Group {
    steps: Vec<Step>,
    ledger: Ledger,
    /// What stands at the keys that earlier batches of the group changed.
    pending: HashMap<Key, Option<Item>>,
    /// Index terms of values that earlier batches of the group wrote.
    terms: HashSet<Bytes>,
    replies: Vec<(Reply, Result<Committed, CommitError>)>,
}

/// The state that the batches of a group so far leave.
struct Ahead<'a> {
    shared: &'a Shared,
    group: &'a Group,
}

impl check::State for Ahead<'_> {
    fn current(&self, key: &Key) -> Result<Option<Item>, String> {
        match self.group.pending.get(key) {
            Some(item) => Ok(item.clone()),
            None => self.shared.get_now(key),
        }
    }

    fn is_vacant(&self, resource: &str, cluster: &str) -> Result<bool, String> {
        self.group.ledger.read(self.shared, cluster, |counts| counts.of(resource) == 0)
    }

    fn is_indexed(&self, term: &[u8]) -> Result<bool, String> {
        // What the group takes away still counts; it is rare, and the caller looks again.
        if self.group.terms.contains(term) {
            return Ok(true);
        }
        let view = self.shared.view();
        let found = self.shared.current.find(&view, term, None, 1)?;
        Ok(found.first().is_some_and(|entry| entry.term == term))
    }
}

impl Writer {
    pub(crate) fn new(shared: Arc<Shared>, appender: Appender) -> Self {
        let head = shared.window.head();
        Self { shared, appender, head, broken: None }
    }

    /// Commits until the queue is closed and empty.
    pub(crate) fn run(mut self) {
        let shared = self.shared.clone();
        let _finish = Finish(&shared.queue);
        while let Some(requests) = shared.queue.take() {
            let group = self.check(requests);
            self.commit(group);
        }
        shared.hub.close();
        if shared.persist_on_close.load(std::sync::atomic::Ordering::Acquire)
            && let Err(error) = shared.current.persist()
        {
            tracing::error!("the engine could not be synced at close: {error}");
        }
    }

    fn check(&self, requests: Vec<Request>) -> Group {
        let shared = self.shared.as_ref();
        let mut group = Group {
            steps: Vec::new(),
            ledger: Ledger::new(shared.current.uncounted.clone()),
            pending: HashMap::new(),
            terms: HashSet::new(),
            replies: Vec::new(),
        };
        let mut next = self.head + 1;
        for Request { batch, reply } in requests {
            if let Some(reason) = &self.broken {
                group.replies.push((reply, Err(CommitError::Unavailable(reason.clone()))));
                continue;
            }
            if !batch.ops.iter().all(Current::fits) {
                let reason = "a key or an index term is too long".to_owned();
                group.replies.push((reply, Err(CommitError::Unavailable(reason))));
                continue;
            }
            let result = check::check(&batch, next, &Ahead { shared, group: &group });
            let result = result.and_then(|steps| {
                group.ledger.enter(shared, &batch, &steps)?;
                Ok(steps)
            });
            let result = result.map(|steps| {
                let first = next;
                for step in steps {
                    next = step.event.revision.get() + 1;
                    for event in step.events() {
                        group.pending.insert(event.key.clone(), standing(event));
                        group.terms.extend(event.value.terms.iter().cloned());
                    }
                    group.steps.push(step);
                }
                Committed { first: Revision::new(first), last: Revision::new(next - 1) }
            });
            group.replies.push((reply, result));
        }
        group
    }

    fn commit(&mut self, group: Group) {
        let result = self.try_commit(group.steps, group.ledger);
        for (reply, answer) in group.replies {
            let answer = match &result {
                Ok(()) => answer,
                // Also what failed its check may have seen what the group would have written.
                Err(reason) => Err(CommitError::Unavailable(reason.clone())),
            };
            // A writer that went away meant its write all the same.
            let _ = reply.send(answer);
        }
        if result.is_ok() {
            self.retain();
        }
    }

    fn try_commit(&mut self, steps: Vec<Step>, ledger: Ledger) -> Result<(), String> {
        let Some(last) = steps.last().map(|step| step.event.revision.get()) else { return Ok(()) };
        let shared = &self.shared;
        let first = self.head + 1;
        let count = u32::try_from(last - self.head).map_err(|_| "too many changes in one group")?;
        let time = shared.clock.now_ms();
        let record = record::encode(&steps, &self.new_templates(&steps), first, count, time)
            .ok_or("the changes are too large for one record")?;
        self.appender.append(&record, first, time).map_err(|error| format!("the event log: {error}"))?;
        self.head = last;
        let view = shared.view();
        let applied = shared.current.apply(&view, &steps, ledger, last);
        let events: Vec<Arc<Event>> = check::events(&steps).cloned().collect();
        shared.window.push(&events);
        let (tallies, view) = match applied.and_then(|tallies| Ok((tallies, shared.current.view()?))) {
            Ok(applied) => applied,
            Err(error) => {
                let reason = format!("the engine failed, open the store again: {error}");
                tracing::error!("{reason}");
                self.broken = Some(reason.clone());
                return Err(reason);
            }
        };
        for step in &steps {
            for event in step.events() {
                shared.lists.change(event);
                // What somebody wrote is likely to be read, what was born is not.
                let written = event.revision == step.event.revision;
                shared.objects.change(&event.key, standing(event).filter(|_| written), event.revision.get());
            }
        }
        for (cluster, tally) in tallies {
            shared.tallies.change(&cluster, Some(Arc::new(tally)), last);
        }
        shared.show(view);
        for observer in shared.observers.read().iter() {
            observer.committed(&events);
        }
        shared.hub.publish(&events);
        Ok(())
    }

    fn new_templates(&self, steps: &[Step]) -> Vec<Arc<Template>> {
        let used = steps.iter().filter_map(|step| step.born.as_ref()).map(|(birth, _)| &birth.template);
        let mut new: Vec<Arc<Template>> =
            used.filter(|template| self.shared.templates.get(template.id()).is_none()).cloned().collect();
        new.sort_by_key(|template| template.id());
        new.dedup_by_key(|template| template.id());
        new
    }

    /// Drops segments that are no longer wanted, after the engine has made durable what they could replay.
    fn retain(&mut self) {
        let now = self.shared.clock.now_ms();
        if !self.appender.can_drop(self.head, now) {
            return;
        }
        if let Err(error) = self.shared.current.persist() {
            tracing::error!("history is kept, the engine could not be synced: {error}");
            return;
        }
        while self.appender.can_drop(self.head, now) {
            if let Err(error) = self.appender.drop_oldest() {
                tracing::error!("a segment of the event log could not be removed: {error}");
                return;
            }
        }
    }
}

fn standing(event: &Event) -> Option<Item> {
    (event.kind != EventKind::Deleted).then(|| Item {
        key: event.key.clone(),
        revision: event.revision,
        value: event.value.clone(),
    })
}
