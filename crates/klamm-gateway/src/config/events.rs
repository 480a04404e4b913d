//! Pure: what can be set of reading topics.

use super::given::Value;
use super::key::{Key, Takes};
use super::routes::size;
use super::settings::GatewayConfig;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

/// The keys of the section.
pub(super) const KEYS: &[Key<GatewayConfig>] = &[
    Key {
        name: "enabled",
        default: "\"auto\"",
        takes: Takes::Other("true, false or auto", |config, given| {
            config.read = match &given.value {
                Value::Flag(enabled) => Some(*enabled),
                Value::Text(text) if text == "auto" => None,
                _ => return None,
            };
            Some(())
        }),
        doc: "Whether topics can be read. With auto they can, unless everybody on the network could: on an address that is \
              not loopback somebody has to say who they are.",
    },
    Key {
        name: "readers",
        default: "256",
        takes: Takes::Count(1, 100_000, |config, count| config.events.readers = size(count)),
        doc: "Requests that read at once, streams and polls; others get 503. Each has connections to Kafka of its own.",
    },
    Key {
        name: "buffer_bytes",
        default: "\"1 MiB\"",
        takes: Takes::Bytes(64 << 10, 1 << 30, |config, bytes| {
            config.events.buffer_bytes = size(bytes);
        }),
        doc: "Bytes that are fetched ahead for each of them, and the size of an answer to a poll; a larger batch of Kafka is \
              taken alone.",
    },
    Key {
        name: "heartbeat",
        default: "\"15 s\"",
        takes: Takes::Time(SECOND, HOUR, |config, time| config.events.heartbeat = time),
        doc: "After so long without a record a stream says that it is there.",
    },
    Key {
        name: "max_time",
        default: "\"1 h\"",
        takes: Takes::Time(SECOND, DAY, |config, time| config.events.max_time = time),
        doc: "How long a stream goes on; whoever reads it comes back, and says again who they are.",
    },
];
