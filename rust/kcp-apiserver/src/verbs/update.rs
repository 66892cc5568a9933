//! update: a whole object in place of the one that stands there.

use crate::authz;
use crate::chain::StepResult;
use crate::exchange::Exchange;
use crate::managed::{self, Author};
use crate::server::ApiServer;
use crate::strategy::Part;
use crate::typed;
use crate::verbs::options::WriteOptions;
use crate::verbs::target::Target;
use crate::verbs::write::{self, ATTEMPTS, Lost, Owners, Replacement};
use crate::verbs::{create, header, input, output, storage_error};
use http::StatusCode;
use kcp_apimachinery::field::{Error, ErrorList, Path};
use kcp_apimachinery::meta;
use kcp_apimachinery::status::Status;
use kcp_storage::Item;
use serde_json::Value;

/// Serves the request.
pub async fn serve(server: &ApiServer, exchange: &mut Exchange, target: &Target) -> StepResult {
    let negotiated = output::negotiate(exchange, target)?;
    let options = WriteOptions::parse(exchange.query(), "Update")?;
    let media = input::media_type(exchange);
    let body = input::read(exchange).await?;
    let served = &target.served;
    let part = part(exchange)?;
    let mut given = input::decode(&media, &body, served)?;
    header::check(&mut given.object, served, &body, options.field_validation)?;
    if served.is_typed() {
        managed::keep_reset(&mut given.object);
    }
    let mut complaints = given.complaints;
    complaints.extend(create::decode(target, &mut given.object, &media, &body)?);
    if !served.is_custom() {
        typed::in_document_order(&mut complaints, &body);
    }
    input::settle(exchange, served, options.field_validation, complaints)?;
    named(&mut given.object, target)?;
    let author = Author::of(server, exchange, &options.manager, part);
    for _ in 0..ATTEMPTS {
        let found = server.store.get(&target.key(&target.name)).await.map_err(|error| storage_error(&error))?;
        let Some(item) = found else {
            if part != Part::Main || !served.strategy.creates_on_update() {
                return Err(Status::not_found(&target.resource(), &target.name));
            }
            let uid = meta::uid(&given.object);
            if !uid.is_empty() {
                return Err(Status::conflict(&target.resource(), &target.name, uid_mismatch(uid, "")));
            }
            authz::require(server, exchange, "create").await?;
            check_number(meta::resource_version(&given.object))?;
            // The revision of what is not there says nothing; a dry run gives back what it was sent.
            if !options.dry_run {
                meta::remove(&mut given.object, "resourceVersion");
            }
            let written = {
                let owners = Owners::Author(&author);
                create::store(server, exchange, target, given.object, owners, options.dry_run).await?
            };
            return create::respond(server, exchange, &negotiated, target, written, StatusCode::CREATED);
        };
        let old = output::lean(served, &item)?;
        check_uid(target, &given.object, &old)?;
        let new = given.object.clone();
        served.strategy.permit(server, exchange, &new, Some(&old)).await?;
        let conditional = check_revision(target, &new, &item)?;
        let replacement =
            Replacement { item: &item, old, new, part, dry_run: options.dry_run, owners: Owners::Author(&author) };
        match write::replace(server, exchange, target, replacement).await {
            Ok(written) => return create::respond(server, exchange, &negotiated, target, written, StatusCode::OK),
            Err(Lost::Refused(status)) => return Err(status),
            Err(Lost::Race) if conditional => break,
            Err(Lost::Race) => {}
        }
    }
    Err(Status::modified(&target.resource(), &target.name))
}

/// Which part of the object the request's subresource is.
pub fn part(exchange: &Exchange) -> Result<Part, Status> {
    match exchange.info.subresource.as_str() {
        "" => Ok(Part::Main),
        "status" => Ok(Part::Status),
        "finalize" => Ok(Part::Finalize),
        _ => Err(Status::method_not_allowed()),
    }
}

/// Holds name and namespace of a body against the URL.
pub fn named(object: &mut Value, target: &Target) -> Result<(), Status> {
    create::place(object, target)?;
    let given = object["metadata"]["name"].as_str().unwrap_or_default();
    if given.is_empty() {
        return Err(Status::bad_request(format!(
            "the name of the object ({} based on URL) was undeterminable: name must be provided",
            target.name
        )));
    }
    if given != target.name {
        return Err(Status::bad_request(format!(
            "the name of the object ({given}) does not match the name on the URL ({})",
            target.name
        )));
    }
    Ok(())
}

/// Holds the uid of a body against that of what stands there.
fn check_uid(target: &Target, object: &Value, old: &Value) -> Result<(), Status> {
    let (uid, live) = (meta::uid(object), meta::uid(old));
    if !uid.is_empty() && uid != live {
        return Err(Status::conflict(&target.resource(), &target.name, uid_mismatch(uid, live)));
    }
    Ok(())
}

/// Refuses a resourceVersion that is no number.
fn check_number(revision: &str) -> Result<(), Status> {
    if revision.is_empty() || revision.parse::<u64>().is_ok() {
        return Ok(());
    }
    Err(Status::generic(500, format!("strconv.ParseUint: parsing {revision:?}: invalid syntax")))
}

/// Holds the resourceVersion of a body against what stands there. Returns whether one was given.
pub fn check_revision(target: &Target, object: &Value, item: &Item) -> Result<bool, Status> {
    let resource = target.resource();
    let revision = meta::resource_version(object);
    if revision.is_empty() || revision == "0" {
        if !target.served.strategy.updates_unconditionally() {
            let mut errors = ErrorList::default();
            let path = Path::root("metadata").child("resourceVersion");
            errors.push(Error::invalid(&path, 0, "must be specified for an update"));
            let kind = kcp_apimachinery::GroupKind::new(&target.served.group, &target.served.resource);
            return Err(Status::invalid(&kind, &target.name, &errors));
        }
        return Ok(false);
    }
    if revision != item.revision.to_string() {
        check_number(revision)?;
        return Err(Status::modified(&resource, &target.name));
    }
    Ok(true)
}

/// The text of a uid precondition that does not hold.
pub fn uid_mismatch(given: &str, live: &str) -> String {
    format!("Precondition failed: UID in precondition: {given}, UID in object meta: {live}")
}
