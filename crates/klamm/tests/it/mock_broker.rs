//! One broker of the scripted cluster: reads on while it answers, so that what is in flight can be seen.

use crate::mock::{Partition, Reaction, Reply, SeenBatch, SeenProduce, State};
use bytes::Bytes;
use klamm::ErrorCode;
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
use klamm_protocol::record_batch::RecordBatch;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Instant;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};

/// No request of these tests is larger.
const REQUEST_CAP_BYTES: usize = 64 << 20;

/// One broker of the cluster.
#[derive(Clone)]
pub(crate) struct Broker {
    pub(crate) node: i32,
    pub(crate) state: Arc<Mutex<State>>,
    pub(crate) gate: watch::Receiver<u64>,
}

/// A request with the reaction that was due when it arrived.
struct Arrived {
    header: RequestHeader,
    frame: Bytes,
    reaction: Reaction,
}

impl Broker {
    pub(crate) async fn serve(self, listener: TcpListener) {
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
