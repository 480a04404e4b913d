//! The assignors against tables taken from Kafka's tests, and against what they promise.

use super::*;
use proptest::prelude::*;

type Topics = BTreeMap<Arc<str>, AssignableTopic>;

fn member(id: &str, topics: &[&str]) -> GroupMember {
    GroupMember {
        member_id: id.into(),
        topics: topics.iter().map(|&topic| topic.into()).collect(),
        ..GroupMember::default()
    }
}

fn named(name: &str) -> TopicPartition {
    let (topic, partition) = name.rsplit_once('-').unwrap();
    TopicPartition::new(topic, partition.parse().unwrap())
}

fn topics(counts: &[(&str, i32)]) -> Topics {
    let topic = |count| AssignableTopic { partition_count: count, racks: Vec::new() };
    counts.iter().map(|&(name, count)| (name.into(), topic(count))).collect()
}

/// Replicas go round the brokers, from where the last topic ended.
fn topics_in_racks(counts: &[(&str, i32)], factor: usize, broker_racks: &[&str]) -> Topics {
    let mut made = topics(counts);
    let mut next = 0;
    for &(name, count) in counts {
        let partitions = usize::try_from(count).unwrap();
        let racks = |p: usize| -> BTreeSet<Arc<str>> {
            let replicas = (0..factor).map(|j| broker_racks[(p + j + next) % broker_racks.len()]);
            replicas.filter(|rack| !rack.is_empty()).map(Arc::from).collect()
        };
        made.get_mut(name).unwrap().racks = (0..partitions).map(racks).collect();
        next += partitions;
    }
    made
}

/// What each member gets, in the order of ids, as `t-0 t-1`.
fn shown(assignments: &BTreeMap<Arc<str>, MemberAssignment>) -> Vec<String> {
    let list = |a: &MemberAssignment| {
        a.partitions.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    };
    assignments.values().map(list).collect()
}

/// A row: topics, members, expected.
type DealRow<'a> = (&'a [(&'a str, i32)], Vec<GroupMember>, &'a [&'a str]);

#[test]
fn round_robin_deals_like_java() {
    let both = ["t1", "t2"];
    let all = |ids: &[&str]| ids.iter().map(|id| member(id, &both)).collect::<Vec<_>>();
    let mixed = vec![member("c1", &["t1"]), member("c2", &both), member("c3", &["t1"])];
    let table: Vec<DealRow<'_>> = vec![
        (&[], all(&["c"]), &[""]),
        (&[("t1", 3)], all(&["c"]), &["t1-0 t1-1 t1-2"]),
        (&[("t1", 3), ("other", 3)], all(&["c"]), &["t1-0 t1-1 t1-2"]),
        (&[("t1", 1)], all(&["c1", "c2"]), &["t1-0", ""]),
        (&[("t1", 3), ("t2", 2)], mixed, &["t1-0", "t1-1 t2-0 t2-1", "t1-2"]),
        (&[("t1", 3), ("t2", 3)], all(&["c1", "c2"]), &["t1-0 t1-2 t2-1", "t1-1 t2-0 t2-2"]),
    ];
    for (counts, members, expected) in table {
        assert_eq!(shown(&RoundRobinAssignor.assign(&topics(counts), &members)), expected);
    }
}

#[test]
fn static_members_come_first_and_keep_their_place_under_a_new_id() {
    let identified = |id: &str, instance: &str| GroupMember {
        group_instance_id: Some(instance.into()),
        ..member(id, &["t1", "t2"])
    };
    let topics = topics(&[("t1", 5), ("t2", 5)]);
    for ids in [["c1", "c2", "c3"], ["c1", "c5", "c4"]] {
        let [a, b, c] = ids;
        let members = vec![identified(a, "i1"), identified(b, "i2"), identified(c, "i3")];
        let dealt = RoundRobinAssignor.assign(&topics, &members);
        assert_eq!(dealt[b].partitions, ["t1-1", "t1-4", "t2-2"].map(named));
        assert_eq!(dealt[c].partitions, ["t1-2", "t2-0", "t2-3"].map(named));
        let ranges = RangeAssignor.assign(&topics, &members);
        assert_eq!(ranges[b].partitions, ["t1-2", "t1-3", "t2-2", "t2-3"].map(named));
        assert_eq!(ranges[c].partitions, ["t1-4", "t2-4"].map(named));
    }
}

/// A row: topics, replication factor, racks of brokers, racks and topics of members, expected.
type RackRow<'a> =
    (&'a [(&'a str, i32)], usize, &'a [&'a str], &'a [&'a str], [&'a [&'a str]; 3], [&'a str; 3]);

const ABC: &[&str] = &["a", "b", "c"];
const NONE: &[&str] = &["", "", ""];
const ALL: &[&str] = &["t1", "t2", "t3"];
const UNIFORM: [&[&str]; 3] = [ALL, ALL, ALL];
const UNEQUAL: [&[&str]; 3] = [ALL, ALL, &["t1", "t3"]];
const SIZES: &[(&str, i32)] = &[("t1", 6), ("t2", 7), ("t3", 2)];
const FIVES: &[(&str, i32)] = &[("t1", 5), ("t2", 5), ("t3", 5)];
const PLAIN: [&str; 3] =
    ["t1-0 t1-1 t2-0 t2-1 t2-2 t3-0", "t1-2 t1-3 t2-3 t2-4 t3-1", "t1-4 t1-5 t2-5 t2-6"];
const PLAIN_FIVES: [&str; 3] =
    ["t1-0 t1-1 t2-0 t2-1 t3-0 t3-1", "t1-2 t1-3 t2-2 t2-3 t3-2 t3-3", "t1-4 t2-4 t3-4"];

#[test]
fn range_follows_racks_like_java() {
    let rows: &[RackRow<'_>] = &[
        (SIZES, 3, NONE, ABC, UNIFORM, PLAIN),
        (SIZES, 3, ABC, NONE, UNIFORM, PLAIN),
        (SIZES, 3, ABC, ABC, UNIFORM, PLAIN),
        (SIZES, 3, ABC, &["d", "e", "f"], UNIFORM, PLAIN),
        (
            SIZES,
            1,
            ABC,
            ABC,
            UNIFORM,
            ["t1-0 t1-3 t2-0 t2-3 t2-6", "t1-1 t1-4 t2-1 t2-4 t3-0", "t1-2 t1-5 t2-2 t2-5 t3-1"],
        ),
        (
            SIZES,
            2,
            ABC,
            ABC,
            UNIFORM,
            ["t1-0 t1-2 t2-0 t2-2 t2-3 t3-1", "t1-1 t1-3 t2-1 t2-4 t3-0", "t1-4 t1-5 t2-5 t2-6"],
        ),
        (SIZES, 3, &["a", "b"], ABC, UNIFORM, PLAIN),
        (
            SIZES,
            1,
            ABC,
            ABC,
            UNEQUAL,
            ["t1-0 t1-3 t2-0 t2-2 t2-3 t2-6", "t1-1 t1-4 t2-1 t2-4 t2-5 t3-0", "t1-2 t1-5 t3-1"],
        ),
        (
            SIZES,
            2,
            ABC,
            ABC,
            UNEQUAL,
            ["t1-0 t1-2 t2-0 t2-2 t2-3 t2-5 t3-1", "t1-1 t1-3 t2-1 t2-4 t2-6 t3-0", "t1-4 t1-5"],
        ),
        (FIVES, 1, ABC, ABC, UNIFORM, PLAIN_FIVES),
        (FIVES, 2, ABC, ABC, UNIFORM, PLAIN_FIVES),
        (
            FIVES,
            1,
            ABC,
            ABC,
            UNEQUAL,
            ["t1-0 t1-1 t2-0 t2-1 t2-4 t3-0 t3-1", "t1-2 t1-3 t2-2 t2-3 t3-2 t3-3", "t1-4 t3-4"],
        ),
        (
            FIVES,
            2,
            ABC,
            ABC,
            UNEQUAL,
            ["t1-2 t2-0 t2-1 t2-3 t3-2", "t1-0 t1-3 t2-2 t2-4 t3-0 t3-3", "t1-1 t1-4 t3-1 t3-4"],
        ),
    ];
    for (row, &(counts, factor, broker_racks, member_racks, subscribed, expected)) in
        rows.iter().enumerate()
    {
        let racked = |i: usize| GroupMember {
            rack: Some(member_racks[i].into()),
            ..member(&format!("consumer{i}"), subscribed[i])
        };
        let members: Vec<GroupMember> = (0..3).map(racked).collect();
        let topics = topics_in_racks(counts, factor, broker_racks);
        assert_eq!(shown(&RangeAssignor.assign(&topics, &members)), expected, "row {row}");
    }
}

/// The members as they would join after this assignment, for either sticky assignor.
fn rejoining(
    members: &[GroupMember],
    assigned: &BTreeMap<Arc<str>, MemberAssignment>,
    generation: i32,
    assignor: &dyn Assignor,
) -> Vec<GroupMember> {
    let rejoin = |member: &GroupMember| {
        let owned = assigned.get(&member.member_id).cloned().unwrap_or_default().partitions;
        let subscribing = Subscribing { topics: &member.topics, assigned: &owned, generation };
        let user_data = assignor.user_data(&subscribing);
        let cooperative = assignor.protocol() == RebalanceProtocol::Cooperative;
        GroupMember {
            user_data,
            owned_partitions: if cooperative { owned } else { Vec::new() },
            generation: cooperative.then_some(generation),
            ..member.clone()
        }
    };
    members.iter().map(rejoin).collect()
}

/// Every partition that somebody subscribes to is assigned once, to a subscriber.
fn assert_sound(
    topics: &Topics,
    members: &[GroupMember],
    assigned: &BTreeMap<Arc<str>, MemberAssignment>,
) {
    let mut seen = BTreeSet::new();
    for member in members {
        for partition in &assigned[&member.member_id].partitions {
            assert!(member.topics.contains(&partition.topic), "{partition} was not subscribed");
            assert!(seen.insert(partition.clone()), "{partition} has two owners");
        }
    }
    let wanted = topics.iter().filter(|(name, _)| members.iter().any(|m| m.topics.contains(*name)));
    let expected: usize =
        wanted.map(|(_, topic)| usize::try_from(topic.partition_count).unwrap()).sum();
    assert_eq!(seen.len(), expected, "a partition has no owner");
}

fn loads(assigned: &BTreeMap<Arc<str>, MemberAssignment>) -> (usize, usize) {
    let loads = || assigned.values().map(|a| a.partitions.len());
    (loads().min().unwrap_or(0), loads().max().unwrap_or(0))
}

fn any_topics() -> impl Strategy<Value = Topics> {
    proptest::collection::vec(0..12i32, 1..5).prop_map(|counts| {
        let topic = |count| AssignableTopic { partition_count: count, racks: Vec::new() };
        let named = counts.into_iter().enumerate();
        named.map(|(i, count)| (Arc::from(format!("t{i}")), topic(count))).collect()
    })
}

fn any_members(equal: bool) -> impl Strategy<Value = Vec<GroupMember>> {
    proptest::collection::vec(1..16u8, 1..9).prop_map(move |masks| {
        let subscribed = |mask: u8| {
            let mask = if equal { 15 } else { mask };
            (0..4)
                .filter(|bit| mask & (1 << bit) != 0)
                .map(|bit| format!("t{bit}").into())
                .collect()
        };
        let named = masks.into_iter().enumerate();
        let make = |(i, mask)| GroupMember {
            member_id: format!("m{i}").into(),
            topics: subscribed(mask),
            ..GroupMember::default()
        };
        named.map(make).collect()
    })
}

fn assignors() -> [Box<dyn Assignor>; 4] {
    [
        Box::new(RangeAssignor),
        Box::new(RoundRobinAssignor),
        Box::new(StickyAssignor),
        Box::new(CooperativeStickyAssignor),
    ]
}

proptest! {
    #[test]
    fn every_partition_gets_one_owner_that_wants_it(
        topics in any_topics(), members in any_members(false),
    ) {
        for assignor in assignors() {
            assert_sound(&topics, &members, &assignor.assign(&topics, &members));
        }
    }

    #[test]
    fn equal_subscriptions_are_shared_evenly_and_stay_so(
        topics in any_topics(), members in any_members(true), gone in 0..8usize, come in 0..4usize,
    ) {
        let before = StickyAssignor.assign(&topics, &members);
        let mut members = rejoining(&members, &before, 1, &StickyAssignor);
        if members.len() > 1 {
            members.remove(gone % members.len());
        }
        let subscribed = members[0].topics.clone();
        let fresh = |i| GroupMember { topics: subscribed.clone(), ..member(&format!("n{i}"), &[]) };
        members.extend((0..come).map(fresh));
        let after = StickyAssignor.assign(&topics, &members);
        assert_sound(&topics, &members, &after);
        let (least, most) = loads(&after);
        prop_assert!(most - least <= 1);
        // Whoever lost something is full: what it lost, somebody else had to have.
        let total: usize = after.values().map(|a| a.partitions.len()).sum();
        let share = total / members.len();
        for member in &members {
            let Some(had) = before.get(&member.member_id) else { continue };
            let has = &after[&member.member_id].partitions;
            let kept = had.partitions.iter().filter(|p| has.contains(p)).count();
            prop_assert!(kept == had.partitions.len() || kept >= share);
        }
    }

    #[test]
    fn nothing_moves_when_nothing_changes(
        topics in any_topics(), members in any_members(false),
    ) {
        for assignor in [&StickyAssignor as &dyn Assignor, &CooperativeStickyAssignor] {
            let before = assignor.assign(&topics, &members);
            let again = assignor.assign(&topics, &rejoining(&members, &before, 1, assignor));
            prop_assert_eq!(before, again);
        }
    }

    #[test]
    fn no_single_move_makes_it_more_even(topics in any_topics(), members in any_members(false)) {
        let assigned = StickyAssignor.assign(&topics, &members);
        let load = |member: &GroupMember| assigned[&member.member_id].partitions.len();
        for from in &members {
            for partition in &assigned[&from.member_id].partitions {
                for to in members.iter().filter(|to| to.topics.contains(&partition.topic)) {
                    prop_assert!(load(from) < load(to) + 2, "{} could move", partition);
                }
            }
        }
    }

    #[test]
    fn cooperative_never_assigns_what_another_still_owns_and_settles(
        topics in any_topics(), members in any_members(false), come in any_members(false),
    ) {
        let assignor = CooperativeStickyAssignor;
        let before = assignor.assign(&topics, &members);
        let mut joining = rejoining(&members, &before, 1, &assignor);
        joining.extend(come.into_iter().map(|m| GroupMember {
            member_id: format!("x{}", m.member_id).into(), ..m
        }));
        let first = assignor.assign(&topics, &joining);
        for member in &joining {
            let foreign: BTreeSet<_> = joining.iter().filter(|m| m.member_id != member.member_id)
                .flat_map(|m| &m.owned_partitions).collect();
            for partition in &first[&member.member_id].partitions {
                prop_assert!(!foreign.contains(partition), "{} has an owner", partition);
            }
        }
        let mut settled = first;
        for generation in 2..8 {
            let again = rejoining(&joining, &settled, generation, &assignor);
            settled = assignor.assign(&topics, &again);
        }
        assert_sound(&topics, &joining, &settled);
    }
}

/// Members that say anything about themselves: what they own may be foreign, double, or not exist.
fn hostile_members() -> impl Strategy<Value = Vec<GroupMember>> {
    let partition = ("t[0-5]", -2..20i32).prop_map(|(t, p)| TopicPartition::new(t, p));
    let owned = proptest::collection::vec(partition, 0..12);
    let user_data = proptest::option::of(proptest::collection::vec(any::<u8>(), 0..60));
    let said = (owned, proptest::option::of(any::<i32>()), user_data);
    let said = proptest::collection::vec(said, 9);
    (any_members(false), said).prop_map(|(members, said)| {
        let lie = |(member, (owned_partitions, generation, user_data))| GroupMember {
            owned_partitions,
            generation,
            user_data: Option::<Vec<u8>>::map(user_data, Into::into),
            ..member
        };
        members.into_iter().zip(said).map(lie).collect()
    })
}

proptest! {
    #[test]
    fn leader_side_assignor_bugs_cannot_be_provoked_by_what_members_say(
        topics in any_topics(), members in hostile_members(),
    ) {
        for assignor in assignors() {
            let mut owners = BTreeSet::new();
            for (id, assigned) in assignor.assign(&topics, &members) {
                let member = members.iter().find(|member| member.member_id == id).unwrap();
                for tp in assigned.partitions {
                    prop_assert!(member.topics.contains(&tp.topic), "{}: {}", assignor.name(), tp);
                    let count = topics.get(&tp.topic).map_or(0, |topic| topic.partition_count);
                    prop_assert!((0..count).contains(&tp.partition), "{}: {}", assignor.name(), tp);
                    prop_assert!(owners.insert(tp.clone()), "{}: {} twice", assignor.name(), tp);
                }
            }
        }
    }
}

#[test]
fn what_two_claim_stays_with_the_newer_generation_and_with_nobody_in_a_tie() {
    let owner = |id: &str, generation: i32, owned: &[&str]| GroupMember {
        owned_partitions: owned.iter().map(|name| named(name)).collect(),
        generation: Some(generation),
        ..member(id, &["t"])
    };
    let topics = topics(&[("t", 2)]);
    let assign =
        |members: &[GroupMember]| shown(&CooperativeStickyAssignor.assign(&topics, members));
    let newer = [owner("a", 3, &["t-0"]), owner("b", 4, &["t-0"])];
    assert_eq!(assign(&newer), ["t-1", "t-0"]);
    // Both have to give it up first.
    let tie = [owner("a", 4, &["t-0"]), owner("b", 4, &["t-0"])];
    assert_eq!(assign(&tie), ["", "t-1"]);
    // Nonsense is ignored: a partition that does not exist, a topic that is not subscribed.
    let nonsense = [owner("a", 4, &["t-7", "u-0", "t--1"]), owner("b", 4, &[])];
    assert_eq!(assign(&nonsense), ["t-0", "t-1"]);
}

#[test]
fn a_thousand_members_with_different_topics_are_balanced() {
    let counts: Vec<(String, i32)> = (0..100).map(|i| (format!("t{i:02}"), 100)).collect();
    let counts: Vec<(&str, i32)> = counts.iter().map(|(name, n)| (name.as_str(), *n)).collect();
    let topics = topics(&counts);
    let subscribe = |i: usize| {
        let wanted = (0..10).map(|k| counts[(i * 7 + k * (1 + i % 5)) % 100].0);
        member(&format!("m{i:04}"), &wanted.collect::<Vec<_>>())
    };
    let members: Vec<GroupMember> = (0..1000).map(subscribe).collect();
    let assigned = StickyAssignor.assign(&topics, &members);
    assert_sound(&topics, &members, &assigned);
    assert_eq!(loads(&assigned), (10, 10));
}
