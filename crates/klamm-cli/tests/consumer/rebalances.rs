//! Rebalances: what moves, what is heard of it, and what it must not cost.

use crate::members::{PROTOCOLS, committed, member, owned, settled};
use crate::stage::{PATIENCE, Stage, p, poll};
use klamm::consumer::{ListenerFuture, RebalanceListener};
use klamm::{
    Codec, CommitError, ConsumeError, Consumer, ConsumerConfig, ErrorCode, ErrorKind,
    GroupProtocol, OffsetAndMetadata, TopicPartition,
};
use klamm_broker::{Action, ApiKey, Rule};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

const SECOND: Duration = Duration::from_secs(1);

/// What a listener was told.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Told {
    Assigned(Vec<i32>),
    Revoked(Vec<i32>),
    Lost(Vec<i32>),
}

#[derive(Debug, Default)]
struct Recorder {
    told: Mutex<Vec<Told>>,
    /// Where to begin, in place of what is committed.
    seek: Option<i64>,
    /// How long it takes to let go.
    slow: Duration,
}

fn numbers(partitions: &[TopicPartition]) -> Vec<i32> {
    partitions.iter().map(|tp| tp.partition).collect()
}

impl Recorder {
    fn told(&self) -> Vec<Told> {
        self.told.lock().unwrap().clone()
    }

    fn push(&self, told: Told) {
        self.told.lock().unwrap().push(told);
    }
}

impl RebalanceListener for Recorder {
    fn assigned<'a>(
        &'a self,
        consumer: &'a Consumer,
        partitions: &'a [TopicPartition],
    ) -> ListenerFuture<'a> {
        Box::pin(async move {
            self.push(Told::Assigned(numbers(partitions)));
            if let Some(offset) = self.seek {
                partitions.iter().for_each(|tp| consumer.seek(tp, offset).unwrap());
            }
        })
    }

    fn revoked<'a>(
        &'a self,
        consumer: &'a Consumer,
        partitions: &'a [TopicPartition],
        deadline: Instant,
    ) -> ListenerFuture<'a> {
        Box::pin(async move {
            assert!(deadline > Instant::now());
            sleep(self.slow).await;
            let at = |tp: &TopicPartition| {
                Some((tp.clone(), OffsetAndMetadata::new(consumer.position(tp)?)))
            };
            let offsets: Vec<_> = partitions.iter().filter_map(at).collect();
            consumer.commit_offsets(offsets).await.unwrap();
            self.push(Told::Revoked(numbers(partitions)));
        })
    }

    fn lost<'a>(
        &'a self,
        consumer: &'a Consumer,
        partitions: &'a [TopicPartition],
    ) -> ListenerFuture<'a> {
        Box::pin(async move {
            let offsets = partitions.iter().map(|tp| (tp.clone(), OffsetAndMetadata::new(1)));
            let error = consumer.commit_offsets(offsets).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Fenced, "lost is not revoked: {error}");
            self.push(Told::Lost(numbers(partitions)));
        })
    }
}

#[tokio::test(start_paused = true)]
async fn a_listener_hears_what_comes_and_goes_and_can_commit_and_seek() {
    for protocol in PROTOCOLS {
        let stage = Stage::new(1, 2).await;
        for partition in 0..2 {
            stage.produce(partition, 0..40, Codec::None).await;
        }
        let recorder = Arc::new(Recorder { seek: Some(10), ..Recorder::default() });
        let config = member(protocol).auto_commit(false).max_poll_records(10);
        let first = stage.consumer(config.clone().rebalance_listener(recorder.clone()));
        let batch = poll(&first).await.unwrap();
        assert_eq!(batch.first_offset(), 10, "{protocol:?}: sought");
        assert_eq!(recorder.told(), [Told::Assigned(vec![0, 1])]);
        let second = stage.consumer(config);
        settled(&[&first, &second], 2).await;
        let gone = second.assignment()[0].partition;
        let told = recorder.told();
        match protocol {
            GroupProtocol::Classic => {
                let kept = vec![1 - gone];
                assert_eq!(told[1..], [Told::Revoked(vec![0, 1]), Told::Assigned(kept)]);
            }
            _ => assert_eq!(told[1..], [Told::Revoked(vec![gone])]),
        }
        assert!(committed(&stage, gone).await.unwrap() >= 10, "committed while it went");
        first.close().await;
        assert_eq!(recorder.told().last(), Some(&Told::Revoked(vec![1 - gone])));
    }
}

#[tokio::test(start_paused = true)]
async fn lost_is_not_revoked_and_slow_processing_loses_without_a_commit() {
    for protocol in PROTOCOLS {
        let stage = Stage::new(1, 1).await;
        stage.produce(0, 0..40, Codec::None).await;
        let recorder = Arc::new(Recorder::default());
        let config = member(protocol).max_poll_records(10).session_timeout(6 * SECOND);
        let config = config.heartbeat_interval(2 * SECOND).max_poll_interval(10 * SECOND);
        let consumer = stage.consumer(config.rebalance_listener(recorder.clone()));
        let batch = poll(&consumer).await.unwrap();
        // The handler takes three times as long as it may.
        sleep(30 * SECOND).await;
        assert_eq!(recorder.told(), [Told::Assigned(vec![0]), Told::Lost(vec![0])], "{protocol:?}");
        assert!(consumer.assignment().is_empty());
        let error = consumer.commit(&batch).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Fenced, "{error}");
        // Where it began may have been committed by the clock, but nothing of what was in work.
        assert!(committed(&stage, 0).await.unwrap_or(0) == 0);
        assert_eq!(poll(&consumer).await.unwrap().first_offset(), 0, "it is back");
        assert_eq!(recorder.told().last(), Some(&Told::Assigned(vec![0])));
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_for_records_is_alive() {
    for protocol in PROTOCOLS {
        let stage = Stage::new(1, 1).await;
        let recorder = Arc::new(Recorder::default());
        let config = member(protocol).session_timeout(6 * SECOND).heartbeat_interval(2 * SECOND);
        let config = config.max_poll_interval(10 * SECOND);
        let consumer = stage.consumer(config.rebalance_listener(recorder.clone()));
        assert!(timeout(100 * SECOND, consumer.poll()).await.is_err());
        assert_eq!(recorder.told(), [Told::Assigned(vec![0])], "{protocol:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn duplicate_on_handover_is_spared_by_waiting_for_what_is_in_work() {
    let cases = PROTOCOLS.iter().flat_map(|protocol| [(*protocol, 0), (*protocol, 1)]);
    for (protocol, in_work) in cases {
        let stage = Stage::new(1, 2).await;
        for partition in 0..2 {
            stage.produce(partition, 0..40, Codec::None).await;
        }
        let config = member(protocol).max_poll_records(10);
        let first = stage.consumer(config.clone());
        let mut next = BTreeMap::from([(0, 0), (1, 0)]);
        loop {
            let batch = poll(&first).await.unwrap();
            next.insert(batch.partition(), batch.next_offset());
            if batch.partition() == in_work {
                break;
            }
        }
        let second = stage.consumer(config);
        let began = Instant::now();
        while began.elapsed() < 40 * SECOND {
            if let Ok(batch) = timeout(SECOND, second.poll()).await {
                let batch = batch.unwrap().unwrap();
                assert_ne!(batch.partition(), in_work, "{protocol:?}: it is in work");
                assert_eq!(
                    next.insert(1 - in_work, batch.next_offset()),
                    Some(batch.first_offset())
                );
            }
        }
        assert!(first.assignment().contains(&p(in_work)));
        while next != BTreeMap::from([(0, 40), (1, 40)]) {
            for consumer in [&first, &second] {
                let Ok(batch) = timeout(SECOND, consumer.poll()).await else { continue };
                let batch = batch.unwrap().unwrap();
                let before = next.insert(batch.partition(), batch.next_offset());
                assert_eq!(before, Some(batch.first_offset()), "{protocol:?}: nothing twice");
            }
        }
        settled(&[&first, &second], 2).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_listener_holds_the_handover_until_its_deadline_only() {
    for protocol in PROTOCOLS {
        let stage = Stage::new(1, 2).await;
        let recorder = Arc::new(Recorder { slow: 1_000 * SECOND, ..Recorder::default() });
        let config = member(protocol).session_timeout(6 * SECOND).heartbeat_interval(2 * SECOND);
        let config = config.max_poll_interval(20 * SECOND).auto_commit(false);
        let first = stage.consumer(config.clone().rebalance_listener(recorder.clone()));
        settled(&[&first], 2).await;
        let began = Instant::now();
        let second = stage.consumer(config);
        settled(&[&first, &second], 2).await;
        assert!(began.elapsed() < 60 * SECOND, "{protocol:?} {:?}", began.elapsed());
        assert!(recorder.told().iter().any(|told| matches!(told, Told::Lost(_))), "{protocol:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn buffered_batch_dropped_on_cooperative_revoke_is_read_again() {
    let cooperative =
        |config: ConsumerConfig| config.partition_assignment_strategy(["cooperative-sticky"]);
    for protocol in PROTOCOLS {
        let stage = Stage::new(1, 4).await;
        for partition in 0..4 {
            stage.produce(partition, 0..300, Codec::None).await;
        }
        let config = || cooperative(member(protocol)).max_poll_records(7);
        let mut members = vec![stage.consumer(config())];
        let mut next = BTreeMap::from([(0, 0), (1, 0), (2, 0), (3, 0)]);
        let mut round = 0;
        while next.values().any(|next| *next < 300) {
            round += 1;
            assert!(round < 5_000, "{protocol:?} {next:?}");
            match round % 60 {
                20 => members.push(stage.consumer(config())),
                50 => members.remove(0).close().await,
                _ => {}
            }
            for consumer in &members {
                let Ok(batch) = timeout(20 * SECOND / 1_000, consumer.poll()).await else {
                    continue;
                };
                let batch = batch.unwrap().unwrap();
                let next = next.get_mut(&batch.partition()).unwrap();
                assert_eq!(batch.first_offset(), *next, "{protocol:?} round {round}");
                *next = batch.next_offset();
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn commit_during_rebalance_is_tried_again_after_it() {
    for protocol in PROTOCOLS {
        let stage = Stage::new(1, 2).await;
        stage.produce(0, 0..40, Codec::None).await;
        let config = member(protocol).auto_commit(false).max_poll_records(10);
        let consumer = stage.consumer(config);
        let passing = [
            ErrorCode::REBALANCE_IN_PROGRESS,
            ErrorCode::COORDINATOR_LOAD_IN_PROGRESS,
            ErrorCode::COORDINATOR_NOT_AVAILABLE,
            ErrorCode::NOT_COORDINATOR,
        ];
        for (round, code) in (1..).zip(passing) {
            let rule = Rule::new(Action::Error(code)).api(ApiKey::OffsetCommit).times(1);
            stage.broker.controls().add_fault(rule).unwrap();
            let batch = poll(&consumer).await.unwrap();
            consumer.commit_offsets([(p(0), OffsetAndMetadata::new(round))]).await.unwrap();
            assert_eq!(committed(&stage, 0).await, Some(round), "{protocol:?} {code}");
            drop(batch);
        }
        for action in [Action::Disconnect, Action::ApplyThenDisconnect] {
            let rule = Rule::new(action).api(ApiKey::OffsetCommit).times(1);
            stage.broker.controls().add_fault(rule).unwrap();
            consumer.commit_all().await.unwrap();
        }
        let fatal = Rule::new(Action::Error(ErrorCode::GROUP_AUTHORIZATION_FAILED));
        stage.broker.controls().add_fault(fatal.api(ApiKey::OffsetCommit).times(1)).unwrap();
        let offsets = [(p(0), OffsetAndMetadata::new(90))];
        let error = consumer.commit_offsets(offsets).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unauthorized, "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_ends_here_when_the_coordinator_is_gone() {
    for protocol in PROTOCOLS {
        let stage = Stage::new(1, 1).await;
        let recorder = Arc::new(Recorder::default());
        let config = member(protocol).session_timeout(6 * SECOND).heartbeat_interval(2 * SECOND);
        let consumer = stage.consumer(config.rebalance_listener(recorder.clone()));
        settled(&[&consumer], 1).await;
        let apis = [ApiKey::Heartbeat, ApiKey::ConsumerGroupHeartbeat];
        for api in apis {
            let rule = Rule::new(Action::NoAnswer).api(api);
            stage.broker.controls().add_fault(rule).unwrap();
        }
        let began = Instant::now();
        while !recorder.told().contains(&Told::Lost(vec![0])) {
            assert!(began.elapsed() < 9 * SECOND, "{protocol:?} {:?}", recorder.told());
            sleep(SECOND / 10).await;
        }
        stage.broker.controls().clear_faults();
        settled(&[&consumer], 1).await;
    }
}

#[tokio::test(start_paused = true)]
async fn static_members_keep_their_partitions_and_suffer_no_twin() {
    for protocol in PROTOCOLS {
        let stage = Stage::new(1, 4).await;
        let config = |id: &str| {
            let config = member(protocol).group_instance_id(id).session_timeout(30 * SECOND);
            config.auto_commit(false)
        };
        let first = stage.consumer(config("a"));
        let second = stage.consumer(config("b"));
        settled(&[&first, &second], 4).await;
        let before = second.assignment();
        second.close().await;
        let again = stage.consumer(config("b"));
        let began = Instant::now();
        while again.assignment() != before {
            assert!(began.elapsed() < 10 * SECOND, "{protocol:?}: {:?}", again.assignment());
            let _ = timeout(SECOND / 10, again.poll()).await;
        }
        settled(&[&first, &again], 4).await;
        let twin = stage.consumer(config("b"));
        let loser = if protocol == GroupProtocol::Classic { &again } else { &twin };
        let error = timeout(120 * SECOND, loser.poll()).await.unwrap().unwrap_err();
        assert!(matches!(error, ConsumeError::Group(_)), "{protocol:?}: {error}");
        assert_eq!(error.kind(), ErrorKind::Fenced, "{protocol:?}: {error}");
    }
}

#[tokio::test(start_paused = true)]
async fn kip_848_and_classic_heartbeats_repeated_delayed_or_lost_do_no_harm() {
    for protocol in PROTOCOLS {
        let stage = Stage::new(1, 4).await;
        for partition in 0..4 {
            stage.produce(partition, 0..10, Codec::None).await;
        }
        let apis = [
            ApiKey::Heartbeat,
            ApiKey::ConsumerGroupHeartbeat,
            ApiKey::JoinGroup,
            ApiKey::SyncGroup,
            ApiKey::FindCoordinator,
            ApiKey::Metadata,
            ApiKey::OffsetFetch,
        ];
        for api in apis {
            for action in [
                Action::ApplyThenDisconnect,
                Action::Disconnect,
                Action::DelayMs(1_500),
                Action::Error(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS),
            ] {
                if api == ApiKey::Metadata && matches!(action, Action::Error(_)) {
                    continue;
                }
                stage.broker.controls().add_fault(Rule::new(action).api(api).times(1)).unwrap();
            }
        }
        let first = stage.consumer(member(protocol));
        let second = stage.consumer(member(protocol));
        settled(&[&first, &second], 4).await;
        assert_eq!(owned(&[&first, &second]), 4, "{protocol:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_coordinator_that_moves_is_found_again() {
    for protocol in PROTOCOLS {
        let stage = Stage::new(2, 2).await;
        stage.produce(0, 0..40, Codec::None).await;
        let consumer = stage.consumer(member(protocol).max_poll_records(10));
        for node in [2, 1, 2] {
            let batch = poll(&consumer).await.unwrap();
            let group = klamm_broker::CoordinatorType::Group;
            stage
                .broker
                .controls()
                .move_coordinator(group, Some("g"), node, Duration::ZERO)
                .unwrap();
            sleep(5 * SECOND).await;
            consumer.commit(&batch).await.unwrap();
            assert_eq!(committed(&stage, 0).await, Some(batch.next_offset()), "{protocol:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_group_is_told_once_and_commits_end() {
    for protocol in PROTOCOLS {
        let stage = Stage::new(1, 1).await;
        let denied = Rule::new(Action::Error(ErrorCode::GROUP_AUTHORIZATION_FAILED));
        let id = stage.broker.controls().add_fault(denied.api(ApiKey::FindCoordinator)).unwrap();
        let consumer = stage.consumer(member(protocol));
        let error = poll(&consumer).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unauthorized, "{error}");
        assert!(timeout(PATIENCE, consumer.poll()).await.is_err(), "told once");
        assert!(consumer.committed([p(0)]).await.is_err());
        stage.broker.controls().remove_fault(id);
        consumer.subscribe(["t"]).unwrap();
        settled(&[&consumer], 1).await;
        consumer.close().await;
        assert_eq!(consumer.commit_all().await, Err(CommitError::Closed));
    }
}

#[tokio::test(start_paused = true)]
async fn commits_out_of_order_do_not_happen_when_answers_are_late() {
    for protocol in PROTOCOLS {
        let stage = Stage::new(1, 1).await;
        stage.produce(0, 0..60, Codec::None).await;
        let consumer = stage.consumer(member(protocol).auto_commit(false).max_poll_records(10));
        let mut handles = Vec::new();
        let faults = [
            Action::DelayMs(3_000),
            Action::ApplyThenDisconnect,
            Action::Disconnect,
            Action::ApplyThenError(ErrorCode::COORDINATOR_NOT_AVAILABLE),
        ];
        for action in faults {
            let rule = Rule::new(action).api(ApiKey::OffsetCommit).times(1);
            stage.broker.controls().add_fault(rule).unwrap();
        }
        let mut batches = Vec::new();
        for _ in 0..6 {
            batches.push(poll(&consumer).await.unwrap());
        }
        // The highest first, and all of them at once.
        for batch in batches.iter().rev().chain(&batches) {
            handles.push(consumer.commit_async(batch));
        }
        for handle in handles {
            handle.await.unwrap();
        }
        assert_eq!(committed(&stage, 0).await, Some(60), "{protocol:?}");
        consumer.seek(&p(0), 5).unwrap();
        consumer.commit_all().await.unwrap();
        assert_eq!(committed(&stage, 0).await, Some(5), "back on purpose");
    }
}

#[tokio::test(start_paused = true)]
async fn lost_flag_survives_a_poll_expiry_during_a_rebalance() {
    for protocol in PROTOCOLS {
        let stage = Stage::new(1, 1).await;
        stage.produce(0, 0..40, Codec::None).await;
        let recorder = Arc::new(Recorder::default());
        let config = member(protocol).max_poll_records(10).session_timeout(6 * SECOND);
        let config = config.heartbeat_interval(2 * SECOND).max_poll_interval(20 * SECOND);
        let config = config.auto_commit_interval(SECOND);
        let first = stage.consumer(config.clone().rebalance_listener(recorder.clone()));
        let batch = poll(&first).await.unwrap();
        sleep(10 * SECOND).await;
        // A rebalance begins, and the first does not come to poll.
        let second = stage.consumer(config);
        let began = Instant::now();
        while second.assignment().is_empty() && began.elapsed() < 40 * SECOND {
            let _ = timeout(SECOND, second.poll()).await;
        }
        let told = recorder.told();
        assert!(told.contains(&Told::Lost(vec![0])), "{protocol:?}: {told:?}");
        assert!(!told.iter().any(|told| matches!(told, Told::Revoked(_))), "{told:?}");
        assert!(first.commit(&batch).await.is_err());
        assert_eq!(committed(&stage, 0).await.unwrap_or(0), 0, "never commit lost");
    }
}
