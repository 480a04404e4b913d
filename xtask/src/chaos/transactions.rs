//! `cargo xtask chaos transactions`: `klamm broker` is killed at every step of a transaction, and what readers of committed
//! records see must be all of it or nothing.
//!
//! The producer and the reader are franz-go. `moments` says where the broker is killed, `atomic` what must be so afterwards.

use std::path::Path;
use std::time::{Duration, Instant};

use super::atomic::{Attempt, Fate, View};
use super::moments::{Aftermath, Moment, of_protocol, variant};
use super::stage::Stage;
use crate::failure::{Failure, Result};
use crate::flags::Flags;
use crate::interop;
use crate::place::Place;
use crate::test::Counts;

const HELP: &str = "\
cargo xtask chaos transactions [--rounds N] [--protocol 1|2] [--durability MODE,…] [--klamm PROGRAM]
     klamm broker with a directory; killed with SIGKILL before and after each request of a transaction, and between the
     steps of its end, then started again. The producer goes on, is replaced by another of its id, or is gone for good; six
     rounds bring all of that together. After each blow a reader must see all of a transaction or nothing, the offset
     with it, and no end that is open for good. Last, a broker that does wrong must be found out
";
/// The timeout of transactions, which the broker has to keep when nobody else ends one.
const TIMEOUT: Duration = Duration::from_secs(3);
/// How long a transaction may stay open after a blow; a broker that has to wait for the timeout takes the most.
const SETTLE: Duration = Duration::from_secs(20);
/// How long a transaction that is open for good is watched.
const WATCH: Duration = Duration::from_secs(2);
/// How long the producer may take to come by a moment.
const COME_BY: Duration = Duration::from_secs(20);
/// How often a reader looks whether all is decided.
const STEP: Duration = Duration::from_millis(100);

/// How much to hurt, and in which ways.
struct Plan {
    rounds: u32,
    protocols: Vec<u8>,
    modes: Vec<String>,
}

/// Runs `cargo xtask chaos transactions` with `args`.
pub(super) fn run(place: &Place, args: &[String]) -> Result<()> {
    let flags = Flags::parse(args, &["rounds", "protocol", "durability", "klamm"], &["help"])?;
    if flags.has("help") {
        print!("{HELP}");
        return Ok(());
    }
    let protocols = match flags.number("protocol", 0)? {
        0 => vec![1, 2],
        protocol @ 1..=2 => vec![protocol],
        _ => return Err(Failure::new("--protocol is 1 or 2")),
    };
    let modes = flags.value("durability").unwrap_or("os").split(',').map(str::to_owned).collect();
    let plan = Plan { rounds: flags.number("rounds", 6)?, protocols, modes };
    let klamm = interop::given_or_built(place, flags.value("klamm"))?;
    let counts = all(place, &plan, &klamm)?;
    match counts.failed {
        0 => Ok(()),
        failed => Err(Failure::new(format!("{failed} checks failed"))),
    }
}

/// The form for every test run.
pub(crate) fn short(place: &Place, rounds: u32) -> Result<Counts> {
    let plan = Plan { rounds, protocols: vec![1, 2], modes: vec!["os".to_owned()] };
    all(place, &plan, &interop::build(place)?)
}

fn all(place: &Place, plan: &Plan, klamm: &Path) -> Result<Counts> {
    let client = interop::build_go(place, "transact")?;
    let mut counts = Counts::default();
    for mode in &plan.modes {
        for &protocol in &plan.protocols {
            println!("transactions of protocol {protocol}, durability {mode}");
            let dir = place.dir("chaos")?.join(format!("transactions-{protocol}-{mode}"));
            let stage = Stage::set(klamm, &client, &dir, mode, protocol, TIMEOUT)?;
            counts.add(Play { stage, attempts: Vec::new() }.rounds(plan.rounds, protocol)?);
        }
    }
    counts.add(found_out(place, klamm, &client)?);
    println!("{} moments held, {} did not", counts.passed, counts.failed);
    Ok(counts)
}

/// A broker, and all that was ever asked of it.
struct Play {
    stage: Stage,
    attempts: Vec<Attempt>,
}

impl Play {
    fn rounds(mut self, rounds: u32, protocol: u8) -> Result<Counts> {
        let mut counts = Counts::default();
        for round in 0..rounds {
            for (n, moment) in (0..).zip(of_protocol(protocol)) {
                let (commit, after) = variant(round, n);
                let mistakes = self.blow(moment, commit, after)?;
                if mistakes.is_empty() {
                    counts.passed += 1;
                    continue;
                }
                let wish = if commit { "commit" } else { "abort" };
                let found = mistakes.join("\n    ");
                let detail = format!("{wish}, killed {}, {after:?}:\n    {found}", moment.name);
                println!("{detail}");
                counts.failed += 1;
                counts.details.push(detail);
                // What is wrong once stays wrong; the moments behind it are judged by themselves.
                self.attempts.clear();
                self.stage.clear()?;
            }
        }
        self.stage.strike()?;
        Ok(counts)
    }

    /// One transaction, one blow, and what is wrong afterwards.
    fn blow(&mut self, moment: &Moment, commit: bool, after: Aftermath) -> Result<Vec<String>> {
        let number = self.stage.next_number();
        self.stage.control().add_fault(moment.rule)?;
        let mut producer = self.stage.begin(number, commit)?;
        self.stage.control().wait_until_struck(COME_BY)?;
        let mut fate = moment.fate(commit);
        match after {
            Aftermath::Survived => {
                self.stage.kill_and_start()?;
                fate = match producer.finish()? {
                    true if commit => Fate::Committed,
                    // Its tries may have come through without an answer.
                    false if commit && fate == Fate::Aborted => Fate::Either,
                    _ => fate,
                };
                self.stage.resume()?;
            }
            Aftermath::Resumed => {
                drop(producer);
                self.stage.kill_and_start()?;
                self.stage.resume()?;
            }
            Aftermath::Expired => {
                drop(producer);
                self.stage.kill_and_start()?;
            }
        }
        self.attempts.push(Attempt { number, fate });
        Ok(settled(&self.stage, SETTLE)?.mistakes(&self.attempts))
    }
}

/// What a reader sees once nothing is open any more, or when `limit` is over.
fn settled(stage: &Stage, limit: Duration) -> Result<View> {
    let deadline = Instant::now() + limit;
    loop {
        let view = stage.show()?;
        if view.is_settled() || Instant::now() > deadline {
            return Ok(view);
        }
        std::thread::sleep(STEP);
    }
}

/// Brokers that do wrong: one that aborts in one place what it commits in the others, and one that never writes a marker.
fn found_out(place: &Place, klamm: &Path, client: &Path) -> Result<Counts> {
    let dir = place.dir("chaos")?.join("transactions-wrong");
    let mut stage = Stage::set(klamm, client, &dir, "os", 1, Duration::from_secs(60))?;
    let mut counts = Counts::default();
    let mut expect = |what: &str, mistakes: Vec<String>, says: &str| match mistakes
        .iter()
        .any(|mistake| mistake.contains(says))
    {
        true => counts.passed += 1,
        false => {
            counts.failed += 1;
            counts.details.push(format!("{what} was not found out: {mistakes:?}"));
        }
    };
    let number = stage.next_number();
    stage.control().add_fault(r#"{"api":"TxnOffsetCommit","action":"hold"}"#)?;
    let mut producer = stage.begin(number, true)?;
    stage.control().wait_until_struck(COME_BY)?;
    stage.forge()?;
    stage.control().clear_faults()?;
    let fate = if producer.finish()? { Fate::Committed } else { Fate::Either };
    let torn = settled(&stage, SETTLE)?.mistakes(&[Attempt { number, fate }]);
    expect("a torn transaction", torn, "only");
    stage.clear()?;
    let number = stage.next_number();
    let never = r#"{"api":"WriteTxnMarkers","topic":"right","action":{"error":"COORDINATOR_NOT_AVAILABLE"}}"#;
    stage.control().add_fault(never)?;
    let producer = stage.begin(number, true)?;
    stage.control().wait_until_struck(COME_BY)?;
    let open = settled(&stage, WATCH)?.mistakes(&[Attempt { number, fate: Fate::Committed }]);
    expect("a transaction without its last marker", open.clone(), "undecided");
    expect("a transaction that is not shown", open, "only");
    drop(producer);
    stage.strike()?;
    Ok(counts)
}
