//! Random walks of KIP-848 members: no partition is with two of them, and in the end all partitions are with somebody.

use super::consumer_member::{Consumer, describe, send};
use super::script::{Script, Topics};
use crate::group::GroupConfig;
use klamm_protocol::error_code::ErrorCode as E;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Clone)]
enum Step {
    /// A heartbeat.
    Beat(usize),
    /// A heartbeat, the answer to which is lost.
    Deaf(usize),
    /// Acts on what it was told.
    Act(usize),
    /// Leaves: for good, or for a while if it can.
    Leave(usize),
    /// Starts again, and has forgotten everything.
    Crash(usize),
    /// Reads something else from the next time on that it joins.
    Reads(usize, usize),
    /// The broker changes its topics.
    Topics(i32, i32),
    Pass(i64),
}

fn step() -> impl Strategy<Value = Step> {
    let who = 0..4_usize;
    prop_oneof![
        8 => who.clone().prop_map(Step::Beat),
        6 => who.clone().prop_map(Step::Act),
        1 => who.clone().prop_map(Step::Deaf),
        1 => who.clone().prop_map(Step::Leave),
        1 => who.clone().prop_map(Step::Crash),
        1 => (who, 0..3_usize).prop_map(|(who, what)| Step::Reads(who, what)),
        1 => (1..5_i32, 0..4_i32).prop_map(|(t, u)| Step::Topics(t, u)),
        2 => (0..20_000_i64).prop_map(Step::Pass),
    ]
}

#[derive(Debug)]
struct Walk {
    s: Script,
    consumers: Vec<Consumer>,
    starts: usize,
}

impl Walk {
    /// Four consumers; odd ones are static, and one wants range.
    fn new() -> Self {
        let consumer = |n: usize| {
            let consumer = Consumer::new(&format!("m{n}"), &["t"]);
            if n % 2 == 1 { consumer.instance(&format!("i{n}")) } else { consumer }
        };
        let mut consumers: Vec<_> = (0..4).map(consumer).collect();
        consumers[2].assignor = Some("range".into());
        Self { s: Script::new(GroupConfig::default()), consumers, starts: 4 }
    }

    fn take(&mut self, step: &Step) {
        let Self { s, consumers, starts } = self;
        match *step {
            Step::Beat(who) => beat(s, &mut consumers[who]),
            Step::Deaf(who) => {
                send(s, &consumers[who].request());
                consumers[who].unsure = true;
            }
            Step::Act(who) => consumers[who].act(),
            Step::Leave(who) => {
                let epoch = if consumers[who].instance.is_some() { -2 } else { -1 };
                consumers[who].leave(s, epoch);
            }
            Step::Crash(who) => {
                *starts += 1;
                consumers[who].id = format!("m{starts}");
                consumers[who].forget();
            }
            Step::Reads(who, what) => {
                let consumer = &mut consumers[who];
                consumer.forget();
                consumer.regex = (what == 2).then(|| "t|u".to_owned());
                consumer.topics = [vec!["t"], vec!["t", "u"], vec![]][what]
                    .iter()
                    .map(|&topic| topic.to_owned())
                    .collect();
            }
            Step::Topics(t, u) => {
                let all = [("t", t), ("u", u)];
                s.topics = Topics::of(if u > 0 { &all } else { &all[..1] });
            }
            Step::Pass(ms) => s.pass(ms),
        }
        self.check();
    }

    /// Members that the coordinator takes for such never have a partition in common.
    fn check(&self) {
        let group = describe(&self.s);
        let members: BTreeSet<&str> = group.members.iter().map(|m| m.member_id.as_str()).collect();
        let live = self.consumers.iter().filter(|consumer| members.contains(consumer.id.as_str()));
        let mut owners = BTreeMap::new();
        for consumer in live {
            for (topic, partitions) in &consumer.owned {
                for partition in partitions {
                    let other = owners.insert((topic, partition), &consumer.id);
                    assert!(other.is_none(), "{partition} is with {other:?} and {}", consumer.id);
                }
            }
        }
    }

    /// Everybody goes on in peace, until all is settled.
    fn finish(&mut self) {
        for _ in 0..20 {
            self.s.pass(5_000);
            for consumer in &mut self.consumers {
                beat(&mut self.s, consumer);
                consumer.act();
            }
            self.check();
        }
        let Self { s, consumers, .. } = self;
        assert_eq!(describe(s).group_state.as_str(), "Stable");
        for (topic, count) in &s.topics.0 {
            let has = |consumer: &Consumer| consumer.has(topic);
            let mut all: Vec<i32> = consumers.iter().flat_map(has).collect();
            all.sort_unstable();
            let reads = |c: &Consumer| c.regex.is_some() || c.topics.iter().any(|t| **t == **topic);
            let read = consumers.iter().any(reads);
            let wanted: Vec<i32> = if read { (0..*count).collect() } else { Vec::new() };
            assert_eq!(all, wanted, "{topic}");
        }
    }
}

/// A heartbeat of a client that joins anew when it is told that it is out.
fn beat(s: &mut Script, consumer: &mut Consumer) {
    match consumer.beat(s) {
        E::NONE | E::UNRELEASED_INSTANCE_ID => {}
        E::UNKNOWN_MEMBER_ID
        | E::FENCED_MEMBER_EPOCH
        | E::FENCED_INSTANCE_ID
        | E::GROUP_ID_NOT_FOUND => consumer.forget(),
        code => panic!("{code:?} to {consumer:?}"),
    }
}

proptest! {
    #[test]
    fn no_partition_is_with_two_and_all_are_with_somebody(
        steps in proptest::collection::vec(step(), 1..80),
    ) {
        let mut walk = Walk::new();
        for step in &steps {
            walk.take(step);
        }
        walk.finish();
    }
}
