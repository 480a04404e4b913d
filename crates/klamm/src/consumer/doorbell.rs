//! How the fetcher is told that there is something to do.
//!
//! It is woken at most once until it has looked, and for memory or room only when it waits for some: an
//! application that takes batches one after the other must not wake a thread for each.

use parking_lot::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Waker;

#[derive(Debug, Default)]
pub(super) struct Doorbell {
    rung: AtomicBool,
    /// Whether the fetcher sleeps for want of room.
    hungry: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

impl Doorbell {
    /// There is something to do.
    pub(super) fn ring(&self) {
        if !self.rung.swap(true, Ordering::AcqRel)
            && let Some(waker) = self.waker.lock().take()
        {
            waker.wake();
        }
    }

    /// There is more room, for data or for its memory.
    #[inline]
    pub(super) fn ring_if_hungry(&self) {
        if self.hungry.load(Ordering::Acquire) && self.hungry.swap(false, Ordering::AcqRel) {
            self.ring();
        }
    }

    /// The fetcher looks now; what happens from here on rings again.
    pub(super) fn answer(&self) {
        self.hungry.store(false, Ordering::Release);
        self.rung.store(false, Ordering::Release);
    }

    /// Whether something has happened since [`Doorbell::answer`].
    pub(super) fn is_rung(&self) -> bool {
        self.rung.load(Ordering::Acquire)
    }

    /// From here on room rings too. Whoever says so has to look for room once more.
    pub(super) fn be_hungry(&self) {
        self.hungry.store(true, Ordering::Release);
    }

    /// Puts the fetcher to sleep; false if something has happened since [`Doorbell::answer`].
    pub(super) fn sleep(&self, waker: &Waker) -> bool {
        *self.waker.lock() = Some(waker.clone());
        !self.is_rung()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;
    use std::task::Wake;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_sleeper_is_woken_once_and_for_room_only_when_it_waits_for_some() {
        let (bell, count) = (Doorbell::default(), Arc::new(Count::default()));
        let waker = Waker::from(Arc::clone(&count));
        let woken = || count.0.load(Ordering::Relaxed);
        assert!(bell.sleep(&waker));
        bell.ring_if_hungry();
        assert_eq!(woken(), 0, "it has room");
        bell.ring();
        bell.ring();
        assert_eq!(woken(), 1);
        assert!(!bell.sleep(&waker), "it has not looked yet");
        bell.answer();
        bell.be_hungry();
        assert!(bell.sleep(&waker));
        bell.ring_if_hungry();
        bell.ring_if_hungry();
        assert_eq!(woken(), 2);
    }
}
