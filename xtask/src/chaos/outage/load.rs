//! The load: HTTP requests at a rate, by a program of its own.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::stage::Gateway;
use crate::failure::{Doing, Failure, Result};
use crate::process;

/// How long the gateway is measured for what it can take, in seconds.
const PEAK_SECONDS: &str = "3";
/// Between two looks at whether it has ended.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// The load, on its own; it does not outlive this value.
pub(super) struct Load {
    child: Child,
    pub(super) started: Instant,
    output: PathBuf,
}

impl Load {
    /// Posts to `topic` so many times a second for so long; what it says goes to `output`.
    pub(super) fn start(
        klamm: &Path,
        (gateway, topic): (&Gateway, &str),
        bootstrap: &str,
        (rate, time): (f64, Duration),
        output: PathBuf,
    ) -> Result<Self> {
        let file = std::fs::File::create(&output).doing(output.display())?;
        let (rate, seconds) = ((rate as u64).max(1).to_string(), time.as_secs_f64().to_string());
        let mut perf = Command::new(klamm);
        perf.args(["perf", "http", &gateway.url(topic), "--throughput", &rate, "--seconds"]);
        perf.args([&seconds, "-O", "json", "--verify", "--verify-timeout", "60000"]);
        perf.args(["--bootstrap-server", bootstrap]).stdin(Stdio::null()).stdout(file);
        let child = perf.stderr(Stdio::null()).spawn().doing("cannot start the load")?;
        Ok(Self { child, started: Instant::now(), output })
    }

    /// Its process.
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// An error once it has ended.
    pub(super) fn check(&mut self) -> Result<()> {
        match self.child.try_wait().doing("the load")? {
            None => Ok(()),
            Some(status) => Err(Failure::new(format!("the load has ended: {status}"))),
        }
    }

    /// What it says in the end, whatever its status: that is judged elsewhere.
    pub(super) fn end(mut self, limit: Duration) -> Result<Value> {
        let deadline = self.started + limit;
        while self.child.try_wait().doing("the load")?.is_none() {
            if Instant::now() > deadline {
                return Err(Failure::new("the load does not end"));
            }
            std::thread::sleep(LOOK_EVERY);
        }
        let printed = std::fs::read_to_string(&self.output).doing(self.output.display())?;
        serde_json::from_str(&printed).doing("the load")
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        // One that has ended is none the worse for it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Requests a second that the gateway answers, as fast as they come.
pub(super) fn peak(klamm: &Path, gateway: &Gateway) -> Result<f64> {
    let mut perf = Command::new(klamm);
    perf.args(["perf", "http", &gateway.url("outage-peak"), "--seconds", PEAK_SECONDS]);
    let printed = process::capture(perf.args(["-O", "json"]))?;
    let said: Value = serde_json::from_slice(&printed).doing("perf http")?;
    said["requests_per_second"].as_f64().ok_or_else(|| Failure::new("perf http tells no rate"))
}
