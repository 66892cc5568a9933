//! create: a new object, or the answer of a kind that is not stored.

use crate::chain::{Next, StepResult};
use crate::clusters;
use crate::codec;
use crate::exchange::Exchange;
use crate::garbage;
use crate::managed::{self, Author};
use crate::negotiate;
use crate::quota;
use crate::server::ApiServer;
use crate::strategy::{Part, namespaces};
use crate::subresources;
use crate::typed;
use crate::verbs::options::WriteOptions;
use crate::verbs::target::Target;
use crate::verbs::write::{self, ATTEMPTS, Owners, Written};
use crate::verbs::{commit_error, header, input, output, storage_error};
use http::StatusCode;
use kcp_apimachinery::field::Path;
use kcp_apimachinery::status::Status;
use kcp_apimachinery::strict;
use kcp_apimachinery::{meta, names};
use kcp_storage::{Batch, Change, CommitError, Expect, Item, Op};
use serde_json::{Map, Value};

/// Characters of generated name endings: no vowels, so that no words come out.
const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// How often a generated name is tried.
const NAME_ATTEMPTS: usize = 8;

/// Serves the request.
pub async fn serve(server: &ApiServer, exchange: &mut Exchange, target: &Target) -> StepResult {
    let negotiated = output::negotiate(exchange, target)?;
    let options = WriteOptions::parse(exchange.query(), "Create")?;
    let media = input::media_type(exchange);
    let body = input::read(exchange).await?;
    let served = &target.served;
    if !exchange.info.subresource.is_empty() {
        let object = input::decode(&media, &body, served)?.object;
        // As for every create, the namespace comes first.
        namespaces::check(server, target, &target.namespace, &target.name).await?;
        let answer = subresources::create(server, exchange, target, object).await?;
        return Ok(Next::Answer(output::encode(exchange, &negotiated, StatusCode::CREATED, &answer)?));
    }
    let mut given = input::decode(&media, &body, served)?;
    header::check(&mut given.object, served, &body, options.field_validation)?;
    let mut complaints = given.complaints;
    complaints.extend(decode(target, &mut given.object, &media, &body)?);
    if !served.is_custom() {
        typed::in_document_order(&mut complaints, &body);
    }
    input::settle(exchange, served, options.field_validation, complaints)?;
    if let Some(answer) = served.strategy.answer(server, exchange, given.object.clone()) {
        let mut value = answer.await?;
        let author = Author::of(server, exchange, &options.manager, Part::Main);
        managed::put(&mut value, &managed::created(target, &author, &given.object, None));
        return Ok(Next::Answer(output::value(server, exchange, &negotiated, served, value, StatusCode::CREATED)?));
    }
    let author = Author::of(server, exchange, &options.manager, Part::Main);
    let written = store(server, exchange, target, given.object, Owners::Author(&author), options.dry_run).await?;
    respond(server, exchange, &negotiated, target, written, StatusCode::CREATED)
}

/// The answer to a write.
pub fn respond(
    server: &ApiServer,
    exchange: &Exchange,
    negotiated: &negotiate::Negotiated,
    target: &Target,
    written: Written,
    code: StatusCode,
) -> StepResult {
    let served = &target.served;
    let response = match written {
        Written::Stored(item) | Written::Unchanged(item) => {
            output::one(server, exchange, negotiated, served, &item, code)?
        }
        Written::Dry(value) | Written::Removed(value) => {
            output::value(server, exchange, negotiated, served, value, code)?
        }
    };
    Ok(Next::Answer(response))
}

/// Brings a body into the kind's form; returns what strict decoding complains about.
///
/// # Errors
/// 400 for fields of wrong types: of several the one that Go's decoder tells, which reads JSON as it stands there and
/// YAML sorted by fields.
pub fn decode(target: &Target, object: &mut Value, media: &str, body: &[u8]) -> Result<Vec<String>, Status> {
    let strategy = target.served.strategy.as_ref();
    strategy.decode(object).map_err(|error| {
        let given = if media == "application/json" { strict::decode(body).ok() } else { None };
        let failures = given.map(|mut given| strategy.failures(&mut given)).unwrap_or_default();
        undecodable(target, &typed::first_in_document(failures, body).unwrap_or(error))
    })
}

/// A body whose fields have the wrong types.
fn undecodable(target: &Target, error: &str) -> Status {
    Status::bad_request(strict::cannot_be_handled(&target.served.kind, &target.served.version, error))
}

/// Stores a decoded object as a new one.
pub async fn store(
    server: &ApiServer,
    exchange: &mut Exchange,
    target: &Target,
    mut object: Value,
    owners: Owners<'_>,
    dry_run: bool,
) -> Result<Written, Status> {
    let served = &target.served;
    let strategy = served.strategy.as_ref();
    // The row itself is what brings a logical cluster into being.
    let in_cluster = !dry_run && served.storage != clusters::ROWS;
    let mut standing = None;
    if in_cluster {
        standing = Some(server.clusters.ensure(server, &target.cluster).await?);
    }
    place(&mut object, target)?;
    // What is no number counts as none.
    let named_revision = meta::resource_version(&object).to_owned();
    let names_revision = named_revision.parse::<u64>().is_ok_and(|revision| revision != 0);
    codec::strip(&mut object);
    let mut guard = match target.namespace.as_str() {
        "" => None,
        namespace => Some(namespaces::check(server, target, namespace, object_name(&object)).await?),
    };
    let given = managed::take(&mut object);
    stamp(server, &mut object, strategy.counts_generation());
    exchange.warnings.extend(meta::dedup_owner_references(&mut object));
    strategy.default(&mut object);
    let entries = match owners {
        Owners::Author(author) => managed::created(target, author, &object, given.as_ref()),
        Owners::Applied(entries) => entries,
    };
    strategy.prepare_create(&mut object);
    let base = object["metadata"]["generateName"].as_str().unwrap_or_default().to_owned();
    let generates = object_name(&object).is_empty() && !base.is_empty();
    strategy.permit(server, exchange, &object, None).await?;
    for attempt in 1.. {
        if generates {
            object["metadata"]["name"] = Value::String(generate(&base));
        }
        let name = object_name(&object).to_owned();
        let check = |name: &str, prefix: bool| names::masked(name, prefix, |name| strategy.name_problems(name));
        let metadata = || {
            let mut errors = meta::validate_object_meta(&object, served.namespaced, check, &Path::root("metadata"));
            if given.is_some() {
                errors.extend(managed::problems(&entries));
            }
            errors
        };
        let errors = write::all_errors(strategy, metadata, strategy.validate_create(&object));
        if !errors.is_empty() {
            return Err(Status::invalid(&target.kind(), &name, &errors));
        }
        let admission = strategy.admit(server, exchange, &mut object, None, Part::Main).await?;
        let entries = match &admission.over {
            Some(over) => write::written_over(server, target, over, &entries)?,
            None => entries.clone(),
        };
        write::check_depth(&object)?;
        if attempt == 1 {
            let warnings = strategy.warnings(&object, None);
            exchange.warnings.extend(warnings);
        }
        let key = target.key(&name);
        if dry_run {
            let current = server.store.get(&key).await.map_err(|error| storage_error(&error))?;
            if current.is_some() {
                return Err(exists(target, &name, current.as_ref(), !base.is_empty()));
            }
            let limits = server.quota.limits(server, target, &name).await?;
            quota::check(server, target, &name, &limits).await?;
            write::as_stored(strategy, &mut object);
            write::restore_cluster(&mut object, target);
            managed::put(&mut object, &entries);
            // Nothing was stored, so nothing takes the place of the revision that was sent.
            if !named_revision.is_empty() {
                meta::set_resource_version(&mut object, &named_revision);
            }
            return Ok(Written::Dry(object));
        }
        if names_revision {
            return Err(Status::generic(500, "resourceVersion should not be set on objects to be created"));
        }
        let value = write::stored(server, &target.cluster, strategy, &object, &entries);
        let references = garbage::references(server, &target.view, &target.cluster, &object, None).await?;
        let change = match admission.birth {
            Some(birth) => Change::Bear(value.clone(), birth),
            None => Change::Put(value.clone()),
        };
        let mut ops = vec![Op { key: key.clone(), expect: Expect::Absent, change }];
        ops.extend(admission.also);
        ops.extend(references.records);
        let mut guards = admission.guards;
        guards.extend(references.guards);
        guards.extend(guard.clone());
        guards.extend(standing.clone());
        let limits = server.quota.limits(server, target, &name).await?;
        match server.store.commit(Batch { ops, guards, limits: limits.clone(), ..Batch::default() }).await {
            Ok(committed) => return Ok(Written::Stored(Item { key, revision: committed.first, value })),
            Err(CommitError::Conflict { index: 0, current }) => {
                if generates && attempt < NAME_ATTEMPTS {
                    continue;
                }
                return Err(exists(target, &name, current.as_ref(), !base.is_empty()));
            }
            Err(CommitError::Guard { .. } | CommitError::Conflict { .. }) if attempt < ATTEMPTS => {
                if served.is_custom() && server.registry.custom(&target.cluster, served).await?.is_none() {
                    // The definition went in between.
                    return Err(Status::not_found_route());
                }
                if in_cluster {
                    server.clusters.forget(&target.cluster);
                    standing = Some(server.clusters.ensure(server, &target.cluster).await?);
                }
                if !target.namespace.is_empty() {
                    guard = Some(namespaces::check(server, target, &target.namespace, &name).await?);
                }
            }
            Err(CommitError::Guard { .. } | CommitError::Conflict { .. }) => {
                return Err(Status::modified(&target.resource(), &name));
            }
            Err(CommitError::Limit { which, count, .. }) => {
                return Err(quota::refused(target, &name, &limits[which], count));
            }
            Err(error) => return Err(commit_error(error)),
        }
    }
    unreachable!("every attempt returns or goes on")
}

fn exists(target: &Target, name: &str, current: Option<&Item>, generated: bool) -> Status {
    let resource = target.resource();
    let status = if generated {
        Status::generate_name_conflict(&resource, name, 1)
    } else {
        Status::already_exists(&resource, name)
    };
    let terminating = current
        .and_then(|item| output::object(&target.served, item).ok())
        .is_some_and(|object| object["metadata"]["deletionTimestamp"].is_string());
    if terminating {
        let message = format!("object is being deleted: {}", status.message);
        return status.with_message(message);
    }
    status
}

/// Holds an object's namespace against the URL and fills it in.
pub fn place(object: &mut Value, target: &Target) -> Result<(), Status> {
    let Some(map) = object.as_object_mut() else { return Err(Status::bad_request("the body is not an object")) };
    let meta = map.entry("metadata").or_insert_with(|| Value::Object(Map::new()));
    if meta.is_null() {
        *meta = Value::Object(Map::new());
    }
    let Some(meta) = meta.as_object_mut() else { return Err(Status::bad_request("metadata is not an object")) };
    let given = meta.get("namespace").and_then(Value::as_str).unwrap_or_default();
    if !target.served.namespaced {
        // A namespace says nothing of what is in none.
        meta.remove("namespace");
    } else {
        if given.is_empty() {
            meta.insert("namespace".into(), Value::String(target.namespace.clone()));
        } else if given != target.namespace {
            return Err(Status::bad_request(
                "the namespace of the provided object does not match the namespace sent on the request",
            ));
        }
    }
    Ok(())
}

fn stamp(server: &ApiServer, object: &mut Value, generation: bool) {
    let now = kcp_apimachinery::time::format_rfc3339(server.clock.now().as_second());
    let Some(meta) = object.get_mut("metadata").and_then(Value::as_object_mut) else { return };
    for field in ["deletionTimestamp", "deletionGracePeriodSeconds", "selfLink"] {
        meta.remove(field);
    }
    meta.insert("uid".into(), Value::String(uuid::Uuid::new_v4().to_string()));
    meta.insert("creationTimestamp".into(), Value::String(now));
    if generation {
        meta.insert("generation".into(), 1.into());
    }
}

fn object_name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap_or_default()
}

/// A name from a base: cut to 58 characters, five random ones added.
fn generate(base: &str) -> String {
    let cut: String = base.chars().take(58).collect();
    let random = uuid::Uuid::new_v4();
    let ending = random.as_bytes()[..5].iter().map(|byte| char::from(ALPHABET[usize::from(*byte) % ALPHABET.len()]));
    cut.chars().chain(ending).collect()
}
