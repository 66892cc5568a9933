//! The verbs, one file each.

use crate::chain::{Next, StepResult};
use crate::exchange::Exchange;
use crate::server::ApiServer;
use kcp_storage::BoxFuture;

/// The chain's last step.
pub fn serve<'a>(_server: &'a ApiServer, _exchange: &'a mut Exchange) -> BoxFuture<'a, StepResult> {
    Box::pin(std::future::ready(Ok(Next::Continue)))
}
