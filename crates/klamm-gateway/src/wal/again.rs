//! Reading a second time what has not reached Kafka.

use super::core::Core;
use super::encoding::{count_at_most, decode_behind, next_sequence};
use crate::accepted::Accepted;
use bytes::Bytes;
use klamm_log::ReadError;
use std::sync::Arc;
use tokio::task::spawn_blocking;

/// The most that is read at a time, in bytes; a batch that has more is read as a whole. Memory of this size the allocator keeps,
/// so that its pages need not be cleared anew.
const READ_BYTES: usize = 256 * 1024;

/// Reads records of a log from any sequence on that is not released.
#[derive(Debug, Clone)]
pub struct WalAgain {
    core: Arc<Core>,
}

/// Some records of a log.
#[derive(Debug, Default)]
pub struct Again {
    /// With their sequences, in order.
    pub records: Vec<(u64, Accepted)>,
    /// Below this there is nothing more than that.
    pub next: u64,
}

impl WalAgain {
    pub(super) fn new(core: Arc<Core>) -> Self {
        Self { core }
    }

    /// Records from `from` on and before `end`, of about 256 KiB at the most but always one if there is one. Batches that
    /// cannot be decoded are left out, as they were the first time.
    ///
    /// # Errors
    /// In words; the log's storage cannot be read.
    pub async fn read(&self, from: u64, end: u64) -> Result<Again, String> {
        self.begin(from, end).await
    }

    /// The same, begun at once and beside whatever else is to be done.
    pub(crate) fn begin(
        &self,
        from: u64,
        end: u64,
    ) -> impl Future<Output = Result<Again, String>> + Send + use<> {
        let core = self.core.clone();
        let reading = spawn_blocking(move || {
            let recent = core.desk.lock().recent.from(from, READ_BYTES);
            if !recent.is_empty() {
                return Ok(again(recent, true, from, end));
            }
            Ok(again(core.read(from, end, READ_BYTES)?, false, from, end))
        });
        async move {
            let read: Result<Again, ReadError> = reading.await.map_err(|e| e.to_string())?;
            read.map_err(|e| e.to_string())
        }
    }
}

fn again(batches: Vec<(u64, Bytes)>, own: bool, from: u64, end: u64) -> Again {
    let records = Vec::with_capacity(count_at_most(&batches));
    let mut again = Again { records, next: end };
    for (first, batch) in batches {
        again.next = next_sequence(&batch, first).min(end);
        // The first reading has told of what cannot be decoded.
        let _ = decode_behind(batch, own, first, from, &mut again.records);
    }
    again.records.truncate(again.records.partition_point(|(sequence, _)| *sequence < end));
    again.next = again.next.max(from + 1);
    again
}
