//! A broker in this process, an administrator of it, and what tests do with them.

use klamm::{
    Admin, Client, ClientConfig, Connecting, Connector, OffsetAndMetadata, ProducerConfig, Record,
    TopicPartition,
};
use klamm_broker::{Broker, Builder, InProcess};
use std::collections::BTreeMap;
use std::time::Duration;

/// The client's way to a broker of this process.
#[derive(Debug)]
struct ToBroker(InProcess);

impl Connector for ToBroker {
    fn connect<'a>(&'a self, host: &'a str, port: u16) -> Connecting<'a> {
        Box::pin(async move { Ok(Box::new(self.0.connect(host, port).await?) as Box<_>) })
    }
}

pub(crate) struct Stage {
    pub(crate) broker: Broker,
    pub(crate) client: Client,
    pub(crate) admin: Admin,
}

impl Stage {
    /// Topic `t` with four partitions on three nodes.
    pub(crate) async fn new() -> Self {
        Self::with(|builder| builder).await
    }

    pub(crate) async fn with(change: impl FnOnce(Builder) -> Builder) -> Self {
        let broker = Broker::builder().without_sockets().nodes(3).topic("t", 4);
        let broker = change(broker).start().await.unwrap();
        let config =
            ClientConfig::new(broker.bootstrap()).connector(ToBroker(broker.in_process().clone()));
        let client = Client::connect(config).await.unwrap();
        let admin = client.admin();
        Self { broker, client, admin }
    }

    /// Records of one partition with these timestamps, each in a batch of its own.
    pub(crate) async fn produce(&self, partition: i32, timestamps: &[i64]) {
        let producer = self.client.producer(ProducerConfig::default()).unwrap();
        for at in timestamps {
            let record = Record::to("t").partition(partition).timestamp_ms(*at).value("v");
            producer.send(record).await.unwrap();
        }
        producer.close(Duration::from_secs(1)).await;
    }

    /// Sets what a group without members has committed.
    pub(crate) async fn commit(&self, group: &str, offsets: &[(i32, i64)]) {
        let offsets = offsets.iter().map(|(partition, offset)| (p(*partition), at(*offset)));
        let results = self.admin.alter_group_offsets(group, offsets.collect()).await.unwrap();
        results.into_values().collect::<Result<Vec<()>, _>>().unwrap();
    }

    /// What a group has committed.
    pub(crate) async fn committed(
        &self,
        group: &str,
    ) -> BTreeMap<TopicPartition, OffsetAndMetadata> {
        let spec = klamm::admin::GroupOffsetsSpec::all(group);
        let mut answers = self.admin.list_group_offsets(vec![spec]).await.unwrap();
        let (name, offsets) = answers.pop().unwrap();
        assert_eq!((name.as_str(), answers.len()), (group, 0));
        offsets.unwrap()
    }
}

pub(crate) fn p(partition: i32) -> TopicPartition {
    TopicPartition::new("t", partition)
}

pub(crate) fn at(offset: i64) -> OffsetAndMetadata {
    OffsetAndMetadata { offset, ..OffsetAndMetadata::default() }
}
