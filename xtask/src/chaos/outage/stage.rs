//! The gateway before a Kafka that goes away.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::chaos::kafka::fresh;
use crate::failure::{Doing, Result};
use crate::listening::Listening;
use crate::place::Place;

/// A gateway that ends drains its log for 25 s, if it has to.
const DRAIN: Duration = Duration::from_secs(60);

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
        format!("http://{}/topics/{topic}", self.listening.authority())
    }

    /// Ends it, and removes its directory.
    pub(super) fn down(mut self) -> Result<()> {
        self.listening.stop_within(DRAIN)?;
        fs::remove_dir_all(&self.data).doing(self.data.display())
    }
}
