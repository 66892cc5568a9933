//! A logical cluster that goes offline: what still runs in it ends.

use super::generations::LOGICAL_CLUSTERS;
use super::row::{INACTIVE, INACTIVE_BEFORE, Row};
use crate::codec;
use kcp_storage::{Backend, Event, EventKind, Observer};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

/// Ends the watches of logical clusters that are marked inactive. Those of the rows go on: they are answered there.
pub struct Offline {
    store: Weak<dyn Backend>,
    count: AtomicU64,
}

impl Offline {
    /// Begins to look at rows.
    pub fn new(store: &Arc<dyn Backend>) -> Arc<Self> {
        let offline = Arc::new(Self { store: Arc::downgrade(store), count: AtomicU64::new(0) });
        store.observe(Arc::clone(&offline) as Arc<dyn Observer>);
        offline
    }

    /// How often a cluster went offline so far. A watch that opens takes the number before it looks whether its cluster is
    /// offline, and again behind its subscription: when it is the same, whatever goes offline from then on ends the watch.
    pub fn count(&self) -> u64 {
        self.count.load(Ordering::Acquire)
    }
}

impl Observer for Offline {
    fn committed(&self, events: &[Arc<Event>]) {
        let rows = events.iter().filter(|event| {
            event.key.resource() == LOGICAL_CLUSTERS && event.kind == EventKind::Modified && mentions(&event.value.data)
        });
        for event in rows {
            let mut json = Vec::new();
            codec::write(&mut json, None, event.key.cluster(), event.revision, &event.value);
            if Row::parse(&json).inactive
                && let Some(store) = self.store.upgrade()
            {
                self.count.fetch_add(1, Ordering::AcqRel);
                store.end_watches_of(event.key.cluster(), LOGICAL_CLUSTERS);
            }
        }
    }
}

/// Whether a row has one of the annotations: few have, and reading all would hold up the writer.
fn mentions(data: &[u8]) -> bool {
    [INACTIVE, INACTIVE_BEFORE].iter().any(|key| data.windows(key.len()).any(|part| part == key.as_bytes()))
}
