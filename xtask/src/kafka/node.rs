//! One Java process of a cluster, known by its pid file: it outlives the command that started it.
//!
//! A signal is sent only after `/proc` has shown that the process under that pid runs on this node's own
//! configuration file; a pid that was given to somebody else meanwhile is left alone.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::failure::{Doing, Failure, Result};
use crate::process::last_lines;

/// A broker, or the ZooKeeper of an old release.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    name: String,
    home: PathBuf,
    port: u16,
}

impl Node {
    /// The node called `name`, whose files are under `home` and which listens on `port`.
    pub(crate) fn new(name: String, home: PathBuf, port: u16) -> Self {
        Self { name, home, port }
    }

    /// What messages call it.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The port whose answer means that it is ready.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The directory of its configuration, log and pid.
    pub(crate) fn home(&self) -> &Path {
        &self.home
    }

    /// The file it is configured by, which is also how its process is recognised.
    pub(crate) fn config(&self) -> PathBuf {
        self.home.join("server.properties")
    }

    /// What it prints.
    pub(crate) fn log(&self) -> PathBuf {
        self.home.join("output.log")
    }

    /// Starts `java` (whose arguments name [`Node::config`]) in the background.
    pub(crate) fn start(&self, java: &mut Command) -> Result<()> {
        if self.pid().is_some() {
            return Err(Failure::new(format!("{} is already running", self.name)));
        }
        let log = File::options().create(true).append(true).open(self.log());
        let log = log.doing(format_args!("cannot open {}", self.log().display()))?;
        let errors = log.try_clone().doing("cannot share the log")?;
        // Its own process group: a Ctrl-C at the terminal is not meant for it.
        java.stdin(Stdio::null()).stdout(log).stderr(errors).process_group(0);
        let mut child = java.spawn().doing(format_args!("cannot start {}", self.name))?;
        std::fs::write(self.pid_file(), child.id().to_string())
            .doing("cannot write the pid file")?;
        // For a moment after it is there, a new process does not show its arguments yet.
        while self.pid().is_none() && matches!(child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(1));
        }
        // Somebody must collect the status, or a killed broker stays a zombie as long as this command runs.
        reap(child);
        Ok(())
    }

    /// The pid, if the process is there and is this node.
    pub(crate) fn pid(&self) -> Option<Pid> {
        let pid: i32 = std::fs::read_to_string(self.pid_file()).ok()?.trim().parse().ok()?;
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        let config = self.config();
        let config = config.as_os_str().as_encoded_bytes();
        line.split(|&byte| byte == 0).any(|word| word == config).then_some(())?;
        Pid::from_raw(pid)
    }

    /// Sends `signal` if the process is there; says whether it was.
    pub(crate) fn signal(&self, signal: Signal) -> Result<bool> {
        let Some(pid) = self.pid() else { return Ok(false) };
        match kill_process(pid, signal) {
            Ok(()) => Ok(true),
            Err(rustix::io::Errno::SRCH) => Ok(false),
            Err(error) => Err(error).doing(format_args!("cannot signal {}", self.name)),
        }
    }

    /// SIGKILL, and waits until the process is gone.
    pub(crate) fn kill(&self) -> Result<()> {
        self.signal(Signal::KILL)?;
        if self.gone_within(Duration::from_secs(10)) {
            Ok(())
        } else {
            Err(Failure::new(format!("{} survived SIGKILL", self.name)))
        }
    }

    /// SIGSTOP: the sockets stay open and nothing answers.
    pub(crate) fn pause(&self) -> Result<()> {
        self.must(Signal::STOP)
    }

    /// SIGCONT.
    pub(crate) fn resume(&self) -> Result<()> {
        self.must(Signal::CONT)
    }

    fn must(&self, signal: Signal) -> Result<()> {
        if self.signal(signal)? {
            Ok(())
        } else {
            Err(Failure::new(format!("{} is not running", self.name)))
        }
    }

    /// Waits until the process is gone, at most `limit`.
    pub(crate) fn gone_within(&self, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        while self.pid().is_some() {
            if Instant::now() > deadline {
                return false;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        true
    }

    /// Waits until `ready` says so; a process that ends before is an error with the end of its log.
    pub(crate) fn wait(&self, limit: Duration, ready: impl Fn(u16) -> Result<()>) -> Result<()> {
        let deadline = Instant::now() + limit;
        loop {
            let Err(reason) = ready(self.port) else { return Ok(()) };
            if self.pid().is_none() {
                return Err(self.post_mortem("ended"));
            }
            if Instant::now() > deadline {
                return Err(self.post_mortem(&format!("is not ready after {limit:?} ({reason})")));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn post_mortem(&self, what: &str) -> Failure {
        let log = std::fs::read(self.log()).unwrap_or_default();
        let tail = last_lines(&String::from_utf8_lossy(&log), 25);
        Failure::new(format!("{} {what}; the end of {}:\n{tail}", self.name, self.log().display()))
    }

    fn pid_file(&self) -> PathBuf {
        self.home.join("pid")
    }
}

fn reap(mut child: std::process::Child) {
    let wait = std::thread::Builder::new().name("reaper".to_owned());
    // Without the thread the process is still collected when this command ends.
    let _ = wait.spawn(move || child.wait());
}

#[cfg(test)]
mod tests {
    use super::Node;
    use std::process::Command;
    use std::time::Duration;

    fn node(name: &str) -> Node {
        let home = std::env::temp_dir().join(format!("klamm-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&home).unwrap();
        Node::new(name.to_owned(), home, 1)
    }

    #[test]
    fn only_our_own_process_is_signalled() {
        let node = node("stranger");
        let mut stranger = Command::new("sleep").arg("30").spawn().unwrap();
        std::fs::write(node.home().join("pid"), stranger.id().to_string()).unwrap();
        assert!(node.pid().is_none());
        node.kill().unwrap();
        assert!(node.pause().is_err());
        assert!(stranger.try_wait().unwrap().is_none(), "the stranger was killed");
        stranger.kill().unwrap();
        stranger.wait().unwrap();
        std::fs::remove_dir_all(node.home()).unwrap();
    }

    #[test]
    fn a_process_is_started_paused_and_killed() {
        let node = node("own");
        let mut own = Command::new("sh");
        own.args(["-c", "sleep 30; :"]).arg(node.config());
        node.start(&mut own).unwrap();
        assert!(node.start(&mut own).is_err(), "started twice");
        node.pause().unwrap();
        node.resume().unwrap();
        node.kill().unwrap();
        assert!(node.gone_within(Duration::from_secs(1)));
        std::fs::remove_dir_all(node.home()).unwrap();
    }

    #[test]
    fn a_process_that_ends_early_shows_its_log() {
        let node = node("early");
        let mut own = Command::new("sh");
        own.args(["-c", "echo no such thing; exit 3"]).arg(node.config());
        node.start(&mut own).unwrap();
        let refuse = |_| Err(crate::failure::Failure::new("no"));
        let failure = node.wait(Duration::from_secs(10), refuse).unwrap_err();
        assert!(failure.to_string().contains("no such thing"), "{failure}");
        std::fs::remove_dir_all(node.home()).unwrap();
    }
}
