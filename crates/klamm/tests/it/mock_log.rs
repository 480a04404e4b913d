//! The log of one partition, as honest as Kafka's about sequences: it remembers the last five batches
//! of each producer id, answers a repetition of one of them with its old offset, and appends nothing
//! that does not follow.

use bytes::Bytes;
use klamm::ErrorCode;
use klamm_protocol::record_batch::{BatchHeader, RecordBatch};
use std::collections::{BTreeMap, VecDeque};

/// Batches that a broker remembers for each producer id.
const REMEMBERED: usize = 5;
/// No batch of these tests decompresses to more.
const DECOMPRESSED_CAP_BYTES: usize = 64 << 20;

/// A record as a consumer would see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) offset: i64,
    pub(crate) timestamp: i64,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) headers: Vec<(String, Option<Vec<u8>>)>,
}

/// The batches of a partition, and what it knows of producers.
#[derive(Debug, Default)]
pub(crate) struct Log {
    batches: Vec<(i64, RecordBatch)>,
    next_offset: i64,
    producers: BTreeMap<i64, ProducerState>,
}

#[derive(Debug)]
struct ProducerState {
    epoch: i16,
    last: VecDeque<(i32, i32, i64)>,
}

impl Log {
    /// Appends a batch; the offset of its first record, or what Kafka would answer.
    pub(crate) fn append(&mut self, bytes: Bytes) -> Result<i64, ErrorCode> {
        let batch = RecordBatch::parse(bytes).map_err(|_| ErrorCode::CORRUPT_MESSAGE)?;
        let header = *batch.header();
        if header.producer_id >= 0
            && let Some(offset) = self.check_sequence(&header)?
        {
            return Ok(offset);
        }
        let offset = self.next_offset;
        self.next_offset += i64::from(header.records_count);
        self.batches.push((offset, batch));
        if header.producer_id >= 0 {
            self.remember(&header, offset);
        }
        Ok(offset)
    }

    /// The offset of the first copy if the batch is a repetition.
    fn check_sequence(&self, header: &BatchHeader) -> Result<Option<i64>, ErrorCode> {
        // As Kafka does: a producer it knows nothing of may begin anywhere.
        let Some(known) = self.producers.get(&header.producer_id) else { return Ok(None) };
        if header.producer_epoch < known.epoch {
            return Err(ErrorCode::INVALID_PRODUCER_EPOCH);
        }
        let first = header.base_sequence;
        if header.producer_epoch > known.epoch {
            return if first == 0 {
                Ok(None)
            } else {
                Err(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER)
            };
        }
        let last = last_sequence(header);
        if let Some((.., offset)) = known.last.iter().find(|(f, l, _)| (*f, *l) == (first, last)) {
            return Ok(Some(*offset));
        }
        match known.last.back() {
            Some((_, before, _)) if after(*before) != first => {
                Err(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER)
            }
            _ => Ok(None),
        }
    }

    fn remember(&mut self, header: &BatchHeader, offset: i64) {
        let fresh = || ProducerState { epoch: header.producer_epoch, last: VecDeque::new() };
        let known = self.producers.entry(header.producer_id).or_insert_with(fresh);
        if known.epoch != header.producer_epoch {
            *known = fresh();
        }
        known.last.push_back((header.base_sequence, last_sequence(header), offset));
        if known.last.len() > REMEMBERED {
            known.last.pop_front();
        }
    }

    /// Forgets every producer, as retention does when it deletes their last records.
    pub(crate) fn forget_producers(&mut self) {
        self.producers.clear();
    }

    /// Everything in the log, in order.
    pub(crate) fn records(&self) -> Vec<Stored> {
        self.batches.iter().flat_map(|(base, batch)| stored(*base, batch)).collect()
    }

    /// The headers of the batches, in order.
    pub(crate) fn headers(&self) -> Vec<BatchHeader> {
        self.batches.iter().map(|(_, batch)| *batch.header()).collect()
    }
}

fn after(sequence: i32) -> i32 {
    sequence.checked_add(1).unwrap_or(0)
}

fn last_sequence(header: &BatchHeader) -> i32 {
    let last = i64::from(header.base_sequence) + i64::from(header.last_offset_delta);
    i32::try_from(last % (1 << 31)).unwrap()
}

fn stored(base: i64, batch: &RecordBatch) -> Vec<Stored> {
    let whole = batch.decompressed(DECOMPRESSED_CAP_BYTES).unwrap();
    let owned = |bytes: Option<&[u8]>| bytes.map(<[u8]>::to_vec);
    let mut out = Vec::new();
    for record in whole.records() {
        let record = record.unwrap();
        out.push(Stored {
            offset: base + record.offset,
            timestamp: record.timestamp,
            key: owned(record.key),
            value: owned(record.value),
            headers: record.headers().map(|(k, v)| (k.to_string(), owned(v))).collect(),
        });
    }
    out
}
