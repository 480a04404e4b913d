//! `klamm gateway`: HTTP in front of Kafka.

mod dlq;
mod key;
mod key_file;
mod serve;
mod wal;

use crate::args::Global;
use crate::connect::split_pair;
use crate::deferred::Deferred;
use crate::failure::{FAILED, Failure, UNREACHABLE, USAGE};
use klamm::ConfigError;
use klamm::config::{Note, parse_properties, set};
use klamm_gateway::config::GatewayConfig;
use klamm_gateway::{Ack, GatewayError};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Options of `gateway`.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct GatewayArgs {
    #[command(subcommand)]
    part: Option<Part>,
    /// A TOML file; docs/gateway.md lists what it may say. Options stand above it
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where to serve HTTP, if not at 127.0.0.1:8080; port 0 takes any that is free
    #[arg(short, long, value_name = "HOST:PORT")]
    listen: Option<SocketAddr>,
    /// The directory of the log, if not klamm-gateway
    #[arg(short, long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Where to serve health, metrics and the status page, if not at 127.0.0.1:8081; none for nowhere
    #[arg(long, value_name = "HOST:PORT", value_parser = management)]
    management: Option<Management>,
    /// When a request is answered: wal (its records are on the disk), kafka, or memory (they are lost with the process)
    #[arg(long, value_name = "MODE")]
    ack: Option<Ack>,
}

#[derive(Debug, clap::Subcommand)]
enum Part {
    /// Look at records that Kafka would not take, or send them where they belong once more
    #[command(subcommand)]
    Dlq(Deferred<dlq::Dlq>),
    /// Make, list and revoke API keys and passwords
    Key(Deferred<key::KeyArgs>),
    /// Look at the log of a gateway, or send on what it has
    #[command(subcommand)]
    Wal(Deferred<wal::Wal>),
}

/// An address, or none.
#[derive(Debug, Clone, Copy)]
struct Management(Option<SocketAddr>);

fn management(text: &str) -> Result<Management, String> {
    if text == "none" {
        return Ok(Management(None));
    }
    let address = text.parse().map_err(|_| "not an IP address and a port, or none".to_owned())?;
    Ok(Management(Some(address)))
}

pub(crate) async fn run(global: &Global, mut args: GatewayArgs) -> Result<(), Failure> {
    match args.part.take() {
        Some(Part::Dlq(command)) => dlq::run(global, command.into_inner()).await,
        Some(Part::Key(args)) => key::run(global, args.into_inner()),
        Some(Part::Wal(command)) => wal::run(global, command.into_inner()).await,
        None => serve::run(config(global, args)?).await,
    }
}

/// What the file says, and over it what options say.
fn config(global: &Global, args: GatewayArgs) -> Result<GatewayConfig, Failure> {
    let mut config = GatewayConfig::default();
    if let Some(path) = &args.config {
        let text = read(path)?;
        let wrong = |error| Failure::new(USAGE, format!("{}: {error}", path.display()));
        config.read_toml(&text).map_err(wrong)?;
    }
    kafka(global, &mut config)?;
    config.listen = args.listen.unwrap_or(config.listen);
    config.data = args.data.unwrap_or(config.data);
    if let Some(Management(address)) = args.management {
        config.management = address;
    }
    if let (Some(ack), Some(rules)) = (args.ack, &mut config.topics) {
        rules.ack = ack;
    }
    Ok(config)
}

/// The client's settings from its file, `-X` and `-b`, the later over the earlier.
fn kafka(global: &Global, config: &mut GatewayConfig) -> Result<(), Failure> {
    let mut pairs = Vec::new();
    if let Some(path) = &global.command_config {
        pairs.extend(parse_properties(&read(path)?));
    }
    for pair in &global.settings {
        let (name, value) = split_pair(pair)?;
        pairs.push((name.to_owned(), value.to_owned()));
    }
    let servers = global.bootstrap_server.iter().cloned();
    pairs.extend(servers.map(|servers| ("bootstrap.servers".to_owned(), servers)));
    let forward = &mut config.forward;
    for (name, value) in pairs {
        let taken: Result<Note, ConfigError> =
            set(&mut forward.client, &mut forward.producer, &name, &value);
        if let Note::NoEffect(why) = taken? {
            tracing::info!(setting = %name, "has no effect: {why}");
        }
    }
    Ok(())
}

fn read(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path)
        .map_err(|error| Failure::new(USAGE, format!("{}: {error}", path.display())))
}

impl From<GatewayError> for Failure {
    fn from(error: GatewayError) -> Self {
        let status = match &error {
            GatewayError::NoKafka => UNREACHABLE,
            GatewayError::Public(_)
            | GatewayError::Route(_)
            | GatewayError::Guard(_)
            | GatewayError::Tls(_) => USAGE,
            _ => FAILED,
        };
        Failure::new(status, error.to_string())
    }
}
