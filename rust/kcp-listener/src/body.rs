//! Request bodies with a time-out between two pieces, so that a peer that stops sending holds nothing for ever.

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use kcp_apiserver::{BodyError, RequestBody};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::Sleep;

/// The client stopped sending in the middle of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyTimedOut;

impl std::fmt::Display for BodyTimedOut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the client stopped sending the request's body")
    }
}

impl std::error::Error for BodyTimedOut {}

/// The body that the handler sees.
pub(crate) fn request_body(incoming: Incoming, idle: Duration) -> RequestBody {
    if incoming.is_end_stream() {
        return RequestBody::new(Empty::new().map_err(|never| match never {}));
    }
    RequestBody::new(TimedBody { incoming, idle, waiting: None })
}

struct TimedBody {
    incoming: Incoming,
    idle: Duration,
    // Armed only while a piece is awaited: a body that arrives with its head never makes a timer.
    waiting: Option<Pin<Box<Sleep>>>,
}

impl Body for TimedBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.incoming).poll_frame(cx) {
            self.waiting = None;
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let idle = self.idle;
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(tokio::time::sleep(idle)));
        ready!(waiting.as_mut().poll(cx));
        Poll::Ready(Some(Err(Box::new(BodyTimedOut))))
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
