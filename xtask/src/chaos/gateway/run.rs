//! The rounds.

use std::fs;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;

use gateway_testing::{Clients, Ledger, TOPICS, Verdict, Window};

use super::stage::{Gateway, read};
use super::weather::{Exposed, Weather};
use crate::bench::Broker;
use crate::chaos::kafka::{Kafka, Wanted};
use crate::failure::{Doing, Failure, Result};
use crate::flags::Flags;
use crate::interop;
use crate::place::Place;
use crate::test::Counts;

const HELP: &str = "\
cargo xtask chaos gateway [--rounds 200] [--seconds 240] [--clients 16] [--pause MS] [--on klamm,kafka] [--klamm PROGRAM]
     klamm gateway under load - JSON, lines, text and Confluent's version 2 - is killed with SIGKILL so many times and
     started again on what it left; Kafka is up for two rounds, down for two, flapping for two. Afterwards every promise
     is looked for in Kafka: nothing may be missing or changed, or have more copies than kills account for, and the
     records of a key must be in order. --seconds is for all rounds together, without what starts take
";
const PORT_BASE: u16 = 22900;
/// A round lasts at least this.
const ROUND_MIN: Duration = Duration::from_millis(250);
/// A line of progress is printed after so many rounds.
const TELL_EVERY: u32 = 10;

/// How much to hurt.
struct Plan {
    rounds: u32,
    /// For all rounds together.
    time: Duration,
    clients: u32,
    /// Between an answer and the next request of a client.
    pause: Duration,
}

impl Plan {
    /// How long a round lasts: now next to nothing, now long enough for the cursor to be saved.
    fn length(&self, round: u32) -> Duration {
        let mean = self.time / self.rounds.max(1);
        // In steps of a seventh, from 0 to twice the mean.
        ROUND_MIN.max(mean * (round * 4 % 15) / 7)
    }
}

/// Runs `cargo xtask chaos gateway` with `args`.
pub(in crate::chaos) fn run(place: &Place, args: &[String]) -> Result<()> {
    let values = ["rounds", "seconds", "clients", "pause", "on", "klamm"];
    let flags = Flags::parse(args, &values, &["help"])?;
    if flags.has("help") {
        print!("{HELP}");
        return Ok(());
    }
    let plan = Plan {
        rounds: flags.number("rounds", 200)?,
        time: Duration::from_secs(flags.number("seconds", 240)?),
        clients: flags.number("clients", 16)?,
        pause: Duration::from_millis(flags.number("pause", 10)?),
    };
    let klamm = interop::given_or_built(place, flags.value("klamm"))?;
    let mut wrong = Vec::new();
    for on in flags.value("on").unwrap_or("klamm").split(',') {
        if !judged(place, &plan, &klamm, on)? {
            wrong.push(on);
        }
    }
    match wrong.as_slice() {
        [] => Ok(()),
        wrong => Err(Failure::new(format!("promises were not kept on {}", wrong.join(", ")))),
    }
}

/// The form for every test run.
pub(crate) fn short(place: &Place, rounds: u32) -> Result<Counts> {
    let (time, pause) = (Duration::from_secs(u64::from(rounds)), Duration::from_millis(10));
    let plan = Plan { rounds, time, clients: 16, pause };
    Ok(Counts::of(judged(place, &plan, &interop::build(place)?, "klamm")?))
}

/// Whether all promises were kept; if not, the directories are left to be looked at.
fn judged(place: &Place, plan: &Plan, klamm: &Path, on: &str) -> Result<bool> {
    println!("{} rounds of SIGKILL to klamm gateway, on {on}", plan.rounds);
    let name = format!("gateway-kafka-{on}");
    let wanted = Wanted { on, name: &name, port_base: PORT_BASE, durability: "always" };
    let mut kafka = Exposed::new(Kafka::up(place, klamm, &wanted)?);
    let bootstrap = kafka.kafka.bootstrap();
    let topics = Broker::connect_with(klamm.to_owned(), place, Some(&bootstrap), false)?;
    TOPICS.iter().try_for_each(|(topic, partitions)| topics.create(topic, *partitions))?;
    let mut gateway = Gateway::up(place, klamm, &bootstrap, &format!("gateway-{on}"))?;
    let (ledger, kills) = storm(plan, &mut gateway, &mut kafka)?;
    let left = gateway.settle()?;
    let verdict = Verdict::judge(&ledger, &read(&bootstrap)?, &kills);
    let largest = kills.iter().map(|kill| kill.next - kill.released).max().unwrap_or(0);
    print!("{verdict}");
    println!("{:>12} kills, the largest window of them {largest}", kills.len());
    if !verdict.holds() || left > 0 {
        return told(&gateway, &verdict, left).map(|()| false);
    }
    gateway.strike()?;
    kafka.kafka.strike()?;
    Ok(true)
}

/// What is wrong, where it can be looked at.
fn told(gateway: &Gateway, verdict: &Verdict, left: u64) -> Result<()> {
    if left > 0 {
        println!("WRONG: {left} records stay in the log");
    }
    let file = gateway.dir().join("missing");
    fs::write(&file, verdict.missing.join("\n")).doing(file.display())?;
    println!("all that is missing: {}", file.display());
    Ok(())
}

/// Kills and starts the gateway while clients send; what they were promised, and the window of each kill.
fn storm(plan: &Plan, gateway: &mut Gateway, kafka: &mut Exposed) -> Result<(Ledger, Vec<Window>)> {
    let clients = Clients::start(&gateway.address(), plan.clients, plan.pause);
    let mut kills = Vec::new();
    let hurt = (0..plan.rounds).try_for_each(|round| {
        let weather = Weather::of(round);
        kafka.endure(weather, plan.length(round))?;
        let window = gateway.kill_and_start()?;
        kills.push(window);
        if (round + 1) % TELL_EVERY == 0 || round + 1 == plan.rounds {
            tell(round + 1, weather, &clients, window);
        }
        Ok(())
    });
    // Those that wait for Kafka get their answers.
    let ended = hurt.and_then(|()| kafka.shelter());
    let ledger = clients.stop();
    ended.map(|()| (ledger, kills))
}

fn tell(round: u32, weather: Weather, clients: &Clients, window: Window) {
    let tally = clients.tally();
    let [promised, unanswered, refused] = [&tally.promised, &tally.unanswered, &tally.refused]
        .map(|counter| counter.load(Ordering::Relaxed));
    println!(
        "round {round}, Kafka {weather}: {promised} requests promised, {unanswered} unanswered, {refused} refused; window {}",
        window.next - window.released
    );
}

#[cfg(test)]
mod tests {
    use super::{Duration, Plan, ROUND_MIN};

    #[test]
    fn rounds_last_differently_and_in_all_about_what_was_asked() {
        let plan =
            Plan { rounds: 200, time: Duration::from_secs(240), clients: 1, pause: Duration::ZERO };
        let lengths: Vec<Duration> = (0..200).map(|round| plan.length(round)).collect();
        let all: Duration = lengths.iter().sum();
        assert!(all.abs_diff(plan.time) < Duration::from_secs(30), "{all:?}");
        assert_eq!(lengths.iter().min(), Some(&ROUND_MIN));
        assert!(lengths.iter().max() > Some(&Duration::from_secs(1)));
    }
}
