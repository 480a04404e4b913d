//! A member of a KIP-848 group, step by step.

use super::consumer_protocol::{ConsumerMember, Subscription};
use super::machine::{Answer, Call, Event, GroupConfig, GroupError};
use super::tests_setup::{config, found};
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::consumer_group_heartbeat_response::{Assignment, TopicPartitions};
use klamm_protocol::message::*;
use klamm_protocol::primitives::{Str, Uuid};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

const SECOND: Duration = Duration::from_secs(1);
const ID: Uuid = Uuid::from_bytes([7; 16]);

struct Bench {
    member: ConsumerMember,
    now: Instant,
}

fn subscription(topics: &[&str], regex: Option<&str>) -> Subscription {
    let topics = topics.iter().map(|&topic| topic.into()).collect();
    Subscription { topics, regex: regex.map(Arc::from) }
}

impl Bench {
    fn new(config: GroupConfig) -> Self {
        let now = Instant::now();
        let mut member = ConsumerMember::new(config, subscription(&["t"], None), "m".into(), now);
        let find = member.poll_request(now).unwrap();
        member.handle_response(now, find.id, found());
        Self { member, now }
    }

    /// A member of epoch 5 that owns these partitions and has said so.
    fn settled(config: GroupConfig, partitions: &[i32]) -> Self {
        let mut bench = Self::new(config);
        let (id, join) = bench.beat();
        assert_eq!((join.member_epoch, &*join.member_id), (0, "m"));
        bench.confirm(id, 5, Some(partitions));
        let names = BTreeMap::from([(ID, Arc::<str>::from("t"))]);
        bench.member.handle_topic_names(bench.now, &names);
        if !partitions.is_empty() {
            let (id, _) = bench.beat();
            bench.confirm(id, 5, None);
        }
        bench.events();
        bench
    }

    fn call(&mut self) -> Option<(u64, ConsumerGroupHeartbeatRequest)> {
        let request = self.member.poll_request(self.now)?;
        match request.call {
            Call::ConsumerHeartbeat(heartbeat) => Some((request.id, heartbeat)),
            other => panic!("{other:?}"),
        }
    }

    fn beat(&mut self) -> (u64, ConsumerGroupHeartbeatRequest) {
        self.call().expect("a heartbeat is due")
    }

    fn confirm(&mut self, id: u64, member_epoch: i32, partitions: Option<&[i32]>) {
        let assignment = partitions.map(|partitions| {
            let topic = TopicPartitions { topic_id: ID, partitions: partitions.to_vec() };
            Assignment { topic_partitions: vec![topic] }
        });
        let response = ConsumerGroupHeartbeatResponse {
            member_epoch,
            heartbeat_interval_ms: 1000,
            assignment,
            ..ConsumerGroupHeartbeatResponse::default()
        };
        let answer = Answer::ConsumerHeartbeat(response);
        self.member.handle_response(self.now, id, answer);
    }

    fn refuse(&mut self, id: u64, code: ErrorCode) {
        let response = ConsumerGroupHeartbeatResponse {
            error_code: code.0,
            error_message: Some(Str::from("why")),
            ..ConsumerGroupHeartbeatResponse::default()
        };
        self.member.handle_response(self.now, id, Answer::ConsumerHeartbeat(response));
    }

    fn next_beat(&mut self) -> (u64, ConsumerGroupHeartbeatRequest) {
        assert_eq!(self.call(), None);
        self.now = self.member.poll_timeout().unwrap();
        self.member.handle_timeout(self.now);
        self.beat()
    }

    /// Kind and partitions of what happened.
    fn events(&mut self) -> Vec<(&'static str, Vec<i32>)> {
        let shown = |event| {
            let (kind, partitions) = match event {
                Event::Revoke { partitions, .. } => ("revoke", partitions),
                Event::Lost { partitions } => ("lost", partitions),
                Event::Assign { partitions, .. } => ("assign", partitions),
                Event::NeedTopicNames => ("names", Vec::new()),
                Event::FallBackToClassic => ("fall back", Vec::new()),
                Event::Closed => ("closed", Vec::new()),
                Event::Failed(GroupError::Refused { .. }) => ("failed", Vec::new()),
                other => panic!("{other:?}"),
            };
            (kind, partitions.into_iter().map(|p| p.partition).collect())
        };
        std::iter::from_fn(|| self.member.poll_event()).map(shown).collect()
    }
}

fn static_config() -> GroupConfig {
    GroupConfig { group_instance_id: Some("i".into()), ..config() }
}

#[test]
fn joining_says_everything_and_later_only_what_is_new() {
    let config =
        GroupConfig { rack: Some("r".into()), server_assignor: Some("uniform".into()), ..config() };
    let mut bench = Bench::new(config);
    let (id, join) = bench.beat();
    assert_eq!(join.subscribed_topic_names, Some(vec![Str::from("t")]));
    assert_eq!(join.topic_partitions, Some(vec![]));
    assert_eq!((join.rack_id.as_deref(), join.rebalance_timeout_ms), (Some("r"), 9000));
    assert_eq!(join.server_assignor.as_deref(), Some("uniform"));
    bench.confirm(id, 3, None);
    let (id, beat) = bench.next_beat();
    assert_eq!((beat.member_epoch, beat.rebalance_timeout_ms), (3, -1));
    let left_out = (beat.subscribed_topic_names, beat.topic_partitions, beat.rack_id);
    assert_eq!(left_out, (None, None, None));
    // An answer is missing: all of it again.
    bench.member.handle_response(bench.now, id, Answer::Failed);
    let find = bench.member.poll_request(bench.now).unwrap();
    bench.member.handle_response(bench.now, find.id, found());
    let (_, again) = bench.next_beat();
    assert_eq!((again.member_epoch, again.rebalance_timeout_ms), (3, 9000));
    assert!(again.subscribed_topic_names.is_some() && again.topic_partitions.is_some());
}

#[test]
fn an_assignment_waits_for_names_and_is_acknowledged_at_once() {
    let mut bench = Bench::new(config());
    let (id, _) = bench.beat();
    bench.confirm(id, 5, Some(&[0, 1]));
    assert_eq!(bench.events(), [("names", vec![])]);
    assert_eq!(bench.member.unresolved_topics(), [ID].into());
    assert_eq!(bench.call(), None);
    bench.member.handle_topic_names(bench.now, &[(ID, "t".into())].into());
    assert_eq!(bench.events(), [("assign", vec![0, 1])]);
    let (_, beat) = bench.beat();
    assert_eq!(beat.topic_partitions.unwrap()[0].partitions, [0, 1]);
}

#[test]
fn what_goes_is_revoked_before_the_rest_is_taken_and_acknowledged() {
    let mut bench = Bench::settled(config(), &[0, 1]);
    let (id, _) = bench.next_beat();
    bench.confirm(id, 5, Some(&[1, 2]));
    assert_eq!(bench.events(), [("revoke", vec![0])]);
    // Until it has let go, it says nothing new.
    let (id, beat) = bench.next_beat();
    assert_eq!(beat.topic_partitions, None);
    bench.confirm(id, 5, None);
    bench.member.handle_revoked(bench.now);
    assert_eq!(bench.events(), [("assign", vec![2])]);
    let (_, beat) = bench.beat();
    assert_eq!(beat.topic_partitions.unwrap()[0].partitions, [1, 2]);
}

#[test]
fn a_target_that_changes_meanwhile_is_followed() {
    let mut bench = Bench::settled(config(), &[0, 1]);
    let (id, _) = bench.next_beat();
    bench.confirm(id, 5, Some(&[1]));
    let (id, _) = bench.next_beat();
    bench.confirm(id, 5, Some(&[]));
    assert_eq!(bench.events(), [("revoke", vec![0])]);
    bench.member.handle_revoked(bench.now);
    assert_eq!(bench.events(), [("revoke", vec![1])]);
    bench.member.handle_revoked(bench.now);
    assert!(bench.member.owned().is_empty());
}

#[test]
fn a_fenced_member_joins_again_with_its_id_once_it_has_let_go() {
    for code in [ErrorCode::FENCED_MEMBER_EPOCH, ErrorCode::UNKNOWN_MEMBER_ID] {
        let mut bench = Bench::settled(config(), &[0]);
        let (id, _) = bench.next_beat();
        bench.refuse(id, code);
        assert_eq!(bench.events(), [("lost", vec![0])]);
        assert_eq!((bench.call(), bench.member.generation()), (None, None));
        bench.member.handle_revoked(bench.now);
        let (_, join) = bench.beat();
        assert_eq!((join.member_epoch, &*join.member_id), (0, "m"));
        assert_eq!(join.topic_partitions, Some(vec![]));
    }
}

#[test]
fn a_group_that_cannot_be_served_falls_back() {
    let mut bench = Bench::new(config());
    let (id, _) = bench.beat();
    bench.member.handle_response(bench.now, id, Answer::Unsupported);
    assert_eq!(bench.events(), [("fall back", vec![])]);
    assert_eq!(bench.call(), None);
    for code in [ErrorCode::UNSUPPORTED_VERSION, ErrorCode::GROUP_ID_NOT_FOUND] {
        let mut bench = Bench::new(config());
        let (id, _) = bench.beat();
        bench.refuse(id, code);
        assert_eq!(bench.events(), [("fall back", vec![])]);
    }
    // A member whose group has been deleted joins again.
    let mut bench = Bench::settled(config(), &[]);
    let (id, _) = bench.next_beat();
    bench.refuse(id, ErrorCode::GROUP_ID_NOT_FOUND);
    assert_eq!(bench.beat().1.member_epoch, 0);
}

#[test]
fn a_taken_instance_id_is_waited_for_but_not_for_ever() {
    let mut bench = Bench::new(static_config());
    let start = bench.now;
    let (mut id, _) = bench.beat();
    loop {
        bench.refuse(id, ErrorCode::UNRELEASED_INSTANCE_ID);
        let events = bench.events();
        if bench.now > start + 6 * SECOND {
            assert_eq!(events, [("failed", vec![])]);
            break;
        }
        assert_eq!(events, []);
        bench.member.poll_made(bench.now);
        (id, _) = bench.next_beat();
    }
}

#[test]
fn leaving_says_how() {
    for (config, epoch) in [(config(), -1), (static_config(), -2)] {
        let mut bench = Bench::settled(config, &[0]);
        bench.member.close(bench.now);
        assert_eq!(bench.events(), [("revoke", vec![0])]);
        assert!(bench.member.generation().is_some(), "the last commit is still to come");
        bench.member.handle_revoked(bench.now);
        assert_eq!(bench.events(), [("closed", vec![])]);
        assert_eq!(bench.beat().1.member_epoch, epoch);
        assert_eq!(bench.call(), None);
    }
}

#[test]
fn a_member_that_is_not_polled_leaves_and_joins_when_it_is() {
    let mut bench = Bench::settled(config(), &[0]);
    while bench.events().is_empty() {
        bench.now = bench.member.poll_timeout().unwrap();
        bench.member.handle_timeout(bench.now);
        if let Some((id, beat)) = bench.call() {
            if beat.member_epoch < 0 {
                bench.confirm(id, -1, None);
                break;
            }
            bench.confirm(id, 5, None);
        }
    }
    assert_eq!(bench.events(), [("lost", vec![0])]);
    bench.member.poll_made(bench.now);
    assert_eq!(bench.call(), None, "it has not let go");
    bench.member.handle_revoked(bench.now);
    bench.member.poll_made(bench.now);
    assert_eq!(bench.beat().1.member_epoch, 0);
}

#[test]
fn a_session_without_answers_ends_by_itself() {
    let mut bench = Bench::settled(config(), &[0]);
    let confirmed = bench.now;
    bench.now = confirmed + 6 * SECOND - Duration::from_millis(1);
    bench.member.handle_timeout(bench.now);
    assert_eq!(bench.events(), []);
    bench.now = confirmed + 6 * SECOND;
    bench.member.handle_timeout(bench.now);
    assert_eq!(bench.events(), [("lost", vec![0])]);
    assert_eq!(bench.member.generation(), None);
}

#[test]
fn a_pattern_is_sent_changed_and_taken_back() {
    let mut bench = Bench::settled(config(), &[]);
    bench.member.subscribe(bench.now, subscription(&[], Some("a.*")));
    let (id, beat) = bench.beat();
    assert_eq!(beat.subscribed_topic_regex.as_deref(), Some("a.*"));
    assert_eq!(beat.subscribed_topic_names, Some(vec![]));
    bench.confirm(id, 6, None);
    assert_eq!(bench.next_beat().1.subscribed_topic_regex, None);
    let mut bench = bench_with_pattern();
    bench.member.subscribe(bench.now, subscription(&["t"], None));
    let (_, beat) = bench.beat();
    assert_eq!(beat.subscribed_topic_regex.as_deref(), Some(""));
}

fn bench_with_pattern() -> Bench {
    let mut bench = Bench::settled(config(), &[]);
    bench.member.subscribe(bench.now, subscription(&[], Some("a.*")));
    let (id, _) = bench.beat();
    bench.confirm(id, 6, None);
    bench
}
