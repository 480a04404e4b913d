//! Leaders that move, topics that vanish, come back, are made anew or do not exist.

use crate::mock::{Cluster, Reaction, bounded, until};
use klamm::{Delivery, EnqueueError, ErrorCode, ErrorKind, Producer, Record, SendError};
use klamm_protocol::api_key::ApiKey;
use std::time::Duration;

const ONE_EACH: (&str, &str) = ("linger.ms", "0");
/// No refresh by age, so that what is learned is learned from answers.
const OLD_METADATA: (&str, &str) = ("metadata.max.age.ms", "300000");

async fn send(producer: &Producer, value: &str) -> klamm::Delivered {
    bounded(producer.send(Record::to("t").partition(0).value(value))).await.unwrap()
}

async fn enqueue(producer: &Producer, value: &str) -> Delivery {
    bounded(producer.enqueue(Record::to("t").partition(0).value(value))).await.unwrap()
}

#[tokio::test]
async fn hinted_leader_is_used_without_asking_for_metadata() {
    let cluster = Cluster::start(2, 1).await;
    let (_client, producer) = cluster.producer(&[OLD_METADATA, ("retry.backoff.ms", "0")]).await;
    send(&producer, "a").await;
    // What metadata says is older than the hint, and stays so.
    cluster.freeze_metadata();
    cluster.move_leader(0, 2);
    let delivered = send(&producer, "b").await;
    assert_eq!(delivered.offset(), Some(1));
    let nodes: Vec<i32> = cluster.seen().iter().map(|s| s.node).collect();
    assert_eq!(nodes, [1, 1, 2]);
    send(&producer, "c").await;
    assert_eq!(cluster.seen().last().unwrap().node, 2);
    assert_eq!(cluster.values(0), ["a", "b", "c"]);
}

#[tokio::test]
async fn moved_leader_is_found_without_a_hint() {
    let cluster = Cluster::start(2, 1).await;
    cluster.set_hints(false);
    let (_client, producer) = cluster.producer(&[OLD_METADATA]).await;
    send(&producer, "a").await;
    cluster.move_leader(0, 2);
    assert_eq!(send(&producer, "b").await.offset(), Some(1));
    assert_eq!(cluster.values(0), ["a", "b"]);
}

#[tokio::test]
async fn new_leader_gets_nothing_before_the_old_one_has_answered() {
    let cluster = Cluster::start(2, 1).await;
    let (_client, producer) = cluster.producer(&[ONE_EACH, ("metadata.max.age.ms", "100")]).await;
    send(&producer, "first").await;
    cluster.script([Reaction::ok().held()]);
    let held = enqueue(&producer, "held").await;
    until("the batch arrives", || cluster.seen_count() == 2).await;
    cluster.move_leader(0, 2);
    let asked = cluster.raw(ApiKey::Metadata).len();
    until("the move is known", || cluster.raw(ApiKey::Metadata).len() > asked + 1).await;
    let later = enqueue(&producer, "later").await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(cluster.seen_count(), 2, "sent while the old leader owes an answer");
    cluster.release();
    bounded(held).await.unwrap();
    bounded(later).await.unwrap();
    assert_eq!(cluster.values(0), ["first", "held", "later"]);
    assert_eq!(cluster.seen().last().unwrap().node, 2);
}

#[tokio::test]
async fn leader_that_moves_all_the_time_neither_loses_nor_reorders() {
    let cluster = Cluster::start(3, 1).await;
    let (_client, producer) = cluster.producer(&[("linger.ms", "1")]).await;
    let mut deliveries = Vec::new();
    for n in 0..600 {
        if n % 20 == 10 {
            cluster.move_leader(0, n / 20 % 3 + 1);
        }
        deliveries.push(enqueue(&producer, &n.to_string()).await);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    for (n, delivery) in deliveries.into_iter().enumerate() {
        assert_eq!(bounded(delivery).await.unwrap().offset(), Some(n as i64));
    }
    let expected: Vec<String> = (0..600).map(|n| n.to_string()).collect();
    assert_eq!(cluster.values(0), expected);
}

#[tokio::test]
async fn recreated_topic_begins_at_sequence_zero_of_a_new_epoch() {
    let cluster = Cluster::start(1, 1).await;
    let (_client, producer) = cluster.producer(&[("linger.ms", "0")]).await;
    for value in ["a", "b", "c"] {
        send(&producer, value).await;
    }
    cluster.create("t", 1);
    assert_eq!(send(&producer, "d").await.offset(), Some(0));
    assert_eq!(cluster.values(0), ["d"]);
    let header = cluster.headers(0)[0];
    assert_eq!((header.producer_epoch, header.base_sequence), (1, 0));
}

#[tokio::test]
async fn topic_recreated_with_a_full_pipeline_keeps_the_order() {
    let cluster = Cluster::start(1, 1).await;
    let (_client, producer) = cluster.producer(&[ONE_EACH]).await;
    send(&producer, "first").await;
    cluster.script([Reaction::ok().held()]);
    let mut deliveries = Vec::new();
    for (n, value) in ["a", "b", "c"].into_iter().enumerate() {
        deliveries.push(enqueue(&producer, value).await);
        until("the batch arrives", || cluster.seen_count() == n + 2).await;
    }
    cluster.create("t", 1);
    cluster.release();
    for delivery in deliveries {
        bounded(delivery).await.unwrap();
    }
    assert_eq!(cluster.values(0), ["a", "b", "c"]);
}

#[tokio::test]
async fn topic_that_vanishes_for_a_while_loses_nothing() {
    let cluster = Cluster::start(1, 1).await;
    let (_client, producer) = cluster.producer(&[ONE_EACH, ("metadata.max.age.ms", "100")]).await;
    send(&producer, "a").await;
    cluster.set_visible(false);
    let asked = cluster.raw(ApiKey::Metadata).len();
    until("its absence is known", || cluster.raw(ApiKey::Metadata).len() > asked + 2).await;
    cluster.script(vec![Reaction::error(ErrorCode::UNKNOWN_TOPIC_ID); 2]);
    let meanwhile = enqueue(&producer, "b").await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    cluster.set_visible(true);
    assert_eq!(bounded(meanwhile).await.unwrap().offset(), Some(1));
    send(&producer, "c").await;
    assert_eq!(cluster.values(0), ["a", "b", "c"]);
    assert_eq!(cluster.headers(0)[2].producer_epoch, 0, "its sequence was kept");
}

#[tokio::test]
async fn unknown_topic_says_how_to_create_it() {
    let cluster = Cluster::start(1, 1).await;
    let (_client, producer) = cluster.producer(&[("max.block.ms", "2000")]).await;
    let error = bounded(producer.send(Record::to("nope").value("x"))).await.unwrap_err();
    assert!(matches!(error, SendError::Enqueue(EnqueueError::Topic(_))), "{error}");
    assert_eq!(error.kind(), ErrorKind::Misuse, "{error}");
    let text = error.to_string();
    assert!(text.contains("nope") && text.contains("create"), "{text}");
}

#[tokio::test]
async fn partition_that_does_not_exist_is_refused_by_name() {
    let cluster = Cluster::start(1, 2).await;
    let (_client, producer) = cluster.producer(&[]).await;
    for partition in [2, -1, i32::MAX, i32::MIN] {
        let record = Record::to("t").partition(partition).value("x");
        let error = bounded(producer.send(record)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Misuse);
        assert!(error.to_string().contains(&format!("no partition {partition}")), "{error}");
    }
}

#[tokio::test]
async fn added_partitions_are_used_while_sending() {
    let cluster = Cluster::start(1, 2).await;
    let (_client, producer) = cluster.producer(&[ONE_EACH, ("metadata.max.age.ms", "100")]).await;
    send(&producer, "a").await;
    cluster.add_partitions(2);
    let mut deliveries = Vec::new();
    for n in 0.. {
        assert!(n < 4000, "the new partitions are never used");
        let record = Record::to("t").key(format!("{n}")).value("x");
        deliveries.push(bounded(producer.enqueue(record)).await.unwrap());
        if cluster.seen().iter().any(|s| s.batches.iter().any(|b| b.partition == 3)) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let sent = deliveries.len() + 1;
    for delivery in deliveries {
        bounded(delivery).await.unwrap();
    }
    assert_eq!((0..4).map(|p| cluster.records(p).len()).sum::<usize>(), sent);
}

#[tokio::test]
async fn thousand_partitions_are_served_alike() {
    let cluster = Cluster::start(3, 1000).await;
    for partition in 0..1000 {
        cluster.move_leader(partition, partition as i32 % 3 + 1);
    }
    let (_client, producer) = cluster.producer(&[]).await;
    let mut deliveries = Vec::new();
    for n in 0..5000 {
        let record = Record::to("t").partition(n % 1000).value("x");
        deliveries.push(bounded(producer.enqueue(record)).await.unwrap());
    }
    for (n, delivery) in deliveries.into_iter().enumerate() {
        let delivered = bounded(delivery).await.unwrap();
        assert_eq!(delivered.partition(), n as i32 % 1000);
        assert_eq!(delivered.offset(), Some(n as i64 / 1000));
    }
    // Many partitions share a request, else this would have been thousands.
    assert!(cluster.seen_count() < 1000, "{} requests", cluster.seen_count());
}
