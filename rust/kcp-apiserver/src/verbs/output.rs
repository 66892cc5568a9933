//! Answers with objects: plain, as a table, or metadata only; JSON or YAML; compressed when large.

use crate::codec;
use crate::exchange::{Exchange, Response};
use crate::negotiate::{self, Endpoint, Media, MetaVersion, Negotiated, Offer, Shape};
use crate::protobuf;
use crate::registry::{Column, Served};
use crate::request_info;
use crate::respond;
use crate::server::ApiServer;
use crate::verbs::target::Target;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::StatusCode;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, HeaderValue, VARY};
use kcp_apimachinery::json;
use kcp_apimachinery::status::Status;
use kcp_storage::{Item, off_worker};
use serde_json::{Value, json};
use std::io::Write;

/// Bodies larger than this are compressed for clients that take gzip, bytes.
const COMPRESS_ABOVE: usize = 128 * 1024;

/// Bodies larger than this are compressed while other requests have the thread, bytes.
const LARGE: usize = 1 << 20;

/// What accompanies the rows of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IncludeObject {
    /// The object's metadata.
    Metadata,
    /// The whole object.
    Object,
    /// Nothing.
    None,
}

impl IncludeObject {
    /// Reads the `includeObject` parameter.
    pub fn parse(query: &str) -> Result<Self, Status> {
        match request_info::value(query, "includeObject").as_deref() {
            None | Some("" | "Metadata") => Ok(Self::Metadata),
            Some("Object") => Ok(Self::Object),
            Some("None") => Ok(Self::None),
            Some(other) => Err(Status::bad_request(format!(
                "Unable to convert to Table as requested: includeObject: Invalid value: {other:?}: must be 'Metadata', \
                 'Object', 'None', or empty"
            ))),
        }
    }
}

/// The form in which a request for one object of `target` is answered.
pub fn negotiate(exchange: &Exchange, target: &Target) -> Result<Negotiated, Status> {
    let offer = Offer {
        transforms: target.served.allows(&exchange.info.subresource, "get"),
        ..Offer::resource(Endpoint::Object, &target.served)
    };
    negotiate::accept(exchange.headers(), exchange.query(), offer)
}

/// A stored object as a value of the version it is served at, pruned and defaulted by today's schema.
pub fn object(served: &Served, item: &Item) -> Result<Value, Status> {
    let mut object = codec::decode(item, served.header()).map_err(Status::internal)?;
    if needs_work(served, item) {
        served.strategy.read(&mut object, &item.value);
    }
    Ok(object)
}

/// The same without its entries of managed fields, which are [`codec::managed`]'s.
pub fn lean(served: &Served, item: &Item) -> Result<Value, Status> {
    let mut object = codec::decode_lean(item, served.header()).map_err(Status::internal)?;
    if needs_work(served, item) {
        served.strategy.read(&mut object, &item.value);
    }
    Ok(object)
}

/// Whether a stored object cannot be sent as it is stored.
fn needs_work(served: &Served, item: &Item) -> bool {
    let strategy = &served.strategy;
    strategy.converts()
        || codec::fingerprint(&item.value) != strategy.fingerprint()
        || strategy.overrides(&item.key, &item.value)
}

/// Appends the JSON of a stored object, with its type header unless it is an item of a built-in list.
pub fn append(out: &mut Vec<u8>, served: &Served, item: &Item, with_header: bool) -> Result<(), Status> {
    if needs_work(served, item) {
        let mut object = object(served, item)?;
        if let (false, Some(map)) = (with_header, object.as_object_mut()) {
            map.remove("kind");
            map.remove("apiVersion");
        }
        json::write(out, &object);
        return Ok(());
    }
    let header = with_header.then(|| served.header());
    codec::write(out, header, item.key.cluster(), item.revision, &item.value);
    Ok(())
}

/// One object as an answer.
pub fn one(
    server: &ApiServer,
    exchange: &Exchange,
    negotiated: &Negotiated,
    served: &Served,
    item: &Item,
    code: StatusCode,
) -> Result<Response, Status> {
    if negotiated.is_plain_json() {
        let mut out = Vec::new();
        append(&mut out, served, item, true)?;
        out.push(b'\n');
        return Ok(bytes(exchange, code, "application/json", out));
    }
    value(server, exchange, negotiated, served, object(served, item)?, code)
}

/// One object that is at hand as a value (dry runs, scales, reviews) as an answer.
pub fn value(
    server: &ApiServer,
    exchange: &Exchange,
    negotiated: &Negotiated,
    served: &Served,
    object: Value,
    code: StatusCode,
) -> Result<Response, Status> {
    let shaped = match negotiated.shape {
        Shape::Plain | Shape::AggregatedDiscovery => object,
        Shape::PartialObject(version) => partial(&object, version),
        Shape::PartialList(_) => {
            return Err(negotiate::wrong_shape("PartialObjectMetadataList", false, served));
        }
        Shape::Table(version) => {
            let include = IncludeObject::parse(exchange.query())?;
            // What a dry run made has no revision.
            let revision = object["metadata"].get("resourceVersion").cloned();
            let metadata = revision.map_or_else(|| json!({}), |revision| json!({"resourceVersion": revision}));
            let row = row(served, object, include, version, server.clock.now());
            table(version, Some(&served.columns), vec![row], metadata)
        }
    };
    encode(exchange, negotiated, code, &shaped)
}

/// A value in the negotiated media type.
pub fn encode(
    exchange: &Exchange,
    negotiated: &Negotiated,
    code: StatusCode,
    value: &Value,
) -> Result<Response, Status> {
    match negotiated.media {
        Media::Yaml => {
            let text = serde_saphyr::to_string(&settled(value)).map_err(Status::internal)?;
            Ok(bytes(exchange, code, "application/yaml", text.into_bytes()))
        }
        Media::Protobuf => {
            let body = protobuf::encode(value).map_err(Status::internal)?;
            Ok(bytes(exchange, code, protobuf::MEDIA_TYPE, body))
        }
        Media::Json => {
            let mut out = match negotiated.pretty {
                true => serde_json::to_vec_pretty(&settled(value)).map_err(Status::internal)?,
                false => json::to_vec(value),
            };
            out.push(b'\n');
            Ok(bytes(exchange, code, "application/json", out))
        }
    }
}

/// A value with its numbers as they are written down.
fn settled(value: &Value) -> Value {
    let mut value = value.clone();
    json::settle(&mut value);
    value
}

/// Whether the client takes gzip.
pub fn takes_gzip(exchange: &Exchange) -> bool {
    let accepted = exchange.headers().get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    accepted.flat_map(|value| value.split(',')).any(|part| part.split(';').next().unwrap_or_default().trim() == "gzip")
}

/// Bytes as an answer, compressed when they are many and the client takes gzip.
pub fn bytes(exchange: &Exchange, code: StatusCode, content_type: &'static str, body: Vec<u8>) -> Response {
    if body.len() <= COMPRESS_ABOVE || !takes_gzip(exchange) {
        return respond::full(code, content_type, body);
    }
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::new(1));
    let compress = || encoder.write_all(&body).and_then(|()| encoder.finish());
    let compressed = if body.len() > LARGE { off_worker(compress) } else { compress() };
    compressed.map_or_else(|_| respond::full(code, content_type, body), |packed| gzipped(code, content_type, packed))
}

/// Bytes that are compressed already as an answer.
pub fn gzipped(code: StatusCode, content_type: &'static str, packed: Vec<u8>) -> Response {
    let mut response = respond::full(code, content_type, packed);
    response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    response.headers_mut().insert(VARY, HeaderValue::from_static("Accept-Encoding"));
    response
}

/// The metadata of an object, as `PartialObjectMetadata`.
pub fn partial(object: &Value, version: MetaVersion) -> Value {
    json!({"kind": "PartialObjectMetadata", "apiVersion": version.api_version(), "metadata": object["metadata"]})
}

/// A table row. The object is consumed: it moves into the row where it is wanted whole.
pub fn row(
    served: &Served,
    object: Value,
    include: IncludeObject,
    version: MetaVersion,
    now: jiff::Timestamp,
) -> Value {
    let cells = served.strategy.cells(&object, now);
    let conditions = served.strategy.row_conditions(&object);
    let accompanying = match include {
        IncludeObject::Metadata => partial(&object, version),
        IncludeObject::Object => object,
        IncludeObject::None => Value::Null,
    };
    let mut row = json!({"cells": cells, "object": accompanying});
    if let Some(conditions) = conditions {
        row["conditions"] = conditions;
    }
    row
}

/// A table. Watches leave the columns out of all but the first event.
pub fn table(version: MetaVersion, columns: Option<&[Column]>, rows: Vec<Value>, metadata: Value) -> Value {
    let describe = |column: &Column| {
        json!({"name": column.name, "type": column.kind, "format": column.format,
            "description": column.description(), "priority": column.priority})
    };
    // Null where they are left out, as Go writes a list that was never made.
    let columns = columns.map(|columns| columns.iter().map(describe).collect::<Vec<Value>>());
    json!({"kind": "Table", "apiVersion": version.api_version(), "metadata": metadata, "columnDefinitions": columns,
        "rows": rows})
}
