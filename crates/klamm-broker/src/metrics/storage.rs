//! Syncs, and what opening the logs had to repair.

use super::histogram::{Histogram, Reading};
use klamm_log::Recovery;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// What disks did.
#[derive(Debug, Default)]
pub(crate) struct Storing {
    syncs: Histogram,
    failed_syncs: AtomicU64,
    unclean: AtomicU64,
    scanned: AtomicU64,
    cut: AtomicU64,
    quarantined: AtomicU64,
}

impl Storing {
    /// Does and times a sync.
    pub(crate) fn sync<T, E>(&self, sync: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        let since = Instant::now();
        let result = sync();
        self.syncs.observe(since.elapsed());
        if result.is_err() {
            self.failed_syncs.fetch_add(1, Ordering::Relaxed);
        }
        result
    }

    /// Notes what opening a log has found.
    pub(crate) fn recovered(&self, recovery: &Recovery) {
        let quarantined: u64 = recovery.quarantined.iter().map(|damage| damage.bytes).sum();
        self.scanned.fetch_add(recovery.scanned_batches, Ordering::Relaxed);
        self.cut.fetch_add(recovery.truncated_bytes, Ordering::Relaxed);
        self.quarantined.fetch_add(quarantined, Ordering::Relaxed);
        if !recovery.clean && recovery.scanned_batches > 0 {
            self.unclean.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn syncs(&self) -> Reading {
        self.syncs.read()
    }

    pub(crate) fn failed_syncs(&self) -> u64 {
        self.failed_syncs.load(Ordering::Relaxed)
    }

    /// Logs that were not closed before they were opened and had something to check.
    pub(crate) fn unclean_logs(&self) -> u64 {
        self.unclean.load(Ordering::Relaxed)
    }

    pub(crate) fn scanned_batches(&self) -> u64 {
        self.scanned.load(Ordering::Relaxed)
    }

    pub(crate) fn cut_bytes(&self) -> u64 {
        self.cut.load(Ordering::Relaxed)
    }

    pub(crate) fn quarantined_bytes(&self) -> u64 {
        self.quarantined.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[test]
    fn syncs_are_timed_whether_they_succeed_or_not() {
        let storing = Storing::default();
        assert_eq!(storing.sync(|| Ok::<_, io::Error>(7)).unwrap(), 7);
        assert!(storing.sync(|| Err::<(), _>(io::Error::other("broken"))).is_err());
        assert_eq!((storing.syncs().count(), storing.failed_syncs()), (2, 1));
    }
}
