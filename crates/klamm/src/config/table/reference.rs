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
| franz-go `ProducerBatchCompression` | `compression.type` |\n";
