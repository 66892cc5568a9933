//! One connection: handshake, protocol, requests, drain.

use crate::body::request_body;
use crate::{Handler, Limits, Tls, preface};
use futures_util::FutureExt;
use http::header::CONTENT_LENGTH;
use http::{Method, Request};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
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
const SEND_BUFFER: usize = 64 * 1024;
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

async fn handshake<H>(shared: &Shared<H>, stream: TcpStream) -> Option<TlsStream<TcpStream>> {
    // Small answers must not wait for the acknowledgement of earlier ones. A failure is the peer's having gone.
    let _ = stream.set_nodelay(true);
    let acceptor = TlsAcceptor::from(Arc::clone(&shared.tls.config));
    let mut draining = shared.draining.clone();
    tokio::select! {
        done = tokio::time::timeout(shared.limits.handshake, acceptor.accept(stream)) => done.ok()?.ok(),
        _ = draining.wait_for(|draining| *draining) => None,
    }
}

async fn serve_http1<H: Handler>(shared: Arc<Shared<H>>, stream: TlsStream<TcpStream>, peer: Peer) {
    let mut draining = shared.draining.clone();
    let limits = shared.limits;
    let service = service_fn(move |request| answer(Arc::clone(&shared), request, peer.clone()));
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_buf_size(limits.head_bytes as usize)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    tokio::select! {
        // How a connection ended is the peer's affair: a reset is no error of ours.
        _ = connection.as_mut() => return,
        _ = draining.wait_for(|draining| *draining) => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

async fn serve_http2<H: Handler>(shared: Arc<Shared<H>>, stream: TlsStream<TcpStream>, peer: Peer) {
    let mut draining = shared.draining.clone();
    let limits = shared.limits;
    let begun = tokio::select! {
        begun = preface::begin(stream, limits.handshake) => begun,
        _ = draining.wait_for(|draining| *draining) => None,
    };
    let Some(stream) = begun else { return };
    let service = service_fn(move |request| answer(Arc::clone(&shared), request, peer.clone()));
    let connection = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
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
    let mut connection = pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => return,
        _ = draining.wait_for(|draining| *draining) => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

async fn answer<H: Handler>(
    shared: Arc<Shared<H>>,
    request: Request<Incoming>,
    peer: Peer,
) -> Result<Response, Infallible> {
    let head_only = request.method() == Method::HEAD;
    let idle = shared.limits.body_idle;
    let request = request.map(|incoming| request_body(incoming, idle));
    let handled = AssertUnwindSafe(Arc::clone(&shared.handler).handle(request, peer)).catch_unwind();
    let response = handled.await.unwrap_or_else(|_| internal_error());
    Ok(if head_only { without_body(response) } else { response })
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
