//! Streams to brokers, and ways to them other than TCP.

use std::fmt::Debug;
use std::future::Future;
use std::io;
use std::pin::Pin;
use tokio::io::{AsyncRead, AsyncWrite};

/// A stream of bytes to a broker, in both directions.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A socket, TLS over one, or what a [`Connector`] gave us: a call through a table costs nothing beside a read.
pub(super) type Transport = Box<dyn Stream>;

/// What [`Connector::connect`] returns.
pub type Connecting<'a> = Pin<Box<dyn Future<Output = io::Result<Box<dyn Stream>>> + Send + 'a>>;

/// Opens connections in place of TCP: to a broker inside the process, through a proxy, over a Unix socket.
///
/// It is asked for the addresses that the bootstrap servers and the cluster name, which need not exist in
/// any network. TLS and SASL, when they are configured, run over the stream it returns.
pub trait Connector: Debug + Send + Sync {
    /// Opens a stream to the broker at this host and port.
    ///
    /// # Errors
    /// Whatever the system or the broker has against it; the client tries again as it would with TCP.
    ///
    /// # Cancel safety
    /// Must be safe: the future is dropped when the setup timeout of a connection passes.
    fn connect<'a>(&'a self, host: &'a str, port: u16) -> Connecting<'a>;
}
