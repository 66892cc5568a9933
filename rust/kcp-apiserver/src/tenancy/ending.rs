//! The end of a logical cluster: marked, emptied, and gone together with the workspace that owned it.

use crate::clusters;
use crate::codec;
use crate::garbage::{self, Leaving};
use crate::registry::Served;
use crate::server::ApiServer;
use crate::tenancy::content::{self, Content, Left};
use crate::tenancy::row::Row;
use crate::tenancy::{FINALIZER, WORKSPACES};
use crate::verbs::delete;
use crate::verbs::options::DeleteOptions;
use crate::verbs::write::stored;
use crate::verbs::{Target, storage_error};
use kcp_apimachinery::{Status, meta};
use kcp_storage::{Batch, CommitError, Expect, Item, Key, Op};
use serde::Serialize;
use serde_json::Value;
use std::sync::Arc;

/// How far the end of a logical cluster is.
#[derive(Debug, Default, Serialize)]
pub struct Ending {
    /// Whether nothing is left to do.
    pub gone: bool,
    /// The logical cluster.
    pub cluster: String,
    /// Who still has to do their part before the content goes.
    pub terminators: Vec<String>,
    /// What is still there.
    pub left: Vec<Left>,
}

/// Goes on with the end of the workspace at `key`, which has to be marked for deletion.
///
/// # Errors
/// When the store cannot be read or written.
pub async fn workspace(server: &ApiServer, key: &Key) -> Result<Ending, Status> {
    let Some((served, item, object)) = find(server, key).await? else {
        return Ok(Ending { gone: true, ..Ending::default() });
    };
    if meta::deletion_timestamp(&object).is_none() || !meta::has_finalizer(&object, FINALIZER) {
        return Ok(Ending { gone: true, ..Ending::default() });
    }
    let cluster = object.pointer("/spec/cluster").and_then(Value::as_str).unwrap_or_default().to_owned();
    match Row::read(server, &cluster).await? {
        Some(row) if is_owned(&row, key, &object) => {
            if !row.is_going() {
                mark(server, &cluster).await?;
            }
            logical_cluster(server, &cluster).await
        }
        // Another cluster has the name, or none has: there is nothing to wait for.
        _ => {
            let ops = without_finalizer(server, &served, &item, object).await?;
            let gone = commit(server, ops).await?;
            Ok(Ending { gone, cluster, ..Ending::default() })
        }
    }
}

/// Goes on with the end of a logical cluster whose row is marked for deletion.
///
/// # Errors
/// When the store cannot be read or written.
pub async fn logical_cluster(server: &ApiServer, cluster: &str) -> Result<Ending, Status> {
    let mut ending = Ending { cluster: cluster.to_owned(), ..Ending::default() };
    let Some(row) = Row::read(server, cluster).await?.filter(Row::is_going) else {
        ending.gone = true;
        return Ok(ending);
    };
    let names = row.object.pointer("/status/terminators").and_then(Value::as_array);
    ending.terminators = names.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
    if !ending.terminators.is_empty() {
        return Ok(ending);
    }
    let Content { left, mut last } = content::clear(server, cluster).await?;
    ending.left = left;
    if !ending.left.is_empty() {
        return Ok(ending);
    }
    last.push(Op::delete(row.key.clone(), Expect::At(row.item.revision)));
    last.extend(owner(server, &row).await?);
    // All or nothing: rights must not go before the row, and the workspace not before either.
    ending.gone = commit(server, last).await?;
    Ok(ending)
}

/// Marks a logical cluster for deletion, as a delete of its row would.
async fn mark(server: &ApiServer, cluster: &str) -> Result<(), Status> {
    let view = Arc::clone(server.registry.plain());
    let Some(served) = view.stored_as(clusters::ROWS).cloned() else {
        return Err(Status::internal("logical clusters are not served"));
    };
    let target = Target { view, served, cluster: cluster.to_owned(), namespace: String::new(), name: "cluster".into() };
    match delete::remove(server, &target, &clusters::row(cluster), &DeleteOptions::default(), None).await {
        Err(status) if !status.is_not_found() => Err(status),
        _ => Ok(()),
    }
}

/// The changes that let the workspace go that a logical cluster belongs to, if it is still there.
async fn owner(server: &ApiServer, row: &Row) -> Result<Vec<Op>, Status> {
    let owner = &row.object["spec"]["owner"];
    let field = |name: &str| owner.get(name).and_then(Value::as_str).unwrap_or_default();
    if field("resource") != "workspaces" {
        return Ok(Vec::new());
    }
    let key = Key::new(WORKSPACES, field("cluster"), "", field("name"));
    let Some((served, item, object)) = find(server, &key).await? else { return Ok(Vec::new()) };
    if meta::uid(&object) != field("uid") {
        return Ok(Vec::new());
    }
    without_finalizer(server, &served, &item, object).await
}

/// A workspace without our finalizer: gone where nothing else holds it, and what it owns is left to the garbage
/// collector; marked for deletion where it was not.
async fn without_finalizer(
    server: &ApiServer,
    served: &Served,
    item: &Item,
    mut object: Value,
) -> Result<Vec<Op>, Status> {
    let others: Vec<String> = meta::finalizers(&object).filter(|name| *name != FINALIZER).map(str::to_owned).collect();
    let expect = Expect::At(item.revision);
    if others.is_empty() {
        // Workspaces depart without anything else that has to be as it was read.
        let Leaving { change, mut also, .. } =
            garbage::leave(server, &*served.strategy, &item.key, meta::uid(&object)).await?;
        also.insert(0, Op { key: item.key.clone(), expect, change });
        return Ok(also);
    }
    meta::set_finalizers(&mut object, others);
    if meta::deletion_timestamp(&object).is_none() {
        delete::mark(server, &mut object);
    }
    codec::strip(&mut object);
    let value = stored(server, item.key.cluster(), &*served.strategy, &object, codec::managed(&item.value));
    Ok(vec![Op::put(item.key.clone(), expect, value)])
}

async fn find(server: &ApiServer, key: &Key) -> Result<Option<(Arc<Served>, Item, Value)>, Status> {
    let Some(served) = server.registry.plain().stored_as(WORKSPACES).cloned() else { return Ok(None) };
    let Some(item) = server.store.get(key).await.map_err(|error| storage_error(&error))? else { return Ok(None) };
    let object = codec::decode_lean(&item, served.header()).map_err(Status::internal)?;
    Ok(Some((served, item, object)))
}

pub(super) fn is_owned(row: &Row, key: &Key, workspace: &Value) -> bool {
    let owner = &row.object["spec"]["owner"];
    owner["uid"] == meta::uid(workspace) && owner["cluster"] == key.cluster() && owner["name"] == key.name()
}

/// Whether the changes were made; a lost race is for the next look.
async fn commit(server: &ApiServer, ops: Vec<Op>) -> Result<bool, Status> {
    match server.store.commit(Batch { ops, ..Batch::default() }).await {
        Ok(_) => Ok(true),
        Err(CommitError::Conflict { .. } | CommitError::Guard { .. }) => Ok(false),
        Err(error) => Err(Status::service_unavailable(error.to_string())),
    }
}
