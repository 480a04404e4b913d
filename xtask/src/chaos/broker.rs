//! `cargo xtask chaos broker`: `klamm broker` is killed under load over and over; what it acknowledged must be there.
//!
//! SIGKILL takes away the process and leaves what the system has in memory: this proves `os` and up. What a power loss
//! takes is simulated in the tests of klamm-log.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::run::{LEDGER, build_example, finish, read_ledger};
use super::verdict::Verdict;
use crate::failure::{Doing, Failure, Result};
use crate::flags::Flags;
use crate::interop::{self, read_by_kcat};
use crate::listening::{Listening, again};
use crate::place::Place;
use crate::test::Counts;

const HELP: &str = "\
cargo xtask chaos broker [--rounds N] [--every MS] [--rate N] [--durability MODE,…] [--klamm PROGRAM]
     klamm broker with a directory; killed with SIGKILL while records flow, started again on the same port, N rounds in
     each mode. Afterwards every outcome the producer was given is held against what kcat reads
";
const TOPIC: &str = "chaos";
const PARTITIONS: u16 = 12;
/// How long the program may take to settle its last records after the last blow.
const SETTLE: Duration = Duration::from_secs(150);

/// How much to hurt, and in which modes.
struct Plan {
    rounds: u32,
    every: Duration,
    rate: u32,
    modes: Vec<String>,
}

/// Runs `cargo xtask chaos broker` with `args`.
pub(super) fn run(place: &Place, args: &[String]) -> Result<()> {
    let flags = Flags::parse(args, &["rounds", "every", "rate", "durability", "klamm"], &["help"])?;
    if flags.has("help") {
        print!("{HELP}");
        return Ok(());
    }
    let plan = Plan {
        rounds: flags.number("rounds", 200)?,
        every: Duration::from_millis(flags.number("every", 700)?),
        rate: flags.number("rate", 5000)?,
        modes: flags
            .value("durability")
            .unwrap_or("os,always")
            .split(',')
            .map(str::to_owned)
            .collect(),
    };
    let klamm = interop::given_or_built(place, flags.value("klamm"))?;
    let counts = all(place, &plan, &klamm)?;
    match counts.failed {
        0 => Ok(()),
        failed => Err(Failure::new(format!("{failed} of {} modes failed", plan.modes.len()))),
    }
}

/// The form for every test run.
pub(crate) fn short(place: &Place, rounds: u32) -> Result<Counts> {
    let modes = vec!["os".to_owned(), "always".to_owned()];
    let plan = Plan { rounds, every: Duration::from_millis(700), rate: 2000, modes };
    all(place, &plan, &interop::build(place)?)
}

fn all(place: &Place, plan: &Plan, klamm: &Path) -> Result<Counts> {
    let program = build_example(place, LEDGER)?;
    let mut counts = Counts::default();
    for mode in &plan.modes {
        println!("{} rounds of SIGKILL with durability {mode}", plan.rounds);
        let verdict = one(place, plan, mode, klamm, &program)?;
        print!("{verdict}");
        match verdict.holds() && verdict.delivered > 0 {
            true => counts.passed += 1,
            false => counts.failed += 1,
        }
    }
    Ok(counts)
}

fn one(place: &Place, plan: &Plan, mode: &str, klamm: &Path, program: &Path) -> Result<Verdict> {
    let dir = place.dir("chaos")?.join(format!("broker-{mode}"));
    if dir.exists() {
        fs::remove_dir_all(&dir).doing(format_args!("{}", dir.display()))?;
    }
    let ledger = place.dir("chaos")?.join(format!("broker-{mode}.ledger"));
    let port = free_port()?;
    let mut broker = start(klamm, port, &dir, mode)?;
    let mut sender = send(program, port, &ledger, plan)?;
    let hurt = (0..plan.rounds).try_for_each(|_| {
        std::thread::sleep(plan.every);
        broker = again(&mut broker, || start(klamm, port, &dir, mode))?;
        Ok(())
    });
    let ended = hurt.and_then(|()| finish(&mut sender, SETTLE));
    let collected = sender.kill().and_then(|()| sender.wait());
    ended?;
    collected.doing("cannot stop the ledger program")?;
    // Once more: what is judged is what the next start finds.
    let broker = again(&mut broker, || start(klamm, port, &dir, mode))?;
    let rows = read_by_kcat(&format!("127.0.0.1:{port}"), TOPIC)?;
    drop(broker);
    let verdict = Verdict::judge(&read_ledger(&ledger)?, &rows, true);
    fs::remove_dir_all(&dir).doing(format_args!("{}", dir.display()))?;
    Ok(verdict)
}

/// A port that was free a moment ago; a broker keeps it over all its restarts.
pub(crate) fn free_port() -> Result<u16> {
    let socket = TcpListener::bind("127.0.0.1:0").doing("no free port")?;
    Ok(socket.local_addr().doing("no free port")?.port())
}

fn start(klamm: &Path, port: u16, dir: &Path, mode: &str) -> Result<Listening> {
    let mut command = Command::new(klamm);
    command.args(["broker", "--listen", &format!("127.0.0.1:{port}"), "--durability", mode]);
    command.args(["--topics", &format!("{TOPIC}:{PARTITIONS}"), "--data"]).arg(dir);
    command.stderr(Stdio::null());
    Listening::start(&mut command)
}

fn send(program: &Path, port: u16, ledger: &Path, plan: &Plan) -> Result<Child> {
    let seconds = (plan.every * (plan.rounds + 1)).as_secs() + 1;
    let mut sender = Command::new(program);
    sender.args(["--bootstrap-server", &format!("127.0.0.1:{port}"), "--topic", TOPIC]);
    sender.arg("--out").arg(ledger);
    for (flag, number) in [
        ("--seconds", seconds),
        ("--tasks", 8),
        ("--rate", u64::from(plan.rate)),
        ("--request-timeout-ms", 4000),
    ] {
        sender.arg(flag).arg(number.to_string());
    }
    sender.stdin(Stdio::null()).spawn().doing("cannot start the ledger program")
}
