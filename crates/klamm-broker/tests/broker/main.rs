//! The broker over a socket, spoken to in raw frames: neither side of these tests is klamm's client.

#![allow(clippy::unwrap_used, reason = "what a test cannot do fails it")]

mod auto_creation;
mod batch;
mod cap;
mod cap_load;
mod certificates;
mod controls;
mod disk_failures;
mod exposition;
mod group_faults;
mod group_settings;
mod internal_topics;
mod listeners;
mod long_poll;
mod markers;
mod metrics;
mod operators;
mod peer;
mod restart;
mod rights;
mod share;
mod streaming;
mod tls;
mod transaction_steps;
mod traps;
