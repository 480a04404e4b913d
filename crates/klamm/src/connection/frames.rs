//! Bytes of a socket, cut into response frames.

use super::connector::Transport;
use bytes::{Buf, Bytes, BytesMut};
use std::pin::pin;
use std::task::{Context, Poll};
use tokio::io::AsyncReadExt;

/// Room made for reads when there is less than [`READ_MIN_BYTES`] left.
const READ_BYTES: usize = 64 * 1024;
/// Least room for a read.
const READ_MIN_BYTES: usize = 4 * 1024;
/// A claimed size is believed up to here; room for more is made as the bytes come.
const TRUSTED_BYTES: usize = 1024 * 1024;

/// The receiving side of a connection.
#[derive(Debug)]
pub(super) struct FrameReader {
    buffer: BytesMut,
    /// Largest frame that is accepted.
    max_bytes: usize,
}

impl FrameReader {
    pub(super) fn new(max_bytes: usize) -> Self {
        Self { buffer: BytesMut::new(), max_bytes }
    }

    /// Whether bytes are left that make no whole frame.
    pub(super) fn has_bytes(&self) -> bool {
        !self.buffer.is_empty()
    }

    /// Reads once; false when nothing is there at present.
    pub(super) fn poll_fill(
        &mut self,
        transport: &mut Transport,
        cx: &mut Context<'_>,
    ) -> Result<bool, String> {
        if self.buffer.capacity() - self.buffer.len() < READ_MIN_BYTES {
            self.buffer.reserve(READ_BYTES);
        }
        match pin!(transport.read_buf(&mut self.buffer)).poll(cx) {
            Poll::Pending => Ok(false),
            Poll::Ready(Ok(0)) => Err("the broker closed the connection".to_owned()),
            Poll::Ready(Ok(_)) => Ok(true),
            Poll::Ready(Err(e)) => Err(e.to_string()),
        }
    }

    /// Takes the next whole frame, without its size prefix; makes room when a large one is under way.
    pub(super) fn next_frame(&mut self) -> Result<Option<Bytes>, String> {
        let Some(size) = self.buffer.first_chunk::<4>() else { return Ok(None) };
        let size = i32::from_be_bytes(*size);
        let Some(len) = usize::try_from(size).ok().filter(|n| *n <= self.max_bytes) else {
            return Err(format!("a response claims {size} bytes; the limit is {}", self.max_bytes));
        };
        let have = self.buffer.len();
        if have < 4 + len {
            // Doubling, so that a claim costs memory only as it comes true.
            self.buffer.reserve((4 + len - have).min(TRUSTED_BYTES.max(have)));
            return Ok(None);
        }
        self.buffer.advance(4);
        Ok(Some(self.buffer.split_to(len).freeze()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader(bytes: &[u8]) -> FrameReader {
        let mut reader = FrameReader::new(100 * 1024 * 1024);
        reader.buffer.extend_from_slice(bytes);
        reader
    }

    #[test]
    fn frames_are_cut_at_their_sizes() {
        let mut reader = reader(&[0, 0, 0, 2, 7, 8, 0, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!(reader.next_frame().unwrap().unwrap()[..], [7, 8]);
        assert!(reader.next_frame().unwrap().unwrap().is_empty());
        assert_eq!(reader.next_frame(), Ok(None));
        reader.buffer.extend_from_slice(&[9]);
        assert_eq!(reader.next_frame().unwrap().unwrap()[..], [9]);
        assert!(!reader.has_bytes());
    }

    #[test]
    fn sizes_over_the_limit_and_below_zero_are_refused() {
        for size in [-1, i32::MIN, i32::MAX, 100 * 1024 * 1024 + 1] {
            assert!(reader(&size.to_be_bytes()).next_frame().is_err(), "{size}");
        }
    }

    #[test]
    fn claim_of_a_large_frame_is_not_paid_for_in_advance() {
        let mut reader = reader(&(100i32 * 1024 * 1024).to_be_bytes());
        assert_eq!(reader.next_frame(), Ok(None));
        assert!(reader.buffer.capacity() <= 2 * TRUSTED_BYTES, "{}", reader.buffer.capacity());
    }
}
