//! The verbs, one file each. What every write shares is in `write`, what every answer shares in `output`.

mod apply;
mod continue_token;
mod create;
pub mod delete;
mod delete_collection;
mod get;
pub mod header;
mod indexed;
mod initial;
mod input;
pub mod instances;
mod list;
pub mod options;
pub mod output;
mod packed;
mod patch;
mod scale;
mod select;
mod target;
mod update;
mod watch;
pub mod write;

pub use input::go_type;
pub use target::Target;

use crate::chain::{Next, StepResult};
use crate::exchange::Exchange;
use crate::paths;
use crate::server::ApiServer;
use kcp_apimachinery::status::Status;
use kcp_storage::BoxFuture;
use target::Miss;

/// The chain's last step.
pub fn serve<'a>(server: &'a ApiServer, exchange: &'a mut Exchange) -> BoxFuture<'a, StepResult> {
    Box::pin(async move {
        if !exchange.info.is_resource {
            return paths::serve(server, exchange).await;
        }
        let target = match Target::find(server, exchange).await {
            Ok(target) => target,
            Err(Miss::Refused(status)) => return Err(status),
            Err(Miss::NoRoute) => return paths::no_resource(server, &exchange.info.group).map(Next::Answer),
        };
        // A time-out that cannot be read is refused before anything is said of what is asked for.
        if exchange.info.verb != "watch" {
            options::check_timeout(exchange.query())?;
        }
        if let Some(text) = &target.served.deprecation {
            exchange.warnings.push(text.clone());
        }
        dispatch(server, exchange, &target).await
    })
}

async fn dispatch(server: &ApiServer, exchange: &mut Exchange, target: &Target) -> StepResult {
    match (exchange.info.subresource.as_str(), exchange.info.verb) {
        ("scale", _) => scale::serve(server, exchange, target).await,
        ("" | "status", "get") => get::serve(server, exchange, target).await,
        ("", "list") => list::serve(server, exchange, target).await,
        ("", "watch") => watch::serve(server, exchange, target).await,
        (_, "create") => create::serve(server, exchange, target).await,
        (_, "update") => update::serve(server, exchange, target).await,
        (_, "patch") => patch::serve(server, exchange, target).await,
        ("", "delete") => delete::serve(server, exchange, target).await,
        ("", "deletecollection") => delete_collection::serve(server, exchange, target).await,
        _ => Err(Status::method_not_allowed()),
    }
}

/// A commit that failed for good as a `Status`: one that lost a race, or passes a limit, is its caller's to tell.
pub fn commit_error(error: kcp_storage::CommitError) -> Status {
    match error {
        kcp_storage::CommitError::Unavailable(text) => Status::service_unavailable(text),
        other => Status::service_unavailable(other.to_string()),
    }
}

/// A failed read as a `Status`.
pub fn storage_error(error: &kcp_storage::Error) -> Status {
    match error {
        kcp_storage::Error::Compacted { requested, oldest } => {
            Status::expired(format!("too old resource version: {requested} ({oldest})"))
        }
        kcp_storage::Error::Future { requested, current } => {
            Status::too_large_resource_version(requested.get(), current.get(), 1)
        }
        kcp_storage::Error::Unavailable(text) => Status::service_unavailable(text.clone()),
    }
}
