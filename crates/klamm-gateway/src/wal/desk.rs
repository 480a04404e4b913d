//! Where records wait to be written, and what is known of those that were.

use super::books::{Books, Need};
use super::config::{AppendRefused, Receipt, WalConfig};
use super::seen::SeenSet;
use super::state::Histogram;
use crate::accepted::Accepted;
use bytes::Bytes;
use std::collections::VecDeque;
use std::time::Duration;
use tokio::sync::oneshot;

/// Bytes that are written and synced together, unless one append alone has more. More would not be quicker.
const GROUP_BYTES: u64 = 1024 * 1024;
/// Until what waits in memory has been written.
const QUEUE_RETRY: Duration = Duration::from_secs(1);

/// What the one who appends waits for.
pub(super) type Answer = oneshot::Sender<Result<Receipt, AppendRefused>>;

/// Records of one append.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) records: Vec<Accepted>,
    pub(super) need: Need,
    answer: Answer,
}

/// What was synced last, encoded, in order, for a reader that is not far behind.
#[derive(Debug, Default)]
pub(super) struct Recent {
    batches: VecDeque<(u64, u64, Bytes)>,
    bytes: usize,
}

impl Recent {
    pub(super) fn push(&mut self, first: u64, next: u64, batch: Bytes, budget: usize) {
        self.bytes += batch.len();
        self.batches.push_back((first, next, batch));
        while self.bytes > budget {
            let Some((_, _, gone)) = self.batches.pop_front() else { return };
            self.bytes -= gone.len();
        }
    }

    /// Batches from the one with `from` on; empty when that is not here any more.
    pub(super) fn from(&self, from: u64, max_bytes: usize) -> Vec<(u64, Bytes)> {
        let start = self.batches.partition_point(|(_, next, _)| *next <= from);
        let mut left = max_bytes;
        let mut found = Vec::new();
        for (first, _, batch) in self.batches.range(start..) {
            if (found.is_empty() && *first > from) || (left == 0) {
                break;
            }
            left = left.saturating_sub(batch.len());
            found.push((*first, batch.clone()));
        }
        found
    }

    /// What is in Kafka is not read again.
    pub(super) fn release(&mut self, upto: u64) {
        while self.batches.front().is_some_and(|(_, next, _)| *next <= upto) {
            let Some((_, _, gone)) = self.batches.pop_front() else { return };
            self.bytes -= gone.len();
        }
    }
}

/// Everything that is known of a log beside its segments.
#[derive(Debug, Default)]
pub(super) struct Desk {
    queue: VecDeque<Request>,
    queued: u64,
    pub(super) books: Books,
    pub(super) seen: SeenSet,
    pub(super) recent: Recent,
    /// Everything below is on the disk; what was cut off when the log was opened is not.
    pub(super) mark: u64,
    /// Everything below is in Kafka.
    pub(super) released: u64,
    pub(super) sync_us: Histogram,
    pub(super) sync_records: Histogram,
    pub(super) failed: Option<String>,
    pub(super) cursor_error: Option<String>,
    pub(super) read_error: Option<String>,
    pub(super) lost: u64,
    pub(super) closed: bool,
}

impl Desk {
    /// Puts records in the queue.
    pub(super) fn submit(
        &mut self,
        records: Vec<Accepted>,
        config: &WalConfig,
        now_ms: i64,
    ) -> Result<oneshot::Receiver<Result<Receipt, AppendRefused>>, AppendRefused> {
        if let Some(why) = &self.failed {
            return Err(AppendRefused::Failed(why.clone()));
        }
        if self.closed {
            return Err(AppendRefused::Closed);
        }
        let need = Need::of(&records);
        let bytes = usize::try_from(need.bytes).unwrap_or(usize::MAX);
        if bytes > config.max_append_bytes {
            return Err(AppendRefused::TooLarge { bytes, max: config.max_append_bytes });
        }
        let hashes = || records.iter().filter_map(|record| record.idempotency);
        if let Some(seen) = hashes().find_map(|hash| self.seen.get(&hash)) {
            return Err(AppendRefused::Seen(seen));
        }
        if self.queued > 0 && self.queued + need.bytes > config.queue_bytes as u64 {
            return Err(AppendRefused::Full { retry_after: QUEUE_RETRY });
        }
        self.books.admit(&need, config, now_ms)?;
        hashes().for_each(|hash| self.seen.begin(hash));
        let (answer, answered) = oneshot::channel();
        self.queued += need.bytes;
        self.queue.push_back(Request { records, need, answer });
        Ok(answered)
    }

    pub(super) fn queued(&self) -> u64 {
        self.queued
    }

    pub(super) fn is_idle(&self) -> bool {
        self.queue.is_empty()
    }

    /// What is written next: everything that waits, up to a bound.
    pub(super) fn group(&mut self) -> Vec<Request> {
        let (mut group, mut bytes) = (Vec::new(), 0);
        while let Some(next) = self.queue.front() {
            if !group.is_empty() && bytes + next.need.bytes > GROUP_BYTES {
                break;
            }
            bytes += next.need.bytes;
            group.extend(self.queue.pop_front());
        }
        group
    }

    /// A group is on the disk from the sequence `first` on; tells those who wait.
    pub(super) fn accept(&mut self, group: Vec<Request>, first: u64, config: &WalConfig, now: i64) {
        let mut next = first;
        for request in group {
            let receipt = Receipt { first: next, count: request.need.records };
            for record in &request.records {
                record.idempotency.iter().for_each(|hash| self.seen.done(*hash, next, now));
                next += 1;
            }
            self.queued -= request.need.bytes.min(self.queued);
            self.books.written(&request.need, next, now);
            // Who does not wait any more has lost interest; the records stay.
            let _ = request.answer.send(Ok(receipt));
        }
        let ttl = i64::try_from(config.seen_ttl.as_millis()).unwrap_or(i64::MAX);
        self.seen.expire(config.seen_max, now.saturating_sub(ttl));
    }

    /// A group could not be written; tells those who wait.
    pub(super) fn refuse(&mut self, group: Vec<Request>, why: &AppendRefused) {
        for request in group {
            let hashes = request.records.iter().filter_map(|record| record.idempotency);
            hashes.for_each(|hash| self.seen.forget(&hash));
            self.queued -= request.need.bytes.min(self.queued);
            self.books.leave(&request.need);
            let _ = request.answer.send(Err(why.clone()));
        }
    }

    /// Nothing is written any more.
    pub(super) fn fail(&mut self, why: &str) {
        self.failed.get_or_insert_with(|| why.to_owned());
        let waiting = self.queue.drain(..).collect();
        self.refuse(waiting, &AppendRefused::Failed(why.to_owned()));
    }
}
