//! The end of a definition's objects: all of them are deleted, whatever versions the definition serves.
//!
//! Other clients reach objects through a served version. A definition may serve none and have objects all the same, in
//! the form of its storage version; they have to go before it can.

use crate::codec::{self, Header};
use crate::registry::{self, DEFINITIONS};
use crate::server::ApiServer;
use crate::verbs::delete::{self, Gone};
use crate::verbs::options::DeleteOptions;
use crate::verbs::storage_error;
use crate::verbs::target::Target;
use futures_util::future::join_all;
use kcp_apimachinery::{Status, meta};
use kcp_schema::crd;
use kcp_storage::{At, Key, KeyRange, ListQuery};
use std::sync::Arc;

const HEADER: Header<'static> = Header { api_version: "apiextensions.k8s.io/v1", kind: "CustomResourceDefinition" };

/// Objects read at a time, and deletes under way at a time.
const TOGETHER: usize = 64;

/// What is left of a definition's objects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Left {
    /// Objects that something holds, or that could not be deleted.
    pub objects: usize,
    /// Why the first of them could not be deleted, where that is the reason.
    pub error: Option<String>,
}

/// Deletes the objects of a definition of `cluster`, which has to be marked for deletion itself.
///
/// # Errors
/// 404 when there is no such definition, 409 when it is not being deleted, 503 when the store cannot be read.
pub async fn delete_all(server: &ApiServer, cluster: &str, definition: &str) -> Result<Left, Status> {
    let key = Key::new(DEFINITIONS, cluster, "", definition);
    let resource = kcp_apimachinery::GroupResource::new("apiextensions.k8s.io", "customresourcedefinitions");
    let item = server.store.get(&key).await.map_err(|error| storage_error(&error))?;
    let item = item.ok_or_else(|| Status::not_found(&resource, definition))?;
    let object = codec::decode(&item, HEADER).map_err(Status::internal)?;
    if meta::deletion_timestamp(&object).is_none() {
        return Err(Status::conflict(&resource, definition, "the definition is not being deleted"));
    }
    let parsed = crd::Definition::parse(&object, server.registry.schemas());
    let parsed = parsed.map_err(|errors| Status::internal(errors.aggregate().unwrap_or_default()))?;
    let Some(served) = registry::stored(&Arc::new(parsed)) else {
        return Err(Status::internal("a definition without a storage version"));
    };
    let target = Target {
        view: server.registry.view(cluster).await?,
        served: Arc::new(served),
        cluster: cluster.to_owned(),
        namespace: String::new(),
        name: String::new(),
    };
    let range = KeyRange::cluster(&target.served.storage, cluster);
    let (mut left, mut after) = (Left::default(), None);
    loop {
        let query = ListQuery { range: range.clone(), at: At::Latest, after, limit: Some(TOGETHER) };
        let page = server.store.list(query).await.map_err(|error| storage_error(&error))?;
        let options = DeleteOptions::default();
        let removals: Vec<_> =
            page.items.iter().map(|item| delete::remove(server, &target, &item.key, &options, None)).collect();
        for gone in join_all(removals).await {
            match gone {
                Ok(Gone::Now(_)) => {}
                Ok(Gone::Later(_)) => left.objects += 1,
                Err(status) if status.is_not_found() => {}
                Err(status) => {
                    left.objects += 1;
                    left.error.get_or_insert_with(|| status.message.to_string());
                }
            }
        }
        after = page.items.last().map(|item| item.key.to_bytes());
        if !page.more {
            return Ok(left);
        }
    }
}
