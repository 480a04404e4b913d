//! `buffer.memory`: the bytes that records may take between the call and the acknowledgement.
//!
//! Records are encoded into chunks of [`CHUNK_BYTES`]. A chunk is charged to the budget as a whole
//! when it is taken and credited when the last reference to its bytes is gone - after the answer, or
//! after the socket let go of them, whichever is later - so the budget bounds real memory. Large
//! values are charged by their length.

use bytes::Bytes;
use parking_lot::Mutex;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Size of a chunk, and the step in which budget is taken: small enough that a thousand open
/// partitions fit the default budget, large enough that its bookkeeping vanishes among ~150 records.
pub(crate) const CHUNK_BYTES: usize = 16 * 1024;

/// The semaphore counts kibibytes, so that a 32-bit permit count covers four tebibytes.
const PERMIT_BYTES: usize = 1024;

#[derive(Debug)]
pub(crate) struct BufferPool {
    permits: Semaphore,
    total_bytes: usize,
    /// Last in, first out: the warmest chunk is used next. Bounded by the budget.
    free: Mutex<Vec<Box<[u8]>>>,
}

/// Budget that was taken and is given back when this is dropped.
#[derive(Debug)]
pub(crate) struct Lease {
    pool: Arc<BufferPool>,
    permits: u32,
}

/// A buffer to encode records into; it returns to the pool when the last `Bytes` over it is gone.
#[derive(Debug)]
pub(crate) struct Chunk {
    pub(crate) buf: Box<[u8]>,
    lease: Lease,
}

impl BufferPool {
    pub(crate) fn new(total_bytes: usize) -> Arc<Self> {
        let total_bytes = total_bytes.max(2 * CHUNK_BYTES);
        Arc::new(Self {
            permits: Semaphore::new(total_bytes / PERMIT_BYTES),
            total_bytes,
            free: Mutex::new(Vec::new()),
        })
    }

    /// The whole budget in bytes.
    pub(crate) fn total_bytes(&self) -> usize {
        self.total_bytes
    }

    /// Bytes that are not taken.
    pub(crate) fn available_bytes(&self) -> usize {
        self.permits.available_permits() * PERMIT_BYTES
    }

    /// Takes budget for `bytes` if it is there and nobody waits for it.
    pub(crate) fn try_lease(self: &Arc<Self>, bytes: usize) -> Option<Lease> {
        let permits = permits_for(bytes);
        let permit = self.permits.try_acquire_many(permits).ok()?;
        permit.forget();
        Some(Lease { pool: Arc::clone(self), permits })
    }

    /// Waits, first come first served, until budget for `bytes` is there; cancel safe.
    ///
    /// More than the whole budget is never there: callers check against [`Self::total_bytes`].
    pub(crate) async fn lease(self: &Arc<Self>, bytes: usize) -> Option<Lease> {
        let permits = permits_for(bytes);
        let permit = self.permits.acquire_many(permits).await.ok()?;
        permit.forget();
        Some(Lease { pool: Arc::clone(self), permits })
    }

    /// Turns everyone away who waits or comes later.
    pub(crate) fn close(&self) {
        self.permits.close();
    }

    /// Takes a chunk, paid for by `prepaid` as far as that goes.
    pub(crate) fn try_chunk(self: &Arc<Self>, prepaid: &mut Option<Lease>) -> Option<Chunk> {
        let lease = match prepaid.as_mut().and_then(|l| l.split(CHUNK_BYTES)) {
            Some(lease) => lease,
            None => self.try_lease(CHUNK_BYTES)?,
        };
        let free = self.free.lock().pop();
        let buf = free.unwrap_or_else(|| vec![0; CHUNK_BYTES].into_boxed_slice());
        Some(Chunk { buf, lease })
    }
}

fn permits_for(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(PERMIT_BYTES)).unwrap_or(u32::MAX)
}

impl Lease {
    /// Splits off budget for `bytes`, if there is as much.
    pub(crate) fn split(&mut self, bytes: usize) -> Option<Lease> {
        let permits = permits_for(bytes);
        self.permits = self.permits.checked_sub(permits)?;
        Some(Lease { pool: Arc::clone(&self.pool), permits })
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.pool.permits.add_permits(self.permits as usize);
    }
}

impl Chunk {
    /// The first `len` bytes, shared without a copy.
    pub(crate) fn freeze(self, len: usize) -> Bytes {
        Bytes::from_owner(self).slice(..len)
    }
}

impl AsRef<[u8]> for Chunk {
    fn as_ref(&self) -> &[u8] {
        &self.buf
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        let buf = std::mem::take(&mut self.buf);
        self.lease.pool.free.lock().push(buf);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budget_is_given_back_when_the_last_reference_is_gone() {
        let pool = BufferPool::new(2 * CHUNK_BYTES);
        let bytes = pool.try_chunk(&mut None).expect("budget").freeze(10);
        let held_by_the_socket = bytes.clone();
        drop(bytes);
        assert_eq!(pool.available_bytes(), CHUNK_BYTES, "still referenced");
        drop(held_by_the_socket);
        assert_eq!(pool.available_bytes(), 2 * CHUNK_BYTES);
    }

    #[test]
    fn chunk_is_not_reused_while_its_bytes_are_referenced() {
        let pool = BufferPool::new(4 * CHUNK_BYTES);
        let mut chunk = pool.try_chunk(&mut None).expect("budget");
        chunk.buf[0] = 1;
        let bytes = chunk.freeze(1);
        let mut other = pool.try_chunk(&mut None).expect("budget");
        other.buf[0] = 2;
        assert_eq!(bytes[0], 1);
    }

    #[test]
    fn refuses_over_budget_and_splits_what_was_prepaid() {
        let pool = BufferPool::new(2 * CHUNK_BYTES);
        let mut prepaid = pool.try_lease(2 * CHUNK_BYTES);
        assert!(pool.try_lease(1).is_none());
        let first = pool.try_chunk(&mut prepaid).expect("prepaid");
        let second = pool.try_chunk(&mut prepaid).expect("prepaid");
        assert!(pool.try_chunk(&mut prepaid).is_none());
        drop((first, second, prepaid));
        assert_eq!(pool.available_bytes(), 2 * CHUNK_BYTES);
    }

    #[tokio::test]
    async fn waiters_are_served_in_order_and_a_cancelled_one_takes_nothing() {
        let pool = BufferPool::new(2 * CHUNK_BYTES);
        let held = pool.try_lease(2 * CHUNK_BYTES);
        let mut first = Box::pin(pool.lease(CHUNK_BYTES));
        let mut second = Box::pin(pool.lease(CHUNK_BYTES));
        let mut third = Box::pin(pool.lease(CHUNK_BYTES));
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        for waiter in [&mut first, &mut second, &mut third] {
            assert!(waiter.as_mut().poll(&mut cx).is_pending());
        }
        drop(second);
        drop(held);
        assert!(first.await.is_some());
        assert!(third.await.is_some());
    }
}
