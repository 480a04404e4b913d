//! Buffers of large requests. They are used again, and they lie in huge pages: on many machines taking a page from the
//! system costs more than everything else that is done with the bytes in it.

use super::connection::READ_BYTES;
use super::regions::{Piece, Regions};
use bytes::Bytes;
use parking_lot::Mutex;
use std::sync::Arc;

/// The largest request that gets such a buffer, in bytes. Address space is taken for all of it at once, so that its bytes
/// never move; memory is used as they come.
const LARGEST_BYTES: usize = 8 * 1024 * 1024;

/// Buffers that wait for their bytes, in bytes. Who claims much and sends little holds one all the while, and memory that
/// was used before is there already: the claim alone takes it. Beyond this a request grows in the buffer of its
/// connection, with its bytes.
const FILLING_BYTES: usize = 128 * 1024 * 1024;

/// The free buffers of all connections.
#[derive(Debug, Default)]
pub(crate) struct RequestBuffers {
    memory: Mutex<Memory>,
}

#[derive(Debug, Default)]
struct Memory {
    regions: Regions,
    /// Bytes of the buffers that are being filled.
    filling: usize,
}

/// A buffer for one request; it is free again when the last reference to its bytes is gone.
#[derive(Debug)]
pub(super) struct RequestBuffer {
    pub(super) bytes: Piece,
    home: Arc<RequestBuffers>,
    is_full: bool,
}

impl RequestBuffers {
    /// An empty buffer for a request of `len` bytes; none when the connection's own buffer is better for it.
    pub(super) fn take(self: &Arc<Self>, len: usize) -> Option<RequestBuffer> {
        if !(READ_BYTES..=LARGEST_BYTES).contains(&len) {
            return None;
        }
        let capacity = capacity_for(len);
        let mut memory = self.memory.lock();
        if memory.filling + capacity > FILLING_BYTES {
            return None;
        }
        memory.filling += capacity;
        let bytes = memory.regions.take(capacity);
        Some(RequestBuffer { bytes, home: Arc::clone(self), is_full: false })
    }

    /// Gives the system back what was not used since the last time.
    pub(crate) fn trim(&self) {
        self.memory.lock().regions.trim();
    }
}

impl RequestBuffer {
    /// What was read into it.
    pub(super) fn freeze(mut self) -> Bytes {
        self.is_full = true;
        self.home.memory.lock().filling -= self.bytes.capacity();
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for RequestBuffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for RequestBuffer {
    fn drop(&mut self) {
        let piece = std::mem::take(&mut self.bytes);
        let mut memory = self.home.memory.lock();
        if !self.is_full {
            memory.filling -= piece.capacity();
        }
        memory.regions.give_back(piece);
    }
}

/// Sixteen sizes for every doubling: requests of about the same size share buffers, and little is left over.
fn capacity_for(len: usize) -> usize {
    let step = len.next_power_of_two() / 32;
    len.next_multiple_of(step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capacities_are_few_and_large_enough() {
        let mut capacities: Vec<usize> = (READ_BYTES..=LARGEST_BYTES)
            .step_by(1000)
            .map(|len| {
                let capacity = capacity_for(len);
                assert!(capacity >= len && capacity - len <= len / 16, "{len}: {capacity}");
                capacity
            })
            .collect();
        capacities.dedup();
        assert!(capacities.is_sorted() && capacities.len() <= 16 * 7 + 1, "{capacities:?}");
    }

    #[test]
    fn a_buffer_is_used_again_when_nobody_refers_to_it() {
        let buffers = Arc::new(RequestBuffers::default());
        let mut first = buffers.take(200_000).unwrap();
        first.bytes.extend_from_slice(&[7; 200_000]);
        let place = first.bytes.as_ptr();
        let bytes = first.freeze();
        let kept = bytes.slice(100_000..100_010);
        drop(bytes);
        assert_ne!(buffers.take(200_000).unwrap().bytes.as_ptr(), place);
        assert_eq!(kept[..], [7; 10]);
        drop(kept);
        let again = [buffers.take(199_000).unwrap(), buffers.take(199_000).unwrap()];
        assert!(again.iter().any(|buffer| buffer.bytes.as_ptr() == place));
        assert!(again.iter().all(|buffer| buffer.bytes.is_empty()));
    }

    #[test]
    fn only_requests_of_some_size_get_one() {
        let buffers = Arc::new(RequestBuffers::default());
        for (len, given) in [(0, false), (READ_BYTES - 1, false), (READ_BYTES, true)] {
            assert_eq!(buffers.take(len).is_some(), given, "{len}");
        }
        assert!(buffers.take(LARGEST_BYTES).is_some() && buffers.take(LARGEST_BYTES + 1).is_none());
    }

    #[test]
    fn what_is_claimed_is_bounded_until_it_has_come() {
        let buffers = Arc::new(RequestBuffers::default());
        let take = || buffers.take(LARGEST_BYTES);
        let mut claimed: Vec<_> =
            (0..FILLING_BYTES / LARGEST_BYTES).filter_map(|_| take()).collect();
        assert_eq!(claimed.len() * LARGEST_BYTES, FILLING_BYTES);
        assert!(take().is_none() && buffers.take(READ_BYTES).is_none());
        let come = claimed.pop().map(RequestBuffer::freeze);
        assert!(take().is_some(), "what has come is no claim");
        claimed.pop();
        assert!(take().is_some());
        drop((come, claimed));
        assert_eq!(buffers.memory.lock().filling, 0);
    }
}
