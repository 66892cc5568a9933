//! A long answer that has to wait until its request is done: kept compressed meanwhile, and sent as the client takes it.

use crate::body::{Body, BodyError};
use crate::exchange::{Exchange, Response};
use crate::respond;
use crate::verbs::output;
use bytes::Bytes;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use http::StatusCode;
use http_body::{Body as HttpBody, Frame, SizeHint};
use std::io::{Cursor, Read, Write};
use std::pin::Pin;
use std::task::{Context, Poll};

/// Bytes that are unpacked at a time.
const FRAME: usize = 64 << 10;

/// An answer that grows.
pub struct Packed {
    encoder: GzEncoder<Vec<u8>>,
    /// Bytes that were written.
    size: u64,
}

impl Packed {
    /// An answer without bytes.
    pub fn new() -> Self {
        Self { encoder: GzEncoder::new(Vec::new(), Compression::new(1)), size: 0 }
    }

    /// Whether nothing was written yet.
    pub const fn is_empty(&self) -> bool {
        self.size == 0
    }

    /// Writes what comes next.
    pub fn write(&mut self, bytes: &[u8]) {
        // Writing to a vector cannot fail.
        let _ = self.encoder.write_all(bytes);
        self.size += bytes.len() as u64;
    }

    /// The answer, as it is kept for who takes gzip.
    pub fn finish(self, exchange: &Exchange, code: StatusCode, content_type: &'static str) -> Response {
        let packed = self.encoder.finish().unwrap_or_default();
        if output::takes_gzip(exchange) {
            return output::gzipped(code, content_type, packed);
        }
        let unpacked = Unpacked { decoder: GzDecoder::new(Cursor::new(packed)), left: self.size };
        respond::with_body(code, content_type, Body::stream(unpacked))
    }
}

/// The same on its way to a client who does not.
struct Unpacked {
    decoder: GzDecoder<Cursor<Vec<u8>>>,
    /// Bytes that are still to come.
    left: u64,
}

impl Unpacked {
    fn unpack(&mut self) -> std::io::Result<Bytes> {
        let size = usize::try_from(self.left).unwrap_or(FRAME).min(FRAME);
        let mut frame = vec![0; size];
        self.decoder.read_exact(&mut frame)?;
        self.left -= size as u64;
        Ok(frame.into())
    }
}

impl HttpBody for Unpacked {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        if this.left == 0 {
            return Poll::Ready(None);
        }
        Poll::Ready(Some(this.unpack().map(Frame::data).map_err(BodyError::from)))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    #[tokio::test]
    async fn what_was_written_comes_in_frames_and_in_full() {
        let mut packed = Packed::new();
        let mut whole = Vec::new();
        for index in 0..30_000_u32 {
            let piece = format!("piece {index} {};", "x".repeat(index as usize % 90));
            packed.write(piece.as_bytes());
            whole.extend_from_slice(piece.as_bytes());
        }
        let kept = packed.encoder.finish().unwrap();
        assert!(kept.len() < whole.len() / 4);
        let mut body = Unpacked { decoder: GzDecoder::new(Cursor::new(kept)), left: packed.size };
        let mut read = Vec::new();
        while let Some(frame) = body.frame().await {
            let data = frame.unwrap().into_data().unwrap();
            assert!(data.len() <= FRAME);
            read.extend_from_slice(&data);
            assert_eq!(body.size_hint().exact(), Some((whole.len() - read.len()) as u64));
        }
        assert!(read == whole);
    }
}
