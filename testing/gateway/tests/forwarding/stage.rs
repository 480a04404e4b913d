//! A broker, a log and a forwarder between them, and the books of what was appended.

use crate::impatient;
use bytes::Bytes;
use klamm::{Client, ClientConfig, ConsumerConfig, Start, TopicPartition};
use klamm_broker::{Broker, Builder, Controls};
use klamm_gateway::Accepted;
use klamm_gateway::forward::{ForwardConfig, ForwardState, Forwarder, ID_HEADER};
use klamm_gateway::wal::{Receipt, Wal, WalConfig};
use klamm_log::storage::MemoryStorage;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Longer than any backoff.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A record as Kafka has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) partition: i32,
    pub(crate) key: Option<Bytes>,
    pub(crate) value: Option<Bytes>,
    pub(crate) timestamp: i64,
    pub(crate) headers: Vec<(String, Option<Bytes>)>,
}

impl Found {
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let (_, value) = self.headers.iter().rev().find(|(known, _)| known == name)?;
        Some(String::from_utf8(value.as_ref()?.to_vec()).unwrap())
    }

    fn sequence(&self, instance: &str) -> u64 {
        let id = self.header(ID_HEADER).unwrap();
        id.strip_prefix(instance).unwrap().strip_prefix('/').unwrap().parse().unwrap()
    }
}

pub(crate) struct Stage {
    pub(crate) broker: Broker,
    pub(crate) wal: Wal,
    pub(crate) forwarder: Forwarder,
    storage: Arc<MemoryStorage>,
    config: ForwardConfig,
    /// Everything that was appended, by sequence.
    pub(crate) log: BTreeMap<u64, Accepted>,
}

pub(crate) fn config(broker: &Broker) -> ForwardConfig {
    let (client, producer) = impatient::client(&broker.bootstrap());
    let mut config = ForwardConfig::new(client);
    config.producer = producer;
    config.attempt_timeout = Duration::from_secs(2);
    config
}

pub(crate) fn record(topic: &str, key: Option<&str>, value: impl Into<Bytes>) -> Accepted {
    Accepted {
        topic: topic.into(),
        partition: None,
        timestamp: 1_700_000_000_000,
        key: key.map(|key| Bytes::copy_from_slice(key.as_bytes())),
        value: Some(value.into()),
        headers: vec![],
        idempotency: None,
    }
}

impl Stage {
    pub(crate) async fn new(broker: Builder) -> Self {
        Self::with(broker, |_| {}).await
    }

    pub(crate) async fn with(broker: Builder, change: impl FnOnce(&mut ForwardConfig)) -> Self {
        let broker = broker.start().await.unwrap();
        let mut config = config(&broker);
        change(&mut config);
        let storage = Arc::new(MemoryStorage::new());
        let (wal, reader, _) = Wal::open(storage.clone(), WalConfig::default()).unwrap();
        let forwarder = Forwarder::start(wal.clone(), reader, config.clone());
        Self { broker, wal, forwarder, storage, config, log: BTreeMap::new() }
    }

    pub(crate) fn controls(&self) -> &Controls {
        self.broker.controls()
    }

    pub(crate) fn state(&self) -> ForwardState {
        self.forwarder.state()
    }

    pub(crate) async fn append(&mut self, records: Vec<Accepted>) -> Receipt {
        let receipt = self.wal.append(records.clone()).await.unwrap();
        self.log.extend((receipt.first..).zip(records));
        receipt
    }

    /// Records with numbers for values, to `keys` keys of a topic and none now and then.
    pub(crate) async fn append_some(&mut self, topic: &str, count: usize, keys: usize) {
        for tens in 0..count.div_ceil(10) {
            let record = |n: usize| {
                let key = format!("{topic}-{}", n % (keys + 1));
                let key = (n % (keys + 1) < keys).then_some(&*key);
                record(topic, key, format!("{n}"))
            };
            self.append((tens * 10..count.min(tens * 10 + 10)).map(record).collect()).await;
        }
    }

    pub(crate) async fn drained(&self) {
        let drained = self.forwarder.drain(PATIENCE).await;
        assert!(drained, "{:#?}", self.state());
    }

    /// Ends the forwarder and the log without waiting for Kafka, and begins again with the same storage.
    pub(crate) async fn restart(self) -> Self {
        let Self { broker, wal, forwarder, storage, config, log } = self;
        forwarder.close().await;
        wal.close().await;
        drop(wal);
        // As when a process ends: nobody goes on with the old one.
        until("the old log is gone", || Arc::strong_count(&storage) == 1).await;
        let (wal, reader, _) = Wal::open(storage.clone(), WalConfig::default()).unwrap();
        let forwarder = Forwarder::start(wal.clone(), reader, config.clone());
        Self { broker, wal, forwarder, storage, config, log }
    }

    /// All records of a topic, partition by partition; none of one that does not exist.
    pub(crate) async fn read(&self, topic: &str) -> Vec<Found> {
        let client = Client::connect(ClientConfig::new(self.broker.bootstrap())).await.unwrap();
        let topics = client.admin().describe_topics(vec![topic.to_owned()]).await.unwrap();
        let Ok(described) = topics[0].1.as_ref() else { return Vec::new() };
        let partitions = described.partitions.len() as i32;
        let consumer = client.consumer(ConsumerConfig::default()).unwrap();
        consumer.assign((0..partitions).map(|p| (topic, p, Start::Earliest)));
        let all = (0..partitions).map(|p| TopicPartition::new(topic, p));
        let ends = consumer.end_offsets(all).await.unwrap();
        let mut found = Vec::new();
        let behind = |consumer: &klamm::Consumer| {
            ends.iter().any(|(p, end)| consumer.position(p).unwrap_or(0) < *end)
        };
        while behind(&consumer) {
            let batch = tokio::time::timeout(PATIENCE, consumer.poll()).await.unwrap();
            let batch = batch.unwrap().unwrap();
            for record in &batch {
                let bytes = |bytes: Option<&[u8]>| bytes.map(Bytes::copy_from_slice);
                let headers = record.headers().map(|(name, v)| (name.to_owned(), bytes(v)));
                found.push(Found {
                    partition: record.partition(),
                    key: bytes(record.key()),
                    value: bytes(record.value()),
                    timestamp: record.timestamp(),
                    headers: headers.collect(),
                });
            }
        }
        consumer.close().await;
        found
    }

    /// Holds everything in Kafka against the books: what is not there, and was not said to be elsewhere, is lost.
    pub(crate) async fn check(&self, elsewhere: &BTreeSet<u64>) {
        let topics: BTreeSet<&str> = self.log.values().map(|record| &*record.topic).collect();
        let mut seen = BTreeSet::new();
        for topic in topics {
            if self.log.iter().all(|(n, r)| &*r.topic != topic || elsewhere.contains(n)) {
                continue;
            }
            let mut last: BTreeMap<Bytes, u64> = BTreeMap::new();
            for found in self.read(topic).await {
                let sequence = found.sequence(self.wal.instance());
                let record = &self.log[&sequence];
                assert_eq!((&*record.topic, &record.key), (topic, &found.key));
                assert_eq!((&record.value, record.timestamp), (&found.value, found.timestamp));
                assert_eq!(record.partition.unwrap_or(found.partition), found.partition);
                if let (true, Some(key)) = (seen.insert(sequence), found.key) {
                    let before = last.insert(key.clone(), sequence);
                    let in_order = before.is_none_or(|before| before < sequence);
                    assert!(in_order, "{topic} {key:?}: {before:?} before {sequence}");
                }
            }
        }
        let missing: Vec<u64> = self
            .log
            .keys()
            .filter(|n| !seen.contains(n) && !elsewhere.contains(n))
            .copied()
            .collect();
        assert!(missing.is_empty(), "{} lost: {missing:?}", missing.len());
    }

    /// Drains, checks, and sees that nothing is left to be released.
    pub(crate) async fn ends_well(&self) {
        self.ends_well_beside(&BTreeSet::new()).await;
    }

    pub(crate) async fn ends_well_beside(&self, elsewhere: &BTreeSet<u64>) {
        self.drained().await;
        self.check(elsewhere).await;
        assert!(self.wal.state().released > *self.log.keys().next_back().unwrap());
    }

    /// Nothing that is not in its topic is below the mark.
    pub(crate) async fn nothing_is_released_early(&self, topic: &str) {
        let released = self.wal.state().released;
        let found = self.read(topic).await;
        let found: BTreeSet<u64> =
            found.iter().map(|found| found.sequence(self.wal.instance())).collect();
        let early = self
            .log
            .range(..released)
            .find(|(n, record)| &*record.topic == topic && !found.contains(n));
        assert!(early.is_none(), "{early:?} is below {released}");
    }
}

/// Waits until `is_so`.
pub(crate) async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
