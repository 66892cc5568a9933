//! One definition in all logical clusters: which of them have it, found by an index term that each carries.
//!
//! A wildcard request for a custom resource reads the definitions of that name and no others, however many logical
//! clusters and definitions there are; the next one reads those that changed.

use crate::registry::changes::Changes;
use crate::registry::{DEFINITIONS, Member, Served};
use crate::verbs::storage_error;
use bytes::Bytes;
use kcp_apimachinery::status::Status;
use kcp_storage::{Backend, IndexEntry, Item, Key};
use quick_cache::sync::Cache;
use std::collections::HashMap;
use std::sync::Arc;

/// Names of definitions whose logical clusters are kept.
const KEPT: usize = 64;

/// Keys read from the index at a time.
const PAGE: usize = 1_000;

/// The index term of all definitions of a name.
pub fn term(name: &str) -> Bytes {
    // No name ends another's: a name holds no slash.
    Bytes::from(format!("definition/{name}/"))
}

/// The logical clusters that have a definition of one name.
pub struct Everywhere {
    /// The change of definitions after which this holds.
    pub as_of: u64,
    members: HashMap<Arc<str>, Arc<Member>>,
}

impl Everywhere {
    /// A version as a logical cluster serves it.
    pub fn served(&self, cluster: &str, version: &str) -> Option<&Arc<Served>> {
        self.members.get(cluster).and_then(|member| of(member, version))
    }

    /// A version as some logical cluster serves it.
    pub fn any(&self, version: &str) -> Option<&Arc<Served>> {
        self.members.values().find_map(|member| of(member, version))
    }
}

fn of<'a>(member: &'a Member, version: &str) -> Option<&'a Arc<Served>> {
    member.served.iter().find(|served| served.version == version)
}

/// The newest of them that were asked for.
pub struct Kept(Cache<String, Arc<Everywhere>>);

impl Default for Kept {
    fn default() -> Self {
        Self(Cache::new(KEPT))
    }
}

impl Kept {
    /// The logical clusters that have a definition of `name`, as new as the last acknowledged write. `compile` makes a
    /// member of what is stored.
    ///
    /// # Errors
    /// When the store cannot be read, or `compile` fails.
    pub async fn get(
        &self,
        store: &dyn Backend,
        changes: &Changes,
        name: &str,
        compile: impl Fn(&Item) -> Result<Arc<Member>, Status>,
    ) -> Result<Arc<Everywhere>, Status> {
        // Read before the definitions are: a change in between makes what is found here count as old.
        let as_of = changes.newest();
        let known = self.0.get(name);
        if let Some(known) = known.as_ref().filter(|known| known.as_of == as_of) {
            return Ok(Arc::clone(known));
        }
        let changed = known.as_ref().and_then(|known| changes.of_name_since(name, known.as_of)).zip(known);
        let (clusters, mut members) = match changed {
            Some((clusters, known)) => (clusters.into_iter().collect(), known.members.clone()),
            None => (clusters(store, name).await?, HashMap::new()),
        };
        for (index, cluster) in clusters.into_iter().enumerate() {
            if index % PAGE == PAGE - 1 {
                tokio::task::yield_now().await;
            }
            let key = Key::new(DEFINITIONS, &cluster, "", name);
            match store.get(&key).await.map_err(|error| storage_error(&error))? {
                Some(item) => members.insert(cluster, compile(&item)?),
                None => members.remove(&cluster),
            };
        }
        let everywhere = Arc::new(Everywhere { as_of, members });
        self.0.insert(name.to_owned(), Arc::clone(&everywhere));
        Ok(everywhere)
    }
}

/// The logical clusters that the index has for a name.
async fn clusters(store: &dyn Backend, name: &str) -> Result<Vec<Arc<str>>, Status> {
    let (term, mut clusters, mut after) = (term(name), Vec::new(), None::<IndexEntry>);
    loop {
        let page = store.index(&term, after.as_ref(), PAGE).await.map_err(|error| storage_error(&error))?;
        clusters.extend(page.iter().map(|entry| Arc::from(entry.key.cluster())));
        if page.len() < PAGE {
            return Ok(clusters);
        }
        after = page.into_iter().next_back();
    }
}
