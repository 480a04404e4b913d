//! The consumer on the embedded broker, in one process and under a paused clock: what comes, from where,
//! and what happens when the log or the broker is not as it should be.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod busy;
mod churn;
mod group;
mod long_polls;
mod members;
mod reading;
mod rebalances;
mod stage;
mod trouble;
