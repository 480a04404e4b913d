//! Looking again at a segment that was taken for whole.

use super::open::{Opening, Recovery};
use super::{Log, Quarantined};
use std::io;

/// How many segments are looked at for damage that a reader has met, one behind the other.
const MAX_SEGMENTS: usize = 2;

impl Log {
    /// Looks at every batch of the segment with an offset, and where that is sound at the next one, as opening the log after
    /// a crash does: what is damaged is moved to files of its own, which are returned. Offsets never change.
    ///
    /// For a reader that cannot go on, or finds what is no batch. It reads a whole segment; the active one ends with it.
    ///
    /// # Errors
    /// When the log is poisoned, and those of the storage; another try is possible.
    pub fn mend(&mut self, offset: i64) -> io::Result<Vec<Quarantined>> {
        self.refuse_if_poisoned()?;
        let first = self.segment_of(offset);
        for n in first..self.segments.len().min(first + MAX_SEGMENTS) {
            if n + 1 == self.segments.len() {
                self.roll()?;
                if n + 1 == self.segments.len() {
                    break;
                }
            }
            let quarantined = self.mend_segment(n)?;
            if !quarantined.is_empty() {
                return Ok(quarantined);
            }
        }
        Ok(Vec::new())
    }

    fn mend_segment(&mut self, n: usize) -> io::Result<Vec<Quarantined>> {
        let mut again = Opening {
            storage: self.storage.clone(),
            dir: self.dir.clone(),
            config: self.config.clone(),
            recovery: Recovery::default(),
        };
        // Also where it is sound: what led a reader astray may be what is known of it.
        let next = self.segments.get(n + 1).map(|next| next.base_offset);
        let mut mended = again.recover(self.segments[n].base_offset, next)?;
        mended.dirty = self.segments[n].dirty;
        if again.recovery.quarantined.is_empty() {
            // The same file: by this handle it is known whether somebody still reads it.
            mended.file = self.segments[n].file.clone();
        }
        self.segments[n] = mended;
        Ok(again.recovery.quarantined)
    }

    /// Writes the summaries of segments that have none of their own.
    pub(super) fn save_missing_summaries(&self) {
        let full = &self.segments[..self.segments.len() - 1];
        let missing = full.iter().filter(|segment| !segment.has_summary());
        missing.for_each(|segment| self.save_summary_of(segment));
    }
}
