//! The way of records through the command: read, filtered, written.

use super::filter::Filter;
use super::format::{Fields, Header};
use super::group::Membership;
use super::newcomers::Newcomers;
use super::output::{BLOCK_BYTES, Output, OutputEnd};
use super::plan::{Place, Places};
use super::printer::Printer;
use super::tail::Tail;
use crate::failure::{FAILED, Failure};
use klamm::consumer::{RecordRef, TimestampType};
use klamm::{Batch, Consumer, Start, TopicPartition};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How often it is looked whether partitions from which nothing comes have reached their end: what is left
/// of them may be markers, of which no poll tells.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How long what was read before a signal may take to be written.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);

/// Reads partitions, and writes what passes the filter.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) consumer: Consumer,
    pub(super) scope: Scope,
    pub(super) filter: Filter,
    pub(super) printer: Printer,
    pub(super) output: Output,
    /// Where records go first when only the last are wanted.
    pub(super) tail: Option<Tail>,
    /// Whether what is produced later is read as well.
    pub(super) follow: bool,
    pub(super) newcomers: Option<Newcomers>,
    /// How many records may still be written.
    pub(super) left: Option<u64>,
    pub(super) skip_corrupt: bool,
    pub(super) block: Vec<u8>,
    pub(super) counts: Counts,
}

/// What is read.
#[derive(Debug)]
pub(super) enum Scope {
    /// These partitions; those that are read to where they were to be are taken out.
    Places(Places),
    /// What falls to this member of a group.
    Group(Membership),
}

/// What became of records.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    pub(super) read: u64,
    pub(super) written: u64,
    /// Offsets that were passed over for damage.
    pub(super) skipped: u64,
}

/// Why reading ended.
#[derive(Debug)]
pub(super) enum End {
    /// Every partition is read to where it was to be.
    Reached,
    /// As many records were written as were asked for.
    Counted,
    /// By a signal.
    Stopped,
    /// Nobody reads what is written.
    OutputClosed,
    Failed(Failure),
}

impl From<OutputEnd> for End {
    fn from(end: OutputEnd) -> Self {
        match end {
            OutputEnd::Closed => End::OutputClosed,
            OutputEnd::Failed(error) => {
                End::Failed(Failure::new(FAILED, format!("standard output: {error}")))
            }
        }
    }
}

impl From<Failure> for End {
    fn from(failure: Failure) -> Self {
        End::Failed(failure)
    }
}

impl Reading {
    /// Reads until something ends it. What was formatted and not handed over is still in the block then,
    /// also when the future is dropped.
    pub(super) async fn run(&mut self) -> End {
        if self.tail.is_some() {
            match self.read_tail().await {
                Ok(()) if self.follow => {}
                Ok(()) => return End::Reached,
                Err(end) => return end,
            }
        }
        self.read().await
    }

    /// Reads all there is to read, from where it begins.
    pub(super) async fn read(&mut self) -> End {
        self.begin();
        loop {
            if let Err(end) = self.step().await {
                return end;
            }
        }
    }

    fn begin(&mut self) {
        let Scope::Places(places) = &self.scope else { return };
        let starts = places.iter().flat_map(|(topic, places)| {
            let start = |place: &Place| Start::Offset(place.fetch_from());
            places.iter().map(move |(p, place)| (Arc::clone(topic), *p, start(place)))
        });
        self.consumer.assign(starts);
    }

    async fn step(&mut self) -> Result<(), End> {
        if self.left == Some(0) {
            return Err(End::Counted);
        }
        if self.is_at_end() {
            return Err(End::Reached);
        }
        if let Scope::Group(member) = &self.scope
            && member.is_due()
        {
            self.flush().await?;
            self.commit().await?;
        }
        self.add_newcomers().await;
        match self.next().await? {
            Some(batch) => self.write_batch(&batch).await,
            None => Ok(()),
        }
    }

    /// Whether nothing is left to read; lets go of partitions that are read to where they were to be.
    fn is_at_end(&mut self) -> bool {
        let consumer = &self.consumer;
        match &mut self.scope {
            Scope::Places(places) => {
                for (topic, places) in places.iter_mut() {
                    places
                        .retain(|partition, place| !has_ended(consumer, topic, *partition, place));
                }
                places.retain(|_, places| !places.is_empty());
                places.is_empty()
            }
            Scope::Group(member) => {
                let assigned = consumer.assignment();
                let all_read = || assigned.iter().all(|tp| consumer.lag(tp) == Some(0));
                member.exit_eof && !assigned.is_empty() && all_read()
            }
        }
    }

    async fn add_newcomers(&mut self) {
        let (Some(newcomers), Scope::Places(places)) = (&mut self.newcomers, &mut self.scope)
        else {
            return;
        };
        for tp in newcomers.add_to(&self.consumer).await {
            let place = Place { from: 0, until: None, log_start: 0, log_end: 0 };
            places.entry(tp.topic).or_default().insert(tp.partition, place);
        }
    }

    /// The next batch; `None` when it is time to look around.
    async fn next(&mut self) -> Result<Option<Batch>, End> {
        // Everything that is there already is taken before anything waits for the output.
        let polled = tokio::select! {
            biased;
            polled = self.consumer.poll() => Some(polled),
            () = std::future::ready(()) => None,
        };
        let polled = match polled {
            Some(polled) => polled,
            None => {
                self.output.write(&mut self.block).await?;
                let look = self.look_at();
                let change = async {
                    match &mut self.scope {
                        Scope::Group(member) => member.changes.recv().await,
                        Scope::Places(_) => None,
                    }
                };
                tokio::select! {
                    polled = self.consumer.poll() => polled,
                    Some(change) = change => {
                        self.let_go(change).await?;
                        return Ok(None);
                    }
                    () = sleep_until(look) => return Ok(None),
                }
            }
        };
        match polled {
            Ok(Some(batch)) => Ok(Some(batch)),
            Ok(None) => Err(Failure::new(FAILED, "the consumer has ended").into()),
            Err(error) => self.recover(&error).await.map(|()| None),
        }
    }

    /// When there is something to be looked at although nothing comes.
    fn look_at(&self) -> Option<Instant> {
        let soon = Instant::now() + LOOK_EVERY;
        let scope = match &self.scope {
            Scope::Places(places) => {
                let ends = places.values().flat_map(|p| p.values()).any(|p| p.until.is_some());
                ends.then_some(soon)
            }
            Scope::Group(member) if member.exit_eof => Some(soon),
            Scope::Group(member) => member.due(),
        };
        let newcomers = self.newcomers.as_ref().map(Newcomers::due);
        scope.into_iter().chain(newcomers).min()
    }

    async fn write_batch(&mut self, batch: &Batch) -> Result<(), End> {
        let tp = TopicPartition::new(batch.topic(), batch.partition());
        let place = match &self.scope {
            Scope::Places(places) => {
                places.get(&tp.topic).and_then(|p| p.get(&tp.partition)).copied()
            }
            Scope::Group(_) => Some(Place { from: 0, until: None, log_start: -1, log_end: -1 }),
        };
        // Of a partition that has ended something may have been at hand.
        let Some(place) = place else { return Ok(()) };
        let log_start = self.consumer.watermarks(&tp).map_or(place.log_start, |(start, _)| start);
        for record in batch {
            if place.is_ended_at(record.offset()) {
                break;
            }
            if record.offset() >= place.from {
                self.take(&record, &tp.topic, log_start, batch);
            }
            let done = self.left == Some(0);
            if done || self.block.len() >= BLOCK_BYTES {
                self.came_to(batch, record.offset() + 1);
                self.output.write(&mut self.block).await?;
            }
            if done {
                return Ok(());
            }
        }
        self.came_to(batch, batch.next_offset());
        Ok(())
    }

    fn take(&mut self, record: &RecordRef<'_>, topic: &Arc<str>, log_start: i64, batch: &Batch) {
        self.counts.read += 1;
        let headers: Vec<Header<'_>> = record.headers().collect();
        let fields = Fields {
            log_start,
            last_stable: batch.last_stable_offset(),
            high_watermark: batch.high_watermark(),
            ..fields(record, &headers)
        };
        if self.filter.matches(&fields) {
            match &mut self.tail {
                Some(tail) => tail.push(topic, &fields),
                None => self.format(&fields),
            }
        }
    }

    pub(super) fn format(&mut self, fields: &Fields<'_>) {
        self.counts.written += 1;
        self.left = self.left.map(|left| left - 1);
        let fields = Fields { count: self.counts.written, ..*fields };
        self.printer.write(&mut self.block, &fields);
    }

    /// Writes what is left, commits it, and closes the consumer.
    pub(super) async fn finish(&mut self, end: End) -> End {
        let written = match end {
            // Whoever sent the signal does not wait for a pipe that nobody empties.
            End::Stopped => {
                tokio::time::timeout(DRAIN_TIMEOUT, self.flush()).await.unwrap_or(Ok(()))
            }
            _ => self.flush().await,
        };
        let committed = self.commit().await;
        if let Scope::Group(member) = &mut self.scope {
            // Nobody answers from here on.
            member.changes.close();
            while member.changes.try_recv().is_ok() {}
        }
        self.consumer.close().await;
        match (end, written.and(committed)) {
            (End::Failed(failure), _) => End::Failed(failure),
            (_, Err(end)) => end,
            (end, Ok(())) => end,
        }
    }
}

fn has_ended(consumer: &Consumer, topic: &Arc<str>, partition: i32, place: &Place) -> bool {
    let tp = TopicPartition::new(Arc::clone(topic), partition);
    let position = consumer.position(&tp).unwrap_or(place.fetch_from());
    let ended = place.is_ended_at(position);
    if ended {
        // It is assigned: it was when its place was made.
        let _ = consumer.pause([&tp]);
    }
    ended
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// A record, without its surroundings.
fn fields<'a>(record: &RecordRef<'a>, headers: &'a [Header<'a>]) -> Fields<'a> {
    Fields {
        topic: record.topic(),
        partition: record.partition(),
        offset: record.offset(),
        leader_epoch: record.leader_epoch().unwrap_or(-1),
        timestamp: record.timestamp(),
        log_append_time: record.timestamp_type() == TimestampType::LogAppendTime,
        transactional: record.is_transactional(),
        producer_id: record.producer_id().unwrap_or(-1),
        producer_epoch: record.producer_epoch().unwrap_or(-1),
        key: record.key(),
        value: record.value(),
        headers,
        log_start: -1,
        last_stable: -1,
        high_watermark: -1,
        count: 0,
    }
}
