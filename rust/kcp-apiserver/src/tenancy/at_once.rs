//! The end of a small workspace beneath one that is going: it goes with all it stands for in one commit, unmarked.
//!
//! Most workspaces of an organization hold little, and nobody has a part in their end. Marking one, marking its row,
//! emptying it and letting it go would be four commits and a turn of a controller; all at once, thousands take seconds.
//! Whatever somebody else has to see first goes the long way (`ending.rs`).

use crate::clusters;
use crate::codec;
use crate::server::ApiServer;
use crate::tenancy::content::{TOGETHER, is_free};
use crate::tenancy::ending::is_owned;
use crate::tenancy::row::Row;
use crate::tenancy::{CONTENT_FINALIZER, FINALIZER};
use crate::verbs::storage_error;
use kcp_apimachinery::{Status, meta};
use kcp_storage::{At, Batch, CommitError, Expect, Item, KeyRange, ListQuery, Op};
use serde_json::Value;

/// Ends the workspace at `item` with its logical cluster; whether it is gone. False where the long way is needed: a
/// finalizer or a terminator is to be waited for, there are workspaces below, it holds much, or something came in between.
///
/// # Errors
/// When the store cannot be read or written.
pub async fn end(server: &ApiServer, item: &Item) -> Result<bool, Status> {
    let header = codec::Header { api_version: "", kind: "" };
    let workspace = codec::decode_lean(item, header).map_err(Status::internal)?;
    let cluster = workspace.pointer("/spec/cluster").and_then(Value::as_str).unwrap_or_default();
    if meta::finalizers(&workspace).any(|name| name != FINALIZER) || cluster.is_empty() {
        return Ok(false);
    }
    let Some(row) = Row::read(server, cluster).await? else { return Ok(false) };
    let terminators = row.object.pointer("/status/terminators").and_then(Value::as_array);
    if !is_owned(&row, &item.key, &workspace)
        || terminators.is_some_and(|names| !names.is_empty())
        || meta::finalizers(&row.object).any(|name| name != CONTENT_FINALIZER)
    {
        return Ok(false);
    }
    let Some(mut ops) = content(server, cluster).await? else { return Ok(false) };
    ops.push(Op::delete(row.key.clone(), Expect::At(row.item.revision)));
    ops.push(Op::delete(item.key.clone(), Expect::At(item.revision)));
    // What comes between the look and the commit would be left behind without a row.
    let batch = Batch { ops, emptied: vec![cluster.to_owned()], ..Batch::default() };
    match server.store.commit(batch).await {
        Ok(_) => Ok(true),
        Err(CommitError::Unavailable(reason)) => Err(Status::service_unavailable(reason)),
        Err(_) => Ok(false),
    }
}

/// The changes that remove what a logical cluster holds beside its row; `None` when that is not done in one go.
async fn content(server: &ApiServer, cluster: &str) -> Result<Option<Vec<Op>>, Status> {
    let counts = server.store.counts(cluster).await.map_err(|error| storage_error(&error))?;
    let objects: u64 = counts.resources.iter().map(|(_, count)| count).sum();
    if counts.children > 0 || objects > TOGETHER as u64 {
        return Ok(None);
    }
    let mut ops = Vec::new();
    for (resource, _) in counts.resources.iter().filter(|(name, _)| name.as_ref() != clusters::ROWS) {
        let range = KeyRange::cluster(resource, cluster);
        let query = ListQuery { range, at: At::Latest, after: None, limit: None };
        let page = server.store.list(query).await.map_err(|error| storage_error(&error))?;
        if !page.items.iter().all(is_free) {
            return Ok(None);
        }
        ops.extend(page.items.into_iter().map(|item| Op::delete(item.key, Expect::At(item.revision))));
    }
    Ok(Some(ops))
}
