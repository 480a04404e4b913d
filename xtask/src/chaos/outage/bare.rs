//! What a catch-up is held against: the same records by a producer that does nothing else, on a Kafka that has just
//! been started as it is after an outage.

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::load::{LOOK_EVERY, Load, Schedule};
use super::phase::{Phase, middle};
use super::processes::Processes;
use super::run::{PARTITIONS, Scene};
use super::stage::Gateway;
use super::verdict::Compared;
use crate::bench::Broker;
use crate::chaos::kafka::Kafka;
use crate::failure::{Doing, Failure, Result};
use crate::process;

const TOPIC: &str = "outage-bare";
/// What is accepted beside.
const BESIDE: &str = "outage-beside";
/// The same records as the gateway sends: a body of this size, and its id in a header.
const RECORD_SIZE: &str = "230";
const ID_HEADER: &str = "klamm-id=0123456789abcdef/12345678";
/// Records of a run: what waits after an outage, but so many at least and at most. A run of two seconds says nothing about
/// twenty: it has ended before the disk has to take what Kafka has written.
const RECORDS: (u64, u64) = (500_000, 30_000_000);
/// Before every run the machine does for so long what it does in an outage, but no longer than that: nothing, or the load
/// alone. A run right behind another one is better off than a catch-up: the files of the topic that was just deleted are
/// still on their way out, and a virtual machine has not yet given back to its host what memory they took; taking that from
/// the host again costs several times as much.
const QUIET: Duration = Duration::from_secs(60);
/// The load ends with the run; this is more than one takes.
const LOAD: Duration = Duration::from_secs(300);
/// Room in the log of the gateway that the load goes to.
const ROOM: u64 = 8 << 30;

/// What every round gave.
#[derive(Default)]
pub(super) struct Rounds {
    idle: Vec<Phase>,
    beside: Vec<Phase>,
}

impl Rounds {
    /// Sends as many records as wait after `away` at `rate`, so many times more, alone and beside the load.
    pub(super) fn add(
        &mut self,
        scene: &Scene<'_>,
        kafka: &mut Kafka,
        (rate, away): (f64, Duration),
        rounds: usize,
    ) -> Result<()> {
        let records = ((rate * away.as_secs_f64()) as u64).clamp(RECORDS.0, RECORDS.1);
        let quiet = QUIET.min(away);
        for _ in 0..rounds {
            let idle = round_of(scene, kafka, (records, quiet), None)?;
            let beside = round_of(scene, kafka, (records, quiet), Some(rate))?;
            let (one, two) = (idle.rate(), beside.rate());
            println!("bare producer: {one:.0} records/s, {two:.0} beside the load");
            self.idle.push(idle);
            self.beside.push(beside);
        }
        Ok(())
    }

    /// The ones in the middle; `None` of none.
    pub(super) fn compared(self) -> Option<Compared> {
        Some(Compared { idle: middle(self.idle)?, beside: middle(self.beside)? })
    }
}

fn round_of(
    scene: &Scene<'_>,
    kafka: &mut Kafka,
    (records, quiet): (u64, Duration),
    beside: Option<f64>,
) -> Result<Phase> {
    let topics = &scene.topics;
    topics.create(TOPIC, PARTITIONS)?;
    let phase = match beside {
        None => {
            std::thread::sleep(quiet);
            again(kafka)?;
            alone(scene, kafka, records)?
        }
        Some(rate) => {
            topics.create(BESIDE, PARTITIONS)?;
            let gateway = Gateway::up(scene.place, scene.klamm, &scene.bootstrap, ROOM)?;
            let output = scene.place.dir("chaos")?.join("outage-beside.json");
            let to = (&gateway, BESIDE);
            let mut load = Load::start(scene.klamm, to, &scene.bootstrap, (rate, LOAD), output)?;
            std::thread::sleep(quiet);
            let schedule = load.schedule(topics, BESIDE)?;
            // A Kafka that has had a few seconds to compile itself takes twice as much.
            again(kafka)?;
            let phase = busy(scene, kafka, records, (&gateway, &mut load, &schedule))?;
            load.check()?;
            drop(load);
            gateway.down()?;
            topics.delete(BESIDE)?;
            phase
        }
    };
    topics.delete(TOPIC)?;
    Ok(phase)
}

/// Kafka as it is when it comes back.
fn again(kafka: &mut Kafka) -> Result<()> {
    kafka.stop()?;
    kafka.start()
}

/// One run of the producer and nothing else.
fn alone(scene: &Scene<'_>, kafka: &Kafka, records: u64) -> Result<Phase> {
    let processes = Processes::of(kafka, None);
    let (before, began) = (processes.cpu()?, Instant::now());
    let said = produced(scene, records)?;
    let (looked, mut cpu) = (began.elapsed().as_secs_f64(), processes.cpu()?.since(before));
    cpu.producer = Some(said.cpu);
    Ok(Phase { seconds: said.seconds, records: records as f64, looked, cpu })
}

/// One run of the producer beside a load. It lasts until that has caught up with its schedule, too: while the processors are
/// busy it sends less than it should, and a catch-up is not over before that is made up for.
fn busy(
    scene: &Scene<'_>,
    kafka: &Kafka,
    records: u64,
    (gateway, load, schedule): (&Gateway, &mut Load, &Schedule),
) -> Result<Phase> {
    let processes = Processes::of(kafka, Some((gateway, load)));
    let (before, began) = (processes.cpu()?, Instant::now());
    let said = produced(scene, records)?;
    // What came between the look at the schedule and Kafka's end counts, too: that is hardly anything.
    let others = made_up(&scene.topics, schedule, load)?.saturating_sub(schedule.count);
    let (seconds, mut cpu) = (began.elapsed().as_secs_f64(), processes.cpu()?.since(before));
    cpu.producer = Some(said.cpu);
    Ok(Phase { seconds, records: (records + others) as f64, looked: seconds, cpu })
}

/// Waits until a load is where it should be; what its topic has then.
fn made_up(topics: &Broker, schedule: &Schedule, load: &mut Load) -> Result<u64> {
    loop {
        let (counted, met) = schedule.look(topics)?;
        if met {
            return Ok(counted);
        }
        load.check()?;
        std::thread::sleep(LOOK_EVERY);
    }
}

/// What the producer says of itself.
struct Said {
    seconds: f64,
    /// Seconds of its processor.
    cpu: f64,
}

fn produced(scene: &Scene<'_>, records: u64) -> Result<Said> {
    let mut perf = Command::new(scene.klamm);
    let number = records.to_string();
    perf.args(["perf", "produce", "--topic", TOPIC, "--num-records", &number, "-O", "json"]);
    perf.args(["--record-size", RECORD_SIZE, "--header", ID_HEADER]);
    perf.args(["--bootstrap-server", &scene.bootstrap]);
    let said: Value =
        serde_json::from_slice(&process::capture(&mut perf)?).doing("perf produce")?;
    let number = |name: &str| {
        said[name].as_f64().ok_or_else(|| Failure::new(format!("perf produce tells no {name}")))
    };
    let cpu = number("cpu_us_per_record")? * records as f64 / 1e6;
    Ok(Said { seconds: number("seconds")?, cpu })
}
