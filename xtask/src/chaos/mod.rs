//! `cargo xtask chaos`: three real brokers, one of them killed or paused over and over, and every outcome checked.
//!
//! `cargo xtask chaos broker` does the same to `klamm broker`, with its directory kept. `ledger` is what the program under test says happened to each record, `verdict` holds it against what Kafka's own
//! consumer finds in the log afterwards, `run` drives both.

mod broker;
mod ledger;
mod run;
mod verdict;

pub(crate) use self::broker::short as short_of_broker;
pub(crate) use self::run::{run, short};
