//! Sockets: TLS, HTTP/1.1 and HTTP/2 around a [`Handler`]. No routing, no resources, no Python.
//!
//! ```text
//! accept (accept.rs) → TLS handshake, client certificate (tls.rs) → HTTP by ALPN (connection.rs)
//!   → request body with a time-out (body.rs) → Handler → response, or its headers alone for HEAD
//!   → after a 101, WebSocket messages out of the response's body (websocket.rs)
//!   → written as fast as the client reads, and given up when it does not (stall.rs)
//! ```
//!
//! What belongs here: everything that a hostile or slow peer can do below the level of one well-formed request.

mod accept;
mod body;
mod connection;
pub mod os;
mod preface;
mod stall;
pub mod tls;
mod websocket;

pub use accept::{Drained, Listener, bind};
pub use body::BodyTimedOut;
pub use tls::{Tls, TlsError};

use kcp_apiserver::{ApiServer, Peer, RequestBody, Response};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

/// What answers requests. A panic inside is answered 500 and harms no other request of the connection.
pub trait Handler: Send + Sync + 'static {
    /// Answers one request. Dropping the future means that the client has gone.
    fn handle(
        self: Arc<Self>,
        request: http::Request<RequestBody>,
        peer: Peer,
    ) -> impl Future<Output = Response> + Send + 'static;

    /// A drain begins: what never ends by itself (watches) is to end now.
    fn drain(&self);
}

impl Handler for ApiServer {
    async fn handle(self: Arc<Self>, request: http::Request<RequestBody>, peer: Peer) -> Response {
        Self::handle(&self, request, peer).await
    }

    fn drain(&self) {
        self.store.end_watches();
    }
}

/// How long peers may take and how much they may open. The defaults are for the open internet.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// From accepting a connection to the end of its TLS handshake.
    pub handshake: Duration,
    /// For a request's head over HTTP/1.1; also how long such a connection may stay idle.
    pub head: Duration,
    /// Between two pieces of a request's body.
    pub body_idle: Duration,
    /// How long bytes for a connection or a stream may wait with none of them taken; then it is cut. A stream that
    /// has nothing to send may be silent for ever.
    pub unread: Duration,
    /// Between two pings of a silent HTTP/2 connection; a peer that leaves one unanswered for as long is gone.
    pub ping: Duration,
    /// Bytes of a request's head (path, query, headers); more is answered 431.
    pub head_bytes: u32,
    /// Streams that a client may have open on one HTTP/2 connection.
    pub streams: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(10),
            head: Duration::from_secs(60),
            body_idle: Duration::from_secs(30),
            unread: Duration::from_secs(60),
            ping: Duration::from_secs(45),
            head_bytes: 256 * 1024,
            // Each watch of a client is a stream; Go's clients open one connection and put everything on it.
            streams: 1000,
        }
    }
}

/// What a listener is made of.
pub struct Settings {
    /// A socket that listens already, from [`bind`]: until the listener opens, clients wait in its backlog.
    pub socket: std::net::TcpListener,
    /// Certificates.
    pub tls: Tls,
    /// Time-outs and sizes.
    pub limits: Limits,
}
