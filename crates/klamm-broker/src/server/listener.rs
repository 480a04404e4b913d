//! Accepts connections for one node.

use super::Session;
use super::connection::Connection;
use crate::cluster::Cluster;
use crate::security::Principal;
use socket2::SockRef;
use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

/// After a failed accept - no more file handles, say - the listener waits so long.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(50);

static NEXT_SESSION: AtomicU64 = AtomicU64::new(1);

/// What a listener is told to do; it answers when that is done.
#[derive(Debug)]
pub(crate) enum Order {
    /// End all connections; new ones are welcome.
    Disconnect(oneshot::Sender<()>),
    /// End all connections and refuse new ones.
    Down(oneshot::Sender<()>),
    /// Accept again, at the same address.
    Up(oneshot::Sender<io::Result<()>>),
}

/// A bound socket and the node it belongs to.
#[derive(Debug)]
pub(crate) struct Listener {
    /// None while the node is down.
    socket: Option<TcpListener>,
    address: SocketAddr,
    node_id: i32,
}

impl Listener {
    pub(crate) async fn bind(address: SocketAddr, node_id: i32) -> io::Result<Self> {
        let socket = TcpListener::bind(address).await?;
        Ok(Self { address: socket.local_addr()?, socket: Some(socket), node_id })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves connections until `stop` says true; then ends those that are left.
    pub(crate) async fn run(
        mut self,
        cluster: Arc<Cluster>,
        mut stop: watch::Receiver<bool>,
        mut orders: mpsc::Receiver<Order>,
    ) {
        let places = Arc::new(Semaphore::new(cluster.config().max_connections));
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                () = stopped(&mut stop) => break,
                accepted = self.accept() => match accepted {
                    Ok((stream, peer)) => match places.clone().try_acquire_owned() {
                        Ok(place) => {
                            let serve = serve(stream, peer, self.node_id, cluster.clone());
                            connections.spawn(async move { (serve.await, drop(place)) });
                        }
                        Err(_) => tracing::warn!(%peer, "refused a connection over max.connections"),
                    },
                    Err(error) => {
                        tracing::warn!(%error, "cannot accept connections");
                        tokio::time::sleep(ACCEPT_BACKOFF).await;
                    }
                },
                Some(_) = connections.join_next(), if !connections.is_empty() => {}
                Some(order) = orders.recv() => self.obey(order, &mut connections).await,
            }
        }
    }

    async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        match &self.socket {
            Some(socket) => socket.accept().await,
            None => pending().await,
        }
    }

    /// Nobody may wait for the answer any more.
    async fn obey<T: 'static>(&mut self, order: Order, connections: &mut JoinSet<T>) {
        match order {
            Order::Disconnect(done) => {
                connections.shutdown().await;
                let _ = done.send(());
            }
            Order::Down(done) => {
                self.socket = None;
                connections.shutdown().await;
                let _ = done.send(());
            }
            Order::Up(done) => {
                let _ = done.send(self.bind_again().await);
            }
        }
    }

    async fn bind_again(&mut self) -> io::Result<()> {
        if self.socket.is_none() {
            self.socket = Some(TcpListener::bind(self.address).await?);
        }
        Ok(())
    }
}

/// Waits until `stop` says true, or nobody is left to say it.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    drop(stop.wait_for(|stop| *stop).await);
}

async fn serve(stream: TcpStream, peer: SocketAddr, node_id: i32, cluster: Arc<Cluster>) {
    // Answers are small and wanted at once.
    if let Err(error) = SockRef::from(&stream).set_tcp_nodelay(true) {
        tracing::debug!(%peer, %error, "TCP_NODELAY");
    }
    let login_by = Instant::now() + cluster.security.limits.login_timeout;
    let ended = match cluster.security.tls.clone() {
        None => {
            let session = session(peer, node_id, &cluster, Principal::anonymous());
            Connection::new(stream, cluster, session, login_by).serve().await
        }
        Some(tls) => match tokio::time::timeout_at(login_by, tls.accept(stream)).await {
            Ok(Ok((stream, principal))) => {
                let session = session(peer, node_id, &cluster, principal);
                Connection::new(stream, cluster, session, login_by).serve().await
            }
            Ok(Err(error)) => return tracing::debug!(%peer, %error, "a TLS handshake failed"),
            Err(_) => return tracing::debug!(%peer, "a TLS handshake took too long"),
        },
    };
    if let Err(ended) = ended {
        tracing::debug!(%peer, %ended, "a connection ended");
    }
}

fn session(
    peer: SocketAddr,
    node_id: i32,
    cluster: &Cluster,
    principal: Principal,
) -> Arc<Session> {
    let id = NEXT_SESSION.fetch_add(1, Ordering::Relaxed);
    Arc::new(Session { id, node_id, peer: Some(peer), login: cluster.security.login(principal) })
}
