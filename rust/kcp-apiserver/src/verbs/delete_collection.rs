//! deletecollection: every selected object of a collection, page by page.
//!
//! The answer lists all that was found, so it waits, compressed, for the last page. Forms other than plain JSON need the
//! whole list at once, as a list in that form does.

use crate::chain::{Next, StepResult};
use crate::exchange::{Exchange, UserInfo};
use crate::server::ApiServer;
use crate::verbs::delete;
use crate::verbs::list::{self, Found, Pages};
use crate::verbs::options::{DeleteOptions, ListOptions, UNSAFE};
use crate::verbs::output;
use crate::verbs::packed::Packed;
use crate::verbs::select::Selection;
use crate::verbs::target::Target;
use futures_util::future::join_all;
use http::StatusCode;
use kcp_apimachinery::GroupKind;
use kcp_apimachinery::field::{Error, ErrorList, Path};
use kcp_apimachinery::status::Status;
use kcp_storage::{Item, off_worker};
use std::sync::Arc;

/// Deletes under way at a time: they share the store's syncs.
const TOGETHER: usize = 64;

/// Serves the request. Answers with the list of what was deleted.
pub async fn serve(server: &ApiServer, exchange: &mut Exchange, target: &Target) -> StepResult {
    let negotiated = output::negotiate(exchange, target)?;
    let list_options = ListOptions::parse(exchange.query(), false)?;
    let selection = Selection::parse(exchange, &target.served)?;
    let mut options = delete::options(exchange, target).await?;
    options.of_collection = true;
    let caller = Arc::clone(&exchange.user);
    if options.only_unreadable {
        let detail = "is not allowed with DELETECOLLECTION, try again after removing the option";
        let errors = ErrorList::from(Error::invalid(&Path::root(UNSAFE), true, detail));
        return Err(Status::invalid(&GroupKind::new("meta.k8s.io", "DeleteOptions"), "", &errors));
    }
    let removal = Removal { server, target, options: &options, caller: &caller };
    // The answer is the list as it was found, not as the deletes left it.
    if list_options.limit > 0 || !negotiated.is_plain_json() {
        let found = list::read(server, target, &list_options, &selection).await?;
        removal.of(&found.items).await?;
        return Ok(Next::Answer(list::answer(server, exchange, target, &negotiated, found)?));
    }
    let mut pages = Pages::begin(server, target, &list_options, &selection).await?;
    let mut answer: Option<Packed> = None;
    let mut first = true;
    while let Some(found) = pages.next().await? {
        removal.of(&found.items).await?;
        if answer.is_none() && found.continue_after.is_none() {
            return Ok(Next::Answer(list::answer(server, exchange, target, &negotiated, found)?));
        }
        let kept = answer.get_or_insert_with(Packed::new);
        first = off_worker(|| keep(kept, target, &found, first))?;
    }
    let mut answer = answer.unwrap_or_else(Packed::new);
    answer.write(list::TAIL);
    Ok(Next::Answer(answer.finish(exchange, StatusCode::OK, "application/json")))
}

/// Adds a page to the answer, and the list's head before the first. Returns whether the next item is the first.
fn keep(answer: &mut Packed, target: &Target, found: &Found, first: bool) -> Result<bool, Status> {
    let served = &target.served;
    let mut out = Vec::new();
    if answer.is_empty() {
        out = list::head(served, &list::list_meta(!served.is_typed(), found.revision, None, None))?;
    }
    let first = list::append(&mut out, target, &found.items, first)?;
    answer.write(&out);
    Ok(first)
}

/// How the objects of a collection go.
struct Removal<'a> {
    server: &'a ApiServer,
    target: &'a Target,
    options: &'a DeleteOptions,
    caller: &'a UserInfo,
}

impl Removal<'_> {
    /// Deletes each; what went meanwhile is no error.
    async fn of(&self, items: &[Item]) -> Result<(), Status> {
        for some in items.chunks(TOGETHER) {
            let one = |item: &Item| {
                let key = item.key.clone();
                async move { delete::remove(self.server, self.target, &key, self.options, Some(self.caller)).await }
            };
            for gone in join_all(some.iter().map(one)).await {
                match gone {
                    Ok(_) => {}
                    Err(status) if status.is_not_found() => {}
                    Err(status) => return Err(status),
                }
            }
        }
        Ok(())
    }
}
