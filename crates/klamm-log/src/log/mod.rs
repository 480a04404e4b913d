//! One partition's log: segments in order, and what is known about them.

mod append;
mod clean;
mod compact;
mod flush;
mod mend;
mod open;
mod read;
mod scan;
mod spare;
mod window;

pub use self::append::{AppendInfo, Appended, Origin};
pub use self::clean::Retained;
pub use self::compact::{Compacted, Compaction, Replacement};
pub use self::flush::Flush;
pub use self::open::{Quarantined, Recovery};
pub use self::read::Slices;
pub use self::spare::Spare;

use crate::config::LogConfig;
use crate::epochs::Epochs;
use crate::producers::{ProducerInfo, Producers};
use crate::segment::Segment;
use crate::snapshot;
use crate::storage::{Storage, replace};
use bytes::Bytes;
use std::io;
use std::ops::Range;
use std::sync::Arc;

/// Names of files beside the segments.
const CLEAN_FILE: &str = "clean-shutdown";
const RECOVERY_FILE: &str = "recovery-point";
const START_FILE: &str = "log-start-offset";
const EPOCHS_FILE: &str = "leader-epoch-checkpoint";
/// The extension of a segment's summary.
const SUMMARY: &str = "summary";
/// The extensions of all files that the log itself keeps beside a segment.
const BESIDE: [&str; 4] = ["index", "timeindex", "txnindex", SUMMARY];

/// A segment that is full: it does not change any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Full {
    /// From the offset in its name to the one behind its last record.
    pub offsets: Range<i64>,
    /// Bytes of its batches.
    pub bytes: u64,
    /// Checksums of its first and its last batch: with the rest they tell it from others.
    pub ends: (u32, u32),
}

/// The log of one partition.
///
/// Appending and cleaning need `&mut`; the owner puts it behind a lock. What a read finds is loaded outside of that
/// lock, and what is written is synced outside of it.
#[derive(Debug)]
pub struct Log {
    storage: Arc<dyn Storage>,
    dir: String,
    config: LogConfig,
    /// In order, never none; the last is the one that is written to.
    segments: Vec<Segment>,
    start_offset: i64,
    /// Everything before this is on the disk.
    flushed_offset: i64,
    /// The same as it was written down last: what opening the log after a crash need not look at.
    recovery_offset: i64,
    /// Everything before this was compacted since the log was opened.
    compacted_offset: i64,
    producers: Producers,
    epochs: Epochs,
    poisoned: Option<String>,
    spare: spare::State,
}

impl Log {
    /// The first offset there is.
    pub fn start_offset(&self) -> i64 {
        self.start_offset
    }

    /// The offset the next record will get.
    pub fn end_offset(&self) -> i64 {
        self.active().next_offset
    }

    /// Everything before this is known to be on the disk.
    pub fn flushed_offset(&self) -> i64 {
        self.flushed_offset
    }

    /// First offset of the oldest transaction that is open.
    pub fn first_unstable_offset(&self) -> Option<i64> {
        self.producers.first_open()
    }

    /// Bytes of all segments.
    pub fn size_bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.len).sum()
    }

    /// How many files the log is cut into.
    pub fn segment_count(&self) -> usize {
        self.segments.len()
    }

    /// Base offset of the segment that is written to.
    pub fn active_offset(&self) -> i64 {
        self.active().base_offset
    }

    /// The segments before the active one, in order.
    pub fn full_segments(&self) -> impl Iterator<Item = Full> {
        let full = &self.segments[..self.segments.len() - 1];
        full.iter().filter_map(|segment| {
            let offsets = segment.base_offset..segment.next_offset;
            Some(Full { offsets, bytes: segment.len, ends: segment.ends()? })
        })
    }

    /// Base offset and bytes of the oldest segment, and its largest timestamp.
    pub fn oldest_segment(&self) -> (i64, u64, i64) {
        let oldest = &self.segments[0];
        (oldest.base_offset, oldest.len, oldest.max_timestamp)
    }

    /// The leader epoch of the last record; none while nothing was written.
    pub fn latest_epoch(&self) -> Option<i32> {
        self.epochs.latest()
    }

    /// The largest epoch not above `epoch`, and the offset behind its last record; -1 each where there is none.
    ///
    /// `current` is the leader's epoch. The log itself knows only epochs in which something was written.
    pub fn epoch_end_offset(&self, epoch: i32, current: i32) -> (i32, i64) {
        self.epochs.end_of(epoch, current, self.end_offset())
    }

    /// The leader epoch in which the record at `offset` was written; none when that is not known.
    pub fn epoch_of(&self, offset: i64) -> Option<i32> {
        self.epochs.of(offset)
    }

    /// The producers that are remembered, by id.
    pub fn producers(&self) -> impl Iterator<Item = ProducerInfo> {
        self.producers.describe()
    }

    /// What the log was opened with, or has been given since.
    pub fn config(&self) -> &LogConfig {
        &self.config
    }

    /// Other settings from now on.
    pub fn configure(&mut self, config: LogConfig) {
        self.config = config;
    }

    /// Why nothing is written any more, if that is so.
    pub fn poisoned(&self) -> Option<&str> {
        self.poisoned.as_deref()
    }

    /// Forgets producers that have been idle for `producer_id_expiration_ms`.
    pub fn expire_producers(&mut self, now_ms: i64) {
        self.producers.expire(now_ms, self.config.producer_id_expiration_ms);
    }

    fn active(&self) -> &Segment {
        // There is one from the moment the log is opened.
        &self.segments[self.segments.len() - 1]
    }

    fn active_mut(&mut self) -> &mut Segment {
        let last = self.segments.len() - 1;
        &mut self.segments[last]
    }

    fn path(&self, name: &str) -> String {
        format!("{}/{name}", self.dir)
    }

    /// Puts a small text file in place.
    fn save(&self, name: &str, text: String) -> io::Result<()> {
        replace(&*self.storage, &self.dir, name, Bytes::from(text))
    }

    /// Saves what is known of producers at the end of the log, and drops all but the last two of such files.
    fn save_producers(&self) -> io::Result<()> {
        let offset = self.end_offset();
        let content = snapshot::encode(offset, &self.producers);
        replace(&*self.storage, &self.dir, &snapshot_name(offset), content.into())?;
        let mut names: Vec<String> = self.storage.list(&self.dir)?;
        names.retain(|name| snapshot_offset(name).is_some());
        let old = names.len().saturating_sub(2);
        names[..old].iter().try_for_each(|name| self.storage.remove(&self.path(name)))
    }
}

/// Kafka names its own `.snapshot`, in another format.
fn snapshot_name(offset: i64) -> String {
    format!("{offset:020}.producers")
}

fn snapshot_offset(name: &str) -> Option<i64> {
    name.strip_suffix(".producers")?.parse().ok()
}
