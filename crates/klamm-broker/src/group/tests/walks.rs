//! Random walks: whatever members do, everybody who waits is answered once, and no generation has two leaders.

use super::script::{Asks, GROUP, Script};
use crate::group::{Caller, GroupConfig, Reply};
use klamm_protocol::error_code::ErrorCode as E;
use klamm_protocol::message::*;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Clone)]
enum Step {
    Join(usize),
    Sync(usize),
    Heartbeat(usize),
    Leave(usize),
    Drop(usize),
    Pass(i64),
}

fn step() -> impl Strategy<Value = Step> {
    let who = 0..4_usize;
    prop_oneof![
        4 => who.clone().prop_map(Step::Join),
        4 => who.clone().prop_map(Step::Sync),
        1 => who.clone().prop_map(Step::Heartbeat),
        1 => who.clone().prop_map(Step::Leave),
        1 => who.prop_map(Step::Drop),
        2 => (0..20_000_i64).prop_map(Step::Pass),
    ]
}

/// A client: dynamic ones are even, static ones odd; the first two speak an old version.
#[derive(Debug, Default, Clone)]
struct Client {
    id: String,
    generation: i32,
    members: Vec<String>,
    waits: Option<u64>,
}

#[derive(Debug)]
struct Walk {
    s: Script,
    clients: Vec<Client>,
    asked: BTreeMap<u64, usize>,
    answered: BTreeSet<u64>,
    leaders: BTreeMap<i32, String>,
    shares: BTreeMap<(i32, Vec<u8>), String>,
}

impl Walk {
    fn new() -> Self {
        Self {
            s: Script::new(GroupConfig::default()),
            clients: vec![Client::default(); 4],
            asked: BTreeMap::new(),
            answered: BTreeSet::new(),
            leaders: BTreeMap::new(),
            shares: BTreeMap::new(),
        }
    }

    fn take(&mut self, step: &Step) {
        match *step {
            Step::Join(who) => self.join(who),
            Step::Sync(who) => self.sync(who),
            Step::Heartbeat(who) => {
                let me = super::script::Me {
                    id: self.clients[who].id.clone(),
                    generation: self.clients[who].generation,
                };
                self.s.heartbeat(&me);
            }
            Step::Leave(who) => {
                let id = self.clients[who].id.clone();
                self.s.leave(&id, None);
            }
            Step::Drop(who) => {
                if let Some(waiter) = self.clients[who].waits.take() {
                    self.asked.remove(&waiter);
                    self.s.c.forget(self.s.now_ms, waiter);
                    self.s.collect();
                }
            }
            Step::Pass(ms) => self.s.pass(ms),
        }
        self.hear();
    }

    fn join(&mut self, who: usize) {
        let mut asks = Asks::new(if who < 2 { 3 } else { 9 }).id(&self.clients[who].id);
        if who % 2 == 1 {
            asks = asks.instance(&format!("i{who}"));
            asks.version = asks.version.max(5);
        }
        let (waiter, response) = self.s.send_join(&asks);
        self.asked.insert(waiter, who);
        self.clients[who].waits = Some(waiter);
        if let Some(response) = response {
            self.answer(waiter, Reply::Join(response));
        }
    }

    fn sync(&mut self, who: usize) {
        let client = self.clients[who].clone();
        let assigns: Vec<_> = client.members.iter().map(|id| (id.as_str(), id.as_str())).collect();
        let me = super::script::Me { id: client.id.clone(), generation: client.generation };
        let (waiter, response) = self.s.send_sync(&me, &assigns);
        self.asked.insert(waiter, who);
        self.clients[who].waits = Some(waiter);
        if let Some(response) = response {
            self.answer(waiter, Reply::Sync(response));
        }
    }

    fn hear(&mut self) {
        while let Some((waiter, reply)) = self.s.late.pop_first() {
            self.answer(waiter, reply);
        }
    }

    fn answer(&mut self, waiter: u64, reply: Reply) {
        assert!(self.answered.insert(waiter), "{waiter} was answered twice");
        let who = self.asked.remove(&waiter).expect("an answer to nobody");
        let client = &mut self.clients[who];
        if client.waits == Some(waiter) {
            client.waits = None;
        }
        match reply {
            Reply::Join(response) => match E(response.error_code) {
                E::NONE => {
                    client.id = response.member_id.to_string();
                    client.generation = response.generation_id;
                    let members = response.members.iter();
                    client.members = members.map(|m| m.member_id.to_string()).collect();
                    if !response.members.is_empty() && !response.skip_assignment {
                        let known = self.leaders.insert(response.generation_id, client.id.clone());
                        assert!(known.is_none_or(|known| known == client.id), "two leaders");
                    }
                }
                E::MEMBER_ID_REQUIRED => client.id = response.member_id.to_string(),
                E::UNKNOWN_MEMBER_ID | E::FENCED_INSTANCE_ID => client.id.clear(),
                _ => {}
            },
            Reply::Sync(response) if response.error_code == 0 => {
                let share = (client.generation, response.assignment.to_vec());
                let owner = format!("{who}");
                let known = self.shares.insert(share.clone(), owner.clone());
                let two = !share.1.is_empty() && known.is_some_and(|known| known != owner);
                assert!(!two, "two members own {share:?}");
            }
            Reply::Sync(_) => {}
        }
    }

    /// Time runs out for everybody: nobody may be left waiting.
    fn finish(&mut self) {
        for _ in 0..10 {
            self.s.pass(600_000);
            self.hear();
        }
        assert!(self.asked.is_empty(), "still waiting: {:?}", self.asked);
        let request = DescribeGroupsRequest { groups: vec![GROUP.into()], ..Default::default() };
        let group = &self.s.c.describe_groups(5, &request).groups[0];
        assert!(matches!(group.group_state.as_str(), "Empty" | "Dead"), "{group:?}");
    }
}

proptest! {
    #[test]
    fn everybody_is_answered_once(steps in proptest::collection::vec(step(), 1..60)) {
        let mut walk = Walk::new();
        for step in &steps {
            walk.take(step);
        }
        walk.finish();
    }
}

#[test]
fn a_request_that_follows_another_of_its_member_answers_the_first() {
    let mut s = Script::new(GroupConfig::default());
    let (first, _) = super::classic::pair(&mut s);
    let (earlier, _) = s.send_join(&Asks::new(9).id(&first.id));
    let (later, _) = s.send_join(&Asks::new(9).id(&first.id));
    assert_eq!(E(s.joined(earlier).error_code), E::REBALANCE_IN_PROGRESS);
    assert!(!s.late.contains_key(&later));
    let _ = Caller { client_id: "", client_host: "", waiter: later };
}
