//! Pure: neighbouring records in the same state, kept as one.

use klamm_protocol::primitives::Str;
use std::collections::BTreeMap;

/// Where a record stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum State {
    /// Whoever comes next may have it.
    Available,
    /// A member has it, until then.
    Acquired { member: Str, until_ms: i64 },
    /// It was processed.
    Acknowledged,
    /// It never goes out again: rejected, given up, or not there at all.
    Archived,
}

impl State {
    /// Whether nothing happens to it any more.
    pub(super) fn is_final(&self) -> bool {
        matches!(self, Self::Acknowledged | Self::Archived)
    }
}

/// Records from the offset that it is filed under to `last`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) last: i64,
    pub(super) state: State,
    /// How often these went out.
    pub(super) deliveries: i16,
}

/// Runs by first offset, without gaps between them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Runs(BTreeMap<i64, Run>);

impl Runs {
    pub(super) fn iter(&self) -> impl Iterator<Item = (i64, &Run)> {
        self.0.iter().map(|(&first, run)| (first, run))
    }

    /// Those that have a record between the two, whole.
    pub(super) fn over(&self, first: i64, last: i64) -> impl Iterator<Item = (i64, &Run)> {
        let from = self.0.range(..=first).next_back().map_or(first, |(&from, _)| from);
        let runs = self.0.range(from..=last.max(from));
        runs.map(|(&from, run)| (from, run))
            .filter(move |&(from, run)| run.last >= first && from <= last)
    }

    /// Adds a run behind all others.
    pub(super) fn push(&mut self, first: i64, run: Run) {
        self.0.insert(first, run);
        self.join(first, first);
    }

    /// Changes the records between the two, and nothing else.
    pub(super) fn change(&mut self, first: i64, last: i64, mut change: impl FnMut(&mut Run)) {
        self.split(first);
        self.split(last.saturating_add(1));
        self.0.range_mut(first..=last).for_each(|(_, run)| change(run));
        self.join(first, last);
    }

    /// Changes whole runs.
    pub(super) fn change_all(&mut self, mut change: impl FnMut(&mut Run)) {
        self.0.values_mut().for_each(&mut change);
        self.join(i64::MIN, i64::MAX);
    }

    /// Forgets everything before `offset`.
    pub(super) fn drop_before(&mut self, offset: i64) {
        self.split(offset);
        self.0 = self.0.split_off(&offset);
    }

    /// The first offset and what is there.
    pub(super) fn first(&self) -> Option<(i64, &Run)> {
        self.0.first_key_value().map(|(&first, run)| (first, run))
    }

    /// Has a run begin at `offset`.
    fn split(&mut self, offset: i64) {
        if let Some((&first, run)) = self.0.range_mut(..offset).next_back()
            && first < offset
            && run.last >= offset
        {
            let rest = run.clone();
            run.last = offset - 1;
            self.0.insert(offset, rest);
        }
    }

    /// Makes one run of neighbours that are alike, from the one before `first` to the one behind `last`.
    fn join(&mut self, first: i64, last: i64) {
        let from = self.0.range(..first).next_back().map_or(first, |(&from, _)| from);
        let behind = self.0.range(last..).find(|(at, _)| **at > last).map_or(last, |(&at, _)| at);
        let firsts: Vec<i64> = self.0.range(from..=behind).map(|(&at, _)| at).collect();
        let Some((&head, rest)) = firsts.split_first() else { return };
        let mut head = head;
        for &next in rest {
            let alike = match (self.0.get(&head), self.0.get(&next)) {
                (Some(a), Some(b)) => a.state == b.state && a.deliveries == b.deliveries,
                _ => false,
            };
            if !alike {
                head = next;
                continue;
            }
            if let Some(taken) = self.0.remove(&next)
                && let Some(run) = self.0.get_mut(&head)
            {
                run.last = taken.last;
            }
        }
    }
}
