//! A process that ends: by itself, or killed when its time is over.

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::failure::{Doing, Failure, Result};
use crate::process;

/// How often a child is asked whether it has ended.
const STEP: Duration = Duration::from_millis(10);

/// A child that does not outlive this value.
#[derive(Debug)]
pub(crate) struct Held(pub(crate) Child);

impl Drop for Held {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Held {
    /// Its status once it has ended, or `None` when it has not by `deadline`.
    pub(crate) fn wait_until(&mut self, deadline: Instant) -> Result<Option<ExitStatus>> {
        loop {
            match self.0.try_wait().doing("cannot wait for a process")? {
                None if Instant::now() > deadline => return Ok(None),
                None => std::thread::sleep(STEP),
                ended => return Ok(ended),
            }
        }
    }
}

/// What `command` prints; its errors go to the file `log`.
///
/// A program that has not ended within `limit` is killed, and what it printed until then is the result with status
/// `None`.
pub(in crate::interop) fn output(
    command: &mut Command,
    input: &[u8],
    log: &Path,
    limit: Duration,
) -> Result<(Option<ExitStatus>, Vec<u8>)> {
    let file = std::fs::File::create(log).doing(format_args!("cannot create {}", log.display()))?;
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(file);
    let shown = process::shown(command);
    let child = command.spawn().doing(format_args!("cannot run {shown}"))?;
    let mut child = Held(child);
    let (stdin, stdout) = (child.0.stdin.take(), child.0.stdout.take());
    std::thread::scope(|scope| {
        // A program that does not read all of its input has its reasons, and says them itself.
        scope.spawn(move || stdin.map(|mut stdin| stdin.write_all(input)));
        let reader = scope.spawn(move || {
            let mut printed = Vec::new();
            let read = stdout.map(|mut stdout| stdout.read_to_end(&mut printed));
            read.transpose().map(|_| printed)
        });
        let status = child.wait_until(Instant::now() + limit);
        drop(child);
        let printed = reader.join().map_err(|_| Failure::new("reading panicked"))?;
        Ok((status?, printed.doing(shown)?))
    })
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::time::Duration;

    use super::output;

    fn shell(script: &str, input: &[u8], limit: Duration) -> (Option<i32>, String) {
        let log =
            std::env::temp_dir().join(format!("bounded-{}-{}", std::process::id(), script.len()));
        let mut command = Command::new("sh");
        let result = output(command.args(["-c", script]), input, &log, limit).unwrap();
        std::fs::remove_file(log).unwrap();
        (result.0.and_then(|s| s.code()), String::from_utf8(result.1).unwrap())
    }

    #[test]
    fn what_ends_says_all_and_what_does_not_says_what_it_said() {
        let minute = Duration::from_secs(60);
        assert_eq!(shell("cat; exit 3", b"in", minute), (Some(3), "in".to_owned()));
        let short = Duration::from_millis(300);
        assert_eq!(shell("echo begun; exec sleep 60", b"", short), (None, "begun\n".to_owned()));
    }
}
