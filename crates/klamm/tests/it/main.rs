//! klamm from outside: against a scripted cluster, where every hazard between the call and the outcome
//! has a test with its name, and against real brokers, found by what `cargo xtask kafka up --secure`
//! prints, as `KLAMM_TEST_<NAME>` in the environment.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod connection_faults;
mod facts;
mod logs;
mod mock;
mod mock_broker;
mod mock_log;
mod producer_batches;
mod producer_gapless;
mod producer_leaders;
mod producer_outcomes;
mod producer_pressure;
mod secure;
