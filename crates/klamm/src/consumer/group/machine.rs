//! Pure: what both protocols of membership share: settings, requests, answers, events.

use crate::consumer::assignor::Assignor;
use crate::consumer::topic_partition::TopicPartition;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::*;
use klamm_protocol::primitives::Str;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What a member is told once.
#[derive(Debug, Clone)]
pub(crate) struct GroupConfig {
    /// `group.id`.
    pub(crate) group_id: Arc<str>,
    /// `group.instance.id`: a static member.
    pub(crate) group_instance_id: Option<Arc<str>>,
    /// `client.rack`.
    pub(crate) rack: Option<Arc<str>>,
    /// `session.timeout.ms`; with KIP-848 the broker decides, and this is how long a member trusts
    /// its assignment without hearing from the coordinator.
    pub(crate) session_timeout: Duration,
    /// `heartbeat.interval.ms`; with KIP-848 the broker decides.
    pub(crate) heartbeat_interval: Duration,
    /// `max.poll.interval.ms`, and how long a rebalance waits for this member.
    pub(crate) max_poll_interval: Duration,
    /// `request.timeout.ms`.
    pub(crate) request_timeout: Duration,
    /// `retry.backoff.ms`.
    pub(crate) retry_backoff: Duration,
    /// `retry.backoff.max.ms`.
    pub(crate) retry_backoff_max: Duration,
    /// `partition.assignment.strategy`, best first.
    pub(crate) assignors: Vec<Arc<dyn Assignor>>,
    /// `group.remote.assignor`.
    pub(crate) server_assignor: Option<Arc<str>>,
}

/// The broker that coordinates the group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Coordinator {
    pub(crate) node_id: i32,
    pub(crate) host: Str,
    pub(crate) port: i32,
}

/// A request to be sent; its answer goes to `handle_response` with the same `id`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Request {
    pub(crate) id: u64,
    /// How long an answer may take; a rebalance takes its time.
    pub(crate) timeout: Duration,
    pub(crate) call: Call,
}

/// What is asked. Everything but `FindCoordinator` goes to the coordinator.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Call {
    FindCoordinator(FindCoordinatorRequest),
    Join(JoinGroupRequest),
    Sync(SyncGroupRequest),
    Heartbeat(HeartbeatRequest),
    Leave(LeaveGroupRequest),
    ConsumerHeartbeat(ConsumerGroupHeartbeatRequest),
}

impl Call {
    /// Leaves only the fields that `version` of the API has; call it once the version is known.
    pub(crate) fn fit(&mut self, version: i16) {
        match self {
            Call::FindCoordinator(find) if version <= 3 => find.coordinator_keys.clear(),
            Call::FindCoordinator(find) => find.key = Str::default(),
            Call::Leave(leave) if version <= 2 => leave.members.clear(),
            Call::Leave(leave) => leave.member_id = Str::default(),
            _ => {}
        }
    }
}

/// What came back.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Answer {
    FindCoordinator(FindCoordinatorResponse),
    Join(JoinGroupResponse),
    Sync(SyncGroupResponse),
    Heartbeat(HeartbeatResponse),
    Leave(LeaveGroupResponse),
    ConsumerHeartbeat(ConsumerGroupHeartbeatResponse),
    /// No answer: no connection, a cut one, or no answer in time.
    Failed,
    /// The broker has no version of this API that will do.
    Unsupported,
}

/// The right to commit: who the member is and since when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Generation {
    /// The generation of the classic protocol or the member's epoch.
    pub(crate) id: i32,
    pub(crate) member_id: Arc<str>,
    pub(crate) group_instance_id: Option<Arc<str>>,
}

/// What the tasks around a member have to do, in this order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Event {
    /// Stop reading `partitions`, finish and commit what is in work, and call `handle_revoked`.
    /// At `deadline` the group goes on without this member: then a [`Event::Lost`] follows.
    Revoke { partitions: Vec<TopicPartition>, deadline: Instant },
    /// `partitions` belong to somebody else already: stop, commit nothing, call `handle_revoked`.
    Lost { partitions: Vec<TopicPartition> },
    /// Start reading `partitions`; they are new, what was owned before stays. May be empty: then
    /// only the generation is new.
    Assign { partitions: Vec<TopicPartition>, generation: Generation },
    /// This member leads the group: call `handle_topics` with what is known of these topics.
    NeedTopics { topics: BTreeSet<Arc<str>> },
    /// The names of some topic ids are missing: see `unresolved_topics`.
    NeedTopicNames,
    /// The coordinator does not do KIP-848 for this group: start a `ClassicMember` in its place.
    FallBackToClassic,
    /// The member is out for good.
    Failed(GroupError),
    /// The member has left, as it was asked to.
    Closed,
}

/// Why a member is out of its group for good.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GroupError {
    /// The coordinator's answer leaves no way on.
    #[error("{api}: {code}{}", message.as_ref().map(|m| format!(": {m}")).unwrap_or_default())]
    Refused {
        /// What was asked.
        api: &'static str,
        /// The answer.
        code: ErrorCode,
        /// What the coordinator says to it.
        message: Option<String>,
    },
    /// The group's leader chose an assignor that this member did not offer.
    #[error("the group uses the assignor {0:?}, which this member does not have")]
    UnknownAssignor(String),
    /// What the leader assigned cannot be read.
    #[error("the assignment cannot be read: {0}")]
    BadAssignment(String),
}

/// Waits that double from one failure to the next.
#[derive(Debug, Clone, Default)]
pub(crate) struct Backoff {
    failures: u32,
    until: Option<Instant>,
}

impl Backoff {
    /// Something failed: wait.
    pub(crate) fn failed(&mut self, now: Instant, config: &GroupConfig) {
        let factor = 1u32 << self.failures.min(16);
        let wait = config.retry_backoff.saturating_mul(factor).min(config.retry_backoff_max);
        self.failures = self.failures.saturating_add(1);
        self.until = Some(now + wait);
    }

    pub(crate) fn succeeded(&mut self) {
        *self = Self::default();
    }

    /// When the wait ends, if there is one.
    pub(crate) fn until(&self) -> Option<Instant> {
        self.until
    }

    pub(crate) fn is_over(&self, now: Instant) -> bool {
        self.until.is_none_or(|until| now >= until)
    }
}

/// Finding the coordinator.
#[derive(Debug, Default)]
pub(crate) struct Finder {
    pub(crate) coordinator: Option<Coordinator>,
    in_flight: Option<u64>,
    backoff: Backoff,
}

/// What came of an answer about the coordinator.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// The answer was to something else.
    NotMine,
    /// Known now, or to be asked again.
    Progress,
    /// No way on.
    Fatal(GroupError),
}

impl Finder {
    /// The request to send, if the coordinator is unknown and nobody has been asked.
    pub(crate) fn poll(
        &mut self,
        now: Instant,
        config: &GroupConfig,
        next_id: &mut u64,
    ) -> Option<Request> {
        if self.coordinator.is_some() || self.in_flight.is_some() || !self.backoff.is_over(now) {
            return None;
        }
        let key = Str::from(&*config.group_id);
        let find =
            FindCoordinatorRequest { key: key.clone(), key_type: 0, coordinator_keys: vec![key] };
        let id = take_id(next_id);
        self.in_flight = Some(id);
        Some(Request { id, timeout: config.request_timeout, call: Call::FindCoordinator(find) })
    }

    /// The coordinator is another one, or gone: find it again.
    pub(crate) fn forget(&mut self) {
        self.coordinator = None;
    }

    /// When it will ask again, if it is waiting to.
    pub(crate) fn timeout(&self) -> Option<Instant> {
        let waits = self.coordinator.is_none() && self.in_flight.is_none();
        self.backoff.until().filter(|_| waits)
    }

    pub(crate) fn handle(
        &mut self,
        now: Instant,
        config: &GroupConfig,
        id: u64,
        answer: &Answer,
    ) -> Found {
        if self.in_flight != Some(id) {
            return Found::NotMine;
        }
        self.in_flight = None;
        match coordinator_in(answer) {
            Ok(coordinator) => {
                self.coordinator = Some(coordinator);
                self.backoff.succeeded();
                Found::Progress
            }
            Err(code) if code.is_retriable() => {
                self.backoff.failed(now, config);
                Found::Progress
            }
            Err(code) => {
                Found::Fatal(GroupError::Refused { api: "FindCoordinator", code, message: None })
            }
        }
    }
}

/// The coordinator in an answer of any version.
fn coordinator_in(answer: &Answer) -> Result<Coordinator, ErrorCode> {
    let response = match answer {
        Answer::FindCoordinator(response) => response,
        Answer::Unsupported => return Err(ErrorCode::UNSUPPORTED_VERSION),
        _ => return Err(ErrorCode::NETWORK_EXCEPTION),
    };
    let (code, node_id, host, port) = match response.coordinators.first() {
        Some(c) => (c.error_code, c.node_id, &c.host, c.port),
        None => (response.error_code, response.node_id, &response.host, response.port),
    };
    ErrorCode(code).check()?;
    Ok(Coordinator { node_id, host: host.detach(), port })
}

pub(crate) fn take_id(next_id: &mut u64) -> u64 {
    *next_id += 1;
    *next_id
}

/// Milliseconds as the protocol has them.
pub(crate) fn millis(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::tests_setup::config;
    use super::*;
    use klamm_protocol::message::leave_group_request::MemberIdentity;
    use klamm_protocol::primitives::{Encoder, Message};

    #[test]
    fn calls_fit_every_version() {
        let find = FindCoordinatorRequest {
            key: Str::from("g"),
            coordinator_keys: vec![Str::from("g")],
            ..FindCoordinatorRequest::default()
        };
        for version in FindCoordinatorRequest::VERSIONS {
            let mut call = Call::FindCoordinator(find.clone());
            call.fit(version);
            let Call::FindCoordinator(fitted) = call else { unreachable!() };
            assert!(fitted.encode(&mut Encoder::new(), version).is_ok(), "version {version}");
        }
        let member = MemberIdentity { member_id: Str::from("m"), ..MemberIdentity::default() };
        let leave = LeaveGroupRequest {
            member_id: Str::from("m"),
            members: vec![member],
            ..LeaveGroupRequest::default()
        };
        for version in LeaveGroupRequest::VERSIONS {
            let mut call = Call::Leave(leave.clone());
            call.fit(version);
            let Call::Leave(fitted) = call else { unreachable!() };
            assert!(fitted.encode(&mut Encoder::new(), version).is_ok(), "version {version}");
        }
    }

    #[test]
    fn the_coordinator_is_read_from_old_and_new_answers_and_asked_for_again_after_errors() {
        let (config, now) = (config(), Instant::now());
        let new = find_coordinator_response::Coordinator {
            node_id: 3,
            host: Str::from("h"),
            port: 9,
            ..find_coordinator_response::Coordinator::default()
        };
        let old = FindCoordinatorResponse {
            node_id: 3,
            host: Str::from("h"),
            port: 9,
            ..FindCoordinatorResponse::default()
        };
        let of_new = FindCoordinatorResponse {
            coordinators: vec![new],
            ..FindCoordinatorResponse::default()
        };
        for response in [old, of_new] {
            let (mut finder, mut id) = (Finder::default(), 0);
            let first = finder.poll(now, &config, &mut id).unwrap();
            let busy = FindCoordinatorResponse {
                error_code: ErrorCode::COORDINATOR_NOT_AVAILABLE.0,
                ..FindCoordinatorResponse::default()
            };
            finder.handle(now, &config, first.id, &Answer::FindCoordinator(busy));
            assert_eq!(finder.poll(now, &config, &mut id), None);
            let later = finder.timeout().unwrap();
            let second = finder.poll(later, &config, &mut id).unwrap();
            finder.handle(later, &config, second.id, &Answer::FindCoordinator(response));
            let found = Coordinator { node_id: 3, host: Str::from("h"), port: 9 };
            assert_eq!(finder.coordinator, Some(found));
        }
    }
}
