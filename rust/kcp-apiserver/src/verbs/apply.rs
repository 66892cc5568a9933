//! apply: a patch that says what its manager wants of an object, be it there or not.

use crate::authz;
use crate::chain::StepResult;
use crate::codec;
use crate::exchange::Exchange;
use crate::managed::{self, Author};
use crate::negotiate::Negotiated;
use crate::server::ApiServer;
use crate::strategy::Part;
use crate::verbs::options::{FieldValidation, WriteOptions};
use crate::verbs::target::Target;
use crate::verbs::write::{self, ATTEMPTS, Lost, Owners, Replacement};
use crate::verbs::{create, get, input, output, storage_error, update};
use crate::yaml;
use http::StatusCode;
use kcp_apimachinery::status::Status;
use kcp_apimachinery::{json, meta, strict};
use serde_json::{Map, Value};
use std::borrow::Cow;

/// Serves the request.
pub async fn serve(
    server: &ApiServer,
    exchange: &mut Exchange,
    target: &Target,
    negotiated: &Negotiated,
    options: &WriteOptions,
    part: Part,
) -> StepResult {
    let body = input::read(exchange).await?;
    if part != Part::Main {
        // A part of what is not there is nothing to apply to, whatever is applied.
        get::read(server, target).await?;
    }
    let Document { mut config, complaint } = read(&body)?;
    let served = &target.served;
    check(&config, &served.api_version, &served.kind)?;
    let author = Author::of(server, exchange, &options.manager, part);
    let given = take_slots(&mut config);
    let conditional = !given.is_empty();
    for attempt in 0..ATTEMPTS {
        let found = server.store.get(&target.key(&target.name)).await.map_err(|error| storage_error(&error))?;
        let Some(item) = found else {
            if part != Part::Main {
                return Err(Status::not_found(&target.resource(), &target.name));
            }
            let applied = managed::applied(target, &author, part, (None, b""), (&config, options.force))?;
            settle(exchange, options, complaint.as_deref())?;
            let mut object = applied.object;
            let uid = meta::uid(&object);
            if !uid.is_empty() {
                let text =
                    format!("uid mismatch: the provided object specified uid {uid}, and no existing object was found");
                return Err(Status::conflict(&target.resource(), &target.name, text));
            }
            convert(&mut object, &config, target)?;
            update::named(&mut object, target)?;
            authz::require(server, exchange, "create").await?;
            if options.dry_run && conditional {
                meta::set_resource_version(&mut object, &given);
            }
            let owners = Owners::Applied(applied.entries);
            match create::store(server, exchange, target, object, owners, options.dry_run).await {
                // Somebody else was first: then it is there to be applied to.
                Err(status) if status.is_already_exists() && attempt + 1 < ATTEMPTS => continue,
                Err(status) => return Err(status),
                Ok(written) => {
                    return create::respond(server, exchange, negotiated, target, written, StatusCode::CREATED);
                }
            }
        };
        let mut old = output::lean(served, &item)?;
        codec::strip(&mut old);
        let live = codec::managed(&item.value);
        let applied = managed::applied(target, &author, part, (Some(&old), live), (&config, options.force))?;
        if attempt == 0 {
            settle(exchange, options, complaint.as_deref())?;
        }
        let mut new = applied.object;
        let mut bare = new.clone();
        codec::strip(&mut bare);
        // What a merge leaves as it is gets no defaults either: another version's object may lack some.
        if bare != old {
            convert(&mut new, &config, target)?;
            served.strategy.default(&mut new);
        }
        served.strategy.permit(server, exchange, &new, Some(&old)).await?;
        let revision = if conditional { given.clone() } else { item.revision.to_string() };
        meta::set_resource_version(&mut new, &revision);
        update::named(&mut new, target)?;
        update::check_revision(target, &new, &item)?;
        let owners = Owners::Applied(applied.entries);
        let replacement = Replacement { item: &item, old, new, part, dry_run: options.dry_run, owners };
        match write::replace(server, exchange, target, replacement).await {
            Ok(written) => return create::respond(server, exchange, negotiated, target, written, StatusCode::OK),
            Err(Lost::Refused(status)) => return Err(status),
            Err(Lost::Race) if conditional => break,
            Err(Lost::Race) => {}
        }
    }
    Err(Status::modified(&target.resource(), &target.name))
}

/// Takes out of a document what is not stored and so nobody's: the resourceVersion, which is returned, and the
/// annotation that names the logical cluster.
fn take_slots(config: &mut Value) -> String {
    let given = meta::remove(config, "resourceVersion");
    let Some(fields) = config.get_mut("metadata").and_then(Value::as_object_mut) else { return String::new() };
    if let Some(Value::Object(annotations)) = fields.get_mut("annotations")
        && annotations.remove(codec::CLUSTER_ANNOTATION).is_some()
        && annotations.is_empty()
    {
        fields.remove("annotations");
    }
    given.as_ref().and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// An applied document, and what strict decoding says of it.
pub(super) struct Document {
    pub config: Value,
    pub complaint: Option<String>,
}

/// Reads an applied document: YAML, of which JSON is a part.
///
/// # Errors
/// 400 for what is neither.
pub(super) fn read(body: &[u8]) -> Result<Document, Status> {
    if let Ok(decoded) = strict::decode_strict(body)
        && decoded.duplicates.is_empty()
    {
        let mut config = decoded.value;
        // As YAML it would be written down once more: 1000.0 becomes a whole number.
        json::settle(&mut config);
        return Ok(Document { config: object(config)?, complaint: None });
    }
    let (config, complaints) =
        yaml::read(body).map_err(|error| Status::bad_request(format!("error encoding patch: {error}")))?;
    Ok(Document { config: object(config)?, complaint: complaints.into_iter().next() })
}

/// No document is an empty one.
fn object(config: Value) -> Result<Value, Status> {
    match config {
        Value::Object(_) => Ok(config),
        Value::Null => Ok(Value::Object(Map::new())),
        other => Err(Status::bad_request(format!(
            "error decoding patch: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {} into Go \
             value of type map[string]interface {{}}",
            input::go_type(&other)
        ))),
    }
}

/// Holds an applied document against the endpoint.
pub(super) fn check(config: &Value, api_version: &str, kind: &str) -> Result<(), Status> {
    if meta::kind(config) != kind || meta::api_version(config) != api_version {
        return Err(Status::bad_request(format!("invalid object type: {}", kind_of(config))));
    }
    if config.get("metadata").and_then(|meta| meta.get("managedFields")).is_some_and(|entries| !entries.is_null()) {
        return Err(Status::bad_request("metadata.managedFields must be nil"));
    }
    Ok(())
}

/// Group, version and kind as messages show them: `apps/v1, Kind=Deployment`.
fn kind_of(object: &Value) -> String {
    let version = meta::api_version(object);
    let slash = if version.contains('/') { "" } else { "/" };
    format!("{slash}{version}, Kind={}", meta::kind(object))
}

/// What strict decoding said becomes a warning or a refusal.
pub(super) fn settle(exchange: &mut Exchange, options: &WriteOptions, complaint: Option<&str>) -> Result<(), Status> {
    match (complaint, options.field_validation) {
        (None, _) | (_, FieldValidation::Ignore) => Ok(()),
        (Some(text), FieldValidation::Warn) => {
            // Of several lines the last says what is wrong.
            exchange.warnings.push(text.lines().last().unwrap_or_default().trim().to_owned());
            Ok(())
        }
        (Some(text), FieldValidation::Strict) => {
            Err(Status::bad_request(format!("error strict decoding patch: error converting YAML to JSON: {text}")))
        }
    }
}

/// Brings an object that `config` was merged into in the kind's form.
fn convert(object: &mut Value, config: &Value, target: &Target) -> Result<(), Status> {
    target.served.strategy.decode(object).map(drop).map_err(|error| {
        let (version, kind) = (&target.served.api_version, &target.served.kind);
        let shown = managed::described(config);
        let error = converted(&error);
        let why = format!("unable to convert unstructured object to {version}, Kind={kind}: {error}");
        Status::generic(500, format!("failed to convert new object ({shown}) to proper version: {why}"))
    })
}

/// What decoding said, in the words of a conversion, which finds numbers decoded.
fn converted(error: &str) -> Cow<'_, str> {
    let number = error.strip_prefix("json: cannot unmarshal number ").and_then(|rest| rest.split_once(' '));
    match (number, error.rsplit_once(" of type ")) {
        (Some((number, _)), Some((_, wanted))) if wanted.starts_with("int") && number.contains('.') => {
            format!("cannot convert float64 to {wanted}").into()
        }
        _ => error.into(),
    }
}
