//! Transactions: producer ids, and who may end which transaction how.
//!
//! [`Coordinator`] decides and says what has to be written; it writes nothing itself.

mod coordinator;
mod describe;
mod end;
mod init;
mod journal;
mod partitions;
mod producer_ids;
mod state;
#[cfg(test)]
mod tests;

pub(crate) use self::coordinator::{Coordinator, Effect, Limits, WriteMarkers};
pub(crate) use self::journal::RestoreError;
pub(crate) use self::state::Producer;
