//! What the fetcher keeps for each broker, and its requests.

use super::super::error::ConsumeError;
use super::super::fetch::{Charge, FetchLease, FetchSession, Plan, Wanted, plan, version_for};
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

/// An unanswered request.
#[derive(Debug)]
pub(super) struct InFlight {
    pub(super) reply: Reply<FetchRequest>,
    pub(super) wanted: Vec<(TopicPartition, Wanted)>,
    pub(super) leases: Vec<FetchLease>,
    pub(super) charge: Charge,
}

/// One broker, its session and its unanswered request.
pub(super) struct Broker {
    connection: Option<Connection>,
    connecting: Option<Connecting>,
    pub(super) session: FetchSession,
    pub(super) in_flight: Option<InFlight>,
    /// The broker has asked to be left alone until then (KIP-219).
    pub(super) throttled_until: Option<Instant>,
    /// Answers in a row that refused the session.
    pub(super) session_errors: u32,
    /// The last attempt to connect failed: not to be preferred to a leader.
    unreachable: bool,
}

impl Broker {
    fn new() -> Self {
        Self {
            connection: None,
            connecting: None,
            session: FetchSession::default(),
            in_flight: None,
            throttled_until: None,
            session_errors: 0,
            unreachable: false,
        }
    }
}

impl Fetcher {
    /// Asks every broker that has something to give and is not being asked; true if that has changed
    /// anything to be looked at again.
    pub(super) fn send(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        let nodes = {
            let state = self.shared.lock();
            state.positions.sources(|node| self.is_reachable(node), now.into_std())
        };
        let (mut busy, mut hungry) = (false, !self.waiting.is_empty());
        for node in nodes {
            let broker = self.brokers.entry(node).or_insert_with(Broker::new);
            let throttled = broker.throttled_until.is_some_and(|until| until > now);
            if broker.in_flight.is_some() || throttled {
                continue;
            }
            match self.poll_connection(cx, node) {
                Poll::Pending => continue,
                Poll::Ready(false) => busy = true,
                Poll::Ready(true) => {
                    let plan = self.plan(node, now).or_else(|| {
                        // Said first: what is let go from here on rings.
                        self.shared.doorbell.be_hungry();
                        self.plan(node, now)
                    });
                    match plan {
                        Some(plan) => busy |= self.submit(cx, node, plan, now),
                        None => hungry = true,
                    }
                }
            }
        }
        if hungry {
            self.shared.doorbell.be_hungry();
        }
        busy
    }

    fn is_reachable(&self, node: i32) -> bool {
        self.cluster.brokers.contains_key(&node)
            && self.brokers.get(&node).is_none_or(|broker| !broker.unreachable)
    }

    fn plan(&self, node: i32, now: Instant) -> Option<Plan> {
        let mut state = self.shared.lock();
        let reachable = |node| self.is_reachable(node);
        let (settings, now) = (&self.settings.plan, now.into_std());
        plan(&mut state.positions, node, reachable, &self.budget, settings, now)
    }

    /// Whether there is a connection; ready and false when an attempt has failed.
    fn poll_connection(&mut self, cx: &mut Context<'_>, node: i32) -> Poll<bool> {
        let (client, class) = (Arc::clone(&self.client), self.class);
        let Some(broker) = self.brokers.get_mut(&node) else { return Poll::Ready(false) };
        if broker.connection.as_ref().is_some_and(|c| !c.is_closed()) {
            return Poll::Ready(true);
        }
        broker.connection = None;
        let connecting = broker
            .connecting
            .get_or_insert_with(|| Box::pin(async move { client.connection(node, class).await }));
        let Poll::Ready(result) = connecting.as_mut().poll(cx) else { return Poll::Pending };
        broker.connecting = None;
        broker.unreachable = result.is_err();
        match result {
            Ok(connection) => {
                // Sessions outlive connections, but not always.
                broker.session.failed();
                broker.connection = Some(connection);
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

    fn submit(&mut self, cx: &mut Context<'_>, node: i32, plan: Plan, now: Instant) -> bool {
        let Some(broker) = self.brokers.get_mut(&node) else { return false };
        let Some(connection) = &broker.connection else { return false };
        let timeout = self.client.config.request_timeout
            + Duration::from_millis(u64::try_from(self.settings.max_wait_ms).unwrap_or(0));
        let submitted = connection.version::<FetchRequest>(VERSIONS).and_then(|negotiated| {
            let version = version_for(negotiated, &plan.wanted);
            let said = broker.session.request(version, &plan.wanted);
            let request = FetchRequest {
                max_wait_ms: self.settings.max_wait_ms,
                min_bytes: self.settings.min_bytes,
                max_bytes: plan.max_bytes,
                isolation_level: i8::from(self.settings.read_committed),
                session_id: said.session_id,
                session_epoch: said.session_epoch,
                topics: said.topics,
                forgotten_topics_data: said.forgotten,
                rack_id: self.settings.rack.as_str().into(),
                ..FetchRequest::default()
            };
            connection.submit(&request, version, timeout, true)
        });
        match submitted {
            Ok(mut reply) => {
                // Registers the waker: the answer wakes the fetcher.
                let answered = Pin::new(&mut reply).poll(cx);
                let Plan { wanted, leases, charge, .. } = plan;
                let in_flight = InFlight { reply, wanted, leases, charge };
                if let Poll::Ready(result) = answered {
                    self.handle_result(node, in_flight, result, now);
                    return true;
                }
                broker.in_flight = Some(in_flight);
                false
            }
            Err(error) => {
                self.fetch_failed(node, &plan.wanted, &plan.leases, &error, now);
                true
            }
        }
    }

    /// A request came to nothing: its partitions are asked for again after a pause.
    pub(super) fn fetch_failed(
        &mut self,
        node: i32,
        wanted: &[(TopicPartition, Wanted)],
        leases: &[FetchLease],
        error: &RequestError,
        now: Instant,
    ) {
        tracing::warn!(node, %error, "a fetch failed");
        if let Some(broker) = self.brokers.get_mut(&node) {
            broker.session.failed();
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
        for broker in self.brokers.values_mut() {
            let Some(connection) = broker.connection.take() else { continue };
            let Some(said) = broker.session.end() else { continue };
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
        let (client, class) = (Arc::clone(&self.client), self.class);
        tokio::spawn(async move {
            for farewell in farewells {
                // A broker that does not answer forgets by itself.
                let _ = farewell.await;
            }
            client.release(class);
        });
    }
}
