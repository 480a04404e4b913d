//! A broker in this process, a wire to it, a client of it, and what tests do with them.

use crate::wire::Wire;
use klamm::{
    Batch, Client, ClientConfig, Codec, ConsumeError, Consumer, ConsumerConfig, ProducerConfig,
    Record, TopicPartition,
};
use klamm_broker::{Broker, Builder};
use std::time::Duration;

/// Of the paused clock: longer than any backoff and any long poll.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Stage {
    pub(crate) broker: Broker,
    pub(crate) wire: Wire,
    pub(crate) client: Client,
}

impl Stage {
    /// A broker of one node with one topic, `t`.
    pub(crate) async fn new(partitions: i32) -> Self {
        Self::with(Broker::builder().topic("t", partitions)).await
    }

    pub(crate) async fn with(broker: Builder) -> Self {
        let broker = broker.without_sockets().start().await.unwrap();
        let wire = Wire::to(&broker);
        let config = ClientConfig::new(broker.bootstrap()).connector(wire.clone());
        let client = Client::connect(config).await.unwrap();
        Self { broker, wire, client }
    }

    /// Values `<from>`, ... of one partition, in batches of ten records.
    pub(crate) async fn produce(&self, partition: i32, numbers: std::ops::Range<i64>) {
        let config = ProducerConfig::default().compression(Codec::Lz4);
        let producer = self.client.producer(config).unwrap();
        for tens in numbers.clone().step_by(10) {
            let values: Vec<String> =
                (tens..numbers.end.min(tens + 10)).map(|n| n.to_string()).collect();
            let record = |value| Record::to("t").partition(partition).value(value);
            producer.send_all(values.iter().map(record)).await.unwrap();
        }
        producer.close(PATIENCE).await;
    }

    pub(crate) fn consumer(&self, config: ConsumerConfig) -> Consumer {
        self.client.consumer(config).unwrap()
    }
}

pub(crate) async fn poll(consumer: &Consumer) -> Result<Batch, ConsumeError> {
    let polled = tokio::time::timeout(PATIENCE, consumer.poll()).await;
    polled.expect("something to come").map(|batch| batch.expect("not to be closed"))
}

/// Whether nothing comes for a long time.
pub(crate) async fn is_silent(consumer: &Consumer) -> bool {
    tokio::time::timeout(PATIENCE, consumer.poll()).await.is_err()
}

/// Reads until `count` records have come; their values.
pub(crate) async fn read(consumer: &Consumer, count: usize) -> Vec<i64> {
    let mut values = Vec::new();
    while values.len() < count {
        let batch = poll(consumer).await.unwrap();
        values.extend(batch.iter().map(|record| number(record.value().unwrap())));
    }
    values
}

pub(crate) fn number(value: &[u8]) -> i64 {
    std::str::from_utf8(value).unwrap().parse().unwrap()
}

pub(crate) fn p(partition: i32) -> TopicPartition {
    TopicPartition::new("t", partition)
}

/// Waits until the consumer has come to this offset.
pub(crate) async fn comes_to(consumer: &Consumer, partition: i32, offset: i64) {
    let began = tokio::time::Instant::now();
    while consumer.position(&p(partition)) != Some(offset) {
        let at = consumer.position(&p(partition));
        assert!(began.elapsed() < PATIENCE, "{at:?} instead of {offset}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
