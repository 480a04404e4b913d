//! The brokers that are compared.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;

use super::bounded::Held;
use crate::failure::{Doing, Failure, Result};
use crate::kafka::{Running, Spec};
use crate::place::Place;
use crate::process;

/// Where the ports of the Kafka started here begin; a run beside this one takes the next range.
const PORT_BASE: u16 = 22400;
/// What a broker that prints more than this before it listens would print is not worth reading.
const FIRST_LINE: u64 = 4096;
/// kcat cannot make a topic; and with Kafka's 5 s between heartbeats a rebalance of the consumer protocol takes longer
/// than all else together.
const SETTINGS: [(&str, &str); 3] = [
    ("auto.create.topics.enable", "true"),
    ("group.consumer.heartbeat.interval.ms", "1000"),
    ("group.consumer.min.heartbeat.interval.ms", "1000"),
];

/// One broker.
#[derive(Debug)]
pub(crate) struct Column {
    /// The head of its column.
    pub(in crate::interop) name: &'static str,
    /// `HOST:PORT`.
    pub(in crate::interop) bootstrap: String,
    _kafka: Option<Running>,
    klamm: Option<Mutex<Held>>,
}

impl Column {
    /// A broker that runs already.
    pub(in crate::interop) fn at(name: &'static str, bootstrap: &str) -> Self {
        Self { name, bootstrap: bootstrap.to_owned(), _kafka: None, klamm: None }
    }

    /// A real Kafka.
    pub(in crate::interop) fn kafka(place: &Place) -> Result<Self> {
        let spec = Spec {
            name: "matrix".to_owned(),
            port_base: PORT_BASE,
            settings: SETTINGS.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
            ..Spec::default()
        };
        let kafka = Running::up(place, spec)?;
        let bootstrap = kafka.cluster().bootstrap();
        Ok(Self { name: "kafka", bootstrap, _kafka: Some(kafka), klamm: None })
    }

    /// `program broker` on a free port, its data in memory.
    pub(in crate::interop) fn klamm(program: &Path) -> Result<Self> {
        let mut command = Command::new(program);
        command.args(["broker", "--listen", "127.0.0.1:0"]);
        let (bootstrap, broker) = listening(&mut command)?;
        let klamm = Some(Mutex::new(broker));
        Ok(Self { name: "klamm", bootstrap, _kafka: None, klamm })
    }

    /// An error once the broker started here has ended, which would otherwise look like failures of every client.
    pub(super) fn check(&self) -> Result<()> {
        let Some(Ok(mut broker)) = self.klamm.as_ref().map(Mutex::lock) else { return Ok(()) };
        match broker.0.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(status)) => Err(Failure::new(format!("the broker has ended: {status}"))),
            Err(error) => Err(Failure::new(format!("the broker: {error}"))),
        }
    }
}

/// Starts a broker that says `listening on HOST:PORT` on its first line.
pub(crate) fn listening(command: &mut Command) -> Result<(String, Held)> {
    let shown = process::shown(command);
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = Held(command.spawn().doing(format_args!("cannot run {shown}"))?);
    let stdout = child.0.stdout.take().ok_or_else(|| Failure::new("no standard output"))?;
    let mut reader = BufReader::new(stdout);
    let mut line = String::new();
    std::io::Read::take(&mut reader, FIRST_LINE).read_line(&mut line).doing(&shown)?;
    let Some(bootstrap) = line.trim_end().strip_prefix("listening on ") else {
        return Err(Failure::new(format!("{shown} does not listen; it says {line:?}")));
    };
    let bootstrap = bootstrap.to_owned();
    // What it says later goes nowhere, but a closed pipe would hurt it.
    std::thread::spawn(move || std::io::copy(&mut reader, &mut std::io::sink()));
    Ok((bootstrap, child))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::listening;

    #[test]
    fn the_first_line_says_where() {
        let shell = |script: &str| listening(Command::new("sh").args(["-c", script]));
        assert_eq!(shell("echo listening on 127.0.0.1:7; exec sleep 60").unwrap().0, "127.0.0.1:7");
        assert!(shell("echo no").unwrap_err().to_string().contains("does not listen"));
        assert!(shell("exit 0").is_err());
    }
}
