//! The accept loop, and how it is ended.

use super::addresses::Addresses;
use super::connection::{Connection, Stage};
use super::counters::HttpState;
use crate::Peer;
use crate::events::Readers;
use crate::http::Service;
use crate::http::app::App;
use crate::http::refused::Reason;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

/// How long nothing is accepted when the system has no more sockets.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);
/// How long connections get to end once nothing is waited for any more.
const END_TIME: Duration = Duration::from_secs(5);
/// What a connection is told that there is no room for.
const NO_ROOM: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nretry-after: 1\r\nconnection: close\r\n\r\n";

/// The HTTP server.
#[derive(Debug)]
pub struct Server;

/// A server that runs; dropped, it takes no more connections and finishes what is open.
#[derive(Debug)]
pub struct ServerHandle {
    address: SocketAddr,
    app: Arc<App>,
    stage: watch::Sender<Stage>,
}

impl Server {
    /// Serves what comes to `listener`, in tasks of the runtime this is called in.
    ///
    /// # Errors
    /// The listener has no address.
    pub fn start(listener: TcpListener, service: Service) -> io::Result<ServerHandle> {
        let address = listener.local_addr()?;
        let app = Arc::new(App::new(service));
        let (stage, watching) = watch::channel(Stage::Serving);
        let accepting =
            Accepting { app: app.clone(), addresses: Addresses::default(), stage: watching };
        tokio::spawn(accepting.run(listener));
        Ok(ServerHandle { address, app, stage })
    }
}

impl ServerHandle {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How it is.
    pub fn state(&self) -> HttpState {
        let draining = *self.stage.borrow() != Stage::Serving;
        let admitted_bytes = self.app.admission.taken();
        let readers = self.app.readers.as_ref().map(Readers::state).unwrap_or_default();
        HttpState { admitted_bytes, readers, draining, ..self.app.counters.state() }
    }

    /// Accepts no more connections, finishes the requests that are open until `deadline` has passed, and closes everything.
    /// Returns whether all of them were finished.
    pub async fn drain(&self, deadline: Duration) -> bool {
        self.stage.send_if_modified(|stage| {
            let first = *stage == Stage::Serving;
            *stage = (*stage).max(Stage::Draining);
            first
        });
        self.app.stopping.send_replace(true);
        let finished = timeout(deadline, self.stage.closed()).await.is_ok();
        if !finished {
            self.stage.send_replace(Stage::Ended);
            let _ = timeout(END_TIME, self.stage.closed()).await;
        }
        finished
    }
}

impl Drop for ServerHandle {
    fn drop(&mut self) {
        self.stage.send_modify(|stage| *stage = (*stage).max(Stage::Draining));
        self.app.stopping.send_replace(true);
    }
}

/// What accepts connections.
struct Accepting {
    app: Arc<App>,
    addresses: Addresses,
    stage: watch::Receiver<Stage>,
}

impl Accepting {
    async fn run(mut self, listener: TcpListener) {
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                _ = self.stage.wait_for(|stage| *stage >= Stage::Draining) => return,
            };
            match accepted {
                Ok((stream, address)) => self.accept(stream, address),
                // That of a connection that is gone already, or the system's limit of sockets.
                Err(error) => {
                    tracing::warn!(%error, "a connection cannot be accepted");
                    sleep(ACCEPT_RETRY).await;
                }
            }
        }
    }

    fn accept(&self, stream: TcpStream, address: SocketAddr) {
        let (app, limits) = (&self.app, &self.app.limits);
        let refuse = |reason| {
            app.counters.refused(reason);
            // Best effort: a fresh socket has room for it.
            let _ = stream.try_write(NO_ROOM);
        };
        if app.counters.connections.load(Ordering::Relaxed) >= limits.connections {
            return refuse(Reason::Connections);
        }
        let ip = address.ip();
        let Some(counted) = self.addresses.count(ip, limits.connections_per_address) else {
            return refuse(Reason::Address);
        };
        // Answers are written at once and whole: nothing is won by waiting for more.
        let _ = stream.set_nodelay(true);
        let (here, peer) = (Here::begin(app), Peer { address, certificate: None });
        let (app, stage) = (app.clone(), self.stage.clone());
        let connection = Connection { app, peer, stage, counted, here };
        // Two tasks, not one that is either: without TLS a connection takes a third of the memory.
        match connection.app.tls.clone() {
            None => tokio::spawn(connection.serve(stream, None)),
            Some(tls) => tokio::spawn(connection.shake_hands(stream, tls)),
        };
    }
}

/// A connection that is open; dropped, it is not any more.
pub(super) struct Here(Arc<App>);

impl Here {
    fn begin(app: &Arc<App>) -> Self {
        app.counters.accepted.fetch_add(1, Ordering::Relaxed);
        app.counters.connections.fetch_add(1, Ordering::Relaxed);
        Self(app.clone())
    }
}

impl Drop for Here {
    fn drop(&mut self) {
        self.0.counters.connections.fetch_sub(1, Ordering::Relaxed);
    }
}
