//! A program that serves: found by its first lines, `listening on HOST:PORT`, and stopped with its value.

use std::io::{BufRead, BufReader, Read};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::failure::{Doing, Failure, Result};
use crate::process;

/// What a program that prints more than this before it listens would print is not worth reading.
const FIRST_LINE: u64 = 4096;
/// What it gets to close its files before it is killed.
const GRACE: Duration = Duration::from_secs(10);
/// What one that does not say where it listens gets until it does.
const START: Duration = Duration::from_secs(10);
/// Between two looks at whether it has ended.
const PAUSE: Duration = Duration::from_millis(1);

/// What the next one gets until it listens where the last one did.
const AGAIN: Duration = Duration::from_secs(20);
/// Between two attempts at that.
const PORT_PAUSE: Duration = Duration::from_millis(50);

/// A server of our own; it does not outlive this value.
#[derive(Debug)]
pub(crate) struct Listening {
    child: Child,
    /// Where it listens; never empty once it is started.
    addresses: Vec<String>,
}

impl Listening {
    /// Starts `command` and waits for its first line.
    ///
    /// # Errors
    /// It cannot be run, or its first line does not say where it listens.
    pub(crate) fn start(command: &mut Command) -> Result<Self> {
        Self::start_all(command, 1)
    }

    /// The same for a program with several listeners, which has a line for each.
    ///
    /// # Errors
    /// As [`Listening::start`].
    pub(crate) fn start_all(command: &mut Command, listeners: usize) -> Result<Self> {
        let shown = process::shown(command);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let child = command.spawn().doing(format_args!("cannot run {shown}"))?;
        let mut server = Self { child, addresses: Vec::new() };
        let stdout = server.child.stdout.take();
        let mut reader = BufReader::new(stdout.ok_or_else(|| Failure::new("no standard output"))?);
        for _ in 0..listeners {
            let mut line = String::new();
            reader.by_ref().take(FIRST_LINE).read_line(&mut line).doing(&shown)?;
            let address = address(&line);
            let silent = || Failure::new(format!("{shown} does not listen; it says {line:?}"));
            server.addresses.push(address.ok_or_else(silent)?.to_owned());
        }
        // What it says later goes nowhere, but a closed pipe would hurt it.
        std::thread::spawn(move || std::io::copy(&mut reader, &mut std::io::sink()));
        Ok(server)
    }

    /// The same for a program that says nothing: it is there once it accepts connections at `address`.
    ///
    /// # Errors
    /// It cannot be run, ends, or accepts none in time.
    pub(crate) fn start_at(command: &mut Command, address: &str) -> Result<Self> {
        let shown = process::shown(command);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let child = command.spawn().doing(format_args!("cannot run {shown}"))?;
        let mut server = Self { child, addresses: vec![address.to_owned()] };
        let deadline = Instant::now() + START;
        while TcpStream::connect(address).is_err() {
            server.check()?;
            if Instant::now() > deadline {
                return Err(Failure::new(format!("{shown} does not listen at {address}")));
            }
            std::thread::sleep(PAUSE);
        }
        Ok(server)
    }

    /// Where it listens, as `HOST:PORT`.
    pub(crate) fn address(&self) -> &str {
        self.address_of(0)
    }

    /// Where it is, as host and port.
    pub(crate) fn authority(&self) -> &str {
        let address = self.address();
        address.strip_prefix("http://").unwrap_or(address).trim_end_matches('/')
    }

    /// Where a listener is, counted from 0.
    pub(crate) fn address_of(&self, listener: usize) -> &str {
        self.addresses.get(listener).map_or("", String::as_str)
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// An error once it has ended by itself.
    pub(crate) fn check(&mut self) -> Result<()> {
        match self.child.try_wait().doing("cannot wait for a server")? {
            None => Ok(()),
            Some(status) => Err(Failure::new(format!("the server has ended: {status}"))),
        }
    }

    /// SIGKILL: it gets no chance to close anything.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.child.kill().and_then(|()| self.child.wait()).map(drop).doing("cannot kill a server")
    }

    /// SIGTERM.
    ///
    /// # Errors
    /// It fails while it ends, or takes so long that it is killed.
    pub(crate) fn stop(&mut self) -> Result<()> {
        self.stop_within(GRACE)
    }

    /// SIGTERM to one that may take so long.
    ///
    /// # Errors
    /// Those of [`Listening::stop`].
    pub(crate) fn stop_within(&mut self, grace: Duration) -> Result<()> {
        if let Some(status) = self.child.try_wait().doing("cannot wait for a server")? {
            return ended(status);
        }
        kill_process(Pid::from_child(&self.child), Signal::TERM).doing("cannot stop a server")?;
        let deadline = Instant::now() + grace;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().doing("cannot wait for a server")? {
                return ended(status);
            }
            std::thread::sleep(PAUSE);
        }
        let pid = self.pid();
        self.kill()?;
        Err(Failure::new(format!("process {pid} does not end on SIGTERM and was killed")))
    }
}

/// What a line says of where a program listens; behind it may stand more about the listener.
fn address(line: &str) -> Option<&str> {
    line.trim_end().strip_prefix("listening on ")?.split(' ').next()
}

fn ended(status: std::process::ExitStatus) -> Result<()> {
    // Without a code a signal ended it: SIGTERM is what was asked for, and a kill has been told.
    match status.code() {
        None | Some(0) => Ok(()),
        Some(_) => Err(Failure::new(format!("the server ended with {status}"))),
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        if let Err(failure) = self.stop() {
            eprintln!("{failure}");
        }
    }
}

/// Kills a server and starts another on what it left.
///
/// # Errors
/// It cannot be killed, or none can be started for a while.
pub(crate) fn again(
    server: &mut Listening,
    start: impl Fn() -> Result<Listening>,
) -> Result<Listening> {
    server.kill()?;
    let deadline = Instant::now() + AGAIN;
    loop {
        match start() {
            Err(failure) if Instant::now() > deadline => return Err(failure),
            // Its connections may hold the port for a moment.
            Err(_) => std::thread::sleep(PORT_PAUSE),
            started => return started,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Listening;
    use std::process::Command;

    fn shell(script: &str) -> crate::failure::Result<Listening> {
        Listening::start(Command::new("sh").args(["-c", script]))
    }

    #[test]
    fn the_first_lines_say_where() {
        let server = shell("echo listening on 127.0.0.1:7; exec sleep 60").unwrap();
        assert_eq!(server.address(), "127.0.0.1:7");
        let two = "echo listening on x:7; echo 'listening on x:8 (NAME, SSL)'; exec sleep 60";
        let server = Listening::start_all(Command::new("sh").args(["-c", two]), 2).unwrap();
        assert_eq!((server.address(), server.address_of(1)), ("x:7", "x:8"));
        assert!(shell("echo no").unwrap_err().to_string().contains("does not listen"));
        assert!(shell("exit 0").is_err());
    }

    #[test]
    fn one_that_says_nothing_is_there_once_it_accepts() {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap().to_string();
        let start =
            |script: &str| Listening::start_at(Command::new("sh").args(["-c", script]), &address);
        assert_eq!(start("exec sleep 60").unwrap().address(), address);
        drop(socket);
        assert!(start("exit 3").unwrap_err().to_string().contains('3'));
    }

    #[test]
    fn a_server_ends_with_its_value() {
        let server = shell("echo listening on x; exec sleep 60").unwrap();
        let stat = format!("/proc/{}/stat", server.pid());
        assert!(std::fs::exists(&stat).unwrap());
        drop(server);
        assert!(!std::fs::exists(&stat).unwrap());
    }

    #[test]
    fn one_that_fails_in_the_end_says_so() {
        let script = "trap 'exit 3' TERM; echo listening on x; while :; do sleep 0.01; done";
        let mut server = shell(script).unwrap();
        assert!(server.check().is_ok());
        assert!(server.stop().unwrap_err().to_string().contains('3'));
        assert!(server.check().is_err());
    }
}
