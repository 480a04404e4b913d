//! What the sender keeps for each broker.

use super::super::batch::Batch;
use super::super::partition::Partition;
use super::Sender;
use crate::client::ConnectionClass;
use crate::connection::{ConnectError, Connection, Reply};
use crate::error::ErrorKind;
use klamm_protocol::message::ProduceRequest;
use klamm_protocol::primitives::Uuid;
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::time::Instant;

type Connecting = Pin<Box<dyn Future<Output = Result<Connection, ConnectError>> + Send>>;

/// A batch in an unanswered request.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) partition: Arc<Partition>,
    pub(super) id: u64,
    pub(super) batch: Arc<Batch>,
    /// What the request called the topic; zero when it went by name.
    pub(super) topic_id: Uuid,
}

/// An unanswered request.
#[derive(Debug)]
pub(super) struct InFlight {
    pub(super) reply: Reply<ProduceRequest>,
    pub(super) batches: Vec<Sent>,
}

/// One broker, its queue and its unanswered requests.
pub(super) struct Broker {
    pub(super) node: i32,
    pub(super) connection: Option<Connection>,
    connecting: Option<Connecting>,
    pub(super) in_flight: VecDeque<InFlight>,
    /// Partitions with work, in the order in which they are served: who was served goes to the back.
    pub(super) pending: VecDeque<Arc<Partition>>,
    /// Partitions whose open batch somebody awaits, until the broker is idle.
    pub(super) awaited: Vec<Arc<Partition>>,
    /// The broker has asked to be left alone until then (KIP-219).
    pub(super) throttled_until: Option<Instant>,
}

impl Broker {
    pub(super) fn new(node: i32) -> Self {
        Self {
            node,
            connection: None,
            connecting: None,
            in_flight: VecDeque::new(),
            pending: VecDeque::new(),
            awaited: Vec::new(),
            throttled_until: None,
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.in_flight.is_empty()
    }

    pub(super) fn wakes_at(&self, now: Instant) -> Option<Instant> {
        self.throttled_until.filter(|at| *at > now && !self.pending.is_empty())
    }
}

impl Sender {
    /// Makes sure that there is a connection to the broker; false while there is none.
    pub(super) fn poll_connection(&mut self, cx: &mut Context<'_>, node: i32) -> bool {
        let client = Arc::clone(&self.client);
        let broker = self.broker(node);
        if broker.connection.as_ref().is_some_and(|c| !c.is_closed()) {
            return true;
        }
        broker.connection = None;
        let connecting = broker.connecting.get_or_insert_with(|| {
            Box::pin(async move { client.connection(node, ConnectionClass::Produce).await })
        });
        let Poll::Ready(result) = connecting.as_mut().poll(cx) else { return false };
        broker.connecting = None;
        match result {
            Ok(connection) => {
                broker.connection = Some(connection);
                true
            }
            Err(error) => {
                self.handle_connect_error(cx, node, &error);
                false
            }
        }
    }

    fn handle_connect_error(&mut self, cx: &mut Context<'_>, node: i32, error: &ConnectError) {
        tracing::warn!(node, %error, "no connection to broker");
        self.client.metadata.request_refresh();
        let pending = std::mem::take(&mut self.broker(node).pending);
        let hopeless = matches!(error.kind(), ErrorKind::Unauthorized | ErrorKind::Misuse);
        for partition in pending {
            if hopeless {
                self.fail_partition(&partition, node, error);
            } else {
                // The leader may be another one by now.
                self.route(partition);
            }
        }
        // The next attempt waits in the client for its backoff.
        cx.waker().wake_by_ref();
    }
}
