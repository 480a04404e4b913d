//! Members of groups: who reads what, from where, and what is committed.

use crate::stage::{PATIENCE, Stage, p, poll};
use klamm::consumer::NotCommitted;
use klamm::{
    AutoOffsetReset, Codec, CommitError, Consumer, ConsumerConfig, ErrorKind, GroupProtocol,
    OffsetAndMetadata, Start, TopicPartition,
};
use klamm_broker::ApiKey;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

const PROTOCOLS: [GroupProtocol; 2] = [GroupProtocol::Classic, GroupProtocol::Consumer];

fn member(protocol: GroupProtocol) -> ConsumerConfig {
    ConsumerConfig::group("g")
        .subscribe(["t"])
        .group_protocol(protocol)
        .auto_offset_reset(AutoOffsetReset::Earliest)
}

/// Waits until each of these reads something, and all of `partitions` are read by exactly one.
async fn settled(consumers: &[&Consumer], partitions: i32) {
    let began = tokio::time::Instant::now();
    loop {
        let owned: Vec<Vec<TopicPartition>> = consumers.iter().map(|c| c.assignment()).collect();
        let all: BTreeSet<&TopicPartition> = owned.iter().flatten().collect();
        let fair = owned.iter().all(|of| !of.is_empty());
        let count = usize::try_from(partitions).unwrap();
        if fair && all.len() == count && owned.iter().flatten().count() == count {
            return;
        }
        assert!(began.elapsed() < 3 * PATIENCE, "{owned:?}");
        for consumer in consumers {
            // They have to poll to let go.
            let _ = tokio::time::timeout(Duration::from_millis(50), consumer.poll()).await;
        }
    }
}

async fn committed(stage: &Stage, partition: i32) -> Option<i64> {
    let looking = stage.consumer(ConsumerConfig::group("g"));
    let found = looking.committed([p(partition)]).await.unwrap();
    found[&p(partition)].as_ref().map(|at| at.offset)
}

#[tokio::test(start_paused = true)]
async fn a_member_reads_commits_by_itself_and_leaves() {
    for protocol in PROTOCOLS {
        let stage = Stage::new(1, 2).await;
        for partition in 0..2 {
            stage.produce(partition, 0..100, Codec::None).await;
        }
        let consumer = stage.consumer(member(protocol));
        let mut next = BTreeMap::from([(0, 0), (1, 0)]);
        while next.values().any(|next| *next < 100) {
            let batch = poll(&consumer).await.unwrap();
            let next = next.get_mut(&batch.partition()).unwrap();
            assert_eq!(batch.first_offset(), *next, "{protocol:?}");
            *next = batch.next_offset();
        }
        let began = tokio::time::Instant::now();
        consumer.close().await;
        assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
        for partition in 0..2 {
            assert_eq!(committed(&stage, partition).await, Some(100), "{protocol:?}");
        }
        // It has left: whoever comes next has not to wait for its session to end.
        stage.produce(0, 100..110, Codec::None).await;
        let began = tokio::time::Instant::now();
        let second = stage.consumer(member(protocol));
        assert_eq!(poll(&second).await.unwrap().first_offset(), 100, "{protocol:?}");
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn members_share_the_partitions_and_take_over_from_each_other() {
    for protocol in PROTOCOLS {
        let stage = Stage::new(1, 6).await;
        for partition in 0..6 {
            stage.produce(partition, 0..10, Codec::None).await;
        }
        let first = stage.consumer(member(protocol));
        let mut seen = BTreeMap::new();
        while seen.len() < 6 {
            let batch = poll(&first).await.unwrap();
            let before: Option<i64> = seen.insert(batch.partition(), batch.next_offset());
            assert_eq!(before.unwrap_or(0), batch.first_offset());
        }
        settled(&[&first], 6).await;
        let second = stage.consumer(member(protocol));
        settled(&[&first, &second], 6).await;
        for partition in 0..6 {
            stage.produce(partition, 10..20, Codec::None).await;
        }
        let mut left: BTreeSet<i32> = (0..6).collect();
        while !left.is_empty() {
            for consumer in [&first, &second] {
                let polled =
                    tokio::time::timeout(Duration::from_millis(700), consumer.poll()).await;
                let Ok(batch) = polled else { continue };
                let batch = batch.unwrap().unwrap();
                assert_eq!(batch.first_offset(), 10, "{protocol:?}: where the other had stopped");
                assert!(left.remove(&batch.partition()), "twice");
            }
        }
        second.close().await;
        settled(&[&first], 6).await;
    }
}

#[tokio::test(start_paused = true)]
async fn auto_falls_back_to_the_classic_protocol_where_the_broker_has_no_other() {
    let stage = Stage::old(1, 2).await;
    stage.produce(0, 0..10, Codec::None).await;
    let config = member(GroupProtocol::Auto);
    let consumer = stage.consumer(config);
    assert_eq!(poll(&consumer).await.unwrap().first_offset(), 0);
    consumer.close().await;
    let refused = stage.consumer(member(GroupProtocol::Consumer));
    let error = poll(&refused).await.unwrap_err();
    assert!(error.to_string().contains("group.protocol=consumer"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn what_is_in_hand_is_committed_only_when_it_has_been_followed_by_a_poll() {
    for protocol in PROTOCOLS {
        let stage = Stage::new(1, 1).await;
        stage.produce(0, 0..30, Codec::None).await;
        let config = member(protocol).max_poll_records(10).auto_commit_interval(SECOND);
        let consumer = stage.consumer(config);
        poll(&consumer).await.unwrap();
        tokio::time::sleep(5 * SECOND).await;
        assert_eq!(committed(&stage, 0).await, Some(0), "{protocol:?}: the first is in work");
        poll(&consumer).await.unwrap();
        tokio::time::sleep(5 * SECOND).await;
        assert_eq!(committed(&stage, 0).await, Some(10), "{protocol:?}");
        for _ in 0..4 {
            consumer.recv().await.unwrap().unwrap();
        }
        tokio::time::sleep(5 * SECOND).await;
        assert_eq!(committed(&stage, 0).await, Some(23), "{protocol:?}");
        // Dropped without a word, it may have died at work.
        drop(consumer);
        tokio::time::sleep(SECOND).await;
        assert_eq!(committed(&stage, 0).await, Some(23), "{protocol:?}");
    }
}

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn commits_by_hand_say_what_they_came_to() {
    for protocol in PROTOCOLS {
        let stage = Stage::new(1, 2).await;
        stage.produce(0, 0..50, Codec::None).await;
        let config = member(protocol).auto_commit(false).max_poll_records(10);
        let consumer = stage.consumer(config);
        let first = poll(&consumer).await.unwrap();
        let second = poll(&consumer).await.unwrap();
        assert_eq!(committed(&stage, 0).await, None, "{protocol:?}");
        consumer.commit(&first).await.unwrap();
        assert_eq!(committed(&stage, 0).await, Some(10));
        consumer.commit_async(&second).await.unwrap();
        consumer.commit(&first).await.unwrap();
        assert_eq!(committed(&stage, 0).await, Some(20), "it only goes up");
        let noted = OffsetAndMetadata { metadata: "half".to_owned(), ..OffsetAndMetadata::new(25) };
        consumer.commit_offsets([(p(0), noted.clone())]).await.unwrap();
        let found = consumer.committed([p(0), p(1)]).await.unwrap();
        assert_eq!(found, BTreeMap::from([(p(0), Some(noted)), (p(1), None)]));
        poll(&consumer).await.unwrap();
        consumer.commit_all().await.unwrap();
        assert_eq!(committed(&stage, 0).await, Some(30));
        let strange = [(TopicPartition::new("u", 0), OffsetAndMetadata::new(1))];
        let error = consumer.commit_offsets(strange).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Fenced, "{error}");
        consumer.close().await;
        assert_eq!(consumer.commit(&second).await, Err(CommitError::Closed));
    }
}

#[tokio::test(start_paused = true)]
async fn late_commit_after_revoke() {
    for protocol in PROTOCOLS {
        let stage = Stage::new(1, 2).await;
        for partition in 0..2 {
            stage.produce(partition, 0..20, Codec::None).await;
        }
        let config = || member(protocol).auto_commit(false).max_poll_records(10);
        let first = stage.consumer(config());
        let mut batches = BTreeMap::new();
        while batches.len() < 2 {
            let batch = poll(&first).await.unwrap();
            batches.insert(batch.partition(), batch);
        }
        let second = stage.consumer(config());
        settled(&[&first, &second], 2).await;
        let gone = second.assignment()[0].partition;
        let sent = stage.broker.controls().requests(|e| e.api == ApiKey::OffsetCommit).len();
        let error = first.commit(&batches[&gone]).await.unwrap_err();
        let CommitError::NotCommitted(failed) = &error else { panic!("{error}") };
        assert_eq!(failed[&p(gone)], NotCommitted::LeaseGone);
        let after = stage.broker.controls().requests(|e| e.api == ApiKey::OffsetCommit).len();
        assert_eq!(sent, after, "refused here");
        // Eager members give everything up and are assigned it anew.
        let kept = first.commit(&batches[&(1 - gone)]).await;
        assert_eq!(kept.is_ok(), protocol == GroupProtocol::Consumer, "{kept:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn commits_without_a_membership() {
    let stage = Stage::new(1, 2).await;
    stage.produce(0, 0..50, Codec::None).await;
    let config = || {
        let config = ConsumerConfig::group("g").auto_commit(false).max_poll_records(10);
        config.auto_offset_reset(AutoOffsetReset::Earliest)
    };
    let consumer = stage.consumer(config());
    consumer.assign([("t", 0, Start::Committed)]);
    let batch = poll(&consumer).await.unwrap();
    assert_eq!(batch.first_offset(), 0, "nothing is committed");
    consumer.commit(&batch).await.unwrap();
    consumer.close().await;
    let automatic = stage.consumer(config().auto_commit(true));
    automatic.assign([("t", 0, Start::Committed)]);
    assert_eq!(poll(&automatic).await.unwrap().first_offset(), 10);
    automatic.close().await;
    assert_eq!(committed(&stage, 0).await, Some(20));
    let none = stage.consumer(ConsumerConfig::default());
    assert_eq!(none.commit(&batch).await, Err(CommitError::NoGroup));
    assert!(none.committed([p(0)]).await.is_err());
}
