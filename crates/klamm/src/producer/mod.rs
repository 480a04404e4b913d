//! The producer.
mod idempotence;
