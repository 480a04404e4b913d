//! A segmented log of Kafka record batches, on disk or in memory: indexes, recovery, retention, durability.
//!
//! A [`Log`] is one partition. Its segments hold Kafka's own bytes, so that Kafka's tools read them. It is synchronous
//! and has no clock: callers hand in the time, and decide when to flush and when to clean.

mod cap;
mod config;
mod epochs;
mod error;
mod log;
mod marker;
mod producers;
mod segment;
mod snapshot;
pub mod storage;
mod summary;

pub use self::cap::{DiskCap, Usage};
pub use self::config::{Durability, LogConfig, Promise, UnknownDurability};
pub use self::error::{AppendError, LogError, ReadError};
pub use self::log::{
    AppendInfo, Appended, Compacted, Compaction, Flush, Full, Log, Origin, Quarantined, Recovery,
    Replacement, Retained, Slices, Spare,
};
pub use self::marker::end_transaction_marker;
pub use self::producers::{AbortedTransaction, ProducerInfo, SequenceError};
