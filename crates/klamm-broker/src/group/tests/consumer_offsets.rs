//! KIP-848 groups: offsets in the name of a member and its epoch.

use super::consumer_member::Consumer;
use super::script::{GROUP, Script};
use crate::group::GroupConfig;
use klamm_protocol::error_code::ErrorCode as E;
use klamm_protocol::message::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use klamm_protocol::message::offset_fetch_request::OffsetFetchRequestGroup;
use klamm_protocol::message::*;

fn fetch(s: &Script, epoch: i32, id: Option<&str>) -> E {
    let group = OffsetFetchRequestGroup {
        group_id: GROUP.into(),
        member_id: id.map(Into::into),
        member_epoch: epoch,
        ..OffsetFetchRequestGroup::default()
    };
    let request = OffsetFetchRequest { groups: vec![group], ..OffsetFetchRequest::default() };
    E(s.c.fetch_offsets(9, &request, &s.topics).groups[0].error_code)
}

#[test]
fn offsets_are_for_members_in_their_epoch() {
    let mut s = Script::new(GroupConfig::default());
    let mut a = Consumer::new("a", &["t"]);
    assert_eq!(s.commit(1, "a", 1), E::GROUP_ID_NOT_FOUND);
    a.go(&mut s);
    for (epoch, id, code) in [
        (a.epoch, "a", E::NONE),
        (a.epoch + 1, "a", E::STALE_MEMBER_EPOCH),
        (a.epoch - 1, "a", E::STALE_MEMBER_EPOCH),
        (a.epoch, "b", E::UNKNOWN_MEMBER_ID),
    ] {
        assert_eq!(s.commit(epoch, id, 1), code, "commit in epoch {epoch} by {id}");
        assert_eq!(fetch(&s, epoch, Some(id)), code, "fetch in epoch {epoch} by {id}");
    }
    assert_eq!(s.commit(-1, "", 1), E::UNKNOWN_MEMBER_ID, "the group is in use");
    assert_eq!(fetch(&s, -1, None), E::NONE, "anybody may look");
    a.leave(&mut s, -1);
    assert_eq!(s.commit(-1, "", 9), E::NONE);
    s.pass(8 * 24 * 3_600_000);
    let groups = s.c.list_groups(&ListGroupsRequest::default()).groups;
    assert_eq!(groups, [], "nobody has needed it for a week");
}

#[test]
fn a_version_without_epochs_commits_nothing() {
    let mut s = Script::new(GroupConfig::default());
    let mut a = Consumer::new("a", &["t"]);
    a.go(&mut s);
    let topic = OffsetCommitRequestTopic {
        name: "t".into(),
        partitions: vec![OffsetCommitRequestPartition::default()],
        ..OffsetCommitRequestTopic::default()
    };
    let request = OffsetCommitRequest {
        group_id: GROUP.into(),
        generation_id_or_member_epoch: a.epoch,
        member_id: "a".into(),
        topics: vec![topic],
        ..OffsetCommitRequest::default()
    };
    let topics = s.topics.clone();
    for (version, code) in [(8, E::UNSUPPORTED_VERSION), (9, E::NONE)] {
        let response = s.c.commit_offsets(s.now_ms, version, &request, &topics);
        assert_eq!(E(response.topics[0].partitions[0].error_code), code, "version {version}");
    }
    let nobodys = OffsetCommitRequest { group_id: "other".into(), ..request };
    let response = s.c.commit_offsets(s.now_ms, 8, &nobodys, &topics);
    assert_eq!(E(response.topics[0].partitions[0].error_code), E::ILLEGAL_GENERATION);
}
