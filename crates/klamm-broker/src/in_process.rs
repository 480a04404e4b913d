//! Connections inside the process: no socket, and time is whatever the runtime says it is.

use crate::cluster::Cluster;
use crate::server::Order;
use std::io;
use std::sync::Arc;
use tokio::io::DuplexStream;
use tokio::sync::{mpsc, oneshot};

/// A way to a broker of this process without a socket; clones lead to the same one.
///
/// Streams live on any runtime. Under tokio's paused clock a broker and clients on the same runtime pass hours of
/// timeouts in an instant, because nothing waits for a system.
#[derive(Debug, Clone)]
pub struct InProcess {
    cluster: Arc<Cluster>,
    /// To the listeners of each node, by node id less one.
    listeners: Arc<[mpsc::Sender<Order>]>,
}

impl InProcess {
    pub(crate) fn new(cluster: Arc<Cluster>, listeners: Arc<[mpsc::Sender<Order>]>) -> Self {
        Self { cluster, listeners }
    }

    /// Connects to the node, and the listener of it, that is advertised under this host and port.
    ///
    /// The stream holds 256 KiB in each direction; beyond that a writer waits for the reader. Restarts, nodes that go
    /// down and fault rules treat it as any other connection.
    ///
    /// # Errors
    /// `NotFound` when no node has this address, `ConnectionRefused` when it is down or the broker has stopped.
    ///
    /// # Cancel safety
    /// Safe: a connection that nobody takes is closed.
    pub async fn connect(&self, host: &str, port: u16) -> io::Result<DuplexStream> {
        let none = || io::Error::new(io::ErrorKind::NotFound, format!("no node is {host}:{port}"));
        let (node, listener) = self.cluster.nodes.at(host, port).ok_or_else(none)?;
        self.connect_by(node, listener).await
    }

    /// Connects to a node by its number, from 1 on, and by its first listener; otherwise as [`InProcess::connect`].
    ///
    /// # Errors
    /// As [`InProcess::connect`].
    pub async fn connect_to_node(&self, node: i32) -> io::Result<DuplexStream> {
        self.connect_by(node, 0).await
    }

    async fn connect_by(&self, node: i32, entrance: usize) -> io::Result<DuplexStream> {
        let index = usize::try_from(node.wrapping_sub(1)).ok();
        let listener = index.and_then(|index| self.listeners.get(index));
        let listener = listener.ok_or(io::ErrorKind::NotFound)?;
        let (done, connected) = oneshot::channel();
        let stopped = |_| io::Error::from(io::ErrorKind::ConnectionRefused);
        listener.send(Order::Connect(entrance, done)).await.map_err(|_| stopped(()))?;
        connected.await.map_err(|_| stopped(()))?
    }
}
