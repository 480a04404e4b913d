//! What is in a log when it is opened: of segments that are full by what was written down about them, of the others, and where
//! that is not to be trusted, by every record.

use super::books::{Need, Spans};
use super::chapter::{Chapter, Key, Written};
use super::chapter_file::{self, HEAD_BYTES, Head};
use super::config::{WalConfig, WalOpenError};
use super::core::{DIR, file_name, now_ms, offset, sequence};
use super::desk::Desk;
use super::encoding::{Decoded, EncodingError, batches, decode, next_sequence};
use bytes::Bytes;
use klamm_log::storage::{Open, Storage, StorageFile, put};
use klamm_log::{Full, Log, ReadError};
use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::sync::Arc;

/// Bytes that are read at a time.
const READ_BYTES: usize = 1024 * 1024;

/// What a log has.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) desk: Desk,
    /// Of the active segment.
    pub(super) chapter: Chapter,
    /// Sequences that were not looked at.
    pub(super) unread: Vec<Range<u64>>,
    /// Files with what turned out to be damaged.
    pub(super) set_aside: Vec<String>,
}

/// A look at a log, segment by segment.
#[derive(Debug)]
pub(super) struct ReadBack<'a> {
    log: &'a mut Log,
    storage: &'a dyn Storage,
    config: &'a WalConfig,
    /// Everything below is in Kafka.
    released: u64,
    desk: Desk,
    /// Sequences that are not there or cannot be read, and that nothing has shown to be promised yet.
    missing: Vec<Range<u64>>,
    unread: Vec<Range<u64>>,
    set_aside: Vec<String>,
    /// Names of requests by segment, those that are in files included.
    keys: Vec<Keys>,
}

/// Where the names of requests in a segment are.
#[derive(Debug)]
enum Keys {
    Known(VecDeque<Key>),
    InFile(Head, Arc<dyn StorageFile>, Full),
}

/// What reading a segment gave.
#[derive(Debug, Default)]
struct Scanned {
    chapter: Chapter,
    /// What of it is not in Kafka.
    waiting: Spans,
    /// As in [`ReadBack`]; each with the mark of the first batch behind it, if there is one.
    missing: Vec<(Range<u64>, Option<u64>)>,
    /// Some batch is not as it was written.
    damaged: bool,
}

impl<'a> ReadBack<'a> {
    pub(super) fn new(
        log: &'a mut Log,
        storage: &'a dyn Storage,
        config: &'a WalConfig,
        released: u64,
    ) -> Self {
        Self {
            log,
            storage,
            config,
            released,
            desk: Desk::default(),
            missing: Vec::new(),
            unread: Vec::new(),
            set_aside: Vec::new(),
            keys: Vec::new(),
        }
    }

    pub(super) fn run(mut self) -> Result<Found, WalOpenError> {
        let full: Vec<Full> = self.log.full_segments().collect();
        let mut at = sequence(self.log.start_offset());
        for segment in &full {
            at = match self.written_down(segment) {
                Some(chapter) => self.take_file(at, chapter),
                None => at.max(self.take_scanned(at, segment.offsets.clone(), true)?.sequences.end),
            };
        }
        let active = self.log.active_offset()..self.log.end_offset();
        let chapter = self.take_scanned(at, active, false)?;
        // Of a segment that is new and empty it is not known whether the end of the one before it reached the disk.
        self.desk.mark = if chapter.mark.is_some() { chapter.sequences.end } else { at };
        self.remember()?;
        let Self { desk, unread, set_aside, .. } = self;
        Ok(Found { desk, chapter, unread, set_aside })
    }

    /// The chapter of a segment, if it was written down and is its own. One that the cursor is in is read.
    fn written_down(&mut self, segment: &Full) -> Option<Chapter> {
        let Range { start, end } = segment.offsets;
        if (sequence(start) + 1..sequence(end)).contains(&self.released) {
            return None;
        }
        let path = format!("{DIR}/{}", file_name(start));
        let file = self.storage.open(&path, Open::Existing).ok()?;
        let bytes = file.size().ok()?;
        let head = file.read_at(0, HEAD_BYTES).ok()?.concat();
        let head = Head::decode(&head, bytes, segment)?;
        let (position, len) = head.spans_at();
        let chapter = head.chapter(&file.read_at(position, len).ok()?.concat(), segment)?;
        self.keys.push(Keys::InFile(head, file, segment.clone()));
        Some(chapter)
    }

    /// Books a chapter that was written down; the sequence behind it.
    fn take_file(&mut self, at: u64, chapter: Chapter) -> u64 {
        let Range { start, end } = chapter.sequences;
        self.miss(at..start);
        self.settle(chapter.mark);
        if end > self.released {
            self.desk.books.found(chapter.spans);
            match self.unread.last_mut().filter(|last| last.end == start) {
                Some(last) => last.end = end,
                None => self.unread.push(start..end),
            }
        }
        end
    }

    /// Reads a segment and books it. Of one that is full it is written down what the next opening needs.
    fn take_scanned(
        &mut self,
        at: u64,
        offsets: Range<i64>,
        full: bool,
    ) -> Result<Chapter, WalOpenError> {
        let Scanned { mut chapter, waiting, missing, .. } = self.scan_mended(at, offsets)?;
        for (range, mark) in missing {
            self.miss(range);
            self.settle(mark);
        }
        self.desk.books.found(waiting);
        let found = full.then(|| {
            let first = offset(chapter.sequences.start);
            self.log.full_segments().find(|full| full.offsets.start == first)
        });
        if let Some(found) = found.flatten()
            && let Some(content) = chapter_file::encode(&chapter, &found)
        {
            // Without it, or with what is left of it, the segment is read the next time, too.
            let _ = put(self.storage, DIR, &file_name(found.offsets.start), content.into());
        }
        let keys = if full { std::mem::take(&mut chapter.keys) } else { chapter.keys.clone() };
        self.keys.push(Keys::Known(keys));
        Ok(chapter)
    }

    /// Reads a segment, after damage in it was set aside.
    fn scan_mended(&mut self, at: u64, offsets: Range<i64>) -> Result<Scanned, WalOpenError> {
        match self.scan(at, offsets.clone()) {
            Ok(scanned) if !scanned.damaged => return Ok(scanned),
            Err(ReadError::Storage(error)) if error.kind() != io::ErrorKind::InvalidData => {
                return Err(ReadError::Storage(error).into());
            }
            _ => {}
        }
        let aside = self.log.mend(offsets.start)?;
        self.set_aside.extend(aside.into_iter().map(|aside| aside.file));
        Ok(self.scan(at, offsets)?)
    }

    fn scan(&self, at: u64, offsets: Range<i64>) -> Result<Scanned, ReadError> {
        let first = sequence(offsets.start);
        let mut scanned = Scanned { chapter: Chapter::new(first), ..Scanned::default() };
        let mut at = at;
        let mut from = offsets.start.max(self.log.start_offset());
        while from < offsets.end {
            let slices = self.log.locate(from, offsets.end, READ_BYTES, true)?;
            if slices.is_empty() {
                break;
            }
            let bytes = slices.load()?.concat().into();
            for (first, batch) in batches(&bytes) {
                if at < first {
                    scanned.missing.push((at..first, None));
                }
                at = self.batch(&mut scanned, batch, first);
            }
            from = from.max(slices.end_offset());
        }
        Ok(scanned)
    }

    /// Takes in a batch; the sequence behind it.
    fn batch(&self, scanned: &mut Scanned, batch: Bytes, first: u64) -> u64 {
        let next = next_sequence(&batch, first);
        match decode(batch, first) {
            Ok(decoded) => {
                // The first batch behind a gap says what of it had been synced; later ones know no better.
                if scanned.chapter.mark.is_none() {
                    // The gap may have begun before this segment.
                    scanned.missing.push((first..first, None));
                }
                let unsettled = scanned.missing.iter_mut().filter(|(_, mark)| mark.is_none());
                unsettled.for_each(|(_, mark)| *mark = Some(decoded.mark));
                self.records(scanned, first..next, &decoded);
            }
            Err(error) => {
                scanned.damaged |= matches!(error, EncodingError::Batch(_));
                scanned.chapter.broken = true;
                scanned.missing.push((first..next, None));
            }
        }
        next
    }

    fn records(&self, scanned: &mut Scanned, sequences: Range<u64>, decoded: &Decoded) {
        let Scanned { chapter, waiting, .. } = scanned;
        let (taken_ms, mark, next) = (decoded.taken_ms, decoded.mark, sequences.end);
        let (mut all, mut left) = (Need::default(), Need::default());
        for (sequence, record) in &decoded.records {
            if let Some(hash) = record.idempotency {
                chapter.key(hash, *sequence, taken_ms, self.config.seen_max);
            }
            all.add(record);
            if *sequence >= self.released {
                left.add(record);
            }
        }
        if left.records > 0 {
            waiting.book(&left, next, taken_ms);
        }
        chapter.batch(&Written { sequences, mark, taken_ms, need: &all });
    }

    fn miss(&mut self, range: Range<u64>) {
        self.missing.push(range.start.max(self.released)..range.end);
    }

    /// What is missing and had been promised is lost.
    fn settle(&mut self, mark: Option<u64>) {
        let Some(promised) = mark else { return };
        for missing in std::mem::take(&mut self.missing) {
            self.desk.lost += missing.end.min(promised).saturating_sub(missing.start);
        }
    }

    /// Takes in the names of requests, no more segments back than names are remembered.
    fn remember(&mut self) -> Result<(), WalOpenError> {
        let (mut parts, mut count) = (Vec::new(), 0);
        while let Some(keys) = self.keys.pop() {
            if count >= self.config.seen_max {
                break;
            }
            let keys = self.known(keys)?;
            count += keys.len();
            parts.push(keys);
        }
        let ttl = i64::try_from(self.config.seen_ttl.as_millis()).unwrap_or(i64::MAX);
        let since = now_ms().saturating_sub(ttl);
        for key in parts.iter().rev().flatten() {
            for sequence in key.first..key.first + key.count {
                self.desk.seen.done(key.hash, sequence, key.taken_ms);
            }
            self.desk.seen.expire(self.config.seen_max, since);
        }
        Ok(())
    }

    fn known(&mut self, keys: Keys) -> Result<VecDeque<Key>, WalOpenError> {
        let (head, file, segment) = match keys {
            Keys::Known(keys) => return Ok(keys),
            Keys::InFile(head, file, segment) => (head, file, segment),
        };
        let (position, len) = head.keys_at();
        let read = file.read_at(position, len).ok();
        match read.and_then(|bytes| head.keys(&bytes.concat(), &segment)) {
            Some(keys) => Ok(keys),
            // Its records are booked; what is damaged in it is met by the reader.
            None => Ok(self.scan(0, segment.offsets)?.chapter.keys),
        }
    }
}
