//! Members of classic groups come, go and come back.

use super::script::{Asks, Me, Script, me};
use crate::group::GroupConfig;
use klamm_protocol::error_code::ErrorCode;

/// Two members in a stable group, the leader first.
pub(super) fn pair(s: &mut Script) -> (Me, Me) {
    let (_, first) = s.enter(Asks::new(9));
    let first = me(&first.unwrap());
    s.sync(&first, &[(&first.id, "all")]);
    let (second, none) = s.enter(Asks::new(9));
    assert!(none.is_none(), "the first has not joined again yet");
    assert_eq!(s.heartbeat(&first), ErrorCode::REBALANCE_IN_PROGRESS);
    let first = me(&s.join(&Asks::new(9).id(&first.id)));
    let second = me(&s.joined(second));
    let (waits, none) = s.send_sync(&second, &[]);
    assert!(none.is_none(), "the leader has not assigned yet");
    let own = s.sync(&first, &[(&first.id, "one"), (&second.id, "two")]);
    assert_eq!((own.error_code, &*own.assignment), (0, &b"one"[..]));
    assert_eq!(&*s.synced(waits).assignment, b"two");
    assert_eq!(s.state(), "Stable");
    (first, second)
}

fn script() -> Script {
    Script::new(GroupConfig::default())
}

#[test]
fn two_members_share_a_group() {
    let mut s = script();
    let (first, second) = pair(&mut s);
    assert_eq!((first.generation, second.generation), (2, 2));
    assert_eq!(s.heartbeat(&first), ErrorCode::NONE);
    assert_eq!(s.commit(2, &second.id, 5), ErrorCode::NONE);
}

#[test]
fn old_versions_join_without_being_told_an_id() {
    let mut s = script();
    for version in 0..4 {
        let id = me(&s.join(&Asks::new(version))).id;
        assert_eq!(s.leave(&id, None), ErrorCode::NONE, "{version}");
        assert_eq!(s.state(), "Empty");
    }
}

#[test]
fn the_leader_alone_learns_of_all_members() {
    let mut s = script();
    let (first, second) = pair(&mut s);
    let (waits, _) = s.send_join(&Asks::new(9).id(&first.id));
    let follower = s.join(&Asks::new(9).id(&second.id));
    let leader = s.joined(waits);
    assert_eq!((leader.members.len(), follower.members.len()), (2, 0));
    assert_eq!(leader.leader, first.id.as_str());
    assert_eq!(follower.leader, first.id.as_str());
}

#[test]
fn a_silent_member_is_out_after_its_session() {
    let mut s = script();
    let (first, second) = pair(&mut s);
    s.pass(9_000);
    assert_eq!(s.heartbeat(&first), ErrorCode::NONE);
    s.pass(1_000);
    assert_eq!(s.heartbeat(&second), ErrorCode::UNKNOWN_MEMBER_ID);
    assert_eq!(s.heartbeat(&first), ErrorCode::REBALANCE_IN_PROGRESS);
    let alone = s.join(&Asks::new(9).id(&first.id));
    assert_eq!((alone.generation_id, alone.members.len()), (3, 1));
}

#[test]
fn who_does_not_join_again_in_time_is_out() {
    let mut s = script();
    let (first, second) = pair(&mut s);
    let (waits, _) = s.send_join(&Asks::new(9).id(&first.id));
    for _ in 0..5 {
        s.pass(5_000);
        assert_eq!(s.heartbeat(&second), ErrorCode::REBALANCE_IN_PROGRESS);
    }
    s.pass(5_000);
    assert_eq!(s.joined(waits).members.len(), 1);
    assert_eq!(s.heartbeat(&second), ErrorCode::UNKNOWN_MEMBER_ID);
}

#[test]
fn who_does_not_ask_for_its_assignment_is_out() {
    let mut s = script();
    let (first, second) = pair(&mut s);
    let (waits, _) = s.send_join(&Asks::new(9).id(&first.id));
    let second = me(&s.join(&Asks::new(9).id(&second.id)));
    let first = me(&s.joined(waits));
    s.sync(&first, &[]);
    for _ in 0..6 {
        s.pass(5_000);
        s.heartbeat(&first);
        s.heartbeat(&second);
    }
    assert_eq!(s.heartbeat(&second), ErrorCode::UNKNOWN_MEMBER_ID);
    assert_eq!(s.state(), "PreparingRebalance");
}

#[test]
fn a_waiting_sync_learns_of_the_next_rebalance() {
    let mut s = script();
    let (first, second) = pair(&mut s);
    let (_, _) = s.send_join(&Asks::new(9).id(&first.id));
    let second = me(&s.join(&Asks::new(9).id(&second.id)));
    let (waits, _) = s.send_sync(&second, &[]);
    s.enter(Asks::new(9));
    assert_eq!(s.synced(waits).error_code, ErrorCode::REBALANCE_IN_PROGRESS.0);
}

#[test]
fn an_answer_that_was_lost_is_given_again() {
    let mut s = script();
    let (first, second) = pair(&mut s);
    let again = s.join(&Asks::new(9).id(&second.id));
    assert_eq!((again.error_code, again.generation_id), (0, 2));
    assert_eq!(&*s.sync(&second, &[]).assignment, b"two");
    assert_eq!(s.heartbeat(&first), ErrorCode::NONE);
}

#[test]
fn the_last_member_leaves_an_empty_group() {
    let mut s = script();
    let (first, second) = pair(&mut s);
    assert_eq!(s.leave(&first.id, None), ErrorCode::NONE);
    assert_eq!(s.leave(&second.id, None), ErrorCode::NONE);
    assert_eq!(s.state(), "Empty");
    assert_eq!(s.commit(-1, "", 3), ErrorCode::NONE);
}

#[test]
fn an_id_that_is_not_used_expires() {
    let mut s = script();
    let given = s.join(&Asks::new(9));
    s.pass(10_000);
    let late = s.join(&Asks::new(9).id(&given.member_id));
    assert_eq!(late.error_code, ErrorCode::UNKNOWN_MEMBER_ID.0);
}

#[test]
fn a_rebalance_waits_for_those_who_were_given_an_id() {
    let mut s = script();
    let (first, second) = pair(&mut s);
    let given = s.join(&Asks::new(9));
    let (a, _) = s.send_join(&Asks::new(9).id(&first.id));
    let (b, none) = s.send_join(&Asks::new(9).id(&second.id));
    assert!(none.is_none());
    let third = s.join(&Asks::new(9).id(&given.member_id));
    assert_eq!(third.generation_id, 3);
    assert_eq!((s.joined(a).members.len(), s.joined(b).generation_id), (3, 3));
}

#[test]
fn the_first_rebalance_waits_for_more_members() {
    let config = GroupConfig { initial_rebalance_delay_ms: 3_000, ..GroupConfig::default() };
    let mut s = Script::new(config);
    let (a, none) = s.enter(Asks::new(9));
    assert!(none.is_none());
    s.pass(2_000);
    let (b, _) = s.enter(Asks::new(9));
    s.pass(3_999);
    assert!(s.late.is_empty(), "the second prolongs the wait");
    s.pass(1);
    assert_eq!((s.joined(a).generation_id, s.joined(b).generation_id), (1, 1));
}

#[test]
fn a_static_member_comes_back_without_a_rebalance() {
    let mut s = script();
    let first = me(&s.join(&Asks::new(9).instance("i")));
    s.sync(&first, &[(&first.id, "mine")]);
    let back = s.join(&Asks::new(9).instance("i"));
    assert_eq!((back.generation_id, back.skip_assignment, back.members.len()), (1, true, 1));
    let back = me(&back);
    assert_ne!(back.id, first.id);
    assert_eq!(&*s.sync(&back, &[]).assignment, b"mine");
    assert_eq!(s.heartbeat(&first), ErrorCode::UNKNOWN_MEMBER_ID);
    let fenced = s.join(&Asks::new(9).instance("i").id(&first.id));
    assert_eq!(fenced.error_code, ErrorCode::FENCED_INSTANCE_ID.0);
    s.pass(9_999);
    assert_eq!(s.state(), "Stable");
    s.pass(1);
    assert_eq!(s.state(), "Empty");
}

#[test]
fn a_static_member_of_an_old_version_is_not_told_that_it_leads() {
    let mut s = script();
    let first = me(&s.join(&Asks::new(8).instance("i")));
    s.sync(&first, &[(&first.id, "mine")]);
    let back = s.join(&Asks::new(8).instance("i"));
    assert_eq!((back.leader.as_str(), back.skip_assignment), (first.id.as_str(), false));
}

#[test]
fn a_static_member_that_changes_the_protocol_rebalances() {
    let mut s = script();
    let first = me(&s.join(&Asks::new(9).instance("i")));
    s.sync(&first, &[]);
    let asks = Asks::new(9).instance("i").protocols(&[("sticky", ""), ("range", "")]);
    let back = s.join(&asks);
    assert_eq!((back.generation_id, back.protocol_name.unwrap().as_str()), (2, "sticky"));
}

#[test]
fn an_administrator_removes_a_static_member_by_its_instance() {
    let mut s = script();
    let first = me(&s.join(&Asks::new(9).instance("i")));
    s.sync(&first, &[]);
    assert_eq!(s.leave("", Some("i")), ErrorCode::NONE);
    assert_eq!(s.state(), "Empty");
    assert_eq!(s.leave("", Some("i")), ErrorCode::UNKNOWN_MEMBER_ID);
}

#[test]
fn the_protocol_is_the_one_most_members_prefer_among_those_all_know() {
    let mut s = script();
    let ab = [("a", ""), ("b", "")];
    let bac = [("b", ""), ("a", ""), ("c", "")];
    let first = me(&s.join(&Asks::new(3).protocols(&ab)));
    let (second, _) = s.send_join(&Asks::new(3).protocols(&bac));
    let (third, _) = s.send_join(&Asks::new(3).protocols(&bac));
    let joined = s.join(&Asks::new(3).protocols(&ab).id(&first.id));
    assert_eq!(joined.protocol_name.unwrap().as_str(), "b");
    assert_eq!((s.joined(second).generation_id, s.joined(third).generation_id), (2, 2));
}

#[test]
fn a_nameless_member_whose_connection_is_gone_holds_nobody_up() {
    let mut s = script();
    let (first, second) = pair(&mut s);
    let (gone, _) = s.send_join(&Asks::new(3));
    s.c.forget(s.now_ms, gone);
    let (waits, _) = s.send_join(&Asks::new(9).id(&first.id));
    s.join(&Asks::new(9).id(&second.id));
    assert_eq!(s.joined(waits).members.len(), 2);
    assert!(!s.late.contains_key(&gone));
}

#[test]
fn a_group_survives_a_restart() {
    let mut s = script();
    let (first, second) = pair(&mut s);
    s.commit(2, &first.id, 42);
    let mut written = std::collections::BTreeMap::new();
    while let Some(change) = s.c.poll_change() {
        written.insert(change.key(), change.value());
    }
    let mut after = script();
    for (key, value) in written {
        if let Some(value) = value {
            after.c.restore(after.now_ms, &key, &value).unwrap();
        }
    }
    assert_eq!(after.heartbeat(&first), ErrorCode::NONE);
    assert_eq!(&*after.sync(&second, &[]).assignment, b"two");
    assert_eq!(after.commit(2, &second.id, 43), ErrorCode::NONE);
    after.pass(10_000);
    assert_eq!(after.heartbeat(&second), ErrorCode::UNKNOWN_MEMBER_ID);
}
