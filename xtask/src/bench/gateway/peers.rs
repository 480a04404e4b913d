//! The gateways under comparison: how each is built and started.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::guard::{Guard, Guarded};
use super::nginx;
use crate::bench::brokers::programs;
use crate::bench::clients;
use crate::bench::scratch::Scratch;
use crate::chaos::free_port;
use crate::failure::{Doing, Failure, Result};
use crate::http;
use crate::listening::Listening;
use crate::place::Place;
use crate::process;

/// Where a program comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Build {
    /// `klamm gateway`, and what it asks of a request.
    Klamm(Guard),
    /// A Go program under `bench/`, in one of its ways.
    Go(&'static str, &'static str),
    /// A Rust program under `bench/`, its name, and in which of its ways.
    Cargo(&'static str, &'static str, &'static str),
    /// nginx as it is installed.
    Nginx,
}

/// What an answer of 202 promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Promise {
    /// Nothing: nothing is sent anywhere.
    Nothing,
    /// The record is in the memory of the process.
    Memory,
    /// The record survives the process.
    Kept,
}

/// One gateway.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Peer {
    /// What `--peers` and the tables call it.
    pub(crate) name: &'static str,
    pub(crate) promise: Promise,
    build: Build,
}

impl Peer {
    /// Whether it takes a line of a body for a record.
    pub(crate) fn splits(&self) -> bool {
        self.is_ours() || self.name == BARE
    }

    /// Whether it is `klamm gateway`, however it is set up.
    pub(crate) fn is_ours(&self) -> bool {
        matches!(self.build, Build::Klamm(_))
    }
}

/// Our own.
pub(crate) const OURS: &str = "klamm";
/// HTTP and nothing else, in our language.
pub(crate) const BARE: &str = "hyper-noop";
/// HTTP and JSON and nothing else, in the one that most others are written in.
pub(crate) const GIN: &str = "gin-noop";
/// The fast one that keeps nothing.
pub(crate) const UNSAFE: &str = "gin-franz-go-async";

/// The one with librdkafka that keeps its word.
pub(crate) const LIBRDKAFKA: &str = "gin-confluent-wait";

/// Nobody listens there.
pub(super) const NOBODY: &str = "127.0.0.1:1";
/// What the gateway's metrics call what one sync had.
const SYNC_RECORDS: &str = "klamm_gateway_wal_sync_records";
/// Those that run unless others are named.
const USUAL: usize = 10;

const PEERS: [Peer; 12] = [
    Peer { name: OURS, promise: Promise::Kept, build: Build::Klamm(Guard::None) },
    Peer {
        name: BARE,
        promise: Promise::Nothing,
        build: Build::Cargo("hyper-noop", "bench-hyper-noop", "noop"),
    },
    Peer { name: "nginx-noop", promise: Promise::Nothing, build: Build::Nginx },
    Peer { name: GIN, promise: Promise::Nothing, build: Build::Go("gin-franz-go", "noop") },
    Peer { name: UNSAFE, promise: Promise::Memory, build: Build::Go("gin-franz-go", "async") },
    Peer {
        name: "gin-franz-go-sync",
        promise: Promise::Kept,
        build: Build::Go("gin-franz-go", "sync"),
    },
    Peer {
        name: "gin-confluent-async",
        promise: Promise::Memory,
        build: Build::Go("gin-confluent-go", "async"),
    },
    Peer { name: LIBRDKAFKA, promise: Promise::Kept, build: Build::Go("gin-confluent-go", "wait") },
    Peer {
        name: "axum-rdkafka-async",
        promise: Promise::Memory,
        build: Build::Cargo("axum-rdkafka", "bench-axum-rdkafka", "async"),
    },
    Peer {
        name: "axum-rdkafka-wait",
        promise: Promise::Kept,
        build: Build::Cargo("axum-rdkafka", "bench-axum-rdkafka", "wait"),
    },
    Peer { name: "klamm-keys", promise: Promise::Kept, build: Build::Klamm(Guard::Keys) },
    Peer { name: "klamm-schema", promise: Promise::Kept, build: Build::Klamm(Guard::Schema) },
];

/// The peers named in `list`, or the usual ones.
pub(crate) fn chosen(list: Option<&str>) -> Result<Vec<&'static Peer>> {
    let Some(list) = list else { return Ok(PEERS.iter().take(USUAL).collect()) };
    list.split(',')
        .map(|name| {
            PEERS.iter().find(|peer| peer.name == name).ok_or_else(|| {
                let names: Vec<&str> = PEERS.iter().map(|peer| peer.name).collect();
                Failure::new(format!("no peer {name:?}; there are: {}", names.join(", ")))
            })
        })
        .collect()
}

/// A peer with its program.
#[derive(Debug)]
pub(crate) struct Built {
    pub(crate) peer: &'static Peer,
    pub(super) program: PathBuf,
    /// Takes what is only for a while.
    pub(crate) scratch: PathBuf,
}

/// Builds what is asked for; a peer that cannot be built is left out aloud.
pub(crate) fn build(place: &Place, peers: &[&'static Peer], klamm: &Path) -> Result<Vec<Built>> {
    let scratch = place.dir("bench/gateway")?;
    let mut built = Vec::new();
    for peer in peers {
        let program = match peer.build {
            Build::Klamm(_) => Ok(klamm.to_owned()),
            Build::Go(name, _) => programs::go(place, name),
            Build::Cargo(name, binary, _) => {
                eprintln!("building {name}");
                clients::cargo(place, name, binary)
            }
            Build::Nginx => process::need("nginx", "nginx-light"),
        };
        match program {
            Ok(program) => built.push(Built { peer, program, scratch: scratch.clone() }),
            Err(failure) => eprintln!("{} is left out: {failure}", peer.name),
        }
    }
    if built.is_empty() { Err(Failure::new("no gateway could be built")) } else { Ok(built) }
}

/// A gateway that runs. It is stopped with this value, and its directory removed.
#[derive(Debug)]
pub(crate) struct Gateway {
    pub(crate) listening: Listening,
    /// Where to post.
    pub(crate) url: String,
    /// What every request has to have.
    pub(crate) header: Option<String>,
    /// Where it tells of itself.
    management: Option<String>,
    data: Scratch,
}

/// What a log has synced since it was opened.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Synced {
    records: f64,
    syncs: f64,
}

impl Synced {
    /// How many records a sync had between the first and the second.
    pub(crate) fn records_each((first, second): (Self, Self)) -> f64 {
        (second.records - first.records) / (second.syncs - first.syncs).max(1.0)
    }

    /// What the metrics say of it.
    fn read(metrics: &str) -> Option<Self> {
        let of = |name: &str| {
            let line = metrics
                .lines()
                .find_map(|line| line.strip_prefix(SYNC_RECORDS)?.strip_prefix(name));
            line?.trim().parse().ok()
        };
        Some(Self { records: of("_sum ")?, syncs: of("_count ")? })
    }
}

impl Gateway {
    /// What its log has synced; none if it has no log, or does not say.
    pub(crate) fn synced(&self) -> Result<Option<Synced>> {
        let Some(management) = &self.management else { return Ok(None) };
        Ok(Synced::read(&http::call(management, "GET", "/metrics", "")?))
    }

    /// Kills it and leaves what it has on the disk.
    pub(crate) fn kill(mut self) -> Result<Scratch> {
        self.listening.kill()?;
        Ok(self.data)
    }
}

impl Built {
    /// Starts it before the Kafka at `bootstrap`, with a log of its own if it has one; `more` is for our own.
    pub(crate) fn start(&self, bootstrap: &str, topic: &str, more: &[&str]) -> Result<Gateway> {
        let data = Scratch(self.scratch.join(format!("data-{}", std::process::id())));
        self.start_in(data, bootstrap, topic, more)
    }

    /// The same where a log may be that it had before.
    pub(crate) fn start_in(
        &self,
        data: Scratch,
        bootstrap: &str,
        topic: &str,
        more: &[&str],
    ) -> Result<Gateway> {
        let management = match self.peer.build {
            Build::Klamm(_) => Some(format!("127.0.0.1:{}", free_port()?)),
            _ => None,
        };
        let log = self.scratch.join(format!("{}.log", self.peer.name));
        let guarded = match self.peer.build {
            Build::Klamm(guard) => guard.set(&self.program, topic, &data.0)?,
            _ => Guarded::default(),
        };
        let managed = management.iter().flat_map(|address| ["--management", address]);
        let guards = guarded.args.iter().map(|arg| &**arg);
        let more: Vec<&str> = managed.chain(guards).chain(more.to_vec()).collect();
        let listening = self.listen(bootstrap, topic, &data.0, &log, &more).map_err(|failure| {
            let said = std::fs::read_to_string(&log).unwrap_or_default();
            Failure::new(format!("{failure}\n{}", process::last_lines(said.trim(), 5)))
        })?;
        let url = format!("http://{}/topics/{topic}", listening.authority());
        Ok(Gateway { listening, url, header: guarded.header, management, data })
    }

    fn listen(
        &self,
        bootstrap: &str,
        topic: &str,
        data: &Path,
        log: &Path,
        more: &[&str],
    ) -> Result<Listening> {
        let mut command = Command::new(&self.program);
        command.stderr(File::create(log).doing(log.display())?);
        match self.peer.build {
            Build::Klamm(_) => {
                let log = data.join("log");
                command.arg("gateway").arg("--data").arg(log).args(more);
            }
            Build::Go(_, way) | Build::Cargo(_, _, way) => {
                command.args(["--topic", topic, "--way", way]);
            }
            Build::Nginx => return nginx::start(command, data),
        }
        command.args(["--listen", "127.0.0.1:0", "--bootstrap-server", bootstrap]);
        Listening::start(&mut command)
    }
}

#[cfg(test)]
mod tests {
    use super::{BARE, GIN, LIBRDKAFKA, OURS, PEERS, Promise, Synced, UNSAFE, USUAL, chosen};

    #[test]
    fn peers_are_chosen_by_name() {
        assert_eq!(chosen(None).unwrap().len(), USUAL);
        assert!(PEERS[USUAL..].iter().all(|peer| peer.is_ours()));
        assert_eq!(chosen(Some("hyper-noop,klamm")).unwrap(), [&PEERS[1], &PEERS[0]]);
        assert!(chosen(Some("caddy")).unwrap_err().to_string().contains("gin-noop"));
    }

    #[test]
    fn records_of_a_sync_are_those_between_two_looks() {
        let metrics = |records, syncs| {
            let name = "klamm_gateway_wal_sync_records";
            format!("{name}_bucket{{le=\"1\"}} 0\n{name}_sum {records}\n{name}_count {syncs}\n")
        };
        let seen = |records, syncs| Synced::read(&metrics(records, syncs)).unwrap();
        assert_eq!(Synced::records_each((seen(10, 2), seen(110, 6))), 25.0);
        assert_eq!(Synced::records_each((seen(10, 2), seen(10, 2))), 0.0);
        assert!(Synced::read("klamm_gateway_wal_sync_records_sum 7\n").is_none());
    }

    #[test]
    fn those_that_are_compared_with_exist() {
        let promise = |name| chosen(Some(name)).unwrap()[0].promise;
        assert_eq!([promise(OURS), promise(LIBRDKAFKA)], [Promise::Kept; 2]);
        assert_eq!(promise(UNSAFE), Promise::Memory);
        assert_eq!([promise(BARE), promise(GIN)], [Promise::Nothing; 2]);
    }
}
