//! Reading: a topic is filled once, and every client reads all of it, in turns.

use std::path::PathBuf;
use std::process::Command;

use super::broker::Broker;
use super::clients::{self, Built};
use super::rounds::{Kept, Order, in_turns, new_topic};
use super::table::Line;
use super::workloads::{self, Mode, Workload};
use crate::failure::{Failure, Result};
use crate::flags::Flags;
use crate::listening::Listening;
use crate::place::Place;

/// Who fills topics unless somebody else is named: batches of 16 KiB, as most topics have them.
const FILLER: &str = "java:default";

/// Where topics are.
enum Stage {
    Kafka(Box<Broker>),
    /// The program; every workload gets a new one, with all of its memory.
    Sink(PathBuf),
}

/// A topic that is there to be read.
struct Filled<'a> {
    broker: Option<&'a Broker>,
    _sink: Option<Listening>,
    address: String,
    topic: String,
    records: u64,
}

impl Drop for Filled<'_> {
    fn drop(&mut self) {
        if let Some(Err(failure)) = self.broker.map(|broker| broker.delete(&self.topic)) {
            eprintln!("{} stays: {failure}", self.topic);
        }
    }
}

/// Runs `cargo xtask bench consume`.
pub(crate) fn run(place: &Place, flags: &Flags, rounds: u32, scale: f64) -> Result<()> {
    let workloads = workloads::consuming(flags.value("workloads"))?;
    let named = flags.value("clients").or(flags.value("peers"));
    let bootstrap = flags.value("bootstrap").or(flags.value("bootstrap-server"));
    if bootstrap.is_some() && flags.has("sink") {
        return Err(Failure::new("--sink is a broker of its own: it goes with no --bootstrap"));
    }
    let mut readers = clients::chosen(named)?;
    readers.retain(|client| client.reads());
    let readers = clients::build(place, &readers, true)?;
    let filler = Filler::build(place, flags.value("fill").unwrap_or(FILLER))?;
    let stage = match flags.has("sink") {
        true => Stage::Sink(clients::cargo(place, "sink", "bench-sink")?),
        false => Stage::Kafka(Box::new(Broker::connect(place, bootstrap, false)?)),
    };
    let mut kept = Kept::new(place)?;
    for workload in workloads {
        let records = flags.number("records", workload.records(scale))?.max(1);
        let filled = stage.fill(place, workload, &filler, records)?;
        let read = |client: &Built, api: &str| read(place, workload, &filled, client, api);
        // Nobody is to be the one for whom the broker reads a topic for the first time.
        if let Some(Err(failure)) =
            readers[0].apis(workload).first().map(|api| read(&readers[0], api))
        {
            eprintln!("the first read of all: {failure}");
        }
        let table = in_turns(workload, &readers, rounds, &mut kept, read)?;
        println!(
            "{table}\n{records} records a run; {}, filled by {}.\n",
            stage.name(),
            filler.name
        );
    }
    Ok(())
}

fn read(
    place: &Place,
    workload: &Workload,
    filled: &Filled<'_>,
    client: &Built,
    api: &str,
) -> Result<Line> {
    let Filled { address, topic, records, .. } = filled;
    Order { mode: Mode::Consume, address, topic, workload, records: *records }
        .carry_out(place, client, api)
}

/// The client that fills topics.
struct Filler {
    name: String,
    client: Built,
    api: String,
}

impl Filler {
    fn build(place: &Place, name: &str) -> Result<Self> {
        let (client, api) = name.split_once(':').unwrap_or((name, "default"));
        let chosen = clients::chosen(Some(client))?;
        let built = clients::build(place, &chosen, true)?.into_iter().next();
        let client = built.ok_or_else(|| Failure::new("nobody to fill the topics"))?;
        if !client.client.produces(api) {
            return Err(Failure::new(format!("{name}: default or best, as far as it has them")));
        }
        Ok(Self { name: name.to_owned(), client, api: api.to_owned() })
    }
}

impl Stage {
    fn name(&self) -> &'static str {
        match self {
            Stage::Kafka(broker) if broker.is_own() => "a Kafka of its own",
            Stage::Kafka(_) => "the broker that was named",
            Stage::Sink(_) => "the sink",
        }
    }

    /// Makes a topic and fills it with the records of `workload`.
    fn fill(
        &self,
        place: &Place,
        workload: &Workload,
        filler: &Filler,
        records: u64,
    ) -> Result<Filled<'_>> {
        let topic = new_topic(workload);
        eprintln!("filling {topic} with {records} records by {}", filler.name);
        let filled = match self {
            Stage::Kafka(broker) => {
                broker.create(&topic, workload.partitions)?;
                let address = broker.address(workload).unwrap_or_default().to_owned();
                Filled { broker: Some(broker), _sink: None, address, topic, records }
            }
            Stage::Sink(program) => {
                let mut sink = Command::new(program);
                sink.args(["--listen", "127.0.0.1:0", "--keep"]);
                sink.args(["--partitions", &workload.partitions.to_string()]);
                let sink = Listening::start(&mut sink)?;
                let address = sink.address().to_owned();
                Filled { broker: None, _sink: Some(sink), address, topic, records }
            }
        };
        let Filled { address, topic, .. } = &filled;
        let order = Order { mode: Mode::Produce, address, topic, workload, records };
        order.carry_out(place, &filler.client, &filler.api)?;
        if let Stage::Kafka(broker) = self {
            let counted = broker.count(topic, workload.partitions)?;
            if counted != records {
                let text = format!("{} sent {records}, the log has {counted}", filler.name);
                return Err(Failure::new(text));
            }
        }
        Ok(filled)
    }
}
