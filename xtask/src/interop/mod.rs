//! `cargo xtask interop`: klamm against a real Kafka, and other clients against what klamm wrote.
//!
//! `readers` are Java, kcat (librdkafka), franz-go and confluent-kafka, each printing a topic the same way;
//! `rows` is that way; `checks` are the comparisons, `foreign` and `transactions` those of what others wrote, `batches` one
//! that needs no broker.
//!
//! `matrix` lets ten clients use a broker in every way they can, on Kafka and on klamm's; `suites` runs the tests that
//! clients publish, `tools` Kafka's command-line tools. `packages` installs what programs in other languages need.

mod batches;
mod checks;
mod foreign;
mod input;
mod librdkafka;
mod matrix;
mod members;
mod packages;
mod readers;
mod restarts;
mod rows;
mod suites;
mod tools;
mod transactions;

pub(crate) use self::matrix::{Held, quick as matrix};
pub(crate) use self::members::{franz_go_member, java_member, librdkafka_member};
pub(crate) use self::packages::{build_go, venv};
pub(crate) use self::readers::{Java, Reader, read_by_kcat};
pub(crate) use self::rows::Row;
pub(crate) use self::tools::quick as tools;
pub(crate) use self::transactions::Extent;

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::{Failure, Result};
use crate::flags::Flags;
use crate::kafka::{Cluster, Running, Spec};
use crate::place::Place;
use crate::process;
use crate::test::Counts;

const HELP: &str = "\
cargo xtask interop [--version V] [--file FILE] [--readers-only] [--program KLAMM]
     runs the tests that need a real Kafka, then lets Java, kcat, franz-go and confluent-kafka read what
     klamm wrote, and klamm what Java wrote; FILE is sent line by line with every codec instead of a made-up text, KLAMM takes the
     place of the program that is otherwise built
cargo xtask interop matrix …
cargo xtask interop suite …
cargo xtask interop tools …
     each with --help says more
";

/// Runs `cargo xtask interop` with `args`.
pub(crate) fn run(place: &Place, args: &[String]) -> Result<()> {
    match args.split_first() {
        Some((word, rest)) if word == "matrix" => matrix::run(place, rest),
        Some((word, rest)) if word == "suite" => suites::run(place, rest),
        Some((word, rest)) if word == "tools" => tools::run(place, rest),
        _ => own(place, args),
    }
}

/// klamm's own tests on a real Kafka, then the readers.
fn own(place: &Place, args: &[String]) -> Result<()> {
    let flags = Flags::parse(args, &["version", "file", "program"], &["help", "readers-only"])?;
    if flags.has("help") {
        print!("{HELP}");
        return Ok(());
    }
    let version = flags.number("version", Spec::default().version)?;
    let secure = version.at_least(3, 5);
    let name = "interop".to_owned();
    let spec = Spec { name, port_base: 21600, secure, version, ..Spec::default() };
    let kafka = Running::up(place, spec)?;
    if !flags.has("readers-only") {
        let mut cargo = Command::new("cargo");
        cargo.current_dir(place.root()).args(["test", "-p", "klamm", "-p", "klamm-cli"]);
        process::run(cargo.arg("--tests").envs(kafka.test_environment()))?;
    }
    let klamm = match flags.value("program") {
        Some(program) => PathBuf::from(program),
        None => build(place)?,
    };
    let counts = match flags.value("file") {
        Some(file) => checks::file(place, kafka.cluster(), &klamm, Path::new(file))?,
        None => readers(place, kafka.cluster(), &klamm, Extent::Full)?,
    };
    for skip in &counts.skipped {
        println!("skipped {}: {}", skip.name, skip.reason);
    }
    let skipped = counts.skipped.len();
    println!("{} passed, {} failed, {skipped} skipped", counts.passed, counts.failed);
    match counts.failed {
        0 => Ok(()),
        failed => Err(Failure::new(format!("{failed} comparisons failed"))),
    }
}

/// Every comparison of what klamm wrote with what the others read, and the other way round.
pub(crate) fn readers(
    place: &Place,
    cluster: &Cluster,
    klamm: &Path,
    extent: Extent,
) -> Result<Counts> {
    let text = input::text(place)?;
    let mut counts = checks::file(place, cluster, klamm, &text)?;
    counts.add(checks::records(place, cluster, klamm)?);
    counts.add(foreign::check(place, cluster)?);
    counts.add(transactions::check(place, cluster, klamm, extent)?);
    counts.add(batches::check(place)?);
    Ok(counts)
}

/// The `klamm` that an option names, else that of this worktree.
pub(crate) fn given_or_built(place: &Place, given: Option<&str>) -> Result<PathBuf> {
    given.map_or_else(|| build(place), |klamm| Ok(PathBuf::from(klamm)))
}

/// The `klamm` of this worktree.
pub(crate) fn build(place: &Place) -> Result<PathBuf> {
    let mut cargo = Command::new("cargo");
    process::run(cargo.current_dir(place.root()).args(["build", "-p", "klamm-cli"]))?;
    Ok(place.target().join("debug/klamm"))
}
