//! The driver: a cluster, the program under test, and somebody who keeps hurting a broker.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::ledger::Entry;
use super::verdict::Verdict;
use super::{broker, gateway, groups, outage, slow_sockets, transactions};
use crate::failure::{Doing, Failure, Result};
use crate::flags::Flags;
use crate::interop::{Java, Reader};
use crate::kafka::{Cluster, Running, Spec, Version};
use crate::place::Place;
use crate::process;
use crate::test::Counts;

const HELP: &str = "\
cargo xtask chaos [--rounds N] [--pauses N] [--every SECONDS] [--pause-for SECONDS] [--rate N] [--version V]
                  [--program FILE]
     three brokers; one after the other is killed with SIGKILL and started again, N rounds, then paused with
     SIGSTOP for longer than the producer's request timeout; last, the producer itself is killed. After each,
     every outcome is checked. FILE takes the place of klamm's example `ledger`, for instance to
     see how another client fares or that the checks find what is wrong
cargo xtask chaos broker …
     the same to klamm broker; --help says more
cargo xtask chaos transactions …
     klamm broker is killed at every step of a transaction; --help says more
cargo xtask chaos groups …
     members of consumer groups come, go and are killed; --help says more
cargo xtask chaos gateway …
     klamm gateway is killed under load, with Kafka up, down and flapping; --help says more
cargo xtask chaos outage …
     the Kafka of klamm gateway is away for minutes; --help says more
cargo xtask chaos slow-sockets …
     thousands of clients of klamm gateway send a byte now and then; --help says more
";
/// The example that says what became of each record.
pub(super) const LEDGER: &str = "ledger";
const TOPIC: &str = "chaos";
const PARTITIONS: u16 = 12;
/// What the producer's `request.timeout.ms` is set to, so that a pause can outlast it.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(4);
/// How long the program may take to settle its last records after the last blow.
const SETTLE: Duration = Duration::from_secs(150);

/// How much to hurt.
struct Plan {
    rounds: u32,
    pauses: u32,
    every: Duration,
    pause: Duration,
    rate: u32,
}

impl Plan {
    fn times(&self, blow: Blow) -> u32 {
        match blow {
            Blow::Kill => self.rounds,
            Blow::Pause => self.pauses,
            Blow::Producer => 1,
        }
    }
}

const BLOWS: [Blow; 3] = [Blow::Kill, Blow::Pause, Blow::Producer];

/// Who is hurt, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Blow {
    Kill,
    Pause,
    /// Not the broker: the producer is killed in the middle of its work.
    Producer,
}

/// Runs `cargo xtask chaos` with `args`.
pub(crate) fn run(place: &Place, args: &[String]) -> Result<()> {
    match args.split_first().map(|(first, rest)| (first.as_str(), rest)) {
        Some(("broker", rest)) => return broker::run(place, rest),
        Some(("gateway", rest)) => return gateway::run(place, rest),
        Some(("groups", rest)) => return groups::run(place, rest),
        Some(("outage", rest)) => return outage::run(place, rest),
        Some(("slow-sockets", rest)) => return slow_sockets::run(place, rest),
        Some(("transactions", rest)) => return transactions::run(place, rest),
        _ => {}
    }
    let values = ["rounds", "pauses", "every", "pause-for", "rate", "version", "program"];
    let flags = Flags::parse(args, &values, &["help"])?;
    if flags.has("help") {
        print!("{HELP}");
        return Ok(());
    }
    let plan = Plan {
        rounds: flags.number("rounds", 20)?,
        pauses: flags.number("pauses", 5)?,
        every: Duration::from_secs(flags.number("every", 5)?),
        pause: Duration::from_secs(flags.number("pause-for", 8)?),
        rate: flags.number("rate", 5000)?,
    };
    let version = flags.number("version", Spec::default().version)?;
    let program = match flags.value("program") {
        Some(program) => PathBuf::from(program),
        None => build_example(place, LEDGER)?,
    };
    let counts = both(place, &plan, version, &program)?;
    match counts.failed {
        0 => Ok(()),
        failed => Err(Failure::new(format!("{failed} of {} runs failed", BLOWS.len()))),
    }
}

/// The form for every test run.
pub(crate) fn short(place: &Place, rounds: u32) -> Result<Counts> {
    let plan = Plan {
        rounds,
        pauses: 1,
        every: Duration::from_secs(5),
        pause: Duration::from_secs(8),
        rate: 2000,
    };
    both(place, &plan, Spec::default().version, &build_example(place, LEDGER)?)
}

fn both(place: &Place, plan: &Plan, version: Version, program: &Path) -> Result<Counts> {
    let name = "chaos".to_owned();
    let spec = Spec { name, brokers: 3, port_base: 21800, version, ..Spec::default() };
    let kafka = Running::up(place, spec)?;
    let mut counts = Counts::default();
    for (blow, times) in BLOWS.map(|blow| (blow, plan.times(blow))) {
        if times == 0 {
            continue;
        }
        println!("{times} rounds of {blow:?}");
        let verdict = one(place, kafka.cluster(), program, plan, blow, times)?;
        print!("{verdict}");
        match verdict.holds() && verdict.delivered > 0 {
            true => counts.passed += 1,
            false => counts.failed += 1,
        }
    }
    Ok(counts)
}

/// An example of the client library.
pub(super) fn build_example(place: &Place, example: &str) -> Result<PathBuf> {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(place.root()).args(["build", "-p", "klamm", "--example", example]);
    process::run(&mut cargo)?;
    Ok(place.target().join("debug/examples").join(example))
}

fn one(
    place: &Place,
    cluster: &Cluster,
    program: &Path,
    plan: &Plan,
    blow: Blow,
    times: u32,
) -> Result<Verdict> {
    let topic = format!("{TOPIC}-{blow:?}").to_lowercase();
    cluster.create_topic(&topic, PARTITIONS, 3, &["min.insync.replicas=2"])?;
    let ledger = place.dir("chaos")?.join(format!("{topic}.ledger"));
    let each = plan.every + if blow == Blow::Pause { plan.pause } else { Duration::ZERO };
    let mut sender = start(program, cluster, &topic, &ledger, plan, each * (times + 1))?;
    let hurt = (0..times).try_for_each(|round| {
        std::thread::sleep(plan.every);
        strike(cluster, plan, blow, 1 + (round % 3) as u16)
    });
    let ended = match blow {
        Blow::Producer => hurt,
        _ => hurt.and_then(|()| finish(&mut sender, each * 2 + SETTLE)),
    };
    // Whatever has gone wrong, it does not outlive this; a producer that has ended is only collected.
    let collected = sender.kill().and_then(|()| sender.wait());
    ended?;
    collected.doing("cannot stop the ledger program")?;
    cluster.wait_ready()?;
    let entries = read_ledger(&ledger)?;
    let rows = Java::new(place).read(cluster, &topic)?;
    Ok(Verdict::judge(&entries, &rows, blow != Blow::Producer))
}

/// Every whole line; a producer that was killed may have left half of one.
pub(super) fn read_ledger(file: &Path) -> Result<Vec<Entry>> {
    let text = std::fs::read_to_string(file).doing(format_args!("{}", file.display()))?;
    let whole = text.rfind('\n').map_or(0, |end| end + 1);
    text[..whole].lines().map(Entry::read).collect()
}

fn start(
    program: &Path,
    cluster: &Cluster,
    topic: &str,
    ledger: &Path,
    plan: &Plan,
    time: Duration,
) -> Result<Child> {
    let mut sender = Command::new(program);
    sender.args(["--bootstrap-server", &cluster.bootstrap(), "--topic", topic]);
    sender.arg("--out").arg(ledger);
    for (flag, number) in [
        ("--seconds", time.as_secs()),
        ("--tasks", 8),
        ("--rate", u64::from(plan.rate)),
        ("--request-timeout-ms", REQUEST_TIMEOUT.as_millis() as u64),
    ] {
        sender.arg(flag).arg(number.to_string());
    }
    sender.stdin(Stdio::null()).spawn().doing("cannot start the ledger program")
}

fn strike(cluster: &Cluster, plan: &Plan, blow: Blow, id: u16) -> Result<()> {
    if blow != Blow::Producer {
        println!("{blow:?} {}", cluster.node(id)?.name());
    }
    match blow {
        // The caller does it.
        Blow::Producer => Ok(()),
        Blow::Kill => {
            cluster.node(id)?.kill()?;
            cluster.start(id)
        }
        Blow::Pause => {
            cluster.node(id)?.pause()?;
            std::thread::sleep(plan.pause);
            cluster.node(id)?.resume()
        }
    }
}

pub(super) fn finish(sender: &mut Child, limit: Duration) -> Result<()> {
    let deadline = Instant::now() + limit;
    loop {
        match sender.try_wait().doing("cannot wait for the ledger program")? {
            Some(status) if status.success() => return Ok(()),
            Some(status) => return Err(Failure::new(format!("the ledger program: {status}"))),
            None if Instant::now() > deadline => {
                return Err(Failure::new(format!("the ledger program still runs after {limit:?}")));
            }
            None => std::thread::sleep(Duration::from_millis(100)),
        }
    }
}
