//! A Kafka that can be stopped and started again on the same port, and the gateway before it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::Signal;

use crate::chaos::broker::{again, free_port};
use crate::failure::{Doing, Failure, Result};
use crate::kafka::{Running, Spec};
use crate::listening::Listening;
use crate::place::Place;

const PORT_BASE: u16 = 24600;
/// What a Kafka gets to close its logs.
const GRACE: Duration = Duration::from_secs(10);

/// What records go to.
pub(super) enum Kafka {
    /// A real one.
    Real(Running),
    /// `klamm broker` with a directory.
    Klamm { klamm: PathBuf, port: u16, data: PathBuf, running: Listening },
}

impl Kafka {
    /// Starts the one that is called so.
    pub(super) fn up(place: &Place, on: &str, klamm: &Path) -> Result<Self> {
        match on {
            "kafka" => {
                let spec = Spec {
                    name: "outage".to_owned(),
                    port_base: PORT_BASE,
                    heap: "1g".to_owned(),
                    ..Spec::default()
                };
                Running::up(place, spec).map(Self::Real)
            }
            "klamm" => {
                let data = fresh(place, "outage-broker")?;
                let port = free_port()?;
                let running = broker(klamm, port, &data)?;
                Ok(Self::Klamm { klamm: klamm.to_owned(), port, data, running })
            }
            _ => Err(Failure::new(format!("--on {on}: kafka or klamm"))),
        }
    }

    /// Where it is, also while it is away.
    pub(super) fn bootstrap(&self) -> String {
        match self {
            Self::Real(kafka) => kafka.cluster().bootstrap(),
            Self::Klamm { port, .. } => format!("127.0.0.1:{port}"),
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
            Self::Klamm { running, .. } => running.stop(),
        }
    }

    /// Brings it back; returns when it answers.
    pub(super) fn start(&mut self) -> Result<()> {
        match self {
            Self::Real(kafka) => {
                kafka.cluster().start(1)?;
                kafka.cluster().wait_ready()
            }
            Self::Klamm { klamm, port, data, running } => {
                *running = again(running, || broker(klamm, *port, data))?;
                Ok(())
            }
        }
    }
}

fn broker(klamm: &Path, port: u16, data: &Path) -> Result<Listening> {
    let mut command = Command::new(klamm);
    command.args(["broker", "--listen", &format!("127.0.0.1:{port}"), "--data"]).arg(data);
    Listening::start(command.stderr(Stdio::null()))
}

/// An empty directory of this name.
fn fresh(place: &Place, name: &str) -> Result<PathBuf> {
    let dir = place.dir("chaos")?.join(name);
    if dir.exists() {
        fs::remove_dir_all(&dir).doing(dir.display())?;
    }
    Ok(dir)
}

/// `klamm gateway` with a log that has room for the outage.
pub(super) struct Gateway {
    pub(super) listening: Listening,
    data: PathBuf,
}

impl Gateway {
    /// Starts it before this Kafka; its log may take `max_bytes`.
    pub(super) fn up(place: &Place, klamm: &Path, bootstrap: &str, max_bytes: u64) -> Result<Self> {
        let data = fresh(place, "outage-gateway")?;
        let config = place.dir("chaos")?.join("outage-gateway.toml");
        let mib = max_bytes.div_ceil(1 << 20);
        let text = format!("[wal]\nmax_bytes = \"{mib} MiB\"\ntopic_share = 1.0\n");
        fs::write(&config, text).doing(config.display())?;
        let mut command = Command::new(klamm);
        command.args(["gateway", "--listen", "127.0.0.1:0", "--management", "127.0.0.1:0"]);
        command.args(["--bootstrap-server", bootstrap, "--config"]).arg(&config);
        command.arg("--data").arg(&data).stderr(Stdio::null());
        Ok(Self { listening: Listening::start(&mut command)?, data })
    }

    /// Where to post to `topic`.
    pub(super) fn url(&self, topic: &str) -> String {
        let at = self.listening.address();
        format!("http://{}/topics/{topic}", at.strip_prefix("http://").unwrap_or(at))
    }

    /// Ends it, and removes its directory.
    pub(super) fn down(mut self) -> Result<()> {
        self.listening.stop()?;
        fs::remove_dir_all(&self.data).doing(self.data.display())
    }
}
