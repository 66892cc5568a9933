//! The watch behind the view `workspaces`: the Workspaces whose logical clusters somebody may enter, as that changes.
//!
//! A watcher is filed under what can concern it ([`bells`]): the index terms of his subjects, and the logical clusters
//! that these lead to. A change rings where its own terms and cluster are filed and nowhere else. What it means is found
//! out afterwards, by those it rang for ([`find`], [`follow`]).

pub mod bells;
mod find;
mod follow;
#[cfg(test)]
mod tests;

pub use bells::Bells;
pub use follow::{Ended, Following};

use crate::authz::{ADMIN, MASTERS};
use crate::exchange::{Cluster, Exchange, UserInfo};
use crate::tenancy::WORKSPACES;
use crate::verbs::Target;
use http::HeaderName;
use kcp_apimachinery::status::Status;
use serde::Deserialize;
use std::collections::BTreeMap;

/// For whom a watch of the Workspaces of all logical clusters is, in JSON. Believed from `system:masters` alone, who could
/// see everything anyway.
const VIEWER: HeaderName = HeaderName::from_static("x-kcp-internal-viewer");

/// Which of the Workspaces somebody wants to see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// All that he may enter.
    #[default]
    All,
    /// Those that he created. His groups do not count.
    Personal,
    /// Those beneath a workspace of type `organization` in `root`.
    Organization,
}

/// Who looks at Workspaces, and at which.
#[derive(Clone, Debug)]
pub struct Viewer {
    /// Who.
    pub user: UserInfo,
    /// Which.
    pub scope: Scope,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    user: String,
    #[serde(default)]
    groups: Vec<String>,
    #[serde(default)]
    uid: String,
    #[serde(default)]
    extra: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    scope: Scope,
}

impl Viewer {
    /// For whom a request watches Workspaces; `None` when it is for the caller himself, and for one who sees all of them.
    ///
    /// # Errors
    /// 400 when the header cannot be read.
    pub fn of(exchange: &Exchange, target: &Target) -> Result<Option<Self>, Status> {
        let Some(header) = exchange.headers().get(VIEWER).filter(|_| exchange.user.is_in(MASTERS)) else {
            return Ok(None);
        };
        if exchange.cluster != Cluster::Wildcard || target.served.storage != WORKSPACES {
            return Err(Status::bad_request(format!(
                "{VIEWER} is for watches of workspaces over all logical clusters"
            )));
        }
        let wire: Wire = serde_json::from_slice(header.as_bytes())
            .map_err(|error| Status::bad_request(format!("{VIEWER}: {error}")))?;
        let groups = if wire.scope == Scope::Personal { Vec::new() } else { wire.groups };
        let user = UserInfo { name: wire.user, uid: wire.uid, groups, extra: wire.extra };
        let viewer = Self { user, scope: wire.scope };
        Ok(Some(viewer).filter(|viewer| viewer.scope != Scope::All || !viewer.enters_everywhere()))
    }

    /// Whether every logical cluster is open to him.
    fn enters_everywhere(&self) -> bool {
        self.user.is_in(MASTERS) || self.user.is_in(ADMIN)
    }
}
