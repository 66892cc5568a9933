//! The scale subresource of custom resources: replicas seen and set through one kind whatever the resource looks like.

use crate::chain::{Next, StepResult};
use crate::codec;
use crate::exchange::Exchange;
use crate::managed::{self, Author};
use crate::negotiate::{MetaVersion, Negotiated, PatchType, Shape};
use crate::openapi;
use crate::registry::{Column, Scale};
use crate::server::ApiServer;
use crate::strategy::Part;
use crate::typed::Typed;
use crate::verbs::apply::{self, Document};
use crate::verbs::options::{FieldValidation, WriteOptions};
use crate::verbs::output::IncludeObject;
use crate::verbs::patch::{self, Patch};
use crate::verbs::target::Target;
use crate::verbs::write::{self, ATTEMPTS, Lost, Owners, Replacement, Written};
use crate::verbs::{get, input, output, update};
use http::StatusCode;
use kcp_apimachinery::managed::SCALE_VERSION;
use kcp_apimachinery::selector::label::Selector;
use kcp_apimachinery::status::Status;
use kcp_apimachinery::{meta, strict, text, time};
use serde_json::{Map, Value, json};
use std::sync::LazyLock;

/// Serves the request.
pub async fn serve(server: &ApiServer, exchange: &mut Exchange, target: &Target) -> StepResult {
    let Some(scale) = &target.served.scale else { return Err(Status::not_found_route()) };
    let negotiated = output::negotiate(exchange, target)?;
    match exchange.info.verb {
        "get" => {
            let item = get::read(server, target).await?;
            let object = output::object(&target.served, &item)?;
            answer(server, exchange, &negotiated, &view(scale, &object)?)
        }
        "update" => {
            let options = WriteOptions::parse(exchange.query(), "Update")?;
            let media = input::media_type(exchange);
            let body = input::read(exchange).await?;
            let (mut given, complaints) = decode(&media, &body, target)?;
            settle(exchange, &options, complaints, refused)?;
            update::named(&mut given, target)?;
            write(server, exchange, target, scale, &negotiated, &options, |_| Ok((given.clone(), Vec::new()))).await
        }
        "patch" => {
            let kind = Patch::kind(exchange, target)?;
            if kind == PatchType::Apply {
                return apply(server, exchange, target, scale, &negotiated).await;
            }
            let options = WriteOptions::parse_patch(exchange.query(), false)?;
            let body = input::read(exchange).await?;
            let patch = Patch::decode(&body, kind, options.field_validation)?;
            let change = |current: &Value| {
                let (mut patched, complaints) = patched(&patch, current, target)?;
                update::named(&mut patched, target)?;
                Ok((patched, complaints))
            };
            write(server, exchange, target, scale, &negotiated, &options, change).await
        }
        _ => Err(Status::method_not_allowed()),
    }
}

/// Reads a scale as it was sent, and what strict decoding complains about.
fn decode(media: &str, body: &[u8], target: &Target) -> Result<(Value, Vec<String>), Status> {
    let input::Input { mut object, mut complaints } = input::decode(media, body, &target.served)?;
    complaints.extend(typed(&mut object).map_err(|error| refused(&error))?);
    Ok((object, complaints))
}

/// A patched scale, and what strict decoding complains about.
fn patched(patch: &Patch, current: &Value, target: &Target) -> Result<(Value, Vec<String>), Status> {
    let mut object = patch.apply(current, target)?;
    let shown = patch.shown(&object);
    let mut complaints = patch.complaints().to_vec();
    complaints.extend(typed(&mut object).map_err(|error| patch::undecodable(&shown, &error))?);
    Ok((object, complaints))
}

/// Brings a document into the form of a scale, whose header may be left out; returns the fields that it does not have.
fn typed(object: &mut Value) -> Result<Vec<String>, String> {
    static DECODER: LazyLock<Typed> =
        LazyLock::new(|| Typed::new("io.k8s.api.autoscaling.v1.Scale", openapi::built_in::definition));
    let Some(fields) = object.as_object_mut() else {
        return Err(format!("json: cannot unmarshal {} into Go value of type v1.Scale", input::go_type(object)));
    };
    for (field, expected) in [("apiVersion", SCALE_VERSION), ("kind", "Scale")] {
        if fields.get(field).is_none_or(|given| given.is_null() || given == "") {
            fields.insert(field.to_owned(), expected.into());
        }
    }
    let unknown = DECODER.decode(object)?;
    let (kind, version) = (meta::kind(object), meta::api_version(object));
    if (kind, version) != ("Scale", SCALE_VERSION) {
        let (kind, version) = (text::quote(kind), text::quote(version));
        return Err(format!(
            "no kind {kind} is registered for version {version} in scheme \"pkg/runtime/scheme.go:111\""
        ));
    }
    Ok(unknown)
}

/// A body that is no scale.
fn refused(error: &str) -> Status {
    Status::bad_request(strict::cannot_be_handled("Scale", "v1", error))
}

/// What strict decoding complains about becomes warnings, or what `refuse` makes of it.
fn settle(
    exchange: &mut Exchange,
    options: &WriteOptions,
    complaints: Vec<String>,
    refuse: impl FnOnce(&str) -> Status,
) -> Result<(), Status> {
    match options.field_validation {
        FieldValidation::Strict if !complaints.is_empty() => Err(refuse(&strict::strict_error(&complaints))),
        FieldValidation::Warn => {
            exchange.warnings.extend(complaints);
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Applies a scale to an object that is there.
async fn apply(
    server: &ApiServer,
    exchange: &mut Exchange,
    target: &Target,
    scale: &Scale,
    negotiated: &Negotiated,
) -> StepResult {
    let options = WriteOptions::parse_patch(exchange.query(), true)?;
    let body = input::read(exchange).await?;
    let Document { config, complaint } = apply::read(&body)?;
    apply::check(&config, SCALE_VERSION, "Scale")?;
    let author = Author::of(server, exchange, &options.manager, Part::Main).of_scale();
    for attempt in 0..ATTEMPTS {
        let item = get::read(server, target).await?;
        let old = output::lean(&target.served, &item)?;
        let entries = codec::managed(&item.value);
        let current = view_or_zero(scale, &old);
        let applied = managed::applied_scale(target, &author, (&current, entries), (&config, options.force))?;
        if attempt == 0 {
            apply::settle(exchange, &options, complaint.as_deref())?;
        }
        let revision = meta::resource_version(&config);
        if !revision.is_empty() && revision != item.revision.to_string() {
            return Err(Status::modified(&target.resource(), &target.name));
        }
        let given = meta::name(&config);
        if !given.is_empty() && given != target.name {
            return Err(Status::bad_request(format!(
                "the name of the object ({given}) does not match the name on the URL ({})",
                target.name
            )));
        }
        let mut new = old.clone();
        set(&mut new, &scale.spec_replicas, replicas(scale, &applied.object)?.into());
        let replacement = Replacement {
            item: &item,
            old,
            new,
            part: Part::Main,
            dry_run: options.dry_run,
            owners: Owners::Applied(applied.entries),
        };
        match write::replace(server, exchange, target, replacement).await {
            Ok(written) => return written_scale(server, exchange, target, scale, negotiated, written),
            Err(Lost::Refused(status)) => return Err(status),
            Err(Lost::Race) => {}
        }
    }
    Err(Status::modified(&target.resource(), &target.name))
}

/// The scale of an object that was written.
fn written_scale(
    server: &ApiServer,
    exchange: &Exchange,
    target: &Target,
    scale: &Scale,
    negotiated: &Negotiated,
    written: Written,
) -> StepResult {
    let object = match written {
        Written::Stored(item) | Written::Unchanged(item) => output::object(&target.served, &item)?,
        Written::Dry(object) | Written::Removed(object) => object,
    };
    answer(server, exchange, negotiated, &view(scale, &object)?)
}

async fn write(
    server: &ApiServer,
    exchange: &mut Exchange,
    target: &Target,
    scale: &Scale,
    negotiated: &Negotiated,
    options: &WriteOptions,
    change: impl Fn(&Value) -> Result<(Value, Vec<String>), Status>,
) -> StepResult {
    let author = Author::of(server, exchange, &options.manager, Part::Main).of_scale();
    for attempt in 0..ATTEMPTS {
        let item = get::read(server, target).await?;
        let old = output::lean(&target.served, &item)?;
        let current = view_or_zero(scale, &old);
        let (wanted, complaints) = change(&current)?;
        if attempt == 0 {
            settle(exchange, options, complaints, |error| patch::undecodable(&wanted.to_string(), error))?;
        }
        let replicas = replicas(scale, &wanted)?;
        let revision = wanted["metadata"]["resourceVersion"].as_str().unwrap_or_default().to_owned();
        let conditional = !revision.is_empty();
        if conditional && revision != item.revision.to_string() {
            return Err(Status::modified(&target.resource(), &target.name));
        }
        let mut new = old.clone();
        set(&mut new, &scale.spec_replicas, replicas.into());
        let replacement = Replacement {
            item: &item,
            old,
            new,
            part: Part::Main,
            dry_run: options.dry_run,
            owners: Owners::Author(&author),
        };
        match write::replace(server, exchange, target, replacement).await {
            Ok(written) => return written_scale(server, exchange, target, scale, negotiated, written),
            Err(Lost::Refused(status)) => return Err(status),
            Err(Lost::Race) if conditional => break,
            Err(Lost::Race) => {}
        }
    }
    Err(Status::modified(&target.resource(), &target.name))
}

fn answer(server: &ApiServer, exchange: &Exchange, negotiated: &Negotiated, scale: &Value) -> StepResult {
    let shaped = match negotiated.shape {
        Shape::Table(version) => table(server, exchange, version, scale)?,
        Shape::PartialObject(version) => output::partial(scale, version),
        _ => scale.clone(),
    };
    Ok(Next::Answer(output::encode(exchange, negotiated, StatusCode::OK, &shaped)?))
}

/// The definition that describes what a scale's columns show.
const META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";

/// A scale as a table of one row.
fn table(server: &ApiServer, exchange: &Exchange, version: MetaVersion, scale: &Value) -> Result<Value, Status> {
    let column = |name: &str, kind: &str, format: &str, description: &str, describes: &str| Column {
        name: name.into(),
        kind: kind.into(),
        format: format.into(),
        description: description.into(),
        describes: describes.to_owned(),
        priority: 0,
    };
    let columns = [
        column("Name", "string", "name", "", &format!("{META}.name")),
        column("Desired", "integer", "", "Number of desired replicas", ""),
        column("Available", "integer", "", "Number of actual replicas", ""),
        column("Age", "date", "", "", &format!("{META}.creationTimestamp")),
    ];
    let age = time::age(meta::creation_timestamp(scale).unwrap_or_default(), server.clock.now().as_second());
    let replicas = |part: &str| scale[part]["replicas"].as_i64().unwrap_or_default();
    let cells = json!([meta::name(scale), replicas("spec"), replicas("status"), age]);
    let object = match IncludeObject::parse(exchange.query())? {
        IncludeObject::Metadata => output::partial(scale, version),
        IncludeObject::Object => scale.clone(),
        IncludeObject::None => Value::Null,
    };
    let metadata = json!({"resourceVersion": meta::resource_version(scale)});
    Ok(output::table(version, Some(&columns), vec![json!({"cells": cells, "object": object})], metadata))
}

fn view(scale: &Scale, object: &Value) -> Result<Value, Status> {
    if read(object, &scale.spec_replicas).is_none_or(|value| value.as_i64().is_none()) {
        let path = &scale.spec_replicas;
        return Err(Status::internal(format!("the spec replicas field {path:?} does not exist")));
    }
    Ok(view_or_zero(scale, object))
}

fn view_or_zero(scale: &Scale, object: &Value) -> Value {
    let number = |path: &str| read(object, path).and_then(Value::as_i64).unwrap_or_default();
    let meta = &object["metadata"];
    let mut metadata = Map::new();
    for field in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
        if let Some(value) = meta.get(field) {
            metadata.insert(field.to_owned(), value.clone());
        }
    }
    let mut status = json!({"replicas": number(&scale.status_replicas)});
    match scale.selector.as_deref().and_then(|path| read(object, path)) {
        Some(Value::String(selector)) => status["selector"] = selector.as_str().into(),
        Some(selector @ Value::Object(_)) => {
            if let Ok(selector) = Selector::from_label_selector(selector) {
                status["selector"] = selector.to_string().into();
            }
        }
        _ => {}
    }
    let replicas = number(&scale.spec_replicas);
    let spec = if replicas == 0 { json!({}) } else { json!({"replicas": replicas}) };
    json!({"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": metadata, "spec": spec, "status": status})
}

fn replicas(scale: &Scale, wanted: &Value) -> Result<i64, Status> {
    let Some(replicas) = wanted["spec"]["replicas"].as_i64() else {
        if wanted["spec"].get("replicas").is_none_or(Value::is_null) {
            return Ok(0);
        }
        let path = &scale.spec_replicas;
        return Err(Status::bad_request(format!("the spec replicas field {path:?} cannot be empty")));
    };
    Ok(replicas)
}

fn read<'a>(object: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').filter(|part| !part.is_empty()).try_fold(object, |at, part| at.get(part))
}

fn set(object: &mut Value, path: &str, value: Value) {
    let mut at = object;
    for part in path.split('.').filter(|part| !part.is_empty()) {
        if !at.is_object() {
            *at = Value::Object(Map::new());
        }
        at = &mut at[part];
    }
    *at = value;
}
