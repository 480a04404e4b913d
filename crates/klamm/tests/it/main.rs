//! klamm against real brokers, found by what `cargo xtask kafka up --secure` prints, as
//! `KLAMM_TEST_<NAME>` in the environment.

mod facts;
mod logs;
mod secure;
