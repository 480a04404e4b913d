//! Offsets committed, fetched, deleted and forgotten.

use super::classic::pair;
use super::script::{Asks, GROUP, Script, Topics, topic_id};
use crate::group::GroupConfig;
use klamm_protocol::error_code::ErrorCode as E;
use klamm_protocol::message::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopics,
};
use klamm_protocol::message::offset_fetch_response::OffsetFetchResponsePartitions;
use klamm_protocol::message::txn_offset_commit_request::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use klamm_protocol::message::*;

const DAY_MS: i64 = 24 * 3_600_000;

fn script() -> Script {
    Script::new(GroupConfig::default())
}

/// Partition 0 of topic "t", by id.
fn fetch(s: &Script, stable: bool) -> OffsetFetchResponsePartitions {
    let topic = OffsetFetchRequestTopics {
        topic_id: topic_id("t"),
        partition_indexes: vec![0],
        ..OffsetFetchRequestTopics::default()
    };
    let group = OffsetFetchRequestGroup {
        group_id: GROUP.into(),
        topics: Some(vec![topic]),
        ..OffsetFetchRequestGroup::default()
    };
    let request =
        OffsetFetchRequest { groups: vec![group], require_stable: stable, ..Default::default() };
    s.c.fetch_offsets(10, &request, &s.topics).groups[0].topics[0].partitions[0].clone()
}

fn add_pending(s: &mut Script, producer_id: i64, offset: i64) -> E {
    let partition = TxnOffsetCommitRequestPartition {
        committed_offset: offset,
        ..TxnOffsetCommitRequestPartition::default()
    };
    let topic = TxnOffsetCommitRequestTopic {
        name: "t".into(),
        partitions: vec![partition],
        ..TxnOffsetCommitRequestTopic::default()
    };
    let request = TxnOffsetCommitRequest {
        group_id: GROUP.into(),
        producer_id,
        topics: vec![topic],
        ..TxnOffsetCommitRequest::default()
    };
    let topics = s.topics.clone();
    let response = s.c.add_pending_offsets(s.now_ms, &request, &topics);
    E(response.topics[0].partitions[0].error_code)
}

#[test]
fn metadata_and_epoch_come_back() {
    let mut s = script();
    assert_eq!(s.commit(-1, "", 7), E::NONE);
    let found = fetch(&s, true);
    assert_eq!((found.committed_offset, found.metadata.unwrap().as_str()), (7, "note"));
    assert_eq!(found.error_code, 0);
}

#[test]
fn what_was_never_committed_is_no_error() {
    let found = fetch(&script(), true);
    assert_eq!((found.committed_offset, found.error_code), (-1, 0));
    assert_eq!(found.metadata.unwrap().as_str(), "");
}

#[test]
fn a_commit_is_refused_for_a_reason() {
    let mut s = script();
    assert_eq!(s.commit(3, "m", 1), E::GROUP_ID_NOT_FOUND, "no such group");
    pair(&mut s);
    assert_eq!(s.commit(-1, "", 1), E::UNKNOWN_MEMBER_ID, "the group has members");
    s.topics = Topics::default();
    let mut s = script();
    s.topics = Topics::default();
    assert_eq!(s.commit(-1, "", 1), E::UNKNOWN_TOPIC_OR_PARTITION);
    let mut s = Script::new(GroupConfig { offset_metadata_max_bytes: 3, ..Default::default() });
    assert_eq!(s.commit(-1, "", 1), E::OFFSET_METADATA_TOO_LARGE);
}

#[test]
fn a_commit_between_join_and_sync_is_too_early() {
    let mut s = script();
    let (first, second) = pair(&mut s);
    s.send_join(&Asks::new(9).id(&first.id));
    let joined = s.join(&Asks::new(9).id(&second.id));
    let code = s.commit(joined.generation_id, &second.id, 1);
    assert_eq!(code, E::REBALANCE_IN_PROGRESS);
}

#[test]
fn all_topics_and_the_old_form() {
    let mut s = script();
    s.commit(-1, "", 7);
    let request = OffsetFetchRequest { group_id: GROUP.into(), topics: None, ..Default::default() };
    let response = s.c.fetch_offsets(7, &request, &s.topics);
    assert_eq!((response.topics.len(), response.groups.len()), (1, 0));
    assert_eq!(response.topics[0].partitions[0].committed_offset, 7);
}

#[test]
fn offsets_of_a_transaction_are_in_force_when_it_is_committed() {
    for commit in [true, false] {
        let mut s = script();
        s.commit(-1, "", 7);
        assert_eq!(add_pending(&mut s, 900, 8), E::NONE);
        assert_eq!(E(fetch(&s, true).error_code), E::UNSTABLE_OFFSET_COMMIT);
        assert_eq!(fetch(&s, false).committed_offset, 7);
        s.c.complete_transaction(s.now_ms, 900, commit);
        assert_eq!(fetch(&s, true).committed_offset, if commit { 8 } else { 7 });
    }
}

#[test]
fn a_later_commit_outlives_the_transaction() {
    let mut s = script();
    add_pending(&mut s, 900, 8);
    s.commit(-1, "", 9);
    s.c.complete_transaction(s.now_ms, 900, true);
    assert_eq!(fetch(&s, true).committed_offset, 9);
}

#[test]
fn pending_offsets_survive_a_restart() {
    let mut s = script();
    add_pending(&mut s, 900, 8);
    let mut after = script();
    while let Some(change) = s.c.poll_change() {
        after.c.restore(after.now_ms, &change.key(), &change.value().unwrap()).unwrap();
    }
    assert_eq!(E(fetch(&after, true).error_code), E::UNSTABLE_OFFSET_COMMIT);
    after.c.complete_transaction(after.now_ms, 900, true);
    assert_eq!(fetch(&after, true).committed_offset, 8);
    let deleted = std::iter::from_fn(|| after.c.poll_change()).filter(|c| c.value().is_none());
    assert_eq!(deleted.count(), 1, "the pending offset is no longer written down");
}

#[test]
fn offsets_without_members_go_after_the_retention() {
    let mut s = script();
    s.commit(-1, "", 7);
    s.pass(7 * DAY_MS - 1);
    assert_eq!(fetch(&s, true).committed_offset, 7);
    s.pass(600_001);
    assert_eq!(fetch(&s, true).committed_offset, -1);
    assert!(s.c.list_groups(&ListGroupsRequest::default()).groups.is_empty());
}

#[test]
fn retention_runs_from_the_departure_of_the_last_member() {
    let mut s = script();
    let (first, second) = pair(&mut s);
    s.commit(2, &first.id, 7);
    for _ in 0..8 * 24 * 3_600 / 9 {
        s.pass(9_000);
        s.heartbeat(&first);
        s.heartbeat(&second);
    }
    assert_eq!(fetch(&s, true).committed_offset, 7);
    s.leave(&first.id, None);
    s.leave(&second.id, None);
    s.pass(6 * DAY_MS);
    assert_eq!(fetch(&s, true).committed_offset, 7);
    s.pass(DAY_MS + 600_001);
    assert_eq!(fetch(&s, true).committed_offset, -1);
}

#[test]
fn groups_are_deleted_when_nobody_is_in_them() {
    let mut s = script();
    let delete = |s: &mut Script| {
        let request = DeleteGroupsRequest { groups_names: vec![GROUP.into()] };
        E(s.c.delete_groups(s.now_ms, &request).results[0].error_code)
    };
    assert_eq!(delete(&mut s), E::GROUP_ID_NOT_FOUND);
    let (first, second) = pair(&mut s);
    assert_eq!(delete(&mut s), E::NON_EMPTY_GROUP);
    s.leave(&first.id, None);
    s.leave(&second.id, None);
    s.commit(-1, "", 7);
    assert_eq!(delete(&mut s), E::NONE);
    assert_eq!(fetch(&s, true).committed_offset, -1);
}

#[test]
fn a_topic_takes_its_offsets_along() {
    let mut s = script();
    s.commit(-1, "", 7);
    add_pending(&mut s, 900, 8);
    s.c.topic_deleted(&"t".into());
    s.c.complete_transaction(s.now_ms, 900, true);
    assert_eq!(fetch(&s, true).committed_offset, -1);
}
