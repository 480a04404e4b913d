//! The programs that are compared: where each is and how it is built.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::workloads::{Mode, Workload};
use crate::failure::{Failure, Result};
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
        }
    }
}

/// The clients named in `list`, or all.
pub(crate) fn chosen(list: Option<&str>) -> Result<Vec<&'static Client>> {
    let Some(list) = list else { return Ok(CLIENTS.iter().collect()) };
    list.split(',')
        .map(|name| {
            CLIENTS.iter().find(|c| c.name == name).ok_or_else(|| {
                let names: Vec<&str> = CLIENTS.iter().map(|c| c.name).collect();
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
            Build::Python => python(&dir),
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

fn python(dir: &Path) -> Result<Vec<PathBuf>> {
    let venv = dir.join("venv");
    let program = venv.join("bin/python");
    if !program.is_file() {
        let mut make = Command::new(process::need("python3", "python3 python3-venv")?);
        process::run(make.args(["-m", "venv"]).arg(&venv))?;
    }
    let mut pip = Command::new(&program);
    pip.args(["-m", "pip", "install", "--quiet", "--requirement", "requirements.txt"]);
    process::run(pip.current_dir(dir))?;
    Ok(vec![program, dir.join("bench.py")])
}
