//! What a request is answered with, from its head on.

use super::answer::{self, Answer, Tone};
use super::asking::Asking;
use super::refused::Refused;
use super::server::Counters;
use super::{Admission, Limits, batch, events, openapi, stream, topic};
use crate::Peer;
use crate::events::Readers;
use crate::forward::{Outcomes, Partitions, UnloggedSender};
use crate::guard::{Guard, Principal};
use crate::route::{Matched, Missed, Routes, Target};
use crate::tls::Acceptor;
use crate::wal::Wal;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Version};
use hyper::body::{Body, Incoming};
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::watch;

/// What the content types of Confluent's version 2 begin with.
const CONFLUENT: &[u8] = b"application/vnd.kafka.";

/// What the server works with.
#[derive(Debug)]
#[non_exhaustive]
pub struct Service {
    /// Where records go.
    pub wal: Wal,
    /// What became of them, for those who wait for Kafka.
    pub outcomes: Outcomes,
    /// Who may send what.
    pub guard: Guard,
    /// Where records of routes with [`Ack::Memory`](crate::Ack::Memory) go; `None`: into the log, like all others.
    pub unlogged: Option<UnloggedSender>,
    /// Which partitions there are; `None`: nobody asks, and records for one that is not there are dead letters in the end.
    pub partitions: Option<Partitions>,
    /// Where requests go.
    pub routes: Routes,
    /// Which pages of other origins, and which senders of events, may ask before they send.
    pub asking: Asking,
    /// Those who read topics; `None`: nobody can.
    pub readers: Option<Readers>,
    /// Certificates, for a server that speaks TLS.
    pub tls: Option<Acceptor>,
    /// Bounds.
    pub limits: Limits,
}

impl Service {
    /// Everyone may send to the usual paths, within the usual bounds.
    pub fn new(wal: Wal, outcomes: Outcomes) -> Self {
        let (guard, routes) = (Guard::open(), Routes::default());
        let (asking, limits) = (Asking::default(), Limits::default());
        Self {
            wal,
            outcomes,
            guard,
            unlogged: None,
            partitions: None,
            routes,
            asking,
            readers: None,
            tls: None,
            limits,
        }
    }
}

/// The service while it runs.
#[derive(Debug)]
pub(super) struct App {
    pub(super) wal: Wal,
    pub(super) outcomes: Outcomes,
    pub(super) unlogged: Option<UnloggedSender>,
    pub(super) partitions: Option<Partitions>,
    pub(super) guard: Guard,
    pub(super) routes: Routes,
    pub(super) asking: Asking,
    pub(super) readers: Option<Readers>,
    pub(super) tls: Option<Acceptor>,
    pub(super) limits: Limits,
    pub(super) admission: Admission,
    pub(super) counters: Arc<Counters>,
    /// The description of all this.
    openapi: Bytes,
    /// True once nothing is to be begun any more: what would never end by itself ends then.
    pub(super) stopping: watch::Sender<bool>,
}

/// A request that was understood and allowed so far as its head goes, and whose body was not read yet.
pub(super) struct Asked<'a> {
    pub(super) matched: Matched<'a>,
    pub(super) who: Principal,
    pub(super) peer: &'a Peer,
    pub(super) parts: Parts,
    pub(super) body: Incoming,
    /// Milliseconds since 1970.
    pub(super) now_ms: i64,
}

/// What is to be known of a request beside its answer.
#[derive(Debug, Default)]
pub(super) struct Left {
    /// Nothing of its body is left unread.
    pub(super) whole: bool,
}

impl App {
    pub(super) fn new(service: Service) -> Self {
        let Service { wal, outcomes, guard, unlogged, partitions, .. } = service;
        let Service { routes, asking, readers, tls, limits, .. } = service;
        let routes = if readers.is_some() { routes.with_events() } else { routes };
        let admission = Admission::new(limits.budget_bytes);
        let counters = Counters::new(routes.rules().map(|rules| rules.name.clone()));
        let stopping = watch::Sender::new(false);
        let openapi = openapi::document(env!("CARGO_PKG_VERSION"), &routes).into();
        Self {
            wal,
            outcomes,
            unlogged,
            partitions,
            guard,
            routes,
            asking,
            readers,
            tls,
            limits,
            admission,
            counters: Arc::new(counters),
            openapi,
            stopping,
        }
    }

    /// Answers a request, and says whether it was left without being read to its end.
    pub(super) async fn serve(
        self: &Arc<Self>,
        request: Request<Incoming>,
        peer: &Peer,
    ) -> (Answer, bool) {
        let began = Instant::now();
        let http1 = request.version() < Version::HTTP_2;
        let (parts, body) = request.into_parts();
        let matched = self.routes.find(&parts.method, parts.uri.path());
        let route = matched.as_ref().ok().and_then(|matched| self.number(matched));
        let tone = tone(&matched, &parts.headers);
        let mut left = Left { whole: body.is_end_stream() };
        let page = matched
            .as_ref()
            .ok()
            .and_then(|matched| self.page(&matched.rules.name, &parts.headers));
        let mut answer = match self.answer(matched, peer, parts, body, &mut left).await {
            Ok(answer) => answer,
            Err(refused) => {
                self.counters.refused(refused.reason);
                answer::refused(&refused, tone)
            }
        };
        if !left.whole && http1 {
            answer::closing(&mut answer);
        }
        if let Some(page) = page {
            page.decorate(&mut answer);
        }
        self.counters.answered(route, answer.status().as_u16(), began.elapsed());
        (answer, !left.whole)
    }

    async fn answer(
        self: &Arc<Self>,
        matched: Result<Matched<'_>, Missed>,
        peer: &Peer,
        parts: Parts,
        body: Incoming,
        left: &mut Left,
    ) -> Result<Answer, Refused> {
        if let Some(told) = self.asked_first(&parts) {
            return told;
        }
        let matched = match matched {
            Err(Missed::Path(_)) if parts.uri.path() == openapi::PATH => {
                return self.described(&parts.method);
            }
            matched => matched?,
        };
        let who = self.guard.head(&parts, peer, Some(&matched.rules.name)).await?;
        let target = matched.target.clone();
        match target {
            Target::Events => self.guard.read(&who, &matched.topic)?,
            _ => self.guard.topic(&who, &matched.topic)?,
        }
        let asked = Asked { matched, who, peer, parts, body, now_ms: now_ms() };
        match target {
            Target::Topic => topic::produce(self, asked, left).await,
            // Many times the size of the others, whose requests would carry it with them.
            Target::Events => Box::pin(events::read(self, asked)).await,
            Target::Batch { cluster } => batch::produce(self, cluster, asked, left).await,
            Target::Stream { cluster } => stream::produce(self, cluster, asked, left),
        }
    }

    fn described(&self, method: &Method) -> Result<Answer, Refused> {
        if *method != Method::GET {
            return Err(Missed::Method { allow: "GET".to_owned() }.into());
        }
        Ok(answer::answer(200, answer::JSON, self.openapi.clone()))
    }

    /// The place of a route among all.
    fn number(&self, matched: &Matched<'_>) -> Option<usize> {
        self.routes.rules().position(|rules| std::ptr::eq(rules, matched.rules))
    }
}

/// How a request is told that it is refused, known before its body is.
fn tone(matched: &Result<Matched<'_>, Missed>, headers: &HeaderMap) -> Tone {
    match matched.as_ref().map(|matched| &matched.target) {
        Ok(Target::Stream { .. } | Target::Batch { .. }) => Tone::ConfluentV3,
        _ if is_confluent(headers) => Tone::ConfluentV2,
        _ => Tone::Problem,
    }
}

/// Whether a body claims to be one of Confluent's formats, of which not all are read here.
pub(super) fn is_confluent(headers: &HeaderMap) -> bool {
    let content_type = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    let start = content_type.get(..CONFLUENT.len()).unwrap_or_default();
    start.eq_ignore_ascii_case(CONFLUENT)
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_takes_little_room_in_its_connection() {
        fn bytes<F: Future>(_: impl FnOnce(Arc<App>, Request<Incoming>, Peer) -> F) -> usize {
            size_of::<F>()
        }
        let bytes = bytes(|app, request, peer| async move { app.serve(request, &peer).await });
        // It is copied there, every byte of it, and the room stays as long as the connection does.
        assert!(bytes <= 5 << 10, "{bytes} bytes");
    }
}
