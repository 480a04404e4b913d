//! What can be chosen for forwarding, and what it says about itself.

use klamm::{ClientConfig, ProducerConfig};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

/// How records get from the log to Kafka.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ForwardConfig {
    /// Where Kafka is. Topics that do not exist are made by being written to, if the broker allows that.
    pub client: ClientConfig,
    /// Batches, compression, linger; what makes it safe - acks, idempotence, order - is set by the forwarder, and so are
    /// its memory and its timeout.
    pub producer: ProducerConfig,
    /// Bytes of records that may be on their way to Kafka, each with 256 on top. Default 64 MiB.
    pub window_bytes: u64,
    /// Sequences between the first record that is not in Kafka and the last that was read, at a byte of memory at most each.
    /// Default 16 Mi.
    pub window_records: usize,
    /// For how long a topic or partition may not exist, or its name be refused, before its records are dead letters.
    /// Default 5 minutes.
    pub unknown_topic_grace: Duration,
    /// For how long a topic may be forbidden before its records are dead letters. Default 5 minutes.
    pub denied_grace: Duration,
    /// After so long without an acknowledgement a record is sent again from the log. Default 30 s.
    pub attempt_timeout: Duration,
    /// Bytes of records that were not logged (`ack=memory`) and wait to be sent. Default 16 MiB.
    pub unlogged_bytes: usize,
    /// Where dead letters go.
    pub dead_letters: DeadLetterConfig,
}

/// Where records go that Kafka will never take.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct DeadLetterConfig {
    /// Their topic; `None`, the default, is that of the record with `.dlq` behind it.
    pub topic: Option<String>,
    /// The file for those that this topic does not take either; `None`: they wait until it does, and so does everything
    /// behind them in their partition.
    pub file: Option<PathBuf>,
    /// The file takes no more than this. Default 256 MiB.
    pub file_max_bytes: u64,
}

impl ForwardConfig {
    /// The defaults, for a cluster.
    pub fn new(client: ClientConfig) -> Self {
        Self {
            client,
            producer: ProducerConfig::default(),
            window_bytes: 64 << 20,
            window_records: 16 << 20,
            unknown_topic_grace: Duration::from_secs(300),
            denied_grace: Duration::from_secs(300),
            attempt_timeout: Duration::from_secs(30),
            unlogged_bytes: 16 << 20,
            dead_letters: DeadLetterConfig { topic: None, file: None, file_max_bytes: 256 << 20 },
        }
    }
}

/// How forwarding is.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct ForwardState {
    /// Whether Kafka takes records or answers, as of some seconds ago.
    pub connected: bool,
    /// Logged records that are on their way.
    pub in_flight: u64,
    /// Records given to the producer, tries that followed a failure included.
    pub sent: u64,
    /// Records of the log that Kafka has acknowledged.
    pub delivered: u64,
    /// Tries that failed; the record was or is sent again.
    pub retried: u64,
    /// Dead letters by the name of the error.
    pub dead_letters: BTreeMap<String, u64>,
    /// Why the last dead letter could be put nowhere, and when; it is tried again.
    pub dead_letter_error: Option<(SystemTime, String)>,
    /// Records without a log that Kafka has acknowledged.
    pub unlogged_delivered: u64,
    /// Records without a log that are lost.
    pub unlogged_lost: u64,
    /// The last failures, the newest last; at most 16.
    pub last_errors: Vec<(SystemTime, String)>,
    /// Topics and partitions that stand still, at most 100; no partition: those without a key.
    pub stuck: Vec<(String, Option<i32>)>,
    /// Producers that were made anew after a failure that ends one.
    pub rebuilt: u64,
    /// Everything below this sequence is done.
    pub released: u64,
}

/// Why records that are not logged were not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnloggedRefused {
    /// So much waits already.
    #[error("too much waits in memory; try again")]
    Full,
    /// The forwarder has ended.
    #[error("the gateway stops")]
    Closed,
}
