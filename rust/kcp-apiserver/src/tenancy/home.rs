//! The workspace that everybody has: `workspaces/~` in `root`, made when its user asks for it the first time.

use crate::birth;
use crate::chain::{Next, StepResult};
use crate::exchange::{Exchange, UserInfo};
use crate::registry::Served;
use crate::server::ApiServer;
use crate::tenancy::row::{Draft, Row};
use crate::tenancy::{GROUP, ROOT, WORKSPACES, names};
use crate::verbs::{Target, output};
use http::StatusCode;
use kcp_apimachinery::{GroupResource, Status, meta};
use kcp_storage::{Batch, CommitError};
use serde_json::{Value, json};

/// The name that stands for the caller's own workspace.
pub const NAME: &str = "~";

/// The type of homes.
const TYPE: &str = "home";

/// Whether a request is for the caller's home.
pub fn is_asked_for(target: &Target) -> bool {
    target.name == NAME && target.cluster == ROOT && target.served.storage == WORKSPACES
}

/// Answers with the caller's home, as if it were a Workspace; none is stored.
///
/// # Errors
/// 403 for callers without a name of their own, 503 when the store cannot be read or written.
pub async fn serve(server: &ApiServer, exchange: &mut Exchange, target: &Target) -> StepResult {
    let negotiated = output::negotiate(exchange, target)?;
    let user = std::sync::Arc::clone(&exchange.user);
    if !user.is_in("system:authenticated") {
        let resource = GroupResource::new(GROUP, "workspaces");
        return Err(Status::forbidden(&resource, NAME, "only authenticated users have a home"));
    }
    let row = home(server, &user).await?;
    let shown = shown(&target.served, &row);
    let response = output::value(server, exchange, &negotiated, &target.served, shown, StatusCode::OK)?;
    Ok(Next::Answer(response))
}

/// A user's home, brought into being when there is none.
async fn home(server: &ApiServer, user: &UserInfo) -> Result<Row, Status> {
    let cluster = names::home(&user.name);
    let unavailable = || Status::service_unavailable("the home workspace cannot be made");
    if let Some(row) = Row::read(server, &cluster).await? {
        return Ok(row);
    }
    let compiled = server.types.compiled(server, ROOT, TYPE).await?.ok_or_else(unavailable)?;
    let draft = Draft {
        path: &format!("user:{}", user.name),
        type_of: (ROOT, TYPE),
        creator: Some(user),
        initializers: &compiled.template.initializers,
        terminators: &compiled.template.terminators,
        ..Draft::plain(&cluster)
    };
    let batch = Batch { ops: vec![birth::bear(server, &draft)], guards: compiled.guards.clone(), ..Batch::default() };
    match server.store.commit(batch).await {
        // Another request of the same user came first.
        Ok(_) | Err(CommitError::Conflict { .. } | CommitError::Guard { .. }) => {}
        Err(error) => return Err(Status::service_unavailable(error.to_string())),
    }
    Row::read(server, &cluster).await?.ok_or_else(unavailable)
}

/// The Workspace that a home looks like.
fn shown(served: &Served, row: &Row) -> Value {
    let from = |path: &str| row.object.pointer(path).cloned().unwrap_or(Value::Null);
    let mut metadata = json!({
        "name": "cluster",
        "uid": meta::uid(&row.object),
        "resourceVersion": row.item.revision.to_string(),
        "creationTimestamp": from("/metadata/creationTimestamp"),
        "annotations": from("/metadata/annotations"),
    });
    if let Some(labels) = meta::labels(&row.object) {
        metadata["labels"] = json!(labels);
    }
    let (path, name) = row.type_of();
    let mut status = from("/status");
    let url = status.as_object_mut().and_then(|status| status.remove("URL")).unwrap_or_default();
    json!({
        "apiVersion": served.api_version,
        "kind": served.kind,
        "metadata": metadata,
        "spec": {"cluster": row.key.cluster(), "URL": url, "type": {"name": name, "path": path}},
        "status": status,
    })
}
