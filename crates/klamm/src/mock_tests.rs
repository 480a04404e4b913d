//! Scripted brokers on 127.0.0.1, for tests: each speaks exactly the lines its test gives it.

use bytes::Bytes;
use klamm_protocol::api_key::ApiKey;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::header::{RequestHeader, decode_request_header, encode_response};
use klamm_protocol::message::api_versions_response::ApiVersion;
use klamm_protocol::message::metadata_request::MetadataRequestTopic;
use klamm_protocol::message::metadata_response::{MetadataResponseBroker, MetadataResponseTopic};
use klamm_protocol::message::{
    ApiVersionsRequest, ApiVersionsResponse, MetadataRequest, MetadataResponse, Request,
};
use klamm_protocol::primitives::Frame;
use parking_lot::Mutex;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// No step of a scripted exchange takes longer, however busy the machine is.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A listening broker.
pub(crate) struct Broker {
    listener: TcpListener,
}

impl Broker {
    pub(crate) async fn listen() -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").await.unwrap() }
    }

    pub(crate) fn port(&self) -> u16 {
        self.listener.local_addr().unwrap().port()
    }

    pub(crate) async fn accept(&self) -> Peer {
        let (stream, _) = bounded(self.listener.accept()).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Peer { stream }
    }

    /// Accepts a connection and answers its first question.
    pub(crate) async fn accept_ready(&self) -> Peer {
        let mut peer = self.accept().await;
        peer.answer_api_versions().await;
        peer
    }
}

/// The broker's end of one connection.
pub(crate) struct Peer {
    pub(crate) stream: TcpStream,
}

/// A request as it arrived.
pub(crate) struct Asked {
    pub(crate) header: RequestHeader,
    body: klamm_protocol::primitives::Decoder,
}

impl Asked {
    pub(crate) fn id(&self) -> i32 {
        self.header.correlation_id
    }

    pub(crate) fn read<R: Request>(mut self) -> R {
        assert_eq!(self.header.api_key, R::API_KEY as i16);
        R::decode(&mut self.body, self.header.api_version).unwrap()
    }
}

impl Peer {
    /// Reads a request; `None` when the client has closed the connection.
    pub(crate) async fn next(&mut self) -> Option<Asked> {
        let size = bounded(self.stream.read_i32()).await.ok()?;
        let mut frame = vec![0; usize::try_from(size).unwrap()];
        bounded(self.stream.read_exact(&mut frame)).await.ok()?;
        let (header, body) = decode_request_header(frame.into()).unwrap();
        Some(Asked { header, body })
    }

    pub(crate) async fn asked(&mut self) -> Asked {
        self.next().await.expect("a request")
    }

    /// Whether the client closes the connection without asking anything more.
    pub(crate) async fn is_closed_by_client(&mut self) -> bool {
        let mut byte = [0];
        matches!(bounded(self.stream.read(&mut byte)).await, Ok(0) | Err(_))
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        bounded(self.stream.write_all(bytes)).await.unwrap();
    }

    pub(crate) async fn answer<R: Request>(&mut self, asked: &Asked, response: &R::Response) {
        let RequestHeader { api_version, correlation_id, .. } = asked.header;
        self.send(&bytes::<R>(response, api_version, correlation_id)).await;
    }

    pub(crate) async fn answer_api_versions(&mut self) {
        let asked = self.asked().await;
        assert_eq!(asked.header.api_key, ApiKey::ApiVersions as i16);
        self.answer::<ApiVersionsRequest>(&asked, &api_versions()).await;
    }

    /// Answers metadata requests with an empty answer, whose throttle time tells which one it is.
    pub(crate) async fn answer_metadata(&mut self, asked: &Asked, mark: i32) {
        self.answer::<MetadataRequest>(asked, &marked(mark)).await;
    }
}

/// A whole response frame.
pub(crate) fn bytes<R: Request>(response: &R::Response, version: i16, id: i32) -> Bytes {
    let frame: Frame = encode_response::<R>(response, version, id).unwrap();
    frame.parts().concat().into()
}

/// An empty answer that can be told from others.
pub(crate) fn marked(mark: i32) -> MetadataResponse {
    MetadataResponse { throttle_time_ms: mark, ..MetadataResponse::default() }
}

/// What a broker offers that knows everything this build knows.
pub(crate) fn api_versions() -> ApiVersionsResponse {
    let range = |key: &ApiKey| ApiVersion {
        api_key: *key as i16,
        min_version: *key.versions().start(),
        max_version: *key.versions().end(),
    };
    ApiVersionsResponse {
        api_keys: ApiKey::ALL.iter().map(range).collect(),
        ..ApiVersionsResponse::default()
    }
}

/// A refusal of the version asked for, as a broker gives it: in version 0.
pub(crate) fn unsupported() -> ApiVersionsResponse {
    ApiVersionsResponse {
        error_code: ErrorCode::UNSUPPORTED_VERSION.0,
        ..ApiVersionsResponse::default()
    }
}

/// Waits for a step of the script, but not forever.
pub(crate) async fn bounded<F: Future>(step: F) -> F::Output {
    tokio::time::timeout(PATIENCE, step).await.expect("the other side to go on")
}

/// A broker that serves every connection by itself until it is dropped.
pub(crate) struct Serving {
    pub(crate) port: u16,
    pub(crate) seen: Arc<Mutex<Seen>>,
    task: tokio::task::JoinHandle<()>,
}

/// What a [`Serving`] broker has seen.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) accepted: usize,
    pub(crate) open: usize,
    pub(crate) asked: usize,
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Serving {
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub(crate) fn accepted(&self) -> usize {
        self.seen.lock().accepted
    }

    pub(crate) fn asked(&self) -> usize {
        self.seen.lock().asked
    }
}

/// Answers metadata requests by `answer`; `None` closes the connection.
pub(crate) fn serve(
    broker: Broker,
    answer: impl Fn(MetadataRequest) -> Option<MetadataResponse> + Send + Sync + 'static,
) -> Serving {
    let (port, seen, answer) = (broker.port(), Arc::<Mutex<Seen>>::default(), Arc::new(answer));
    let counts = Arc::clone(&seen);
    let task = tokio::spawn(async move {
        let mut peers = tokio::task::JoinSet::new();
        while let Ok((stream, _)) = broker.listener.accept().await {
            counts.lock().accepted += 1;
            counts.lock().open += 1;
            let (counts, answer) = (Arc::clone(&counts), Arc::clone(&answer));
            peers.spawn(async move {
                serve_peer(Peer { stream }, &counts, &*answer).await;
                counts.lock().open -= 1;
            });
        }
    });
    Serving { port, seen, task }
}

async fn serve_peer(
    mut peer: Peer,
    seen: &Mutex<Seen>,
    answer: &(dyn Fn(MetadataRequest) -> Option<MetadataResponse> + Send + Sync),
) {
    while let Some(asked) = peer.next().await {
        if asked.header.api_key == ApiKey::ApiVersions as i16 {
            peer.answer::<ApiVersionsRequest>(&asked, &api_versions()).await;
            continue;
        }
        seen.lock().asked += 1;
        let header = asked.header.clone();
        let Some(response) = answer(asked.read::<MetadataRequest>()) else { return };
        let frame = bytes::<MetadataRequest>(&response, header.api_version, header.correlation_id);
        peer.send(&frame).await;
    }
}

/// The metadata of a cluster of these brokers on 127.0.0.1, in which no topic exists.
pub(crate) fn cluster(
    id: &str,
    brokers: &[(i32, u16)],
    request: &MetadataRequest,
) -> MetadataResponse {
    let broker = |(node_id, port): &(i32, u16)| MetadataResponseBroker {
        node_id: *node_id,
        host: "127.0.0.1".into(),
        port: i32::from(*port),
        ..MetadataResponseBroker::default()
    };
    let unknown = |name: &MetadataRequestTopic| MetadataResponseTopic {
        name: name.name.clone(),
        error_code: ErrorCode::UNKNOWN_TOPIC_OR_PARTITION.0,
        ..MetadataResponseTopic::default()
    };
    MetadataResponse {
        brokers: brokers.iter().map(broker).collect(),
        cluster_id: Some(id.into()),
        topics: request.topics.iter().flatten().map(unknown).collect(),
        ..MetadataResponse::default()
    }
}
