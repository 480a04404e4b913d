//! A broker in a process of its own that is killed and started again, and the programs that use it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::atomic::View;
use super::broker::free_port;
use super::control::Control;
use crate::failure::{Doing, Failure, Result};
use crate::interop::Held;
use crate::listening::{Listening, again};
use crate::process;

/// What the producers call themselves.
const ID: &str = "transactions";
const TOPICS: &str = "left:2,right:1,source:1";
/// How long a program may take to end; its own patience is less.
const LIMIT: Duration = Duration::from_secs(60);

/// A broker with a directory, and where it listens.
pub(super) struct Stage {
    klamm: PathBuf,
    client: PathBuf,
    dir: PathBuf,
    mode: String,
    protocol: u8,
    timeout: Duration,
    ports: (u16, u16),
    broker: Option<Listening>,
    last_number: i64,
}

/// A producer that ends one transaction.
pub(super) struct Producer(Held);

impl Producer {
    /// Waits for its end: whether it was told that all is well.
    pub(super) fn finish(&mut self) -> Result<bool> {
        let status = self.0.wait_until(Instant::now() + LIMIT)?;
        let status = status.ok_or_else(|| Failure::new("a producer does not end"))?;
        Ok(status.success())
    }
}

impl Stage {
    /// Starts a broker on an empty directory.
    pub(super) fn set(
        klamm: &Path,
        client: &Path,
        dir: &Path,
        mode: &str,
        protocol: u8,
        timeout: Duration,
    ) -> Result<Self> {
        let mut stage = Self {
            klamm: klamm.to_owned(),
            client: client.to_owned(),
            dir: dir.to_owned(),
            mode: mode.to_owned(),
            protocol,
            timeout,
            ports: (free_port()?, free_port()?),
            broker: None,
            last_number: 0,
        };
        stage.clear()?;
        Ok(stage)
    }

    /// Begins anew on an empty directory.
    pub(super) fn clear(&mut self) -> Result<()> {
        self.strike()?;
        self.broker = Some(self.start()?);
        Ok(())
    }

    /// Ends the broker and removes its directory.
    pub(super) fn strike(&mut self) -> Result<()> {
        self.broker = None;
        if self.dir.exists() {
            fs::remove_dir_all(&self.dir).doing(self.dir.display())?;
        }
        Ok(())
    }

    /// Kills the broker with SIGKILL, and starts another on what it left.
    pub(super) fn kill_and_start(&mut self) -> Result<()> {
        let mut broker = self.broker.take().ok_or_else(|| Failure::new("no broker runs"))?;
        self.broker = Some(again(&mut broker, || self.start())?);
        Ok(())
    }

    fn start(&self) -> Result<Listening> {
        let mut command = Command::new(&self.klamm);
        let (listen, admin) = (self.ports.0, self.ports.1);
        command.args(["broker", "--listen", &format!("127.0.0.1:{listen}")]);
        command.args(["--admin", &format!("127.0.0.1:{admin}"), "--durability", &self.mode]);
        command.args(["--topics", TOPICS, "--data"]).arg(&self.dir);
        Listening::start(command.stderr(Stdio::null()))
    }

    /// The admin address.
    pub(super) fn control(&self) -> Control {
        Control { port: self.ports.1 }
    }

    /// A number that no transaction had before.
    pub(super) fn next_number(&mut self) -> i64 {
        self.last_number += 1;
        self.last_number
    }

    fn client(&self, what: &str) -> Command {
        let mut command = Command::new(&self.client);
        command.arg(format!("127.0.0.1:{}", self.ports.0)).arg(what);
        command
    }

    /// Has a producer begin, write and end a transaction; it is killed when the value is dropped.
    pub(super) fn begin(&self, number: i64, commit: bool) -> Result<Producer> {
        let mut command = self.client("end");
        command.args([ID, &self.protocol.to_string(), &number.to_string()]);
        command.arg(if commit { "commit" } else { "abort" });
        command.arg(self.timeout.as_millis().to_string());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let shown = process::shown(&command);
        Ok(Producer(Held(command.spawn().doing(shown)?)))
    }

    /// Has another producer take the id over.
    pub(super) fn resume(&self) -> Result<()> {
        let mut command = self.client("resume");
        command.args([ID, &self.protocol.to_string(), &self.timeout.as_millis().to_string()]);
        process::capture(&mut command).map(drop)
    }

    /// Writes a marker that the coordinator knows nothing of.
    pub(super) fn forge(&self) -> Result<()> {
        process::capture(&mut self.client("forge")).map(drop)
    }

    /// What a reader of committed records sees.
    pub(super) fn show(&self) -> Result<View> {
        let shown = process::capture(&mut self.client("show"))?;
        serde_json::from_slice(&shown).doing("what a reader sees")
    }
}
