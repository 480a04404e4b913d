//! How old the first unread record of a partition is: it is read, and its timestamp compared with the clock.

use super::place::Place;
use super::progress::{Gathered, Progress};
use crate::failure::Failure;
use klamm::{
    AutoOffsetReset, Batch, Client, Consumer, ConsumerConfig, IsolationLevel, Start, TopicPartition,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::Instant;

/// Partitions read at most; those that lag most come first.
const PARTITIONS_MAX: usize = 10_000;
/// How long all of the reading may take.
const TIME_LIMIT: Duration = Duration::from_secs(15);
/// How often to look whether what lies ahead are no records at all.
const LOOK_AGAIN: Duration = Duration::from_millis(200);
/// One record of each partition is wanted, of however large a batch.
const PARTITION_BYTES: i32 = 16 * 1024;

/// Ages of first unread records, by partition and committed offset.
#[derive(Debug, Default)]
pub(super) struct Ages(BTreeMap<(TopicPartition, i64), Duration>);

impl Ages {
    pub(super) fn of(&self, tp: &TopicPartition, place: &Place) -> Option<Duration> {
        // Who has read everything waits for nothing.
        match place.lag()? {
            0 => Some(Duration::ZERO),
            _ => self.0.get(&(tp.clone(), place.committed?)).copied(),
        }
    }

    /// The highest of a group.
    pub(super) fn oldest(&self, progress: &Progress) -> Option<Duration> {
        progress.partitions.iter().filter_map(|p| self.of(&p.tp, &p.place)).max()
    }
}

/// Reads the ages of all that lags. What cannot be read in time is left out.
pub(super) async fn read(
    client: &Client,
    gathered: &Gathered,
    isolation: IsolationLevel,
) -> Result<Ages, Failure> {
    let mut reading = Reading::new(gathered);
    if reading.left.is_empty() {
        return Ok(Ages::default());
    }
    let config = ConsumerConfig::default()
        .isolation_level(isolation)
        // Records that are gone cannot be read: the first that is left is the first unread one.
        .auto_offset_reset(AutoOffsetReset::Earliest)
        .max_partition_fetch_bytes(PARTITION_BYTES)
        .max_poll_records(1);
    let consumer = client.consumer(config)?;
    reading.run(&consumer).await;
    consumer.close().await;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let age =
        |timestamp: i64| now.saturating_sub(Duration::from_millis(timestamp.max(0).unsigned_abs()));
    // Records of old formats have no timestamp.
    let read = reading.read.into_iter().filter(|(_, timestamp)| *timestamp >= 0);
    Ok(Ages(read.map(|(at, timestamp)| (at, age(timestamp))).collect()))
}

struct Reading {
    /// Offsets whose first record is wanted, in order, and the end of the log.
    left: BTreeMap<TopicPartition, (VecDeque<i64>, i64)>,
    /// Timestamps of the records at or behind an offset.
    read: BTreeMap<(TopicPartition, i64), i64>,
}

impl Reading {
    fn new(gathered: &Gathered) -> Self {
        let known = gathered.iter().filter_map(|(_, progress)| progress.as_ref().ok());
        let mut lagging: Vec<_> = known
            .flat_map(|progress| &progress.partitions)
            .filter_map(|p| Some((p.place.lag()?, p.place.committed?, p.place.end?, &p.tp)))
            .filter(|(lag, ..)| *lag > 0)
            .collect();
        lagging.sort_by(|a, b| b.cmp(a));
        lagging.truncate(PARTITIONS_MAX);
        let mut wanted: BTreeMap<TopicPartition, (BTreeSet<i64>, i64)> = BTreeMap::new();
        for (_, committed, end, tp) in lagging {
            wanted.entry(tp.clone()).or_insert((BTreeSet::new(), end)).0.insert(committed);
        }
        let left = wanted.into_iter().map(|(tp, (at, end))| (tp, (at.into_iter().collect(), end)));
        Self { left: left.collect(), read: BTreeMap::new() }
    }

    async fn run(&mut self, consumer: &Consumer) {
        let first = |(tp, (at, _)): (&TopicPartition, &(VecDeque<i64>, i64))| {
            Some((tp.topic.clone(), tp.partition, Start::Offset(*at.front()?)))
        };
        consumer.assign(self.left.iter().filter_map(first).collect::<Vec<_>>());
        let deadline = Instant::now() + TIME_LIMIT;
        while !self.left.is_empty() && Instant::now() < deadline {
            match tokio::time::timeout(LOOK_AGAIN, consumer.poll()).await {
                Ok(Ok(Some(batch))) => self.take(consumer, &batch),
                Ok(Ok(None)) => return,
                // It is told once and tried on, or the partition has stopped.
                Ok(Err(error)) => self.give_up(error.partition(), &error.to_string()),
                Err(_) => self.drop_those_at_their_end(consumer),
            }
        }
        for tp in self.left.keys() {
            tracing::warn!(%tp, "its first unread record was not read in time");
        }
    }

    fn take(&mut self, consumer: &Consumer, batch: &Batch) {
        let tp = TopicPartition::new(batch.topic(), batch.partition());
        let Some((wanted, _)) = self.left.get_mut(&tp) else { return };
        let Some(record) = batch.iter().next() else { return };
        while let Some(at) = wanted.pop_front_if(|at| *at <= record.offset()) {
            self.read.insert((tp.clone(), at), record.timestamp());
        }
        // Neither can fail: the partition is assigned.
        let _ = match wanted.front() {
            Some(next) => consumer.seek(&tp, *next),
            None => {
                self.left.remove(&tp);
                consumer.pause([&tp])
            }
        };
    }

    fn give_up(&mut self, tp: Option<TopicPartition>, why: &str) {
        tracing::info!("the age of a record is not known: {why}");
        if let Some(tp) = tp {
            self.left.remove(&tp);
        }
    }

    /// Only markers of transactions, or nothing at all, is left of them.
    fn drop_those_at_their_end(&mut self, consumer: &Consumer) {
        self.left.retain(|tp, (_, end)| consumer.position(tp).is_none_or(|at| at < *end));
    }
}
