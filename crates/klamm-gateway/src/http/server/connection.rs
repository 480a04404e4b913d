//! One connection from its first byte to its last.

use super::addresses::Counted;
use super::pulse::{Overdue, Pulse};
use super::socket::Socket;
use super::start::Here;
use crate::Peer;
use crate::http::app::App;
use crate::http::refused::Reason;
use crate::tls::Acceptor;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

/// What an HTTP/2 connection begins with, so far as no method of HTTP/1 does.
const HTTP2_BEGINS: &[u8] = b"PRI ";
/// What HTTP/2 is called when TLS agrees on it.
const HTTP2_AGREED: &[u8] = b"h2";
/// What hyper keeps of a connection's bytes at most.
const BUFFER_BYTES: usize = 64 << 10;
/// What a client of HTTP/2 may send of one body before it is read.
const STREAM_WINDOW: u32 = 64 << 10;
/// What a client of HTTP/2 may send of all its bodies before they are read.
const CONNECTION_WINDOW: u32 = 256 << 10;
/// An HTTP/2 connection that answers no ping for this long is gone.
const PING_TIMEOUT: Duration = Duration::from_secs(20);

/// How far the server is on its way to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    /// Everything is served.
    Serving,
    /// What is open is finished, nothing else is begun.
    Draining,
    /// Nothing is waited for any more.
    Ended,
}

/// What an end leaves to clients that take nothing, and to those who read a topic: they know where to go on.
const LAST_READS: Duration = Duration::from_secs(3);

/// A request that is being answered; it ends when this is dropped.
#[derive(Debug)]
pub(in crate::http) struct Open {
    line: Arc<Line>,
    reads: bool,
}

/// What the requests of a connection have in common.
#[derive(Debug)]
struct Line {
    app: Arc<App>,
    peer: Peer,
    pulse: Arc<Pulse>,
}

impl Open {
    fn begin(line: &Arc<Line>) -> Self {
        line.pulse.begin();
        line.app.counters.open_requests.fetch_add(1, Ordering::Relaxed);
        Self { line: line.clone(), reads: false }
    }

    /// Its answer is what is in a topic.
    pub(in crate::http) fn reads(&mut self) {
        self.reads = true;
        self.line.pulse.begin_reading();
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.line.app.counters.open_requests.fetch_sub(1, Ordering::Relaxed);
        if self.reads {
            self.line.pulse.end_reading();
        }
        self.line.pulse.end();
    }
}

/// A connection that was accepted.
pub(super) struct Connection {
    pub(super) app: Arc<App>,
    pub(super) peer: Peer,
    pub(super) stage: watch::Receiver<Stage>,
    /// Counts until the connection is closed, as one of its address.
    pub(super) counted: Counted,
    /// The same, as one of all.
    pub(super) here: Here,
}

impl Connection {
    /// Opens TLS over it, then serves it.
    pub(super) async fn shake_hands(mut self, stream: TcpStream, tls: Acceptor) {
        let shaken = timeout(self.app.limits.handshake_timeout, tls.accept(stream)).await;
        let Ok(Ok((stream, certificate))) = shaken else {
            self.app.counters.refused(Reason::Handshake);
            return;
        };
        self.peer.certificate = certificate;
        let http2 = stream.get_ref().1.alpn_protocol() == Some(HTTP2_AGREED);
        self.serve(stream, Some(http2)).await;
    }

    /// Serves it until it ends. `http2` says which protocol was agreed on; else its first bytes do.
    pub(super) async fn serve<S>(self, mut stream: S, http2: Option<bool>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let mut prefix = Vec::new();
        let http2 = match http2 {
            Some(http2) => http2,
            None => match self.begins(&mut stream, &mut prefix).await {
                Some(http2) => http2,
                None => return,
            },
        };
        let pulse = Arc::new(Pulse::new(!http2));
        let io = TokioIo::new(Socket::new(stream, prefix, pulse.clone()));
        let (app, peer) = (self.app.clone(), self.peer.clone());
        let line = Arc::new(Line { app, peer, pulse: pulse.clone() });
        let service = service_fn(move |request| {
            let open = Open::begin(&line);
            async move {
                let line = &open.line;
                let (mut answer, unread) = line.app.serve(request, &line.peer).await;
                if unread {
                    line.pulse.leave_unread();
                }
                answer.body_mut().open(open);
                Ok::<_, std::convert::Infallible>(answer)
            }
        });
        if http2 {
            let connection = self.http2().serve_connection(io, service);
            self.run(pin!(connection), &pulse).await;
        } else {
            let connection = self.http1().serve_connection(io, service);
            self.run(pin!(connection), &pulse).await;
        }
        // Not before all that belongs to it is gone.
        drop((self.counted, self.here));
    }

    /// Reads just as much as shows which protocol it is; `None` if the client says nothing in time, or goes away.
    async fn begins<S: AsyncRead + Unpin>(
        &self,
        stream: &mut S,
        prefix: &mut Vec<u8>,
    ) -> Option<bool> {
        let limits = &self.app.limits;
        let mut stage = self.stage.clone();
        let mut first = [0; HTTP2_BEGINS.len()];
        let mut read = 0;
        while read < first.len() && HTTP2_BEGINS.starts_with(&first[..read]) {
            let time = if read == 0 { limits.idle_timeout } else { limits.header_timeout };
            let more = stream.read(&mut first[read..]);
            let more = tokio::select! {
                more = timeout(time, more) => more,
                _ = stage.wait_for(|stage| *stage >= Stage::Draining) => return None,
            };
            match more {
                Ok(Ok(count @ 1..)) => read += count,
                Ok(_) => return None,
                Err(_) => {
                    self.count(if read == 0 { Overdue::Idle } else { Overdue::Head });
                    return None;
                }
            }
        }
        prefix.extend_from_slice(&first[..read]);
        Some(prefix == HTTP2_BEGINS)
    }

    /// Clocks are this connection's own: hyper's start anew whenever it reads.
    fn http1(&self) -> http1::Builder {
        let mut builder = http1::Builder::new();
        builder
            .header_read_timeout(None)
            .max_buf_size(BUFFER_BYTES)
            .max_header_size(self.app.limits.head_bytes);
        builder
    }

    fn http2(&self) -> http2::Builder<TokioExecutor> {
        let limits = &self.app.limits;
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .max_concurrent_streams(limits.streams)
            .max_header_list_size(u32::try_from(limits.head_bytes).unwrap_or(u32::MAX))
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .keep_alive_interval(limits.idle_timeout / 2)
            .keep_alive_timeout(PING_TIMEOUT);
        builder
    }

    /// Drives a connection until it ends, takes too long, or has to go.
    async fn run<C: Graceful>(&self, mut connection: Pin<&mut C>, pulse: &Pulse) {
        let tick = self.app.limits.tick();
        let mut clock = pin!(sleep(tick));
        let mut stage = self.stage.clone();
        let mut draining = pin!(stage.wait_for(|stage| *stage >= Stage::Draining));
        let (mut finishing, mut last_reads) = (false, None);
        let mut limits = self.app.limits.clone();
        loop {
            tokio::select! {
                biased;
                ended = connection.as_mut() => {
                    if ended.is_err_and(|error| error.is_parse()) {
                        self.app.counters.refused(Reason::Head);
                    }
                    break;
                }
                _ = draining.as_mut(), if last_reads.is_none() => {
                    connection.as_mut().finish();
                    finishing = true;
                    last_reads = Some(Instant::now() + LAST_READS);
                    limits.write_timeout = limits.write_timeout.min(LAST_READS);
                }
                () = clock.as_mut() => {
                    let overdue = pulse.overdue(&limits);
                    overdue.iter().for_each(|overdue| self.count(*overdue));
                    match overdue {
                        // A client of HTTP/2 is told that it goes.
                        Some(Overdue::Idle) if !finishing => {
                            connection.as_mut().finish();
                            finishing = true;
                        }
                        Some(_) => break,
                        None if *self.stage.borrow() == Stage::Ended => break,
                        None if last_reads.is_some_and(|end| Instant::now() >= end)
                            && pulse.just_reads() => break,
                        None => {}
                    }
                    clock.as_mut().reset(Instant::now() + tick);
                }
            }
        }
    }

    fn count(&self, overdue: Overdue) {
        match overdue {
            Overdue::Head => self.app.counters.refused(Reason::SlowHead),
            Overdue::Write => self.app.counters.refused(Reason::SlowReader),
            // Nobody asked for anything.
            Overdue::Idle | Overdue::Linger => {}
        }
    }
}

/// A connection of either protocol.
trait Graceful: Future<Output = hyper::Result<()>> {
    /// What is open is finished, nothing else is begun.
    fn finish(self: Pin<&mut Self>);
}

impl<I, B, S> Graceful for http1::Connection<I, S>
where
    S: hyper::service::HttpService<hyper::body::Incoming, ResBody = B>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    I: hyper::rt::Read + hyper::rt::Write + Unpin,
    B: hyper::body::Body + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    fn finish(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

impl<I, B, S> Graceful for http2::Connection<I, S, TokioExecutor>
where
    S: hyper::service::HttpService<hyper::body::Incoming, ResBody = B>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    I: hyper::rt::Read + hyper::rt::Write + Unpin,
    B: hyper::body::Body + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    TokioExecutor: hyper::rt::bounds::Http2ServerConnExec<S::Future, B>,
{
    fn finish(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}
