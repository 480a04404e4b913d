//! One consumer that reads everything and books it.

use crate::failure::Failure;
use crate::perf::in_flight::InFlight;
use crate::perf::measure::Meter;
use crate::verify::{Carrier, Ledger, Sent, Sighting, Verdict};
use klamm::{Batch, Client, Consumer, ConsumerConfig, Start, TopicPartition};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Every so many records of the first task one is told, as Kafka's tool does.
const TOLD: u64 = 1_000;

/// A consumer with its books.
pub(super) struct Reader {
    client: Client,
    consumer: Consumer,
    books: Mutex<Books>,
}

struct Books {
    ledger: Ledger,
    /// Behind the last record that was booked, of each partition.
    read: BTreeMap<i32, i64>,
    trouble: Option<String>,
}

/// What reading has to know of the run.
#[derive(Clone)]
pub(super) struct Run {
    pub(super) id: u32,
    pub(super) began: Instant,
    /// Takes the time from when a record was due until it was read.
    pub(super) meter: Arc<Meter>,
    pub(super) in_flight: Option<Arc<InFlight>>,
    pub(super) tell: bool,
}

impl Reader {
    /// Makes one that reads all partitions from their ends.
    pub(super) async fn start(
        client: Client,
        config: ConsumerConfig,
        partitions: &[TopicPartition],
        run: u32,
    ) -> Result<Self, Failure> {
        let consumer = client.consumer(config)?;
        let ends = consumer.end_offsets(partitions.iter().cloned()).await?;
        let starts =
            ends.iter().map(|(tp, end)| (tp.topic.clone(), tp.partition, Start::Offset(*end)));
        consumer.assign(starts);
        let read = ends.iter().map(|(tp, end)| (tp.partition, *end)).collect();
        let books = Mutex::new(Books { ledger: Ledger::new(run), read, trouble: None });
        Ok(Self { client, consumer, books })
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads until it is closed, as reader `number`.
    pub(super) async fn read(self: Arc<Self>, number: usize, run: Run) {
        loop {
            match self.consumer.poll().await {
                Ok(Some(batch)) => self.book(&batch, number, &run),
                Ok(None) => return,
                Err(error) => {
                    // The consumer goes on; what it cannot read will be missing.
                    self.books().trouble.get_or_insert(error.to_string());
                }
            }
        }
    }

    fn book(&self, batch: &Batch, number: usize, run: &Run) {
        let now = Instant::now();
        let mut times: Vec<(u64, u64)> = Vec::new();
        let mut new = 0;
        {
            let mut books = self.books();
            for record in batch {
                let (partition, offset) = (batch.partition(), record.offset());
                let sighting = books.ledger.saw(partition, offset, Carrier::from(&record));
                let (Sighting::First(stamp) | Sighting::Reordered(stamp)) = sighting else {
                    continue;
                };
                new += 1;
                match times.last_mut() {
                    Some((due, count)) if *due == stamp.sent => *count += 1,
                    _ => times.push((stamp.sent, 1)),
                }
                if run.tell && number == 0 && stamp.source == 0 && stamp.sequence % TOLD == 0 {
                    let took =
                        now.saturating_duration_since(run.began + Duration::from_nanos(stamp.sent));
                    println!("{}\t{:?}", stamp.sequence, took.as_nanos() as f64 / 1e6);
                }
            }
            books.read.insert(batch.partition(), batch.next_offset());
        }
        run.meter.record_read(run.began, now, &times);
        if let Some(in_flight) = &run.in_flight {
            in_flight.read(number, new);
        }
    }

    /// The ends of its partitions now.
    pub(super) async fn ends(&self) -> Result<BTreeMap<TopicPartition, i64>, Failure> {
        Ok(self.consumer.end_offsets(self.consumer.assignment()).await?)
    }

    /// How many offsets there are between what it has read and these ends.
    pub(super) fn behind(&self, ends: &BTreeMap<TopicPartition, i64>) -> u64 {
        let books = self.books();
        let behind = |(tp, end): (&TopicPartition, &i64)| {
            let read = books.read.get(&tp.partition).copied().unwrap_or(0);
            u64::try_from(end - read).unwrap_or(0)
        };
        ends.iter().map(behind).sum()
    }

    /// Ends it.
    pub(super) async fn close(&self) {
        self.consumer.close().await;
        self.client.clone().close().await;
    }

    /// What it saw of what was sent, and the first trouble it met.
    pub(super) fn verdict(&self, sent: &Sent) -> (Verdict, Option<String>) {
        let books = self.books();
        (books.ledger.verdict(sent), books.trouble.clone())
    }
}
