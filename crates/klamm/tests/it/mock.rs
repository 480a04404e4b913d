//! A cluster on 127.0.0.1 that keeps honest logs and follows a script: the n-th Produce request meets
//! the n-th reaction, and what the script does not cover is answered well.

use crate::mock_broker::Broker;
use crate::mock_log::{Log, Stored};
use bytes::Bytes;
use klamm::{ClientConfig, ErrorCode, ProducerConfig};
use klamm_protocol::api_key::ApiKey;
use klamm_protocol::primitives::Uuid;
use klamm_protocol::record_batch::BatchHeader;
use parking_lot::Mutex;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::sync::watch;

/// No step of a test takes longer, however busy the machine is.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// What one Produce request meets. Default: it is appended and answered.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reaction {
    pub(crate) reply: Reply,
    pub(crate) not_applied: bool,
    pub(crate) held: bool,
    pub(crate) delay: Duration,
    pub(crate) throttle_ms: i32,
}

#[derive(Debug, Clone, Default)]
pub(crate) enum Reply {
    #[default]
    Honest,
    Code(ErrorCode),
    Disconnect,
    Silence,
    LeaveOut(i32),
    /// The correlation id is off by this much.
    OtherId(i32),
    Raw(Bytes),
}

impl Reaction {
    pub(crate) fn ok() -> Self {
        Self::default()
    }

    /// Appends nothing and answers with an error.
    pub(crate) fn error(code: ErrorCode) -> Self {
        Self { reply: Reply::Code(code), not_applied: true, ..Self::default() }
    }

    /// Closes the connection without having appended anything.
    pub(crate) fn disconnect() -> Self {
        Self { reply: Reply::Disconnect, not_applied: true, ..Self::default() }
    }

    /// Appends, and never answers.
    pub(crate) fn silence() -> Self {
        Self { reply: Reply::Silence, ..Self::default() }
    }

    /// Appends, and answers for every partition but this one.
    pub(crate) fn leave_out(partition: i32) -> Self {
        Self { reply: Reply::LeaveOut(partition), ..Self::default() }
    }

    /// Appends, and answers under a correlation id that is off by `by`.
    pub(crate) fn other_id(by: i32) -> Self {
        Self { reply: Reply::OtherId(by), ..Self::default() }
    }

    /// Appends, and answers with these bytes.
    pub(crate) fn raw(bytes: impl Into<Bytes>) -> Self {
        Self { reply: Reply::Raw(bytes.into()), ..Self::default() }
    }

    /// Appends before whatever else happens.
    pub(crate) fn after_append(mut self) -> Self {
        self.not_applied = false;
        self
    }

    /// Waits for [`Cluster::release`] before it does anything.
    pub(crate) fn held(mut self) -> Self {
        self.held = true;
        self
    }

    /// Appends at once, and answers this much later.
    pub(crate) fn late(mut self, by: Duration) -> Self {
        self.delay = by;
        self
    }

    pub(crate) fn throttle(mut self, ms: i32) -> Self {
        self.throttle_ms = ms;
        self
    }
}

/// A batch as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct SeenBatch {
    pub(crate) partition: i32,
    pub(crate) bytes: Bytes,
}

/// A Produce request as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct SeenProduce {
    pub(crate) node: i32,
    pub(crate) connection: usize,
    pub(crate) at: Instant,
    pub(crate) acks: i16,
    pub(crate) batches: Vec<SeenBatch>,
}

pub(crate) struct Topic {
    pub(crate) id: Uuid,
    pub(crate) visible: bool,
    pub(crate) max_message_bytes: usize,
    pub(crate) partitions: Vec<Partition>,
}

pub(crate) struct Partition {
    pub(crate) leader: i32,
    pub(crate) epoch: i32,
    /// What metadata says of both.
    pub(crate) told: (i32, i32),
    pub(crate) log: Log,
}

impl Partition {
    fn new() -> Self {
        Self { leader: 1, epoch: 0, told: (1, 0), log: Log::default() }
    }
}

/// What every broker of the cluster sees.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) ports: BTreeMap<i32, u16>,
    pub(crate) topics: BTreeMap<String, Topic>,
    pub(crate) script: VecDeque<Reaction>,
    pub(crate) seen: Vec<SeenProduce>,
    pub(crate) raw: Vec<(i16, Bytes)>,
    pub(crate) connections: usize,
    pub(crate) ended: Vec<usize>,
    pub(crate) topics_made: u8,
    pub(crate) producer_ids: i64,
    pub(crate) refused_producer_id: Option<ErrorCode>,
    pub(crate) produce_versions: Option<(i16, i16)>,
    pub(crate) hints: bool,
    pub(crate) frozen: bool,
}

/// A running cluster; it ends when this is dropped.
pub(crate) struct Cluster {
    state: Arc<Mutex<State>>,
    gate: watch::Sender<u64>,
    servers: Vec<tokio::task::JoinHandle<()>>,
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.servers.iter().for_each(tokio::task::JoinHandle::abort);
    }
}

impl Cluster {
    /// Starts brokers 1 to `brokers`, with one topic `t` whose partitions broker 1 leads.
    pub(crate) async fn start(brokers: i32, partitions: usize) -> Self {
        let state = Arc::new(Mutex::new(State { hints: true, ..State::default() }));
        let gate = watch::Sender::new(0);
        let mut servers = Vec::new();
        for node in 1..=brokers {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            state.lock().ports.insert(node, listener.local_addr().unwrap().port());
            let broker = Broker { node, state: Arc::clone(&state), gate: gate.subscribe() };
            servers.push(tokio::spawn(broker.serve(listener)));
        }
        let cluster = Self { state, gate, servers };
        cluster.create("t", partitions);
        cluster
    }

    pub(crate) fn create(&self, name: &str, partitions: usize) {
        let mut state = self.state.lock();
        state.topics_made += 1;
        let id = Uuid::from_bytes([state.topics_made; 16]);
        let partitions = (0..partitions).map(|_| Partition::new()).collect();
        let topic = Topic { id, visible: true, max_message_bytes: 1_048_588, partitions };
        state.topics.insert(name.to_owned(), topic);
    }

    pub(crate) fn add_partitions(&self, count: usize) {
        self.with_topic(|t| t.partitions.extend((0..count).map(|_| Partition::new())));
    }

    fn with_topic<T>(&self, f: impl FnOnce(&mut Topic) -> T) -> T {
        f(self.state.lock().topics.get_mut("t").unwrap())
    }

    pub(crate) fn set_visible(&self, visible: bool) {
        self.with_topic(|t| t.visible = visible);
    }

    pub(crate) fn set_max_message_bytes(&self, bytes: usize) {
        self.with_topic(|t| t.max_message_bytes = bytes);
    }

    pub(crate) fn move_leader(&self, partition: usize, to: i32) {
        let frozen = self.state.lock().frozen;
        self.with_topic(|t| {
            let partition = &mut t.partitions[partition];
            partition.leader = to;
            partition.epoch += 1;
            if !frozen {
                partition.told = (to, partition.epoch);
            }
        });
    }

    /// From now on metadata goes on naming the present leaders, whatever moves.
    pub(crate) fn freeze_metadata(&self) {
        self.state.lock().frozen = true;
    }

    pub(crate) fn forget_producers(&self) {
        self.with_topic(|t| t.partitions.iter_mut().for_each(|p| p.log.forget_producers()));
    }

    pub(crate) fn set_hints(&self, hints: bool) {
        self.state.lock().hints = hints;
    }

    pub(crate) fn refuse_producer_ids(&self, code: ErrorCode) {
        self.state.lock().refused_producer_id = Some(code);
    }

    pub(crate) fn offer_produce(&self, versions: (i16, i16)) {
        self.state.lock().produce_versions = Some(versions);
    }

    /// What the next Produce requests meet, in the order in which they arrive.
    pub(crate) fn script(&self, reactions: impl IntoIterator<Item = Reaction>) {
        self.state.lock().script.extend(reactions);
    }

    /// Lets everything go on that is held, and whatever would be held later.
    pub(crate) fn release(&self) {
        self.gate.send_modify(|n| *n += 1);
    }

    pub(crate) fn seen(&self) -> Vec<SeenProduce> {
        self.state.lock().seen.clone()
    }

    pub(crate) fn seen_count(&self) -> usize {
        self.state.lock().seen.len()
    }

    /// Requests of one API, as bytes.
    pub(crate) fn raw(&self, api: ApiKey) -> Vec<Bytes> {
        let state = self.state.lock();
        state.raw.iter().filter(|(k, _)| *k == api as i16).map(|(_, b)| b.clone()).collect()
    }

    pub(crate) fn has_ended(&self, connection: usize) -> bool {
        self.state.lock().ended.contains(&connection)
    }

    pub(crate) fn records(&self, partition: usize) -> Vec<Stored> {
        self.with_topic(|t| t.partitions[partition].log.records())
    }

    pub(crate) fn headers(&self, partition: usize) -> Vec<BatchHeader> {
        self.with_topic(|t| t.partitions[partition].log.headers())
    }

    /// The values of a partition as text, in order.
    pub(crate) fn values(&self, partition: usize) -> Vec<String> {
        let text = |r: Stored| String::from_utf8(r.value.unwrap_or_default()).unwrap();
        self.records(partition).into_iter().map(text).collect()
    }

    pub(crate) fn servers(&self) -> String {
        let state = self.state.lock();
        let servers: Vec<String> = state.ports.values().map(|p| format!("127.0.0.1:{p}")).collect();
        servers.join(",")
    }

    /// A client of this cluster, and a producer with these settings.
    pub(crate) async fn producer(
        &self,
        settings: &[(&str, &str)],
    ) -> (klamm::Client, klamm::Producer) {
        let (client, producer) = configs(&self.servers(), settings);
        let client = bounded(klamm::Client::connect(client)).await.unwrap();
        let producer = client.producer(producer).unwrap();
        (client, producer)
    }
}

/// Settings by name on top of quick backoffs.
pub(crate) fn configs(servers: &str, settings: &[(&str, &str)]) -> (ClientConfig, ProducerConfig) {
    let (mut client, mut producer) = (ClientConfig::new(servers), ProducerConfig::default());
    let quick = [("retry.backoff.ms", "20"), ("reconnect.backoff.ms", "10")];
    for (name, value) in quick.iter().chain(settings) {
        klamm::config::set(&mut client, &mut producer, name, value).unwrap();
    }
    (client, producer)
}

/// Waits for a step, but not forever.
pub(crate) async fn bounded<F: Future>(step: F) -> F::Output {
    tokio::time::timeout(PATIENCE, step).await.expect("the other side to go on")
}

/// Waits until `is_so`.
pub(crate) async fn until(what: &str, is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
