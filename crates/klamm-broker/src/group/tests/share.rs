//! Share groups: members, what they are told, and what the group is to others.

use super::script::{Asks, GROUP, Script, Topics, topic_id};
use crate::group::{Caller, Coordinator, GroupConfig, ShareTimes};
use klamm_protocol::error_code::ErrorCode as E;
use klamm_protocol::message::*;
use std::collections::BTreeMap;

const TIMES: ShareTimes = ShareTimes { session_timeout_ms: 45_000, heartbeat_interval_ms: 5_000 };

fn script() -> Script {
    let mut s = Script::new(GroupConfig { share_max_size: 3, ..GroupConfig::default() });
    s.topics = Topics::of(&[("t", 4), ("u", 1)]);
    s
}

fn request(id: &str, epoch: i32, topics: Option<&[&str]>) -> ShareGroupHeartbeatRequest {
    ShareGroupHeartbeatRequest {
        group_id: GROUP.into(),
        member_id: id.into(),
        member_epoch: epoch,
        subscribed_topic_names: topics.map(|names| names.iter().map(|&n| n.into()).collect()),
        ..ShareGroupHeartbeatRequest::default()
    }
}

fn send(s: &mut Script, request: &ShareGroupHeartbeatRequest) -> ShareGroupHeartbeatResponse {
    let caller = Caller { client_id: "app", client_host: "/h", waiter: 0 };
    let view = s.topics.clone();
    let response = s.c.share_group_heartbeat(s.now_ms, caller, TIMES, request, &view);
    s.collect();
    response
}

/// Code, epoch, and how many partitions it was told to read, if it was told.
fn beat(s: &mut Script, id: &str, epoch: i32, topics: Option<&[&str]>) -> (E, i32, Option<usize>) {
    let response = send(s, &request(id, epoch, topics));
    let told = response.assignment.map(|assignment| {
        assignment.topic_partitions.iter().map(|topic| topic.partitions.len()).sum()
    });
    (E(response.error_code), response.member_epoch, told)
}

#[test]
fn members_have_their_partitions_at_once() {
    let mut s = script();
    assert_eq!(beat(&mut s, "a", 0, Some(&["t"])), (E::NONE, 1, Some(4)));
    assert_eq!(beat(&mut s, "a", 1, None), (E::NONE, 1, None));
    assert_eq!(beat(&mut s, "b", 0, Some(&["t"])), (E::NONE, 2, Some(2)));
    assert_eq!(beat(&mut s, "a", 1, None), (E::NONE, 2, Some(2)));
    // The answer was lost: the member comes with its old epoch.
    assert_eq!(beat(&mut s, "a", 1, None), (E::NONE, 2, Some(2)));
    assert_eq!(beat(&mut s, "b", -1, None), (E::NONE, -1, None));
    assert_eq!(beat(&mut s, "a", 2, None), (E::NONE, 3, Some(4)));
}

#[test]
fn a_group_follows_its_topics_and_subscriptions() {
    let mut s = script();
    assert_eq!(beat(&mut s, "a", 0, Some(&["v"])), (E::NONE, 1, Some(0)));
    s.topics = Topics::of(&[("t", 4), ("v", 2)]);
    s.pass(2_000);
    assert_eq!(beat(&mut s, "a", 1, None), (E::NONE, 2, Some(2)));
    assert_eq!(beat(&mut s, "a", 2, Some(&["t"])), (E::NONE, 3, Some(4)));
}

#[test]
fn who_is_not_heard_of_is_out() {
    let mut s = script();
    beat(&mut s, "a", 0, Some(&["t"]));
    s.pass(44_000);
    assert_eq!(beat(&mut s, "a", 1, None).0, E::NONE);
    s.pass(45_001);
    assert_eq!(beat(&mut s, "a", 1, None).0, E::UNKNOWN_MEMBER_ID);
    let described = describe(&s.c, &s.topics);
    assert_eq!(described.group_state.as_str(), "Empty");
}

fn describe(
    coordinator: &Coordinator,
    topics: &Topics,
) -> share_group_describe_response::DescribedGroup {
    let request = ShareGroupDescribeRequest { group_ids: vec![GROUP.into()], ..Default::default() };
    coordinator.share_group_describe(&request, topics).groups.remove(0)
}

#[test]
fn a_group_is_described() {
    let mut s = script();
    beat(&mut s, "a", 0, Some(&["t", "u"]));
    let group = describe(&s.c, &s.topics);
    assert_eq!((group.group_state.as_str(), group.assignor_name.as_str()), ("Stable", "simple"));
    assert_eq!((group.group_epoch, group.assignment_epoch), (1, 1));
    let member = &group.members[0];
    assert_eq!((member.member_id.as_str(), member.client_host.as_str()), ("a", "/h"));
    let topics = &member.assignment.topic_partitions;
    assert_eq!((topics[0].topic_id, &topics[0].partitions[..]), (topic_id("t"), &[0, 1, 2, 3][..]));
}

#[test]
fn senseless_heartbeats_are_refused_and_leave_nothing() {
    let mut s = script();
    let bad = [
        request("", 0, Some(&["t"])),
        request("a", 0, None),
        request("a", 0, Some(&[])),
        request("a", -2, Some(&["t"])),
        ShareGroupHeartbeatRequest { rack_id: Some("".into()), ..request("a", 0, Some(&["t"])) },
        ShareGroupHeartbeatRequest { group_id: "".into(), ..request("a", 0, Some(&["t"])) },
    ];
    for request in bad {
        assert_eq!(E(send(&mut s, &request).error_code), E::INVALID_REQUEST, "{request:?}");
    }
    assert_eq!(beat(&mut s, "a", 1, None).0, E::GROUP_ID_NOT_FOUND);
    for id in ["a", "b", "c"] {
        assert_eq!(beat(&mut s, id, 0, Some(&["t"])).0, E::NONE);
    }
    assert_eq!(beat(&mut s, "d", 0, Some(&["t"])).0, E::GROUP_MAX_SIZE_REACHED);
    assert_eq!(beat(&mut s, "d", -1, None).0, E::UNKNOWN_MEMBER_ID);
    assert_eq!(beat(&mut s, "c", 9, None).0, E::FENCED_MEMBER_EPOCH);
}

#[test]
fn a_group_keeps_its_kind() {
    let mut s = script();
    beat(&mut s, "a", 0, Some(&["t"]));
    let joined = s.join(&Asks::new(5));
    assert_eq!(E(joined.error_code), E::INCONSISTENT_GROUP_PROTOCOL);
    assert_eq!(s.commit(-1, "", 5), E::GROUP_ID_NOT_FOUND);
    assert_eq!(s.leave("a", None), E::UNKNOWN_MEMBER_ID);
    let listed = s.c.list_groups(&ListGroupsRequest {
        types_filter: vec!["share".into()],
        ..ListGroupsRequest::default()
    });
    let group = &listed.groups[0];
    assert_eq!((group.group_type.as_str(), group.protocol_type.as_str()), ("Share", "share"));
    let mut other = script();
    other.join(&Asks::new(5));
    assert_eq!(beat(&mut other, "a", 0, Some(&["t"])).0, E::GROUP_ID_NOT_FOUND);
}

/// Takes what is to be written down.
fn write_down(s: &mut Script, journal: &mut BTreeMap<String, Vec<u8>>) {
    while let Some(change) = s.c.poll_change() {
        match change.value() {
            Some(value) => drop(journal.insert(change.key(), value)),
            None => drop(journal.remove(&change.key())),
        }
    }
}

#[test]
fn a_group_without_members_is_there_until_it_is_deleted_and_survives_a_restart() {
    let mut s = script();
    beat(&mut s, "a", 0, Some(&["t"]));
    let mut again = Coordinator::new(GroupConfig::default(), 1);
    let mut journal = BTreeMap::new();
    write_down(&mut s, &mut journal);
    for (key, value) in &journal {
        again.restore(s.now_ms, key, value).unwrap();
    }
    assert_eq!(describe(&again, &s.topics), describe(&s.c, &s.topics));
    assert_eq!(again.poll_timeout(), Some(s.now_ms + 45_000));
    beat(&mut s, "a", -1, None);
    s.pass(30 * 24 * 3_600_000);
    assert_eq!(s.c.check_empty_share_group(&GROUP.into()), Ok(()));
    let delete = DeleteGroupsRequest { groups_names: vec![GROUP.into()] };
    let deleted = s.c.delete_groups(s.now_ms, &delete);
    assert_eq!(deleted.results[0].error_code, 0);
    write_down(&mut s, &mut journal);
    assert!(journal.is_empty(), "{journal:?}");
}

#[test]
fn offsets_are_set_for_a_group_that_does_not_exist_and_not_for_one_with_members() {
    let mut s = script();
    assert_eq!(s.c.check_empty_share_group(&GROUP.into()), Err(E::GROUP_ID_NOT_FOUND));
    assert_eq!(s.c.ensure_empty_share_group(0, &GROUP.into()), Ok(()));
    let mut journal = BTreeMap::new();
    write_down(&mut s, &mut journal);
    assert_eq!(journal.len(), 1);
    beat(&mut s, "a", 0, Some(&["t"]));
    let busy = s.c.ensure_empty_share_group(0, &GROUP.into());
    assert_eq!(busy, Err(E::NON_EMPTY_GROUP));
}
