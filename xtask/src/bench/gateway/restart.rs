//! A start with much in the log: how long until the first answer, and how fast the log is read through.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use super::peers::{Built, NOBODY};
use super::turns::Course;
use crate::bench::rounds;
use crate::disk::has_room;
use crate::failure::{Doing, Failure, Result};
use crate::http;

/// Records of a request, and bytes of one.
const SHAPE: (u64, u64) = (500, 1000);
/// Filling takes no longer than so many seconds.
const FILL_S: &str = "150";
/// What the log has around records, and files that are made ahead, in GiB beside half as much as it holds.
const SPARE_GIB: u64 = 1;
/// The first answer comes within so many seconds.
const ANSWER_S: f64 = 1.0;
/// Bytes that are read in a second, at least, when the system has the files in memory.
const READ: f64 = 1e9;

/// Fills a log with `gib` GiB, kills the gateway and starts it again; the result is a section of the report.
pub(super) fn run(course: &Course<'_>, ours: &Built, gib: u64) -> Result<String> {
    let room = gib + gib / 2 + SPARE_GIB;
    has_room(&ours.scratch, room << 30, "a smaller --backlog")?;
    let config = ours.scratch.join("large.toml");
    let text = format!("[wal]\nmax_bytes = \"{room} GiB\"\ntopic_share = 1.0\n");
    std::fs::write(&config, text).doing(config.display())?;
    let config = config.to_string_lossy();
    let args = ["--config", &*config];
    let filled = ours.start(NOBODY, "t", &args)?;
    fill(course, &filled.url, gib)?;
    let data = filled.kill()?;

    let began = Instant::now();
    let again = ours.start_in(data, NOBODY, "t", &args)?;
    http::call(again.listening.authority(), "POST", "/topics/t", "{}")?;
    let answered = began.elapsed().as_secs_f64();
    let data = again.kill()?;

    let log = data.0.join("log");
    // The first time, the system may have to read it from the disk.
    read_through(ours, &log)?;
    let began = Instant::now();
    let said = read_through(ours, &log)?;
    let rate = size(&log.join("wal"))? as f64 / began.elapsed().as_secs_f64();
    let word = |good| if good { "holds" } else { "MISSED" };
    Ok(format!(
        "### a start with {gib} GiB in the log\n\n\
         - first answer after {answered:.2} s, at most {ANSWER_S}: {}\n\
         - read through at {:.2} GB/s, at least {}: {}; {said}",
        word(answered <= ANSWER_S),
        rate / 1e9,
        READ / 1e9,
        word(rate >= READ)
    ))
}

/// Posts that many GiB of records.
fn fill(course: &Course<'_>, url: &str, gib: u64) -> Result<()> {
    let (records, bytes) = SHAPE;
    let asked = (gib << 30).div_ceil(records * bytes);
    let (records, bytes, requests) = (records.to_string(), bytes.to_string(), asked.to_string());
    let shape = ["-c", "8", "--records-per-request", &records, "--body", &bytes];
    let until = ["--num-requests", &requests, "--seconds", FILL_S];
    let outcome = course.load.run(url, &[shape.as_slice(), &until].concat())?;
    match outcome.accepted >= asked {
        true => Ok(()),
        false => {
            Err(Failure::new(format!("{} of {asked} requests were accepted", outcome.accepted)))
        }
    }
}

/// What `klamm gateway wal verify` says first.
fn read_through(ours: &Built, log: &Path) -> Result<String> {
    let mut command = Command::new(&ours.program);
    command.args(["gateway", "wal", "verify"]).arg(log);
    let said = rounds::bounded(&mut command)?;
    Ok(said.lines().next().unwrap_or_default().to_owned())
}

/// Bytes of the files in a directory.
fn size(dir: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in dir.read_dir().doing(dir.display())? {
        let entry = entry.doing(dir.display())?;
        bytes += entry.metadata().doing(entry.path().display())?.len();
    }
    Ok(bytes)
}
