//! A gateway that runs.

use super::error::GatewayError;
use super::observe::{Parts, Shared};
use crate::config::GatewayConfig;
use crate::dead_letter;
use crate::events::Readers;
use crate::forward::{ForwardConfig, Forwarder};
use crate::guard::{Access, Guard};
use crate::http::{Server, Service};
use crate::management::{Management, Phase};
use crate::route::{Route, Routes};
use crate::tls::Acceptor;
use crate::wal::{Opened, Wal, WalConfig, WalReader};
use klamm_log::storage::{FileStorage, Storage};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::time::Instant;

/// HTTP in front of Kafka, on the runtime it was started on.
///
/// What it has answered with 202 is in its log, on the disk, and reaches Kafka: after a crash, an outage or a stop by the
/// next gateway that is started with the same directory. Dropped, it stops at once; [`Gateway::stop`] is the orderly way.
#[derive(Debug)]
pub struct Gateway {
    address: SocketAddr,
    management: Option<Management>,
    shared: Arc<Shared>,
    parts: Arc<Parts>,
    opened: Opened,
}

/// What a stop came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stopped {
    /// Every request that was open was answered.
    pub answered: bool,
    /// Everything that the log had is in Kafka or with the dead letters.
    pub drained: bool,
    /// Records that stay in the log, for the next start.
    pub left: u64,
}

impl Gateway {
    /// Starts one. Kafka need not be there: requests are taken, and wait for it in the log.
    ///
    /// The management address answers first, so that probes can be told that the log is being read.
    ///
    /// # Errors
    /// [`GatewayError`]; nothing runs then.
    pub async fn start(config: GatewayConfig) -> Result<Self, GatewayError> {
        if !config.forward.client.has_bootstrap_servers() {
            return Err(GatewayError::NoKafka);
        }
        let guard = guard(&config)?;
        let readers = config
            .can_read()
            .then(|| Readers::new(config.forward.client.clone(), config.events.clone()));
        let tls = config.tls.map(Acceptor::start).transpose()?;
        let routes = Routes::new(config.routes, config.topics).map_err(|(_, error)| error)?;
        let listener = TcpListener::bind(config.listen).await;
        let listener = listener.map_err(|error| GatewayError::listen(config.listen, error))?;
        let shared = Arc::new(Shared::default());
        let management = match config.management {
            Some(address) => Some(management(address, shared.clone()).await?),
            None => None,
        };
        let (wal, forwarder, opened) = forwarding(config.data, config.wal, config.forward).await?;
        let mut service = Service::new(wal.clone(), forwarder.outcomes());
        (service.guard, service.routes) = (guard.clone(), routes);
        service.tls.clone_from(&tls);
        (service.asking, service.limits) = (config.asking, config.limits);
        service.readers = readers;
        service.unlogged = Some(forwarder.unlogged());
        service.partitions = Some(forwarder.partitions());
        let http = Server::start(listener, service)
            .map_err(|error| GatewayError::listen(config.listen, error))?;
        let address = http.address();
        let parts = Arc::new(Parts { wal, forwarder, http, guard, tls });
        shared.serve(parts.clone());
        Ok(Self { address, management, shared, parts, opened })
    }

    /// Where HTTP is served.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether it is served over TLS.
    pub fn is_tls(&self) -> bool {
        self.parts.tls.is_some()
    }

    /// Reads certificates, keys and passwords again soon, without waiting for their next turn; those that are wrong change
    /// nothing, and readiness says so.
    pub fn reload(&self) {
        self.parts.guard.reload();
        if let Some(tls) = &self.parts.tls {
            tls.reload();
        }
    }

    /// Where health, metrics and the status page are.
    pub fn management(&self) -> Option<SocketAddr> {
        self.management.as_ref().map(Management::address)
    }

    /// What was in the log when it was opened.
    pub fn opened(&self) -> &Opened {
        &self.opened
    }

    /// The id of the log, which is in the header `klamm-id` of every record.
    pub fn instance(&self) -> &str {
        self.parts.wal.instance()
    }

    /// Stops in order: readiness turns false; no more connections; open requests are answered; the log takes nothing more;
    /// what it has goes to Kafka until `deadline` has passed in all. The rest stays in the log.
    pub async fn stop(self, deadline: Duration) -> Stopped {
        let end = Instant::now() + deadline;
        self.shared.enter(Phase::Draining);
        let answered = self.parts.http.drain(deadline).await;
        let left = end.saturating_duration_since(Instant::now());
        let drained = self.parts.forwarder.drain(left).await;
        self.shared.end();
        let wal = self.parts.wal.clone();
        if let Some(parts) = Arc::into_inner(self.parts) {
            parts.forwarder.close().await;
        }
        wal.close().await;
        let left = if drained { 0 } else { wal.state().records };
        Stopped { answered, drained, left }
    }
}

fn guard(config: &GatewayConfig) -> Result<Guard, GatewayError> {
    let public = !config.listen.ip().to_canonical().is_loopback();
    if public && config.tls.is_none() {
        tracing::warn!(
            address = %config.listen,
            "without [tls], keys and bodies can be read on their way, unless something in front of the gateway speaks TLS"
        );
    }
    if public && open_to_all(config) {
        if !config.public {
            return Err(GatewayError::Public(config.listen));
        }
        tracing::warn!(address = %config.listen, "anybody who reaches this address may write to Kafka");
    }
    Ok(Guard::start(config.guard.clone())?)
}

/// Whether there are paths on which nobody has to prove anything, and no route says that this is meant.
fn open_to_all(config: &GatewayConfig) -> bool {
    let guard = &config.guard;
    let says = |route: &Route| {
        let mut own = guard.routes.iter().filter(|own| *own.route == *route.rules().name);
        own.any(|own| !matches!(own.access, Access::Known))
    };
    !guard.asks() && (config.topics.is_some() || !config.routes.iter().all(says))
}

/// Makes a directory that of a gateway, so that there may be something else in it beside the log.
///
/// # Errors
/// It is in use, somebody else's, or cannot be made.
pub fn claim(data: &Path) -> Result<(), GatewayError> {
    FileStorage::open(data).map(drop)?;
    Ok(())
}

async fn management(address: SocketAddr, shared: Arc<Shared>) -> Result<Management, GatewayError> {
    let started = Management::start(address, move || shared.observe()).await;
    started.map_err(|error| GatewayError::listen(address, error))
}

/// Opens the log of a directory and sends on what it has; what Kafka refuses for good goes to a file beside it unless
/// another one is named.
pub(super) async fn forwarding(
    data: PathBuf,
    wal: WalConfig,
    mut forward: ForwardConfig,
) -> Result<(Wal, Forwarder, Opened), GatewayError> {
    forward.dead_letters.file.get_or_insert_with(|| data.join(dead_letter::FILE_NAME));
    let (wal, reader, opened) = open(data, wal).await?;
    let forwarder = Forwarder::start(wal.clone(), reader, forward);
    Ok((wal, forwarder, opened))
}

/// Opens the log where it keeps nobody waiting: a long one takes its time to read.
async fn open(data: PathBuf, config: WalConfig) -> Result<(Wal, WalReader, Opened), GatewayError> {
    let opening = tokio::task::spawn_blocking(move || {
        let storage: Arc<dyn Storage> = Arc::new(FileStorage::open(data)?);
        Ok(Wal::open(storage, config)?)
    });
    opening.await.unwrap_or_else(|error| Err(GatewayError::Interrupted(error.to_string())))
}

#[cfg(test)]
mod tests {
    use super::{GatewayConfig, open_to_all};

    #[test]
    fn open_is_what_nobody_has_to_prove_anything_for() {
        let route = "[[route]]\npath = \"/a\"\ntopic = \"a\"\n";
        let off = "[topics]\nenabled = false\n";
        let signed = "signature = { scheme = \"github\", secret = \"s\" }\n";
        for (text, open) in [
            (String::new(), true),
            (off.to_owned(), false),
            (format!("{off}{route}"), true),
            (format!("{off}{route}access = \"known\"\n"), true),
            (format!("{off}{route}access = \"everyone\"\n"), false),
            (format!("{off}{route}{signed}"), false),
            (format!("{route}{signed}"), true),
            ("[auth]\ncredentials = \"keys\"".to_owned(), false),
            ("[auth]\nanonymous = [\"a\"]".to_owned(), true),
            ("[tls]\ncertificate = \"a\"\nkey = \"b\"".to_owned(), true),
            ("[tls]\ncertificate = \"a\"\nkey = \"b\"\nclient_ca = \"c\"".to_owned(), false),
        ] {
            assert_eq!(open_to_all(&GatewayConfig::from_toml(&text).unwrap()), open, "{text}");
        }
    }
}
