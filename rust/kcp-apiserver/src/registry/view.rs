//! What one logical cluster serves, derived from its stored definitions at the first request and cached by generation.

use crate::codec::{self, Header};
use crate::registry::{BuiltIns, Served, custom};
use crate::verbs::storage_error;
use kcp_apimachinery::status::Status;
use kcp_schema::{Pool, crd};
use kcp_storage::{At, Backend, Event, Item, KeyRange, ListQuery, Observer, Revision};
use parking_lot::Mutex;
use quick_cache::sync::Cache;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Storage name of the resource that defines custom resources.
pub const DEFINITIONS: &str = "customresourcedefinitions.apiextensions.k8s.io";

/// Logical clusters whose views are kept.
const KEPT: usize = 4_096;

/// Definitions read from the store at a time.
const CHUNK: usize = 500;

/// What one logical cluster serves. Immutable: a change of its definitions makes a new one.
pub struct ClusterView {
    built_ins: Arc<BuiltIns>,
    /// Custom resources: every served version of every established definition.
    pub custom: Vec<Arc<Served>>,
    /// Names this view among all others of the process; 0 is a cluster without definitions of its own. Documents
    /// derived from a view may be kept under it.
    pub generation: u64,
    by_name: HashMap<String, Vec<Arc<Served>>>,
    by_cluster: HashMap<String, Arc<Served>>,
    compiled: HashMap<String, Compiled>,
}

/// What one stored definition came to; it is compiled again only when it changed.
#[derive(Clone)]
struct Compiled {
    revision: Revision,
    served: Vec<Arc<Served>>,
}

impl ClusterView {
    /// One resource at one version.
    pub fn lookup(&self, group: &str, version: &str, resource: &str) -> Option<&Arc<Served>> {
        let named = self.by_name.get(resource)?;
        named.iter().find(|served| served.version == version && served.group == group)
    }

    /// A resource by its kind, whatever the version.
    pub fn kind(&self, group: &str, kind: &str) -> Option<&Arc<Served>> {
        self.all().find(|served| served.kind == kind && served.group == group)
    }

    /// A resource by its storage name: as its preferred version is served.
    pub fn stored_as(&self, storage: &str) -> Option<&Arc<Served>> {
        self.all().find(|served| served.storage == storage)
    }

    /// Everything served, built-in resources first, as declared.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Served>> {
        self.built_ins.served.iter().chain(&self.custom)
    }

    /// The built-in table.
    pub fn built_ins(&self) -> &BuiltIns {
        &self.built_ins
    }

    /// In the view of a wildcard request: the resource as one logical cluster serves it.
    pub fn in_cluster(&self, cluster: &str) -> Option<Arc<Served>> {
        self.by_cluster.get(cluster).cloned()
    }
}

/// Views of all logical clusters.
pub struct Registry {
    built_ins: Arc<BuiltIns>,
    store: Arc<dyn Backend>,
    plain: Arc<ClusterView>,
    generations: Arc<Generations>,
    views: Cache<String, (u64, Arc<ClusterView>)>,
    schemas: Pool,
    next: AtomicU64,
}

impl Registry {
    /// A registry over the definitions in `store`.
    pub fn new(built_ins: BuiltIns, store: Arc<dyn Backend>) -> Self {
        let built_ins = Arc::new(built_ins);
        let generations = Arc::new(Generations::default());
        store.observe(Arc::clone(&generations) as Arc<dyn Observer>);
        let plain = Arc::new(view(&built_ins, Vec::new(), 0, HashMap::new(), HashMap::new()));
        Self {
            built_ins,
            store,
            plain,
            generations,
            views: Cache::new(KEPT),
            schemas: Pool::new(),
            next: AtomicU64::new(1),
        }
    }

    /// The compiled schemas, shared by content.
    pub fn schemas(&self) -> &Pool {
        &self.schemas
    }

    /// What every logical cluster serves: the built-in resources.
    pub fn plain(&self) -> &Arc<ClusterView> {
        &self.plain
    }

    /// What `cluster` serves. Never older than the last acknowledged write to its definitions.
    pub async fn view(&self, cluster: &str) -> Result<Arc<ClusterView>, Status> {
        if cluster.is_empty() {
            return Ok(Arc::clone(&self.plain));
        }
        // Read before the definitions are: a change in between makes what is derived here count as old.
        let generation = self.generations.of(cluster);
        let known = self.views.get(cluster);
        if let Some((of, view)) = &known
            && *of == generation
        {
            return Ok(Arc::clone(view));
        }
        let mut compiled = HashMap::new();
        let mut served = Vec::new();
        for item in self.definitions(KeyRange::cluster(DEFINITIONS, cluster)).await? {
            let before = known.as_ref().and_then(|(_, view)| view.compiled.get(item.key.name()));
            let now = match before {
                Some(before) if before.revision == item.revision => before.clone(),
                _ => Compiled { revision: item.revision, served: self.compile(&item)? },
            };
            served.extend(now.served.iter().cloned());
            compiled.insert(item.key.name().to_owned(), now);
        }
        let derived = if compiled.is_empty() {
            Arc::clone(&self.plain)
        } else {
            Arc::new(view(&self.built_ins, served, self.generation(), HashMap::new(), compiled))
        };
        self.views.insert(cluster.to_owned(), (generation, Arc::clone(&derived)));
        Ok(derived)
    }

    /// What a wildcard request for one resource sees: the resource as each logical cluster serves it.
    pub async fn wildcard(&self, group: &str, version: &str, resource: &str) -> Result<Arc<ClusterView>, Status> {
        if self.plain.lookup(group, version, resource).is_some() {
            return Ok(Arc::clone(&self.plain));
        }
        let name = format!("{resource}.{}", if group.is_empty() { "core" } else { group });
        let mut by_cluster = HashMap::new();
        for item in self.definitions(KeyRange::resource(DEFINITIONS)).await? {
            if item.key.name() == name {
                let all = self.compile(&item)?;
                let wanted = all.into_iter().find(|served| served.version == version);
                by_cluster.extend(wanted.map(|served| (item.key.cluster().to_owned(), served)));
            }
        }
        let any = by_cluster.values().next().map(Arc::clone).into_iter().collect();
        Ok(Arc::new(view(&self.built_ins, any, self.generation(), by_cluster, HashMap::new())))
    }

    fn generation(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    async fn definitions(&self, range: KeyRange) -> Result<Vec<Item>, Status> {
        let mut items = Vec::new();
        let (mut at, mut after) = (At::Latest, None);
        loop {
            let query = ListQuery { range: range.clone(), at, after, limit: Some(CHUNK) };
            let page = self.store.list(query).await.map_err(|error| storage_error(&error))?;
            at = At::Exact(page.revision);
            items.extend(page.items);
            if !page.more {
                return Ok(items);
            }
            after = items.last().map(|item: &Item| item.key.to_bytes());
        }
    }

    fn compile(&self, item: &Item) -> Result<Vec<Arc<Served>>, Status> {
        let header = Header { api_version: "apiextensions.k8s.io/v1", kind: "CustomResourceDefinition" };
        let object = codec::decode(item, header).map_err(Status::internal)?;
        match crd::Definition::parse(&object, &self.schemas) {
            Ok(definition) if definition.established => Ok(custom::served(&Arc::new(definition))),
            Ok(_) => Ok(Vec::new()),
            Err(errors) => {
                // Definitions are checked before they are stored; one that cannot be read is not served.
                let errors = errors.aggregate().unwrap_or_default();
                tracing::error!(definition = ?item.key, errors, "a stored definition cannot be read");
                Ok(Vec::new())
            }
        }
    }
}

fn view(
    built_ins: &Arc<BuiltIns>,
    custom: Vec<Arc<Served>>,
    generation: u64,
    by_cluster: HashMap<String, Arc<Served>>,
    compiled: HashMap<String, Compiled>,
) -> ClusterView {
    let mut by_name: HashMap<String, Vec<Arc<Served>>> = HashMap::new();
    // A built-in resource comes before a custom one of the same name: it cannot be shadowed.
    for served in built_ins.served.iter().chain(&custom) {
        by_name.entry(served.resource.clone()).or_default().push(Arc::clone(served));
    }
    ClusterView { built_ins: Arc::clone(built_ins), custom, generation, by_name, by_cluster, compiled }
}

/// Counts the changes of each logical cluster's definitions since the start.
#[derive(Default)]
struct Generations(Mutex<HashMap<String, u64>>);

impl Generations {
    fn of(&self, cluster: &str) -> u64 {
        self.0.lock().get(cluster).copied().unwrap_or_default()
    }
}

impl Observer for Generations {
    fn committed(&self, events: &[Arc<Event>]) {
        for event in events.iter().filter(|event| event.key.resource() == DEFINITIONS) {
            *self.0.lock().entry(event.key.cluster().to_owned()).or_default() += 1;
        }
    }
}
