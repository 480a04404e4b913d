//! One who reads: a consumer without a group, and how far they have come.

use super::cursor::Cursor;
use super::not_read::NotRead;
use super::readers::{Readers, in_time};
use super::start::{self, Begin};
use bytes::Bytes;
use klamm::consumer::RecordRef;
use klamm::{
    AutoOffsetReset, Batch, Client, ConsumeError, Consumer, ConsumerConfig, ErrorKind,
    IsolationLevel, Start, TopicPartition,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::OwnedSemaphorePermit;

/// What a batch may be after decompression.
const BATCH_BYTES: usize = 32 << 20;

/// One who reads. Dropped, the place is free for others.
#[derive(Debug)]
pub(crate) struct Reader {
    readers: Readers,
    client: Client,
    consumer: Consumer,
    topic: Arc<str>,
    /// Only records with this key.
    key: Option<Bytes>,
    cursor: Cursor,
    /// Where partitions ended at the start.
    ends: BTreeMap<i32, i64>,
    _place: OwnedSemaphorePermit,
}

impl Reader {
    pub(super) fn new(
        readers: Readers,
        client: Client,
        topic: &str,
        key: Option<Bytes>,
        begin: Begin,
        place: OwnedSemaphorePermit,
    ) -> Result<Self, NotRead> {
        let buffer = readers.config().buffer_bytes;
        let fetch = i32::try_from(buffer).unwrap_or(i32::MAX).max(1);
        let config = ConsumerConfig::default()
            .auto_offset_reset(AutoOffsetReset::None)
            .isolation_level(IsolationLevel::ReadCommitted)
            .fetch_buffer_memory(buffer)
            .fetch_max_bytes(fetch)
            .max_partition_fetch_bytes(fetch)
            .fetch_decompressed_max_bytes(BATCH_BYTES);
        let consumer = client.consumer(config);
        let consumer = consumer.map_err(|error| NotRead::Away(error.to_string()))?;
        let Begin { cursor, ends } = begin;
        let topic = topic.into();
        let reader = Self { readers, client, consumer, topic, key, cursor, ends, _place: place };
        reader.assign();
        Ok(reader)
    }

    fn assign(&self) {
        let start = |(partition, offset): (&i32, &i64)| {
            (self.topic.clone(), *partition, Start::Offset(*offset))
        };
        self.consumer.assign(self.cursor.offsets().iter().map(start));
    }

    pub(super) fn readers(&self) -> &Readers {
        &self.readers
    }

    /// How far they have come, as a text.
    pub(super) fn place(&self) -> String {
        self.cursor.encode(&self.topic)
    }

    /// How far they have come.
    pub(super) fn cursor(&self) -> &Cursor {
        &self.cursor
    }

    /// Whether a record is one of those that are asked for.
    pub(super) fn wants(&self, record: &RecordRef<'_>) -> bool {
        self.key.as_ref().is_none_or(|key| record.key() == Some(key))
    }

    /// Everything of `partition` before `offset` was told.
    pub(super) fn passed(&mut self, partition: i32, offset: i64) {
        self.cursor.passed(partition, offset);
    }

    /// Goes past what will never be told, such as the marks of transactions. No batch may be in hand.
    pub(super) fn catch_up(&mut self) {
        let partitions: Vec<i32> = self.cursor.offsets().keys().copied().collect();
        for partition in partitions {
            let at = self.consumer.position(&TopicPartition::new(self.topic.clone(), partition));
            let before = self.cursor.offsets().get(&partition).copied().unwrap_or_default();
            self.cursor.passed(partition, at.unwrap_or_default().max(before));
        }
    }

    /// Whether everything was told that was there at the start.
    pub(super) fn is_at_end(&self) -> bool {
        let offsets = self.cursor.offsets();
        self.ends.iter().all(|(partition, end)| offsets.get(partition).is_some_and(|at| at >= end))
    }

    /// The next records. What passes by itself is waited for.
    ///
    /// # Errors
    /// [`NotRead`], after which there is nothing more to come.
    ///
    /// # Cancel safety
    /// Safe.
    pub(super) async fn next(&self) -> Result<Batch, NotRead> {
        loop {
            match self.consumer.poll().await {
                Ok(Some(batch)) => return Ok(batch),
                Ok(None) => return Err(NotRead::Away("the client is closed".to_owned())),
                Err(error) => {
                    if let Some(not) = self.judge(error).await {
                        return Err(not);
                    }
                }
            }
        }
    }

    /// What an error of the consumer comes to; `None` if it passes.
    async fn judge(&self, error: ConsumeError) -> Option<NotRead> {
        match &error {
            ConsumeError::OffsetOutOfRange { partition, position }
            | ConsumeError::LogTruncated { partition, position, .. } => {
                Some(self.gone(partition.partition, *position).await)
            }
            ConsumeError::Data(_) => Some(NotRead::Data(error.to_string())),
            // The client may just not have heard yet of a partition that is new.
            ConsumeError::UnknownPartition { partition } => self.missing(partition.partition).await,
            ConsumeError::Refused { .. } if error.kind() == ErrorKind::Unauthorized => {
                Some(NotRead::Forbidden("Kafka does not let the gateway read this topic"))
            }
            ConsumeError::Stalled { .. }
            | ConsumeError::Connect(_)
            | ConsumeError::Refused { stopped: false, .. } => None,
            _ => Some(NotRead::Away(error.to_string())),
        }
    }

    /// Whether a partition is really not there.
    async fn missing(&self, partition: i32) -> Option<NotRead> {
        match in_time(start::partitions(&self.client, &self.topic)).await {
            Ok(there) => (!there.contains(&partition)).then_some(NotRead::NoPartition(partition)),
            Err(NotRead::NoTopic) => Some(NotRead::NoTopic),
            Err(_) => None,
        }
    }

    async fn gone(&self, partition: i32, offset: i64) -> NotRead {
        match in_time(start::earliest(&self.client, &self.topic, &self.cursor)).await {
            Ok(earliest) => {
                NotRead::Gone { partition, offset, earliest: earliest.encode(&self.topic) }
            }
            Err(not) => not,
        }
    }

    /// Looks whether the topic is still there, and goes on with partitions that it has got, from their first record. No batch
    /// may be in hand.
    ///
    /// # Errors
    /// It is not there, or Kafka does not say.
    pub(super) async fn look(&mut self) -> Result<(), NotRead> {
        let there = in_time(start::partitions(&self.client, &self.topic)).await?;
        if !self.cursor.whole() {
            return Ok(());
        }
        let known = self.cursor.offsets();
        let new: Vec<i32> = there.into_iter().filter(|p| !known.contains_key(p)).collect();
        if new.is_empty() || known.len() + new.len() > super::cursor::PARTITIONS_MAX {
            return Ok(());
        }
        self.catch_up();
        new.into_iter().for_each(|partition| self.cursor.passed(partition, 0));
        self.assign();
        Ok(())
    }
}
