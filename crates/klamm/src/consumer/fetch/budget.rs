//! Pure: the memory that fetched data may take, from the request that asks for it until the last of it is let go.
//!
//! Whoever holds bytes holds a [`Charge`] for them and gives it back by dropping it. What is still to
//! be asked for or decompressed is charged first and may be refused; what a broker has sent is there
//! already and is always charged.

use super::spares::Spares;
use klamm_protocol::compression::Buffers;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The part of a budget that memory nobody uses may have, until somebody needs it.
const SPARE_PART: usize = 4;

/// Called with what is still in use when memory was given back.
type Released = Box<dyn Fn(usize) + Send + Sync>;

/// A bound on bytes, shared by everything that holds some.
#[derive(Clone)]
pub(crate) struct Budget(Arc<Shared>);

struct Shared {
    limit: usize,
    used: AtomicUsize,
    released: Released,
    spares: Spares,
}

/// Bytes that count against a budget until this is dropped.
pub(crate) struct Charge {
    budget: Arc<Shared>,
    bytes: usize,
}

impl Budget {
    /// A budget of `limit` bytes; `released` is called with what is in use whenever some are given back, on
    /// the thread that does it, and must be short.
    pub(crate) fn new(limit: usize, released: impl Fn(usize) + Send + Sync + 'static) -> Self {
        let (used, released) = (AtomicUsize::new(0), Box::new(released));
        let spares = Spares::new(limit / SPARE_PART);
        Self(Arc::new(Shared { limit, used, released, spares }))
    }

    /// The bound.
    pub(crate) fn limit(&self) -> usize {
        self.0.limit
    }

    /// Bytes charged now.
    pub(crate) fn used(&self) -> usize {
        self.0.used.load(Ordering::Relaxed)
    }

    /// Bytes that can still be reserved.
    pub(crate) fn available(&self) -> usize {
        self.0.limit.saturating_sub(self.used())
    }

    /// Memory for what is decompressed; what it comes to has to be charged.
    pub(crate) fn buffers(&self) -> &dyn Buffers {
        &self.0.spares
    }

    /// Charges `bytes` if they fit.
    pub(crate) fn reserve(&self, bytes: usize) -> Option<Charge> {
        self.0.add_if(bytes, |used| used.checked_add(bytes).is_some_and(|sum| sum <= self.0.limit))
    }

    /// Charges `bytes` whether they fit or not, if nothing is over the bound yet.
    ///
    /// It is what one partition that cannot go on otherwise may take: one at a time goes over the bound,
    /// so that a batch larger than the budget is delivered in the end.
    pub(crate) fn reserve_over(&self, bytes: usize) -> Option<Charge> {
        self.0.add_if(bytes, |used| used <= self.0.limit)
    }
}

impl Shared {
    fn add_if(self: &Arc<Self>, bytes: usize, fits: impl Fn(usize) -> bool) -> Option<Charge> {
        let add = |used| fits(used).then(|| used.saturating_add(bytes));
        self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add).ok()?;
        self.make_way();
        Some(Charge { budget: Arc::clone(self), bytes })
    }

    /// What is kept ready must not come on top of what is in use.
    fn make_way(&self) {
        self.spares.shrink(self.limit.saturating_sub(self.used.load(Ordering::Relaxed)));
    }

    fn give_back(&self, bytes: usize) {
        if bytes > 0 {
            let before = self.used.fetch_sub(bytes, Ordering::Relaxed);
            (self.released)(before.saturating_sub(bytes));
        }
    }
}

impl Charge {
    /// How much it is.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Makes it what was really received: a broker sends a batch that is larger than it was asked for
    /// rather than nothing, so this may go over the bound.
    pub(crate) fn settle(&mut self, bytes: usize) {
        if bytes > self.bytes {
            self.budget.used.fetch_add(bytes - self.bytes, Ordering::Relaxed);
            self.bytes = bytes;
            self.budget.make_way();
        } else {
            self.shrink(bytes);
        }
    }

    /// Gives back all but `bytes`; no effect if it is less already.
    pub(crate) fn shrink(&mut self, bytes: usize) {
        let spare = self.bytes.saturating_sub(bytes);
        self.bytes -= spare;
        self.budget.give_back(spare);
    }

    /// Takes on what `other`, of the same budget, was charged for.
    pub(crate) fn absorb(&mut self, mut other: Charge) {
        debug_assert!(Arc::ptr_eq(&self.budget, &other.budget), "charges of two budgets");
        self.bytes += std::mem::take(&mut other.bytes);
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.budget.give_back(self.bytes);
    }
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Budget({} of {} bytes)", self.used(), self.0.limit)
    }
}

impl fmt::Debug for Charge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Charge({} bytes)", self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_does_not_fit_is_refused_and_what_is_dropped_fits_again() {
        let freed = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&freed);
        let budget = Budget::new(100, move |_| {
            count.fetch_add(1, Ordering::Relaxed);
        });
        let held = budget.reserve(60).unwrap();
        assert!(budget.reserve(41).is_none());
        assert_eq!((budget.used(), budget.available()), (60, 40));
        assert_eq!(freed.load(Ordering::Relaxed), 0);
        drop(held);
        assert_eq!(freed.load(Ordering::Relaxed), 1, "whoever waits for memory is told");
        assert!(budget.reserve(100).is_some());
        assert!(budget.reserve(usize::MAX).is_none());
    }

    #[test]
    fn one_at_a_time_goes_over() {
        let budget = Budget::new(100, |_| {});
        let first = budget.reserve_over(250).unwrap();
        assert!(budget.reserve_over(1).is_none());
        drop(first);
        assert!(budget.reserve_over(1).is_some());
    }

    #[derive(Debug, Clone)]
    enum Op {
        Reserve(usize),
        Over(usize),
        Settle(usize, usize),
        Shrink(usize, usize),
        Absorb(usize, usize),
        Drop(usize),
    }

    fn op() -> impl Strategy<Value = Op> {
        let (at, bytes) = (0..8usize, 0..150usize);
        prop_oneof![
            bytes.clone().prop_map(Op::Reserve),
            bytes.clone().prop_map(Op::Over),
            (at.clone(), bytes.clone()).prop_map(|(at, b)| Op::Settle(at, b)),
            (at.clone(), bytes).prop_map(|(at, b)| Op::Shrink(at, b)),
            (at.clone(), at.clone()).prop_map(|(a, b)| Op::Absorb(a, b)),
            at.prop_map(Op::Drop),
        ]
    }

    proptest! {
        #[test]
        fn never_over_by_more_than_one_answer(ops in proptest::collection::vec(op(), 0..60)) {
            let budget = Budget::new(200, |_| {});
            let mut held: Vec<Charge> = Vec::new();
            for op in ops {
                let count = held.len();
                let before = budget.used();
                match op {
                    Op::Reserve(bytes) => held.extend(budget.reserve(bytes)),
                    Op::Over(bytes) => held.extend(budget.reserve_over(bytes)),
                    Op::Settle(at, bytes) if at < count => held[at].settle(bytes),
                    Op::Shrink(at, bytes) if at < count => held[at].shrink(bytes),
                    Op::Absorb(a, b) if a < count && b < count && a != b => {
                        let other = held.remove(a.max(b));
                        held[a.min(b)].absorb(other);
                    }
                    Op::Drop(at) if at < count => drop(held.remove(at)),
                    _ => {}
                }
                let sum: usize = held.iter().map(Charge::bytes).sum();
                prop_assert_eq!(budget.used(), sum, "every byte is in somebody's charge");
                let settled = matches!(op, Op::Settle(..));
                prop_assert!(settled || budget.used() <= 200.max(before) + 150);
                prop_assert!(settled || before <= 200 || budget.used() <= before, "once over, no more");
            }
            drop(held);
            prop_assert_eq!(budget.used(), 0);
        }
    }
}
