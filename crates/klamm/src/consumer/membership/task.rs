//! The loop of a group's task.

use super::calls::{Answered, Classes};
use super::joining::Standing;
use super::listener::RebalanceListener;
use super::member::Member;
use super::pattern::PatternWatch;
use super::questions::Questions;
use super::shared::{GroupShared, Start};
use super::steps::Step;
use crate::client::ClientInner;
use crate::config::{ConsumerConfig, GroupProtocol, IsolationLevel};
use crate::consumer::assignor::Assignor;
use crate::consumer::error::ConsumeError;
use crate::consumer::fetch::Position;
use crate::consumer::group::machine::{Answer, Event, GroupConfig};
use crate::consumer::group::standalone::Standalone;
use crate::consumer::shared::Shared;
use crate::consumer::topic_partition::TopicPartition;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::{MetadataResponse, OffsetCommitResponse, OffsetFetchResponse};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::task::JoinSet;

/// The task looks again after this at the earliest, whatever is due.
const NAP: Duration = Duration::from_millis(10);

/// What the task needs of the settings.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) config: GroupConfig,
    pub(super) protocol: GroupProtocol,
    /// The time between automatic commits, if there are any.
    pub(super) auto_commit: Option<Duration>,
    pub(super) listener: Option<Arc<dyn RebalanceListener>>,
    /// Where the application's futures run.
    pub(super) runtime: Option<Handle>,
    pub(super) read_committed: bool,
    pub(super) exclude_internal_topics: bool,
}

/// What was waited for.
#[derive(Debug)]
pub(super) enum Done {
    Answered { membership: u64, id: u64, answer: Answered<Answer> },
    Committed { id: u64, answer: Answered<OffsetCommitResponse> },
    LookedUp { id: u64, answer: Answered<OffsetFetchResponse> },
    Listened(u64),
    Names(Option<MetadataResponse>),
    AllTopics(Option<MetadataResponse>),
}

/// See the module's head.
pub(in super::super) struct GroupTask {
    pub(super) settings: Settings,
    pub(super) shared: Arc<Shared>,
    pub(super) group: Arc<GroupShared>,
    pub(super) client: Arc<ClientInner>,
    pub(super) classes: Classes,
    pub(super) member: Member,
    /// Counts members.
    pub(super) membership: u64,
    pub(super) standing: Standing,
    /// What was subscribed to when the task last looked, by its number.
    pub(super) subscribed: u64,
    /// What is subscribed to, where this client has to match it.
    pub(super) pattern: Option<PatternWatch>,
    pub(super) closing: bool,
    pub(super) steps: VecDeque<Step>,
    pub(super) steps_taken: u64,
    pub(super) questions: Questions,
    /// What is read for a member, and by which lease.
    pub(super) taken_on: BTreeMap<TopicPartition, u64>,
    /// What was committed last by the clock, and under which lease.
    pub(super) auto_committed: BTreeMap<TopicPartition, (u64, i64)>,
    auto_commit_at: Instant,
    pub(super) alive_at: Option<Instant>,
    pub(super) working: JoinSet<Done>,
}

impl GroupTask {
    pub(in super::super) fn new(
        config: &ConsumerConfig,
        assignors: Vec<Arc<dyn Assignor>>,
        group_id: &str,
        client: Arc<ClientInner>,
        shared: Arc<Shared>,
    ) -> Self {
        let settings = Settings {
            config: group_config(config, assignors, group_id, &client),
            protocol: match config.group_protocol {
                // The broker knows nothing of the application's own assignors.
                GroupProtocol::Auto if !config.assignors.0.is_empty() => GroupProtocol::Classic,
                protocol => protocol,
            },
            auto_commit: config.enable_auto_commit.then_some(config.auto_commit_interval),
            listener: config.rebalance_listener.0.clone(),
            runtime: Handle::try_current().ok(),
            read_committed: config.isolation_level == IsolationLevel::ReadCommitted,
            exclude_internal_topics: config.exclude_internal_topics,
        };
        let (quick, rebalance) = client.new_group_classes();
        let now = tokio::time::Instant::now().into_std();
        Self {
            member: Member::Standalone(Box::new(Standalone::new(settings.config.clone()))),
            auto_commit_at: now + config.auto_commit_interval,
            settings,
            shared,
            group: Arc::default(),
            client,
            classes: Classes { quick, rebalance },
            membership: 0,
            standing: Standing::Active,
            subscribed: 0,
            pattern: None,
            closing: false,
            steps: VecDeque::new(),
            steps_taken: 0,
            questions: Questions::default(),
            taken_on: BTreeMap::new(),
            auto_committed: BTreeMap::new(),
            alive_at: None,
            working: JoinSet::new(),
        }
    }

    pub(in super::super) fn group(&self) -> &Arc<GroupShared> {
        &self.group
    }

    /// Runs until the consumer has left, or the client is closed.
    pub(in super::super) async fn run(mut self) {
        let mut metadata = self.client.metadata.changes();
        while let Some(deadline) = self.round() {
            let shared = Arc::clone(&self.shared);
            tokio::select! {
                Some(done) = self.working.join_next(), if !self.working.is_empty() => match done {
                    Ok(done) => self.handle(done),
                    Err(error) => give_up(error),
                },
                () = shared.group.notified() => {}
                Ok(()) = metadata.changed() => self.metadata_changed(now()),
                () = tokio::time::sleep_until(deadline) => {}
            }
        }
        self.client.release(self.classes.quick);
        self.client.release(self.classes.rebalance);
    }

    /// Does all that can be done now; `None` at the end, else when to look again.
    fn round(&mut self) -> Option<tokio::time::Instant> {
        let now = now();
        self.look_at_wishes(now);
        self.look_at_polls(now);
        self.member.handle_timeout(now);
        self.commit_by_the_clock(now);
        while self.take_events(now) {
            self.advance(now);
        }
        self.advance(now);
        while self.take_events(now) {
            self.advance(now);
        }
        self.answer_questions(now);
        self.send(now);
        self.deliver(now);
        self.settle_standing(now);
        if self.is_over(now) {
            return None;
        }
        Some(tokio::time::Instant::from_std(self.next_look(now)))
    }

    /// Lets the member know that the application is alive.
    fn look_at_polls(&mut self, now: Instant) {
        let alive_at = self.shared.alive_at(now);
        if let Some(at) = alive_at.filter(|_| alive_at != self.alive_at) {
            self.member.poll_made(at);
        }
        self.alive_at = alive_at;
        // A member that rests joins with the next poll.
        if alive_at.is_some_and(|at| now >= at + self.settings.config.max_poll_interval) {
            self.shared.want_poll();
        }
    }

    fn commit_by_the_clock(&mut self, now: Instant) {
        if let Some(interval) = self.settings.auto_commit
            && now >= self.auto_commit_at
        {
            self.auto_commit_at = now + interval;
            let leased = self.leased();
            self.commit_processed(&leased, now, now + self.settings.config.request_timeout);
        }
    }

    /// Takes what the member has to say; true if it had anything.
    fn take_events(&mut self, now: Instant) -> bool {
        let mut any = false;
        while let Some(event) = self.member.poll_event() {
            any = true;
            match event {
                Event::NeedTopics { topics } => {
                    self.want_topics(&topics);
                    self.questions.need_topics(topics, now);
                }
                Event::NeedTopicNames => self.questions.need_names(),
                Event::FallBackToClassic => self.fall_back(now),
                Event::Failed(error) => self.fail(&error),
                Event::Closed => self.closed(now),
                event => self.add_step(event, now),
            }
        }
        any
    }

    /// Tells what has come of commits and lookups.
    fn deliver(&mut self, now: Instant) {
        let (unclaimed, starts) = {
            let mut group = self.group.lock();
            (group.deliver_commits(), group.deliver_lookups())
        };
        for (partition, reason) in unclaimed.into_iter().flat_map(|result| result.failed) {
            tracing::warn!(%partition, %reason, "an automatic commit failed");
            // It is tried again with the next one.
            self.auto_committed.remove(&partition);
        }
        for Start { partition, lease, found } in starts {
            self.start(&partition, lease, found, now);
        }
    }

    fn start(
        &self,
        tp: &TopicPartition,
        lease: crate::consumer::fetch::Lease,
        found: Result<Option<crate::consumer::OffsetAndMetadata>, ErrorCode>,
        now: Instant,
    ) {
        let mut state = self.shared.lock();
        match found {
            Ok(committed) => {
                let at = committed.map(|at| Position {
                    offset: at.offset,
                    leader_epoch: at.leader_epoch.unwrap_or(-1),
                });
                if let Some(event) = state.positions.start(tp, lease, at, now) {
                    state.push_event(tp, event);
                }
            }
            Err(code) => {
                let partition = tp.clone();
                state.push_error(tp, ConsumeError::Refused { partition, code, stopped: true });
                state.positions.stop(tp);
            }
        }
        drop(state);
        self.shared.doorbell.ring();
        self.shared.ready.notify_one();
    }

    fn next_look(&self, now: Instant) -> Instant {
        let group = self.group.lock();
        let auto = self.settings.auto_commit.map(|_| self.auto_commit_at);
        let next = [
            self.member.poll_timeout(),
            group.commits.poll_timeout(),
            group.lookups.poll_timeout(),
            group.close_by,
            self.step_deadline(),
            self.questions.deadline(),
            auto,
            self.leave_deadline(),
            self.pattern.as_ref().map(PatternWatch::due),
        ];
        let next = next.into_iter().flatten().min();
        next.unwrap_or(now + self.settings.config.heartbeat_interval).max(now + NAP)
    }
}

/// However the task ends, nobody waits for it for ever.
impl Drop for GroupTask {
    fn drop(&mut self) {
        self.group.end();
    }
}

/// The clock of the machines.
pub(super) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// A task panicked: this one ends with it. One that was cancelled ends with the runtime.
fn give_up(error: tokio::task::JoinError) {
    if let Ok(panic) = error.try_into_panic() {
        std::panic::resume_unwind(panic);
    }
}

fn group_config(
    config: &ConsumerConfig,
    assignors: Vec<Arc<dyn Assignor>>,
    group_id: &str,
    client: &ClientInner,
) -> GroupConfig {
    GroupConfig {
        group_id: group_id.into(),
        group_instance_id: config.group_instance_id.as_deref().map(Arc::from),
        rack: config.client_rack.as_deref().map(Arc::from),
        session_timeout: config.session_timeout,
        heartbeat_interval: config.heartbeat_interval,
        max_poll_interval: config.max_poll_interval,
        request_timeout: client.config.request_timeout,
        retry_backoff: client.config.retry_backoff,
        retry_backoff_max: client.config.retry_backoff_max,
        assignors,
        server_assignor: config.group_remote_assignor.as_deref().map(Arc::from),
    }
}
