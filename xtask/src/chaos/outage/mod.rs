//! `cargo xtask chaos outage`: Kafka is away for minutes while a gateway goes on taking requests.
//!
//! `stage` is the gateway, `run` is what happens when, and `verdict` says whether anybody noticed.

mod run;
mod stage;
mod verdict;

pub(super) use self::run::run;
pub(crate) use self::run::short;
