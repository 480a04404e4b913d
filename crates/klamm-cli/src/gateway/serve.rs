//! A gateway that runs until it is told to stop.

use crate::embedded::Embedded;
use crate::failure::{FAILED, Failure};
use klamm_broker::{Broker, Durability};
use klamm_gateway::config::GatewayConfig;
use klamm_gateway::{Ack, Gateway, Stopped};
use std::io::Write;
use std::path::Path;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The embedded broker's directory, within that of the gateway.
const BROKER_DIR: &str = "broker";

pub(super) async fn run(mut config: GatewayConfig) -> Result<(), Failure> {
    let mut end = End::new()?;
    // Lives for as long as the gateway sends to it.
    let _broker = match config.forward.client.has_bootstrap_servers() {
        true => None,
        false => Some(embedded(&mut config)?),
    };
    let (data, deadline) = (config.data.clone(), config.drain_timeout);
    let ack = config.topics.as_ref().map(|rules| rules.ack);
    let gateway = Gateway::start(config).await?;
    announce(&gateway, &data, ack)
        .map_err(|error| Failure::new(FAILED, format!("standard output: {error}")))?;
    end.told_meanwhile(|| gateway.reload()).await;
    eprintln!("stopping: what the log has goes to Kafka, for {} s at most", deadline.as_secs());
    let stopped = tokio::select! {
        stopped = gateway.stop(deadline) => stopped,
        () = end.told() => {
            eprintln!("stopped at once; what is not in Kafka is in {}", data.display());
            return Ok(());
        }
    };
    tell(stopped, &data);
    Ok(())
}

/// What ends the command, SIGTERM or Ctrl-C; SIGHUP has its files read again.
struct End {
    terminate: Signal,
    hang_up: Signal,
}

impl End {
    fn new() -> Result<Self, Failure> {
        let failed = |error| Failure::new(FAILED, format!("cannot wait for signals: {error}"));
        let terminate = signal(SignalKind::terminate()).map_err(failed)?;
        let hang_up = signal(SignalKind::hangup()).map_err(failed)?;
        Ok(Self { terminate, hang_up })
    }

    async fn told(&mut self) {
        self.told_meanwhile(|| ()).await;
    }

    async fn told_meanwhile(&mut self, reload: impl Fn()) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = tokio::signal::ctrl_c() => return,
                _ = self.hang_up.recv() => reload(),
            }
        }
    }
}

/// A broker in this process, on the disk beside the log: what was accepted outlives it.
fn embedded(config: &mut GatewayConfig) -> Result<Embedded, Failure> {
    let dir = config.data.join(BROKER_DIR);
    // The directory has to be the gateway's before something else is in it.
    klamm_gateway::claim(&config.data)?;
    let builder = Broker::builder().data(&dir).durability(Durability::Always);
    let broker = Embedded::run(builder)?;
    eprintln!(
        "no --bootstrap-server: a broker in this process, on {}, keeps everything in {}",
        broker.bootstrap(),
        dir.display()
    );
    let client = &mut config.forward.client;
    *client = client.clone().bootstrap_servers(broker.bootstrap());
    Ok(broker)
}

/// The first line is for programs: it says where to send.
fn announce(gateway: &Gateway, data: &Path, ack: Option<Ack>) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    let scheme = if gateway.is_tls() { "https" } else { "http" };
    writeln!(out, "listening on {scheme}://{}", gateway.address())?;
    out.flush()?;
    if let Some(address) = gateway.management() {
        eprintln!("health, metrics and status on http://{address}");
    }
    match ack {
        Some(Ack::Memory) => {
            eprintln!("MEMORY ONLY: what is answered with 202 is lost with this process");
        }
        _ => eprintln!(
            "what is answered with 202 is on the disk, in {}, until Kafka has it",
            data.display()
        ),
    }
    let opened = gateway.opened();
    eprintln!("log {}: {} records wait for Kafka", gateway.instance(), opened.records);
    if opened.lost > 0 {
        eprintln!("LOST: {} records that had been promised cannot be read", opened.lost);
    }
    for file in &opened.quarantined {
        eprintln!("set aside what is damaged: {}", data.join("wal").join(file).display());
    }
    if opened.cursor_lost {
        eprintln!("the cursor was lost: everything in the log goes to Kafka once more");
    }
    Ok(())
}

fn tell(stopped: Stopped, data: &Path) {
    if !stopped.answered {
        eprintln!("some requests were not answered in time");
    }
    match stopped.drained {
        true => eprintln!("stopped: everything that was accepted is in Kafka"),
        false => eprintln!(
            "stopped: {} records are in {} and go to Kafka when a gateway is started with it",
            stopped.left,
            data.display()
        ),
    }
}
