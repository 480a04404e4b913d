//! KIP-848 groups: what is refused, and with which code.

use super::consumer_member::{Consumer, describe, send, send_as};
use super::script::{GROUP, Script};
use crate::group::GroupConfig;
use klamm_protocol::error_code::ErrorCode as E;
use klamm_protocol::message::*;

type Edit = fn(&mut ConsumerGroupHeartbeatRequest);

#[test]
fn a_request_without_sense_is_refused() {
    let cases: &[(i16, Edit, E)] = &[
        (1, |r| r.group_id = "".into(), E::INVALID_REQUEST),
        (1, |r| r.member_id = "".into(), E::INVALID_REQUEST),
        (1, |r| r.instance_id = Some("".into()), E::INVALID_REQUEST),
        (1, |r| r.rack_id = Some("".into()), E::INVALID_REQUEST),
        (1, |r| r.rebalance_timeout_ms = -1, E::INVALID_REQUEST),
        (1, |r| r.topic_partitions = None, E::INVALID_REQUEST),
        (1, |r| r.topic_partitions = Some(vec![Default::default()]), E::INVALID_REQUEST),
        (1, |r| r.subscribed_topic_names = None, E::INVALID_REQUEST),
        (0, |r| r.subscribed_topic_names = Some(vec![]), E::INVALID_REQUEST),
        (1, |r| r.member_epoch = -2, E::INVALID_REQUEST),
        (1, |r| r.member_epoch = -3, E::INVALID_REQUEST),
        (1, |r| r.server_assignor = Some("sticky".into()), E::UNSUPPORTED_ASSIGNOR),
        (1, |r| r.subscribed_topic_regex = Some("(".into()), E::INVALID_REGULAR_EXPRESSION),
        (1, |r| r.member_epoch = 1, E::GROUP_ID_NOT_FOUND),
        (1, |r| r.member_epoch = -1, E::GROUP_ID_NOT_FOUND),
    ];
    let mut s = Script::new(GroupConfig::default());
    for (n, (version, edit, code)) in cases.iter().enumerate() {
        let mut request = Consumer::new("a", &["t"]).request();
        edit(&mut request);
        let response = send_as(&mut s, *version, &request);
        assert_eq!(E(response.error_code), *code, "case {n}: {request:?}");
        assert!(response.error_message.is_some_and(|why| !why.is_empty()), "case {n}");
        assert!(s.c.poll_change().is_none(), "case {n}");
    }
    let none = s.c.list_groups(&ListGroupsRequest::default());
    assert_eq!(none.groups, [], "no group was made");
}

#[test]
fn a_member_is_held_to_its_id_and_epoch() {
    let cases: &[(Edit, E)] = &[
        (|r| r.member_id = "x".into(), E::UNKNOWN_MEMBER_ID),
        (|r| r.member_epoch += 1, E::FENCED_MEMBER_EPOCH),
        (|r| r.member_epoch -= 1, E::FENCED_MEMBER_EPOCH),
        (|r| r.instance_id = Some("x".into()), E::UNKNOWN_MEMBER_ID),
        (|r| r.instance_id = Some("i".into()), E::FENCED_INSTANCE_ID),
        (|_| {}, E::NONE),
    ];
    let mut s = Script::new(GroupConfig::default());
    let mut fixed = Consumer::new("f", &["t"]).instance("i");
    let mut a = Consumer::new("a", &["t"]);
    for one in [&mut a, &mut fixed] {
        one.go(&mut s);
    }
    for _ in 0..3 {
        a.go(&mut s);
        fixed.go(&mut s);
    }
    for (n, (edit, code)) in cases.iter().enumerate() {
        let mut request = a.request();
        // What a member two epochs behind has: more than is its own.
        if request.member_epoch > 1 && n == 2 {
            request.topic_partitions.as_mut().unwrap()[0].partitions = vec![0, 1, 2, 3];
        }
        edit(&mut request);
        assert_eq!(E(send(&mut s, &request).error_code), *code, "case {n}");
    }
    let mut twin = Consumer::new("twin", &["t"]).instance("i");
    assert_eq!(twin.beat(&mut s), E::UNRELEASED_INSTANCE_ID);
    fixed.leave(&mut s, -2);
    fixed.epoch = 1;
    assert_eq!(fixed.beat(&mut s), E::FENCED_MEMBER_EPOCH, "it said that it left");
    twin.go(&mut s);
    assert_eq!(fixed.beat(&mut s), E::FENCED_INSTANCE_ID);
}

#[test]
fn a_group_can_be_full() {
    let mut s = Script::new(GroupConfig { consumer_max_size: 1, ..GroupConfig::default() });
    let mut a = Consumer::new("a", &["t"]);
    a.go(&mut s);
    assert_eq!(Consumer::new("b", &["t"]).beat(&mut s), E::GROUP_MAX_SIZE_REACHED);
    a.forget();
    a.go(&mut s);
    assert_eq!(a.has("t").len(), 4, "who is in may join again");
}

#[test]
fn an_id_that_moves_to_an_instance_leaves_nothing_behind() {
    let mut s = Script::new(GroupConfig::default());
    let mut a = Consumer::new("a", &["t"]).instance("i");
    a.go(&mut s);
    a.forget();
    a.instance = Some("j".into());
    a.go(&mut s);
    assert_eq!(a.leave(&mut s, -1), E::NONE);
    let mut b = Consumer::new("b", &["t"]).instance("i");
    b.go(&mut s);
    assert_eq!(b.has("t").len(), 4);
    b.leave(&mut s, -2);
    let mut c = Consumer::new("c", &["t"]).instance("k");
    c.go(&mut s);
    // Under the id of another member, which is thereby gone.
    let mut d = Consumer::new("c", &["t"]).instance("i");
    d.go(&mut s);
    let mut e = Consumer::new("e", &["t"]).instance("k");
    e.go(&mut s);
    assert_eq!(describe(&s).members.len(), 2);
}

#[test]
fn what_is_no_consumer_group_is_not_described() {
    let mut s = Script::new(GroupConfig::default());
    let ask = |s: &Script, id: &str| {
        let group_ids = vec![id.into()];
        let request = ConsumerGroupDescribeRequest { group_ids, ..Default::default() };
        E(s.c.consumer_group_describe(1, &request, &s.topics).groups[0].error_code)
    };
    super::classic::pair(&mut s);
    assert_eq!(ask(&s, GROUP), E::GROUP_ID_NOT_FOUND, "it is a classic one");
    assert_eq!(ask(&s, "nobody"), E::GROUP_ID_NOT_FOUND);
    assert_eq!(ask(&s, ""), E::INVALID_GROUP_ID);
}
