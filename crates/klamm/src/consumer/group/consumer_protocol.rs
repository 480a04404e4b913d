//! Pure: a member of a group of the KIP-848 protocol, where the coordinator assigns.
//!
//! One request does it all: `ConsumerGroupHeartbeat` with epoch 0 joins, with -1 leaves (-2 when a
//! static member means to come back), otherwise says what the member owns. The coordinator answers
//! with what it should own; the member lets go of the difference, takes what is new, and says so at
//! once. Fields that have not changed are left out, until an answer is missing: then all are sent.
//!
//! As in the classic protocol the member owns from `Assign` until it has acknowledged `Revoke` or
//! `Lost`, and stops trusting its assignment when nobody has confirmed it for a session timeout.

use super::machine::{
    Answer, Backoff, Call, Coordinator, Event, Finder, Found, Generation, GroupConfig, GroupError,
    Request, millis, take_id,
};
use super::verdict::{Verdict, of_consumer_heartbeat};
use crate::consumer::topic_partition::TopicPartition;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::consumer_group_heartbeat_request::TopicPartitions;
use klamm_protocol::message::*;
use klamm_protocol::primitives::{Str, Uuid};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What a member wants to read; names and pattern add up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Subscription {
    pub(crate) topics: BTreeSet<Arc<str>>,
    /// An RE2/J pattern that the broker matches; needs version 1 of the heartbeat.
    pub(crate) regex: Option<Arc<str>>,
}

/// A partition as the protocol names it.
type Part = (Uuid, i32);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Joins, or is a member: `epoch` tells.
    Active,
    /// The application does not poll.
    Resting,
    Closing,
    Closed,
    Failed,
}

/// What follows when partitions have been let go of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    Reconcile,
    Phase(Phase),
}

/// The last answered heartbeat's contents; `None` where all has to be sent.
#[derive(Debug, Clone, PartialEq)]
struct Said {
    subscription: Subscription,
    owned: BTreeSet<Part>,
}

/// One consumer's membership in a group of the KIP-848 protocol.
#[derive(Debug)]
pub(crate) struct ConsumerMember {
    config: GroupConfig,
    subscription: Subscription,
    finder: Finder,
    backoff: Backoff,
    next_id: u64,
    phase: Phase,
    member_id: Arc<str>,
    /// 0 while it joins.
    epoch: i32,
    names: BTreeMap<Uuid, Arc<str>>,
    target: Option<BTreeSet<Part>>,
    /// The coordinator set the target later than this.
    target_after: Instant,
    /// What has not been heard yet was decided later than this.
    heard_after: Instant,
    owned: BTreeSet<Part>,
    going: BTreeSet<Part>,
    unacknowledged: u32,
    told_lost: bool,
    release: Option<(Then, Option<Instant>)>,
    in_flight: Option<(u64, Instant, Said)>,
    said: Option<Said>,
    /// The epoch to leave with; sent once.
    leave: Option<i32>,
    leaving: Option<u64>,
    heartbeat_at: Instant,
    session_deadline: Option<Instant>,
    poll_deadline: Instant,
    unreleased_since: Option<Instant>,
    asked_names: BTreeSet<Uuid>,
    events: VecDeque<Event>,
}

impl ConsumerMember {
    /// A member that joins as soon as it is polled for requests. `member_id` is a new random UUID.
    pub(crate) fn new(
        config: GroupConfig,
        subscription: Subscription,
        member_id: Arc<str>,
        now: Instant,
    ) -> Self {
        Self {
            poll_deadline: now + config.max_poll_interval,
            config,
            subscription,
            finder: Finder::default(),
            backoff: Backoff::default(),
            next_id: 0,
            phase: Phase::Active,
            member_id,
            epoch: 0,
            names: BTreeMap::new(),
            target: None,
            target_after: now,
            heard_after: now,
            owned: BTreeSet::new(),
            going: BTreeSet::new(),
            unacknowledged: 0,
            told_lost: false,
            release: None,
            in_flight: None,
            said: None,
            leave: None,
            leaving: None,
            heartbeat_at: now,
            session_deadline: None,
            unreleased_since: None,
            asked_names: BTreeSet::new(),
            events: VecDeque::new(),
        }
    }

    /// The coordinator, if it is known.
    pub(crate) fn coordinator(&self) -> Option<&Coordinator> {
        self.finder.coordinator.as_ref()
    }

    /// Another request was told that the coordinator is elsewhere.
    pub(crate) fn coordinator_lost(&mut self) {
        self.finder.forget();
    }

    /// The right to commit, with the newest epoch; `None` while this is no member.
    pub(crate) fn generation(&self) -> Option<Generation> {
        (self.epoch > 0).then(|| Generation {
            id: self.epoch,
            member_id: self.member_id.clone(),
            group_instance_id: self.config.group_instance_id.clone(),
        })
    }

    /// What this member owns, including what it is letting go of.
    #[cfg(test)]
    pub(crate) fn owned(&self) -> BTreeSet<TopicPartition> {
        self.named(&self.owned)
    }

    /// What happened, oldest first.
    pub(crate) fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Topic ids in the assignment whose names are unknown: look them up in the metadata.
    pub(crate) fn unresolved_topics(&self) -> BTreeSet<Uuid> {
        let target = self.target.iter().flatten();
        target.map(|(topic, _)| *topic).filter(|id| !self.names.contains_key(id)).collect()
    }

    /// Names of topic ids, as metadata has them. What is known stays known: partitions of a deleted
    /// topic still have to be named when they are revoked.
    pub(crate) fn handle_topic_names(&mut self, now: Instant, names: &BTreeMap<Uuid, Arc<str>>) {
        let wanted = self.unresolved_topics();
        for (id, name) in names.iter().filter(|(id, _)| wanted.contains(id)) {
            self.names.insert(*id, name.clone());
        }
        self.reconcile(now);
    }

    /// The application asked for records: it is alive.
    pub(crate) fn poll_made(&mut self, now: Instant) {
        self.poll_deadline = now + self.config.max_poll_interval;
        if self.phase == Phase::Resting && self.release.is_none() {
            self.phase = Phase::Active;
        }
    }

    /// Subscribes to something else; the coordinator is told at once.
    pub(crate) fn subscribe(&mut self, now: Instant, subscription: Subscription) {
        if self.subscription != subscription {
            self.subscription = subscription;
            self.heartbeat_at = self.heartbeat_at.min(now);
        }
    }

    /// Leaves the group: lets go of everything, then tells the coordinator. [`Event::Closed`] follows.
    pub(crate) fn close(&mut self, now: Instant) {
        if matches!(self.phase, Phase::Closing | Phase::Closed | Phase::Failed) {
            return;
        }
        let rest = self.owned.difference(&self.going).copied().collect();
        let deadline = self.heard_after + self.config.max_poll_interval;
        self.let_go(now, Some(deadline), rest, Then::Phase(Phase::Closing));
    }

    /// Partitions of a `Revoke` or `Lost` have been let go of.
    pub(crate) fn handle_revoked(&mut self, now: Instant) {
        self.unacknowledged = self.unacknowledged.saturating_sub(1);
        if let (0, Some((then, _))) = (self.unacknowledged, self.release) {
            self.released(now, then);
        }
    }

    /// Whether it is out and has said so, as far as it had to.
    pub(crate) fn has_left(&self) -> bool {
        let out = matches!(self.phase, Phase::Closed | Phase::Failed);
        out && self.leave.is_none() && self.leaving.is_none()
    }

    /// The next request to send, if there is one.
    pub(crate) fn poll_request(&mut self, now: Instant) -> Option<Request> {
        if matches!(self.phase, Phase::Closed | Phase::Failed) && self.leave.is_none() {
            return None;
        }
        if self.finder.coordinator.is_none() {
            return self.finder.poll(now, &self.config, &mut self.next_id);
        }
        if let Some(epoch) = self.leave.take() {
            let heartbeat = self.leave_heartbeat(epoch);
            let request = self.request(heartbeat);
            self.leaving = Some(request.id);
            return Some(request);
        }
        let joins = self.epoch == 0;
        // A member that still has to let go of what it lost does not join yet.
        let may = self.phase == Phase::Active && !(joins && self.release.is_some());
        let due = joins || now >= self.heartbeat_at || self.has_news();
        let free = self.in_flight.is_none() && self.leaving.is_none();
        if !(may && due && free && self.backoff.is_over(now)) {
            return None;
        }
        // What is being revoked is still owned: it is said to be gone only when it is.
        let said = Said { subscription: self.subscription.clone(), owned: self.owned.clone() };
        // An earlier heartbeat without an answer may have started the clock of a rebalance.
        if joins || self.said.is_some() {
            self.heard_after = now;
        }
        let heartbeat = self.heartbeat(&said);
        let request = self.request(heartbeat);
        self.in_flight = Some((request.id, now, said));
        Some(request)
    }

    fn request(&mut self, heartbeat: ConsumerGroupHeartbeatRequest) -> Request {
        let timeout = self.config.session_timeout.min(self.config.request_timeout);
        let id = take_id(&mut self.next_id);
        Request { id, timeout, call: Call::ConsumerHeartbeat(heartbeat) }
    }

    /// Whether the coordinator has to hear something now: an acknowledged assignment, or a changed
    /// subscription.
    fn has_news(&self) -> bool {
        self.said
            .as_ref()
            .is_some_and(|said| said.owned != self.owned || said.subscription != self.subscription)
    }

    fn heartbeat(&self, now_said: &Said) -> ConsumerGroupHeartbeatRequest {
        let full = self.said.is_none();
        let same = |f: fn(&Said, &Said) -> bool| self.said.as_ref().is_some_and(|s| f(s, now_said));
        let topics = &self.subscription.topics;
        let same_topics = same(|a, b| a.subscription.topics == b.subscription.topics);
        let same_regex = same(|a, b| a.subscription.regex == b.subscription.regex);
        let had_regex = self.said.as_ref().is_some_and(|said| said.subscription.regex.is_some());
        let regex = match &self.subscription.regex {
            Some(regex) => Some(Str::from(&**regex)),
            // An empty pattern takes an earlier one back.
            None => had_regex.then(|| Str::from("")),
        };
        ConsumerGroupHeartbeatRequest {
            group_id: Str::from(&*self.config.group_id),
            member_id: Str::from(&*self.member_id),
            member_epoch: self.epoch,
            instance_id: self.config.group_instance_id.as_deref().map(Str::from),
            rack_id: self.config.rack.as_deref().filter(|_| full).map(Str::from),
            rebalance_timeout_ms: if full { millis(self.config.max_poll_interval) } else { -1 },
            subscribed_topic_names: (!same_topics)
                .then(|| topics.iter().map(|topic| Str::from(&**topic)).collect()),
            subscribed_topic_regex: regex.filter(|_| !same_regex),
            server_assignor: self.config.server_assignor.as_deref().filter(|_| full).map(Str::from),
            topic_partitions: (!same(|a, b| a.owned == b.owned)).then(|| by_topic(&now_said.owned)),
        }
    }

    fn leave_heartbeat(&self, epoch: i32) -> ConsumerGroupHeartbeatRequest {
        ConsumerGroupHeartbeatRequest {
            group_id: Str::from(&*self.config.group_id),
            member_id: Str::from(&*self.member_id),
            member_epoch: epoch,
            instance_id: self.config.group_instance_id.as_deref().map(Str::from),
            ..ConsumerGroupHeartbeatRequest::default()
        }
    }

    /// When `handle_timeout` or `poll_request` has something to do, if nothing happens before.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        if matches!(self.phase, Phase::Closed | Phase::Failed) {
            return self.finder.timeout().filter(|_| self.leave.is_some());
        }
        let beats = self.phase == Phase::Active
            && self.in_flight.is_none()
            && self.finder.coordinator.is_some()
            && !(self.epoch == 0 && self.release.is_some());
        let next = match self.backoff.until() {
            Some(until) if self.epoch == 0 || self.has_news() => until,
            Some(until) => until.max(self.heartbeat_at),
            None => self.heartbeat_at,
        };
        [
            self.finder.timeout(),
            Some(next).filter(|_| beats),
            self.session_deadline.filter(|_| self.epoch > 0),
            self.release.and_then(|(_, deadline)| deadline),
            Some(self.poll_deadline).filter(|_| self.phase == Phase::Active && !self.is_ending()),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    fn is_ending(&self) -> bool {
        matches!(self.release, Some((Then::Phase(phase), _)) if phase != Phase::Active)
    }

    /// Does what the clock demands.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if matches!(self.phase, Phase::Closed | Phase::Failed) {
            return;
        }
        if self.epoch > 0 && self.session_deadline.is_some_and(|deadline| now >= deadline) {
            self.lose(now, Phase::Active);
        }
        if let Some((_, Some(deadline))) = self.release
            && now >= deadline
        {
            self.tell_leave();
            self.lose(now, Phase::Active);
        }
        if self.phase == Phase::Active && !self.is_ending() && now >= self.poll_deadline {
            self.tell_leave();
            self.lose(now, Phase::Resting);
        }
    }

    /// Hands in what came back for the request with this id; answers to others are ignored.
    pub(crate) fn handle_response(&mut self, now: Instant, id: u64, answer: Answer) {
        match self.finder.handle(now, &self.config, id, &answer) {
            Found::NotMine => {}
            Found::Progress => return,
            Found::Fatal(error) => return self.fail(now, error),
        }
        if self.leaving == Some(id) {
            self.leaving = None;
            return self.close_if_left();
        }
        let Some((_, sent, said)) = self.in_flight.take_if(|(in_flight, _, _)| *in_flight == id)
        else {
            return;
        };
        let (code, response) = match answer {
            Answer::ConsumerHeartbeat(response) => (ErrorCode(response.error_code), Some(response)),
            Answer::Unsupported => (ErrorCode::UNSUPPORTED_VERSION, None),
            _ => (ErrorCode::NETWORK_EXCEPTION, None),
        };
        match (of_consumer_heartbeat(code, self.epoch == 0), response) {
            (Verdict::Done, Some(response)) => self.confirmed(now, sent, said, &response),
            (verdict, response) => {
                let message = response.and_then(|r| r.error_message).map(|m| m.to_string());
                self.follow(now, verdict, code, message);
            }
        }
    }

    fn confirmed(
        &mut self,
        now: Instant,
        sent: Instant,
        said: Said,
        response: &ConsumerGroupHeartbeatResponse,
    ) {
        self.backoff.succeeded();
        self.unreleased_since = None;
        if let Some(id) = response.member_id.as_deref().filter(|id| !id.is_empty()) {
            self.member_id = Arc::from(id);
        }
        self.epoch = response.member_epoch.max(1);
        self.said = Some(said);
        self.session_deadline = Some(sent + self.config.session_timeout);
        let interval = u64::try_from(response.heartbeat_interval_ms).ok().filter(|&ms| ms > 0);
        let interval = interval.map_or(self.config.heartbeat_interval, Duration::from_millis);
        self.heartbeat_at = now + interval;
        if let Some(assignment) = &response.assignment {
            let parts = assignment.topic_partitions.iter();
            let target = parts.flat_map(|t| t.partitions.iter().map(|&p| (t.topic_id, p)));
            let target = Some(target.collect());
            if self.target != target {
                self.target = target;
                self.target_after = self.heard_after;
            }
        }
        self.reconcile(now);
    }

    /// Goes on towards the target, unless something is still being let go of.
    fn reconcile(&mut self, now: Instant) {
        if self.release.is_some() || self.epoch == 0 || self.phase != Phase::Active {
            return;
        }
        let Some(target) = &self.target else { return };
        let revoked: BTreeSet<Part> = self.owned.difference(target).copied().collect();
        let missing = self.unresolved_topics();
        if missing.iter().any(|id| !self.asked_names.contains(id)) {
            self.events.push_back(Event::NeedTopicNames);
        }
        self.asked_names = missing;
        let deadline = self.target_after + self.config.max_poll_interval;
        self.let_go(now, Some(deadline), revoked, Then::Reconcile);
    }

    /// Takes what is new and has a name.
    fn take_new(&mut self) {
        let Some(target) = &self.target else { return };
        let new = target.difference(&self.owned).filter(|(id, _)| self.names.contains_key(id));
        let new: BTreeSet<Part> = new.copied().collect();
        if let (false, Some(generation)) = (new.is_empty(), self.generation()) {
            let partitions = self.named(&new).into_iter().collect();
            self.events.push_back(Event::Assign { partitions, generation });
        }
        self.owned.extend(new);
        let used: BTreeSet<Uuid> = self.owned.iter().chain(target).map(|(id, _)| *id).collect();
        self.names.retain(|id, _| used.contains(id));
    }

    /// Lets go of partitions - revoked until `deadline`, or lost without one - and then goes on.
    fn let_go(
        &mut self,
        now: Instant,
        deadline: Option<Instant>,
        parts: BTreeSet<Part>,
        then: Then,
    ) {
        let partitions: Vec<TopicPartition> = self.named(&parts).into_iter().collect();
        self.going.extend(parts);
        if !partitions.is_empty() {
            self.unacknowledged += 1;
            self.events.push_back(match deadline {
                Some(deadline) => Event::Revoke { partitions, deadline },
                None => Event::Lost { partitions },
            });
        }
        match self.unacknowledged {
            0 => self.released(now, then),
            _ => {
                // Letting go of more does not give more time for what is going already.
                let earlier = self.release.and_then(|(_, earlier)| earlier);
                let deadline = deadline.map(|d| earlier.map_or(d, |earlier| earlier.min(d)));
                self.release = Some((then, deadline));
            }
        }
    }

    fn released(&mut self, now: Instant, then: Then) {
        self.release = None;
        self.told_lost = false;
        let going = std::mem::take(&mut self.going);
        self.owned.retain(|part| !going.contains(part));
        match then {
            Then::Reconcile => {
                self.take_new();
                // The target may have changed while the application was letting go.
                let behind = self.target.as_ref().is_some_and(|t| !self.owned.is_subset(t));
                if behind && !going.is_empty() {
                    self.reconcile(now);
                }
            }
            Then::Phase(phase) => {
                self.phase = phase;
                if phase == Phase::Closing {
                    self.tell_leave();
                    self.epoch = 0;
                    self.close_if_left();
                }
            }
        }
    }

    fn close_if_left(&mut self) {
        if self.phase == Phase::Closing {
            self.phase = Phase::Closed;
            self.events.push_back(Event::Closed);
        }
    }

    /// The partitions are somebody else's: stop, then go on in `phase`, from epoch 0.
    fn lose(&mut self, now: Instant, phase: Phase) {
        let phase = match (self.release, self.phase) {
            (Some((Then::Phase(ending), _)), _) if ending != Phase::Active => ending,
            (_, Phase::Resting) => Phase::Resting,
            _ => phase,
        };
        self.epoch = 0;
        self.target = None;
        self.said = None;
        self.in_flight = None;
        self.session_deadline = None;
        let lost = match std::mem::replace(&mut self.told_lost, true) {
            true => BTreeSet::new(),
            false => self.owned.clone(),
        };
        self.let_go(now, None, lost, Then::Phase(phase));
    }

    fn fail(&mut self, now: Instant, error: GroupError) {
        self.lose(now, Phase::Failed);
        self.events.push_back(Event::Failed(error));
    }

    fn follow(&mut self, now: Instant, verdict: Verdict, code: ErrorCode, message: Option<String>) {
        // Whether the coordinator took what was said is unknown: next time all of it again.
        self.said = None;
        match verdict {
            Verdict::Done | Verdict::MemberIdRequired | Verdict::Rejoin => {}
            Verdict::Retry => self.backoff.failed(now, &self.config),
            Verdict::FindCoordinator => {
                self.finder.forget();
                self.backoff.failed(now, &self.config);
            }
            Verdict::Fenced | Verdict::Forgotten => self.lose(now, Phase::Active),
            Verdict::FallBack => {
                self.lose(now, Phase::Failed);
                self.events.push_back(Event::FallBackToClassic);
            }
            Verdict::Unreleased => self.wait_for_release(now, code, message),
            Verdict::Fatal => self.refuse(now, code, message),
        }
    }

    /// A predecessor with this instance id that died is gone after its session; one that lives is
    /// not.
    fn wait_for_release(&mut self, now: Instant, code: ErrorCode, message: Option<String>) {
        let since = *self.unreleased_since.get_or_insert(now);
        if now.saturating_duration_since(since) > self.config.session_timeout {
            self.refuse(now, code, message);
        } else {
            self.backoff.failed(now, &self.config);
        }
    }

    fn refuse(&mut self, now: Instant, code: ErrorCode, message: Option<String>) {
        self.fail(now, GroupError::Refused { api: "ConsumerGroupHeartbeat", code, message });
    }

    fn tell_leave(&mut self) {
        if self.epoch > 0 {
            self.leave = Some(if self.config.group_instance_id.is_some() { -2 } else { -1 });
        }
    }

    fn named(&self, parts: &BTreeSet<Part>) -> BTreeSet<TopicPartition> {
        let named = parts.iter().filter_map(|&(id, partition)| {
            Some(TopicPartition { topic: self.names.get(&id)?.clone(), partition })
        });
        named.collect()
    }
}

fn by_topic(parts: &BTreeSet<Part>) -> Vec<TopicPartitions> {
    let mut topics: Vec<TopicPartitions> = Vec::new();
    for &(topic_id, partition) in parts {
        match topics.last_mut() {
            Some(last) if last.topic_id == topic_id => last.partitions.push(partition),
            _ => topics.push(TopicPartitions { topic_id, partitions: vec![partition] }),
        }
    }
    topics
}
