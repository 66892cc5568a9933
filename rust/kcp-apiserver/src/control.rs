//! What controllers ask besides the API: facts that an index knows, and the end of a piece of work.
//!
//! Controllers live in the same process and write through the same verbs as everybody. A [`Question`] is for what no
//! path of the API tells: who depends on an object, where an indexed key is served. It changes nothing but records of
//! unfinished work, which are no objects, and the objects of a definition that is on its way out.

use crate::authz::Attributes;
use crate::exchange::UserInfo;
use crate::garbage::{self, Found};
use crate::registry::Served;
use crate::server::ApiServer;
use crate::strategy::WORK_TERM;
use crate::tenancy::ending;
use crate::verbs::{commit_error, instances, storage_error};
use crate::{codec, registry::ClusterView};
use bytes::Bytes;
use kcp_apimachinery::{Status, meta};
use kcp_storage::{Batch, CommitError, Expect, IndexEntry, Key, Op, Revision};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

/// An object's address in the store.
#[derive(Clone, Debug, Deserialize)]
pub struct Address {
    /// Storage name of the resource.
    pub resource: String,
    /// The logical cluster.
    pub cluster: String,
    /// The namespace; empty for cluster-scoped objects.
    pub namespace: String,
    /// The name.
    pub name: String,
}

/// What a controller asks.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "question", rename_all = "camelCase")]
pub enum Question {
    /// Where an object is served and what its metadata says; null when it is gone. The path of what is not served is
    /// empty.
    Describe {
        /// The object.
        object: Address,
    },
    /// The objects that name a uid as their owner's, some at a time, each with what its owners are like now.
    Dependents {
        /// The logical cluster.
        cluster: String,
        /// The owner's uid, or the name of its record.
        uid: String,
        /// Continue after this one.
        after: Option<Address>,
        /// At most so many.
        limit: usize,
    },
    /// Removes a record of work that is done, unless it was written again since `revision`.
    Finish {
        /// The record.
        record: Address,
        /// Its revision when the work began.
        revision: u64,
    },
    /// Goes on with the end of a workspace that is marked for deletion.
    EndWorkspace {
        /// The workspace.
        workspace: Address,
    },
    /// Goes on with the end of a logical cluster whose row is marked for deletion.
    EndCluster {
        /// The logical cluster.
        cluster: String,
    },
    /// The logical clusters that somebody may enter, some at a time, in the order of their names.
    Entries {
        /// The user's name.
        user: String,
        /// The user's groups.
        #[serde(default)]
        groups: Vec<String>,
        /// Continue after this one; empty to begin.
        #[serde(default)]
        after: String,
        /// At most so many.
        limit: usize,
    },
    /// Whether somebody may do something in a logical cluster, and what each guard said.
    Explain(Wish),
    /// Deletes all objects of a definition that is being deleted, whatever versions it serves.
    DeleteInstances {
        /// The logical cluster.
        cluster: String,
        /// The definition.
        definition: String,
    },
}

/// What somebody wants to do, and where. Texts that do not apply are empty.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Wish {
    /// The logical cluster.
    pub cluster: String,
    /// The user's name.
    pub user: String,
    /// The user's groups.
    pub groups: Vec<String>,
    /// The verb; for paths the lower-cased method.
    pub verb: String,
    /// The API group.
    pub group: String,
    /// The resource, with its subresource behind a slash if it is about one.
    pub resource: String,
    /// The object's name.
    pub name: String,
    /// The namespace.
    pub namespace: String,
    /// The path, instead of a resource.
    pub path: String,
}

impl From<Address> for Key {
    fn from(address: Address) -> Self {
        Self::new(&address.resource, &address.cluster, &address.namespace, &address.name)
    }
}

impl Address {
    /// Whether the address can be a key's: only keys that were handed out come here.
    fn check(&self) -> Result<(), Status> {
        let parts = [&self.resource, &self.cluster, &self.namespace, &self.name];
        if parts.iter().any(|part| part.contains('\0')) {
            return Err(Status::bad_request("an address holds a zero byte"));
        }
        Ok(())
    }
}

/// Answers a question.
///
/// # Errors
/// When the store cannot be read or written, or the question is none.
pub async fn ask(server: &ApiServer, question: &[u8]) -> Result<Value, Status> {
    let question: Question =
        serde_json::from_slice(question).map_err(|error| Status::bad_request(error.to_string()))?;
    answer(server, question).await
}

/// As [`ask`], of a question that was read already.
///
/// # Errors
/// When the store cannot be read or written, or the question is none.
pub async fn answer(server: &ApiServer, question: Question) -> Result<Value, Status> {
    match question {
        Question::Describe { object } => describe(server, object).await,
        Question::Dependents { cluster, uid, after, limit } => dependents(server, &cluster, &uid, after, limit).await,
        Question::Finish { record, revision } => finish(server, record, revision).await,
        Question::EndWorkspace { workspace } => {
            workspace.check()?;
            Ok(json!(ending::workspace(server, &workspace.into()).await?))
        }
        Question::EndCluster { cluster } => Ok(json!(ending::logical_cluster(server, &cluster).await?)),
        Question::Entries { user, groups, after, limit } => {
            if after.contains('\0') {
                return Err(Status::bad_request("a name holds a zero byte"));
            }
            let user = UserInfo { name: user, groups, ..UserInfo::default() };
            let found = server.authorization.entries(&user, &after, limit).await?;
            Ok(json!({"everywhere": found.everywhere, "clusters": found.clusters, "after": found.after}))
        }
        Question::Explain(wish) => explain(server, &wish).await,
        Question::DeleteInstances { cluster, definition } => {
            let left = instances::delete_all(server, &cluster, &definition).await?;
            Ok(json!({"left": left.objects, "error": left.error}))
        }
    }
}

async fn explain(server: &ApiServer, wish: &Wish) -> Result<Value, Status> {
    if wish.cluster.contains('\0') {
        return Err(Status::bad_request("a name holds a zero byte"));
    }
    let user = UserInfo { name: wish.user.clone(), groups: wish.groups.clone(), ..UserInfo::default() };
    let (resource, subresource) = wish.resource.split_once('/').unwrap_or((&wish.resource, ""));
    let attributes = Attributes {
        verb: &wish.verb,
        group: &wish.group,
        resource,
        subresource,
        namespace: &wish.namespace,
        name: &wish.name,
        path: &wish.path,
        is_resource: wish.path.is_empty(),
    };
    Ok(server.authorization.explain(&wish.cluster, &user, &attributes, false).await?.to_value())
}

async fn describe(server: &ApiServer, address: Address) -> Result<Value, Status> {
    address.check()?;
    let view = server.registry.view(&address.cluster).await?;
    let served = view.stored_as(&address.resource).cloned();
    let Some(item) = server.store.get(&address.into()).await.map_err(|error| storage_error(&error))? else {
        return Ok(Value::Null);
    };
    let Some(served) = served else {
        return Ok(json!({"path": "", "apiVersion": "", "kind": "", "metadata": {}}));
    };
    let object = codec::decode_lean(&item, served.header()).map_err(Status::internal)?;
    Ok(fact(&served, &item.key, &object))
}

async fn dependents(
    server: &ApiServer,
    cluster: &str,
    uid: &str,
    after: Option<Address>,
    limit: usize,
) -> Result<Value, Status> {
    // The record first: one that is written after this is not removed by who works on what follows.
    let record = server.store.get(&garbage::record_key(cluster, uid)).await.map_err(|error| storage_error(&error))?;
    let term = garbage::owner_term(cluster, uid);
    if let Some(address) = &after {
        address.check()?;
    }
    let after = after.map(|address| IndexEntry { term: term.clone(), key: address.into() });
    let found = server.store.index(&term, after.as_ref(), limit).await.map_err(|error| storage_error(&error))?;
    let more = found.len() == limit;
    let view = server.registry.view(cluster).await?;
    let mut dependents = Vec::new();
    let mut last = None;
    for IndexEntry { term: of, key } in found {
        if of != term {
            break;
        }
        let address = json!({"resource": key.resource(), "cluster": key.cluster(), "namespace": key.namespace(),
            "name": key.name()});
        last = Some(address);
        // What no version serves cannot be written. It is looked at again when its definition serves one.
        let Some(served) = view.stored_as(key.resource()) else { continue };
        let Some(item) = server.store.get(&key).await.map_err(|error| storage_error(&error))? else { continue };
        let object = codec::decode_lean(&item, served.header()).map_err(Status::internal)?;
        let mut dependent = fact(served, &key, &object);
        dependent["owners"] = owners(server, &view, cluster, &object).await?;
        dependents.push(dependent);
    }
    Ok(json!({
        "named": record.as_ref().is_some_and(|item| item.value.data == garbage::NAMED),
        "record": record.map(|item| item.revision.get()),
        "dependents": dependents,
        "after": if more { last } else { None },
    }))
}

/// What the owners of an object are like at this moment.
async fn owners(server: &ApiServer, view: &Arc<ClusterView>, cluster: &str, object: &Value) -> Result<Value, Status> {
    let mut facts = Vec::new();
    for owner in garbage::owners(object) {
        let state = match garbage::find(server, view, cluster, meta::namespace(object), &owner).await? {
            Found::Standing { object, .. } if garbage::waits_for_dependents(&object) => "waiting",
            Found::Standing { .. } => "solid",
            Found::Absent => "absent",
            Found::Unserved => "unknown",
            Found::Misplaced => "misplaced",
        };
        let collection = view
            .kind(owner.group, owner.kind)
            .filter(|served| served.namespaced)
            .map(|served| format!("{}/{}/{}", base(served), served.api_version, served.resource));
        facts.push(json!({"collection": collection.unwrap_or_default(), "group": owner.group, "kind": owner.kind, "name": owner.name, "uid": owner.uid,
            "state": state, "implied": owner.implied}));
    }
    Ok(facts.into())
}

fn base(served: &Served) -> &'static str {
    if served.group.is_empty() { "/api" } else { "/apis" }
}

fn fact(served: &Served, key: &Key, object: &Value) -> Value {
    let base = base(served);
    let scope = if served.namespaced { format!("/namespaces/{}", key.namespace()) } else { String::new() };
    json!({
        "path": format!("{base}/{}{scope}/{}/{}", served.api_version, served.resource, key.name()),
        "apiVersion": served.api_version,
        "kind": served.kind,
        "metadata": object["metadata"],
    })
}

async fn finish(server: &ApiServer, record: Address, revision: u64) -> Result<Value, Status> {
    record.check()?;
    if record.resource != garbage::RECORDS {
        return Err(Status::bad_request("only records are finished: objects are when they are no work any more"));
    }
    let op = Op::delete(record.into(), Expect::At(Revision::new(revision)));
    match server.store.commit(Batch::of(vec![op])).await {
        Ok(_) => Ok(json!({"finished": true})),
        Err(CommitError::Conflict { .. } | CommitError::Guard { .. }) => Ok(json!({"finished": false})),
        Err(error) => Err(commit_error(error)),
    }
}

/// Keys of a kind of unfinished work after the given one, at most `limit`, in the order of keys.
///
/// # Errors
/// When the store cannot be read.
pub async fn work(server: &ApiServer, kind: &str, after: Option<Key>, limit: usize) -> Result<Vec<Key>, Status> {
    let term = Bytes::from(format!("{WORK_TERM}{kind}"));
    let after = after.map(|key| IndexEntry { term: term.clone(), key });
    let found = server.store.index(&term, after.as_ref(), limit).await.map_err(|error| storage_error(&error))?;
    Ok(found.into_iter().filter(|entry| entry.term == term).map(|entry| entry.key).collect())
}
