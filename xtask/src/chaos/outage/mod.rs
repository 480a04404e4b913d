//! `cargo xtask chaos outage`: Kafka is away for minutes while a gateway goes on taking requests.
//!
//! `stage` is the gateway, `load` who posts to it, `run` is what happens when, and `verdict` says whether anybody noticed.
//! `bare` is what a catch-up is held against, `processes` and `phase` say where the processors went.

mod bare;
mod load;
mod phase;
mod processes;
mod run;
mod stage;
mod verdict;

pub(super) use self::run::run;
pub(crate) use self::run::short;
