//! deletecollection: every selected object of a collection, page by page.

use crate::chain::{Next, StepResult};
use crate::exchange::Exchange;
use crate::server::ApiServer;
use crate::verbs::delete;
use crate::verbs::options::{ListOptions, UNSAFE};
use crate::verbs::select::Selection;
use crate::verbs::target::Target;
use crate::verbs::{list, output};
use futures_util::future::join_all;
use kcp_apimachinery::GroupKind;
use kcp_apimachinery::field::{Error, ErrorList, Path};
use kcp_apimachinery::status::Status;
use std::sync::Arc;

/// Deletes under way at a time: they share the store's syncs.
const TOGETHER: usize = 64;

/// Serves the request. Answers with the list of what was deleted.
pub async fn serve(server: &ApiServer, exchange: &mut Exchange, target: &Target) -> StepResult {
    let negotiated = output::negotiate(exchange, target)?;
    let list_options = ListOptions::parse(exchange.query(), false)?;
    let selection = Selection::parse(exchange, &target.served)?;
    let options = delete::options(exchange, target).await?;
    let caller = Arc::clone(&exchange.user);
    if options.only_unreadable {
        let detail = "is not allowed with DELETECOLLECTION, try again after removing the option";
        let errors = ErrorList::from(Error::invalid(&Path::root(UNSAFE), true, detail));
        return Err(Status::invalid(&GroupKind::new("meta.k8s.io", "DeleteOptions"), "", &errors));
    }
    let found = list::read(server, target, &list_options, &selection).await?;
    for some in found.items.chunks(TOGETHER) {
        let removals: Vec<_> =
            some.iter().map(|item| delete::remove(server, target, &item.key, &options, Some(&caller))).collect();
        for gone in join_all(removals).await {
            match gone {
                Ok(_) => {}
                Err(status) if status.is_not_found() => {}
                Err(status) => return Err(status),
            }
        }
    }
    // The answer is the list as it was found, not as the deletes left it.
    Ok(Next::Answer(list::answer(server, exchange, target, &negotiated, found)?))
}
