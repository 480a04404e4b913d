//! `klamm broker`: an embedded broker for clients in any language.

use crate::failure::{FAILED, Failure, USAGE};
use klamm_broker::{Broker, Release};
use std::io::Write;
use std::net::SocketAddr;
use tokio::signal::unix::{SignalKind, signal};

/// Options of `broker`.
#[derive(Debug, clap::Args)]
pub(crate) struct BrokerArgs {
    /// Where to listen; port 0 takes any that is free
    #[arg(short, long, default_value = "127.0.0.1:9092", value_name = "HOST:PORT")]
    listen: SocketAddr,
    /// What clients are told to connect to
    #[arg(long, value_name = "HOST:PORT")]
    advertised: Option<String>,
    /// Topics that shall exist, as name:partitions, separated by commas
    #[arg(short, long, value_delimiter = ',', value_name = "NAME[:PARTITIONS]")]
    topics: Vec<String>,
    /// Nodes that clients see, each on a port of its own
    #[arg(long, default_value_t = 1)]
    nodes: i32,
    /// Act as this release of Kafka: 2.8, 3.9, 4.0 or 4.3
    #[arg(long, value_name = "RELEASE")]
    as_version: Option<Release>,
}

pub(crate) async fn run(args: BrokerArgs) -> Result<(), Failure> {
    let mut builder = Broker::builder().listen(args.listen).nodes(args.nodes);
    if let Some(advertised) = &args.advertised {
        let (host, port) = host_port(advertised)?;
        builder = builder.advertised(host, port);
    }
    if let Some(release) = args.as_version {
        builder = builder.release(release);
    }
    for topic in &args.topics {
        let (name, partitions) = topic_spec(topic)?;
        builder = builder.topic(name, partitions);
    }
    let mut terminate = signal(SignalKind::terminate())
        .map_err(|e| Failure::new(FAILED, format!("cannot wait for SIGTERM: {e}")))?;
    let broker = builder.start().await.map_err(|e| Failure::new(FAILED, e.to_string()))?;
    announce(&broker).map_err(|e| Failure::new(FAILED, format!("standard output: {e}")))?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    broker.stop().await;
    Ok(())
}

/// The first line is for programs: it says where to connect.
fn announce(broker: &Broker) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "listening on {}", broker.bootstrap())?;
    out.flush()
}

fn host_port(text: &str) -> Result<(&str, u16), Failure> {
    let wrong = || Failure::new(USAGE, format!("--advertised {text:?} is not HOST:PORT"));
    let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
    Ok((host, port.parse().map_err(|_| wrong())?))
}

fn topic_spec(text: &str) -> Result<(&str, i32), Failure> {
    let Some((name, partitions)) = text.split_once(':') else { return Ok((text, 1)) };
    let partitions = partitions.parse().ok().filter(|&n: &i32| n > 0);
    let partitions = partitions
        .ok_or_else(|| Failure::new(USAGE, format!("--topics {text:?} is not NAME:PARTITIONS")))?;
    Ok((name, partitions))
}
