//! What Java, librdkafka and franz-go send for one input, captured on its way to a real Kafka: klamm reads
//! it, writes the same bytes again, and writes the same bytes from the input alone.
//!
//! `testdata/wire/capture/README.md` says how the files were made.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod again;
mod answers;
mod files;
mod input;
mod produce;
mod setup;
