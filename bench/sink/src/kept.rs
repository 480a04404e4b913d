//! What was produced, kept in memory for those who read.

use std::collections::HashMap;
use std::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Bytes of a batch before its length counts, and where its last offset delta stands.
const LENGTH_ENDS: usize = 12;
const LAST_OFFSET_DELTA: usize = 23;

/// The logs of all topics.
#[derive(Default)]
pub struct Kept(RwLock<HashMap<(String, i32), Log>>);

#[derive(Default)]
struct Log {
    /// First offset and bytes of each batch.
    batches: Vec<(i64, Vec<u8>)>,
    end: i64,
}

fn number(bytes: &[u8], at: usize) -> i32 {
    let four = bytes[at..at + 4].try_into().expect("four bytes");
    i32::from_be_bytes(four)
}

impl Kept {
    fn logs(&self) -> RwLockReadGuard<'_, HashMap<(String, i32), Log>> {
        self.0.read().expect("no thread has panicked")
    }

    fn logs_mut(&self) -> RwLockWriteGuard<'_, HashMap<(String, i32), Log>> {
        self.0.write().expect("no thread has panicked")
    }

    /// Appends batches as they are, with the offsets that come next; returns the first.
    pub fn append(&self, topic: &str, partition: i32, mut records: &[u8]) -> i64 {
        let mut logs = self.logs_mut();
        let log = logs.entry((topic.to_owned(), partition)).or_default();
        let first = log.end;
        while records.len() > LAST_OFFSET_DELTA + 4 {
            let len = LENGTH_ENDS + number(records, LENGTH_ENDS - 4) as usize;
            let mut batch = records[..len].to_vec();
            // The checksum begins behind both.
            batch[..8].copy_from_slice(&log.end.to_be_bytes());
            batch[LENGTH_ENDS..LENGTH_ENDS + 4].copy_from_slice(&0i32.to_be_bytes());
            let count = i64::from(number(&batch, LAST_OFFSET_DELTA)) + 1;
            log.batches.push((log.end, batch));
            log.end += count;
            records = &records[len..];
        }
        first
    }

    /// The offset behind the last record.
    pub fn end(&self, topic: &str, partition: i32) -> i64 {
        self.logs().get(&(topic.to_owned(), partition)).map_or(0, |log| log.end)
    }

    /// Puts batches from the one that has `offset` on behind `out`, up to `max` bytes but at least one if
    /// `first` says that nothing else is in the answer; returns the bytes.
    pub fn read(&self, place: (&str, i32), offset: i64, max: usize, first: bool, out: &mut Vec<u8>) -> usize {
        let logs = self.logs();
        let Some(log) = logs.get(&(place.0.to_owned(), place.1)) else { return 0 };
        if offset >= log.end {
            return 0;
        }
        let from = log.batches.partition_point(|(first, _)| *first <= offset).saturating_sub(1);
        let mut bytes = 0;
        for (_, batch) in &log.batches[from..] {
            if bytes + batch.len() > max && !(first && bytes == 0) {
                break;
            }
            out.extend_from_slice(batch);
            bytes += batch.len();
        }
        bytes
    }
}
