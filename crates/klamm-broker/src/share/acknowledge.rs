//! Pure: what members say of the records they have.

use super::partition::{Limits, SharePartition};
use super::runs::{Run, State};
use klamm_protocol::error_code::ErrorCode;

/// What a member says of a record, as the protocol numbers it.
const GAP: i8 = 0;
const ACCEPT: i8 = 1;
const RELEASE: i8 = 2;
const REJECT: i8 = 3;
const RENEW: i8 = 4;

/// Acknowledgements of neighbouring records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AckBatch<'a> {
    pub(crate) first: i64,
    pub(crate) last: i64,
    /// One for all records, or one for each.
    pub(crate) types: &'a [i8],
}

impl AckBatch<'_> {
    /// Neighbours of which the same is said: first, last, type.
    fn pieces(&self) -> Vec<(i64, i64, i8)> {
        if let [kind] = self.types {
            return vec![(self.first, self.last, *kind)];
        }
        let mut pieces: Vec<(i64, i64, i8)> = Vec::new();
        for (offset, &kind) in (self.first..=self.last).zip(self.types) {
            match pieces.last_mut() {
                Some(piece) if piece.2 == kind => piece.1 = offset,
                _ => pieces.push((offset, offset, kind)),
            }
        }
        pieces
    }
}

/// Whether acknowledgements of a partition make sense by themselves: in order, none twice, of known types. Records may
/// be renewed only when the request says that it does so (KIP-1222).
///
/// # Errors
/// INVALID_REQUEST
pub(crate) fn check_batches(batches: &[AckBatch<'_>], may_renew: bool) -> Result<(), ErrorCode> {
    let highest = if may_renew { RENEW } else { REJECT };
    let mut before = -1;
    for batch in batches {
        let count = batch.last.checked_sub(batch.first).and_then(|count| count.checked_add(1));
        let types = i64::try_from(batch.types.len()).unwrap_or(i64::MAX);
        let known = batch.types.iter().all(|kind| (GAP..=highest).contains(kind));
        let fits = types == 1 || count == Some(types);
        if batch.first <= before || batch.first > batch.last || batch.last == i64::MAX {
            return Err(ErrorCode::INVALID_REQUEST);
        }
        if !known || !fits || types == 0 {
            return Err(ErrorCode::INVALID_REQUEST);
        }
        before = batch.last;
    }
    Ok(())
}

impl SharePartition {
    /// Takes what a member says of its records; all of it or, after an error, nothing. The batches have passed
    /// [`check_batches`].
    ///
    /// What is said of records before the start is of no interest any more.
    ///
    /// # Errors
    /// INVALID_RECORD_STATE for records that the member does not have, INVALID_REQUEST for those that nobody ever had.
    pub(crate) fn acknowledge(
        &mut self,
        member: &str,
        now_ms: i64,
        limits: Limits,
        batches: &[AckBatch<'_>],
    ) -> Result<(), ErrorCode> {
        for batch in batches {
            if batch.last >= self.end {
                return Err(ErrorCode::INVALID_REQUEST);
            }
            let mut runs = self.runs.over(batch.first.max(self.start), batch.last);
            if !runs.all(|(_, run)| run.belongs_to(member)) {
                return Err(ErrorCode::INVALID_RECORD_STATE);
            }
        }
        for (first, last, kind) in batches.iter().flat_map(AckBatch::pieces) {
            let first = first.max(self.start);
            if first <= last {
                self.runs.change(first, last, |run| run.acknowledge(kind, now_ms, limits));
            }
        }
        self.settle();
        Ok(())
    }
}

impl Run {
    fn belongs_to(&self, of: &str) -> bool {
        matches!(&self.state, State::Acquired { member, .. } if *member == of)
    }

    fn acknowledge(&mut self, kind: i8, now_ms: i64, limits: Limits) {
        match kind {
            ACCEPT => self.state = State::Acknowledged,
            RELEASE => self.give_back(limits),
            RENEW => {
                if let State::Acquired { until_ms, .. } = &mut self.state {
                    *until_ms = now_ms.saturating_add(limits.lock_ms);
                }
            }
            // A gap is an offset without a record: a marker, or what compaction took.
            _ => self.state = State::Archived,
        }
    }
}
