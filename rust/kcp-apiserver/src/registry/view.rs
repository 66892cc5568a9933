//! What one logical cluster serves, derived from its stored definitions and brought up to date by what changed.

use crate::registry::changes::Changes;
use crate::registry::everywhere::{self, Everywhere};
use crate::registry::group::{CustomGroup, Draft, Member, group_of};
use crate::registry::{BuiltIns, Identity, Served, system};
use crate::verbs::storage_error;
use kcp_apimachinery::status::Status;
use kcp_schema::{Interned, Pool};
use kcp_storage::{Backend, Item, Key, Observer};
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, OnceLock};

/// Storage name of the resource that defines custom resources.
pub const DEFINITIONS: &str = "customresourcedefinitions.apiextensions.k8s.io";

/// Logical clusters with definitions of their own whose views are kept,
const KEPT: usize = 4_096;
/// and how many without any take the place of one of them.
const PLAIN: usize = 16;

/// Above so many changed definitions all of them are read in one go.
const ONE_BY_ONE: usize = 200;

/// What one logical cluster serves. Immutable: a change of its definitions makes a new one that shares what is the same.
pub struct ClusterView {
    built_ins: Arc<BuiltIns>,
    groups: BTreeMap<Arc<str>, Arc<CustomGroup>>,
    identity: OnceLock<Identity>,
    /// Of a wildcard request: the definition in each logical cluster…
    everywhere: Option<Arc<Everywhere>>,
    /// …and its version that was asked for, as one of them serves it.
    wanted: Option<Arc<Served>>,
}

impl ClusterView {
    fn new(built_ins: &Arc<BuiltIns>, groups: BTreeMap<Arc<str>, Arc<CustomGroup>>) -> Self {
        Self { built_ins: Arc::clone(built_ins), groups, identity: OnceLock::new(), everywhere: None, wanted: None }
    }

    /// One resource at one version. A built-in resource comes before a custom one of the same name: it cannot be
    /// shadowed.
    pub fn lookup(&self, group: &str, version: &str, resource: &str) -> Option<&Arc<Served>> {
        if let Some(served) = self.built_ins.lookup(group, version, resource) {
            return Some(served);
        }
        if let Some(any) = &self.wanted {
            let wanted = any.group == group && any.version == version && any.resource == resource;
            return wanted.then_some(any);
        }
        self.groups.get(group)?.lookup(version, resource)
    }

    /// A resource by its kind, whatever the version.
    pub fn kind(&self, group: &str, kind: &str) -> Option<&Arc<Served>> {
        let is_wanted = |served: &&Arc<Served>| served.kind == kind && served.group == group;
        let custom = || self.groups.get(group)?.members().flat_map(|member| &member.served).find(is_wanted);
        self.built_ins.served.iter().find(is_wanted).or_else(custom)
    }

    /// A resource by its storage name: as its preferred version is served.
    pub fn stored_as(&self, storage: &str) -> Option<&Arc<Served>> {
        let custom = || {
            let (plural, group) = storage.split_once('.').unwrap_or((storage, ""));
            self.groups.get(group)?.member(plural)?.served.first()
        };
        self.built_ins.served.iter().find(|served| served.storage == storage).or_else(custom)
    }

    /// Everything served, built-in resources first, as declared.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Served>> {
        let custom = self.groups.values().flat_map(|group| group.members()).flat_map(|member| &member.served);
        self.built_ins.served.iter().chain(custom)
    }

    /// The built-in table.
    pub fn built_ins(&self) -> &BuiltIns {
        &self.built_ins
    }

    /// The groups of custom resources, by name.
    pub fn groups(&self) -> impl Iterator<Item = &Arc<CustomGroup>> {
        self.groups.values()
    }

    /// The definitions of one group.
    pub fn group(&self, name: &str) -> Option<&Arc<CustomGroup>> {
        self.groups.get(name)
    }

    /// Names what all custom resources look like.
    pub fn identity(&self) -> Identity {
        *self.identity.get_or_init(|| Identity::of(self.groups.values().map(|group| group.identity.as_bytes())))
    }

    /// In the view of a wildcard request: the resource as one logical cluster serves it.
    pub fn in_cluster(&self, cluster: &str) -> Option<Arc<Served>> {
        self.everywhere.as_ref()?.served(cluster, &self.wanted.as_ref()?.version).cloned()
    }

    /// The change of definitions after which [`ClusterView::in_cluster`] holds.
    pub fn as_of(&self) -> u64 {
        self.everywhere.as_ref().map_or(0, |everywhere| everywhere.as_of)
    }
}

/// Clusters without definitions of their own share one view: an entry for them is a name and a number.
#[derive(Clone)]
struct ByKind(Arc<ClusterView>);

impl Weighter<String, (u64, Arc<ClusterView>)> for ByKind {
    fn weight(&self, _: &String, (_, view): &(u64, Arc<ClusterView>)) -> u64 {
        if Arc::ptr_eq(view, &self.0) { 1 } else { PLAIN as u64 }
    }
}

/// Views of all logical clusters.
pub struct Registry {
    built_ins: Arc<BuiltIns>,
    store: Arc<dyn Backend>,
    plain: Arc<ClusterView>,
    changes: Arc<Changes>,
    views: Cache<String, (u64, Arc<ClusterView>), ByKind>,
    schemas: Pool,
    members: Interned<Member>,
    shared_groups: Interned<CustomGroup>,
    everywhere: everywhere::Kept,
}

/// The name of the definition of a custom resource.
pub fn definition_name(group: &str, resource: &str) -> String {
    format!("{resource}.{}", if group.is_empty() { "core" } else { group })
}

impl Registry {
    /// A registry over the definitions in `store`.
    ///
    /// # Errors
    /// When a definition that the program brings cannot be served.
    pub fn new(built_ins: BuiltIns, store: Arc<dyn Backend>) -> Result<Self, String> {
        let built_ins = Arc::new(built_ins);
        let changes = Arc::new(Changes::default());
        store.observe(Arc::clone(&changes) as Arc<dyn Observer>);
        let schemas = Pool::new();
        let system = system::groups(&built_ins.definitions, &schemas)?;
        let plain = Arc::new(ClusterView::new(&built_ins, system));
        Ok(Self {
            built_ins,
            store,
            views: Cache::with_weighter(KEPT * PLAIN, (KEPT * PLAIN) as u64, ByKind(Arc::clone(&plain))),
            plain,
            changes,
            schemas,
            members: Interned::default(),
            shared_groups: Interned::default(),
            everywhere: everywhere::Kept::default(),
        })
    }

    /// The compiled schemas, shared by content.
    pub fn schemas(&self) -> &Pool {
        &self.schemas
    }

    /// What every logical cluster serves: what the program brings.
    pub fn plain(&self) -> &Arc<ClusterView> {
        &self.plain
    }

    /// How many different definitions are compiled at the moment.
    pub fn compiled(&self) -> usize {
        self.members.len()
    }

    /// The number of the last change of a logical cluster's definitions.
    pub fn changed(&self, cluster: &str) -> u64 {
        self.changes.of(cluster)
    }

    /// What `cluster` serves. Never older than the last acknowledged write to its definitions.
    pub async fn view(&self, cluster: &str) -> Result<Arc<ClusterView>, Status> {
        if cluster.is_empty() {
            return Ok(Arc::clone(&self.plain));
        }
        // Read before the definitions are: a change in between makes what is derived here count as old.
        let number = self.changes.of(cluster);
        let known = self.views.get(cluster);
        if let Some((of, view)) = &known
            && *of == number
        {
            return Ok(Arc::clone(view));
        }
        let derived = match known.as_ref().and_then(|(of, _)| self.changes.since(cluster, *of)).zip(known.as_ref()) {
            Some((names, (_, view))) if names.len() <= ONE_BY_ONE => {
                let mut changed = Vec::with_capacity(names.len());
                for name in names {
                    let key = Key::new(DEFINITIONS, cluster, "", &name);
                    let item = self.store.get(&key).await.map_err(|error| storage_error(&error))?;
                    changed.push((name, item.map(|item| self.member(&item)).transpose()?));
                }
                self.derive(view.groups.clone(), changed)
            }
            _ => {
                let items = self.store.contents(cluster, &[DEFINITIONS]).await;
                let (_, items) = items.map_err(|error| storage_error(&error))?;
                if items.is_empty() {
                    Arc::clone(&self.plain)
                } else {
                    let member = |item: &Item| Ok((item.key.name().into(), Some(self.member(item)?)));
                    let all = items.iter().map(member).collect::<Result<_, Status>>()?;
                    self.derive(self.plain.groups.clone(), all)
                }
            }
        };
        self.views.insert(cluster.to_owned(), (number, Arc::clone(&derived)));
        Ok(derived)
    }

    /// What a wildcard request for one resource sees: the resource as each logical cluster serves it.
    pub async fn wildcard(&self, group: &str, version: &str, resource: &str) -> Result<Arc<ClusterView>, Status> {
        if self.plain.lookup(group, version, resource).is_some() {
            return Ok(Arc::clone(&self.plain));
        }
        let name = definition_name(group, resource);
        let compile = |item: &Item| self.member(item);
        let everywhere = self.everywhere.get(&*self.store, &self.changes, &name, compile).await?;
        let wanted = everywhere.any(version).cloned();
        let plain = ClusterView::new(&self.built_ins, BTreeMap::new());
        Ok(Arc::new(ClusterView { everywhere: Some(everywhere), wanted, ..plain }))
    }

    /// How `cluster` serves a custom resource at a version. Reads its definition and no other.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn custom(&self, cluster: &str, like: &Served) -> Result<Option<Arc<Served>>, Status> {
        let number = self.changes.of(cluster);
        if let Some((of, view)) = self.views.get(cluster)
            && of == number
        {
            return Ok(view.lookup(&like.group, &like.version, &like.resource).cloned());
        }
        let key = Key::new(DEFINITIONS, cluster, "", &definition_name(&like.group, &like.resource));
        let Some(item) = self.store.get(&key).await.map_err(|error| storage_error(&error))? else { return Ok(None) };
        Ok(self.member(&item)?.served.iter().find(|served| served.version == like.version).cloned())
    }

    /// The groups with some definitions put in or taken out.
    fn derive(
        &self,
        mut groups: BTreeMap<Arc<str>, Arc<CustomGroup>>,
        changed: Vec<(Box<str>, Option<Arc<Member>>)>,
    ) -> Arc<ClusterView> {
        let mut drafts: BTreeMap<String, Draft> = BTreeMap::new();
        for (name, member) in changed {
            let group = group_of(&name);
            // What the program brings cannot be shadowed.
            if self.plain.groups.get(group).is_some_and(|group| group.has(&name)) {
                continue;
            }
            let draft = drafts
                .entry(group.to_owned())
                .or_insert_with(|| Draft::of(group, groups.get(group).map(|group| &**group)));
            draft.set(&name, member);
        }
        for (name, draft) in drafts {
            if draft.is_empty() {
                groups.remove(name.as_str());
                continue;
            }
            let identity = draft.identity();
            let Ok(group) = self.shared_groups.get_or_make(identity.0, || Ok::<_, Infallible>(draft.finish(identity)));
            groups.insert(Arc::clone(&group.name), group);
        }
        let is_plain = groups.len() == self.plain.groups.len()
            && groups.values().zip(self.plain.groups.values()).all(|(a, b)| a.identity == b.identity);
        if is_plain {
            return Arc::clone(&self.plain);
        }
        Arc::new(ClusterView::new(&self.built_ins, groups))
    }

    /// A stored definition, compiled; equal ones are compiled once.
    fn member(&self, item: &Item) -> Result<Arc<Member>, Status> {
        let object = Member::decode(item).map_err(Status::internal)?;
        let identity = Member::identify(&object);
        let compile = || Ok::<_, Infallible>(Member::compile(&object, identity, &self.schemas));
        let Ok(member) = self.members.get_or_make(identity.0, compile);
        Ok(member)
    }
}
