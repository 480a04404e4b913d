//! Pure: the deadlines of all groups, in order of time.

use klamm_protocol::primitives::Str;
use std::collections::{BTreeMap, BTreeSet};

/// What a deadline ends.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Deadline {
    /// Members of a group may join until then.
    Join(Str),
    /// Members of a group may ask for their assignment until then.
    Sync(Str),
    /// A member of a group has to be heard of until then.
    Session(Str, Str),
    /// A member of a group has to give up partitions until then.
    #[allow(dead_code, reason = "for groups of KIP-848")]
    Revocation(Str, Str),
    /// Offsets are looked through for old ones then.
    Expiry,
}

/// At most one moment per deadline.
#[derive(Debug, Default)]
pub(super) struct Timers {
    by_time: BTreeSet<(i64, Deadline)>,
    by_deadline: BTreeMap<Deadline, i64>,
}

impl Timers {
    /// Sets the moment of a deadline, in place of an earlier one.
    pub(super) fn set(&mut self, deadline: Deadline, at_ms: i64) {
        self.cancel(&deadline);
        self.by_time.insert((at_ms, deadline.clone()));
        self.by_deadline.insert(deadline, at_ms);
    }

    pub(super) fn cancel(&mut self, deadline: &Deadline) {
        if let Some((deadline, at_ms)) = self.by_deadline.remove_entry(deadline) {
            self.by_time.remove(&(at_ms, deadline));
        }
    }

    /// Whether the deadline is set.
    pub(super) fn is_set(&self, deadline: &Deadline) -> bool {
        self.by_deadline.contains_key(deadline)
    }

    /// When the next deadline is.
    pub(super) fn next(&self) -> Option<i64> {
        self.by_time.first().map(|(at_ms, _)| *at_ms)
    }

    /// Takes a deadline that has passed.
    pub(super) fn pop(&mut self, now_ms: i64) -> Option<Deadline> {
        if self.next()? > now_ms {
            return None;
        }
        let (_, deadline) = self.by_time.pop_first()?;
        self.by_deadline.remove(&deadline);
        Some(deadline)
    }
}

#[cfg(test)]
mod tests {
    use super::{Deadline, Timers};

    #[test]
    fn deadlines_come_in_order_and_only_once() {
        let mut timers = Timers::default();
        timers.set(Deadline::Join("a".into()), 20);
        timers.set(Deadline::Sync("a".into()), 10);
        timers.set(Deadline::Expiry, 5);
        timers.set(Deadline::Expiry, 30);
        timers.cancel(&Deadline::Join("a".into()));
        assert_eq!(timers.next(), Some(10));
        assert_eq!(timers.pop(9), None);
        assert_eq!(timers.pop(40), Some(Deadline::Sync("a".into())));
        assert_eq!(timers.pop(40), Some(Deadline::Expiry));
        assert_eq!(timers.pop(40), None);
        assert_eq!(timers.next(), None);
    }
}
