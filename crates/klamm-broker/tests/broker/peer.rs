//! A client that says exactly what a test wants to say.

use crate::batch::records;
use bytes::Bytes;
use klamm_broker::{Broker, Builder};
use klamm_protocol::header::{decode_response, encode_request};
use klamm_protocol::message::fetch_request::{FetchPartition, FetchTopic};
use klamm_protocol::message::produce_request::{PartitionProduceData, TopicProduceData};
use klamm_protocol::message::produce_response::PartitionProduceResponse;
use klamm_protocol::message::{FetchRequest, ProduceRequest, Request};
use klamm_protocol::primitives::{Records, Str};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// A broker in memory with a topic `t` of two partitions.
pub(crate) async fn broker() -> Broker {
    start(Broker::builder().topic("t", 2)).await
}

pub(crate) async fn start(builder: Builder) -> Broker {
    builder.start().await.unwrap()
}

/// A socket, or what stands for one.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// One connection.
pub(crate) struct Peer {
    stream: Box<dyn Stream>,
    correlation_id: i32,
}

impl Peer {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).await.unwrap())
    }

    /// Connects to the first node without a socket.
    pub(crate) async fn in_process(broker: &Broker) -> Self {
        Self::over(broker.connect().await.unwrap())
    }

    /// Connects without a socket to whoever is advertised there.
    pub(crate) async fn at(broker: &Broker, host: &str, port: u16) -> Self {
        Self::over(broker.in_process().connect(host, port).await.unwrap())
    }

    fn over(stream: impl Stream + 'static) -> Self {
        Self { stream: Box::new(stream), correlation_id: 0 }
    }

    /// Sends a request and does not wait; returns its correlation id.
    pub(crate) async fn send<R: Request>(&mut self, version: i16, request: &R) -> i32 {
        self.correlation_id += 1;
        let frame = encode_request(request, version, self.correlation_id, "test").unwrap();
        self.stream.write_all(&frame.parts().concat()).await.unwrap();
        self.correlation_id
    }

    pub(crate) async fn send_raw(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// The next frame; none when the broker has closed the connection.
    pub(crate) async fn frame(&mut self) -> Option<Bytes> {
        let read = async {
            let len = self.stream.read_u32().await.ok()?;
            let mut frame = vec![0; len as usize];
            self.stream.read_exact(&mut frame).await.ok()?;
            Some(Bytes::from(frame))
        };
        tokio::time::timeout(PATIENCE, read).await.expect("an answer in time")
    }

    /// What still comes until the broker closes the connection.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        let read = tokio::time::timeout(PATIENCE, self.stream.read_to_end(&mut rest)).await;
        read.expect("the end in time").unwrap();
        rest
    }

    pub(crate) async fn receive<R: Request>(&mut self, version: i16) -> (i32, R::Response) {
        let frame = self.frame().await.expect("an answer, not the end");
        decode_response::<R>(frame, version).unwrap()
    }

    pub(crate) async fn call<R: Request>(&mut self, version: i16, request: &R) -> R::Response {
        let id = self.send(version, request).await;
        let (answered, response) = self.receive::<R>(version).await;
        assert_eq!(answered, id);
        response
    }

    /// Produces one batch to a partition of `t`.
    pub(crate) async fn produce(
        &mut self,
        partition: i32,
        batch: Bytes,
    ) -> PartitionProduceResponse {
        let response = self.call(9, &produce(partition, batch, -1)).await;
        response.responses[0].partition_responses[0].clone()
    }

    /// Reads a partition of `t` once, without waiting.
    pub(crate) async fn fetch(&mut self, partition: i32, offset: i64) -> Vec<u8> {
        let response = self.call(11, &fetch(partition, offset, 0)).await;
        let data = &response.responses[0].partitions[0];
        assert_eq!(data.error_code, 0);
        data.records.as_ref().map(|records| records.to_bytes().to_vec()).unwrap_or_default()
    }

    /// Reads a partition of `t` from its start to its end, however many fetches that takes.
    pub(crate) async fn read_all(&mut self, partition: i32) -> Vec<u8> {
        let (mut all, mut offset) = (Vec::new(), 0);
        loop {
            let read = self.fetch(partition, offset).await;
            let Some((last, _)) = records(read.clone()).pop() else { return all };
            offset = last + 1;
            all.extend(read);
        }
    }
}

pub(crate) fn produce(partition: i32, batch: Bytes, acks: i16) -> ProduceRequest {
    let data =
        PartitionProduceData { index: partition, records: Some(Records::from_parts([batch])) };
    let topic = TopicProduceData {
        name: Str::from_static("t"),
        partition_data: vec![data],
        ..TopicProduceData::default()
    };
    ProduceRequest { acks, timeout_ms: 5000, topic_data: vec![topic], ..Default::default() }
}

pub(crate) fn fetch(partition: i32, offset: i64, max_wait_ms: i32) -> FetchRequest {
    let partition = FetchPartition {
        partition,
        fetch_offset: offset,
        partition_max_bytes: 1 << 20,
        ..FetchPartition::default()
    };
    let topic = FetchTopic {
        topic: Str::from_static("t"),
        partitions: vec![partition],
        ..FetchTopic::default()
    };
    FetchRequest {
        max_wait_ms,
        min_bytes: 1,
        max_bytes: 1 << 20,
        session_epoch: -1,
        topics: vec![topic],
        ..FetchRequest::default()
    }
}
