//! Members of groups: who reads what, from where, and what is committed.

use crate::members::{PROTOCOLS, committed, member, settled};
use crate::stage::{PATIENCE, Stage, p, poll};
use klamm::admin::NewTopic;
use klamm::consumer::NotCommitted;
use klamm::{
    AutoOffsetReset, Codec, CommitError, ConsumerConfig, ErrorKind, GroupProtocol,
    OffsetAndMetadata, Start, TopicPartition,
};
use klamm_broker::ApiKey;
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::task::Poll;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

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
async fn auto_commit_loss_does_not_happen_because_what_is_in_hand_is_not_committed() {
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
        let negative = [(p(0), OffsetAndMetadata::new(-1))];
        let error = consumer.commit_offsets(negative).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Misuse, "{error}");
        consumer.close().await;
        assert_eq!(consumer.commit(&second).await, Err(CommitError::Closed));
    }
}

#[tokio::test(start_paused = true)]
async fn late_ack_commits_after_revoke_are_refused() {
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

#[tokio::test(start_paused = true)]
async fn topics_by_pattern_are_found_also_those_to_come() {
    for protocol in PROTOCOLS {
        let stage = Stage::new(1, 1).await;
        stage.produce(0, 0..10, Codec::None).await;
        let config = ConsumerConfig::group("g").subscribe_pattern("t|later-.*");
        let config = config.group_protocol(protocol).auto_offset_reset(AutoOffsetReset::Earliest);
        let consumer = stage.consumer(config);
        assert_eq!(poll(&consumer).await.unwrap().topic(), "t", "{protocol:?}");
        let topics = ["later-1", "too-later-1"].map(|name| NewTopic::new(name).partitions(1));
        stage.client.admin().create_topics(topics.to_vec(), false).await.unwrap();
        let began = tokio::time::Instant::now();
        let later = TopicPartition::new("later-1", 0);
        while consumer.assignment() != [later.clone(), p(0)] {
            assert!(began.elapsed() < Duration::from_secs(700), "{:?}", consumer.assignment());
            let _ = tokio::time::timeout(SECOND, consumer.poll()).await;
        }
    }
    let stage = Stage::new(1, 1).await;
    let config = ConsumerConfig::group("g").subscribe_pattern("a)(b");
    assert!(stage.client.consumer(config).is_err());
}

#[tokio::test(start_paused = true)]
async fn what_is_subscribed_to_can_change() {
    for protocol in PROTOCOLS {
        let stage = Stage::new(1, 1).await;
        stage.produce(0, 0..40, Codec::None).await;
        let topic = NewTopic::new("u").partitions(2);
        stage.client.admin().create_topics(vec![topic], false).await.unwrap();
        let config = ConsumerConfig::group("g").group_protocol(protocol).max_poll_records(10);
        let consumer = stage.consumer(config.auto_offset_reset(AutoOffsetReset::Earliest));
        let u = |partition| TopicPartition::new("u", partition);
        let is = async |wanted: &[TopicPartition]| {
            let began = tokio::time::Instant::now();
            while consumer.assignment() != wanted {
                assert!(began.elapsed() < PATIENCE, "{protocol:?}: {:?}", consumer.assignment());
                let _ = tokio::time::timeout(SECOND / 10, consumer.poll()).await;
            }
        };
        consumer.subscribe(["t"]).unwrap();
        is(&[p(0)]).await;
        consumer.subscribe(["t", "u"]).unwrap();
        is(&[p(0), u(0), u(1)]).await;
        consumer.subscribe(["u"]).unwrap();
        is(&[u(0), u(1)]).await;
        consumer.assign([("t", 0, Start::Earliest)]);
        assert_eq!(consumer.assignment(), [p(0)]);
        tokio::time::sleep(PATIENCE).await;
        is(&[p(0)]).await;
        let batch = poll(&consumer).await.unwrap();
        assert_eq!(batch.first_offset(), 0);
        consumer.commit(&batch).await.unwrap();
        consumer.subscribe(["u"]).unwrap();
        is(&[u(0), u(1)]).await;
        consumer.unsubscribe();
        tokio::time::sleep(SECOND).await;
        is(&[]).await;
        consumer.subscribe(["t"]).unwrap();
        consumer.unsubscribe();
        consumer.subscribe(["t"]).unwrap();
        is(&[p(0)]).await;
    }
    let stage = Stage::new(1, 1).await;
    assert!(stage.client.consumer(ConsumerConfig::default().subscribe(["t"])).is_err());
    assert!(stage.consumer(ConsumerConfig::default()).subscribe(["t"]).is_err());
}

/// Polls a future so many times, then drops it; its result if it came to one.
async fn dropped_after<T>(polls: usize, future: impl Future<Output = T>) -> Option<T> {
    let mut future = std::pin::pin!(future);
    for _ in 0..polls {
        let ready = std::future::poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await;
        if let Poll::Ready(ready) = ready {
            return Some(ready);
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    None
}

#[tokio::test(start_paused = true)]
async fn futures_dropped_at_every_await_point_lose_nothing() {
    for protocol in PROTOCOLS {
        for polls in 0..6 {
            let stage = Stage::new(1, 1).await;
            stage.produce(0, 0..60, Codec::None).await;
            let config = || member(protocol).auto_commit(false).max_poll_records(10);
            let consumer = stage.consumer(config());
            let mut next = 0;
            while next < 60 {
                let batch = match dropped_after(polls, consumer.poll()).await {
                    Some(batch) => batch.unwrap().unwrap(),
                    None => poll(&consumer).await.unwrap(),
                };
                assert_eq!(batch.first_offset(), next, "{protocol:?}");
                next = batch.next_offset();
                let all = consumer.committed([p(0)]);
                dropped_after(polls, all).await;
                if polls > 0 {
                    dropped_after(polls, consumer.commit(&batch)).await;
                }
            }
            drop(consumer.commit_all_async());
            dropped_after(polls.max(1), consumer.close()).await;
            drop(consumer);
            let began = tokio::time::Instant::now();
            while committed(&stage, 0).await != Some(60) {
                assert!(began.elapsed() < SECOND, "{protocol:?}: a commit was lost");
                tokio::time::sleep(SECOND / 100).await;
            }
            // It has left: the next one waits for no session to end.
            let second = stage.consumer(config());
            settled(&[&second], 1).await;
            assert!(began.elapsed() < 10 * SECOND, "{protocol:?}: {:?}", began.elapsed());
        }
    }
}
