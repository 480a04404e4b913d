//! Kafka at full speed: an asynchronous client in pure Rust.
//!
//! Start with [`Client::connect`]; everything else is made from a client.

pub mod admin;
mod client;
pub mod config;
mod connection;
pub mod consumer;
mod error;
mod io_thread;
mod metadata;
#[cfg(test)]
#[path = "mock_tests.rs"]
mod mock;
pub mod producer;
mod record;

pub use self::admin::{Admin, AdminError};
pub use self::client::{Client, ClientError};
pub use self::config::{
    Acks, AutoOffsetReset, BatchReport, ClientConfig, ConfigError, ConsumerConfig, GroupProtocol,
    IsolationLevel, ProducerConfig, SaslConfig, TlsConfig, TlsRoots,
};
pub use self::connection::{
    ClientCredentials, ConnectError, ConnectStage, Connecting, Connector, Stream, Token,
    TokenError, TokenProvider,
};
pub use self::consumer::{
    Batch, CommitError, CommitHandle, ConsumeError, ConsumedRecord, Consumer, OffsetAndMetadata,
    OnError, ProcessingOrder, RebalanceListener, RunError, RunOptions, RunSummary, Start,
    TopicPartition,
};
pub use self::error::ErrorKind;
pub use self::metadata::MetadataError;
pub use self::producer::{
    Delivered, Deliveries, Delivery, DeliveryError, Enqueue, EnqueueError, Producer, SendError,
    TryEnqueueError,
};
pub use self::record::{Header, Payload, Record};
pub use klamm_protocol::compression::Codec;
pub use klamm_protocol::error_code::ErrorCode;
