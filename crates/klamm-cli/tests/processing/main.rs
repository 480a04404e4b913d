//! `Consumer::run` on the embedded broker, in one process and under a paused clock: what is handled, in which
//! order, what is committed of it, and who handles it when partitions move.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod failing;
mod handling;
mod journal;
mod moving;
#[path = "../consumer/stage.rs"]
#[allow(dead_code, reason = "the consumer's tests use all of it")]
mod stage;
