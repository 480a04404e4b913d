//! The way of records through the command: read, filtered, written.

use super::filter::Filter;
use super::format::{Fields, Header};
use super::output::{BLOCK_BYTES, Output, OutputEnd};
use super::plan::Places;
use super::printer::Printer;
use super::trouble::{Verdict, judge};
use crate::failure::{FAILED, Failure};
use klamm::consumer::{RecordRef, TimestampType};
use klamm::{Batch, ConsumeError, Consumer, TopicPartition};
use std::sync::Arc;
use std::time::Duration;

/// How often it is looked whether partitions from which nothing comes have reached their end: what is left
/// of them may be markers, of which no poll tells.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How long what was read before a signal may take to be written.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);

/// Reads partitions, and writes what passes the filter.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) consumer: Consumer,
    pub(super) places: Places,
    pub(super) filter: Filter,
    pub(super) printer: Printer,
    pub(super) output: Output,
    /// How many records may still be written.
    pub(super) left: Option<u64>,
    pub(super) skip_corrupt: bool,
    pub(super) block: Vec<u8>,
    pub(super) counts: Counts,
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

impl Reading {
    /// Reads until something ends it. What was formatted and not handed over is still in the block then,
    /// also when the future is dropped.
    pub(super) async fn run(&mut self) -> End {
        self.begin();
        loop {
            if self.left == Some(0) {
                return End::Counted;
            }
            self.end_partitions();
            if self.is_at_end() {
                return End::Reached;
            }
            let done = match self.next().await {
                Ok(Some(batch)) => self.write_batch(&batch).await,
                Ok(None) => Ok(()),
                Err(end) => Err(end),
            };
            if let Err(end) = done {
                return end;
            }
        }
    }

    fn begin(&mut self) {
        let starts = self.places.iter().flat_map(|(topic, places)| {
            places
                .iter()
                .map(|(p, place)| (Arc::clone(topic), *p, klamm::Start::Offset(place.fetch_from())))
        });
        self.consumer.assign(starts);
    }

    /// Lets go of partitions that are read to where they were to be.
    fn end_partitions(&mut self) {
        for (topic, places) in &mut self.places {
            places.retain(|partition, place| {
                let tp = TopicPartition::new(Arc::clone(topic), *partition);
                let position = self.consumer.position(&tp).unwrap_or(place.fetch_from());
                let ended = place.is_ended_at(position);
                if ended {
                    // It is assigned: it was when its place was made.
                    let _ = self.consumer.pause([&tp]);
                }
                !ended
            });
        }
        self.places.retain(|_, places| !places.is_empty());
    }

    fn is_at_end(&self) -> bool {
        self.places.is_empty()
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
                let ends = self.places.values().flat_map(|p| p.values()).any(|p| p.until.is_some());
                tokio::select! {
                    polled = self.consumer.poll() => polled,
                    () = tokio::time::sleep(LOOK_EVERY), if ends => return Ok(None),
                }
            }
        };
        match polled {
            Ok(Some(batch)) => Ok(Some(batch)),
            Ok(None) => Err(End::Failed(Failure::new(FAILED, "the consumer has ended"))),
            Err(error) => self.handle(&error).await.map(|()| None),
        }
    }

    async fn write_batch(&mut self, batch: &Batch) -> Result<(), End> {
        let tp = TopicPartition::new(batch.topic(), batch.partition());
        let places = self.places.get(batch.topic());
        // Of a partition that has ended something may have been at hand.
        let Some(place) = places.and_then(|p| p.get(&batch.partition())).copied() else {
            return Ok(());
        };
        let log_start = self.consumer.watermarks(&tp).map_or(place.log_start, |(start, _)| start);
        for record in batch {
            if place.is_ended_at(record.offset()) || self.left == Some(0) {
                break;
            }
            if record.offset() >= place.from {
                self.counts.read += 1;
                self.write_record(&record, log_start, batch);
            }
            if self.block.len() >= BLOCK_BYTES {
                self.output.write(&mut self.block).await?;
            }
        }
        Ok(())
    }

    fn write_record(&mut self, record: &RecordRef<'_>, log_start: i64, batch: &Batch) {
        let headers: Vec<Header<'_>> = record.headers().collect();
        let fields = Fields {
            log_start,
            last_stable: batch.last_stable_offset(),
            high_watermark: batch.high_watermark(),
            count: self.counts.written + 1,
            ..fields(record, &headers)
        };
        if self.filter.matches(&fields) {
            self.printer.write(&mut self.block, &fields);
            self.counts.written += 1;
            self.left = self.left.map(|left| left - 1);
        }
    }

    async fn handle(&mut self, error: &ConsumeError) -> Result<(), End> {
        let moved = match judge(error, self.skip_corrupt) {
            Verdict::Wait(why) => {
                tracing::info!("{why}; goes on trying");
                return Ok(());
            }
            Verdict::Fail(failure) => return Err(End::Failed(failure)),
            Verdict::Skip { partition, to, why } => {
                let position = self.consumer.position(&partition).unwrap_or(to);
                self.counts.skipped += to.saturating_sub(position).unsigned_abs();
                tracing::warn!("{why}; skipped");
                self.consumer.skip_to(&partition, to)
            }
            Verdict::Cut { partition, to, why } => {
                tracing::warn!("{why}; going on from there");
                self.consumer.seek(&partition, to)
            }
            Verdict::Gone { partition, position } => {
                let to = self.after_gap(&partition, position).await.map_err(End::Failed)?;
                self.consumer.seek(&partition, to)
            }
        };
        moved.map_err(|e| End::Failed(Failure::new(FAILED, e.to_string())))
    }

    /// Where a partition goes on whose records were deleted before they could be read.
    async fn after_gap(&self, partition: &TopicPartition, position: i64) -> Result<i64, Failure> {
        let starts = self.consumer.beginning_offsets([partition.clone()]).await?;
        match starts.get(partition).filter(|start| **start > position) {
            Some(start) => {
                let last = start - 1;
                tracing::warn!(
                    "{partition}: offsets {position} to {last} were deleted before they could be read"
                );
                Ok(*start)
            }
            None => {
                let text = format!(
                    "{partition}: offset {position} is behind the end of the log, which was cut"
                );
                Err(Failure::new(FAILED, text))
            }
        }
    }

    /// Writes what is left, and closes the consumer.
    pub(super) async fn finish(&mut self, end: End) -> End {
        let rest = async {
            self.output.write(&mut self.block).await?;
            self.output.flushed().await
        };
        let written = match end {
            // Whoever sent the signal does not wait for a pipe that nobody empties.
            End::Stopped => tokio::time::timeout(DRAIN_TIMEOUT, rest).await.unwrap_or(Ok(())),
            _ => rest.await,
        };
        self.consumer.close().await;
        match (end, written) {
            (End::Failed(failure), _) => End::Failed(failure),
            (_, Err(closed)) => closed.into(),
            (end, Ok(())) => end,
        }
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
