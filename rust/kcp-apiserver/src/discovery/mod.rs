//! Discovery documents: plain and aggregated.

mod aggregated;
pub mod groups;
mod legacy;

use crate::documents::Document;
use crate::exchange::{Exchange, Response};
use crate::negotiate::{self, Media, Negotiated, Offer, Shape};
use crate::paths;
use crate::protobuf;
use crate::registry::ClusterView;
use crate::respond;
use crate::server::ApiServer;
use groups::{Group, groups};
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use kcp_apimachinery::status::Status;
use serde_json::Value;

const PARAMETERS: &str = ";g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
const AGGREGATED_JSON: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/// Answers `/api` and `/apis`.
pub fn root(server: &ApiServer, exchange: &Exchange, view: &ClusterView, parts: &[String]) -> Result<Response, Status> {
    let negotiated = negotiate::accept(exchange.headers(), exchange.query(), Offer::document(true))?;
    let core = parts.first().is_some_and(|part| part == "api");
    let name = if core { "api" } else { "apis" };
    let identity = view.identity();
    if negotiated.shape == Shape::AggregatedDiscovery {
        let document = server.documents.get(identity, format!("aggregated {name}"), || {
            let all = groups(view);
            let wanted = all.iter().filter(|group| group.name.is_empty() == core);
            aggregated::document(wanted)
        });
        return aggregated(exchange, negotiated, &document);
    }
    let all = groups(view);
    let document = if core {
        legacy::api_versions(all.iter().find(|group| group.name.is_empty()), &server.external_address)
    } else {
        legacy::group_list(all.iter())
    };
    render(negotiated, &document)
}

/// Answers `/apis/GROUP`.
pub fn group(
    _server: &ApiServer,
    exchange: &Exchange,
    view: &ClusterView,
    parts: &[String],
) -> Result<Response, Status> {
    let negotiated = negotiate::accept(exchange.headers(), exchange.query(), Offer::document(false))?;
    let name = parts.get(1).map_or("", String::as_str);
    match groups::group(view, name).filter(|_| !name.is_empty()) {
        Some(group) => render(negotiated, &legacy::group(&group)),
        None => Ok(paths::not_found()),
    }
}

/// Answers `/api/VERSION` and `/apis/GROUP/VERSION`.
pub fn version(
    server: &ApiServer,
    exchange: &Exchange,
    view: &ClusterView,
    parts: &[String],
) -> Result<Response, Status> {
    let negotiated = negotiate::accept(exchange.headers(), exchange.query(), Offer::document(false))?;
    let (group, version) = match parts {
        [_, version] => ("", version),
        [_, group, version, ..] if !group.is_empty() => (group.as_str(), version),
        _ => return Ok(paths::not_found()),
    };
    let Some(group) = groups::group(view, group) else { return Ok(paths::not_found()) };
    match group.versions.iter().find(|known| known.name == version) {
        Some(version) => render(negotiated, &legacy::resource_list(&group, version)),
        None => paths::no_resource(server, group.name),
    }
}

/// The paths of all groups and versions, for the index of paths.
pub fn paths(view: &ClusterView) -> Vec<String> {
    let mut paths = Vec::new();
    for group in groups(view) {
        let prefix = prefix(&group);
        paths.extend(group.versions.iter().map(|version| format!("{prefix}/{}", version.name)));
        paths.push(prefix);
    }
    paths
}

/// `/api` or `/apis/GROUP`.
fn prefix(group: &Group<'_>) -> String {
    if group.name.is_empty() { "/api".into() } else { format!("/apis/{}", group.name) }
}

fn render(negotiated: Negotiated, document: &Value) -> Result<Response, Status> {
    let body = encode(negotiated, document)?;
    Ok(respond::full(StatusCode::OK, negotiated.media.content_type(), body))
}

fn encode(negotiated: Negotiated, document: &Value) -> Result<Vec<u8>, Status> {
    match negotiated.media {
        Media::Yaml => serde_saphyr::to_string(document).map(String::into_bytes).map_err(Status::internal),
        Media::Protobuf => protobuf::encode(document).map_err(Status::internal),
        Media::Json if negotiated.pretty => serde_json::to_vec_pretty(document).map_err(Status::internal),
        Media::Json => {
            let mut body = document.to_string().into_bytes();
            body.push(b'\n');
            Ok(body)
        }
    }
}

/// The tag is that of the JSON whatever the encoding, so a client that changes its mind does not load again.
fn aggregated(exchange: &Exchange, negotiated: Negotiated, document: &Document) -> Result<Response, Status> {
    let mut response = document.answer(exchange, AGGREGATED_JSON);
    let other = negotiated.media != Media::Json || negotiated.pretty;
    if other && response.status() == StatusCode::OK {
        let value: Value = serde_json::from_slice(&document.body).map_err(Status::internal)?;
        *response.body_mut() = crate::Body::full(encode(negotiated, &value)?);
        response.headers_mut().remove(http::header::CONTENT_ENCODING);
        let content_type = format!("{}{PARAMETERS}", negotiated.media.content_type());
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_str(&content_type).map_err(Status::internal)?);
    }
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("public"));
    Ok(response)
}

#[cfg(test)]
mod tests;
