//! Where decompressed bytes go: a buffer that grows with what was really decompressed, up to a cap.

use super::{Buffers, CodecError};
use bytes::Bytes;
use std::io::{self, Read};

/// An announced size is believed up to this many times the input; beyond, memory follows what really
/// comes out.
const CLAIM_RATIO_MAX: usize = 64;
/// Output is asked for in steps of this when a codec does not say how much it needs.
const STEP_BYTES: usize = 64 * 1024;

/// A buffer that is zeroed step by step just before it is written, while its bytes are in the cache.
///
/// Memory is what was announced, within reason, or at most twice what came out.
pub(super) struct Output<'a> {
    buffers: &'a dyn Buffers,
    /// Written up to `len`, zeroed behind that.
    buf: Vec<u8>,
    len: usize,
    cap: usize,
    believed: usize,
}

impl<'a> Output<'a> {
    /// A buffer for what `input` decompresses to: at most `cap` bytes.
    pub(super) fn new(input: &[u8], cap: usize, buffers: &'a dyn Buffers) -> Self {
        let believed = input.len().saturating_mul(CLAIM_RATIO_MAX);
        Self { buffers, buf: Vec::new(), len: 0, cap, believed }
    }

    /// Makes memory ready for `size` more bytes, if that can be believed.
    pub(super) fn expect(&mut self, size: usize) {
        if size <= self.believed && size <= self.left() {
            self.make_room(self.len + size);
        }
    }

    /// What was written so far, and the room for up to `want` bytes more: less than that when the cap
    /// is near, none at all when it is reached.
    pub(super) fn split(&mut self, want: usize) -> (&[u8], &mut [u8]) {
        let end = self.len.saturating_add(want).min(self.cap);
        if end > self.buf.len() {
            self.begin(end);
            self.buf.resize(end, 0);
        }
        let (written, room) = self.buf.split_at_mut(self.len);
        let room_len = end - written.len();
        (written, &mut room[..room_len])
    }

    /// Takes the first `n` bytes of the room that was lent out last.
    pub(super) fn advance(&mut self, n: usize) {
        self.len = self.len.saturating_add(n).min(self.buf.len());
    }

    /// Writes bytes that are somewhere else.
    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<(), CodecError> {
        if bytes.len() > self.left() {
            return Err(self.too_large());
        }
        // What was cleared behind `len` would be written twice.
        self.buf.truncate(self.len);
        self.begin(bytes.len());
        self.buf.extend_from_slice(bytes);
        self.len = self.buf.len();
        Ok(())
    }

    /// The first room is that for `bytes`.
    fn begin(&mut self, bytes: usize) {
        if self.buf.capacity() == 0 {
            self.buf = self.buffers.take(bytes);
        }
    }

    fn make_room(&mut self, end: usize) {
        self.begin(end);
        self.buf.reserve_exact(end.saturating_sub(self.buf.len()));
    }

    /// Bytes that may still be written.
    pub(super) fn left(&self) -> usize {
        self.cap - self.len
    }

    pub(super) fn too_large(&self) -> CodecError {
        CodecError::TooLarge(self.cap)
    }

    pub(super) fn written(&self) -> &[u8] {
        &self.buf[..self.len]
    }

    /// Reads to the end of the stream; `corrupt` makes its errors typed.
    pub(super) fn fill(
        &mut self,
        mut from: impl Read,
        corrupt: impl Fn(io::Error) -> CodecError,
    ) -> Result<(), CodecError> {
        loop {
            let spare = self.buf.capacity().min(self.cap) - self.len;
            let (_, room) = self.split(STEP_BYTES.min(spare));
            let mut probe = [0];
            // What was announced has come: one byte more tells whether that was all, without growing.
            let into = if room.is_empty() { &mut probe[..] } else { room };
            match from.read(into) {
                Ok(0) => return Ok(()),
                Ok(n) if spare > 0 => self.advance(n),
                Ok(_) => self.push(probe[0])?,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(corrupt(e)),
            }
        }
    }

    fn push(&mut self, byte: u8) -> Result<(), CodecError> {
        match self.split(1).1 {
            [] => return Err(self.too_large()),
            [room, ..] => *room = byte,
        }
        self.advance(1);
        Ok(())
    }

    pub(super) fn finish(mut self) -> Bytes {
        self.buf.truncate(self.len);
        // Records may live for long. A little waste is cheaper than moving the bytes or, what large
        // shrunken blocks come to, faulting in fresh pages for every batch.
        if self.len < self.buf.capacity() / 2 {
            self.buf.shrink_to_fit();
        }
        self.buffers.filled(self.buf)
    }
}
