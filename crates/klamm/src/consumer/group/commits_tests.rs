//! Commits: in order, upwards, and only by those whose partitions they are.

use super::commits::*;
use super::machine::{Generation, GroupConfig};
use super::tests_setup::config;
use crate::consumer::topic_partition::TopicPartition;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::offset_commit_response::{
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use klamm_protocol::message::*;
use klamm_protocol::primitives::Str;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

struct Bench {
    commits: Commits,
    config: GroupConfig,
    now: Instant,
    generation: Generation,
}

fn part(partition: i32) -> TopicPartition {
    TopicPartition::new("t", partition)
}

impl Bench {
    fn new() -> Self {
        let generation = Generation { id: 1, member_id: "m".into(), group_instance_id: None };
        Self { commits: Commits::default(), config: config(), now: Instant::now(), generation }
    }

    fn commit(&mut self, lease: u64, offsets: &[(i32, i64)]) -> u64 {
        let offset = |offset| OffsetAndMetadata { offset, ..OffsetAndMetadata::default() };
        let offsets = offsets.iter().map(|&(p, o)| (part(p), (lease, offset(o)))).collect();
        self.commits.commit(Commit { offsets }, self.now + Duration::from_secs(60))
    }

    fn request(&mut self) -> Option<CommitRequest> {
        self.commits.poll_request(self.now, &self.config, Some(self.generation.clone()))
    }

    fn answer(&mut self, request: &CommitRequest, code: ErrorCode) -> CommitNews {
        let response = answer(&request.request, code);
        self.handle(request.id, Some(&response))
    }

    fn handle(&mut self, id: u64, response: Option<&OffsetCommitResponse>) -> CommitNews {
        let generation = Some(&self.generation);
        self.commits.handle_response(self.now, &self.config, id, response, generation)
    }

    fn result(&mut self) -> Option<(u64, Vec<NotCommitted>)> {
        let result = self.commits.poll_result()?;
        Some((result.id, result.failed.into_values().collect()))
    }
}

fn answer(request: &OffsetCommitRequest, code: ErrorCode) -> OffsetCommitResponse {
    let topic = |topic: &offset_commit_request::OffsetCommitRequestTopic| {
        let partitions = topic.partitions.iter().map(|p| OffsetCommitResponsePartition {
            partition_index: p.partition_index,
            error_code: code.0,
        });
        OffsetCommitResponseTopic {
            name: topic.name.clone(),
            partitions: partitions.collect(),
            ..OffsetCommitResponseTopic::default()
        }
    };
    OffsetCommitResponse {
        topics: request.topics.iter().map(topic).collect(),
        ..OffsetCommitResponse::default()
    }
}

fn offsets(request: &CommitRequest) -> Vec<(i32, i64)> {
    let partitions = request.request.topics.iter().flat_map(|topic| &topic.partitions);
    partitions.map(|p| (p.partition_index, p.committed_offset)).collect()
}

#[test]
fn one_is_in_flight_and_what_waits_is_sent_together() {
    let mut bench = Bench::new();
    let lease = bench.commits.assigned(&[part(0), part(1)]);
    let first = bench.commit(lease, &[(0, 5)]);
    let request = bench.request().unwrap();
    let second = bench.commit(lease, &[(0, 6), (1, 1)]);
    let third = bench.commit(lease, &[(0, 8)]);
    assert_eq!(bench.request(), None);
    bench.answer(&request, ErrorCode::NONE);
    assert_eq!(bench.result(), Some((first, vec![])));
    let request = bench.request().unwrap();
    assert_eq!(offsets(&request), [(0, 8), (1, 1)]);
    bench.answer(&request, ErrorCode::NONE);
    assert_eq!(bench.result(), Some((third, vec![])));
    assert_eq!(bench.result(), Some((second, vec![])));
    assert!(bench.commits.is_idle(&[part(0), part(1)]));
}

#[test]
fn epoch_and_metadata_are_kept() {
    let mut bench = Bench::new();
    let lease = bench.commits.assigned(&[part(0)]);
    let offset = OffsetAndMetadata { offset: 3, leader_epoch: Some(7), metadata: "note".into() };
    let commit = Commit { offsets: [(part(0), (lease, offset))].into() };
    bench.commits.commit(commit, bench.now + Duration::from_secs(1));
    let request = bench.request().unwrap().request;
    let sent = &request.topics[0].partitions[0];
    assert_eq!(sent.committed_leader_epoch, 7);
    assert_eq!(sent.committed_metadata, Some(Str::from("note")));
    assert_eq!((request.generation_id_or_member_epoch, &*request.member_id), (1, "m"));
}

#[test]
fn a_late_commit_of_a_partition_that_has_moved_is_refused() {
    let mut bench = Bench::new();
    let old = bench.commits.assigned(&[part(0)]);
    let waiting = bench.commit(old, &[(0, 4)]);
    bench.commits.released(&[part(0)]);
    assert_eq!(bench.result(), Some((waiting, vec![NotCommitted::LeaseGone])));
    let late = bench.commit(old, &[(0, 5)]);
    assert_eq!(bench.result(), Some((late, vec![NotCommitted::LeaseGone])));
    // Even when it has come back meanwhile.
    let new = bench.commits.assigned(&[part(0)]);
    let late = bench.commit(old, &[(0, 6)]);
    assert_eq!(bench.result(), Some((late, vec![NotCommitted::LeaseGone])));
    assert_eq!(bench.request(), None);
    bench.commit(new, &[(0, 2)]);
    assert_eq!(offsets(&bench.request().unwrap()), [(0, 2)]);
}

#[test]
fn offsets_go_back_only_after_a_seek() {
    let mut bench = Bench::new();
    let lease = bench.commits.assigned(&[part(0)]);
    bench.commit(lease, &[(0, 9)]);
    let lower = bench.commit(lease, &[(0, 4)]);
    let request = bench.request().unwrap();
    assert_eq!(offsets(&request), [(0, 9)]);
    let lower_in_flight = bench.commit(lease, &[(0, 5)]);
    bench.answer(&request, ErrorCode::NONE);
    let mut done: Vec<u64> = std::iter::from_fn(|| bench.result()).map(|(id, _)| id).collect();
    done.sort_unstable();
    assert_eq!(done, [lower - 1, lower, lower_in_flight]);
    let lower_committed = bench.commit(lease, &[(0, 6)]);
    assert_eq!(bench.result(), Some((lower_committed, vec![])));
    assert_eq!(bench.request(), None);
    bench.commits.rewound(&part(0));
    bench.commit(lease, &[(0, 4)]);
    assert_eq!(offsets(&bench.request().unwrap()), [(0, 4)]);
}

#[test]
fn a_failed_commit_does_not_let_a_lower_one_past_a_higher_one() {
    let mut bench = Bench::new();
    let lease = bench.commits.assigned(&[part(0)]);
    bench.commit(lease, &[(0, 1)]);
    let request = bench.request().unwrap();
    bench.commit(lease, &[(0, 3)]);
    bench.answer(&request, ErrorCode::INVALID_COMMIT_OFFSET_SIZE);
    let request = bench.request().unwrap();
    bench.answer(&request, ErrorCode::NONE);
    bench.commit(lease, &[(0, 2)]);
    assert_eq!(bench.request(), None);
}

#[test]
fn what_may_be_retried_is_and_the_member_hears_of_it() {
    let table = [
        (ErrorCode::COORDINATOR_LOAD_IN_PROGRESS, false, false),
        (ErrorCode::NOT_COORDINATOR, true, false),
        (ErrorCode::REBALANCE_IN_PROGRESS, false, true),
        (ErrorCode::STALE_MEMBER_EPOCH, false, false),
    ];
    for (code, coordinator_lost, rejoin) in table {
        let mut bench = Bench::new();
        let lease = bench.commits.assigned(&[part(0)]);
        let id = bench.commit(lease, &[(0, 5)]);
        let request = bench.request().unwrap();
        assert_eq!(bench.answer(&request, code), CommitNews { coordinator_lost, rejoin });
        assert_eq!(bench.request(), None, "waits before it tries again");
        bench.now = bench.commits.poll_timeout().unwrap();
        let again = bench.request().unwrap();
        bench.answer(&again, ErrorCode::NONE);
        assert_eq!(bench.result(), Some((id, vec![])));
    }
}

#[test]
fn a_fenced_member_commits_nothing_unless_it_has_moved_on() {
    let mut bench = Bench::new();
    let lease = bench.commits.assigned(&[part(0)]);
    let id = bench.commit(lease, &[(0, 5)]);
    let request = bench.request().unwrap();
    bench.answer(&request, ErrorCode::ILLEGAL_GENERATION);
    let fenced = NotCommitted::Fenced(ErrorCode::ILLEGAL_GENERATION);
    assert_eq!(bench.result(), Some((id, vec![fenced])));
    // A rebalance that kept the partition ended while the request was under way.
    let id = bench.commit(lease, &[(0, 6)]);
    let request = bench.request().unwrap();
    bench.generation.id = 2;
    bench.answer(&request, ErrorCode::ILLEGAL_GENERATION);
    assert_eq!(bench.result(), None);
    bench.now += Duration::from_secs(5);
    let again = bench.request().unwrap();
    assert_eq!(again.request.generation_id_or_member_epoch, 2);
    bench.answer(&again, ErrorCode::NONE);
    assert_eq!(bench.result(), Some((id, vec![])));
}

#[test]
fn no_answer_is_tried_again_until_the_deadline() {
    let mut bench = Bench::new();
    let lease = bench.commits.assigned(&[part(0)]);
    let id = bench.commit(lease, &[(0, 5)]);
    for _ in 0..3 {
        let request = bench.request().unwrap();
        assert!(bench.handle(request.id, None).coordinator_lost);
        // The answer comes twice.
        assert_eq!(bench.handle(request.id, None), CommitNews::default());
        bench.now += Duration::from_secs(5);
    }
    bench.now += Duration::from_secs(60);
    assert!(bench.commits.poll_timeout().unwrap() <= bench.now);
    bench.commits.handle_timeout(bench.now);
    assert_eq!(bench.result(), Some((id, vec![NotCommitted::TimedOut])));
    assert_eq!(bench.request(), None);
    assert_eq!(bench.commits.poll_timeout(), None);
}

#[test]
fn without_a_generation_nothing_is_sent_and_without_offsets_it_is_done() {
    let mut bench = Bench::new();
    let lease = bench.commits.assigned(&[part(0)]);
    let empty = bench.commit(lease, &[]);
    assert_eq!(bench.result(), Some((empty, vec![])));
    bench.commit(lease, &[(0, 1)]);
    assert_eq!(bench.commits.poll_request(bench.now, &bench.config, None), None);
    assert!(bench.request().is_some());
}

#[test]
fn refusals_of_one_partition_leave_the_others() {
    let mut bench = Bench::new();
    let lease = bench.commits.assigned(&[part(0), part(1)]);
    let id = bench.commit(lease, &[(0, 5), (1, 5)]);
    let request = bench.request().unwrap();
    let mut response = answer(&request.request, ErrorCode::NONE);
    response.topics[0].partitions[1].error_code = ErrorCode::OFFSET_METADATA_TOO_LARGE.0;
    bench.handle(request.id, Some(&response));
    let failed: BTreeMap<_, _> = bench.commits.poll_result().unwrap().failed;
    let refused = NotCommitted::Refused(ErrorCode::OFFSET_METADATA_TOO_LARGE);
    assert_eq!(failed, [(part(1), refused)].into());
    assert_eq!(id, 1);
}

#[derive(Debug, Clone)]
enum Op {
    Commit(i32, i64),
    Answer(usize),
    Move(i32),
    Seek(i32),
    Wait(u64),
}

fn any_op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (0..3i32, 0..30i64).prop_map(|(p, o)| Op::Commit(p, o)),
        4 => (0..5usize).prop_map(Op::Answer),
        1 => (0..3i32).prop_map(Op::Move),
        1 => (0..3i32).prop_map(Op::Seek),
        2 => (0..20u64).prop_map(Op::Wait),
    ]
}

proptest! {
    /// Whatever happens, every commit ends exactly once, and what is sent goes up.
    #[test]
    fn every_commit_ends_once_and_offsets_go_up(ops in proptest::collection::vec(any_op(), 1..60)) {
        let mut bench = Bench::new();
        let mut lease = bench.commits.assigned(&[part(0), part(1), part(2)]);
        let mut leases = [lease; 3];
        let mut sent = [-1i64; 3];
        let mut sought = [false; 3];
        let mut flying: Option<CommitRequest> = None;
        let (mut asked, mut ended) = (Vec::new(), Vec::new());
        let codes = [
            ErrorCode::NONE, ErrorCode::NOT_COORDINATOR, ErrorCode::UNKNOWN_MEMBER_ID,
            ErrorCode::INVALID_COMMIT_OFFSET_SIZE, ErrorCode::REBALANCE_IN_PROGRESS,
        ];
        for op in ops {
            match op {
                Op::Commit(p, o) => {
                    if std::mem::take(&mut sought[usize::try_from(p).unwrap()]) {
                        sent[usize::try_from(p).unwrap()] = -1;
                    }
                    let lease = leases[usize::try_from(p).unwrap()];
                    asked.push(bench.commit(lease, &[(p, o)]));
                }
                Op::Answer(code) => if let Some(request) = flying.take() {
                    bench.answer(&request, codes[code]);
                    if code == 2 || code == 3 { sent = [-1; 3]; }
                },
                Op::Move(p) => {
                    bench.commits.released(&[part(p)]);
                    lease = bench.commits.assigned(&[part(p)]);
                    leases[usize::try_from(p).unwrap()] = lease;
                    sent[usize::try_from(p).unwrap()] = -1;
                }
                Op::Seek(p) => {
                    bench.commits.rewound(&part(p));
                    sought[usize::try_from(p).unwrap()] = true;
                }
                Op::Wait(seconds) => {
                    bench.now += Duration::from_secs(seconds);
                    bench.commits.handle_timeout(bench.now);
                    if seconds > 0 { sent = [-1; 3]; }
                }
            }
            if let Some(request) = bench.request() {
                prop_assert!(flying.is_none(), "two in flight");
                for (p, o) in offsets(&request) {
                    let p = usize::try_from(p).unwrap();
                    prop_assert!(o >= sent[p], "{} after {}", o, sent[p]);
                    sent[p] = o;
                }
                flying = Some(request);
            }
            ended.extend(std::iter::from_fn(|| bench.result()).map(|(id, _)| id));
        }
        bench.now += Duration::from_secs(100);
        bench.commits.handle_timeout(bench.now);
        ended.extend(std::iter::from_fn(|| bench.result()).map(|(id, _)| id));
        ended.sort_unstable();
        prop_assert_eq!(ended, asked);
    }
}
