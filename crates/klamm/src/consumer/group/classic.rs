//! Pure: a member of a group of the classic protocol.
//!
//! ```text
//!  Unjoined ─► Joining ─► (leader: Leading ─►) Syncing ─► Stable ──rebalance──► Releasing ─► Unjoined
//!                 ▲                               │          ▲                      │
//!                 └──────────── again ────────────┘          └──── cooperative ─────┘
//!  fenced or session over: Lost ─► Releasing ─► Unjoined       not polled: leave, Lost ─► Resting
//! ```
//!
//! What this member owns it owns from `Assign` until it has acknowledged `Revoke` or `Lost`. It does
//! not join for partitions that it has not let go of, and it stops trusting its assignment one
//! session timeout after it *sent* the last heartbeat that was answered: the coordinator starts to
//! count later, so nobody else has the partitions yet.

mod release;

use super::classic_requests::Identity;
use super::machine::{
    Answer, Backoff, Call, Coordinator, Event, Finder, Found, Generation, GroupConfig, GroupError,
    Request, take_id,
};
use super::subscription_protocol::{decode_assignment, decode_subscription};
use super::verdict::{Verdict, of_heartbeat, of_join, of_sync};
use crate::consumer::assignor::{AssignableTopic, Assignor, GroupMember, MemberAssignment};
use crate::consumer::topic_partition::TopicPartition;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::*;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A join is answered when everybody has joined: this much later than the last one may.
const JOIN_GRACE: Duration = Duration::from_secs(5);

#[derive(Debug)]
enum Phase {
    Unjoined,
    Joining,
    /// Leads, and waits for what is known of the topics.
    Leading(Vec<GroupMember>),
    /// Syncs, or will: with these assignments if it leads.
    Syncing(BTreeMap<Arc<str>, MemberAssignment>),
    Stable,
    /// Waits until partitions have been let go of.
    Releasing(Then),
    /// The application does not poll; until it does, no part of the group.
    Resting,
    Closed,
    Failed,
}

/// What follows when partitions have been let go of.
#[derive(Debug, Clone, PartialEq)]
enum Then {
    Join,
    Settle(BTreeSet<TopicPartition>),
    Rest,
    Close,
    Fail,
}

/// One consumer's membership in a group of the classic protocol.
#[derive(Debug)]
pub(crate) struct ClassicMember {
    config: GroupConfig,
    topics: BTreeSet<Arc<str>>,
    finder: Finder,
    backoff: Backoff,
    next_id: u64,
    phase: Phase,
    identity: Identity,
    owned: BTreeSet<TopicPartition>,
    /// Of `owned`, what is being let go of.
    going: BTreeSet<TopicPartition>,
    unacknowledged: u32,
    /// All of `owned` has been said to be lost.
    told_lost: bool,
    release_deadline: Option<Instant>,
    in_flight: Option<(u64, Instant)>,
    heartbeat: Option<(u64, Instant)>,
    /// When it is known that no rebalance was under way: one that it hears of began later.
    calm_at: Instant,
    heartbeat_at: Instant,
    session_deadline: Option<Instant>,
    poll_deadline: Instant,
    leave: Option<LeaveGroupRequest>,
    leaving: Option<u64>,
    protocol: Option<Arc<dyn Assignor>>,
    /// What the leader knew of the topics when it assigned; a change is a reason to do it again.
    led_with: Option<BTreeMap<Arc<str>, AssignableTopic>>,
    rejoin: Option<&'static str>,
    events: VecDeque<Event>,
}

impl ClassicMember {
    /// A member that joins as soon as it is polled for requests.
    pub(crate) fn new(config: GroupConfig, topics: BTreeSet<Arc<str>>, now: Instant) -> Self {
        Self {
            poll_deadline: now + config.max_poll_interval,
            config,
            topics,
            finder: Finder::default(),
            backoff: Backoff::default(),
            next_id: 0,
            phase: Phase::Unjoined,
            identity: Identity::default(),
            owned: BTreeSet::new(),
            going: BTreeSet::new(),
            unacknowledged: 0,
            told_lost: false,
            release_deadline: None,
            in_flight: None,
            heartbeat: None,
            calm_at: now,
            heartbeat_at: now,
            session_deadline: None,
            leave: None,
            leaving: None,
            protocol: None,
            led_with: None,
            rejoin: None,
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

    /// The right to commit; `None` while this member is in no generation.
    pub(crate) fn generation(&self) -> Option<Generation> {
        (self.identity.generation >= 0).then(|| Generation {
            id: self.identity.generation,
            member_id: self.identity.member_id.clone(),
            group_instance_id: self.config.group_instance_id.clone(),
        })
    }

    /// What this member owns, including what it is letting go of.
    #[cfg(test)]
    pub(crate) fn owned(&self) -> &BTreeSet<TopicPartition> {
        &self.owned
    }

    /// What happened, oldest first.
    pub(crate) fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// The application asked for records: it is alive.
    pub(crate) fn poll_made(&mut self, now: Instant) {
        self.poll_deadline = now + self.config.max_poll_interval;
        if matches!(self.phase, Phase::Resting) {
            self.phase = Phase::Unjoined;
        }
    }

    /// Subscribes to other topics.
    pub(crate) fn subscribe(&mut self, now: Instant, topics: BTreeSet<Arc<str>>) {
        if self.topics != topics {
            self.topics = topics;
            self.request_rejoin(now, "the subscription has changed");
        }
    }

    /// Asks for a rebalance.
    pub(crate) fn request_rejoin(&mut self, now: Instant, reason: &'static str) {
        self.rejoin = Some(reason);
        if matches!(self.phase, Phase::Stable) {
            self.start_rebalance(now);
        }
    }

    /// Topics have changed: a leader assigns anew if that concerns its group.
    pub(crate) fn topics_changed(
        &mut self,
        now: Instant,
        topics: &BTreeMap<Arc<str>, AssignableTopic>,
    ) {
        let Some(led_with) = &self.led_with else { return };
        if topics.iter().any(|(name, topic)| led_with.get(name).is_some_and(|old| old != topic)) {
            self.request_rejoin(now, "cached metadata has changed");
        }
    }

    /// What is known of the topics of [`Event::NeedTopics`]; missing ones do not exist, or come as
    /// empty ones when they are to be watched for.
    pub(crate) fn handle_topics(&mut self, topics: BTreeMap<Arc<str>, AssignableTopic>) {
        let Phase::Leading(members) = &self.phase else { return };
        let Some(assignor) = &self.protocol else { return };
        let assignments = assignor.assign(&topics, members);
        let known = |id: &Arc<str>| members.iter().any(|member| member.member_id == *id);
        let assignments = assignments.into_iter().filter(|(id, _)| known(id)).collect();
        let subscribed = members.iter().flat_map(|member| &member.topics);
        let seen = subscribed
            .map(|name| (name.clone(), topics.get(name).cloned().unwrap_or_default()))
            .collect();
        self.led_with = Some(seen);
        self.phase = Phase::Syncing(assignments);
    }

    /// Partitions of a `Revoke` or `Lost` have been let go of.
    pub(crate) fn handle_revoked(&mut self, now: Instant) {
        self.unacknowledged = self.unacknowledged.saturating_sub(1);
        if self.unacknowledged > 0 {
            return;
        }
        if let Phase::Releasing(then) = &self.phase {
            let then = then.clone();
            self.released(now, then);
        }
    }

    /// Leaves the group: lets go of everything, and tells the coordinator unless the member is
    /// static. [`Event::Closed`] follows.
    pub(crate) fn close(&mut self, now: Instant) {
        match self.phase {
            Phase::Closed | Phase::Failed | Phase::Releasing(Then::Close | Then::Fail) => {}
            _ => {
                let rest = self.owned.difference(&self.going).cloned().collect();
                self.release(now, false, rest, Then::Close, self.rebalance_deadline());
            }
        }
    }

    /// Whether it is out and has said so, as far as it had to.
    pub(crate) fn has_left(&self) -> bool {
        let out = matches!(self.phase, Phase::Closed | Phase::Failed);
        out && self.leave.is_none() && self.leaving.is_none()
    }

    /// The next request to send, if there is one.
    pub(crate) fn poll_request(&mut self, now: Instant) -> Option<Request> {
        let over = matches!(self.phase, Phase::Failed)
            || matches!(self.phase, Phase::Closed) && self.leave.is_none();
        if over {
            return None;
        }
        if self.finder.coordinator.is_none() {
            return self.finder.poll(now, &self.config, &mut self.next_id);
        }
        if let Some(leave) = self.leave.take() {
            let request = self.request(self.config.request_timeout, Call::Leave(leave));
            self.leaving = Some(request.id);
            return Some(request);
        }
        self.poll_membership(now).or_else(|| self.poll_heartbeat(now))
    }

    fn request(&mut self, timeout: Duration, call: Call) -> Request {
        Request { id: take_id(&mut self.next_id), timeout, call }
    }

    fn poll_membership(&mut self, now: Instant) -> Option<Request> {
        if self.in_flight.is_some() || self.leaving.is_some() || !self.backoff.is_over(now) {
            return None;
        }
        let request = match &self.phase {
            Phase::Unjoined => {
                let join = self.identity.join(&self.config, &self.topics, &self.owned, self.rejoin);
                self.rejoin = None;
                self.heartbeat = None;
                self.phase = Phase::Joining;
                let timeout = self.config.max_poll_interval + JOIN_GRACE;
                self.request(timeout.max(self.config.request_timeout), Call::Join(join))
            }
            Phase::Syncing(assignments) => {
                let name = self.protocol.as_ref().map_or("", |assignor| assignor.name());
                let sync = self.identity.sync(&self.config, name, assignments);
                let timeout = self.config.max_poll_interval + JOIN_GRACE;
                self.request(timeout.max(self.config.request_timeout), Call::Sync(sync))
            }
            _ => return None,
        };
        self.in_flight = Some((request.id, now));
        Some(request)
    }

    fn poll_heartbeat(&mut self, now: Instant) -> Option<Request> {
        let due = self.identity.generation >= 0 && now >= self.heartbeat_at;
        if !due || self.heartbeat.is_some() || !self.is_heartbeating() {
            return None;
        }
        let heartbeat = self.identity.heartbeat(&self.config);
        let timeout = self.config.session_timeout.min(self.config.request_timeout);
        let request = self.request(timeout, Call::Heartbeat(heartbeat));
        self.heartbeat = Some((request.id, now));
        Some(request)
    }

    fn is_heartbeating(&self) -> bool {
        match self.phase {
            Phase::Leading(_) | Phase::Syncing(_) | Phase::Stable => true,
            Phase::Releasing(_) => self.identity.generation >= 0,
            _ => false,
        }
    }

    /// When `handle_timeout` or `poll_request` has something to do, if nothing happens before.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        if matches!(self.phase, Phase::Closed | Phase::Failed) {
            return self.finder.timeout().filter(|_| self.leave.is_some());
        }
        let beats = self.is_heartbeating() && self.heartbeat.is_none();
        let waits = matches!(self.phase, Phase::Unjoined | Phase::Syncing(_));
        let polled = !matches!(self.phase, Phase::Resting | Phase::Releasing(Then::Rest));
        [
            self.finder.timeout(),
            self.backoff.until().filter(|_| waits && self.in_flight.is_none()),
            Some(self.heartbeat_at).filter(|_| beats && self.finder.coordinator.is_some()),
            self.enforced_session(),
            self.release_deadline,
            Some(self.poll_deadline).filter(|_| polled),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// While a join is under way the coordinator does not count.
    fn enforced_session(&self) -> Option<Instant> {
        let counts = self.identity.generation >= 0 && !matches!(self.phase, Phase::Joining);
        self.session_deadline.filter(|_| counts)
    }

    /// Does what the clock demands.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if matches!(self.phase, Phase::Closed | Phase::Failed) {
            return;
        }
        if self.enforced_session().is_some_and(|deadline| now >= deadline) {
            self.fenced(now);
        }
        if self.release_deadline.is_some_and(|deadline| now >= deadline) {
            self.release_deadline = None;
            self.tell_leave("the rebalance listener took longer than max.poll.interval.ms");
            self.fenced(now);
        }
        let polls = !matches!(
            self.phase,
            Phase::Resting | Phase::Releasing(Then::Rest | Then::Close | Then::Fail)
        );
        if polls && now >= self.poll_deadline {
            self.tell_leave("consumer poll timeout has expired");
            self.lose(now, Then::Rest);
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
        } else if self.heartbeat.is_some_and(|(heartbeat, _)| heartbeat == id) {
            self.handle_heartbeat(now, answer);
        } else if let Some((_, sent)) = self.in_flight.take_if(|(in_flight, _)| *in_flight == id) {
            match &self.phase {
                Phase::Joining => self.handle_join(now, answer),
                Phase::Syncing(_) => self.handle_sync(now, sent, answer),
                _ => {}
            }
        }
    }

    fn handle_heartbeat(&mut self, now: Instant, answer: Answer) {
        let Some((_, sent)) = self.heartbeat.take() else { return };
        let code = match &answer {
            Answer::Heartbeat(response) => ErrorCode(response.error_code),
            Answer::Unsupported => ErrorCode::UNSUPPORTED_VERSION,
            _ => ErrorCode::NETWORK_EXCEPTION,
        };
        let verdict = of_heartbeat(code);
        if matches!(verdict, Verdict::Done | Verdict::Rejoin) {
            self.session_deadline = Some(sent + self.config.session_timeout);
            self.heartbeat_at = sent + self.config.heartbeat_interval;
            if verdict == Verdict::Done {
                self.calm_at = sent;
            }
        } else {
            self.heartbeat_at = now + self.config.retry_backoff;
        }
        match verdict {
            // While it syncs, the answer to that tells more.
            Verdict::Rejoin if !matches!(self.phase, Phase::Leading(_) | Phase::Syncing(_)) => {
                self.request_rejoin(now, "group is already rebalancing");
            }
            Verdict::Done | Verdict::Retry | Verdict::Rejoin => {}
            verdict => self.follow(now, verdict, "Heartbeat", code, None),
        }
    }

    fn handle_join(&mut self, now: Instant, answer: Answer) {
        let (code, response) = match answer {
            Answer::Join(response) => (ErrorCode(response.error_code), Some(response)),
            Answer::Unsupported => (ErrorCode::UNSUPPORTED_VERSION, None),
            _ => (ErrorCode::NETWORK_EXCEPTION, None),
        };
        self.phase = Phase::Unjoined;
        match (of_join(code), response) {
            (Verdict::Done, Some(response)) => self.joined(now, &response),
            (Verdict::MemberIdRequired, Some(response)) => {
                self.identity.member_id = Arc::from(response.member_id.as_str());
            }
            (verdict, _) => self.follow(now, verdict, "JoinGroup", code, None),
        }
    }

    fn joined(&mut self, now: Instant, response: &JoinGroupResponse) {
        let name = response.protocol_name.as_deref().unwrap_or("");
        let assignor = self.config.assignors.iter().find(|assignor| assignor.name() == name);
        let Some(assignor) = assignor.cloned() else {
            return self.fail(now, GroupError::UnknownAssignor(name.to_owned()));
        };
        self.backoff.succeeded();
        self.protocol = Some(assignor);
        self.identity.member_id = Arc::from(response.member_id.as_str());
        self.identity.generation = response.generation_id;
        // The coordinator counts since it answered, which is not known: less than a heartbeat ago.
        let trusted = self.config.session_timeout.saturating_sub(self.config.heartbeat_interval);
        self.session_deadline = Some(now + trusted);
        self.heartbeat_at = now;
        self.led_with = None;
        self.phase = Phase::Syncing(BTreeMap::new());
        if response.leader == response.member_id && !response.skip_assignment {
            let members = members_in(response);
            let topics = members.iter().flat_map(|member| member.topics.iter().cloned()).collect();
            self.events.push_back(Event::NeedTopics { topics });
            self.phase = Phase::Leading(members);
        }
    }

    fn handle_sync(&mut self, now: Instant, sent: Instant, answer: Answer) {
        let (code, response) = match answer {
            Answer::Sync(response) => (ErrorCode(response.error_code), Some(response)),
            Answer::Unsupported => (ErrorCode::UNSUPPORTED_VERSION, None),
            _ => (ErrorCode::NETWORK_EXCEPTION, None),
        };
        match (of_sync(code), response) {
            (Verdict::Done, Some(response)) => self.synced(now, sent, &response),
            (Verdict::Rejoin, _) => {
                self.phase = Phase::Stable;
                self.request_rejoin(now, "group is already rebalancing");
            }
            (verdict, _) => {
                // Whether the assignment was taken is unknown; only a new round tells.
                self.phase = Phase::Unjoined;
                self.follow(now, verdict, "SyncGroup", code, None);
            }
        }
    }

    fn synced(&mut self, now: Instant, sent: Instant, response: &SyncGroupResponse) {
        let assignment = match decode_assignment(&response.assignment) {
            Ok(assignment) => assignment,
            Err(error) => return self.fail(now, GroupError::BadAssignment(error.to_string())),
        };
        self.backoff.succeeded();
        self.calm_at = sent;
        self.heartbeat_at = sent + self.config.heartbeat_interval;
        self.session_deadline = Some(sent + self.config.session_timeout);
        if let Some(assignor) = &self.protocol {
            assignor.on_assignment(&assignment, self.identity.generation);
        }
        let assigned: BTreeSet<TopicPartition> = assignment.partitions.into_iter().collect();
        self.identity.assigned(&assigned);
        let revoked: BTreeSet<_> = self.owned.difference(&assigned).cloned().collect();
        self.release(now, false, revoked, Then::Settle(assigned), self.rebalance_deadline());
    }
}

/// The members that a leader assigns to; those whose metadata cannot be read subscribe to nothing.
fn members_in(response: &JoinGroupResponse) -> Vec<GroupMember> {
    let read = |member: &join_group_response::JoinGroupResponseMember| GroupMember {
        member_id: Arc::from(member.member_id.as_str()),
        group_instance_id: member.group_instance_id.as_deref().map(Arc::from),
        ..decode_subscription(&member.metadata).unwrap_or_default()
    };
    let mut members: Vec<GroupMember> = response.members.iter().map(read).collect();
    members.sort_by(|a, b| a.member_id.cmp(&b.member_id));
    members
}
