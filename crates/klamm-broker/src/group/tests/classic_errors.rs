//! What classic members are told when something is wrong.

use super::classic::pair;
use super::script::{Asks, GROUP, Me, Script};
use crate::group::GroupConfig;
use klamm_protocol::error_code::ErrorCode as E;
use klamm_protocol::message::*;

fn refused(asks: &Asks) -> E {
    let mut s = Script::new(GroupConfig::default());
    pair(&mut s);
    E(s.join(asks).error_code)
}

#[test]
fn a_join_is_refused_for_a_reason() {
    let changed = |change: fn(&mut JoinGroupRequest)| {
        let mut asks = Asks::new(9);
        change(&mut asks.request);
        asks
    };
    let table = [
        (changed(|r| r.group_id = "".into()), E::INVALID_GROUP_ID),
        (changed(|r| r.session_timeout_ms = 5_999), E::INVALID_SESSION_TIMEOUT),
        (changed(|r| r.session_timeout_ms = 1_800_001), E::INVALID_SESSION_TIMEOUT),
        (changed(|r| r.protocol_type = "connect".into()), E::INCONSISTENT_GROUP_PROTOCOL),
        (changed(|r| r.protocols.clear()), E::INCONSISTENT_GROUP_PROTOCOL),
        (Asks::new(9).protocols(&[("other", "")]), E::INCONSISTENT_GROUP_PROTOCOL),
        (Asks::new(9).id("nobody"), E::UNKNOWN_MEMBER_ID),
        (Asks::new(9).id("nobody").instance("i"), E::UNKNOWN_MEMBER_ID),
        (Asks::new(4), E::MEMBER_ID_REQUIRED),
        (Asks::new(9), E::MEMBER_ID_REQUIRED),
    ];
    for (asks, code) in table {
        assert_eq!(refused(&asks), code, "{asks:?}");
    }
}

#[test]
fn a_refused_join_leaves_no_group_behind() {
    let mut s = Script::new(GroupConfig::default());
    assert_eq!(E(s.join(&Asks::new(9).protocols(&[])).error_code), E::INCONSISTENT_GROUP_PROTOCOL);
    assert!(s.c.list_groups(&ListGroupsRequest::default()).groups.is_empty());
}

#[test]
fn a_full_group_takes_nobody() {
    let mut s = Script::new(GroupConfig { max_group_size: 2, ..GroupConfig::default() });
    let (first, _) = pair(&mut s);
    for version in [3, 9] {
        let refused = s.join(&Asks::new(version));
        assert_eq!(E(refused.error_code), E::GROUP_MAX_SIZE_REACHED);
    }
    s.leave(&first.id, None);
    for code in [E::MEMBER_ID_REQUIRED, E::MEMBER_ID_REQUIRED, E::GROUP_MAX_SIZE_REACHED] {
        assert_eq!(E(s.join(&Asks::new(9)).error_code), code, "an id given out counts");
    }
}

#[test]
fn a_sync_and_a_heartbeat_are_refused_for_a_reason() {
    let mut s = Script::new(GroupConfig::default());
    let (first, _) = pair(&mut s);
    let old = Me { generation: 1, ..first.clone() };
    let nobody = Me { id: "nobody".into(), generation: 2 };
    for (who, code) in [(&old, E::ILLEGAL_GENERATION), (&nobody, E::UNKNOWN_MEMBER_ID)] {
        assert_eq!(E(s.sync(who, &[]).error_code), code);
        assert_eq!(s.heartbeat(who), code);
        assert_eq!(s.commit(who.generation, &who.id, 1), code);
    }
    s.enter(Asks::new(9));
    assert_eq!(E(s.sync(&first, &[]).error_code), E::REBALANCE_IN_PROGRESS);
}

#[test]
fn a_sync_names_the_protocol_it_believes_in() {
    let mut s = Script::new(GroupConfig::default());
    let (first, _) = pair(&mut s);
    let request = |kind: Option<&str>, name: Option<&str>| SyncGroupRequest {
        group_id: GROUP.into(),
        generation_id: 2,
        member_id: first.id.as_str().into(),
        protocol_type: kind.map(Into::into),
        protocol_name: name.map(Into::into),
        ..SyncGroupRequest::default()
    };
    let table = [
        (5, Some("consumer"), Some("range"), E::NONE),
        (5, Some("connect"), Some("range"), E::INCONSISTENT_GROUP_PROTOCOL),
        (5, Some("consumer"), Some("sticky"), E::INCONSISTENT_GROUP_PROTOCOL),
        (5, None, None, E::INCONSISTENT_GROUP_PROTOCOL),
        (4, None, None, E::NONE),
    ];
    for (version, kind, name, code) in table {
        let waiter = s.waiter();
        let caller = crate::group::Caller { client_id: "app", client_host: "/127.0.0.1", waiter };
        let response = s.c.sync_group(s.now_ms, caller, version, &request(kind, name));
        assert_eq!(E(response.unwrap().error_code), code, "{version} {kind:?} {name:?}");
    }
}

#[test]
fn before_version_3_the_answer_to_a_leave_has_one_code() {
    let mut s = Script::new(GroupConfig::default());
    let (first, _) = pair(&mut s);
    for (id, code) in [("nobody", E::UNKNOWN_MEMBER_ID), (&*first.id, E::NONE)] {
        let request = LeaveGroupRequest {
            group_id: GROUP.into(),
            member_id: id.into(),
            ..LeaveGroupRequest::default()
        };
        let response = s.c.leave_group(s.now_ms, 2, &request);
        assert_eq!((E(response.error_code), response.members.len()), (code, 0));
    }
}
