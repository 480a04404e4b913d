//! Transactions of several writers through each other: with `read_committed` exactly the committed records,
//! in their order, up to the first open transaction.

use crate::stage::{Stage, is_silent, p, read};
use crate::writer::Writer;
use klamm::{Codec, Consumer, ConsumerConfig, IsolationLevel, Start};
use std::collections::BTreeMap;

const PARTITIONS: i32 = 2;
const WRITERS: usize = 3;
const CODECS: [Codec; 5] = [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];

/// Numbers by a seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

/// What was written where, by which transaction; `None` is by none.
#[derive(Default)]
struct Book {
    written: BTreeMap<i32, Vec<(i64, Option<usize>)>>,
    /// Whether a transaction was committed; those that are open are not in it.
    ends: BTreeMap<usize, bool>,
}

impl Book {
    /// What a partition has for a reader of committed records.
    fn committed(&self, partition: i32) -> Vec<i64> {
        let written = self.written.get(&partition).into_iter().flatten();
        let stable = written.take_while(|(_, of)| of.is_none_or(|of| self.ends.contains_key(&of)));
        let committed = stable.filter(|(_, of)| of.is_none_or(|of| self.ends[&of]));
        committed.map(|(value, _)| *value).collect()
    }

    fn all(&self, partition: i32) -> Vec<i64> {
        self.written.get(&partition).into_iter().flatten().map(|(value, _)| *value).collect()
    }
}

struct Writers {
    writers: Vec<Writer>,
    /// The transaction each is in.
    current: Vec<usize>,
    next_transaction: usize,
    next_value: i64,
    book: Book,
}

impl Writers {
    async fn new(stage: &Stage) -> Self {
        let mut writers = Vec::new();
        for id in 0..WRITERS {
            writers.push(Writer::new(&stage.wire, &format!("w{id}")).await);
        }
        let (current, book) = ((0..WRITERS).collect(), Book::default());
        Self { writers, current, next_transaction: WRITERS, next_value: 0, book }
    }

    async fn step(&mut self, stage: &Stage, dice: &mut Dice) {
        let who = usize::try_from(dice.below(WRITERS as u64)).unwrap();
        let partition = i32::try_from(dice.below(2)).unwrap();
        let values: Vec<i64> =
            (0..=i64::try_from(dice.below(5)).unwrap()).map(|n| self.next_value + n).collect();
        match dice.below(8) {
            0 => self.end(who, true).await,
            1 | 2 => self.end(who, false).await,
            3 => {
                self.next_value += 10;
                let from = values[0];
                stage.produce(partition, from..from + 10).await;
                let plain = (from..from + 10).map(|value| (value, None));
                self.book.written.entry(partition).or_default().extend(plain);
            }
            _ => {
                self.next_value += i64::try_from(values.len()).unwrap();
                let codec = CODECS[usize::try_from(dice.below(5)).unwrap()];
                self.writers[who].write(partition, &values, codec).await;
                let of = Some(self.current[who]);
                let mine = values.iter().map(|value| (*value, of));
                self.book.written.entry(partition).or_default().extend(mine);
            }
        }
    }

    async fn end(&mut self, who: usize, committed: bool) {
        self.writers[who].end(committed).await;
        self.book.ends.insert(self.current[who], committed);
        self.current[who] = self.next_transaction;
        self.next_transaction += 1;
    }
}

fn consumer(stage: &Stage, level: IsolationLevel, bytes: i32) -> Consumer {
    let config = ConsumerConfig::default().isolation_level(level);
    stage.consumer(config.max_partition_fetch_bytes(bytes))
}

/// All there is of a partition from the start on.
async fn all(consumer: &Consumer, partition: i32, expected: &[i64], what: &str) {
    consumer.assign([("t", partition, Start::Earliest)]);
    assert_eq!(read(consumer, expected.len()).await, expected, "{what}");
    assert!(is_silent(consumer).await, "{what}: that was all");
}

#[tokio::test(start_paused = true)]
async fn shuffled_transactions_of_three_writers_come_as_they_were_committed() {
    for seed in 0..12 {
        let (stage, mut dice) = (Stage::new(PARTITIONS).await, Dice(seed));
        // Brokers list aborted transactions in any order.
        stage.wire.edits().fetch = Some(Box::new(|_, _, answer| {
            for data in answer.responses.iter_mut().flat_map(|topic| &mut topic.partitions) {
                data.aborted_transactions.iter_mut().for_each(|list| list.reverse());
            }
        }));
        let mut writers = Writers::new(&stage).await;
        for _ in 0..60 {
            writers.step(&stage, &mut dice).await;
        }
        let bytes = [100, 1_000, 1 << 20][usize::try_from(seed % 3).unwrap()];
        let committed = consumer(&stage, IsolationLevel::ReadCommitted, bytes);
        let uncommitted = consumer(&stage, IsolationLevel::ReadUncommitted, bytes);
        for partition in 0..PARTITIONS {
            let (book, what) = (&writers.book, format!("seed {seed}, partition {partition}"));
            all(&uncommitted, partition, &book.all(partition), &what).await;
            all(&committed, partition, &book.committed(partition), &what).await;
        }
        // What was open at the end comes when it is committed, and nothing before.
        committed.assign((0..PARTITIONS).map(|partition| ("t", partition, Start::Latest)));
        for who in 0..WRITERS {
            writers.end(who, seed % 2 == 0).await;
        }
        for partition in 0..PARTITIONS {
            let what = format!("seed {seed}, partition {partition}, all ended");
            all(&committed, partition, &writers.book.committed(partition), &what).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_large_aborted_transaction_is_passed_over_however_many_answers_it_takes() {
    let stage = Stage::new(1).await;
    let mut writer = Writer::new(&stage.wire, "large").await;
    let mut other = Writer::new(&stage.wire, "small").await;
    let mut next = 0;
    for round in 0..20 {
        let values: Vec<i64> = (next..next + 1_000).collect();
        writer.write(0, &values, CODECS[round % 5]).await;
        next += 1_000;
        other.write(0, &[1_000_000 + i64::try_from(round).unwrap()], Codec::None).await;
        other.end(round % 2 == 0).await;
    }
    writer.end(false).await;
    stage.produce(0, 0..10).await;
    let expected: Vec<i64> = (0..20).step_by(2).map(|n| 1_000_000 + n).chain(0..10).collect();
    for bytes in [1, 3_000, 1 << 20] {
        let consumer = consumer(&stage, IsolationLevel::ReadCommitted, bytes);
        all(&consumer, 0, &expected, "large").await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_open_transaction_ends_what_can_be_read_until_it_is_ended() {
    let stage = Stage::new(1).await;
    let mut open = Writer::new(&stage.wire, "open").await;
    let consumer = consumer(&stage, IsolationLevel::ReadCommitted, 1 << 20);
    consumer.assign([("t", 0, Start::Earliest)]);
    stage.produce(0, 0..10).await;
    open.write(0, &[100, 101], Codec::None).await;
    stage.produce(0, 10..20).await;
    assert_eq!(read(&consumer, 10).await.len(), 10);
    assert!(is_silent(&consumer).await, "an open transaction is in the way");
    assert_eq!(consumer.end_offsets([p(0)]).await.unwrap()[&p(0)], 10);
    open.end(true).await;
    let rest: Vec<i64> = [100, 101].into_iter().chain(10..20).collect();
    assert_eq!(read(&consumer, 12).await, rest);
}
