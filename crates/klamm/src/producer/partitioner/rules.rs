//! Pure: the rules of other clients.

use super::hash::{crc32, fnv1a_32, murmur2};
use super::{Partitioner, TopicView};
use std::sync::atomic::{AtomicU64, Ordering};

/// Every partition in turn, `chunk` records at a time; keys do not matter.
#[derive(Debug)]
pub struct RoundRobin {
    chunk: u64,
    next: AtomicU64,
}

impl RoundRobin {
    /// Gives each partition `chunk` records in a row, at least one.
    pub fn new(chunk: u64) -> Self {
        Self { chunk: chunk.max(1), next: AtomicU64::new(0) }
    }

    fn next(&self, count: i32) -> i32 {
        let turn = self.next.fetch_add(1, Ordering::Relaxed) / self.chunk;
        // A remainder of an i32 fits an i32.
        (turn % count.max(1).unsigned_abs() as u64) as i32
    }
}

impl Partitioner for RoundRobin {
    fn partition(&self, topic: &TopicView<'_>, _key: Option<&[u8]>, _payload_len: usize) -> i32 {
        self.next(topic.partition_count())
    }
}

/// The partition that this producer has given the fewest bytes, as kafka-go's LeastBytes.
#[derive(Debug, Default)]
pub struct LeastBytes {
    given: parking_lot::Mutex<Vec<u64>>,
}

impl Partitioner for LeastBytes {
    fn partition(&self, topic: &TopicView<'_>, _key: Option<&[u8]>, payload_len: usize) -> i32 {
        let mut given = self.given.lock();
        let count = usize::try_from(topic.partition_count()).unwrap_or(1);
        if given.len() != count {
            // kafka-go starts over when the number of partitions changes.
            *given = vec![0; count];
        }
        let least = given.iter().enumerate().min_by_key(|(_, bytes)| **bytes).map_or(0, |(i, _)| i);
        given[least] += payload_len as u64;
        i32::try_from(least).unwrap_or(0)
    }
}

/// What happens to records that have no key to hash.
#[derive(Debug)]
#[non_exhaustive]
pub enum Unkeyed {
    /// Any partition with a leader.
    Random,
    /// Every partition in turn.
    RoundRobin(RoundRobin),
    /// As if the key were empty.
    HashEmpty,
    /// The first partition.
    Zero,
}

/// Hashes keys by the rule of some client.
#[derive(Debug)]
pub struct Keyed {
    hash: fn(&[u8], i32) -> i32,
    unkeyed: Unkeyed,
    /// Whether an empty key counts as none.
    empty_is_none: bool,
}

impl Partitioner for Keyed {
    fn partition(&self, topic: &TopicView<'_>, key: Option<&[u8]>, _payload_len: usize) -> i32 {
        let count = topic.partition_count().max(1);
        match key.filter(|k| !(k.is_empty() && self.empty_is_none)) {
            Some(key) => (self.hash)(key, count),
            None => match &self.unkeyed {
                Unkeyed::Random => random(topic, count),
                Unkeyed::RoundRobin(turn) => turn.next(count),
                Unkeyed::HashEmpty => (self.hash)(b"", count),
                Unkeyed::Zero => 0,
            },
        }
    }
}

/// Any partition, with a second draw when the first has no leader.
fn random(topic: &TopicView<'_>, count: i32) -> i32 {
    let drawn = fastrand::i32(..count);
    if topic.is_available(drawn) { drawn } else { fastrand::i32(..count) }
}

/// Remainder of the hash read as a signed number, then made positive.
fn signed_fnv(key: &[u8], count: i32) -> i32 {
    ((fnv1a_32(key) as i32) % count).abs()
}

fn masked_fnv(key: &[u8], count: i32) -> i32 {
    ((fnv1a_32(key) & 0x7fff_ffff) as i32) % count
}

fn unsigned_crc(key: &[u8], count: i32) -> i32 {
    (crc32(key) % count.unsigned_abs()) as i32
}

fn masked_murmur(key: &[u8], count: i32) -> i32 {
    ((murmur2(key) & 0x7fff_ffff) as i32) % count
}

impl Keyed {
    fn new(hash: fn(&[u8], i32) -> i32, unkeyed: Unkeyed) -> Self {
        Self { hash, unkeyed, empty_is_none: false }
    }

    fn empty_is_none(mut self) -> Self {
        self.empty_is_none = true;
        self
    }

    /// kafka-go's `Hash`: FNV-1a, round robin without a key.
    pub fn kafka_go_hash() -> Self {
        Self::new(signed_fnv, Unkeyed::RoundRobin(RoundRobin::new(1)))
    }

    /// kafka-go's `ReferenceHash`: FNV-1a with the sign bit cleared.
    pub fn kafka_go_reference_hash() -> Self {
        Self::new(masked_fnv, Unkeyed::Random)
    }

    /// kafka-go's `CRC32Balancer`; an empty key counts as none.
    pub fn kafka_go_crc32(consistent: bool) -> Self {
        let unkeyed = if consistent { Unkeyed::Zero } else { Unkeyed::Random };
        Self::new(unsigned_crc, unkeyed).empty_is_none()
    }

    /// kafka-go's `Murmur2Balancer`.
    pub fn kafka_go_murmur2(consistent: bool) -> Self {
        let unkeyed = if consistent { Unkeyed::HashEmpty } else { Unkeyed::Random };
        Self::new(masked_murmur, unkeyed)
    }

    /// librdkafka's `consistent`: CRC-32, all records without a key in one partition.
    pub fn librdkafka_consistent() -> Self {
        Self::new(unsigned_crc, Unkeyed::HashEmpty)
    }

    /// librdkafka's `consistent_random`, its default.
    pub fn librdkafka_consistent_random() -> Self {
        Self::new(unsigned_crc, Unkeyed::Random).empty_is_none()
    }

    /// librdkafka's `murmur2`.
    pub fn librdkafka_murmur2() -> Self {
        Self::new(masked_murmur, Unkeyed::HashEmpty)
    }

    /// librdkafka's `murmur2_random`, the same as Java for keys.
    pub fn librdkafka_murmur2_random() -> Self {
        Self::new(masked_murmur, Unkeyed::Random)
    }

    /// librdkafka's `fnv1a`, the same as sarama's for keys.
    pub fn librdkafka_fnv1a() -> Self {
        Self::new(signed_fnv, Unkeyed::HashEmpty)
    }

    /// librdkafka's `fnv1a_random`.
    pub fn librdkafka_fnv1a_random() -> Self {
        Self::new(signed_fnv, Unkeyed::Random)
    }

    /// sarama's default: FNV-1a, random without a key.
    pub fn sarama_hash() -> Self {
        Self::new(signed_fnv, Unkeyed::Random)
    }

    /// sarama's reference hash.
    pub fn sarama_reference_hash() -> Self {
        Self::new(masked_fnv, Unkeyed::Random)
    }

    /// Any partition, whatever the key.
    pub fn random() -> Self {
        Self::new(|_, count| fastrand::i32(..count), Unkeyed::Random)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_vectors_of_kafka_go_over_seven_partitions() {
        // key: Hash, ReferenceHash, CRC32, Murmur2
        let vectors = [
            ("", [2, 0, 0, 2]),
            ("a", [6, 3, 4, 5]),
            ("foo", [2, 0, 2, 1]),
            ("key-1", [1, 1, 0, 5]),
            ("hello", [2, 2, 2, 4]),
            ("user:42", [1, 1, 4, 6]),
            ("ключ", [0, 2, 1, 4]),
        ];
        for (key, expected) in vectors {
            let key = key.as_bytes();
            let got =
                [signed_fnv, masked_fnv, unsigned_crc, masked_murmur].map(|hash| hash(key, 7));
            assert_eq!(got, expected, "{key:?}");
        }
    }

    #[test]
    fn round_robin_gives_chunks_in_turn() {
        let turn = RoundRobin::new(2);
        let got: Vec<i32> = (0..7).map(|_| turn.next(3)).collect();
        assert_eq!(got, [0, 0, 1, 1, 2, 2, 0]);
    }

    #[test]
    fn every_name_in_the_settings_has_a_rule() {
        for (name, _) in super::super::NAMED {
            assert!(super::super::by_name(name).is_ok(), "{name}");
        }
        assert!(super::super::by_name("nonsense").is_err_and(|e| e.contains("murmur2_random")));
    }
}
