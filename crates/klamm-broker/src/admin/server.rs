//! The HTTP server: who may connect, how long they may take, how much they may send.

use super::reply::{Problem, Reply};
use super::routes;
use crate::controls::Controls;
use hyper::body::Incoming;
use hyper::header::ORIGIN;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Connections at a time.
const MAX_CONNECTIONS: usize = 64;

/// How long the head of a request may take, and how long a connection may be idle.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// After a failed accept the server waits so long.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(50);

/// Why there is no admin address.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdminError {
    /// Whoever reaches the address controls the broker.
    #[error(
        "the admin address {0} is not on the loopback interface, and whoever reaches it controls the broker; use 127.0.0.1"
    )]
    NotLoopback(SocketAddr),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// What was asked for.
        address: SocketAddr,
        /// The system's reason.
        source: io::Error,
    },
}

/// The admin address of a broker; dropping it closes it.
#[derive(Debug)]
pub struct Admin {
    address: SocketAddr,
    /// Ends its task when it is dropped.
    _server: JoinSet<()>,
}

impl Admin {
    /// Listens on a loopback address; port 0 takes any that is free.
    ///
    /// # Errors
    /// [`AdminError`].
    pub async fn start(address: SocketAddr, controls: Controls) -> Result<Self, AdminError> {
        if !address.ip().is_loopback() {
            return Err(AdminError::NotLoopback(address));
        }
        let failed = |source| AdminError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let mut server = JoinSet::new();
        server.spawn(accept(listener, controls));
        Ok(Self { address, _server: server })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

async fn accept(listener: TcpListener, controls: Controls) {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let Ok(place) = places.clone().acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let serve = serve(stream, controls.clone());
                connections.spawn(async move { (serve.await, drop(place)) });
            }
            Err(error) => {
                tracing::warn!(%error, "the admin address cannot accept connections");
                tokio::time::sleep(ACCEPT_BACKOFF).await;
            }
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn serve(stream: TcpStream, controls: Controls) {
    let service = service_fn(move |request| answer(request, controls.clone()));
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "an admin connection ended");
    }
}

async fn answer(request: Request<Incoming>, controls: Controls) -> Result<Reply, Infallible> {
    // Set by browsers for pages of other sites, which have no business here.
    let answered = match request.headers().contains_key(ORIGIN) {
        true => Err(Problem::new(StatusCode::FORBIDDEN, "pages in browsers are not served")),
        false => routes::answer(request, &controls).await,
    };
    Ok(answered.unwrap_or_else(|problem| problem.reply()))
}
