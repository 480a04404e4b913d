//! The members of one group: processes that come, leave and are killed.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::process::{Pid, Signal, kill_process};

use super::events::{Deed, Event, read_all};
use super::scenario::{Client, Scenario, Sharing};
use crate::failure::{Doing, Failure, Result};
use crate::interop::Held;
use crate::process;

/// How long a member may take to leave; its own patience is less.
const LEAVING: Duration = Duration::from_secs(45);
/// What a classic member sets; KIP-848 takes the broker's.
const SESSION_TIMEOUT_MS: &str = "6000";

/// The programs members are made of.
pub(super) struct Programs {
    pub(super) klamm: PathBuf,
    /// Others, as the command that runs them and its first arguments.
    pub(super) guest: Option<(Client, Vec<OsString>)>,
}

/// A group: what it reads, where it writes.
pub(super) struct Group<'a> {
    pub(super) scenario: Scenario,
    pub(super) address: String,
    pub(super) topic: String,
    pub(super) to: Option<String>,
    pub(super) programs: &'a Programs,
    pub(super) dir: PathBuf,
    members: Vec<Member>,
    past: Vec<(String, Vec<Event>)>,
    born: usize,
}

struct Member {
    name: String,
    /// Which of the group's places it has: its client, and when it is static its name.
    seat: usize,
    child: Held,
    events: PathBuf,
}

impl<'a> Group<'a> {
    pub(super) fn new(
        scenario: Scenario,
        address: String,
        (topic, to): (&str, Option<&str>),
        programs: &'a Programs,
        dir: &Path,
    ) -> Self {
        let (topic, to, dir) = (topic.to_owned(), to.map(str::to_owned), dir.to_owned());
        let (members, past, born) = (Vec::new(), Vec::new(), 0);
        Self { scenario, address, topic, to, programs, dir, members, past, born }
    }

    /// How many members live.
    pub(super) fn len(&self) -> usize {
        self.members.len()
    }

    /// A new member on the first free seat.
    pub(super) fn join(&mut self) -> Result<()> {
        let taken = |seat: &usize| self.members.iter().any(|member| member.seat == *seat);
        let seat = (0..).find(|seat| !taken(seat)).unwrap_or(0);
        self.sit(seat)
    }

    fn sit(&mut self, seat: usize) -> Result<()> {
        let client = self.scenario.client(seat);
        let name = format!("{}-{}-{}", self.topic, self.born, client.name());
        self.born += 1;
        let events = self.dir.join(format!("{name}.events"));
        let log = self.dir.join(format!("{name}.log"));
        let mut command = self.program(client)?;
        let (protocol, assignor) = self.scenario.sharing.settings();
        command.args(["--bootstrap-server", &self.address, "--topic", &self.topic]);
        command.args(["--group", &format!("group-{}", self.topic), "--protocol", protocol]);
        command.args(["--session-timeout-ms", SESSION_TIMEOUT_MS]).arg("--events").arg(&events);
        if !assignor.is_empty() {
            command.args(["--assignor", assignor]);
        }
        if let Some(to) = &self.to {
            command.args(["--to", to]);
        }
        if self.scenario.sharing == Sharing::Static {
            command.args(["--instance", &format!("seat-{seat}")]);
        }
        let stderr = File::create(&log).doing(log.display())?;
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr);
        let shown = process::shown(&command);
        let child = Held(command.spawn().doing(shown)?);
        self.members.push(Member { name, seat, child, events });
        Ok(())
    }

    fn program(&self, client: Client) -> Result<Command> {
        match &self.programs.guest {
            _ if client == Client::Klamm => Ok(Command::new(&self.programs.klamm)),
            Some((guest, words)) if *guest == client => {
                let mut command = Command::new(&words[0]);
                command.args(&words[1..]);
                Ok(command)
            }
            _ => Err(Failure::new(format!("there is no program for {}", client.name()))),
        }
    }

    /// SIGKILL for member `n`; a static member is back at once.
    pub(super) fn kill(&mut self, n: usize) -> Result<()> {
        let mut member = self.members.swap_remove(n);
        member.child.0.kill().and_then(|()| member.child.0.wait()).doing(&member.name)?;
        let killed = Event { at: now(), deed: Deed::Killed };
        let seat = member.seat;
        self.remember(member, Some(killed))?;
        self.back(seat)
    }

    /// SIGTERM for member `n`: it finishes, commits and leaves; a static member is back at once.
    pub(super) fn leave(&mut self, n: usize) -> Result<()> {
        let member = self.members.swap_remove(n);
        let seat = member.seat;
        self.see_off(member)?;
        self.back(seat)
    }

    fn back(&mut self, seat: usize) -> Result<()> {
        match self.scenario.sharing {
            Sharing::Static => self.sit(seat),
            _ => Ok(()),
        }
    }

    fn see_off(&mut self, mut member: Member) -> Result<()> {
        kill_process(Pid::from_child(&member.child.0), Signal::TERM).doing(&member.name)?;
        match member.child.wait_until(Instant::now() + LEAVING)? {
            Some(status) if status.success() => self.remember(member, None),
            // The signal came before it listened for one: it was never there.
            Some(_) if events_of(&member)?.is_empty() => Ok(()),
            Some(status) => Err(Failure::new(format!("{}: {status}; see its .log", member.name))),
            None => Err(Failure::new(format!("{} does not leave within {LEAVING:?}", member.name))),
        }
    }

    fn remember(&mut self, member: Member, last: Option<Event>) -> Result<()> {
        let mut events = events_of(&member)?;
        events.extend(last);
        self.past.push((member.name, events));
        Ok(())
    }

    /// An error when a member has ended by itself.
    pub(super) fn check(&mut self) -> Result<()> {
        for member in &mut self.members {
            if let Some(status) = member.child.0.try_wait().doing(&member.name)? {
                let name = &member.name;
                return Err(Failure::new(format!(
                    "{name} has ended by itself: {status}; see its .log"
                )));
            }
        }
        Ok(())
    }

    /// What all members that are and were have done so far.
    pub(super) fn events(&self) -> Result<Vec<(String, Vec<Event>)>> {
        let mut all = self.past.clone();
        for member in &self.members {
            all.push((member.name.clone(), events_of(member)?));
        }
        Ok(all)
    }

    /// Everybody leaves.
    pub(super) fn end(&mut self) -> Result<()> {
        for member in std::mem::take(&mut self.members) {
            self.see_off(member)?;
        }
        Ok(())
    }
}

fn events_of(member: &Member) -> Result<Vec<Event>> {
    // It may not have come so far as to open the file.
    let text = match fs::read_to_string(&member.events) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        text => text.doing(member.events.display())?,
    };
    read_all(&text)
}

/// µs since 1970, as members count.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_micros() as u64
}
