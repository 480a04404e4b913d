//! Fetch sessions that the broker has forgotten, answers that are cut off, and answers about something else
//! (KIP-227).

use crate::stage::{Stage, read};
use klamm::{Consumer, ConsumerConfig, ErrorCode, Start};
use klamm_broker::{Action, ApiKey, Rule};

async fn started(stage: &Stage) -> Consumer {
    let consumer = stage.consumer(ConsumerConfig::default());
    consumer.assign([("t", 0, Start::Earliest), ("t", 1, Start::Earliest)]);
    stage.produce(0, 0..10).await;
    assert_eq!(read(&consumer, 10).await.len(), 10);
    consumer
}

#[tokio::test(start_paused = true)]
async fn a_session_that_was_evicted_begins_again_with_everything() {
    let stage = Stage::new(2).await;
    let consumer = started(&stage).await;
    let mut next = 10;
    let evicted = [
        Some(ErrorCode::FETCH_SESSION_ID_NOT_FOUND),
        Some(ErrorCode::INVALID_FETCH_SESSION_EPOCH),
        None,
    ];
    for code in evicted {
        stage.wire.take_fetches();
        match code {
            Some(code) => {
                let rule = Rule::new(Action::Error(code)).api(ApiKey::Fetch).times(1);
                stage.broker.controls().add_fault(rule).unwrap();
            }
            // Sessions and connections are gone at once.
            None => stage.broker.controls().restart().await.unwrap(),
        }
        stage.produce(0, next..next + 10).await;
        assert_eq!(read(&consumer, 10).await, (next..next + 10).collect::<Vec<_>>(), "{code:?}");
        next += 10;
        let fetches = stage.wire.take_fetches();
        let full = fetches.iter().find(|(_, fetch)| fetch.session_epoch == 0);
        let (_, full) = full.expect("a request that opens a session");
        let named: usize = full.topics.iter().map(|topic| topic.partitions.len()).sum();
        assert!(named >= 1 && full.forgotten_topics_data.is_empty(), "{code:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_cut_off_is_asked_for_again() {
    let stage = Stage::new(2).await;
    let consumer = started(&stage).await;
    let mut next = 10;
    for bytes in [0, 3, 4, 11, 40, 90, 150] {
        let cut = Rule::new(Action::CutAfterBytes(bytes)).api(ApiKey::Fetch).times(2);
        stage.broker.controls().add_fault(cut).unwrap();
        stage.produce(0, next..next + 30).await;
        assert_eq!(read(&consumer, 30).await, (next..next + 30).collect::<Vec<_>>(), "{bytes}");
        next += 30;
    }
}

#[tokio::test(start_paused = true)]
async fn partitions_that_nobody_asked_for_or_that_come_twice_are_dropped() {
    let stage = Stage::new(2).await;
    stage.wire.edits().fetch = Some(Box::new(|_, _, answer| {
        for topic in &mut answer.responses {
            let again = topic.partitions.clone();
            let stray = again.iter().cloned().map(|mut data| {
                data.partition_index += 40;
                data
            });
            topic.partitions.extend(stray);
            topic.partitions.extend(again.iter().cloned());
        }
    }));
    let consumer = started(&stage).await;
    for next in (10..100).step_by(10) {
        stage.produce(0, next..next + 10).await;
        assert_eq!(read(&consumer, 10).await, (next..next + 10).collect::<Vec<_>>());
    }
}
