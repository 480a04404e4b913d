//! The rules that all connections of a broker share.

use super::rule::Rule;
use super::rules::{AddedRule, Rules, Seen, TooManyRules};
use super::verdict::Verdict;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::Notify;

/// The rules in force, and the answers they hold back.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    /// Whether there are any: all that a request costs while there are none.
    any: AtomicBool,
    rules: Mutex<Rules>,
    /// Told when a rule is released or removed.
    released: Notify,
}

impl Faults {
    /// Whether there are any rules.
    pub(crate) fn any(&self) -> bool {
        self.any.load(Ordering::Relaxed)
    }

    /// Adds a rule that was checked; the answer is its number.
    ///
    /// # Errors
    /// [`TooManyRules`].
    pub(crate) fn add(&self, rule: Rule) -> Result<u64, TooManyRules> {
        self.change(|rules| rules.add(rule))
    }

    /// Removes a rule and lets go of what it holds; false when there is none of that number.
    pub(crate) fn remove(&self, id: u64) -> bool {
        self.change(|rules| rules.remove(id))
    }

    /// Removes all rules and lets go of what they hold.
    pub(crate) fn clear(&self) {
        self.change(Rules::clear);
    }

    /// Lets go of what a rule holds; false when there is none of that number.
    pub(crate) fn release(&self, id: u64) -> bool {
        self.change(|rules| rules.release(id))
    }

    fn change<T>(&self, change: impl FnOnce(&mut Rules) -> T) -> T {
        let mut rules = self.rules.lock();
        let done = change(&mut rules);
        self.any.store(!rules.is_empty(), Ordering::Relaxed);
        drop(rules);
        self.released.notify_waiters();
        done
    }

    /// The rules in force, oldest first.
    pub(crate) fn list(&self) -> Vec<AddedRule> {
        self.rules.lock().list()
    }

    /// Counts a request and says what is to happen to it.
    pub(crate) fn judge(&self, seen: &Seen<'_>, by_topic: bool) -> Verdict {
        if !self.any() {
            return Verdict::default();
        }
        let fired = self.rules.lock().judge(seen);
        Verdict::new(fired, by_topic)
    }

    /// Takes back that a rule struck: there was nothing to do it to.
    pub(super) fn take_back(&self, id: u64) {
        self.rules.lock().take_back(id);
    }

    /// Waits until a rule that had been released so often holds no more.
    pub(super) async fn held(&self, id: u64, releases: u64) {
        loop {
            let released = self.released.notified();
            tokio::pin!(released);
            // Registered before the rules are asked: a release in between is not missed.
            released.as_mut().enable();
            if !self.rules.lock().holds(id, releases) {
                return;
            }
            released.await;
        }
    }
}
