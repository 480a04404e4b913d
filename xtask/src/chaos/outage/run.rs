//! What happens when: the bare producer, half of what the gateway can take, Kafka away, Kafka back.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::stage::Gateway;
use super::verdict::{CatchUp, Verdict};
use crate::bench::{Broker, usage};
use crate::chaos::kafka::{Kafka, Wanted};
use crate::failure::{Doing, Failure, Result};
use crate::flags::Flags;
use crate::interop;
use crate::place::Place;
use crate::process;
use crate::test::Counts;

const HELP: &str = "\
cargo xtask chaos outage [--minutes 10] [--on kafka|klamm] [--rate REQUESTS_PER_SECOND] [--klamm PROGRAM] [--short]
     klamm gateway takes half of what it can, or what --rate says, while its Kafka is stopped for so long: no client may get
     an error, its memory stays as it is, nothing is missing afterwards, and what waited is caught up while more comes.
     --short is the form of the test run: seconds, on klamm's broker without --on, and nobody asks how fast it is caught up
";
const PORT_BASE: u16 = 24600;
const TOPIC: &str = "outage";
const PARTITIONS: u16 = 8;
/// After it is back, how much longer for each second that it was away.
const AFTER: u32 = 4;
/// Starting again may take so many times what the first start took: by then there is more to do, and a load beside it.
const SLOWER: u32 = 3;
/// But no more than this: the first start may have fetched Kafka.
const SLACK: Duration = Duration::from_secs(60);
/// How long the gateway is measured for what it can take, in seconds.
const PEAK_SECONDS: &str = "3";
/// More than a record takes in the log.
const RECORD_BYTES: u64 = 512;
/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How long the load may take to find everything after its end.
const FIND: Duration = Duration::from_secs(300);

/// How long, and how much.
struct Plan {
    /// Before Kafka goes.
    calm: Duration,
    /// How long it is away.
    away: Duration,
    /// After it is back, at least.
    after: Duration,
    /// Requests a second; `None` for half of what the gateway can take.
    rate: Option<f64>,
    /// Records of the bare producer; `None` where what it would say says nothing.
    bare: Option<u32>,
}

/// Runs `cargo xtask chaos outage` with `args`.
pub(in crate::chaos) fn run(place: &Place, args: &[String]) -> Result<()> {
    let flags = Flags::parse(args, &["minutes", "on", "rate", "klamm"], &["short", "help"])?;
    if flags.has("help") {
        print!("{HELP}");
        return Ok(());
    }
    let minutes: f64 = flags.number("minutes", 10.0)?;
    if !(0.05..=600.0).contains(&minutes) {
        return Err(Failure::new("--minutes is 0.05 to 600"));
    }
    let klamm = interop::given_or_built(place, flags.value("klamm"))?;
    if flags.has("short") {
        return match short_of(place, &klamm, flags.value("on").unwrap_or("klamm"))?.failed {
            0 => Ok(()),
            _ => Err(Failure::new("somebody has noticed")),
        };
    }
    let plan = Plan {
        calm: Duration::from_secs(5),
        away: Duration::from_secs_f64(minutes * 60.0),
        after: Duration::from_secs(15),
        rate: flags.value("rate").map(str::parse::<f64>).transpose().doing("--rate")?,
        bare: Some(500_000),
    };
    let verdict = suffered(place, &klamm, flags.value("on").unwrap_or("kafka"), &plan)?;
    match verdict.wrong().as_slice() {
        [] => Ok(()),
        wrong => Err(Failure::new(wrong.join("; "))),
    }
}

/// The form for every test run.
pub(crate) fn short(place: &Place) -> Result<Counts> {
    short_of(place, &interop::build(place)?, "klamm")
}

fn short_of(place: &Place, klamm: &Path, on: &str) -> Result<Counts> {
    let plan = Plan {
        calm: Duration::from_secs(1),
        away: Duration::from_secs(4),
        after: Duration::from_secs(4),
        rate: Some(300.0),
        // How fast it catches up while everything else is tested says nothing.
        bare: None,
    };
    let verdict = suffered(place, klamm, on, &plan)?;
    Ok(Counts::of(verdict.wrong().is_empty()))
}

fn suffered(place: &Place, klamm: &Path, on: &str, plan: &Plan) -> Result<Verdict> {
    let wanted = Wanted { on, name: "outage", port_base: PORT_BASE, durability: "os" };
    let began = Instant::now();
    let mut kafka = Kafka::up(place, klamm, &wanted)?;
    let slack = kafka.grace() + SLACK.min(began.elapsed() * SLOWER);
    let verdict = endure(place, klamm, &mut kafka, plan, slack)?;
    print!("{verdict}");
    kafka.strike()?;
    Ok(verdict)
}

/// `slack` is how long Kafka may take to go and to come back: the load goes on meanwhile, and has its own time beside.
fn endure(
    place: &Place,
    klamm: &Path,
    kafka: &mut Kafka,
    plan: &Plan,
    slack: Duration,
) -> Result<Verdict> {
    let bootstrap = kafka.bootstrap();
    let topics = Broker::connect_with(klamm.to_owned(), place, Some(&bootstrap), false)?;
    topics.create(TOPIC, PARTITIONS)?;
    let bare = match plan.bare {
        Some(records) => bare(klamm, &topics, &bootstrap, records)?,
        None => 0.0,
    };
    let away = plan.away;
    let time = plan.calm + away + plan.after + away / AFTER + slack;
    // Room for everything, had Kafka never come back.
    let room = |rate: f64| (rate * time.as_secs_f64()) as u64 * RECORD_BYTES + (1 << 30);
    let asked = match plan.rate {
        Some(rate) => rate,
        None => {
            let gateway = Gateway::up(place, klamm, &bootstrap, 8 << 30)?;
            let asked = peak(klamm, &gateway)? / 2.0;
            gateway.down()?;
            asked
        }
    };
    let gateway = Gateway::up(place, klamm, &bootstrap, room(asked))?;
    let before = topics.count(TOPIC, PARTITIONS)?;
    let output = place.dir("chaos")?.join("outage-load.json");
    let mut load = Load::start(klamm, &gateway, &bootstrap, (asked, time), output)?;
    let mut verdict = Verdict { bare, asked, away: away.as_secs_f64(), ..Verdict::default() };
    watched(&mut load, &gateway, plan.calm, &mut verdict.calm_mib)?;
    // The load has its own beginning, and something is always on its way.
    let started = load.started;
    let scheduled = |at: Instant| before + ((at - started).as_secs_f64() * asked) as u64;
    let now = Instant::now();
    let behind = scheduled(now).saturating_sub(topics.count(TOPIC, PARTITIONS)?);
    println!("Kafka goes");
    kafka.stop()?;
    watched(&mut load, &gateway, away, &mut verdict.peak_mib)?;
    kafka.start()?;
    println!("Kafka is back");
    let due = |at: Instant| scheduled(at).saturating_sub(behind);
    verdict.catch_up = catch_up(&topics, started + time, due)?;
    let said = load.end(time + FIND)?;
    gateway.down()?;
    Ok(judged(verdict, &said))
}

fn judged(verdict: Verdict, said: &Value) -> Verdict {
    let number = |value: &Value| value.as_u64().unwrap_or(0);
    let found = &said["verdict"];
    Verdict {
        accepted: number(&said["accepted"]),
        errors: number(&said["answered_otherwise"]) + number(&said["unanswered"]),
        missing: number(&found["missing"]) + number(&found["ids_missing"]),
        duplicates: number(&found["duplicates"]),
        ..verdict
    }
}

/// Records a second that a producer sends which does nothing else.
fn bare(klamm: &Path, topics: &Broker, bootstrap: &str, records: u32) -> Result<f64> {
    let topic = "outage-bare";
    topics.create(topic, PARTITIONS)?;
    let mut perf = Command::new(klamm);
    let records = records.to_string();
    perf.args(["perf", "produce", "--topic", topic, "--num-records", &records, "-O", "json"]);
    perf.args(["--record-size", "230", "--bootstrap-server", bootstrap]);
    let said: Value =
        serde_json::from_slice(&process::capture(&mut perf)?).doing("perf produce")?;
    topics.delete(topic)?;
    said["records_per_second"].as_f64().ok_or_else(|| Failure::new("perf produce tells no rate"))
}

/// Requests a second that the gateway answers, as fast as they come.
fn peak(klamm: &Path, gateway: &Gateway) -> Result<f64> {
    let mut perf = Command::new(klamm);
    perf.args(["perf", "http", &gateway.url("outage-peak"), "--seconds", PEAK_SECONDS]);
    let printed = process::capture(perf.args(["-O", "json"]))?;
    let said: Value = serde_json::from_slice(&printed).doing("perf http")?;
    said["requests_per_second"].as_f64().ok_or_else(|| Failure::new("perf http tells no rate"))
}

/// Waits so long and keeps the most memory that the gateway had; the load must go on.
fn watched(load: &mut Load, gateway: &Gateway, time: Duration, most: &mut f64) -> Result<()> {
    let until = Instant::now() + time;
    while Instant::now() < until {
        load.check()?;
        let memory = usage::memory(gateway.listening.pid())?;
        *most = most.max(memory.resident as f64 / 1024.0);
        std::thread::sleep(LOOK_EVERY);
    }
    Ok(())
}

/// From now until the topic has what is due by then; `None` when the load ends before.
fn catch_up(
    topics: &Broker,
    end: Instant,
    due: impl Fn(Instant) -> u64,
) -> Result<Option<CatchUp>> {
    let (began, first) = (Instant::now(), topics.count(TOPIC, PARTITIONS)?);
    while Instant::now() < end {
        let asked = Instant::now();
        let counted = topics.count(TOPIC, PARTITIONS)?;
        // What was sent in the last moments is on its way.
        if counted >= due(asked - LOOK_EVERY) {
            let (seconds, records) = (began.elapsed().as_secs_f64(), counted - first);
            return Ok(Some(CatchUp { seconds, records }));
        }
        std::thread::sleep(LOOK_EVERY);
    }
    Ok(None)
}

/// The load, on its own.
struct Load {
    child: Child,
    started: Instant,
    output: PathBuf,
}

impl Load {
    fn start(
        klamm: &Path,
        gateway: &Gateway,
        bootstrap: &str,
        (rate, time): (f64, Duration),
        output: PathBuf,
    ) -> Result<Self> {
        let file = std::fs::File::create(&output).doing(output.display())?;
        let (rate, seconds) = ((rate as u64).max(1).to_string(), time.as_secs_f64().to_string());
        let mut perf = Command::new(klamm);
        perf.args(["perf", "http", &gateway.url(TOPIC), "--throughput", &rate, "--seconds"]);
        perf.args([&seconds, "-O", "json", "--verify", "--verify-timeout", "60000"]);
        perf.args(["--bootstrap-server", bootstrap]).stdin(Stdio::null()).stdout(file);
        let child = perf.stderr(Stdio::null()).spawn().doing("cannot start the load")?;
        Ok(Self { child, started: Instant::now(), output })
    }

    /// An error once it has ended.
    fn check(&mut self) -> Result<()> {
        match self.child.try_wait().doing("the load")? {
            None => Ok(()),
            Some(status) => Err(Failure::new(format!("the load has ended: {status}"))),
        }
    }

    /// What it says in the end, whatever its status: that is judged here.
    fn end(mut self, limit: Duration) -> Result<Value> {
        let deadline = self.started + limit;
        while self.child.try_wait().doing("the load")?.is_none() {
            if Instant::now() > deadline {
                return Err(Failure::new("the load does not end"));
            }
            std::thread::sleep(LOOK_EVERY);
        }
        let printed = std::fs::read_to_string(&self.output).doing(self.output.display())?;
        serde_json::from_str(&printed).doing("the load")
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        // One that has ended is none the worse for it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
