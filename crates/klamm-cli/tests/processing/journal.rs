//! What handlers have done, when and for whom.

use crate::stage::{PATIENCE, Stage, p};
use klamm::{
    AutoOffsetReset, ConsumedRecord, Consumer, ConsumerConfig, GroupProtocol, ProducerConfig,
    Record,
};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub(crate) const PROTOCOLS: [GroupProtocol; 2] = [GroupProtocol::Classic, GroupProtocol::Consumer];
pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const KEYS: i64 = 7;

/// One handling of a record that ended well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) by: &'static str,
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) key: Option<Vec<u8>>,
}

/// All of them, in the order in which they ended; and how many were ever at work at once.
#[derive(Debug, Clone, Default)]
pub(crate) struct Journal(Arc<Mutex<Pages>>);

#[derive(Debug, Default)]
struct Pages {
    entries: Vec<Entry>,
    begun: Vec<(i32, i64)>,
    at_work: usize,
    most_at_work: usize,
}

/// A handler at work; dropped when it ends, however it does.
pub(crate) struct AtWork(Journal);

impl Drop for AtWork {
    fn drop(&mut self) {
        self.0.0.lock().unwrap().at_work -= 1;
    }
}

impl Journal {
    pub(crate) fn begin(&self, record: &ConsumedRecord) -> AtWork {
        let mut pages = self.0.lock().unwrap();
        pages.begun.push((record.partition(), record.offset()));
        pages.at_work += 1;
        pages.most_at_work = pages.most_at_work.max(pages.at_work);
        AtWork(self.clone())
    }

    pub(crate) fn end(&self, by: &'static str, record: &ConsumedRecord) {
        let (partition, offset) = (record.partition(), record.offset());
        let key = record.key().map(<[u8]>::to_vec);
        self.0.lock().unwrap().entries.push(Entry { by, partition, offset, key });
    }

    /// Handles a record for `wait`.
    pub(crate) async fn handle(&self, by: &'static str, record: ConsumedRecord, wait: Duration) {
        let _at_work = self.begin(&record);
        tokio::time::sleep(wait).await;
        self.end(by, &record);
    }

    pub(crate) fn entries(&self) -> Vec<Entry> {
        self.0.lock().unwrap().entries.clone()
    }

    /// Where handlers were begun, well or not.
    pub(crate) fn begun(&self) -> Vec<(i32, i64)> {
        self.0.lock().unwrap().begun.clone()
    }

    pub(crate) fn most_at_work(&self) -> usize {
        self.0.lock().unwrap().most_at_work
    }

    /// Waits until so many were handled.
    pub(crate) async fn reaches(&self, count: usize) {
        let began = tokio::time::Instant::now();
        while self.entries().len() < count {
            assert!(began.elapsed() < 30 * PATIENCE, "{} of {count}", self.entries().len());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Each of these once, and nothing else.
    pub(crate) fn assert_each_once(&self, partitions: i32, offsets: std::ops::Range<i64>) {
        let entries = self.entries();
        let mut places: Vec<_> = entries.iter().map(|e| (e.partition, e.offset, e.by)).collect();
        places.sort_unstable();
        let twice = places.windows(2).find(|two| (two[0].0, two[0].1) == (two[1].0, two[1].1));
        assert_eq!(twice, None, "handled twice");
        let places: BTreeSet<(i32, i64)> = places.iter().map(|at| (at.0, at.1)).collect();
        let all = (0..partitions).flat_map(|p| offsets.clone().map(move |o| (p, o)));
        assert_eq!(places, all.collect());
    }

    /// What has the same `group` was handled in the order of its offsets.
    pub(crate) fn assert_in_order<G: PartialEq>(&self, group: impl Fn(&Entry) -> G) {
        let entries = self.entries();
        for (at, entry) in entries.iter().enumerate() {
            let before = entries[..at].iter().rev().find(|other| group(other) == group(entry));
            let late = before.filter(|other| other.offset >= entry.offset);
            assert_eq!(late, None, "before {entry:?}");
        }
    }
}

/// Values `<from>`, ... with one of [`KEYS`] keys each, in batches of at most ten.
pub(crate) async fn produce(stage: &Stage, partition: i32, numbers: std::ops::Range<i64>) {
    let producer = stage.client.producer(ProducerConfig::default()).unwrap();
    for tens in numbers.clone().step_by(10) {
        let texts = (tens..numbers.end.min(tens + 10)).map(|n| (n % KEYS, n));
        let texts: Vec<_> = texts.map(|(key, n)| (key.to_string(), n.to_string())).collect();
        let record = |(key, value): &'_ (String, String)| {
            Record::to("t").partition(partition).key(key.clone()).value(value.clone())
        };
        producer.send_all(texts.iter().map(record)).await.unwrap();
    }
    producer.close(PATIENCE).await;
}

pub(crate) fn member(protocol: GroupProtocol) -> ConsumerConfig {
    ConsumerConfig::group("g")
        .subscribe(["t"])
        .group_protocol(protocol)
        .auto_offset_reset(AutoOffsetReset::Earliest)
}

pub(crate) async fn committed(stage: &Stage, partition: i32) -> Option<i64> {
    let looking: Consumer = stage.consumer(ConsumerConfig::group("g"));
    let found = looking.committed([p(partition)]).await.unwrap();
    found[&p(partition)].as_ref().map(|at| at.offset)
}
