//! `cargo xtask kafka …`: the commands over a cluster.

use super::artifacts::Artifacts;
use super::cluster::Cluster;
use super::spec::{Spec, Version, setting};
use crate::failure::{Doing, Failure, Result};
use crate::flags::Flags;
use crate::place::Place;
use crate::process;

const HELP: &str = "\
cargo xtask kafka up [--brokers N] [--version V] [--secure] [--name NAME] [--port-base P]
                     [--heap 512m] [--slow-advertised PORT] [--reauth-ms MS] [--set name=value]…
                               a fresh cluster; the last line printed is bootstrap=…
cargo xtask kafka down [--name NAME | --all]
cargo xtask kafka status [--name NAME]
cargo xtask kafka kill|pause|resume|start --node N [--name NAME]
                               SIGKILL, SIGSTOP, SIGCONT to one broker, or start it on the data it has
cargo xtask kafka run [--version V] CLASS -- ARGS…
                               one of Kafka's own tools, e.g. org.apache.kafka.tools.TopicCommand
";

/// Runs `cargo xtask kafka` with `args`.
pub(crate) fn run(place: &Place, args: &[String]) -> Result<()> {
    let flags = Flags::with_words(
        args,
        &[
            "brokers",
            "version",
            "name",
            "port-base",
            "heap",
            "slow-advertised",
            "reauth-ms",
            "set",
            "node",
        ],
        &["secure", "all", "help"],
    )?;
    if flags.has("help") {
        print!("{HELP}");
        return Ok(());
    }
    let name = flags.value("name").unwrap_or("default");
    match flags.words().first().map(String::as_str) {
        Some("up") => up(place, spec(&flags)?),
        Some("down") if flags.has("all") => {
            Cluster::names(place)?.iter().try_for_each(|name| Cluster::open(place, name)?.down())
        }
        Some("down") => Cluster::open(place, name)?.down(),
        Some("status") => status(place, flags.value("name")),
        Some(verb @ ("kill" | "pause" | "resume" | "start")) => {
            one_node(&Cluster::open(place, name)?, verb, flags.number("node", 1)?)
        }
        Some("run") => tool(place, &flags),
        _ => Err(Failure::new(format!("which of these?\n\n{HELP}"))),
    }
}

fn spec(flags: &Flags) -> Result<Spec> {
    let default = Spec::default();
    let slow = flags.value("slow-advertised");
    Ok(Spec {
        name: flags.value("name").unwrap_or(&default.name).to_owned(),
        brokers: flags.number("brokers", default.brokers)?,
        version: flags.number("version", default.version)?,
        port_base: flags.number("port-base", default.port_base)?,
        heap: flags.value("heap").unwrap_or(&default.heap).to_owned(),
        secure: flags.has("secure"),
        slow_advertised: slow.map(|port| port.parse().doing("--slow-advertised")).transpose()?,
        reauth_ms: flags.number("reauth-ms", default.reauth_ms)?,
        settings: flags.all("set").map(setting).collect::<Result<_>>()?,
    })
}

fn up(place: &Place, spec: Spec) -> Result<()> {
    let cluster = Cluster::up(place, spec)?;
    eprintln!(
        "Kafka {} with {} broker(s) answers; its files: {}",
        cluster.spec().version,
        cluster.spec().brokers,
        cluster.home().display()
    );
    print_facts(&cluster);
    Ok(())
}

fn print_facts(cluster: &Cluster) {
    for (name, value) in cluster.facts() {
        println!("{name}={value}");
    }
}

fn status(place: &Place, only: Option<&str>) -> Result<()> {
    let names = match only {
        Some(name) => vec![name.to_owned()],
        None => Cluster::names(place)?,
    };
    for name in names {
        let cluster = Cluster::open(place, &name)?;
        let running: Vec<&str> = cluster.running().map(super::node::Node::name).collect();
        let state = if running.is_empty() { "down".to_owned() } else { running.join(" ") };
        println!("{name}: Kafka {}: {state}", cluster.spec().version);
        if !running.is_empty() {
            print_facts(&cluster);
        }
    }
    Ok(())
}

fn one_node(cluster: &Cluster, verb: &str, id: u16) -> Result<()> {
    match verb {
        "kill" => cluster.node(id)?.kill(),
        "pause" => cluster.node(id)?.pause(),
        "resume" => cluster.node(id)?.resume(),
        _ => {
            cluster.start(id)?;
            cluster.wait_ready()
        }
    }
}

fn tool(place: &Place, flags: &Flags) -> Result<()> {
    let (class, args) = flags.words()[1..]
        .split_first()
        .ok_or_else(|| Failure::new("run needs the name of a class"))?;
    let version = flags.number("version", Version::DEFAULT)?;
    let artifacts = Artifacts::fetch(place, &version)?;
    process::run(artifacts.java().arg(class).args(args))
}
