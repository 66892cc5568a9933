//! The chain's first step: which logical cluster a request is about.

use crate::chain::{Next, StepResult};
use crate::exchange::{Cluster, Exchange};
use crate::server::ApiServer;
use crate::tenancy::paths::Resolved;
use kcp_apimachinery::names::LogicalClusterName;
use kcp_apimachinery::status::Status;
use kcp_storage::BoxFuture;

/// The header that names the logical cluster where the path has no prefix.
pub const HEADER: &str = "x-kubernetes-cluster";

/// Takes `/clusters/NAME` off the path, else reads the header, and walks a path of several words to the logical cluster at
/// its end. A path that leads nowhere stays one: refusing it is for the step that knows who is asking.
pub fn resolve<'a>(server: &'a ApiServer, exchange: &'a mut Exchange) -> BoxFuture<'a, StepResult> {
    let named = name(exchange);
    Box::pin(async move {
        exchange.cluster = named?;
        if let Cluster::Named(path) = &exchange.cluster
            && path.is_path()
        {
            match server.paths.resolve(path).await? {
                Resolved::Cluster(name) => exchange.cluster = Cluster::Named(name),
                Resolved::Unavailable(name) => {
                    exchange.cluster = Cluster::Named(name);
                    exchange.unavailable = true;
                }
                Resolved::Unknown => {}
            }
        }
        Ok(Next::Continue)
    })
}

/// The logical cluster as the request names it. Names are checked before anything is built from them.
fn name(exchange: &mut Exchange) -> Result<Cluster, Status> {
    let name = if let Some(rest) = exchange.path.strip_prefix("/clusters/") {
        let (name, path) = match rest.split_once('/') {
            Some((name, path)) => (name.to_owned(), format!("/{path}")),
            None => (rest.to_owned(), "/".to_owned()),
        };
        // kubectl get --raw puts the path of the server's URL in front of what has it already.
        let again = format!("/clusters/{name}/");
        exchange.path = match path.strip_prefix(&again) {
            Some(rest) => format!("/{rest}"),
            None => path,
        };
        Some(name)
    } else {
        match exchange.headers().get(HEADER) {
            Some(value) => {
                Some(value.to_str().map_err(|_| Status::bad_request("invalid cluster: not visible ASCII"))?.to_owned())
            }
            None => None,
        }
    };
    // Clients written in Go send the wildcard as %2A.
    let name = name.as_deref().map(|raw| percent_encoding::percent_decode_str(raw).decode_utf8_lossy());
    Ok(match name.as_deref() {
        None => Cluster::None,
        Some("*") => Cluster::Wildcard,
        Some(decoded) => Cluster::Named(LogicalClusterName::parse(decoded).map_err(|_| {
            let message = format!("invalid cluster: {decoded:?} does not match the regex");
            Status::bad_request(message)
        })?),
    })
}
