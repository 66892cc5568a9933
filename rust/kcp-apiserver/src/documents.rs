//! Documents that are the same for everybody who sees the same resources: discovery and OpenAPI. Built when first
//! asked for, kept by content within a bound, answered with an entity tag.

use crate::exchange::{Exchange, Response};
use crate::registry::{Origin, Served};
use crate::respond;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, ETAG, HeaderValue, IF_NONE_MATCH, VARY};
use http::{HeaderMap, StatusCode};
use quick_cache::sync::Cache;
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};
use ring::digest;
use std::io::Write;
use std::sync::{Arc, OnceLock};

/// What all kept documents together may take, bytes.
const KEPT: u64 = 32 << 20;

/// Documents larger than this are compressed for clients that take gzip, bytes.
const COMPRESS_ABOVE: usize = 128 * 1024;

/// A document.
pub struct Document {
    /// Its JSON.
    pub body: Bytes,
    /// Upper-case hexadecimal SHA-512 of the JSON.
    pub etag: String,
    compressed: OnceLock<Bytes>,
}

impl Document {
    /// A document of some JSON.
    pub fn new(body: Vec<u8>) -> Self {
        let hash = digest::digest(&digest::SHA512, &body);
        let etag = hash.as_ref().iter().map(|byte| format!("{byte:02X}")).collect();
        Self::with_etag(body, etag)
    }

    /// A document that is named by more than its JSON.
    pub fn with_etag(body: Vec<u8>, etag: String) -> Self {
        Self { body: body.into(), etag, compressed: OnceLock::new() }
    }

    /// The entity tag as headers carry it.
    pub fn quoted_etag(&self) -> String {
        format!("\"{}\"", self.etag)
    }

    /// The document as an answer: with its entity tag, compressed when large, or 304 when the client has it.
    pub fn answer(&self, exchange: &Exchange, content_type: &'static str) -> Response {
        let headers = exchange.headers();
        let mut response = if self.is_known(headers) {
            let mut response = Response::new(crate::Body::empty());
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            response
        } else if self.body.len() > COMPRESS_ABOVE && takes_gzip(headers) {
            let mut response = respond::full(StatusCode::OK, content_type, self.compressed());
            response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            response
        } else {
            respond::full(StatusCode::OK, content_type, self.body.clone())
        };
        let headers = response.headers_mut();
        if let Ok(etag) = HeaderValue::from_str(&self.quoted_etag()) {
            headers.insert(ETAG, etag);
        }
        let vary = if self.body.len() > COMPRESS_ABOVE { "Accept, Accept-Encoding" } else { "Accept" };
        headers.insert(VARY, HeaderValue::from_static(vary));
        response
    }

    fn compressed(&self) -> Bytes {
        let compress = || {
            let mut encoder = GzEncoder::new(Vec::with_capacity(self.body.len() / 8), Compression::new(4));
            // Writing to a vector cannot fail.
            let _ = encoder.write_all(&self.body);
            encoder.finish().unwrap_or_default().into()
        };
        self.compressed.get_or_init(compress).clone()
    }

    fn is_known(&self, headers: &HeaderMap) -> bool {
        let tags = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
        tags.flat_map(|value| value.split(',')).any(|tag| {
            let tag = tag.trim();
            let tag = tag.strip_prefix("W/").unwrap_or(tag);
            tag == "*" || tag.trim_matches('"') == self.etag
        })
    }
}

fn takes_gzip(headers: &HeaderMap) -> bool {
    let values = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|part| part.split(';').next().unwrap_or_default().trim() == "gzip")
}

/// What a set of custom resources looks like from outside. Logical clusters with equal definitions share documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Identity([u8; 32]);

impl Identity {
    /// No custom resources.
    pub const NONE: Self = Self([0; 32]);

    /// The identity as bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The identity of some resources, built-in ones aside.
    pub fn of<'a>(served: impl Iterator<Item = &'a Arc<Served>>) -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        let mut text = |text: &str| {
            context.update(&(text.len() as u64).to_le_bytes());
            context.update(text.as_bytes());
        };
        let mut any = false;
        for served in served {
            let Origin::Custom { definition, version } = &served.origin else { continue };
            any = true;
            for name in [
                &served.api_version,
                &served.resource,
                &served.singular,
                &served.kind,
                &served.list_kind,
                &served.storage_api_version,
            ] {
                text(name);
            }
            text(if served.namespaced { "namespaced" } else { "cluster" });
            let subresources = served.subresources.iter().map(|sub| &sub.name);
            for list in [&served.verbs, &served.short_names, &served.categories] {
                text(&list.join(","));
            }
            text(&subresources.map(String::as_str).collect::<Vec<_>>().join(","));
            let schema = definition.versions.get(*version).map(|version| *version.schema.digest());
            text(&schema.map(|digest| format!("{digest:?}")).unwrap_or_default());
        }
        if !any {
            return Self::NONE;
        }
        let mut identity = [0; 32];
        identity.copy_from_slice(context.finish().as_ref());
        Self(identity)
    }
}

type Key = (Identity, String);

#[derive(Clone)]
struct ByLength;

impl Weighter<Key, Arc<Document>> for ByLength {
    fn weight(&self, key: &Key, document: &Arc<Document>) -> u64 {
        (document.body.len() + key.1.len() + 256) as u64
    }
}

/// The documents at hand.
pub struct Documents {
    kept: Cache<Key, Arc<Document>, ByLength>,
}

impl Default for Documents {
    fn default() -> Self {
        // One shard: a document may be as large as the whole bound.
        let options = OptionsBuilder::new().shards(1).estimated_items_capacity(64).weight_capacity(KEPT).build();
        let kept = match options {
            Ok(options) => Cache::with_options(options, ByLength, DefaultHashBuilder::default(), Default::default()),
            Err(_) => Cache::with_weighter(64, KEPT, ByLength),
        };
        Self { kept }
    }
}

impl Documents {
    /// The document `name` of those who see `identity`, if it is at hand.
    pub fn find(&self, identity: Identity, name: &str) -> Option<Arc<Document>> {
        self.kept.get(&(identity, name.to_owned()))
    }

    /// Keeps a document.
    pub fn keep(&self, identity: Identity, name: String, document: Arc<Document>) {
        self.kept.insert((identity, name), document);
    }

    /// The document `name` of those who see `identity`; `build` makes it when it is not at hand.
    pub fn get(&self, identity: Identity, name: impl Into<String>, build: impl FnOnce() -> Vec<u8>) -> Arc<Document> {
        let key = (identity, name.into());
        if let Some(document) = self.kept.get(&key) {
            return document;
        }
        let document = Arc::new(Document::new(build()));
        self.kept.insert(key, Arc::clone(&document));
        document
    }
}
