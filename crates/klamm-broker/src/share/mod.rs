//! What share groups (KIP-932) have read of partitions: which record is whose, for how long, and how often it went out.
//!
//! A pure core; `shares.rs` drives it.

mod acknowledge;
mod acquire;
mod partition;
mod record;
mod runs;
mod sessions;
#[cfg(test)]
mod tests;

pub(crate) use self::acknowledge::{AckBatch, check_batches};
pub(crate) use self::acquire::{Acquire, Acquired, Span};
pub(crate) use self::partition::{Limits, SharePartition};
pub(crate) use self::sessions::{Opened, PartitionKey, SessionKey, ShareSessions};
