//! Logs from which compaction has taken records out.

use crate::stage::{Stage, comes_to, number, p, poll};
use crate::writer::Writer;
use klamm::{Codec, ConsumerConfig, IsolationLevel, ProducerConfig, Record, Start};
use klamm_broker::Broker;

fn compacted() -> klamm_broker::Builder {
    let settings = [("cleanup.policy".to_owned(), "compact".to_owned())];
    Broker::builder().topic_with("t", 1, settings)
}

#[tokio::test(start_paused = true)]
async fn every_offset_is_a_place_to_start_whether_its_record_is_there_or_not() {
    for codec in [Codec::None, Codec::Zstd] {
        let stage = Stage::with(compacted()).await;
        let producer = stage.client.producer(ProducerConfig::default().compression(codec)).unwrap();
        // Keys stop turning up one after the other, the last of them at 79; the rest is one key's.
        let key = |n: i64| if n < 80 { n % (1 + n / 8) } else { 99 };
        for n in 0..100 {
            let (key, value) = (key(n).to_string(), n.to_string());
            producer.send(Record::to("t").key(&key).value(&value)).await.unwrap();
        }
        assert!(stage.broker.controls().compact().unwrap() > 50);
        let last_of = |n: &i64| !(n + 1..100).any(|later| key(later) == key(*n));
        let left: Vec<i64> = (0..100).filter(last_of).collect();
        let consumer = stage.consumer(ConsumerConfig::default());
        consumer.assign([("t", 0, Start::Earliest)]);
        for from in 0..100 {
            consumer.seek(&p(0), from).unwrap();
            let expected: Vec<i64> = left.iter().copied().filter(|n| *n >= from).collect();
            let mut found = Vec::new();
            while found.len() < expected.len() {
                let batch = poll(&consumer).await.unwrap();
                for record in &batch {
                    assert_eq!(number(record.value().unwrap()), record.offset());
                    found.push(record.offset());
                }
            }
            assert_eq!(found, expected, "from {from}");
            comes_to(&consumer, 0, 100).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_compacted_log_of_transactions_has_the_last_committed_values() {
    let stage = Stage::with(compacted()).await;
    let mut writers = [Writer::new(&stage.wire, "a").await, Writer::new(&stage.wire, "b").await];
    let (mut last, mut end) = (std::collections::BTreeMap::new(), 0);
    for round in 0..40i64 {
        let values: Vec<i64> = (round * 10..round * 10 + 6).collect();
        let (mine, committed) = (usize::try_from(round % 2).unwrap(), round % 3 != 1);
        let first = writers[mine].write(0, &values, Codec::Lz4).await;
        writers[mine].end(committed).await;
        end = first + 7;
        if committed {
            last.extend(values.iter().map(|value| (Writer::key(*value), *value)));
        }
        if round % 10 == 7 {
            stage.broker.controls().compact().unwrap();
        }
    }
    stage.broker.controls().compact().unwrap();
    let config = ConsumerConfig::default().isolation_level(IsolationLevel::ReadCommitted);
    let consumer = stage.consumer(config.max_partition_fetch_bytes(200));
    consumer.assign([("t", 0, Start::Earliest)]);
    let (mut found, mut next) = (std::collections::BTreeMap::new(), 0);
    while consumer.position(&p(0)).is_none_or(|at| at < end) {
        let patience = std::time::Duration::from_secs(1);
        let Ok(polled) = tokio::time::timeout(patience, consumer.poll()).await else { continue };
        for record in &polled.unwrap().unwrap() {
            assert!(record.offset() >= next, "in order");
            next = record.offset() + 1;
            let value = number(record.value().unwrap());
            assert_ne!(value / 10 % 3, 1, "{value} was aborted");
            found.insert(Writer::key(value), value);
        }
    }
    assert_eq!(found, last);
}
