//! Timestamps of a topic that changes from the producer's clock to the broker's.

use crate::stage::{Stage, poll};
use klamm::admin::ConfigChange;
use klamm::consumer::TimestampType;
use klamm::{Codec, ConsumerConfig, ProducerConfig, Record, Start};

#[tokio::test(start_paused = true)]
async fn each_batch_has_the_clock_it_was_written_under() {
    let stage = Stage::new(1).await;
    let consumer = stage.consumer(ConsumerConfig::default());
    consumer.assign([("t", 0, Start::Earliest)]);
    let rounds = [
        ("CreateTime", Codec::None),
        ("LogAppendTime", Codec::Zstd),
        ("LogAppendTime", Codec::None),
        ("CreateTime", Codec::Zstd),
    ];
    for (kind, codec) in rounds {
        let change = ConfigChange::Set(kind.to_owned());
        let changes = vec![("message.timestamp.type".to_owned(), change)];
        stage.client.admin().alter_topic_configs("t", changes).await.unwrap();
        let producer = stage.client.producer(ProducerConfig::default().compression(codec)).unwrap();
        let before = stage.broker.controls().now_ms();
        let records = (0..5).map(|n| Record::to("t").timestamp_ms(1_000 + n).value("v"));
        producer.send_all(records).await.unwrap();
        let (mut count, mut seen) = (0, Vec::new());
        while count < 5 {
            let batch = poll(&consumer).await.unwrap();
            seen.extend(batch.iter().map(|r| (r.timestamp_type(), r.timestamp())));
            count += batch.len();
        }
        if kind == "CreateTime" {
            let own = (1_000..1_005).map(|at| (TimestampType::CreateTime, at));
            assert_eq!(seen, own.collect::<Vec<_>>());
            continue;
        }
        let append = seen[0].1;
        assert!(append >= before && append <= stage.broker.controls().now_ms());
        assert!(seen.iter().all(|seen| *seen == (TimestampType::LogAppendTime, append)));
    }
}
