//! Reading a second time what has not reached Kafka.

use super::core::Core;
use super::encoding::{decode, next_sequence};
use crate::accepted::Accepted;
use bytes::Bytes;
use std::sync::Arc;

/// The most that is read at a time, in bytes; a batch that has more is read as a whole.
const READ_BYTES: usize = 1024 * 1024;

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

    /// Records from `from` on and before `end`, of about 1 MiB at the most but always one if there is one. Batches that
    /// cannot be decoded are left out, as they were the first time.
    ///
    /// # Errors
    /// In words; the log's storage cannot be read.
    pub async fn read(&self, from: u64, end: u64) -> Result<Again, String> {
        let recent = self.core.desk.lock().recent.from(from, READ_BYTES);
        let batches = if recent.is_empty() {
            let core = self.core.clone();
            let read = tokio::task::spawn_blocking(move || core.read(from, end, READ_BYTES));
            read.await.map_err(|e| e.to_string())?.map_err(|e| e.to_string())?
        } else {
            recent
        };
        Ok(again(batches, from, end))
    }
}

fn again(batches: Vec<(u64, Bytes)>, from: u64, end: u64) -> Again {
    let mut again = Again { records: Vec::new(), next: end };
    for (first, batch) in batches {
        again.next = next_sequence(&batch, first).min(end);
        let records = decode(batch, first).map(|decoded| decoded.records).unwrap_or_default();
        again.records.extend(records.into_iter().filter(|(n, _)| (from..end).contains(n)));
    }
    again.next = again.next.max(from + 1);
    again
}
