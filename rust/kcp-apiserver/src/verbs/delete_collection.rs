//! deletecollection: every selected object of a collection, page by page.

use crate::chain::{Next, StepResult};
use crate::exchange::Exchange;
use crate::negotiate;
use crate::server::ApiServer;
use crate::verbs::delete;
use crate::verbs::options::ListOptions;
use crate::verbs::select::Selection;
use crate::verbs::target::Target;
use crate::verbs::{list, output};
use futures_util::future::join_all;
use http::StatusCode;
use serde_json::{Value, json};

/// Deletes under way at a time: they share the store's syncs.
const TOGETHER: usize = 64;

/// Serves the request. Answers with the list of what was deleted.
pub async fn serve(server: &ApiServer, exchange: &mut Exchange, target: &Target) -> StepResult {
    let negotiated = output::negotiate(exchange, target)?;
    let list_options = ListOptions::parse(exchange.query(), false)?;
    let selection = Selection::parse(exchange, &target.served)?;
    let options = delete::options(exchange, target).await?;
    let found = list::read(server, target, &list_options, &selection).await?;
    let served = &target.served;
    let mut items = Vec::with_capacity(found.items.len());
    for some in found.items.chunks(TOGETHER) {
        let removals: Vec<_> = some.iter().map(|item| delete::remove(server, target, &item.key, &options)).collect();
        for gone in join_all(removals).await {
            match gone {
                Ok(_) => {}
                Err(status) if status.is_not_found() => {}
                Err(status) => return Err(status),
            }
        }
        // As they were found, not as the deletes left them.
        for item in some {
            items.push(without_header(output::object(served, item)?, served.is_custom()));
        }
    }
    let value = json!({"kind": served.list_kind, "apiVersion": served.api_version,
        "metadata": {"resourceVersion": found.revision.to_string()}, "items": items});
    let plain = negotiate::Negotiated { shape: negotiate::Shape::Plain, ..negotiated };
    Ok(Next::Answer(output::encode(exchange, &plain, StatusCode::OK, &value)?))
}

fn without_header(mut object: Value, custom: bool) -> Value {
    if let (false, Some(map)) = (custom, object.as_object_mut()) {
        map.remove("kind");
        map.remove("apiVersion");
    }
    object
}
