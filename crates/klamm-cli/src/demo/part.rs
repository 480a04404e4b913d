//! A part of the run: a load, readers that check it, and what happens to them meanwhile.

use super::check::Checker;
use super::outcome::{Cpu, Outcome, ReadAgain};
use super::reader::{Job, Reader, Troubles};
use super::readings::Readings;
use super::sample::{Event, Latency, Recent, Sample, curve};
use super::view::{Faults, Member, Scene, View};
use crate::embedded::THREAD;
use crate::failure::{FAILED, Failure};
use crate::perf::load::Load;
use crate::perf::measure::{Meter, Totals};
use crate::verify::{Sent, Verdict};
use klamm::{Consumer, TopicPartition};
use klamm_metrics::{cpu_time, cpu_time_of_threads, resident_bytes};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::time::{Interval, MissedTickBehavior};

/// The number of the member that is killed.
const FIRST: usize = 1;
/// How often it is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long readers may take to have their partitions.
const READY_TIMEOUT: Duration = Duration::from_secs(60);
/// How long nothing may be read, beyond the session timeout, while there is something left to read.
const PATIENCE: Duration = Duration::from_secs(60);

/// All that a part needs.
pub(super) struct Part {
    /// Its key in JSON.
    pub(super) name: &'static str,
    pub(super) scene: Scene,
    pub(super) load: Load,
    pub(super) records: u64,
    pub(super) tasks: usize,
    pub(super) partitions: i32,
    /// Partitions that all readers together have when they are ready.
    pub(super) ready_at: usize,
    pub(super) readings: Arc<Readings>,
    /// One for all, or one for each.
    pub(super) checkers: Vec<Arc<Checker>>,
    pub(super) readers: Vec<Reader>,
    pub(super) troubles: Troubles,
    /// Looks offsets up; a member of nothing.
    pub(super) observer: Consumer,
    pub(super) script: Script,
    pub(super) broker_is_ours: bool,
}

/// What happens to a group meanwhile.
#[derive(Debug, Default)]
pub(super) struct Script {
    pub(super) session_timeout: Duration,
    pub(super) join: Option<(Duration, Job)>,
    pub(super) kill: Option<Duration>,
    /// When somebody was killed, for as long as others have not caught up.
    pub(super) killed_at: Option<f64>,
    pub(super) taken_over: bool,
}

/// What is measured from the start to the end.
struct Began {
    at: Instant,
    cpu: Cpu,
    peak_rss: u64,
}

/// When to look; what was missed is not made up for.
fn ticks() -> Interval {
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    ticks
}

fn cpu_now(broker_is_ours: bool) -> Cpu {
    let broker = broker_is_ours.then(|| cpu_time_of_threads(THREAD)).flatten();
    Cpu { total: cpu_time().as_secs_f64(), broker: broker.map(|time| time.as_secs_f64()) }
}

impl Part {
    /// Plays it.
    pub(super) async fn play(mut self, view: &mut View) -> Result<Outcome, Failure> {
        self.until_ready(view).await?;
        let mut began =
            Began { at: Instant::now(), cpu: cpu_now(self.broker_is_ours), peak_rss: 0 };
        // Its clock begins with the load.
        self.load.meter = Arc::new(Meter::new(0)?);
        let (load, records, tasks) = (self.load.clone(), self.records, self.tasks);
        let mut loading = tokio::spawn(async move { load.run(records, tasks).await });
        let mut ticks = ticks();
        let sent = loop {
            tokio::select! {
                _ = ticks.tick() => self.look(&mut began, view).await,
                done = &mut loading => match done {
                    Ok(sent) => break sent,
                    Err(e) => return Err(Failure::new(FAILED, format!("the load: {e}"))),
                },
            }
        };
        let (sent, failed) = sent;
        if let Err(failure) = failed {
            self.troubles.add(failure.to_string());
        }
        self.until_all_is_read(&sent, &mut began, view).await?;
        self.look(&mut began, view).await;
        self.load.producer.clone().close(Duration::from_secs(10)).await;
        let outcome = self.outcome(&sent, &began);
        view.clear();
        Reader::leave(self.readers).await;
        Ok(outcome)
    }

    /// Waits until every partition has a reader.
    async fn until_ready(&mut self, view: &mut View) -> Result<(), Failure> {
        let deadline = Instant::now() + READY_TIMEOUT;
        let mut ticks = ticks();
        while !self.is_ready() {
            if Instant::now() > deadline {
                let why = self.troubles.take().join("; ");
                let text = format!("the consumers are not ready after {READY_TIMEOUT:?}: {why}");
                return Err(Failure::new(FAILED, text));
            }
            self.scene.members = self.readers.iter().map(Reader::state).collect();
            view.show(&self.scene);
            ticks.tick().await;
        }
        Ok(())
    }

    /// Whether every partition has a reader, and every reader a partition as far as they go round.
    fn is_ready(&self) -> bool {
        let partitions = self.readers.iter().map(|reader| match reader.state() {
            Member::Reading(partitions) => partitions,
            _ => 0,
        });
        let idle = partitions.clone().filter(|n| *n == 0).count();
        let all = self.ready_at;
        partitions.sum::<usize>() == all && idle == self.readers.len().saturating_sub(all)
    }

    /// Waits until a killed member's partitions have been taken over and everything has been read to the end
    /// of the log, or nothing comes any more.
    async fn until_all_is_read(
        &mut self,
        sent: &Sent,
        began: &mut Began,
        view: &mut View,
    ) -> Result<(), Failure> {
        let ends = self.ends().await?;
        let patience = self.script.session_timeout + PATIENCE;
        let (mut read, mut progress) = (0, Instant::now());
        let mut ticks = ticks();
        while self.script.killed_at.is_some()
            || !self.checkers.iter().all(|checker| checker.has_all(sent, &ends))
        {
            ticks.tick().await;
            self.look(began, view).await;
            let now = self.scene.samples.last().map_or(0, |s| s.read);
            if now > read {
                (read, progress) = (now, Instant::now());
            } else if progress.elapsed() > patience {
                self.troubles.add(format!("nothing was read for {} s", patience.as_secs()));
                break;
            }
        }
        Ok(())
    }

    /// Does what is due, and takes a sample.
    async fn look(&mut self, began: &mut Began, view: &mut View) {
        let at = began.at.elapsed();
        self.act(at).await;
        let ack = self.load.meter.take_window();
        let [p50, _, p99, _] = ack.percentiles_ms;
        let ack = match ack.sent {
            0 => Recent::default(),
            count => Recent { count, p50, p99 },
        };
        let (read, end_to_end) = self.readings.look();
        let acknowledged = self.load.meter.progress();
        let at = at.as_secs_f64();
        // One that is only just over would be all noise.
        self.scene.samples.pop_if(|last| at - last.at < LOOK_EVERY.as_secs_f64() / 2.0);
        self.scene.samples.push(Sample { at, acknowledged, read, ack, end_to_end });
        self.scene.members = self.readers.iter().map(Reader::state).collect();
        self.scene.faults = self.faults();
        began.peak_rss = began.peak_rss.max(resident_bytes().unwrap_or(0));
        self.note_takeover(at).await;
        view.show(&self.scene);
    }

    /// Lets a member join or kills one when it is time.
    async fn act(&mut self, at: Duration) {
        if let Some((_, job)) = self.script.join.take_if(|(when, _)| at >= *when) {
            self.note(at.as_secs_f64(), format!("member {} joins", job.number));
            match Reader::start(job) {
                Ok(reader) => self.readers.push(reader),
                Err(failure) => self.troubles.add(failure.to_string()),
            }
        }
        if self.script.kill.take_if(|when| at >= *when).is_some() {
            self.kill(at.as_secs_f64()).await;
        }
    }

    /// Kills the first member, and asks what the group had committed of its partitions.
    async fn kill(&mut self, at: f64) {
        let (Some(reader), Some(checker)) = (self.readers.first_mut(), self.checkers.first())
        else {
            return;
        };
        reader.kill();
        let checker = Arc::clone(checker);
        checker.killed(FIRST);
        let orphaned = self.unread();
        checker.orphaned(orphaned.iter().copied());
        self.script.killed_at = Some(at);
        let n = orphaned.len();
        let what =
            format!("member {FIRST} is killed; {n} partitions wait until its session has run out");
        self.note(at, what);
        let committed = self.observer.committed(self.named(0..self.partitions)).await;
        match committed {
            Ok(offsets) => {
                for (tp, offset) in offsets {
                    checker.committed(tp.partition, offset.map_or(0, |committed| committed.offset));
                }
            }
            Err(e) => self.troubles.add(format!("what the killed member had committed: {e}")),
        }
    }

    /// The partitions that nobody has.
    fn unread(&self) -> Vec<i32> {
        let read: BTreeSet<i32> = self.readers.iter().flat_map(Reader::partitions).collect();
        (0..self.partitions).filter(|partition| !read.contains(partition)).collect()
    }

    /// Says when others have the killed member's partitions, and when they have caught up.
    async fn note_takeover(&mut self, at: f64) {
        let Some((killed, checker)) = self.script.killed_at.zip(self.checkers.first()) else {
            return;
        };
        let checker = Arc::clone(checker);
        if !self.script.taken_over {
            // Those that were on their way to another member stop there until the session has run out.
            checker.orphaned(self.unread());
        }
        let read: Vec<i32> = self.readers.iter().flat_map(Reader::partitions).collect();
        checker.assigned(&read);
        self.scene.orphans = checker.state().0;
        let after = format!("{:.1} s after the kill", at - killed);
        if self.scene.orphans.waiting == 0 && !self.script.taken_over {
            self.script.taken_over = true;
            self.note(at, format!("others have taken them over, {after}"));
            match self.ends().await {
                Ok(ends) => checker.ended_at(&ends),
                Err(failure) => self.troubles.add(failure.to_string()),
            }
        }
        if self.script.taken_over && checker.state().0.catching_up == 0 {
            self.script.killed_at = None;
            self.note(at, format!("and read all that had waited, {after}"));
        }
    }

    /// Partitions of the topic by name.
    fn named(&self, partitions: impl IntoIterator<Item = i32>) -> Vec<TopicPartition> {
        let topic = &self.load.topic;
        partitions.into_iter().map(|p| TopicPartition::new(Arc::clone(topic), p)).collect()
    }

    /// The end of every partition's log.
    async fn ends(&self) -> Result<BTreeMap<i32, i64>, Failure> {
        let ends = self.observer.end_offsets(self.named(0..self.partitions)).await;
        let ends = ends.map_err(|e| Failure::new(FAILED, format!("end offsets: {e}")))?;
        Ok(ends.into_iter().map(|(tp, offset)| (tp.partition, offset)).collect())
    }

    fn note(&mut self, at: f64, what: String) {
        self.scene.events.push(Event { at, what });
    }

    fn faults(&self) -> Faults {
        let all = self.checkers.iter().map(|checker| checker.state().1);
        all.fold(Faults::default(), |sum, one| Faults {
            duplicated: sum.duplicated + one.duplicated,
            reordered: sum.reordered + one.reordered,
            corrupted: sum.corrupted + one.corrupted,
            read_again: sum.read_again + one.read_again,
        })
    }

    /// What it came to.
    fn outcome(&self, sent: &Sent, began: &Began) -> Outcome {
        let mut verdict = Verdict::default();
        let mut again = ReadAgain::default();
        for checker in &self.checkers {
            verdict.add(&checker.verdict(sent));
            let its = checker.state().2;
            again.after_kill += its.after_kill;
            again.unexplained += its.unexplained;
        }
        let cpu = cpu_now(self.broker_is_ours);
        let broker = cpu.broker.zip(began.cpu.broker).map(|(now, then)| now - then);
        let acks = self.load.meter.latencies();
        let summary = self.load.meter.finish(&Totals::default());
        let seconds = summary.secs;
        summary.first_error.into_iter().for_each(|error| self.troubles.add(error));
        let latencies = self.readings.latencies();
        let last_ack = began.at + Duration::from_secs_f64(seconds);
        Outcome {
            name: self.name,
            title: self.scene.title.clone(),
            setting: self.scene.setting.clone(),
            target: self.scene.target,
            readers: self.scene.readers,
            seconds,
            behind: self.readings.last_read_after(last_ack).as_secs_f64(),
            bytes: self.readings.bytes() / self.scene.readers.max(1),
            verdict,
            again,
            ack: Latency::of(&acks),
            ack_curve: curve(&acks),
            end_to_end: latencies.end_to_end,
            with_outage: latencies.with_outage,
            end_to_end_curve: latencies.curve,
            cpu: Cpu { total: cpu.total - began.cpu.total, broker },
            peak_rss: began.peak_rss,
            samples: self.scene.samples.clone(),
            events: self.scene.events.clone(),
            troubles: self.troubles.take(),
        }
    }
}
