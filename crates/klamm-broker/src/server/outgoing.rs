//! What a connection still has to write.

use super::pieces::{PIECE_BYTES, Pieces};
use bytes::Bytes;
use klamm_protocol::primitives::{Piece, StreamedFrame};
use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::sync::Arc;

/// Pieces of one vectored write.
pub(super) const MAX_SLICES: usize = 64;

/// Answers that are due, oldest first. What of them lies in a file is read when its turn comes.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    pieces: VecDeque<Piece>,
}

impl Outgoing {
    pub(super) fn push(&mut self, frame: StreamedFrame) {
        self.pieces.extend(frame.into_pieces());
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Puts what is written next into `parts`: as much as goes into one write, and no more of what has to be read than fits
    /// one piece.
    ///
    /// # Errors
    /// What is promised cannot be read.
    pub(super) fn next(&mut self, parts: &mut Vec<Bytes>, pool: &Arc<Pieces>) -> io::Result<()> {
        let (mut buffer, mut filled) = (None, 0);
        let mut read: Vec<(usize, Range<usize>)> = Vec::new();
        while parts.len() < MAX_SLICES
            && filled < PIECE_BYTES
            && let Some(piece) = self.pieces.pop_front()
        {
            let mut later = match piece {
                Piece::Here(bytes) => {
                    parts.push(bytes);
                    continue;
                }
                Piece::Later(later) => later,
            };
            let range = filled..PIECE_BYTES.min(filled + later.len());
            let buffer = buffer.get_or_insert_with(|| pool.take());
            later.read(&mut buffer.bytes[range.clone()])?;
            filled = range.end;
            // Its place among the others; the bytes cannot be shared before all are read.
            read.push((parts.len(), range));
            parts.push(Bytes::new());
            if !later.is_empty() {
                self.pieces.push_front(Piece::Later(later));
            }
        }
        if let Some(buffer) = buffer {
            let bytes = buffer.freeze();
            read.into_iter().for_each(|(at, range)| parts[at] = bytes.slice(range));
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "outgoing_tests.rs"]
mod tests;
