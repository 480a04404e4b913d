//! Settings of a producer.

use super::ConfigError;
use crate::producer::{DeliveryError, Partitioner};
use klamm_protocol::compression::{Codec, Compression};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Settings of a [`Producer`](crate::Producer).
///
/// The defaults are the safe ones and the fast ones: idempotent, acknowledged by all in-sync replicas,
/// five batches in flight per partition.
#[derive(Clone)]
pub struct ProducerConfig {
    pub(crate) acks: Acks,
    pub(crate) enable_idempotence: bool,
    pub(crate) gapless: bool,
    pub(crate) linger: Duration,
    pub(crate) batch_size: usize,
    pub(crate) batch_max_bytes: usize,
    pub(crate) buffer_memory: usize,
    pub(crate) max_in_flight: usize,
    pub(crate) max_request_size: usize,
    pub(crate) max_block: Duration,
    pub(crate) delivery_timeout: Duration,
    pub(crate) retries: u32,
    pub(crate) codec: Codec,
    pub(crate) level: Option<i32>,
    pub(crate) partitioner: Option<Arc<dyn Partitioner>>,
    pub(crate) on_batch: Option<BatchCallback>,
}

/// Called with every batch that has an outcome.
pub(crate) type BatchCallback = Arc<dyn Fn(&BatchReport<'_>) + Send + Sync>;

/// How many replicas must have a batch before the broker acknowledges it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Acks {
    /// None: the broker does not answer, so nothing is ever known to be delivered.
    None,
    /// The leader alone: lost if it fails before a follower has copied.
    Leader,
    /// All in-sync replicas.
    #[default]
    All,
}

impl Acks {
    pub(crate) fn code(self) -> i16 {
        match self {
            Acks::None => 0,
            Acks::Leader => 1,
            Acks::All => -1,
        }
    }
}

/// What became of one batch.
#[derive(Debug)]
pub struct BatchReport<'a> {
    /// Topic it was for.
    pub topic: &'a str,
    /// Partition it was for.
    pub partition: i32,
    /// Records in it.
    pub records: usize,
    /// Bytes on the wire.
    pub bytes: usize,
    /// Bytes of its records before compression.
    pub uncompressed_bytes: usize,
    /// Since its first record was enqueued.
    pub age: Duration,
    /// Offset of its first record, if the broker told it; or why it has no acknowledgement.
    pub outcome: Result<Option<i64>, &'a DeliveryError>,
}

impl fmt::Debug for ProducerConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProducerConfig")
            .field("acks", &self.acks)
            .field("enable_idempotence", &self.enable_idempotence)
            .field("gapless", &self.gapless)
            .field("linger", &self.linger)
            .field("batch_size", &self.batch_size)
            .field("batch_max_bytes", &self.batch_max_bytes)
            .field("buffer_memory", &self.buffer_memory)
            .field("max_in_flight", &self.max_in_flight)
            .field("max_request_size", &self.max_request_size)
            .field("max_block", &self.max_block)
            .field("delivery_timeout", &self.delivery_timeout)
            .field("retries", &self.retries)
            .field("codec", &self.codec)
            .field("partitioner", &self.partitioner)
            .finish_non_exhaustive()
    }
}

impl Default for ProducerConfig {
    fn default() -> Self {
        Self {
            acks: Acks::All,
            enable_idempotence: true,
            gapless: false,
            linger: Duration::from_millis(5),
            batch_size: 64 * 1024,
            batch_max_bytes: 1_000_000,
            buffer_memory: 32 * 1024 * 1024,
            max_in_flight: 5,
            max_request_size: 4 * 1024 * 1024,
            max_block: Duration::from_secs(60),
            delivery_timeout: Duration::from_secs(120),
            retries: u32::MAX,
            codec: Codec::None,
            level: None,
            partitioner: None,
            on_batch: None,
        }
    }
}

impl ProducerConfig {
    /// Sets how many replicas must have a batch. Default: all. Anything less switches idempotence off.
    pub fn acks(mut self, acks: Acks) -> Self {
        self.acks = acks;
        self.enable_idempotence &= acks == Acks::All;
        self
    }

    /// Numbers batches so that retries never duplicate or reorder. Default: yes.
    pub fn idempotence(mut self, enable: bool) -> Self {
        self.enable_idempotence = enable;
        self
    }

    /// Whether a record without an acknowledgement ends its partition: everything behind it fails, too, so that a caller
    /// can send all of it again in order, after [`Producer::resume`](crate::Producer::resume). Default: no.
    ///
    /// It takes idempotence: without it batches behind a failed one may be in the log already.
    pub fn gapless(mut self, gapless: bool) -> Self {
        self.gapless = gapless;
        self
    }

    /// Sets how long a batch waits for company when nobody awaits it. Default: 5 ms.
    pub fn linger(mut self, linger: Duration) -> Self {
        self.linger = linger;
        self
    }

    /// Sets the size in bytes from which a batch is sent as soon as a slot is free. Default: 64 KiB.
    pub fn batch_size(mut self, bytes: usize) -> Self {
        self.batch_size = bytes;
        self
    }

    /// Sets the size in bytes up to which a batch grows while no slot is free. Default: 1,000,000, just
    /// below what a broker accepts by default.
    pub fn batch_max_bytes(mut self, bytes: usize) -> Self {
        self.batch_max_bytes = bytes;
        self
    }

    /// Sets the memory in bytes for records without an acknowledgement. Default: 32 MiB.
    pub fn buffer_memory(mut self, bytes: usize) -> Self {
        self.buffer_memory = bytes;
        self
    }

    /// Sets how many batches of a partition, and requests of a connection, may be unanswered. Default: 5,
    /// which is also the most with idempotence.
    pub fn max_in_flight(mut self, requests: usize) -> Self {
        self.max_in_flight = requests;
        self
    }

    /// Sets the largest record, and about the largest request, in bytes. Default: 4 MiB.
    pub fn max_request_size(mut self, bytes: usize) -> Self {
        self.max_request_size = bytes;
        self
    }

    /// Sets how long a call may wait for memory or metadata. Default: 60 s.
    pub fn max_block(mut self, wait: Duration) -> Self {
        self.max_block = wait;
        self
    }

    /// Sets the time from enqueuing to an outcome. Default: 120 s.
    pub fn delivery_timeout(mut self, timeout: Duration) -> Self {
        self.delivery_timeout = timeout;
        self
    }

    /// Sets how many failed tries a batch survives. Default: no limit but the delivery timeout.
    pub fn retries(mut self, retries: u32) -> Self {
        self.retries = retries;
        self
    }

    /// Compresses batches, at the codec's default level. Default: none.
    pub fn compression(mut self, codec: Codec) -> Self {
        self.codec = codec;
        self
    }

    /// Sets the level of the codec. Default: the codec's own.
    pub fn compression_level(mut self, level: i32) -> Self {
        self.level = Some(level);
        self
    }

    /// Chooses partitions by `partitioner`. Default: Java's hash for keys, sticky batches without.
    pub fn partitioner(mut self, partitioner: Arc<dyn Partitioner>) -> Self {
        self.partitioner = Some(partitioner);
        self
    }

    /// Calls `report` with every batch that has an outcome, beside the futures: in order per partition,
    /// on a thread of its own. The memory of a batch is free after its report.
    pub fn on_batch(mut self, report: impl Fn(&BatchReport<'_>) + Send + Sync + 'static) -> Self {
        self.on_batch = Some(Arc::new(report));
        self
    }

    /// The codec with its level.
    pub(crate) fn compression_with_level(&self) -> Result<Compression, ConfigError> {
        match self.level {
            None => Ok(Compression::from(self.codec)),
            Some(level) => Compression::with_level(self.codec, level)
                .map_err(|e| ConfigError::invalid("compression.level", e.to_string())),
        }
    }

    /// Checks the settings against each other.
    pub(crate) fn validate(&self) -> Result<(), ConfigError> {
        self.compression_with_level()?;
        if self.enable_idempotence && self.acks != Acks::All {
            return Err(ConfigError::Conflict(
                "enable.idempotence=true needs acks=all: fewer replicas cannot promise that a retry finds the batch".to_owned(),
            ));
        }
        if self.gapless && !self.enable_idempotence {
            return Err(ConfigError::Conflict(
                "gapless needs enable.idempotence=true: only then a broker refuses what follows a gap".to_owned(),
            ));
        }
        if self.enable_idempotence && self.max_in_flight > 5 {
            let reason = "with idempotence at most 5: brokers remember as many batches";
            return Err(ConfigError::invalid("max.in.flight.requests.per.connection", reason));
        }
        if self.max_in_flight == 0 {
            return Err(ConfigError::invalid(
                "max.in.flight.requests.per.connection",
                "at least 1",
            ));
        }
        if self.batch_max_bytes < self.batch_size {
            let reason = format!("at least batch.size = {}", self.batch_size);
            return Err(ConfigError::invalid("batch.max.bytes", reason));
        }
        Ok(())
    }
}
