//! Reading from the cursor on: from memory what was written just now, from the disk what has waited.

use super::again::WalAgain;
use super::core::{Core, Progress};
use super::encoding::{decode, next_sequence};
use crate::accepted::Accepted;
use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// The most that is read ahead from the disk, in bytes; a batch that has more is read as a whole.
const READ_AHEAD_BYTES: usize = 1024 * 1024;
/// Between two attempts to read what cannot be read.
const RETRY: Duration = Duration::from_secs(1);

/// Reads records in order, from the first that is not in Kafka on.
///
/// Sequences grow and are not without gaps: seals and what was lost are left out. A record keeps the batch it was written
/// in alive, of up to 1 MiB or its append.
#[derive(Debug)]
pub struct WalReader {
    core: Arc<Core>,
    progress: watch::Receiver<Progress>,
    /// The sequence behind everything in `ahead`.
    next: u64,
    /// What was before this when the log was opened was looked at then.
    found: u64,
    ahead: VecDeque<(u64, Accepted)>,
}

impl WalReader {
    pub(super) fn new(core: Arc<Core>) -> Self {
        let (next, progress) = (core.desk.lock().released, core.progress.subscribe());
        let found = progress.borrow().end;
        Self { core, progress, next, found, ahead: VecDeque::new() }
    }

    /// Every record below this sequence was handed out, or cannot be.
    pub fn passed(&self) -> u64 {
        self.ahead.front().map_or(self.next, |(sequence, _)| *sequence)
    }

    /// Reads records again that were handed out and are not released.
    pub fn again(&self) -> WalAgain {
        WalAgain::new(self.core.clone())
    }

    /// The next records and their sequences, with together about `max_bytes` at most but always one; none once the log is
    /// closed and everything was read. Waits while there is nothing. Dropping the future loses nothing.
    pub async fn next(&mut self, max_bytes: usize) -> Option<Vec<(u64, Accepted)>> {
        loop {
            if !self.ahead.is_empty() {
                return Some(self.take(max_bytes));
            }
            let progress = *self.progress.borrow_and_update();
            if self.next < progress.end {
                self.read(progress.end).await;
            } else if progress.closed || self.progress.changed().await.is_err() {
                return None;
            }
        }
    }

    fn take(&mut self, max_bytes: usize) -> Vec<(u64, Accepted)> {
        let (mut taken, mut bytes) = (Vec::new(), 0_usize);
        while let Some((_, record)) = self.ahead.front() {
            bytes = bytes.saturating_add(record.bytes());
            if !taken.is_empty() && bytes > max_bytes {
                break;
            }
            taken.extend(self.ahead.pop_front());
        }
        taken
    }

    async fn read(&mut self, end: u64) {
        let recent = self.core.desk.lock().recent.from(self.next, READ_AHEAD_BYTES);
        if !recent.is_empty() {
            return self.decode(recent);
        }
        let (core, from) = (self.core.clone(), self.next);
        let read =
            tokio::task::spawn_blocking(move || core.read(from, end, READ_AHEAD_BYTES)).await;
        let error = match read {
            Ok(Ok(found)) => {
                self.core.desk.lock().read_error = None;
                if found.is_empty() {
                    // Nothing was found there when the log was opened, either.
                    self.next = end;
                }
                return self.decode(found);
            }
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        self.core.desk.lock().read_error = Some(error);
        tokio::time::sleep(RETRY).await;
    }

    fn decode(&mut self, batches: Vec<(u64, Bytes)>) {
        for (first, batch) in batches {
            let next = next_sequence(&batch, first);
            match decode(batch, first) {
                Ok(decoded) => {
                    // The first batch may begin before the cursor.
                    let from = self.next;
                    self.ahead.extend(decoded.records.into_iter().filter(|(n, _)| *n >= from));
                }
                Err(error) => {
                    let lost = next.saturating_sub(first.max(self.next));
                    tracing::error!(first, lost, %error, "records of the log cannot be read");
                    // What was damaged before is counted already.
                    if first >= self.found {
                        self.core.desk.lock().lost += lost;
                    }
                }
            }
            self.next = self.next.max(next);
        }
    }
}
