//! `/openapi/v2` and `/openapi/v3`, assembled from fragments per kind.
//!
//! Documents of built-in resources are the same for every logical cluster. Those with custom resources are kept under
//! what the resources look like, so that equal definitions in many logical clusters make one document.

pub mod built_in;
pub mod fragment;
mod message;
mod operations;
mod parameters;
mod v2;
mod v2_protobuf;
mod v3;
mod v3_protobuf;

use crate::discovery::groups::{self, Group, Version};
use crate::documents::{Document, http_date, unmodified};
use crate::exchange::{Cluster, Exchange, Response};
use crate::native;
use crate::negotiate;
use crate::paths;
use crate::registry::{ClusterView, DEFINITIONS, Identity, Member, Origin, Served};
use crate::respond;
use crate::server::ApiServer;
use crate::verbs::storage_error;
use fragment::Fragment;
use http::StatusCode;
use http::header::{CACHE_CONTROL, EXPIRES, HeaderValue, LOCATION, VARY};
use jiff::SignedDuration;
use kcp_apimachinery::status::Status;
use kcp_schema::openapi::{Published, Resource, publish_v2, publish_v3};
use kcp_storage::{BoxFuture, Key, off_worker};
use operations::Item;
use ring::digest;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

const JSON: &str = "application/json";
/// How long a document under its own hash stays as it is.
const YEAR: SignedDuration = SignedDuration::from_hours(365 * 24);

/// How often a document is begun anew when definitions change meanwhile.
const ATTEMPTS: usize = 10;

/// Pieces whose joining lets other requests have the thread.
const MANY: usize = 50;

/// The three forms in which pieces are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Form {
    /// OpenAPI 3.0 as JSON.
    V3,
    /// OpenAPI 2.0 as JSON.
    V2,
    /// OpenAPI 2.0 as protobuf.
    V2Protobuf,
}

impl Form {
    fn name(self) -> &'static str {
        match self {
            Self::V3 => "v3",
            Self::V2 => "v2",
            Self::V2Protobuf => "v2.pb",
        }
    }

    /// The piece of some paths with the schemas that are not built in.
    fn fragment(self, items: &[Item], schemas: BTreeMap<String, Value>) -> Fragment {
        match self {
            Self::V3 => v3::fragment(items, &schemas),
            Self::V2 => v2::Parts::new(items, schemas).to_json(),
            Self::V2Protobuf => v2_protobuf::fragment(&v2::Parts::new(items, schemas)),
        }
    }
}

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

    fn custom(&self) -> impl Iterator<Item = &Arc<Served>> {
        let version = match self {
            Self::Version(_, version) => Some(version),
            Self::Root { .. } | Self::Group(_) | Self::Info => None,
        };
        version.into_iter().flat_map(|version| &version.resources).copied().filter(|served| served.is_custom())
    }

    fn identity(&self) -> Identity {
        match self {
            Self::Version(_, version) => version.custom,
            Self::Root { .. } | Self::Group(_) | Self::Info => Identity::NONE,
        }
    }

    /// The paths that are not those of custom resources.
    fn built_in(&self) -> Vec<Item> {
        match self {
            Self::Root { core } => vec![operations::root(*core)],
            Self::Group(group) => vec![operations::group(group)],
            Self::Version(group, version) => operations::built_in(group, version),
            Self::Info => vec![operations::version_info()],
        }
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

/// The v3 document at a path, whose group is `group` where it has one.
fn find<'v>(group: Option<&'v Group<'v>>, path: &[String]) -> Option<Part<'v>> {
    let version = |wanted: &str| {
        let group = group?;
        Some(Part::Version(group, group.versions.iter().find(|version| version.name == wanted)?))
    };
    match path.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["api"] => Some(Part::Root { core: true }),
        ["apis"] => Some(Part::Root { core: false }),
        ["version"] => Some(Part::Info),
        ["api", wanted] => version(wanted),
        ["apis", name] if !name.is_empty() => group.map(Part::Group),
        ["apis", name, wanted] if !name.is_empty() => version(wanted),
        _ => None,
    }
}

/// The document of a part without custom resources.
fn shared(server: &ApiServer, part: &Part<'_>) -> Arc<Document> {
    server.documents.get(Identity::NONE, format!("v3 {}", part.path()), || {
        v3::document(&[Arc::new(v3::fragment(&part.built_in(), &BTreeMap::new()))], part.group())
    })
}

/// The entity tag of a part. Where there are custom resources it follows from what they look like, so that the index
/// of many large definitions costs no more than that of few; the core group's tag in it stands for how documents are
/// written.
fn etag(server: &ApiServer, part: &Part<'_>) -> String {
    let identity = part.identity();
    if identity == Identity::NONE {
        return shared(server, part).etag.clone();
    }
    tag(server, identity)
}

/// The entity tag of what follows from custom resources of an identity.
fn tag(server: &ApiServer, identity: Identity) -> String {
    let core = shared(server, &Part::Root { core: true });
    let mut context = digest::Context::new(&digest::SHA512);
    context.update(identity.as_bytes());
    context.update(core.etag.as_bytes());
    context.update(crate::version::git_version().as_bytes());
    context.finish().as_ref().iter().map(|byte| format!("{byte:02X}")).collect()
}

/// Answers `/openapi/v3`: where the documents are.
pub fn index(server: &ApiServer, exchange: &Exchange, view: &ClusterView, _parts: &[String]) -> paths::Answer {
    // There is one form of the index, whatever is asked for.
    let prefix = cluster_prefix(exchange);
    let document = server.documents.get(view.identity(), format!("v3 index {prefix}"), || {
        let groups = groups::groups(view);
        let entry = |part: &Part<'_>| {
            let path = part.path();
            let url = format!("{prefix}/openapi/v3/{path}?hash={}", etag(server, part));
            (path, json!({"serverRelativeURL": url}))
        };
        let paths: Map<String, Value> = parts(&groups).iter().map(entry).collect();
        json!({"paths": paths}).to_string().into_bytes()
    });
    Ok(document.answer(exchange, JSON))
}

/// Answers `/openapi/v3/…`: one document.
pub fn part<'a>(server: &'a ApiServer, exchange: &'a Exchange, path: Vec<String>) -> BoxFuture<'a, paths::Answer> {
    Box::pin(async move {
        let json = negotiate::takes_json(exchange.headers());
        let wanted = path.get(2..).unwrap_or_default();
        let name = wanted.join("/");
        for _ in 0..ATTEMPTS {
            let view = server.registry.view(cluster(exchange)).await?;
            let group = match wanted.first().map(String::as_str) {
                Some("api") => groups::group(&view, ""),
                _ => wanted.get(1).and_then(|name| groups::group(&view, name)),
            };
            let Some(part) = find(group.as_ref(), wanted) else { return Ok(bare(StatusCode::NOT_FOUND)) };
            if !json && !negotiate::takes_any(exchange.headers(), &v3_protobuf::ACCEPTED) {
                let mut response = bare(StatusCode::NOT_ACCEPTABLE);
                response.headers_mut().insert(VARY, HeaderValue::from_static("Accept"));
                return Ok(response);
            }
            let etag = etag(server, &part);
            if let Some(hash) = crate::request_info::value(exchange.query(), "hash")
                && hash != etag
            {
                return Ok(moved(exchange, &name, &etag));
            }
            let identity = part.identity();
            let document = if identity == Identity::NONE {
                shared(server, &part)
            } else if let Some(document) = server.documents.find(identity, &format!("v3 {name}")) {
                document
            } else {
                let Some(mut pieces) = pieces(server, exchange, part.custom(), Form::V3).await? else { continue };
                pieces.push(Arc::new(v3::fragment(&part.built_in(), &BTreeMap::new())));
                let document = joined(pieces.len(), || v3::document(&pieces, part.group()));
                let document = Arc::new(Document::with_etag(document, etag));
                server.documents.keep(identity, format!("v3 {name}"), Arc::clone(&document));
                document
            };
            let mut response = if json {
                document.answer(exchange, JSON)
            } else {
                // Hardly anybody asks for this form, so it is not kept. Its tag is that of the JSON.
                let value: Value = serde_json::from_slice(&document.body).map_err(Status::internal)?;
                let encoded = Document::with_etag(v3_protobuf::encode(&value), document.etag.clone());
                encoded.answer(exchange, v3_protobuf::CONTENT_TYPE)
            };
            if exchange.query().contains("hash=") {
                immutable(server, &mut response);
            }
            return Ok(response);
        }
        Err(changing())
    })
}

/// Answers `/openapi/v2`.
pub fn whole<'a>(server: &'a ApiServer, exchange: &'a Exchange, _path: Vec<String>) -> BoxFuture<'a, paths::Answer> {
    Box::pin(async move {
        let (form, content_type) = if negotiate::takes_json(exchange.headers()) {
            (Form::V2, JSON)
        } else if negotiate::takes_any(exchange.headers(), &v2_protobuf::ACCEPTED) {
            (Form::V2Protobuf, v2_protobuf::CONTENT_TYPE)
        } else {
            return Ok(bare(StatusCode::NOT_ACCEPTABLE));
        };
        for _ in 0..ATTEMPTS {
            let view = server.registry.view(cluster(exchange)).await?;
            let identity = view.identity();
            if let Some(document) = server.documents.find(identity, form.name()) {
                return Ok(document.answer(exchange, content_type));
            }
            // The tag is the same in both forms: that of the JSON, or where there are custom resources, of what they
            // look like. Who has the document is told so before it is made.
            let etag = match identity {
                Identity::NONE if form == Form::V2 => None,
                Identity::NONE => Some(built_in_json(server, &view).etag.clone()),
                _ => Some(tag(server, identity)),
            };
            if let Some(answer) = etag.as_ref().and_then(|etag| unmodified(exchange, etag)) {
                return Ok(answer);
            }
            let custom = view.all().filter(|served| served.is_custom());
            let Some(mut pieces) = pieces(server, exchange, custom, form).await? else { continue };
            let groups = groups::groups(&view);
            let items: Vec<Item> = parts(&groups).iter().flat_map(Part::built_in).collect();
            let names: Vec<&str> = groups.iter().map(|group| group.name).collect();
            pieces.push(Arc::new(form.fragment(&items, v2::definitions(&names))));
            let count = pieces.len();
            let mut parts = joined(count, || match form {
                Form::V2Protobuf => v2_protobuf::document(&pieces),
                Form::V2 | Form::V3 => v2::document(&pieces),
            });
            if let Some(etag) = &etag {
                // What the fragments hold goes with the answer, part by part.
                drop(pieces);
                let now = server.clock.now();
                if let Some(answer) = Document::streamed(exchange, content_type, &mut parts, etag, now) {
                    return Ok(answer);
                }
            }
            let document = joined(count, || parts.concat());
            let document = match etag {
                Some(etag) => Document::with_etag(document, etag),
                None => Document::new(document),
            };
            let document = Arc::new(document.made(server.clock.now()));
            server.documents.keep(identity, form.name().into(), Arc::clone(&document));
            return Ok(document.answer(exchange, content_type));
        }
        Err(changing())
    })
}

/// The 2.0 document of the built-in resources as JSON, whose tag the other form carries as well.
fn built_in_json(server: &ApiServer, view: &ClusterView) -> Arc<Document> {
    if let Some(document) = server.documents.find(Identity::NONE, Form::V2.name()) {
        return document;
    }
    let groups = groups::groups(view);
    let items: Vec<Item> = parts(&groups).iter().flat_map(Part::built_in).collect();
    let names: Vec<&str> = groups.iter().map(|group| group.name).collect();
    let document = v2::document(&[Arc::new(Form::V2.fragment(&items, v2::definitions(&names)))]).concat();
    let document = Arc::new(Document::new(document).made(server.clock.now()));
    server.documents.keep(Identity::NONE, Form::V2.name().into(), Arc::clone(&document));
    document
}

/// What is made of so many fragments.
fn joined<T>(fragments: usize, join: impl FnOnce() -> T) -> T {
    if fragments > MANY { off_worker(join) } else { join() }
}

fn changing() -> Status {
    Status::service_unavailable("the definitions change too often")
}

/// The pieces of some custom resources; `None` when a definition is no longer what was derived from it.
async fn pieces(
    server: &ApiServer,
    exchange: &Exchange,
    custom: impl Iterator<Item = &Arc<Served>>,
    form: Form,
) -> Result<Option<Vec<Arc<Fragment>>>, Status> {
    let mut pieces = Vec::new();
    for served in custom {
        let known = server.documents.fragment(served.identity, form);
        let piece = match known {
            Some(piece) => piece,
            None => {
                let Some(schemas) = published(server, exchange, served, form).await? else { return Ok(None) };
                let piece = Arc::new(form.fragment(&operations::of_resource(served), schemas));
                server.documents.keep_fragment(served.identity, form, Arc::clone(&piece));
                piece
            }
        };
        pieces.push(piece);
    }
    Ok(Some(pieces))
}

/// The schemas of a custom resource by definition name, as its definition is written: compiled ones know no
/// descriptions. `None` when the definition has changed since it was compiled.
async fn published(
    server: &ApiServer,
    exchange: &Exchange,
    served: &Served,
    form: Form,
) -> Result<Option<BTreeMap<String, Value>>, Status> {
    let Origin::Custom { definition, .. } = &served.origin else { return Ok(None) };
    let shipped = || server.registry.plain().built_ins().definitions.iter();
    let object = if served.system {
        shipped().find(|object| object["metadata"]["name"] == *definition.name).cloned()
    } else {
        let key = Key::new(DEFINITIONS, cluster(exchange), "", &definition.name);
        let found = server.store.get(&key).await.map_err(|error| storage_error(&error))?;
        found.map(|item| Member::decode(&item)).transpose().map_err(Status::internal)?
    };
    let Some(object) = object else { return Ok(None) };
    if served.identity != Member::identify(&object).of_version(&served.version) {
        return Ok(None);
    }
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
    let publish = if form == Form::V3 { publish_v3 } else { publish_v2 };
    let Published { name, mut schema, list_name, list } = publish(&resource);
    if let Some(native) = served.native {
        native::merge::annotate(&mut schema, native.definition);
    }
    Ok(Some(BTreeMap::from([(name, schema), (list_name, list)])))
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
    let expires = http_date(server.clock.now().saturating_add(YEAR).unwrap_or(jiff::Timestamp::MAX));
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, immutable"));
    if let Ok(expires) = HeaderValue::from_str(&expires) {
        headers.insert(EXPIRES, expires);
    }
}

/// A refusal of a document, which has no body.
fn bare(code: StatusCode) -> Response {
    let mut response = respond::full(code, JSON, Vec::new());
    response.headers_mut().remove(http::header::CONTENT_TYPE);
    response
}

#[cfg(test)]
mod tests;
