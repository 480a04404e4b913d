//! From the operating system's memory to the disk.

use super::{CLEAN_FILE, Log, RECOVERY_FILE, SUMMARY};
use crate::segment::{Segment, file_name};
use crate::storage::{StorageFile, put, replace};
use std::io;
use std::sync::Arc;

/// What has to be synced for everything before an offset to be on the disk.
///
/// Made under the log's lock, synced without it, and given back under the lock: appends go on in the meantime.
#[derive(Debug)]
#[must_use = "nothing is on the disk before sync()"]
pub struct Flush {
    files: Vec<(i64, Arc<dyn StorageFile>)>,
    upto: i64,
}

impl Flush {
    /// Syncs.
    ///
    /// # Errors
    /// That of the first file that fails.
    pub fn sync(&self) -> io::Result<()> {
        self.files.iter().try_for_each(|(_, file)| file.sync_data())
    }

    /// The offset before which everything will be on the disk.
    pub fn upto(&self) -> i64 {
        self.upto
    }
}

impl Log {
    /// What there is to sync; none when everything is on the disk, or nothing is written any more.
    pub fn begin_flush(&mut self) -> Option<Flush> {
        if self.poisoned.is_some() {
            return None;
        }
        let dirty = self.segments.iter_mut().filter(|segment| segment.dirty);
        let files = dirty.map(|segment| {
            // What is appended from now on makes it dirty again.
            segment.dirty = false;
            (segment.base_offset, segment.file.clone())
        });
        let files: Vec<_> = files.collect();
        let upto = self.end_offset();
        (!files.is_empty()).then_some(Flush { files, upto })
    }

    /// Takes the result of a sync: everything before [`Flush::upto`] is on the disk, or nothing is written any more.
    ///
    /// # Errors
    /// That of the sync. A disk may drop what it failed to write and report success the next time, so there is no
    /// second try: the log is poisoned until it is opened again.
    pub fn end_flush(&mut self, flush: &Flush, result: io::Result<()>) -> io::Result<()> {
        result.map_err(|error| self.poison_after_sync(error))?;
        // Another sync of the same file may have failed in the meantime and have taken the blame for both.
        self.refuse_if_poisoned()?;
        self.flushed_offset = self.flushed_offset.max(flush.upto);
        let finished = self.active().base_offset;
        if self.recovery_offset < finished && finished <= self.flushed_offset {
            // Segments before the active one need no second look when the log is opened after a crash.
            self.save(RECOVERY_FILE, finished.to_string())?;
            self.recovery_offset = finished;
        }
        Ok(())
    }

    /// Begins, does and ends a flush.
    ///
    /// # Errors
    /// As [`Log::end_flush`].
    pub fn flush(&mut self) -> io::Result<()> {
        self.refuse_if_poisoned()?;
        match self.begin_flush() {
            Some(flush) => {
                let result = flush.sync();
                self.end_flush(&flush, result)
            }
            None => Ok(()),
        }
    }

    /// Writes everything out and marks the log as whole, so that opening it need not look at every batch. Nothing
    /// can be appended any more.
    ///
    /// # Errors
    /// Those of the storage; the log is then opened as after a crash.
    pub fn close(&mut self) -> io::Result<()> {
        self.refuse_if_poisoned()?;
        self.cut_active()?;
        self.flush()?;
        self.save_indexes()?;
        self.save_producers()?;
        self.storage.sync_dir(&self.dir)?;
        // Before the mark and not after it: one that could be written only by half may be there.
        self.poisoned = Some("the log was closed".to_owned());
        self.save(CLEAN_FILE, self.end_offset().to_string())
    }

    /// Notes that it is not known what is on the disk.
    pub(super) fn poison_after_sync(&mut self, error: io::Error) -> io::Error {
        self.poisoned.get_or_insert(format!("a sync failed: {error}"));
        error
    }

    pub(super) fn refuse_if_poisoned(&self) -> io::Result<()> {
        match &self.poisoned {
            Some(why) => Err(io::Error::other(why.clone())),
            None => Ok(()),
        }
    }

    /// Writes the indexes of the active segment, in Kafka's formats.
    pub(super) fn save_indexes(&self) -> io::Result<()> {
        self.save_index_of(self.active())
    }

    /// The same for any segment.
    pub(super) fn save_index_of(&self, segment: &Segment) -> io::Result<()> {
        let save = |extension, content| {
            replace(&*self.storage, &self.dir, &file_name(segment.base_offset, extension), content)
        };
        save("index", segment.offset_index())?;
        save("timeindex", segment.time_index())?;
        match self.producers.transaction_index(segment.base_offset..segment.next_offset) {
            index if index.is_empty() => Ok(()),
            index => save("txnindex", index.into()),
        }
    }

    /// Writes down what opening the log has to know of a segment that is full. Without it the segment is read then.
    pub(super) fn save_summary_of(&self, segment: &Segment) {
        if let Some(summary) = segment.summary() {
            let name = file_name(segment.base_offset, SUMMARY);
            // What is left of it when this fails is no summary.
            let _ = put(&*self.storage, &self.dir, &name, summary);
        }
    }
}
