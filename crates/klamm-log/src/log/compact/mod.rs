//! Compaction: of every key only the last value stays (Kafka's LogCleaner).
//!
//! Whole segments before the active one are read twice: once for the last offset of every key, once to write what stays.
//! Offsets never change. Segments that are closed do not change either, so a [`Compaction`] reads and writes without the
//! log, and the log is only asked to put the new segments in the place of the old ones.

mod filter;
mod latest;
mod swap;
mod work;

pub use self::work::{Compaction, Replacement};

pub(super) use self::swap::finish_swaps;

use super::Log;
use crate::segment::Segment;
use std::io;
use std::ops::Range;
use std::sync::Arc;

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

impl Compacted {
    fn add(&mut self, other: Self) {
        self.segments += other.segments;
        self.bytes_before += other.bytes_before;
        self.bytes_after += other.bytes_after;
        self.records_removed += other.records_removed;
    }
}

impl Log {
    /// Compacts when `cleanup.policy` says so and the part not yet compacted is large enough
    /// (`min.cleanable.dirty.ratio`).
    ///
    /// # Errors
    /// As [`Log::compact_now`].
    pub fn compact(&mut self, now_ms: i64) -> io::Result<Compacted> {
        let compaction = self.begin_compaction(now_ms)?;
        compaction.map_or(Ok(Compacted::default()), |compaction| self.run(compaction))
    }

    /// Compacts whatever may be compacted: not the active segment, nothing from the oldest open transaction on, nothing
    /// younger than `min.compaction.lag.ms`.
    ///
    /// # Errors
    /// `InvalidData` for a damaged batch, which stops the compaction before it changes anything, and those of the storage.
    /// When one of those leaves the files half exchanged the log is poisoned; opening it finishes the exchange.
    pub fn compact_now(&mut self, now_ms: i64) -> io::Result<Compacted> {
        let compaction = self.begin_compaction_now(now_ms)?;
        self.run(compaction)
    }

    fn run(&mut self, mut compaction: Compaction) -> io::Result<Compacted> {
        while let Some(replacement) = compaction.next(|| false)? {
            self.install(&mut compaction, replacement)?;
        }
        Ok(self.end_compaction(compaction))
    }

    /// Begins what [`Log::compact`] does, for somebody who does the work without the log; none when it is not worth it.
    ///
    /// One compaction of a log at a time: [`Compaction::next`] until it has none, each [`Log::install`]ed, then
    /// [`Log::end_compaction`]. One that is dropped before has compacted what was installed.
    ///
    /// # Errors
    /// When the log is poisoned.
    pub fn begin_compaction(&self, now_ms: i64) -> io::Result<Option<Compaction>> {
        let bytes = |segments: &[Segment]| segments.iter().map(|s| s.len).sum::<u64>();
        let segments = &self.segments[self.compactable(now_ms)];
        let clean = segments.partition_point(|s| s.next_offset <= self.compacted_offset);
        let (dirty, all) = (bytes(&segments[clean..]), bytes(segments));
        // Ratios of bytes: more precision than an f64 has is no use here.
        let worth = dirty as f64 >= self.config.min_cleanable_dirty_ratio * all as f64;
        if !self.config.compact || dirty == 0 || !worth {
            return Ok(None);
        }
        self.begin_compaction_now(now_ms).map(Some)
    }

    /// Begins what [`Log::compact_now`] does; otherwise as [`Log::begin_compaction`].
    ///
    /// # Errors
    /// When the log is poisoned.
    pub fn begin_compaction_now(&self, now_ms: i64) -> io::Result<Compaction> {
        self.refuse_if_poisoned()?;
        Ok(Compaction::new(self, &self.segments[self.compactable(now_ms)], now_ms))
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

    /// Puts a new segment in the place of those it was made from. Where some of those are gone meanwhile everything stays
    /// as it is.
    ///
    /// # Errors
    /// As [`Log::compact_now`].
    pub fn install(
        &mut self,
        compaction: &mut Compaction,
        replacement: Replacement,
    ) -> io::Result<()> {
        self.refuse_if_poisoned()?;
        let cleaned = self.path(&swap::cleaned_name(replacement.segment.base_offset));
        let Some(group) = self.place_of(&replacement) else {
            compaction.is_whole = false;
            return self.storage.remove(&cleaned);
        };
        if replacement.changed {
            self.exchange(group, replacement.segment)?;
        } else {
            self.storage.remove(&cleaned)?;
        }
        compaction.compacted.add(replacement.gain);
        Ok(())
    }

    /// Where the segments are that a replacement was made from, if they are all there.
    fn place_of(&self, replacement: &Replacement) -> Option<Range<usize>> {
        let old = &replacement.of;
        let same = |segment: &Segment, file| Arc::ptr_eq(&segment.file, file);
        let first = self.segments.iter().position(|segment| same(segment, &old[0]))?;
        let group = self.segments.get(first..first + old.len())?;
        let all = group.iter().zip(old).all(|(segment, file)| same(segment, file));
        all.then_some(first..first + old.len())
    }

    /// Takes note of what was compacted, so that it need not be done again.
    pub fn end_compaction(&mut self, compaction: Compaction) -> Compacted {
        // Where a replacement found no place, markers that were to go are still there.
        if compaction.is_whole && compaction.compacted.segments > 0 {
            self.compacted_offset = compaction.upto;
            let gone = compaction.filter.removed_markers();
            self.producers.aborted.retain(|aborted| !gone.contains(&aborted.last_offset));
        }
        compaction.compacted
    }
}
