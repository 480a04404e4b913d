//! Appending batches.

use super::{EPOCHS_FILE, Log};
use crate::error::AppendError;
use crate::producers::SequenceError;
use crate::segment::located;
use bytes::Bytes;
use klamm_protocol::record_batch::{BATCH_HEADER_LEN, BatchHeader, ControlType, RecordBatch};
use std::io;

/// Batches below this are copied behind their new head; larger ones are written from where they are.
const COPY_BELOW_BYTES: usize = 4096;
/// Bytes of a batch up to its format: base offset, length, leader epoch. The checksum does not cover them.
const HEAD: usize = 16;

/// Who appends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A client; its batches are checked against what its producer wrote before.
    Client,
    /// The transaction coordinator of this epoch, with a marker.
    Coordinator {
        /// Its epoch.
        epoch: i32,
        /// The transaction is of the second protocol (KIP-890): its end has a higher producer epoch than its records, and
        /// a marker without one is late (KIP-1228).
        tv2: bool,
    },
}

/// What is stamped on a batch.
#[derive(Debug, Clone, Copy)]
pub struct AppendInfo {
    /// The leader epoch.
    pub leader_epoch: i32,
    /// Who appends.
    pub origin: Origin,
}

/// Where batches went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// Offset of the first record.
    pub base_offset: i64,
    /// Offset of the last record.
    pub last_offset: i64,
}

impl Log {
    /// Appends one batch of format v2 that was checked by the caller: length, checksum, counts.
    ///
    /// Base offset and leader epoch are stamped on it, which needs no new checksum; the bytes of the records are not
    /// copied. After [`AppendError::Sequence`] and [`AppendError::Storage`] the log is as it was before.
    ///
    /// # Errors
    /// [`AppendError`].
    pub fn append(&mut self, batch: Bytes, info: AppendInfo) -> Result<Appended, AppendError> {
        if let Some(why) = &self.poisoned {
            return Err(AppendError::Poisoned(why.clone()));
        }
        let mut header = self.header_of(&batch)?;
        let control = self.check(&batch, &header, info.origin)?;
        self.roll_if_due(&header, batch.len() as u64)?;
        header.base_offset = self.end_offset();
        header.partition_leader_epoch = info.leader_epoch;
        self.begin_epoch(info.leader_epoch).map_err(AppendError::Storage)?;
        let written = self.active_mut().append(&header, &stamped(&header, &batch));
        written.map_err(|(error, cut)| self.refuse(error, cut))?;
        self.note(&header, control);
        let last_offset = header.base_offset + i64::from(header.last_offset_delta);
        Ok(Appended { base_offset: header.base_offset, last_offset })
    }

    /// Saves where an epoch begins before anything is written in it: one without records does no harm, records without
    /// their epoch would.
    fn begin_epoch(&mut self, epoch: i32) -> io::Result<()> {
        let mut epochs = self.epochs.clone();
        if epochs.assign(epoch, self.end_offset()) {
            self.save(EPOCHS_FILE, epochs.to_text())?;
            self.epochs = epochs;
        }
        Ok(())
    }

    fn header_of(&self, batch: &Bytes) -> Result<BatchHeader, AppendError> {
        let located = located(batch, 0).filter(|located| located.len == batch.len() as u64);
        let located = located
            .ok_or_else(|| AppendError::Malformed("no whole batch of format v2".to_owned()))?;
        Ok(located.header)
    }

    /// Whether the batch may follow; for a marker, what it says and the epoch of its coordinator.
    fn check(
        &self,
        batch: &Bytes,
        header: &BatchHeader,
        origin: Origin,
    ) -> Result<Option<(ControlType, i32)>, AppendError> {
        match origin {
            Origin::Client => {
                self.producers.check(header).map(|()| None).map_err(AppendError::from)
            }
            Origin::Coordinator { epoch, tv2 } => {
                self.producers.check_marker(header, epoch, tv2)?;
                let (kind, _) = marker(batch)?;
                Ok(Some((kind, epoch)))
            }
        }
    }

    /// Takes a batch that is in the log into what is known of producers.
    pub(super) fn note(&mut self, header: &BatchHeader, control: Option<(ControlType, i32)>) {
        match control {
            Some((kind, epoch)) => self.producers.end_transaction(header, kind, epoch),
            None => self.producers.append(header),
        }
    }

    fn refuse(&mut self, error: io::Error, cut: Option<io::Error>) -> AppendError {
        if let Some(cut) = cut {
            // Half a batch may stand at the end; one written behind it would be lost to every reader.
            self.poisoned = Some(format!("{error}; and the file could not be cut back: {cut}"));
        }
        AppendError::Storage(error)
    }

    fn roll_if_due(&mut self, header: &BatchHeader, len: u64) -> Result<(), AppendError> {
        let active = self.active();
        // By the records' own time, as Kafka does it: a topic filled with old records is not cut into tiny segments.
        let age = active.began_ms.map(|began| header.max_timestamp.saturating_sub(began));
        let aged = age.is_some_and(|age| age >= self.config.segment_ms);
        let full = active.len + len > self.config.segment_bytes;
        let far = self.end_offset() + i64::from(header.last_offset_delta) - active.base_offset;
        if active.len > 0 && (aged || full || far > i64::from(i32::MAX) || self.spare_is_waiting())
        {
            self.roll().map_err(AppendError::Storage)?;
        }
        Ok(())
    }

    /// Ends the active segment and begins the next one.
    ///
    /// # Errors
    /// Those of the storage; the segment that was active still is.
    pub fn roll(&mut self) -> io::Result<()> {
        if self.active().len == 0 {
            return Ok(());
        }
        self.save_indexes()?;
        self.save_producers()?;
        // A name behind this segment says that this one is whole, so the zeros go first.
        let cut = self.cut_active()?;
        let next = self.next_segment()?;
        if self.config.sync_names {
            // Whole segments before this one: a hole in the last segment is then all that a power loss can leave. A
            // sync of the same bytes may be under way elsewhere; this one waits for it.
            let whole = cut || self.flushed_offset >= self.end_offset();
            let synced = if whole { Ok(()) } else { self.active().file.sync_data() };
            let synced = synced.and_then(|()| self.storage.sync_dir(&self.dir));
            synced.map_err(|error| self.poison_after_sync(error))?;
        }
        self.save_summary_of(self.active());
        self.segments.push(next);
        Ok(())
    }
}

/// Kind of marker and coordinator epoch of a control batch.
pub(super) fn marker(batch: &Bytes) -> Result<(ControlType, i32), AppendError> {
    let malformed = |error: String| AppendError::Malformed(error);
    let batch = RecordBatch::parse(batch.clone()).map_err(|e| malformed(e.to_string()))?;
    let kind = batch.control_type().map_err(|e| malformed(e.to_string()))?;
    let kind = kind.ok_or_else(|| malformed("not a marker".to_owned()))?;
    let value = batch.records().next().and_then(Result::ok).and_then(|record| record.value);
    // Version, then the epoch.
    let epoch = value.and_then(|value| value.get(2..6)?.first_chunk().copied());
    Ok((kind, epoch.map_or(-1, i32::from_be_bytes)))
}

/// The batch as it is stored.
fn stamped(header: &BatchHeader, batch: &Bytes) -> Vec<Bytes> {
    let head = header.to_bytes();
    if batch.len() < COPY_BELOW_BYTES {
        return vec![[&head[..HEAD], &batch[HEAD..]].concat().into()];
    }
    // With the whole header in the copied part no reader has to put it together from two.
    let head = [&head[..HEAD], &batch[HEAD..BATCH_HEADER_LEN]].concat();
    vec![head.into(), batch.slice(BATCH_HEADER_LEN..)]
}

impl AppendError {
    /// Where the batch is already, when it is a retry of one that was appended.
    pub fn duplicate(&self) -> Option<Appended> {
        match *self {
            Self::Sequence(SequenceError::Duplicate { base_offset, last_offset, .. }) => {
                Some(Appended { base_offset, last_offset })
            }
            _ => None,
        }
    }
}
