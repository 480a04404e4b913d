//! Administration of groups on the embedded broker, in one process and under a paused clock.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod coordinators;
mod offsets;
mod stage;
