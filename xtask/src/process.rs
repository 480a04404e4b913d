//! Running other programs: to the terminal, into a string, or into a file.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};

use rustix::process::Pid;

use crate::failure::{Doing, Failure, Result};

/// A command line as a person would type it, for messages.
pub(crate) fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}

/// A process, or a thread, by its number.
pub(crate) fn numbered(number: u32) -> Result<Pid> {
    let pid = i32::try_from(number).ok().and_then(Pid::from_raw);
    pid.ok_or_else(|| Failure::new(format!("no process has the number {number}")))
}

/// Runs with this terminal's output and without input; a status other than 0 is an error.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command
        .stdin(Stdio::null())
        .status()
        .doing(format_args!("cannot run {}", command.get_program().to_string_lossy()))?;
    if status.success() {
        Ok(())
    } else {
        Err(Failure::new(format!("{status} from: {}", shown(command))))
    }
}

/// Runs with this terminal's output and hands every line of standard output to `see` as well.
pub(crate) fn watch(command: &mut Command, mut see: impl FnMut(&str)) -> Result<ExitStatus> {
    let program = command.get_program().to_string_lossy().into_owned();
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = command.spawn().doing(format_args!("cannot run {program}"))?;
    if let Some(output) = child.stdout.take() {
        for line in BufReader::new(output).split(b'\n') {
            let line = line.doing(format_args!("cannot read the output of {program}"))?;
            let line = String::from_utf8_lossy(&line);
            println!("{line}");
            see(&line);
        }
    }
    child.wait().doing(format_args!("cannot wait for {program}"))
}

/// Runs quietly and returns standard output; on a status other than 0 the error carries what was printed.
pub(crate) fn capture(command: &mut Command) -> Result<Vec<u8>> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .doing(format_args!("cannot run {}", command.get_program().to_string_lossy()))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let printed = [output.stdout, output.stderr].concat();
    Err(Failure::new(format!(
        "{} from: {}\n{}",
        output.status,
        shown(command),
        last_lines(&String::from_utf8_lossy(&printed), 30)
    )))
}

/// The last `count` lines of `text`.
pub(crate) fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

/// Where `program` is on the search path.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(program)).find(|file| file.is_file())
}

/// An error that says how to get `program` when it is missing.
pub(crate) fn need(program: &str, packages: &str) -> Result<PathBuf> {
    find(program).ok_or_else(|| {
        Failure::new(format!("{program} is not installed; on Debian: apt install {packages}"))
    })
}
