//! The work of a compaction, done without the log.

use super::Compacted;
use super::filter::{Filter, Kept};
use super::latest::Latest;
use super::swap;
use crate::log::Log;
use crate::segment::{Located, Segment, located};
use crate::storage::{Open, Storage, StorageFile};
use bytes::Bytes;
use klamm_protocol::record_batch::RecordBatch;
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

/// Bytes gathered before they are written.
const WRITE_BYTES: usize = 1024 * 1024;

/// A compaction under way: the segments it is about, as they were when it began.
#[derive(Debug)]
pub struct Compaction {
    storage: Arc<dyn Storage>,
    dir: String,
    /// Segments that become one, group by group.
    groups: VecDeque<Vec<Segment>>,
    pub(super) filter: Filter,
    /// Whether the last offsets of keys are known.
    looked: bool,
    pub(super) compacted: Compacted,
    /// Whether every replacement found its place.
    pub(super) is_whole: bool,
    pub(super) upto: i64,
}

/// A new segment, on the disk, for those it was made from.
#[derive(Debug)]
pub struct Replacement {
    /// The files of those; at least one.
    pub(super) of: Vec<Arc<dyn StorageFile>>,
    pub(super) segment: Segment,
    /// Whether it differs from them.
    pub(super) changed: bool,
    /// What it is worth when it is installed.
    pub(super) gain: Compacted,
}

impl Compaction {
    pub(super) fn new(log: &Log, segments: &[Segment], now_ms: i64) -> Self {
        let upto = segments.last().map_or(log.start_offset, |last| last.next_offset);
        let latest = Latest::new(&log.producers.aborted);
        Self {
            storage: log.storage.clone(),
            dir: log.dir.clone(),
            groups: groups(segments, log.config.segment_bytes),
            filter: Filter::new(latest, &log.producers, upto, now_ms, &log.config),
            looked: false,
            compacted: Compacted::default(),
            is_whole: true,
            upto,
        }
    }

    /// Writes the next segment, for [`Log::install`]; none when that was the last one, or `stop` said true, which is asked
    /// before every batch.
    ///
    /// # Errors
    /// `InvalidData` for a damaged batch, and those of the storage.
    pub fn next(&mut self, stop: impl Fn() -> bool) -> io::Result<Option<Replacement>> {
        if !self.looked {
            for segments in &self.groups {
                let latest = &mut self.filter.latest;
                if !each_batch(segments, &stop, |batch, _| latest.note(batch))? {
                    self.is_whole = false;
                    return Ok(None);
                }
            }
            self.looked = true;
        }
        let Some(segments) = self.groups.pop_front() else { return Ok(None) };
        self.replacement(&segments, stop)
    }

    fn replacement(
        &mut self,
        segments: &[Segment],
        stop: impl Fn() -> bool,
    ) -> io::Result<Option<Replacement>> {
        let path = format!("{}/{}", self.dir, swap::cleaned_name(segments[0].base_offset));
        let mut output =
            Output::new(self.storage.open(&path, Open::Empty)?, Segment::new_like(&segments[0]));
        let (mut changed, removed_before) = (segments.len() > 1, self.filter.removed());
        let filter = &mut self.filter;
        let whole = each_batch(segments, stop, |batch, bytes| {
            match filter.keep(batch)? {
                Kept::Whole => return output.push(bytes),
                Kept::Part(part) => output.push(part)?,
                Kept::Nothing => {}
            }
            changed = true;
            Ok(())
        })?;
        if !whole {
            self.is_whole = false;
            return self.storage.remove(&path).map(|()| None);
        }
        let segment = output.finish()?;
        let gain = Compacted {
            segments: segments.len(),
            bytes_before: segments.iter().map(|segment| segment.len).sum(),
            bytes_after: segment.len,
            records_removed: self.filter.removed() - removed_before,
        };
        let of = segments.iter().map(|segment| segment.file.clone()).collect();
        Ok(Some(Replacement { of, segment, changed, gain }))
    }
}

/// As many segments together as fit into one.
fn groups(segments: &[Segment], segment_bytes: u64) -> VecDeque<Vec<Segment>> {
    let mut groups: VecDeque<Vec<Segment>> = VecDeque::new();
    let mut bytes = 0;
    for segment in segments {
        bytes += segment.len;
        let fits = |group: &Vec<Segment>| {
            let base = group.first().map_or(segment.base_offset, |first| first.base_offset);
            bytes <= segment_bytes && segment.next_offset - base <= i64::from(i32::MAX)
        };
        match groups.back_mut().filter(|group| fits(group)) {
            Some(group) => group.push(segment.clone()),
            None => {
                bytes = segment.len;
                groups.push_back(vec![segment.clone()]);
            }
        }
    }
    groups
}

/// Calls `each` with every batch of these segments, checked, and its bytes; false when `stop` said true before the end.
fn each_batch(
    segments: &[Segment],
    stop: impl Fn() -> bool,
    mut each: impl FnMut(&RecordBatch, Bytes) -> io::Result<()>,
) -> io::Result<bool> {
    for segment in segments {
        for batch in segment.batches(0) {
            if stop() {
                return Ok(false);
            }
            let bytes = segment.bytes(&batch?)?;
            let batch = RecordBatch::parse(bytes.clone()).map_err(invalid)?;
            each(&batch, bytes)?;
        }
    }
    Ok(true)
}

pub(super) fn invalid(error: impl std::fmt::Display) -> io::Error {
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
