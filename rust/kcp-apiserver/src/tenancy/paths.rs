//! From a path of several words to the logical cluster at its end.
//!
//! A path is walked from its first word, which is a logical cluster's name, one Workspace at a time. What is found is kept
//! until that Workspace changes: an observer counts the change before the write is acknowledged, and an older entry is
//! looked up again. What is not there is never kept.

use super::{WORKSPACES, names};
use crate::authz::generations::Generations;
use crate::codec;
use crate::server::ApiServer;
use crate::verbs::storage_error;
use kcp_apimachinery::names::LogicalClusterName;
use kcp_apimachinery::status::Status;
use kcp_storage::{Backend, Item, Key, Observer};
use quick_cache::sync::Cache;
use quick_cache::{Equivalent, Weighter};
use serde::Deserialize;
use std::sync::Arc;

/// The first word of paths to the home of the user whose name is the second.
pub const HOME: &str = "user";

/// Bytes of Workspaces that are kept.
const KEPT: u64 = 16 << 20;

/// Where a path leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolved {
    /// To this logical cluster.
    Cluster(LogicalClusterName),
    /// To, or through, a Workspace that cannot be reached. Who may enter this logical cluster may know.
    Unavailable(LogicalClusterName),
    /// Nowhere.
    Unknown,
}

/// What Workspaces say of where paths lead.
pub struct Paths {
    store: Arc<dyn Backend>,
    generations: Arc<Generations>,
    known: Cache<(String, String), Known, ByWeight>,
}

#[derive(Clone)]
struct Known {
    generation: u64,
    child: Child,
}

/// What a Workspace stands for.
#[derive(Clone)]
struct Child {
    cluster: Option<LogicalClusterName>,
    unavailable: bool,
}

#[derive(Clone)]
struct ByWeight;

impl Weighter<(String, String), Known> for ByWeight {
    fn weight(&self, (parent, name): &(String, String), known: &Known) -> u64 {
        let cluster = known.child.cluster.as_ref().map_or(0, |cluster| cluster.as_str().len() + 16);
        (160 + parent.len() + name.len() + cluster) as u64
    }
}

/// A key as it is looked up; hashes as a pair of strings does.
#[derive(Hash)]
struct Pair<'a>(&'a str, &'a str);

impl Equivalent<(String, String)> for Pair<'_> {
    fn equivalent(&self, (parent, name): &(String, String)) -> bool {
        self.0 == parent && self.1 == name
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Stored {
    spec: Spec,
    status: Phase,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Spec {
    cluster: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Phase {
    phase: String,
}

impl Paths {
    /// Begins to count changes of Workspaces.
    pub fn new(store: &Arc<dyn Backend>) -> Self {
        let generations = Arc::new(Generations::new(counted));
        store.observe(Arc::clone(&generations) as Arc<dyn Observer>);
        Self { store: Arc::clone(store), generations, known: Cache::with_weighter(1024, KEPT, ByWeight) }
    }

    /// Walks a path. A name of one word is where it leads.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn resolve(&self, path: &LogicalClusterName) -> Result<Resolved, Status> {
        if !path.is_path() {
            return Ok(Resolved::Cluster(path.clone()));
        }
        let mut words = path.as_str().split(':');
        let first = words.next().unwrap_or_default();
        let home = if first == HOME { words.next().map(names::home) } else { None };
        let mut here = match LogicalClusterName::parse(home.as_deref().unwrap_or(first)) {
            Ok(name) => name,
            Err(_) => return Ok(Resolved::Unknown),
        };
        // A home has no Workspace; it stands where its row does.
        if home.is_some() && !self.stands(&here).await? {
            return Ok(Resolved::Unknown);
        }
        for word in words {
            let Some(child) = self.child(here.as_str(), word).await? else { return Ok(Resolved::Unknown) };
            if child.unavailable {
                return Ok(Resolved::Unavailable(child.cluster.unwrap_or(here)));
            }
            let Some(cluster) = child.cluster else { return Ok(Resolved::Unknown) };
            here = cluster;
        }
        Ok(Resolved::Cluster(here))
    }

    async fn stands(&self, cluster: &LogicalClusterName) -> Result<bool, Status> {
        let found = self.store.get(&crate::clusters::row(cluster.as_str())).await;
        Ok(found.map_err(|error| storage_error(&error))?.is_some())
    }

    async fn child(&self, parent: &str, name: &str) -> Result<Option<Child>, Status> {
        // Taken before anything is read: what is found is at least this new.
        let generation = self.generations.of(parent, name);
        if let Some(known) = self.known.get(&Pair(parent, name))
            && known.generation >= generation
        {
            return Ok(Some(known.child));
        }
        let key = Key::new(WORKSPACES, parent, "", name);
        let found = self.store.get(&key).await.map_err(|error| storage_error(&error))?;
        let Some(item) = found else { return Ok(None) };
        let child = child(&item);
        self.known.insert((parent.to_owned(), name.to_owned()), Known { generation, child: child.clone() });
        Ok(Some(child))
    }
}

/// A Workspace's change counts for its parent and name.
fn counted(key: &Key) -> Option<(&str, &str)> {
    (key.resource() == WORKSPACES).then(|| (key.cluster(), key.name()))
}

/// What cannot be read stands for no logical cluster.
fn child(item: &Item) -> Child {
    let mut json = Vec::new();
    codec::write(&mut json, None, item.key.cluster(), item.revision, &item.value);
    let stored: Stored = serde_json::from_slice(&json).unwrap_or_default();
    let cluster = LogicalClusterName::parse(&stored.spec.cluster).ok().filter(|name| !name.is_path());
    Child { cluster, unavailable: stored.status.phase == "Unavailable" }
}

/// The logical cluster that a path names and that stands there; `None` where it leads nowhere.
///
/// # Errors
/// When the store cannot be read.
pub async fn cluster_of(server: &ApiServer, path: &str) -> Result<Option<String>, Status> {
    let Ok(path) = LogicalClusterName::parse(path) else { return Ok(None) };
    let Resolved::Cluster(name) = server.paths.resolve(&path).await? else { return Ok(None) };
    Ok(server.paths.stands(&name).await?.then(|| name.as_str().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use kcp_storage::{Batch, Expect, Memory, Op, Value as Stored};
    use serde_json::{Value, json};

    async fn write(store: &Memory, parent: &str, name: &str, object: Option<Value>) {
        let key = Key::new(WORKSPACES, parent, "", name);
        let op = match object {
            Some(object) => Op::put(key, Expect::Any, Stored::new(codec::encode(&object, 0))),
            None => Op::delete(key, Expect::Any),
        };
        store.commit(Batch::of(vec![op])).await.unwrap();
    }

    fn workspace(cluster: &str, phase: &str) -> Option<Value> {
        Some(json!({"metadata": {"name": "x"}, "spec": {"cluster": cluster}, "status": {"phase": phase}}))
    }

    fn name(text: &str) -> LogicalClusterName {
        LogicalClusterName::parse(text).unwrap()
    }

    #[tokio::test]
    async fn a_path_leads_from_workspace_to_workspace() {
        let store = Arc::new(Memory::default());
        let paths = Paths::new(&(Arc::clone(&store) as Arc<dyn Backend>));
        write(&store, "root", "org", workspace("aaaa", "Ready")).await;
        write(&store, "aaaa", "team", workspace("bbbb", "Initializing")).await;
        write(&store, "aaaa", "odd", workspace("root:org", "Ready")).await;
        write(&store, "aaaa", "new", workspace("", "Scheduling")).await;
        let unknown = ["root:none", "root:org:none", "none:org", "root:org:new", "root:org:odd", "root:org:odd:team"];
        for _ in 0..2 {
            for path in ["root:org:team", "aaaa:team", "bbbb"] {
                assert_eq!(paths.resolve(&name(path)).await.unwrap(), Resolved::Cluster(name("bbbb")), "{path}");
            }
            for path in unknown {
                assert_eq!(paths.resolve(&name(path)).await.unwrap(), Resolved::Unknown, "{path}");
            }
        }
        assert_eq!(paths.resolve(&name("system:admin")).await.unwrap(), Resolved::Cluster(name("system:admin")));
    }

    #[tokio::test]
    async fn a_changed_workspace_leads_elsewhere_at_once() {
        let store = Arc::new(Memory::default());
        let paths = Paths::new(&(Arc::clone(&store) as Arc<dyn Backend>));
        let team = name("root:org:team");
        for round in ["a", "b", "c"] {
            assert_eq!(paths.resolve(&team).await.unwrap(), Resolved::Unknown);
            write(&store, "root", "org", workspace("org", "Ready")).await;
            write(&store, "org", "team", workspace(round, "Ready")).await;
            assert_eq!(paths.resolve(&team).await.unwrap(), Resolved::Cluster(name(round)));
            write(&store, "root", "org", workspace("org", "Unavailable")).await;
            assert_eq!(paths.resolve(&team).await.unwrap(), Resolved::Unavailable(name("org")));
            write(&store, "root", "org", workspace("", "Unavailable")).await;
            assert_eq!(paths.resolve(&team).await.unwrap(), Resolved::Unavailable(name("root")));
            write(&store, "root", "org", None).await;
        }
    }

    #[tokio::test]
    async fn a_home_is_found_by_its_users_name() {
        // Computed with another program from the same rule.
        for (user, expected) in HOMES {
            assert_eq!(names::home(user), expected, "{user}");
        }
        let store = Arc::new(Memory::default());
        let paths = Paths::new(&(Arc::clone(&store) as Arc<dyn Backend>));
        let home = names::home("alice");
        write(&store, &home, "team", workspace("bbbb", "Ready")).await;
        assert_eq!(paths.resolve(&name("user:alice")).await.unwrap(), Resolved::Unknown);
        let row = Op::put(
            crate::clusters::row(&home),
            Expect::Any,
            Stored::new(codec::encode(&json!({"metadata": {"name": "x"}}), 0)),
        );
        store.commit(Batch::of(vec![row])).await.unwrap();
        assert_eq!(paths.resolve(&name("user:alice")).await.unwrap(), Resolved::Cluster(name(&home)));
        assert_eq!(paths.resolve(&name("user:alice:team")).await.unwrap(), Resolved::Cluster(name("bbbb")));
        assert_eq!(paths.resolve(&name("user:bob:team")).await.unwrap(), Resolved::Unknown);
    }

    const HOMES: [(&str, &str); 4] =
        [("alice", "v1u4alow0iv9"), ("kcp-admin", "kvdk2spgmbix"), ("u97", "02mtpqnefsm8"), ("u66159", "00488tjmyrz")];
}
