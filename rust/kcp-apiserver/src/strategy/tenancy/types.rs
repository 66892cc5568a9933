//! WorkspaceTypes: whoever decides says what one amounts to, in the commit that writes it.

use super::forbidden;
use crate::exchange::Exchange;
use crate::server::ApiServer;
use crate::strategy::rules::{Rules, Write};
use crate::strategy::{Admission, Departure, Part};
use crate::tenancy::{GROUP, PATH, ROOT, TEMPLATES, TYPES, row::Row, types};
use crate::verbs::storage_error;
use kcp_apimachinery::{Status, meta, names};
use kcp_storage::{BoxFuture, Expect, Key, Op};
use serde_json::{Value, json};

/// The rules of WorkspaceTypes.
pub struct Types;

const RESOURCE: (&str, &str) = (GROUP, "workspacetypes");

impl Rules for Types {
    fn name_problems(&self, name: &str) -> Vec<String> {
        let mut problems = names::is_dns1123_label(name);
        if matches!(name, "any" | "system") {
            problems.push(format!("{name:?} is reserved"));
        }
        problems
    }

    fn admit<'a>(
        &'a self,
        server: &'a ApiServer,
        exchange: &'a Exchange,
        write: Write<'a>,
    ) -> BoxFuture<'a, Result<Admission, Status>> {
        Box::pin(admit(server, exchange, write))
    }

    /// What a type amounted to goes with it.
    fn depart<'a>(&'a self, server: &'a ApiServer, key: &'a Key) -> BoxFuture<'a, Result<Departure, Status>> {
        Box::pin(async move {
            let template = Key::new(TEMPLATES, key.cluster(), "", key.name());
            let found = server.store.get(&template).await.map_err(|error| storage_error(&error))?;
            let also = found.map(|item| Op::delete(template, Expect::At(item.revision))).into_iter().collect();
            Ok(Departure { also, ..Departure::default() })
        })
    }
}

async fn admit(server: &ApiServer, exchange: &Exchange, write: Write<'_>) -> Result<Admission, Status> {
    let Write { new, old, part, .. } = write;
    new["status"]["virtualWorkspaces"] = endpoints(server, exchange.cluster_name(), meta::name(new));
    if part == Part::Status || meta::deletion_timestamp(new).is_some() {
        return Ok(Admission::default());
    }
    let cluster = exchange.cluster_name();
    let name = meta::name(new).to_owned();
    if name == "root" && cluster != ROOT {
        return Err(forbidden(RESOURCE, &name, "the name root belongs to the type of the logical cluster root"));
    }
    let path = Row::read(server, cluster).await?.map_or_else(|| cluster.to_owned(), |row| row.path().to_owned());
    match meta::annotation(new, PATH) {
        Some(given) if given != path => {
            let text = format!("annotation {PATH} must be {path:?}, the path of the logical cluster");
            return Err(forbidden(RESOURCE, &name, text));
        }
        _ => meta::set_annotation(new, PATH, &path),
    }
    for field in ["defaultChildWorkspaceType", "limitAllowedChildren", "limitAllowedParents"] {
        if let Some(reference) = unplaced(&new["spec"][field]) {
            let text = format!("spec.{field}: the path of type {reference:?} is required");
            return Err(forbidden(RESOURCE, &name, text));
        }
    }
    if old.is_some_and(|old| old["spec"] == new["spec"]) {
        return Ok(Admission::default());
    }
    let key = Key::new(TYPES, cluster, "", &name);
    let op = types::compile(server, &key, new).await?;
    Ok(Admission { also: vec![op], ..Admission::default() })
}

/// Where those who initialize and terminate workspaces of a type find them.
fn endpoints(server: &ApiServer, cluster: &str, name: &str) -> Value {
    let url = |kind: &str| format!("{}/services/{kind}workspaces/{cluster}:{name}", server.virtual_workspace_url);
    ["initializing", "terminating"].map(|kind| json!({"url": url(kind), "type": kind})).to_vec().into()
}

/// The first type in a reference or a limit that has no path.
fn unplaced(part: &Value) -> Option<String> {
    let one = std::iter::once(part).filter(|part| part.get("name").is_some());
    let listed = part.get("types").and_then(Value::as_array).into_iter().flatten();
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    one.chain(listed).find(|reference| text(reference, "path").is_empty()).map(|reference| text(reference, "name"))
}
