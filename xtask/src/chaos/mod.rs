//! `cargo xtask chaos`: three real brokers, one of them killed or paused over and over, and every outcome checked.
//!
//! `ledger` is what the program under test says happened to each record, `verdict` holds it against what Kafka's own
//! consumer finds in the log afterwards, `run` drives both.

mod ledger;
mod run;
mod verdict;

pub(crate) use self::run::{run, short};
