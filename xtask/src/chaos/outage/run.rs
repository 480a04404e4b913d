//! What happens when: half of what the gateway can take, the bare producer, Kafka away, Kafka back, the bare producer again.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::bare::Rounds;
use super::load::{LOOK_EVERY, Load, Schedule, count, peak};
use super::phase::Phase;
use super::processes::Processes;
use super::stage::Gateway;
use super::verdict::{CatchUp, Verdict};
use crate::bench::{Broker, usage};
use crate::chaos::kafka::{Kafka, Wanted};
use crate::disk::has_room;
use crate::failure::{Doing, Failure, Result};
use crate::flags::Flags;
use crate::interop;
use crate::place::Place;
use crate::test::Counts;

const HELP: &str = "\
cargo xtask chaos outage [--minutes 10] [--on kafka|klamm] [--rate REQUESTS_PER_SECOND] [--rounds 4]
                         [--klamm PROGRAM] [--short]
     klamm gateway takes half of what it can, or what --rate says, while its Kafka is stopped for so long: no client may get
     an error, its memory stays as it is, nothing is missing afterwards, and what waited is caught up while more comes:
     no slower than 0.8 of a producer that sends as many records beside the same load, the median of so many rounds, half of
     them before the outage and half after it; --rounds 0 leaves that out. Both begin when Kafka has just come back after a
     minute or more of the load alone, and end when it has all that and everything that the load should have brought by
     then. What the producer sends on a machine that does nothing else is told beside.
     --short is the form of the test run: seconds, on klamm's broker without --on, and nobody asks how fast it is caught up
";
const PORT_BASE: u16 = 24600;
const TOPIC: &str = "outage";
pub(super) const PARTITIONS: u16 = 8;
/// After it is back, how much longer for each second that it was away.
const AFTER: u32 = 4;
/// Starting again may take so many times what the first start took: by then there is more to do, and a load beside it.
const SLOWER: u32 = 3;
/// But no more than this: the first start may have fetched Kafka.
const SLACK: Duration = Duration::from_secs(60);
/// More than a record takes in the log.
const RECORD_BYTES: u64 = 512;
/// The gateway's log, and Kafka's.
const COPIES: u64 = 2;
/// More rounds of the bare producer tell no more.
const MAX_ROUNDS: usize = 20;
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
    /// Rounds of the bare producer; none where what it would say says nothing.
    bare: usize,
}

/// Runs `cargo xtask chaos outage` with `args`.
pub(in crate::chaos) fn run(place: &Place, args: &[String]) -> Result<()> {
    let flags =
        Flags::parse(args, &["minutes", "on", "rate", "rounds", "klamm"], &["short", "help"])?;
    if flags.has("help") {
        print!("{HELP}");
        return Ok(());
    }
    let minutes: f64 = flags.number("minutes", 10.0)?;
    if !(0.05..=600.0).contains(&minutes) {
        return Err(Failure::new("--minutes is 0.05 to 600"));
    }
    let rounds: usize = flags.number("rounds", 4)?;
    if rounds > MAX_ROUNDS {
        return Err(Failure::new(format!("--rounds is 0 to {MAX_ROUNDS}")));
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
        bare: rounds,
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
        bare: 0,
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

/// Where it happens.
pub(super) struct Scene<'a> {
    pub(super) place: &'a Place,
    pub(super) klamm: &'a Path,
    pub(super) topics: Broker,
    pub(super) bootstrap: String,
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
    let scene = Scene { place, klamm, topics, bootstrap };
    scene.topics.create(TOPIC, PARTITIONS)?;
    let asked = match plan.rate {
        Some(rate) => rate,
        None => half_of_the_peak(&scene)?,
    };
    let time = plan.calm + plan.away + plan.after + plan.away / AFTER + slack;
    // Room for everything, had Kafka never come back.
    let room = (asked * time.as_secs_f64()) as u64 * RECORD_BYTES + (1 << 30);
    has_room(&place.dir("chaos")?, room * COPIES, "fewer --minutes")?;
    let mut verdict = Verdict { asked, away: plan.away.as_secs_f64(), ..Verdict::default() };
    // A machine is not equally fast all the time: what is compared is measured on both sides of the outage.
    let (mut bare, load) = (Rounds::default(), (asked, plan.away));
    bare.add(&scene, kafka, load, plan.bare.div_ceil(2))?;
    let gateway = Gateway::up(place, klamm, &scene.bootstrap, room)?;
    let said = outage(&scene, kafka, &gateway, (plan, time), &mut verdict)?;
    gateway.down()?;
    bare.add(&scene, kafka, load, plan.bare / 2)?;
    verdict.compared = bare.compared();
    Ok(judged(verdict, &said))
}

fn half_of_the_peak(scene: &Scene<'_>) -> Result<f64> {
    let gateway = Gateway::up(scene.place, scene.klamm, &scene.bootstrap, 8 << 30)?;
    let peak = peak(scene.klamm, &gateway)?;
    gateway.down()?;
    Ok(peak / 2.0)
}

/// Kafka goes and comes back under load, which lasts for `time`; what the load says.
fn outage(
    scene: &Scene<'_>,
    kafka: &mut Kafka,
    gateway: &Gateway,
    (plan, time): (&Plan, Duration),
    verdict: &mut Verdict,
) -> Result<Value> {
    let (topics, asked) = (&scene.topics, verdict.asked);
    let output = scene.place.dir("chaos")?.join("outage-load.json");
    let how_much = (asked, time);
    let mut load = Load::start(scene.klamm, (gateway, TOPIC), &scene.bootstrap, how_much, output)?;
    let end = Instant::now() + time;
    watched(&mut load, gateway, plan.calm, &mut verdict.calm_mib)?;
    let schedule = load.schedule(topics, TOPIC)?;
    println!("Kafka goes");
    kafka.stop()?;
    watched(&mut load, gateway, plan.away, &mut verdict.peak_mib)?;
    kafka.start()?;
    println!("Kafka is back");
    let processes = Processes::of(kafka, Some((gateway, &load)));
    verdict.catch_up = catch_up(topics, &processes, end, &schedule)?;
    load.end(time + FIND)
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
    processes: &Processes,
    end: Instant,
    schedule: &Schedule,
) -> Result<Option<CatchUp>> {
    let (began, before) = (Instant::now(), processes.cpu()?);
    let first = count(topics, TOPIC)?;
    let mut silent = None;
    while Instant::now() < end {
        let asked = Instant::now();
        let (counted, met) = schedule.look(topics)?;
        if counted > first {
            silent.get_or_insert((asked - began).as_secs_f64());
        }
        if met {
            let (seconds, records) = (began.elapsed().as_secs_f64(), (counted - first) as f64);
            let cpu = processes.cpu()?.since(before);
            let phase = Phase { seconds, records, looked: seconds, cpu };
            return Ok(Some(CatchUp { phase, silent: silent.unwrap_or(0.0) }));
        }
        std::thread::sleep(LOOK_EVERY);
    }
    Ok(None)
}
