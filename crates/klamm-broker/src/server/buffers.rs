//! Buffers of large requests. They are used again: on many machines taking a page from the system costs more than
//! everything else that is done with the bytes in it.

use super::connection::READ_BYTES;
use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The largest request that gets such a buffer, in bytes. Address space is taken for all of it at once, so that its bytes
/// never move; memory is used as they come.
const LARGEST_BYTES: usize = 8 * 1024 * 1024;

/// Buffers that wait for their bytes, in bytes. Who claims much and sends little holds one all the while, and an allocator
/// that was used before gives out pages that are in memory already: the claim alone takes them. Beyond this a request
/// grows in the buffer of its connection, with its bytes.
const FILLING_BYTES: usize = 128 * 1024 * 1024;

/// Free buffers that are kept, in bytes: more than a broker in memory gives up at once when its cap is reached.
const IDLE_BYTES: usize = 96 * 1024 * 1024;

/// The free buffers of all connections.
#[derive(Debug, Default)]
pub(crate) struct RequestBuffers {
    free: Mutex<Free>,
}

#[derive(Debug, Default)]
struct Free {
    by_capacity: BTreeMap<usize, Vec<Vec<u8>>>,
    bytes: usize,
    /// Bytes of the buffers that are being filled.
    filling: usize,
    /// The least there was since the last [`RequestBuffers::trim`]: nobody has needed those.
    spare: usize,
}

/// A buffer for one request; it is free again when the last reference to its bytes is gone.
#[derive(Debug)]
pub(super) struct RequestBuffer {
    pub(super) bytes: Vec<u8>,
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
        let bytes = {
            let mut free = self.free.lock();
            if free.filling + capacity > FILLING_BYTES {
                return None;
            }
            free.filling += capacity;
            free.take(capacity)
        };
        let bytes = bytes.unwrap_or_else(|| Vec::with_capacity(capacity));
        Some(RequestBuffer { bytes, home: Arc::clone(self), is_full: false })
    }

    /// Gives the system back what was not used since the last time.
    pub(crate) fn trim(&self) {
        let mut free = self.free.lock();
        let mut spare = free.spare;
        let mut gone = Vec::new();
        while let Some(mut entry) = free.by_capacity.last_entry()
            && *entry.key() <= spare
        {
            spare -= *entry.key();
            gone.extend(entry.get_mut().pop());
            if entry.get().is_empty() {
                entry.remove();
            }
        }
        free.bytes -= gone.iter().map(Vec::capacity).sum::<usize>();
        free.spare = free.bytes;
    }
}

impl Free {
    fn take(&mut self, capacity: usize) -> Option<Vec<u8>> {
        let buffer = self.by_capacity.get_mut(&capacity)?.pop()?;
        self.bytes -= capacity;
        self.spare = self.spare.min(self.bytes);
        Some(buffer)
    }
}

impl RequestBuffer {
    /// What was read into it.
    pub(super) fn freeze(mut self) -> Bytes {
        self.is_full = true;
        self.home.free.lock().filling -= self.bytes.capacity();
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
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.clear();
        let capacity = bytes.capacity();
        let mut free = self.home.free.lock();
        if !self.is_full {
            free.filling -= capacity;
        }
        if free.bytes + capacity <= IDLE_BYTES {
            free.bytes += capacity;
            free.by_capacity.entry(capacity).or_default().push(bytes);
        }
    }
}

/// Four sizes for every doubling: requests of about the same size share buffers, and at most a quarter is left over.
fn capacity_for(len: usize) -> usize {
    let step = len.next_power_of_two() / 8;
    len.next_multiple_of(step)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn idle(buffers: &RequestBuffers) -> usize {
        let free = buffers.free.lock();
        let capacities = free.by_capacity.iter();
        let counted: usize = capacities.map(|(capacity, all)| capacity * all.len()).sum();
        assert_eq!(counted, free.bytes);
        assert!(free.spare <= free.bytes);
        counted
    }

    #[test]
    fn capacities_are_few_and_large_enough() {
        let mut capacities: Vec<usize> = (READ_BYTES..=LARGEST_BYTES)
            .step_by(1000)
            .map(|len| {
                let capacity = capacity_for(len);
                assert!(capacity >= len && capacity - len <= len / 4, "{len}: {capacity}");
                capacity
            })
            .collect();
        capacities.dedup();
        assert!(capacities.is_sorted() && capacities.len() <= 4 * 7 + 1, "{capacities:?}");
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
        assert_eq!(buffers.free.lock().filling, 0);
    }

    #[test]
    fn what_is_idle_is_bounded_and_goes_when_it_is_not_needed() {
        let buffers = Arc::new(RequestBuffers::default());
        let taken: Vec<_> = (0..14).map(|_| buffers.take(LARGEST_BYTES).unwrap()).collect();
        drop(taken);
        assert_eq!(idle(&buffers), IDLE_BYTES);
        // All were in use since the last time.
        buffers.trim();
        assert_eq!(idle(&buffers), IDLE_BYTES);
        drop([buffers.take(LARGEST_BYTES), buffers.take(LARGEST_BYTES)]);
        buffers.trim();
        assert_eq!(idle(&buffers), 2 * LARGEST_BYTES);
        buffers.trim();
        assert_eq!(idle(&buffers), 0);
    }
}
