//! Connections to brokers: one task owns each socket, callers hold a cheap handle.
//!
//! ```text
//!   submit ──► frame, encoded at once ──► channel ──► driver ──► writev ──► broker
//!   Reply  ◄── decoded by its receiver ◄── oneshot ◄── driver ◄── frame ◄──┘
//! ```
//!
//! Requests are pipelined and answered in order. Dropping a [`Reply`] drops only the receiver: the
//! request keeps its place in the pipeline. When a connection dies every waiter learns the one cause
//! and whether any byte of its own request was written.

mod connector;
mod driver;
mod error;
mod exchange;
mod frames;
mod handshake;
mod in_flight;
mod outgoing;
mod sasl;
pub(crate) mod settings;
mod slot;
#[cfg(test)]
mod tests;
mod tls;

pub use self::connector::{Connecting, Connector, Stream};
pub(crate) use self::error::RequestError;
pub use self::error::{ConnectError, ConnectStage};
pub use self::sasl::{ClientCredentials, Token, TokenError, TokenProvider};
pub(crate) use self::settings::ConnectionSettings;
pub(crate) use self::slot::{ReconnectBackoff, Slot};
pub(crate) use self::tls::client_config as tls_client_config;

use crate::connection::in_flight::Waiter;
use bytes::Bytes;
use driver::{Command, Driver};
use klamm_protocol::api_key::ApiKey;
use klamm_protocol::header::{decode_response, encode_request};
use klamm_protocol::message::Request;
use std::collections::BTreeMap;
use std::future::Future;
use std::marker::PhantomData;
use std::ops::RangeInclusive;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

/// The version ranges a broker offers.
pub(crate) type ApiVersions = BTreeMap<i16, (i16, i16)>;

/// A handle of one connection.
#[derive(Debug, Clone)]
pub(crate) struct Connection {
    commands: mpsc::UnboundedSender<Command>,
    shared: Arc<Shared>,
}

/// The setup of a connection uses smaller ones.
const FIRST_CORRELATION_ID: i32 = 100;
/// Requests of one connection that may wait, queued or written, at the same time.
const OUTSTANDING_MAX: usize = 10_000;

#[derive(Debug)]
struct Shared {
    address: Arc<str>,
    client_id: Arc<str>,
    versions: ApiVersions,
    next_correlation: AtomicI32,
    outstanding: AtomicUsize,
}

impl Shared {
    /// Notes that `n` requests wait no more.
    fn settle(&self, n: usize) {
        self.outstanding.fetch_sub(n, Ordering::Relaxed);
    }
}

impl Connection {
    /// Connects, negotiates versions and authenticates, all within the setup timeout, and spawns the
    /// task that owns the socket on the current runtime.
    pub(crate) async fn connect(
        host: &str,
        port: u16,
        settings: &Arc<ConnectionSettings>,
    ) -> Result<Connection, ConnectError> {
        let ready = handshake::connect(host, port, settings).await?;
        let (commands, receiver) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            address: Arc::clone(&ready.address),
            client_id: settings.client_id.as_str().into(),
            versions: ready.versions.clone(),
            next_correlation: AtomicI32::new(FIRST_CORRELATION_ID),
            outstanding: AtomicUsize::new(0),
        });
        let driver = Driver::new(ready, Arc::clone(&shared), receiver, Arc::clone(settings));
        tokio::spawn(driver.run());
        Ok(Connection { commands, shared })
    }

    /// Whether it leads to this host and port.
    pub(crate) fn leads_to(&self, host: &str, port: u16) -> bool {
        let split = self.shared.address.rsplit_once(':');
        split.is_some_and(|(h, p)| h == host && p.parse() == Ok(port))
    }

    /// `host:port` as it was connected to.
    pub(crate) fn address(&self) -> &str {
        &self.shared.address
    }

    /// Whether the task has ended; a connection that is about to end may still say no.
    pub(crate) fn is_closed(&self) -> bool {
        self.commands.is_closed()
    }

    /// The highest version that this build, the broker and `wanted` have in common.
    pub(crate) fn version<R: Request>(
        &self,
        wanted: RangeInclusive<i16>,
    ) -> Result<i16, RequestError> {
        negotiate(R::API_KEY, &self.shared.versions, wanted, &self.shared.address)
    }

    /// Encodes and queues a request now, in the order of the calls, without waiting.
    pub(crate) fn submit<R: Request>(
        &self,
        request: &R,
        version: i16,
        timeout: Duration,
        expects_reply: bool,
    ) -> Result<Reply<R>, RequestError> {
        let shared = &self.shared;
        if shared.outstanding.load(Ordering::Relaxed) >= OUTSTANDING_MAX {
            return Err(RequestError::never_sent(&shared.address, "too many requests wait for it"));
        }
        let correlation_id = shared.next_correlation.fetch_add(1, Ordering::Relaxed);
        let frame = encode_request(request, version, correlation_id, &shared.client_id)?;
        let (reply, receiver) = oneshot::channel();
        let deadline = Instant::now() + timeout;
        let waiter = Waiter { correlation_id, deadline, timeout, reply };
        // Counted first: the driver may be done with it before the next line.
        shared.outstanding.fetch_add(1, Ordering::Relaxed);
        if self.commands.send(Command::Send { frame, expects_reply, waiter }).is_err() {
            return Err(RequestError::never_sent(&shared.address, "the connection was closed"));
        }
        Ok(Reply {
            receiver,
            address: Arc::clone(&shared.address),
            version,
            expects_reply,
            request: PhantomData,
        })
    }

    /// Ends the connection; what waits on it fails.
    pub(crate) fn retire(&self, cause: &str) {
        // One that has ended needs no end.
        let _ = self.commands.send(Command::End(cause.into()));
    }

    /// Waits until the connection has ended.
    pub(crate) async fn closed(&self) {
        self.commands.closed().await;
    }

    /// Begins no new request for this long, as the broker asked in an answer (KIP-219).
    pub(crate) fn throttle(&self, throttle_time_ms: i32) {
        if let Ok(ms @ 1..) = u64::try_from(throttle_time_ms) {
            let until = Instant::now() + Duration::from_millis(ms);
            // A connection that has ended needs no silence.
            let _ = self.commands.send(Command::MuteUntil(until));
        }
    }

    /// Sends a request in the highest common version and waits for its answer.
    pub(crate) async fn request<R: Request>(
        &self,
        request: &R,
        wanted: RangeInclusive<i16>,
        timeout: Duration,
    ) -> Result<R::Response, RequestError> {
        let version = self.version::<R>(wanted)?;
        match self.submit(request, version, timeout, true)?.await? {
            Some(response) => Ok(response),
            None => Err(RequestError::never_sent(&self.shared.address, "no answer was asked for")),
        }
    }
}

/// Picks the highest common version of an API.
pub(crate) fn negotiate(
    api: ApiKey,
    offered: &ApiVersions,
    wanted: RangeInclusive<i16>,
    address: &Arc<str>,
) -> Result<i16, RequestError> {
    let known = api.versions();
    let (low, high) = offered.get(&(api as i16)).copied().unwrap_or((0, -1));
    let low = low.max(*wanted.start()).max(*known.start());
    let common = high.min(*wanted.end()).min(*known.end());
    if common >= low {
        return Ok(common);
    }
    Err(RequestError::Version {
        api,
        address: Arc::clone(address),
        offered: offered.get(&(api as i16)).copied(),
    })
}

/// Resolves to the answer of one request, or to `None` for one that has no answer.
#[derive(Debug)]
pub(crate) struct Reply<R> {
    receiver: oneshot::Receiver<Result<Bytes, RequestError>>,
    address: Arc<str>,
    version: i16,
    expects_reply: bool,
    request: PhantomData<fn() -> R>,
}

impl<R: Request> Future for Reply<R> {
    type Output = Result<Option<R::Response>, RequestError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let received = match Pin::new(&mut self.receiver).poll(cx) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(received) => received,
        };
        Poll::Ready(match received {
            Ok(Ok(_)) if !self.expects_reply => Ok(None),
            Ok(Ok(frame)) => decode_response::<R>(frame, self.version)
                .map(|(_, response)| Some(response))
                .map_err(|error| RequestError::Decode {
                    api: R::API_KEY,
                    address: Arc::clone(&self.address),
                    error,
                }),
            Ok(Err(error)) => Err(error),
            // The driver ended without a word: its runtime is gone.
            Err(_) => Err(RequestError::Lost {
                address: Arc::clone(&self.address),
                cause: "the client's I/O thread has ended".into(),
                may_have_reached_broker: true,
            }),
        })
    }
}
