//! The programs under `interop/`, and how each is built.

use std::ffi::OsString;
use std::process::Command;

use crate::failure::{Doing, Failure, Result};
use crate::interop::packages;
use crate::place::Place;
use crate::process;

/// How a program comes to be.
#[derive(Debug, Clone, Copy)]
enum Build {
    /// No program of ours: kcat itself, with arguments.
    Kcat,
    /// A file of `interop/python`.
    Python(&'static str),
    /// A package of `interop/go`.
    Go(&'static str),
    /// `interop/java`.
    Java,
    /// `interop/node`.
    Node,
    /// `interop/rdkafka`.
    Cargo,
}

/// A client.
#[derive(Debug)]
pub(super) struct Client {
    name: &'static str,
    build: Build,
}

const CLIENTS: [Client; 10] = [
    Client { name: "kcat", build: Build::Kcat },
    Client { name: "confluent-kafka", build: Build::Python("confluent.py") },
    Client { name: "kafka-python", build: Build::Python("kafka_python.py") },
    Client { name: "aiokafka", build: Build::Python("aio_kafka.py") },
    Client { name: "franz-go", build: Build::Go("franz") },
    Client { name: "sarama", build: Build::Go("sarama") },
    Client { name: "kafka-go", build: Build::Go("segmentio") },
    Client { name: "java", build: Build::Java },
    Client { name: "kafkajs", build: Build::Node },
    Client { name: "rdkafka", build: Build::Cargo },
];

/// How a client is run.
#[derive(Debug)]
pub(super) enum Program {
    /// By `kcat.rs`.
    Kcat,
    /// A command that takes BOOTSTRAP and SCENARIO.
    Command(Vec<OsString>),
}

/// A client that can be run.
#[derive(Debug)]
pub(super) struct Built {
    client: &'static Client,
    program: Program,
}

impl Built {
    /// What the tables call it.
    pub(super) fn name(&self) -> &'static str {
        self.client.name
    }

    /// How to run it.
    pub(super) fn program(&self) -> &Program {
        &self.program
    }
}

/// The clients named in `list`, or all.
pub(super) fn chosen(list: Option<&str>) -> Result<Vec<&'static Client>> {
    let Some(list) = list else { return Ok(CLIENTS.iter().collect()) };
    let unknown = |name: &str| {
        let names: Vec<&str> = CLIENTS.iter().map(|client| client.name).collect();
        Failure::new(format!("no client {name:?}; there are: {}", names.join(", ")))
    };
    let find = |name: &str| CLIENTS.iter().find(|client| client.name == name);
    list.split(',').map(|name| find(name).ok_or_else(|| unknown(name))).collect()
}

/// Builds what is asked for; what cannot be built comes back with the reason.
pub(super) fn build(
    place: &Place,
    clients: &[&'static Client],
) -> (Vec<Built>, Vec<(&'static str, Failure)>) {
    let (mut built, mut missing) = (Vec::new(), Vec::new());
    for &client in clients {
        match client.build(place) {
            Ok(program) => built.push(Built { client, program }),
            Err(failure) => missing.push((client.name, failure)),
        }
    }
    (built, missing)
}

impl Client {
    fn build(&self, place: &Place) -> Result<Program> {
        match self.build {
            Build::Kcat => process::need("kcat", "kcat").map(|_| Program::Kcat),
            Build::Python(file) => python(place, file).map(Program::Command),
            Build::Go(package) => go(place, package).map(Program::Command),
            Build::Java => java(place, "interop.Main").map(Program::Command),
            Build::Node => node(place),
            Build::Cargo => rdkafka(place),
        }
    }
}

/// The command that runs a file of `interop/python`.
pub(in crate::interop) fn python(place: &Place, file: &str) -> Result<Vec<OsString>> {
    let dir = place.root().join("interop/python");
    let list = dir.join("requirements.txt");
    let venv = packages::venv(place, "matrix", &["-r", &list.to_string_lossy()])?;
    Ok(vec![venv.join("bin/python").into(), dir.join(file).into()])
}

/// The command that runs a package of `interop/go`.
pub(in crate::interop) fn go(place: &Place, package: &str) -> Result<Vec<OsString>> {
    packages::build_go(place, package).map(|program| vec![program.into()])
}

/// The command that runs a class of `interop/java`.
pub(in crate::interop) fn java(place: &Place, class: &str) -> Result<Vec<OsString>> {
    let out = place.dir("interop/java")?;
    let mut maven = Command::new(process::need("mvn", "maven")?);
    maven.current_dir(place.root().join("interop/java")).args(["-q", "-B", "package"]);
    process::capture(maven.arg(format!("-Dout={}", out.display())))?;
    let java = process::need("java", "default-jdk-headless")?;
    let class_path = format!("{0}/classes:{0}/lib/*", out.display());
    let quiet = "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn";
    let words = [quiet, "-Xmx256m", "-cp", &class_path, class].map(OsString::from);
    Ok(std::iter::once(java.into()).chain(words).collect())
}

/// Its packages lie beside it, so it is copied to where they may lie.
fn node(place: &Place) -> Result<Program> {
    let (from, to) = (place.root().join("interop/node"), place.dir("interop/node")?);
    for entry in std::fs::read_dir(&from).doing(from.display())?.flatten() {
        let path = entry.path();
        if path.is_file() {
            std::fs::copy(&path, to.join(entry.file_name())).doing(path.display())?;
        }
    }
    let lock = from.join("package-lock.json");
    let wish = std::fs::read_to_string(&lock).doing(lock.display())?;
    packages::once(&to.join("complete"), &wish, || {
        let mut npm = Command::new(process::need("npm", "npm")?);
        npm.current_dir(&to).args(["ci", "--no-audit", "--no-fund"]);
        process::capture(&mut npm).map(drop)
    })?;
    let node = process::need("node", "nodejs")?;
    Ok(Program::Command(vec![node.into(), to.join("main.js").into()]))
}

fn rdkafka(place: &Place) -> Result<Program> {
    let target = place.dir("interop/rdkafka")?;
    let mut cargo = Command::new("cargo");
    cargo.current_dir(place.root().join("interop/rdkafka")).env("CARGO_TARGET_DIR", &target);
    process::capture(cargo.args(["build", "--release", "--locked", "--quiet"]))?;
    Ok(Program::Command(vec![target.join("release/interop-rdkafka").into()]))
}
