//! Hazards of reading, each a file: what goes wrong between a broker's log and an application if a client is
//! careless, brought about on the embedded broker under a paused clock.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod aborted_transactions;
mod closest_replica;
mod compaction_gaps;
mod dropped_futures;
mod end_of_log;
mod fetch_sessions;
mod memory;
mod negative_offsets;
mod offset_out_of_range;
mod old_message_sets;
mod stage;
mod throttling;
mod timestamp_type;
mod truncation;
mod wire;
mod writer;
