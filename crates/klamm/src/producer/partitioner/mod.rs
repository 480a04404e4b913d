//! Pure: which partition a record goes to.
//!
//! The default - Java's murmur2 for keys, sticky batches without - is built into the accumulator and
//! is what `None` means. The rules here let klamm take the place of another client without moving
//! keys to other partitions; each is held by vectors from that client.

mod hash;
mod rules;

pub(crate) use self::hash::partition_for_key;
pub use self::hash::{crc32, fnv1a_32, murmur2};
pub use self::rules::{Keyed, LeastBytes, RoundRobin, Unkeyed};

use super::partition::Partition;
use std::fmt::Debug;
use std::sync::Arc;

/// Chooses partitions; called for every record that names none, from any thread.
pub trait Partitioner: Debug + Send + Sync {
    /// Returns an index below [`TopicView::partition_count`]; anything else is refused as an unknown
    /// partition.
    fn partition(&self, topic: &TopicView<'_>, key: Option<&[u8]>, payload_len: usize) -> i32;
}

/// What a partitioner may know of a topic.
#[derive(Debug)]
pub struct TopicView<'a> {
    name: &'a str,
    partitions: &'a [Arc<Partition>],
}

impl<'a> TopicView<'a> {
    pub(crate) fn new(name: &'a str, partitions: &'a [Arc<Partition>]) -> Self {
        Self { name, partitions }
    }

    /// Name of the topic.
    pub fn name(&self) -> &str {
        self.name
    }

    /// Number of partitions, at least one.
    pub fn partition_count(&self) -> i32 {
        i32::try_from(self.partitions.len()).unwrap_or(i32::MAX)
    }

    /// Whether the partition has a leader at the moment.
    pub fn is_available(&self, partition: i32) -> bool {
        let partition = usize::try_from(partition).ok().and_then(|p| self.partitions.get(p));
        partition.is_some_and(|p| p.has_leader())
    }

    /// Bytes that wait in this producer to be sent to the partition.
    pub fn backlog(&self, partition: i32) -> usize {
        let partition = usize::try_from(partition).ok().and_then(|p| self.partitions.get(p));
        partition.map_or(0, |p| p.backlog())
    }
}

type Named = (&'static str, fn() -> Option<Arc<dyn Partitioner>>);

/// The rules that settings can name.
const NAMED: &[Named] = &[
    ("default", || None),
    ("round_robin", || Some(Arc::new(RoundRobin::new(1)))),
    ("kafka-go-hash", || Some(Arc::new(Keyed::kafka_go_hash()))),
    ("kafka-go-reference-hash", || Some(Arc::new(Keyed::kafka_go_reference_hash()))),
    ("kafka-go-crc32", || Some(Arc::new(Keyed::kafka_go_crc32(false)))),
    ("kafka-go-murmur2", || Some(Arc::new(Keyed::kafka_go_murmur2(false)))),
    ("kafka-go-least-bytes", || Some(Arc::new(LeastBytes::default()))),
    ("consistent", || Some(Arc::new(Keyed::librdkafka_consistent()))),
    ("consistent_random", || Some(Arc::new(Keyed::librdkafka_consistent_random()))),
    ("murmur2", || Some(Arc::new(Keyed::librdkafka_murmur2()))),
    ("murmur2_random", || Some(Arc::new(Keyed::librdkafka_murmur2_random()))),
    ("fnv1a", || Some(Arc::new(Keyed::librdkafka_fnv1a()))),
    ("fnv1a_random", || Some(Arc::new(Keyed::librdkafka_fnv1a_random()))),
    ("random", || Some(Arc::new(Keyed::random()))),
    ("sarama-hash", || Some(Arc::new(Keyed::sarama_hash()))),
    ("sarama-reference-hash", || Some(Arc::new(Keyed::sarama_reference_hash()))),
];

/// The rule with this name; `None` inside is the built-in default.
pub(crate) fn by_name(name: &str) -> Result<Option<Arc<dyn Partitioner>>, String> {
    match NAMED.iter().find(|(n, _)| *n == name) {
        Some((_, make)) => Ok(make()),
        None => {
            let names: Vec<&str> = NAMED.iter().map(|(n, _)| *n).collect();
            Err(format!("one of {}", names.join(", ")))
        }
    }
}
