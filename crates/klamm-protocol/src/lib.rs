//! The Kafka wire protocol: bytes to values and back.
//!
//! Nothing in this crate opens a socket, reads a clock, touches a file or spawns a task. Whatever
//! comes from a peer is hostile until decoded: every length is checked, and a [`Decoder`] refuses
//! to allocate more than a fixed multiple of the bytes it was given.
//!
//! [`Decoder`]: primitives::Decoder

pub mod api_key;
pub mod compression;
pub mod error_code;
pub mod header;
pub mod message;
pub mod primitives;
pub mod record_batch;
