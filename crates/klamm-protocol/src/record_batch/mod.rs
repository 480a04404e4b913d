//! Record batches, Kafka's unit of storage and transfer: format v2 by hand, in both directions.
//!
//! The encoder writes one record at a time into a slice, and the header last, because nothing of it
//! is known before the batch is full. The decoder checks a batch as a whole and then lends out its
//! records without copying. Message sets, the formats v0 and v1, are read and never written.

mod batch;
mod batches;
mod encode;
mod error;
mod header;
mod legacy;
mod record;
mod varint;

pub use self::batch::{ControlType, RecordBatch};
pub use self::batches::RecordBatches;
pub use self::encode::{
    Header, RecordParts, encode_record, encode_record_head, encode_record_tail, encoded_record_len,
};
pub use self::error::{BatchError, RecordError};
pub use self::header::{Attributes, BATCH_HEADER_LEN, BatchHeader};
pub use self::record::{HeaderIter, RawHeaderIter, Record, RecordIter, RecordPosition};

#[cfg(test)]
mod tests;
