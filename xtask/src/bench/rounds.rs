//! Taking turns: every client once per round, each round begun by another, every run checked at the broker.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::broker::Broker;
use super::clients::Built;
use super::table::{Line, Table};
use super::workloads::{Mode, Workload};
use crate::failure::{Doing, Failure, Result};
use crate::place::Place;
use crate::process;

/// A run that takes longer is stopped and counts as failed.
const RUN_LIMIT: Duration = Duration::from_secs(180);

/// Where every line is kept.
pub(crate) struct Kept(File);

impl Kept {
    /// A new file, which is told aloud.
    pub(crate) fn new(place: &Place) -> Result<Self> {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let path = place.dir("bench")?.join(format!("lines-{since}.jsonl"));
        let kept = File::create(&path).doing(path.display())?;
        eprintln!("every line goes to {}", path.display());
        Ok(Self(kept))
    }

    /// Where the next line goes.
    pub(crate) fn file(&mut self) -> &mut File {
        &mut self.0
    }
}

/// Runs `workloads`, prints a table for each and keeps every line.
pub(crate) fn run(
    place: &Place,
    broker: &Broker,
    workloads: &[&Workload],
    clients: &[Built],
    rounds: u32,
    scale: f64,
) -> Result<()> {
    let mut kept = Kept::new(place)?;
    warm_up(place, broker, clients, scale)?;
    for workload in workloads {
        if broker.address(workload).is_none() {
            eprintln!("workload {} needs a broker of our own: left out", workload.name);
            continue;
        }
        let table = in_turns(workload, clients, rounds, &mut kept, |client, api| {
            once(place, broker, workload, client, api, scale)
        })?;
        println!("{table}");
    }
    Ok(())
}

/// The broker's compiler must be done before anything counts.
pub(crate) fn warm_up(place: &Place, broker: &Broker, clients: &[Built], scale: f64) -> Result<()> {
    let (workloads, _) = super::workloads::chosen(Some("a,b"))?;
    for workload in workloads {
        eprintln!("warming up with {}", workload.title);
        once(place, broker, workload, &clients[0], "best", scale)?;
    }
    Ok(())
}

/// Every client in each of its ways, once per round, each round begun by another; a run that fails stays visible.
pub(crate) fn in_turns(
    workload: &Workload,
    clients: &[Built],
    rounds: u32,
    kept: &mut Kept,
    mut run: impl FnMut(&Built, &str) -> Result<Line>,
) -> Result<Table> {
    let turns: Vec<(&Built, &str)> =
        clients.iter().flat_map(|c| c.apis(workload).iter().map(move |api| (c, *api))).collect();
    let mut table = Table::new(workload);
    for round in 0..rounds as usize {
        for turn in 0..turns.len() {
            let (client, api) = turns[(turn + round) % turns.len()];
            match run(client, api) {
                Ok(line) => {
                    eprintln!("{} round {}: {}", workload.name, round + 1, line.short());
                    writeln!(kept.0, "{}", line.kept(workload.name, round))
                        .doing("the file of lines")?;
                    table.add(line);
                }
                Err(failure) => {
                    eprintln!("{} round {}: {failure}", workload.name, round + 1);
                    table.fail(client.client.name, api);
                }
            }
        }
    }
    Ok(table)
}

/// A name that no other topic has.
pub(crate) fn new_topic(workload: &Workload) -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("bench-{}-{}", workload.name, since.as_micros())
}

/// What a client is to do, and for whom.
pub(crate) struct Order<'a> {
    pub(crate) mode: Mode,
    pub(crate) address: &'a str,
    pub(crate) topic: &'a str,
    pub(crate) workload: &'a Workload,
    pub(crate) records: u64,
}

impl Order<'_> {
    /// Lets a client do it in one of its ways.
    pub(crate) fn carry_out(&self, place: &Place, client: &Built, api: &str) -> Result<Line> {
        let Workload { size, partitions, codec, .. } = self.workload;
        let mut command = client.command();
        command.arg(self.mode.name()).args(["--bootstrap", self.address, "--topic", self.topic]);
        command.args(["--api", api, "--records", &self.records.to_string()]);
        command.args(["--size", &size.to_string(), "--partitions", &partitions.to_string()]);
        command.args(["--compression", codec, "--payloads"]).arg(self.workload.payloads(place)?);
        Line::read(&bounded(&mut command)?)
    }
}

/// One run of one client on a topic of its own.
pub(crate) fn once(
    place: &Place,
    broker: &Broker,
    workload: &Workload,
    client: &Built,
    api: &str,
    scale: f64,
) -> Result<Line> {
    let address = broker.address(workload).unwrap_or_default();
    let topic = new_topic(workload);
    let (mode, records) = (workload.mode, workload.records(scale));
    broker.create(&topic, workload.partitions)?;
    let line =
        Order { mode, address, topic: &topic, workload, records }.carry_out(place, client, api);
    let counted = broker.count(&topic, workload.partitions);
    broker.delete(&topic)?;
    let (line, counted) = (line?, counted?);
    if matches!(mode, Mode::Produce | Mode::Large) && counted != records {
        let name = client.client.name;
        return Err(Failure::new(format!("{name} sent {records}, the log has {counted}")));
    }
    Ok(line)
}

/// Runs a program that prints one line, for [`RUN_LIMIT`] at most.
pub(crate) fn bounded(command: &mut Command) -> Result<String> {
    let shown = process::shown(command);
    match ended(command)? {
        Ended { status, printed, .. } if status.success() => Ok(printed),
        Ended { status, complained, .. } => Err(Failure::new(format!(
            "{status} from {shown}\n{}",
            process::last_lines(&complained, 8)
        ))),
    }
}

/// A program that has ended by itself.
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) printed: String,
    pub(crate) complained: String,
}

/// Runs a program for [`RUN_LIMIT`] at most, whatever its status.
pub(crate) fn ended(command: &mut Command) -> Result<Ended> {
    let shown = process::shown(command);
    let dir = std::env::temp_dir().join(format!("klamm-bench-{}", std::process::id()));
    let (out, err) = (dir.with_extension("out"), dir.with_extension("err"));
    command.stdin(Stdio::null()).stdout(File::create(&out).doing(out.display())?);
    command.stderr(File::create(&err).doing(err.display())?);
    let mut child = command.spawn().doing(format_args!("cannot run {shown}"))?;
    let started = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().doing(&shown)? {
            break Some(status);
        }
        if started.elapsed() > RUN_LIMIT {
            let _ = child.kill();
            let _ = child.wait();
            break None;
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    let text = |file: &Path| std::fs::read_to_string(file).unwrap_or_default();
    let (printed, complained) = (text(&out), text(&err));
    let _ = (std::fs::remove_file(&out), std::fs::remove_file(&err));
    let late = || Failure::new(format!("{shown} took more than {} s", RUN_LIMIT.as_secs()));
    status.map(|status| Ended { status, printed, complained }).ok_or_else(late)
}
