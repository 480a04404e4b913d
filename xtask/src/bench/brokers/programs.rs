//! The programs a comparison of brokers needs, built into the target directory.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::cases::Load;
use crate::failure::{Doing, Result};
use crate::place::Place;
use crate::process;

/// What has been built.
#[derive(Debug)]
pub(crate) struct Programs {
    load: PathBuf,
    confluent: Option<[PathBuf; 2]>,
    plain: bool,
}

impl Programs {
    /// Builds what `loads` need; `plain` is without idempotence where no client library is in between.
    pub(crate) fn build(place: &Place, loads: &[Load], plain: bool) -> Result<Self> {
        let confluent = loads.contains(&Load::Confluent).then(|| confluent(place)).transpose()?;
        Ok(Self { load: go(place, "broker-load")?, confluent, plain })
    }

    /// The command that puts `load` on the broker at `bootstrap`; `None` for a case without any.
    pub(crate) fn command(&self, load: Load, bootstrap: &str) -> Option<Command> {
        let mut command = match (load, &self.confluent) {
            (Load::Go(case), _) => {
                let mut command = Command::new(&self.load);
                command.arg(case).args(self.plain.then_some("--plain"));
                command
            }
            (Load::Confluent, Some([python, program])) => {
                let mut command = Command::new(python);
                command.arg(program);
                command
            }
            (Load::Confluent, None) | (Load::None, _) => return None,
        };
        command.args(["--bootstrap", bootstrap]);
        Some(command)
    }
}

/// Builds the Go program under `bench/<name>`.
pub(crate) fn go(place: &Place, name: &str) -> Result<PathBuf> {
    eprintln!("building {name}");
    let program = place.dir("bench/bin")?.join(name);
    let mut go = Command::new(process::need("go", "golang")?);
    go.arg("build").arg("-o").arg(&program).arg(".");
    process::run(go.current_dir(place.root().join("bench").join(name)))?;
    Ok(program)
}

/// klamm as it is released.
pub(crate) fn klamm(place: &Place) -> Result<PathBuf> {
    eprintln!("building klamm");
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--release", "--quiet", "-p", "klamm-cli"]);
    process::run(cargo.current_dir(place.root()))?;
    Ok(place.target().join("release/klamm"))
}

/// A Python with confluent-kafka, and the program it runs.
fn confluent(place: &Place) -> Result<[PathBuf; 2]> {
    eprintln!("building broker-confluent");
    let source = place.root().join("bench/broker-confluent");
    let venv = place.dir("bench/venv")?;
    let python = venv.join("bin/python");
    if !python.is_file() {
        let mut make = Command::new(process::need("python3", "python3 python3-venv")?);
        process::run(make.args(["-m", "venv"]).arg(&venv))?;
    }
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"]);
    process::run(pip.arg(source.join("requirements.txt")))?;
    Ok([python, source.join("load.py")])
}

/// Bytes of `program` without its symbols.
pub(crate) fn stripped(place: &Place, program: &Path) -> Result<u64> {
    let copy = place.dir("bench")?.join("stripped");
    let mut strip = Command::new(process::need("strip", "binutils")?);
    process::capture(strip.arg("-o").arg(&copy).arg(program))?;
    let bytes = std::fs::metadata(&copy).doing(copy.display())?.len();
    std::fs::remove_file(&copy).doing(copy.display())?;
    Ok(bytes)
}
