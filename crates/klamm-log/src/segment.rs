//! A part of a log in one file: batches one after the other, with a sparse index of where they are.

use crate::storage::{Open, Storage, StorageFile, read_small};
use crate::summary::{self, Ends, HEAD_BYTES, Summary};
use bytes::Bytes;
use klamm_protocol::record_batch::{BATCH_HEADER_LEN, BatchHeader};
use std::io;
use std::sync::{Arc, OnceLock};

/// Bytes read at a time to walk over headers: two steps of the index.
const WINDOW_BYTES: usize = 8 * 1024;
/// The largest file of marks.
const MAX_SUMMARY_BYTES: u64 = 256 * 1024 * 1024;

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
}

/// What Kafka's indexes say of the batch of a mark.
#[derive(Debug, Clone, Copy)]
struct Entry {
    position: u64,
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
    /// Of a segment with a summary they are read when they are needed first.
    marks: OnceLock<Vec<Mark>>,
    /// Of the same batches; of a segment with a summary there are none.
    entries: Vec<Entry>,
    ends: Option<Ends>,
    beside: Option<Beside>,
    index_interval_bytes: u64,
}

/// Where the summary of a segment is.
#[derive(Debug, Clone)]
struct Beside {
    storage: Arc<dyn Storage>,
    path: String,
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
            marks: OnceLock::from(Vec::new()),
            entries: Vec::new(),
            ends: None,
            beside: None,
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
        let due = self.entries.last().map_or(0, |entry| entry.position + self.index_interval_bytes);
        let (timestamp, last_offset) = (batch.header.max_timestamp, batch.next_offset() - 1);
        if timestamp > self.newest.timestamp {
            self.newest = Newest { timestamp, last_offset };
        }
        if batch.position >= due {
            let (offset, position) = (batch.header.base_offset, batch.position);
            let (max_timestamp, newest) = (self.max_timestamp, self.newest);
            let marks = self.marks.get_mut();
            marks.into_iter().for_each(|m| m.push(Mark { offset, position, max_timestamp }));
            self.entries.push(Entry { position, last_offset, newest });
        }
        let ends = self.ends.get_or_insert(Ends {
            first_crc: batch.header.crc,
            last_crc: batch.header.crc,
            last_position: batch.position,
        });
        (ends.last_crc, ends.last_position) = (batch.header.crc, batch.position);
        self.began_ms.get_or_insert(batch.header.max_timestamp);
        self.max_timestamp = self.max_timestamp.max(batch.header.max_timestamp);
        self.next_offset = batch.next_offset();
        self.len = batch.end();
    }

    /// Checksums of the first and the last batch; none while it is empty.
    pub(crate) fn ends(&self) -> Option<(u32, u32)> {
        self.ends.map(|ends| (ends.first_crc, ends.last_crc))
    }

    /// The content of its summary; none while it is empty.
    pub(crate) fn summary(&self) -> Option<Bytes> {
        let summary = Summary {
            len: self.len,
            next_offset: self.next_offset,
            max_timestamp: self.max_timestamp,
            began_ms: self.began_ms?,
            ends: self.ends?,
        };
        Some(summary::encode(&summary, self.marks()).into())
    }

    /// A segment as its summary has it; none when there is none, or when it is that of other bytes.
    ///
    /// # Errors
    /// Those of the storage for the segment; a summary that cannot be read is none.
    pub(crate) fn from_summary(
        storage: &Arc<dyn Storage>,
        path: String,
        file: &Arc<dyn StorageFile>,
        base_offset: i64,
        index_interval_bytes: u64,
    ) -> io::Result<Option<Self>> {
        let Some(summary) = read_head(&**storage, &path) else { return Ok(None) };
        let sound = summary.next_offset > base_offset && is_of(&summary, &**file, base_offset)?;
        if !sound {
            return Ok(None);
        }
        let mut segment = Self::new(file.clone(), base_offset, index_interval_bytes);
        segment.marks = OnceLock::new();
        segment.beside = Some(Beside { storage: storage.clone(), path });
        segment.ends = Some(summary.ends);
        segment.began_ms = Some(summary.began_ms);
        (segment.len, segment.next_offset) = (summary.len, summary.next_offset);
        segment.max_timestamp = summary.max_timestamp;
        Ok(Some(segment))
    }

    /// Whether it was made from its summary.
    pub(crate) fn has_summary(&self) -> bool {
        self.beside.is_some()
    }

    fn marks(&self) -> &[Mark] {
        self.marks.get_or_init(|| self.read_marks().unwrap_or_else(|| self.walked_marks()))
    }

    fn read_marks(&self) -> Option<Vec<Mark>> {
        let beside = self.beside.as_ref()?;
        let file = read_small(&*beside.storage, &beside.path, MAX_SUMMARY_BYTES).ok()??;
        summary::decode_marks(&file, self.base_offset..self.next_offset)
    }

    /// The marks by the batches themselves. What cannot be read ends them: whoever comes there learns why.
    fn walked_marks(&self) -> Vec<Mark> {
        let mut known = Self::new(self.file.clone(), self.base_offset, self.index_interval_bytes);
        self.batches(0).map_while(Result::ok).for_each(|batch| known.note(&batch));
        known.marks.into_inner().unwrap_or_default()
    }

    /// The position of the mark before the one that is `after`.
    fn floor(&self, after: usize) -> u64 {
        let mark = after.checked_sub(1).and_then(|floor| self.marks().get(floor));
        let mark = mark.filter(|mark| self.beside.is_none() || self.is_at(mark));
        mark.map_or(0, |mark| mark.position)
    }

    /// Whether a batch begins where a mark says so. One that somebody else wrote could lead past records.
    fn is_at(&self, mark: &Mark) -> bool {
        let head = self.file.read_at(mark.position, BATCH_HEADER_LEN).map(joined);
        let batch = head.ok().and_then(|head| located(&head, mark.position));
        batch.is_some_and(|batch| batch.header.base_offset == mark.offset)
    }

    /// Where to begin looking for `offset`: a batch at or before it.
    pub(crate) fn floor_of_offset(&self, offset: i64) -> u64 {
        self.floor(self.marks().partition_point(|mark| mark.offset <= offset))
    }

    /// Where to begin looking for a batch that ends at `position` or before it.
    pub(crate) fn floor_of_position(&self, position: u64) -> u64 {
        self.floor(self.marks().partition_point(|mark| mark.position <= position))
    }

    /// Where to begin looking for the first record that is not older than `timestamp`.
    pub(crate) fn floor_of_timestamp(&self, timestamp: i64) -> u64 {
        self.floor(self.marks().partition_point(|mark| mark.max_timestamp < timestamp))
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
        let entries = self.entries.iter().filter_map(|entry| {
            let offset = self.relative(entry.last_offset)?;
            Some([offset.to_be_bytes(), u32::try_from(entry.position).ok()?.to_be_bytes()])
        });
        entries.flatten().flatten().collect::<Vec<u8>>().into()
    }

    /// Kafka's `.timeindex`: growing timestamps of 64 bits, each with the relative last offset of the batch that has it.
    pub(crate) fn time_index(&self) -> Bytes {
        let (mut bytes, mut last) = (Vec::new(), -1);
        for newest in self.entries.iter().map(|entry| entry.newest).chain([self.newest]) {
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

/// The head of a summary, if it can be read.
fn read_head(storage: &dyn Storage, path: &str) -> Option<Summary> {
    let file = storage.open(path, Open::Existing).ok()?;
    let bytes = file.size().ok()?;
    let head = file.read_at(0, HEAD_BYTES).ok()?.concat();
    summary::decode(&head, bytes)
}

/// Whether a summary is that of a file: by its length, its first batch and its last.
fn is_of(summary: &Summary, file: &dyn StorageFile, base_offset: i64) -> io::Result<bool> {
    let Summary { len, next_offset, ends, .. } = *summary;
    let room = len.checked_sub(BATCH_HEADER_LEN as u64);
    if file.size()? != len || room.is_none_or(|room| ends.last_position > room) {
        return Ok(false);
    }
    let first = located(&joined(file.read_at(0, BATCH_HEADER_LEN)?), 0);
    let last = file.read_at(ends.last_position, BATCH_HEADER_LEN)?;
    let last = located(&joined(last), ends.last_position);
    let first_is = first.is_some_and(|first| {
        first.header.crc == ends.first_crc && first.header.base_offset >= base_offset
    });
    let last_is = last.is_some_and(|last| {
        last.header.crc == ends.last_crc && last.end() == len && last.next_offset() == next_offset
    });
    Ok(first_is && last_is)
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
