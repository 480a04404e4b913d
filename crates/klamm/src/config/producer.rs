use std::time::Duration;

/// Settings of a [`Producer`](crate::Producer).
#[derive(Debug, Clone)]
pub struct ProducerConfig {
    pub(crate) acks: Acks,
    pub(crate) enable_idempotence: bool,
    pub(crate) linger: Duration,
    /// A batch from this many bytes on is sent as soon as a slot is free.
    pub(crate) batch_size: usize,
    /// A batch that finds no free slot grows up to this many bytes.
    pub(crate) batch_max_bytes: usize,
    pub(crate) buffer_memory: usize,
    pub(crate) max_in_flight: usize,
    pub(crate) max_request_size: usize,
    pub(crate) max_block: Duration,
    pub(crate) delivery_timeout: Duration,
    pub(crate) retries: u32,
}

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

impl Default for ProducerConfig {
    fn default() -> Self {
        Self {
            acks: Acks::All,
            enable_idempotence: true,
            linger: Duration::from_millis(5),
            batch_size: 64 * 1024,
            batch_max_bytes: 1_000_000,
            buffer_memory: 32 * 1024 * 1024,
            max_in_flight: 5,
            max_request_size: 4 * 1024 * 1024,
            max_block: Duration::from_secs(60),
            delivery_timeout: Duration::from_secs(120),
            retries: u32::MAX,
        }
    }
}
