//! Starting and stopping a broker.

use crate::clock::Clock;
use crate::cluster::{Cluster, NewTopic, OpenFailed};
use crate::config::{BrokerConfig, Overrides};
use crate::controls::Controls;
use crate::disk;
use crate::groups::Groups;
use crate::in_process::InProcess;
use crate::listeners::{ListenerInfo, ListenerSettings, contradiction, step};
use crate::nodes::{Endpoint, Nodes};
use crate::release::Release;
use crate::request_log::{DEFAULT_CAPACITY, RequestLog};
use crate::security::{
    AclSettings, SaslSettings, Security, SecurityError, SecuritySettings, TlsSettings,
};
use crate::server::{Acceptor, ConnectionLimits};
use crate::transactions::Transactions;
use klamm_log::Durability;
use klamm_log::storage::{FileStorage, MemoryStorage, OpenError, Storage};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::DuplexStream;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

/// Nodes that one broker may pretend to be.
const MAX_NODES: i32 = 64;

/// How long records of a broker with a directory may be in the system's memory only, unless it says otherwise.
const DEFAULT_INTERVAL: Duration = Duration::from_secs(1);

/// Records that a broker in memory keeps, in bytes, unless it says otherwise.
const MEMORY_BYTES: u64 = 1 << 30;

/// What stands for the port of a node without a socket: Kafka's own.
const IN_PROCESS_PORT: u16 = 9092;

/// Why a broker does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The address cannot be listened on.
    #[error(
        "cannot listen on {address}: {source}; choose another with --listen, or port 0 for any that is free"
    )]
    Listen {
        /// What was asked for.
        address: SocketAddr,
        /// The system's reason.
        source: io::Error,
    },
    /// The data directory cannot be used.
    #[error(transparent)]
    Data(#[from] OpenError),
    /// What the directory holds cannot be read.
    #[error("{0}")]
    Contents(String),
    /// Security that cannot be had, or is missing where it must not be.
    #[error(transparent)]
    Security(#[from] SecurityError),
    /// Contradictory or impossible settings.
    #[error("{0}")]
    Config(String),
}

impl From<OpenFailed> for StartError {
    fn from(error: OpenFailed) -> Self {
        Self::Contents(error.to_string())
    }
}

/// How a broker is to be; see [`Broker::builder`].
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing before start()"]
pub struct Builder {
    /// Whether there are sockets, or connections inside the process only.
    sockets: bool,
    first: ListenerSettings,
    more: Vec<ListenerSettings>,
    nodes: i32,
    release: Release,
    config: BrokerConfig,
    topics: Vec<(String, i32, Overrides)>,
    request_log: usize,
    data: Option<PathBuf>,
    storage: Option<Arc<dyn Storage>>,
    durability: Option<Durability>,
    security: SecuritySettings,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            sockets: true,
            first: ListenerSettings::new("", SocketAddr::from((Ipv4Addr::LOCALHOST, 0))),
            more: Vec::new(),
            nodes: 1,
            release: Release::default(),
            config: BrokerConfig::default(),
            topics: Vec::new(),
            request_log: DEFAULT_CAPACITY,
            data: None,
            storage: None,
            durability: None,
            security: SecuritySettings::default(),
        }
    }
}

impl Builder {
    /// Where to listen; port 0 takes any that is free. Default 127.0.0.1:0.
    ///
    /// With several nodes the first gets this port and the others the ones behind it, or any when it is 0. Where ports of
    /// several listeners would meet, the others' are further apart.
    pub fn listen(mut self, address: SocketAddr) -> Self {
        (self.first.address, self.sockets) = (address, true);
        self
    }

    /// One more listener, beside the one that [`Builder::listen`], [`Builder::advertised`], [`Builder::tls`] and
    /// [`Builder::sasl`] describe, which comes first. Up to 16 are possible, of different names.
    pub fn listener(mut self, listener: ListenerSettings) -> Self {
        self.more.push(listener);
        self
    }

    /// The listener that comes first, in place of the one there is.
    pub(crate) fn first_listener(mut self, listener: ListenerSettings) -> Self {
        (self.first, self.sockets) = (listener, true);
        self
    }

    /// Listens on no socket: only [`Broker::in_process`] leads to it. Its nodes are called `node-1:9092`, `node-2:9092`
    /// and so on by the first listener, with port 9093 by the second, unless they advertise something else.
    pub fn without_sockets(mut self) -> Self {
        self.sockets = false;
        self
    }

    /// What clients are told to connect to, when it is not the address listened on; port 0 stands for the real one.
    pub fn advertised(mut self, host: &str, port: u16) -> Self {
        self.first = self.first.advertised(host, port);
        self
    }

    /// How many nodes clients see, each with all listeners. Default 1, at most 64.
    pub fn nodes(mut self, nodes: i32) -> Self {
        self.nodes = nodes;
        self
    }

    /// Which Kafka the broker presents itself as. Default the newest it knows.
    pub fn release(mut self, release: Release) -> Self {
        self.release = release;
        self
    }

    /// Settings of the broker.
    pub fn config(mut self, config: BrokerConfig) -> Self {
        self.config = config;
        self
    }

    /// Keeps everything in this directory, which is made when it does not exist. Default: in memory.
    pub fn data(mut self, dir: impl Into<PathBuf>) -> Self {
        self.data = Some(dir.into());
        self
    }

    /// Keeps everything in this storage in place of a directory; with one that fails on purpose, a test sees what its
    /// clients see of a full or broken disk.
    pub fn storage(mut self, storage: Arc<dyn Storage>) -> Self {
        self.storage = Some(storage);
        self
    }

    /// When a record counts as safe. Default with [`Builder::data`]: on the disk within a second; without: in memory.
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = Some(durability);
        self
    }

    /// Encrypts the first listener, which is the only one unless [`Builder::listener`] adds others. Default: plain text.
    pub fn tls(mut self, tls: TlsSettings) -> Self {
        self.first = self.first.tls(tls);
        self
    }

    /// Asks clients of the first listener to log in. Default: nobody is asked.
    pub fn sasl(mut self, sasl: SaslSettings) -> Self {
        self.first = self.first.sasl(sasl);
        self
    }

    /// Allows only what ACLs allow. Default: everything is allowed to whoever comes in.
    pub fn acls(mut self, acls: AclSettings) -> Self {
        self.security.acls = Some(acls);
        self
    }

    /// Listens on addresses that other machines reach although nobody has to say who they are: whoever reaches the
    /// broker may read, write and delete everything. Without it [`Builder::start`] refuses.
    pub fn allow_insecure_public(mut self) -> Self {
        self.security.insecure_public = true;
        self
    }

    /// What clients of the first listener have to set as their `security.protocol`: PLAINTEXT, SSL, SASL_PLAINTEXT or
    /// SASL_SSL.
    pub fn security_protocol(&self) -> &'static str {
        self.first.security_protocol()
    }

    /// The listeners, the first one first.
    pub fn listeners(&self) -> impl Iterator<Item = &ListenerSettings> {
        std::iter::once(&self.first).chain(&self.more)
    }

    /// What connections may take of time and memory.
    pub fn limits(mut self, limits: ConnectionLimits) -> Self {
        self.security.limits = limits;
        self
    }

    fn open_storage(&self) -> Result<(Arc<dyn Storage>, Durability), StartError> {
        if let Some(storage) = &self.storage {
            let durability = self.durability.unwrap_or(Durability::Interval(DEFAULT_INTERVAL));
            return Ok((storage.clone(), durability));
        }
        match (&self.data, self.durability) {
            (None, None | Some(Durability::Memory)) => {
                Ok((Arc::new(MemoryStorage::new()), Durability::Memory))
            }
            (None, Some(durability)) => Err(StartError::Config(format!(
                "durability {durability} needs a directory to write to: give one with --data"
            ))),
            (Some(dir), Some(Durability::Memory)) => Err(StartError::Config(format!(
                "durability memory writes nothing to {}: leave out one of the two",
                dir.display()
            ))),
            (Some(dir), durability) => {
                let storage = FileStorage::open(dir)?;
                let durability = durability.unwrap_or(Durability::Interval(DEFAULT_INTERVAL));
                Ok((Arc::new(storage), durability))
            }
        }
    }

    /// A topic that is there from the start, unless it exists already.
    pub fn topic(mut self, name: &str, partitions: i32) -> Self {
        self.topics.push((name.to_owned(), partitions, Overrides::new()));
        self
    }

    /// The same with settings of its own, by Kafka's names.
    pub fn topic_with(
        mut self,
        name: &str,
        partitions: i32,
        settings: impl IntoIterator<Item = (String, String)>,
    ) -> Self {
        self.topics.push((name.to_owned(), partitions, settings.into_iter().collect()));
        self
    }

    /// How many requests are remembered for tests to ask for. Default 1024; with 0 none, which saves a little time per
    /// request.
    pub fn request_log(mut self, requests: usize) -> Self {
        self.request_log = requests;
        self
    }

    /// Starts on the current runtime; every listener accepts when this returns.
    ///
    /// # Errors
    /// [`StartError`]; nothing is left running then.
    pub async fn start(self) -> Result<Broker, StartError> {
        if !(1..=MAX_NODES).contains(&self.nodes) {
            return Err(StartError::Config(format!(
                "{} nodes; 1 to {MAX_NODES} are possible",
                self.nodes
            )));
        }
        let listeners = self.checked_listeners()?;
        let security =
            Security::new(&self.security, listeners.iter().map(|listener| &listener.protocol))?;
        let step = step(&listeners, self.nodes);
        let (mut acceptors, nodes) = (Vec::new(), Nodes::default());
        for (id, nth) in (1..=self.nodes).zip(0..) {
            let acceptor = self.bind(&listeners, id, step.saturating_mul(nth)).await?;
            nodes.add(id, endpoints(&listeners, &acceptor, step.saturating_mul(nth)));
            acceptors.push(acceptor);
        }
        let (storage, durability) = self.open_storage()?;
        let mut config = self.config.clone();
        if durability == Durability::Memory {
            config.disk_max_bytes.get_or_insert(MEMORY_BYTES);
        }
        let place = self.data.as_ref().map_or("memory".to_owned(), |dir| {
            // Clients are told, to whom the directory of this process says nothing.
            let dir = std::path::absolute(dir).unwrap_or_else(|_| dir.clone());
            dir.display().to_string()
        });
        let log = RequestLog::new(self.request_log);
        let cluster =
            Cluster::open(config, self.release, storage, durability, place, nodes, log, security)?;
        let cluster = Arc::new(cluster);
        for (name, partitions, overrides) in &self.topics {
            let (partitions, overrides) = (Some(*partitions), overrides.clone());
            let new = NewTopic { partitions, overrides, ..NewTopic::default() };
            if cluster.topics.get(name).is_none() {
                cluster
                    .create_topic(name, new, false)
                    .map_err(|e| StartError::Config(e.to_string()))?;
            }
        }
        let listeners = self.listeners().cloned().collect();
        Ok(Broker::run(cluster, listeners, acceptors, self.data))
    }

    /// The listeners, when there can be such a broker.
    fn checked_listeners(&self) -> Result<Vec<ListenerSettings>, StartError> {
        let listeners: Vec<ListenerSettings> = self.listeners().cloned().collect();
        if let Some(contradiction) = contradiction(&listeners) {
            return Err(StartError::Config(contradiction));
        }
        if !self.sockets {
            return Ok(listeners);
        }
        for listener in &listeners {
            self.security.check_public(listener.address, &listener.protocol)?;
        }
        Ok(listeners)
    }

    /// Opens the sockets of a node, whose ports are so far behind the first node's.
    async fn bind(
        &self,
        listeners: &[ListenerSettings],
        node_id: i32,
        offset: u16,
    ) -> Result<Acceptor, StartError> {
        let mut acceptor = Acceptor::new(node_id);
        for listener in listeners.iter().filter(|_| self.sockets) {
            let mut address = listener.address;
            if address.port() != 0 {
                let port = address.port().checked_add(offset);
                let none = || StartError::Config(format!("no port is left for node {node_id}"));
                address.set_port(port.ok_or_else(none)?);
            }
            let bound = acceptor.bind(address).await;
            bound.map_err(|source| StartError::Listen { address, source })?;
        }
        Ok(acceptor)
    }
}

/// Where clients of each listener are told to reach a node.
fn endpoints(listeners: &[ListenerSettings], acceptor: &Acceptor, offset: u16) -> Vec<Endpoint> {
    let endpoint = |(listener, settings): (usize, &ListenerSettings)| {
        let bound = match acceptor.address(listener) {
            Some(bound) => (bound.ip().to_string(), bound.port()),
            None => (format!("node-{}", acceptor.node_id()), in_process_port(listener)),
        };
        settings.endpoint(bound, offset)
    };
    listeners.iter().enumerate().map(endpoint).collect()
}

/// What stands for the port of a node without a socket: Kafka's own for the first listener, those behind it for others.
fn in_process_port(listener: usize) -> u16 {
    u16::try_from(listener).map_or(IN_PROCESS_PORT, |nth| IN_PROCESS_PORT.saturating_add(nth))
}

/// A running broker; dropping it ends it without ceremony, [`Broker::stop`] ends it cleanly.
#[derive(Debug)]
pub struct Broker {
    cluster: Arc<Cluster>,
    controls: Controls,
    in_process: InProcess,
    listeners: Vec<ListenerInfo>,
    dir: Option<PathBuf>,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Broker {
    /// Begins to describe a broker: in memory, on the loopback interface, on any free port.
    pub fn builder() -> Builder {
        Builder::default()
    }

    fn run(
        cluster: Arc<Cluster>,
        listeners: Vec<ListenerSettings>,
        acceptors: Vec<Acceptor>,
        dir: Option<PathBuf>,
    ) -> Self {
        let (stop, stopped) = watch::channel(false);
        let mut tasks = JoinSet::new();
        let info = |(listener, settings): (usize, &ListenerSettings)| ListenerInfo {
            name: settings.name().to_owned(),
            security_protocol: settings.security_protocol(),
            addresses: acceptors.iter().filter_map(|node| node.address(listener)).collect(),
            bootstrap: String::new(),
        };
        let listeners = listeners.iter().enumerate().map(info).collect();
        tasks.spawn(disk::flush(cluster.clone(), stopped.clone()));
        tasks.spawn(Transactions::run(cluster.clone(), stopped.clone()));
        tasks.spawn(disk::clean(cluster.clone(), stopped.clone()));
        tasks.spawn(disk::compact(cluster.clone(), stopped.clone()));
        tasks.spawn(Groups::run(cluster.clone(), stopped.clone()));
        tasks.spawn(Cluster::run_shares(cluster.clone(), stopped.clone()));
        let mut orders = Vec::new();
        for acceptor in acceptors {
            let (order, ordered) = mpsc::channel(1);
            orders.push(order);
            tasks.spawn(acceptor.run(cluster.clone(), stopped.clone(), ordered));
        }
        let orders: Arc<[_]> = orders.into();
        let controls = Controls::new(cluster.clone(), orders.clone());
        let in_process = InProcess::new(cluster.clone(), orders);
        Self { cluster, controls, in_process, listeners, dir, stop, tasks }
    }

    /// Where the first listener of the first node is; 0.0.0.0:0 when it listens on no socket.
    pub fn address(&self) -> SocketAddr {
        let nowhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        self.addresses().first().copied().unwrap_or(nowhere)
    }

    /// A way to the broker without a socket.
    pub fn in_process(&self) -> &InProcess {
        &self.in_process
    }

    /// Connects to the first node without a socket; see [`InProcess::connect`].
    ///
    /// # Errors
    /// `ConnectionRefused` when the node is down.
    pub async fn connect(&self) -> io::Result<DuplexStream> {
        self.in_process.connect_to_node(1).await
    }

    /// Where the first listener of every node is, by node id; empty without sockets.
    pub fn addresses(&self) -> &[SocketAddr] {
        self.listeners.first().map_or(&[], |listener| &listener.addresses)
    }

    /// `host:port` of all nodes as clients of the first listener are told them, comma separated, for `bootstrap.servers`.
    pub fn bootstrap(&self) -> String {
        self.bootstrap_by(0)
    }

    fn bootstrap_by(&self, listener: usize) -> String {
        let nodes = self.cluster.nodes.up(listener).into_iter();
        nodes.map(|node| format!("{}:{}", &*node.host, node.port)).collect::<Vec<_>>().join(",")
    }

    /// All listeners, the first one first.
    pub fn listeners(&self) -> Vec<ListenerInfo> {
        let told = |(listener, info): (usize, &ListenerInfo)| ListenerInfo {
            bootstrap: self.bootstrap_by(listener),
            ..info.clone()
        };
        self.listeners.iter().enumerate().map(told).collect()
    }

    /// The listener of a name, in upper or lower case.
    pub fn listener(&self, name: &str) -> Option<ListenerInfo> {
        self.listeners().into_iter().find(|listener| listener.name.eq_ignore_ascii_case(name))
    }

    /// What is durable and what would be lost, in a sentence for people.
    pub fn safety(&self) -> String {
        let dir = self.dir.as_ref().map(|dir| dir.display().to_string()).unwrap_or_default();
        match self.cluster.durability {
            Durability::Memory => {
                let cap = self.cluster.config().disk_max_bytes.unwrap_or(u64::MAX) >> 20;
                format!(
                    "records are kept in memory: the oldest go beyond {cap} MiB, all when this process ends \
                     (--data DIR keeps them)"
                )
            }
            Durability::Os => format!(
                "records are kept in {dir}: the end of this process loses none; a power loss may lose what the system \
                 had not written out"
            ),
            Durability::Interval(interval) => format!(
                "records are kept in {dir}: the end of this process loses none; a power loss may lose the last {} ms",
                interval.as_millis()
            ),
            _ => format!(
                "records are kept in {dir}: what was acknowledged or read survives a power loss"
            ),
        }
    }

    /// What tests do to the broker: faults, requests to wait for, nodes that go down.
    pub fn controls(&self) -> &Controls {
        &self.controls
    }

    /// The broker's clock, which can be moved.
    pub fn clock(&self) -> &Clock {
        &self.cluster.clock
    }

    /// Removes what is too old or too much, now; returns the bytes.
    pub fn retain(&self) -> u64 {
        self.cluster.retain()
    }

    /// Stops accepting, ends the connections and writes everything out.
    ///
    /// Not cancel safe: a stop that is not waited for is taken for a crash when the directory is opened again.
    ///
    /// # Errors
    /// That of the first log that could not be closed; the others are closed all the same.
    pub async fn stop(mut self) -> io::Result<()> {
        self.stop.send_replace(true);
        while self.tasks.join_next().await.is_some() {}
        self.cluster.close()
    }
}
