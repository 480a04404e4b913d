//! Kafka at full speed: an asynchronous client in pure Rust.

pub mod config;
mod error;
mod producer;
mod record;

pub use self::config::{Acks, ClientConfig, ProducerConfig};
pub use self::error::ErrorKind;
pub use self::record::{Header, Payload, Record};
