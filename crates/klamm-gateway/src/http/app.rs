//! What a request is answered with, from its head on.

use super::answer::{self, Answer, Tone};
use super::fields::Fields;
use super::inflate::{self, Encoding};
use super::intake::{self, Taken};
use super::path::{Path, WrongPath};
use super::refused::Refused;
use super::route::Route;
use super::server::Counters;
use super::{Admission, Limits};
use crate::format::{Envelope, Incoming, Rejected, incoming};
use crate::wal::{AppendRefused, Receipt, Seen, Wal};
use crate::{Accepted, Peer};
use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Version};
use hyper::body::{Body, Incoming as RequestBody};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Bodies above this are read into records on a thread of their own kind, so that others are not kept waiting.
const LARGE_BYTES: usize = 256 << 10;

/// What the content types of Confluent's version 2 begin with.
const CONFLUENT: &[u8] = b"application/vnd.kafka.";

/// What the server works with.
#[derive(Debug)]
#[non_exhaustive]
pub struct Service {
    /// Where records go.
    pub wal: Wal,
    /// Bounds.
    pub limits: Limits,
}

impl Service {
    /// With the usual bounds.
    pub fn new(wal: Wal) -> Self {
        Self { wal, limits: Limits::default() }
    }
}

/// The service while it runs.
#[derive(Debug)]
pub(super) struct App {
    pub(super) wal: Wal,
    pub(super) limits: Limits,
    pub(super) admission: Admission,
    pub(super) counters: Counters,
}

/// A request's head, and what was made of its path.
struct Head {
    parts: Parts,
    path: Path,
}

impl App {
    pub(super) fn new(service: Service) -> Self {
        let Service { wal, limits } = service;
        let admission = Admission::new(limits.budget_bytes);
        Self { wal, limits, admission, counters: Counters::new() }
    }

    /// Answers a request, and says whether it was left without being read to its end.
    pub(super) async fn serve(
        &self,
        request: Request<RequestBody>,
        _peer: Arc<Peer>,
    ) -> (Answer, bool) {
        let began = Instant::now();
        let http1 = request.version() < Version::HTTP_2;
        let (parts, body) = request.into_parts();
        let path = Path::parse(parts.uri.path());
        let route = route(&path);
        let tone = tone(&path, &parts.headers);
        let untouched = !body.is_end_stream();
        let mut whole = !untouched;
        let mut answer = match self.produce(parts, path, body, &mut whole).await {
            Ok(answer) => answer,
            Err(refused) => {
                self.counters.refused(refused.reason);
                answer::refused(&refused, tone)
            }
        };
        if !whole && http1 {
            answer::closing(&mut answer);
        }
        self.counters.answered(route, answer.status().as_u16(), began.elapsed());
        (answer, !whole)
    }

    /// Takes the records of a request; sets `whole` once nothing of it is left unread.
    async fn produce(
        &self,
        parts: Parts,
        path: Result<Path, WrongPath>,
        body: RequestBody,
        whole: &mut bool,
    ) -> Result<Answer, Refused> {
        let path = path?;
        if parts.method != Method::POST {
            return Err(Refused::method("POST"));
        }
        let encoding = encoding(&parts.headers)?;
        let Taken { mut bytes, mut admitted } =
            intake::take(body, self.limits.body_bytes, &self.limits, &self.admission).await?;
        *whole = true;
        self.counters.body_bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        let large = bytes.len() > LARGE_BYTES;
        if let Some(encoding) = encoding {
            let (limit, ratio) = (self.limits.body_bytes, self.limits.inflate_ratio);
            admitted.grow(bytes.len().saturating_add(inflate::cap(bytes.len(), limit, ratio)))?;
            bytes = aside(large, move || encoding.inflate(&bytes, limit, ratio)).await?;
        }
        let head = Head { parts, path };
        let large = bytes.len() > LARGE_BYTES;
        let now = now_ms();
        let incoming = aside(large, move || head.read(&bytes, now)).await?;
        let answer = self.take(incoming).await;
        drop(admitted);
        answer
    }

    /// Writes the records down.
    async fn take(&self, incoming: Incoming) -> Result<Answer, Refused> {
        let limit = self.limits.record_bytes;
        if incoming.records.iter().any(|record| record.bytes() > limit) {
            return Err(Refused::too_large("a record", limit));
        }
        let (receipt, replayed) = self.append(incoming.records).await?;
        Ok(answer::accepted(self.wal.instance(), receipt, replayed))
    }

    /// Appends to the log, or finds what the same request was told before; says which.
    async fn append(&self, records: Vec<Accepted>) -> Result<(Receipt, bool), Refused> {
        let count = records.len();
        match self.wal.append(records).await {
            Ok(receipt) => {
                self.counters.records.fetch_add(count as u64, Ordering::Relaxed);
                Ok((receipt, false))
            }
            Err(AppendRefused::Seen(Seen::Done(receipt))) => {
                if usize::try_from(receipt.count) != Ok(count) {
                    return Err(Refused::other_payload());
                }
                self.counters.replayed.fetch_add(1, Ordering::Relaxed);
                Ok((receipt, true))
            }
            Err(refused) => Err(refused.into()),
        }
    }
}

impl Head {
    /// The records of the request with this body.
    fn read(&self, body: &Bytes, now_ms: i64) -> Result<Incoming, Rejected> {
        let Path::Topic { topic, partition } = &self.path else { return Err(Rejected::Empty) };
        let mut envelope = Envelope::new(topic.as_str().into(), now_ms);
        envelope.partition = *partition;
        let headers = Fields::of(&self.parts.headers);
        incoming(headers, self.parts.uri.query().unwrap_or_default(), body, envelope)
    }
}

/// Runs `work` here, or where it keeps nobody waiting if there is much of it.
async fn aside<T, E>(
    large: bool,
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, Refused>
where
    T: Send + 'static,
    E: Send + 'static,
    Refused: From<E>,
{
    if !large {
        return Ok(work()?);
    }
    let done = tokio::task::spawn_blocking(work).await;
    let ended = |_| Refused::broken("the body could not be read");
    Ok(done.map_err(ended)??)
}

fn encoding(headers: &HeaderMap) -> Result<Option<Encoding>, Refused> {
    let mut encodings = headers.get_all(CONTENT_ENCODING).iter();
    match (encodings.next(), encodings.next()) {
        (None, _) => Ok(None),
        (Some(one), None) => Encoding::of(one.as_bytes()),
        _ => Err(Refused::encoding()),
    }
}

fn route(path: &Result<Path, WrongPath>) -> Route {
    match path {
        Ok(Path::Topic { .. }) => Route::Topic,
        Ok(Path::Stream { .. }) => Route::Stream,
        Ok(Path::Batch { .. }) => Route::Batch,
        Err(_) => Route::Other,
    }
}

/// How a request is told that it is refused, known before its body is.
fn tone(path: &Result<Path, WrongPath>, headers: &HeaderMap) -> Tone {
    match path {
        Ok(Path::Stream { .. } | Path::Batch { .. }) => Tone::ConfluentV3,
        _ if is_confluent(headers) => Tone::ConfluentV2,
        _ => Tone::Problem,
    }
}

/// Whether a body claims to be one of Confluent's formats, of which not all are read here.
fn is_confluent(headers: &HeaderMap) -> bool {
    let content_type = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    let start = content_type.get(..CONFLUENT.len()).unwrap_or_default();
    start.eq_ignore_ascii_case(CONFLUENT)
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
