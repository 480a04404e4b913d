//! One producer and five consumers of the same client, each a process of its own.
//!
//! Every consumer reads all of the topic. Its records tell when they were sent; all processes read the same clock of the
//! same machine.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;
use serde_json::{Value, json};

use super::broker::{Broker, Stopped};
use super::clients::Built;
use super::rounds::{bounded, new_topic};
use super::table::{Line, Readers};
use super::workloads::{Workload, fanout_sizes};
use crate::failure::{Doing, Failure, Result};
use crate::place::Place;
use crate::process;

const CONSUMERS: usize = 5;
/// Records in a second.
const RATE: usize = 30;
/// Records of the first second, whose age does not count: connections are made, buffers grow.
const WARM_UP: usize = RATE;
/// What a run has at most, so that it is over within the time that programs have.
const MOST_RECORDS: usize = 3_000;
/// How much longer than the plan a consumer waits, for the producer's start and for what is late.
const GRACE_SECONDS: usize = 30;

/// What a consumer says at its end.
#[derive(Debug, Deserialize)]
struct Followed {
    cpu_s: f64,
    secs: f64,
    rss_mib: f64,
    lost: u64,
    duplicated: u64,
    /// In microseconds, in the order of the records; below 0 for one that never came.
    ages_us: Vec<f64>,
    settings: Value,
}

/// One run of one client on a topic of its own.
pub(crate) fn once(
    place: &Place,
    broker: &Broker,
    workload: &Workload,
    client: &Built,
    scale: f64,
) -> Result<Line> {
    let records = (workload.records(scale) as usize).min(MOST_RECORDS) + WARM_UP;
    let topic = new_topic(workload);
    broker.create(&topic, workload.partitions)?;
    let address = broker.address(workload).unwrap_or_default();
    let line = Crowd::new(place, client, address, &topic, records).and_then(Crowd::carry_out);
    let counted = broker.count(&topic, workload.partitions);
    broker.delete(&topic)?;
    let (line, counted) = (line?, counted?);
    if counted != records as u64 {
        let name = client.client.name;
        return Err(Failure::new(format!("{name} sent {records}, the log has {counted}")));
    }
    Ok(line)
}

/// What a run needs.
struct Crowd<'a> {
    client: &'a Built,
    address: &'a str,
    topic: &'a str,
    sizes: PathBuf,
    records: usize,
    dir: PathBuf,
}

impl<'a> Crowd<'a> {
    fn new(
        place: &Place,
        client: &'a Built,
        address: &'a str,
        topic: &'a str,
        records: usize,
    ) -> Result<Self> {
        let dir = place.dir("bench/fanout")?;
        let sizes = dir.join(format!("sizes-{records}.txt"));
        let lines: String = fanout_sizes(records).iter().map(|size| format!("{size}\n")).collect();
        std::fs::write(&sizes, lines).doing(sizes.display())?;
        Ok(Self { client, address, topic, sizes, records, dir })
    }

    fn command(&self, mode: &str) -> Command {
        let mut command = self.client.command();
        command.arg(mode).args(["--bootstrap", self.address, "--topic", self.topic, "--sizes"]);
        command.arg(&self.sizes).args(["--rate", &RATE.to_string(), "--seconds"]);
        command.arg((self.records / RATE + GRACE_SECONDS).to_string());
        command
    }

    /// Lets the consumers begin, then the producer, and adds up what they say.
    fn carry_out(self) -> Result<Line> {
        let consumers: Result<Vec<_>> = (0..CONSUMERS)
            .map(|number| {
                let errors = self.dir.join(format!("consumer-{number}.err"));
                Consumer::start(&mut self.command("follow"), errors)
            })
            .collect();
        let consumers = consumers?.into_iter().map(Consumer::ready).collect::<Result<Vec<_>>>()?;
        let sent = Line::read(&bounded(&mut self.command("paced"))?)?;
        let followed: Result<Vec<Followed>> = consumers.into_iter().map(Consumer::end).collect();
        together(sent, &followed?)
    }
}

/// A consumer's process; it does not outlive this value.
struct Consumer {
    process: Stopped,
    output: Box<dyn BufRead>,
    errors: PathBuf,
}

impl Consumer {
    fn start(command: &mut Command, errors: PathBuf) -> Result<Self> {
        let shown = process::shown(command);
        let complaints = File::create(&errors).doing(errors.display())?;
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(complaints);
        let child = command.spawn().doing(format_args!("cannot run {shown}"))?;
        let mut process = Stopped(child);
        let output = process.0.stdout.take().ok_or_else(|| Failure::new("no output"))?;
        Ok(Self { process, output: Box::new(BufReader::new(output)), errors })
    }

    /// Waits until it reads; the program bounds its own time, and so the reads here.
    fn ready(mut self) -> Result<Self> {
        let mut line = String::new();
        self.output.read_line(&mut line).doing("a consumer")?;
        match line.trim() {
            "ready" => Ok(self),
            _ => {
                Err(complaint(&format!("a consumer is not ready; it says {line:?}"), &self.errors))
            }
        }
    }

    /// What it says when everything is there, or when its time is over.
    fn end(mut self) -> Result<Followed> {
        let mut printed = String::new();
        self.output.read_to_string(&mut printed).doing("a consumer")?;
        let status = self.process.0.wait().doing("a consumer")?;
        if !status.success() {
            return Err(complaint(&format!("{status} from a consumer"), &self.errors));
        }
        let last = printed.trim().lines().last().unwrap_or_default();
        serde_json::from_str(last).doing(format_args!("not a result: {last:?}"))
    }
}

fn complaint(what: &str, errors: &Path) -> Failure {
    let said = std::fs::read_to_string(errors).unwrap_or_default();
    Failure::new(format!("{what}\n{}", process::last_lines(said.trim(), 8)))
}

/// The producer's line with what its readers came to; the table is sorted by the CPU of all six.
fn together(sent: Line, followed: &[Followed]) -> Result<Line> {
    let mut ages: Vec<f64> = followed
        .iter()
        .flat_map(|one| one.ages_us.iter().skip(WARM_UP).copied())
        .filter(|age| *age >= 0.0)
        .collect();
    ages.sort_by(f64::total_cmp);
    let Some(last) = ages.len().checked_sub(1) else {
        return Err(Failure::new("no consumer has seen anything that counts"));
    };
    let at = |percent: usize| ages[(ages.len() * percent / 100).min(last)];
    let cpu_s: f64 = followed.iter().map(|one| one.cpu_s).sum();
    let secs: f64 = followed.iter().map(|one| one.secs).sum();
    let readers = Readers {
        cpu_s,
        core_percent: if secs > 0.0 { 100.0 * cpu_s / secs } else { 0.0 },
        lost: followed.iter().map(|one| one.lost).sum(),
        duplicated: followed.iter().map(|one| one.duplicated).sum(),
    };
    let records =
        if sent.cpu_us_per_rec > 0.0 { sent.cpu_s * 1e6 / sent.cpu_us_per_rec } else { 1.0 };
    let settings = json!({
        "producer": sent.settings, "consumer": followed.first().map(|one| &one.settings),
    });
    Ok(Line {
        p50_us: at(50),
        p99_us: at(99),
        cpu_us_per_rec: (sent.cpu_s + cpu_s) * 1e6 / records,
        rss_mib: followed.iter().map(|one| one.rss_mib).fold(sent.rss_mib, f64::max),
        readers,
        settings,
        ..sent
    })
}

#[cfg(test)]
mod tests {
    use super::{Consumer, Followed, Line, WARM_UP, together};
    use std::process::Command;

    fn sent() -> Line {
        let line = r#"{"client":"x","version":"1","api":"default","rec_per_s":30,"mb_per_s":9,"cpu_us_per_rec":1000,"rss_mib":20,"secs":4,"cpu_s":0.1,"settings":{"acks":"all"}}"#;
        Line::read(line).unwrap()
    }

    fn followed(late: f64, missing: usize) -> Followed {
        let mut ages_us = vec![1e9; WARM_UP];
        ages_us.extend((1..=100).map(|age| f64::from(age) * late));
        ages_us.extend(vec![-1.0; missing]);
        let lost = missing as u64;
        let settings = serde_json::Value::Null;
        Followed { cpu_s: 0.04, secs: 4.0, rss_mib: 30.0, lost, duplicated: 1, ages_us, settings }
    }

    #[test]
    fn first_second_and_lost_records_have_no_age() {
        let line = together(sent(), &[followed(1.0, 0), followed(2.0, 3)]).unwrap();
        assert_eq!((line.readers.lost, line.readers.duplicated), (3, 2));
        assert_eq!((line.p50_us, line.p99_us), (68.0, 198.0));
        assert!((line.readers.core_percent - 1.0).abs() < 1e-9, "{:?}", line.readers);
        // A hundred records, 0.1 s of the producer and 0.08 s of two consumers.
        assert!((line.cpu_us_per_rec - 1800.0).abs() < 1e-6, "{}", line.cpu_us_per_rec);
        assert_eq!(line.rss_mib, 30.0);
    }

    #[test]
    fn a_run_in_which_nothing_arrived_has_no_result() {
        let mut nothing = followed(1.0, 0);
        nothing.ages_us = vec![-1.0; WARM_UP + 10];
        assert!(together(sent(), &[nothing]).is_err());
        assert!(together(sent(), &[]).is_err());
    }

    fn consumer(script: &str) -> super::Result<Followed> {
        let errors = std::env::temp_dir().join(format!(
            "klamm-fanout-{}-{}",
            std::process::id(),
            script.len()
        ));
        let started = Consumer::start(Command::new("sh").args(["-c", script]), errors.clone());
        let ended = started.and_then(Consumer::ready).and_then(Consumer::end);
        let _ = std::fs::remove_file(errors);
        ended
    }

    #[test]
    fn a_consumer_is_ready_then_tells_and_a_failure_carries_its_words() {
        let line = r#"{\"cpu_s\":1,\"secs\":2,\"rss_mib\":3,\"lost\":4,\"duplicated\":0,\"ages_us\":[5],\"settings\":{}}"#;
        assert_eq!(consumer(&format!("echo ready; echo \"{line}\"")).unwrap().lost, 4);
        assert!(consumer("echo no").unwrap_err().to_string().contains("not ready"));
        let failed = consumer("echo ready; echo broken >&2; exit 3").unwrap_err().to_string();
        assert!(failed.contains("status: 3") && failed.contains("broken"), "{failed}");
    }
}
