//! Pure: records on their way, alone or a few that belong together.

use super::window::LaneId;
use std::ops::Range;

/// A record on its way, or several that follow each other in the log and share all that is said of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Taken {
    /// Of the first one.
    pub(super) sequence: u64,
    pub(super) count: u32,
    pub(super) lane: LaneId,
    /// The partition that key or client chose; `None` leaves the choice open.
    pub(super) partition: Option<i32>,
    /// How many their topic has; `None` until the cluster has told.
    pub(super) partitions: Option<i32>,
    /// Nothing else of its lane is on its way: what comes of it is the record's own.
    pub(super) alone: bool,
    /// Of all of them.
    pub(super) weight: u64,
}

impl Taken {
    /// Which ones.
    pub(super) fn sequences(&self) -> Range<u64> {
        self.sequence..self.sequence + u64::from(self.count)
    }

    /// Whether another one can be [taken in](Taken::add).
    pub(super) fn fits(&self, next: &Self) -> bool {
        let alike = (self.lane, self.partition, self.partitions)
            == (next.lane, next.partition, next.partitions);
        alike && !self.alone && !next.alone && self.sequences().end == next.sequence
    }

    /// Takes in what follows and [fits](Taken::fits).
    pub(super) fn add(&mut self, next: &Self) {
        self.count += next.count;
        self.weight += next.weight;
    }

    /// Takes so many of the first ones out. What they weigh is not known any more: each has its part of the whole.
    pub(super) fn take(&mut self, count: u32) -> Self {
        let count = count.min(self.count);
        let weight = match count == self.count {
            true => self.weight,
            false => self.weight / u64::from(self.count) * u64::from(count),
        };
        let first = Self { count, weight, ..*self };
        self.sequence += u64::from(count);
        self.count -= count;
        self.weight -= weight;
        first
    }
}

#[cfg(test)]
mod tests {
    use super::Taken;
    use crate::forward::window::LaneId;

    fn taken(sequence: u64) -> Taken {
        let lane = LaneId::default();
        let (partition, partitions) = (None, Some(8));
        Taken { sequence, count: 1, lane, partition, partitions, alone: false, weight: 100 }
    }

    #[test]
    fn only_what_follows_and_is_alike_fits() {
        let mut run = taken(5);
        for other in [
            taken(4),
            taken(5),
            taken(7),
            Taken { alone: true, ..taken(6) },
            Taken { partition: Some(1), ..taken(6) },
            Taken { partitions: None, ..taken(6) },
        ] {
            assert!(!run.fits(&other), "{other:?}");
        }
        for sequence in 6..10 {
            assert!(run.fits(&taken(sequence)));
            run.add(&taken(sequence));
        }
        assert_eq!((run.sequences(), run.weight), (5..10, 500));
        assert!(!Taken { alone: true, ..taken(5) }.fits(&taken(6)));
    }

    #[test]
    fn what_is_taken_out_and_what_is_left_are_the_whole() {
        let whole = Taken { count: 7, weight: 1_003, ..taken(20) };
        let mut left = whole;
        let parts = [left.take(2), left.take(4), left.take(9)];
        assert_eq!(parts.map(|part| part.sequences()), [20..22, 22..26, 26..27]);
        assert_eq!(parts.iter().map(|part| part.weight).sum::<u64>(), whole.weight);
        assert_eq!((left.count, left.weight), (0, 0));
    }
}
