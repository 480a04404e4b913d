//! The load: tasks that share one producer and keep to a schedule.

use super::content::{Content, Maker};
use super::in_flight::InFlight;
use super::measure::Meter;
use crate::failure::{Failure, INTERNAL};
use crate::verify::Sent;
use klamm::{Delivery, Producer};
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

/// Deliveries of records that were due at the same moment; the first has this number among the task's.
struct Chunk {
    due: Instant,
    first: u64,
    deliveries: Vec<Delivery>,
}

/// What every task of the load shares.
#[derive(Clone)]
pub(crate) struct Load {
    pub(crate) producer: Producer,
    pub(crate) topic: Arc<str>,
    pub(crate) content: Content,
    /// Takes the time from when a record was due to its acknowledgement.
    pub(crate) meter: Arc<Meter>,
    /// Records per second over all tasks; without one they go as fast as they can.
    pub(crate) rate: Option<u64>,
    /// Holds the tasks back while too much is under way.
    pub(crate) in_flight: Option<Arc<InFlight>>,
}

impl Load {
    /// Sends `records` from `tasks` tasks and waits until each has its outcome. What was sent until an
    /// error is told all the same: task `n` is source `n`.
    pub(crate) async fn run(&self, records: u64, tasks: usize) -> (Sent, Result<(), Failure>) {
        let tasks = tasks.max(1) as u64;
        let started = Instant::now();
        let running: Vec<_> = (0..tasks)
            .map(|task| {
                let share = records / tasks + u64::from(task < records % tasks);
                let load = self.clone();
                let maker = self.content.maker(task as u32);
                tokio::spawn(async move { load.send(share, maker, tasks, started).await })
            })
            .collect();
        let (mut sent, mut result) = (Sent::default(), Ok(()));
        for task in running {
            match task.await {
                Ok((more, ended)) => {
                    sent.merge(more);
                    result = result.and(ended);
                }
                Err(e) => result = result.and(Err(Failure::new(INTERNAL, e.to_string()))),
            }
        }
        (sent, result)
    }

    async fn send(
        &self,
        records: u64,
        maker: Maker,
        tasks: u64,
        started: Instant,
    ) -> (Sent, Result<(), Failure>) {
        let (chunks, outcomes) = mpsc::channel(PENDING_CHUNKS);
        let (meter, in_flight) = (Arc::clone(&self.meter), self.in_flight.clone());
        let drain = tokio::spawn(drain(outcomes, maker.source(), meter, in_flight));
        let mut sender = Sender { load: self, maker, chunks };
        let result = match self.rate {
            None => sender.send_freely(records).await,
            Some(rate) => sender.send_on_time(records, rate as f64 / tasks as f64, started).await,
        };
        drop(sender);
        match drain.await {
            Ok(sent) => (sent, result),
            Err(e) => (Sent::default(), Err(Failure::new(INTERNAL, e.to_string()))),
        }
    }
}

/// One task of the load.
struct Sender<'a> {
    load: &'a Load,
    maker: Maker,
    chunks: mpsc::Sender<Chunk>,
}

impl Sender<'_> {
    async fn send_freely(&mut self, records: u64) -> Result<(), Failure> {
        // A record that is held back is due when it is let go.
        let most = if self.load.in_flight.is_some() { 1 } else { CHUNK };
        let mut left = records;
        while left > 0 {
            let count = left.min(most);
            if let Some(in_flight) = &self.load.in_flight {
                in_flight.enter().await;
            }
            self.send_chunk(count, Instant::now()).await?;
            left -= count;
        }
        Ok(())
    }

    /// Sends each millisecond's share when it is due; what a stall delays keeps its intended time.
    async fn send_on_time(
        &mut self,
        records: u64,
        rate: f64,
        started: Instant,
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
                if let Some(in_flight) = &self.load.in_flight {
                    for _ in 0..count {
                        in_flight.enter().await;
                        self.send_chunk(1, due).await?;
                    }
                } else {
                    self.send_chunk(count, due).await?;
                }
                sent += count;
            }
        }
        Ok(())
    }

    async fn send_chunk(&mut self, count: u64, due: Instant) -> Result<(), Failure> {
        let mut deliveries = Vec::with_capacity(count as usize);
        let mut result = Ok(());
        let first = self.maker.next();
        for _ in 0..count {
            let record = self.maker.record(&self.load.topic, due);
            match self.load.producer.enqueue(record).await {
                Ok(delivery) => {
                    self.maker.advance();
                    deliveries.push(delivery);
                }
                Err(error) => {
                    result = Err(error.into());
                    break;
                }
            }
        }
        // What was accepted before an error counts; the drain ends only after the senders.
        let _ = self.chunks.send(Chunk { due, first, deliveries }).await;
        result
    }
}

/// Awaits deliveries in order and notes their latency; neighbours of one batch end together, so the
/// clock is read once for all that are ready.
async fn drain(
    mut chunks: mpsc::Receiver<Chunk>,
    source: u32,
    meter: Arc<Meter>,
    in_flight: Option<Arc<InFlight>>,
) -> Sent {
    let mut sent = Sent::default();
    while let Some(chunk) = chunks.recv().await {
        let (mut delivered, mut failed) = (0, 0);
        let mut now = None;
        sent.add(source, chunk.deliveries.len() as u64);
        for (sequence, delivery) in (chunk.first..).zip(chunk.deliveries) {
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
                    sent.not_acknowledged(source, sequence);
                    in_flight.iter().for_each(|in_flight| in_flight.gave_up());
                    meter.note_error(&error);
                }
            }
            now.get_or_insert_with(Instant::now);
        }
        if let Some(now) = now {
            meter.record(chunk.due, now, delivered, failed);
        }
    }
    sent
}
