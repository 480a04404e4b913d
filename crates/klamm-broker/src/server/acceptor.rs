//! Accepts connections for one node, by all of its listeners.

use super::Session;
use super::addresses::{Addresses, FromAddress};
use super::connection::Connection;
use crate::cluster::Cluster;
use crate::config::BrokerConfig;
use crate::metrics::{Place, Stage};
use crate::security::{Entrance, Principal};
use parking_lot::Mutex;
use socket2::SockRef;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio::time::error::Elapsed;

/// After a failed accept - no more file handles, say - the listener waits so long.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(50);

/// Bytes under way in one direction of a connection inside the process; whoever writes more waits for the reader.
const PIPE_BYTES: usize = 256 * 1024;

static NEXT_SESSION: AtomicU64 = AtomicU64::new(1);

/// What a node is told to do; it answers when that is done.
#[derive(Debug)]
pub(crate) enum Order {
    /// End all connections; new ones are welcome.
    Disconnect(oneshot::Sender<()>),
    /// End all connections and refuse new ones.
    Down(oneshot::Sender<()>),
    /// Accept again, at the same addresses.
    Up(oneshot::Sender<io::Result<()>>),
    /// Serve a connection inside the process by this listener; the answer is the client's end of it.
    Connect(usize, oneshot::Sender<io::Result<DuplexStream>>),
}

/// What accepts connections for one node.
#[derive(Debug)]
pub(crate) struct Acceptor {
    /// By listener; none for a node that only connections inside the process reach.
    sockets: Vec<Socket>,
    /// The socket that is asked first: each in turn, so that none starves the others.
    first: usize,
    up: bool,
    node_id: i32,
}

/// Where a listener of the node accepts connections.
#[derive(Debug)]
struct Socket {
    address: SocketAddr,
    /// None while the node is down.
    open: Option<TcpListener>,
}

/// The connections of a node.
struct Connections {
    tasks: JoinSet<()>,
    places: Arc<Semaphore>,
    addresses: Addresses,
    cluster: Arc<Cluster>,
    node_id: i32,
}

impl Acceptor {
    /// A node without sockets yet.
    pub(crate) fn new(node_id: i32) -> Self {
        Self { sockets: Vec::new(), first: 0, up: true, node_id }
    }

    /// Listens at one more address, for the next of the listeners.
    ///
    /// # Errors
    /// That of the system.
    pub(crate) async fn bind(&mut self, address: SocketAddr) -> io::Result<()> {
        let socket = TcpListener::bind(address).await?;
        self.sockets.push(Socket { address: socket.local_addr()?, open: Some(socket) });
        Ok(())
    }

    /// The node that it accepts for.
    pub(crate) fn node_id(&self) -> i32 {
        self.node_id
    }

    /// Where a listener is; none without a socket.
    pub(crate) fn address(&self, listener: usize) -> Option<SocketAddr> {
        self.sockets.get(listener).map(|socket| socket.address)
    }

    /// Serves connections until `stop` says true; then ends those that are left.
    pub(crate) async fn run(
        mut self,
        cluster: Arc<Cluster>,
        mut stop: watch::Receiver<bool>,
        mut orders: mpsc::Receiver<Order>,
    ) {
        cluster.metrics.connections.of_node(self.node_id);
        let places = Arc::new(Semaphore::new(cluster.config().max_connections));
        let (tasks, node_id) = (JoinSet::new(), self.node_id);
        let addresses = Addresses::default();
        let mut connections = Connections { tasks, places, addresses, cluster, node_id };
        loop {
            tokio::select! {
                () = stopped(&mut stop) => break,
                accepted = self.accept() => match accepted {
                    Ok((stream, peer, listener)) => connections.accept(stream, peer, listener),
                    Err(error) => {
                        tracing::warn!(%error, "cannot accept connections");
                        tokio::time::sleep(ACCEPT_BACKOFF).await;
                    }
                },
                Some(_) = connections.tasks.join_next(), if !connections.tasks.is_empty() => {}
                Some(order) = orders.recv() => self.obey(order, &mut connections).await,
            }
        }
    }

    /// The next connection, and the listener it comes in by.
    async fn accept(&mut self) -> io::Result<(TcpStream, SocketAddr, usize)> {
        poll_fn(|cx| self.poll_accept(cx)).await
    }

    fn poll_accept(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<(TcpStream, SocketAddr, usize)>> {
        let count = self.sockets.len();
        for listener in (0..count).map(|step| (self.first + step) % count) {
            let Some(socket) = &self.sockets[listener].open else { continue };
            if let Poll::Ready(accepted) = socket.poll_accept(cx) {
                self.first = (listener + 1) % count;
                return Poll::Ready(accepted.map(|(stream, peer)| (stream, peer, listener)));
            }
        }
        Poll::Pending
    }

    /// Nobody may wait for the answer any more.
    async fn obey(&mut self, order: Order, connections: &mut Connections) {
        match order {
            Order::Disconnect(done) => {
                connections.tasks.shutdown().await;
                let _ = done.send(());
            }
            Order::Down(done) => {
                self.close();
                self.up = false;
                connections.tasks.shutdown().await;
                let _ = done.send(());
            }
            Order::Up(done) => {
                let bound = self.bind_again().await;
                self.up |= bound.is_ok();
                let _ = done.send(bound);
            }
            Order::Connect(listener, done) => {
                let refused = || Err(io::ErrorKind::ConnectionRefused.into());
                let connected = if self.up { connections.pipe(listener) } else { refused() };
                let _ = done.send(connected);
            }
        }
    }

    fn close(&mut self) {
        self.sockets.iter_mut().for_each(|socket| socket.open = None);
    }

    /// All of them or none: a node is up at every address, or down.
    async fn bind_again(&mut self) -> io::Result<()> {
        for at in 0..self.sockets.len() {
            let socket = &mut self.sockets[at];
            if socket.open.is_some() {
                continue;
            }
            match TcpListener::bind(socket.address).await {
                Ok(open) => socket.open = Some(open),
                Err(error) => {
                    self.close();
                    return Err(error);
                }
            }
        }
        Ok(())
    }
}

impl Connections {
    fn accept(&mut self, stream: TcpStream, peer: SocketAddr, listener: usize) {
        let config = self.cluster.config();
        if let Err(error) = tune(&stream, &config) {
            tracing::debug!(?peer, %error, "options of a socket");
        }
        let limit = config.max_connections_per_ip;
        let Some(from_address) = self.addresses.enter(peer.ip(), limit) else {
            self.cluster.metrics.connections.refuse("max.connections.per.ip");
            return tracing::warn!(?peer, "refused a connection over max.connections.per.ip");
        };
        if self.serve(stream, Some((peer, from_address)), listener).is_none() {
            self.cluster.metrics.connections.refuse("max.connections");
            tracing::warn!(?peer, "refused a connection over max.connections");
        }
    }

    /// Makes a connection inside the process.
    fn pipe(&mut self, listener: usize) -> io::Result<DuplexStream> {
        let (client, server) = tokio::io::duplex(PIPE_BYTES);
        let served = self.serve(server, None, listener);
        served.map(|()| client).ok_or_else(|| io::Error::other("refused: over max.connections"))
    }

    /// Serves a stream in a task of its own; `None` when there is no place for it.
    fn serve(
        &mut self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        peer: Option<(SocketAddr, FromAddress)>,
        listener: usize,
    ) -> Option<()> {
        let entrance = self.cluster.security.entrances.get(listener)?.clone();
        let place = self.places.clone().try_acquire_owned().ok()?;
        let (peer, from_address) = peer.unzip();
        let (node_id, cluster) = (self.node_id, self.cluster.clone());
        self.tasks.spawn(async move {
            serve(stream, peer, node_id, entrance, cluster).await;
            drop((place, from_address));
        });
        Some(())
    }
}

fn tune(stream: &TcpStream, config: &BrokerConfig) -> io::Result<()> {
    let socket = SockRef::from(stream);
    // Answers are small and wanted at once.
    socket.set_tcp_nodelay(true)?;
    if let Ok(bytes) = usize::try_from(config.socket_send_buffer_bytes) {
        socket.set_send_buffer_size(bytes)?;
    }
    if let Ok(bytes) = usize::try_from(config.socket_receive_buffer_bytes) {
        socket.set_recv_buffer_size(bytes)?;
    }
    Ok(())
}

/// Waits until `stop` says true, or nobody is left to say it.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    drop(stop.wait_for(|stop| *stop).await);
}

async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    peer: Option<SocketAddr>,
    node_id: i32,
    entrance: Arc<Entrance>,
    cluster: Arc<Cluster>,
) {
    let login_by = Instant::now() + cluster.security.limits.login_timeout;
    let connections = &cluster.metrics.connections;
    let node = connections.of_node(node_id);
    let reason = match &entrance.tls {
        None => {
            let place = Place::accept(node, Stage::Login);
            let nobody = Principal::anonymous();
            let session = session(peer, node_id, entrance, &cluster, nobody, place);
            answer(stream, &cluster, session, login_by).await
        }
        Some(tls) => {
            let place = Place::accept(node, Stage::Handshake);
            let accepted = tokio::time::timeout_at(login_by, tls.accept(stream)).await;
            connections.log_in("TLS", matches!(accepted, Ok(Ok(_))));
            match accepted {
                Ok(Ok((stream, principal))) => {
                    let session = session(peer, node_id, entrance, &cluster, principal, place);
                    // Three times the size of a connection without TLS, which would carry it with it.
                    Box::pin(answer(stream, &cluster, session, login_by)).await
                }
                failed => why_no_tls(peer, failed),
            }
        }
    };
    connections.end(reason);
}

/// Answers requests until the connection ends; returns why it did, in a word.
async fn answer(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    cluster: &Arc<Cluster>,
    session: Arc<Session>,
    login_by: Instant,
) -> &'static str {
    let peer = session.peer;
    let _open = Open { cluster: cluster.clone(), id: session.id };
    match Connection::new(stream, cluster.clone(), session, login_by).serve().await {
        Ok(()) => "closed_by_client",
        Err(ended) => {
            tracing::debug!(?peer, %ended, "a connection ended");
            ended.reason()
        }
    }
}

fn why_no_tls<T>(peer: Option<SocketAddr>, failed: Result<io::Result<T>, Elapsed>) -> &'static str {
    match failed {
        Ok(accepted) => {
            let error = accepted.err();
            tracing::debug!(?peer, ?error, "a TLS handshake failed");
            "handshake_failed"
        }
        Err(_) => {
            tracing::debug!(?peer, "a TLS handshake took too long");
            "login_timeout"
        }
    }
}

/// A connection that is open; what is bound to it ends when this is dropped, however that comes about.
struct Open {
    cluster: Arc<Cluster>,
    id: u64,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.cluster.disconnected(self.id);
    }
}

fn session(
    peer: Option<SocketAddr>,
    node_id: i32,
    entrance: Arc<Entrance>,
    cluster: &Cluster,
    principal: Principal,
    place: Place,
) -> Arc<Session> {
    let id = NEXT_SESSION.fetch_add(1, Ordering::Relaxed);
    let login = entrance.login(principal);
    place.reach(if login.is_settled() { Stage::Open } else { Stage::Login });
    let counters = cluster.metrics.requests.counters(id);
    Arc::new(Session {
        id,
        node_id,
        entrance,
        peer,
        login,
        coming: Mutex::default(),
        place,
        counters,
    })
}
