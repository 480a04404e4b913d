//! Where records wait to be written, and what is known of those that were.

use super::books::{Books, Need};
use super::config::{AppendRefused, WalConfig};
use super::group::{Answered, Group};
use super::seen::SeenSet;
use super::state::Histogram;
use crate::accepted::Accepted;
use bytes::Bytes;
use std::collections::VecDeque;
use std::time::Duration;

/// Bytes that are written and synced together, unless one append alone has more. More would not be quicker.
const GROUP_BYTES: u64 = 1024 * 1024;
/// Until what waits in memory has been written.
const QUEUE_RETRY: Duration = Duration::from_secs(1);

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

    /// Whether the record of a sequence is here.
    pub(super) fn has(&self, sequence: u64) -> bool {
        let from = self.batches.front().map(|(first, _, _)| *first);
        let next = self.batches.back().map(|(_, next, _)| *next);
        from.is_some_and(|from| from <= sequence) && next.is_some_and(|next| sequence < next)
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
    /// What waits to be written; the last group may still grow.
    queue: VecDeque<Group>,
    queued: u64,
    /// Requests of the group that was written last.
    shared: usize,
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
    pub(super) disk_full: bool,
    pub(super) cursor_error: Option<String>,
    pub(super) read_error: Option<String>,
    pub(super) lost: u64,
    pub(super) set_aside: Vec<String>,
    /// The next segment was made ahead.
    pub(super) spare_ready: bool,
    pub(super) closed: bool,
}

impl Desk {
    /// Puts records in the queue.
    pub(super) fn submit(
        &mut self,
        records: Vec<Accepted>,
        config: &WalConfig,
        now_ms: i64,
    ) -> Result<Answered, AppendRefused> {
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
        self.queued += need.bytes;
        Ok(self.open_group(need.bytes).join(records, need))
    }

    /// The group that so many bytes more may join.
    fn open_group(&mut self, bytes: u64) -> &mut Group {
        let full = |group: &Group| group.bytes > 0 && group.bytes + bytes > GROUP_BYTES;
        if self.queue.back().is_none_or(full) {
            self.queue.push_back(Group::default());
        }
        let last = self.queue.len() - 1;
        &mut self.queue[last]
    }

    pub(super) fn queued(&self) -> u64 {
        self.queued
    }

    pub(super) fn is_idle(&self) -> bool {
        self.queue.is_empty()
    }

    /// How many requests the next sync may be for: those that wait or, if those are more, half of those that shared the last
    /// one, since who was answered mostly comes again. None if it has no room for more.
    pub(super) fn crowd(&self) -> usize {
        let back = self.shared / 2;
        match self.queue.len() {
            0 => back,
            1 => back.max(self.queue[0].requests.len()),
            _ => 0,
        }
    }

    /// What is written next: everything that waits, up to a bound.
    pub(super) fn group(&mut self) -> Option<Group> {
        let group = self.queue.pop_front()?;
        self.shared = group.requests.len();
        Some(group)
    }

    /// A group is on the disk from the sequence `first` on.
    pub(super) fn accept(&mut self, group: &Group, first: u64, config: &WalConfig, now: i64) {
        let mut next = first;
        for request in &group.requests {
            for (sequence, record) in (next..).zip(&request.records) {
                record.idempotency.iter().for_each(|hash| self.seen.done(*hash, sequence, now));
            }
            next += u64::from(request.need.records);
            self.books.written(&request.need, next, now);
        }
        self.queued -= group.bytes.min(self.queued);
        let ttl = i64::try_from(config.seen_ttl.as_millis()).unwrap_or(i64::MAX);
        self.seen.expire(config.seen_max, now.saturating_sub(ttl));
    }

    /// A group could not be written; tells those who wait.
    pub(super) fn refuse(&mut self, group: &Group, why: &AppendRefused) {
        for request in &group.requests {
            let hashes = request.records.iter().filter_map(|record| record.idempotency);
            hashes.for_each(|hash| self.seen.forget(&hash));
            self.books.leave(&request.need);
        }
        self.queued -= group.bytes.min(self.queued);
        group.tell(Err(why.clone()));
    }

    /// Nothing is written any more.
    pub(super) fn fail(&mut self, why: &str) {
        self.failed.get_or_insert_with(|| why.to_owned());
        for group in std::mem::take(&mut self.queue) {
            self.refuse(&group, &AppendRefused::Failed(why.to_owned()));
        }
    }
}
