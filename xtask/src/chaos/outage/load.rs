//! The load: HTTP requests at a rate, by a program of its own.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::run::PARTITIONS;
use super::stage::Gateway;
use crate::bench::Broker;
use crate::failure::{Doing, Failure, Result};
use crate::process;

/// Connections of the load, each with one request at a time. While what has waited goes to Kafka, every processor is busy
/// and an answer takes 10 ms: over the 64 that `perf http` has otherwise, 24,000 requests/s cannot be sent then, and the end of
/// a catch-up would be when these have made up for it.
const CONNECTIONS: &str = "256";
/// How long the gateway is measured for what it can take, in seconds.
const PEAK_SECONDS: &str = "3";
/// For how long a topic may have no leader.
const LEADERLESS: Duration = Duration::from_secs(10);
/// Between two looks at how far it is.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(200);

/// The load, on its own; it does not outlive this value.
pub(super) struct Load {
    child: Child,
    started: Instant,
    rate: f64,
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
        let (throughput, seconds) =
            ((rate as u64).max(1).to_string(), time.as_secs_f64().to_string());
        let mut perf = Command::new(klamm);
        perf.args(["perf", "http", &gateway.url(topic), "--throughput", &throughput, "--seconds"]);
        perf.args([&seconds, "-O", "json", "--verify", "--verify-timeout", "60000"]);
        perf.args(["--bootstrap-server", bootstrap, "--connections", CONNECTIONS]);
        perf.stdin(Stdio::null()).stdout(file);
        let child = perf.stderr(Stdio::null()).spawn().doing("cannot start the load")?;
        Ok(Self { child, started: Instant::now(), rate, output })
    }

    /// Its process.
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it brings from now on, while nothing is in its way.
    pub(super) fn schedule(&self, topics: &Broker, topic: &'static str) -> Result<Schedule> {
        let (at, rate) = (Instant::now(), self.rate);
        Ok(Schedule { topic, at, count: count(topics, topic)?, rate })
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

/// What a topic has. A Kafka that has just been started may say for a moment that it does not lead it.
pub(super) fn count(topics: &Broker, topic: &str) -> Result<u64> {
    let deadline = Instant::now() + LEADERLESS;
    loop {
        match topics.count(topic, PARTITIONS) {
            Err(_) if Instant::now() < deadline => std::thread::sleep(LOOK_EVERY / 4),
            counted => return counted,
        }
    }
}

/// What a topic has by when, as long as nobody is late.
#[derive(Debug, Clone, Copy)]
pub(super) struct Schedule {
    topic: &'static str,
    /// When it had `count`.
    at: Instant,
    pub(super) count: u64,
    rate: f64,
}

impl Schedule {
    /// What the topic has, and whether that is all that is due by now.
    pub(super) fn look(&self, topics: &Broker) -> Result<(u64, bool)> {
        // What was sent in the last moments is on its way.
        let due = self.due(Instant::now() - LOOK_EVERY);
        let counted = count(topics, self.topic)?;
        Ok((counted, counted >= due))
    }

    fn due(&self, by: Instant) -> u64 {
        self.count + (by.saturating_duration_since(self.at).as_secs_f64() * self.rate) as u64
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

#[cfg(test)]
mod tests {
    use super::Schedule;
    use std::time::{Duration, Instant};

    #[test]
    fn what_is_due_grows_with_time_and_by_nothing_else() {
        let schedule = Schedule { topic: "t", at: Instant::now(), count: 70, rate: 250.0 };
        let due = |ms| schedule.due(schedule.at + Duration::from_millis(ms));
        assert_eq!([due(0), due(1_000), due(10_004)], [70, 320, 2_571]);
        assert_eq!(schedule.due(schedule.at - Duration::from_secs(1)), 70);
    }
}
