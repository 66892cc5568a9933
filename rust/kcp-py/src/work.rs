//! Unfinished work: which kinds have new keys, told to the controllers that wait for them.
//!
//! The API server writes the index term `work/KIND` on objects that need a controller. The store keeps the index, so
//! that a restart reads it and nothing else; this observer only says when to look.

use crate::join::{Event, Join};
use kcp_storage::{Event as Change, EventKind, Observer};
use parking_lot::RwLock;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

const PREFIX: &[u8] = b"work/";

struct Kind {
    name: Arc<str>,
    /// Python has been told and has not looked yet.
    told: AtomicBool,
}

/// Sees every commit; costs nothing for objects without index terms.
pub struct WorkWatch {
    join: Arc<Join>,
    kinds: RwLock<Vec<Kind>>,
}

impl WorkWatch {
    pub fn new(join: Arc<Join>) -> Arc<Self> {
        Arc::new(Self { join, kinds: RwLock::default() })
    }

    /// From now on [`Event::Work`] tells of new keys of a kind.
    pub fn want(&self, kind: &str) {
        let mut kinds = self.kinds.write();
        if !kinds.iter().any(|known| &*known.name == kind) {
            kinds.push(Kind { name: kind.into(), told: AtomicBool::new(false) });
        }
    }

    /// Python is about to look at a kind's keys: later ones are told anew.
    pub fn looking(&self, kind: &str) {
        if let Some(known) = self.kinds.read().iter().find(|known| &*known.name == kind) {
            known.told.store(false, Ordering::SeqCst);
        }
    }
}

impl Observer for WorkWatch {
    fn committed(&self, events: &[Arc<Change>]) {
        for event in events {
            if event.kind == EventKind::Deleted {
                continue;
            }
            for term in event.value.terms.iter().filter_map(|term| term.strip_prefix(PREFIX)) {
                let kinds = self.kinds.read();
                let known = kinds.iter().find(|known| known.name.as_bytes() == term);
                if let Some(known) = known.filter(|known| !known.told.swap(true, Ordering::SeqCst)) {
                    self.join.push(Event::Work(Arc::clone(&known.name)));
                }
            }
        }
    }
}
