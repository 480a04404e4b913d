//! Compaction: when enough has been written since the last time, and on demand.

use super::Partition;
use klamm_log::{Compacted, Compaction};
use std::io;

impl Partition {
    /// Removes old values of keys, if the topic wants that and enough has been written since the last time.
    ///
    /// # Errors
    /// Those of the storage, and `InvalidData` for damaged records.
    pub(crate) fn compact(&self, now_ms: i64) -> io::Result<()> {
        let _one_at_a_time = self.compacting.lock();
        let compaction = {
            let state = self.state.lock();
            if state.ended || !state.log.config().compact {
                return Ok(());
            }
            state.log.begin_compaction(now_ms)?
        };
        compaction.map_or(Ok(()), |compaction| self.run(compaction).map(drop))
    }

    /// Compacts everything there is by now, if the topic wants compaction; the answer is how many records are gone.
    ///
    /// # Errors
    /// Those of the storage, and `InvalidData` for damaged records.
    pub(crate) fn compact_now(&self, now_ms: i64) -> io::Result<u64> {
        let _one_at_a_time = self.compacting.lock();
        let compaction = {
            let mut state = self.state.lock();
            if state.ended || !state.log.config().compact {
                return Ok(0);
            }
            state.log.roll()?;
            state.log.begin_compaction_now(now_ms)?
        };
        Ok(self.run(compaction)?.records_removed)
    }

    /// Reads and writes while appends and fetches go on; the lock is held only to exchange segments.
    fn run(&self, mut compaction: Compaction) -> io::Result<Compacted> {
        let has_ended = || self.state.lock().ended;
        while let Some(replacement) = compaction.next(has_ended)? {
            let mut state = self.state.lock();
            if state.ended {
                return Ok(Compacted::default());
            }
            state.log.install(&mut compaction, replacement)?;
        }
        Ok(self.state.lock().log.end_compaction(compaction))
    }
}
