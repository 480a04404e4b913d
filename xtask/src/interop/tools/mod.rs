//! `cargo xtask interop tools`: Kafka's own command-line tools on a broker, and on the segment files it leaves.
//!
//! `call` is one call of a tool and what it must answer, `report` counts. The rest are areas of a broker's work:
//! `topics`, `records`, `groups`, `transactions`, `cluster`, `security`, `segments`.

mod call;
mod cluster;
mod groups;
mod klamm_groups;
mod records;
mod report;
mod security;
mod segments;
mod topics;
mod transactions;

use std::path::{Path, PathBuf};
use std::process::Command;

use self::call::Tools;
use self::report::Report;
use crate::failure::{Doing, Failure, Result};
use crate::flags::Flags;
use crate::kafka::{Artifacts, Version};
use crate::listening::Listening;
use crate::place::Place;
use crate::test::Counts;

const HELP: &str = "\
cargo xtask interop tools [--program KLAMM] [--bootstrap HOST:PORT] [--areas topics,records,…] [--short]
     Kafka's command-line tools on `klamm broker` (started here), each answer held against what it must be;
     then DumpLogSegments over every file the broker has left. At --bootstrap only what needs no broker of our own.
     With a program `klamm groups` is held against Kafka's own tool, too.
     Areas: topics, records, groups, transactions, cluster, security, segments; --short is what every test runs
cargo xtask interop tools --segments DIR
     DumpLogSegments over every segment and index below DIR
";

/// A part of what a broker does, on any broker.
type Area = (&'static str, fn(&Tools<'_>, &mut Report));

const AREAS: [Area; 6] = [
    ("topics", topics::check),
    ("records", records::check),
    ("groups", groups::check),
    ("transactions", transactions::check),
    ("cluster", cluster::check),
    ("segments", segments::fill),
];
/// Without these no broker is usable, and they are quick.
const SHORT: [Area; 3] =
    [("records", records::short), ("groups", groups::short), ("segments", segments::fill)];
/// The area with a broker of its own.
const SECURITY: &str = "security";

/// Runs `cargo xtask interop tools` with `args`.
pub(super) fn run(place: &Place, args: &[String]) -> Result<()> {
    let names = ["bootstrap", "program", "segments", "areas"];
    let flags = Flags::parse(args, &names, &["help", "short"])?;
    if flags.has("help") {
        print!("{HELP}");
        return Ok(());
    }
    let artifacts = Artifacts::fetch(place, &Version::DEFAULT)?;
    let dir = scratch(place)?;
    let mut report = Report::default();
    let chosen = chosen(flags.value("areas"))?;
    match (flags.value("segments"), flags.value("bootstrap")) {
        (Some(segments), _) => segments::all(&artifacts, Path::new(segments), &dir, &mut report),
        (None, Some(bootstrap)) => {
            let tools = Tools::new(&artifacts, bootstrap, &dir);
            let tools = match flags.value("program") {
                Some(program) => tools.beside(Path::new(program)),
                None => tools,
            };
            AREAS.iter().filter(|area| chosen(area.0)).for_each(|area| area.1(&tools, &mut report));
        }
        (None, None) => {
            let klamm = match flags.value("program") {
                Some(program) => PathBuf::from(program),
                None => super::build(place)?,
            };
            let areas: &[Area] = if flags.has("short") { &SHORT } else { &AREAS };
            let areas: Vec<&Area> = areas.iter().filter(|area| chosen(area.0)).collect();
            broker(&artifacts, &klamm, &dir, &areas, &mut report)?;
            if chosen(SECURITY) && !flags.has("short") {
                secure(&artifacts, &klamm, &dir, &mut report)?;
            }
        }
    }
    let counts = report.counts();
    println!("{} answers as they must be, {} not", counts.passed, counts.failed);
    match counts.failed {
        0 => Ok(()),
        failed => Err(Failure::new(format!("{failed} answers of Kafka's tools are wrong"))),
    }
}

/// The short form, for every test run.
pub(crate) fn quick(place: &Place, klamm: &Path) -> Result<Counts> {
    let artifacts = Artifacts::fetch(place, &Version::DEFAULT)?;
    let mut report = Report::default();
    let areas: Vec<&Area> = SHORT.iter().collect();
    broker(&artifacts, klamm, &scratch(place)?, &areas, &mut report)?;
    Ok(report.counts())
}

/// Which areas `--areas` names; all of them without it.
fn chosen(list: Option<&str>) -> Result<impl Fn(&str) -> bool> {
    let list: Option<Vec<String>> = list.map(|list| list.split(',').map(str::to_owned).collect());
    let known = |name: &String| name == SECURITY || AREAS.iter().any(|area| area.0 == name);
    match list.iter().flatten().find(|name| !known(name)) {
        Some(name) => Err(Failure::new(format!("no area {name:?}; see --help"))),
        None => Ok(move |area: &str| {
            list.as_ref().is_none_or(|list| list.iter().any(|name| name == area))
        }),
    }
}

/// A directory for one run.
fn scratch(place: &Place) -> Result<PathBuf> {
    let dir = place.dir("interop/tools")?.join(std::process::id().to_string());
    std::fs::create_dir_all(&dir).doing(dir.display())?;
    Ok(dir)
}

/// The areas on a broker with a directory; when it has ended, the files in there are read.
fn broker(
    artifacts: &Artifacts,
    klamm: &Path,
    dir: &Path,
    areas: &[&Area],
    report: &mut Report,
) -> Result<()> {
    let data = dir.join("data");
    let mut command = Command::new(klamm);
    command.args(["broker", "--listen", "127.0.0.1:0", "--data"]).arg(&data);
    let mut listening = Listening::start(&mut command)?;
    let tools = Tools::new(artifacts, listening.address(), dir).beside(klamm);
    areas.iter().for_each(|area| area.1(&tools, report));
    report.take("the broker stops", listening.stop());
    if areas.iter().any(|area| area.0 == "segments") {
        segments::check(artifacts, &data, dir, report);
    }
    std::fs::remove_dir_all(dir).doing(dir.display())
}

/// The area that needs passwords.
fn secure(artifacts: &Artifacts, klamm: &Path, dir: &Path, report: &mut Report) -> Result<()> {
    std::fs::create_dir_all(dir).doing(dir.display())?;
    let mut command = Command::new(klamm);
    command.args(["broker", "--listen", "127.0.0.1:0", "--super-user", "User:admin", "--users"]);
    let listening = Listening::start(command.arg(security::users_file(dir)?))?;
    security::check(&Tools::new(artifacts, listening.address(), dir), report);
    std::fs::remove_dir_all(dir).doing(dir.display())
}
