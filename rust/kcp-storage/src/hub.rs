//! Live fan-out: every committed change to exactly the watchers of a range that holds it.
//!
//! Watchers are filed under the encoded prefix of their range. A key has four prefixes (resource, cluster, namespace,
//! object), so a change costs four look-ups however many watchers of other ranges exist. A batch is handed to each
//! interested watcher as one shared slice and one wake-up. Queues are bounded: a reader whose queue would overflow is
//! closed with [`WatchError::Slow`]; the writer never waits for one.

use crate::{Event, KeyRange, Revision, WatchError};
use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};

/// What the hub did and holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HubStatistics {
    /// Open watchers that receive live changes.
    pub watchers: usize,
    /// Different ranges they watch.
    pub ranges: usize,
    /// Changes published so far.
    pub published: u64,
    /// Changes queued for watchers so far, each watcher counted.
    pub delivered: u64,
    /// Watchers closed for slowness so far.
    pub slow: u64,
}

type Shared = Arc<[Arc<Event>]>;

/// The writer's end of all live subscriptions of a store.
#[derive(Debug, Default)]
pub struct Hub {
    inner: Mutex<Inner>,
    published: AtomicU64,
}

#[derive(Debug, Default)]
struct Inner {
    groups: HashMap<Bytes, Group>,
    next_id: u64,
    watchers: usize,
    published: u64,
    delivered: u64,
    slow: u64,
    closed: bool,
}

/// The watchers of one range, by rising id.
#[derive(Debug, Default)]
struct Group {
    slots: Vec<(u64, Arc<Slot>)>,
    pending: Vec<Arc<Event>>,
}

#[derive(Debug)]
struct Slot {
    limit: usize,
    state: Mutex<SlotState>,
}

#[derive(Debug, Default)]
struct SlotState {
    queue: VecDeque<Shared>,
    queued: usize,
    waker: Option<Waker>,
    ended: Option<WatchError>,
}

impl Hub {
    /// A hub for a store whose newest revision is `head`.
    pub fn new(head: Revision) -> Arc<Self> {
        let hub = Self::default();
        hub.published.store(head.get(), Ordering::Release);
        Arc::new(hub)
    }

    /// The newest revision that all watchers' queues have been given.
    pub fn published(&self) -> Revision {
        Revision::new(self.published.load(Ordering::Acquire))
    }

    /// Hands `events`, which are in revision order and durable, to whom they concern.
    pub fn publish(&self, events: &[Arc<Event>]) {
        let Some(last) = events.last() else { return };
        let mut inner = self.inner.lock();
        inner.published += events.len() as u64;
        if !inner.groups.is_empty() {
            inner.distribute(events);
        }
        // Under the lock: whoever subscribes next sees this revision, and gets only what comes after.
        self.published.store(last.revision.get(), Ordering::Release);
    }

    /// Ends every watch and refuses new ones.
    pub fn close(&self) {
        let groups = {
            let mut inner = self.inner.lock();
            inner.closed = true;
            inner.watchers = 0;
            std::mem::take(&mut inner.groups)
        };
        for (_, slot) in groups.into_values().flat_map(|group| group.slots) {
            slot.end(WatchError::Closed);
        }
    }

    /// Ends the watches of one logical cluster, and those over all of them, but those of one resource.
    pub fn close_cluster(&self, cluster: &str, except: &str) {
        let mut ended = Vec::new();
        let mut inner = self.inner.lock();
        inner.groups.retain(|prefix, group| {
            let mut parts = prefix.split(|byte| *byte == 0);
            let resource = parts.next();
            // A range of one resource everywhere ends behind the resource's zero: its second part is empty.
            let reaches = parts.next().is_some_and(|part| part.is_empty() || part == cluster.as_bytes());
            let ends = reaches && resource != Some(except.as_bytes());
            if ends {
                ended.append(&mut group.slots);
            }
            !ends
        });
        inner.watchers -= ended.len();
        drop(inner);
        for (_, slot) in ended {
            slot.end(WatchError::Closed);
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.inner.lock().closed
    }

    /// What the hub did and holds.
    pub fn statistics(&self) -> HubStatistics {
        let inner = self.inner.lock();
        HubStatistics {
            watchers: inner.watchers,
            ranges: inner.groups.len(),
            published: inner.published,
            delivered: inner.delivered,
            slow: inner.slow,
        }
    }

    /// Files a watcher; the answer's revision is the newest it will not be given.
    pub(crate) fn subscribe(self: &Arc<Self>, range: &KeyRange, limit: usize) -> (Subscription, Revision) {
        let mut inner = self.inner.lock();
        let slot = Arc::new(Slot { limit: limit.max(1), state: Mutex::default() });
        let id = inner.next_id;
        inner.next_id += 1;
        if inner.closed {
            slot.state.lock().ended = Some(WatchError::Closed);
        } else {
            inner.watchers += 1;
            inner.groups.entry(range.start.clone()).or_default().slots.push((id, slot.clone()));
        }
        let subscription = Subscription { hub: self.clone(), prefix: range.start.clone(), id, slot };
        (subscription, self.published())
    }
}

impl Inner {
    fn distribute(&mut self, events: &[Arc<Event>]) {
        let mut touched: Vec<Bytes> = Vec::new();
        for event in events {
            let raw = event.key.as_bytes();
            let ends = raw.iter().enumerate().filter(|(_, byte)| **byte == 0).map(|(at, _)| at + 1);
            for end in ends {
                if let Some(group) = self.groups.get_mut(&raw[..end]) {
                    if group.pending.is_empty() {
                        touched.push(event.key.to_bytes().slice(..end));
                    }
                    group.pending.push(event.clone());
                }
            }
        }
        for prefix in touched {
            let Some(group) = self.groups.get_mut(&prefix) else {
                continue;
            };
            let batch: Shared = std::mem::take(&mut group.pending).into();
            let before = group.slots.len();
            group.slots.retain(|(_, slot)| slot.push(&batch));
            let closed = before - group.slots.len();
            self.delivered += (batch.len() * (before - closed)) as u64;
            self.slow += closed as u64;
            self.watchers -= closed;
            if group.slots.is_empty() {
                self.groups.remove(&prefix);
            }
        }
    }
}

impl Slot {
    /// Queues a batch and wakes the reader; `false` closes it as too slow.
    fn push(&self, batch: &Shared) -> bool {
        let mut state = self.state.lock();
        if state.queued + batch.len() > self.limit {
            drop(state);
            self.end(WatchError::Slow);
            return false;
        }
        state.queued += batch.len();
        state.queue.push_back(batch.clone());
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
        true
    }

    fn end(&self, error: WatchError) {
        let mut state = self.state.lock();
        state.queue = VecDeque::new();
        state.queued = 0;
        state.ended = Some(error);
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// A filed watcher; dropping it takes it out of the hub.
#[derive(Debug)]
pub(crate) struct Subscription {
    hub: Arc<Hub>,
    prefix: Bytes,
    id: u64,
    slot: Arc<Slot>,
}

impl Subscription {
    /// Appends what is queued and newer than `after`.
    pub(crate) fn poll(
        &self,
        cx: &Context<'_>,
        after: Revision,
        out: &mut Vec<Arc<Event>>,
    ) -> Poll<Result<(), WatchError>> {
        let mut state = self.slot.state.lock();
        if let Some(error) = &state.ended {
            return Poll::Ready(Err(error.clone()));
        }
        let before = out.len();
        let queue = std::mem::take(&mut state.queue);
        state.queued = 0;
        for batch in &queue {
            out.extend(batch.iter().filter(|event| event.revision > after).cloned());
        }
        if out.len() > before {
            return Poll::Ready(Ok(()));
        }
        match &mut state.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            None => state.waker = Some(cx.waker().clone()),
        }
        Poll::Pending
    }

    /// The newest revision up to which nothing waits in the queue; it never falls.
    pub(crate) fn drained(&self) -> Revision {
        // Read before the queue: a change published in between is in the queue, or it is newer than the answer.
        let published = self.hub.published();
        let state = self.slot.state.lock();
        match state.queue.front().and_then(|batch| batch.first()) {
            Some(waiting) => published.min(Revision::new(waiting.revision.get() - 1)),
            None if state.ended.is_some() => Revision::ZERO,
            None => published,
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut inner = self.hub.inner.lock();
        let Some(group) = inner.groups.get_mut(&self.prefix) else {
            return;
        };
        if let Ok(at) = group.slots.binary_search_by_key(&self.id, |(id, _)| *id) {
            group.slots.remove(at);
            let empty = group.slots.is_empty();
            if empty {
                inner.groups.remove(&self.prefix);
            }
            inner.watchers -= 1;
        }
    }
}
