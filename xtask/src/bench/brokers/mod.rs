//! `cargo xtask bench broker`: klamm's broker beside kfake and a real Kafka, under the same load in one run.
//!
//! `contenders` are the brokers and how each is started and stopped, `programs` the load and how it is built, `cases` what
//! is asked of them, `usage` what the kernel says a broker has used, `processor` keeps it beside its client, `turns` is who
//! runs when, and `table` makes of it all what a person reads.

mod cases;
mod contenders;
mod processor;
pub(super) mod programs;
mod table;
mod turns;
pub(crate) mod usage;

pub(super) use self::contenders::{Server, Stable, chosen as contenders};
pub(super) use self::turns::run;
