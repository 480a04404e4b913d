//! The table as a page to read.

use super::{Scope, table};

/// The reference page, in Markdown.
pub fn reference() -> String {
    let mut out = String::from(
        "# Settings\n\nNames and defaults are those of Kafka's Java client; the names in brackets are librdkafka's. \
         Made from `crates/klamm/src/config/table`.\n",
    );
    let scopes = [
        (Scope::Client, "Every client"),
        (Scope::Producer, "Producer"),
        (Scope::Consumer, "Consumer"),
        (Scope::Accepted, "Accepted without effect"),
    ];
    for (scope, title) in scopes {
        out.push_str(&format!(
            "\n## {title}\n\n| name | default | what it does |\n|---|---|---|\n"
        ));
        for key in table().filter(|k| k.scope == scope) {
            let aliases = if key.aliases.is_empty() {
                String::new()
            } else {
                format!(" [`{}`]", key.aliases.join("`, `"))
            };
            out.push_str(&format!("| `{}`{aliases} | {} | {} |\n", key.name, key.default, key.doc));
        }
    }
    out.push_str(EQUIVALENTS);
    out
}

const EQUIVALENTS: &str = "\n## Coming from another client\n\n| there | here |\n|---|---|\n\
| kafka-go `BatchSize` (messages) | none: batches are counted in bytes, `batch.size` |\n\
| kafka-go `BatchBytes` | `batch.max.bytes` |\n\
| kafka-go `BatchTimeout` | `linger.ms` |\n\
| kafka-go `MaxAttempts` | `retries`, and above all `delivery.timeout.ms` |\n\
| kafka-go `WriteTimeout` | `request.timeout.ms` |\n\
| kafka-go `RequiredAcks` | `acks` |\n\
| kafka-go `Async` | `enqueue` instead of `send`; outcomes are never lost |\n\
| kafka-go `Completion` | `ProducerConfig::on_batch` |\n\
| kafka-go `Balancer` | `ProducerConfig::partitioner`, or `partitioner` by name |\n\
| franz-go `RequiredAcks(AllISRAcks())` | `acks=all`, the default |\n\
| franz-go `MaxBufferedRecords` | `buffer.memory`, in bytes |\n\
| franz-go `ProducerBatchMaxBytes` | `batch.max.bytes` |\n\
| franz-go `ProducerLinger` | `linger.ms` |\n\
| franz-go `RecordRetries` | `retries` |\n\
| franz-go `ProducerBatchCompression` | `compression.type` |\n\
| kafka-go Reader `StartOffset` | `auto.offset.reset`; it is used only where nothing is committed |\n\
| kafka-go `QueueCapacity` (messages) | `fetch.buffer.memory`, in bytes |\n\
| kafka-go `MinBytes` | `fetch.min.bytes` |\n\
| kafka-go `MaxBytes` | `fetch.max.bytes`, and `max.partition.fetch.bytes` for each partition |\n\
| kafka-go `MaxWait` | `fetch.max.wait.ms`; 10 s there |\n\
| kafka-go `CommitInterval` | `auto.commit.interval.ms`; for 0, `enable.auto.commit=false` and `commit` |\n\
| kafka-go `HeartbeatInterval` | `heartbeat.interval.ms` |\n\
| kafka-go `SessionTimeout` | `session.timeout.ms` |\n\
| kafka-go `RebalanceTimeout` | `max.poll.interval.ms`, as in Java |\n\
| kafka-go `JoinGroupBackoff` | `retry.backoff.ms`, doubling up to `retry.backoff.max.ms` |\n\
| kafka-go `RetentionTime` | none: brokers since 2.1 keep offsets for `offsets.retention.minutes` after the group is empty |\n\
| kafka-go Reader `MaxAttempts` | none: what can be tried again is, until it works or the application gives up |\n\
| kafka-go `OffsetOutOfRangeError` | `auto.offset.reset=none` |\n\
| kafka-go `IsolationLevel` | `isolation.level` |\n\
| kafka-go `GroupBalancers` | `partition.assignment.strategy` |\n\
| franz-go `ConsumeResetOffset` | `auto.offset.reset` |\n\
| franz-go `FetchMinBytes`, `FetchMaxBytes`, `FetchMaxWait` | `fetch.min.bytes`, `fetch.max.bytes`, `fetch.max.wait.ms` |\n\
| franz-go `FetchMaxPartitionBytes` | `max.partition.fetch.bytes` |\n\
| franz-go `FetchIsolationLevel` | `isolation.level` |\n\
| franz-go `MaxConcurrentFetches` | `fetch.buffer.memory` |\n\
| franz-go `DisableFetchCRCValidation` | `check.crcs=false` |\n\
| franz-go `Rack` | `client.rack` |\n\
| franz-go `InstanceID` | `group.instance.id` |\n\
| franz-go `Balancers` | `partition.assignment.strategy` |\n\
| franz-go `RebalanceTimeout` | `max.poll.interval.ms` |\n\
| franz-go `AutoCommitInterval`, `DisableAutoCommit` | `auto.commit.interval.ms`, `enable.auto.commit=false` |\n";
