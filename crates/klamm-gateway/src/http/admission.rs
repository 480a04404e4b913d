//! Pure: how many bytes of bodies are in memory at once, decided before a body is read.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use thiserror::Error;

/// A budget of bytes that all requests share; clones share it too.
#[derive(Debug, Clone)]
pub struct Admission {
    budget: Arc<Budget>,
}

#[derive(Debug)]
struct Budget {
    capacity: usize,
    taken: AtomicUsize,
}

/// There is no room now: 503, and another time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("no room for {asked} more bytes: requests already hold {taken} of {capacity}")]
pub struct Crowded {
    /// Bytes that were asked for.
    pub asked: usize,
    /// Bytes that others held.
    pub taken: usize,
    /// Bytes that there are.
    pub capacity: usize,
}

/// The bytes that one request holds; they are free again when this is dropped.
#[derive(Debug)]
pub struct Admitted {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Admission {
    /// Room for `capacity` bytes.
    pub fn new(capacity: usize) -> Self {
        Self { budget: Arc::new(Budget { capacity, taken: AtomicUsize::new(0) }) }
    }

    /// Room for a request of `bytes`, at once or not at all: nobody waits, and a large request that there is no room for keeps
    /// no smaller one out.
    ///
    /// # Errors
    /// There is none.
    pub fn admit(&self, bytes: usize) -> Result<Admitted, Crowded> {
        self.budget.take(bytes)?;
        Ok(Admitted { budget: self.budget.clone(), bytes })
    }

    /// Bytes that requests hold now.
    pub fn taken(&self) -> usize {
        self.budget.taken.load(Ordering::Relaxed)
    }
}

impl Admitted {
    /// Holds `bytes` in all, if it does not yet: for a body that does not say how long it is.
    ///
    /// # Errors
    /// There is no room for more; what it holds it keeps.
    pub fn grow(&mut self, bytes: usize) -> Result<(), Crowded> {
        let more = bytes.saturating_sub(self.bytes);
        self.budget.take(more)?;
        self.bytes += more;
        Ok(())
    }

    /// Bytes that it holds.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.budget.taken.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl Budget {
    /// The counter guards no other memory, so that its order among other accesses does not matter.
    fn take(&self, asked: usize) -> Result<(), Crowded> {
        let fits = |taken: usize| taken.checked_add(asked).filter(|sum| *sum <= self.capacity);
        let taken = self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits);
        let crowded = |taken| Crowded { asked, taken, capacity: self.capacity };
        taken.map(|_| ()).map_err(crowded)
    }
}

#[cfg(test)]
mod tests {
    use super::{Admission, Crowded};
    use proptest::prelude::*;

    #[test]
    fn what_does_not_fit_is_refused_and_what_is_dropped_is_free() {
        let admission = Admission::new(10);
        let mut first = admission.admit(6).unwrap();
        let crowded = Crowded { asked: 5, taken: 6, capacity: 10 };
        assert_eq!(admission.admit(5).unwrap_err(), crowded);
        let second = admission.admit(3).unwrap();
        assert_eq!(first.grow(8).unwrap_err(), Crowded { asked: 2, taken: 9, capacity: 10 });
        assert_eq!(first.bytes(), 6, "what it holds it keeps");
        drop(second);
        first.grow(8).unwrap();
        first.grow(2).unwrap();
        assert_eq!((first.bytes(), admission.taken()), (8, 8));
        drop(first);
        assert_eq!(admission.taken(), 0);
        assert!(admission.admit(usize::MAX).is_err());
    }

    #[test]
    fn many_at_once_never_hold_more_than_there_is() {
        let admission = Admission::new(100);
        std::thread::scope(|scope| {
            for thread in 1..=4 {
                let admission = admission.clone();
                scope.spawn(move || {
                    for _ in 0..2000 {
                        if let Ok(mut admitted) = admission.admit(thread * 17) {
                            let _ = admitted.grow(90);
                        }
                        assert!(admission.taken() <= 100);
                    }
                });
            }
        });
        assert_eq!(admission.taken(), 0);
    }

    proptest! {
        #[test]
        fn the_sum_is_always_right(steps in prop::collection::vec((0_usize..40, any::<bool>()), 0..60)) {
            let admission = Admission::new(100);
            let mut held = Vec::new();
            for (bytes, grow) in steps {
                match held.pop() {
                    Some(mut last) if grow => {
                        let _: Result<(), Crowded> = super::Admitted::grow(&mut last, bytes);
                        held.push(last);
                    }
                    Some(last) if bytes % 3 == 0 => drop(last),
                    last => {
                        held.extend(last);
                        held.extend(admission.admit(bytes));
                    }
                }
                let sum: usize = held.iter().map(super::Admitted::bytes).sum();
                prop_assert_eq!(sum, admission.taken());
                prop_assert!(sum <= 100);
            }
        }
    }
}
