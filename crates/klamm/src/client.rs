//! The client: one I/O thread, the metadata of one cluster, and its connections.

use crate::config::{ClientConfig, ConfigError};
use crate::connection::{ConnectError, ConnectStage, Connection, ConnectionSettings, RequestError};
use crate::error::ErrorKind;
use crate::io_thread::IoThread;
use crate::metadata::{self, Metadata, Refresher};
use klamm_protocol::message::{MetadataRequest, MetadataResponse, Request};
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::time::Instant;

/// A connection to a Kafka cluster, shared by everything made from it.
///
/// Cloning is cheap. The I/O thread and the connections end when the last clone and the last producer
/// are gone.
#[derive(Debug, Clone)]
pub struct Client {
    inner: Arc<ClientInner>,
}

/// Why there is no client.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum ClientError {
    /// A setting is missing or contradicts another.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// None of the bootstrap servers could be used; the last one's error.
    #[error("no bootstrap server could be reached; last: {0}")]
    Connect(#[from] ConnectError),
    /// The operating system gave us no thread.
    #[error("the I/O thread could not be started: {0}")]
    Thread(Arc<str>),
}

impl ClientError {
    /// What to branch on.
    pub fn kind(&self) -> ErrorKind {
        match self {
            ClientError::Config(_) => ErrorKind::Misuse,
            ClientError::Connect(e) => e.kind(),
            ClientError::Thread(_) => ErrorKind::Fatal,
        }
    }
}

/// Connections are kept apart by what they carry, so that a slow answer of one kind never delays
/// another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ConnectionClass {
    Control,
    Produce,
}

#[derive(Debug)]
pub(crate) struct ClientInner {
    pub(crate) config: ClientConfig,
    settings: Arc<ConnectionSettings>,
    pub(crate) metadata: Arc<Metadata>,
    slots: Mutex<BTreeMap<(i32, ConnectionClass), Arc<Slot>>>,
    bootstrap: Arc<Slot>,
    pub(crate) io: IoThread,
}

/// The place of one connection; whoever holds the lock connects, the others wait for it.
#[derive(Debug, Default)]
struct Slot {
    state: tokio::sync::Mutex<SlotState>,
}

#[derive(Debug, Default)]
struct SlotState {
    connection: Option<Connection>,
    failures: u32,
    not_before: Option<Instant>,
}

impl Client {
    /// Connects to a cluster: at least one bootstrap server answers, the credentials are accepted, and
    /// the brokers are known.
    ///
    /// # Errors
    /// [`ClientError`] when the settings are wrong, or when no bootstrap server could be used.
    ///
    /// # Cancel safety
    /// Safe: nothing is left behind.
    pub async fn connect(config: ClientConfig) -> Result<Client, ClientError> {
        let settings = Arc::new(config.connection_settings()?);
        if config.bootstrap_servers.is_empty() {
            return Err(ConfigError::missing("bootstrap.servers").into());
        }
        let io = IoThread::start().map_err(|e| ClientError::Thread(e.to_string().into()))?;
        let inner = Arc::new(ClientInner {
            config,
            settings,
            metadata: Arc::new(Metadata::new()),
            slots: Mutex::new(BTreeMap::new()),
            bootstrap: Arc::default(),
            io,
        });
        let first = Arc::clone(&inner);
        let loaded = inner.io.run(async move { first.load().await }).await;
        loaded.unwrap_or_else(|| Err(ClientError::Thread("it ended".into())))?;
        let refresher = Refresher::new(Arc::clone(&inner.metadata), Arc::downgrade(&inner));
        inner.io.spawn(refresher.run());
        Ok(Client { inner })
    }

    pub(crate) fn inner(&self) -> &Arc<ClientInner> {
        &self.inner
    }
}

impl ClientInner {
    /// The first look at the cluster.
    async fn load(&self) -> Result<(), ClientError> {
        let connection = self.bootstrap_connection().await?;
        let request = metadata::request(Some(BTreeSet::new()), false);
        let answer = connection.request(&request, METADATA_VERSIONS, self.config.request_timeout);
        let answer = answer.await.map_err(|e| {
            let address = connection.address().into();
            ConnectError::new(&address, ConnectStage::Metadata, e.kind(), e.to_string())
        })?;
        self.metadata.learn(&answer);
        Ok(())
    }

    /// How long to wait after `failures` failures in a row.
    pub(crate) fn backoff(&self, failures: u32) -> Duration {
        metadata::backoff(self.config.retry_backoff, self.config.retry_backoff_max, failures)
    }

    /// Asks for metadata of these topics, or of all. Runs on the I/O thread.
    pub(crate) async fn fetch_metadata(
        &self,
        topics: Option<BTreeSet<Arc<str>>>,
    ) -> Result<MetadataResponse, RequestError> {
        let request = metadata::request(topics, self.config.allow_auto_create_topics);
        self.ask_any::<MetadataRequest>(&request, METADATA_VERSIONS).await
    }

    /// Asks whichever broker answers. Runs on the I/O thread.
    pub(crate) async fn ask_any<R: Request>(
        &self,
        request: &R,
        wanted: RangeInclusive<i16>,
    ) -> Result<R::Response, RequestError> {
        let connection = self.any_connection().await?;
        connection.request(request, wanted, self.config.request_timeout).await
    }

    /// A connection to any broker: a known one, or a bootstrap server when none of those answers.
    async fn any_connection(&self) -> Result<Connection, ConnectError> {
        let cluster = self.metadata.cluster();
        let nodes: Vec<i32> = cluster.brokers.keys().copied().collect();
        let start = if nodes.is_empty() { 0 } else { fastrand::usize(..nodes.len()) };
        let mut order = nodes.clone();
        order.rotate_left(start);
        // One that is open is as good as any, and costs nothing.
        for node in &order {
            let slot = self.slot(*node, ConnectionClass::Control);
            if let Ok(state) = slot.state.try_lock()
                && let Some(open) = state.connection.as_ref().filter(|c| !c.is_closed())
            {
                return Ok(open.clone());
            }
        }
        for node in order {
            if let Ok(connection) = self.connection(node, ConnectionClass::Control).await {
                return Ok(connection);
            }
        }
        self.bootstrap_connection().await
    }

    /// Forgets the connection to the bootstrap servers, so that the next one is looked up anew
    /// (KIP-1102).
    pub(crate) fn rebootstrap(&self) {
        if let Ok(mut state) = self.bootstrap.state.try_lock() {
            state.connection = None;
        }
    }

    async fn bootstrap_connection(&self) -> Result<Connection, ConnectError> {
        let mut state = self.bootstrap.state.lock().await;
        if let Some(open) = state.connection.as_ref().filter(|c| !c.is_closed()) {
            return Ok(open.clone());
        }
        let mut last = None;
        for server in &self.config.bootstrap_servers {
            match self.connect_to(server).await {
                Ok(connection) => {
                    state.connection = Some(connection.clone());
                    return Ok(connection);
                }
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| {
            let nowhere = Arc::from("bootstrap.servers");
            ConnectError::new(&nowhere, ConnectStage::Resolve, ErrorKind::Misuse, "it is empty")
        }))
    }

    async fn connect_to(&self, server: &str) -> Result<Connection, ConnectError> {
        let split = server.rsplit_once(':').and_then(|(h, p)| Some((h, p.parse::<u16>().ok()?)));
        let Some((host, port)) = split else {
            let address = Arc::from(server);
            let reason = "not of the form host:port";
            return Err(ConnectError::new(
                &address,
                ConnectStage::Resolve,
                ErrorKind::Misuse,
                reason,
            ));
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        Connection::connect(host, port, &self.settings).await
    }

    /// The connection of a class to a broker, made if need be; concurrent callers share one attempt,
    /// and attempts keep their distance. Runs on the I/O thread.
    pub(crate) async fn connection(
        &self,
        node: i32,
        class: ConnectionClass,
    ) -> Result<Connection, ConnectError> {
        let slot = self.slot(node, class);
        let mut state = slot.state.lock().await;
        if let Some(open) = state.connection.as_ref().filter(|c| !c.is_closed()) {
            return Ok(open.clone());
        }
        if let Some(at) = state.not_before {
            tokio::time::sleep_until(at).await;
        }
        let Some(endpoint) = self.metadata.cluster().brokers.get(&node).cloned() else {
            let address = Arc::from(format!("broker {node}"));
            let reason = "it is not in the cluster any more";
            return Err(ConnectError::new(
                &address,
                ConnectStage::Resolve,
                ErrorKind::Retriable,
                reason,
            ));
        };
        match Connection::connect(&endpoint.host, endpoint.port, &self.settings).await {
            Ok(connection) => {
                // A broker that accepts and at once closes must not be tried in a tight loop either.
                let not_before = Some(Instant::now() + self.config.reconnect_backoff);
                *state =
                    SlotState { connection: Some(connection.clone()), failures: 0, not_before };
                Ok(connection)
            }
            Err(error) => {
                state.failures = state.failures.saturating_add(1);
                let (base, max) =
                    (self.config.reconnect_backoff, self.config.reconnect_backoff_max);
                state.not_before =
                    Some(Instant::now() + metadata::backoff(base, max, state.failures));
                Err(error)
            }
        }
    }

    fn slot(&self, node: i32, class: ConnectionClass) -> Arc<Slot> {
        Arc::clone(self.slots.lock().entry((node, class)).or_default())
    }

    /// The controller, or any broker while it is not known. Runs on the I/O thread.
    pub(crate) async fn controller(&self) -> Result<Connection, ConnectError> {
        match self.metadata.cluster().controller {
            Some(node) => self.connection(node, ConnectionClass::Control).await,
            None => self.any_connection().await,
        }
    }
}

/// Every version of Metadata since topics could be asked for by an empty list.
const METADATA_VERSIONS: RangeInclusive<i16> = 1..=13;
