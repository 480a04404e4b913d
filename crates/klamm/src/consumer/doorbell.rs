//! How the fetcher is told that there is something to do.
//!
//! It is woken at most once until it has looked, and for what the application takes or lets go only when it
//! waits for that and there is enough of it: an application that takes batches one after the other must not
//! wake a thread for each.

use parking_lot::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering, fence};
use std::task::Waker;

#[derive(Debug, Default)]
pub(super) struct Doorbell {
    rung: AtomicBool,
    /// Whether the fetcher sleeps until the application has taken something.
    awaits_taking: AtomicBool,
    /// Below how many bytes in use the fetcher is to be woken; 0 if it is not.
    awaits_room: AtomicUsize,
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

    /// The application has taken what the fetcher may wait for.
    #[inline]
    pub(super) fn taken(&self) {
        if self.awaits_taking.load(Ordering::Acquire)
            && self.awaits_taking.swap(false, Ordering::AcqRel)
        {
            self.ring();
        }
    }

    /// Memory was given back; so much is in use now.
    #[inline]
    pub(super) fn released(&self, used: usize) {
        // What was given back is seen by the fetcher, or what it waits for here.
        fence(Ordering::SeqCst);
        if used < self.awaits_room.load(Ordering::Relaxed)
            && self.awaits_room.swap(0, Ordering::Relaxed) != 0
        {
            self.ring();
        }
    }

    /// The fetcher looks now; what happens from here on rings again.
    pub(super) fn answer(&self) {
        self.awaits_taking.store(false, Ordering::Release);
        self.awaits_room.store(0, Ordering::Release);
        self.rung.store(false, Ordering::Release);
    }

    /// Whether something has happened since [`Doorbell::answer`].
    pub(super) fn is_rung(&self) -> bool {
        self.rung.load(Ordering::Acquire)
    }

    /// From here on [`Doorbell::taken`] rings. Whoever says so has to look once more.
    pub(super) fn await_taking(&self) {
        self.awaits_taking.store(true, Ordering::Release);
    }

    /// From here on it rings when less than this many bytes are in use. Whoever says so has to look once more.
    pub(super) fn await_room(&self, below: usize) {
        self.awaits_room.fetch_max(below, Ordering::Relaxed);
        fence(Ordering::SeqCst);
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
    fn a_sleeper_is_woken_once_and_for_what_it_waits_for() {
        let (bell, count) = (Doorbell::default(), Arc::new(Count::default()));
        let waker = Waker::from(Arc::clone(&count));
        let woken = || count.0.load(Ordering::Relaxed);
        assert!(bell.sleep(&waker));
        bell.taken();
        bell.released(0);
        assert_eq!(woken(), 0, "it waits for neither");
        bell.ring();
        bell.ring();
        assert_eq!(woken(), 1);
        assert!(!bell.sleep(&waker), "it has not looked yet");
        bell.answer();
        bell.await_taking();
        assert!(bell.sleep(&waker));
        bell.released(0);
        bell.taken();
        bell.taken();
        assert_eq!(woken(), 2);
        bell.answer();
        bell.await_room(50);
        bell.await_room(20);
        assert!(bell.sleep(&waker));
        bell.released(50);
        assert_eq!(woken(), 2, "that is not enough");
        bell.released(49);
        bell.released(0);
        assert_eq!(woken(), 3);
        bell.answer();
        bell.released(0);
        assert!(bell.sleep(&waker), "it has looked");
    }
}
