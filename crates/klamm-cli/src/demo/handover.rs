//! Pure: what a group may read twice, and who reads what.
//!
//! A member that is killed leaves behind records that it had read and not committed: from its last commit on, its
//! partitions are read again. That, and nothing else, is allowed.

use super::outcome::ReadAgain;
use std::collections::BTreeMap;
use std::ops::Range;

/// Books who reads which partition, and what is read a second time.
#[derive(Debug, Default)]
pub(super) struct Handover {
    readers: BTreeMap<i32, Reader>,
    orphans: BTreeMap<i32, Orphan>,
    counts: ReadAgain,
}

/// Who read a partition last, and how far.
#[derive(Debug, Clone, Copy)]
struct Reader {
    member: usize,
    next: i64,
}

/// A partition that has nobody to read it.
#[derive(Debug, Clone)]
struct Orphan {
    /// What may be read again.
    again: Range<i64>,
    state: State,
    /// The end of its log when it was taken over.
    end: Option<i64>,
}

impl Orphan {
    /// Nothing of it may be read again.
    const NEW: Orphan = Orphan { again: 0..0, state: State::Waiting, end: None };
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nobody has it.
    Waiting,
    /// Somebody has, and has not come to where the log ended then.
    CatchingUp,
    Done,
}

/// What became of the killed member's partitions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Orphans {
    pub(super) all: usize,
    /// Nobody reads them yet.
    pub(super) waiting: usize,
    /// Somebody does, and they hold records from the time when nobody did.
    pub(super) catching_up: usize,
}

impl Handover {
    /// Books that a member was killed. Until [`Handover::committed`] says more, all that it read of the
    /// partitions it was the last to read may be read again.
    pub(super) fn killed(&mut self, member: usize) {
        let its = self.readers.iter().filter(|(_, reader)| reader.member == member);
        let orphan = |reader: &Reader| Orphan { again: 0..reader.next, ..Orphan::NEW };
        self.orphans.extend(its.map(|(partition, reader)| (*partition, orphan(reader))));
    }

    /// Books that nobody has these partitions since somebody was killed: they were that member's, or on their
    /// way from one member to another.
    pub(super) fn orphaned(&mut self, partitions: impl IntoIterator<Item = i32>) {
        for partition in partitions {
            self.orphans.entry(partition).or_insert(Orphan::NEW);
        }
    }

    /// Books what the group had committed of a killed member's partition.
    pub(super) fn committed(&mut self, partition: i32, offset: i64) {
        if let Some(orphan) = self.orphans.get_mut(&partition) {
            orphan.again.start = offset;
        }
    }

    /// Books that members have these partitions.
    pub(super) fn assigned(&mut self, partitions: &[i32]) {
        for partition in partitions {
            if let Some(orphan) = self.orphans.get_mut(partition)
                && orphan.state == State::Waiting
            {
                orphan.state = State::CatchingUp;
            }
        }
    }

    /// Books where the logs ended when all were taken over.
    pub(super) fn ended_at(&mut self, ends: &BTreeMap<i32, i64>) {
        for (partition, end) in ends {
            let next = self.readers.get(partition).map_or(0, |reader| reader.next);
            if let Some(orphan) = self.orphans.get_mut(partition) {
                orphan.end = Some(*end);
                if next >= *end {
                    orphan.state = State::Done;
                }
            }
        }
    }

    /// Books how far a member has read, and whether that was all there is. True if those records come from
    /// the time when nobody read the partition.
    pub(super) fn read(&mut self, member: usize, partition: i32, next: i64, is_all: bool) -> bool {
        let reader = self.readers.entry(partition).or_insert(Reader { member, next });
        *reader = Reader { member, next: reader.next.max(next) };
        let Some(orphan) = self.orphans.get_mut(&partition) else { return false };
        let late = orphan.state != State::Done;
        let caught_up = is_all || orphan.end.is_some_and(|end| next >= end);
        orphan.state = if caught_up { State::Done } else { orphan.state };
        late
    }

    /// Whether every partition has been read to its end, as given.
    pub(super) fn has_reached(&self, ends: &BTreeMap<i32, i64>) -> bool {
        let next = |partition| self.readers.get(partition).map_or(0, |reader| reader.next);
        ends.iter().all(|(partition, end)| next(partition) >= *end)
    }

    /// Books a record that had been read before.
    pub(super) fn again(&mut self, partition: i32, offset: i64) {
        match self.orphans.get(&partition) {
            Some(orphan) if orphan.again.contains(&offset) => self.counts.after_kill += 1,
            _ => self.counts.unexplained += 1,
        }
    }

    pub(super) fn orphans(&self) -> Orphans {
        let in_state = |state| self.orphans.values().filter(|o| o.state == state).count();
        Orphans {
            all: self.orphans.len(),
            waiting: in_state(State::Waiting),
            catching_up: in_state(State::CatchingUp),
        }
    }

    pub(super) fn counts(&self) -> ReadAgain {
        self.counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_member_had_not_committed_may_be_read_again_and_nothing_else() {
        let mut handover = Handover::default();
        handover.read(0, 7, 100, true);
        handover.read(1, 8, 50, true);
        handover.killed(0);
        handover.orphaned([7, 9]);
        handover.committed(7, 90);
        handover.committed(8, 10);
        for offset in [89, 90, 99, 100] {
            handover.again(7, offset);
        }
        handover.again(8, 40);
        handover.again(9, 0);
        assert_eq!(handover.counts(), ReadAgain { after_kill: 2, unexplained: 4 });
    }

    #[test]
    fn a_member_that_gave_a_partition_away_leaves_nothing_behind_in_it() {
        let mut handover = Handover::default();
        handover.read(0, 7, 100, true);
        handover.read(1, 7, 120, true);
        handover.killed(0);
        handover.orphaned([7]);
        handover.again(7, 99);
        assert_eq!(handover.counts(), ReadAgain { after_kill: 0, unexplained: 1 });
    }

    #[test]
    fn partitions_of_a_killed_member_wait_then_catch_up_then_are_like_others() {
        let mut handover = Handover::default();
        handover.read(0, 1, 10, true);
        handover.read(0, 2, 10, true);
        handover.killed(0);
        handover.orphaned([1, 3]);
        assert_eq!(handover.orphans(), Orphans { all: 3, waiting: 3, catching_up: 0 });
        handover.assigned(&[0, 1]);
        assert_eq!(handover.orphans(), Orphans { all: 3, waiting: 2, catching_up: 1 });
        handover.assigned(&[0, 1, 2, 3]);
        handover.ended_at(&BTreeMap::from([(1, 30), (2, 10), (3, 0)]));
        assert_eq!(handover.orphans(), Orphans { all: 3, waiting: 0, catching_up: 1 });
        assert!(handover.read(1, 1, 20, false), "from the time when nobody read");
        assert!(handover.read(1, 1, 30, false), "up to the end there was");
        assert!(!handover.read(1, 1, 40, false));
        assert!(!handover.read(1, 2, 20, false) && !handover.read(1, 3, 5, false));
        assert_eq!(handover.orphans(), Orphans { all: 3, waiting: 0, catching_up: 0 });
    }

    #[test]
    fn ends_are_reached_by_every_partition_or_not_at_all() {
        let mut handover = Handover::default();
        handover.read(0, 1, 10, true);
        assert!(handover.has_reached(&BTreeMap::from([(1, 10), (2, 0)])));
        assert!(!handover.has_reached(&BTreeMap::from([(1, 10), (2, 1)])));
    }
}
