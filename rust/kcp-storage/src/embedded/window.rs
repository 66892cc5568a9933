//! History: the newest changes in memory, older ones in the log.
//!
//! The ring holds consecutive revisions up to the newest change, including changes that readers may not see yet. What
//! fell out of it, or was written before the store was opened, is read from the log.

use super::log::Log;
use crate::check::events;
use crate::watch::History;
use crate::{Event, Item, Key, KeyRange, Revision, WatchError};
use parking_lot::{Mutex, RwLock};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Changes of the ring that one read step looks at.
const STEP_EVENTS: usize = 4_096;
/// What an event costs beside its bytes, roughly.
const OVERHEAD: usize = 256;
/// Changes before the opening of the store that the first watch to miss them brings into memory for all.
const BACKFILL: u64 = 10_000;
/// Past states that are kept for the next page of their list.
const PAST_STATES: usize = 8;
/// A past state that differs from the present in more keys is not kept.
const PAST_STATE_KEYS: usize = 5_000;

/// What differs from the present: the keys changed since a revision with what stood there; `None` where nothing did.
pub(crate) type Undo = Arc<BTreeMap<Key, Option<Item>>>;

pub(crate) struct Window {
    pub log: Arc<Log>,
    ring: RwLock<Ring>,
    /// The newest change readers may see.
    head: AtomicU64,
    past: Mutex<VecDeque<Past>>,
}

struct Ring {
    events: VecDeque<Arc<Event>>,
    /// Revision of the oldest event, or of the next one when empty.
    first: u64,
    bytes: usize,
    max_events: usize,
    max_bytes: usize,
    /// Whether older changes may still be brought in from the log.
    may_backfill: bool,
}

struct Past {
    range: KeyRange,
    revision: u64,
    /// Changes up to here are undone.
    upto: u64,
    undo: Undo,
}

fn cost(event: &Event) -> usize {
    let previous = event.previous.as_ref().map_or(0, |(_, value)| value.data.len());
    OVERHEAD + event.key.as_bytes().len() + event.value.data.len() + previous
}

impl Window {
    pub(crate) fn new(log: Arc<Log>, head: u64, max_events: usize, max_bytes: usize) -> Self {
        let ring =
            Ring { events: VecDeque::new(), first: head + 1, bytes: 0, max_events, max_bytes, may_backfill: true };
        Self { log, ring: RwLock::new(ring), head: AtomicU64::new(head), past: Mutex::default() }
    }

    pub(crate) fn head(&self) -> u64 {
        self.head.load(Ordering::Acquire)
    }

    /// Lets readers see everything up to `revision`.
    pub(crate) fn set_head(&self, revision: u64) {
        self.head.store(revision, Ordering::Release);
    }

    pub(crate) fn compacted(&self) -> u64 {
        self.log.compacted()
    }

    /// Appends durable changes; watches see them when the head moves.
    pub(crate) fn push(&self, events: &[Arc<Event>]) {
        let mut ring = self.ring.write();
        for event in events {
            ring.bytes += cost(event);
            ring.events.push_back(event.clone());
        }
        while ring.events.len() > ring.max_events || (ring.bytes > ring.max_bytes && ring.events.len() > 1) {
            if let Some(event) = ring.events.pop_front() {
                ring.bytes -= cost(&event);
                ring.first += 1;
                ring.may_backfill = false;
            }
        }
    }

    /// After an opening many watches resume from shortly before it: one of them reads that part of the log for all.
    fn backfill(&self, after: u64) -> Result<(), WatchError> {
        let first = {
            let mut ring = self.ring.write();
            if !ring.may_backfill || after + 1 + BACKFILL < ring.first {
                return Ok(());
            }
            ring.may_backfill = false;
            ring.first
        };
        let mut older = Vec::new();
        let mut at = first.saturating_sub(1 + BACKFILL).max(self.compacted());
        while at + 1 < first {
            let from = at;
            at = self.log.read(from, &mut |steps| {
                older.extend(events(&steps).filter(|event| (from + 1..first).contains(&event.revision.get())).cloned());
            })?;
            if at == from {
                return Ok(());
            }
        }
        let mut ring = self.ring.write();
        for event in older.into_iter().rev() {
            let full = ring.events.len() >= ring.max_events / 2 || ring.bytes + cost(&event) > ring.max_bytes / 2;
            // Changes may have come, and the oldest may have gone, while the log was read.
            if full || event.revision.get() + 1 != ring.first {
                break;
            }
            ring.bytes += cost(&event);
            ring.first -= 1;
            ring.events.push_front(event);
        }
        Ok(())
    }

    /// Events and bytes in memory.
    pub(crate) fn in_memory(&self) -> (usize, usize) {
        let ring = self.ring.read();
        (ring.events.len(), ring.bytes)
    }

    /// One bounded step of reading changes after `after` up to `upto`, which are all durable.
    fn step(&self, after: u64, upto: u64, sink: &mut dyn FnMut(Arc<Event>)) -> Result<u64, WatchError> {
        let oldest = self.compacted();
        if after < oldest {
            return Err(WatchError::Compacted { requested: Revision::new(after), oldest: Revision::new(oldest) });
        }
        if self.ring.read().first > after + 1 {
            self.backfill(after)?;
        }
        {
            let ring = self.ring.read();
            if after + 1 >= ring.first {
                let skip = usize::try_from(after + 1 - ring.first).unwrap_or(usize::MAX);
                let mut reached = after;
                for event in ring.events.iter().skip(skip).take(STEP_EVENTS) {
                    if event.revision.get() > upto {
                        break;
                    }
                    reached = event.revision.get();
                    sink(event.clone());
                }
                return Ok(reached);
            }
        }
        let reached = self.log.read(after, &mut |steps| {
            let wanted = after + 1..=upto;
            events(&steps).filter(|event| wanted.contains(&event.revision.get())).cloned().for_each(&mut *sink);
        })?;
        if reached == after {
            let reason = format!("the event log has no revision {}", after + 1);
            return Err(WatchError::Unavailable(reason));
        }
        Ok(reached.min(upto))
    }

    /// How `range` at `revision` differs from any view between `revision` and `upto`, which are all durable. More
    /// changes may be undone than `upto` asks for: undoing a change that the view does not have yet changes nothing.
    pub(crate) fn undo(&self, range: &KeyRange, revision: u64, upto: u64) -> Result<Undo, WatchError> {
        let kept = {
            let mut past = self.past.lock();
            let at = past.iter().position(|past| past.revision == revision && past.range == *range);
            at.and_then(|at| past.remove(at))
        };
        let mut past =
            kept.unwrap_or_else(|| Past { range: range.clone(), revision, upto: revision, undo: Arc::default() });
        if past.upto < upto {
            let undo = Arc::make_mut(&mut past.undo);
            while past.upto < upto {
                past.upto = self.step(past.upto, upto, &mut |event| {
                    if range.contains(&event.key) && !undo.contains_key(&event.key) {
                        undo.insert(event.key.clone(), before(&event));
                    }
                })?;
            }
        }
        let undo = past.undo.clone();
        if undo.len() <= PAST_STATE_KEYS {
            let mut kept = self.past.lock();
            let oldest = self.compacted();
            kept.retain(|past| past.revision >= oldest);
            kept.push_back(past);
            if kept.len() > PAST_STATES {
                kept.pop_front();
            }
        }
        Ok(undo)
    }
}

/// What stood at the event's key before it.
fn before(event: &Event) -> Option<Item> {
    let (revision, value) = event.previous.clone()?;
    Some(Item { key: event.key.clone(), revision, value })
}

impl History for Window {
    fn newest(&self) -> Revision {
        Revision::new(self.head())
    }

    fn read(
        &self,
        range: &KeyRange,
        after: Revision,
        upto: Revision,
        out: &mut Vec<Arc<Event>>,
    ) -> Result<Revision, WatchError> {
        if upto <= after {
            return Ok(after);
        }
        let reached = self.step(after.get(), upto.get(), &mut |event| {
            if range.contains(&event.key) {
                out.push(event);
            }
        })?;
        Ok(Revision::new(reached))
    }
}
