//! A large document on its way to a client: joined and compressed frame by frame, each piece let go when it is written.

use crate::body::BodyError;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http_body::{Body as HttpBody, Frame, SizeHint};
use std::io::Write;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Bytes of the document that are joined at a time.
const FRAME: usize = 64 << 10;

/// The pieces that are still to be written.
pub(super) struct Streamed {
    pieces: std::vec::IntoIter<Bytes>,
    /// Bytes of the document that are still to be written.
    left: u64,
    gzip: Option<GzEncoder<Vec<u8>>>,
}

impl Streamed {
    /// A document of pieces, compressed where asked for.
    pub(super) fn new(pieces: Vec<Bytes>, gzip: bool) -> Self {
        let left = pieces.iter().map(|piece| piece.len() as u64).sum();
        // Quickly before tightly, as other large documents are.
        let gzip = gzip.then(|| GzEncoder::new(Vec::new(), Compression::new(1)));
        Self { pieces: pieces.into_iter(), left, gzip }
    }

    /// The next bytes of the document; empty after the last.
    fn joined(&mut self) -> Vec<u8> {
        let mut out = Vec::with_capacity(FRAME);
        while out.len() < FRAME {
            let Some(piece) = self.pieces.next() else { break };
            out.extend_from_slice(&piece);
        }
        self.left -= out.len() as u64;
        out
    }

    fn compressed(&mut self) -> Option<Vec<u8>> {
        loop {
            let joined = self.joined();
            let encoder = self.gzip.as_mut()?;
            // Writing to a vector cannot fail.
            let _ = encoder.write_all(&joined);
            if joined.is_empty() {
                return self.gzip.take()?.finish().ok();
            }
            let ready = std::mem::take(encoder.get_mut());
            if !ready.is_empty() {
                return Some(ready);
            }
        }
    }
}

impl HttpBody for Streamed {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        let next = if this.gzip.is_some() { this.compressed() } else { Some(this.joined()) };
        Poll::Ready(next.filter(|next| !next.is_empty()).map(|next| Ok(Frame::data(next.into()))))
    }

    fn size_hint(&self) -> SizeHint {
        if self.gzip.is_some() { SizeHint::default() } else { SizeHint::with_exact(self.left) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::read::GzDecoder;
    use http_body_util::BodyExt;
    use std::io::Read;

    fn pieces() -> Vec<Bytes> {
        (0..40_000_u32)
            .map(|index| Bytes::from(format!("piece {index} {};", "x".repeat(index as usize % 90))))
            .collect()
    }

    #[tokio::test]
    async fn the_frames_are_the_document_and_pieces_go_with_them() {
        let whole = pieces().concat();
        let mut body = Streamed::new(pieces(), false);
        assert_eq!(body.size_hint().exact(), Some(whole.len() as u64));
        let mut read = Vec::new();
        while let Some(frame) = body.frame().await {
            let data = frame.unwrap().into_data().unwrap();
            assert!(data.len() < FRAME + 128);
            read.extend_from_slice(&data);
            assert_eq!(body.size_hint().exact(), Some((whole.len() - read.len()) as u64));
            let held: usize = body.pieces.as_slice().iter().map(Bytes::len).sum();
            assert_eq!(held, whole.len() - read.len());
        }
        assert!(read == whole);
    }

    #[tokio::test]
    async fn compressed_frames_unpack_to_the_document() {
        let packed = Streamed::new(pieces(), true).collect().await.unwrap().to_bytes();
        let mut read = Vec::new();
        GzDecoder::new(packed.as_ref()).read_to_end(&mut read).unwrap();
        assert!(read == pieces().concat());
        assert!(packed.len() < read.len() / 4);
        let empty = Streamed::new(Vec::new(), true).collect().await.unwrap().to_bytes();
        assert_eq!(GzDecoder::new(empty.as_ref()).read_to_end(&mut Vec::new()).unwrap(), 0);
    }
}
