//! From a client's socket through the gateway to a broker, and back again.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod confluent;
mod events;
#[path = "../shared/impatient.rs"]
mod impatient;
mod memory;
mod partitions;
mod polls;
mod secure_kafka;
mod slow_readers;
mod stage;
mod streams;
#[path = "../../../../crates/klamm-gateway/src/http/tests/wire.rs"]
#[allow(dead_code, reason = "the gateway's own tests need the rest of it")]
mod wire;
