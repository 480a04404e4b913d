//! Clients that print a topic: klamm's and others.

use std::path::PathBuf;
use std::process::Command;

use super::packages::{go, venv};
use super::rows::{KCAT, Row, read_kcat};
use crate::failure::{Doing, Failure, Result};
use crate::kafka::Cluster;
use crate::place::Place;
use crate::process;
use crate::test::Counts;

/// A client.
pub(crate) trait Reader {
    /// What the report calls it.
    fn name(&self) -> &'static str;

    /// Whether its rows carry headers.
    fn sees_headers(&self) -> bool {
        true
    }

    /// Every record of `topic`, partition by partition, in order.
    fn read(&self, cluster: &Cluster, topic: &str) -> Result<Vec<Row>>;
}

/// The readers this machine can run, and each it cannot.
pub(crate) struct Readers {
    /// Ready to read.
    pub(crate) here: Vec<Box<dyn Reader>>,
    /// Counted as skipped.
    pub(crate) missing: Counts,
}

/// Finds, builds or installs every reader.
pub(crate) fn all(place: &Place) -> Readers {
    let mut here: Vec<Box<dyn Reader>> = vec![Box::new(Java::new(place))];
    let mut missing = Counts::default();
    let mut lacks = |name, reason: Failure| missing.add(Counts::skip(name, &reason.to_string()));
    match Klamm::build(place) {
        Ok(klamm) => here.push(Box::new(klamm)),
        Err(reason) => lacks("interop-klamm", reason),
    }
    match process::need("kcat", "kcat") {
        Ok(_) => here.push(Box::new(Kcat)),
        Err(reason) => lacks("interop-kcat", reason),
    }
    match Go::build(place) {
        Ok(go) => here.push(Box::new(go)),
        Err(reason) => lacks("interop-franz-go", reason),
    }
    match Python::install(place) {
        Ok(python) => here.push(Box::new(python)),
        Err(reason) => lacks("interop-confluent-kafka", reason),
    }
    Readers { here, missing }
}

fn rows(output: Vec<u8>) -> Result<Vec<Row>> {
    let text = String::from_utf8(output).doing("a reader's output")?;
    text.lines().map(Row::read).collect()
}

/// Kafka's own consumer.
#[derive(Debug)]
pub(crate) struct Java {
    program: PathBuf,
}

impl Java {
    /// The program in `testing/interop/java`, run from its source.
    pub(crate) fn new(place: &Place) -> Self {
        Self { program: place.root().join("testing/interop/java/Dump.java") }
    }
}

impl Reader for Java {
    fn name(&self) -> &'static str {
        "Java"
    }

    fn read(&self, cluster: &Cluster, topic: &str) -> Result<Vec<Row>> {
        let mut java = cluster.artifacts().java();
        java.arg("-Xmx512m").arg(&self.program).arg(cluster.bootstrap()).arg(topic);
        rows(process::capture(&mut java)?)
    }
}

/// klamm's own consumer.
#[derive(Debug)]
pub(crate) struct Klamm {
    program: PathBuf,
}

impl Klamm {
    /// The example `rows` of the library.
    pub(crate) fn build(place: &Place) -> Result<Self> {
        let mut cargo = Command::new("cargo");
        cargo.current_dir(place.root()).args(["build", "-p", "klamm", "--example", "rows"]);
        process::run(&mut cargo)?;
        Ok(Self { program: place.target().join("debug/examples/rows") })
    }
}

impl Reader for Klamm {
    fn name(&self) -> &'static str {
        "klamm"
    }

    fn read(&self, cluster: &Cluster, topic: &str) -> Result<Vec<Row>> {
        self.rows(&cluster.bootstrap(), topic, false)
    }
}

impl Klamm {
    /// Every record of `topic`, or every committed one, partition by partition, in order.
    pub(super) fn rows(
        &self,
        bootstrap: &str,
        topic: &str,
        read_committed: bool,
    ) -> Result<Vec<Row>> {
        let mut klamm = Command::new(&self.program);
        klamm.args([bootstrap, topic]).args(read_committed.then_some("read_committed"));
        rows(process::capture(&mut klamm)?)
    }
}

struct Kcat;

impl Reader for Kcat {
    fn name(&self) -> &'static str {
        "kcat"
    }

    fn sees_headers(&self) -> bool {
        false
    }

    fn read(&self, cluster: &Cluster, topic: &str) -> Result<Vec<Row>> {
        read_by_kcat(&cluster.bootstrap(), topic)
    }
}

/// Every record of `topic`, partition by partition, in order, as kcat sees them; checksums are checked.
pub(crate) fn read_by_kcat(bootstrap: &str, topic: &str) -> Result<Vec<Row>> {
    let mut kcat = Command::new("kcat");
    kcat.args(["-C", "-q", "-e", "-o", "beginning", "-X", "check.crcs=true", "-f", KCAT]);
    kcat.args(["-b", bootstrap, "-t", topic]);
    let mut rows = read_kcat(&process::capture(&mut kcat)?)?;
    // It interleaves partitions as their data arrives, each in its order.
    rows.sort_by_key(|row| row.partition);
    Ok(rows)
}

struct Go {
    program: PathBuf,
}

impl Go {
    fn build(place: &Place) -> Result<Self> {
        let program = place.dir("interop")?.join("dump-go");
        let mut go = Command::new(go(place)?);
        go.current_dir(place.root().join("testing/interop/go"));
        process::capture(go.args(["build", "-o"]).arg(&program).arg("."))?;
        Ok(Self { program })
    }
}

impl Reader for Go {
    fn name(&self) -> &'static str {
        "franz-go"
    }

    fn read(&self, cluster: &Cluster, topic: &str) -> Result<Vec<Row>> {
        let mut dump = Command::new(&self.program);
        rows(process::capture(dump.arg(cluster.bootstrap()).arg(topic))?)
    }
}

struct Python {
    python: PathBuf,
    program: PathBuf,
}

impl Python {
    fn install(place: &Place) -> Result<Self> {
        let program = place.root().join("testing/interop/python/dump.py");
        let list = program.with_file_name("requirements.txt");
        let python = venv(place, "python", &["-r", &list.to_string_lossy()])?.join("bin/python");
        Ok(Self { python, program })
    }
}

impl Reader for Python {
    fn name(&self) -> &'static str {
        "confluent-kafka"
    }

    fn read(&self, cluster: &Cluster, topic: &str) -> Result<Vec<Row>> {
        let mut dump = Command::new(&self.python);
        dump.arg(&self.program).arg(cluster.bootstrap()).arg(topic);
        rows(process::capture(&mut dump)?)
    }
}
