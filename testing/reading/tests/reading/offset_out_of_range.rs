//! Positions whose records were deleted.

use crate::stage::{Stage, is_silent, p, poll, read};
use klamm::{AutoOffsetReset, ConsumeError, ConsumerConfig, ErrorCode, Start};
use klamm_broker::{Action, ApiKey, Rule};
use klamm_protocol::message::DeleteRecordsRequest;
use klamm_protocol::message::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use std::time::Duration;

async fn delete_before(stage: &Stage, offset: i64) {
    let partitions = vec![DeleteRecordsPartition { partition_index: 0, offset }];
    let topics = vec![DeleteRecordsTopic { name: "t".into(), partitions }];
    let request = DeleteRecordsRequest { topics, timeout_ms: 1_000 };
    let answer = stage.wire.ask(&request, 2).await;
    assert_eq!(answer.topics[0].partitions[0].error_code, 0);
}

#[tokio::test(start_paused = true)]
async fn records_deleted_past_the_position_meet_the_policy() {
    for policy in [AutoOffsetReset::None, AutoOffsetReset::Earliest, AutoOffsetReset::Latest] {
        let stage = Stage::new(1).await;
        stage.produce(0, 0..100).await;
        let small = ConsumerConfig::default().max_partition_fetch_bytes(1).max_poll_records(3);
        let consumer = stage.consumer(small.auto_offset_reset(policy));
        consumer.assign([("t", 0, Start::Earliest)]);
        assert_eq!(read(&consumer, 3).await, [0, 1, 2]);
        consumer.pause([&p(0)]).unwrap();
        consumer.seek(&p(0), 3).unwrap();
        delete_before(&stage, 50).await;
        consumer.resume([&p(0)]).unwrap();
        match policy {
            AutoOffsetReset::None => {
                let error = poll(&consumer).await.unwrap_err();
                assert!(matches!(error, ConsumeError::OffsetOutOfRange { position: 3, .. }));
                assert!(is_silent(&consumer).await, "told once");
                consumer.seek_to_beginning(&p(0)).unwrap();
                assert_eq!(read(&consumer, 50).await[0], 50);
            }
            AutoOffsetReset::Earliest => assert_eq!(read(&consumer, 50).await[0], 50),
            _ => {
                assert!(is_silent(&consumer).await);
                stage.produce(0, 100..110).await;
                assert_eq!(read(&consumer, 10).await[0], 100);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_position_that_has_moved_meanwhile_is_none_of_its_business() {
    let stage = Stage::new(1).await;
    stage.produce(0, 0..100).await;
    stage.wire.edits().fetch = Some(Box::new(|_, request, answer| {
        let asked = request.topics.iter().flat_map(|topic| &topic.partitions);
        if asked.into_iter().any(|partition| partition.fetch_offset == 7) {
            for data in answer.responses.iter_mut().flat_map(|topic| &mut topic.partitions) {
                data.error_code = ErrorCode::OFFSET_OUT_OF_RANGE.0;
            }
        }
    }));
    let late = Rule::new(Action::DelayMs(3_000)).api(ApiKey::Fetch).times(1);
    stage.broker.controls().add_fault(late).unwrap();
    let strict = ConsumerConfig::default().auto_offset_reset(AutoOffsetReset::None);
    let consumer = stage.consumer(strict);
    consumer.assign([("t", 0, Start::Offset(7))]);
    assert!(tokio::time::timeout(Duration::from_secs(1), consumer.poll()).await.is_err());
    consumer.seek(&p(0), 60).unwrap();
    assert_eq!(read(&consumer, 40).await, (60..100).collect::<Vec<_>>());
    assert!(is_silent(&consumer).await);
}
