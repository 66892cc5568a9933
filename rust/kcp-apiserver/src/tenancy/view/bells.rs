//! Who is concerned by a change: watchers filed under index terms of subjects and under logical clusters.

use crate::authz::entries::SUBJECT;
use crate::authz::generations::{CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES, LOGICAL_CLUSTERS};
use crate::codec;
use crate::tenancy::WORKSPACES;
use kcp_storage::{Backend, Event, Key, Observer, Revision, Value};
use parking_lot::Mutex;
use serde::Deserialize;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};

/// The place of those whom every Workspace concerns; no logical cluster is called like that.
pub const EVERYWHERE: &[u8] = b"*";

/// The kinds whose changes are told.
pub const TOLD: [&str; 4] = [CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES, LOGICAL_CLUSTERS, WORKSPACES];

/// When a logical cluster was touched since somebody looked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Touch {
    /// First.
    pub first: Revision,
    /// Last.
    pub last: Revision,
}

/// What is kept about the watchers, and what was done for them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Places under which somebody is filed.
    pub places: usize,
    /// How often somebody was told of a change.
    pub rung: u64,
}

/// All watchers of a store, by what concerns them.
#[derive(Default)]
pub struct Bells {
    inner: Mutex<Inner>,
    seen: AtomicU64,
}

#[derive(Default)]
struct Inner {
    filed: HashMap<Box<[u8]>, Vec<Arc<Slot>>>,
    rung: u64,
}

#[derive(Default)]
struct Slot {
    state: Mutex<SlotState>,
}

#[derive(Default)]
struct SlotState {
    touched: HashMap<String, Touch>,
    waker: Option<Waker>,
}

/// A watcher's own end. Dropping it takes him out.
pub struct Bell {
    bells: Arc<Bells>,
    slot: Arc<Slot>,
    places: HashSet<Box<[u8]>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Stored {
    spec: Spec,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Spec {
    cluster: String,
}

/// The logical cluster that a change is about: a Workspace's is the one it stands for. `None` where it stands for none.
pub fn cluster_of(key: &Key, revision: Revision, value: &Value) -> Option<String> {
    if key.resource() != WORKSPACES {
        return Some(key.cluster().to_owned());
    }
    let mut json = Vec::new();
    codec::write(&mut json, None, key.cluster(), revision, value);
    let stored: Stored = serde_json::from_slice(&json).unwrap_or_default();
    Some(stored.spec.cluster).filter(|cluster| !cluster.is_empty())
}

/// The terms of subjects that a change gives or takes.
pub fn subjects(event: &Event) -> impl Iterator<Item = &[u8]> {
    let before = event.previous.as_ref().map(|(_, value)| value);
    let terms = before.into_iter().chain([&event.value]).flat_map(|value| value.terms.iter());
    terms.map(AsRef::as_ref).filter(|term: &&[u8]| term.starts_with(SUBJECT.as_bytes()))
}

impl Bells {
    /// Begins to look at changes. Has to come after whatever decides who may enter: who is rung asks that.
    pub fn new(store: &Arc<dyn Backend>) -> Arc<Self> {
        let bells = Arc::new(Self { seen: AtomicU64::new(store.head().get()), ..Self::default() });
        store.observe(Arc::clone(&bells) as Arc<dyn Observer>);
        bells
    }

    /// A watcher who is filed nowhere yet.
    pub fn hang(self: &Arc<Self>) -> Bell {
        Bell { bells: Arc::clone(self), slot: Arc::default(), places: HashSet::new() }
    }

    /// What is kept and was done.
    pub fn statistics(&self) -> Statistics {
        let inner = self.inner.lock();
        Statistics { places: inner.filed.len(), rung: inner.rung }
    }
}

impl Observer for Bells {
    fn committed(&self, events: &[Arc<Event>]) {
        for event in events.iter().filter(|event| TOLD.contains(&event.key.resource())) {
            let mut inner = self.inner.lock();
            if !inner.filed.is_empty() {
                inner.tell(event);
            }
        }
        // Behind the bells: who reads this and finds nothing rung has been told everything up to here.
        if let Some(last) = events.last() {
            self.seen.store(last.revision.get(), Ordering::Release);
        }
    }
}

impl Inner {
    fn tell(&mut self, event: &Event) {
        let Some(cluster) = cluster_of(&event.key, event.revision, &event.value) else { return };
        let of_all = matches!(event.key.resource(), WORKSPACES | LOGICAL_CLUSTERS).then_some(EVERYWHERE);
        let places = subjects(event).chain([cluster.as_bytes()]).chain(of_all);
        for slot in places.filter_map(|place| self.filed.get(place)).flatten() {
            self.rung += u64::from(slot.touch(&cluster, event.revision));
        }
    }
}

impl Slot {
    /// Notes a touch and wakes the watcher; `false` when he was told of this change already.
    fn touch(&self, cluster: &str, revision: Revision) -> bool {
        let mut state = self.state.lock();
        match state.touched.get_mut(cluster) {
            Some(touch) if touch.last == revision => return false,
            Some(touch) => touch.last = revision,
            None => {
                state.touched.insert(cluster.to_owned(), Touch { first: revision, last: revision });
            }
        }
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
        true
    }
}

impl Bell {
    /// Files the watcher under an index term or a logical cluster. Whatever is committed from now on rings.
    pub fn file(&mut self, place: &[u8]) {
        if self.places.insert(place.into()) {
            self.bells.inner.lock().filed.entry(place.into()).or_default().push(Arc::clone(&self.slot));
        }
    }

    /// Takes him out from there.
    pub fn unfile(&mut self, place: &[u8]) {
        if self.places.remove(place) {
            self.bells.inner.lock().remove(place, &self.slot);
        }
    }

    /// Takes what was touched, with the revision up to which that is everything; pending while it is nothing.
    pub fn poll(&self, cx: &mut Context<'_>) -> Poll<(Vec<(String, Touch)>, Revision)> {
        let seen = self.bells.seen.load(Ordering::Acquire);
        let mut state = self.slot.state.lock();
        if !state.touched.is_empty() {
            let touched = std::mem::take(&mut state.touched);
            return Poll::Ready((touched.into_iter().collect(), Revision::new(seen)));
        }
        match &mut state.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            None => state.waker = Some(cx.waker().clone()),
        }
        Poll::Pending
    }

    /// The revision up to which nothing is left to be taken; `None` while something is.
    pub fn idle_since(&self) -> Option<Revision> {
        let seen = self.bells.seen.load(Ordering::Acquire);
        self.slot.state.lock().touched.is_empty().then_some(Revision::new(seen))
    }
}

impl Inner {
    fn remove(&mut self, place: &[u8], slot: &Arc<Slot>) {
        let Some(slots) = self.filed.get_mut(place) else { return };
        if let Some(at) = slots.iter().position(|other| Arc::ptr_eq(other, slot)) {
            slots.swap_remove(at);
        }
        if slots.is_empty() {
            self.filed.remove(place);
        }
    }
}

impl Drop for Bell {
    fn drop(&mut self) {
        let mut inner = self.bells.inner.lock();
        for place in &self.places {
            inner.remove(place, &self.slot);
        }
    }
}
