//! Pure: where a group is in a partition, and what is to be said of it.

/// Offsets of a partition, as far as they are known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// What the group has committed.
    pub(super) committed: Option<i64>,
    /// The first offset in the log.
    pub(super) begin: Option<i64>,
    /// The end that can be read.
    pub(super) end: Option<i64>,
}

impl Place {
    /// How many offsets lie between what was committed and the end; 0 beyond the end.
    pub(super) fn lag(&self) -> Option<i64> {
        Some(self.end?.saturating_sub(self.committed?).max(0))
    }

    /// What is unusual: records that are gone before they were read, offsets that are not in the log.
    pub(super) fn note(&self) -> Option<String> {
        let committed = self.committed?;
        match (self.begin, self.end) {
            (Some(begin), _) if committed < begin => {
                Some(format!("{} lost: the log begins at {begin}", begin - committed))
            }
            (_, Some(end)) if committed > end => {
                Some(format!("beyond the end by {}: was the topic made anew?", committed - end))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Place;

    #[test]
    fn lag_is_never_below_0_and_unknown_without_a_commit_or_an_end() {
        let place = |committed, begin, end| Place { committed, begin, end };
        let table = [
            (place(Some(3), Some(0), Some(10)), Some(7), None),
            (place(Some(10), Some(0), Some(10)), Some(0), None),
            (place(None, Some(0), Some(10)), None, None),
            (place(Some(3), None, None), None, None),
            (place(Some(3), Some(5), Some(10)), Some(7), Some("2 lost: the log begins at 5")),
            (
                place(Some(12), Some(0), Some(10)),
                Some(0),
                Some("beyond the end by 2: was the topic made anew?"),
            ),
        ];
        for (place, lag, note) in table {
            assert_eq!(place.lag(), lag, "{place:?}");
            assert_eq!(place.note().as_deref(), note, "{place:?}");
        }
    }
}
