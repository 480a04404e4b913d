//! `cargo xtask chaos gateway`: `klamm gateway` is killed under load over and over, with Kafka up, down and flapping; every
//! promise that it ever gave must be in Kafka.
//!
//! The clients, their ledger and the verdict are those of the crate `gateway-testing`; `stage` is the gateway and its Kafka,
//! `weather` what Kafka does meanwhile, `run` the rounds. SIGKILL leaves what the system has in memory: what a power loss takes is
//! simulated by that crate's tests, with the same ledger.

mod run;
mod stage;
mod weather;

pub(super) use self::run::run;
pub(crate) use self::run::short;
