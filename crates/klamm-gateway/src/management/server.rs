//! The server: how many may connect, and how long they may take.

use super::observed::Observe;
use super::pages::{self, Site};
use super::status::SAMPLE_EVERY;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};

/// Connections at a time; more are not accepted until one ends.
const MAX_CONNECTIONS: usize = 64;

/// How long the head of a request may take, and how long a connection may be idle.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a connection lasts, however busy it is: a client that reads nothing cannot keep its place.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(600);

/// After a failed accept the server waits so long.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(50);

/// Bytes of a request's head, which all there is in a request.
const HEAD_BYTES: usize = 16 * 1024;

/// The management address of a gateway; dropping it closes it.
///
/// It only shows: whoever reaches it can change nothing, but sees names of routes and what went wrong lately. It answers while
/// the gateway starts and stops, so that probes can be told so.
#[derive(Debug)]
pub struct Management {
    address: SocketAddr,
    /// Ends its tasks when it is dropped.
    _server: JoinSet<()>,
}

impl Management {
    /// Listens; port 0 takes any that is free. Runs on the runtime it is called on.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub async fn start(address: SocketAddr, gateway: impl Observe) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let mut server = JoinSet::new();
        let site = Arc::new(Site::new(gateway));
        server.spawn(sample(site.clone()));
        server.spawn(accept(listener, site));
        Ok(Self { address, _server: server })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Keeps the last minutes for the page's charts.
async fn sample(site: Arc<Site>) {
    let mut ticks = interval(SAMPLE_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        ticks.tick().await;
        site.sample();
    }
}

async fn accept(listener: TcpListener, site: Arc<Site>) {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let Ok(place) = places.clone().acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let serve = timeout(CONNECTION_TIMEOUT, serve(stream, site.clone()));
                connections.spawn(async move { (serve.await, drop(place)) });
            }
            Err(error) => {
                tracing::warn!(%error, "the management address cannot accept connections");
                tokio::time::sleep(ACCEPT_BACKOFF).await;
            }
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn serve(stream: TcpStream, site: Arc<Site>) {
    let service = service_fn(move |request: Request<Incoming>| {
        let page = pages::answer(request.method(), request.uri().path(), &site);
        async { Ok::<_, Infallible>(page) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "a management connection ended");
    }
}
