//! From the path of a logical cluster to its name.

use crate::server::ApiServer;
use crate::tenancy::row::Row;
use crate::tenancy::{WORKSPACES, names};
use crate::verbs::storage_error;
use kcp_apimachinery::Status;
use kcp_storage::Key;
use serde_json::Value;

/// The logical cluster that a path names; `None` where it leads nowhere.
///
/// # Errors
/// When the store cannot be read.
pub async fn cluster_of(server: &ApiServer, path: &str) -> Result<Option<String>, Status> {
    let mut words = path.split(':');
    let mut cluster = match (words.next().unwrap_or_default(), path.contains(':')) {
        ("user", true) => names::home(words.next().unwrap_or_default()),
        (first, _) => first.to_owned(),
    };
    for word in words {
        let key = Key::new(WORKSPACES, &cluster, "", word);
        let Some(item) = server.store.get(&key).await.map_err(|error| storage_error(&error))? else { return Ok(None) };
        let header = crate::codec::Header { api_version: "tenancy.kcp.io/v1alpha1", kind: "Workspace" };
        let workspace = crate::codec::decode_lean(&item, header).map_err(Status::internal)?;
        match workspace.pointer("/spec/cluster").and_then(Value::as_str) {
            Some(name) => cluster = name.to_owned(),
            None => return Ok(None),
        }
    }
    Ok(Row::read(server, &cluster).await?.map(|_| cluster))
}
