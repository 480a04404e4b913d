//! Compaction on demand.

use super::Partition;
use std::io;

impl Partition {
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
