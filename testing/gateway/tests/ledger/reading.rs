//! Everything in Kafka that the ledger's clients may have sent.

use gateway_testing::{Found, TOPICS};
use klamm::{Client, ClientConfig, ConsumerConfig, Start, TopicPartition};
use klamm_gateway::forward::ID_HEADER;

/// All records of all topics.
pub(crate) fn all(bootstrap: &str) -> Vec<Found> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(read(bootstrap))
}

async fn read(bootstrap: &str) -> Vec<Found> {
    let client = Client::connect(ClientConfig::new(bootstrap)).await.unwrap();
    let consumer = client.consumer(ConsumerConfig::default()).unwrap();
    let partitions: Vec<TopicPartition> = TOPICS
        .iter()
        .flat_map(|(topic, count)| {
            (0..i32::from(*count)).map(|partition| TopicPartition::new(*topic, partition))
        })
        .collect();
    consumer.assign(partitions.iter().map(|at| (&*at.topic, at.partition, Start::Earliest)));
    let ends = consumer.end_offsets(partitions.clone()).await.unwrap();
    let mut found = Vec::new();
    while ends.iter().any(|(at, end)| consumer.position(at).unwrap_or(0) < *end) {
        let batch = consumer.poll().await.unwrap().unwrap();
        for record in &batch {
            let id = record.headers().filter(|(name, _)| *name == ID_HEADER).last();
            let id = id.and_then(|(_, value)| std::str::from_utf8(value?).ok()?.parse().ok());
            found.push(Found {
                topic: record.topic().to_owned(),
                partition: record.partition(),
                offset: record.offset(),
                key: record.key().unwrap_or_default().to_vec(),
                value: record.value().unwrap_or_default().to_vec(),
                id,
            });
        }
    }
    consumer.close().await;
    found
}
