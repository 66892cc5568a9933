//! Who is calling: credentials in, a [`crate::UserInfo`] out.

use crate::chain::{Next, StepResult};
use crate::exchange::Exchange;
use crate::server::ApiServer;
use kcp_storage::BoxFuture;

/// How callers prove who they are.
#[derive(Default)]
pub struct Authentication {}

/// The chain's step: finds the caller or answers 401.
pub fn identify<'a>(_server: &'a ApiServer, _exchange: &'a mut Exchange) -> BoxFuture<'a, StepResult> {
    Box::pin(std::future::ready(Ok(Next::Continue)))
}

/// The chain's step: puts the impersonated user in the caller's place where that is allowed.
pub fn impersonate<'a>(_server: &'a ApiServer, _exchange: &'a mut Exchange) -> BoxFuture<'a, StepResult> {
    Box::pin(std::future::ready(Ok(Next::Continue)))
}
