//! The log itself: one group is written, synced and answered at a time; a cursor follows behind.

use super::books::Need;
use super::chapter::{Chapter, Written};
use super::chapter_file::{self, EXTENSION};
use super::config::{AppendRefused, WalConfig};
use super::cursor::Cursor;
use super::desk::Desk;
use super::encoding::{batches, encode, encode_seal, next_sequence};
use super::group::{Answered, Group};
use super::state::WalState;
use super::workers::Workers;
use crate::accepted::Accepted;
use bytes::Bytes;
use klamm_log::storage::{Storage, StorageFile, put};
use klamm_log::{AppendError, AppendInfo, Log, Origin, ReadError};
use parking_lot::{Condvar, Mutex};
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::watch;

/// The directory of the segments and the cursor.
pub(super) const DIR: &str = "wal";
/// The file with the cursor.
pub(super) const CURSOR_FILE: &str = "cursor";
/// A log that is idle for this long is sealed.
const SEAL_AFTER: Duration = Duration::from_secs(1);
/// When a full disk is looked at again.
const DISK_RETRY: Duration = Duration::from_secs(5);
/// Chapters of full segments that wait to be written down. What does not fit is read back from its segment when the log is
/// opened.
const MAX_FINISHED: usize = 4;
/// Files with damage that a log's state names.
const MAX_NAMED: usize = 16;
/// A log has one writer and no leader that changes.
const WRITER: AppendInfo = AppendInfo { leader_epoch: 0, origin: Origin::Client };

/// What readers can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Progress {
    /// Everything below this sequence is on the disk.
    pub(super) end: u64,
    /// Nothing will follow.
    pub(super) closed: bool,
}

/// What the writer does next.
#[derive(Debug)]
pub(super) enum Work {
    Group(Group),
    UseSpare,
    Seal,
    Stop,
}

/// A log with its books.
#[derive(Debug)]
pub(super) struct Core {
    /// Those who submit records.
    pub(super) workers: Workers,
    pub(super) config: WalConfig,
    pub(super) instance: String,
    pub(super) log: Mutex<Log>,
    pub(super) desk: Mutex<Desk>,
    /// The queue is not empty any more, or the log was closed.
    pub(super) work: Condvar,
    pub(super) progress: watch::Sender<Progress>,
    /// Held by who saves the cursor.
    pub(super) cursor: Mutex<CursorFile>,
    pub(super) storage: Arc<dyn Storage>,
    /// What the active segment has.
    pub(super) chapter: Mutex<Chapter>,
    pub(super) finished: Mutex<Vec<Chapter>>,
    /// Sequences that were not looked at when the log was opened: what of them is missing is counted when it is read.
    pub(super) unread: Arc<[Range<u64>]>,
}

/// A batch that is on the disk.
#[derive(Debug)]
struct Synced {
    first: u64,
    batch: Bytes,
    mark: u64,
    taken_ms: i64,
}

/// The cursor as it is on the disk.
#[derive(Debug)]
pub(super) struct CursorFile {
    pub(super) file: Arc<dyn StorageFile>,
    pub(super) last: Cursor,
    /// The cursor before which no segment is left.
    pub(super) dropped: u64,
}

impl CursorFile {
    /// Writes it to the place that does not have the last one.
    fn save(&mut self, released: u64) -> io::Result<()> {
        let next = Cursor { released, saves: self.last.saves + 1, ..self.last.clone() };
        self.file.write_at(next.position(), &[next.to_place().into()])?;
        self.file.sync_data()?;
        self.last = next;
        Ok(())
    }
}

/// Milliseconds since 1970.
pub(super) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

pub(super) fn sequence(offset: i64) -> u64 {
    u64::try_from(offset).unwrap_or(0)
}

pub(super) fn offset(sequence: u64) -> i64 {
    i64::try_from(sequence).unwrap_or(i64::MAX)
}

impl Core {
    /// Puts records in the queue of the writer.
    pub(super) fn submit(&self, records: Vec<Accepted>) -> Result<Answered, AppendRefused> {
        let answered = self.desk.lock().submit(records, &self.config, now_ms())?;
        self.work.notify_one();
        Ok(answered)
    }

    /// Waits for something to do. `sealed` says whether the log ends with a seal.
    pub(super) fn next_work(&self, sealed: bool) -> Work {
        let crowd = self.desk.lock().crowd();
        self.workers.give_way(crowd);
        let mut desk = self.desk.lock();
        loop {
            if let Some(group) = desk.group() {
                return Work::Group(group);
            }
            if desk.closed {
                return Work::Stop;
            }
            if std::mem::take(&mut desk.spare_ready) {
                return Work::UseSpare;
            }
            if sealed {
                self.work.wait(&mut desk);
            } else if self.work.wait_for(&mut desk, SEAL_AFTER).timed_out() && desk.is_idle() {
                return Work::Seal;
            }
        }
    }

    /// Writes a group as one batch, syncs it, and only then tells those who wait. Whether a new segment was begun for it.
    pub(super) fn commit(&self, group: Group) -> bool {
        let segment = self.log.lock().active_offset();
        let began = Instant::now();
        match self.write(&group) {
            Ok(Synced { first, batch, mark, taken_ms }) => {
                let next = first + group.records;
                self.enter(first..next, mark, taken_ms, &group);
                let mut desk = self.desk.lock();
                desk.sync_us.add(u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX));
                desk.sync_records.add(group.records);
                desk.mark = next;
                desk.disk_full = false;
                desk.recent.push(first, next, batch, self.config.recent_bytes);
                desk.accept(&group, first, &self.config, now_ms());
                drop(desk);
                // First, so that whoever has a receipt may release it.
                self.progress.send_modify(|progress| progress.end = next);
                group.tell(Ok(first));
            }
            Err(error) => self.refuse(&group, &error),
        }
        self.log.lock().active_offset() > segment
    }

    /// Takes a batch into the chapter of its segment.
    fn enter(&self, sequences: Range<u64>, mark: u64, taken_ms: i64, group: &Group) {
        let segment = sequence(self.log.lock().active_offset());
        let mut chapter = self.chapter.lock();
        if chapter.sequences.start != segment {
            let finished = std::mem::replace(&mut *chapter, Chapter::new(segment));
            let mut waiting = self.finished.lock();
            if waiting.len() < MAX_FINISHED {
                waiting.push(finished);
            }
        }
        let mut need = Need::default();
        group.requests.iter().for_each(|request| need.join(&request.need));
        let records = group.requests.iter().flat_map(|request| &request.records);
        for (sequence, record) in (sequences.start..).zip(records) {
            if let Some(hash) = record.idempotency {
                chapter.key(hash, sequence, taken_ms, self.config.seen_max);
            }
        }
        chapter.batch(&Written { sequences, mark, taken_ms, need: &need });
    }

    /// Writes down the chapters of segments that are full.
    pub(super) fn save_chapters(&self) {
        for chapter in std::mem::take(&mut *self.finished.lock()) {
            self.save_chapter(&chapter);
        }
    }

    fn save_chapter(&self, chapter: &Chapter) {
        let first = offset(chapter.sequences.start);
        let full = self.log.lock().full_segments().find(|full| full.offsets.start == first);
        let Some(content) = full.and_then(|full| chapter_file::encode(chapter, &full)) else {
            return;
        };
        // Without it, or with what is left of it, the segment is read when the log is opened.
        if let Err(error) = put(&*self.storage, DIR, &file_name(first), content.into()) {
            tracing::debug!(%error, first, "what is in a segment cannot be written down");
        }
    }

    fn write(&self, group: &Group) -> Result<Synced, AppendError> {
        let records = group.requests.iter().flat_map(|request| &request.records);
        let (mark, taken_ms) = (self.desk.lock().mark, now_ms());
        let batch = encode(records, mark, taken_ms, group.bytes);
        let batch = batch.map_err(|error| AppendError::Malformed(error.to_string()))?;
        let mut log = self.log.lock();
        let appended = log.append(batch.clone(), WRITER)?;
        // Whoever reads the log meanwhile is not kept waiting by the sync.
        let flush = log.begin_flush();
        drop(log);
        if let Some(flush) = flush {
            let result = flush.sync();
            self.log.lock().end_flush(&flush, result).map_err(AppendError::Storage)?;
        }
        Ok(Synced { first: sequence(appended.base_offset), batch, mark, taken_ms })
    }

    /// A full disk may have room again, and nothing of the group is there. After every other failure it is open what the
    /// disk holds, and nothing is promised any more.
    fn refuse(&self, group: &Group, error: &AppendError) {
        let full =
            matches!(error, AppendError::Storage(e) if e.kind() == io::ErrorKind::StorageFull);
        let poisoned = self.log.lock().poisoned().is_some();
        let mut desk = self.desk.lock();
        if full && !poisoned {
            desk.disk_full = true;
            desk.refuse(group, &AppendRefused::Full { retry_after: DISK_RETRY });
        } else {
            let why = error.to_string();
            desk.refuse(group, &AppendRefused::Failed(why.clone()));
            desk.fail(&why);
        }
    }

    /// Writes a batch with nothing but the durable mark, so that damage in the last records is not taken for an append that
    /// was interrupted. It is not synced: without it nothing is lost.
    pub(super) fn seal(&self) {
        let (mark, taken_ms) = (self.desk.lock().mark, now_ms());
        let Ok(seal) = encode_seal(mark, taken_ms) else { return };
        let sealed = self.log.lock().append(seal, WRITER);
        match sealed {
            Ok(sealed) => {
                let first = sequence(sealed.base_offset);
                self.enter(first..first + 1, mark, taken_ms, &Group::default());
            }
            // Nobody waits for it, but what it says of the disk counts.
            Err(error) => self.refuse(&Group::default(), &error),
        }
    }

    /// The writer has ended: nothing is taken or follows any more, and nobody is left waiting.
    pub(super) fn end(&self) {
        let mut desk = self.desk.lock();
        desk.closed = true;
        if !desk.is_idle() {
            desk.fail("its thread has ended");
        }
        drop(desk);
        self.progress.send_modify(|progress| progress.closed = true);
    }

    /// Everything below `upto` is in Kafka.
    pub(super) fn release(&self, upto: u64) {
        let upto = upto.min(self.progress.borrow().end);
        let mut desk = self.desk.lock();
        if upto > desk.released {
            desk.released = upto;
            desk.books.release(upto);
            desk.recent.release(upto);
        }
    }

    /// Saves the cursor if it has moved, then removes the segments before it.
    pub(super) fn keep(&self) {
        let mut cursor = self.cursor.lock();
        let released = {
            let mut desk = self.desk.lock();
            desk.books.tick(now_ms());
            desk.released
        };
        if released > cursor.dropped {
            let kept = self.move_cursor(&mut cursor, released);
            self.desk.lock().cursor_error = kept.err().map(|error| error.to_string());
        }
    }

    fn move_cursor(&self, cursor: &mut CursorFile, released: u64) -> io::Result<()> {
        if released > cursor.last.released {
            cursor.save(released)?;
        }
        self.log.lock().drop_segments_before(offset(released))?;
        cursor.dropped = released;
        Ok(())
    }

    /// Makes the file that the next segment will be, if there is none.
    pub(super) fn make_spare(&self) {
        let Some(spare) = self.log.lock().begin_spare() else { return };
        let made = spare.make(|| !self.desk.lock().closed);
        let ended = self.log.lock().end_spare(spare, made);
        match ended {
            Ok(()) => {
                self.desk.lock().spare_ready = true;
                self.work.notify_one();
            }
            Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                tracing::warn!(%error, "the next segment of the log cannot be made ahead");
            }
            _ => {}
        }
    }

    /// Goes on in the segment that was made ahead while nobody waits; whether it did.
    pub(super) fn use_spare(&self) -> bool {
        let used = self.log.lock().use_spare();
        used.unwrap_or_else(|error| {
            tracing::warn!(%error, "the segment that was made ahead cannot be used yet");
            false
        })
    }

    /// Whole batches from the one with `from` on and before `end`, each with its first sequence; none when nothing is left
    /// there. What is damaged so that nothing behind it can be found is set aside.
    pub(super) fn read(
        &self,
        from: u64,
        end: u64,
        max_bytes: usize,
    ) -> Result<Vec<(u64, Bytes)>, ReadError> {
        match self.read_once(from, end, max_bytes) {
            Err(ReadError::Storage(error)) if error.kind() == io::ErrorKind::InvalidData => {}
            // The checksum of a batch does not cover where it says that it is.
            Ok(found) if from < end && !are_without_gap(&found, from) => {}
            read => return read,
        }
        self.mend(from)?;
        let found = self.read_once(from, end, max_bytes)?;
        match are_in_order(&found, from) {
            true => Ok(found),
            false => Err(io::Error::from(io::ErrorKind::InvalidData).into()),
        }
    }

    /// Sets aside what is damaged in the segment of a sequence.
    pub(super) fn mend(&self, sequence: u64) -> io::Result<()> {
        let quarantined = self.log.lock().mend(offset(sequence))?;
        for aside in quarantined {
            let (file, bytes, from) = (aside.file, aside.bytes, aside.from_offset);
            tracing::error!(file, bytes, from, "a part of the log is damaged and was set aside");
            let named = &mut self.desk.lock().set_aside;
            named.push(file);
            let surplus = named.len().saturating_sub(MAX_NAMED);
            named.drain(..surplus);
        }
        Ok(())
    }

    fn read_once(
        &self,
        from: u64,
        end: u64,
        max_bytes: usize,
    ) -> Result<Vec<(u64, Bytes)>, ReadError> {
        let slices = self.log.lock().locate(offset(from), offset(end), max_bytes, true)?;
        let bytes = match slices.load_passing()? {
            mut parts if parts.len() == 1 => parts.swap_remove(0),
            parts => parts.concat().into(),
        };
        Ok(batches(&bytes).collect())
    }

    pub(super) fn state(&self) -> WalState {
        let next = self.progress.borrow().end;
        let desk = self.desk.lock();
        let age = desk.books.oldest_ms().map(|oldest| now_ms().saturating_sub(oldest));
        WalState {
            bytes: desk.books.bytes(),
            max_bytes: self.config.max_bytes,
            max_age: self.config.max_age,
            records: desk.books.records(),
            oldest_age: age.map(|ms| Duration::from_millis(u64::try_from(ms).unwrap_or(0))),
            queued_bytes: desk.queued(),
            next,
            released: desk.released,
            drain_bytes_per_second: desk.books.rate(),
            sync_us: desk.sync_us.clone(),
            sync_records: desk.sync_records.clone(),
            failed: desk.failed.clone(),
            disk_full: desk.disk_full,
            cursor_error: desk.cursor_error.clone(),
            read_error: desk.read_error.clone(),
            lost: desk.lost,
            set_aside: desk.set_aside.clone(),
            seen: desk.seen.len(),
        }
    }
}

/// Whether batches follow each other from the one with a sequence on.
fn are_without_gap(batches: &[(u64, Bytes)], from: u64) -> bool {
    let mut at = None;
    let follows = |(first, batch): &(u64, Bytes)| {
        let before = at.replace(next_sequence(batch, *first));
        before.map_or(*first <= from, |next| next == *first)
    };
    !batches.is_empty() && batches.iter().all(follows) && at.is_some_and(|next| next > from)
}

/// Whether batches are in order, whatever is missing between them.
fn are_in_order(batches: &[(u64, Bytes)], from: u64) -> bool {
    let next = |(first, batch): &(u64, Bytes)| next_sequence(batch, *first);
    let follow = batches.windows(2).all(|two| next(&two[0]) <= two[1].0);
    follow && batches.first().is_none_or(|first| next(first) > from)
}

/// The name of a chapter's file.
pub(super) fn file_name(first: i64) -> String {
    format!("{first:020}.{EXTENSION}")
}

impl Drop for Core {
    fn drop(&mut self) {
        self.keep();
    }
}
