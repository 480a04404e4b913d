//! A broker in this process, a client of it, and what tests do with them.

use klamm::{
    Batch, Client, ClientConfig, Codec, Connecting, Connector, ConsumeError, Consumer,
    ConsumerConfig, ProducerConfig, Record, TopicPartition,
};
use klamm_broker::{Broker, Builder, InProcess, Release};
use std::time::Duration;

/// The client's way to a broker of this process.
#[derive(Debug)]
struct ToBroker(InProcess);

impl Connector for ToBroker {
    fn connect<'a>(&'a self, host: &'a str, port: u16) -> Connecting<'a> {
        Box::pin(async move { Ok(Box::new(self.0.connect(host, port).await?) as Box<_>) })
    }
}

/// Of the paused clock: longer than any backoff and any long poll.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Stage {
    pub(crate) broker: Broker,
    pub(crate) client: Client,
}

impl Stage {
    pub(crate) async fn new(nodes: i32, partitions: i32) -> Self {
        Self::with(Broker::builder().nodes(nodes).topic("t", partitions)).await
    }

    /// A broker of a release that knows groups of the classic protocol only.
    pub(crate) async fn old(nodes: i32, partitions: i32) -> Self {
        let builder = Broker::builder().nodes(nodes).topic("t", partitions);
        Self::with(builder.release(Release::V2_8)).await
    }

    async fn with(builder: Builder) -> Self {
        let broker = builder.without_sockets().start().await.unwrap();
        let config =
            ClientConfig::new(broker.bootstrap()).connector(ToBroker(broker.in_process().clone()));
        let client = Client::connect(config).await.unwrap();
        Self { broker, client }
    }

    /// Values `<from>`, ... of one partition, in batches of ten records.
    pub(crate) async fn produce(
        &self,
        partition: i32,
        numbers: std::ops::Range<i64>,
        codec: Codec,
    ) {
        let config = ProducerConfig::default().compression(codec);
        let producer = self.client.producer(config).unwrap();
        for tens in numbers.clone().step_by(10) {
            let values: Vec<String> =
                (tens..numbers.end.min(tens + 10)).map(|n| n.to_string()).collect();
            let record = |value| {
                Record::to("t").partition(partition).timestamp_ms(1_000 + tens).value(value)
            };
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

/// Reads until `count` records have come; their values by partition.
pub(crate) async fn read(consumer: &Consumer, partition: i32, count: usize) -> Vec<i64> {
    let mut values = Vec::new();
    while values.len() < count {
        let batch = poll(consumer).await.unwrap();
        assert_eq!(batch.partition(), partition);
        let text = |value: &[u8]| std::str::from_utf8(value).unwrap().parse::<i64>().unwrap();
        values.extend(batch.iter().map(|record| text(record.value().unwrap())));
    }
    values
}

pub(crate) fn p(partition: i32) -> TopicPartition {
    TopicPartition::new("t", partition)
}
