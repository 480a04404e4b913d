//! `klamm broker`: an embedded broker for clients in any language.

use crate::args::Global;
use crate::connect::split_pair;
use crate::failure::{FAILED, Failure, USAGE};
use crate::fault::{self, Control};
use crate::places::{Place, Places};
use crate::secure::SecurityArgs;
use klamm::config::parse_properties;
use klamm_broker::{
    Admin, Broker, Builder, Durability, Effect, ListenerInfo, PropertiesError, Release,
    ServerProperties, SettingError,
};
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use tokio::signal::unix::{SignalKind, signal};

/// Where a broker listens unless it is told otherwise.
const DEFAULT_ADDRESS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9092);

/// Options of `broker`.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct BrokerArgs {
    /// Control a broker that runs
    #[command(subcommand)]
    control: Option<Control>,
    /// Where to listen, if not at 127.0.0.1:9092; port 0 takes any that is free. May be given several times, as in
    /// --listen 127.0.0.1:9092 --listen sasl_plaintext://127.0.0.1:9093
    #[arg(short, long, value_name = "[NAME://]HOST:PORT", value_parser = Place::<SocketAddr>::listen)]
    listen: Vec<Place<SocketAddr>>,
    /// What clients are told to connect to; without a name, those of the first listener
    #[arg(long, value_name = "[NAME://]HOST:PORT", value_parser = Place::<String>::advertised)]
    advertised: Vec<Place<String>>,
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
    /// Topics that shall exist, as name:partitions:replicas:cleanup.policy, separated by commas
    #[arg(short, long, value_delimiter = ',', value_name = "NAME[:PARTITIONS]")]
    topics: Vec<String>,
    /// Nodes that clients see, each on ports of its own
    #[arg(long, default_value_t = 1)]
    nodes: i32,
    /// Act as this release of Kafka: 2.8, 3.9, 4.0 or 4.3
    #[arg(long, value_name = "RELEASE")]
    as_version: Option<Release>,
    /// Serve health, metrics and control here, over HTTP; loopback only
    #[arg(long, value_name = "HOST:PORT")]
    admin: Option<SocketAddr>,
    /// Threads that serve connections; without it half as many as there are processors, for clients and the system's own
    /// part of the network need some too
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
    #[command(flatten)]
    security: SecurityArgs,
}

impl BrokerArgs {
    /// How many threads serve connections. With fewer of them fewer have to be woken for each record that is waited for.
    pub(crate) fn threads(&self) -> usize {
        let processors = || std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        self.threads.map_or_else(|| processors().div_ceil(2), NonZeroUsize::get)
    }
}

pub(crate) async fn run(global: &Global, mut args: BrokerArgs) -> Result<(), Failure> {
    match args.control.take() {
        Some(control) => fault::run(global, control).await,
        None => serve(global, args).await,
    }
}

async fn serve(global: &Global, args: BrokerArgs) -> Result<(), Failure> {
    let admin = args.admin;
    let mut properties = properties(global, &args)?;
    args.security.give(&mut properties)?;
    let places = Places::new(&args.listen, &args.advertised);
    places.name(&mut properties)?;
    let builder = builder(args, properties)?;
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

/// What properties say, and over it what options say.
fn builder(args: BrokerArgs, properties: ServerProperties) -> Result<Builder, Failure> {
    let builder = Broker::builder().listen(DEFAULT_ADDRESS).nodes(args.nodes);
    let wrong = |error: PropertiesError| Failure::new(USAGE, error.to_string());
    let builder = args.security.apply(properties.apply(builder).map_err(wrong)?);
    let mut builder = Places::new(&args.listen, &args.advertised).apply(builder);
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
    Ok(builder)
}

/// Settings from the environment, then a file, then `-X` and options, the later over the earlier.
fn properties(global: &Global, args: &BrokerArgs) -> Result<ServerProperties, Failure> {
    let mut properties = ServerProperties::new();
    let variables: Vec<(String, String)> = std::env::vars().collect();
    let variables = variables.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    for (name, effect) in properties.set_from_environment(variables) {
        match effect {
            // The environment is not only ours: what is not known may be another program's.
            Err(error @ SettingError::Unknown(_)) => eprintln!("from the environment: {error}"),
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
        let effect = properties.set(&name, &value);
        tell(&name, effect)?;
    }
    for topic in &args.topics {
        properties.topic(topic).map_err(|e| Failure::new(USAGE, format!("--topics: {e}")))?;
    }
    Ok(properties)
}

fn tell(name: &str, effect: Result<Effect, SettingError>) -> Result<(), Failure> {
    match effect {
        Ok(Effect::None(why)) => eprintln!("{name}: accepted, without effect: {why}"),
        Ok(_) => {}
        Err(error) => return Err(Failure::new(USAGE, error.to_string())),
    }
    Ok(())
}

/// The first line is for programs: it says where to connect. Other listeners have a line each, with name and protocol.
fn announce(broker: &Broker) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "listening on {}", broker.bootstrap())?;
    for ListenerInfo { name, security_protocol, bootstrap, .. } in broker.listeners().iter().skip(1)
    {
        match name == security_protocol {
            true => writeln!(out, "listening on {bootstrap} ({name})")?,
            false => writeln!(out, "listening on {bootstrap} ({name}, {security_protocol})")?,
        }
    }
    out.flush()?;
    eprintln!("{}", broker.safety());
    Ok(())
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
    use super::bytes;

    #[test]
    fn sizes_have_units() {
        assert_eq!(bytes("200MB"), Ok(200_000_000));
        assert_eq!(bytes("2 GiB"), Ok(2 << 30));
        assert_eq!(bytes("4096"), Ok(4096));
        assert!(bytes("").is_err() && bytes("0").is_err() && bytes("99999999TB").is_err());
    }
}
