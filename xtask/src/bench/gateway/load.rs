//! The load: `klamm perf http`, and what it says.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::bench::rounds;
use crate::failure::{Doing, Failure, Result};
use crate::process;

/// Puts load on a gateway.
#[derive(Debug)]
pub(crate) struct Load {
    klamm: PathBuf,
}

/// What one run came to.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Outcome {
    pub(crate) accepted: u64,
    pub(crate) answered_otherwise: u64,
    pub(crate) unanswered: u64,
    pub(crate) seconds: f64,
    pub(crate) requests_per_second: f64,
    pub(crate) records_per_second: f64,
    pub(crate) records_per_request: u64,
    pub(crate) latency_ms: Latency,
    pub(crate) statuses: BTreeMap<String, Status>,
    pub(crate) verdict: Option<Verdict>,
    pub(crate) first_refusal: Option<String>,
    /// Of the load.
    pub(crate) cpu_us_per_request: f64,
    /// CPU of the gateway, until everything was found in Kafka.
    pub(crate) server_cpu_s: f64,
    /// The most memory the gateway had meanwhile.
    pub(crate) server_peak_mib: f64,
    /// What it had before.
    pub(crate) server_before_mib: f64,
    /// Of a gateway with a log that says so.
    pub(crate) records_per_sync: Option<f64>,
    /// How long the bare disk took for a sync meanwhile.
    pub(crate) bare_sync_ms: Latency,
}

/// Percentiles from when a request was due.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Latency {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) max: f64,
}

/// Answers of one status.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Status {
    pub(crate) count: u64,
    /// From when a request was sent.
    pub(crate) from_sent_ms: Latency,
}

/// What was found in Kafka.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Verdict {
    pub(crate) accepted: u64,
    pub(crate) missing: u64,
    pub(crate) ids_missing: u64,
    pub(crate) duplicates: u64,
    pub(crate) id_duplicates: u64,
}

impl Outcome {
    /// CPU of the gateway for a request that was accepted, in microseconds.
    pub(crate) fn server_cpu_us(&self) -> f64 {
        self.server_cpu_s * 1e6 / (self.accepted.max(1) as f64)
    }

    /// Reads what the load printed.
    pub(crate) fn read(printed: &str) -> Result<Self> {
        let last = printed.trim().lines().last().unwrap_or_default();
        let outcome: Self =
            serde_json::from_str(last).doing(format_args!("not a result: {last:?}"))?;
        // A program that prints `{}` has measured nothing.
        if outcome.accepted + outcome.answered_otherwise == 0 || outcome.seconds <= 0.0 {
            return Err(Failure::new(format!("nothing was answered: {last:?}")));
        }
        Ok(outcome)
    }
}

impl Load {
    /// With this program.
    pub(crate) fn new(klamm: &Path) -> Self {
        Self { klamm: klamm.to_owned() }
    }

    /// Posts to `url`; `more` says how much and what. Answers of "busy" are no failure here: they are told.
    pub(crate) fn run(&self, url: &str, more: &[&str]) -> Result<Outcome> {
        Outcome::read(&rounds::bounded(self.command(url).args(more))?)
    }

    fn command(&self, url: &str) -> Command {
        let mut command = Command::new(&self.klamm);
        command.args(["perf", "http", url, "--refusals-ok", "-O", "json"]);
        command
    }

    /// The same when a rate that is not held, or a request without an answer, is what is asked for.
    pub(crate) fn run_to_the_end(&self, url: &str, more: &[&str]) -> Result<Outcome> {
        // What the load says counts, whatever its status.
        let ended = rounds::ended(self.command(url).args(more))?;
        let told = || process::last_lines(&ended.complained, 8);
        Outcome::read(&ended.printed)
            .map_err(|failure| Failure::new(format!("{failure}\n{}", told())))
    }
}

#[cfg(test)]
mod tests {
    use super::Outcome;

    #[test]
    fn what_the_load_says_is_read() {
        let line = r#"{"accepted":1000,"answered_otherwise":3,"seconds":2.0,"requests_per_second":500.0,
            "latency_ms":{"p50":1.5,"p99":9.0,"max":10.0,"avg":2.0},
            "statuses":{"503":{"count":3,"from_sent_ms":{"p99":0.5}}},
            "verdict":{"accepted":1000,"missing":0,"examples":[]}}"#;
        let outcome = Outcome::read(&line.replace('\n', " ")).unwrap();
        let outcome = Outcome { server_cpu_s: 0.02, ..outcome };
        assert_eq!((outcome.latency_ms.p50, outcome.server_cpu_us()), (1.5, 20.0));
        assert_eq!(outcome.statuses["503"].from_sent_ms.p99, 0.5);
        assert_eq!(outcome.verdict.unwrap().accepted, 1000);
    }

    #[test]
    fn a_line_without_a_measurement_is_no_result() {
        for line in ["", "{}", "error", r#"{"accepted":0,"seconds":1.0}"#, r#"{"accepted":5}"#] {
            assert!(Outcome::read(line).is_err(), "{line}");
        }
    }
}
