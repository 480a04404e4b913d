//! Long poll: what there is, else the first that comes, as one JSON object.

use super::not_read::NotRead;
use super::reader::Reader;
use super::told::Told;
use klamm::Batch;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};

/// How long what is there already is read for one answer.
const THERE: Duration = Duration::from_secs(10);
/// How often it is seen whether all of it was read.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// When the first record has come, others are waited for so long.
const GATHER: Duration = Duration::from_millis(5);

/// The body of an answer while it grows.
struct Page {
    body: Vec<u8>,
    records: usize,
    limit: usize,
    bytes: usize,
}

/// Reads for one answer: `{"records":[…],"next":"<cursor>"}`. Without records it comes after `wait`, or when the gateway stops.
///
/// # Errors
/// [`NotRead`], if nothing was read before it.
pub(crate) async fn poll(
    mut reader: Reader,
    wait: Duration,
    limit: usize,
    mut stopping: watch::Receiver<bool>,
) -> Result<Vec<u8>, NotRead> {
    let bytes = reader.readers().config().buffer_bytes;
    let mut page = Page { body: b"{\"records\":[".to_vec(), records: 0, limit, bytes };
    let read = tokio::select! {
        read = page.fill(&mut reader, wait) => read,
        _ = stopping.wait_for(|stopping| *stopping) => Ok(()),
    };
    match read {
        Err(not) if page.records == 0 => return Err(not),
        _ => {}
    }
    reader.readers().told(page.records as u64, page.body.len());
    page.body.extend_from_slice(format!("],\"next\":\"{}\"}}", reader.place()).as_bytes());
    Ok(page.body)
}

impl Page {
    async fn fill(&mut self, reader: &mut Reader, wait: Duration) -> Result<(), NotRead> {
        let began = Instant::now();
        while !reader.is_at_end() && began.elapsed() < THERE {
            match timeout(LOOK_EVERY, reader.next()).await {
                Ok(batch) => {
                    if self.take(reader, &batch?) {
                        return Ok(());
                    }
                }
                Err(_) => reader.catch_up(),
            }
        }
        if self.records > 0 {
            return Ok(());
        }
        let mut end = began + wait;
        // Records that are not wanted end nothing.
        while let Ok(batch) = timeout_at(end, reader.next()).await {
            if self.take(reader, &batch?) {
                return Ok(());
            }
            if self.records > 0 {
                end = Instant::now() + GATHER;
            }
        }
        reader.catch_up();
        Ok(())
    }

    /// Takes what it has room for; whether it is full.
    fn take(&mut self, reader: &mut Reader, batch: &Batch) -> bool {
        for record in batch {
            if self.records == self.limit || self.body.len() >= self.bytes {
                return true;
            }
            if reader.wants(&record) {
                if self.records > 0 {
                    self.body.push(b',');
                }
                Told::from(record).write(&mut self.body);
                self.records += 1;
            }
            reader.passed(batch.partition(), record.offset() + 1);
        }
        reader.passed(batch.partition(), batch.next_offset());
        self.records == self.limit || self.body.len() >= self.bytes
    }
}
