//! delete: an object goes at once, or is marked and goes when nothing holds it any more.

use crate::chain::{Next, StepResult};
use crate::codec;
use crate::exchange::{Exchange, UserInfo};
use crate::garbage::{self, FOREGROUND, Leaving, ORPHAN};
use crate::server::ApiServer;
use crate::strategy::Removal;
use crate::verbs::options::{DeleteOptions, Propagation};
use crate::verbs::target::Target;
use crate::verbs::write::{self, ATTEMPTS};
use crate::verbs::{commit_error, input, output, storage_error};
use http::StatusCode;
use kcp_apimachinery::GroupResource;
use kcp_apimachinery::meta;
use kcp_apimachinery::status::{Details, Status};
use kcp_apimachinery::strict;
use kcp_storage::{Batch, Change, CommitError, Expect, Item, Key, Op};
use serde_json::Value;
use std::sync::Arc;

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
    let caller = Arc::clone(&exchange.user);
    let gone = remove(server, target, &target.key(&target.name), &options, Some(&caller)).await?;
    let response = match gone {
        Gone::Now(object) if target.served.strategy.answers_removed() => {
            output::value(server, exchange, &negotiated, &target.served, object, StatusCode::OK)?
        }
        Gone::Later(object) => {
            // Only who asked in the old way is told that it is not done yet.
            let code = if options.accepts_later { StatusCode::ACCEPTED } else { StatusCode::OK };
            output::value(server, exchange, &negotiated, &target.served, object, code)?
        }
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
    // The options have a type of their own, whatever is deleted.
    let known = ["application/yaml", crate::protobuf::MEDIA_TYPE].contains(&media);
    if !known {
        return Err(input::unsupported(true));
    }
    Ok(input::decode(media, body, &target.served)?.object)
}

/// Deletes one object, or begins to. Without a caller the server does so itself.
pub async fn remove(
    server: &ApiServer,
    target: &Target,
    key: &Key,
    options: &DeleteOptions,
    caller: Option<&UserInfo>,
) -> Result<Gone, Status> {
    let served = &target.served;
    let strategy = served.strategy.as_ref();
    strategy.check_delete(key.name())?;
    for _ in 0..ATTEMPTS {
        let found = server.store.get(key).await.map_err(|error| storage_error(&error))?;
        let item = found.ok_or_else(|| Status::not_found(&target.resource(), key.name()))?;
        let object = output::object(served, &item)?;
        if options.only_unreadable {
            let error = "unsafe deletion is not allowed because the object is decodable from storage";
            return Err(Status::conflict(&target.resource(), key.name(), error));
        }
        check_preconditions(target, &object, &item, options)?;
        if let Some(caller) = caller {
            strategy.check_removal(key.cluster(), caller, &object)?;
        }
        let marked = object["metadata"]["deletionTimestamp"].is_string();
        let mut next = object.clone();
        if marked && strategy.is_held(&object) {
            // Until its content is gone nothing else is decided.
            return Ok(Gone::Later(object));
        }
        let other_policy = strategy.is_owner() && propagate(&mut next, options.propagation);
        if !marked {
            mark(server, &mut next);
        }
        let removal = if marked { Removal::Now } else { strategy.begin_removal(&mut next) };
        let held = removal == Removal::Held || !write::is_released(strategy, &next);
        if held && marked && !other_policy {
            return Ok(Gone::Later(object));
        }
        if options.dry_run {
            return Ok(if held { Gone::Later(next) } else { Gone::Now(object) });
        }
        let mut value = None;
        let Leaving { change, guards, also, turn: _turn } = if held {
            codec::strip(&mut next);
            let entries = codec::managed(&item.value);
            let stored = value.insert(write::stored(server, &target.cluster, strategy, &next, entries)).clone();
            Leaving { change: Change::Put(stored), guards: Vec::new(), also: Vec::new(), turn: None }
        } else {
            garbage::leave(server, strategy, key, meta::uid(&object)).await?
        };
        let mut ops = vec![Op { key: key.clone(), expect: Expect::At(item.revision), change }];
        ops.extend(also);
        match server.store.commit(Batch { ops, guards, ..Batch::default() }).await {
            Ok(committed) => {
                return match value {
                    Some(value) => {
                        let item = Item { key: key.clone(), revision: committed.first, value };
                        Ok(Gone::Later(output::object(served, &item)?))
                    }
                    None => {
                        let mut last = object;
                        meta::set_resource_version(&mut last, &committed.first.to_string());
                        Ok(Gone::Now(last))
                    }
                };
            }
            Err(CommitError::Conflict { .. } | CommitError::Guard { .. }) => {}
            Err(error) => return Err(commit_error(error)),
        }
    }
    Err(Status::modified(&target.resource(), key.name()))
}

/// Says by finalizers what becomes of the object's dependents; without a policy the object's own finalizers hold.
/// Returns whether they changed.
fn propagate(object: &mut Value, policy: Option<Propagation>) -> bool {
    let Some(policy) = policy else { return false };
    let before: Vec<String> = meta::finalizers(object).map(str::to_owned).collect();
    let ours = |name: &String| name == ORPHAN || name == FOREGROUND;
    let wanted = match policy {
        Propagation::Background => None,
        Propagation::Foreground => Some(FOREGROUND),
        Propagation::Orphan => Some(ORPHAN),
    };
    if before.iter().filter(|name| ours(name)).map(String::as_str).eq(wanted) {
        return false;
    }
    let others = before.into_iter().filter(|name| !ours(name));
    let after: Vec<String> = others.chain(wanted.map(str::to_owned)).collect();
    meta::set_finalizers(object, after);
    true
}

/// Sets the deletion timestamp, as the first delete of an object that stays for now does.
pub fn mark(server: &ApiServer, object: &mut Value) {
    let now = kcp_apimachinery::time::format_rfc3339(server.clock.now().as_second());
    let meta = &mut object["metadata"];
    meta["deletionTimestamp"] = Value::String(now);
    meta["deletionGracePeriodSeconds"] = 0.into();
    if let Some(generation) = meta["generation"].as_i64().filter(|generation| *generation > 0) {
        meta["generation"] = (generation + 1).into();
    }
}

fn check_preconditions(target: &Target, object: &Value, item: &Item, options: &DeleteOptions) -> Result<(), Status> {
    let live_revision = item.revision.to_string();
    for (what, wanted, live, happened) in [
        ("UID", &options.uid, meta::uid(object), "deleted and then recreated"),
        ("ResourceVersion", &options.resource_version, &*live_revision, "modified"),
    ] {
        let Some(wanted) = wanted.as_deref().filter(|wanted| *wanted != live) else { continue };
        let name = item.key.name();
        if let Some(text) = target.served.strategy.precondition_text().filter(|_| !options.of_collection) {
            let why = format!("{text}: {what} in precondition: {wanted}, {what} in object meta: {live}");
            return Err(Status::conflict(&target.resource(), name, why));
        }
        // These conflicts name the kind, unlike all others.
        let kind = target.kind();
        let why = format!(
            "the {what} in the precondition ({wanted}) does not match the {what} in record ({live}). The object might \
             have been {happened}"
        );
        return Err(Status::conflict(&GroupResource::new(&*kind.group, &*kind.kind), name, why));
    }
    Ok(())
}
