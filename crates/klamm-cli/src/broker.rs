//! `klamm broker`: an embedded broker for clients in any language.

use crate::args::Global;
use crate::connect::split_pair;
use crate::failure::{FAILED, Failure, USAGE};
use crate::fault::{self, Control};
use crate::secure::SecurityArgs;
use klamm::config::parse_properties;
use klamm_broker::{
    Admin, Broker, BrokerConfig, Builder, Durability, Effect, Release, SettingError,
};
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use tokio::signal::unix::{SignalKind, signal};

/// Options of `broker`.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct BrokerArgs {
    /// Control a broker that runs
    #[command(subcommand)]
    control: Option<Control>,
    /// Where to listen; port 0 takes any that is free
    #[arg(short, long, default_value = "127.0.0.1:9092", value_name = "HOST:PORT")]
    listen: SocketAddr,
    /// What clients are told to connect to
    #[arg(long, value_name = "HOST:PORT")]
    advertised: Option<String>,
    /// Keep everything in this directory; without it, in memory
    #[arg(short, long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// When a record counts as safe: memory, os, interval=MS or always
    #[arg(long, value_name = "MODE")]
    durability: Option<Durability>,
    /// Let the oldest records go when all of them take more than this, as 200MB or 2GiB
    #[arg(long, value_name = "SIZE", value_parser = bytes)]
    max_disk: Option<u64>,
    /// A server.properties file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Topics that shall exist, as name:partitions, separated by commas
    #[arg(short, long, value_delimiter = ',', value_name = "NAME[:PARTITIONS]")]
    topics: Vec<String>,
    /// Nodes that clients see, each on a port of its own
    #[arg(long, default_value_t = 1)]
    nodes: i32,
    /// Act as this release of Kafka: 2.8, 3.9, 4.0 or 4.3
    #[arg(long, value_name = "RELEASE")]
    as_version: Option<Release>,
    /// Serve health, metrics and control here, over HTTP; loopback only
    #[arg(long, value_name = "HOST:PORT")]
    admin: Option<SocketAddr>,
    #[command(flatten)]
    security: SecurityArgs,
}

pub(crate) async fn run(global: &Global, mut args: BrokerArgs) -> Result<(), Failure> {
    match args.control.take() {
        Some(control) => fault::run(global, control).await,
        None => serve(global, args).await,
    }
}

async fn serve(global: &Global, args: BrokerArgs) -> Result<(), Failure> {
    let (config, admin) = (config(global, &args)?, args.admin);
    let builder = builder(args)?.config(config);
    let mut terminate = signal(SignalKind::terminate())
        .map_err(|e| Failure::new(FAILED, format!("cannot wait for SIGTERM: {e}")))?;
    let broker = builder.start().await.map_err(|e| Failure::new(FAILED, e.to_string()))?;
    let _admin = match admin {
        Some(address) => Some(admin_address(&broker, address).await?),
        None => None,
    };
    announce(&broker).map_err(|e| Failure::new(FAILED, format!("standard output: {e}")))?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    let stopped = broker.stop().await;
    stopped.map_err(|e| Failure::new(FAILED, format!("not everything could be written out: {e}")))
}

/// Opens the admin address and says where it is.
async fn admin_address(broker: &Broker, address: SocketAddr) -> Result<Admin, Failure> {
    let admin = Admin::start(address, broker.controls().clone()).await;
    let admin = admin.map_err(|e| Failure::new(FAILED, e.to_string()))?;
    eprintln!("admin address http://{}", admin.address());
    Ok(admin)
}

fn builder(args: BrokerArgs) -> Result<Builder, Failure> {
    let builder = Broker::builder().listen(args.listen).nodes(args.nodes);
    let mut builder = args.security.apply(builder)?;
    if let Some(advertised) = &args.advertised {
        let (host, port) = host_port(advertised)?;
        builder = builder.advertised(host, port);
    }
    if args.admin.is_none() {
        // Nobody could ask for them.
        builder = builder.request_log(0);
    }
    if let Some(release) = args.as_version {
        builder = builder.release(release);
    }
    if let Some(dir) = args.data {
        builder = builder.data(dir);
    }
    if let Some(durability) = args.durability {
        builder = builder.durability(durability);
    }
    // `name:partitions:replicas` is the form of container images.
    let from_images = std::env::var("KAFKA_CREATE_TOPICS").unwrap_or_default();
    let from_images = from_images.split([',', '\n']).filter(|topic| !topic.trim().is_empty());
    for topic in args.topics.iter().map(String::as_str).chain(from_images) {
        let (name, partitions) = topic_spec(topic.trim())?;
        builder = builder.topic(name, partitions);
    }
    Ok(builder)
}

/// Settings from the environment, then a file, then `-X`, the later over the earlier.
fn config(global: &Global, args: &BrokerArgs) -> Result<BrokerConfig, Failure> {
    let mut config = BrokerConfig::default();
    let variables: Vec<(String, String)> = std::env::vars().collect();
    let variables = variables.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    for (name, effect) in config.set_from_environment(variables) {
        match effect {
            // The environment is not only ours: what is not known may be another program's.
            Err(SettingError::Unknown(_)) => {
                eprintln!("{name}: not a setting of this broker, from the environment")
            }
            effect => tell(&name, effect)?,
        }
    }
    let mut pairs = Vec::new();
    if let Some(path) = &args.config {
        let text = std::fs::read_to_string(path)
            .map_err(|e| Failure::new(USAGE, format!("{}: {e}", path.display())))?;
        pairs.extend(parse_properties(&text));
    }
    for pair in &global.settings {
        let (name, value) = split_pair(pair)?;
        pairs.push((name.to_owned(), value.to_owned()));
    }
    if let Some(cap) = args.max_disk {
        pairs.push(("klamm.disk.max.bytes".to_owned(), cap.to_string()));
    }
    for (name, value) in pairs {
        let effect = config.set(&name, &value);
        tell(&name, effect)?;
    }
    Ok(config)
}

fn tell(name: &str, effect: Result<Effect, SettingError>) -> Result<(), Failure> {
    match effect {
        Ok(Effect::None(why)) => eprintln!("{name}: accepted, without effect: {why}"),
        Ok(_) => {}
        Err(error) => return Err(Failure::new(USAGE, error.to_string())),
    }
    Ok(())
}

/// The first line is for programs: it says where to connect.
fn announce(broker: &Broker) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "listening on {}", broker.bootstrap())?;
    out.flush()?;
    eprintln!("{}", broker.safety());
    Ok(())
}

fn host_port(text: &str) -> Result<(&str, u16), Failure> {
    let wrong = || Failure::new(USAGE, format!("--advertised {text:?} is not HOST:PORT"));
    let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
    Ok((host, port.parse().map_err(|_| wrong())?))
}

fn topic_spec(text: &str) -> Result<(&str, i32), Failure> {
    let Some((name, rest)) = text.split_once(':') else { return Ok((text, 1)) };
    let partitions = rest.split(':').next().unwrap_or_default();
    let partitions = partitions.parse().ok().filter(|&n: &i32| n > 0);
    let partitions = partitions
        .ok_or_else(|| Failure::new(USAGE, format!("--topics {text:?} is not NAME:PARTITIONS")))?;
    Ok((name, partitions))
}

/// Reads `200MB`, `2GiB` or a number of bytes.
fn bytes(text: &str) -> Result<u64, String> {
    const UNITS: [(&str, u64); 8] = [
        ("KiB", 1 << 10),
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
        ("TiB", 1 << 40),
        ("KB", 1_000),
        ("MB", 1_000_000),
        ("GB", 1_000_000_000),
        ("TB", 1_000_000_000_000),
    ];
    let unit = UNITS.iter().find_map(|(name, unit)| Some((text.strip_suffix(name)?, *unit)));
    let (number, unit) = unit.unwrap_or((text.strip_suffix('B').unwrap_or(text), 1));
    let number: u64 =
        number.trim().parse().map_err(|_| "not a size such as 200MB or 2GiB".to_owned())?;
    number
        .checked_mul(unit)
        .filter(|&bytes| bytes > 0)
        .ok_or_else(|| "not a possible size".to_owned())
}

#[cfg(test)]
mod tests {
    use super::{bytes, topic_spec};

    #[test]
    fn sizes_have_units() {
        assert_eq!(bytes("200MB"), Ok(200_000_000));
        assert_eq!(bytes("2 GiB"), Ok(2 << 30));
        assert_eq!(bytes("4096"), Ok(4096));
        assert!(bytes("").is_err() && bytes("0").is_err() && bytes("99999999TB").is_err());
    }

    #[test]
    fn topics_come_in_the_forms_of_container_images() {
        assert_eq!(topic_spec("a").ok(), Some(("a", 1)));
        assert_eq!(topic_spec("a:50").ok(), Some(("a", 50)));
        assert_eq!(topic_spec("a:50:2").ok(), Some(("a", 50)));
        assert!(topic_spec("a:x").is_err());
    }
}
