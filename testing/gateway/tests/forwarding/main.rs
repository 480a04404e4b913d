//! Forwarding from the log to a broker that does everything wrong: every record of the log is in Kafka or with the dead
//! letters in the end, in order per key, and nothing is released before it is.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod dead_letters;
mod faults;
#[path = "../shared/impatient.rs"]
mod impatient;
mod outcomes;
mod random;
mod stage;
