//! The file that the next segment will be: zeros, as long as a segment may grow, and on the disk before it is needed.
//!
//! Making a file of zeros takes as long as filling a segment, so that it is done beside appends. A segment that is dropped
//! is made a spare again: its blocks stay with the log. None of its bytes is left when its name becomes that of a segment.

use super::Log;
use crate::segment::{Segment, file_name};
use crate::storage::{Open, Storage, StorageFile, remove_if_there};
use bytes::Bytes;
use std::io;
use std::sync::Arc;

/// Its name.
pub(super) const FILE: &str = "spare";
/// Zeros that are written and synced at a time, so that syncs of the log itself do not wait for all of them.
const STEP_BYTES: usize = 1024 * 1024;

/// What there is of it.
#[derive(Debug, Default)]
pub(super) enum State {
    /// No file.
    #[default]
    None,
    /// A file with anything in it.
    Used,
    /// Somebody writes zeros to it.
    Making,
    /// Zeros that are on the disk.
    Ready(Arc<dyn StorageFile>),
}

/// A spare that is to be made. Taken under the log's lock, made without it, and given back under the lock.
#[derive(Debug)]
#[must_use = "the log waits for it"]
pub struct Spare {
    storage: Arc<dyn Storage>,
    dir: String,
    bytes: u64,
    used: bool,
}

impl Spare {
    /// Writes the zeros and syncs them, a step at a time, for as long as it is wanted.
    ///
    /// # Errors
    /// `Interrupted` when it is not wanted any more, and those of the storage.
    pub fn make(&self, wanted: impl Fn() -> bool) -> io::Result<Arc<dyn StorageFile>> {
        // Under its old name a segment must not be found with zeros in it.
        self.storage.sync_dir(&self.dir)?;
        let how = if self.used { Open::Existing } else { Open::Empty };
        let file = self.storage.open(&format!("{}/{FILE}", self.dir), how)?;
        let zeros = Bytes::from(vec![0; STEP_BYTES]);
        let mut at = 0;
        while at < self.bytes {
            if !wanted() {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let step = usize::try_from(self.bytes - at).unwrap_or(usize::MAX).min(STEP_BYTES);
            file.write_at(at, &[zeros.slice(..step)])?;
            at += step as u64;
            if at == self.bytes && file.size()? > at {
                file.truncate(at)?;
            }
            file.sync_data()?;
        }
        Ok(file)
    }
}

impl Log {
    /// The spare that has to be made; none when there is one, when one is being made, and without `preallocate`.
    pub fn begin_spare(&mut self) -> Option<Spare> {
        if !self.wants_spare() {
            return None;
        }
        let used = matches!(self.spare, State::Used);
        self.spare = State::Making;
        let (storage, dir) = (self.storage.clone(), self.dir.clone());
        Some(Spare { storage, dir, bytes: self.config.segment_bytes, used })
    }

    /// Whether [`Log::begin_spare`] would give one.
    pub fn wants_spare(&self) -> bool {
        let missing = matches!(self.spare, State::None | State::Used);
        missing && self.config.preallocate && self.poisoned.is_none()
    }

    /// Takes the result of [`Spare::make`]. After a failure the file is removed, so that a disk that is full has that room;
    /// one that was interrupted is gone on with.
    ///
    /// # Errors
    /// That of making it. The log goes on without a spare.
    pub fn end_spare(
        &mut self,
        spare: Spare,
        made: io::Result<Arc<dyn StorageFile>>,
    ) -> io::Result<()> {
        match made {
            Ok(file) => {
                self.spare = State::Ready(file);
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                self.spare = State::Used;
                Err(error)
            }
            Err(error) => {
                let there = remove_if_there(&*spare.storage, &self.path(FILE)).is_err();
                self.spare = if there { State::Used } else { State::None };
                Err(error)
            }
        }
    }

    /// Goes on in the spare, if there is one and the active segment was begun without; whether it did. The next append would do
    /// it at the cost of whoever waits for that.
    ///
    /// # Errors
    /// Those of the storage; the segment that was active still is.
    pub fn use_spare(&mut self) -> io::Result<bool> {
        if !self.spare_is_waiting() {
            return Ok(false);
        }
        if self.active().len > 0 {
            self.roll()?;
            return Ok(true);
        }
        // Nothing is in it: the zeros take its name.
        let next = self.next_segment()?;
        *self.active_mut() = next;
        if self.config.sync_names {
            let synced = self.storage.sync_dir(&self.dir);
            synced.map_err(|error| self.poison_after_sync(error))?;
        }
        Ok(true)
    }

    /// Whether the active segment was begun without a spare, and there is one now.
    pub(super) fn spare_is_waiting(&self) -> bool {
        matches!(self.spare, State::Ready(_)) && !self.active().reserved
    }

    /// Takes the zeros behind the active segment away; whether there were any. It is on the disk then.
    pub(super) fn cut_active(&mut self) -> io::Result<bool> {
        let active = self.active_mut();
        if !active.reserved {
            return Ok(false);
        }
        active.file.truncate(active.len)?;
        active.reserved = false;
        let synced = active.file.sync_data();
        synced.map_err(|error| self.poison_after_sync(error))?;
        Ok(true)
    }

    /// An empty segment behind the active one: the spare when there is one.
    pub(super) fn next_segment(&mut self) -> io::Result<Segment> {
        let (base, interval) = (self.end_offset(), self.config.index_interval_bytes);
        let file = match std::mem::take(&mut self.spare) {
            State::Ready(file) => file,
            other => {
                self.spare = other;
                return Segment::create(&*self.storage, &self.dir, base, interval);
            }
        };
        let (from, to) = (self.path(FILE), self.path(&file_name(base, "log")));
        if let Err(error) = self.storage.rename(&from, &to) {
            self.spare = State::Used;
            return Err(error);
        }
        let mut next = Segment::new(file, base, interval);
        next.reserved = true;
        Ok(next)
    }

    /// Makes the file of the oldest segment the spare, if there is none and nobody reads the segment; whether it did.
    pub(super) fn keep_as_spare(&mut self) -> io::Result<bool> {
        let oldest = &self.segments[0];
        let unread = Arc::strong_count(&oldest.file) == 1;
        let wanted = self.config.preallocate && matches!(self.spare, State::None) && unread;
        if wanted {
            let from = self.path(&file_name(oldest.base_offset, "log"));
            self.storage.rename(&from, &self.path(FILE))?;
            self.spare = State::Used;
        }
        Ok(wanted)
    }
}
