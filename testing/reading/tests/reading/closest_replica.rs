//! A leader that names a follower to read from (KIP-392), and what follows when that one is no use.

use crate::stage::{PATIENCE, Stage, read};
use klamm::{AutoOffsetReset, Consumer, ConsumerConfig, ErrorCode, Start};
use klamm_broker::Broker;
use klamm_protocol::message::{FetchRequest, FetchResponse};
use klamm_protocol::primitives::Records;
use std::time::Duration;

const LEADER: i32 = 1;
const FOLLOWER: i32 = 2;
/// `metadata.max.age.ms`: for so long the leader's word holds.
const LEASE: Duration = Duration::from_secs(300);

/// Three nodes; node 1 sends readers of any rack on to node 2, which serves what node 1 has.
async fn stage() -> Stage {
    let stage = Stage::with(Broker::builder().nodes(3).topic("t", 1)).await;
    stage.broker.controls().move_leader("t", 0, LEADER).unwrap();
    stage.wire.edits().route.extend([(FOLLOWER, LEADER), (3, LEADER)]);
    stage.wire.edits().fetch = Some(Box::new(name_the_follower));
    stage
}

fn name_the_follower(node: i32, request: &FetchRequest, answer: &mut FetchResponse) {
    if node != LEADER || request.rack_id.is_empty() {
        return;
    }
    for data in answer.responses.iter_mut().flat_map(|topic| &mut topic.partitions) {
        data.records = Some(Records::default());
        data.preferred_read_replica = FOLLOWER;
    }
}

fn consumer(stage: &Stage) -> Consumer {
    let config = ConsumerConfig::default().auto_offset_reset(AutoOffsetReset::None);
    let consumer = stage.consumer(config.client_rack("b"));
    consumer.assign([("t", 0, Start::Earliest)]);
    consumer
}

fn nodes(stage: &Stage) -> Vec<i32> {
    stage.wire.take_fetches().iter().map(|(node, _)| *node).collect()
}

/// Writes ten more and reads them.
async fn go_on(stage: &Stage, consumer: &Consumer, next: &mut i64) {
    stage.produce(0, *next..*next + 10).await;
    assert_eq!(read(consumer, 10).await, (*next..*next + 10).collect::<Vec<_>>());
    *next += 10;
}

#[tokio::test(start_paused = true)]
async fn the_follower_is_read_from_until_the_lease_ends() {
    let stage = stage().await;
    let (mut next, consumer) = (0, consumer(&stage));
    go_on(&stage, &consumer, &mut next).await;
    nodes(&stage);
    for _ in 0..5 {
        go_on(&stage, &consumer, &mut next).await;
    }
    let asked = nodes(&stage);
    assert!(asked.iter().all(|node| *node == FOLLOWER), "{asked:?}");
    tokio::time::sleep(LEASE + Duration::from_secs(2)).await;
    let asked = nodes(&stage);
    let leader = asked.iter().filter(|node| **node == LEADER).count();
    assert_eq!(leader, 1, "the leader is asked again, and sends on again");
    go_on(&stage, &consumer, &mut next).await;
    assert!(nodes(&stage).iter().all(|node| *node == FOLLOWER));
}

#[tokio::test(start_paused = true)]
async fn a_follower_that_is_gone_is_left_for_the_leader() {
    let stage = stage().await;
    let (mut next, consumer) = (0, consumer(&stage));
    go_on(&stage, &consumer, &mut next).await;
    stage.broker.controls().set_node_up(FOLLOWER, false).await.unwrap();
    for _ in 0..5 {
        go_on(&stage, &consumer, &mut next).await;
    }
    nodes(&stage);
    tokio::time::sleep(Duration::from_secs(10)).await;
    let asked = nodes(&stage);
    assert!(asked.iter().all(|node| *node == LEADER), "{asked:?}");
    assert!(asked.len() <= 22, "{} requests in ten seconds of waiting", asked.len());
    go_on(&stage, &consumer, &mut next).await;
    stage.broker.controls().set_node_up(FOLLOWER, true).await.unwrap();
    tokio::time::sleep(2 * LEASE).await;
    nodes(&stage);
    go_on(&stage, &consumer, &mut next).await;
    assert!(nodes(&stage).contains(&FOLLOWER), "it is back");
}

#[tokio::test(start_paused = true)]
async fn what_a_follower_cannot_serve_the_leader_does() {
    let errors = [
        ErrorCode::OFFSET_OUT_OF_RANGE,
        ErrorCode::NOT_LEADER_OR_FOLLOWER,
        ErrorCode::OFFSET_NOT_AVAILABLE,
        ErrorCode::REPLICA_NOT_AVAILABLE,
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        ErrorCode::KAFKA_STORAGE_ERROR,
        ErrorCode::UNKNOWN_LEADER_EPOCH,
    ];
    for error in errors {
        let stage = stage().await;
        stage.wire.edits().fetch = Some(Box::new(move |node, request, answer| {
            name_the_follower(node, request, answer);
            let followers = answer.responses.iter_mut().filter(|_| node == FOLLOWER);
            for data in followers.flat_map(|topic| &mut topic.partitions) {
                data.records = Some(Records::default());
                data.error_code = error.0;
            }
        }));
        let (mut next, consumer) = (0, consumer(&stage));
        let began = tokio::time::Instant::now();
        for _ in 0..5 {
            go_on(&stage, &consumer, &mut next).await;
        }
        assert!(began.elapsed() < PATIENCE, "{error}: {:?}", began.elapsed());
        let asked = nodes(&stage);
        assert!(asked.len() < 60, "{error}: {} requests", asked.len());
    }
}
