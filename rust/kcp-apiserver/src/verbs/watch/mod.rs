//! watch: the changes of a collection as they happen, one JSON document a line.
//!
//! A watch is a response body that the listener polls: it takes shared events from the hub, picks what the selectors
//! let through and hands on their encodings, which all watchers of one version share. It holds no task of its own.

mod gzip;
mod render;
mod stream;

use crate::authz::OFFLINE;
use crate::body::Body;
use crate::chain::{Next, StepResult};
use crate::exchange::Exchange;
use crate::negotiate::{self, Endpoint, Media, Offer};
use crate::registry::{DEFINITIONS, Origin, Served};
use crate::respond;
use crate::server::ApiServer;
use crate::tenancy::view::{Following, Viewer};
use crate::verbs::indexed::{self, Page};
use crate::verbs::initial::Initial;
use crate::verbs::options::ListOptions;
use crate::verbs::output::{self, IncludeObject};
use crate::verbs::select::Selection;
use crate::verbs::target::Target;
use crate::verbs::{list, storage_error};
use crate::websocket;
use gzip::Compressed;
use http::StatusCode;
use http::header::{CONTENT_ENCODING, HeaderValue, VARY};
use kcp_apimachinery::status::Status;
use kcp_storage::{Key, KeyRange, Revision, WatchQuery};
use render::{Elsewhere, Render};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use stream::{Later, Live, Stream, interrupted};
use tokio::time::Instant;

/// Events held for a slow reader before it is closed.
const BUFFER: usize = 1_000;

/// Shortest time a watch is kept open when the client names none; it varies up to twice that.
const MIN_OPEN: u64 = 1_800;

/// Serves the request.
pub async fn serve(server: &ApiServer, exchange: &mut Exchange, target: &Target) -> StepResult {
    let offer = Offer::resource(Endpoint::Watch, &target.served);
    let negotiated = negotiate::accept(exchange.headers(), exchange.query(), offer)?;
    let options = ListOptions::parse(exchange.query(), true)?;
    let selection = Selection::parse(exchange, &target.served)?;
    let include = IncludeObject::parse(exchange.query())?;
    let wanted = options.revision()?;
    let viewer = Viewer::of(exchange, target)?;
    let watch_list = options.send_initial_events == Some(true);
    let mut initial = None;
    // A watch list that waits in vain has begun already, so it is told within the stream.
    let mut early = None;
    let (since, begins) = match wanted {
        Some(revision) if revision > 0 && !watch_list => (Revision::new(revision), false),
        _ if options.send_initial_events == Some(false) => {
            (wanted.filter(|revision| *revision > 0).map_or_else(|| server.store.head(), Revision::new), false)
        }
        _ => match list::wait_for(server, wanted.unwrap_or_default()).await {
            Ok(()) if viewer.is_some() => (server.store.head(), true),
            Err(status) if watch_list => {
                early = Some(status);
                (server.store.head(), false)
            }
            Err(status) => return Err(status),
            Ok(()) => {
                let range = list::range(target, &selection);
                let state = match indexed::term(target, &selection) {
                    Some(term) => {
                        let found = indexed::read(server, target, &selection, &term, Page::default()).await?;
                        Initial::of(&server.store, range, found.revision, found.items)
                    }
                    None => Initial::begin(&server.store, range).await.map_err(|error| storage_error(&error))?,
                };
                let revision = state.revision();
                initial = Some(Box::new(state));
                (revision, true)
            }
        },
    };
    // Counted before it is asked: what goes offline later ends the watch.
    let offline = Arc::clone(&server.authorization.offline);
    let count = offline.count();
    if let Some(cluster) = exchange.cluster.name()
        && server.authorization.is_offline(cluster, &target.served.group, &target.served.resource).await?
    {
        return Err(Status::forbidden_raw(OFFLINE));
    }
    let store = Arc::clone(&server.store);
    let live = match viewer {
        Some(viewer) => {
            let since = (!begins).then_some(since);
            match Following::begin(&store, &server.authorization, &server.bells, viewer, since) {
                Ok(following) => Live::Following(Box::new(following)),
                Err(error) => {
                    early = early.or_else(|| Some(interrupted(&error)));
                    Live::Ended
                }
            }
        }
        None => Live::Later(Box::new(Later { store, range: target.range(), offline, count })),
    };
    let (mut definition, mut served) = (None, Some(Arc::clone(&target.served)));
    let follows = !target.cluster.is_empty() && !target.served.system;
    if let (Origin::Custom { definition: defined, .. }, true) = (&target.served.origin, follows) {
        let key = Key::new(DEFINITIONS, &target.cluster, "", &defined.name);
        let query = WatchQuery { range: KeyRange::object(&key), since: server.store.head(), buffer: BUFFER };
        definition = Some(Box::new(server.store.watch(query).map_err(|error| storage_error(&error))?));
        // Looked up again behind the subscription, so that no change since the target was found goes unseen.
        let Served { group, version, resource, .. } = &*target.served;
        served = server.registry.view(&target.cluster).await?.lookup(group, version, resource).cloned();
    }
    let gone = served.is_none();
    let seconds = options.timeout_seconds.filter(|seconds| *seconds > 0).unwrap_or_else(default_timeout);
    let ends = Instant::now() + Duration::from_secs(seconds.min(u64::from(u32::MAX)));
    let upgraded = websocket::accept(exchange, negotiated.media == Media::Protobuf)?;
    let stream = Stream {
        messages: upgraded.is_some(),
        _open: server.metrics.open_watch(),
        render: Render {
            served: served.unwrap_or_else(|| Arc::clone(&target.served)),
            registry: Arc::clone(&server.registry),
            elsewhere: (target.cluster.is_empty() && !target.served.system)
                .then(|| Box::new(Elsewhere { view: Arc::clone(&target.view), learned: HashMap::new() })),
            shape: negotiated.shape,
            media: negotiated.media,
            include,
            clock: Arc::clone(&server.clock),
            columns_sent: false,
        },
        selection: (!selection.is_everything()).then(|| Box::new(selection)),
        initial,
        end_mark: begins && options.bookmarks,
        since,
        live,
        definition,
        gone,
        learning: None,
        failure: early,
        bookmarks: options.bookmarks,
        ends,
        timer: None,
        events: VecDeque::new(),
        pending: VecDeque::new(),
        done: false,
    };
    if let Some(mut response) = upgraded {
        *response.body_mut() = Body::stream(stream);
        return Ok(Next::Answer(response));
    }
    let compressed = watch_list && output::takes_gzip(exchange);
    let body = if compressed { Compressed::new(stream).into_body() } else { Body::stream(stream) };
    let mut response = respond::with_body(StatusCode::OK, negotiated.media.stream_content_type(), body);
    if compressed {
        response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        response.headers_mut().insert(VARY, HeaderValue::from_static("Accept-Encoding"));
    }
    Ok(Next::Answer(response))
}

/// Half an hour to an hour, so that watches begun together do not end together.
fn default_timeout() -> u64 {
    let random = uuid::Uuid::new_v4();
    let bytes = random.as_bytes();
    MIN_OPEN + u64::from(u16::from_le_bytes([bytes[0], bytes[1]])) % MIN_OPEN
}

fn too_old(requested: Revision, oldest: Revision) -> Status {
    Status::expired(format!("too old resource version: {requested} ({oldest})"))
}
