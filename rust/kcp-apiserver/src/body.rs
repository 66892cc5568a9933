//! Bodies: what comes in is a stream of bytes, what goes out is whole or a stream.

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use std::pin::Pin;
use std::task::{Context, Poll};

/// Why a body broke off.
pub type BodyError = Box<dyn std::error::Error + Send + Sync>;

/// A request's body as the listener or an embedding hands it over. Shareable, so that steps may wait while they borrow
/// the exchange.
pub type RequestBody = http_body_util::combinators::BoxBody<Bytes, BodyError>;

/// A response's body.
pub enum Body {
    /// Everything is there; `None` once it was handed out.
    Full(Option<Bytes>),
    /// Frames come over time: a watch, or what an application behind the bridge sends.
    Stream(http_body_util::combinators::UnsyncBoxBody<Bytes, BodyError>),
}

impl Body {
    /// A body that is whole.
    pub fn full(bytes: impl Into<Bytes>) -> Self {
        Self::Full(Some(bytes.into()))
    }

    /// A body without bytes.
    pub const fn empty() -> Self {
        Self::Full(None)
    }

    /// A body whose frames come over time.
    pub fn stream<B>(body: B) -> Self
    where
        B: HttpBody<Data = Bytes, Error = BodyError> + Send + 'static,
    {
        Self::Stream(http_body_util::combinators::UnsyncBoxBody::new(body))
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.get_mut() {
            Self::Full(bytes) => Poll::Ready(bytes.take().filter(|b| !b.is_empty()).map(|b| Ok(Frame::data(b)))),
            Self::Stream(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Full(bytes) => bytes.as_ref().is_none_or(Bytes::is_empty),
            Self::Stream(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Full(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
            Self::Stream(body) => body.size_hint(),
        }
    }
}
