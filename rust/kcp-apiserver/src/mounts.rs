//! Paths that an application behind the bridge answers: `/` for people, `/services/…`.

use crate::chain::{Next, StepResult};
use crate::exchange::{Exchange, Response};
use crate::server::ApiServer;
use kcp_storage::BoxFuture;

/// The way to an application that is not part of the data path.
pub trait Bridge: Send + Sync + 'static {
    /// Whether the application answers `path` (behind the logical cluster's prefix). Its answer brings an
    /// authorizer of its own.
    fn claims(&self, exchange: &Exchange) -> bool;

    /// Hands the request over; the body is taken out of `exchange`.
    fn call<'a>(&'a self, exchange: &'a mut Exchange) -> BoxFuture<'a, Response>;
}

/// The chain's step.
pub fn bridge<'a>(server: &'a ApiServer, exchange: &'a mut Exchange) -> BoxFuture<'a, StepResult> {
    Box::pin(async move {
        match &server.bridge {
            Some(bridge) if bridge.claims(exchange) => Ok(Next::Answer(bridge.call(exchange).await)),
            _ => Ok(Next::Continue),
        }
    })
}
