//! The log as a whole, on storages that work, fail and lose power.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod batch;
mod compaction;
mod directory;
mod disk_cap;
mod faults;
mod indexes;
mod model;
mod power_loss;
mod preallocated;
mod reading;
mod summaries;
mod torn;
