//! What is moved, resumed or added while a broker holds a request back for want of records.

use crate::stage::{PATIENCE, Stage, p, poll, read};
use klamm::{Codec, Consumer, ConsumerConfig, Start};
use klamm_broker::ApiKey;
use std::time::Duration;
use tokio::time::Instant;

/// Far more than anything here may take.
const LONG_POLL: Duration = Duration::from_secs(600);

/// Both partitions read to their end, and the broker holding back the request for more.
async fn held_back(stage: &Stage) -> Consumer {
    for partition in 0..2 {
        stage.produce(partition, 0..100, Codec::None).await;
    }
    let consumer = stage.consumer(ConsumerConfig::default().fetch_max_wait(LONG_POLL));
    consumer.assign([("t", 0, Start::Earliest), ("t", 1, Start::Earliest)]);
    let mut left = 200;
    while left > 0 {
        left -= poll(&consumer).await.unwrap().len();
    }
    assert!(tokio::time::timeout(PATIENCE, consumer.poll()).await.is_err(), "that was all");
    consumer
}

/// The paused clock moves only when nobody has anything to do.
fn at_once(began: Instant) {
    assert!(began.elapsed() < Duration::from_millis(50), "{:?}", began.elapsed());
}

async fn position_known(consumer: &Consumer, partition: i32) {
    while consumer.position(&p(partition)).is_none() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_seek_back_does_not_wait() {
    let stage = Stage::new(1, 2).await;
    let consumer = held_back(&stage).await;
    let began = Instant::now();
    for round in 0..20 {
        let partition = i32::from(round % 3 == 0);
        let from = 5 * i64::from(round);
        consumer.seek(&p(partition), from).unwrap();
        let count = usize::try_from(100 - from).unwrap();
        assert_eq!(read(&consumer, partition, count).await, (from..100).collect::<Vec<_>>());
    }
    at_once(began);
}

#[tokio::test(start_paused = true)]
async fn a_seek_to_the_end_does_not_wait() {
    let stage = Stage::new(1, 2).await;
    let consumer = held_back(&stage).await;
    let began = Instant::now();
    for (partition, next) in [(0, 100), (1, 100)] {
        consumer.seek_to_end(&p(partition)).unwrap();
        position_known(&consumer, partition).await;
        stage.produce(partition, next..next + 10, Codec::None).await;
        assert_eq!(read(&consumer, partition, 10).await[0], next);
    }
    at_once(began);
}

#[tokio::test(start_paused = true)]
async fn pause_resume_and_a_new_assignment_do_not_wait() {
    let stage = Stage::new(1, 2).await;
    let consumer = held_back(&stage).await;
    let began = Instant::now();
    consumer.pause([&p(0)]).unwrap();
    stage.produce(0, 100..110, Codec::None).await;
    stage.produce(1, 100..110, Codec::None).await;
    assert_eq!(read(&consumer, 1, 10).await[0], 100);
    consumer.resume([&p(0)]).unwrap();
    assert_eq!(read(&consumer, 0, 10).await[0], 100);
    at_once(began);
    assert!(tokio::time::timeout(PATIENCE, consumer.poll()).await.is_err(), "that was all");
    let began = Instant::now();
    consumer.assign([("t", 1, Start::Offset(50))]);
    assert_eq!(read(&consumer, 1, 60).await[0], 50);
    stage.produce(1, 110..120, Codec::None).await;
    assert_eq!(read(&consumer, 1, 10).await[0], 110);
    consumer.close().await;
    at_once(began);
}

/// A partition that was asked for beside the others goes back to them: it costs no request of its own for ever.
#[tokio::test(start_paused = true)]
async fn at_rest_there_is_one_request_for_all() {
    let stage = Stage::new(1, 3).await;
    let consumer = stage.consumer(ConsumerConfig::default());
    consumer.assign((0..3).map(|partition| ("t", partition, Start::Earliest)));
    for partition in 0..3 {
        stage.produce(partition, 0..10, Codec::None).await;
        read(&consumer, partition, 10).await;
    }
    for partition in 0..3 {
        tokio::time::sleep(Duration::from_millis(110)).await;
        consumer.seek(&p(partition), 0).unwrap();
        read(&consumer, partition, 10).await;
    }
    let fetches = || stage.broker.controls().requests(|e| e.api == ApiKey::Fetch).len();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let before = fetches();
    tokio::time::sleep(Duration::from_secs(10)).await;
    let sent = fetches() - before;
    assert!((19..=21).contains(&sent), "{sent} of half a second each");
}
