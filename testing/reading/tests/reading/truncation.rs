//! Logs that are cut below what was read, and leaders that only move (KIP-320).

use crate::stage::{Stage, is_silent, p, poll, read};
use klamm::{AutoOffsetReset, ConsumeError, Consumer, ConsumerConfig, Start};
use klamm_broker::{Action, ApiKey, Broker, Builder, Durability, Rule};
use klamm_log::storage::FaultyStorage;
use std::sync::Arc;

fn broker(storage: &FaultyStorage) -> Builder {
    Broker::builder().storage(Arc::new(storage.clone())).durability(Durability::Always)
}

/// Takes another broker's log in place of this one's, as an unclean election does.
async fn elect(stage: &mut Stage, storage: &FaultyStorage) {
    let other = broker(storage).without_sockets().start().await.unwrap();
    stage.wire.lead_to(&other);
    let before = std::mem::replace(&mut stage.broker, other);
    before.stop().await.unwrap();
}

/// A consumer that has read a hundred records, of which the log then has fifty and ten others.
async fn cut(policy: AutoOffsetReset) -> (Stage, Consumer) {
    let storage = FaultyStorage::new();
    let mut stage = Stage::with(broker(&storage).topic("t", 1)).await;
    stage.produce(0, 0..50).await;
    // All of it was synced: nothing is left to chance.
    let fifty = storage.crash(0);
    stage.produce(0, 50..100).await;
    let consumer = stage.consumer(ConsumerConfig::default().auto_offset_reset(policy));
    consumer.assign([("t", 0, Start::Earliest)]);
    assert_eq!(read(&consumer, 100).await, (0..100).collect::<Vec<_>>());
    elect(&mut stage, &fifty).await;
    stage.produce(0, 1_000..1_010).await;
    (stage, consumer)
}

async fn truncated(consumer: &Consumer) {
    match poll(consumer).await {
        Err(ConsumeError::LogTruncated { position: 100, diverging_offset: 50, .. }) => {}
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_log_that_was_cut_is_told_with_the_offset_and_read_on_from_there() {
    let (stage, consumer) = cut(AutoOffsetReset::Earliest).await;
    truncated(&consumer).await;
    assert_eq!(read(&consumer, 10).await, (1_000..1_010).collect::<Vec<_>>());
    stage.produce(0, 1_010..1_020).await;
    assert_eq!(read(&consumer, 10).await[0], 1_010);
}

#[tokio::test(start_paused = true)]
async fn without_a_policy_a_log_that_was_cut_stops_its_partition() {
    let (_stage, consumer) = cut(AutoOffsetReset::None).await;
    truncated(&consumer).await;
    assert!(is_silent(&consumer).await, "it stopped");
    consumer.seek(&p(0), 45).unwrap();
    let expected: Vec<i64> = (45..50).chain(1_000..1_010).collect();
    assert_eq!(read(&consumer, 15).await, expected);
}

/// The log has grown past the position again, so that only the epoch tells.
#[tokio::test(start_paused = true)]
async fn a_log_that_has_grown_over_the_cut_is_no_less_cut() {
    let (stage, consumer) = cut(AutoOffsetReset::Earliest).await;
    stage.produce(0, 1_010..1_100).await;
    truncated(&consumer).await;
    assert_eq!(read(&consumer, 100).await, (1_000..1_100).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn leaders_that_move_twice_in_a_moment_lose_nothing() {
    let stage = Stage::with(Broker::builder().nodes(3).topic("t", 1)).await;
    let strict = ConsumerConfig::default().auto_offset_reset(AutoOffsetReset::None);
    let consumer = stage.consumer(strict);
    consumer.assign([("t", 0, Start::Earliest)]);
    let controls = stage.broker.controls();
    for round in 0..12 {
        let broken = match round % 3 {
            0 => None,
            1 => Some(Rule::new(Action::Disconnect)),
            _ => Some(Rule::new(Action::DelayMs(700))),
        };
        let broken = broken.map(|rule| rule.api(ApiKey::OffsetForLeaderEpoch).times(1));
        broken.map(|rule| controls.add_fault(rule).unwrap());
        for step in 0..2 {
            controls.move_leader("t", 0, 1 + (round + step) % 3).unwrap();
        }
        let from = 10 * i64::from(round);
        stage.produce(0, from..from + 10).await;
        assert_eq!(read(&consumer, 10).await, (from..from + 10).collect::<Vec<_>>());
        controls.clear_faults();
    }
}

/// What was asked under the old leader and comes while the position is being validated.
#[tokio::test(start_paused = true)]
async fn an_answer_in_the_middle_of_a_validation_is_not_handed_out_twice() {
    let stage = Stage::new(1).await;
    let consumer = stage.consumer(ConsumerConfig::default());
    consumer.assign([("t", 0, Start::Earliest)]);
    stage.produce(0, 0..10).await;
    assert_eq!(read(&consumer, 10).await.len(), 10);
    let controls = stage.broker.controls();
    for round in 1..=5 {
        let held = Rule::new(Action::Hold).times(1);
        let fetch = controls.add_fault(held.clone().api(ApiKey::Fetch)).unwrap();
        let from = 10 * round;
        stage.produce(0, from..from + 10).await;
        // The answer to a fetch with the ten records is on hold now; an older one must have ended.
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        let epoch = controls.add_fault(held.api(ApiKey::OffsetForLeaderEpoch)).unwrap();
        controls.bump_leader_epoch("t", 0).unwrap();
        // A producer's request has the client learn of the epoch.
        stage.client.admin().describe_topics(vec!["t".to_owned()]).await.unwrap();
        let (read, ()) = tokio::join!(read(&consumer, 10), async {
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            controls.remove_fault(fetch);
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            controls.remove_fault(epoch);
        });
        assert_eq!(read, (from..from + 10).collect::<Vec<_>>());
        assert!(is_silent(&consumer).await, "nothing twice");
    }
}
