//! Pure: which leader epoch began where (Kafka's LeaderEpochFileCache).

/// Epochs in order, each with the first offset written in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Epochs {
    starts: Vec<(i32, i64)>,
}

/// No epoch, or no offset.
const UNDEFINED: (i32, i64) = (-1, -1);

impl Epochs {
    /// Notes that a batch of `epoch` begins at `offset`; an epoch that is not new changes nothing.
    pub(crate) fn assign(&mut self, epoch: i32, offset: i64) -> bool {
        let new = epoch >= 0 && self.latest().is_none_or(|latest| epoch > latest);
        if new {
            // An epoch in which nothing was written has no offsets of its own.
            self.starts.retain(|&(_, start)| start < offset);
            self.starts.push((epoch, offset));
        }
        new
    }

    pub(crate) fn latest(&self) -> Option<i32> {
        self.starts.last().map(|&(epoch, _)| epoch)
    }

    /// The largest epoch not above `epoch`, and the offset behind its last record; -1 each where there is none.
    ///
    /// `current` is the epoch the next record will get: it begins at the end of the log while it has none.
    pub(crate) fn end_of(&self, epoch: i32, current: i32, log_end: i64) -> (i32, i64) {
        let next = self.starts.partition_point(|&(started, _)| started <= epoch);
        let end = match self.starts.get(next) {
            Some(&(_, start)) => start,
            None if epoch <= current => log_end,
            // An epoch this log has not reached.
            None => return UNDEFINED,
        };
        match next.checked_sub(1) {
            _ if epoch < 0 => UNDEFINED,
            Some(floor) if epoch != current => (self.starts[floor].0, end),
            _ => (epoch, end),
        }
    }

    /// The epoch in which the record at `offset` was written; none before the first that is known.
    pub(crate) fn of(&self, offset: i64) -> Option<i32> {
        let next = self.starts.partition_point(|&(_, start)| start <= offset);
        Some(self.starts.get(next.checked_sub(1)?)?.0)
    }

    /// Forgets what was written from `offset` on.
    pub(crate) fn truncate(&mut self, offset: i64) {
        self.starts.retain(|&(_, start)| start < offset);
    }

    /// Forgets what was written before `offset`, but not the epoch that is in force there.
    pub(crate) fn start_at(&mut self, offset: i64) {
        let next = self.starts.partition_point(|&(_, start)| start <= offset);
        if let Some(last) = next.checked_sub(1) {
            self.starts.drain(..last);
            self.starts[0].1 = offset;
        }
    }

    /// Kafka's `leader-epoch-checkpoint`: version, count, and a line for each epoch.
    pub(crate) fn to_text(&self) -> String {
        let lines = self.starts.iter().map(|(epoch, start)| format!("{epoch} {start}\n"));
        format!("0\n{}\n{}", self.starts.len(), lines.collect::<String>())
    }

    /// Reads [`Epochs::to_text`]; none when it is something else.
    pub(crate) fn from_text(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let (version, count) = (lines.next()?, lines.next()?.parse::<usize>().ok()?);
        let starts = lines.map(|line| {
            let (epoch, start) = line.split_once(' ')?;
            Some((epoch.parse().ok()?, start.parse().ok()?))
        });
        let starts: Vec<(i32, i64)> = starts.collect::<Option<_>>()?;
        let sound = version == "0" && starts.len() == count && starts.is_sorted();
        sound.then_some(Self { starts })
    }
}

#[cfg(test)]
mod tests {
    use super::Epochs;

    fn epochs() -> Epochs {
        let mut epochs = Epochs::default();
        for (epoch, offset) in [(0, 0), (2, 10), (2, 12), (5, 30)] {
            epochs.assign(epoch, offset);
        }
        epochs
    }

    #[test]
    fn an_epoch_ends_where_the_next_begins() {
        let cases = [
            (0, (0, 10)),
            (1, (0, 10)),
            (2, (2, 30)),
            (4, (2, 30)),
            (5, (5, 40)),
            (6, (-1, -1)),
            (-1, (-1, -1)),
        ];
        for (asked, answer) in cases {
            assert_eq!(epochs().end_of(asked, 5, 40), answer, "epoch {asked}");
        }
    }

    #[test]
    fn the_current_epoch_begins_at_the_end_while_nothing_is_written_in_it() {
        let cases = [
            (4, (2, 30)),
            (5, (5, 40)),
            // Epochs 6 and 7 have no records.
            (6, (5, 40)),
            (7, (7, 40)),
            (8, (-1, -1)),
            (-1, (-1, -1)),
        ];
        for (asked, answer) in cases {
            assert_eq!(epochs().end_of(asked, 7, 40), answer, "epoch {asked}");
        }
        let none = Epochs::default();
        assert_eq!((none.end_of(2, 3, 0), none.end_of(3, 3, 0)), ((2, 0), (3, 0)));
        assert_eq!((none.end_of(4, 3, 0), none.end_of(-1, 3, 0)), ((-1, -1), (-1, -1)));
    }

    #[test]
    fn a_record_has_the_epoch_it_was_written_in() {
        let cases = [(0, 0), (9, 0), (10, 2), (29, 2), (30, 5), (99, 5)];
        for (offset, epoch) in cases {
            assert_eq!(epochs().of(offset), Some(epoch), "offset {offset}");
        }
        assert_eq!(Epochs::default().of(0), None);
    }

    #[test]
    fn deleted_records_take_their_epochs_along() {
        let mut cut = epochs();
        cut.start_at(12);
        assert_eq!(cut.end_of(1, 5, 40), (1, 12));
        assert_eq!(cut.end_of(2, 5, 40), (2, 30));
        cut.truncate(20);
        assert_eq!((cut.latest(), cut.end_of(2, 2, 20)), (Some(2), (2, 20)));
    }

    #[test]
    fn the_file_is_kafkas() {
        assert_eq!(epochs().to_text(), "0\n3\n0 0\n2 10\n5 30\n");
        assert_eq!(Epochs::from_text(&epochs().to_text()), Some(epochs()));
        for wrong in ["", "1\n0\n", "0\n2\n0 0\n", "0\n1\nx 0\n", "0\n2\n5 0\n1 3\n"] {
            assert_eq!(Epochs::from_text(wrong), None, "{wrong:?}");
        }
    }
}
