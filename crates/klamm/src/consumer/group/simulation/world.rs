//! The network, the clock and the applications.

use super::super::classic::ClassicMember;
use super::super::consumer_protocol::{ConsumerMember, Subscription};
use super::super::machine::{Answer, Call, Event, GroupConfig, Request};
use crate::consumer::assignor::{AssignableTopic, Assignor};
use crate::consumer::topic_partition::TopicPartition;
use klamm_protocol::message::FindCoordinatorResponse;
use klamm_protocol::primitives::Uuid;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(super) const SESSION: Duration = Duration::from_millis(6000);
pub(super) const REBALANCE: Duration = Duration::from_millis(9000);
/// One step of the clock.
const STEP: Duration = Duration::from_millis(10);
/// How long things go wrong, and how long they may take to heal.
const CHAOS: Duration = Duration::from_secs(60);
const HEALING: Duration = Duration::from_secs(60);
const TOPICS: [(&str, i32); 3] = [("a", 5), ("b", 3), ("c", 1)];

/// Who answers: the model of a coordinator.
pub(super) trait Coordinator {
    fn handle(&mut self, now: Instant, from: usize, id: u64, call: Call, out: &mut Outbox);
    fn tick(&mut self, now: Instant, out: &mut Outbox);
}

/// Answers on their way: to whom, to which request, what.
pub(super) type Outbox = Vec<(usize, u64, Answer)>;

/// Which protocol the members speak.
#[derive(Clone)]
pub(super) enum Kind {
    Classic(Arc<dyn Assignor>),
    Consumer,
}

enum Machine {
    Classic(ClassicMember),
    Consumer(ConsumerMember),
}

macro_rules! both {
    ($machine:expr, $member:ident => $body:expr) => {
        match $machine {
            Machine::Classic($member) => $body,
            Machine::Consumer($member) => $body,
        }
    };
}

struct Application {
    machine: Machine,
    /// What it reads: from `Assign` until it has acknowledged that it no longer does.
    reads: BTreeSet<TopicPartition>,
    /// Nothing gets through until then.
    cut_off_until: Instant,
    /// It does not poll until then.
    busy_until: Instant,
    dirty: bool,
}

enum Step {
    Arrive(usize, u64, Call),
    Deliver(usize, u64, Answer),
    Acknowledge(usize, Vec<TopicPartition>),
    Names(usize),
}

pub(super) struct World {
    seed: u64,
    random: u64,
    start: Instant,
    now: Instant,
    sequence: u64,
    queue: BTreeMap<(Instant, u64), Step>,
    applications: BTreeMap<usize, Application>,
    next_application: usize,
    coordinator: Box<dyn Coordinator>,
    kind: Kind,
    assigns: usize,
}

impl World {
    pub(super) fn new(seed: u64, coordinator: Box<dyn Coordinator>, kind: Kind) -> Self {
        let start = Instant::now();
        Self {
            seed,
            random: seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1,
            start,
            now: start,
            sequence: 0,
            queue: BTreeMap::new(),
            applications: BTreeMap::new(),
            next_application: 0,
            coordinator,
            kind,
            assigns: 0,
        }
    }

    /// Returns how often partitions were assigned.
    pub(super) fn run(mut self) -> usize {
        for _ in 0..3 {
            self.add();
        }
        while self.now < self.start + CHAOS + HEALING {
            self.now += STEP;
            if self.now < self.start + CHAOS {
                self.disturb();
            }
            self.step();
        }
        self.judge();
        self.assigns
    }

    fn judge(&self) {
        let mut read: Vec<TopicPartition> =
            self.applications.values().flat_map(|a| a.reads.iter().cloned()).collect();
        read.sort();
        let all = TOPICS.iter().flat_map(|&(topic, n)| (0..n).map(move |p| (topic, p)));
        let all: Vec<_> = all.map(|(topic, p)| TopicPartition::new(topic, p)).collect();
        assert_eq!(read, all, "seed {}: not all partitions have an owner", self.seed);
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % bound
    }

    fn some_time(&mut self, millis: u64) -> Duration {
        Duration::from_millis(1 + self.below(millis))
    }

    fn add(&mut self) {
        let number = self.next_application;
        self.next_application += 1;
        let config = GroupConfig {
            group_id: "g".into(),
            group_instance_id: None,
            rack: None,
            session_timeout: SESSION,
            heartbeat_interval: Duration::from_millis(1000),
            max_poll_interval: REBALANCE,
            request_timeout: Duration::from_millis(3000),
            retry_backoff: Duration::from_millis(100),
            retry_backoff_max: Duration::from_millis(1000),
            assignors: match &self.kind {
                Kind::Classic(assignor) => vec![assignor.clone()],
                Kind::Consumer => Vec::new(),
            },
            server_assignor: None,
        };
        let topics: BTreeSet<Arc<str>> = TOPICS.iter().map(|&(topic, _)| topic.into()).collect();
        let machine = match &self.kind {
            Kind::Classic(_) => Machine::Classic(ClassicMember::new(config, topics, self.now)),
            Kind::Consumer => {
                let subscription = Subscription { topics, regex: None };
                let id = format!("member-{number}").into();
                Machine::Consumer(ConsumerMember::new(config, subscription, id, self.now))
            }
        };
        let application = Application {
            machine,
            reads: BTreeSet::new(),
            cut_off_until: self.now,
            busy_until: self.now,
            dirty: true,
        };
        self.applications.insert(number, application);
    }

    fn any(&mut self) -> Option<usize> {
        let count = u64::try_from(self.applications.len()).unwrap();
        if count == 0 {
            return None;
        }
        let index = usize::try_from(self.below(count)).unwrap();
        self.applications.keys().nth(index).copied()
    }

    /// Somebody joins, dies, leaves, is cut off or does not poll.
    fn disturb(&mut self) {
        let what = self.below(2500);
        let (cut_off, busy) = (self.some_time(12_000), self.some_time(20_000));
        let Some(number) = self.any() else { return self.add() };
        let count = self.applications.len();
        let now = self.now;
        let Some(application) = self.applications.get_mut(&number) else { return };
        application.dirty = true;
        match what {
            0 if count < 6 => self.add(),
            1 if count > 1 => drop(self.applications.remove(&number)),
            2 if count > 1 => both!(&mut application.machine, m => m.close(now)),
            3 | 4 => application.cut_off_until = now + cut_off,
            5 => application.busy_until = now + busy,
            6 => both!(&mut application.machine, m => m.coordinator_lost()),
            _ => {}
        }
    }

    fn step(&mut self) {
        while let Some(entry) = self.queue.first_entry() {
            if entry.key().0 > self.now {
                break;
            }
            let step = entry.remove();
            self.take(step);
        }
        let mut out = Outbox::new();
        self.coordinator.tick(self.now, &mut out);
        self.send_back(out);
        for number in self.applications.keys().copied().collect::<Vec<_>>() {
            self.drive(number);
        }
    }

    fn later(&mut self, wait: Duration, step: Step) {
        self.sequence += 1;
        self.queue.insert((self.now + wait, self.sequence), step);
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Arrive(number, id, call) => {
                let mut out = Outbox::new();
                self.coordinator.handle(self.now, number, id, call, &mut out);
                self.send_back(out);
            }
            Step::Deliver(number, id, answer) => {
                let now = self.now;
                let Some(application) = self.applications.get_mut(&number) else { return };
                application.dirty = true;
                both!(&mut application.machine, m => m.handle_response(now, id, answer));
            }
            Step::Acknowledge(number, partitions) => {
                let now = self.now;
                let Some(application) = self.applications.get_mut(&number) else { return };
                application.dirty = true;
                application.reads.retain(|partition| !partitions.contains(partition));
                both!(&mut application.machine, m => m.handle_revoked(now));
            }
            Step::Names(number) => {
                let now = self.now;
                let Some(application) = self.applications.get_mut(&number) else { return };
                application.dirty = true;
                if let Machine::Consumer(member) = &mut application.machine {
                    member.handle_topic_names(now, &names());
                }
            }
        }
    }

    fn is_lossy(&self, number: usize) -> bool {
        self.applications.get(&number).is_none_or(|a| self.now < a.cut_off_until)
    }

    fn send_back(&mut self, out: Outbox) {
        for (number, id, answer) in out {
            let wait = self.some_time(80);
            let unlucky = self.now < self.start + CHAOS && self.below(40) == 0;
            if self.is_lossy(number) || unlucky {
                self.later(wait, Step::Deliver(number, id, Answer::Failed));
            } else {
                self.later(wait, Step::Deliver(number, id, answer.clone()));
                if self.below(10) == 0 {
                    self.later(wait * 2, Step::Deliver(number, id, answer));
                }
            }
        }
    }

    fn send(&mut self, number: usize, request: Request) {
        let Request { id, call, .. } = request;
        let wait = self.some_time(80);
        if let Call::FindCoordinator(_) = call {
            let found = Answer::FindCoordinator(FindCoordinatorResponse::default());
            let answer = if self.is_lossy(number) { Answer::Failed } else { found };
            return self.later(wait, Step::Deliver(number, id, answer));
        }
        let unlucky = self.now < self.start + CHAOS && self.below(40) == 0;
        if self.is_lossy(number) || unlucky {
            // The connection breaks: before or after the coordinator has read the request.
            if self.below(2) == 0 {
                self.later(wait, Step::Arrive(number, id, call));
            }
            return self.later(wait, Step::Deliver(number, id, Answer::Failed));
        }
        self.later(wait, Step::Arrive(number, id, call));
    }

    /// Lets a member do what it has to, but only when it has said so or something has happened.
    fn drive(&mut self, number: usize) {
        let now = self.now;
        let Some(application) = self.applications.get_mut(&number) else { return };
        let machine = &mut application.machine;
        if now >= application.busy_until {
            both!(machine, m => m.poll_made(now));
        }
        let due = both!(machine, m => m.poll_timeout()).is_some_and(|at| at <= now);
        if !due && !application.dirty && now < application.busy_until {
            return;
        }
        application.dirty = false;
        both!(machine, m => m.handle_timeout(now));
        while let Some(event) = self.event_of(number) {
            self.act(number, event);
        }
        while let Some(application) = self.applications.get_mut(&number) {
            let Some(request) = both!(&mut application.machine, m => m.poll_request(now)) else {
                break;
            };
            self.send(number, request);
        }
    }

    fn event_of(&mut self, number: usize) -> Option<Event> {
        let application = self.applications.get_mut(&number)?;
        both!(&mut application.machine, m => m.poll_event())
    }

    fn act(&mut self, number: usize, event: Event) {
        match event {
            Event::Revoke { partitions, deadline } => {
                // Sometimes the application takes far too long; it stops reading when told so.
                let slow = if self.below(20) == 0 { 20_000 } else { 500 };
                assert!(deadline <= self.now + REBALANCE);
                let wait = self.some_time(slow);
                self.later(wait, Step::Acknowledge(number, partitions));
            }
            Event::Lost { partitions } => {
                // Work stops at once; that it has is said later.
                if let Some(application) = self.applications.get_mut(&number) {
                    application.reads.retain(|partition| !partitions.contains(partition));
                }
                let wait = self.some_time(300);
                self.later(wait, Step::Acknowledge(number, partitions));
            }
            Event::Assign { partitions, .. } => self.assign(number, partitions),
            Event::NeedTopics { topics } => self.tell_topics(number, &topics),
            Event::NeedTopicNames => {
                let wait = self.some_time(200);
                self.later(wait, Step::Names(number));
            }
            Event::Closed => drop(self.close(number)),
            Event::Failed(_) | Event::FallBackToClassic => {
                panic!("seed {}: member {number} ended with {event:?}", self.seed)
            }
        }
    }

    /// A member that is closed reads nothing; its last words are sent all the same.
    fn close(&mut self, number: usize) -> Option<()> {
        let now = self.now;
        let application = self.applications.get_mut(&number)?;
        assert!(application.reads.is_empty(), "seed {}: closed while it reads", self.seed);
        while let Some(request) =
            both!(&mut self.applications.get_mut(&number)?.machine, m => m.poll_request(now))
        {
            self.send(number, request);
        }
        self.applications.remove(&number);
        Some(())
    }

    fn assign(&mut self, number: usize, partitions: Vec<TopicPartition>) {
        self.assigns += 1;
        for partition in partitions {
            let owner = self.applications.iter().find(|(_, a)| a.reads.contains(&partition));
            if let Some((owner, _)) = owner {
                panic!(
                    "seed {} at {:?}: {partition} goes to {number} while {owner} reads it",
                    self.seed,
                    self.now - self.start
                );
            }
            if let Some(application) = self.applications.get_mut(&number) {
                application.reads.insert(partition);
            }
        }
    }

    fn tell_topics(&mut self, number: usize, topics: &BTreeSet<Arc<str>>) {
        let Some(application) = self.applications.get_mut(&number) else { return };
        let Machine::Classic(member) = &mut application.machine else { return };
        let known = TOPICS.iter().filter(|(topic, _)| topics.contains(*topic));
        let topic = |n| AssignableTopic { partition_count: n, racks: Vec::new() };
        member.handle_topics(known.map(|&(name, n)| (name.into(), topic(n))).collect());
    }
}

/// Topic ids: the number of the topic, from 1.
fn names() -> BTreeMap<Uuid, Arc<str>> {
    let id = |index: u128| Uuid::from_bytes(index.to_be_bytes());
    (1..).zip(TOPICS).map(|(index, (topic, _))| (id(index), topic.into())).collect()
}

/// All partitions as the consumer protocol names them.
pub(super) fn all_parts() -> BTreeSet<(Uuid, i32)> {
    let ids = (1u128..).map(|index| Uuid::from_bytes(index.to_be_bytes()));
    ids.zip(TOPICS).flat_map(|(id, (_, n))| (0..n).map(move |p| (id, p))).collect()
}
