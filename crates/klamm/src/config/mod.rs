//! Settings: Kafka's own names and defaults, parsed once.
//!
//! There are two doors: typed setters, and names with text values as `client.properties`, the command
//! line's `-X` and the environment have them. Both lead to the same fields; [`table()`] lists them all.

mod client;
mod consumer;
mod error;
mod iso_duration;
mod producer;
mod properties;
mod security;
mod table;

pub use self::client::ClientConfig;
pub use self::consumer::{AutoOffsetReset, ConsumerConfig, GroupProtocol, IsolationLevel};
pub use self::error::ConfigError;
pub(crate) use self::producer::BatchCallback;
pub use self::producer::{Acks, BatchReport, ProducerConfig};
pub use self::properties::parse_properties;
pub use self::security::{Identity, SaslConfig, TlsConfig, TlsRoots};
pub use self::table::{Key, Note, Scope, reference, set, set_consumer, table};
