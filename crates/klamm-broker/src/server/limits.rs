//! What connections may take of the broker's time and memory.

use super::connection::READ_BYTES;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// The largest frame of a client that has not logged in, in bytes (Kafka's `sasl.server.max.receive.size`).
pub(super) const MAX_LOGIN_FRAME_BYTES: i32 = 512 * 1024;

/// Memory is counted in units of so many bytes.
const UNIT_BYTES: usize = 1024;

/// Limits on what a client can take without giving.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectionLimits {
    /// How long TLS and login may take together. Default 10 s.
    pub login_timeout: Duration,
    /// A request that has begun has to come whole, or 64 KiB further, within this. Default 10 s.
    pub progress_timeout: Duration,
    /// Bytes of requests under way over all connections (`queued.max.request.bytes`), in bytes; one more request of any
    /// size always fits, and so do requests up to 64 KiB. Default 268,435,456.
    pub request_memory_bytes: usize,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            login_timeout: Duration::from_secs(10),
            progress_timeout: Duration::from_secs(10),
            request_memory_bytes: 256 * 1024 * 1024,
        }
    }
}

/// The memory that large requests share.
///
/// A connection reserves in steps as its bytes arrive, so that a claim alone takes nothing. When all is reserved, one
/// connection at a time may go beyond to finish its request: they cannot all wait for each other.
#[derive(Debug)]
pub(crate) struct RequestMemory {
    limit: usize,
    free: Arc<Semaphore>,
    beyond: Arc<Semaphore>,
}

/// Memory that a request has.
#[derive(Debug, Default)]
pub(super) struct Reserved {
    permit: Option<OwnedSemaphorePermit>,
    beyond: Option<OwnedSemaphorePermit>,
}

impl Reserved {
    /// Whether it is enough for so many bytes.
    fn covers(&self, bytes: usize) -> bool {
        self.beyond.is_some() || self.units() >= units(bytes)
    }

    fn units(&self) -> usize {
        self.permit.as_ref().map_or(0, OwnedSemaphorePermit::num_permits)
    }

    /// Whether there is anything to give back.
    pub(super) fn is_empty(&self) -> bool {
        self.permit.is_none() && self.beyond.is_none()
    }

    fn add(&mut self, permit: OwnedSemaphorePermit) {
        match &mut self.permit {
            Some(own) => own.merge(permit),
            None => self.permit = Some(permit),
        }
    }
}

/// Small requests are free: every connection has a buffer for them anyway.
fn units(bytes: usize) -> usize {
    if bytes <= READ_BYTES { 0 } else { bytes.div_ceil(UNIT_BYTES) }
}

impl RequestMemory {
    pub(crate) fn new(bytes: usize) -> Self {
        let units = (bytes / UNIT_BYTES).clamp(1, Semaphore::MAX_PERMITS);
        let (free, beyond) = (Arc::new(Semaphore::new(units)), Arc::new(Semaphore::new(1)));
        Self { limit: units, free, beyond }
    }

    /// Bytes that are reserved, and bytes that there are.
    pub(crate) fn usage(&self) -> (usize, usize) {
        let used = self.limit.saturating_sub(self.free.available_permits());
        (used * UNIT_BYTES, self.limit * UNIT_BYTES)
    }

    /// Raises `reserved` to so many bytes, if that can be done at once.
    pub(super) fn try_reserve(&self, reserved: &mut Reserved, bytes: usize) -> bool {
        if reserved.covers(bytes) {
            return true;
        }
        let missing = u32::try_from(units(bytes) - reserved.units()).unwrap_or(u32::MAX);
        if let Ok(permit) = self.free.clone().try_acquire_many_owned(missing) {
            reserved.add(permit);
            return true;
        }
        reserved.beyond = self.beyond.clone().try_acquire_owned().ok();
        reserved.beyond.is_some()
    }

    /// Waits until `reserved` is raised to so many bytes. Cancel safe.
    pub(super) async fn reserve(&self, reserved: &mut Reserved, bytes: usize) {
        let missing = u32::try_from(units(bytes).saturating_sub(reserved.units()));
        // Neither semaphore is ever closed.
        tokio::select! {
            biased;
            permit = self.free.clone().acquire_many_owned(missing.unwrap_or(u32::MAX)) => {
                if let Ok(permit) = permit {
                    reserved.add(permit);
                }
            }
            beyond = self.beyond.clone().acquire_owned() => reserved.beyond = beyond.ok(),
        }
    }
}

/// Whether a frame that has begun gets on.
#[derive(Debug, Default)]
pub(super) struct Progress {
    since: Option<(Instant, usize)>,
}

impl Progress {
    /// Says that `bytes` of a frame are there; gives the time by which more have to be.
    pub(super) fn observe(&mut self, now: Instant, bytes: usize, limit: Duration) -> Instant {
        let (since, _) = match self.since {
            Some((since, mark)) if bytes < mark + READ_BYTES => (since, mark),
            _ => *self.since.insert((now, bytes)),
        };
        since + limit
    }

    /// No frame is under way, or its bytes are not being read.
    pub(super) fn rest(&mut self) {
        self.since = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    const MIB: usize = 1 << 20;

    fn is_ready(future: impl Future) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        matches!(pin!(future).poll(&mut cx), Poll::Ready(_))
    }

    #[test]
    fn small_requests_need_no_memory_and_one_large_one_always_fits() {
        let memory = RequestMemory::new(4 * MIB);
        let (mut a, mut b, mut c) = Default::default();
        assert!(memory.try_reserve(&mut a, 4 * MIB));
        assert!(memory.try_reserve(&mut c, READ_BYTES) && c.is_empty());
        assert!(memory.try_reserve(&mut b, 100 * MIB), "beyond");
        assert!(!memory.try_reserve(&mut c, READ_BYTES + 1));
        assert!(!is_ready(memory.reserve(&mut c, 2 * MIB)));
        drop(b);
        assert!(is_ready(memory.reserve(&mut c, 2 * MIB)), "beyond is free again");
        let mut d = Reserved::default();
        assert!(!is_ready(memory.reserve(&mut d, 2 * MIB)));
        drop(a);
        assert!(is_ready(memory.reserve(&mut d, 2 * MIB)));
        assert_eq!(memory.free.available_permits(), 2 * MIB / UNIT_BYTES);
        drop((c, d));
        assert_eq!(memory.free.available_permits(), 4 * MIB / UNIT_BYTES);
        assert_eq!(memory.beyond.available_permits(), 1);
    }

    #[test]
    fn reservations_grow_in_steps() {
        let memory = RequestMemory::new(4 * MIB);
        let mut request = Reserved::default();
        for bytes in [MIB, 2 * MIB, 2 * MIB, MIB] {
            assert!(memory.try_reserve(&mut request, bytes));
        }
        assert_eq!(memory.free.available_permits(), 2 * MIB / UNIT_BYTES);
    }

    #[test]
    fn a_trickle_is_no_progress() {
        let start = Instant::now();
        let at = |s| start + Duration::from_secs(s);
        let limit = Duration::from_secs(10);
        let mut progress = Progress::default();
        assert_eq!(progress.observe(start, 1, limit), at(10));
        assert_eq!(progress.observe(at(5), 1000, limit), at(10));
        assert_eq!(progress.observe(at(6), 1 + READ_BYTES, limit), at(16));
        progress.rest();
        assert_eq!(progress.observe(at(7), 1, limit), at(17));
    }
}
