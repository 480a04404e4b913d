//! What happens when the log or the broker is not as it should be.

use crate::stage::{PATIENCE, Stage, p, poll, read};
use klamm::admin::NewTopic;
use klamm::consumer::FetchDataError;
use klamm::{
    AutoOffsetReset, Codec, ConsumeError, ConsumerConfig, ErrorCode, ErrorKind, Start,
    TopicPartition,
};
use klamm_broker::{Action, ApiKey, Rule};
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn an_offset_that_is_not_in_the_log_meets_the_policy() {
    let stage = Stage::new(1, 1).await;
    stage.produce(0, 0..100, Codec::None).await;
    let policies = [
        (AutoOffsetReset::Earliest, Some(0)),
        (AutoOffsetReset::ByDuration(Duration::from_secs(1)), None),
        (AutoOffsetReset::None, None),
    ];
    for (policy, first) in policies {
        let consumer = stage.consumer(ConsumerConfig::default().auto_offset_reset(policy));
        consumer.assign([("t", 0, Start::Offset(1_000))]);
        match (first, policy) {
            (Some(first), _) => {
                assert_eq!(poll(&consumer).await.unwrap().first_offset(), first);
            }
            (None, AutoOffsetReset::None) => {
                let error = poll(&consumer).await.unwrap_err();
                let at = matches!(&error, ConsumeError::OffsetOutOfRange { position: 1_000, .. });
                assert!(at && error.partition() == Some(p(0)), "{error:?}");
                assert!(
                    tokio::time::timeout(PATIENCE, consumer.poll()).await.is_err(),
                    "told once"
                );
                consumer.seek(&p(0), 99).unwrap();
                assert_eq!(read(&consumer, 0, 1).await, [99]);
            }
            _ => {
                // Nothing is so young: the end.
                let began = tokio::time::Instant::now();
                while consumer.position(&p(0)) != Some(100) {
                    assert!(began.elapsed() < PATIENCE, "{:?}", consumer.position(&p(0)));
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }
        }
    }
    let consumer =
        stage.consumer(ConsumerConfig::default().auto_offset_reset(AutoOffsetReset::None));
    consumer.assign([("t", 0, Start::Reset)]);
    assert!(matches!(poll(&consumer).await, Err(ConsumeError::NoOffset { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_moves_interrupts_nothing() {
    let stage = Stage::new(2, 2).await;
    let consumer = stage.consumer(ConsumerConfig::default());
    consumer.assign([("t", 0, Start::Earliest), ("t", 1, Start::Earliest)]);
    let mut next = [0, 0];
    for round in 0..6 {
        for partition in 0..2 {
            stage.produce(partition, round * 10..round * 10 + 10, Codec::Lz4).await;
        }
        let to = 1 + i32::try_from(round % 2).unwrap();
        stage.broker.controls().move_leader("t", 0, to).unwrap();
        while next != [round * 10 + 10; 2] {
            let batch = poll(&consumer).await.unwrap();
            let at = usize::try_from(batch.partition()).unwrap();
            assert_eq!(batch.first_offset(), next[at], "round {round}");
            next[at] = batch.next_offset();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_or_broken_broker_costs_time_and_no_record() {
    let stage = Stage::new(1, 1).await;
    stage.produce(0, 0..1_000, Codec::Zstd).await;
    let faults = [
        Rule::new(Action::DelayMs(5_000)).api(ApiKey::Fetch).times(1),
        Rule::new(Action::Disconnect).api(ApiKey::Fetch).times(2),
        Rule::new(Action::Disconnect).api(ApiKey::ListOffsets).times(1),
    ];
    for rule in faults {
        stage.broker.controls().add_fault(rule).unwrap();
    }
    let small = ConsumerConfig::default().max_partition_fetch_bytes(200);
    let consumer = stage.consumer(small);
    consumer.assign([("t", 0, Start::Earliest)]);
    assert_eq!(read(&consumer, 0, 1_000).await, (0..1_000).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn errors_that_pass_are_not_told() {
    let stage = Stage::new(1, 1).await;
    let consumer = stage.consumer(ConsumerConfig::default());
    consumer.assign([("t", 0, Start::Earliest)]);
    let whole = [
        ErrorCode::FETCH_SESSION_ID_NOT_FOUND,
        ErrorCode::INVALID_FETCH_SESSION_EPOCH,
        ErrorCode::FETCH_SESSION_TOPIC_ID_ERROR,
        ErrorCode::UNKNOWN_SERVER_ERROR,
    ];
    let of_partition = [
        ErrorCode::NOT_LEADER_OR_FOLLOWER,
        ErrorCode::FENCED_LEADER_EPOCH,
        ErrorCode::UNKNOWN_LEADER_EPOCH,
        ErrorCode::KAFKA_STORAGE_ERROR,
        ErrorCode::UNKNOWN_TOPIC_ID,
        ErrorCode::OFFSET_NOT_AVAILABLE,
    ];
    let rules = whole
        .map(|code| Rule::new(Action::Error(code)))
        .into_iter()
        .chain(of_partition.map(|code| Rule::new(Action::Error(code)).topic("t").partition(0)));
    let mut next = 0;
    for rule in rules {
        let id =
            stage.broker.controls().add_fault(rule.clone().api(ApiKey::Fetch).times(3)).unwrap();
        stage.produce(0, next..next + 50, Codec::None).await;
        assert_eq!(read(&consumer, 0, 50).await, (next..next + 50).collect::<Vec<_>>(), "{rule:?}");
        next += 50;
        stage.broker.controls().remove_fault(id);
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_told_once_and_stops_no_other_partition() {
    let stage = Stage::new(1, 2).await;
    for partition in 0..2 {
        stage.produce(partition, 0..50, Codec::None).await;
    }
    let denied = Rule::new(Action::Error(ErrorCode::TOPIC_AUTHORIZATION_FAILED));
    let denied = denied.api(ApiKey::Fetch).topic("t").partition(0).times(20);
    stage.broker.controls().add_fault(denied).unwrap();
    let consumer = stage.consumer(ConsumerConfig::default());
    consumer.assign([("t", 0, Start::Earliest), ("t", 1, Start::Earliest)]);
    let (mut errors, mut next) = (Vec::new(), [0, 0]);
    while next != [50, 50] {
        match poll(&consumer).await {
            Ok(batch) => {
                let at = usize::try_from(batch.partition()).unwrap();
                assert_eq!(batch.first_offset(), next[at]);
                next[at] = batch.next_offset();
            }
            Err(error) => errors.push(error),
        }
    }
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert_eq!((errors[0].kind(), errors[0].partition()), (ErrorKind::Unauthorized, Some(p(0))));
}

#[tokio::test(start_paused = true)]
async fn corrupt_data_stops_its_partition_and_says_how_to_go_on() {
    let stage = Stage::new(1, 2).await;
    for partition in 0..2 {
        stage.produce(partition, 0..50, Codec::Lz4).await;
    }
    let corrupt = Rule::new(Action::Corrupt).api(ApiKey::Fetch).topic("t").partition(0).times(1);
    stage.broker.controls().add_fault(corrupt).unwrap();
    let consumer = stage.consumer(ConsumerConfig::default());
    consumer.assign([("t", 0, Start::Earliest), ("t", 1, Start::Earliest)]);
    let (mut next, mut found) = ([0, 0], None);
    while next[1] != 50 || found.is_none() {
        match poll(&consumer).await {
            Ok(batch) => {
                let at = usize::try_from(batch.partition()).unwrap();
                assert_eq!(batch.first_offset(), next[at]);
                next[at] = batch.next_offset();
            }
            Err(ConsumeError::Data(FetchDataError::Corrupt { at, .. })) => {
                assert!(found.is_none(), "told once");
                found = Some(at);
            }
            Err(other) => panic!("{other}"),
        }
    }
    let at = found.unwrap();
    assert_eq!((at.partition, at.first_offset), (0, next[0]), "nothing before it is left out");
    assert_eq!(consumer.position(&p(0)), Some(at.first_offset));
    assert!(tokio::time::timeout(PATIENCE, consumer.poll()).await.is_err(), "it stopped");
    consumer.skip_to(&p(0), at.next_offset).unwrap();
    let rest = usize::try_from(50 - at.next_offset).unwrap();
    assert_eq!(read(&consumer, 0, rest).await, (at.next_offset..50).collect::<Vec<_>>());
    // It was corrupt on its way only.
    consumer.seek(&p(0), at.first_offset).unwrap();
    assert_eq!(read(&consumer, 0, rest + 1).await[0], at.first_offset);
}

#[tokio::test(start_paused = true)]
async fn an_answer_to_what_was_asked_before_a_seek_is_not_handed_out() {
    for codec in [Codec::None, Codec::Zstd] {
        let stage = Stage::new(1, 1).await;
        stage.produce(0, 0..1_000, codec).await;
        let late = Rule::new(Action::DelayMs(3_000)).api(ApiKey::Fetch).times(1);
        stage.broker.controls().add_fault(late).unwrap();
        let consumer = stage.consumer(ConsumerConfig::default());
        consumer.assign([("t", 0, Start::Earliest)]);
        assert!(tokio::time::timeout(Duration::from_secs(1), consumer.poll()).await.is_err());
        assert!(!stage.broker.controls().requests(|entry| entry.api == ApiKey::Fetch).is_empty());
        consumer.seek(&p(0), 990).unwrap();
        assert_eq!(read(&consumer, 0, 10).await, (990..1_000).collect::<Vec<_>>());
    }
}

#[tokio::test(start_paused = true)]
async fn a_partition_that_does_not_exist_is_told_once_and_read_when_it_does() {
    let stage = Stage::new(1, 1).await;
    stage.produce(0, 0..10, Codec::None).await;
    let consumer = stage.consumer(ConsumerConfig::default());
    let later = TopicPartition::new("later", 0);
    consumer.assign([
        ("t", 0, Start::Earliest),
        ("t", 7, Start::Earliest),
        ("later", 0, Start::Earliest),
    ]);
    let (mut unknown, mut read) = (Vec::new(), 0);
    while unknown.len() < 2 || read < 10 {
        match poll(&consumer).await {
            Ok(batch) => read += batch.len(),
            Err(ConsumeError::UnknownPartition { partition }) => unknown.push(partition),
            Err(other) => panic!("{other}"),
        }
    }
    unknown.sort();
    assert_eq!(unknown, [later.clone(), p(7)]);
    let topic = NewTopic::new("later").partitions(1);
    stage.client.admin().create_topics(vec![topic], false).await.unwrap();
    let began = tokio::time::Instant::now();
    while consumer.position(&later).is_none() {
        assert!(began.elapsed() < PATIENCE);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_position_is_validated_under_a_new_leader_epoch() {
    let stage = Stage::new(1, 1).await;
    let consumer = stage.consumer(ConsumerConfig::default());
    consumer.assign([("t", 0, Start::Earliest)]);
    let asked = || {
        let requests = stage.broker.controls().requests(|e| e.api == ApiKey::OffsetForLeaderEpoch);
        requests.len()
    };
    let broken = Rule::new(Action::Disconnect).api(ApiKey::OffsetForLeaderEpoch).times(1);
    for (round, broken) in [(0, None), (1, Some(broken)), (2, None)] {
        stage.produce(0, round * 10..round * 10 + 10, Codec::None).await;
        assert_eq!(read(&consumer, 0, 10).await[0], round * 10);
        let (before, tries) = (asked(), 1 + usize::from(broken.is_some()));
        broken.map(|rule| stage.broker.controls().add_fault(rule).unwrap());
        stage.broker.controls().bump_leader_epoch("t", 0).unwrap();
        let nothing = tokio::time::timeout(Duration::from_secs(5), consumer.poll()).await;
        assert!(nothing.is_err(), "there is nothing to read");
        assert_eq!(asked() - before, tries, "round {round}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_log_whose_start_has_passed_the_position_meets_the_policy() {
    let stage = Stage::new(1, 1).await;
    let kept = NewTopic::new("short").partitions(1).config("retention.ms", "60000");
    let kept = kept.config("segment.ms", "1000");
    stage.client.admin().create_topics(vec![kept], false).await.unwrap();
    let tp = TopicPartition::new("short", 0);
    let producer = stage.client.producer(klamm::ProducerConfig::default()).unwrap();
    let record = || klamm::Record::to("short").partition(0).value("v");
    for _ in 0..10 {
        producer.send(record()).await.unwrap();
    }
    let consumer =
        stage.consumer(ConsumerConfig::default().auto_offset_reset(AutoOffsetReset::Earliest));
    consumer.assign([("short", 0, Start::Offset(3))]);
    assert_eq!(poll(&consumer).await.unwrap().first_offset(), 3);
    consumer.pause([&tp]).unwrap();
    consumer.seek(&tp, 5).unwrap();
    // The broker looks for old segments by itself too once its clock jumps, at a moment of its own:
    // what is written from here on has to be new by that clock.
    stage.broker.controls().advance_clock(Duration::from_secs(3_600));
    let fresh = || record().timestamp_ms(stage.broker.controls().now_ms());
    producer.send(fresh()).await.unwrap();
    stage.broker.controls().retain();
    let first = consumer.beginning_offsets([tp.clone()]).await.unwrap()[&tp];
    assert_eq!(first, 10);
    producer.send(fresh()).await.unwrap();
    stage.broker.controls().retain();
    consumer.resume([&tp]).unwrap();
    assert_eq!(poll(&consumer).await.unwrap().first_offset(), first);
}
