//! From the log to Kafka: every record of it is sent until a broker has it, or a dead letter says why none takes it.
//!
//! `window`, pure, says which records may be on their way; `task` reads the log and gives them to the producer; `judging`
//! says by `verdict`, pure, what comes of their outcomes. `reach` asks Kafka whether it is there.

mod config;
mod connect;
mod forwarder;
mod in_hand;
mod judging;
mod lane;
mod outcomes;
mod partitions;
mod reach;
mod sending;
mod shared;
mod states;
mod taken;
mod task;
#[cfg(test)]
mod tests;
mod tracks;
mod unlogged;
mod verdict;
mod window;

pub use self::config::{DeadLetterConfig, ForwardConfig, ForwardState, UnloggedRefused};
pub use self::forwarder::{Forwarder, UnloggedSender};
pub use self::outcomes::{NoOutcome, Outcome, Outcomes, Ticket};
pub use self::partitions::{NoPartition, Partitions};

/// The header that names a record of the log for good: its instance and its sequence, `<instance>/<sequence>`. A record that
/// is sent twice has the same.
pub const ID_HEADER: &str = "klamm-id";
