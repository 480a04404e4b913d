//! The log as a whole, on storages that work, fail and lose power.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod batch;
mod compaction;
mod faults;
mod indexes;
mod power_loss;
mod torn;
