//! Administration of groups on the embedded broker: the library in one process and under a paused clock, the command
//! from outside.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod command;
mod coordinators;
mod members;
mod offsets;
mod stage;
