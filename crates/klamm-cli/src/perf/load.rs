//! The load: tasks that share one producer and keep to a schedule.

use super::measure::Meter;
use crate::failure::Failure;
use klamm::{Delivery, Producer, Record};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// Records sent between two looks at the clock when there is no target rate.
const CHUNK: u64 = 256;
/// Chunks whose outcomes may be pending per task: memory stays bounded, and so many records are in
/// flight that the bound is never what limits the rate.
const PENDING_CHUNKS: usize = 2_048;
/// How far ahead of itself a schedule is kept: the granularity of the runtime's timer.
const STEP: Duration = Duration::from_millis(1);

/// Deliveries of records that were due at the same moment.
struct Chunk {
    due: Instant,
    deliveries: Vec<Delivery>,
}

/// What every task of the load shares.
#[derive(Clone)]
pub(super) struct Load {
    pub(super) producer: Producer,
    pub(super) topic: Arc<str>,
    pub(super) payloads: Arc<Vec<Vec<u8>>>,
    pub(super) meter: Arc<Meter>,
    /// Records per second over all tasks.
    pub(super) rate: Option<u64>,
}

impl Load {
    /// Sends `records` from `tasks` tasks and waits until each has its outcome.
    pub(super) async fn run(&self, records: u64, tasks: usize) -> Result<(), Failure> {
        let tasks = tasks as u64;
        let started = Instant::now();
        let running: Vec<_> = (0..tasks)
            .map(|task| {
                let share = records / tasks + u64::from(task < records % tasks);
                let load = self.clone();
                tokio::spawn(async move { load.send(share, tasks, started).await })
            })
            .collect();
        let mut result = Ok(());
        for task in running {
            let ended =
                task.await.map_err(|e| Failure::new(crate::failure::INTERNAL, e.to_string()));
            result = result.and(ended.and_then(|r| r));
        }
        result
    }

    async fn send(&self, records: u64, tasks: u64, started: Instant) -> Result<(), Failure> {
        let (chunks, outcomes) = mpsc::channel(PENDING_CHUNKS);
        let drain = tokio::spawn(drain(outcomes, Arc::clone(&self.meter)));
        let result = match self.rate {
            None => self.send_freely(records, &chunks).await,
            Some(rate) => {
                self.send_on_time(records, rate as f64 / tasks as f64, started, &chunks).await
            }
        };
        drop(chunks);
        let _ = drain.await;
        result
    }

    async fn send_freely(&self, records: u64, chunks: &mpsc::Sender<Chunk>) -> Result<(), Failure> {
        let mut left = records;
        while left > 0 {
            let count = left.min(CHUNK);
            self.send_chunk(count, Instant::now(), chunks).await?;
            left -= count;
        }
        Ok(())
    }

    /// Sends each millisecond's share when it is due; what a stall delays keeps its intended time.
    async fn send_on_time(
        &self,
        records: u64,
        rate: f64,
        started: Instant,
        chunks: &mpsc::Sender<Chunk>,
    ) -> Result<(), Failure> {
        let mut sent = 0;
        let mut step: u32 = 0;
        while sent < records {
            step += 1;
            let due = started + STEP * step;
            if due > Instant::now() {
                tokio::time::sleep_until(due.into()).await;
            }
            let upto = ((STEP * step).as_secs_f64() * rate) as u64;
            let count = upto.min(records) - sent;
            if count > 0 {
                self.send_chunk(count, due, chunks).await?;
                sent += count;
            }
        }
        Ok(())
    }

    async fn send_chunk(
        &self,
        count: u64,
        due: Instant,
        chunks: &mpsc::Sender<Chunk>,
    ) -> Result<(), Failure> {
        let mut deliveries = Vec::with_capacity(count as usize);
        let mut result = Ok(());
        for _ in 0..count {
            let payload = &self.payloads[fastrand::usize(..self.payloads.len())];
            match self.producer.enqueue(Record::to(&self.topic).value(payload)).await {
                Ok(delivery) => deliveries.push(delivery),
                Err(error) => {
                    result = Err(error.into());
                    break;
                }
            }
        }
        // What was accepted before an error counts; the drain ends only after the senders.
        let _ = chunks.send(Chunk { due, deliveries }).await;
        result
    }
}

/// Awaits deliveries in order and notes their latency; neighbours of one batch end together, so the
/// clock is read once for all that are ready.
async fn drain(mut chunks: mpsc::Receiver<Chunk>, meter: Arc<Meter>) {
    while let Some(chunk) = chunks.recv().await {
        let (mut delivered, mut failed) = (0, 0);
        let mut now = None;
        for delivery in chunk.deliveries {
            if !delivery.is_ready()
                && let Some(now) = now.take()
            {
                meter.record(chunk.due, now, delivered, failed);
                (delivered, failed) = (0, 0);
            }
            match delivery.await {
                Ok(_) => delivered += 1,
                Err(error) => {
                    failed += 1;
                    meter.note_error(&error);
                }
            }
            now.get_or_insert_with(Instant::now);
        }
        if let Some(now) = now {
            meter.record(chunk.due, now, delivered, failed);
        }
    }
}
