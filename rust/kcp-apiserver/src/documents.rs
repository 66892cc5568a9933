//! Documents that are the same for everybody who sees the same resources: discovery and OpenAPI. Built when first
//! asked for, kept by content within a bound, answered with an entity tag. What is larger than the bound is never whole
//! in memory: it is written from its pieces as the client takes it ([`streamed`]).

mod streamed;

use crate::body::Body;
use crate::exchange::{Exchange, Response};
use crate::openapi::Form;
use crate::openapi::fragment::Fragment;
use crate::registry::Identity;
use crate::respond;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, ETAG, HeaderValue, IF_NONE_MATCH, LAST_MODIFIED, VARY};
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use kcp_storage::off_worker;
use quick_cache::sync::Cache;
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};
use ring::digest;
use std::io::Write;
use std::sync::{Arc, OnceLock};
use streamed::Streamed;

/// What all kept documents together may take, bytes.
const KEPT: u64 = 32 << 20;

/// What all kept pieces of documents together may take, bytes.
const KEPT_FRAGMENTS: u64 = 16 << 20;

/// Documents larger than this are compressed quickly, and while other requests have the thread, bytes.
const LARGE: usize = 1 << 20;

/// Documents larger than this are compressed for clients that take gzip, bytes.
const COMPRESS_ABOVE: usize = 128 * 1024;

/// A document.
pub struct Document {
    /// Its JSON.
    pub body: Bytes,
    /// Upper-case hexadecimal SHA-512 of the JSON.
    pub etag: String,
    modified: Option<Timestamp>,
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
        Self { body: body.into(), etag, modified: None, compressed: OnceLock::new() }
    }

    /// The document, saying that it was made at that time.
    pub fn made(mut self, now: Timestamp) -> Self {
        self.modified = Some(now);
        self
    }

    /// The answer of a document in pieces that is too large to be kept; `None` where it is not. It takes the pieces with it
    /// and lets each go when it is written.
    pub fn streamed(
        exchange: &Exchange,
        content_type: &'static str,
        pieces: &mut Vec<Bytes>,
        etag: &str,
        now: Timestamp,
    ) -> Option<Response> {
        let length: usize = pieces.iter().map(Bytes::len).sum();
        if (length as u64) <= KEPT {
            return None;
        }
        let gzip = takes_gzip(exchange.headers());
        let body = Body::stream(Streamed::new(std::mem::take(pieces), gzip));
        let mut response = respond::with_body(StatusCode::OK, content_type, body);
        if gzip {
            response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        describe(&mut response, etag, Some(now), true);
        Some(response)
    }

    /// The document as an answer: with its entity tag, compressed when large, or 304 when the client has it.
    pub fn answer(&self, exchange: &Exchange, content_type: &'static str) -> Response {
        if let Some(answer) = unmodified(exchange, &self.etag) {
            return answer;
        }
        let headers = exchange.headers();
        let mut response = if self.body.len() > COMPRESS_ABOVE && takes_gzip(headers) {
            let mut response = respond::full(StatusCode::OK, content_type, self.compressed());
            response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            response
        } else {
            respond::full(StatusCode::OK, content_type, self.body.clone())
        };
        describe(&mut response, &self.etag, self.modified, self.body.len() > COMPRESS_ABOVE);
        response
    }

    fn compressed(&self) -> Bytes {
        let compress = || {
            // What is large is made anew with every change of many definitions: quickly before tightly.
            let large = self.body.len() > LARGE;
            let level = Compression::new(if large { 1 } else { 4 });
            let mut encoder = GzEncoder::new(Vec::with_capacity(self.body.len() / 8), level);
            let write = || {
                // Writing to a vector cannot fail.
                let _ = encoder.write_all(&self.body);
                encoder.finish().unwrap_or_default().into()
            };
            if large { off_worker(write) } else { write() }
        };
        self.compressed.get_or_init(compress).clone()
    }
}

fn describe(response: &mut Response, etag: &str, modified: Option<Timestamp>, encodes: bool) {
    tagged(response, etag);
    if let Some(Ok(modified)) = modified.map(|modified| HeaderValue::from_str(&http_date(modified))) {
        response.headers_mut().insert(LAST_MODIFIED, modified);
    }
    if encodes {
        response.headers_mut().insert(VARY, HeaderValue::from_static("Accept, Accept-Encoding"));
    }
}

/// A time as headers write it (RFC 9110, 5.6.7).
pub fn http_date(time: Timestamp) -> String {
    time.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// 304, when the client has the document of that tag already.
pub fn unmodified(exchange: &Exchange, etag: &str) -> Option<Response> {
    if !is_known(exchange.headers(), etag) {
        return None;
    }
    let mut response = Response::new(crate::Body::empty());
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    tagged(&mut response, etag);
    Some(response)
}

fn tagged(response: &mut Response, etag: &str) {
    let headers = response.headers_mut();
    if let Ok(etag) = HeaderValue::from_str(&format!("\"{etag}\"")) {
        headers.insert(ETAG, etag);
    }
    headers.insert(VARY, HeaderValue::from_static("Accept"));
}

fn is_known(headers: &HeaderMap, etag: &str) -> bool {
    let tags = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    tags.flat_map(|value| value.split(',')).any(|tag| {
        let tag = tag.trim();
        let tag = tag.strip_prefix("W/").unwrap_or(tag);
        tag == "*" || tag.trim_matches('"') == etag
    })
}

fn takes_gzip(headers: &HeaderMap) -> bool {
    let values = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|part| part.split(';').next().unwrap_or_default().trim() == "gzip")
}

type Key = (Identity, String);

#[derive(Clone)]
struct ByLength;

impl Weighter<Key, Arc<Document>> for ByLength {
    fn weight(&self, key: &Key, document: &Arc<Document>) -> u64 {
        (document.body.len() + key.1.len() + 256) as u64
    }
}

impl Weighter<(Identity, Form), Arc<Fragment>> for ByLength {
    fn weight(&self, _: &(Identity, Form), fragment: &Arc<Fragment>) -> u64 {
        fragment.weight()
    }
}

/// The documents at hand, and the pieces that others are joined from.
pub struct Documents {
    kept: Cache<Key, Arc<Document>, ByLength>,
    fragments: Cache<(Identity, Form), Arc<Fragment>, ByLength>,
}

impl Default for Documents {
    fn default() -> Self {
        // One shard: a document may be as large as the whole bound.
        let options = OptionsBuilder::new().shards(1).estimated_items_capacity(64).weight_capacity(KEPT).build();
        let kept = match options {
            Ok(options) => Cache::with_options(options, ByLength, DefaultHashBuilder::default(), Default::default()),
            Err(_) => Cache::with_weighter(64, KEPT, ByLength),
        };
        let fragments = Cache::with_weighter(1_024, KEPT_FRAGMENTS, ByLength);
        Self { kept, fragments }
    }
}

impl Documents {
    /// The document `name` of those who see `identity`, if it is at hand.
    pub fn find(&self, identity: Identity, name: &str) -> Option<Arc<Document>> {
        self.kept.get(&(identity, name.to_owned()))
    }

    /// The piece that a resource of `identity` brings into documents of a form, if it is at hand.
    pub fn fragment(&self, identity: Identity, form: Form) -> Option<Arc<Fragment>> {
        self.fragments.get(&(identity, form))
    }

    /// Keeps a piece.
    pub fn keep_fragment(&self, identity: Identity, form: Form, fragment: Arc<Fragment>) {
        self.fragments.insert((identity, form), fragment);
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
