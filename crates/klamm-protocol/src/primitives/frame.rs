//! Whole frames, size prefix included, as pieces that are written one after the other.

use super::Piece;
use bytes::Bytes;

/// One whole frame, size prefix included, as the pieces of a vectored write.
#[derive(Debug, Clone)]
pub struct Frame {
    parts: Vec<Bytes>,
    len: usize,
}

impl Frame {
    pub(super) fn new(parts: Vec<Bytes>, len: usize) -> Self {
        Self { parts, len }
    }

    /// Bytes over all pieces, the four of the size prefix included.
    #[allow(clippy::len_without_is_empty, reason = "a frame always has its size prefix")]
    pub fn len(&self) -> usize {
        self.len
    }

    /// The pieces, in order.
    pub fn parts(&self) -> &[Bytes] {
        &self.parts
    }

    /// The pieces, in order, by value.
    pub fn into_parts(self) -> Vec<Bytes> {
        self.parts
    }
}

/// One whole frame of which parts may still have to be read: its size is known, and its memory is only what is here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamedFrame {
    pieces: Vec<Piece>,
    len: usize,
}

impl StreamedFrame {
    pub(super) fn new(pieces: Vec<Piece>, len: usize) -> Self {
        Self { pieces, len }
    }

    /// Bytes over all pieces, the four of the size prefix included.
    #[allow(clippy::len_without_is_empty, reason = "a frame always has its size prefix")]
    pub fn len(&self) -> usize {
        self.len
    }

    /// The pieces, in order, by value.
    pub fn into_pieces(self) -> Vec<Piece> {
        self.pieces
    }

    /// Leaves the first `len` bytes, whatever the size prefix says.
    pub fn truncate(&mut self, len: usize) {
        let mut left = len;
        self.pieces.retain_mut(|piece| {
            piece.truncate(left);
            left -= piece.len();
            !piece.is_empty()
        });
        self.len = self.len.min(len);
    }
}

impl From<Frame> for StreamedFrame {
    fn from(frame: Frame) -> Self {
        let pieces = frame.parts.into_iter().map(Piece::Here).collect();
        Self { pieces, len: frame.len }
    }
}
