//! `serviceaccounts/NAME/token`: a token for one account of one logical cluster.

use crate::authn::jwt::Reference;
use crate::authn::service_account::{Bound, Issuer, Request};
use crate::codec::{self, Header};
use crate::exchange::Exchange;
use crate::managed::{self, Author, KindSchema, OneVersion};
use crate::openapi;
use crate::request_info;
use crate::server::ApiServer;
use crate::strategy::Part;
use crate::typed::Typed;
use crate::verbs::header::{self, Expected};
use crate::verbs::{Target, storage_error};
use kcp_apimachinery::field::{Error, ErrorList, Path};
use kcp_apimachinery::gvk::{GroupKind, GroupResource, GroupVersion};
use kcp_apimachinery::status::Status;
use kcp_apimachinery::{strict, text, time};
use kcp_storage::Key;
use serde_json::{Value, json};
use std::sync::LazyLock;

const GROUP: &str = "authentication.k8s.io";
const API_VERSION: &str = "authentication.k8s.io/v1";
const KIND: &str = "TokenRequest";
const DEFAULT_SECONDS: i64 = 3600;
const MIN_SECONDS: i64 = 600;
const MAX_SECONDS: i64 = 1 << 32;
/// What pods ask for by default: they get a year, and a claim says when they should have come back.
const POD_SECONDS: i64 = 3607;
const POD_YEAR: i64 = 365 * 24 * 60 * 60;

static DECODER: LazyLock<Typed> =
    LazyLock::new(|| Typed::new("io.k8s.api.authentication.v1.TokenRequest", openapi::built_in::definition));

static SCHEMA: LazyLock<KindSchema> =
    LazyLock::new(|| KindSchema::compile("io.k8s.api.authentication.v1.TokenRequest"));

/// Issues a token for the account that `target` names; `body` is a TokenRequest.
///
/// # Errors
/// 404 for an account or a bound object that does not exist, 409 for one of another uid, 422 and 400 for requests that
/// cannot be granted.
pub async fn create(
    server: &ApiServer,
    exchange: &mut Exchange,
    target: &Target,
    mut body: Value,
) -> Result<Value, Status> {
    header::check_typed(&body, &Expected { group: GROUP, api_version: API_VERSION, kind: KIND })?;
    let refuse = |error: &str| Status::bad_request(strict::cannot_be_handled(KIND, "v1", error));
    let unknown = DECODER.decode(&mut body).map_err(|error| refuse(&error))?;
    if !unknown.is_empty() {
        match request_info::value(exchange.query(), "fieldValidation").as_deref() {
            Some("Ignore") => {}
            Some("Strict") => return Err(refuse(&strict::strict_error(&unknown))),
            _ => exchange.warnings.extend(unknown),
        }
    }
    let Some(issuer) = server.authentication.issuer() else {
        return Err(Status::not_found_route());
    };
    let entries = owners(server, exchange, &body);
    let given = |field: &str| body["metadata"][field].as_str().unwrap_or_default();
    for (field, actual) in [("name", &target.name), ("namespace", &target.namespace)] {
        if !given(field).is_empty() && given(field) != actual {
            let detail = format!("must match the service account {field} if specified");
            let error = Error::invalid(&Path::root("metadata").child(field), given(field), detail);
            return Err(invalid(&target.name, error));
        }
    }
    let uid = match read(server, &target.key(&target.name)).await? {
        Some(account) => account["metadata"]["uid"].as_str().unwrap_or_default().to_owned(),
        None => return Err(Status::not_found(&target.resource(), &target.name)),
    };
    if !given("uid").is_empty() && given("uid") != uid {
        let detail = format!(
            "the UID in the token request ({}) does not match the UID of the service account ({uid})",
            given("uid")
        );
        return Err(Status::conflict(&GroupResource::new(GROUP, KIND), &target.name, detail));
    }
    let mut audiences = strings(&body["spec"]["audiences"]);
    if audiences.is_empty() {
        audiences.clone_from(&issuer.audiences);
    }
    let seconds = body["spec"]["expirationSeconds"].as_i64().unwrap_or(DEFAULT_SECONDS);
    check_seconds(seconds)?;
    let bound = bound(server, target, &body["spec"]["boundObjectRef"]).await?;
    let now = server.clock.now();
    let (lifetime, warn_after) = lifetime(issuer, bound.as_ref(), &audiences, seconds);
    let request = Request {
        cluster: &target.cluster,
        namespace: &target.namespace,
        account: Reference { name: target.name.clone(), uid: uid.clone() },
        audiences: audiences.clone(),
        seconds: lifetime,
        warn_after,
        bound,
    };
    let token =
        issuer.issue(request, now).map_err(|error| Status::internal(format!("failed to generate token: {error}")))?;
    let mut answer = json!({
        "kind": KIND,
        "apiVersion": API_VERSION,
        "metadata": {
            "name": target.name,
            "namespace": target.namespace,
            "uid": uid,
            "creationTimestamp": time::format_rfc3339(now.as_second()),
        },
        "spec": {
            "audiences": audiences,
            "expirationSeconds": seconds,
            "boundObjectRef": body["spec"]["boundObjectRef"],
        },
        "status": {
            "token": token,
            "expirationTimestamp": time::format_rfc3339(now.as_second().saturating_add(seconds)),
        },
    });
    managed::put(&mut answer, &entries);
    Ok(answer)
}

/// The entries of managed fields of a request: what was asked for, and the defaults with it.
fn owners(server: &ApiServer, exchange: &Exchange, body: &Value) -> Vec<u8> {
    let manager = request_info::value(exchange.query(), "fieldManager").unwrap_or_default();
    let author = Author::of(server, exchange, &manager, Part::Main).through("token");
    let unset = json!({
        "metadata": {},
        "spec": {"audiences": null, "expirationSeconds": null, "boundObjectRef": null},
        "status": {"token": "", "expirationTimestamp": null},
    });
    let mut asked = body.clone();
    if asked["spec"]["expirationSeconds"].is_null() {
        asked["spec"]["expirationSeconds"] = DEFAULT_SECONDS.into();
    }
    let versions = OneVersion { api_version: API_VERSION, of: SCHEMA.root() };
    managed::answered(&versions, &author, &unset, &asked)
}

fn check_seconds(seconds: i64) -> Result<(), Status> {
    let path = Path::root("spec").child("expirationSeconds");
    let detail = if seconds < MIN_SECONDS {
        "may not specify a duration less than 10 minutes"
    } else if seconds > MAX_SECONDS {
        "may not specify a duration larger than 2^32 seconds"
    } else {
        return Ok(());
    };
    Err(invalid("", Error::invalid(&path, seconds, detail)))
}

fn lifetime(
    issuer: &Issuer,
    bound: Option<&(Bound, Reference)>,
    audiences: &[String],
    seconds: i64,
) -> (i64, Option<i64>) {
    let for_pod = matches!(bound, Some((Bound::Pod, _)));
    if for_pod && seconds == POD_SECONDS && audiences.iter().all(|audience| issuer.audiences.contains(audience)) {
        return (POD_YEAR, Some(seconds));
    }
    (seconds, None)
}

/// The object a token is to be bound to.
async fn bound(server: &ApiServer, target: &Target, reference: &Value) -> Result<Option<(Bound, Reference)>, Status> {
    if !reference.is_object() {
        return Ok(None);
    }
    let field = |name: &str| reference[name].as_str().unwrap_or_default();
    let version = GroupVersion::parse(field("apiVersion")).map_err(Status::bad_request)?;
    let (bound, resource) = match (version.group.as_str(), field("kind")) {
        ("", "Pod") => (Bound::Pod, "pods"),
        ("", "Node") => (Bound::Node, "nodes"),
        ("", "Secret") => (Bound::Secret, "secrets"),
        (group, kind) => {
            let message = format!("cannot bind token to object of type {group}/{}, Kind={kind}", version.version);
            return Err(Status::bad_request(message));
        }
    };
    let name = field("name");
    if !kcp_apimachinery::names::path_segment_name(name).is_empty() || name.contains('\0') {
        return Err(Status::not_found(&GroupResource::new("", resource), name));
    }
    let key = bound.key(&target.cluster, &target.namespace, name);
    let Some(object) = read(server, &key).await? else {
        return Err(Status::not_found(&GroupResource::new("", resource), name));
    };
    if bound == Bound::Pod && object["spec"]["serviceAccountName"] != target.name.as_str() {
        let account = text::quote(&target.name);
        return Err(Status::bad_request(format!(
            "cannot bind token for serviceaccount {account} to pod running with different serviceaccount name."
        )));
    }
    let uid = object["metadata"]["uid"].as_str().unwrap_or_default();
    let wanted = field("uid");
    if !wanted.is_empty() && wanted != uid {
        let detail = format!(
            "the UID in the bound object reference ({wanted}) does not match the UID in record. \
             The object might have been deleted and then recreated"
        );
        return Err(Status::conflict(&GroupResource::new("", field("kind")), name, detail));
    }
    Ok(Some((bound, Reference { name: name.to_owned(), uid: uid.to_owned() })))
}

async fn read(server: &ApiServer, key: &Key) -> Result<Option<Value>, Status> {
    let Some(item) = server.store.get(key).await.map_err(|error| storage_error(&error))? else { return Ok(None) };
    codec::decode(&item, Header { api_version: "v1", kind: "" }).map(Some).map_err(Status::internal)
}

fn invalid(name: &str, error: Error) -> Status {
    let mut errors = ErrorList::default();
    errors.push(error);
    Status::invalid(&GroupKind::new(GROUP, KIND), name, &errors)
}

fn strings(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}
