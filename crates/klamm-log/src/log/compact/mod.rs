//! Compaction: of every key only the last value stays (Kafka's LogCleaner).
//!
//! Whole segments before the active one are read twice: once for the last offset of every key, once to write what stays.
//! Offsets never change.

mod filter;
mod latest;
mod swap;

pub(super) use self::swap::finish_swaps;

use self::filter::{Filter, Kept};
use self::latest::Latest;
use super::Log;
use crate::segment::{Located, Segment, located};
use crate::storage::{Open, StorageFile};
use bytes::Bytes;
use klamm_protocol::record_batch::RecordBatch;
use std::io;
use std::ops::Range;
use std::sync::Arc;

/// Bytes gathered before they are written.
const WRITE_BYTES: usize = 1024 * 1024;

/// What compaction did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Compacted {
    /// Segments it read.
    pub segments: usize,
    /// Their bytes before.
    pub bytes_before: u64,
    /// Their bytes after.
    pub bytes_after: u64,
    /// Records it removed.
    pub records_removed: u64,
}

impl Log {
    /// Compacts when `cleanup.policy` says so and the part not yet compacted is large enough
    /// (`min.cleanable.dirty.ratio`).
    ///
    /// # Errors
    /// As [`Log::compact_now`].
    pub fn compact(&mut self, now_ms: i64) -> io::Result<Compacted> {
        let range = self.compactable(now_ms);
        let bytes = |segments: &[Segment]| segments.iter().map(|s| s.len).sum::<u64>();
        let segments = &self.segments[range.clone()];
        let clean = segments.partition_point(|s| s.next_offset <= self.compacted_offset);
        let (dirty, all) = (bytes(&segments[clean..]), bytes(segments));
        // Ratios of bytes: more precision than an f64 has is no use here.
        let worth = dirty as f64 >= self.config.min_cleanable_dirty_ratio * all as f64;
        if !self.config.compact || dirty == 0 || !worth {
            return Ok(Compacted::default());
        }
        self.compact_range(range, now_ms)
    }

    /// Compacts whatever may be compacted: not the active segment, nothing from the oldest open transaction on, nothing
    /// younger than `min.compaction.lag.ms`.
    ///
    /// # Errors
    /// `InvalidData` for a damaged batch, which stops the compaction before it changes anything, and those of the storage.
    /// When one of those leaves the files half exchanged the log is poisoned; opening it finishes the exchange.
    pub fn compact_now(&mut self, now_ms: i64) -> io::Result<Compacted> {
        self.compact_range(self.compactable(now_ms), now_ms)
    }

    /// The segments that may be compacted, from the first on.
    fn compactable(&self, now_ms: i64) -> Range<usize> {
        let undecided = self.first_unstable_offset().unwrap_or(i64::MAX);
        let lag = self.config.min_compaction_lag_ms;
        let closed = &self.segments[..self.segments.len() - 1];
        let may = |segment: &&Segment| {
            segment.next_offset <= undecided
                && (lag <= 0 || now_ms.saturating_sub(segment.max_timestamp) >= lag)
        };
        0..closed.iter().take_while(may).count()
    }

    fn compact_range(&mut self, range: Range<usize>, now_ms: i64) -> io::Result<Compacted> {
        self.refuse_if_poisoned()?;
        let mut compacted = Compacted { segments: range.len(), ..Compacted::default() };
        let Some(last) = range.end.checked_sub(1) else { return Ok(compacted) };
        let upto = self.segments[last].next_offset;
        let mut latest = Latest::new(&self.producers.aborted);
        each_batch(&self.segments[range.clone()], |batch, _| latest.note(batch).map(drop))?;
        let mut filter = Filter::new(latest, &self.producers, upto, now_ms, &self.config);
        // The groups behind move to the front as those before them become one segment.
        let mut first = 0;
        let mut left = range.end;
        while left > 0 {
            let group = self.group(first, left);
            left -= group.len();
            self.compact_group(group, &mut filter, &mut compacted)?;
            first += 1;
        }
        self.compacted_offset = upto;
        compacted.records_removed = filter.removed();
        let gone = filter.into_removed_markers();
        self.producers.aborted.retain(|aborted| !gone.contains(&aborted.last_offset));
        Ok(compacted)
    }

    /// As many segments from `first` on as fit into one.
    fn group(&self, first: usize, left: usize) -> Range<usize> {
        let base = self.segments[first].base_offset;
        let mut bytes = 0;
        let fits = |segment: &&Segment| {
            bytes += segment.len;
            bytes <= self.config.segment_bytes && segment.next_offset - base <= i64::from(i32::MAX)
        };
        let fitting = self.segments[first..first + left].iter().take_while(fits).count();
        first..first + fitting.max(1)
    }

    /// Puts one segment with what stays in the place of a group of them.
    fn compact_group(
        &mut self,
        group: Range<usize>,
        filter: &mut Filter,
        compacted: &mut Compacted,
    ) -> io::Result<()> {
        let segments = &self.segments[group.clone()];
        let base = segments[0].base_offset;
        let path = self.path(&swap::cleaned_name(base));
        let mut output =
            Output::new(self.storage.open(&path, Open::Empty)?, Segment::new_like(&segments[0]));
        let mut changed = group.len() > 1;
        each_batch(segments, |batch, bytes| {
            match filter.keep(batch)? {
                Kept::Whole => return output.push(bytes),
                Kept::Part(part) => output.push(part)?,
                Kept::Nothing => {}
            }
            changed = true;
            Ok(())
        })?;
        compacted.bytes_before += segments.iter().map(|segment| segment.len).sum::<u64>();
        let cleaned = output.finish()?;
        compacted.bytes_after += cleaned.len;
        if changed { self.exchange(group, cleaned) } else { self.storage.remove(&path) }
    }
}

/// Calls `each` with every batch of these segments, checked, and its bytes.
fn each_batch(
    segments: &[Segment],
    mut each: impl FnMut(&RecordBatch, Bytes) -> io::Result<()>,
) -> io::Result<()> {
    for segment in segments {
        for batch in segment.batches(0) {
            let bytes = segment.bytes(&batch?)?;
            let batch = RecordBatch::parse(bytes.clone()).map_err(invalid)?;
            each(&batch, bytes)?;
        }
    }
    Ok(())
}

fn invalid(error: impl std::fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error.to_string())
}

/// The segment that is being written.
struct Output {
    file: Arc<dyn StorageFile>,
    segment: Segment,
    gathered: Vec<Bytes>,
    gathered_bytes: usize,
    written: u64,
}

impl Output {
    fn new(file: Arc<dyn StorageFile>, mut segment: Segment) -> Self {
        segment.file = file.clone();
        Self { file, segment, gathered: Vec::new(), gathered_bytes: 0, written: 0 }
    }

    fn push(&mut self, bytes: Bytes) -> io::Result<()> {
        let batch = located(&bytes, self.segment.len).ok_or_else(|| invalid("no batch"))?;
        self.segment.note(&Located { len: bytes.len() as u64, ..batch });
        self.gathered_bytes += bytes.len();
        self.gathered.push(bytes);
        if self.gathered_bytes >= WRITE_BYTES { self.write() } else { Ok(()) }
    }

    fn write(&mut self) -> io::Result<()> {
        self.file.write_at(self.written, &self.gathered)?;
        self.written += self.gathered_bytes as u64;
        self.gathered_bytes = 0;
        self.gathered.clear();
        Ok(())
    }

    /// The segment, on the disk.
    fn finish(mut self) -> io::Result<Segment> {
        self.write()?;
        self.file.sync_data()?;
        Ok(self.segment)
    }
}
