//! What workspace types amount to: found by path or upwards, compiled into templates by whoever decides, kept until a
//! type changes.
//!
//! A template is an object beside its type. It names the generation of every type it was made from; one that is older than
//! a type is made anew before it is used.

use crate::codec::{self, Header};
use crate::server::ApiServer;
use crate::tenancy::row::Row;
use crate::tenancy::{GROUP, ROOT, TEMPLATES, TYPES, paths};
use crate::verbs::storage_error;
use kcp_apimachinery::{GroupResource, Status, meta};
use kcp_storage::{Batch, CommitError, Event, Expect, Guard, Item, Key, Observer, Op, Value as Stored};
use quick_cache::sync::Cache;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The hook that compiles types.
pub const HOOK: &str = "workspacetype";

/// Compiled types that are kept.
const KEPT: usize = 1_024;

/// How often a template is made anew before the types change too fast.
const ATTEMPTS: usize = 3;

/// The type header of workspace types.
pub const HEADER: Header<'static> = Header { api_version: "tenancy.kcp.io/v1alpha1", kind: "WorkspaceType" };

/// A type by name and the path of its logical cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reference {
    /// Name.
    pub name: String,
    /// Path; empty for none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub path: String,
}

/// Which types may stand on one side of a workspace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limit {
    /// None at all.
    #[serde(default)]
    pub none: bool,
    /// These.
    #[serde(default)]
    pub types: Vec<Reference>,
}

impl Limit {
    /// Whether a workspace that counts as each of `aliases` may stand there.
    pub fn allows(&self, aliases: &[Alias]) -> bool {
        let listed = |alias: &Alias| self.types.iter().any(|one| one.name == alias.name && one.path == alias.path);
        !self.none && aliases.iter().any(listed)
    }
}

/// A type that workspaces of a type count as: itself, or one that it extends.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Alias {
    /// The logical cluster that holds it.
    pub cluster: String,
    /// That cluster's path.
    pub path: String,
    /// Name.
    pub name: String,
    /// Which of all types of that name it was.
    pub uid: String,
    /// What it said.
    pub generation: i64,
    /// What may stand above.
    #[serde(default)]
    pub parents: Option<Limit>,
    /// What may stand beneath.
    #[serde(default)]
    pub children: Option<Limit>,
}

/// What a type amounts to, as whoever decides wrote it down.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Template {
    /// The type itself first, then what it extends, each once.
    pub aliases: Vec<Alias>,
    /// Who has to do their part before a workspace is ready.
    #[serde(default)]
    pub initializers: Vec<String>,
    /// Who has to do their part before its content goes.
    #[serde(default)]
    pub terminators: Vec<String>,
    /// Labels of new workspaces.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// The type of children that name none.
    #[serde(default)]
    pub default_child: Option<Reference>,
}

impl Template {
    /// The type itself.
    pub fn own(&self) -> &Alias {
        // Checked when the template is read.
        &self.aliases[0]
    }
}

/// A template that was up to date, and what holds a commit to that.
pub struct Compiled {
    /// The template.
    pub template: Template,
    /// The types as they were read.
    pub guards: Vec<Guard>,
}

/// Types that were looked at, until any type changes.
pub struct Types {
    kept: Cache<Key, (u64, Arc<Compiled>)>,
    changes: Arc<Changes>,
}

/// Counts writes to types and templates. They are rare, so one number serves for all.
#[derive(Default)]
struct Changes(AtomicU64);

impl Observer for Changes {
    fn committed(&self, events: &[Arc<Event>]) {
        if events.iter().any(|event| matches!(event.key.resource(), TYPES | TEMPLATES)) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
}

impl Types {
    /// Types of the server whose store this is.
    pub fn new(store: &dyn kcp_storage::Backend) -> Self {
        let changes = Arc::new(Changes::default());
        store.observe(Arc::clone(&changes) as Arc<dyn Observer>);
        Self { kept: Cache::new(KEPT), changes }
    }

    /// What the type `name` of a logical cluster amounts to; `None` where there is no such type.
    ///
    /// # Errors
    /// When the store cannot be read, or whoever decides refuses.
    pub async fn compiled(
        &self,
        server: &ApiServer,
        cluster: &str,
        name: &str,
    ) -> Result<Option<Arc<Compiled>>, Status> {
        let key = Key::new(TYPES, cluster, "", name);
        for _ in 0..ATTEMPTS {
            // Before anything is read: a change in between makes what is found here count as old.
            let number = self.changes.0.load(Ordering::SeqCst);
            if let Some((of, compiled)) = self.kept.get(&key)
                && of == number
            {
                return Ok(Some(compiled));
            }
            let Some(own) = read(server, &key).await? else { return Ok(None) };
            if let Some(template) = stored(server, &key).await?
                && let Some(guards) = still(server, &template).await?
            {
                let compiled = Arc::new(Compiled { template, guards });
                self.kept.insert(key, (number, Arc::clone(&compiled)));
                return Ok(Some(compiled));
            }
            let object = codec::decode_lean(&own, HEADER).map_err(Status::internal)?;
            let op = compile(server, &key, &object).await?;
            let guards = vec![Guard { key: key.clone(), expect: Expect::At(own.revision) }];
            match server.store.commit(Batch { ops: vec![op], guards, ..Batch::default() }).await {
                // A lost race is looked at again.
                Ok(_) | Err(CommitError::Conflict { .. } | CommitError::Guard { .. }) => {}
                Err(error) => return Err(Status::service_unavailable(error.to_string())),
            }
        }
        Err(Status::service_unavailable(format!("workspace type {name} changes too fast to be used")))
    }

    /// The type a reference means, seen from a logical cluster: by its path, or else the nearest upwards, `root` last.
    ///
    /// # Errors
    /// As [`Types::compiled`].
    pub async fn find(
        &self,
        server: &ApiServer,
        from: &Row,
        name: &str,
        path: &str,
    ) -> Result<Option<Arc<Compiled>>, Status> {
        if !path.is_empty() {
            let Some(cluster) = paths::cluster_of(server, path).await? else { return Ok(None) };
            return self.compiled(server, &cluster, name).await;
        }
        if let Some(found) = self.compiled(server, from.key.cluster(), name).await? {
            return Ok(Some(found));
        }
        let mut above = from.parent().map(str::to_owned);
        while let Some(cluster) = above {
            if let Some(found) = self.compiled(server, &cluster, name).await? {
                return Ok(Some(found));
            }
            above = Row::read(server, &cluster).await?.and_then(|row| row.parent().map(str::to_owned));
        }
        self.compiled(server, ROOT, name).await
    }
}

/// Asks whoever decides what a type amounts to: the change that writes it down.
///
/// # Errors
/// What the decision refuses with.
pub async fn compile(server: &ApiServer, key: &Key, object: &Value) -> Result<Op, Status> {
    let path =
        Row::read(server, key.cluster()).await?.map_or_else(|| key.cluster().to_owned(), |row| row.path().to_owned());
    let question = json!({"cluster": key.cluster(), "path": path, "object": object});
    let refused = |status: Status| match status.code {
        403 => Status::forbidden(&GroupResource::new(GROUP, "workspacetypes"), key.name(), &status.message),
        _ => status,
    };
    let answer = server.hooks.ask(HOOK, question).await.map_err(refused)?;
    let template: Template = serde_json::from_value(answer).map_err(Status::internal)?;
    if template.aliases.is_empty() {
        return Err(Status::internal("a workspace type without itself"));
    }
    let data = serde_json::to_vec(&template).map_err(Status::internal)?;
    let key = Key::new(TEMPLATES, key.cluster(), "", key.name());
    Ok(Op::put(key, Expect::Any, Stored::new(data)))
}

async fn read(server: &ApiServer, key: &Key) -> Result<Option<Item>, Status> {
    server.store.get(key).await.map_err(|error| storage_error(&error))
}

async fn stored(server: &ApiServer, of: &Key) -> Result<Option<Template>, Status> {
    let found = read(server, &Key::new(TEMPLATES, of.cluster(), "", of.name())).await?;
    let template = found.and_then(|item| serde_json::from_slice::<Template>(&item.value.data).ok());
    Ok(template.filter(|template| !template.aliases.is_empty()))
}

/// What holds a commit to the types of a template, if all of them still are what it was made from.
async fn still(server: &ApiServer, template: &Template) -> Result<Option<Vec<Guard>>, Status> {
    let mut guards = Vec::new();
    for alias in &template.aliases {
        let key = Key::new(TYPES, &alias.cluster, "", &alias.name);
        let Some(item) = read(server, &key).await? else { return Ok(None) };
        let object = codec::decode_lean(&item, HEADER).map_err(Status::internal)?;
        if meta::uid(&object) != alias.uid || meta::generation(&object) != alias.generation {
            return Ok(None);
        }
        guards.push(Guard { key, expect: Expect::At(item.revision) });
    }
    Ok(Some(guards))
}
