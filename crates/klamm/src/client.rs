//! The client: one I/O thread, the metadata of one cluster, and its connections.

use crate::config::{ClientConfig, ConfigError};
use crate::connection::{
    ConnectError, ConnectStage, Connection, ConnectionSettings, ReconnectBackoff, RequestError,
    Slot,
};
use crate::error::ErrorKind;
use crate::io_thread::IoThread;
use crate::metadata::{self, Metadata, Refresher};
use klamm_protocol::message::{MetadataResponse, Request};
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use thiserror::Error;

mod coordinator;

pub(crate) use self::coordinator::{CoordinatorType, NoCoordinator};

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
    /// One consumer's: the broker may take long to answer, and answers in order.
    Fetch(u64),
    /// One consumer's to its group's coordinator, for what is answered at once: heartbeats, commits.
    Group(u64),
    /// The same, for what is answered when all members have come.
    Rebalance(u64),
}

#[derive(Debug)]
pub(crate) struct ClientInner {
    pub(crate) config: ClientConfig,
    settings: Arc<ConnectionSettings>,
    pub(crate) metadata: Arc<Metadata>,
    slots: Mutex<BTreeMap<(i32, ConnectionClass), Arc<Slot>>>,
    bootstrap: Slot,
    /// The brokers known so far are not to be asked (KIP-1102).
    start_over: AtomicBool,
    closed: AtomicBool,
    /// How many there have been.
    consumers: AtomicU64,
    pub(crate) io: IoThread,
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
        let no_io = |reason: String| ClientError::Thread(reason.into());
        let io = match (&config.runtime, &config.connector) {
            (Some(runtime), _) => IoThread::on(runtime.clone()),
            (None, Some(_)) => {
                let current = tokio::runtime::Handle::try_current();
                IoThread::on(current.map_err(|e| no_io(e.to_string()))?)
            }
            (None, None) => IoThread::start().map_err(|e| no_io(e.to_string()))?,
        };
        let inner = Arc::new(ClientInner {
            config,
            settings,
            metadata: Arc::new(Metadata::new()),
            slots: Mutex::new(BTreeMap::new()),
            bootstrap: Slot::default(),
            start_over: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            consumers: AtomicU64::new(0),
            io,
        });
        let first = Arc::clone(&inner);
        let loaded = inner.io.run(async move { first.load().await }).await;
        loaded.unwrap_or_else(|| Err(ClientError::Thread("it ended".into())))?;
        let refresher = Refresher::new(Arc::clone(&inner.metadata), Arc::downgrade(&inner));
        inner.io.spawn(refresher.run());
        Ok(Client { inner })
    }

    /// Closes every connection and waits until they are closed, one second at the longest.
    ///
    /// Whatever else is made from this client stops working: close producers first, so that their
    /// records are sent. A client that is only dropped closes its connections in the background.
    ///
    /// # Cancel safety
    /// The connections close even when the future is dropped after its first poll.
    pub async fn close(self) {
        let inner = Arc::clone(&self.inner);
        let closing = self.inner.io.run(async move {
            for connection in inner.retire_all() {
                connection.closed().await;
            }
        });
        let bounded = {
            // The caller need not be on a runtime with timers.
            let _guard = self.inner.io.enter();
            tokio::time::timeout(CLOSE_TIMEOUT, closing)
        };
        let _ = bounded.await;
    }

    pub(crate) fn inner(&self) -> &Arc<ClientInner> {
        &self.inner
    }
}

/// How long [`Client::close`] waits for connections.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

impl Drop for ClientInner {
    fn drop(&mut self) {
        // On the caller's runtime the refresher has to notice by itself.
        self.metadata.request_refresh();
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
            let mut reason = e.to_string();
            if self.settings.sasl.is_none() && matches!(e, RequestError::Lost { .. }) {
                reason.push_str("; a listener that wants SASL does so (sasl.mechanism is not set)");
            }
            ConnectError::new(&address, ConnectStage::Metadata, e.kind(), reason)
        })?;
        if answer.brokers.is_empty() {
            let reason = "the broker knows no brokers: it is starting, or not part of a cluster";
            let (stage, kind) = (ConnectStage::Metadata, ErrorKind::Retriable);
            return Err(ConnectError::new(&connection.address().into(), stage, kind, reason).into());
        }
        self.metadata.learn(&answer);
        Ok(())
    }

    /// Ends every connection and lets no new one be made.
    fn retire_all(&self) -> Vec<Connection> {
        self.closed.store(true, Ordering::Relaxed);
        self.metadata.close();
        let slots: Vec<Arc<Slot>> = self.slots.lock().values().cloned().collect();
        let retired = slots.iter().filter_map(|slot| slot.retire(CLOSED));
        retired.chain(self.bootstrap.retire(CLOSED)).collect()
    }

    /// A class for the connections of one more consumer.
    pub(crate) fn new_fetch_class(&self) -> ConnectionClass {
        ConnectionClass::Fetch(self.consumers.fetch_add(1, Ordering::Relaxed))
    }

    /// Classes for the connections of one more consumer to its group's coordinator: for what is answered at
    /// once, and for what waits for other members.
    pub(crate) fn new_group_classes(&self) -> (ConnectionClass, ConnectionClass) {
        let number = self.consumers.fetch_add(1, Ordering::Relaxed);
        (ConnectionClass::Group(number), ConnectionClass::Rebalance(number))
    }

    /// Ends the connections of a class that nobody uses any more.
    pub(crate) fn release(&self, class: ConnectionClass) {
        let mut released = Vec::new();
        self.slots.lock().retain(|(_, of), slot| {
            let kept = *of != class;
            released.extend((!kept).then(|| Arc::clone(slot)));
            kept
        });
        for slot in released {
            slot.retire("its consumer was closed");
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    fn check_open(&self) -> Result<(), ConnectError> {
        if self.is_closed() {
            return Err(refused("client", ErrorKind::Closed, CLOSED));
        }
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
        self.fetch_metadata_from_any(topics).await.map(|(_, answer)| answer)
    }

    /// Asks for metadata of these topics, and makes none of them. Runs on the I/O thread.
    pub(crate) async fn fetch_metadata_of_existing(
        &self,
        topics: BTreeSet<Arc<str>>,
    ) -> Result<MetadataResponse, RequestError> {
        let request = metadata::request(Some(topics), false);
        self.ask_any(&request, METADATA_VERSIONS).await
    }

    /// Asks for metadata and says who answered. Runs on the I/O thread.
    pub(crate) async fn fetch_metadata_from_any(
        &self,
        topics: Option<BTreeSet<Arc<str>>>,
    ) -> Result<(Connection, MetadataResponse), RequestError> {
        let request = metadata::request(topics, self.config.allow_auto_create_topics);
        let connection = self.any_connection().await?;
        let timeout = self.config.request_timeout;
        let answer = connection.request(&request, METADATA_VERSIONS, timeout).await?;
        connection.throttle(answer.throttle_time_ms);
        Ok((connection, answer))
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

    /// A connection to any broker: a known one, or a bootstrap server when none of those answers
    /// (KIP-899).
    pub(crate) async fn any_connection(&self) -> Result<Connection, ConnectError> {
        self.check_open()?;
        if self.start_over.load(Ordering::Relaxed) {
            let connection = self.bootstrap_connection().await?;
            self.start_over.store(false, Ordering::Relaxed);
            return Ok(connection);
        }
        let mut nodes: Vec<i32> = self.metadata.cluster().brokers.keys().copied().collect();
        if !nodes.is_empty() {
            let start = fastrand::usize(..nodes.len());
            nodes.rotate_left(start);
        }
        let control = |node: &i32| self.slot(*node, ConnectionClass::Control);
        // One that is open is as good as any, and costs nothing.
        if let Some(open) = nodes.iter().find_map(|node| control(node).open()) {
            return Ok(open);
        }
        nodes.retain(|node| !control(node).is_backing_off());
        // Together they may take as long as one: a silent broker must not hide those that answer.
        let share = self.settings.setup_timeout / u32::try_from(nodes.len()).unwrap_or(1).max(1);
        let patience = share.max(PATIENCE_MIN);
        for node in nodes {
            let connecting = self.connection(node, ConnectionClass::Control);
            match tokio::time::timeout(patience, connecting).await {
                Ok(Ok(connection)) => return Ok(connection),
                Ok(Err(error)) => tracing::debug!(node, %error, "no connection to broker"),
                Err(_) => tracing::debug!(node, ?patience, "no connection to broker in time"),
            }
        }
        self.bootstrap_connection().await
    }

    /// Starts over from the bootstrap servers, looked up anew, the next time any broker is asked
    /// (KIP-1102).
    pub(crate) fn rebootstrap(&self) {
        tracing::info!("starting over from the bootstrap servers");
        self.start_over.store(true, Ordering::Relaxed);
        self.bootstrap.retire("starting over from the bootstrap servers");
    }

    async fn bootstrap_connection(&self) -> Result<Connection, ConnectError> {
        self.bootstrap.get(|_| true, || self.connect_to_any_server(), self.pause()).await
    }

    /// Tries the bootstrap servers from a random one on. Refused credentials end it at once: the
    /// others would refuse them too, and counting failures may lock an account.
    async fn connect_to_any_server(&self) -> Result<Connection, ConnectError> {
        self.check_open()?;
        let mut servers: Vec<&str> =
            self.config.bootstrap_servers.iter().map(String::as_str).collect();
        let mut last = refused("bootstrap.servers", ErrorKind::Misuse, "it is empty");
        if !servers.is_empty() {
            let start = fastrand::usize(..servers.len());
            servers.rotate_left(start);
        }
        for server in servers {
            match self.connect_to(server).await {
                Ok(connection) => return Ok(connection),
                Err(error) if error.kind() == ErrorKind::Unauthorized => return Err(error),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    async fn connect_to(&self, server: &str) -> Result<Connection, ConnectError> {
        let split = server.rsplit_once(':').and_then(|(h, p)| Some((h, p.parse::<u16>().ok()?)));
        let Some((host, port)) = split else {
            return Err(refused(server, ErrorKind::Misuse, "not of the form host:port"));
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
        self.check_open()?;
        let endpoint = self.metadata.cluster().brokers.get(&node).cloned();
        let Some(endpoint) = endpoint else {
            self.slots.lock().remove(&(node, class));
            let name = format!("broker {node}");
            return Err(refused(&name, ErrorKind::Retriable, "it is not in the cluster any more"));
        };
        let slot = self.slot(node, class);
        let fits = |open: &Connection| open.leads_to(&endpoint.host, endpoint.port);
        let connect = || Connection::connect(&endpoint.host, endpoint.port, &self.settings);
        let connection = slot.get(fits, connect, self.pause()).await?;
        self.check_open().inspect_err(|_| connection.retire(CLOSED))?;
        Ok(connection)
    }

    fn pause(&self) -> ReconnectBackoff {
        ReconnectBackoff {
            base: self.config.reconnect_backoff,
            max: self.config.reconnect_backoff_max,
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

/// The error of an attempt that was not made.
fn refused(address: &str, kind: ErrorKind, reason: &str) -> ConnectError {
    ConnectError::new(&address.into(), ConnectStage::Resolve, kind, reason)
}

const CLOSED: &str = "the client is closed";
/// Least time for a connection to one of several brokers that would do.
const PATIENCE_MIN: Duration = Duration::from_secs(2);
/// Every version of Metadata since topics could be asked for by an empty list.
const METADATA_VERSIONS: RangeInclusive<i16> = 1..=13;

#[cfg(test)]
mod tests;
