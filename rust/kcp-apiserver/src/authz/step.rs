//! The chain's step: which requests get past, and how the others are refused.

use super::{ADMIN, Attributes, Authorization, BASE, DENIED, MASTERS, OFFLINE, Reason};
use crate::chain::{Next, StepResult};
use crate::exchange::{Cluster, Exchange, UserInfo};
use crate::server::ApiServer;
use kcp_apimachinery::gvk::GroupResource;
use kcp_apimachinery::status::Status;
use kcp_storage::BoxFuture;

/// Health is answered to everybody.
const ALWAYS: [&str; 3] = ["/healthz", "/readyz", "/livez"];
/// The server's own metrics, which are no logical cluster's.
const METRICS_PATH: &str = "/metrics";
/// The logical cluster whose rules decide who reads the server's own metrics.
const METRICS: &str = "root";

/// The chain's step: lets the request pass or answers 403. Refusals come before anything tells what exists.
pub fn allow<'a>(server: &'a ApiServer, exchange: &'a mut Exchange) -> BoxFuture<'a, StepResult> {
    Box::pin(
        async move { decide(&server.authorization, exchange, Attributes::of(exchange)).await.map(|()| Next::Continue) },
    )
}

/// What a request turned out to need besides its own verb: a PUT that creates needs `create` too.
///
/// # Errors
/// 403 when the caller may not.
pub async fn require(server: &ApiServer, exchange: &Exchange, verb: &str) -> Result<(), Status> {
    decide(&server.authorization, exchange, Attributes { verb, ..Attributes::of(exchange) }).await
}

async fn decide(authorization: &Authorization, exchange: &Exchange, attributes: Attributes<'_>) -> Result<(), Status> {
    let user = &*exchange.user;
    if matches!(attributes.verb, "get" | "head") && ALWAYS.contains(&attributes.path) {
        return Ok(());
    }
    let denied = || Err(attributes.forbidden(user, DENIED));
    match &exchange.cluster {
        Cluster::None if attributes.is_resource => {
            if user.is_in(MASTERS) {
                return Err(Status::internal("no cluster found in the context"));
            }
            denied()
        }
        Cluster::None => {
            let cluster = if attributes.path == METRICS_PATH { METRICS } else { BASE };
            by_rules(authorization, cluster, user, &attributes).await
        }
        Cluster::Wildcard | Cluster::Named(_) if !attributes.is_resource && attributes.path == METRICS_PATH => {
            Err(Status::generic(501, "shard-level endpoint not available at workspace scope"))
        }
        Cluster::Wildcard if !is_administrator(user) => denied(),
        Cluster::Wildcard => {
            if attributes.is_resource && !matches!(attributes.verb, "list" | "watch") {
                return Err(not_over_all(&attributes));
            }
            Ok(())
        }
        // The path leads nowhere, and only administrators learn that.
        Cluster::Named(name) if name.is_path() => {
            if !is_administrator(user) {
                return denied();
            }
            let resource = GroupResource { group: "tenancy.kcp.io".into(), resource: "workspaces".into() };
            Err(Status::not_found(&resource, name.as_str()))
        }
        Cluster::Named(name) if exchange.unavailable => {
            if authorization.enters(name.as_str(), user).await? {
                return Err(Status::service_unavailable("Not available."));
            }
            denied()
        }
        Cluster::Named(name) => {
            let decision = authorization.permits(name.as_str(), user, &attributes).await?;
            match decision.reason {
                _ if decision.allowed => Ok(()),
                Reason::Text(OFFLINE) => Err(Status::forbidden_raw(OFFLINE)),
                reason => Err(attributes.forbidden(user, &reason.to_string())),
            }
        }
    }
}

async fn by_rules(
    authorization: &Authorization,
    cluster: &str,
    user: &UserInfo,
    attributes: &Attributes<'_>,
) -> Result<(), Status> {
    let decision = authorization.allowed(cluster, user, attributes).await?;
    if decision.allowed { Ok(()) } else { Err(attributes.forbidden(user, &decision.reason.to_string())) }
}

/// Whether `user` may see every logical cluster.
fn is_administrator(user: &UserInfo) -> bool {
    user.is_in(MASTERS) || user.is_in(ADMIN)
}

fn not_over_all(attributes: &Attributes<'_>) -> Status {
    let resource = GroupResource { group: attributes.group.to_owned(), resource: attributes.resource.to_owned() };
    let status = Status::method_not_supported(&resource, attributes.verb);
    let message = format!("{} in the `*` logical cluster", status.message);
    status.with_message(message)
}
