//! What the kinds of tenancy mean beyond their definitions.

mod logical_clusters;
mod types;
mod workspaces;

use super::rules::Rules;
use crate::authz::MASTERS;
use crate::exchange::UserInfo;
use kcp_apimachinery::{GroupResource, Status};

/// The rules of a kind, by its definition's name.
pub fn rules(definition: &str) -> Option<&'static dyn Rules> {
    Some(match definition {
        "logicalclusters.core.kcp.io" => &logical_clusters::LogicalClusters,
        "workspaces.tenancy.kcp.io" => &workspaces::Workspaces,
        "workspacetypes.tenancy.kcp.io" => &types::Types,
        _ => return None,
    })
}

/// Groups that act for the system in tenants' logical clusters.
const SYSTEM: [&str; 4] = [
    MASTERS,
    "system:kcp:logical-cluster-admin",
    "system:kcp:external-logical-cluster-admin",
    "system:kcp:tenancy:workspace-bootstrapper",
];

fn is_system(user: &UserInfo) -> bool {
    SYSTEM.iter().any(|group| user.is_in(group))
}

fn forbidden(resource: (&str, &str), name: &str, text: impl Into<String>) -> Status {
    Status::forbidden(&GroupResource::new(resource.0, resource.1), name, text.into())
}
