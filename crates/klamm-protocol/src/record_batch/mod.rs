//! Record batches, Kafka's unit of storage and transfer: format v2 by hand, in both directions.
//!
//! The encoder writes one record at a time into a slice, and the header last, because nothing of it
//! is known before the batch is full. The decoder checks a batch as a whole and then lends out its
//! records without copying.

mod decode;
mod encode;
mod header;

pub use self::decode::{
    BatchError, ControlType, HeaderIter, Record, RecordBatch, RecordBatches, RecordIter,
};
pub use self::encode::{
    Header, RecordParts, encode_record, encode_record_head, encode_record_tail, encoded_record_len,
};
pub use self::header::{Attributes, BATCH_HEADER_LEN, BatchHeader};
