//! Pure: the last records of each topic, across its partitions.

use super::format::{Fields, Header};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// Keeps the last records of each partition, and tells which of them are the last of their topic.
#[derive(Debug)]
pub(super) struct Tail {
    count: usize,
    topics: BTreeMap<Arc<str>, BTreeMap<i32, VecDeque<Kept>>>,
}

/// A record that was read and may be written.
#[derive(Debug)]
pub(super) struct Kept {
    /// Without what is borrowed.
    plain: Fields<'static>,
    topic: Arc<str>,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<(String, Option<Vec<u8>>)>,
}

impl Tail {
    /// For the last `count` records of each topic.
    pub(super) fn new(count: usize) -> Self {
        Self { count, topics: BTreeMap::new() }
    }

    /// Takes a record, the next of its partition.
    pub(super) fn push(&mut self, topic: &Arc<str>, record: &Fields<'_>) {
        let partitions = self.topics.entry(Arc::clone(topic)).or_default();
        let kept = partitions.entry(record.partition).or_default();
        kept.push_back(Kept::new(Arc::clone(topic), record));
        if kept.len() > self.count {
            kept.pop_front();
        }
    }

    /// Whether as many records of a partition were taken as could be among the last.
    pub(super) fn is_full(&self, topic: &str, partition: i32) -> bool {
        let kept = self.topics.get(topic).and_then(|partitions| partitions.get(&partition));
        kept.map_or(0, VecDeque::len) >= self.count
    }

    /// Forgets a partition, which will be read from further back.
    pub(super) fn forget(&mut self, topic: &str, partition: i32) {
        if let Some(partitions) = self.topics.get_mut(topic) {
            partitions.remove(&partition);
        }
    }

    /// The last records, topic by topic, by time, but never against the order of a partition.
    pub(super) fn into_last(self) -> Vec<Kept> {
        let count = self.count;
        self.topics.into_values().flat_map(|partitions| last_of(partitions, count)).collect()
    }
}

/// Takes the latest of all the partitions' last records, again and again.
fn last_of(mut partitions: BTreeMap<i32, VecDeque<Kept>>, count: usize) -> VecDeque<Kept> {
    let mut last = VecDeque::new();
    while last.len() < count {
        let latest = partitions.values_mut().filter(|kept| !kept.is_empty());
        let latest = latest.max_by_key(|kept| kept.back().map(|record| record.plain.timestamp));
        let Some(record) = latest.and_then(VecDeque::pop_back) else { break };
        last.push_front(record);
    }
    last
}

impl Kept {
    fn new(topic: Arc<str>, record: &Fields<'_>) -> Self {
        let owned = |bytes: Option<&[u8]>| bytes.map(<[u8]>::to_vec);
        let headers =
            record.headers.iter().map(|(name, value)| ((*name).to_owned(), owned(*value)));
        Self {
            plain: Fields { topic: "", key: None, value: None, headers: &[], ..*record },
            topic,
            key: owned(record.key),
            value: owned(record.value),
            headers: headers.collect(),
        }
    }

    pub(super) fn headers(&self) -> Vec<Header<'_>> {
        self.headers.iter().map(|(name, value)| (name.as_str(), value.as_deref())).collect()
    }

    /// The record; `headers` are its own.
    pub(super) fn fields<'a>(&'a self, headers: &'a [Header<'a>]) -> Fields<'a> {
        let (key, value) = (self.key.as_deref(), self.value.as_deref());
        Fields { topic: &self.topic, key, value, headers, ..self.plain }
    }
}

#[cfg(test)]
mod tests {
    use super::Tail;
    use crate::consume::format::Fields;
    use crate::consume::sample::FIELDS;
    use std::sync::Arc;

    /// Partition and time of what is left of these.
    fn last(count: usize, records: &[(&str, i32, i64)]) -> Vec<(String, i32, i64)> {
        let mut tail = Tail::new(count);
        for (topic, partition, timestamp) in records {
            let fields = Fields { partition: *partition, timestamp: *timestamp, ..FIELDS };
            tail.push(&Arc::from(*topic), &fields);
        }
        let last = tail.into_last();
        let of = |k: &super::Kept| {
            let fields = k.fields(&[]);
            (fields.topic.to_owned(), fields.partition, fields.timestamp)
        };
        last.iter().map(of).collect()
    }

    #[test]
    fn the_last_of_a_topic_are_the_latest_of_all_partitions() {
        let records =
            [("t", 0, 1), ("t", 0, 5), ("t", 0, 9), ("t", 1, 2), ("t", 1, 6), ("u", 0, 3)];
        let of = |count| {
            let last = last(count, &records).into_iter();
            last.map(|(topic, p, time)| format!("{topic}{p}@{time}")).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(of(0), "");
        assert_eq!(of(1), "t0@9 u0@3");
        assert_eq!(of(3), "t0@5 t1@6 t0@9 u0@3");
        assert_eq!(of(9), "t0@1 t1@2 t0@5 t1@6 t0@9 u0@3");
    }

    #[test]
    fn the_order_of_a_partition_goes_before_time() {
        let records = [("t", 0, 9), ("t", 0, 1), ("t", 1, 5)];
        let last: Vec<i64> = last(2, &records).into_iter().map(|(.., time)| time).collect();
        // The one at 9 is behind the one at 1 in its partition, so it cannot come after it.
        assert_eq!(last, [1, 5]);
    }

    #[test]
    fn a_partition_is_full_once_it_has_as_many_as_are_wanted() {
        let mut tail = Tail::new(2);
        let topic = Arc::from("t");
        assert!(!tail.is_full("t", 3));
        tail.push(&topic, &FIELDS);
        assert!(!tail.is_full("t", 3));
        tail.push(&topic, &FIELDS);
        assert!(tail.is_full("t", 3) && !tail.is_full("t", 2) && !tail.is_full("u", 3));
        tail.forget("t", 3);
        assert!(!tail.is_full("t", 3) && tail.into_last().is_empty());
    }

    #[test]
    fn what_is_kept_is_the_whole_record() {
        let mut tail = Tail::new(1);
        tail.push(&Arc::from("orders"), &FIELDS);
        let last = tail.into_last();
        let headers = last[0].headers();
        let fields = last[0].fields(&headers);
        assert_eq!(format!("{fields:?}"), format!("{FIELDS:?}"));
    }
}
