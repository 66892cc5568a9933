//! Request bodies: bounded in time while they are read, and in size when nobody wants the rest.
//!
//! A peer that stops sending holds nothing for ever: there is a time-out between two pieces. A body that is answered
//! before it was read (413, 401) is read to its end all the same, within bounds: closing a connection on bytes that are
//! still coming makes the peer's system throw away the answer it has already received.

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
    RequestBody::new(TimedBody { incoming: Some(incoming), idle, waiting: None })
}

/// Bytes of an unwanted rest that are read and thrown away, and for how long.
const UNWANTED_BYTES: usize = 8 * 1024 * 1024;
const UNWANTED_TIME: Duration = Duration::from_secs(5);

struct TimedBody {
    /// Taken when the body is dropped, and never before.
    incoming: Option<Incoming>,
    idle: Duration,
    // Armed only while a piece is awaited: a body that arrives with its head never makes a timer.
    waiting: Option<Pin<Box<Sleep>>>,
}

impl Body for TimedBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Some(incoming) = &mut self.incoming else { return Poll::Ready(None) };
        if let Poll::Ready(frame) = Pin::new(incoming).poll_frame(cx) {
            self.waiting = None;
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let idle = self.idle;
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(tokio::time::sleep(idle)));
        ready!(waiting.as_mut().poll(cx));
        Poll::Ready(Some(Err(Box::new(BodyTimedOut))))
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.as_ref().map(Body::size_hint).unwrap_or_default()
    }
}

impl Drop for TimedBody {
    fn drop(&mut self) {
        let rest = self.incoming.take().filter(|incoming| !incoming.is_end_stream());
        // Outside a runtime there is no connection left to be polite to.
        if let (Some(rest), Ok(runtime)) = (rest, tokio::runtime::Handle::try_current()) {
            runtime.spawn(tokio::time::timeout(UNWANTED_TIME, discard(rest)));
        }
    }
}

async fn discard(mut rest: Incoming) {
    let mut left = UNWANTED_BYTES;
    while let Some(Ok(frame)) = rest.frame().await {
        let read = frame.data_ref().map_or(0, Bytes::len);
        let Some(less) = left.checked_sub(read) else { return };
        left = less;
    }
}
