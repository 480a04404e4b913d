//! The broker under every client: a real Kafka of our own, or one that somebody names, and its topics.

use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use super::clients;
use super::workloads::Workload;
use crate::failure::{Failure, Result};
use crate::kafka::{Running, Spec};
use crate::listening::Listening;
use crate::place::Place;
use crate::process;

const PORT_BASE: u16 = 21800;
/// Where the delay proxy listens, which is what the SLOW listener advertises.
const PROXY_PORT: u16 = 21895;
/// One way; the round trip is twice that.
const DELAY_MS: &str = "10";

/// How long a fresh topic may take until all its partitions answer.
const READY_LIMIT: Duration = Duration::from_secs(15);

/// A Kafka to send to.
pub(crate) struct Broker {
    bootstrap: String,
    /// Through the delay proxy; only a broker of our own advertises that.
    slow: Option<String>,
    klamm: PathBuf,
    _proxy: Option<Listening>,
    kafka: Option<Running>,
}

/// A program that ends with this value.
pub(crate) struct Stopped(pub(crate) Child);

impl Drop for Stopped {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Broker {
    /// The broker at `bootstrap`, or a Kafka of our own, if need be with the delay proxy before it.
    pub(crate) fn connect(place: &Place, bootstrap: Option<&str>, slow: bool) -> Result<Self> {
        Self::connect_with(crate::interop::build(place)?, place, bootstrap, slow)
    }

    /// The same with this program of klamm's for its topics.
    pub(crate) fn connect_with(
        klamm: PathBuf,
        place: &Place,
        bootstrap: Option<&str>,
        slow: bool,
    ) -> Result<Self> {
        if let Some(bootstrap) = bootstrap {
            let bootstrap = bootstrap.to_owned();
            return Ok(Self { bootstrap, slow: None, klamm, _proxy: None, kafka: None });
        }
        let spec = Spec {
            name: "bench".to_owned(),
            port_base: PORT_BASE,
            heap: "1g".to_owned(),
            slow_advertised: Some(PROXY_PORT),
            // A deleted topic's files go at once, or the disk fills up over the runs.
            settings: vec![("log.segment.delete.delay.ms".to_owned(), "1000".to_owned())],
            ..Spec::default()
        };
        let kafka = Running::up(place, spec)?;
        let bootstrap = kafka.cluster().bootstrap();
        let facts = kafka.cluster().facts();
        let to = facts.iter().find(|(name, _)| name == "slow").map(|(_, address)| address.as_str());
        let (proxy, slow) = match to {
            Some(to) if slow => proxy(place, to).map(|(proxy, at)| (Some(proxy), Some(at)))?,
            _ => (None, None),
        };
        Ok(Self { bootstrap, slow, klamm, _proxy: proxy, kafka: Some(kafka) })
    }

    /// Whether it is a Kafka that was started for this.
    pub(crate) fn is_own(&self) -> bool {
        self.kafka.is_some()
    }

    /// Where clients start.
    pub(crate) fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// Where the clients of `workload` start; `None` when this broker cannot serve it.
    pub(crate) fn address(&self, workload: &Workload) -> Option<&str> {
        if workload.slow { self.slow.as_deref() } else { Some(&self.bootstrap) }
    }

    /// Makes a topic for one run, and waits until all of it can be written.
    pub(crate) fn create(&self, topic: &str, partitions: u16) -> Result<()> {
        let partitions_text = partitions.to_string();
        let limit = "max.message.bytes=10485760";
        self.topics(&["create", topic, "-p", &partitions_text, "-r", "1", "-c", limit])?;
        // Partitions have no leader yet when the broker says "created".
        let deadline = Instant::now() + READY_LIMIT;
        while let Err(failure) = self.count(topic, partitions) {
            if Instant::now() > deadline {
                return Err(failure);
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }

    /// Takes it away again.
    pub(crate) fn delete(&self, topic: &str) -> Result<()> {
        self.topics(&["delete", topic, "--yes"])
    }

    fn topics(&self, args: &[&str]) -> Result<()> {
        let mut klamm = Command::new(&self.klamm);
        klamm.arg("topics").args(args).args(["--bootstrap-server", &self.bootstrap]);
        process::capture(&mut klamm).map(drop)
    }

    /// Records in a topic, as kcat learns from the ends of its partitions: nobody's own word.
    pub(crate) fn count(&self, topic: &str, partitions: u16) -> Result<u64> {
        let mut kcat = Command::new(process::need("kcat", "kcat")?);
        kcat.args(["-Q", "-b", &self.bootstrap]);
        for partition in 0..partitions {
            kcat.args(["-t", &format!("{topic}:{partition}:-1")]);
        }
        let printed = process::capture(&mut kcat)?;
        sum_of_ends(&String::from_utf8_lossy(&printed))
    }
}

/// Adds up lines like `topic [3] offset 1234`.
fn sum_of_ends(printed: &str) -> Result<u64> {
    let end = |line: &str| line.rsplit(' ').next().and_then(|end| end.parse::<u64>().ok());
    let ends = printed.lines().filter(|line| !line.is_empty()).map(|line| {
        end(line).ok_or_else(|| Failure::new(format!("kcat prints no offset in {line:?}")))
    });
    ends.sum()
}

/// Starts the delay proxy in front of `to`; returns where it listens.
fn proxy(place: &Place, to: &str) -> Result<(Listening, String)> {
    let program = clients::cargo(place, "delayproxy", "bench-delayproxy")?;
    let address = format!("127.0.0.1:{PROXY_PORT}");
    let mut proxy = Command::new(program);
    proxy.args(["--listen", &address, "--to", to, "--one-way-ms", DELAY_MS]);
    Ok((Listening::start(&mut proxy)?, address))
}

#[cfg(test)]
mod tests {
    use super::sum_of_ends;

    #[test]
    fn ends_are_added_up_and_nonsense_is_refused() {
        assert_eq!(sum_of_ends("t [0] offset 12\nt [1] offset 30\n").unwrap(), 42);
        assert_eq!(sum_of_ends("").unwrap(), 0);
        assert!(sum_of_ends("t [0] offset -\n").is_err());
    }
}
