//! A stream as gzip, flushed with every frame.
//!
//! A compressor needs a few hundred kilobytes, which an idle watch must not hold. So the initial objects, which are many
//! and alike, are compressed; after them the compressor is dropped and live events follow as stored blocks of the same
//! gzip stream, for which a running checksum is enough.

use crate::body::{Body, BodyError};
use bytes::Bytes;
use flate2::{Compress, Compression, Crc, FlushCompress, Status};
use http_body::{Body as HttpBody, Frame};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// Magic, deflate, no flags, no time, fastest, unknown system (RFC 1952).
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 4, 255];
/// Bytes that one stored block holds at most (RFC 1951).
const BLOCK: usize = 65_535;

/// The writer's side of a gzip stream.
pub(super) struct Gzip {
    /// Dropped once what comes is not worth it.
    compressor: Option<Box<Compress>>,
    checksum: Box<Crc>,
    begun: bool,
}

impl Gzip {
    /// A stream that compresses until [`Gzip::relax`].
    pub(super) fn new() -> Self {
        let compressor = Some(Box::new(Compress::new(Compression::new(1), false)));
        Self { compressor, checksum: Box::default(), begun: false }
    }

    /// Drops the compressor. What was written is whole; what comes is stored.
    pub(super) fn relax(&mut self) {
        self.compressor = None;
    }

    /// Encodes some bytes so that the reader can read all of them.
    pub(super) fn write(&mut self, data: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(data.len() / 2 + 64);
        self.begin(&mut out);
        self.checksum.update(data);
        match &mut self.compressor {
            Some(compressor) => compress(compressor, data, &mut out),
            None => {
                data.chunks(BLOCK).for_each(|block| store(block, false, &mut out));
                // Go's decoder hands a stored block on when an empty one follows, as a flush writes it.
                store(&[], false, &mut out);
            }
        }
        out
    }

    /// The stream's end.
    pub(super) fn finish(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        self.begin(&mut out);
        // Every write ends at a byte, so a last, empty block may stand here.
        store(&[], true, &mut out);
        out.extend_from_slice(&self.checksum.sum().to_le_bytes());
        out.extend_from_slice(&self.checksum.amount().to_le_bytes());
        out
    }

    fn begin(&mut self, out: &mut Vec<u8>) {
        if !std::mem::replace(&mut self.begun, true) {
            out.extend_from_slice(&HEADER);
        }
    }
}

fn compress(compressor: &mut Compress, data: &[u8], out: &mut Vec<u8>) {
    let begin = compressor.total_in();
    loop {
        let read = usize::try_from(compressor.total_in() - begin).unwrap_or(usize::MAX);
        out.reserve(4_096);
        let done = compressor.compress_vec(&data[read.min(data.len())..], out, FlushCompress::Sync);
        let read = usize::try_from(compressor.total_in() - begin).unwrap_or(usize::MAX);
        // A flush is done when it left room; an error cannot come from a compressor in a proper state.
        if read >= data.len() && (out.len() < out.capacity() || matches!(done, Err(_) | Ok(Status::BufError))) {
            return;
        }
    }
}

/// A block that is not compressed.
fn store(block: &[u8], last: bool, out: &mut Vec<u8>) {
    let length = u16::try_from(block.len()).unwrap_or(u16::MAX);
    out.push(u8::from(last));
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&(!length).to_le_bytes());
    out.extend_from_slice(block);
}

/// Tells where a stream is: among its initial events, or live.
pub(super) trait Phases {
    /// Whether what comes now are changes as they happen.
    fn is_live(&self) -> bool;
}

/// A stream of frames as gzip.
pub(super) struct Compressed<S> {
    inner: S,
    gzip: Gzip,
    ended: bool,
}

impl<S> Compressed<S> {
    pub(super) fn new(inner: S) -> Self {
        Self { inner, gzip: Gzip::new(), ended: false }
    }
}

impl<S> Compressed<S>
where
    S: HttpBody<Data = Bytes, Error = BodyError> + Phases + Send + Unpin + 'static,
{
    /// The stream as a body.
    pub(super) fn into_body(self) -> Body {
        Body::stream(self)
    }
}

impl<S> HttpBody for Compressed<S>
where
    S: HttpBody<Data = Bytes, Error = BodyError> + Phases + Unpin,
{
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        if this.ended {
            return Poll::Ready(None);
        }
        let polled = Pin::new(&mut this.inner).poll_frame(cx);
        if polled.is_pending() && this.inner.is_live() {
            this.gzip.relax();
        }
        let written = match ready!(polled) {
            Some(frame) => match frame?.into_data() {
                Ok(data) => this.gzip.write(&data),
                // There are no trailers.
                Err(_) => return Poll::Ready(None),
            },
            None => {
                this.ended = true;
                this.gzip.finish()
            }
        };
        Poll::Ready(Some(Ok(Frame::data(written.into()))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::read::GzDecoder;
    use std::io::Read;

    fn read(gzip: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        GzDecoder::new(gzip).read_to_end(&mut out).unwrap();
        out
    }

    #[test]
    fn every_stored_write_ends_as_a_flush_does() {
        let mut gzip = Gzip::new();
        gzip.relax();
        for data in [&b"one"[..], &b"two"[..]] {
            assert!(gzip.write(data).ends_with(&[0, 0, 0, 0xff, 0xff]));
        }
    }

    #[test]
    fn what_is_compressed_and_what_is_stored_are_one_stream() {
        let (first, second) = (b"many alike ".repeat(9_000), vec![b'x'; 2 * BLOCK + 7]);
        let mut gzip = Gzip::new();
        let mut out = gzip.write(&first);
        assert!(out.len() < first.len() / 20);
        out.extend(gzip.write(b"and one more"));
        gzip.relax();
        out.extend(gzip.write(&second));
        out.extend(gzip.finish());
        assert_eq!(read(&out), [&first[..], b"and one more", &second].concat());
    }

    #[test]
    fn every_write_can_be_read_at_once() {
        for stored in [false, true] {
            let mut gzip = Gzip::new();
            if stored {
                gzip.relax();
            }
            let mut out = Vec::new();
            let mut said = Vec::new();
            for word in [&b"one\n"[..], b"two\n", b"three\n"] {
                said.extend_from_slice(word);
                out.extend(gzip.write(word));
                let mut seen = vec![0; said.len()];
                GzDecoder::new(&out[..]).read_exact(&mut seen).unwrap();
                assert_eq!(seen, said);
            }
        }
    }

    #[test]
    fn a_stream_without_events_is_empty() {
        assert_eq!(read(&Gzip::new().finish()), b"");
    }
}
