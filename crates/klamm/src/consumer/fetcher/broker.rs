//! What the fetcher keeps for each broker, and its requests.

use super::super::error::ConsumeError;
use super::super::fetch::{
    Charge, Demand, FetchLease, FetchSession, LANES, NextLane, Plan, Unanswered, Wanted, next_lane,
    plan, version_for,
};
use super::Fetcher;
use crate::connection::{ConnectError, Connection, Reply, RequestError};
use crate::consumer::TopicPartition;
use crate::error::ErrorKind;
use klamm_protocol::message::FetchRequest;
use std::future::Future;
use std::ops::RangeInclusive;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::Instant;

type Connecting = Pin<Box<dyn Future<Output = Result<Connection, ConnectError>> + Send>>;

/// All that the protocol crate knows: the message's own range bounds it.
const VERSIONS: RangeInclusive<i16> = 4..=i16::MAX;
/// How long the end of a consumer waits in the background for brokers to forget its sessions.
const FAREWELL: Duration = Duration::from_secs(1);

/// A lane of a broker.
#[derive(Debug, Clone, Copy)]
pub(super) struct At {
    pub(super) node: i32,
    pub(super) lane: usize,
}

/// An unanswered request.
#[derive(Debug)]
pub(super) struct InFlight {
    pub(super) reply: Reply<FetchRequest>,
    pub(super) wanted: Vec<(TopicPartition, Wanted)>,
    pub(super) leases: Vec<FetchLease>,
    pub(super) charge: Charge,
    unanswered: Unanswered,
}

/// One connection to a broker, its session and its unanswered request.
#[derive(Default)]
pub(super) struct Lane {
    connection: Option<Connection>,
    connecting: Option<Connecting>,
    pub(super) session: FetchSession,
    pub(super) in_flight: Option<InFlight>,
}

/// One broker. What there is of the broker as a whole stands beside its lanes.
pub(super) struct Broker {
    pub(super) lanes: [Lane; LANES],
    /// The broker has asked to be left alone until then (KIP-219).
    pub(super) throttled_until: Option<Instant>,
    /// Answers in a row that refused the session.
    pub(super) session_errors: u32,
    /// The last attempt to connect failed: not to be preferred to a leader until then.
    unreachable_until: Option<Instant>,
}

impl Broker {
    fn new() -> Self {
        let session = |lane| if lane == 0 { FetchSession::default() } else { FetchSession::none() };
        Self {
            lanes: std::array::from_fn(|lane| Lane { session: session(lane), ..Lane::default() }),
            throttled_until: None,
            session_errors: 0,
            unreachable_until: None,
        }
    }
}

impl Fetcher {
    /// Asks every broker that has something to give and has a lane for it; true if that has changed anything
    /// to be looked at again.
    pub(super) fn send(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        let nodes = {
            let state = self.shared.lock();
            state.positions.sources(|node| self.is_reachable(node, now), now.into_std())
        };
        let mut busy = false;
        self.lane_free_at = None;
        for node in nodes {
            let broker = self.brokers.entry(node).or_insert_with(Broker::new);
            if broker.throttled_until.is_some_and(|until| until > now) {
                continue;
            }
            let unanswered = |lane: &Lane| lane.in_flight.as_ref().map(|one| one.unanswered);
            let unanswered = broker.lanes.each_ref().map(unanswered);
            match next_lane(&unanswered, self.settings.max_wait, now.into_std()) {
                NextLane::Take { lane, wait, only_expected } => {
                    busy |= self.ask(cx, At { node, lane }, wait, only_expected, now);
                }
                NextLane::NotBefore(at) => {
                    let at = Instant::from_std(at);
                    self.lane_free_at = Some(self.lane_free_at.map_or(at, |first| first.min(at)));
                }
                NextLane::Busy => {}
            }
        }
        busy
    }

    /// Sends the next request on a lane, once it is connected.
    fn ask(
        &mut self,
        cx: &mut Context<'_>,
        at: At,
        wait: Duration,
        only_expected: bool,
        now: Instant,
    ) -> bool {
        if at.lane > 0 && !self.is_in_demand(at.node, only_expected, now) {
            return false;
        }
        match self.poll_connection(cx, at, now) {
            Poll::Pending => false,
            Poll::Ready(false) => true,
            Poll::Ready(true) => {
                let plan = self.plan_or_wait(at.node, only_expected, now);
                plan.is_some_and(|plan| self.submit(cx, at, plan, wait, now))
            }
        }
    }

    /// What to ask for; if something is missing, the bell rings when it may be there.
    fn plan_or_wait(&self, node: i32, only_expected: bool, now: Instant) -> Option<Plan> {
        // Once for each thing that may be missing, and once more: it is said first and then looked again,
        // because what happens from there on rings.
        for _ in 0..3 {
            match self.plan(node, only_expected, now) {
                Ok(plan) => return Some(plan),
                Err(Demand::Nothing | Demand::Now) => return None,
                Err(Demand::Later) => self.shared.doorbell.await_taking(),
                Err(Demand::Below(used)) => self.shared.doorbell.await_room(used),
            }
        }
        None
    }

    /// Whether there is anything to ask for on another lane than the first, which would have to be opened.
    fn is_in_demand(&self, node: i32, only_expected: bool, now: Instant) -> bool {
        let demand = || {
            let (state, reachable) = (self.shared.lock(), |node| self.is_reachable(node, now));
            let now = now.into_std();
            state.positions.demand(node, reachable, &self.budget, only_expected, now)
        };
        if demand() == Demand::Later {
            // Said first: what is taken from here on rings.
            self.shared.doorbell.await_taking();
        }
        demand() == Demand::Now
    }

    fn is_reachable(&self, node: i32, now: Instant) -> bool {
        self.cluster.brokers.contains_key(&node)
            && self
                .brokers
                .get(&node)
                .is_none_or(|b| b.unreachable_until.is_none_or(|at| at <= now))
    }

    fn plan(&self, node: i32, only_expected: bool, now: Instant) -> Result<Plan, Demand> {
        let mut state = self.shared.lock();
        let reachable = |node| self.is_reachable(node, now);
        let (settings, now) = (&self.settings.plan, now.into_std());
        plan(&mut state.positions, node, reachable, &self.budget, settings, only_expected, now)
    }

    /// Whether there is a connection; ready and false when an attempt has failed.
    fn poll_connection(
        &mut self,
        cx: &mut Context<'_>,
        At { node, lane }: At,
        now: Instant,
    ) -> Poll<bool> {
        let (client, class) = (Arc::clone(&self.client), self.classes[lane]);
        let Some(broker) = self.brokers.get_mut(&node) else { return Poll::Ready(false) };
        let lane = &mut broker.lanes[lane];
        if lane.connection.as_ref().is_some_and(|c| !c.is_closed()) {
            return Poll::Ready(true);
        }
        lane.connection = None;
        let connecting = lane
            .connecting
            .get_or_insert_with(|| Box::pin(async move { client.connection(node, class).await }));
        let Poll::Ready(result) = connecting.as_mut().poll(cx) else { return Poll::Pending };
        lane.connecting = None;
        // As long as a leader's word about a follower holds.
        let until = now + self.settings.positions.replica_lease;
        broker.unreachable_until = result.is_err().then_some(until);
        match result {
            Ok(connection) => {
                // Sessions outlive connections, but not always.
                lane.session.failed();
                lane.connection = Some(connection);
                Poll::Ready(true)
            }
            Err(error) => {
                self.handle_connect_error(node, error);
                Poll::Ready(false)
            }
        }
    }

    /// The next attempt waits in the client for its backoff.
    fn handle_connect_error(&mut self, node: i32, error: ConnectError) {
        tracing::warn!(node, %error, "no connection to broker");
        self.client.metadata.request_refresh();
        if matches!(error.kind(), ErrorKind::Unauthorized | ErrorKind::Misuse) {
            self.shared.lock().push_general(ConsumeError::Connect(error));
            self.news = true;
        }
    }

    fn submit(
        &mut self,
        cx: &mut Context<'_>,
        at: At,
        plan: Plan,
        wait: Duration,
        now: Instant,
    ) -> bool {
        let Some(broker) = self.brokers.get_mut(&at.node) else { return false };
        let lane = &mut broker.lanes[at.lane];
        let Some(connection) = &lane.connection else { return false };
        let timeout = self.client.config.request_timeout + wait;
        let rack = if plan.leader_only { "" } else { self.settings.rack.as_str() };
        let submitted = connection.version::<FetchRequest>(VERSIONS).and_then(|negotiated| {
            let version = version_for(negotiated, &plan.wanted);
            let said = lane.session.request(version, &plan.wanted);
            let request = FetchRequest {
                max_wait_ms: i32::try_from(wait.as_millis()).unwrap_or(i32::MAX),
                min_bytes: self.settings.min_bytes,
                max_bytes: plan.max_bytes,
                isolation_level: i8::from(self.settings.read_committed),
                session_id: said.session_id,
                session_epoch: said.session_epoch,
                topics: said.topics,
                forgotten_topics_data: said.forgotten,
                rack_id: rack.into(),
                ..FetchRequest::default()
            };
            connection.submit(&request, version, timeout, true)
        });
        match submitted {
            Ok(mut reply) => {
                // Registers the waker: the answer wakes the fetcher.
                let answered = Pin::new(&mut reply).poll(cx);
                let Plan { wanted, leases, charge, expects, .. } = plan;
                let unanswered = Unanswered::new(now.into_std(), wait, expects);
                let in_flight = InFlight { reply, wanted, leases, charge, unanswered };
                if let Poll::Ready(result) = answered {
                    self.handle_result(at, in_flight, result, now);
                    return true;
                }
                lane.in_flight = Some(in_flight);
                false
            }
            Err(error) => {
                self.fetch_failed(at, &plan.wanted, &plan.leases, &error, now);
                true
            }
        }
    }

    /// A request came to nothing: its partitions are asked for again after a pause.
    pub(super) fn fetch_failed(
        &mut self,
        At { node, lane }: At,
        wanted: &[(TopicPartition, Wanted)],
        leases: &[FetchLease],
        error: &RequestError,
        now: Instant,
    ) {
        tracing::warn!(node, %error, "a fetch failed");
        if let Some(broker) = self.brokers.get_mut(&node) {
            broker.lanes[lane].session.failed();
        }
        self.client.metadata.request_refresh();
        let mut state = self.shared.lock();
        for ((tp, _), lease) in wanted.iter().zip(leases) {
            state.positions.fetch_unanswered(tp, *lease, now.into_std());
        }
    }

    /// Makes brokers forget the sessions and ends the connections, in the background.
    pub(super) fn end_sessions(&mut self) {
        let mut farewells = Vec::new();
        for lane in self.brokers.values_mut().flat_map(|broker| &mut broker.lanes) {
            let Some(connection) = lane.connection.take() else { continue };
            let Some(said) = lane.session.end() else { continue };
            let request = FetchRequest {
                session_id: said.session_id,
                session_epoch: said.session_epoch,
                ..FetchRequest::default()
            };
            let submitted = connection
                .version::<FetchRequest>(VERSIONS)
                .and_then(|version| connection.submit(&request, version, FAREWELL, true));
            farewells.extend(submitted.ok());
        }
        let (client, classes) = (Arc::clone(&self.client), self.classes);
        tokio::spawn(async move {
            for farewell in farewells {
                // A broker that does not answer forgets by itself.
                let _ = farewell.await;
            }
            classes.into_iter().for_each(|class| client.release(class));
        });
    }
}
