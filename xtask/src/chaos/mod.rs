//! `cargo xtask chaos`: three real brokers, one of them killed or paused over and over, and every outcome checked.
//!
//! `ledger` is what the program under test says happened to each record, `verdict` holds it against what Kafka's own
//! consumer finds in the log afterwards, `run` drives both.
//!
//! `cargo xtask chaos broker` does the same to `klamm broker`, with its directory kept; `cargo xtask chaos transactions`
//! kills it at every step of a transaction: `moments` are the steps, `stage` is the broker and its clients, `control` its
//! admin address, `atomic` what readers may see. `cargo xtask chaos groups` does it to consumers: see `groups`;
//! `gateway` kills the gateway, `outage` takes Kafka away from it - a `kafka` that comes back - and `slow_sockets` is about
//! clients of it that never come to an end.

mod atomic;
mod broker;
mod control;
mod gateway;
mod groups;
mod kafka;
mod ledger;
mod moments;
mod outage;
mod run;
mod slow_sockets;
mod stage;
mod transactions;
mod verdict;

pub(crate) use self::broker::{free_port, short as short_of_broker};
pub(crate) use self::gateway::short as short_of_gateway;
pub(crate) use self::groups::short as short_of_groups;
pub(crate) use self::outage::short as short_of_outage;
pub(crate) use self::run::{run, short};
pub(crate) use self::slow_sockets::short as short_of_slow_sockets;
pub(crate) use self::transactions::short as short_of_transactions;
