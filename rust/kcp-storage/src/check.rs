//! What a batch amounts to, and why it may not happen: one set of rules for all engines.

use crate::{Batch, Birth, Change, CommitError, Event, EventKind, Expect, Item, Key, Op, Revision, Value};
use std::collections::HashSet;
use std::sync::{Arc, OnceLock};

/// One operation that may happen.
#[derive(Debug)]
pub(crate) struct Step {
    /// The change; for a birth, the row's.
    pub event: Arc<Event>,
    /// The objects born directly before it, with the birth they come from.
    pub born: Option<(Birth, Vec<Arc<Event>>)>,
}

impl Step {
    /// All changes of the operation, in revision order.
    pub(crate) fn events(&self) -> impl Iterator<Item = &Arc<Event>> {
        self.born.iter().flat_map(|(_, events)| events).chain([&self.event])
    }
}

/// All changes of `steps`, in revision order.
pub(crate) fn events(steps: &[Step]) -> impl Iterator<Item = &Arc<Event>> {
    steps.iter().flat_map(Step::events)
}

/// What a batch is checked against.
pub(crate) trait State {
    /// What stands at a key.
    fn current(&self, key: &Key) -> Result<Option<Item>, String>;

    /// Whether a logical cluster has no value of a resource.
    fn is_vacant(&self, resource: &str, cluster: &str) -> Result<bool, String>;

    /// Whether some value carries an index term.
    fn is_indexed(&self, term: &[u8]) -> Result<bool, String>;
}

/// Checks `batch` against `state` and gives its changes the revisions from `first` on.
pub(crate) fn check(batch: &Batch, first: u64, state: &dyn State) -> Result<Vec<Step>, CommitError> {
    let current = |key: &Key| state.current(key).map_err(CommitError::Unavailable);
    for (index, guard) in batch.guards.iter().enumerate() {
        if !meets(guard.expect, &guard.key, current(&guard.key)?.as_ref(), state)? {
            return Err(CommitError::Guard { index });
        }
    }
    let mut revision = first;
    let mut named: HashSet<Key> = HashSet::new();
    let mut steps = Vec::with_capacity(batch.ops.len());
    for (index, op) in batch.ops.iter().enumerate() {
        let standing = current(&op.key)?;
        let conflict = |current: Option<Item>| Err(CommitError::Conflict { index, current });
        let absent_wanted = matches!(op.change, Change::Bear(..)) && standing.is_some();
        let present_wanted = matches!(op.change, Change::Delete | Change::DeleteUnindexed(_)) && standing.is_none();
        if !meets(op.expect, &op.key, standing.as_ref(), state)? || absent_wanted || present_wanted {
            return conflict(standing);
        }
        if let Change::DeleteUnindexed(term) = &op.change
            && state.is_indexed(term).map_err(CommitError::Unavailable)?
        {
            return conflict(standing);
        }
        if !named.insert(op.key.clone()) {
            return conflict(standing);
        }
        let born = match &op.change {
            Change::Bear(_, birth) => {
                let events = born_events(birth, op.key.cluster(), revision);
                for event in &events {
                    let standing = current(&event.key)?;
                    if standing.is_some() || !named.insert(event.key.clone()) {
                        return conflict(standing);
                    }
                }
                Some((birth.clone(), events))
            }
            Change::Put(_) | Change::Delete | Change::DeleteUnindexed(_) => None,
        };
        let own = revision + born.as_ref().map_or(0, |(_, events)| events.len() as u64);
        steps.push(Step { event: Arc::new(event(op, own, standing)), born });
        revision = own + 1;
    }
    Ok(steps)
}

fn event(op: &Op, revision: u64, standing: Option<Item>) -> Event {
    let previous = standing.map(|item| (item.revision, item.value));
    let (kind, value) = match (&op.change, &previous) {
        (Change::Put(value), None) | (Change::Bear(value, _), _) => (EventKind::Added, value.clone()),
        (Change::Put(value), Some(_)) => (EventKind::Modified, value.clone()),
        (Change::Delete | Change::DeleteUnindexed(_), Some((_, value))) => (EventKind::Deleted, value.clone()),
        (Change::Delete | Change::DeleteUnindexed(_), None) => (EventKind::Deleted, Value::default()),
    };
    Event { revision: Revision::new(revision), kind, key: op.key.clone(), value, previous, encoded: OnceLock::new() }
}

/// The ADDED events of a birth whose first object has revision `first`.
pub(crate) fn born_events(birth: &Birth, cluster: &str, first: u64) -> Vec<Arc<Event>> {
    (0..birth.len())
        .map(|index| {
            Arc::new(Event {
                revision: Revision::new(first + index as u64),
                kind: EventKind::Added,
                key: birth.key(cluster, index),
                value: birth.value(index),
                previous: None,
                encoded: OnceLock::new(),
            })
        })
        .collect()
}

fn meets(expect: Expect, key: &Key, current: Option<&Item>, state: &dyn State) -> Result<bool, CommitError> {
    Ok(match expect {
        Expect::Any => true,
        Expect::Absent => current.is_none(),
        Expect::At(revision) => current.is_some_and(|item| item.revision == revision),
        Expect::Containing(bytes) => {
            current.is_some_and(|item| item.value.data.windows(bytes.len()).any(|window| window == bytes))
        }
        Expect::Present => current.is_some(),
        Expect::Vacant => state.is_vacant(key.resource(), key.cluster()).map_err(CommitError::Unavailable)?,
    })
}
