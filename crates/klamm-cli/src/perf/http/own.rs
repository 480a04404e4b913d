//! A gateway in this process, for a load that was given no address.

use super::target::Target;
use crate::embedded::Embedded;
use crate::failure::{DATA, FAILED, Failure};
use klamm::ClientConfig;
use klamm_gateway::Gateway;
use klamm_gateway::config::GatewayConfig;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// Where records go.
const TOPIC: &str = "perf";
/// How long the end may take.
const STOP: Duration = Duration::from_secs(10);

/// A gateway with a log in the directory for temporary files, before a Kafka that was named, or a broker in this process.
pub(super) struct Own {
    gateway: Gateway,
    data: PathBuf,
    /// Where its records can be read.
    pub(super) client: ClientConfig,
    _broker: Option<Embedded>,
}

impl Own {
    /// Starts it.
    pub(super) async fn start(client: ClientConfig) -> Result<Self, Failure> {
        let (client, broker) = match client.has_bootstrap_servers() {
            true => (client, None),
            false => {
                let broker = Embedded::start(TOPIC)?;
                (client.bootstrap_servers(broker.bootstrap()), Some(broker))
            }
        };
        let data = std::env::temp_dir().join(format!("klamm-perf-http-{}", std::process::id()));
        let mut config = GatewayConfig::default();
        config.listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        config.management = None;
        config.data.clone_from(&data);
        config.forward.client = client.clone();
        let failed = |e| Failure::new(FAILED, format!("no gateway in this process: {e}"));
        let gateway = Gateway::start(config).await.map_err(failed)?;
        let (address, log) = (gateway.address(), data.display());
        eprintln!("no URL: a gateway in this process on {address}, with its log in {log}");
        Ok(Self { gateway, data, client, _broker: broker })
    }

    /// Where to post.
    pub(super) fn target(&self) -> Result<Target, Failure> {
        let url = format!("http://{}/topics/{TOPIC}", self.gateway.address());
        url.parse().map_err(|why: String| Failure::new(FAILED, why))
    }

    /// Stops it, and removes its log unless something in it is not in Kafka.
    pub(super) async fn stop(self) -> Result<(), Failure> {
        let (stopped, data) = (self.gateway.stop(STOP).await, self.data.display());
        if !stopped.drained {
            let left = stopped.left;
            return Err(Failure::new(
                DATA,
                format!("{left} records are not in Kafka, but in {data}"),
            ));
        }
        let failed = |e| Failure::new(DATA, format!("{data}: {e}"));
        std::fs::remove_dir_all(&self.data).map_err(failed)
    }
}
