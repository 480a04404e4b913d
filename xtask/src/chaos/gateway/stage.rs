//! A gateway that is killed and started again on what it left, and what is in its Kafka.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use gateway_testing::{Found, Id, TOPICS, Window};
use serde_json::Value;

use crate::chaos::broker::free_port;
use crate::chaos::kafka::fresh;
use crate::failure::{Doing, Failure, Result};
use crate::listening::{Listening, again};
use crate::place::Place;
use crate::process;

/// How long the last records may take to Kafka.
const SETTLE: Duration = Duration::from_secs(180);
/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// What kcat prints of a record: nothing that clients send has a `|` or ends a line.
const KCAT: &str = "%p %o|%k|%h|%s\n";

/// A gateway in a process of its own.
pub(super) struct Gateway {
    klamm: PathBuf,
    bootstrap: String,
    port: u16,
    dir: PathBuf,
    running: Option<Listening>,
}

impl Gateway {
    /// Starts one on an empty directory, before this Kafka.
    pub(super) fn up(place: &Place, klamm: &Path, bootstrap: &str, name: &str) -> Result<Self> {
        let (dir, port) = (fresh(place, name)?, free_port()?);
        fs::create_dir_all(&dir).doing(dir.display())?;
        let mut gateway = Self {
            klamm: klamm.to_owned(),
            bootstrap: bootstrap.to_owned(),
            port,
            dir,
            running: None,
        };
        gateway.running = Some(gateway.start()?);
        Ok(gateway)
    }

    /// Where it listens, also while it does not run.
    pub(super) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Where its directory and what it says are.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    fn start(&self) -> Result<Listening> {
        let said = self.dir.join("stderr");
        let said = File::options().create(true).append(true).open(&said).doing(said.display())?;
        let mut command = Command::new(&self.klamm);
        command.args(["gateway", "--listen", &self.address(), "--management", "none", "--data"]);
        command.arg(self.dir.join("data")).args(["--bootstrap-server", &self.bootstrap]);
        Listening::start(command.stderr(said))
    }

    /// SIGKILL, and a new one on what is left; what the kill may have had sent without anybody knowing.
    pub(super) fn kill_and_start(&mut self) -> Result<Window> {
        let mut running = self.running.take().ok_or_else(|| Failure::new("no gateway runs"))?;
        running.check()?;
        running.kill()?;
        let left = self.inspect()?;
        if left["sound"] != true {
            return Err(Failure::new(format!("the log that a kill left is not sound: {left}")));
        }
        self.running = Some(again(&mut running, || self.start())?);
        Ok(Window { released: number(&left, "released")?, next: number(&left, "next")? })
    }

    fn inspect(&self) -> Result<Value> {
        let mut inspect = Command::new(&self.klamm);
        inspect.args(["gateway", "wal", "inspect", "-O", "json"]).arg(self.dir.join("data"));
        serde_json::from_slice(&process::capture(&mut inspect)?).doing("wal inspect")
    }

    /// Waits until Kafka has all that the log has, or will not; what is left in it.
    pub(super) fn settle(&self) -> Result<u64> {
        let deadline = Instant::now() + SETTLE;
        loop {
            let left = number(&self.inspect()?, "records")?;
            if left == 0 || Instant::now() > deadline {
                return Ok(left);
            }
            thread::sleep(LOOK_EVERY);
        }
    }

    /// Ends it in order, and removes its directory.
    pub(super) fn strike(mut self) -> Result<()> {
        if let Some(mut running) = self.running.take() {
            running.stop()?;
        }
        fs::remove_dir_all(&self.dir).doing(self.dir.display())
    }
}

fn number(report: &Value, name: &str) -> Result<u64> {
    report[name].as_u64().ok_or_else(|| Failure::new(format!("wal inspect tells no {name}")))
}

/// Everything in the topics of the ledger's clients, as kcat sees it.
pub(super) fn read(bootstrap: &str) -> Result<Vec<Found>> {
    let mut found = Vec::new();
    for (topic, _) in TOPICS {
        let mut kcat = Command::new("kcat");
        kcat.args(["-C", "-q", "-e", "-o", "beginning", "-X", "check.crcs=true", "-f", KCAT]);
        let printed = process::capture(kcat.args(["-b", bootstrap, "-t", topic]))?;
        for line in printed.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let line = String::from_utf8_lossy(line);
            let row = row(topic, &line);
            found.push(row.ok_or_else(|| Failure::new(format!("kcat printed {line:?}")))?);
        }
    }
    Ok(found)
}

/// A line of kcat.
fn row(topic: &str, line: &str) -> Option<Found> {
    let mut parts = line.splitn(4, '|');
    let (partition, offset) = parts.next()?.split_once(' ')?;
    let (key, headers, value) = (parts.next()?, parts.next()?, parts.next()?);
    let id = headers.split(',').find_map(|header| header.strip_prefix("klamm-id="));
    Some(Found {
        topic: topic.to_owned(),
        partition: partition.parse().ok()?,
        offset: offset.parse().ok()?,
        key: key.as_bytes().to_vec(),
        value: value.as_bytes().to_vec(),
        id: id.and_then(|id| id.parse::<Id>().ok()),
    })
}

#[cfg(test)]
mod tests {
    use super::row;

    #[test]
    fn records_are_read_from_kcats_lines() {
        let line = r#"3 17|client-4|content-type=text/plain,klamm-id=ab-1/77|{"who":"@3-4-0@"}"#;
        let found = row("left", line).unwrap();
        assert_eq!((&*found.topic, found.partition, found.offset), ("left", 3, 17));
        assert_eq!((&*found.key, found.id.unwrap().sequence), (&b"client-4"[..], 77));
        assert_eq!(found.value, br#"{"who":"@3-4-0@"}"#);
        assert!(row("left", "3 17|k|a=b|v").unwrap().id.is_none());
        assert!(row("left", "3 17|k|v").is_none() && row("left", "x").is_none());
    }
}
