//! One request at a time: how often the log is synced for each, as strace sees it.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::peers::Built;
use super::turns::Course;
use crate::failure::{Doing, Failure, Result};
use crate::process;

/// Requests, one after the other.
const REQUESTS: u64 = 50;
/// How long strace may take to hold all threads.
const ATTACH: Duration = Duration::from_secs(10);
/// Between two looks at what it says.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// What a segment of the log is called.
const SEGMENT: &str = ".log>";

/// Counts syncs; the result is a section of the report.
pub(super) fn run(course: &mut Course<'_>, built: &Built) -> Result<String> {
    course.with_topic(|course, topic| {
        let gateway = built.start(course.broker.bootstrap(), topic, &[])?;
        // The first record of all makes files.
        course.load.run(&gateway.url, &["-c", "1", "--num-requests", "1"])?;
        let traced = Traced::attach(gateway.listening.pid(), &built.scratch)?;
        let count = REQUESTS.to_string();
        let outcome = course.load.run(&gateway.url, &["-c", "1", "--num-requests", &count])?;
        let (log, others) = syncs(&traced.end()?);
        let word = if log <= outcome.accepted { "holds" } else { "MISSED" };
        Ok(format!(
            "### one request at a time\n\n- syncs of the log for {} lone requests: {log}, at most one each: {word}\n\
             - syncs of other files meanwhile: {others}",
            outcome.accepted
        ))
    })
}

/// A strace that holds a process.
struct Traced {
    strace: Child,
    output: PathBuf,
}

impl Traced {
    fn attach(pid: u32, dir: &Path) -> Result<Self> {
        let (output, said) = (dir.join("strace.out"), dir.join("strace.err"));
        let mut command = Command::new(process::need("strace", "strace")?);
        command.args(["-f", "-y", "-e", "trace=fsync,fdatasync", "-p", &pid.to_string(), "-o"]);
        command.arg(&output).stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(File::create(&said).doing(said.display())?);
        let strace = command.spawn().doing("cannot run strace")?;
        let mut traced = Self { strace, output };
        let deadline = Instant::now() + ATTACH;
        loop {
            let text = std::fs::read_to_string(&said).doing(said.display())?;
            // It says so once it holds all threads there are, and those they start.
            if text.contains("attached") {
                return Ok(traced);
            }
            let ended = traced.strace.try_wait().doing("strace")?.is_some();
            if ended || Instant::now() > deadline {
                return Err(Failure::new(format!("strace does not hold it: {}", text.trim())));
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Lets the process go; what was seen.
    fn end(mut self) -> Result<String> {
        kill_process(Pid::from_child(&self.strace), Signal::INT).doing("strace")?;
        self.strace.wait().doing("strace")?;
        std::fs::read_to_string(&self.output).doing(self.output.display())
    }
}

impl Drop for Traced {
    fn drop(&mut self) {
        // One that has ended is none the worse for it.
        let _ = self.strace.kill();
        let _ = self.strace.wait();
    }
}

/// Syncs of segments, and of anything else.
fn syncs(seen: &str) -> (u64, u64) {
    let begun = seen.lines().filter(|line| line.contains("sync(") && !line.contains("resumed>"));
    let (log, others): (Vec<&str>, Vec<&str>) = begun.partition(|line| line.contains(SEGMENT));
    (log.len() as u64, others.len() as u64)
}

#[cfg(test)]
mod tests {
    use super::syncs;

    #[test]
    fn a_sync_counts_once_and_where_it_belongs() {
        let seen = "7 fdatasync(5</tmp/d/wal/00000.log>) = 0\n\
                    7 fdatasync(5</tmp/d/wal/00000.log> <unfinished ...>\n\
                    8 fsync(6</tmp/d/wal/cursor.new>) = 0\n\
                    7 <... fdatasync resumed>) = 0\n\
                    9 fsync(3</tmp/d/wal>) = 0\n\
                    7 +++ exited with 0 +++\n";
        assert_eq!(syncs(seen), (2, 2));
    }
}
