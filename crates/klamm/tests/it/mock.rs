//! A cluster on 127.0.0.1 that keeps honest logs and follows a script: the n-th Produce request meets
//! the n-th reaction, and what the script does not cover is answered well.

use crate::mock_log::{Log, Stored};
use bytes::Bytes;
use klamm::{ClientConfig, ErrorCode, ProducerConfig};
use klamm_protocol::api_key::ApiKey;
use klamm_protocol::header::{RequestHeader, decode_request_header, encode_response};
use klamm_protocol::message::api_versions_response::ApiVersion;
use klamm_protocol::message::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use klamm_protocol::message::produce_response::{
    LeaderIdAndEpoch, NodeEndpoint, PartitionProduceResponse, TopicProduceResponse,
};
use klamm_protocol::message::{
    ApiVersionsRequest, ApiVersionsResponse, InitProducerIdRequest, InitProducerIdResponse,
    MetadataRequest, MetadataResponse, ProduceRequest, ProduceResponse, Request,
};
use klamm_protocol::primitives::Uuid;
use klamm_protocol::record_batch::{BatchHeader, RecordBatch};
use parking_lot::Mutex;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};

/// No step of a test takes longer, however busy the machine is.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// No request of these tests is larger.
const REQUEST_CAP_BYTES: usize = 64 << 20;

/// What one Produce request meets. Default: it is appended and answered.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reaction {
    reply: Reply,
    not_applied: bool,
    held: bool,
    delay: Duration,
    throttle_ms: i32,
}

#[derive(Debug, Clone, Default)]
enum Reply {
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

struct Topic {
    id: Uuid,
    visible: bool,
    max_message_bytes: usize,
    partitions: Vec<Partition>,
}

struct Partition {
    leader: i32,
    epoch: i32,
    /// What metadata says of both.
    told: (i32, i32),
    log: Log,
}

impl Partition {
    fn new() -> Self {
        Self { leader: 1, epoch: 0, told: (1, 0), log: Log::default() }
    }
}

/// What every broker of the cluster sees.
#[derive(Default)]
struct State {
    ports: BTreeMap<i32, u16>,
    topics: BTreeMap<String, Topic>,
    script: VecDeque<Reaction>,
    seen: Vec<SeenProduce>,
    raw: Vec<(i16, Bytes)>,
    /// Connections that have ended on the broker's side.
    connections: usize,
    ended: Vec<usize>,
    topics_made: u8,
    producer_ids: i64,
    refused_producer_id: Option<ErrorCode>,
    produce_versions: Option<(i16, i16)>,
    hints: bool,
    frozen: bool,
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

    pub(crate) fn connections(&self) -> usize {
        self.state.lock().connections
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

/// One broker of the cluster.
#[derive(Clone)]
struct Broker {
    node: i32,
    state: Arc<Mutex<State>>,
    gate: watch::Receiver<u64>,
}

/// A request with the reaction that was due when it arrived.
struct Arrived {
    header: RequestHeader,
    frame: Bytes,
    reaction: Reaction,
}

impl Broker {
    async fn serve(self, listener: TcpListener) {
        let mut peers = tokio::task::JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            let connection = {
                let mut state = self.state.lock();
                state.connections += 1;
                state.connections
            };
            peers.spawn(self.clone().serve_peer(stream, connection));
        }
    }

    /// Reads on while it answers, so that what is in flight can be seen.
    async fn serve_peer(self, stream: TcpStream, connection: usize) {
        let (reader, writer) = stream.into_split();
        let (arrived, queue) = mpsc::unbounded_channel();
        let reading = self.clone().read(reader, connection, arrived);
        tokio::select! {
            () = reading => {}
            () = self.clone().answer(writer, queue) => {}
        }
        self.state.lock().ended.push(connection);
    }

    async fn read(
        self,
        mut reader: OwnedReadHalf,
        connection: usize,
        arrived: mpsc::UnboundedSender<Arrived>,
    ) {
        while let Ok(size) = reader.read_u32().await {
            let size = size as usize;
            assert!(size <= REQUEST_CAP_BYTES, "a request of {size} bytes");
            let mut frame = vec![0; size];
            if reader.read_exact(&mut frame).await.is_err() {
                return;
            }
            let frame = Bytes::from(frame);
            let (header, _) = decode_request_header(frame.clone()).unwrap();
            let reaction = self.note(connection, &header, frame.clone());
            if arrived.send(Arrived { header, frame, reaction }).is_err() {
                return;
            }
        }
    }

    /// Keeps what arrived, and takes the next reaction of the script for a Produce request.
    fn note(&self, connection: usize, header: &RequestHeader, frame: Bytes) -> Reaction {
        let mut state = self.state.lock();
        if header.api_key != ApiKey::Produce as i16 {
            state.raw.push((header.api_key, frame));
            return Reaction::default();
        }
        let request = read::<ProduceRequest>(&frame);
        let batches = seen_batches(&request);
        let (node, at, acks) = (self.node, Instant::now(), request.acks);
        state.seen.push(SeenProduce { node, connection, at, acks, batches });
        state.script.pop_front().unwrap_or_default()
    }

    async fn answer(
        mut self,
        mut writer: OwnedWriteHalf,
        mut queue: mpsc::UnboundedReceiver<Arrived>,
    ) {
        while let Some(arrived) = queue.recv().await {
            if arrived.reaction.held && self.gate.wait_for(|n| *n > 0).await.is_err() {
                return;
            }
            let Some(frame) = self.respond(&arrived) else { return };
            if !arrived.reaction.delay.is_zero() {
                tokio::time::sleep(arrived.reaction.delay).await;
            }
            if writer.write_all(&frame).await.is_err() {
                return;
            }
        }
    }

    /// The bytes of the answer, which may be none; `None` closes the connection.
    fn respond(&self, arrived: &Arrived) -> Option<Bytes> {
        let Arrived { header, frame: request, .. } = arrived;
        match ApiKey::from_i16(header.api_key)? {
            ApiKey::ApiVersions => frame::<ApiVersionsRequest>(&self.api_versions(), header, 0),
            ApiKey::Metadata => {
                let request = read::<MetadataRequest>(request);
                frame::<MetadataRequest>(&self.metadata(&request), header, 0)
            }
            ApiKey::InitProducerId => {
                frame::<InitProducerIdRequest>(&self.producer_id(), header, 0)
            }
            ApiKey::Produce => self.produce(arrived),
            _ => None,
        }
    }

    fn api_versions(&self) -> ApiVersionsResponse {
        let produce = self.state.lock().produce_versions;
        let range = |key: &ApiKey| {
            let known = (*key.versions().start(), *key.versions().end());
            let offered = produce.filter(|_| *key == ApiKey::Produce).unwrap_or(known);
            let (min_version, max_version) = offered;
            ApiVersion { api_key: *key as i16, min_version, max_version }
        };
        let api_keys = ApiKey::ALL.iter().map(range).collect();
        ApiVersionsResponse { api_keys, ..ApiVersionsResponse::default() }
    }

    fn producer_id(&self) -> InitProducerIdResponse {
        let mut state = self.state.lock();
        if let Some(code) = state.refused_producer_id {
            return InitProducerIdResponse {
                error_code: code.0,
                ..InitProducerIdResponse::default()
            };
        }
        state.producer_ids += 1;
        InitProducerIdResponse {
            producer_id: 1000 + state.producer_ids,
            producer_epoch: 0,
            ..InitProducerIdResponse::default()
        }
    }

    fn metadata(&self, request: &MetadataRequest) -> MetadataResponse {
        let state = self.state.lock();
        let broker = |(node_id, port): (&i32, &u16)| MetadataResponseBroker {
            node_id: *node_id,
            host: "127.0.0.1".into(),
            port: i32::from(*port),
            ..MetadataResponseBroker::default()
        };
        let asked = request.topics.iter().flatten();
        MetadataResponse {
            brokers: state.ports.iter().map(broker).collect(),
            cluster_id: Some("scripted".into()),
            controller_id: 1,
            topics: asked.filter_map(|t| t.name.as_deref()).map(|t| topic(&state, t)).collect(),
            ..MetadataResponse::default()
        }
    }

    fn produce(&self, arrived: &Arrived) -> Option<Bytes> {
        let (header, reaction) = (&arrived.header, &arrived.reaction);
        let request = read::<ProduceRequest>(&arrived.frame);
        let mut response = self.append(&request, reaction);
        let off = match &reaction.reply {
            _ if request.acks == 0 && !matches!(reaction.reply, Reply::Disconnect) => {
                return Some(Bytes::new());
            }
            Reply::Honest | Reply::Code(_) => 0,
            Reply::Disconnect => return None,
            Reply::Silence => return Some(Bytes::new()),
            Reply::Raw(bytes) => return Some(bytes.clone()),
            Reply::OtherId(by) => *by,
            Reply::LeaveOut(partition) => {
                for topic in &mut response.responses {
                    topic.partition_responses.retain(|p| p.index != *partition);
                }
                0
            }
        };
        frame::<ProduceRequest>(&response, header, off)
    }

    fn append(&self, request: &ProduceRequest, reaction: &Reaction) -> ProduceResponse {
        let mut state = self.state.lock();
        let mut responses = Vec::new();
        let mut hinted = Vec::new();
        for data in &request.topic_data {
            let name = name_of(&state, &data.name, data.topic_id);
            let mut partition_responses = Vec::new();
            for part in &data.partition_data {
                let bytes = part.records.as_ref().unwrap().to_bytes();
                let mut answer =
                    append_one(&mut state, self.node, &name, part.index, bytes, reaction);
                if !state.hints {
                    answer.current_leader = LeaderIdAndEpoch::default();
                }
                hinted.extend(Some(answer.current_leader.leader_id).filter(|n| *n >= 0));
                partition_responses.push(answer);
            }
            let (name, topic_id) = (data.name.clone(), data.topic_id);
            responses.push(TopicProduceResponse { name, topic_id, partition_responses });
        }
        hinted.dedup();
        let endpoint = |node_id: i32| NodeEndpoint {
            node_id,
            host: "127.0.0.1".into(),
            port: i32::from(state.ports[&node_id]),
            ..NodeEndpoint::default()
        };
        let node_endpoints = hinted.into_iter().map(endpoint).collect();
        ProduceResponse { responses, throttle_time_ms: reaction.throttle_ms, node_endpoints }
    }
}

fn read<R: Request>(frame: &Bytes) -> R {
    let (header, mut body) = decode_request_header(frame.clone()).unwrap();
    R::decode(&mut body, header.api_version).unwrap()
}

fn frame<R: Request>(response: &R::Response, header: &RequestHeader, off: i32) -> Option<Bytes> {
    let id = header.correlation_id.wrapping_add(off);
    let frame = encode_response::<R>(response, header.api_version, id).unwrap();
    Some(frame.parts().concat().into())
}

fn name_of(state: &State, name: &str, id: Uuid) -> String {
    if id.is_zero() {
        return name.to_owned();
    }
    let found = state.topics.iter().find(|(_, t)| t.id == id);
    found.map(|(name, _)| name.clone()).unwrap_or_default()
}

fn seen_batches(request: &ProduceRequest) -> Vec<SeenBatch> {
    let mut seen = Vec::new();
    for data in &request.topic_data {
        for part in &data.partition_data {
            let bytes = part.records.as_ref().unwrap().to_bytes();
            RecordBatch::parse(bytes.clone()).expect("a batch that can be read");
            seen.push(SeenBatch { partition: part.index, bytes });
        }
    }
    seen
}

fn topic(state: &State, name: &str) -> MetadataResponseTopic {
    let Some(found) = state.topics.get(name).filter(|t| t.visible) else {
        return MetadataResponseTopic {
            name: Some(name.into()),
            error_code: ErrorCode::UNKNOWN_TOPIC_OR_PARTITION.0,
            ..MetadataResponseTopic::default()
        };
    };
    let partition = |(index, p): (usize, &Partition)| MetadataResponsePartition {
        partition_index: i32::try_from(index).unwrap(),
        leader_id: p.told.0,
        leader_epoch: p.told.1,
        ..MetadataResponsePartition::default()
    };
    MetadataResponseTopic {
        name: Some(name.into()),
        topic_id: found.id,
        partitions: found.partitions.iter().enumerate().map(partition).collect(),
        ..MetadataResponseTopic::default()
    }
}

fn append_one(
    state: &mut State,
    node: i32,
    topic: &str,
    index: i32,
    bytes: Bytes,
    reaction: &Reaction,
) -> PartitionProduceResponse {
    let mut answer = PartitionProduceResponse { index, base_offset: -1, ..Default::default() };
    answer.log_append_time_ms = -1;
    if !reaction.not_applied {
        let place = append_to(state, node, topic, index, bytes, &mut answer.current_leader);
        match place {
            Ok(offset) => answer.base_offset = offset,
            Err(code) => answer.error_code = code.0,
        }
    }
    if let Reply::Code(code) = reaction.reply {
        answer.error_code = code.0;
        answer.base_offset = -1;
    }
    answer
}

fn append_to(
    state: &mut State,
    node: i32,
    topic: &str,
    index: i32,
    bytes: Bytes,
    hint: &mut LeaderIdAndEpoch,
) -> Result<i64, ErrorCode> {
    let topic = state.topics.get_mut(topic).ok_or(ErrorCode::UNKNOWN_TOPIC_ID)?;
    let max = topic.max_message_bytes;
    let at = usize::try_from(index).unwrap();
    let partition = topic.partitions.get_mut(at).ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
    if partition.leader != node {
        hint.leader_id = partition.leader;
        hint.leader_epoch = partition.epoch;
        return Err(ErrorCode::NOT_LEADER_OR_FOLLOWER);
    }
    if bytes.len() > max {
        return Err(ErrorCode::MESSAGE_TOO_LARGE);
    }
    partition.log.append(bytes)
}
