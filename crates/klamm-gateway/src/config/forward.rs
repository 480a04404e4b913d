//! Pure: `[forward]`: from the log to Kafka.

use super::auth::text;
use super::key::{Key, Takes};
use super::routes::size;
use super::settings::GatewayConfig;
use crate::http::is_topic;
use std::path::PathBuf;
use std::time::Duration;

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);
const YEAR: Duration = Duration::from_secs(365 * 86_400);

/// Its keys.
pub(super) const KEYS: &[Key<GatewayConfig>] = &[
    Key {
        name: "attempt_timeout",
        default: "\"30 s\"",
        takes: Takes::Time(SECOND, HOUR, |config, time| config.forward.attempt_timeout = time),
        doc: "After so long without an acknowledgement a record is sent again from the log; it is never given up for that.",
    },
    Key {
        name: "window_bytes",
        default: "\"64 MiB\"",
        takes: Takes::Bytes(MIB, 64 * GIB, |config, bytes| config.forward.window_bytes = bytes),
        doc: "Bytes of records that may be on their way to Kafka, each with 256 on top.",
    },
    Key {
        name: "window_records",
        default: "16777216",
        takes: Takes::Count(1_000, 1 << 32, |config, count| {
            config.forward.window_records = size(count);
        }),
        doc: "How far the log is read ahead of the first record that is not in Kafka, at a byte of memory at most for each record.",
    },
    Key {
        name: "unknown_topic_grace",
        default: "\"5 m\"",
        takes: Takes::Time(Duration::ZERO, YEAR, |config, time| {
            config.forward.unknown_topic_grace = time;
        }),
        doc: "For how long a topic or a partition may not exist before its records are dead letters.",
    },
    Key {
        name: "denied_grace",
        default: "\"5 m\"",
        takes: Takes::Time(Duration::ZERO, YEAR, |config, time| config.forward.denied_grace = time),
        doc: "For how long Kafka may forbid a topic before its records are dead letters.",
    },
    Key {
        name: "unlogged_bytes",
        default: "\"16 MiB\"",
        takes: Takes::Bytes(64 << 10, 64 * GIB, |config, bytes| {
            config.forward.unlogged_bytes = size(bytes);
        }),
        doc: "Bytes of records with `ack = \"memory\"` that may wait to be sent.",
    },
    Key {
        name: "dead_letter_topic",
        default: "-",
        takes: Takes::Other("a topic", |config, given| {
            let topic = text(given).filter(|topic| is_topic(topic))?;
            config.forward.dead_letters.topic = Some(topic.to_owned());
            Some(())
        }),
        doc: "Where records go that Kafka will never take, with the reason in their headers. Without it: to their topic with \
              `.dlq` behind it.",
    },
    Key {
        name: "dead_letter_file",
        default: "-",
        takes: Takes::Other("a file", |config, given| {
            let path = text(given).filter(|path| !path.is_empty())?;
            config.forward.dead_letters.file = Some(PathBuf::from(path));
            Some(())
        }),
        doc: "Where those go that this topic does not take either. Without it: to `dead-letters.jsonl` in the directory of the log.",
    },
    Key {
        name: "dead_letter_file_bytes",
        default: "\"256 MiB\"",
        takes: Takes::Bytes(MIB, 1024 * GIB, |config, bytes| {
            config.forward.dead_letters.file_max_bytes = bytes;
        }),
        doc: "Bytes of that file; when it is full, records wait in the log.",
    },
];
