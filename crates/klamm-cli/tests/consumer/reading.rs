//! What comes, and from where.

use crate::stage::{PATIENCE, Stage, p, poll, read};
use klamm::{Codec, ConsumerConfig, Start, TopicPartition};
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn every_codec_is_read_in_order_from_every_start() {
    let stage = Stage::new(1, 1).await;
    let codecs = [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];
    for (i, codec) in (0i64..).zip(codecs) {
        stage.produce(0, i * 100..i * 100 + 100, codec).await;
    }
    let consumer = stage.consumer(ConsumerConfig::default());
    let starts = [
        (Start::Earliest, 0),
        (Start::Offset(137), 137),
        (Start::Timestamp(1_000 + 251), 260),
        (Start::Timestamp(1_000 + 250), 250),
    ];
    for (start, first) in starts {
        consumer.assign([("t", 0, start)]);
        let values = read(&consumer, 0, usize::try_from(500 - first).unwrap()).await;
        assert_eq!(values, (first..500).collect::<Vec<_>>(), "{start:?}");
        assert_eq!((consumer.position(&p(0)), consumer.lag(&p(0))), (Some(500), Some(0)));
    }
    consumer.assign([("t", 0, Start::Latest)]);
    let next = async {
        // The end is looked up first, or the record would be before it.
        while consumer.position(&p(0)).is_none() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        stage.produce(0, 500..501, Codec::None).await;
    };
    let (values, ()) = tokio::join!(read(&consumer, 0, 1), next);
    assert_eq!(values, [500]);
    let began = tokio::time::Instant::now();
    consumer.close().await;
    consumer.close().await;
    assert!(began.elapsed() < Duration::from_millis(100), "{:?}", began.elapsed());
    assert!(consumer.poll().await.unwrap().is_none());
    assert!(consumer.recv().await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_seek_is_heeded_at_once_and_concerns_its_partition_only() {
    let stage = Stage::new(1, 2).await;
    stage.produce(0, 0..100, Codec::None).await;
    stage.produce(1, 0..100, Codec::Lz4).await;
    let consumer = stage.consumer(ConsumerConfig::default().max_poll_records(7));
    consumer.assign([("t", 0, Start::Earliest), ("t", 1, Start::Earliest)]);
    let mut next = [0, 0];
    for round in 0..3 {
        while next != [100, 100] {
            let batch = poll(&consumer).await.unwrap();
            let at = usize::try_from(batch.partition()).unwrap();
            assert_eq!(batch.first_offset(), next[at], "round {round}: {batch:?}");
            assert!(batch.len() <= 7);
            next[at] = batch.next_offset();
        }
        consumer.seek(&p(1), 40 + round).unwrap();
        assert_eq!(consumer.position(&p(1)), Some(40 + round));
        next[1] = 40 + round;
    }
    assert_eq!(consumer.position(&p(0)), Some(100));
    consumer.seek_to_beginning(&p(0)).unwrap();
    consumer.seek_to_end(&p(1)).unwrap();
    assert_eq!(read(&consumer, 0, 100).await, (0..100).collect::<Vec<_>>());
    consumer.seek_to_time(&p(0), 1_055).unwrap();
    assert_eq!(read(&consumer, 0, 40).await, (60..100).collect::<Vec<_>>());
    assert!(consumer.seek(&p(2), 0).is_err() && consumer.seek(&p(0), -1).is_err());
    assert!(consumer.skip_to(&p(0), 100).is_err(), "it is there already");
}

#[tokio::test(start_paused = true)]
async fn what_is_at_hand_of_a_paused_partition_is_kept_for_later() {
    let stage = Stage::new(1, 2).await;
    stage.produce(0, 0..100, Codec::None).await;
    stage.produce(1, 0..100, Codec::None).await;
    let consumer = stage.consumer(ConsumerConfig::default().max_poll_records(10));
    consumer.assign([("t", 0, Start::Earliest), ("t", 1, Start::Earliest)]);
    let first = poll(&consumer).await.unwrap().partition();
    let other = 1 - first;
    consumer.pause([&p(first)]).unwrap();
    assert!(consumer.is_paused(&p(first)));
    assert_eq!(read(&consumer, other, 100).await, (0..100).collect::<Vec<_>>());
    stage.produce(other, 100..110, Codec::None).await;
    assert_eq!(read(&consumer, other, 10).await.len(), 10);
    assert_eq!(consumer.position(&p(first)), Some(10));
    consumer.resume([&p(first)]).unwrap();
    assert_eq!(read(&consumer, first, 90).await, (10..100).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn records_one_by_one_and_in_batches_make_one_sequence() {
    let stage = Stage::new(1, 1).await;
    stage.produce(0, 0..100, Codec::Gzip).await;
    let consumer = stage.consumer(ConsumerConfig::default().max_poll_records(30));
    consumer.assign([("t", 0, Start::Earliest)]);
    let recv = async || {
        let record = tokio::time::timeout(PATIENCE, consumer.recv()).await.unwrap();
        record.unwrap().unwrap().offset()
    };
    for offset in 0..5 {
        assert_eq!(recv().await, offset);
        assert_eq!(consumer.position(&p(0)), Some(offset + 1));
        assert_eq!(consumer.lag(&p(0)), Some(99 - offset));
    }
    let rest = poll(&consumer).await.unwrap();
    assert_eq!((rest.first_offset(), rest.len(), rest.iter().count()), (5, 25, 25));
    assert_eq!(recv().await, 30);
    consumer.pause([&p(0)]).unwrap();
    assert!(tokio::time::timeout(PATIENCE, consumer.recv()).await.is_err(), "it is paused");
    assert_eq!(consumer.position(&p(0)), Some(31));
    consumer.resume([&p(0)]).unwrap();
    assert_eq!(recv().await, 31);
    consumer.seek(&p(0), 90).unwrap();
    assert_eq!(recv().await, 90, "what was begun before the seek is gone");
}

#[tokio::test(start_paused = true)]
async fn offsets_are_found_without_reading() {
    let stage = Stage::new(3, 3).await;
    for partition in 0..3 {
        stage.produce(partition, 0..10 * (1 + i64::from(partition)), Codec::None).await;
    }
    let consumer = stage.consumer(ConsumerConfig::default());
    let all = || (0..3).map(p);
    let ends = consumer.end_offsets(all()).await.unwrap();
    assert_eq!(ends.into_values().collect::<Vec<_>>(), [10, 20, 30]);
    let beginnings = consumer.beginning_offsets(all()).await.unwrap();
    assert_eq!(beginnings.into_values().collect::<Vec<_>>(), [0, 0, 0]);
    let times = consumer.offsets_for_times(all().map(|tp| (tp, 1_011))).await.unwrap();
    let times: Vec<_> =
        times.into_values().map(|at| at.map(|at| (at.offset, at.timestamp))).collect();
    assert_eq!(times, [None, None, Some((20, 1_020))]);
    let unknown = consumer.end_offsets([TopicPartition::new("nowhere", 0)]).await;
    assert!(unknown.unwrap_err().to_string().contains("nowhere"));
    assert!(consumer.end_offsets([p(9)]).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_small_budget_is_enough_and_is_given_back() {
    let stage = Stage::new(1, 4).await;
    for partition in 0..4 {
        stage.produce(partition, 0..2_000, Codec::Zstd).await;
    }
    let consumer = stage.consumer(ConsumerConfig::default().fetch_buffer_memory(64 * 1024));
    consumer.assign((0..4).map(|partition| ("t", partition, Start::Earliest)));
    let (mut next, mut held) = ([0; 4], std::collections::VecDeque::new());
    while next != [2_000; 4] {
        let batch = poll(&consumer).await.unwrap();
        let at = usize::try_from(batch.partition()).unwrap();
        assert_eq!(batch.first_offset(), next[at]);
        next[at] = batch.next_offset();
        // A slow application: some batches are always in its hands.
        held.push_back(batch);
        if held.len() > 3 {
            held.pop_front();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn polls_that_are_dropped_lose_nothing() {
    let stage = Stage::new(1, 1).await;
    let consumer = stage.consumer(ConsumerConfig::default().max_poll_records(10));
    consumer.assign([("t", 0, Start::Earliest)]);
    let (mut next, mut dropped) = (0, 0);
    for round in 0..20 {
        // Nothing is there yet: it waits, and is dropped.
        let waiting =
            tokio::time::timeout(Duration::from_millis(37 * round), consumer.poll()).await;
        dropped += usize::from(waiting.is_err());
        let from = i64::try_from(round).unwrap() * 30;
        stage.produce(0, from..from + 30, Codec::Zstd).await;
        while next < from + 30 {
            let Ok(batch) = tokio::time::timeout(Duration::from_millis(3), consumer.poll()).await
            else {
                dropped += 1;
                continue;
            };
            let batch = batch.unwrap().unwrap();
            assert_eq!(batch.first_offset(), next);
            next = batch.next_offset();
        }
    }
    assert!(dropped >= 20, "{dropped}");
}

#[tokio::test(start_paused = true)]
async fn consumers_of_one_client_do_not_wait_for_each_other() {
    let stage = Stage::new(1, 2).await;
    stage.produce(1, 0..100, Codec::None).await;
    let long = ConsumerConfig::default().fetch_max_wait(Duration::from_secs(30));
    let idle = stage.consumer(long);
    idle.assign([("t", 0, Start::Earliest)]);
    assert!(tokio::time::timeout(Duration::from_secs(5), idle.poll()).await.is_err());
    let began = tokio::time::Instant::now();
    let consumer = stage.consumer(ConsumerConfig::default());
    consumer.assign([("t", 1, Start::Earliest)]);
    assert_eq!(read(&consumer, 1, 100).await.len(), 100);
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    stage.client.clone().close().await;
    assert!(consumer.poll().await.unwrap().is_none() && idle.poll().await.unwrap().is_none());
}
