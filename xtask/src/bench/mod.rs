//! `cargo xtask bench`: klamm beside its peers, on one broker, in one run.
//!
//! `clients` are the programs under `bench/` and how each is built, `workloads` what they are asked to do, `broker` the
//! real Kafka and its topics, `rounds` takes turns, `hot` measures klamm alone against the sink, and `table` makes
//! of it all what a person reads.

mod broker;
mod clients;
mod hot;
mod rounds;
mod table;
mod workloads;

use crate::failure::{Failure, Result};
use crate::flags::Flags;
use crate::place::Place;

const HELP: &str = "\
cargo xtask bench produce [--rounds 3] [--workloads a,b,c,d,a-lz4,c-lz4,f,g,hot] [--clients klamm,franz-go,…]
                          [--bootstrap HOST:PORT] [--scale 1.0]
     the same payloads through every client on one broker: in turns, so that a slow minute of the machine hits all
     of them. Prints a table per workload with rate and CPU per record (minimum, median, maximum) and keeps
     every line in a file under target/xtask/bench/. Without --bootstrap it starts a Kafka of its own, and stops it;
     workload g needs that one. --scale shortens or lengthens every run. A client that cannot
     be built is named and left out
";

/// Runs `cargo xtask bench` with `args`.
pub(crate) fn run(place: &Place, args: &[String]) -> Result<()> {
    let flags =
        Flags::parse(args, &["rounds", "workloads", "clients", "bootstrap", "scale"], &["help"])?;
    if flags.has("help") {
        print!("{HELP}");
        return Ok(());
    }
    match flags.words() {
        [word] if word == "produce" => produce(place, &flags),
        _ => Err(Failure::new(format!("which of these?\n\n{HELP}"))),
    }
}

fn produce(place: &Place, flags: &Flags) -> Result<()> {
    let rounds: u32 = flags.number("rounds", 3)?;
    let scale: f64 = flags.number("scale", 1.0)?;
    if !(0.0001..=100.0).contains(&scale) || !(1..=100).contains(&rounds) {
        return Err(Failure::new("--scale is 0.0001 to 100, --rounds 1 to 100"));
    }
    let (workloads, hot) = workloads::chosen(flags.value("workloads"))?;
    let clients = clients::chosen(flags.value("clients"))?;
    let built = clients::build(place, &clients, !workloads.is_empty())?;
    if !workloads.is_empty() {
        let slow = workloads.iter().any(|w| w.slow);
        let broker = broker::Broker::connect(place, flags.value("bootstrap"), slow)?;
        rounds::run(place, &broker, &workloads, &built, rounds, scale)?;
    }
    if hot {
        hot::run(place, rounds, scale)?;
    }
    Ok(())
}
