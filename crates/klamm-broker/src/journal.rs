//! What the broker remembers beside records - topics, settings, groups, transactions - as a log of keys and values.
//!
//! It is a log like any other, in a partition that no client sees: a change is a record, null deletes, and when old
//! values take up most of it the live ones are written again at its end and everything before them is dropped.

use crate::partition::{Checked, Partition};
use bytes::Bytes;
use klamm_log::{Origin, ReadError};
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::record_batch::{
    BatchHeader, RecordBatches, RecordParts, encode_record, encoded_record_len,
};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The directory of the journal; no topic can have this name, and no partition this suffix.
pub(crate) const DIR: &str = "klamm-journal";
/// Bytes read at a time when the journal is opened.
const READ_BYTES: usize = 4 * 1024 * 1024;
/// The journal is written anew when it has this many bytes more than four times what is live.
const SLACK_BYTES: u64 = 16 * 1024 * 1024;
/// Bytes of live entries written as one batch.
const BATCH_BYTES: usize = 512 * 1024;

/// One change: a key gets a value, or loses the one it has.
pub(crate) type Change = (String, Option<Vec<u8>>);

/// Why the journal cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the broker's journal cannot be read: {0}")]
pub(crate) struct JournalError(String);

/// The journal.
#[derive(Debug)]
pub(crate) struct Journal {
    partition: Arc<Partition>,
    live: Mutex<Live>,
}

#[derive(Debug, Default)]
struct Live {
    entries: BTreeMap<String, Bytes>,
    bytes: u64,
}

impl Live {
    fn apply(&mut self, key: &str, value: Option<Bytes>) {
        let size = |key: &str, value: &Bytes| (key.len() + value.len()) as u64;
        if let Some(old) = self.entries.remove(key) {
            self.bytes -= size(key, &old);
        }
        if let Some(value) = value {
            self.bytes += size(key, &value);
            self.entries.insert(key.to_owned(), value);
        }
    }
}

impl Journal {
    /// Reads what the log in `partition` says.
    pub(crate) fn open(partition: Arc<Partition>) -> Result<Self, JournalError> {
        let mut live = Live::default();
        let mut from = partition.start_offset();
        let damaged = |error: ReadError| JournalError(error.to_string());
        loop {
            let slices = partition.locate(from, READ_BYTES).map_err(damaged)?;
            if slices.is_empty() {
                break;
            }
            let bytes = slices.load().map_err(|error| JournalError(error.to_string()))?.concat();
            replay(&mut live, bytes.into()).map_err(JournalError)?;
            from = slices.end_offset();
        }
        Ok(Self { partition, live: Mutex::new(live) })
    }

    /// The log it is kept in.
    pub(crate) fn partition(&self) -> &Arc<Partition> {
        &self.partition
    }

    /// All live entries whose key begins with `prefix`, by the rest of the key.
    pub(crate) fn entries(&self, prefix: &str) -> Vec<(String, Bytes)> {
        let live = self.live.lock();
        let from = live.entries.range(prefix.to_owned()..);
        let ours = from.map_while(|(key, value)| {
            key.strip_prefix(prefix).map(|rest| (rest.to_owned(), value.clone()))
        });
        ours.collect()
    }

    /// Writes changes, all or none of them, and returns what to wait for before they are acknowledged.
    ///
    /// # Errors
    /// KAFKA_STORAGE_ERROR; nothing has changed then.
    pub(crate) fn write(&self, changes: Vec<Change>, now_ms: i64) -> Result<i64, ErrorCode> {
        if changes.is_empty() {
            return Ok(-1);
        }
        let mut live = self.live.lock();
        let offset = self.append(&changes, now_ms)?;
        for (key, value) in changes {
            live.apply(&key, value.map(Bytes::from));
        }
        if self.partition.size_bytes() > 4 * live.bytes + SLACK_BYTES {
            self.rewrite(&live, now_ms)?;
        }
        Ok(offset)
    }

    /// Waits until what [`Journal::write`] wrote is as safe as the broker promises.
    pub(crate) async fn durable(&self, offset: i64) -> Result<(), ErrorCode> {
        if offset < 0 { Ok(()) } else { self.partition.durable(offset).await }
    }

    fn append(&self, changes: &[Change], now_ms: i64) -> Result<i64, ErrorCode> {
        let records = changes.iter().map(|(key, value)| (key.as_str(), value.as_deref()));
        let (node, _) = self.partition.leader();
        let appended = self.partition.append(node, batch(records, now_ms), Origin::Client);
        appended.map(|appended| appended.last_offset).map_err(|refused| refused.code)
    }

    /// Writes all that is live again, at the end, and drops what is before.
    fn rewrite(&self, live: &Live, now_ms: i64) -> Result<(), ErrorCode> {
        // In a segment of their own, so that those before it can go.
        let start = self.partition.roll()?;
        let (mut changes, mut bytes) = (Vec::new(), 0);
        for (key, value) in &live.entries {
            bytes += key.len() + value.len();
            changes.push((key.clone(), Some(value.to_vec())));
            if bytes >= BATCH_BYTES {
                self.append(&std::mem::take(&mut changes), now_ms)?;
                bytes = 0;
            }
        }
        if !changes.is_empty() {
            self.append(&changes, now_ms)?;
        }
        // Before the old entries go, the new ones have to be certain.
        self.partition.flush_now()?;
        self.partition.delete_before(start)
    }
}

fn replay(live: &mut Live, bytes: Bytes) -> Result<(), String> {
    let mut batches = RecordBatches::new(bytes);
    for batch in &mut batches {
        let batch = batch.map_err(|e| e.to_string())?;
        for record in batch.records() {
            let record = record.map_err(|e| e.to_string())?;
            let key = record.key.and_then(|key| std::str::from_utf8(key).ok());
            let key = key.ok_or("a key is no text")?;
            live.apply(key, record.value.map(Bytes::copy_from_slice));
        }
    }
    if batches.truncated() { Err("a batch is cut off".to_owned()) } else { Ok(()) }
}

fn batch<'a>(records: impl Iterator<Item = (&'a str, Option<&'a [u8]>)>, now_ms: i64) -> Checked {
    let (mut body, mut count) = (Vec::new(), 0);
    for (key, value) in records {
        let record = RecordParts {
            offset_delta: count,
            key: Some(key.as_bytes()),
            value,
            ..RecordParts::default()
        };
        let start = body.len();
        body.resize(start + encoded_record_len(&record), 0);
        encode_record(&mut body[start..], &record);
        count += 1;
    }
    let mut header = BatchHeader {
        records_count: count,
        last_offset_delta: count - 1,
        base_timestamp: now_ms,
        max_timestamp: now_ms,
        ..BatchHeader::default()
    };
    let body = Bytes::from(body);
    let head = header.seal(std::slice::from_ref(&body));
    Checked { bytes: [&head[..], &body].concat().into(), header }
}

#[cfg(test)]
mod tests {
    use super::*;
    use klamm_log::storage::{MemoryStorage, Storage};
    use klamm_log::{Durability, Log, LogConfig};
    use klamm_protocol::primitives::Str;

    fn open(storage: &Arc<dyn Storage>) -> Journal {
        let (log, _) = Log::open(storage.clone(), DIR, LogConfig::default()).unwrap();
        let partition =
            Partition::new(Str::from_static(DIR), 0, vec![1], log, Durability::Os, Arc::default());
        Journal::open(Arc::new(partition)).unwrap()
    }

    fn change(key: &str, value: Option<&str>) -> Change {
        (key.to_owned(), value.map(|value| value.as_bytes().to_vec()))
    }

    #[test]
    fn what_was_written_is_there_after_a_restart() {
        let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::new());
        let journal = open(&storage);
        journal.write(vec![change("a/1", Some("x")), change("a/2", Some("y"))], 0).unwrap();
        journal
            .write(vec![change("a/1", None), change("b/1", Some("z")), change("a/2", Some("w"))], 0)
            .unwrap();
        let again = open(&storage);
        assert_eq!(again.entries("a/"), [("2".to_owned(), Bytes::from("w"))]);
        assert_eq!(again.entries("b/").len(), 1);
        assert_eq!(again.live.lock().bytes, journal.live.lock().bytes);
    }

    #[test]
    fn old_values_do_not_pile_up() {
        let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::new());
        let journal = open(&storage);
        let value = "v".repeat(1 << 20);
        for n in 0..60 {
            let keys = ["same".to_owned(), format!("k{}", n % 2)];
            journal.write(keys.iter().map(|key| change(key, Some(&value))).collect(), n).unwrap();
            assert!(journal.partition.size_bytes() < 40 << 20, "after {n} writes");
        }
        assert_eq!(open(&storage).entries("").len(), 3);
    }
}
