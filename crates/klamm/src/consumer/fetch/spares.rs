//! Pure: memory of records that were read, kept for those that come next.
//!
//! An allocator gives what was freed back to the system, and has it cleared page by page when the next batch asks for as
//! much: with small records that was half of what reading compressed topics cost. Here it is kept by size, a quarter of
//! the budget at most.

use bytes::Bytes;
use klamm_protocol::compression::Buffers;
use parking_lot::Mutex;
use std::fmt;
use std::sync::Arc;

/// Smaller ones are the allocator's: it has them at hand.
const SMALLEST: usize = 4 * 1024;
/// Larger ones are rare, and the system's own business.
const LARGEST: usize = 16 << 20;
/// Sizes between one power of two and the next: so a buffer is at most a quarter larger than what is in it.
const STEPS: usize = 4;
const SIZES: usize = (LARGEST.ilog2() - SMALLEST.ilog2()) as usize * STEPS + 1;

/// Buffers that nobody uses, by size.
#[derive(Clone)]
pub(super) struct Spares(Arc<Shelf>);

struct Shelf {
    limit: usize,
    kept: Mutex<Kept>,
}

struct Kept {
    by_size: [Vec<Vec<u8>>; SIZES],
    bytes: usize,
}

/// A buffer that goes back to the shelf when the last who reads it is done.
struct Lent {
    buffer: Vec<u8>,
    shelf: Arc<Shelf>,
}

impl Spares {
    /// Keeps at most `limit` bytes.
    pub(super) fn new(limit: usize) -> Self {
        let kept = Kept { by_size: std::array::from_fn(|_| Vec::new()), bytes: 0 };
        Self(Arc::new(Shelf { limit, kept: Mutex::new(kept) }))
    }

    /// Bytes that are kept.
    pub(super) fn bytes(&self) -> usize {
        self.0.kept.lock().bytes
    }

    /// Gives all but `bytes` back to the allocator.
    pub(super) fn shrink(&self, bytes: usize) {
        let mut kept = self.0.kept.lock();
        if kept.bytes > bytes {
            kept.clear();
        }
    }
}

impl Buffers for Spares {
    fn take(&self, bytes: usize) -> Vec<u8> {
        if !(SMALLEST..=LARGEST).contains(&bytes) {
            return Vec::with_capacity(bytes);
        }
        let (size, at) = size_for(bytes);
        let kept = self.0.kept.lock().take(at);
        kept.unwrap_or_else(|| Vec::with_capacity(size))
    }

    fn filled(&self, buffer: Vec<u8>) -> Bytes {
        if size_of(buffer.capacity()).is_none() {
            return buffer.into();
        }
        Bytes::from_owner(Lent { buffer, shelf: self.0.clone() })
    }
}

impl Kept {
    fn take(&mut self, at: usize) -> Option<Vec<u8>> {
        let taken = self.by_size[at].pop()?;
        self.bytes -= taken.capacity();
        Some(taken)
    }

    /// When there is no room, and none of its size, those that are kept are of sizes that nobody asks for any more.
    fn put(&mut self, at: usize, mut buffer: Vec<u8>, limit: usize) {
        let is_full = |bytes| bytes + buffer.capacity() > limit;
        if is_full(self.bytes) && self.by_size[at].is_empty() && !is_full(0) {
            self.clear();
        }
        if !is_full(self.bytes) {
            self.bytes += buffer.capacity();
            buffer.clear();
            self.by_size[at].push(buffer);
        }
    }

    fn clear(&mut self) {
        self.by_size.iter_mut().for_each(Vec::clear);
        self.bytes = 0;
    }
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.buffer
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let buffer = std::mem::take(&mut self.buffer);
        if let Some(at) = size_of(buffer.capacity()) {
            self.shelf.kept.lock().put(at, buffer, self.shelf.limit);
        }
    }
}

impl fmt::Debug for Spares {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Spares({} of {} bytes)", self.bytes(), self.0.limit)
    }
}

/// The smallest size that holds so much, and its place.
fn size_for(bytes: usize) -> (usize, usize) {
    let step = step(bytes);
    let size = bytes.div_ceil(step) * step;
    (size, place(size))
}

/// The place of the largest size that a buffer of this capacity can stand for.
fn size_of(capacity: usize) -> Option<usize> {
    (SMALLEST..=LARGEST).contains(&capacity).then(|| place(capacity))
}

fn step(bytes: usize) -> usize {
    (1 << bytes.ilog2()) / STEPS
}

fn place(size: usize) -> usize {
    let doublings = (size.ilog2() - SMALLEST.ilog2()) as usize;
    doublings * STEPS + size / step(size) - STEPS
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_size_is_no_smaller_and_at_most_a_quarter_larger(bytes in SMALLEST..=LARGEST) {
            let (size, at) = size_for(bytes);
            prop_assert!(size >= bytes && size <= bytes + bytes / STEPS);
            prop_assert!(at < SIZES);
            prop_assert_eq!(size_of(size), Some(at), "it comes back to where it was taken from");
        }

        #[test]
        fn whoever_asks_has_the_room(capacity in SMALLEST..=LARGEST, bytes in SMALLEST..=LARGEST) {
            let spares = Spares::new(LARGEST * 2);
            drop(spares.filled(Vec::with_capacity(capacity)));
            let kept = spares.bytes();
            let taken = spares.take(bytes);
            prop_assert!(taken.is_empty() && taken.capacity() >= bytes);
            prop_assert!(spares.bytes() == kept || spares.bytes() == 0);
        }
    }

    #[test]
    fn what_was_read_is_used_again_and_only_when_the_last_reader_is_done() {
        let spares = Spares::new(1 << 20);
        let mut buffer = spares.take(100_000);
        buffer.extend_from_slice(&[7; 100_000]);
        let place = buffer.as_ptr();
        let read = spares.filled(buffer);
        let part = read.slice(10..20);
        drop(read);
        let another = spares.take(100_000);
        assert_ne!(another.as_ptr(), place, "somebody still reads it");
        assert_eq!(part, [7; 10][..]);
        drop(part);
        assert_eq!(spares.bytes(), size_for(100_000).0);
        let again = spares.take(99_000);
        assert_eq!((again.as_ptr(), spares.bytes()), (place, 0));
    }

    #[test]
    fn no_more_is_kept_than_the_limit_and_old_sizes_make_way() {
        let spares = Spares::new(100_000);
        for _ in 0..50 {
            let held: Vec<Bytes> = (0..9).map(|_| spares.filled(spares.take(16_000))).collect();
            drop(held);
            assert!(spares.bytes() <= 100_000);
        }
        drop(spares.filled(spares.take(60_000)));
        assert_eq!(spares.bytes(), size_for(60_000).0);
        drop(spares.filled(spares.take(1 << 20)));
        assert_eq!(spares.bytes(), size_for(60_000).0, "larger than all of it");
        spares.shrink(1_000);
        assert_eq!(spares.bytes(), 0);
    }
}
