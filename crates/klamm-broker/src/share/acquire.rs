//! Pure: which of the records that were read a member gets.

use super::partition::{Limits, SharePartition};
use super::runs::{Run, State};
use klamm_protocol::primitives::Str;

/// Records of one batch that go out together at most, although only whole batches go out in that mode.
const MAX_BATCH_RECORDS: i64 = 100_000;

/// Offsets of a batch, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) first: i64,
    pub(crate) last: i64,
}

/// Who asks for records, and for how many.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Acquire<'a> {
    pub(crate) member: &'a Str,
    pub(crate) now_ms: i64,
    pub(crate) limits: Limits,
    pub(crate) max_records: i64,
    /// Never more than `max_records` (KIP-1206); otherwise the batch that reaches them goes out whole.
    pub(crate) strict: bool,
}

/// Records that a member has from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Acquired {
    pub(crate) first: i64,
    pub(crate) last: i64,
    /// How often they have gone out, this time included.
    pub(crate) deliveries: i16,
}

impl SharePartition {
    /// Gives a member what nobody has of the batches that were read from `from` on, in order.
    ///
    /// Offsets between batches are those of records that are no more; nobody waits for them. Whoever read from a place
    /// that is no longer where to read gets what is still to be had, or nothing.
    pub(crate) fn acquire(
        &mut self,
        acquire: Acquire<'_>,
        from: i64,
        batches: &[Span],
    ) -> Vec<Acquired> {
        let (mut acquired, mut left, mut at) = (Vec::new(), acquire.max_records, from);
        if from > self.end {
            return acquired;
        }
        for batch in batches {
            if left <= 0 {
                break;
            }
            self.skip(at, batch.first - 1);
            at = batch.last + 1;
            let taken = self.acquire_batch(acquire, left, *batch);
            left -= taken.iter().map(|run| run.last - run.first + 1).sum::<i64>();
            acquired.extend(taken);
            // Behind a batch of which a part is left nothing can go out: there would be a gap.
            if self.end < at {
                break;
            }
        }
        self.settle();
        joined(acquired)
    }

    /// Offsets without a record: whatever was to go out of them is not there.
    fn skip(&mut self, first: i64, last: i64) {
        let first = first.max(self.start);
        self.archive_available(first, last);
        if last >= self.end {
            let run = Run { last, state: State::Archived, deliveries: 0 };
            self.runs.push(self.end, run);
            self.end = last + 1;
        }
    }

    fn archive_available(&mut self, first: i64, last: i64) {
        let last = last.min(self.end - 1);
        if first > last {
            return;
        }
        self.runs.change(first, last, |run| {
            if run.state == State::Available {
                run.state = State::Archived;
            }
        });
    }

    fn acquire_batch(&mut self, acquire: Acquire<'_>, max: i64, batch: Span) -> Vec<Acquired> {
        let limit = if acquire.strict { max } else { MAX_BATCH_RECORDS };
        let mut left = limit;
        let known = self.runs.over(batch.first.max(self.start), batch.last);
        let known = known.filter(|(_, run)| run.state == State::Available);
        let mut wanted = Vec::new();
        for (first, run) in known {
            let first = first.max(batch.first);
            let last = run.last.min(batch.last).min(first.saturating_add(left) - 1);
            if first > last {
                break;
            }
            left -= last - first + 1;
            wanted.push((first, last));
        }
        let room = acquire.limits.record_locks - self.in_flight();
        let room = if acquire.strict { room.min(left) } else { left };
        let fits = acquire.limits.record_locks > self.in_flight() && batch.last >= self.end;
        if fits && room > 0 {
            let first = self.end;
            let last = batch.last.min(first.saturating_add(room) - 1);
            self.runs.push(first, Run { last, state: State::Available, deliveries: 0 });
            self.end = last + 1;
            wanted.push((first, last));
        }
        wanted.into_iter().flat_map(|(first, last)| self.hand_out(acquire, first, last)).collect()
    }

    /// Gives available records to the member.
    fn hand_out(&mut self, acquire: Acquire<'_>, first: i64, last: i64) -> Vec<Acquired> {
        let until_ms = acquire.now_ms.saturating_add(acquire.limits.lock_ms);
        let member = acquire.member.detach();
        self.runs.change(first, last, |run| {
            if run.state == State::Available {
                run.deliveries = run.deliveries.saturating_add(1);
                run.state = State::Acquired { member: member.clone(), until_ms };
            }
        });
        let runs = self.runs.over(first, last);
        let acquired = runs.map(|(from, run)| Acquired {
            first: from.max(first),
            last: run.last.min(last),
            deliveries: run.deliveries,
        });
        acquired.collect()
    }

    /// Takes records out of what a member was just given: they are none that the group reads.
    pub(crate) fn withhold(&mut self, acquired: Vec<Acquired>, spans: &[Span]) -> Vec<Acquired> {
        let mut kept = Vec::new();
        for run in acquired {
            let mut first = run.first;
            let inside =
                spans.iter().filter(|span| span.last >= run.first && span.first <= run.last);
            for span in inside {
                let (from, upto) = (span.first.max(run.first), span.last.min(run.last));
                self.runs.change(from, upto, |run| run.state = State::Archived);
                if from > first {
                    kept.push(Acquired { first, last: from - 1, ..run });
                }
                first = upto + 1;
            }
            if first <= run.last {
                kept.push(Acquired { first, ..run });
            }
        }
        self.settle();
        kept
    }
}

/// Makes one of neighbours that went out equally often.
fn joined(acquired: Vec<Acquired>) -> Vec<Acquired> {
    let mut out: Vec<Acquired> = Vec::with_capacity(acquired.len());
    for run in acquired {
        match out.last_mut() {
            Some(before) if before.last + 1 == run.first && before.deliveries == run.deliveries => {
                before.last = run.last;
            }
            _ => out.push(run),
        }
    }
    out
}
