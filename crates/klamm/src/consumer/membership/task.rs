//! The loop of a group's task.

use super::calls::{self, Answered, Classes};
use super::listener::RebalanceListener;
use super::member::Member;
use super::questions::Questions;
use super::shared::{GroupShared, Start, Subscribed};
use super::steps::Step;
use crate::client::ClientInner;
use crate::config::{ConsumerConfig, GroupProtocol, IsolationLevel};
use crate::consumer::assignor::Assignor;
use crate::consumer::error::ConsumeError;
use crate::consumer::fetch::Position;
use crate::consumer::group::classic::ClassicMember;
use crate::consumer::group::consumer_protocol::{ConsumerMember, Subscription};
use crate::consumer::group::machine::{
    Answer, Call, Event, GroupConfig, GroupError, Request as GroupRequest,
};
use crate::consumer::group::standalone::Standalone;
use crate::consumer::shared::Shared;
use crate::consumer::topic_partition::TopicPartition;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::{MetadataResponse, OffsetCommitResponse, OffsetFetchResponse};
use klamm_protocol::primitives::Uuid;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::task::JoinSet;

/// The task looks again after this at the earliest, whatever is due.
const NAP: Duration = Duration::from_millis(10);
/// How long a member that nobody waits for tries to leave.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(30);

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
}

/// What was waited for.
#[derive(Debug)]
pub(super) enum Done {
    Answered { membership: u64, id: u64, answer: Answered<Answer> },
    Committed { id: u64, answer: Answered<OffsetCommitResponse> },
    LookedUp { id: u64, answer: Answered<OffsetFetchResponse> },
    Listened(u64),
    Names(Option<MetadataResponse>),
}

/// How it stands with the present member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Active,
    /// It was asked to leave, and tries until then.
    Leaving(Instant),
    /// It is out, but for what has to be said to the coordinator.
    Out(Instant),
    /// It is out for good.
    Failed,
}

/// See the module's head.
pub(in super::super) struct GroupTask {
    pub(super) settings: Settings,
    pub(super) shared: Arc<Shared>,
    pub(super) group: Arc<GroupShared>,
    pub(super) client: Arc<ClientInner>,
    classes: Classes,
    pub(super) member: Member,
    /// Counts members.
    pub(super) membership: u64,
    standing: Standing,
    /// What was subscribed to when the task last looked, by its number.
    subscribed: u64,
    closing: bool,
    pub(super) steps: VecDeque<Step>,
    pub(super) steps_taken: u64,
    pub(super) questions: Questions,
    /// What is read for a member, and by which lease.
    pub(super) taken_on: BTreeMap<TopicPartition, u64>,
    /// What was committed last by the clock, and under which lease.
    pub(super) auto_committed: BTreeMap<TopicPartition, (u64, i64)>,
    auto_commit_at: Instant,
    alive_at: Option<Instant>,
    /// Requests that the present member waits for; true for those it has to have sent to be gone.
    requests: BTreeMap<u64, bool>,
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
            closing: false,
            steps: VecDeque::new(),
            steps_taken: 0,
            questions: Questions::default(),
            taken_on: BTreeMap::new(),
            auto_committed: BTreeMap::new(),
            alive_at: None,
            requests: BTreeMap::new(),
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

    fn look_at_wishes(&mut self, now: Instant) {
        let (subscription, close_by, asked) = {
            let mut group = self.group.lock();
            let asked = std::mem::take(&mut group.asked);
            let news = (group.subscribed_no != self.subscribed).then(|| group.subscribed.clone());
            self.subscribed = group.subscribed_no;
            (news, group.close_by, asked)
        };
        if let Some(by) = close_by
            && !self.closing
        {
            self.closing = true;
            self.begin_close(now, by);
        }
        if asked && let Member::Standalone(alone) = &mut self.member {
            alone.try_again();
        }
        if let Some(subscription) = subscription.filter(|_| !self.closing) {
            self.subscribe(&subscription, now);
        }
    }

    fn begin_close(&mut self, now: Instant, by: Instant) {
        self.leave(now, by);
        if self.member.is_standalone() && self.settings.auto_commit.is_some() {
            let leased = self.leased();
            self.commit_processed(&leased, now, by);
        }
    }

    fn leased(&self) -> Vec<TopicPartition> {
        self.shared.lock().leased().into_iter().map(|(tp, _)| tp).collect()
    }

    fn leave(&mut self, now: Instant, by: Instant) {
        if !self.member.is_standalone() && self.standing == Standing::Active {
            self.standing = Standing::Leaving(by);
            self.member.close(now);
        }
    }

    fn subscribe(&mut self, to: &Subscribed, now: Instant) {
        let Subscribed::Topics(topics) = to else {
            return self.leave(now, now + LEAVE_TIMEOUT);
        };
        topics.iter().for_each(|topic| self.client.metadata.want(topic));
        match (&mut self.member, self.standing) {
            (Member::Classic(member), Standing::Active) => member.subscribe(now, topics.clone()),
            (Member::Consumer(member), Standing::Active) => {
                let subscription = Subscription { topics: topics.clone(), regex: None };
                member.subscribe(now, subscription);
            }
            (Member::Standalone(_), _) => self.join(topics, now),
            // As soon as the old member is out.
            _ => self.subscribed = 0,
        }
    }

    fn join(&mut self, topics: &BTreeSet<Arc<str>>, now: Instant) {
        let config = self.settings.config.clone();
        let member = match self.settings.protocol {
            GroupProtocol::Classic => {
                Member::Classic(Box::new(ClassicMember::new(config, topics.clone(), now)))
            }
            GroupProtocol::Auto | GroupProtocol::Consumer => {
                let subscription = Subscription { topics: topics.clone(), regex: None };
                let id = Uuid::from_bytes(fastrand::u128(..).to_be_bytes()).to_string();
                let member = ConsumerMember::new(config, subscription, id.into(), now);
                Member::Consumer(Box::new(member))
            }
        };
        self.replace_member(member);
    }

    fn replace_member(&mut self, member: Member) {
        self.member = member;
        self.membership += 1;
        self.standing = Standing::Active;
        self.questions = Questions::default();
        self.requests.clear();
        self.alive_at = None;
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
                Event::Closed => self.standing = Standing::Out(self.leave_by(now)),
                event => self.add_step(event, now),
            }
        }
        any
    }

    fn leave_by(&self, now: Instant) -> Instant {
        match self.standing {
            Standing::Leaving(by) | Standing::Out(by) => by,
            _ => now + LEAVE_TIMEOUT,
        }
    }

    fn fall_back(&mut self, now: Instant) {
        if self.settings.protocol == GroupProtocol::Consumer {
            let (api, code) = ("ConsumerGroupHeartbeat", ErrorCode::UNSUPPORTED_VERSION);
            let message = Some("the broker does not do group.protocol=consumer here".to_owned());
            return self.fail(&GroupError::Refused { api, code, message });
        }
        tracing::info!("the group is of the classic protocol");
        self.settings.protocol = GroupProtocol::Classic;
        let Subscribed::Topics(topics) = self.group.lock().subscribed.clone() else { return };
        let config = self.settings.config.clone();
        let member = ClassicMember::new(config, topics, now);
        self.replace_member(Member::Classic(Box::new(member)));
    }

    fn fail(&mut self, error: &GroupError) {
        tracing::warn!(%error, "the consumer is out of its group");
        if self.member.is_standalone() {
            let code = error.code().unwrap_or(ErrorCode::UNKNOWN_SERVER_ERROR);
            let mut group = self.group.lock();
            group.commits.refuse_all(code);
            group.lookups.refuse_all(code);
        } else {
            self.standing = Standing::Failed;
        }
        self.shared.lock().push_general(ConsumeError::Group(error.clone()));
        self.shared.ready.notify_one();
    }

    /// A member that is out makes room.
    fn settle_standing(&mut self, now: Instant) {
        let out = match self.standing {
            Standing::Active => false,
            Standing::Leaving(by) => now >= by,
            Standing::Failed => true,
            Standing::Out(by) => {
                let waits = self.requests.values().any(|matters| *matters);
                now >= by || !waits && self.member.poll_timeout().is_none()
            }
        };
        if out && self.steps.is_empty() {
            let alone = Standalone::new(self.settings.config.clone());
            self.replace_member(Member::Standalone(Box::new(alone)));
            self.shared.group.notify_one();
        }
    }

    fn is_over(&self, now: Instant) -> bool {
        if self.client.is_closed() {
            return true;
        }
        let group = self.group.lock();
        let late = group.close_by.is_some_and(|by| now >= by);
        let done = self.member.is_standalone() && !group.commits.is_busy();
        self.closing && (done || late)
    }

    /// Sends what is to be sent.
    fn send(&mut self, now: Instant) {
        let needed = {
            let mut group = self.group.lock();
            group.commits.handle_timeout(now);
            group.lookups.handle_timeout(now);
            group.commits.is_busy() || group.lookups.is_asking()
        };
        while let Some(request) = self.member.poll_request(now, needed) {
            self.send_request(request);
        }
        let Some(node) = self.member.coordinator().map(|coordinator| coordinator.node_id) else {
            return;
        };
        let (config, generation) = (&self.settings.config, self.member.generation());
        let (commit, lookup) = {
            let mut group = self.group.lock();
            let commit = group.commits.poll_request(now, config, generation);
            (commit, group.lookups.poll_request(now, config))
        };
        let (class, timeout) = (self.classes.quick, self.patience(config.request_timeout));
        if let Some(commit) = commit {
            let client = Arc::clone(&self.client);
            self.working.spawn(async move {
                let asking = calls::commit(&client, node, class, &commit.request);
                Done::Committed { id: commit.id, answer: calls::within(timeout, asking).await }
            });
        }
        if let Some((id, request)) = lookup {
            let client = Arc::clone(&self.client);
            self.working.spawn(async move {
                let asking = calls::look_up(&client, node, class, request);
                Done::LookedUp { id, answer: calls::within(timeout, asking).await }
            });
        }
    }

    /// How long an answer may take, with the connection that it needs.
    fn patience(&self, timeout: Duration) -> Duration {
        timeout + self.client.config.connection_setup_timeout
    }

    fn send_request(&mut self, request: GroupRequest) {
        let matters = match &request.call {
            Call::FindCoordinator(_) | Call::Leave(_) => true,
            Call::ConsumerHeartbeat(heartbeat) => heartbeat.member_epoch < 0,
            _ => false,
        };
        let (id, membership) = (request.id, self.membership);
        self.requests.insert(id, matters);
        let node = self.member.coordinator().map(|coordinator| coordinator.node_id);
        let (client, classes) = (Arc::clone(&self.client), self.classes);
        let timeout = self.patience(request.timeout);
        self.working.spawn(async move {
            let asking = calls::send(&client, node, classes, request);
            Done::Answered { membership, id, answer: calls::within(timeout, asking).await }
        });
    }

    fn handle(&mut self, done: Done) {
        let now = now();
        match done {
            Done::Answered { membership, id, answer } if membership == self.membership => {
                self.requests.remove(&id);
                let answer = answer.unwrap_or_else(|error| {
                    let (answer, told) = calls::failed(error);
                    self.tell_connect_error(told);
                    answer
                });
                self.member.handle_response(now, id, answer);
            }
            Done::Answered { .. } => {}
            Done::Committed { id, answer } => self.handle_committed(id, answer, now),
            Done::LookedUp { id, answer } => {
                let answer =
                    answer.inspect_err(|error| tracing::debug!(%error, "OffsetFetch")).ok();
                let config = &self.settings.config;
                let mut group = self.group.lock();
                if group.lookups.handle_response(now, config, id, answer.as_ref()) {
                    self.member.coordinator_lost();
                }
            }
            Done::Listened(step) => self.listened(step),
            Done::Names(answer) => self.take_names(answer, now),
        }
    }

    fn tell_connect_error(&self, error: Option<crate::connection::ConnectError>) {
        if let Some(error) = error {
            self.shared.lock().push_general(ConsumeError::Connect(error));
            self.shared.ready.notify_one();
        }
    }

    fn handle_committed(&mut self, id: u64, answer: Answered<OffsetCommitResponse>, now: Instant) {
        let answer = answer.inspect_err(|error| tracing::debug!(%error, "OffsetCommit")).ok();
        let (config, generation) = (&self.settings.config, self.member.generation());
        let news = {
            let commits = &mut self.group.lock().commits;
            commits.handle_response(now, config, id, answer.as_ref(), generation.as_ref())
        };
        if news.coordinator_lost {
            self.member.coordinator_lost();
        }
        if news.rejoin {
            self.member.request_rejoin(now);
        }
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
        let leaving = match self.standing {
            Standing::Leaving(by) | Standing::Out(by) => Some(by),
            _ => None,
        };
        let next = [
            self.member.poll_timeout(),
            group.commits.poll_timeout(),
            group.lookups.poll_timeout(),
            group.close_by,
            self.step_deadline(),
            self.questions.deadline(),
            auto,
            leaving,
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

fn now() -> Instant {
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
