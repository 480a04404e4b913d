//! A segmented log of Kafka record batches, on disk or in memory: indexes, recovery, retention, durability.
