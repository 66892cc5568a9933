//! The end of what a logical cluster holds: everything goes in batches, but for what finalizers hold.
//!
//! Which resources there are is read from the store's counts, so that a cluster with little in it costs little. What no
//! finalizer holds goes at once, without the ways of its kind: nobody is left who could notice. What is held is marked for
//! deletion as a client's delete marks it, and whoever holds it has to let it go.

use crate::clusters;
use crate::codec;
use crate::server::ApiServer;
use crate::strategy::namespaces::NAMESPACES;
use crate::tenancy::{WORKSPACES, at_once};
use crate::verbs::delete::{self, Gone};
use crate::verbs::options::DeleteOptions;
use crate::verbs::{Target, storage_error};
use futures_util::future::join_all;
use kcp_apimachinery::{Status, meta};
use kcp_storage::{At, Batch, CommitError, Expect, Item, KeyRange, ListQuery, Op};
use memchr::memmem;
use serde::Serialize;
use std::collections::BTreeMap;

/// Objects that go in one commit.
pub(super) const TOGETHER: usize = 256;

/// Objects read at a time: they may be large.
const PAGE: usize = 64;

/// Objects that are marked at a time: their commits share a sync.
const MARKED: usize = 64;

/// Rights go with the row: the owner keeps access until the end.
const RIGHTS: [&str; 2] = ["clusterrolebindings.rbac.authorization.k8s.io", "clusterroles.rbac.authorization.k8s.io"];

/// What goes after everything else of the cluster: kinds whose objects say how others are served or held.
const LATE: [&str; 2] = [NAMESPACES, crate::registry::DEFINITIONS];

/// Objects of one resource that are still there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Left {
    /// Storage name, `plural.group`.
    pub resource: String,
    /// How many.
    pub count: usize,
    /// How many of them each finalizer holds.
    pub finalizers: BTreeMap<String, usize>,
}

/// What a look at a cluster's content found.
#[derive(Debug, Default)]
pub struct Content {
    /// What is still there, by resource.
    pub left: Vec<Left>,
    /// Changes that remove the rest together with the row: a commit of their own would cost as much again.
    pub last: Vec<Op>,
}

/// Deletes what a logical cluster holds, or begins to, except for rights and the row.
///
/// The changes of the last and smallest step are handed back instead of being made.
///
/// # Errors
/// When the store cannot be read or written.
pub async fn clear(server: &ApiServer, cluster: &str) -> Result<Content, Status> {
    let counts = server.store.counts(cluster).await.map_err(|error| storage_error(&error))?;
    let mut content = Content::default();
    let names = counts.resources.iter().map(|(name, _)| name.to_string());
    let (late, early): (Vec<_>, Vec<_>) = names
        .filter(|name| name != clusters::ROWS && !RIGHTS.contains(&name.as_str()))
        .partition(|name| LATE.contains(&name.as_str()));
    for resource in early {
        one(server, cluster, &resource, TOGETHER, &mut content).await?;
    }
    if content.left.is_empty() {
        for resource in late {
            one(server, cluster, &resource, TOGETHER, &mut content).await?;
        }
    }
    if !content.left.is_empty() {
        commit(server, std::mem::take(&mut content.last)).await?;
        return Ok(content);
    }
    for resource in RIGHTS {
        one(server, cluster, resource, usize::MAX, &mut content).await?;
    }
    Ok(content)
}

/// Deletes the objects of one resource, or begins to; a commit is made when so many changes have come together.
async fn one(
    server: &ApiServer,
    cluster: &str,
    resource: &str,
    together: usize,
    content: &mut Content,
) -> Result<(), Status> {
    let range = KeyRange::cluster(resource, cluster);
    let (mut after, mut left) = (None, Left { resource: resource.to_owned(), ..Left::default() });
    loop {
        let query = ListQuery { range: range.clone(), at: At::Latest, after, limit: Some(PAGE) };
        let page = server.store.list(query).await.map_err(|error| storage_error(&error))?;
        let (free, held): (Vec<&Item>, Vec<&Item>) = page.items.iter().partition(|item| is_free(item));
        content.last.extend(free.iter().map(|item| Op::delete(item.key.clone(), Expect::At(item.revision))));
        if content.last.len() >= together {
            commit(server, std::mem::take(&mut content.last)).await?;
        }
        for some in held.chunks(MARKED) {
            let marks = some.iter().map(|item| hold(server, cluster, item));
            for kept in join_all(marks).await {
                if let Some(finalizers) = kept? {
                    left.count += 1;
                    finalizers.into_iter().for_each(|name| *left.finalizers.entry(name).or_default() += 1);
                }
            }
        }
        after = page.items.last().map(|item| item.key.to_bytes());
        if !page.more {
            break;
        }
    }
    if left.count > 0 {
        content.left.push(left);
    }
    Ok(())
}

/// Whether nothing holds an object. Finalizers stand in the metadata alone; of a namespace those of its own do not count,
/// as what they wait for is done here.
pub(super) fn is_free(item: &Item) -> bool {
    if memmem::find(&item.value.data, b"\"finalizers\":").is_none() {
        return true;
    }
    let header = codec::Header { api_version: "", kind: "" };
    codec::decode_lean(item, header).is_ok_and(|object| meta::finalizers(&object).next().is_none())
}

/// Marks an object that something holds: the finalizers that keep it, or nothing when it is gone all the same.
async fn hold(server: &ApiServer, cluster: &str, item: &Item) -> Result<Option<Vec<String>>, Status> {
    let resource = item.key.resource();
    if resource == WORKSPACES && at_once::end(server, item).await? {
        return Ok(None);
    }
    let view = server.registry.view(cluster).await?;
    let Some(served) = view.stored_as(resource).cloned() else {
        // What nobody serves, nobody can let go.
        commit(server, vec![Op::delete(item.key.clone(), Expect::At(item.revision))]).await?;
        return Ok(None);
    };
    let target = Target {
        view,
        served,
        cluster: cluster.to_owned(),
        namespace: item.key.namespace().to_owned(),
        name: item.key.name().to_owned(),
    };
    match delete::remove(server, &target, &item.key, &DeleteOptions::default(), None).await {
        Ok(Gone::Now(_)) => Ok(None),
        Ok(Gone::Later(object)) => Ok(Some(meta::finalizers(&object).map(str::to_owned).collect())),
        Err(status) if status.is_not_found() => Ok(None),
        // It is told as left, and tried again with the next look.
        Err(_) => Ok(Some(Vec::new())),
    }
}

/// Makes changes that a lost race may leave undone: what is still there is found by the next look.
async fn commit(server: &ApiServer, mut ops: Vec<Op>) -> Result<(), Status> {
    while !ops.is_empty() {
        let rest = ops.split_off(ops.len().min(TOGETHER));
        match server.store.commit(Batch { ops, ..Batch::default() }).await {
            Ok(_) | Err(CommitError::Conflict { .. } | CommitError::Guard { .. }) => {}
            Err(error) => return Err(Status::service_unavailable(error.to_string())),
        }
        ops = rest;
    }
    Ok(())
}
