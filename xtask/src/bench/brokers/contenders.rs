//! The brokers under comparison: how each is started, found and stopped.

use std::fs::File;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::programs;
use crate::bench::scratch::Scratch;
use crate::failure::{Doing, Failure, Result};
use crate::kafka::{Running, Spec};
use crate::listening::Listening;
use crate::place::Place;
use crate::process;

const PORT_BASE: u16 = 23300;
/// What real Kafka is given here, as in the comparison of clients.
const HEAP: &str = "1g";
/// A JVM on a busy machine takes its time.
const START_LIMIT: Duration = Duration::from_secs(60);
/// What a broker gets to close its files before it is killed.
const GRACE: Duration = Duration::from_secs(10);
/// Between two looks at something that is about to happen.
const PAUSE: Duration = Duration::from_millis(1);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Klamm,
    Kfake,
    Kafka,
}

/// One broker with one way to keep its records.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Contender {
    /// What `--brokers` and the tables call it.
    pub(crate) name: &'static str,
    kind: Kind,
    /// Whether it gets a directory.
    data: bool,
}

const CONTENDERS: [Contender; 5] = [
    Contender { name: "klamm", kind: Kind::Klamm, data: false },
    Contender { name: "klamm-data", kind: Kind::Klamm, data: true },
    Contender { name: "kfake", kind: Kind::Kfake, data: false },
    Contender { name: "kfake-data", kind: Kind::Kfake, data: true },
    Contender { name: "kafka", kind: Kind::Kafka, data: true },
];

impl Contender {
    /// Whether it stays up over all runs: a JVM that has just been started has compiled nothing yet.
    pub(crate) fn stays(&self) -> bool {
        self.kind == Kind::Kafka
    }
}

/// What klamm may keep in memory: the gigabyte of `replay` fits, and what `ingest-on` sends before it counts does not.
const MEMORY: &str = "1200MB";

/// The brokers named in `list`, or all.
pub(crate) fn chosen(list: Option<&str>) -> Result<Vec<&'static Contender>> {
    let Some(list) = list else { return Ok(CONTENDERS.iter().collect()) };
    list.split(',')
        .map(|name| {
            CONTENDERS.iter().find(|contender| contender.name == name).ok_or_else(|| {
                let names: Vec<&str> = CONTENDERS.iter().map(|c| c.name).collect();
                Failure::new(format!("no broker {name:?}; there are: {}", names.join(", ")))
            })
        })
        .collect()
}

/// Everything needed to start any of them; real Kafka runs as long as this value lives.
#[derive(Debug)]
pub(crate) struct Stable {
    klamm: Option<PathBuf>,
    kfake: Option<PathBuf>,
    kafka: Option<Running>,
    scratch: PathBuf,
}

impl Stable {
    /// Builds and starts what `contenders` need; `klamm` takes the place of the program built otherwise.
    pub(crate) fn prepare(
        place: &Place,
        contenders: &[&Contender],
        klamm: Option<&str>,
    ) -> Result<Self> {
        let wanted = |kind| contenders.iter().any(|contender| contender.kind == kind);
        let klamm = match klamm {
            Some(program) => Some(PathBuf::from(program)),
            None => wanted(Kind::Klamm).then(|| programs::klamm(place)).transpose()?,
        };
        let kfake = wanted(Kind::Kfake).then(|| programs::go(place, "kfake")).transpose()?;
        let spec = Spec {
            name: "bench-broker".to_owned(),
            port_base: PORT_BASE,
            heap: HEAP.to_owned(),
            // A deleted topic's files go at once, or the disk fills up over the runs.
            settings: vec![("log.segment.delete.delay.ms".to_owned(), "1000".to_owned())],
            ..Spec::default()
        };
        let kafka = wanted(Kind::Kafka).then(|| Running::up(place, spec)).transpose()?;
        Ok(Self { klamm, kfake, kafka, scratch: place.dir("bench/broker")? })
    }

    /// The broker, started now or, when it [stays](Contender::stays), as it is.
    pub(crate) fn start(&self, contender: &Contender) -> Result<Server> {
        match contender.kind {
            Kind::Klamm => {
                let arguments: &[&str] = match contender.data {
                    true => &["broker", "--listen"],
                    false => &["broker", "--max-disk", MEMORY, "--listen"],
                };
                self.own(contender, self.klamm.as_deref(), arguments)
            }
            Kind::Kfake => self.own(contender, self.kfake.as_deref(), &["--listen"]),
            Kind::Kafka => self.kafka(|kafka| Server::of(kafka, None)),
        }
    }

    /// Starts the broker also when it stays: takes it down first.
    pub(crate) fn start_anew(&self, contender: &Contender) -> Result<Server> {
        match contender.kind {
            Kind::Klamm | Kind::Kfake => self.start(contender),
            Kind::Kafka => self.kafka(|kafka| {
                let node = kafka.cluster().node(1)?;
                node.signal(Signal::TERM)?;
                if !node.gone_within(GRACE) {
                    node.kill()?;
                }
                let since = Instant::now();
                kafka.cluster().start(1)?;
                accepted(SocketAddr::from(([127, 0, 0, 1], node.port())))?;
                let start = since.elapsed();
                kafka.cluster().wait_ready()?;
                Server::of(kafka, Some(start))
            }),
        }
    }

    fn kafka(&self, with: impl Fn(&Running) -> Result<Server>) -> Result<Server> {
        with(self.kafka.as_ref().ok_or_else(|| Failure::new("no Kafka was started"))?)
    }

    fn own(
        &self,
        contender: &Contender,
        program: Option<&Path>,
        arguments: &[&str],
    ) -> Result<Server> {
        let program = program.ok_or_else(|| Failure::new("the program was not built"))?;
        let data = self.scratch.join(format!("{}-{}", contender.name, std::process::id()));
        let log = self.scratch.join(format!("{}.log", contender.name));
        let mut command = Command::new(program);
        command.args(arguments).arg("127.0.0.1:0");
        if contender.data {
            command.arg("--data").arg(&data);
        }
        let errors = File::create(&log).doing(log.display())?;
        Server::spawn(command.stderr(errors), data).map_err(|failure| {
            let said = std::fs::read_to_string(&log).unwrap_or_default();
            Failure::new(format!("{failure}\n{}", process::last_lines(said.trim(), 5)))
        })
    }

    /// What there is to install of each contender, in bytes, with a word on what was counted.
    pub(crate) fn sizes(&self, place: &Place) -> Result<Vec<(&'static str, u64, &'static str)>> {
        let mut sizes = Vec::new();
        for (name, program) in [("klamm", &self.klamm), ("kfake", &self.kfake)] {
            if let Some(program) = program {
                sizes.push((name, programs::stripped(place, program)?, "one program, stripped"));
            }
        }
        if let Some(kafka) = &self.kafka {
            let libs = kafka.cluster().artifacts().class_path();
            let libs = libs.parent().unwrap_or(&libs);
            let entries = std::fs::read_dir(libs).doing(libs.display())?.flatten();
            let bytes = entries.filter_map(|entry| entry.metadata().ok()).map(|m| m.len()).sum();
            sizes.push(("kafka", bytes, "its jars, without a Java"));
        }
        Ok(sizes)
    }
}

/// A broker that runs. One that was started for it is stopped with this value, and its directory removed.
#[derive(Debug)]
pub(crate) struct Server {
    /// Its process.
    pub(crate) pid: u32,
    /// Where clients start.
    pub(crate) bootstrap: String,
    /// From the start of the process to the first connection; unknown of one that ran already.
    pub(crate) start: Option<Duration>,
    _own: Option<Own>,
}

impl Server {
    fn of(kafka: &Running, start: Option<Duration>) -> Result<Self> {
        let pid = kafka.cluster().node(1)?.pid();
        let pid = pid.ok_or_else(|| Failure::new("Kafka has ended"))?.as_raw_nonzero().get();
        let pid = u32::try_from(pid).doing("an odd pid")?;
        Ok(Self { pid, bootstrap: kafka.cluster().bootstrap(), start, _own: None })
    }

    /// A process that somebody else started and will stop.
    #[cfg(test)]
    pub(crate) fn running(pid: u32, bootstrap: &str) -> Self {
        Self { pid, bootstrap: bootstrap.to_owned(), start: None, _own: None }
    }

    fn spawn(command: &mut Command, data: PathBuf) -> Result<Self> {
        let since = Instant::now();
        let own = Own { listening: Listening::start(command)?, _data: Scratch(data) };
        let bootstrap = own.listening.address().to_owned();
        accepted(bootstrap.parse().doing(&bootstrap)?)?;
        let start = Some(since.elapsed());
        Ok(Self { pid: own.listening.pid(), bootstrap, start, _own: Some(own) })
    }
}

/// Returns when `address` accepts a connection.
fn accepted(address: SocketAddr) -> Result<()> {
    let deadline = Instant::now() + START_LIMIT;
    while let Err(error) = TcpStream::connect(address) {
        if Instant::now() > deadline {
            return Err(error).doing(format_args!("{address} accepts nothing"));
        }
        std::thread::sleep(PAUSE);
    }
    Ok(())
}

/// A process of our own, stopped before its directory goes.
#[derive(Debug)]
struct Own {
    listening: Listening,
    _data: Scratch,
}

#[cfg(test)]
mod tests {
    use super::{CONTENDERS, Server, chosen};
    use std::process::Command;

    #[test]
    fn brokers_are_chosen_by_name() {
        assert_eq!(chosen(Some("kafka,klamm")).unwrap(), [&CONTENDERS[4], &CONTENDERS[0]]);
        assert!(chosen(Some("kfka")).unwrap_err().to_string().contains("kfake-data"));
    }

    #[test]
    fn a_server_is_found_by_its_first_line_and_stopped_in_the_end() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let data = std::env::temp_dir().join(format!("klamm-server-{}", std::process::id()));
        std::fs::create_dir_all(&data).unwrap();
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("echo listening on {address}; exec sleep 30")]);
        let server = Server::spawn(&mut shell, data.clone()).unwrap();
        assert_eq!(server.bootstrap, address.to_string());
        assert!(server.start.is_some());
        let stat = format!("/proc/{}/stat", server.pid);
        assert!(std::fs::exists(&stat).unwrap());
        drop(server);
        assert!(!std::fs::exists(&stat).unwrap() && !data.exists());
    }
}
