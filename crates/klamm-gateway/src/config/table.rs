//! The one table of what a configuration file may say.

use super::events;
use super::given::{Given, Value};
use super::key::{Key, Takes};
use super::settings::GatewayConfig;
use super::{asking, auth, forward, routes, tokens};
use crate::route::{Routes, Rules};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// The section of Kafka's client, whose keys have a table of their own.
pub(super) const KAFKA: &str = "kafka";
/// The section of certificates, which are all there or none.
pub(super) const TLS: &str = "tls";
/// The list of routes.
pub(super) const ROUTE: &str = "route";

const MIB: u64 = 1 << 20;
const TIB: u64 = 1 << 40;
const HOUR: Duration = Duration::from_secs(3600);
const YEAR: Duration = Duration::from_secs(365 * 86_400);
const MILLI: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

/// Keys that stand under one heading.
#[derive(Debug)]
pub(super) struct Section {
    pub(super) name: &'static str,
    pub(super) doc: &'static str,
    pub(super) keys: &'static [Key<GatewayConfig>],
}

/// Every section but those of Kafka's client and of routes.
pub(super) const SECTIONS: &[Section] = &[
    Section { name: "http", doc: "Where requests come in.", keys: HTTP },
    Section {
        name: "auth",
        doc: "Who may send what; [gateway-auth.md](gateway-auth.md) says it at length.",
        keys: auth::AUTH,
    },
    Section {
        name: "tokens",
        doc: "JSON Web Tokens, if there is such a section.",
        keys: tokens::TOKENS,
    },
    Section {
        name: "topics",
        doc: "The paths that are always there: `/topics/{topic}`, `/topics/{topic}/partitions/{partition}` and those of \
              Confluent's REST API, versions 2 and 3.",
        keys: TOPICS,
    },
    Section {
        name: "events",
        doc: "Reading topics: `/topics/{topic}/events`, Server-Sent Events and long poll.",
        keys: events::KEYS,
    },
    Section { name: "wal", doc: "The log: what was accepted and is not in Kafka yet.", keys: WAL },
    Section { name: "forward", doc: "From the log to Kafka.", keys: forward::KEYS },
    Section { name: "management", doc: "Health, metrics and the status page.", keys: MANAGEMENT },
    Section { name: "stop", doc: "The end, by SIGTERM or Ctrl-C.", keys: STOP },
];

const HTTP: &[Key<GatewayConfig>] = &[
    Key {
        name: "listen",
        default: "\"127.0.0.1:8080\"",
        takes: Takes::Other("an IP address and a port", |config, given| {
            config.listen = address(given)?;
            Some(())
        }),
        doc: "Where HTTP is served; port 0 takes any that is free.",
    },
    Key {
        name: "public",
        default: "false",
        takes: Takes::Flag(|config, public| config.public = public),
        doc: "Whether everybody may send who reaches an address that is not loopback; without it, and without \
              a way to say who one is, such an address is refused at the start.",
    },
    Key {
        name: "body_bytes",
        default: "\"8 MiB\"",
        takes: Takes::Bytes(1, 1024 * MIB, |config, bytes| {
            config.limits.body_bytes = routes::size(bytes);
        }),
        doc: "Bytes of a body, as it is sent and as it is decompressed; larger ones are refused with 413.",
    },
    Key {
        name: "record_bytes",
        default: "\"1 MiB\"",
        takes: Takes::Bytes(1, 1024 * MIB, |config, bytes| {
            config.limits.record_bytes = routes::size(bytes);
        }),
        doc: "Bytes of a record's key, value and headers; Kafka takes about 1 MiB by default.",
    },
    Key {
        name: "budget_bytes",
        default: "\"256 MiB\"",
        takes: Takes::Bytes(MIB, TIB, |config, bytes| {
            config.limits.budget_bytes = routes::size(bytes);
        }),
        doc: "Bytes of all bodies in memory; requests beyond it are refused with 503.",
    },
    Key {
        name: "inflate_ratio",
        default: "100",
        takes: Takes::Count(1, 100_000, |config, count| {
            config.limits.inflate_ratio = routes::size(count);
        }),
        doc: "How many times as large a body may become when it is decompressed.",
    },
    Key {
        name: "head_bytes",
        default: "\"16 KiB\"",
        takes: Takes::Bytes(8 << 10, MIB, |config, bytes| {
            config.limits.head_bytes = routes::size(bytes);
        }),
        doc: "Bytes of a request's line and headers; 431 above.",
    },
    Key {
        name: "connections",
        default: "20000",
        takes: Takes::Count(1, 1_000_000, |config, count| {
            config.limits.connections = routes::size(count);
        }),
        doc: "Open connections; others get 503.",
    },
    Key {
        name: "connections_per_address",
        default: "16384",
        takes: Takes::Count(1, 1_000_000, |config, count| {
            config.limits.connections_per_address = routes::size(count);
        }),
        doc: "Open connections of one address, of one /64 with IPv6.",
    },
    Key {
        name: "streams",
        default: "128",
        takes: Takes::Count(1, 10_000, |config, count| {
            config.limits.streams = u32::try_from(count).unwrap_or(u32::MAX);
        }),
        doc: "Requests that an HTTP/2 connection may have open.",
    },
    Key {
        name: "header_timeout",
        default: "\"10 s\"",
        takes: Takes::Time(MILLI, HOUR, |config, time| config.limits.header_timeout = time),
        doc: "From the first byte of a request's head to its last.",
    },
    Key {
        name: "body_timeout",
        default: "\"10 s\"",
        takes: Takes::Time(MILLI, HOUR, |config, time| config.limits.body_timeout = time),
        doc: "How long a body may take, beside what `body_min_rate` gives it.",
    },
    Key {
        name: "body_min_rate",
        default: "\"16 KiB\"",
        takes: Takes::Bytes(0, 1024 * MIB, |config, bytes| {
            config.limits.body_min_rate = routes::size(bytes);
        }),
        doc: "Bytes a second that a body has to bring on average once its time is over; 408 below.",
    },
    Key {
        name: "idle_timeout",
        default: "\"1 m\"",
        takes: Takes::Time(MILLI, HOUR, |config, time| config.limits.idle_timeout = time),
        doc: "How long a connection may be open without a request.",
    },
    Key {
        name: "handshake_timeout",
        default: "\"10 s\"",
        takes: Takes::Time(MILLI, HOUR, |config, time| config.limits.handshake_timeout = time),
        doc: "How long a TLS handshake may take.",
    },
    Key {
        name: "write_timeout",
        default: "\"30 s\"",
        takes: Takes::Time(MILLI, HOUR, |config, time| config.limits.write_timeout = time),
        doc: "How long a client may take nothing of its answer.",
    },
    Key {
        name: "linger_timeout",
        default: "\"2 s\"",
        takes: Takes::Time(MILLI, HOUR, |config, time| config.limits.linger_timeout = time),
        doc: "After an answer to a request that was not read to its end: how long the rest is read and thrown away, so that the answer gets there.",
    },
    Key {
        name: "wait",
        default: "\"30 s\"",
        takes: Takes::Time(Duration::ZERO, HOUR, |config, time| config.limits.wait = time),
        doc: "How long an answer may be kept waiting for Kafka (`ack` is kafka), whatever the client asks for; then it is 202.",
    },
];

const TOPICS: &[Key<GatewayConfig>] = &[
    Key {
        name: "enabled",
        default: "true",
        takes: Takes::Flag(|config, enabled| {
            config.topics = enabled.then(|| config.topics.take()).flatten();
        }),
        doc: "Whether these paths are there; without them only those of routes are.",
    },
    Key {
        name: "ack",
        default: "\"wal\"",
        takes: Takes::Other(routes::ACKS, |config, given| {
            let ack = routes::ack(given)?;
            rules(config, |rules| rules.ack = ack);
            Some(())
        }),
        doc: "What a record has to have reached before its request is answered: the log on the disk (202), Kafka (200), or \
              memory (202, and lost with the process).",
    },
    Key {
        name: "body_limit",
        default: "\"8 MiB\"",
        takes: Takes::Bytes(1, 1024 * MIB, |config, bytes| {
            rules(config, |rules| rules.body_limit = routes::size(bytes));
        }),
        doc: "Bytes of a body, after decompression; larger ones are refused with 413.",
    },
    Key {
        name: "validate",
        default: "true",
        takes: Takes::Flag(|config, checked| rules(config, |rules| rules.checked = checked)),
        doc: "Whether a body that calls itself JSON or text has to be that.",
    },
    Key {
        name: "headers",
        default: "[]",
        takes: Takes::Checked(routes::HEADERS, |config, given| {
            let headers = routes::headers(given)?;
            rules(config, |rules| rules.headers = headers);
            Ok(())
        }),
        doc: "Headers of requests that their records get; those that prove who sends cannot be among them.",
    },
    Key {
        name: "cors",
        default: "-",
        takes: Takes::Nested(asking::TABLE, |config, given| {
            config.asking.cors.insert(Routes::usual().name, asking::cors(given)?);
            Ok(())
        }),
        doc: "What pages of other origins may do. Without it: what they may without asking.",
    },
    Key {
        name: "handshake",
        default: "-",
        takes: Takes::Nested(asking::TABLE, |config, given| {
            config.asking.handshakes.insert(Routes::usual().name, asking::handshake(given)?);
            Ok(())
        }),
        doc: "Which senders of CloudEvents are told that they may deliver. Without it: none is, and some do not then.",
    },
];

const WAL: &[Key<GatewayConfig>] = &[
    Key {
        name: "data",
        default: "\"klamm-gateway\"",
        takes: Takes::Other("a directory", |config, given| match &given.value {
            Value::Text(path) if !path.is_empty() => {
                config.data = PathBuf::from(path);
                Some(())
            }
            _ => None,
        }),
        doc: "Its directory, made if it is not there; one gateway at a time.",
    },
    Key {
        name: "max_bytes",
        default: "\"1 GiB\"",
        takes: Takes::Bytes(MIB, 1024 * TIB, |config, bytes| config.wal.max_bytes = bytes),
        doc: "Bytes that may wait for Kafka; beyond 90 % of it requests are refused with 503. The disk takes up to three \
              segments more.",
    },
    Key {
        name: "topic_share",
        default: "0.5",
        takes: Takes::Share(|config, share| config.wal.topic_share = share),
        doc: "The share of it that one topic may take while another one has records in the log, too.",
    },
    Key {
        name: "max_age",
        default: "\"none\"",
        takes: Takes::Other("none, or a time from 1 s to 365 d", |config, given| {
            config.wal.max_age = match &given.value {
                Value::Text(text) if text == "none" => None,
                Value::Text(text) => {
                    let time = super::read_time(text).ok();
                    Some(time.filter(|time| (SECOND..=YEAR).contains(time))?)
                }
                _ => return None,
            };
            Some(())
        }),
        doc: "Requests are refused with 503 while a record waits for longer than this.",
    },
    Key {
        name: "segment_bytes",
        default: "\"64 MiB\"",
        takes: Takes::Bytes(64 << 10, 1024 * MIB, |config, bytes| config.wal.segment_bytes = bytes),
        doc: "Bytes of a segment, at most an eighth of `max_bytes`.",
    },
    Key {
        name: "queue_bytes",
        default: "\"64 MiB\"",
        takes: Takes::Bytes(MIB, 4096 * MIB, |config, bytes| {
            config.wal.queue_bytes = routes::size(bytes);
        }),
        doc: "Bytes that may wait in memory to be written; beyond it requests are refused with 503.",
    },
    Key {
        name: "max_append_bytes",
        default: "\"16 MiB\"",
        takes: Takes::Bytes(64 << 10, 1024 * MIB, |config, bytes| {
            config.wal.max_append_bytes = routes::size(bytes);
        }),
        doc: "Bytes of all records of a request; more are refused with 413.",
    },
    Key {
        name: "recent_bytes",
        default: "\"16 MiB\"",
        takes: Takes::Bytes(0, 4096 * MIB, |config, bytes| {
            config.wal.recent_bytes = routes::size(bytes);
        }),
        doc: "Bytes of what was written last that stay in memory, so that they are not read again for Kafka.",
    },
    Key {
        name: "seen_max",
        default: "1000000",
        takes: Takes::Count(0, 100_000_000, |config, count| {
            config.wal.seen_max = routes::size(count);
        }),
        doc: "How many names of requests (`Idempotency-Key`, `webhook-id`, `ce-id`) are remembered.",
    },
    Key {
        name: "seen_ttl",
        default: "\"1 d\"",
        takes: Takes::Time(SECOND, YEAR, |config, time| config.wal.seen_ttl = time),
        doc: "How long they are remembered.",
    },
];

const MANAGEMENT: &[Key<GatewayConfig>] = &[Key {
    name: "listen",
    default: "\"127.0.0.1:8081\"",
    takes: Takes::Other("an IP address and a port, or none", |config, given| {
        config.management = match &given.value {
            Value::Text(text) if text == "none" => None,
            _ => Some(address(given)?),
        };
        Some(())
    }),
    doc: "Where they are served.",
}];

const STOP: &[Key<GatewayConfig>] = &[Key {
    name: "drain_timeout",
    default: "\"25 s\"",
    takes: Takes::Time(Duration::ZERO, HOUR, |config, time| config.drain_timeout = time),
    doc: "How long the end waits for what the log has to reach Kafka; the rest stays in the log for the next start.",
}];

fn address(given: &Given) -> Option<SocketAddr> {
    match &given.value {
        Value::Text(text) => text.parse().ok(),
        _ => None,
    }
}

/// Nothing happens where the paths are not there.
fn rules(config: &mut GatewayConfig, set: impl FnOnce(&mut Rules)) {
    if let Some(rules) = &mut config.topics {
        set(rules);
    }
}
