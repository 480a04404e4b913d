//! The director.

use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::cast::{Group, Programs};
use super::keys;
use super::scenario::{Client, Scenario, Sharing};
use super::stage::Stage;
use super::verdict::Verdict;
use crate::chaos::run::build_example;
use crate::failure::{Doing, Failure, Result};
use crate::flags::Flags;
use crate::interop::{self, Held, read_by_kcat};
use crate::place::Place;
use crate::test::Counts;

const HELP: &str = "\
cargo xtask chaos groups [--records N] [--rate N] [--every MS] [--on klamm,kafka] [--scenarios NAME,…] [--seed N]
                         [--klamm PROGRAM] [--member PROGRAM]
     N keyed records run through three topics (7, 11 and 31 partitions), moved by groups of klamm's consumers; every MS
     milliseconds a member joins, leaves or is killed with SIGKILL. Afterwards what members say they did is held against
     each other and against the logs: one owner at a time, no gap, each key in its order, nothing done again but after a
     kill. Scenarios are eager, cooperative, static, consumer (KIP-848), and with a foreign client in one group with
     klamm's: eager+java, consumer+librdkafka, cooperative+franz-go, …
";
/// The topics of the chain.
const CHAIN: [(&str, i32); 3] = [("left", 7), ("middle", 11), ("right", 31)];
/// Members of a group at most.
const MEMBERS: usize = 4;
/// How long the members may take to process what is there once nobody is hurt any more.
const SETTLE: Duration = Duration::from_secs(120);

struct Plan {
    records: u64,
    rate: u64,
    every: Duration,
    seed: u64,
}

/// Runs `cargo xtask chaos groups` with `args`.
pub(crate) fn run(place: &Place, args: &[String]) -> Result<()> {
    let values = ["records", "rate", "every", "on", "scenarios", "seed", "klamm", "member"];
    let flags = Flags::parse(args, &values, &["help"])?;
    if flags.has("help") {
        print!("{HELP}");
        return Ok(());
    }
    let plan = Plan {
        records: flags.number("records", 500_000)?,
        rate: flags.number("rate", 8000)?,
        every: Duration::from_millis(flags.number("every", 900)?),
        seed: flags.number("seed", 1)?,
    };
    let scenarios = match flags.value("scenarios") {
        Some(names) => names.split(',').map(Scenario::parse).collect::<Result<_>>()?,
        None => Scenario::all(),
    };
    let programs =
        (flags.value("klamm").map(PathBuf::from), flags.value("member").map(PathBuf::from));
    let programs = match programs {
        (Some(klamm), Some(member)) => (klamm, member),
        given => {
            let built = build(place)?;
            (given.0.unwrap_or(built.0), given.1.unwrap_or(built.1))
        }
    };
    let mut counts = Counts::default();
    for on in flags.value("on").unwrap_or("klamm,kafka").split(',') {
        let stage = match on {
            "klamm" => Stage::klamm(&programs.0)?,
            "kafka" => Stage::kafka(place)?,
            other => return Err(Failure::new(format!("--on {other}: klamm and kafka there are"))),
        };
        counts.add(all(place, &plan, &stage, &programs, &scenarios)?);
    }
    match counts.failed {
        0 => Ok(()),
        failed => Err(Failure::new(format!("{failed} runs failed"))),
    }
}

/// The form for every test run: klamm's own members on its own broker, in two of the ways.
pub(crate) fn short(place: &Place) -> Result<Counts> {
    let plan = Plan { records: 20_000, rate: 2000, every: Duration::from_millis(900), seed: 1 };
    let programs = build(place)?;
    let stage = Stage::klamm(&programs.0)?;
    let scenarios = [Sharing::Cooperative, Sharing::Consumer];
    let scenarios = scenarios.map(|sharing| Scenario { sharing, guest: None });
    all(place, &plan, &stage, &programs, &scenarios)
}

fn build(place: &Place) -> Result<(PathBuf, PathBuf)> {
    Ok((interop::build(place)?, build_example(place, "group_member")?))
}

fn all(
    place: &Place,
    plan: &Plan,
    stage: &Stage,
    (klamm, member): &(PathBuf, PathBuf),
    scenarios: &[Scenario],
) -> Result<Counts> {
    let mut counts = Counts::default();
    for scenario in scenarios {
        let guest = scenario.guest.map(|guest| foreign(place, guest)).transpose()?;
        let programs = Programs { klamm: member.clone(), guest };
        println!("{} on {}, seed {}", scenario.name(), stage.name(), plan.seed);
        match one(place, plan, stage, klamm, &programs, *scenario) {
            Ok(verdict) => {
                print!("{verdict}");
                match verdict.holds() && verdict.processed > 0 {
                    true => counts.passed += 1,
                    false => counts.failed += 1,
                }
            }
            Err(failure) => {
                println!("{failure}");
                counts.failed += 1;
            }
        }
    }
    Ok(counts)
}

fn foreign(place: &Place, guest: Client) -> Result<(Client, Vec<OsString>)> {
    let words = match guest {
        Client::Java => interop::java_member(place)?,
        Client::Librdkafka => interop::librdkafka_member(place)?,
        Client::FranzGo => interop::franz_go_member(place)?,
        Client::Klamm => return Err(Failure::new("klamm is no guest")),
    };
    Ok((guest, words))
}

/// One run: topics, members, records, blows, and the verdict.
fn one(
    place: &Place,
    plan: &Plan,
    stage: &Stage,
    klamm: &Path,
    programs: &Programs,
    scenario: Scenario,
) -> Result<Verdict> {
    let dir = place.dir("chaos")?.join(format!("groups-{}", scenario.name()));
    if dir.exists() {
        fs::remove_dir_all(&dir).doing(dir.display())?;
    }
    fs::create_dir_all(&dir).doing(dir.display())?;
    // With a guest there is one group: its members need not know how to write.
    let chain = if scenario.guest.is_some() { &CHAIN[1..2] } else { &CHAIN[..] };
    let topics: Vec<(String, i32)> = chain
        .iter()
        .map(|(topic, n)| (format!("{topic}-{}", scenario.name().replace('+', "-")), *n))
        .collect();
    for (topic, partitions) in &topics {
        stage.create_topic(klamm, topic, *partitions)?;
    }
    let mut groups: Vec<Group<'_>> = Vec::new();
    for (n, (topic, _)) in topics.iter().enumerate() {
        let to = topics.get(n + 1).map(|(topic, _)| topic.as_str());
        let mut group = Group::new(scenario, stage.address(), (topic, to), programs, &dir);
        group.join()?;
        group.join()?;
        groups.push(group);
    }
    let mut source = Source::start(klamm, &stage.address(), &topics[0].0, plan)?;
    let blows = hurt(plan, &mut groups, &mut source)?;
    println!("  {blows}");
    let mut verdict = Verdict::default();
    for (group, (topic, partitions)) in groups.iter_mut().zip(&topics) {
        // What a group writes is settled once it has read all there is and is gone.
        settle(stage, topic, *partitions, group)?;
        group.end()?;
        verdict.judge(&group.events()?, &stage.ends(topic, *partitions)?);
    }
    let last = topics.last().map(|(topic, _)| topic.as_str()).unwrap_or_default();
    let rows = read_by_kcat(&stage.address(), last)?;
    let twice = keys::check(&mut verdict, plan.records, &rows, blows.kills > 0);
    println!("  {} records at the end of the chain, {twice} of them moved twice", rows.len());
    Ok(verdict)
}

/// What was done to members.
#[derive(Default)]
struct Blows {
    joins: u32,
    leaves: u32,
    kills: u32,
}

impl std::fmt::Display for Blows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} members joined, {} left, {} were killed", self.joins, self.leaves, self.kills)
    }
}

fn hurt(plan: &Plan, groups: &mut [Group<'_>], source: &mut Source) -> Result<Blows> {
    let mut dice = Dice(plan.seed);
    let mut blows = Blows::default();
    while !source.is_done()? {
        std::thread::sleep(plan.every);
        let group = &mut groups[dice.below(groups.len())];
        group.check()?;
        let member = dice.below(group.len());
        match dice.below(3) {
            0 if group.len() > 1 => {
                group.kill(member)?;
                blows.kills += 1;
            }
            1 if group.len() > 1 => {
                group.leave(member)?;
                blows.leaves += 1;
            }
            _ if group.len() < MEMBERS => {
                group.join()?;
                blows.joins += 1;
            }
            _ => {}
        }
    }
    Ok(blows)
}

/// Waits until a topic is processed to its end.
fn settle(stage: &Stage, topic: &str, partitions: i32, group: &mut Group<'_>) -> Result<()> {
    let deadline = Instant::now() + SETTLE;
    loop {
        group.check()?;
        let mut so_far = Verdict::default();
        so_far.judge(&group.events()?, &stage.ends(topic, partitions)?);
        if so_far.left == 0 {
            return Ok(());
        }
        if Instant::now() > deadline {
            let why = format!("{topic} is not processed to its end within {SETTLE:?}\n{so_far}");
            return Err(Failure::new(why));
        }
        std::thread::sleep(Duration::from_millis(300));
    }
}

/// `klamm produce`, fed at a rate by a thread.
struct Source {
    child: Held,
    feeding: Option<std::thread::JoinHandle<std::io::Result<()>>>,
}

impl Source {
    fn start(klamm: &Path, address: &str, topic: &str, plan: &Plan) -> Result<Self> {
        let mut command = Command::new(klamm);
        command.args(["produce", topic, "-K", ":", "-b", address]);
        command.stdin(Stdio::piped()).stdout(Stdio::null());
        let mut child = Held(command.spawn().doing("klamm produce")?);
        let stdin = child.0.stdin.take().ok_or_else(|| Failure::new("no standard input"))?;
        let (records, rate) = (plan.records, plan.rate.max(1));
        let feeding = std::thread::spawn(move || feed(stdin, records, rate));
        Ok(Self { child, feeding: Some(feeding) })
    }

    /// Whether everything is sent and acknowledged.
    fn is_done(&mut self) -> Result<bool> {
        match self.child.0.try_wait().doing("klamm produce")? {
            None => Ok(false),
            Some(status) if status.success() => {
                let fed = self.feeding.take().map(std::thread::JoinHandle::join);
                match fed {
                    Some(Ok(fed)) => fed.doing("feeding klamm produce")?,
                    Some(Err(_)) => return Err(Failure::new("the feeding thread has panicked")),
                    None => {}
                }
                Ok(true)
            }
            Some(status) => Err(Failure::new(format!("klamm produce: {status}"))),
        }
    }
}

/// Writes `records` lines, in steps of ten milliseconds.
fn feed(mut to: impl Write, records: u64, rate: u64) -> std::io::Result<()> {
    let (started, mut n) = (Instant::now(), 0);
    while n < records {
        let due = (started.elapsed().as_millis() as u64 * rate / 1000).min(records);
        let lines: String = (n..due).map(keys::line).collect();
        to.write_all(lines.as_bytes())?;
        n = due;
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

/// The same blows for the same seed (splitmix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % n.max(1) as u64) as usize
    }
}
