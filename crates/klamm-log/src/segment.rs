//! A part of a log in one file: batches one after the other, with a sparse index of where they are.

use crate::storage::{Open, Storage, StorageFile};
use bytes::Bytes;
use klamm_protocol::record_batch::{BATCH_HEADER_LEN, BatchHeader};
use std::io;
use std::sync::Arc;

/// Bytes read at a time to walk over headers: two steps of the index.
const WINDOW_BYTES: usize = 8 * 1024;

/// A batch of the file: its header, and where it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Located {
    pub(crate) header: BatchHeader,
    pub(crate) position: u64,
    pub(crate) len: u64,
}

impl Located {
    /// The offset behind its last record.
    pub(crate) fn next_offset(&self) -> i64 {
        self.header.base_offset + i64::from(self.header.last_offset_delta) + 1
    }

    pub(crate) fn end(&self) -> u64 {
        self.position + self.len
    }
}

/// An entry of the index: the batch at `position` begins at `offset`; before it no record is newer than `timestamp`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) offset: i64,
    pub(crate) position: u64,
    pub(crate) max_timestamp: i64,
    /// Its last offset.
    last_offset: i64,
    /// The newest record up to and with this batch.
    newest: Newest,
}

/// A largest timestamp, and the last offset of the first batch that has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Newest {
    timestamp: i64,
    last_offset: i64,
}

/// One segment.
#[derive(Debug, Clone)]
pub(crate) struct Segment {
    pub(crate) base_offset: i64,
    pub(crate) file: Arc<dyn StorageFile>,
    pub(crate) len: u64,
    pub(crate) next_offset: i64,
    /// -1 while it is empty.
    pub(crate) max_timestamp: i64,
    newest: Newest,
    /// The largest timestamp of its first batch; what `segment_ms` counts from.
    pub(crate) began_ms: Option<i64>,
    /// Whether something was written that is not known to be on the disk.
    pub(crate) dirty: bool,
    /// Whether the file goes on with zeros behind `len`.
    pub(crate) reserved: bool,
    marks: Vec<Mark>,
    index_interval_bytes: u64,
}

/// `00000000000000000042.log`
pub(crate) fn file_name(base_offset: i64, extension: &str) -> String {
    format!("{base_offset:020}.{extension}")
}

impl Segment {
    pub(crate) fn create(
        storage: &dyn Storage,
        dir: &str,
        base_offset: i64,
        index_interval_bytes: u64,
    ) -> io::Result<Self> {
        let file =
            storage.open(&format!("{dir}/{}", file_name(base_offset, "log")), Open::Empty)?;
        Ok(Self::new(file, base_offset, index_interval_bytes))
    }

    /// An empty segment with the same base offset, settings and age; its file is still to be set.
    pub(crate) fn new_like(other: &Self) -> Self {
        let new = Self::new(other.file.clone(), other.base_offset, other.index_interval_bytes);
        Self { began_ms: other.began_ms, ..new }
    }

    /// A segment of which nothing is known yet; the batches in `file` are told to [`Segment::note`].
    pub(crate) fn new(
        file: Arc<dyn StorageFile>,
        base_offset: i64,
        index_interval_bytes: u64,
    ) -> Self {
        Self {
            base_offset,
            file,
            len: 0,
            next_offset: base_offset,
            max_timestamp: -1,
            newest: Newest { timestamp: -1, last_offset: -1 },
            began_ms: None,
            dirty: false,
            reserved: false,
            marks: Vec::new(),
            index_interval_bytes,
        }
    }

    /// Writes a batch behind the others; on an error the file is cut back to where it was.
    ///
    /// # Errors
    /// That of the write; the second part is that of the cut, after which nothing may be written any more.
    pub(crate) fn append(
        &mut self,
        header: &BatchHeader,
        parts: &[Bytes],
    ) -> Result<(), (io::Error, Option<io::Error>)> {
        let len: usize = parts.iter().map(Bytes::len).sum();
        self.dirty = true;
        if let Err(error) = self.file.write_at(self.len, parts) {
            self.reserved = false;
            return Err((error, self.file.truncate(self.len).err()));
        }
        self.note(&Located { header: *header, position: self.len, len: len as u64 });
        Ok(())
    }

    /// Takes a batch that is in the file into the index.
    pub(crate) fn note(&mut self, batch: &Located) {
        let due = self.marks.last().map_or(0, |mark| mark.position + self.index_interval_bytes);
        let (timestamp, last_offset) = (batch.header.max_timestamp, batch.next_offset() - 1);
        if timestamp > self.newest.timestamp {
            self.newest = Newest { timestamp, last_offset };
        }
        if batch.position >= due {
            let (offset, position) = (batch.header.base_offset, batch.position);
            let (max_timestamp, newest) = (self.max_timestamp, self.newest);
            self.marks.push(Mark { offset, position, max_timestamp, last_offset, newest });
        }
        self.began_ms.get_or_insert(batch.header.max_timestamp);
        self.max_timestamp = self.max_timestamp.max(batch.header.max_timestamp);
        self.len = batch.end();
        self.next_offset = batch.next_offset();
    }

    /// Where to begin looking for `offset`: a batch at or before it.
    pub(crate) fn floor_of_offset(&self, offset: i64) -> u64 {
        let after = self.marks.partition_point(|mark| mark.offset <= offset);
        after.checked_sub(1).map_or(0, |floor| self.marks[floor].position)
    }

    /// Where to begin looking for a batch that ends at `position` or before it.
    pub(crate) fn floor_of_position(&self, position: u64) -> u64 {
        let after = self.marks.partition_point(|mark| mark.position <= position);
        after.checked_sub(1).map_or(0, |floor| self.marks[floor].position)
    }

    /// Where to begin looking for the first record that is not older than `timestamp`.
    pub(crate) fn floor_of_timestamp(&self, timestamp: i64) -> u64 {
        let after = self.marks.partition_point(|mark| mark.max_timestamp < timestamp);
        after.checked_sub(1).map_or(0, |floor| self.marks[floor].position)
    }

    /// The batches from a position on.
    pub(crate) fn batches(&self, position: u64) -> Batches<'_> {
        Batches { segment: self, position, window: Bytes::new(), window_start: 0 }
    }

    /// The bytes of a batch.
    pub(crate) fn bytes(&self, batch: &Located) -> io::Result<Bytes> {
        let len = usize::try_from(batch.len).unwrap_or(usize::MAX);
        self.file.read_at(batch.position, len).map(joined)
    }

    /// Kafka's `.index`: the last offset of a batch, relative to the base offset, and its position, 32 bits each.
    pub(crate) fn offset_index(&self) -> Bytes {
        let entries = self.marks.iter().filter_map(|mark| {
            let offset = self.relative(mark.last_offset)?;
            Some([offset.to_be_bytes(), u32::try_from(mark.position).ok()?.to_be_bytes()])
        });
        entries.flatten().flatten().collect::<Vec<u8>>().into()
    }

    /// Kafka's `.timeindex`: growing timestamps of 64 bits, each with the relative last offset of the batch that has it.
    pub(crate) fn time_index(&self) -> Bytes {
        let (mut bytes, mut last) = (Vec::new(), -1);
        for newest in self.marks.iter().map(|mark| mark.newest).chain([self.newest]) {
            if newest.timestamp > last
                && let Some(offset) = self.relative(newest.last_offset)
            {
                bytes.extend_from_slice(&newest.timestamp.to_be_bytes());
                bytes.extend_from_slice(&offset.to_be_bytes());
                last = newest.timestamp;
            }
        }
        bytes.into()
    }

    fn relative(&self, offset: i64) -> Option<u32> {
        u32::try_from(offset.checked_sub(self.base_offset)?).ok()
    }
}

/// Reads what a batch's header says of it; none when it cannot be one.
pub(crate) fn located(head: &[u8], position: u64) -> Option<Located> {
    let head: &[u8; BATCH_HEADER_LEN] = head.first_chunk()?;
    let header = BatchHeader::read(head);
    let len = u64::try_from(header.batch_length).ok()? + 12;
    let sound = head[16] == 2
        && len >= BATCH_HEADER_LEN as u64
        && header.base_offset >= 0
        && header.last_offset_delta >= 0
        && header.base_offset.checked_add(i64::from(header.last_offset_delta) + 1).is_some();
    sound.then_some(Located { header, position, len })
}

/// The batches of a segment in order.
///
/// Headers are read a window at a time: small batches share one read, and of a large batch little more than its header is
/// read. A segment never changes while this borrows it.
pub(crate) struct Batches<'a> {
    segment: &'a Segment,
    position: u64,
    window: Bytes,
    window_start: u64,
}

impl Batches<'_> {
    /// The batch at the position, none at the end.
    fn batch(&mut self) -> io::Result<Option<Located>> {
        let (position, len) = (self.position, self.segment.len);
        if position >= len {
            return Ok(None);
        }
        let in_window = |start: u64| usize::try_from(position.checked_sub(start)?).ok();
        let mut head = in_window(self.window_start).and_then(|at| self.window.get(at..));
        if head.is_none_or(|head| head.len() < BATCH_HEADER_LEN) {
            let want = usize::try_from(len - position).unwrap_or(usize::MAX).min(WINDOW_BYTES);
            self.window = joined(self.segment.file.read_at(position, want)?);
            self.window_start = position;
            head = Some(&self.window);
        }
        let located = head.and_then(|head| located(head, position));
        let located = located.filter(|batch| batch.end() <= len);
        located.map(Some).ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidData, format!("no batch at position {position}"))
        })
    }
}

impl Iterator for Batches<'_> {
    type Item = io::Result<Located>;

    fn next(&mut self) -> Option<Self::Item> {
        let batch = self.batch().transpose()?;
        // After an error there is nothing to go on from.
        self.position = batch.as_ref().map_or(self.segment.len, Located::end);
        Some(batch)
    }
}

/// Parts as one; a single part is not copied.
fn joined(mut parts: Vec<Bytes>) -> Bytes {
    match parts.len() {
        1 => parts.swap_remove(0),
        _ => parts.concat().into(),
    }
}
