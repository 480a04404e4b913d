//! A Kafka that can be taken away and brought back on the same port, for what stands before it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::{Signal, kill_process};

use super::broker::free_port;
use crate::failure::{Doing, Failure, Result};
use crate::kafka::{Running, Spec};
use crate::listening::{Listening, again};
use crate::place::Place;
use crate::process;

/// What a Kafka gets to close its logs.
const GRACE: Duration = Duration::from_secs(10);

/// What records go to.
pub(super) enum Kafka {
    /// A real one.
    Real(Running),
    /// `klamm broker` with a directory.
    Klamm(Klamm),
}

/// How a Kafka is set up.
pub(super) struct Wanted<'a> {
    /// `kafka` or `klamm`.
    pub(super) on: &'a str,
    /// The name of its directory.
    pub(super) name: &'a str,
    /// Where a real one looks for ports.
    pub(super) port_base: u16,
    /// What klamm's broker syncs, as its `--durability` says it.
    pub(super) durability: &'a str,
}

/// `klamm broker` with a directory.
pub(super) struct Klamm {
    program: PathBuf,
    port: u16,
    data: PathBuf,
    durability: String,
    running: Listening,
}

impl Kafka {
    /// Starts one on an empty directory; `klamm` is the program.
    pub(super) fn up(place: &Place, klamm: &Path, wanted: &Wanted<'_>) -> Result<Self> {
        match wanted.on {
            "kafka" => {
                let spec = Spec {
                    name: wanted.name.to_owned(),
                    port_base: wanted.port_base,
                    heap: "1g".to_owned(),
                    ..Spec::default()
                };
                Running::up(place, spec).map(Self::Real)
            }
            "klamm" => {
                let (data, port) = (fresh(place, wanted.name)?, free_port()?);
                let durability = wanted.durability.to_owned();
                let running = serve(klamm, port, &data, &durability)?;
                let program = klamm.to_owned();
                Ok(Self::Klamm(Klamm { program, port, data, durability, running }))
            }
            other => Err(Failure::new(format!("--on {other}: kafka or klamm"))),
        }
    }

    /// Where it is, also while it is away.
    pub(super) fn bootstrap(&self) -> String {
        match self {
            Self::Real(kafka) => kafka.cluster().bootstrap(),
            Self::Klamm(klamm) => format!("127.0.0.1:{}", klamm.port),
        }
    }

    /// Its process, as long as it is there.
    pub(super) fn pid(&self) -> Option<u32> {
        match self {
            Self::Real(kafka) => {
                let pid = kafka.cluster().node(1).ok()?.pid()?;
                u32::try_from(pid.as_raw_nonzero().get()).ok()
            }
            Self::Klamm(klamm) => Some(klamm.running.pid()),
        }
    }

    /// How long [`Kafka::stop`] may take.
    pub(super) fn grace(&self) -> Duration {
        match self {
            Self::Real(_) => GRACE,
            // It has nothing to tell anybody before it goes.
            Self::Klamm(_) => Duration::ZERO,
        }
    }

    /// Takes it away.
    pub(super) fn stop(&mut self) -> Result<()> {
        match self {
            Self::Real(kafka) => {
                let node = kafka.cluster().node(1)?;
                node.signal(Signal::TERM)?;
                if node.gone_within(GRACE) { Ok(()) } else { node.kill() }
            }
            Self::Klamm(klamm) => klamm.running.stop(),
        }
    }

    /// Takes it away with SIGKILL.
    pub(super) fn kill(&mut self) -> Result<()> {
        match self {
            Self::Real(kafka) => kafka.cluster().node(1)?.kill(),
            Self::Klamm(klamm) => klamm.running.kill(),
        }
    }

    /// SIGSTOP: its sockets stay open and nothing answers.
    pub(super) fn pause(&self) -> Result<()> {
        self.signal(Signal::STOP)
    }

    /// SIGCONT.
    pub(super) fn resume(&self) -> Result<()> {
        self.signal(Signal::CONT)
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        match self {
            Self::Real(kafka) => kafka.cluster().node(1)?.signal(signal).map(drop),
            Self::Klamm(klamm) => {
                let pid = process::numbered(klamm.running.pid())?;
                kill_process(pid, signal).doing("cannot signal the broker")
            }
        }
    }

    /// Brings it back; returns when it answers.
    pub(super) fn start(&mut self) -> Result<()> {
        match self {
            Self::Real(kafka) => {
                kafka.cluster().start(1)?;
                kafka.cluster().wait_ready()
            }
            Self::Klamm(Klamm { program, port, data, durability, running }) => {
                *running = again(running, || serve(program, *port, data, durability))?;
                Ok(())
            }
        }
    }

    /// Ends it; the directory of klamm's broker is removed.
    pub(super) fn strike(mut self) -> Result<()> {
        self.stop()?;
        match self {
            Self::Real(_) => Ok(()),
            Self::Klamm(klamm) => fs::remove_dir_all(&klamm.data).doing(klamm.data.display()),
        }
    }
}

fn serve(klamm: &Path, port: u16, data: &Path, durability: &str) -> Result<Listening> {
    let mut command = Command::new(klamm);
    command.args(["broker", "--listen", &format!("127.0.0.1:{port}"), "--data"]).arg(data);
    Listening::start(command.args(["--durability", durability]).stderr(Stdio::null()))
}

/// An empty directory of this name.
pub(super) fn fresh(place: &Place, name: &str) -> Result<PathBuf> {
    let dir = place.dir("chaos")?.join(name);
    if dir.exists() {
        fs::remove_dir_all(&dir).doing(dir.display())?;
    }
    Ok(dir)
}
