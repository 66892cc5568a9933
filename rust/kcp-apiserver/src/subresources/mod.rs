//! Subresources with a behaviour of their own.

mod token;

use crate::exchange::Exchange;
use crate::server::ApiServer;
use crate::verbs::Target;
use kcp_apimachinery::status::Status;
use serde_json::Value;

/// Answers a create of a subresource.
///
/// # Errors
/// 404 for a subresource that cannot be created, and what the subresource says.
pub async fn create(
    server: &ApiServer,
    exchange: &mut Exchange,
    target: &Target,
    object: Value,
) -> Result<Value, Status> {
    match (target.served.resource.as_str(), exchange.info.subresource.as_str()) {
        ("serviceaccounts", "token") => token::create(server, exchange, target, object).await,
        _ => Err(Status::not_found_route()),
    }
}
