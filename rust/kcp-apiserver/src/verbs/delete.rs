//! delete: an object goes at once, or is marked and goes when nothing holds it any more.

use crate::chain::{Next, StepResult};
use crate::codec;
use crate::exchange::Exchange;
use crate::server::ApiServer;
use crate::strategy::{Departure, Removal};
use crate::verbs::options::DeleteOptions;
use crate::verbs::target::Target;
use crate::verbs::write::{self, ATTEMPTS};
use crate::verbs::{input, output, storage_error};
use http::StatusCode;
use kcp_apimachinery::GroupResource;
use kcp_apimachinery::status::{Details, Status};
use kcp_apimachinery::strict;
use kcp_storage::{Batch, Change, CommitError, Expect, Item, Key, Op};
use serde_json::Value;

/// What became of an object.
pub enum Gone {
    /// It is gone; this was its last state.
    Now(Value),
    /// It is marked and held by something.
    Later(Value),
}

/// Serves the request.
pub async fn serve(server: &ApiServer, exchange: &mut Exchange, target: &Target) -> StepResult {
    let negotiated = output::negotiate(exchange, target)?;
    let options = options(exchange, target).await?;
    let gone = remove(server, target, &target.key(&target.name), &options).await?;
    let response = match gone {
        Gone::Later(object) => output::value(server, exchange, &negotiated, &target.served, object, StatusCode::OK)?,
        Gone::Now(object) => {
            let status = Status::success(Details {
                name: target.name.clone(),
                group: target.served.group.clone(),
                kind: target.served.resource.clone(),
                uid: object["metadata"]["uid"].as_str().unwrap_or_default().to_owned(),
                ..Details::default()
            });
            output::encode(exchange, &negotiated, StatusCode::OK, &status.to_value())?
        }
    };
    Ok(Next::Answer(response))
}

/// The options of a delete, from its body or its query.
pub async fn options(exchange: &mut Exchange, target: &Target) -> Result<DeleteOptions, Status> {
    let media = input::media_type(exchange);
    let body = input::read(exchange).await?;
    let given = if body.is_empty() { None } else { Some(decode(&media, &body, target)?) };
    DeleteOptions::parse(exchange.query(), given.as_ref())
}

/// Decodes the options' body, which is refused in words of its own.
fn decode(media: &str, body: &[u8], target: &Target) -> Result<Value, Status> {
    if media == "application/json" {
        let refuse = |error| Status::bad_request(format!("couldn't get version/kind; json parse error: {error}"));
        return strict::decode(body).map_err(refuse);
    }
    Ok(input::decode(media, body, &target.served)?.object)
}

/// Deletes one object, or begins to.
pub async fn remove(server: &ApiServer, target: &Target, key: &Key, options: &DeleteOptions) -> Result<Gone, Status> {
    let served = &target.served;
    let strategy = served.strategy.as_ref();
    strategy.check_delete(key.name())?;
    for _ in 0..ATTEMPTS {
        let found = server.store.get(key).await.map_err(|error| storage_error(&error))?;
        let item = found.ok_or_else(|| Status::not_found(&target.resource(), key.name()))?;
        let object = output::object(served, &item)?;
        check_preconditions(target, &object, &item, options)?;
        let marked = object["metadata"]["deletionTimestamp"].is_string();
        let mut next = object.clone();
        if !marked {
            mark(server, &mut next);
        }
        let removal = if marked { Removal::Now } else { strategy.begin_removal(&mut next) };
        let held = removal == Removal::Held || !write::is_released(strategy, &next);
        if held && marked {
            return Ok(Gone::Later(object));
        }
        if options.dry_run {
            return Ok(if held { Gone::Later(next) } else { Gone::Now(object) });
        }
        let (mut departure, mut value) = (Departure::default(), None);
        let change = if held {
            codec::strip(&mut next);
            Change::Put(value.insert(write::stored(strategy, &next)).clone())
        } else {
            departure = strategy.depart(server, key).await?;
            departure.instead.take().map_or(Change::Delete, Change::Put)
        };
        let mut ops = vec![Op { key: key.clone(), expect: Expect::At(item.revision), change }];
        ops.extend(departure.also);
        match server.store.commit(Batch { ops, guards: departure.guards }).await {
            Ok(committed) => {
                return match value {
                    Some(value) => {
                        let item = Item { key: key.clone(), revision: committed.first, value };
                        Ok(Gone::Later(output::object(served, &item)?))
                    }
                    None => Ok(Gone::Now(object)),
                };
            }
            Err(CommitError::Conflict { .. } | CommitError::Guard { .. }) => {}
            Err(CommitError::Unavailable(text)) => return Err(Status::service_unavailable(text)),
        }
    }
    Err(Status::modified(&target.resource(), key.name()))
}

/// Sets the deletion timestamp, as the first delete of an object that stays for now does.
fn mark(server: &ApiServer, object: &mut Value) {
    let now = kcp_apimachinery::time::format_rfc3339(server.clock.now().as_second());
    let meta = &mut object["metadata"];
    meta["deletionTimestamp"] = Value::String(now);
    meta["deletionGracePeriodSeconds"] = 0.into();
    if let Some(generation) = meta["generation"].as_i64().filter(|generation| *generation > 0) {
        meta["generation"] = (generation + 1).into();
    }
}

fn check_preconditions(target: &Target, object: &Value, item: &Item, options: &DeleteOptions) -> Result<(), Status> {
    // These conflicts name the kind, unlike all others.
    let resource = GroupResource::new(&target.served.group, &target.served.kind);
    let name = item.key.name();
    let live = object["metadata"]["uid"].as_str().unwrap_or_default();
    if let Some(uid) = options.uid.as_deref().filter(|uid| *uid != live) {
        return Err(Status::conflict(
            &resource,
            name,
            format!(
                "the UID in the precondition ({uid}) does not match the UID in record ({live}). The object might have \
                 been deleted and then recreated"
            ),
        ));
    }
    let live = item.revision.to_string();
    if let Some(revision) = options.resource_version.as_deref().filter(|revision| *revision != live) {
        return Err(Status::conflict(
            &resource,
            name,
            format!(
                "the ResourceVersion in the precondition ({revision}) does not match the ResourceVersion in record \
                 ({live}). The object might have been modified"
            ),
        ));
    }
    Ok(())
}
