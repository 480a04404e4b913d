//! Removing what is old: by age, by size, and by request.

use super::{BESIDE, EPOCHS_FILE, Log, START_FILE};
use crate::cap::Usage;
use crate::segment::file_name;
use crate::storage::remove_if_there;
use std::io;

/// What retention removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Retained {
    /// Segments.
    pub segments: usize,
    /// Bytes.
    pub bytes: u64,
}

impl Log {
    /// Removes the segments that are too old or too many, the active one included when all of it is too old.
    ///
    /// # Errors
    /// Those of the storage; what was removed before stays removed.
    pub fn retain(&mut self, now_ms: i64) -> io::Result<Retained> {
        let mut retained = Retained::default();
        if !self.config.delete {
            return Ok(retained);
        }
        while let Some(bytes) = self.removable(now_ms) {
            if self.segments.len() == 1 {
                self.roll()?;
            }
            self.drop_oldest_segment()?;
            retained.segments += 1;
            retained.bytes += bytes;
        }
        Ok(retained)
    }

    /// Bytes of the oldest segment when it has to go.
    fn removable(&self, now_ms: i64) -> Option<u64> {
        let oldest = self.segments.first()?;
        if oldest.len == 0 {
            // Compaction may leave nothing of a segment.
            return (self.segments.len() > 1).then_some(0);
        }
        let expired = self.config.retention_ms.is_some_and(|ms| now_ms - oldest.max_timestamp > ms);
        let surplus = self.config.retention_bytes.is_some_and(|limit| {
            self.segments.len() > 1 && self.size_bytes() - oldest.len >= limit
        });
        (expired || surplus).then_some(oldest.len)
    }

    /// Removes the oldest segment, unless it is the active one; returns its bytes.
    ///
    /// # Errors
    /// Those of the storage.
    pub fn drop_oldest_segment(&mut self) -> io::Result<u64> {
        if self.segments.len() < 2 {
            return Ok(0);
        }
        // The start moves first: a crash in between leaves a segment that is before the start, and goes then.
        self.move_start(self.segments[1].base_offset)?;
        self.remove_segments_before_start()
    }

    /// Removes the oldest segment even when it is the only one, for a cap on many logs; returns its bytes.
    ///
    /// # Errors
    /// Those of the storage.
    pub fn give_up_oldest_segment(&mut self) -> io::Result<u64> {
        if self.segments.len() == 1 {
            self.roll()?;
        }
        self.drop_oldest_segment()
    }

    /// What the log takes, for a [`DiskCap`](crate::DiskCap).
    pub fn usage(&self) -> Usage {
        let segments = self.segments.iter().map(|segment| (segment.len, segment.max_timestamp));
        Usage { segments: segments.collect() }
    }

    /// Makes `offset` the first there is; whole segments before it go. An offset at or before the start changes nothing.
    ///
    /// # Errors
    /// `InvalidInput` behind the end, and those of the storage.
    pub fn delete_before(&mut self, offset: i64) -> io::Result<()> {
        if offset > self.end_offset() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "behind the end of the log"));
        }
        if offset <= self.start_offset {
            return Ok(());
        }
        self.move_start(offset)?;
        if offset == self.end_offset() {
            self.roll()?;
        }
        self.remove_segments_before_start().map(drop)
    }

    /// Removes the segments that end before `offset`, or at it; never the active one. Returns their bytes.
    ///
    /// # Errors
    /// Those of the storage.
    pub fn drop_segments_before(&mut self, offset: i64) -> io::Result<u64> {
        match self.segments.iter().rfind(|segment| segment.base_offset <= offset) {
            Some(first) if first.base_offset > self.start_offset => {
                let start = first.base_offset;
                let mut bytes = 0;
                match self.move_start(start) {
                    Err(error) if error.kind() == io::ErrorKind::StorageFull => {
                        // Only this makes room, and a log without its first segment begins at the second.
                        bytes += self.remove_oldest_segment(false)?;
                        self.move_start(start)?;
                    }
                    moved => moved?,
                }
                Ok(bytes + self.remove_segments_before_start()?)
            }
            _ => Ok(0),
        }
    }

    fn move_start(&mut self, offset: i64) -> io::Result<()> {
        self.save(START_FILE, offset.to_string())?;
        self.start_offset = offset;
        self.producers.start_at(offset);
        self.epochs.start_at(offset);
        self.save(EPOCHS_FILE, self.epochs.to_text())
    }

    /// Removes the segments all of whose records are before the start; returns their bytes.
    pub(super) fn remove_segments_before_start(&mut self) -> io::Result<u64> {
        let mut bytes = 0;
        while self.segments.len() > 1 && self.segments[1].base_offset <= self.start_offset {
            bytes += self.remove_oldest_segment(true)?;
        }
        Ok(bytes)
    }

    /// Removes the oldest segment, which is not the active one; returns its bytes. Its file may be of use as a spare.
    fn remove_oldest_segment(&mut self, may_be_spare: bool) -> io::Result<u64> {
        let base = self.segments[0].base_offset;
        if !(may_be_spare && self.keep_as_spare()?) {
            self.storage.remove(&self.path(&file_name(base, "log")))?;
        }
        let oldest = self.segments.remove(0);
        for extension in BESIDE.iter().chain(self.config.companions) {
            remove_if_there(&*self.storage, &self.path(&file_name(base, extension)))?;
        }
        Ok(oldest.len)
    }

    /// Removes everything in the log's directory; nothing can be appended any more.
    ///
    /// # Errors
    /// Those of the storage.
    pub fn delete(&mut self) -> io::Result<()> {
        self.poisoned = Some("the log was deleted".to_owned());
        self.storage.remove_dir(&self.dir)
    }
}
