//! One connection: handshake, protocol, requests, drain.

use crate::body::request_body;
use crate::stall::{Observed, Progress, Streams};
use crate::websocket::Handover;
use crate::{Handler, Limits, Tls, preface};
use futures_util::FutureExt;
use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderValue};
use http::{Method, Request, StatusCode, Version};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulConnection;
use kcp_apiserver::{Body, Peer, Response};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// Bytes of one HTTP/2 stream or connection under way to us before the client has to wait.
const WINDOW: u32 = 1024 * 1024;
/// Bytes held for one HTTP/2 stream whose client reads slowly.
pub(crate) const SEND_BUFFER: usize = 64 * 1024;
/// Streams reset by the client that were not yet handed out; above it the connection ends. Bounds reset storms.
const PENDING_RESETS: usize = 64;
/// Streams that we reset because of the client's errors, before the connection ends.
const LOCAL_RESETS: usize = 256;

/// What all connections of a listener share.
pub(crate) struct Shared<H> {
    pub handler: Arc<H>,
    pub tls: Tls,
    pub limits: Limits,
    /// Turns true when the listener drains.
    pub draining: watch::Receiver<bool>,
}

/// Serves a connection until either side ends it.
///
/// The handshake and the two protocols are boxed apart, so that an idle HTTP/1.1 watch does not carry the size of an
/// HTTP/2 connection's state or of a TLS handshake for its whole life.
pub(crate) async fn serve<H: Handler>(shared: Arc<Shared<H>>, stream: TcpStream, address: SocketAddr) {
    let Some(stream) = Box::pin(handshake(&shared, stream)).await else { return };
    let session = stream.get_ref().1;
    let http2 = session.alpn_protocol() == Some(b"h2");
    let peer = shared.tls.peer(address, session.peer_certificates());
    if http2 {
        Box::pin(serve_http2(shared, stream, peer)).await;
    } else {
        Box::pin(serve_http1(shared, stream, peer)).await;
    }
}

/// What a connection's bytes go through below HTTP.
type Encrypted = TlsStream<Progress<TcpStream>>;

async fn handshake<H>(shared: &Shared<H>, stream: TcpStream) -> Option<Encrypted> {
    // Small answers must not wait for the acknowledgement of earlier ones. A failure is the peer's having gone.
    let _ = stream.set_nodelay(true);
    let acceptor = TlsAcceptor::from(Arc::clone(&shared.tls.config));
    let stream = Progress::new(stream, shared.limits.unread);
    let mut draining = shared.draining.clone();
    tokio::select! {
        done = tokio::time::timeout(shared.limits.handshake, acceptor.accept(stream)) => done.ok()?.ok(),
        _ = draining.wait_for(|draining| *draining) => None,
    }
}

async fn serve_http1<H: Handler>(shared: Arc<Shared<H>>, stream: Encrypted, peer: Peer) {
    let mut draining = shared.draining.clone();
    let limits = shared.limits;
    let handover = Handover::default();
    let left = handover.clone();
    let service = service_fn(move |request| {
        let (shared, peer, handover) = (Arc::clone(&shared), peer.clone(), handover.clone());
        async move {
            let mut request = request;
            let connection = Handover::offer(&mut request);
            let response = answer(shared, request, peer).await;
            Ok::<_, Infallible>(handover.take(connection, response).map(Observed::new))
        }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_buf_size(limits.head_bytes as usize)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    // A connection that may be handed over is another type, which the other protocol's way to end does not know.
    let mut connection = Box::pin(connection);
    let ended = tokio::select! {
        _ = &mut connection => true,
        _ = draining.wait_for(|draining| *draining) => false,
    };
    if !ended {
        connection.as_mut().graceful_shutdown();
        let _ = connection.await;
    }
    left.serve(draining).await;
}

async fn serve_http2<H: Handler>(shared: Arc<Shared<H>>, stream: Encrypted, peer: Peer) {
    let mut draining = shared.draining.clone();
    let limits = shared.limits;
    let begun = tokio::select! {
        begun = preface::begin(stream, limits.handshake) => begun,
        _ = draining.wait_for(|draining| *draining) => None,
    };
    let Some(stream) = begun else { return };
    let service = service_fn(move |request| {
        answer(Arc::clone(&shared), request, peer.clone())
            .map(|response| Ok::<_, Infallible>(response.map(Observed::new)))
    });
    let connection = hyper::server::conn::http2::Builder::new(Streams { limit: limits.unread })
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams)
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
        .max_send_buf_size(SEND_BUFFER)
        .max_header_list_size(limits.head_bytes)
        .max_pending_accept_reset_streams(PENDING_RESETS)
        .max_local_error_reset_streams(LOCAL_RESETS)
        .keep_alive_interval(limits.ping)
        .keep_alive_timeout(limits.ping)
        .serve_connection(TokioIo::new(stream), service);
    drive(connection, draining).await;
}

/// Runs a connection to its end; a drain asks it to end after what is under way. How it ended is the peer's affair: a
/// reset is no error of ours.
async fn drive(connection: impl GracefulConnection, mut draining: watch::Receiver<bool>) {
    let mut connection = pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => return,
        _ = draining.wait_for(|draining| *draining) => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

async fn answer<H: Handler>(shared: Arc<Shared<H>>, request: Request<Incoming>, peer: Peer) -> Response {
    if let Some(wrong) = wrong_host(&request) {
        return refused(wrong);
    }
    let head_only = request.method() == Method::HEAD;
    let idle = shared.limits.body_idle;
    let request = request.map(|incoming| request_body(incoming, idle));
    let handled = AssertUnwindSafe(Arc::clone(&shared.handler).handle(request, peer)).catch_unwind();
    let response = handled.await.unwrap_or_else(|_| internal_error());
    if head_only { without_body(response) } else { response }
}

/// What is wrong with the `Host` of a request over HTTP/1.1, which has to name one (RFC 9112, 3.2).
fn wrong_host(request: &Request<Incoming>) -> Option<&'static str> {
    if request.version() != Version::HTTP_11 {
        return None;
    }
    let mut hosts = request.headers().get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) => Some("400 Bad Request: missing required Host header"),
        (Some(_), Some(_)) => Some("400 Bad Request: too many Host headers"),
        (Some(_), None) => None,
    }
}

/// The answer to a request that is no HTTP/1.1; the connection ends with it.
fn refused(text: &'static str) -> Response {
    let mut response = Response::new(Body::full(text));
    *response.status_mut() = StatusCode::BAD_REQUEST;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

/// What a HEAD request gets: the headers that GET would, and no body over either protocol.
fn without_body(response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    if let Some(length) = body.size_hint().exact() {
        parts.headers.entry(CONTENT_LENGTH).or_insert(length.into());
    }
    Response::from_parts(parts, Body::empty())
}

/// The answer to a request whose handling panicked; the panic hook has written where and why.
fn internal_error() -> Response {
    let status = kcp_apiserver::respond::panicked();
    let mut response = Response::new(Body::full(status));
    *response.status_mut() = http::StatusCode::INTERNAL_SERVER_ERROR;
    let json = http::HeaderValue::from_static("application/json");
    response.headers_mut().insert(http::header::CONTENT_TYPE, json);
    response
}
