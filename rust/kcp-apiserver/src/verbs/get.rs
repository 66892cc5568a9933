//! get: one object by name.

use crate::chain::{Next, StepResult};
use crate::exchange::Exchange;
use crate::server::ApiServer;
use crate::tenancy::home;
use crate::verbs::options::parse_revision;
use crate::verbs::target::Target;
use crate::verbs::{output, storage_error};
use http::StatusCode;
use kcp_apimachinery::status::Status;
use kcp_storage::Item;

/// Serves the request.
pub async fn serve(server: &ApiServer, exchange: &mut Exchange, target: &Target) -> StepResult {
    if home::is_asked_for(target) {
        return home::serve(server, exchange, target).await;
    }
    let negotiated = output::negotiate(exchange, target)?;
    let wanted = crate::request_info::value(exchange.query(), "resourceVersion").unwrap_or_default();
    let parsed = parse_revision(&wanted).map_err(|status| match target.served.storage.as_str() {
        // Events are read past the cache, which has words of its own.
        "events" => Status::bad_request(format!("invalid resource version: {}", status.message)),
        _ => status,
    });
    if let Some(revision) = parsed? {
        super::list::wait_for(server, revision).await?;
    }
    let item = read(server, target).await?;
    let response = output::one(server, exchange, &negotiated, &target.served, &item, StatusCode::OK)?;
    Ok(Next::Answer(response))
}

/// The object a request names.
///
/// # Errors
/// 404 when it is not there.
pub async fn read(server: &ApiServer, target: &Target) -> Result<Item, Status> {
    let key = target.key(&target.name);
    let found = server.store.get(&key).await.map_err(|error| storage_error(&error))?;
    found.ok_or_else(|| Status::not_found(&target.resource(), &target.name))
}
