//! KIP-848 groups: whole scenarios of a few members.

use super::consumer_member::{Consumer, describe, send_as, settle};
use super::script::{Asks, GROUP, Script, Topics};
use crate::group::{Coordinator, GroupConfig};
use klamm_protocol::error_code::ErrorCode as E;
use klamm_protocol::message::*;
use std::collections::BTreeMap;

fn script() -> Script {
    Script::new(GroupConfig::default())
}

/// Two members that share the four partitions of "t".
fn pair(s: &mut Script) -> (Consumer, Consumer) {
    let (mut a, mut b) = (Consumer::new("a", &["t"]), Consumer::new("b", &["t"]));
    a.go(s);
    b.go(s);
    settle(s, &mut [&mut a, &mut b]);
    (a, b)
}

#[test]
fn the_first_member_has_everything_at_once() {
    let mut s = script();
    let mut a = Consumer::new("a", &["t"]);
    a.go(&mut s);
    assert_eq!((a.epoch, a.has("t")), (1, vec![0, 1, 2, 3]));
    assert_eq!(describe(&s).group_state.as_str(), "Stable");
}

#[test]
fn a_partition_is_given_up_before_another_has_it() {
    let mut s = script();
    let (mut a, mut b) = (Consumer::new("a", &["t"]), Consumer::new("b", &["t"]));
    a.go(&mut s);
    b.go(&mut s);
    assert_eq!((b.epoch, b.has("t")), (2, vec![]), "nothing is free yet");
    assert_eq!(a.beat(&mut s), E::NONE);
    assert_eq!(a.epoch, 1, "it stays in its epoch until it has given up");
    b.go(&mut s);
    assert_eq!(b.has("t"), [0; 0]);
    assert_eq!(describe(&s).group_state.as_str(), "Reconciling");
    a.act();
    assert_eq!(a.has("t").len(), 2);
    a.go(&mut s);
    assert_eq!(a.epoch, 2);
    b.go(&mut s);
    let mut all = [a.has("t"), b.has("t")].concat();
    all.sort_unstable();
    assert_eq!(all, [0, 1, 2, 3]);
    assert_eq!(describe(&s).group_state.as_str(), "Stable");
}

#[test]
fn nothing_is_repeated_to_a_member_that_has_it() {
    let mut s = script();
    let (mut a, _) = pair(&mut s);
    assert_eq!((a.beat(&mut s), a.told.is_none()), (E::NONE, true));
}

#[test]
fn who_does_not_give_up_in_time_is_out() {
    let mut s = script();
    let (mut a, mut b) = (Consumer::new("a", &["t"]), Consumer::new("b", &["t"]));
    a.go(&mut s);
    b.go(&mut s);
    for _ in 0..3 {
        // It is alive and keeps what it is to give up.
        assert_eq!(a.beat(&mut s), E::NONE);
        s.pass(9_000);
        b.go(&mut s);
    }
    s.pass(3_001);
    assert_eq!(a.beat(&mut s), E::UNKNOWN_MEMBER_ID);
    b.go(&mut s);
    assert_eq!(b.has("t"), [0, 1, 2, 3]);
}

#[test]
fn who_is_silent_is_out() {
    let mut s = script();
    let (mut a, mut b) = pair(&mut s);
    for _ in 0..5 {
        s.pass(9_001);
        b.go(&mut s);
    }
    assert_eq!(b.has("t"), [0, 1, 2, 3]);
    assert_eq!(a.beat(&mut s), E::UNKNOWN_MEMBER_ID);
    a.forget();
    settle(&mut s, &mut [&mut a, &mut b]);
    assert_eq!((a.has("t").len(), b.has("t").len()), (2, 2));
}

#[test]
fn who_leaves_frees_what_it_had() {
    let mut s = script();
    let (mut a, mut b) = pair(&mut s);
    assert_eq!(a.leave(&mut s, -1), E::NONE);
    assert_eq!(describe(&s).group_state.as_str(), "Assigning");
    b.go(&mut s);
    assert_eq!(b.has("t"), [0, 1, 2, 3]);
    assert_eq!(b.leave(&mut s, -1), E::NONE);
    assert_eq!(describe(&s).group_state.as_str(), "Empty");
    assert!(s.c.poll_timeout().is_some_and(|at| at > s.now_ms + 100_000), "no session is left");
}

#[test]
fn an_answer_that_is_lost_does_no_harm() {
    let mut s = script();
    let (mut a, mut b) = pair(&mut s);
    b.leave(&mut s, -1);
    let deaf = a.clone();
    assert_eq!(a.beat(&mut s), E::NONE);
    assert_ne!(a.epoch, deaf.epoch);
    a = deaf;
    a.go(&mut s);
    assert_eq!(a.has("t"), [0, 1, 2, 3], "it is told again");
}

#[test]
fn new_partitions_and_topics_are_found() {
    let mut s = script();
    let mut a = Consumer::new("a", &["t", "later"]);
    a.go(&mut s);
    s.topics = Topics::of(&[("t", 6), ("later", 1), ("other", 1)]);
    a.go(&mut s);
    assert_eq!(a.has("t").len(), 4, "looked at a moment ago");
    s.pass(1_000);
    a.go(&mut s);
    assert_eq!((a.has("t").len(), a.has("later"), a.has("other")), (6, vec![0], vec![]));
    s.topics = Topics::of(&[("later", 1)]);
    s.pass(1_000);
    a.go(&mut s);
    assert_eq!(a.owned.len(), 1);
}

#[test]
fn topics_are_found_by_a_regular_expression() {
    let mut s = script();
    s.topics = Topics::of(&[("orders-1", 2), ("orders-x", 2), ("my-orders-2", 2)]);
    let mut a = Consumer::new("a", &[]);
    a.regex = Some(r"orders-\d+".into());
    a.go(&mut s);
    assert_eq!((a.owned.len(), a.has("orders-1")), (1, vec![0, 1]));
    s.topics = Topics::of(&[("orders-1", 2), ("orders-23", 1)]);
    s.pass(1_000);
    a.go(&mut s);
    assert_eq!((a.has("orders-1"), a.has("orders-23")), (vec![0, 1], vec![0]));
    let mut b = Consumer::new("b", &["orders-1"]);
    b.go(&mut s);
    settle(&mut s, &mut [&mut a, &mut b]);
    assert_eq!(a.has("orders-23"), [0], "b does not read it");
    assert_eq!(describe(&s).members[0].subscribed_topic_regex.as_deref(), Some(r"orders-\d+"));
}

#[test]
fn the_assignor_is_the_one_that_most_want() {
    let mut s = script();
    s.topics = Topics::of(&[("t", 4), ("u", 4)]);
    let members = ["a", "b", "c"].map(|id| Consumer::new(id, &["t", "u"]));
    let [mut a, mut b, mut c] = members;
    (a.assignor, b.assignor) = (Some("range".into()), Some("range".into()));
    c.assignor = Some("uniform".into());
    for one in [&mut a, &mut b, &mut c] {
        one.go(&mut s);
    }
    settle(&mut s, &mut [&mut a, &mut b, &mut c]);
    assert_eq!(describe(&s).assignor_name.as_str(), "range");
    assert_eq!((a.has("t"), a.has("u")), (vec![0, 1], vec![0, 1]));
    assert_eq!((c.has("t"), c.has("u")), (vec![3], vec![3]));
}

#[test]
fn a_static_member_comes_back_to_what_it_had() {
    let mut s = script();
    let mut a = Consumer::new("a", &["t"]).instance("i");
    let mut b = Consumer::new("b", &["t"]);
    a.go(&mut s);
    b.go(&mut s);
    settle(&mut s, &mut [&mut a, &mut b]);
    let (had, epoch) = (a.has("t"), describe(&s).group_epoch);
    assert_eq!(a.leave(&mut s, -2), E::NONE);
    b.go(&mut s);
    assert_eq!(b.has("t").len(), 2, "its place is kept");
    let mut again = Consumer::new("a2", &["t"]).instance("i");
    again.go(&mut s);
    assert_eq!((again.has("t"), again.epoch), (had, epoch));
    assert_eq!(describe(&s).group_epoch, epoch, "no rebalance");
    assert_eq!(again.leave(&mut s, -2), E::NONE);
    for _ in 0..5 {
        s.pass(9_001);
        b.go(&mut s);
    }
    assert_eq!(b.has("t"), [0, 1, 2, 3], "it stayed away for too long");
}

#[test]
fn an_administrator_takes_a_static_member_out() {
    let mut s = script();
    let mut a = Consumer::new("a", &["t"]).instance("i");
    a.go(&mut s);
    assert_eq!(s.leave("", Some("j")), E::UNKNOWN_MEMBER_ID);
    assert_eq!(s.leave("a", None), E::UNKNOWN_MEMBER_ID);
    assert_eq!(s.leave("", Some("i")), E::NONE);
    assert_eq!(a.beat(&mut s), E::UNKNOWN_MEMBER_ID);
}

#[test]
fn the_coordinator_names_members_of_version_0() {
    let mut s = script();
    let response = send_as(&mut s, 0, &Consumer::new("", &["t"]).request());
    assert_eq!(response.error_code, 0);
    assert_eq!(response.member_id.map(|id| id.len()), Some(36));
    assert_eq!(response.heartbeat_interval_ms, 5_000);
}

#[test]
fn groups_change_their_kind_when_they_have_no_members() {
    let mut s = script();
    let (first, second) = super::classic::pair(&mut s);
    s.commit(first.generation, &first.id, 5);
    let mut a = Consumer::new("a", &["t"]);
    assert_eq!(a.beat(&mut s), E::GROUP_ID_NOT_FOUND, "it has classic members");
    for one in [&first, &second] {
        assert_eq!(s.leave(&one.id, None), E::NONE);
    }
    a.go(&mut s);
    assert!(a.epoch > first.generation, "epochs go on where generations ended");
    assert_eq!(list(&s), [("consumer", "Stable", "Consumer")].map(owned));
    let refused = s.join(&Asks::new(3));
    assert_eq!(E(refused.error_code), E::INCONSISTENT_GROUP_PROTOCOL);
    let epoch = a.epoch;
    a.leave(&mut s, -1);
    let joined = s.join(&Asks::new(3));
    assert_eq!(joined.error_code, 0, "{joined:?}");
    assert!(joined.generation_id > epoch);
    assert_eq!(list(&s)[0].2, "Classic");
}

fn owned((protocol, state, kind): (&str, &str, &str)) -> (String, String, String) {
    (protocol.to_owned(), state.to_owned(), kind.to_owned())
}

fn list(s: &Script) -> Vec<(String, String, String)> {
    let groups = s.c.list_groups(&ListGroupsRequest::default()).groups.into_iter();
    groups.map(|g| owned((&g.protocol_type, &g.group_state, &g.group_type))).collect()
}

#[test]
fn what_looks_at_classic_groups_does_not_see_others() {
    let mut s = script();
    pair(&mut s);
    let request = DescribeGroupsRequest { groups: vec![GROUP.into()], ..Default::default() };
    assert_eq!(s.state(), "Dead");
    let seen = &s.c.describe_groups(6, &request).groups[0];
    assert_eq!(E(seen.error_code), E::GROUP_ID_NOT_FOUND);
    let filter = |kind: &str| ListGroupsRequest {
        types_filter: vec![kind.into()],
        ..ListGroupsRequest::default()
    };
    assert_eq!(s.c.list_groups(&filter("classic")).groups.len(), 0);
    assert_eq!(s.c.list_groups(&filter("consumer")).groups.len(), 1);
}

/// A coordinator that knows what the other has written down, and nothing else.
fn restart(s: &mut Script) {
    let mut kept = BTreeMap::new();
    while let Some(change) = s.c.poll_change() {
        match change.value() {
            Some(value) => kept.insert(change.key(), value),
            None => kept.remove(&change.key()),
        };
    }
    s.c = Coordinator::new(GroupConfig::default(), 2);
    for (key, value) in kept {
        s.c.restore(s.now_ms, &key, &value).unwrap();
    }
}

#[test]
fn a_restart_takes_nothing_from_anybody() {
    let mut s = script();
    let (mut a, mut b) = pair(&mut s);
    let had = (a.has("t"), b.has("t"));
    let before = describe(&s);
    restart(&mut s);
    assert_eq!(describe(&s), before);
    a.go(&mut s);
    settle(&mut s, &mut [&mut a, &mut b]);
    assert_eq!((a.has("t"), b.has("t")), had);
    s.pass(45_001);
    assert_eq!(describe(&s).group_state.as_str(), "Empty", "sessions begin anew with a restart");
}

#[test]
fn a_restart_amid_a_rebalance_gives_nothing_twice() {
    let mut s = script();
    let (mut a, mut b) = (Consumer::new("a", &["t"]), Consumer::new("b", &["t"]));
    a.go(&mut s);
    b.go(&mut s);
    assert_eq!(a.beat(&mut s), E::NONE);
    let before = describe(&s);
    restart(&mut s);
    assert_eq!(describe(&s), before);
    b.go(&mut s);
    assert_eq!(b.has("t"), [0; 0], "a has not given up");
    a.act();
    settle(&mut s, &mut [&mut a, &mut b]);
    assert_eq!((a.has("t").len(), b.has("t").len()), (2, 2));
}
