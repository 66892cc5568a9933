//! Which logical clusters exist, and the birth of one at its first write.

use crate::birth;
use crate::server::ApiServer;
use crate::tenancy::row::Row;
use kcp_apimachinery::status::Status;
use kcp_storage::{Backend, Batch, CommitError, Event, EventKind, Expect, Guard, Key, Observer, Revision};
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

/// A logical cluster's row as it was read last.
#[derive(Clone, Copy)]
struct Standing {
    revision: Revision,
    /// Whether its content is being deleted, so that nothing may come.
    deleting: bool,
}

struct Known(Cache<String, Standing>);

impl Observer for Known {
    fn committed(&self, events: &[Arc<Event>]) {
        for event in events.iter().filter(|event| event.kind != EventKind::Added && event.key.resource() == ROWS) {
            self.0.remove(event.key.cluster());
        }
    }
}

impl Clusters {
    /// Begins to remember, and to forget what changes.
    pub fn new(store: &Arc<dyn Backend>) -> Self {
        let known = Arc::new(Known(Cache::new(REMEMBERED)));
        store.observe(Arc::clone(&known) as Arc<dyn Observer>);
        Self { known }
    }

    async fn standing(&self, server: &ApiServer, cluster: &str) -> Result<Option<Standing>, Status> {
        if let Some(standing) = self.known.0.get(cluster) {
            return Ok(Some(standing));
        }
        let Some(row) = Row::read(server, cluster).await? else { return Ok(None) };
        let deleting = row.is_going() && row.object.pointer("/status/phase").is_some_and(|phase| phase == "Deleting");
        let standing = Standing { revision: row.item.revision, deleting };
        // A change in between leaves an old row here. Who is refused because of it forgets it.
        self.known.0.insert(cluster.to_owned(), standing);
        Ok(Some(standing))
    }

    /// Brings a logical cluster into being with what it is born with, unless it exists, and holds a commit that adds to it
    /// to its being there: its row cannot go unnoticed.
    ///
    /// # Errors
    /// 403 when the cluster's content is being deleted, 503 when the store cannot be read or written.
    pub async fn ensure(&self, server: &ApiServer, cluster: &str) -> Result<Guard, Status> {
        loop {
            if let Some(standing) = self.standing(server, cluster).await? {
                if standing.deleting {
                    let text = format!(
                        "unable to create new content in logical cluster {cluster} because it is being deleted"
                    );
                    return Err(Status::forbidden_raw(text));
                }
                return Ok(Guard { key: row(cluster), expect: Expect::At(standing.revision) });
            }
            let batch = Batch::of(birth::ops(server, cluster));
            match server.store.commit(batch).await {
                // Somebody else's first write may have come first.
                Ok(_) | Err(CommitError::Conflict { .. }) => {}
                Err(error) => return Err(Status::service_unavailable(error.to_string())),
            }
        }
    }

    /// Looks at a logical cluster anew the next time.
    pub fn forget(&self, cluster: &str) {
        self.known.0.remove(cluster);
    }
}
