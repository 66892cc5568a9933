//! The scale subresource of custom resources: replicas seen and set through one kind whatever the resource looks like.

use crate::chain::{Next, StepResult};
use crate::exchange::Exchange;
use crate::negotiate::Negotiated;
use crate::registry::Scale;
use crate::server::ApiServer;
use crate::strategy::Part;
use crate::verbs::options::WriteOptions;
use crate::verbs::patch::Patch;
use crate::verbs::target::Target;
use crate::verbs::write::{self, ATTEMPTS, Lost, Replacement, Written};
use crate::verbs::{get, input, output};
use http::StatusCode;
use kcp_apimachinery::GroupKind;
use kcp_apimachinery::field::{Error, ErrorList, Path};
use kcp_apimachinery::status::Status;
use serde_json::{Map, Value, json};

/// Serves the request.
pub async fn serve(server: &ApiServer, exchange: &mut Exchange, target: &Target) -> StepResult {
    let Some(scale) = &target.served.scale else { return Err(Status::not_found_route()) };
    let negotiated = output::negotiate(exchange, target)?;
    match exchange.info.verb {
        "get" => {
            let item = get::read(server, target).await?;
            let object = output::object(&target.served, &item)?;
            answer(exchange, &negotiated, &view(scale, &object)?)
        }
        "update" => {
            let options = WriteOptions::parse(exchange.query(), "Update")?;
            let media = input::media_type(exchange);
            let body = input::read(exchange).await?;
            let given = input::decode(&media, &body, &target.served)?.object;
            write(server, exchange, target, scale, &negotiated, options.dry_run, |_| Ok(given.clone())).await
        }
        "patch" => {
            let options = WriteOptions::parse(exchange.query(), "Patch")?;
            let patch = Patch::read(exchange, target).await?;
            let change = |current: &Value| patch.apply(current, target);
            write(server, exchange, target, scale, &negotiated, options.dry_run, change).await
        }
        _ => Err(Status::method_not_allowed()),
    }
}

async fn write(
    server: &ApiServer,
    exchange: &mut Exchange,
    target: &Target,
    scale: &Scale,
    negotiated: &Negotiated,
    dry_run: bool,
    change: impl Fn(&Value) -> Result<Value, Status>,
) -> StepResult {
    for _ in 0..ATTEMPTS {
        let item = get::read(server, target).await?;
        let old = output::object(&target.served, &item)?;
        let current = view_or_zero(scale, &old);
        let wanted = change(&current)?;
        let replicas = replicas(scale, target, &wanted)?;
        let revision = wanted["metadata"]["resourceVersion"].as_str().unwrap_or_default().to_owned();
        let conditional = !revision.is_empty();
        if conditional && revision != item.revision.to_string() {
            return Err(Status::modified(&target.resource(), &target.name));
        }
        let mut new = old.clone();
        set(&mut new, &scale.spec_replicas, replicas.into());
        let replacement = Replacement { item: &item, old: &old, new, part: Part::Main, dry_run };
        match write::replace(server, exchange, target, replacement).await {
            Ok(Written::Stored(item) | Written::Unchanged(item)) => {
                let object = output::object(&target.served, &item)?;
                return answer(exchange, negotiated, &view(scale, &object)?);
            }
            Ok(Written::Dry(object) | Written::Removed(object)) => {
                return answer(exchange, negotiated, &view(scale, &object)?);
            }
            Err(Lost::Refused(status)) => return Err(status),
            Err(Lost::Race) if conditional => break,
            Err(Lost::Race) => {}
        }
    }
    Err(Status::modified(&target.resource(), &target.name))
}

fn answer(exchange: &Exchange, negotiated: &Negotiated, scale: &Value) -> StepResult {
    Ok(Next::Answer(output::encode(exchange, negotiated, StatusCode::OK, scale)?))
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
    if let Some(selector) = scale.selector.as_deref().and_then(|path| read(object, path)).and_then(Value::as_str) {
        status["selector"] = Value::String(selector.to_owned());
    }
    let replicas = number(&scale.spec_replicas);
    let spec = if replicas == 0 { json!({}) } else { json!({"replicas": replicas}) };
    json!({"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": metadata, "spec": spec, "status": status})
}

fn replicas(scale: &Scale, target: &Target, wanted: &Value) -> Result<i64, Status> {
    let Some(replicas) = wanted["spec"]["replicas"].as_i64() else {
        if wanted["spec"].get("replicas").is_none_or(Value::is_null) {
            return Ok(0);
        }
        let path = &scale.spec_replicas;
        return Err(Status::bad_request(format!("the spec replicas field {path:?} cannot be empty")));
    };
    if replicas < 0 {
        let mut errors = ErrorList::default();
        let path = Path::root("spec").child("replicas");
        errors.push(Error::invalid(&path, replicas, "should be a non-negative integer"));
        return Err(Status::invalid(&GroupKind::new("autoscaling", "Scale"), &target.name, &errors));
    }
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
