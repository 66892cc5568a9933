//! Clients that do not read: what is to be written to them waits for a time, and then they are cut.
//!
//! Two things can stand still. A socket whose peer takes nothing off it (both protocols): [`Progress`] sits between TLS
//! and the socket and fails a write that got no byte away for the whole time. A single HTTP/2 stream whose client gives
//! it no window while the connection is alive: [`Streams`] runs each stream's task and drops the one whose body was
//! taken and has not been asked for more since, which resets the stream.
//!
//! Time runs only while bytes wait. A watch that has nothing to say may be silent for ever.

use crate::connection::SEND_BUFFER;
use bytes::Bytes;
use hyper::rt::Executor;
use kcp_apiserver::{Body, BodyError};
use std::cell::Cell;
use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// A time-out that is armed by the first poll that waits and disarmed by progress. Unarmed it is one word.
struct Patience {
    limit: Duration,
    waiting: Option<Pin<Box<Sleep>>>,
}

impl Patience {
    const fn new(limit: Duration) -> Self {
        Self { limit, waiting: None }
    }

    /// Something moved.
    fn renew(&mut self) {
        self.waiting = None;
    }

    /// Nothing moved: ready when that has lasted too long.
    fn poll_lost(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let limit = self.limit;
        self.waiting.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit))).as_mut().poll(cx)
    }
}

/// A socket whose writes have to make progress.
pub(crate) struct Progress<S> {
    inner: S,
    patience: Patience,
}

impl<S> Progress<S> {
    pub(crate) const fn new(inner: S, limit: Duration) -> Self {
        Self { inner, patience: Patience::new(limit) }
    }

    fn watch<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.patience.renew();
            return written;
        }
        ready!(self.patience.poll_lost(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the peer does not read")))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Progress<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Progress<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write(cx, data);
        self.watch(cx, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write_vectored(cx, data);
        self.watch(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}

/// What a poll of a stream's task saw of the answer's body.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Seen {
    /// It was not asked.
    Nothing,
    /// It was asked and has nothing now: the next word is ours.
    Waits,
    /// It gave a frame, or its end.
    Gave,
}

thread_local! {
    /// Set by the body inside a poll of its stream's task, read by the task's guard when the poll returns.
    static SEEN: Cell<Seen> = const { Cell::new(Seen::Nothing) };
}

/// Bytes of a whole body that go out as one frame.
const PIECE: usize = 1024 * 1024;

/// An answer's body that tells its stream's guard when it is asked for more. Whole bodies that are too large for the
/// connection's own buffer are handed out in pieces, and their end on its own, so that their guard stays on duty.
pub(crate) struct Observed {
    body: Body,
    in_pieces: bool,
}

impl Observed {
    pub(crate) fn new(body: Body) -> Self {
        let in_pieces = matches!(&body, Body::Full(Some(bytes)) if bytes.len() > SEND_BUFFER);
        Self { body, in_pieces }
    }
}

impl http_body::Body for Observed {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, BodyError>>> {
        if let Body::Full(Some(bytes)) = &mut self.body
            && bytes.len() > PIECE
        {
            SEEN.set(Seen::Gave);
            return Poll::Ready(Some(Ok(http_body::Frame::data(bytes.split_to(PIECE)))));
        }
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        SEEN.set(if polled.is_ready() { Seen::Gave } else { Seen::Waits });
        polled
    }

    fn is_end_stream(&self) -> bool {
        !self.in_pieces && self.body.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.size_hint()
    }
}

/// Runs the tasks of HTTP/2 streams, each within its patience.
#[derive(Clone, Copy)]
pub(crate) struct Streams {
    pub(crate) limit: Duration,
}

impl<F> Executor<F> for Streams
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, stream: F) {
        tokio::spawn(Guarded { stream: Box::pin(stream), owes: false, patience: Patience::new(self.limit) });
    }
}

/// A stream's task. Dropping what it runs resets the stream.
struct Guarded<F> {
    stream: Pin<Box<F>>,
    /// A frame was taken from the body, and nobody has come for the next one.
    owes: bool,
    patience: Patience,
}

impl<F: Future> Future for Guarded<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        SEEN.set(Seen::Nothing);
        if self.stream.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        match SEEN.replace(Seen::Nothing) {
            Seen::Nothing => {}
            Seen::Waits => {
                self.owes = false;
                self.patience.renew();
            }
            Seen::Gave => {
                self.owes = true;
                self.patience.renew();
            }
        }
        if self.owes { self.patience.poll_lost(cx) } else { Poll::Pending }
    }
}
