//! Connections that become WebSockets: each frame of the answer's body is a message to the client, and what the client
//! says is not listened to.

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http::Request;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use kcp_apiserver::websocket::{Upgradable, Upgraded, is_requested};
use kcp_apiserver::{Body, Response};
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

/// Largest message of a client, bytes. Clients of watches have nothing to say.
const INCOMING: usize = 64 * 1024;

/// How long a client may take to take leave.
const LEAVE: Duration = Duration::from_secs(5);

/// What is left to do with a connection once it was handed over.
struct Begun {
    connection: OnUpgrade,
    body: Body,
    binary: bool,
}

/// Where an answer leaves what its connection is to do afterwards.
#[derive(Clone, Default)]
pub(crate) struct Handover(Arc<Mutex<Option<Begun>>>);

impl Handover {
    /// Marks a request that asks for WebSocket as one whose connection can be had.
    pub(crate) fn offer(request: &mut Request<Incoming>) -> Option<OnUpgrade> {
        if !is_requested(request.headers()) {
            return None;
        }
        request.extensions_mut().insert(Upgradable);
        Some(hyper::upgrade::on(request))
    }

    /// Takes the body of an answer that hands the connection over; every other answer passes.
    pub(crate) fn take(&self, connection: Option<OnUpgrade>, mut response: Response) -> Response {
        let upgraded = response.extensions_mut().remove::<Upgraded>();
        if let (Some(connection), Some(Upgraded { binary })) = (connection, upgraded) {
            let body = std::mem::replace(response.body_mut(), Body::empty());
            *self.0.lock() = Some(Begun { connection, body, binary });
        }
        response
    }

    /// Serves the connection as a WebSocket, if it was handed over, until either side ends it.
    pub(crate) async fn serve(self, draining: watch::Receiver<bool>) {
        let begun = self.0.lock().take();
        if let Some(begun) = begun {
            Box::pin(run(begun, draining)).await;
        }
    }
}

async fn run(begun: Begun, mut draining: watch::Receiver<bool>) {
    let Begun { connection, mut body, binary } = begun;
    // How the connection ended is the peer's affair.
    let Ok(connection) = connection.await else { return };
    let config = WebSocketConfig::default().max_message_size(Some(INCOMING)).max_frame_size(Some(INCOMING));
    let mut socket = WebSocketStream::from_raw_socket(TokioIo::new(connection), Role::Server, Some(config)).await;
    let code = loop {
        tokio::select! {
            frame = body.frame() => match frame {
                Some(Ok(frame)) => {
                    let Ok(data) = frame.into_data() else { continue };
                    // A client that reads nothing is cut below, by the socket's own patience.
                    if socket.send(message(data, binary)).await.is_err() {
                        return;
                    }
                }
                Some(Err(_)) => break CloseCode::Error,
                None => break CloseCode::Normal,
            },
            said = socket.next() => match said {
                // Pings are answered as they are read.
                Some(Ok(message)) if !message.is_close() => {}
                _ => return,
            },
            () = begun_to_drain(&mut draining) => break CloseCode::Away,
        }
    };
    let leave = async {
        let frame = CloseFrame { code, reason: Utf8Bytes::default() };
        socket.send(Message::Close(Some(frame))).await?;
        while let Some(said) = socket.next().await {
            said?;
        }
        Ok::<(), tokio_tungstenite::tungstenite::Error>(())
    };
    let _ = tokio::time::timeout(LEAVE, leave).await;
}

/// Waits for the drain, without holding on to what it waits with.
async fn begun_to_drain(draining: &mut watch::Receiver<bool>) {
    let _ = draining.wait_for(|draining| *draining).await;
}

fn message(data: Bytes, binary: bool) -> Message {
    if binary {
        return Message::Binary(data);
    }
    // JSON is text; what is not would be a fault of ours, and is still delivered.
    Utf8Bytes::try_from(data.clone()).map_or(Message::Binary(data), Message::Text)
}
