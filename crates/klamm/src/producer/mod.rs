//! The producer: records in, outcomes out, nothing lost on the way.
//!
//! ```text
//!   send / enqueue ─► accumulator ─► partition's open batch ─► sender ─► connection ─► broker
//!        Delivery ◄── outcome of the batch ◄── idempotence ◄── answer ◄──────┘
//! ```

mod accumulator;
mod batch;
mod buffer_pool;
mod deliveries;
mod delivery;
mod enqueue;
mod error;
mod idempotence;
mod partition;
pub mod partitioner;
mod sender;
mod signals;
mod split;
mod verdict;

pub use self::deliveries::Deliveries;
pub use self::delivery::{Delivered, Delivery};
pub use self::enqueue::Enqueue;
pub use self::error::{Cause, DeliveryError, EnqueueError, Failure, SendError, TryEnqueueError};
pub use self::partitioner::Partitioner;

use self::accumulator::{Accumulator, Attempt, Refusal};
use self::buffer_pool::Lease;
use self::enqueue::{EnqueueState, Slow};
use self::partition::Limits;
use self::sender::{Completion, Sender, SenderSettings};
use crate::client::{Client, ClientInner};
use crate::config::{ConfigError, ProducerConfig};
use crate::record::Record;
use klamm_protocol::compression::Codec;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// A caller that ran into the limit goes on when this part of `buffer.memory` is free.
const WAIT_SHARE: usize = 8;

/// Sends records to topics; cheap to clone, and many tasks share one.
///
/// Every accepted record gets exactly one outcome: delivered, not delivered, or unknown. Records of one
/// partition stay in the order in which they were accepted. With idempotence, the default, retries
/// neither duplicate nor reorder.
///
/// Dropping the last clone ends the producer without waiting: records without an acknowledgement get
/// the outcome "closed". Call [`Producer::flush`] or [`Producer::close`] before.
#[derive(Debug, Clone)]
pub struct Producer {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    accumulator: Arc<Accumulator>,
    client: Arc<ClientInner>,
    max_block: Duration,
}

impl Drop for Inner {
    fn drop(&mut self) {
        let left: usize = self.accumulator.partitions().iter().map(|p| p.outstanding().len()).sum();
        if left > 0 {
            tracing::warn!(
                batches = left,
                "a producer was dropped with unacknowledged batches; call close() first"
            );
        }
        self.accumulator.close();
        self.accumulator.signals.close();
    }
}

impl Client {
    /// Makes a producer.
    ///
    /// # Errors
    /// [`ConfigError`] when settings contradict each other.
    pub fn producer(&self, config: ProducerConfig) -> Result<Producer, ConfigError> {
        config.validate()?;
        let client = Arc::clone(self.inner());
        let limits = Limits {
            ready_bytes: config.batch_size,
            batch_max_bytes: config.batch_max_bytes,
            linger: config.linger,
            compressed: config.codec != Codec::None,
        };
        let accumulator = Arc::new(Accumulator::new(accumulator::Settings {
            limits,
            buffer_memory: config.buffer_memory,
            max_request_size: config.max_request_size,
            idempotent: config.enable_idempotence,
            max_in_flight: config.max_in_flight,
            partitioner: config.partitioner.clone(),
        }));
        let settings = SenderSettings {
            acks: config.acks.code(),
            max_in_flight: config.max_in_flight,
            max_request_size: config.max_request_size,
            delivery_timeout: config.delivery_timeout,
            retries: config.retries,
            compression: config.compression_with_level()?,
        };
        let (timeout, gapless) = (config.delivery_timeout, config.gapless);
        let completion = Completion::new(timeout, gapless, config.on_batch.clone())
            .map_err(|e| ConfigError::Conflict(format!("no thread for on_batch: {e}")))?;
        let sender =
            Sender::new(settings, Arc::clone(&accumulator), Arc::clone(&client), completion);
        client.io.spawn(sender.run());
        client.io.spawn(follow_metadata(Arc::downgrade(&accumulator), Arc::downgrade(&client)));
        let inner = Inner { accumulator, client, max_block: config.max_block };
        Ok(Producer { inner: Arc::new(inner) })
    }
}

/// Tells the sender of newer metadata for as long as there is a producer.
async fn follow_metadata(
    accumulator: std::sync::Weak<Accumulator>,
    client: std::sync::Weak<ClientInner>,
) {
    let Some(mut changes) = client.upgrade().map(|c| c.metadata.changes()) else { return };
    while changes.changed().await.is_ok() {
        match accumulator.upgrade() {
            Some(accumulator) => accumulator.signals.metadata_changed(),
            None => return,
        }
    }
}

impl Producer {
    /// Sends a record and waits for the broker's answer.
    ///
    /// On an idle connection it does not wait for company; while the broker is busy it shares the next
    /// request with whatever else comes.
    ///
    /// # Errors
    /// [`SendError`]: not accepted, not delivered, or outcome unknown.
    ///
    /// # Cancel safety
    /// Before the record is accepted it is dropped; afterwards it is sent all the same.
    pub async fn send(&self, record: Record<'_>) -> Result<Delivered, SendError> {
        let enqueue = Enqueue { awaited: true, ..self.enqueue(record) };
        Ok(enqueue.await?.await?)
    }

    /// Accepts a record and returns its delivery, waiting only for memory or metadata.
    ///
    /// Callers are served first come, first served. Await deliveries in the order of their records: that
    /// costs a few nanoseconds each.
    ///
    /// # Errors
    /// [`EnqueueError`]: nothing was sent.
    ///
    /// # Cancel safety
    /// Safe: a cancelled call has not accepted the record.
    #[inline]
    pub fn enqueue<'a>(&'a self, record: Record<'a>) -> Enqueue<'a> {
        Enqueue { producer: self, awaited: false, state: EnqueueState::New(record) }
    }

    #[cold]
    fn enqueue_slowly<'a>(&'a self, record: Record<'a>, mut attempt: Attempt) -> Slow<'a> {
        Box::pin(async move {
            let deadline = Instant::now() + self.inner.max_block;
            loop {
                match attempt.refusal.take() {
                    Some(Refusal::Error(error)) => return Err(error),
                    Some(Refusal::UnknownTopic) => self.learn(record.topic, deadline).await?,
                    Some(Refusal::NeedsMemory(bytes)) => {
                        // What was leased for a smaller step comes back before more is asked for.
                        drop(attempt.lease.take());
                        attempt.lease = Some(self.wait_for_memory(bytes, deadline).await?);
                    }
                    None => {}
                }
                if let Some(place) = self.inner.accumulator.append(&record, &mut attempt) {
                    return Ok(Delivery::new(place, attempt.timestamp_ms));
                }
            }
        })
    }

    async fn learn(&self, topic: &str, deadline: Instant) -> Result<(), EnqueueError> {
        let wait = deadline.saturating_duration_since(Instant::now());
        let topic = self.inner.client.metadata.topic(topic, wait).await?;
        self.inner.accumulator.learn(&topic);
        self.inner.accumulator.signals.metadata_changed();
        Ok(())
    }

    async fn wait_for_memory(
        &self,
        bytes: usize,
        deadline: Instant,
    ) -> Result<Lease, EnqueueError> {
        let pool = &self.inner.accumulator.pool;
        // The memory may all be in open batches: then nothing comes back unless they are sent.
        self.inner.accumulator.signals.force_all();
        // Woken for every chunk that comes back, a caller would spend its time being woken.
        let enough = bytes.max(pool.total_bytes() / WAIT_SHARE);
        match tokio::time::timeout_at(deadline, pool.lease(enough)).await {
            Ok(Some(mut lease)) => Ok(lease.split(bytes).unwrap_or(lease)),
            Ok(None) => Err(EnqueueError::Closed),
            Err(_) => Err(EnqueueError::Full),
        }
    }

    /// Accepts a record if there is room for it now, and else hands it back.
    ///
    /// # Errors
    /// [`TryEnqueueError`] with the record inside; [`TryEnqueueError::is_full`] tells load from mistakes.
    #[inline]
    pub fn try_enqueue<'a>(&self, record: Record<'a>) -> Result<Delivery, TryEnqueueError<'a>> {
        let mut attempt = Attempt::default();
        if let Some(place) = self.inner.accumulator.append(&record, &mut attempt) {
            return Ok(Delivery::new(place, attempt.timestamp_ms));
        }
        self.refuse(record, attempt.refusal)
    }

    #[cold]
    fn refuse<'a>(
        &self,
        record: Record<'a>,
        refusal: Option<Refusal>,
    ) -> Result<Delivery, TryEnqueueError<'a>> {
        let reason = match refusal {
            Some(Refusal::Error(reason)) => reason,
            Some(Refusal::NeedsMemory(_)) | None => {
                self.inner.accumulator.signals.force_all();
                EnqueueError::Full
            }
            Some(Refusal::UnknownTopic) => {
                match self.inner.client.metadata.cluster().topics.get(record.topic) {
                    Some(topic) if !topic.partitions.is_empty() => {
                        self.inner.accumulator.learn(topic);
                        return self.try_enqueue(record);
                    }
                    _ => {
                        self.inner.client.metadata.want(record.topic);
                        EnqueueError::MetadataPending
                    }
                }
            }
        };
        Err(TryEnqueueError { reason, record: Box::new(record) })
    }

    /// Accepts all records and waits until each has its outcome, in order.
    ///
    /// # Errors
    /// The first [`SendError`]; records before it were delivered or have their own outcome, and records
    /// after it were not accepted if it is [`SendError::Enqueue`].
    ///
    /// # Cancel safety
    /// Records accepted so far are sent all the same.
    pub async fn send_all<'a>(
        &self,
        records: impl IntoIterator<Item = Record<'a>>,
    ) -> Result<Vec<Delivered>, SendError> {
        let mut deliveries = Vec::new();
        for record in records {
            deliveries.push(self.enqueue(record).await?);
        }
        let mut delivered = Vec::with_capacity(deliveries.len());
        for delivery in deliveries {
            delivered.push(delivery.await?);
        }
        Ok(delivered)
    }

    /// Sends everything accepted so far without further waiting, and returns when all of it has an
    /// outcome, good or bad.
    ///
    /// # Cancel safety
    /// Safe: the batches are sent all the same.
    pub async fn flush(&self) {
        let partitions = self.inner.accumulator.partitions();
        self.inner.accumulator.signals.force_all();
        for partition in partitions {
            for state in partition.outstanding() {
                state.wait().await;
            }
        }
    }

    /// Takes no more records, waits at most `deadline` for outcomes, and ends the producer; what has none
    /// by then gets "closed". Returns whether everything had its outcome in time.
    ///
    /// # Cancel safety
    /// The producer is ended all the same.
    pub async fn close(self, deadline: Duration) -> bool {
        struct Ends<'a>(&'a Accumulator);
        impl Drop for Ends<'_> {
            fn drop(&mut self) {
                self.0.signals.close();
            }
        }
        self.inner.accumulator.close();
        let _ends = Ends(&self.inner.accumulator);
        tokio::time::timeout(deadline, self.flush()).await.is_ok()
    }

    /// Number of partitions of a topic.
    ///
    /// # Errors
    /// [`EnqueueError::Topic`] when the topic is not known within `max.block.ms`.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn partitions_for(&self, topic: &str) -> Result<usize, EnqueueError> {
        let topic = self.inner.client.metadata.topic(topic, self.inner.max_block).await?;
        self.inner.accumulator.learn(&topic);
        Ok(topic.partitions.len())
    }

    /// Takes records for a partition again that a gapless producer has broken off, and says whether it does now: not as
    /// long as a record of the partition is without an outcome. True for a partition that takes them anyway.
    pub fn resume(&self, topic: &str, partition: i32) -> bool {
        self.inner.accumulator.partition(topic, partition).is_none_or(|found| found.mend())
    }

    /// Bytes of `buffer.memory` in use.
    pub fn buffered_bytes(&self) -> usize {
        let pool = &self.inner.accumulator.pool;
        pool.total_bytes() - pool.available_bytes()
    }
}
