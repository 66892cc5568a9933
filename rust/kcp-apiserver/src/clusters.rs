//! Which logical clusters exist, and the birth of one at its first write.

use crate::birth;
use crate::server::ApiServer;
use crate::verbs::storage_error;
use kcp_apimachinery::status::Status;
use kcp_storage::{Backend, Batch, CommitError, Event, EventKind, Key, Observer};
use quick_cache::sync::Cache;
use std::sync::Arc;

/// Storage name of the rows that say which logical clusters exist.
pub const ROWS: &str = "logicalclusters.core.kcp.io";

/// Names remembered as existing.
const REMEMBERED: usize = 16_384;

/// The key of a logical cluster's row.
pub fn row(cluster: &str) -> Key {
    Key::new(ROWS, cluster, "", "cluster")
}

/// Logical clusters known to exist. What is not known is looked up.
pub struct Clusters {
    known: Arc<Known>,
}

struct Known(Cache<String, ()>);

impl Observer for Known {
    fn committed(&self, events: &[Arc<Event>]) {
        for event in events.iter().filter(|event| event.kind == EventKind::Deleted && event.key.resource() == ROWS) {
            self.0.remove(event.key.cluster());
        }
    }
}

impl Clusters {
    /// Begins to remember, and to forget what is deleted.
    pub fn new(store: &Arc<dyn Backend>) -> Self {
        let known = Arc::new(Known(Cache::new(REMEMBERED)));
        store.observe(Arc::clone(&known) as Arc<dyn Observer>);
        Self { known }
    }

    /// Whether a logical cluster exists.
    pub async fn exists(&self, server: &ApiServer, cluster: &str) -> Result<bool, Status> {
        if self.known.0.get(cluster).is_some() {
            return Ok(true);
        }
        let exists = server.store.get(&row(cluster)).await.map_err(|error| storage_error(&error))?.is_some();
        if exists {
            self.known.0.insert(cluster.to_owned(), ());
        }
        Ok(exists)
    }

    /// Brings a logical cluster into being with what it is born with, unless it exists.
    pub async fn ensure(&self, server: &ApiServer, cluster: &str) -> Result<(), Status> {
        if self.exists(server, cluster).await? {
            return Ok(());
        }
        let batch = Batch::of(birth::ops(server, cluster));
        match server.store.commit(batch).await {
            // Somebody else's first write came first.
            Ok(_) | Err(CommitError::Conflict { .. }) => Ok(()),
            Err(error) => Err(Status::service_unavailable(error.to_string())),
        }
    }
}
