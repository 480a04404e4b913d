//! Settings: Kafka's own names and defaults, parsed once.

mod client;
mod producer;

pub use self::client::ClientConfig;
pub use self::producer::{Acks, ProducerConfig};
