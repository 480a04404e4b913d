//! How callers tell the sender that there is something to do, and how it tells them the time.
//!
//! The sender is woken at most once for each batch that becomes ready, and not at all while it is
//! awake: it leaves its waker here only when it goes to sleep. A batch that merely opens does not wake
//! a sender whose timer ends within the linger anyway.

use super::partition::Partition;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::task::Waker;
use std::time::{SystemTime, UNIX_EPOCH};

#[derive(Debug, Default)]
pub(crate) struct Signals {
    inner: Mutex<Inner>,
    /// Milliseconds since the epoch as of the last look at the clock: reading the real clock for each
    /// record would cost more than encoding it. The sender refreshes it whenever it is awake, and it
    /// is awake at least every linger while a batch is open.
    clock_ms: AtomicI64,
}

/// What has happened since the sender last looked. Every list holds a partition at most once per
/// batch, so their length is bounded by the batches that fit `buffer.memory`.
#[derive(Debug, Default)]
pub(crate) struct Inner {
    pub(crate) ready: Vec<Arc<Partition>>,
    pub(crate) opened: Vec<Arc<Partition>>,
    pub(crate) awaited: Vec<Arc<Partition>>,
    /// Send every open batch: a flush, or a caller waits for memory.
    pub(crate) force_all: bool,
    pub(crate) metadata_changed: bool,
    pub(crate) closed: bool,
    waker: Option<Waker>,
    timer_is_set: bool,
}

impl Signals {
    /// The time as of the sender's last look, without looking.
    #[inline]
    pub(crate) fn now_ms(&self) -> i64 {
        self.clock_ms.load(Ordering::Relaxed)
    }

    /// Looks at the clock.
    pub(crate) fn read_clock(&self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
        self.clock_ms.store(now, Ordering::Relaxed);
        now
    }

    /// A partition has something to send.
    pub(crate) fn ready(&self, partition: &Arc<Partition>) {
        self.tell(|inner| {
            inner.ready.push(Arc::clone(partition));
            true
        });
    }

    /// A partition has a new open batch, whose linger starts now.
    pub(crate) fn opened(&self, partition: &Arc<Partition>) {
        self.tell(|inner| {
            inner.opened.push(Arc::clone(partition));
            !inner.timer_is_set
        });
    }

    /// A partition has a new open batch that somebody waits for: one wake-up for both.
    pub(crate) fn opened_and_awaited(&self, partition: &Arc<Partition>) {
        self.tell(|inner| {
            inner.opened.push(Arc::clone(partition));
            inner.awaited.push(Arc::clone(partition));
            true
        });
    }

    /// Somebody waits for the open batch of a partition.
    pub(crate) fn awaited(&self, partition: &Arc<Partition>) {
        self.tell(|inner| {
            inner.awaited.push(Arc::clone(partition));
            true
        });
    }

    /// Every open batch is to be sent.
    pub(crate) fn force_all(&self) {
        self.tell(|inner| !std::mem::replace(&mut inner.force_all, true));
    }

    /// There is a newer snapshot of the cluster.
    pub(crate) fn metadata_changed(&self) {
        self.tell(|inner| !std::mem::replace(&mut inner.metadata_changed, true));
    }

    /// The producer is closed: give up what is left.
    pub(crate) fn close(&self) {
        self.tell(|inner| !std::mem::replace(&mut inner.closed, true));
    }

    fn tell(&self, what: impl FnOnce(&mut Inner) -> bool) {
        let waker = {
            let mut inner = self.inner.lock();
            if what(&mut inner) { inner.waker.take() } else { None }
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Takes all that has happened; the sender is awake from here on.
    pub(crate) fn take(&self) -> Inner {
        let mut inner = self.inner.lock();
        std::mem::take(&mut *inner)
    }

    /// Puts the sender to sleep, unless something has happened since [`Self::take`].
    pub(crate) fn sleep(&self, waker: &Waker, timer_is_set: bool) -> bool {
        let mut inner = self.inner.lock();
        let quiet = inner.ready.is_empty()
            && inner.awaited.is_empty()
            && inner.opened.is_empty()
            && !(inner.force_all || inner.metadata_changed || inner.closed);
        if quiet {
            inner.waker = Some(waker.clone());
            inner.timer_is_set = timer_is_set;
        }
        quiet
    }
}
