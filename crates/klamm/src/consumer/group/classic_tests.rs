//! A member of a classic group, step by step.

use super::classic::ClassicMember;
use super::machine::{Answer, Call, Event, GroupConfig, GroupError};
use super::subscription_protocol::encode_assignment;
use super::tests_setup::{config, found};
use crate::consumer::assignor::{AssignableTopic, CooperativeStickyAssignor, MemberAssignment};
use crate::consumer::topic_partition::TopicPartition;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::join_group_response::JoinGroupResponseMember;
use klamm_protocol::message::*;
use klamm_protocol::primitives::Str;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

const SECOND: Duration = Duration::from_secs(1);

struct Bench {
    member: ClassicMember,
    now: Instant,
}

impl Bench {
    fn new(config: GroupConfig) -> Self {
        let now = Instant::now();
        let mut member = ClassicMember::new(config, ["t".into()].into(), now);
        let find = member.poll_request(now).unwrap();
        assert!(matches!(find.call, Call::FindCoordinator(_)));
        assert_eq!(member.poll_request(now), None);
        member.handle_response(now, find.id, found());
        Self { member, now }
    }

    /// A member of generation 1 that owns these partitions.
    fn settled(config: GroupConfig, partitions: &[i32]) -> Self {
        let mut bench = Self::new(config);
        bench.settle(1, partitions);
        assert_eq!(bench.events(), [assign(1, partitions)].map(Shown::from));
        bench
    }

    /// Goes through a join and a sync as a follower.
    fn settle(&mut self, generation: i32, partitions: &[i32]) {
        let (id, _) = self.join();
        self.answer(id, Answer::Join(joined(generation, "other")));
        let (id, _) = self.sync();
        self.answer(id, Answer::Sync(synced(partitions)));
    }

    fn answer(&mut self, id: u64, answer: Answer) {
        self.member.handle_response(self.now, id, answer);
    }

    fn call(&mut self) -> Option<(u64, Call)> {
        self.member.poll_request(self.now).map(|request| (request.id, request.call))
    }

    fn join(&mut self) -> (u64, JoinGroupRequest) {
        match self.call() {
            Some((id, Call::Join(join))) => (id, join),
            other => panic!("{other:?}"),
        }
    }

    fn sync(&mut self) -> (u64, SyncGroupRequest) {
        match self.call() {
            Some((id, Call::Sync(sync))) => (id, sync),
            other => panic!("{other:?}"),
        }
    }

    fn heartbeat(&mut self, code: ErrorCode) {
        self.now += SECOND;
        match self.call() {
            Some((id, Call::Heartbeat(_))) => self.answer(id, heartbeat(code)),
            other => panic!("{other:?}"),
        }
    }

    fn wait(&mut self, time: Duration) {
        self.now += time;
        self.member.handle_timeout(self.now);
    }

    fn events(&mut self) -> Vec<Shown> {
        std::iter::from_fn(|| self.member.poll_event()).map(Shown::from).collect()
    }
}

/// An event without its deadline and member id.
#[derive(Debug, PartialEq)]
enum Shown {
    Revoke(Vec<i32>),
    Lost(Vec<i32>),
    Assign(i32, Vec<i32>),
    Other(Event),
}

impl From<Event> for Shown {
    fn from(event: Event) -> Self {
        let numbers =
            |list: Vec<TopicPartition>| list.into_iter().map(|p| p.partition).collect::<Vec<_>>();
        match event {
            Event::Revoke { partitions, .. } => Shown::Revoke(numbers(partitions)),
            Event::Lost { partitions } => Shown::Lost(numbers(partitions)),
            Event::Assign { partitions, generation } => {
                Shown::Assign(generation.id, numbers(partitions))
            }
            other => Shown::Other(other),
        }
    }
}

fn parts(partitions: &[i32]) -> Vec<TopicPartition> {
    partitions.iter().map(|&p| TopicPartition::new("t", p)).collect()
}

fn assign(generation: i32, partitions: &[i32]) -> Event {
    let generation = super::machine::Generation {
        id: generation,
        member_id: "m".into(),
        group_instance_id: None,
    };
    Event::Assign { partitions: parts(partitions), generation }
}

fn joined(generation_id: i32, leader: &str) -> JoinGroupResponse {
    JoinGroupResponse {
        generation_id,
        protocol_name: Some(Str::from("range")),
        leader: Str::from(leader),
        member_id: Str::from("m"),
        ..JoinGroupResponse::default()
    }
}

fn synced(partitions: &[i32]) -> SyncGroupResponse {
    let assignment = MemberAssignment { partitions: parts(partitions), user_data: None };
    let assignment = encode_assignment(&assignment).unwrap();
    SyncGroupResponse { assignment, ..SyncGroupResponse::default() }
}

fn heartbeat(code: ErrorCode) -> Answer {
    Answer::Heartbeat(HeartbeatResponse { error_code: code.0, ..HeartbeatResponse::default() })
}

fn static_config() -> GroupConfig {
    GroupConfig { group_instance_id: Some("i".into()), ..config() }
}

fn cooperative() -> GroupConfig {
    GroupConfig { assignors: vec![Arc::new(CooperativeStickyAssignor)], ..config() }
}

fn cooperative_bench() -> Bench {
    let mut bench = Bench::new(cooperative());
    cooperative_settle(&mut bench, 1, &[0, 1]);
    assert_eq!(bench.events(), [Shown::Assign(1, vec![0, 1])]);
    bench
}

fn cooperative_settle(bench: &mut Bench, generation: i32, partitions: &[i32]) {
    let (id, _) = bench.join();
    let protocol_name = Some(Str::from("cooperative-sticky"));
    let response = JoinGroupResponse { protocol_name, ..joined(generation, "other") };
    bench.answer(id, Answer::Join(response));
    let (id, _) = bench.sync();
    bench.answer(id, Answer::Sync(synced(partitions)));
}

#[test]
fn the_first_join_is_repeated_with_the_id_that_it_brings() {
    let mut bench = Bench::new(config());
    let (id, join) = bench.join();
    assert_eq!(
        (&*join.member_id, join.session_timeout_ms, join.rebalance_timeout_ms),
        ("", 6000, 9000)
    );
    let required = JoinGroupResponse {
        error_code: ErrorCode::MEMBER_ID_REQUIRED.0,
        member_id: Str::from("m"),
        ..JoinGroupResponse::default()
    };
    bench.answer(id, Answer::Join(required));
    assert_eq!(&*bench.join().1.member_id, "m");
}

#[test]
fn the_leader_assigns_what_it_knows_of_the_topics_and_watches_them() {
    let mut bench = Bench::new(config());
    let (id, join) = bench.join();
    let metadata = join.protocols[0].metadata.clone();
    let listed = |id: &str| JoinGroupResponseMember {
        member_id: Str::from(id),
        metadata: metadata.clone(),
        ..JoinGroupResponseMember::default()
    };
    let members = vec![listed("n"), listed("m")];
    bench.answer(id, Answer::Join(JoinGroupResponse { members, ..joined(1, "m") }));
    assert_eq!(bench.events(), [Shown::Other(Event::NeedTopics { topics: ["t".into()].into() })]);
    let known = |n| {
        let topic = AssignableTopic { partition_count: n, racks: Vec::new() };
        BTreeMap::from([(Arc::<str>::from("t"), topic)])
    };
    bench.member.handle_topics(known(3));
    // A heartbeat keeps the session while the leader thinks; the assignments are what counts.
    let mut calls = std::iter::from_fn(|| bench.call());
    let sync = calls.find_map(|(id, call)| match call {
        Call::Sync(sync) => Some((id, sync)),
        _ => None,
    });
    let (id, sync) = sync.unwrap();
    let given: Vec<_> = sync.assignments.iter().map(|a| &*a.member_id).collect();
    assert_eq!(given, ["m", "n"]);
    assert_eq!(sync.assignments[0].assignment, synced(&[0, 1]).assignment);
    bench.answer(id, Answer::Sync(synced(&[0, 1])));
    bench.events();
    bench.member.topics_changed(bench.now, &known(3));
    assert_eq!(bench.events(), []);
    bench.member.topics_changed(bench.now, &known(4));
    assert_eq!(bench.events(), [Shown::Revoke(vec![0, 1])]);
}

#[test]
fn eager_lets_go_of_everything_before_it_joins_again() {
    let mut bench = Bench::settled(config(), &[0, 1]);
    bench.heartbeat(ErrorCode::REBALANCE_IN_PROGRESS);
    assert_eq!(bench.events(), [Shown::Revoke(vec![0, 1])]);
    // It may still commit, and it heartbeats while it finishes its work.
    assert_eq!(bench.member.generation().unwrap().id, 1);
    bench.heartbeat(ErrorCode::REBALANCE_IN_PROGRESS);
    bench.member.handle_revoked(bench.now);
    assert!(bench.member.owned().is_empty());
    bench.settle(2, &[1]);
    assert_eq!(bench.events(), [Shown::Assign(2, vec![1])]);
}

#[test]
fn cooperative_keeps_what_stays_and_joins_again_after_it_gave_up() {
    let mut bench = cooperative_bench();
    bench.heartbeat(ErrorCode::REBALANCE_IN_PROGRESS);
    assert_eq!(bench.events(), []);
    cooperative_settle(&mut bench, 2, &[0]);
    assert_eq!(bench.events(), [Shown::Revoke(vec![1])]);
    assert_eq!(bench.member.owned().len(), 2);
    bench.member.handle_revoked(bench.now);
    assert_eq!(bench.events(), [Shown::Assign(2, vec![])]);
    cooperative_settle(&mut bench, 3, &[0, 2]);
    assert_eq!(bench.events(), [Shown::Assign(3, vec![2])]);
}

#[test]
fn a_session_without_answers_ends_before_the_coordinator_ends_it() {
    let mut bench = Bench::settled(config(), &[0]);
    let settled = bench.now;
    let last = bench.member.poll_timeout().unwrap();
    assert!(last <= settled + SECOND);
    bench.now += SECOND;
    let Some((id, Call::Heartbeat(_))) = bench.call() else { panic!("no heartbeat") };
    bench.answer(id, Answer::Failed);
    bench.wait(5 * SECOND - Duration::from_millis(1));
    assert_eq!(bench.events(), []);
    bench.wait(Duration::from_millis(1));
    assert_eq!(bench.now, settled + 6 * SECOND);
    assert_eq!(bench.events(), [Shown::Lost(vec![0])]);
    assert_eq!(bench.member.generation(), None);
}

#[test]
fn a_member_that_is_not_polled_leaves_and_joins_when_it_is() {
    for (config, leaves) in [(config(), true), (static_config(), false)] {
        let mut bench = Bench::settled(config, &[0]);
        for _ in 0..8 {
            bench.heartbeat(ErrorCode::NONE);
        }
        bench.wait(SECOND);
        assert_eq!(bench.events(), [Shown::Lost(vec![0])]);
        assert_eq!(bench.member.generation(), None);
        match bench.call() {
            Some((id, Call::Leave(leave))) if leaves => {
                let reason = leave.members[0].reason.as_deref();
                assert_eq!(reason, Some("consumer poll timeout has expired"));
                bench.answer(id, Answer::Failed);
            }
            other => assert!(!leaves && other.is_none(), "{other:?}"),
        }
        bench.member.handle_revoked(bench.now);
        assert_eq!(bench.call(), None);
        bench.member.poll_made(bench.now);
        // A static member is known by its old id still.
        assert_eq!(&*bench.join().1.member_id, if leaves { "" } else { "m" });
    }
}

#[test]
fn a_listener_that_takes_too_long_loses_its_partitions() {
    let mut bench = Bench::settled(config(), &[0]);
    bench.heartbeat(ErrorCode::REBALANCE_IN_PROGRESS);
    let Some(Event::Revoke { deadline, .. }) = bench.member.poll_event() else { panic!() };
    // The rebalance may have begun right after the sync.
    assert_eq!(deadline, bench.now - SECOND + 9 * SECOND);
    while bench.now + SECOND < deadline {
        bench.member.poll_made(bench.now);
        bench.heartbeat(ErrorCode::REBALANCE_IN_PROGRESS);
    }
    bench.now = deadline;
    bench.wait(Duration::ZERO);
    assert_eq!(bench.events(), [Shown::Lost(vec![0])]);
    assert!(matches!(bench.call(), Some((_, Call::Leave(_)))));
    bench.member.handle_revoked(bench.now);
    assert_eq!(bench.call(), None, "one of two is acknowledged");
}

#[test]
fn what_an_error_of_a_heartbeat_does() {
    let lost = || vec![Shown::Lost(vec![0])];
    let rows = [
        (ErrorCode::NONE, vec![], Some("m")),
        (ErrorCode::COORDINATOR_LOAD_IN_PROGRESS, vec![], Some("m")),
        (ErrorCode::NOT_COORDINATOR, vec![], Some("m")),
        (ErrorCode::REBALANCE_IN_PROGRESS, vec![Shown::Revoke(vec![0])], Some("m")),
        (ErrorCode::ILLEGAL_GENERATION, lost(), None),
        (ErrorCode::UNKNOWN_MEMBER_ID, lost(), None),
    ];
    for (code, events, generation) in rows {
        let mut bench = Bench::settled(config(), &[0]);
        bench.heartbeat(code);
        assert_eq!(bench.events(), events, "{code}");
        let member = bench.member.generation();
        assert_eq!(member.map(|g| g.member_id.to_string()).as_deref(), generation, "{code}");
        assert_eq!(bench.member.coordinator().is_none(), code == ErrorCode::NOT_COORDINATOR);
    }
}

#[test]
fn a_fenced_instance_is_out_for_good() {
    let mut bench = Bench::settled(static_config(), &[0]);
    bench.heartbeat(ErrorCode::FENCED_INSTANCE_ID);
    let events = bench.events();
    assert_eq!(events[0], Shown::Lost(vec![0]));
    let refused = |event: &Shown| {
        matches!(event, Shown::Other(Event::Failed(GroupError::Refused { code, .. }))
            if *code == ErrorCode::FENCED_INSTANCE_ID)
    };
    assert!(refused(&events[1]), "{events:?}");
    bench.member.handle_revoked(bench.now);
    assert_eq!((bench.call(), bench.member.poll_timeout()), (None, None));
}

#[test]
fn closing_lets_go_then_leaves_unless_static() {
    for (config, leaves) in [(config(), true), (static_config(), false)] {
        let mut bench = Bench::settled(config, &[0]);
        bench.member.close(bench.now);
        bench.member.close(bench.now);
        assert_eq!(bench.events(), [Shown::Revoke(vec![0])]);
        assert!(bench.member.generation().is_some(), "the last commit is still to come");
        bench.member.handle_revoked(bench.now);
        assert_eq!(bench.events(), [Shown::Other(Event::Closed)]);
        assert_eq!(matches!(bench.call(), Some((_, Call::Leave(_)))), leaves);
        assert_eq!((bench.call(), bench.member.generation()), (None, None));
    }
}

#[test]
fn another_subscription_is_a_reason_to_join_and_takes_back_what_is_unwanted() {
    let mut bench = cooperative_bench();
    bench.member.subscribe(bench.now, ["t".into()].into());
    assert_eq!(bench.call(), None);
    bench.member.subscribe(bench.now, ["t".into(), "u".into()].into());
    assert_eq!(bench.events(), []);
    let (_, join) = bench.join();
    assert_eq!(join.reason.as_deref(), Some("the subscription has changed"));
    let mut bench = cooperative_bench();
    bench.member.subscribe(bench.now, ["u".into()].into());
    assert_eq!(bench.events(), [Shown::Revoke(vec![0, 1])]);
}

#[test]
fn answers_to_forgotten_requests_are_ignored() {
    let mut bench = Bench::settled(config(), &[0]);
    bench.now += SECOND;
    let Some((id, Call::Heartbeat(_))) = bench.call() else { panic!("no heartbeat") };
    bench.member.request_rejoin(bench.now, "for the test");
    bench.events();
    bench.member.handle_revoked(bench.now);
    bench.settle(2, &[0]);
    bench.events();
    bench.answer(id, heartbeat(ErrorCode::ILLEGAL_GENERATION));
    bench.answer(id + 1000, heartbeat(ErrorCode::UNKNOWN_MEMBER_ID));
    assert_eq!(bench.events(), []);
    assert_eq!(bench.member.generation().unwrap().id, 2);
}

#[test]
fn an_unknown_assignor_and_a_broken_assignment_are_fatal() {
    let mut bench = Bench::new(config());
    let (id, _) = bench.join();
    let protocol_name = Some(Str::from("theirs"));
    bench.answer(id, Answer::Join(JoinGroupResponse { protocol_name, ..joined(1, "other") }));
    let unknown = GroupError::UnknownAssignor("theirs".to_owned());
    assert_eq!(bench.events(), [Shown::Other(Event::Failed(unknown))]);

    let mut bench = Bench::new(config());
    let (id, _) = bench.join();
    bench.answer(id, Answer::Join(joined(1, "other")));
    let (id, _) = bench.sync();
    let assignment = bytes::Bytes::from_static(b"\0\0\x7f\xff\xff\xff");
    bench.answer(id, Answer::Sync(SyncGroupResponse { assignment, ..Default::default() }));
    let events = bench.events();
    assert!(
        matches!(&events[..], [Shown::Other(Event::Failed(GroupError::BadAssignment(_)))]),
        "{events:?}"
    );
}
