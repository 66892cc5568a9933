//! The way of a request to the application that runs in Python, and of its answer back.
//!
//! A request takes a seat (bounded; follow-up events are never refused), waits in the queue, and is answered through
//! a one-shot with the head and either the whole body or a bounded stream. When the client goes, hyper drops the
//! future or the response body, the guard in it gives the seat back and tells Python.

use crate::join::{Event, Inflow, Join, Outflow, Read, Request, WriteError};
use bytes::Bytes;
use http::header::{ACCEPT, CONNECTION, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version};
use http_body::{Body as HttpBody, Frame};
use http_body_util::BodyExt;
use kcp_apimachinery::status::Status;
use kcp_apiserver::exchange::{Cluster, Exchange};
use kcp_apiserver::mounts::Bridge;
use kcp_apiserver::{Body, BodyError, RequestBody, Response, respond};
use kcp_storage::BoxFuture;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use tokio::sync::{mpsc, oneshot};

/// Requests that the application works on at once. At 0.2 ms each they are 50 ms of queue.
pub const SEATS: usize = 256;
/// A body of this known length or less is read before Python is woken: one crossing instead of three.
const WHOLE_BODY: u64 = 64 * 1024;

/// The head of an answer with what follows it.
struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    body: ReplyBody,
}

enum ReplyBody {
    Whole(Bytes),
    Stream(mpsc::Receiver<Bytes>),
}

/// A request that the application works on.
struct Bridged {
    inflow: Inflow,
    outflow: Outflow,
    reply: Mutex<Option<oneshot::Sender<Reply>>>,
    /// Python has answered completely: it need not be told when the client goes.
    finished: AtomicBool,
}

/// The application's side of the chain's `mounts::bridge` step.
pub struct Application {
    join: Arc<Join>,
    bridged: Mutex<HashMap<u64, Arc<Bridged>>>,
    seats: AtomicUsize,
}

/// Why Python's answer was not taken.
pub enum ReplyError {
    /// The client has gone, or the request was answered before.
    Gone,
    /// A header or the status is not valid HTTP.
    Invalid(String),
}

impl Application {
    pub fn new(join: Arc<Join>) -> Arc<Self> {
        Arc::new(Self { join, bridged: Mutex::default(), seats: AtomicUsize::new(0) })
    }

    /// Requests that the application works on now.
    pub fn in_flight(&self) -> usize {
        self.seats.load(Ordering::Relaxed)
    }

    /// Drops everyone who waits for an answer; they are told that the server is going away.
    pub fn close(&self) {
        for (_, bridged) in self.bridged.lock().drain() {
            bridged.reply.lock().take();
            bridged.outflow.end(false);
        }
    }

    /// Reads on in the request's body.
    pub fn read(&self, id: u64) -> Read {
        self.find(id).map_or(Read::Broken, |bridged| bridged.inflow.read())
    }

    /// Sends the head and the first piece; `more` tells whether others follow.
    pub fn reply(
        &self,
        id: u64,
        status: u16,
        headers: Vec<(Vec<u8>, Vec<u8>)>,
        first: &[u8],
        more: bool,
    ) -> Result<(), ReplyError> {
        let status = StatusCode::from_u16(status).map_err(|error| ReplyError::Invalid(error.to_string()))?;
        let headers = header_map(headers)?;
        let bridged = self.find(id).ok_or(ReplyError::Gone)?;
        let sender = bridged.reply.lock().take().ok_or(ReplyError::Gone)?;
        let body = if more {
            let pieces = bridged.outflow.open();
            if !first.is_empty() {
                // The channel is empty, so there is room.
                let _ = bridged.outflow.write(first);
            }
            ReplyBody::Stream(pieces)
        } else {
            bridged.finished.store(true, Ordering::SeqCst);
            ReplyBody::Whole(Bytes::copy_from_slice(first))
        };
        sender.send(Reply { status, headers, body }).map_err(|_| ReplyError::Gone)
    }

    /// Sends another piece of the body.
    pub fn write(&self, id: u64, data: &[u8]) -> Result<(), WriteError> {
        self.find(id).map_or(Err(WriteError::Gone), |bridged| bridged.outflow.write(data))
    }

    /// Ends the answer. A request that was not answered at all gets 500, a body under way breaks off, when `broken`.
    pub fn finish(&self, id: u64, broken: bool) {
        if let Some(bridged) = self.find(id) {
            if bridged.finished.swap(true, Ordering::SeqCst) {
                // Its last pieces may still be under way, whole.
                return;
            }
            bridged.reply.lock().take();
            bridged.outflow.end(broken);
        }
    }

    fn find(&self, id: u64) -> Option<Arc<Bridged>> {
        self.bridged.lock().get(&id).cloned()
    }
}

/// What the chain holds: the application behind a pointer that the guards of its answers share.
pub struct ApplicationBridge(pub Arc<Application>);

impl Bridge for ApplicationBridge {
    /// Everything beneath `/services/`, which is in no logical cluster; and the index page, for whoever asks for a page:
    /// API clients get the list of paths from the data path.
    fn claims(&self, exchange: &Exchange) -> bool {
        if exchange.path.starts_with("/services/") {
            return exchange.cluster == Cluster::None;
        }
        exchange.path == "/"
            && matches!(exchange.parts.method, Method::GET | Method::HEAD)
            && exchange.headers().get_all(ACCEPT).iter().any(|value| {
                value
                    .to_str()
                    .is_ok_and(|text| text.split(',').any(|range| range.trim_start().starts_with("text/html")))
            })
    }

    fn call<'a>(&'a self, exchange: &'a mut Exchange) -> BoxFuture<'a, Response> {
        Box::pin(async move {
            let Some(seat) = self.0.take_seat() else {
                let status = Status::too_many_requests("the application has too many requests under way", 1);
                return respond::status(exchange, &status);
            };
            match answer(&self.0, exchange, seat).await {
                Ok(response) => response,
                Err(status) => respond::status(exchange, &status),
            }
        })
    }
}

async fn answer(application: &Arc<Application>, exchange: &mut Exchange, seat: Seat) -> Result<Response, Status> {
    let join = &application.join;
    let (reply, replied) = oneshot::channel();
    let (inflow, pieces) = Inflow::new();
    let (whole, rest) = match exchange.body.take() {
        Some(body) => split(body).await?,
        None => (Some(Bytes::new()), None),
    };
    let bridged = Arc::new(Bridged {
        inflow,
        outflow: Outflow::new(),
        reply: Mutex::new(Some(reply)),
        finished: AtomicBool::new(false),
    });
    let id = join.next_id();
    application.bridged.lock().insert(id, Arc::clone(&bridged));
    let mut guard = Guard { id, bridged, pump: None, seat };
    if let Some(body) = rest {
        let (bridged, join) = (Arc::clone(&guard.bridged), Arc::clone(join));
        guard.pump = Some(tokio::spawn(async move { bridged.inflow.pump(body, pieces, &join, id).await }));
    }
    join.push(Event::Request(Box::new(request(exchange, id, whole))));
    let Ok(reply) = replied.await else {
        return Err(Status::internal("the application could not answer; the server's log tells why"));
    };
    let body = match reply.body {
        ReplyBody::Whole(bytes) => Body::full(bytes),
        ReplyBody::Stream(pieces) => Body::stream(ReplyStream { pieces, guard }),
    };
    let mut response = Response::new(body);
    *response.status_mut() = reply.status;
    *response.headers_mut() = reply.headers;
    Ok(response)
}

/// The whole body where it is short and of known length, else the body to be read.
async fn split(body: RequestBody) -> Result<(Option<Bytes>, Option<RequestBody>), Status> {
    match body.size_hint().exact() {
        Some(length) if length <= WHOLE_BODY => {
            let whole = body.collect().await.map_err(|error| Status::bad_request(error.to_string()))?;
            Ok((Some(whole.to_bytes()), None))
        }
        _ => Ok((None, Some(body))),
    }
}

fn request(exchange: &Exchange, id: u64, body: Option<Bytes>) -> Request {
    let parts = &exchange.parts;
    Request {
        id,
        method: parts.method.as_str().to_owned(),
        path: exchange.path.clone(),
        query: exchange.query().to_owned(),
        version: if parts.version == Version::HTTP_2 { "2" } else { "1.1" },
        headers: header_list(&parts.headers),
        cluster: match &exchange.cluster {
            Cluster::None => String::new(),
            Cluster::Named(name) => name.as_str().to_owned(),
            Cluster::Wildcard => "*".to_owned(),
        },
        user: exchange.user.name.clone(),
        uid: exchange.user.uid.clone(),
        groups: exchange.user.groups.clone(),
        extra: exchange.user.extra.iter().map(|(key, values)| (key.clone(), values.clone())).collect(),
        client: exchange.peer.address.map(|address| (address.ip().to_string(), address.port())),
        body,
    }
}

/// Headers as Python takes them.
pub fn header_list(headers: &HeaderMap) -> Vec<(Vec<u8>, Vec<u8>)> {
    headers.iter().map(|(name, value)| (name.as_str().into(), value.as_bytes().into())).collect()
}

/// Headers as Python gives them. What concerns one connection is the listener's affair and left out.
pub fn header_map(list: Vec<(Vec<u8>, Vec<u8>)>) -> Result<HeaderMap, ReplyError> {
    let mut headers = HeaderMap::with_capacity(list.len());
    for (name, value) in list {
        let invalid = |error: &dyn std::fmt::Display| {
            ReplyError::Invalid(format!("header {:?}: {error}", String::from_utf8_lossy(&name)))
        };
        let parsed = HeaderName::from_bytes(&name).map_err(|error| invalid(&error))?;
        let value = HeaderValue::from_bytes(&value).map_err(|error| invalid(&error))?;
        if ![CONNECTION, TRANSFER_ENCODING, UPGRADE].contains(&parsed) {
            headers.append(parsed, value);
        }
    }
    Ok(headers)
}

/// One of the bounded places; given back when dropped.
struct Seat(Arc<Application>);

impl Application {
    fn take_seat(self: &Arc<Self>) -> Option<Seat> {
        let taken = self.seats.fetch_add(1, Ordering::SeqCst);
        // Built before the check, so that a refusal gives back what was added.
        let seat = Seat(Arc::clone(self));
        (taken < SEATS).then_some(seat)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.seats.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Lives as long as anyone waits for the answer.
struct Guard {
    id: u64,
    bridged: Arc<Bridged>,
    /// Moves the request's body; it lives until the answer has ended.
    pump: Option<tokio::task::JoinHandle<()>>,
    seat: Seat,
}

impl Drop for Guard {
    fn drop(&mut self) {
        let application = &self.seat.0;
        application.bridged.lock().remove(&self.id);
        if let Some(pump) = &self.pump {
            pump.abort();
        }
        if !self.bridged.finished.load(Ordering::SeqCst) {
            application.join.push(Event::Gone(self.id));
        }
    }
}

/// The body of an answer that Python writes over time.
struct ReplyStream {
    pieces: mpsc::Receiver<Bytes>,
    guard: Guard,
}

impl HttpBody for ReplyStream {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let polled = ready!(self.pieces.poll_recv(cx));
        let bridged = &self.guard.bridged;
        match polled {
            Some(piece) => {
                bridged.outflow.taken(&self.guard.seat.0.join, self.guard.id);
                Poll::Ready(Some(Ok(Frame::data(piece))))
            }
            None if bridged.outflow.is_broken() => Poll::Ready(Some(Err("the application failed".into()))),
            None => Poll::Ready(None),
        }
    }
}
