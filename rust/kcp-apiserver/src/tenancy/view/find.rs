//! Whether a logical cluster's Workspace is to be seen, now or at a revision.

use super::{Scope, Viewer};
use crate::authz::Authorization;
use crate::clusters;
use crate::codec;
use crate::tenancy::{PATH, ROOT, WORKSPACES};
use crate::verbs::storage_error;
use kcp_apimachinery::status::Status;
use kcp_storage::{At, Backend, Item, Key, KeyRange, ListQuery};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Name of the type of organizations.
const ORGANIZATION: &str = "organization";

/// Looks for the Workspaces of one viewer.
pub struct Finder {
    pub store: Arc<dyn Backend>,
    pub authorization: Arc<Authorization>,
    pub viewer: Viewer,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Row {
    metadata: Metadata,
    spec: RowSpec,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Metadata {
    annotations: Option<BTreeMap<String, String>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct RowSpec {
    owner: Option<Owner>,
    created_by: Option<Creator>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Owner {
    resource: String,
    cluster: String,
    name: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Creator {
    username: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Workspace {
    spec: WorkspaceSpec,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct WorkspaceSpec {
    cluster: String,
    #[serde(rename = "type")]
    kind: Option<Type>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Type {
    name: String,
}

/// What is stored, as far as it is asked for. What cannot be read says nothing.
fn parse<T: DeserializeOwned + Default>(item: &Item) -> T {
    let mut json = Vec::new();
    codec::write(&mut json, None, item.key.cluster(), item.revision, &item.value);
    serde_json::from_slice(&json).unwrap_or_default()
}

impl Finder {
    /// The Workspace of a logical cluster; `None` when it is not for the viewer to see.
    ///
    /// # Errors
    /// When the store cannot be read; 410 when history does not reach back to the revision.
    pub async fn find(&self, cluster: &str, at: At) -> Result<Option<Item>, Status> {
        let Some(row) = self.read(&clusters::row(cluster), at).await? else { return Ok(None) };
        let row: Row = parse(&row);
        let Some(owner) = row.spec.owner.as_ref().filter(|owner| owner.resource == "workspaces") else {
            return Ok(None);
        };
        if !self.is_wanted(&row).await? || !self.is_open(cluster, at).await? {
            return Ok(None);
        }
        let found = self.read(&Key::new(WORKSPACES, &owner.cluster, "", &owner.name), at).await?;
        Ok(found.filter(|item| parse::<Workspace>(item).spec.cluster == cluster))
    }

    /// What stands at a key.
    ///
    /// # Errors
    /// As of [`Self::find`].
    pub async fn read(&self, key: &Key, at: At) -> Result<Option<Item>, Status> {
        let found = match at {
            At::Latest => self.store.get(key).await,
            At::Exact(_) => {
                let query = ListQuery { range: KeyRange::object(key), at, after: None, limit: None };
                self.store.list(query).await.map(|mut page| page.items.pop())
            }
        };
        found.map_err(|error| storage_error(&error))
    }

    async fn is_open(&self, cluster: &str, at: At) -> Result<bool, Status> {
        match at {
            At::Latest => self.authorization.enters(cluster, &self.viewer.user).await,
            At::Exact(revision) => self.authorization.entered_at(cluster, &self.viewer.user, revision).await,
        }
    }

    /// Whether a logical cluster is of those that were asked for. That does not change in its life.
    async fn is_wanted(&self, row: &Row) -> Result<bool, Status> {
        match self.viewer.scope {
            Scope::All => Ok(true),
            Scope::Personal => {
                Ok(row.spec.created_by.as_ref().is_some_and(|creator| creator.username == self.viewer.user.name))
            }
            Scope::Organization => {
                let path = row.metadata.annotations.as_ref().and_then(|annotations| annotations.get(PATH));
                let mut words = path.map(String::as_str).unwrap_or_default().split(':');
                let (Some(ROOT), Some(top), Some(_)) = (words.next(), words.next(), words.next()) else {
                    return Ok(false);
                };
                let top = self.read(&Key::new(WORKSPACES, ROOT, "", top), At::Latest).await?;
                let kind = top.and_then(|top| parse::<Workspace>(&top).spec.kind);
                Ok(kind.is_some_and(|kind| kind.name == ORGANIZATION))
            }
        }
    }
}
