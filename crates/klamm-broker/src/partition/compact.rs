//! Compaction: when enough has been written since the last time, and on demand.

use super::Partition;
use std::io;

impl Partition {
    /// Removes old values of keys, if the topic wants that and enough has been written since the last time.
    ///
    /// # Errors
    /// Those of the storage, and `InvalidData` for damaged records.
    pub(crate) fn compact(&self, now_ms: i64) -> io::Result<()> {
        let mut state = self.state.lock();
        if state.deleted || !state.log.config().compact {
            return Ok(());
        }
        state.log.compact(now_ms).map(drop)
    }

    /// Compacts everything there is by now, if the topic wants compaction; the answer is how many records are gone.
    ///
    /// # Errors
    /// Those of the storage, and `InvalidData` for damaged records.
    pub(crate) fn compact_now(&self, now_ms: i64) -> io::Result<u64> {
        let mut state = self.state.lock();
        if state.deleted || !state.log.config().compact {
            return Ok(0);
        }
        state.log.roll()?;
        Ok(state.log.compact_now(now_ms)?.records_removed)
    }
}
