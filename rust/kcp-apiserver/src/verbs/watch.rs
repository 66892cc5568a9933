//! watch: the changes of a collection as they happen, one JSON document a line.
//!
//! A watch is a response body that the listener polls: it takes shared events from the hub, picks what the selectors
//! let through and hands on their encodings, which all watchers of one version share. It holds no task of its own.

use crate::body::{Body, BodyError};
use crate::chain::{Next, StepResult};
use crate::clock::Clock;
use crate::codec;
use crate::exchange::{Cluster, Exchange};
use crate::metrics::OpenWatch;
use crate::negotiate::{self, Endpoint, Media, Offer, Shape};
use crate::protobuf;
use crate::registry::{ClusterView, DEFINITIONS, Origin, Served};
use crate::respond;
use crate::server::ApiServer;
use crate::verbs::initial::Initial;
use crate::verbs::options::ListOptions;
use crate::verbs::output::{self, IncludeObject};
use crate::verbs::select::Selection;
use crate::verbs::target::Target;
use crate::verbs::{list, storage_error};
use crate::websocket;
use bytes::Bytes;
use http::StatusCode;
use http_body::{Body as HttpBody, Frame};
use kcp_apimachinery::status::Status;
use kcp_storage::{Backend, Error, Event, EventKind, Item, Key, KeyRange, Revision, Watch, WatchError, WatchQuery};
use serde_json::{Value, json};
use std::any::Any;
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep};

/// Events held for a slow reader before it is closed.
const BUFFER: usize = 1_000;

/// How often a watch that wants bookmarks gets one.
const BOOKMARK_EVERY: Duration = Duration::from_secs(60);

/// How long before its end a watch gets a last bookmark.
const LAST_BOOKMARK: Duration = Duration::from_secs(2);

/// Shortest time a watch is kept open when the client names none; it varies up to twice that.
const MIN_OPEN: u64 = 1_800;

/// Several ready events go out in one frame up to this size, bytes.
const FRAME: usize = 64 * 1024;

/// The annotation of the bookmark that ends the initial events.
const INITIAL_EVENTS_END: &str = "k8s.io/initial-events-end";

/// Serves the request.
pub async fn serve(server: &ApiServer, exchange: &mut Exchange, target: &Target) -> StepResult {
    let offer = Offer::resource(Endpoint::Watch, &target.served);
    let negotiated = negotiate::accept(exchange.headers(), exchange.query(), offer)?;
    let options = ListOptions::parse(exchange.query(), true)?;
    let selection = Selection::parse(exchange, &target.served)?;
    let include = IncludeObject::parse(exchange.query())?;
    let wanted = options.revision()?;
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
            Err(status) if watch_list => {
                early = Some(status);
                (server.store.head(), false)
            }
            Err(status) => return Err(status),
            Ok(()) => {
                let state = Initial::begin(&server.store, list::range(target, &selection)).await;
                let state = state.map_err(|error| storage_error(&error))?;
                let revision = state.revision();
                initial = Some(Box::new(state));
                (revision, true)
            }
        },
    };
    let live = Live::Later(Box::new((Arc::clone(&server.store), target.range())));
    let definition = match &target.served.origin {
        Origin::Custom { definition, .. } if !target.cluster.is_empty() => {
            let key = Key::new(DEFINITIONS, &target.cluster, "", &definition.name);
            // From here on: the definition stood when the target was found, and a change since then ends nothing late.
            let query = WatchQuery { range: KeyRange::object(&key), since: server.store.head(), buffer: BUFFER };
            Some(Box::new(server.store.watch(query).map_err(|error| storage_error(&error))?))
        }
        _ => None,
    };
    let seconds = options.timeout_seconds.filter(|seconds| *seconds > 0).unwrap_or_else(default_timeout);
    let ends = Instant::now() + Duration::from_secs(seconds.min(u64::from(u32::MAX)));
    let upgraded = websocket::accept(exchange, negotiated.media == Media::Protobuf)?;
    let stream = Stream {
        messages: upgraded.is_some(),
        _open: server.metrics.open_watch(),
        render: Render {
            served: Arc::clone(&target.served),
            view: Arc::clone(&target.view),
            wildcard: exchange.cluster == Cluster::Wildcard,
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
        failure: early,
        bookmarks: options.bookmarks,
        ends,
        timer: None,
        events: Vec::new(),
        pending: VecDeque::new(),
        done: false,
    };
    if let Some(mut response) = upgraded {
        *response.body_mut() = Body::stream(stream);
        return Ok(Next::Answer(response));
    }
    let content_type = negotiated.media.stream_content_type();
    Ok(Next::Answer(respond::with_body(StatusCode::OK, content_type, Body::stream(stream))))
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

/// How events are written for one watcher.
struct Render {
    served: Arc<Served>,
    view: Arc<ClusterView>,
    wildcard: bool,
    shape: Shape,
    media: Media,
    include: IncludeObject,
    clock: Arc<dyn Clock>,
    columns_sent: bool,
}

struct Stream {
    /// Counts the watch for as long as it lives.
    _open: OpenWatch,
    /// Whether each frame is one event without a prefix, as WebSocket carries them.
    messages: bool,
    render: Render,
    selection: Option<Box<Selection>>,
    /// What is still to be told of the state the watch begins with.
    initial: Option<Box<Initial>>,
    end_mark: bool,
    since: Revision,
    live: Live,
    /// Of custom resources: their definition, whose end is the watch's end.
    definition: Option<Box<Watch>>,
    failure: Option<Status>,
    bookmarks: bool,
    ends: Instant,
    timer: Option<Pin<Box<Sleep>>>,
    events: Vec<Arc<Event>>,
    pending: VecDeque<Bytes>,
    done: bool,
}

/// The changes after the state a watch begins with.
enum Live {
    /// Not subscribed to yet: while a client takes a large state, nothing queues up behind it.
    Later(Box<(Arc<dyn Backend>, KeyRange)>),
    Subscribed(Watch),
    Ended,
}

/// An event in the plain form of one version, shared by its watchers: in JSON and in protobuf, as soon as somebody wants
/// that.
struct Encoded {
    api_version: String,
    json: OnceLock<Bytes>,
    protobuf: OnceLock<Bytes>,
}

impl Encoded {
    fn slot(&self, media: Media) -> &OnceLock<Bytes> {
        if media == Media::Protobuf { &self.protobuf } else { &self.json }
    }
}

impl Render {
    /// The resource as the object's own cluster serves it; `None`: it does not.
    fn served_for(&self, cluster: &str) -> Option<Arc<Served>> {
        if self.wildcard && self.served.is_custom() {
            return self.view.in_cluster(cluster);
        }
        Some(Arc::clone(&self.served))
    }

    fn line(&mut self, kind: &str, item: &Item) -> Result<Option<Bytes>, Status> {
        let Some(served) = self.served_for(item.key.cluster()) else { return Ok(None) };
        if self.shape == Shape::Plain {
            return plain(self.media, kind, &served, item).map(Some);
        }
        let object = output::object(&served, item)?;
        self.shaped(kind, &served, object).map(Some)
    }

    fn shaped(&mut self, kind: &str, served: &Served, object: Value) -> Result<Bytes, Status> {
        let object = match self.shape {
            Shape::Plain | Shape::AggregatedDiscovery => object,
            Shape::PartialObject(version) | Shape::PartialList(version) => output::partial(&object, version),
            Shape::Table(version) => {
                let metadata = json!({"resourceVersion": object["metadata"]["resourceVersion"]});
                let columns = (!self.columns_sent).then_some(served.columns.as_slice());
                let bare = kind == "BOOKMARK" && self.include == IncludeObject::None;
                let include = if bare { IncludeObject::Metadata } else { self.include };
                let row = output::row(served, object, include, version, self.clock.now());
                let table = output::table(version, columns, vec![row], metadata);
                self.columns_sent = true;
                table
            }
        };
        written(self.media, kind, &object)
    }

    fn event(&mut self, event: &Arc<Event>, selection: Option<&Selection>) -> Result<Option<Bytes>, Status> {
        let now = Item { key: event.key.clone(), revision: event.revision, value: event.value.clone() };
        let Some(selection) = selection else {
            let kind = name(event.kind);
            if self.shape != Shape::Plain {
                return self.line(kind, &now);
            }
            let Some(served) = self.served_for(event.key.cluster()) else { return Ok(None) };
            return shared(event, self.media, kind, &served, &now).map(Some);
        };
        let before = event.previous.as_ref().map(|(revision, value)| Item {
            key: event.key.clone(),
            revision: *revision,
            value: value.clone(),
        });
        let matched = match &before {
            Some(before) => selection.matches(before)?,
            None => false,
        };
        let matches = event.kind != EventKind::Deleted && selection.matches(&now)?;
        match (matched, matches) {
            (false, false) => Ok(None),
            (false, true) => self.line("ADDED", &now),
            (true, true) => self.line("MODIFIED", &now),
            (true, false) => {
                // The state that was last selected, at the revision of the change that took it away.
                let value = before.map_or_else(|| now.value.clone(), |before| before.value);
                self.line("DELETED", &Item { value, ..now })
            }
        }
    }

    fn bookmark(&mut self, revision: Revision, end_mark: bool) -> Result<Bytes, Status> {
        let mut metadata = json!({"resourceVersion": revision.to_string()});
        if end_mark {
            metadata["annotations"] = json!({INITIAL_EVENTS_END: "true"});
        }
        let served = Arc::clone(&self.served);
        let object = json!({"kind": served.kind, "apiVersion": served.api_version, "metadata": metadata});
        self.shaped("BOOKMARK", &served, object)
    }
}

impl Stream {
    /// Moves what is ready into `pending`.
    fn advance(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(initial) = &mut self.initial {
            match std::task::ready!(initial.poll_next(cx)) {
                Ok(Some(item)) => {
                    let line = match self.selection.as_deref().map_or(Ok(true), |selection| selection.matches(&item)) {
                        Ok(true) => self.render.line("ADDED", &item),
                        Ok(false) => Ok(None),
                        Err(status) => Err(status),
                    };
                    return self.push(line);
                }
                Ok(None) => self.initial = None,
                Err(Error::Compacted { requested, oldest }) => return self.fail(&too_old(requested, oldest)),
                Err(error) => return self.fail(&storage_error(&error)),
            }
        }
        if std::mem::take(&mut self.end_mark) {
            let mark = self.render.bookmark(self.since, true);
            return self.push(mark.map(Some));
        }
        if let Some(status) = self.failure.take() {
            return self.fail(&status);
        }
        if let Live::Later(subscription) = &self.live {
            let (store, range) = subscription.as_ref();
            let query = WatchQuery { range: range.clone(), since: self.since, buffer: BUFFER };
            match store.watch(query) {
                Ok(watch) => self.live = Live::Subscribed(watch),
                Err(Error::Compacted { requested, oldest }) => return self.fail(&too_old(requested, oldest)),
                Err(error) => return self.fail(&storage_error(&error)),
            }
        }
        let Live::Subscribed(watch) = &mut self.live else {
            self.done = true;
            return Poll::Ready(());
        };
        match watch.poll_next(cx, &mut self.events) {
            Poll::Ready(Ok(())) => {
                for event in std::mem::take(&mut self.events) {
                    let line = self.render.event(&event, self.selection.as_deref());
                    if self.push(line).is_pending() || self.done {
                        break;
                    }
                }
                Poll::Ready(())
            }
            Poll::Ready(Err(error)) => {
                if let WatchError::Compacted { requested, oldest } = error {
                    return self.fail(&too_old(requested, oldest));
                }
                // A reader that was too slow, and everybody at shutdown, resumes from its last event.
                self.done = true;
                Poll::Ready(())
            }
            Poll::Pending if self.is_undefined(cx) => {
                self.done = true;
                Poll::Ready(())
            }
            Poll::Pending => self.wait(cx),
        }
    }

    /// Whether the watched resource is no longer defined, at this version. Asked only when all its events are out.
    fn is_undefined(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(definition) = &mut self.definition else { return false };
        let mut events = Vec::new();
        loop {
            match definition.poll_next(cx, &mut events) {
                Poll::Pending => return false,
                Poll::Ready(Err(_)) => {
                    self.definition = None;
                    return false;
                }
                Poll::Ready(Ok(())) => {
                    let version = &self.render.served.version;
                    if events.drain(..).any(|event| !defines(&event, version)) {
                        return true;
                    }
                }
            }
        }
    }

    fn push(&mut self, line: Result<Option<Bytes>, Status>) -> Poll<()> {
        match line {
            Ok(line) => self.pending.extend(line),
            Err(status) => return self.fail(&status),
        }
        Poll::Ready(())
    }

    fn fail(&mut self, status: &Status) -> Poll<()> {
        let status = status.to_value();
        // Every status has all forms.
        self.pending.push_back(written(self.render.media, "ERROR", &status).unwrap_or_else(|_| line("ERROR", &status)));
        self.initial = None;
        self.live = Live::Ended;
        self.done = true;
        Poll::Ready(())
    }

    /// Nothing is ready: waits for the next bookmark or the end.
    fn wait(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let timer = match &mut self.timer {
                Some(timer) => timer,
                None => {
                    let now = Instant::now();
                    let mut due = self.ends;
                    if self.bookmarks {
                        let last = self.ends.checked_sub(LAST_BOOKMARK).unwrap_or(self.ends);
                        if last > now {
                            due = last.min(now + BOOKMARK_EVERY);
                        }
                    }
                    self.timer.insert(Box::pin(tokio::time::sleep_until(due)))
                }
            };
            std::task::ready!(timer.as_mut().poll(cx));
            self.timer = None;
            if Instant::now() >= self.ends {
                self.done = true;
                return Poll::Ready(());
            }
            if let (true, Live::Subscribed(watch)) = (self.bookmarks, &self.live) {
                let progress = watch.progress().max(self.since);
                let bookmark = self.render.bookmark(progress, false);
                return self.push(bookmark.map(Some));
            }
        }
    }

    /// The next frame out of what is pending: one line as it is, or several together.
    fn frame(&mut self) -> Option<Bytes> {
        let mut first = self.pending.pop_front()?;
        if self.messages {
            // A message knows its length.
            return Some(if self.render.media == Media::Protobuf { first.split_off(4) } else { first });
        }
        let fits = |size: usize, next: Option<&Bytes>| next.is_some_and(|next| size + next.len() <= FRAME);
        if !fits(first.len(), self.pending.front()) {
            return Some(first);
        }
        let mut together = Vec::with_capacity(FRAME.min(first.len() * (self.pending.len() + 1)));
        together.extend_from_slice(&first);
        while fits(together.len(), self.pending.front()) {
            if let Some(next) = self.pending.pop_front() {
                together.extend_from_slice(&next);
            }
        }
        Some(together.into())
    }
}

impl HttpBody for Stream {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let stream = self.get_mut();
        loop {
            // Initial objects are gathered into full frames; live events go out as soon as they are there.
            while stream.initial.is_some() && stream.pending.len() < 64 {
                if stream.advance(cx).is_pending() {
                    break;
                }
            }
            if let Some(frame) = stream.frame() {
                return Poll::Ready(Some(Ok(Frame::data(frame))));
            }
            if stream.done {
                return Poll::Ready(None);
            }
            std::task::ready!(stream.advance(cx));
        }
    }
}

/// Whether a definition still serves `version` after a change.
fn defines(event: &Event, version: &str) -> bool {
    if event.kind == EventKind::Deleted {
        return false;
    }
    let item = Item { key: event.key.clone(), revision: event.revision, value: event.value.clone() };
    let header = codec::Header { api_version: "apiextensions.k8s.io/v1", kind: "CustomResourceDefinition" };
    let Ok(object) = codec::decode(&item, header) else { return true };
    let versions = object["spec"]["versions"].as_array();
    versions.is_some_and(|all| all.iter().any(|one| one["name"] == version && one["served"] == true))
}

fn name(kind: EventKind) -> &'static str {
    match kind {
        EventKind::Added => "ADDED",
        EventKind::Modified => "MODIFIED",
        EventKind::Deleted => "DELETED",
    }
}

/// An event that nothing was filtered from: encoded by its first watcher, shared by the others.
fn shared(event: &Arc<Event>, media: Media, kind: &str, served: &Served, item: &Item) -> Result<Bytes, Status> {
    let make = || -> Arc<dyn Any + Send + Sync> {
        let api_version = served.api_version.clone();
        Arc::new(Encoded { api_version, json: OnceLock::new(), protobuf: OnceLock::new() })
    };
    let Some(encoded) = event.encoded.get_or_init(make).downcast_ref::<Encoded>() else {
        return plain(media, kind, served, item);
    };
    if encoded.api_version != served.api_version {
        return plain(media, kind, served, item);
    }
    let slot = encoded.slot(media);
    if let Some(bytes) = slot.get() {
        return Ok(bytes.clone());
    }
    let bytes = plain(media, kind, served, item)?;
    // Another watcher may have been first; both encodings are the same.
    let _ = slot.set(bytes.clone());
    Ok(bytes)
}

fn plain(media: Media, kind: &str, served: &Served, item: &Item) -> Result<Bytes, Status> {
    if media == Media::Protobuf {
        return written(media, kind, &output::object(served, item)?);
    }
    let mut out = Vec::with_capacity(item.value.data.len() + 256);
    out.extend_from_slice(b"{\"type\":\"");
    out.extend_from_slice(kind.as_bytes());
    out.extend_from_slice(b"\",\"object\":");
    output::append(&mut out, served, item, true)?;
    out.extend_from_slice(b"}\n");
    Ok(out.into())
}

/// An event of an object that is at hand as a value.
fn written(media: Media, kind: &str, object: &Value) -> Result<Bytes, Status> {
    match media {
        Media::Protobuf => protobuf::frame(kind, object).map(Bytes::from).map_err(Status::internal),
        Media::Json | Media::Yaml => Ok(line(kind, object)),
    }
}

fn line(kind: &str, object: &Value) -> Bytes {
    let mut out = format!("{{\"type\":\"{kind}\",\"object\":").into_bytes();
    // A value always serializes into a vector.
    let _ = serde_json::to_writer(&mut out, object);
    out.extend_from_slice(b"}\n");
    out.into()
}
