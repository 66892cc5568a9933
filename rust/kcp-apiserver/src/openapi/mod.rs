//! `/openapi/v2` and `/openapi/v3`, assembled from fragments per kind.
//!
//! Documents of built-in resources are the same for every logical cluster. Those with custom resources are kept under
//! what the resources look like, so that equal definitions in many logical clusters make one document.

pub mod built_in;
mod operations;
mod parameters;
mod v2;
mod v2_protobuf;
mod v3;

use crate::codec::{self, Header};
use crate::discovery::groups::{Group, Version, groups};
use crate::documents::{Document, Identity};
use crate::exchange::{Cluster, Exchange, Response};
use crate::native;
use crate::negotiate;
use crate::paths;
use crate::registry::{ClusterView, DEFINITIONS, Origin, Served};
use crate::respond;
use crate::server::ApiServer;
use crate::verbs::storage_error;
use http::StatusCode;
use http::header::{CACHE_CONTROL, EXPIRES, HeaderValue, LOCATION};
use jiff::SignedDuration;
use kcp_apimachinery::status::Status;
use kcp_schema::openapi::{Published, Resource, publish_v2, publish_v3};
use kcp_storage::{BoxFuture, Key};
use operations::Item;
use ring::digest;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

const JSON: &str = "application/json";
/// Name of the kept 2.0 document in protobuf.
const PROTOBUF: &str = "v2.pb";

/// How long a document under its own hash stays as it is.
const YEAR: SignedDuration = SignedDuration::from_hours(365 * 24);

/// How often documents are built anew when definitions change meanwhile.
const ATTEMPTS: usize = 3;

/// One of the v3 documents.
enum Part<'v> {
    /// The versions of the core group, or the other groups.
    Root { core: bool },
    /// A group.
    Group(&'v Group<'v>),
    /// A version of a group.
    Version(&'v Group<'v>, &'v Version<'v>),
    /// `/version`.
    Info,
}

impl Part<'_> {
    /// The path below `/openapi/v3/`.
    fn path(&self) -> String {
        match self {
            Self::Root { core: true } => "api".into(),
            Self::Root { core: false } => "apis".into(),
            Self::Group(group) => format!("apis/{}", group.name),
            Self::Version(group, version) if group.name.is_empty() => format!("api/{}", version.name),
            Self::Version(group, version) => format!("apis/{}/{}", group.name, version.name),
            Self::Info => "version".into(),
        }
    }

    fn group(&self) -> &str {
        match self {
            Self::Group(group) | Self::Version(group, _) => group.name,
            Self::Root { .. } | Self::Info => "",
        }
    }

    fn custom(&self) -> Vec<&Arc<Served>> {
        match self {
            Self::Version(_, version) => {
                version.resources.iter().copied().filter(|served| served.is_custom()).collect()
            }
            Self::Root { .. } | Self::Group(_) | Self::Info => Vec::new(),
        }
    }

    fn identity(&self) -> Identity {
        Identity::of(self.custom().into_iter())
    }

    fn items(&self) -> Vec<Item> {
        match self {
            Self::Root { core } => vec![operations::root(*core)],
            Self::Group(group) => vec![operations::group(group)],
            Self::Version(group, version) => operations::items(group, version),
            Self::Info => vec![operations::version_info()],
        }
    }

    fn document(&self, custom: &BTreeMap<String, Value>) -> Vec<u8> {
        v3::document(&self.items(), self.group(), custom)
    }
}

/// All v3 documents of some groups.
fn parts<'v>(groups: &'v [Group<'v>]) -> Vec<Part<'v>> {
    let mut parts = vec![Part::Root { core: true }, Part::Root { core: false }, Part::Info];
    for group in groups {
        if !group.name.is_empty() {
            parts.push(Part::Group(group));
        }
        parts.extend(group.versions.iter().map(|version| Part::Version(group, version)));
    }
    parts
}

/// The document of a part without custom resources.
fn shared(server: &ApiServer, part: &Part<'_>) -> Arc<Document> {
    server.documents.get(Identity::NONE, format!("v3 {}", part.path()), || part.document(&BTreeMap::new()))
}

/// The entity tag of a part. Where there are custom resources it follows from what they look like, so that the index
/// of many large definitions costs no more than that of few; the core group's tag in it stands for how documents are
/// written.
fn etag(server: &ApiServer, part: &Part<'_>) -> String {
    let identity = part.identity();
    if identity == Identity::NONE {
        return shared(server, part).etag.clone();
    }
    let core = shared(server, &Part::Root { core: true });
    let mut context = digest::Context::new(&digest::SHA512);
    context.update(identity.as_bytes());
    context.update(core.etag.as_bytes());
    context.update(crate::version::git_version().as_bytes());
    context.finish().as_ref().iter().map(|byte| format!("{byte:02X}")).collect()
}

/// Answers `/openapi/v3`: where the documents are.
pub fn index(server: &ApiServer, exchange: &Exchange, view: &ClusterView, _parts: &[String]) -> paths::Answer {
    if !negotiate::takes_json(exchange.headers()) {
        return Ok(not_acceptable());
    }
    let groups = groups(view);
    let prefix = cluster_prefix(exchange);
    let entry = |part: &Part<'_>| {
        let path = part.path();
        let url = format!("{prefix}/openapi/v3/{path}?hash={}", etag(server, part));
        (path, json!({"serverRelativeURL": url}))
    };
    let paths: Map<String, Value> = parts(&groups).iter().map(entry).collect();
    let document = Document::new(json!({"paths": paths}).to_string().into_bytes());
    Ok(document.answer(exchange, JSON))
}

/// Answers `/openapi/v3/…`: one document.
pub fn part<'a>(server: &'a ApiServer, exchange: &'a Exchange, path: Vec<String>) -> BoxFuture<'a, paths::Answer> {
    Box::pin(async move {
        if !negotiate::takes_json(exchange.headers()) {
            return Ok(not_acceptable());
        }
        let wanted = path.get(2..).unwrap_or_default().join("/");
        for attempt in 1.. {
            let view = server.registry.view(cluster(exchange)).await?;
            let groups = groups(&view);
            let parts = parts(&groups);
            let Some(part) = parts.iter().find(|part| part.path() == wanted) else { return Ok(paths::not_found()) };
            let etag = etag(server, part);
            if let Some(hash) = crate::request_info::value(exchange.query(), "hash")
                && hash != etag
            {
                return Ok(moved(exchange, &wanted, &etag));
            }
            let identity = part.identity();
            let document = if identity == Identity::NONE {
                shared(server, part)
            } else if let Some(document) = server.documents.find(identity, &format!("v3 {wanted}")) {
                document
            } else {
                let published = published(server, exchange, &part.custom(), publish_v3).await?;
                let document = Arc::new(Document::with_etag(part.document(&published), etag));
                // What was read may be newer than the view; only what surely belongs together is kept.
                if is_unchanged(server, exchange, &view).await? {
                    server.documents.keep(identity, format!("v3 {wanted}"), Arc::clone(&document));
                } else if attempt < ATTEMPTS {
                    continue;
                }
                document
            };
            let mut response = document.answer(exchange, JSON);
            if exchange.query().contains("hash=") {
                immutable(server, &mut response);
            }
            return Ok(response);
        }
        Err(Status::internal("the definitions change too often"))
    })
}

/// Answers `/openapi/v2`.
pub fn whole<'a>(server: &'a ApiServer, exchange: &'a Exchange, _path: Vec<String>) -> BoxFuture<'a, paths::Answer> {
    Box::pin(async move {
        let json = negotiate::takes_json(exchange.headers());
        if !json && !negotiate::takes_any(exchange.headers(), &v2_protobuf::ACCEPTED) {
            return Ok(not_acceptable());
        }
        for attempt in 1.. {
            let view = server.registry.view(cluster(exchange)).await?;
            let identity = Identity::of(view.custom.iter());
            if let Some(document) = server.documents.find(identity, "v2") {
                return answer_whole(server, exchange, identity, &document, json);
            }
            let custom: Vec<&Arc<Served>> = view.custom.iter().collect();
            let published = published(server, exchange, &custom, publish_v2).await?;
            let groups = groups(&view);
            let items: Vec<Item> = parts(&groups).iter().flat_map(Part::items).collect();
            let names: Vec<&str> = groups.iter().map(|group| group.name).collect();
            let document = Arc::new(Document::new(v2::document(&items, &names, published)));
            if is_unchanged(server, exchange, &view).await? {
                server.documents.keep(identity, "v2".into(), Arc::clone(&document));
            } else if attempt < ATTEMPTS {
                continue;
            }
            return answer_whole(server, exchange, identity, &document, json);
        }
        Err(Status::internal("the definitions change too often"))
    })
}

/// The 2.0 document in the form that was asked for; both have the tag of the JSON.
fn answer_whole(
    server: &ApiServer,
    exchange: &Exchange,
    identity: Identity,
    document: &Document,
    json: bool,
) -> paths::Answer {
    if json {
        return Ok(document.answer(exchange, JSON));
    }
    if let Some(kept) = server.documents.find(identity, PROTOBUF).filter(|kept| kept.etag == document.etag) {
        return Ok(kept.answer(exchange, v2_protobuf::CONTENT_TYPE));
    }
    let value: Value = serde_json::from_slice(&document.body).map_err(|error| Status::internal(error.to_string()))?;
    let encoded = Arc::new(Document::with_etag(v2_protobuf::encode(&value), document.etag.clone()));
    server.documents.keep(identity, PROTOBUF.into(), Arc::clone(&encoded));
    Ok(encoded.answer(exchange, v2_protobuf::CONTENT_TYPE))
}

/// The schemas of custom resources by definition name, as their definitions are written.
async fn published(
    server: &ApiServer,
    exchange: &Exchange,
    custom: &[&Arc<Served>],
    publish: fn(&Resource<'_>) -> Published,
) -> Result<BTreeMap<String, Value>, Status> {
    let mut published = BTreeMap::new();
    for served in custom {
        let Origin::Custom { definition, .. } = &served.origin else { continue };
        let key = Key::new(DEFINITIONS, cluster(exchange), "", &definition.name);
        let Some(item) = server.store.get(&key).await.map_err(|error| storage_error(&error))? else { continue };
        let header = Header { api_version: "apiextensions.k8s.io/v1", kind: "CustomResourceDefinition" };
        let object = codec::decode(&item, header).map_err(Status::internal)?;
        let versions = object["spec"]["versions"].as_array().map(Vec::as_slice).unwrap_or_default();
        let version = versions.iter().find(|version| version["name"] == *served.version);
        let resource = Resource {
            group: &served.group,
            version: &served.version,
            kind: &served.kind,
            list_kind: &served.list_kind,
            plural: &served.resource,
            schema: version.and_then(|version| version.pointer("/schema/openAPIV3Schema")),
            selectable_fields: version
                .and_then(|version| version["selectableFields"].as_array())
                .map(Vec::as_slice)
                .unwrap_or_default(),
        };
        let Published { name, mut schema, list_name, list } = publish(&resource);
        if let Some(native) = served.native {
            native::merge::annotate(&mut schema, native.definition);
        }
        published.insert(name, schema);
        published.insert(list_name, list);
    }
    Ok(published)
}

async fn is_unchanged(server: &ApiServer, exchange: &Exchange, view: &ClusterView) -> Result<bool, Status> {
    Ok(server.registry.view(cluster(exchange)).await?.generation == view.generation)
}

/// Whose definitions count; across all logical clusters there are none.
fn cluster(exchange: &Exchange) -> &str {
    match &exchange.cluster {
        Cluster::Named(name) => name.as_str(),
        Cluster::None | Cluster::Wildcard => "",
    }
}

/// The part of the request's path that names its logical cluster.
fn cluster_prefix(exchange: &Exchange) -> &str {
    let path = exchange.parts.uri.path();
    path.strip_suffix(exchange.path.as_str()).unwrap_or_default()
}

fn moved(exchange: &Exchange, part: &str, etag: &str) -> Response {
    let mut response = Response::new(crate::Body::empty());
    *response.status_mut() = StatusCode::MOVED_PERMANENTLY;
    let location = format!("{}/openapi/v3/{part}?hash={etag}", cluster_prefix(exchange));
    if let Ok(location) = HeaderValue::from_str(&location) {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}

fn immutable(server: &ApiServer, response: &mut Response) {
    let expires = server.clock.now().saturating_add(YEAR).unwrap_or(jiff::Timestamp::MAX);
    let expires = expires.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, immutable"));
    if let Ok(expires) = HeaderValue::from_str(&expires) {
        headers.insert(EXPIRES, expires);
    }
}

fn not_acceptable() -> Response {
    let mut response = respond::full(StatusCode::NOT_ACCEPTABLE, JSON, Vec::new());
    response.headers_mut().remove(http::header::CONTENT_TYPE);
    response
}

#[cfg(test)]
mod tests;
