//! `cargo xtask bench`: klamm beside its peers, on one broker, in one run.
//!
//! `clients` are the programs under `bench/` and how each is built, `workloads` what they are asked to do, `broker` the
//! real Kafka and its topics, `rounds` takes turns, `consume` fills topics to be read, `hot` measures klamm alone against
//! the sink, `large` measures large messages, and `table` makes of it all what a person reads. `brokers` compares what is on
//! the other side, and `gateway` what stands before it.

mod broker;
mod brokers;
mod clients;
mod consume;
mod gateway;
mod hot;
mod large;
mod large_fanout;
mod rounds;
mod scratch;
mod stage;
mod table;
mod workloads;

pub(crate) use self::broker::Broker;
pub(crate) use self::brokers::usage;

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

cargo xtask bench consume [--rounds 3] [--workloads 100-1,100-50,1k-1,1k-50,100-1-lz4,100-50-lz4,1k-1-lz4,1k-50-lz4]
                          [--peers klamm,franz-go,…] [--bootstrap-server HOST:PORT | --sink] [--fill java:default]
                          [--records N] [--scale 1.0]
     the same topic read by every client in turns, by assignment, from its beginning: CPU per record first. --fill says who
     writes it, and so how large its batches are; --sink reads from memory of a small server instead of a Kafka

cargo xtask bench large [--rounds 3] [--workloads 3000x200k,1-to-5] [--peers klamm,franz-go,confluent-python,kafka-python,aiokafka]
                        [--bootstrap-server HOST:PORT | --on kafka|klamm] [--klamm PROGRAM] [--scale 1.0]
     messages of 200 KB as fast as they go, and messages of 100 to 500 KB from one producer to five consumers: wall and
     CPU of every process, time from send to poll. --on starts the broker, a Kafka unless it says klamm

cargo xtask bench broker [--rounds 3] [--scale 1.0] [--brokers klamm,klamm-data,kfake,kfake-data,kafka]
                         [--cases start,sync,sync-one,sync-client,ingest,ingest-on,fanout,confluent,replay] [--klamm PROGRAM] [--plain]
     the same load on klamm's broker, kfake and a real Kafka, in turns, with what each costs: CPU and memory of
     the broker's process. It starts and stops all of them; PROGRAM takes the place of the klamm that is
     otherwise built; --plain sends without a producer id where no client library is in between

cargo xtask bench gateway [--rounds 3] [--seconds 10] [--cases single,ndjson,lone,overload,restart]
                          [--peers klamm,hyper-noop,…] [--connections 64,256] [--backlog 10]
                          [--bootstrap-server HOST:PORT | --on kafka|klamm] [--klamm PROGRAM]
     the same requests of 230 bytes of JSON to every gateway, in turns, by `klamm perf http`: requests a second, latency, CPU
     per request of the gateway's process, and what of the accepted is in Kafka afterwards. --backlog is what the log has
     when it is started again, in GiB. PROGRAM is the klamm that is the gateway and puts on the load
";

/// Runs `cargo xtask bench` with `args`.
pub(crate) fn run(place: &Place, args: &[String]) -> Result<()> {
    let clients_only = ["workloads", "clients", "bootstrap", "peers", "bootstrap-server"];
    let consume_only = ["fill", "records"];
    let broker_only = ["brokers", "cases", "klamm"];
    let gateway_only = ["seconds", "connections", "backlog"];
    let shared = ["rounds", "scale", "on"];
    let known = [&shared[..], &clients_only, &consume_only, &broker_only, &gateway_only].concat();
    let flags = Flags::with_words(args, &known, &["help", "plain", "sink"])?;
    if flags.has("help") {
        print!("{HELP}");
        return Ok(());
    }
    if let [word] = flags.words()
        && word != "gateway"
    {
        refuse(&flags, word, &gateway_only)?;
    }
    match flags.words() {
        [word] if word == "gateway" => {
            let others = ["workloads", "clients", "brokers", "plain", "sink", "scale"];
            refuse(&flags, word, &[&consume_only[..], &others].concat())?;
            let (rounds, _) = extent(&flags)?;
            gateway::run(place, &flags, rounds)
        }
        [word] if word == "produce" => {
            let others = [&broker_only[..], &consume_only[..], &["plain", "sink", "on"]].concat();
            refuse(&flags, word, &others)?;
            produce(place, &flags)
        }
        [word] if word == "consume" => {
            refuse(&flags, word, &[&broker_only[..], &["plain", "on"]].concat())?;
            let (rounds, scale) = extent(&flags)?;
            consume::run(place, &flags, rounds, scale)
        }
        [word] if word == "large" => {
            let others = ["brokers", "cases", "plain", "sink"];
            refuse(&flags, word, &[&consume_only[..], &others].concat())?;
            let (rounds, scale) = extent(&flags)?;
            large::run(place, &flags, rounds, scale)
        }
        [word] if word == "broker" => {
            let others = [&clients_only[..], &consume_only[..], &["sink", "on"]].concat();
            refuse(&flags, word, &others)?;
            let (rounds, scale) = extent(&flags)?;
            brokers::run(place, &flags, rounds, scale)
        }
        _ => Err(Failure::new(format!("which of these?\n\n{HELP}"))),
    }
}

/// An option of the other comparison would be taken and do nothing.
fn refuse(flags: &Flags, word: &str, names: &[&str]) -> Result<()> {
    let given = |name: &str| flags.value(name).is_some() || flags.has(name);
    match names.iter().find(|name| given(name)) {
        Some(name) => Err(Failure::new(format!("--{name} is no option of {word}\n\n{HELP}"))),
        None => Ok(()),
    }
}

/// How often and how much.
fn extent(flags: &Flags) -> Result<(u32, f64)> {
    let rounds: u32 = flags.number("rounds", 3)?;
    let scale: f64 = flags.number("scale", 1.0)?;
    if !(0.0001..=100.0).contains(&scale) || !(1..=100).contains(&rounds) {
        return Err(Failure::new("--scale is 0.0001 to 100, --rounds 1 to 100"));
    }
    Ok((rounds, scale))
}

fn produce(place: &Place, flags: &Flags) -> Result<()> {
    let (rounds, scale) = extent(flags)?;
    let (workloads, hot) = workloads::chosen(flags.value("workloads"))?;
    let clients = clients::chosen(flags.value("clients").or(flags.value("peers")))?;
    let built = clients::build(place, &clients, !workloads.is_empty())?;
    if !workloads.is_empty() {
        let bootstrap = flags.value("bootstrap").or(flags.value("bootstrap-server"));
        let slow = workloads.iter().any(|w| w.slow);
        let broker = broker::Broker::connect(place, bootstrap, slow)?;
        rounds::run(place, &broker, &workloads, &built, rounds, scale)?;
    }
    if hot {
        hot::run(place, rounds, scale)?;
    }
    Ok(())
}
