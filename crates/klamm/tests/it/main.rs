//! klamm against real brokers, found by what `cargo xtask kafka up --secure` prints, as
//! `KLAMM_TEST_<NAME>` in the environment.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod facts;
mod logs;
mod secure;
