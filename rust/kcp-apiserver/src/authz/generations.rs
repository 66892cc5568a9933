//! When derived rules have to be derived again.

use kcp_storage::{Event, Observer};
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

/// Counts the changes of each logical cluster's roles and bindings.
///
/// The table has a fixed size, so clusters share counters by hash: a change in one may make another's rules be derived
/// once more than needed, never once less.
pub struct Generations {
    slots: Box<[AtomicU64]>,
    hasher: RandomState,
}

impl Default for Generations {
    fn default() -> Self {
        Self { slots: (0..SLOTS).map(|_| AtomicU64::new(0)).collect(), hasher: RandomState::new() }
    }
}

impl Generations {
    /// The count now. What is read from the store after this call is at least as new as the count.
    pub fn of(&self, cluster: &str) -> u64 {
        self.slot(cluster).load(Ordering::Acquire)
    }

    fn slot(&self, cluster: &str) -> &AtomicU64 {
        // The hash is cut down to the number of slots.
        #[allow(clippy::cast_possible_truncation)]
        let index = self.hasher.hash_one(cluster) as usize % SLOTS;
        &self.slots[index]
    }
}

impl Observer for Generations {
    fn committed(&self, events: &[Arc<Event>]) {
        for event in events {
            if matches!(
                event.key.resource(),
                ROLES | CLUSTER_ROLES | ROLE_BINDINGS | CLUSTER_ROLE_BINDINGS | LOGICAL_CLUSTERS
            ) {
                self.slot(event.key.cluster()).fetch_add(1, Ordering::AcqRel);
            }
        }
    }
}
