//! Reading from the cursor on: from memory what was written just now, from the disk what has waited.

use super::again::WalAgain;
use super::core::{Core, Progress};
use super::encoding::{EncodingError, count_at_most, decode_behind, next_sequence};
use crate::accepted::Accepted;
use bytes::Bytes;
use klamm_log::ReadError;
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::{JoinHandle, spawn_blocking};

/// The most that is read from the disk at a time, in bytes; a batch that has more is read as a whole. As much again is read
/// ahead while this is being handed on. Memory of this size the allocator keeps, so that its pages need not be cleared anew.
const READ_BYTES: usize = 256 * 1024;
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
    looked: Looked,
    ahead: VecDeque<(u64, Accepted)>,
    /// Bytes of the batches that `ahead` came from: no record has more than it took there.
    ahead_bytes: usize,
    /// What stands at `next` on the disk, on its way.
    reading: Option<JoinHandle<Result<Part, ReadError>>>,
}

/// What of the log was looked at when it was opened: what is missing there was counted then.
#[derive(Debug, Clone)]
struct Looked {
    /// Behind this nothing was there.
    end: u64,
    /// Before it, this was left out.
    unread: Arc<[Range<u64>]>,
}

impl Looked {
    /// How many sequences of a range were not looked at.
    fn without(&self, range: Range<u64>) -> u64 {
        let new = self.end..u64::MAX;
        let parts = self.unread.iter().chain(std::iter::once(&new));
        let common =
            |part: &Range<u64>| range.end.min(part.end).saturating_sub(range.start.max(part.start));
        parts.map(common).sum()
    }
}

/// A part of the log.
#[derive(Debug)]
struct Part {
    /// The sequence behind it.
    next: u64,
    records: Vec<(u64, Accepted)>,
    /// Sequences that are not there or cannot be read, less those that were counted when the log was opened.
    lost: u64,
    /// What the batches take.
    bytes: usize,
    /// A batch that is not as it was written.
    damaged: Option<u64>,
    looked: Looked,
}

impl WalReader {
    pub(super) fn new(core: Arc<Core>) -> Self {
        let (next, progress) = (core.desk.lock().released, core.progress.subscribe());
        let looked = Looked { end: progress.borrow().end, unread: core.unread.clone() };
        let ahead = VecDeque::new();
        Self { core, progress, next, looked, ahead, ahead_bytes: 0, reading: None }
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
        if self.ahead_bytes <= max_bytes {
            return std::mem::take(&mut self.ahead).into();
        }
        let mut bytes = 0_usize;
        let fits = |(_, record): &&(u64, Accepted)| {
            bytes = bytes.saturating_add(record.bytes());
            bytes <= max_bytes
        };
        let count = self.ahead.iter().take_while(fits).count();
        self.ahead.drain(..count.max(1)).collect()
    }

    async fn read(&mut self, end: u64) {
        let recent = self.core.desk.lock().recent.from(self.next, READ_BYTES);
        if !recent.is_empty() {
            self.reading = None;
            let mut part = Part::at(self.next, &self.looked);
            part.add_all(recent, true);
            return self.accept(part);
        }
        let (core, from, looked) = (&self.core, self.next, &self.looked);
        let reading = self.reading.get_or_insert_with(|| begin(core.clone(), from, looked, end));
        let read = reading.await;
        self.reading = None;
        let error = match read {
            Ok(Ok(part)) => {
                self.accept(part);
                let mut desk = self.core.desk.lock();
                desk.read_error = None;
                if self.next < end && !desk.recent.has(self.next) {
                    drop(desk);
                    self.reading = Some(begin(self.core.clone(), self.next, &self.looked, end));
                }
                return;
            }
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        self.core.desk.lock().read_error = Some(error);
        tokio::time::sleep(RETRY).await;
    }

    fn accept(&mut self, part: Part) {
        if part.lost > 0 {
            self.core.desk.lock().lost += part.lost;
        }
        (self.ahead, self.ahead_bytes) = (part.records.into(), part.bytes);
        self.next = self.next.max(part.next);
    }
}

/// Reads a part from the disk and decodes it, beside whatever else is to be done.
fn begin(
    core: Arc<Core>,
    from: u64,
    looked: &Looked,
    end: u64,
) -> JoinHandle<Result<Part, ReadError>> {
    let looked = looked.clone();
    spawn_blocking(move || {
        let part = read_part(&core, from, &looked, end)?;
        let Some(damaged) = part.damaged else { return Ok(part) };
        // Whatever it finds, what is sound of it is handed on, and what is not is counted.
        core.mend(damaged)?;
        read_part(&core, from, &looked, end)
    })
}

fn read_part(core: &Core, from: u64, looked: &Looked, end: u64) -> Result<Part, ReadError> {
    let batches = core.read(from, end, READ_BYTES)?;
    let mut part = Part::at(from, looked);
    if batches.is_empty() {
        part.pass(end);
    }
    part.add_all(batches, false);
    Ok(part)
}

impl Part {
    fn at(next: u64, looked: &Looked) -> Self {
        let looked = looked.clone();
        Self { next, records: Vec::new(), lost: 0, bytes: 0, damaged: None, looked }
    }

    /// Nothing is there before a sequence.
    fn pass(&mut self, sequence: u64) {
        let lost = self.looked.without(self.next..sequence);
        if lost > 0 {
            tracing::error!(from = self.next, lost, "records of the log are not there");
        }
        self.lost += lost;
        self.next = self.next.max(sequence);
    }

    /// The first batch may begin before the cursor. `own` are those that have not left this process.
    fn add_all(&mut self, batches: Vec<(u64, Bytes)>, own: bool) {
        self.records.reserve(count_at_most(&batches));
        batches.into_iter().for_each(|(first, batch)| self.add(first, batch, own));
    }

    fn add(&mut self, first: u64, batch: Bytes, own: bool) {
        let next = next_sequence(&batch, first);
        self.bytes += batch.len();
        self.pass(first);
        if let Err(error) = decode_behind(batch, own, first, self.next, &mut self.records) {
            if matches!(error, EncodingError::Batch(_)) {
                self.damaged.get_or_insert(first);
            }
            tracing::error!(first, %error, "records of the log cannot be read");
            self.lost += self.looked.without(self.next..next);
        }
        self.next = self.next.max(next);
    }
}
