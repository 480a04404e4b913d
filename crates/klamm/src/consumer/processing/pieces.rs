//! What a handler is given: one record, or one batch.

use super::options::ProcessingOrder;
use super::work::Offered;
use crate::consumer::TopicPartition;
use crate::consumer::fetch::{Batch, ConsumedRecord, Position};
use std::hash::{BuildHasher, RandomState};

/// A piece of what was read.
pub(super) trait Handled: Clone + Send + Sized + 'static {
    /// Divides a batch.
    fn pieces(
        batch: Batch,
        order: ProcessingOrder,
        keys: &RandomState,
    ) -> impl Iterator<Item = Offered<Self>>;

    /// Where it was read.
    fn place(&self) -> (TopicPartition, i64);
}

/// The key of whatever has an order with all of its partition.
const WHOLE_PARTITION: u64 = 0;

impl Handled for ConsumedRecord {
    fn pieces(
        batch: Batch,
        order: ProcessingOrder,
        keys: &RandomState,
    ) -> impl Iterator<Item = Offered<Self>> {
        // Records of a batch are taken to be alike: counting each would read it once more.
        let bytes = batch.bytes() / batch.len().max(1);
        batch.into_records().map(move |record| {
            let leader_epoch = record.leader_epoch().unwrap_or(-1);
            let offset = record.offset();
            let key = match order {
                ProcessingOrder::Key => record.key().map(|key| keys.hash_one(key)),
                ProcessingOrder::Partition => Some(WHOLE_PARTITION),
                ProcessingOrder::Unordered => None,
            };
            let end = Position { offset: offset + 1, leader_epoch };
            Offered { offset, end, records: 1, bytes, key, what: record }
        })
    }

    fn place(&self) -> (TopicPartition, i64) {
        (TopicPartition::new(self.topic(), self.partition()), self.offset())
    }
}

impl Handled for Batch {
    fn pieces(
        batch: Batch,
        order: ProcessingOrder,
        _: &RandomState,
    ) -> impl Iterator<Item = Offered<Self>> {
        let key = match order {
            // Two batches may have records of one key.
            ProcessingOrder::Key | ProcessingOrder::Partition => Some(WHOLE_PARTITION),
            ProcessingOrder::Unordered => None,
        };
        let offered = Offered {
            offset: batch.first_offset(),
            end: end_of(&batch),
            records: batch.len(),
            bytes: batch.bytes(),
            key,
            what: batch,
        };
        std::iter::once(offered)
    }

    fn place(&self) -> (TopicPartition, i64) {
        (TopicPartition::new(self.topic(), self.partition()), self.first_offset())
    }
}

/// Where reading goes on behind a batch.
pub(super) fn end_of(batch: &Batch) -> Position {
    let leader_epoch = batch.next_leader_epoch().unwrap_or(-1);
    Position { offset: batch.next_offset(), leader_epoch }
}
