//! The programs that are compared: where each is and how it is built.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::workloads::{Mode, Workload};
use crate::failure::{Failure, Result};
use crate::interop;
use crate::place::Place;
use crate::process;

/// How a program is built, each in its own directory under `bench/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Build {
    /// `cargo build --release`.
    Cargo(&'static str),
    /// `go build`.
    Go,
    /// A virtual environment with what `requirements.txt` names.
    Python,
    /// Maven.
    Java,
}

/// One client under comparison.
#[derive(Debug)]
pub(crate) struct Client {
    /// Its directory, and its name in the tables.
    pub(crate) name: &'static str,
    build: Build,
    /// Whether it has a way with defaults only, one with ready-made batches only, or both.
    apis: &'static [&'static str],
    /// Whether it can send one record at a time and wait for it.
    lone: bool,
    /// The ways in which it reads a topic.
    reads: &'static [&'static str],
}

const BOTH: &[&str] = &["default", "best"];
const KLAMM_READS: &[&str] = &["borrowed", "owned", "recv", "best"];

const BASE: Client = Client { name: "", build: Build::Go, apis: BOTH, lone: true, reads: BOTH };

const CLIENTS: [Client; 9] = [
    Client { name: "klamm", build: Build::Cargo("bench-klamm"), reads: KLAMM_READS, ..BASE },
    Client { name: "franz-go", ..BASE },
    Client { name: "kafka-go", ..BASE },
    Client { name: "confluent-python", build: Build::Python, ..BASE },
    Client { name: "java", build: Build::Java, ..BASE },
    Client { name: "rdkafka", build: Build::Cargo("bench-rdkafka"), ..BASE },
    Client { name: "krafka", build: Build::Cargo("bench-krafka"), ..BASE },
    Client { name: "barnabas", build: Build::Cargo("bench-barnabas"), reads: &["default"], ..BASE },
    Client {
        name: "rskafka",
        build: Build::Cargo("bench-rskafka"),
        apis: &["best"],
        lone: false,
        reads: &[],
    },
];

/// Clients that are compared for large messages only: a million small ones would take them minutes.
const PYTHON: [Client; 2] = [
    Client { name: "kafka-python", build: Build::Python, apis: &["default"], reads: &[], ..BASE },
    Client { name: "aiokafka", build: Build::Python, apis: &["default"], reads: &[], ..BASE },
];

/// Those of the others that take part there.
const WITH_LARGE: [&str; 3] = ["klamm", "franz-go", "confluent-python"];

/// A client with the command that runs it.
#[derive(Debug)]
pub(crate) struct Built {
    /// The client.
    pub(crate) client: &'static Client,
    program: Vec<PathBuf>,
}

impl Built {
    /// The command that runs it, without arguments.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.program[0]);
        command.args(&self.program[1..]);
        command
    }

    /// The ways in which it takes part in `workload`.
    pub(crate) fn apis(&self, workload: &Workload) -> &'static [&'static str] {
        match workload.mode {
            Mode::Produce => self.client.apis,
            Mode::Consume => self.client.reads,
            // A record at a time is a matter of defaults; tuning is for throughput.
            Mode::Latency if self.client.lone => &["default"],
            Mode::Latency => &[],
            Mode::Large | Mode::Paced => &["default"],
        }
    }
}

/// The clients named in `list`, or all.
pub(crate) fn chosen(list: Option<&str>) -> Result<Vec<&'static Client>> {
    named(list, CLIENTS.iter().collect())
}

/// The clients for large messages named in `list`, or all of those.
pub(crate) fn with_large(list: Option<&str>) -> Result<Vec<&'static Client>> {
    let others = CLIENTS.iter().filter(|client| WITH_LARGE.contains(&client.name));
    named(list, others.chain(&PYTHON).collect())
}

fn named(list: Option<&str>, all: Vec<&'static Client>) -> Result<Vec<&'static Client>> {
    let Some(list) = list else { return Ok(all) };
    list.split(',')
        .map(|name| {
            all.iter().find(|client| client.name == name).copied().ok_or_else(|| {
                let names: Vec<&str> = all.iter().map(|client| client.name).collect();
                Failure::new(format!("no client {name:?}; there are: {}", names.join(", ")))
            })
        })
        .collect()
}

/// Builds what is asked for, one after the other; a client that cannot be built is left out aloud.
pub(crate) fn build(
    place: &Place,
    clients: &[&'static Client],
    wanted: bool,
) -> Result<Vec<Built>> {
    let mut built = Vec::new();
    for client in clients.iter().filter(|_| wanted) {
        eprintln!("building {}", client.name);
        match client.build(place) {
            Ok(program) => built.push(Built { client, program }),
            Err(failure) => eprintln!("{} is left out: {failure}", client.name),
        }
    }
    if wanted && built.is_empty() {
        return Err(Failure::new("no client could be built"));
    }
    Ok(built)
}

impl Client {
    /// Whether it has this way to produce.
    pub(crate) fn produces(&self, api: &str) -> bool {
        self.apis.contains(&api)
    }

    /// Whether it reads topics here.
    pub(crate) fn reads(&self) -> bool {
        !self.reads.is_empty()
    }

    fn build(&self, place: &Place) -> Result<Vec<PathBuf>> {
        let dir = place.root().join("bench").join(self.name);
        match self.build {
            Build::Cargo(binary) => cargo(place, self.name, binary).map(|program| vec![program]),
            Build::Go => {
                let mut go = Command::new(process::need("go", "golang")?);
                process::run(go.args(["build", "-o", "bin/bench", "."]).current_dir(&dir))?;
                Ok(vec![dir.join("bin/bench")])
            }
            Build::Python => python(place, self.name, &dir),
            Build::Java => {
                let mut maven = Command::new(process::need("mvn", "maven")?);
                process::run(maven.args(["-q", "package"]).current_dir(&dir))?;
                let jar = dir.join("target/bench.jar");
                Ok(vec![process::need("java", "default-jdk-headless")?, "-jar".into(), jar])
            }
        }
    }
}

/// Builds the crate under `bench/<name>`, in a target directory of its own.
pub(crate) fn cargo(place: &Place, name: &str, binary: &str) -> Result<PathBuf> {
    let target = place.dir("bench/target")?;
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--release", "--quiet"]).env("CARGO_TARGET_DIR", &target);
    process::run(cargo.current_dir(place.root().join("bench").join(name)))?;
    Ok(target.join("release").join(binary))
}

fn python(place: &Place, name: &str, dir: &Path) -> Result<Vec<PathBuf>> {
    let wanted = dir.join("requirements.txt").display().to_string();
    let venv = interop::venv(place, &format!("bench-{name}"), &["--requirement", &wanted])?;
    Ok(vec![venv.join("bin/python"), dir.join("bench.py")])
}

#[cfg(test)]
mod tests {
    use super::{chosen, with_large};

    fn names(clients: Vec<&'static super::Client>) -> Vec<&'static str> {
        clients.iter().map(|client| client.name).collect()
    }

    #[test]
    fn large_messages_have_python_clients_that_nothing_else_has() {
        let all = ["klamm", "franz-go", "confluent-python", "kafka-python", "aiokafka"];
        assert_eq!(names(with_large(None).unwrap()), all);
        assert_eq!(names(with_large(Some("aiokafka,klamm")).unwrap()), ["aiokafka", "klamm"]);
        assert!(with_large(Some("java")).unwrap_err().to_string().contains("kafka-python"));
        assert!(chosen(Some("aiokafka")).is_err());
        assert!(!names(chosen(None).unwrap()).contains(&"kafka-python"));
    }
}
