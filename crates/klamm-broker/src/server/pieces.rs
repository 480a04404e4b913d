//! Buffers through which answers go from a file to a connection, a piece at a time: so an answer takes the same memory
//! whatever its size, and its bytes are still in the processor's cache when the system copies them to the socket.

use bytes::Bytes;
use parking_lot::Mutex;
use std::sync::Arc;

/// The bytes of an answer that are read at a time, which is what a connection takes while it writes one. Clients ask for as many
/// of a partition unless they are told otherwise: such an answer leaves in one write, and in several it costs up to twice as much
/// processor time.
pub(super) const PIECE_BYTES: usize = 1024 * 1024;

/// Buffers that wait to be used again; those of more connections that write at the same time come from the system.
const IDLE_PIECES: usize = 16;

/// The free buffers of all connections.
#[derive(Debug, Default)]
pub(crate) struct Pieces {
    free: Mutex<Free>,
}

#[derive(Debug, Default)]
struct Free {
    /// The one that was used last comes last, and is the next.
    buffers: Vec<Vec<u8>>,
    /// The fewest that there were since the last [`Pieces::trim`].
    fewest: usize,
}

/// A buffer of [`PIECE_BYTES`]; it is free again when the last reference to its bytes is gone.
#[derive(Debug)]
pub(super) struct PieceBuffer {
    pub(super) bytes: Vec<u8>,
    home: Arc<Pieces>,
}

impl Pieces {
    /// A buffer with anything in it.
    pub(super) fn take(self: &Arc<Self>) -> PieceBuffer {
        let mut free = self.free.lock();
        let found = free.buffers.pop();
        free.fewest = free.fewest.min(free.buffers.len());
        drop(free);
        let bytes = found.unwrap_or_else(|| vec![0; PIECE_BYTES]);
        PieceBuffer { bytes, home: Arc::clone(self) }
    }

    /// Gives the system back what was not used since the last time.
    pub(crate) fn trim(&self) {
        let mut free = self.free.lock();
        let unused = free.fewest;
        free.buffers.drain(..unused);
        free.fewest = free.buffers.len();
    }
}

impl PieceBuffer {
    /// What was read into it.
    pub(super) fn freeze(self) -> Bytes {
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for PieceBuffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for PieceBuffer {
    fn drop(&mut self) {
        let mut free = self.home.free.lock();
        if free.buffers.len() < IDLE_PIECES {
            free.buffers.push(std::mem::take(&mut self.bytes));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_used_again_when_nobody_refers_to_it() {
        let pieces = Arc::new(Pieces::default());
        let first = pieces.take();
        let place = first.bytes.as_ptr();
        let bytes = first.freeze();
        let kept = bytes.slice(10..20);
        drop(bytes);
        assert_ne!(pieces.take().bytes.as_ptr(), place);
        drop(kept);
        assert_eq!(pieces.take().bytes.as_ptr(), place, "the last that was used");
    }

    #[test]
    fn few_wait_and_those_that_are_not_needed_go() {
        let pieces = Arc::new(Pieces::default());
        let many: Vec<_> = (0..2 * IDLE_PIECES).map(|_| pieces.take()).collect();
        drop(many);
        let idle = || pieces.free.lock().buffers.len();
        assert_eq!(idle(), IDLE_PIECES);
        pieces.trim();
        assert_eq!(idle(), IDLE_PIECES, "all of them were in use since");
        let few = [pieces.take(), pieces.take()];
        drop(few);
        pieces.trim();
        assert_eq!(idle(), 2);
        pieces.trim();
        assert_eq!(idle(), 0);
    }
}
