//! How many objects a logical cluster, and the subtree below it, may hold.
//!
//! A limit is an annotation of a LogicalCluster. A create carries the limits of its cluster and of all above it to the
//! commit, where the store compares and counts in one step (`docs/design/storage.md`, Counts). What the rows say is kept
//! until one of them changes.

use crate::authz::generations::{CLUSTER_ROLE_BINDINGS, Generations};
use crate::birth::ADMINISTRATOR;
use crate::clusters::ROWS;
use crate::garbage::RECORDS;
use crate::server::ApiServer;
use crate::tenancy::row::Row;
use crate::tenancy::{ROOT, TEMPLATES};
use crate::verbs::{Target, storage_error};
use kcp_apimachinery::{Status, meta};
use kcp_storage::{Limit, LimitScope};
use quick_cache::sync::Cache;
use serde_json::Value;
use std::sync::Arc;

/// Events come and go by themselves.
const EVENTS: &str = "events";

/// What totals leave out: events, the clusters' own rows, and records that are no objects.
pub const UNCOUNTED: [&str; 4] = [EVENTS, ROWS, RECORDS, TEMPLATES];

/// How many objects a logical cluster may hold; none or less: any number.
pub const MAX_TOTAL: &str = "core.kcp.io/max-total-objects";

/// How many objects it and all below it may hold together; none or less: any number.
pub const MAX_SUBTREE: &str = "core.kcp.io/max-subtree-objects";

/// Logical clusters whose limits are remembered.
const REMEMBERED: usize = 16_384;

/// A tree of workspaces deeper than this has no limits above.
const DEPTH: usize = 64;

/// [`UNCOUNTED`] as a store is opened with it.
pub fn uncounted() -> Vec<String> {
    UNCOUNTED.map(str::to_owned).to_vec()
}

/// The limits of logical clusters.
pub struct Quota {
    /// For clusters that say nothing themselves; 0: none.
    default: u64,
    generations: Arc<Generations>,
    facts: Cache<String, (u64, Arc<Facts>)>,
}

/// What a row says about limits.
#[derive(Default)]
struct Facts {
    ready: bool,
    own: Option<u64>,
    subtree: Option<u64>,
    parent: Option<String>,
}

impl Quota {
    /// Limits of `default` objects, 0 for none, where a row names no other.
    pub fn new(default: u64, generations: Arc<Generations>) -> Self {
        Self { default, generations, facts: Cache::new(REMEMBERED) }
    }

    /// The limits that the create of an object is held to.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn limits(&self, server: &ApiServer, target: &Target, name: &str) -> Result<Vec<Limit>, Status> {
        let storage = target.served.storage.as_str();
        let exempt = UNCOUNTED.contains(&storage) || (storage == CLUSTER_ROLE_BINDINGS && name == ADMINISTRATOR);
        let mut limits = Vec::new();
        let mut facts = self.facts(server, &target.cluster).await?;
        if exempt || !facts.ready {
            return Ok(limits);
        }
        let limit = |cluster: &str, scope, max| Limit { cluster: cluster.to_owned(), scope, max };
        limits.extend(facts.own.map(|max| limit(&target.cluster, LimitScope::Own, max)));
        limits.extend(facts.subtree.map(|max| limit(&target.cluster, LimitScope::Subtree, max)));
        for _ in 0..DEPTH {
            let Some(parent) = &facts.parent else { break };
            let above = self.facts(server, parent).await?;
            limits.extend(above.subtree.map(|max| limit(parent, LimitScope::Subtree, max)));
            facts = above;
        }
        Ok(limits)
    }

    async fn facts(&self, server: &ApiServer, cluster: &str) -> Result<Arc<Facts>, Status> {
        // Before the reading: what is read is at least as new.
        let generation = self.generations.of(cluster, "");
        if let Some((of, facts)) = self.facts.get(cluster)
            && of == generation
        {
            return Ok(facts);
        }
        let row = Row::read(server, cluster).await?;
        let facts = Arc::new(row.map(|row| self.read(&row)).unwrap_or_default());
        self.facts.insert(cluster.to_owned(), (generation, Arc::clone(&facts)));
        Ok(facts)
    }

    fn read(&self, row: &Row) -> Facts {
        let cluster = row.key.cluster();
        let given = |key| meta::annotation(&row.object, key).and_then(|text| text.trim().parse::<i64>().ok());
        let some = |number: i64| u64::try_from(number).ok().filter(|max| *max > 0);
        let spared = cluster == ROOT || cluster.starts_with("system:");
        let default = Some(self.default).filter(|max| *max > 0 && !spared);
        Facts {
            ready: row.object.pointer("/status/phase").and_then(Value::as_str) == Some("Ready"),
            own: given(MAX_TOTAL).map_or(default, some),
            subtree: given(MAX_SUBTREE).and_then(some),
            parent: row.parent().map(str::to_owned),
        }
    }
}

/// The refusal of a create by one of the limits it carried, `count` objects being there.
pub fn refused(target: &Target, name: &str, limit: &Limit, count: u64) -> Status {
    let (what, hint) = match limit.scope {
        LimitScope::Own => ("", ""),
        LimitScope::Subtree => ("subtree ", " in it or below it"),
    };
    let text = format!(
        "logical cluster {:?} has reached its total {what}object count limit ({count}/{} objects); delete objects{hint} \
         to free up capacity",
        limit.cluster, limit.max
    );
    Status::forbidden(&target.resource(), name, text)
}

/// What a create that is not carried out would be refused for.
///
/// # Errors
/// The refusal; or when the store cannot be read.
pub async fn check(server: &ApiServer, target: &Target, name: &str, limits: &[Limit]) -> Result<(), Status> {
    for limit in limits {
        let counts = server.store.counts(&limit.cluster).await.map_err(|error| storage_error(&error))?;
        let count = match limit.scope {
            LimitScope::Own => counts.total,
            LimitScope::Subtree => counts.subtree(),
        };
        if count >= limit.max {
            return Err(refused(target, name, limit, count));
        }
    }
    Ok(())
}
