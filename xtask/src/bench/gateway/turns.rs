//! Taking turns: every gateway once per round, each round begun by another, every run checked in Kafka.

use std::io::Write;
use std::path::PathBuf;

use serde_json::json;

use super::cases::{self, Kind};
use super::load::{Load, Outcome};
use super::peers::{self, Built, Promise, Synced};
use super::table::{Table, short};
use super::{lone, overload, probe, restart};
use crate::bench::broker::Broker;
use crate::bench::brokers::{programs, usage};
use crate::bench::rounds::Kept;
use crate::bench::stage::Stage;
use crate::failure::{Doing, Failure, Result};
use crate::flags::Flags;
use crate::place::Place;

/// Partitions of a topic.
const PARTITIONS: u16 = 8;
/// What a gateway gets before anything counts, in seconds.
const WARM_UP: &str = "1";

/// Runs the comparison that `flags` describe.
pub(crate) fn run(place: &Place, flags: &Flags, rounds: u32) -> Result<()> {
    let kinds = cases::chosen(flags.value("cases"), flags.value("connections"))?;
    let seconds: f64 = flags.number("seconds", 10.0)?;
    if !(0.1..=60.0).contains(&seconds) {
        return Err(Failure::new("--seconds is 0.1 to 60"));
    }
    let backlog: u64 = flags.number("backlog", 10)?;
    if !(1..=100).contains(&backlog) {
        return Err(Failure::new("--backlog is 1 to 100 GiB"));
    }
    let chosen = peers::chosen(flags.value("peers"))?;
    let klamm = match flags.value("klamm") {
        Some(program) => PathBuf::from(program),
        None => programs::klamm(place)?,
    };
    let peers = peers::build(place, &chosen, &klamm)?;
    let stage = Stage::set(place, flags)?;
    let load = Load::new(&klamm);
    let mut course = Course { load, broker: &stage.broker, seconds, topics: 0 };
    let mut kept = Kept::new(place)?;
    let ours = peers.iter().find(|built| built.peer.name == peers::OURS);
    for kind in kinds {
        match (kind, ours) {
            (Kind::Single(_) | Kind::Ndjson, _) => {
                let table = course.in_turns(kind, &peers, rounds, &mut kept)?;
                println!("{table}\nOn {}.\n", stage.name);
            }
            (Kind::Lone, Some(ours)) => println!("{}\n", lone::run(&mut course, ours)?),
            (Kind::Overload, Some(ours)) => println!("{}\n", overload::run(&mut course, ours)?),
            (Kind::Restart, Some(ours)) => println!("{}\n", restart::run(&course, ours, backlog)?),
            (Kind::Lone | Kind::Overload | Kind::Restart, None) => {
                eprintln!("{}: {} alone is asked that", kind.title(), peers::OURS);
            }
        }
    }
    Ok(())
}

/// What every run needs.
pub(crate) struct Course<'a> {
    pub(crate) load: Load,
    pub(crate) broker: &'a Broker,
    pub(crate) seconds: f64,
    topics: u32,
}

impl Course<'_> {
    fn in_turns(
        &mut self,
        kind: Kind,
        peers: &[Built],
        rounds: u32,
        kept: &mut Kept,
    ) -> Result<Table> {
        let splitting = |built: &&Built| kind != Kind::Ndjson || built.peer.splits();
        let peers: Vec<&Built> = peers.iter().filter(splitting).collect();
        let mut table = Table::new(kind);
        for round in 0..rounds as usize {
            for turn in 0..peers.len() {
                let built = peers[(turn + round) % peers.len()];
                let told = format!("{} round {}: {}", kind.title(), round + 1, built.peer.name);
                match self.once(kind, built) {
                    Ok(outcome) => {
                        eprintln!("{told}: {}", short(&outcome));
                        let line = json!({
                            "case": kind.title(), "round": round, "peer": built.peer.name,
                            "outcome": outcome,
                        });
                        writeln!(kept.file(), "{line}").doing("the file of lines")?;
                        table.add(built.peer, outcome);
                    }
                    Err(failure) => {
                        eprintln!("{told}: {failure}");
                        table.fail(built.peer);
                    }
                }
            }
        }
        Ok(table)
    }

    /// Hands a topic that no other run has to `with`, and takes it away again.
    pub(crate) fn with_topic<T>(
        &mut self,
        with: impl FnOnce(&Self, &str) -> Result<T>,
    ) -> Result<T> {
        self.topics += 1;
        let topic = format!("bench-gateway-{}-{}", std::process::id(), self.topics);
        self.broker.create(&topic, PARTITIONS)?;
        let done = with(self, &topic);
        self.broker.delete(&topic)?;
        done
    }

    /// One run of one gateway.
    fn once(&mut self, kind: Kind, built: &Built) -> Result<Outcome> {
        self.with_topic(|course, topic| {
            let bootstrap = course.broker.bootstrap();
            let mut gateway = built.start(bootstrap, topic, &[])?;
            let (connections, records) = kind.shape();
            let (connections, records) = (connections.to_string(), records.to_string());
            let mut shape: Vec<&str> = gateway.header.iter().flat_map(|it| ["-H", it]).collect();
            shape.extend(["-c", &connections, "--records-per-request", &records, "--seconds"]);
            course.load.run(&gateway.url, &[&shape[..], &[WARM_UP]].concat())?;
            let pid = gateway.listening.pid();
            usage::forget_peak(pid)?;
            let (before, cpu) = (usage::memory(pid)?, usage::cpu(pid)?);
            let seconds = course.seconds.to_string();
            let mut args = [&shape[..], &[&seconds]].concat();
            if built.peer.promise != Promise::Nothing {
                args.extend(["--verify", "--bootstrap-server", bootstrap]);
            }
            let synced = gateway.synced()?;
            let load = || course.load.run(&gateway.url, &args);
            let (outcome, bare_sync_ms) = probe::beside(&built.scratch, load)?;
            let records_per_sync = synced.zip(gateway.synced()?).map(Synced::records_each);
            let used = usage::cpu(pid)?;
            let peak = usage::memory(pid)?.peak;
            gateway.listening.stop()?;
            Ok(Outcome {
                server_cpu_s: used.total.saturating_sub(cpu.total).as_secs_f64(),
                server_peak_mib: mib(peak),
                server_before_mib: mib(before.resident),
                records_per_sync,
                bare_sync_ms,
                ..outcome
            })
        })
    }
}

/// Of KiB.
pub(crate) fn mib(kib: u64) -> f64 {
    kib as f64 / 1024.0
}
