//! A broker that asks to be left alone for a while (KIP-219).

use crate::stage::{Stage, read};
use klamm::{ConsumerConfig, Start};
use klamm_broker::{Action, ApiKey, Rule};
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn a_broker_is_not_asked_before_its_throttle_time_is_over() {
    let stage = Stage::new(2).await;
    stage.produce(0, 0..10).await;
    let quiet = Rule::new(Action::ThrottleMs(3_000)).api(ApiKey::Fetch).times(1);
    stage.broker.controls().add_fault(quiet).unwrap();
    let consumer = stage.consumer(ConsumerConfig::default());
    consumer.assign([("t", 0, Start::Earliest)]);
    assert_eq!(read(&consumer, 10).await.len(), 10, "what came with it is good");
    let began = tokio::time::Instant::now();
    stage.wire.take_fetches();
    stage.produce(0, 10..20).await;
    stage.produce(1, 0..10).await;
    // Nor over another connection.
    consumer.seek(&crate::stage::p(0), 5).unwrap();
    tokio::time::sleep(Duration::from_millis(2_900)).await;
    assert!(stage.wire.take_fetches().is_empty());
    assert_eq!(read(&consumer, 15).await[0], 5);
    assert!(began.elapsed() < Duration::from_millis(3_200), "{:?}", began.elapsed());
}
