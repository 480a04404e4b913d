//! From a client's socket through the gateway to a broker, and back again.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod confluent;
#[path = "../shared/impatient.rs"]
mod impatient;
mod memory;
mod polls;
mod stage;
mod streams;
mod wire;
