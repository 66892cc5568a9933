//! When what was derived from stored objects has to be derived again.

use kcp_storage::{Event, Key, Observer};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Storage names of the resources that rules are derived from.
pub const ROLES: &str = "roles.rbac.authorization.k8s.io";
/// See [`ROLES`].
pub const CLUSTER_ROLES: &str = "clusterroles.rbac.authorization.k8s.io";
/// See [`ROLES`].
pub const ROLE_BINDINGS: &str = "rolebindings.rbac.authorization.k8s.io";
/// See [`ROLES`].
pub const CLUSTER_ROLE_BINDINGS: &str = "clusterrolebindings.rbac.authorization.k8s.io";
/// Storage name of the rows that say which logical clusters exist.
pub const LOGICAL_CLUSTERS: &str = "logicalclusters.core.kcp.io";

const SLOTS: usize = 1 << 14;

/// Whether a change of the object at this key counts, and by which name.
pub type Counted = fn(&Key) -> Option<(&str, &str)>;

/// Counts changes of what something is derived from, by a name of two parts.
///
/// The table has a fixed size, so names share counters by hash: a change of one may make what another stands for be
/// derived once more than needed, never once less.
pub struct Generations {
    slots: Box<[AtomicU64]>,
    hasher: RandomState,
    counted: Counted,
}

impl Generations {
    /// Counts nothing until it observes a store.
    pub fn new(counted: Counted) -> Self {
        Self { slots: (0..SLOTS).map(|_| AtomicU64::new(0)).collect(), hasher: RandomState::new(), counted }
    }

    /// The count now. What is read from the store after this call is at least as new as the count.
    pub fn of(&self, first: &str, second: &str) -> u64 {
        self.slot(first, second).load(Ordering::Acquire)
    }

    fn slot(&self, first: &str, second: &str) -> &AtomicU64 {
        // The hash is cut down to the number of slots.
        #[allow(clippy::cast_possible_truncation)]
        let index = self.hasher.hash_one((first, second)) as usize % SLOTS;
        &self.slots[index]
    }
}

/// What rules are derived from: a logical cluster's roles, bindings and row, by the cluster's name.
pub fn of_rules(key: &Key) -> Option<(&str, &str)> {
    let counts =
        matches!(key.resource(), ROLES | CLUSTER_ROLES | ROLE_BINDINGS | CLUSTER_ROLE_BINDINGS | LOGICAL_CLUSTERS);
    counts.then(|| (key.cluster(), ""))
}

impl Observer for Generations {
    fn committed(&self, events: &[Arc<Event>]) {
        for event in events {
            if let Some((first, second)) = (self.counted)(&event.key) {
                self.slot(first, second).fetch_add(1, Ordering::AcqRel);
            }
        }
    }
}
