//! The wire between a client and a broker in this process: it knows every request, and tests change the
//! answers on their way and say which node really answers.

use bytes::{Bytes, BytesMut};
use klamm::{Connecting, Connector};
use klamm_broker::{Broker, InProcess};
use klamm_protocol::api_key::ApiKey;
use klamm_protocol::header::{
    correlation_id, decode_request_header, decode_response, encode_request, encode_response,
};
use klamm_protocol::message::{
    FetchRequest, FetchResponse, ListOffsetsRequest, ListOffsetsResponse, Request,
};
use klamm_protocol::primitives::Message;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream};

/// What a frame may hold in these tests.
const FRAME_MAX: usize = 1 << 26;
const PIPE: usize = 1 << 18;

type FetchEdit = Box<dyn FnMut(i32, &FetchRequest, &mut FetchResponse) + Send>;
type OffsetsEdit = Box<dyn FnMut(&mut ListOffsetsResponse) + Send>;

/// What tests change; empty at first.
#[derive(Default)]
pub(crate) struct Edits {
    /// The node as the client knows it, its request, the answer.
    pub(crate) fetch: Option<FetchEdit>,
    pub(crate) list_offsets: Option<OffsetsEdit>,
    /// Which node really answers for another.
    pub(crate) route: BTreeMap<i32, i32>,
}

struct Shared {
    way: Mutex<InProcess>,
    edits: Mutex<Edits>,
    /// Every fetch that was sent: the node, and the request.
    fetches: Mutex<Vec<(i32, FetchRequest)>>,
    addresses: Vec<String>,
}

/// The client's way to a broker of this process; clones are the same one.
#[derive(Clone)]
pub(crate) struct Wire(Arc<Shared>);

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wire")
    }
}

impl Connector for Wire {
    fn connect<'a>(&'a self, host: &'a str, port: u16) -> Connecting<'a> {
        Box::pin(async move {
            let address = format!("{host}:{port}");
            let at = self.0.addresses.iter().position(|one| *one == address);
            let node =
                at.and_then(|at| i32::try_from(at + 1).ok()).ok_or(io::ErrorKind::NotFound)?;
            let real = self.edits().route.get(&node).copied().unwrap_or(node);
            let way = self.0.way.lock().unwrap().clone();
            // The node itself has to be up, and to stay up, even if another answers for it.
            let itself = way.connect_to_node(node).await?;
            let broker = way.connect_to_node(real).await?;
            let (client, ours) = tokio::io::duplex(PIPE);
            tokio::spawn(self.clone().carry((node, itself), ours, broker));
            Ok(Box::new(client) as Box<_>)
        })
    }
}

/// Api and version of requests that are not answered, and what they were.
type Asked = HashMap<i32, (ApiKey, i16, Option<FetchRequest>)>;

impl Wire {
    pub(crate) fn to(broker: &Broker) -> Self {
        Self(Arc::new(Shared {
            way: Mutex::new(broker.in_process().clone()),
            edits: Mutex::default(),
            fetches: Mutex::default(),
            addresses: broker.bootstrap().split(',').map(str::to_owned).collect(),
        }))
    }

    /// From now on connections lead to this broker, which has the addresses of the one before.
    pub(crate) fn lead_to(&self, broker: &Broker) {
        *self.0.way.lock().unwrap() = broker.in_process().clone();
    }

    pub(crate) fn edits(&self) -> MutexGuard<'_, Edits> {
        self.0.edits.lock().unwrap()
    }

    /// The fetches since the last call.
    pub(crate) fn take_fetches(&self) -> Vec<(i32, FetchRequest)> {
        std::mem::take(&mut *self.0.fetches.lock().unwrap())
    }

    /// Asks the leader of all directly.
    pub(crate) async fn ask<R: Request>(&self, request: &R, version: i16) -> R::Response {
        let way = self.0.way.lock().unwrap().clone();
        let mut stream = way.connect_to_node(1).await.unwrap();
        let frame = encode_request(request, version, 7, "test").unwrap();
        stream.write_all(&frame.parts().concat()).await.unwrap();
        let answer = read_frame(&mut stream).await.unwrap();
        decode_response::<R>(answer, version).unwrap().1
    }

    /// Carries frames until either side ends.
    async fn carry(
        self,
        (node, mut itself): (i32, DuplexStream),
        client: DuplexStream,
        broker: DuplexStream,
    ) {
        let asked = Mutex::new(Asked::new());
        let (mut from_client, mut to_client) = tokio::io::split(client);
        let (mut from_broker, mut to_broker) = tokio::io::split(broker);
        let requests = async {
            while let Ok(frame) = read_frame(&mut from_client).await {
                self.note(node, &frame, &asked);
                if write_frame(&mut to_broker, &frame).await.is_err() {
                    break;
                }
            }
        };
        let answers = async {
            while let Ok(frame) = read_frame(&mut from_broker).await {
                let changed = self.change(node, frame, &asked);
                if write_frame(&mut to_client, &changed).await.is_err() {
                    break;
                }
            }
        };
        tokio::select! { () = requests => {}, () = answers => {}, _ = itself.read_u8() => {} }
    }

    fn note(&self, node: i32, frame: &Bytes, asked: &Mutex<Asked>) {
        let (header, mut body) = decode_request_header(frame.clone()).unwrap();
        let Some(api) = ApiKey::from_i16(header.api_key) else { return };
        let version = header.api_version;
        let fetch =
            (api == ApiKey::Fetch).then(|| FetchRequest::decode(&mut body, version).unwrap());
        self.0.fetches.lock().unwrap().extend(fetch.clone().map(|fetch| (node, fetch)));
        asked.lock().unwrap().insert(header.correlation_id, (api, version, fetch));
    }

    fn change(&self, node: i32, frame: Bytes, asked: &Mutex<Asked>) -> Bytes {
        let id = correlation_id(&frame).unwrap();
        let asked = asked.lock().unwrap().remove(&id);
        let mut edits = self.edits();
        match asked {
            Some((ApiKey::Fetch, version, Some(request))) if edits.fetch.is_some() => {
                let edit = edits.fetch.as_mut().unwrap();
                edited::<FetchRequest>(frame, version, |answer| edit(node, &request, answer))
            }
            Some((ApiKey::ListOffsets, version, _)) if edits.list_offsets.is_some() => {
                edited::<ListOffsetsRequest>(frame, version, edits.list_offsets.as_mut().unwrap())
            }
            _ => frame,
        }
    }
}

fn edited<R: Request>(frame: Bytes, version: i16, edit: impl FnOnce(&mut R::Response)) -> Bytes {
    let (id, mut answer) = decode_response::<R>(frame, version).unwrap();
    edit(&mut answer);
    let frame = encode_response::<R>(&answer, version, id).unwrap();
    Bytes::from(frame.parts().concat()).slice(4..)
}

async fn read_frame(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Bytes> {
    let len = usize::try_from(stream.read_u32().await?).unwrap();
    assert!(len <= FRAME_MAX, "a frame of {len} bytes");
    let mut frame = BytesMut::zeroed(len);
    stream.read_exact(&mut frame).await?;
    Ok(frame.freeze())
}

async fn write_frame(stream: &mut (impl AsyncWrite + Unpin), frame: &Bytes) -> io::Result<()> {
    stream.write_u32(u32::try_from(frame.len()).unwrap()).await?;
    stream.write_all(frame).await
}
