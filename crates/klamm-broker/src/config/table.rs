//! Pure: every setting of a topic and of the broker: name, type, default, meaning.
//!
//! Names and defaults are those of Apache Kafka 4.3. A setting that describes what this broker does not have - a
//! virtual machine, replicas, ZooKeeper - is accepted and marked as having no effect.

use super::kind::{COUNT, Kind, LIMIT};

/// The largest `int` of Kafka.
const INT: i64 = i32::MAX as i64;
/// The largest `long` of Kafka.
const LONG: i64 = i64::MAX;

/// One setting.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Setting {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) default: &'static str,
    /// For a topic's setting the broker's that it is inherited from; for a broker's setting none.
    pub(crate) inherited: Option<&'static str>,
    /// Whether it changes anything here.
    pub(crate) effective: bool,
    pub(crate) doc: &'static str,
}

const fn topic(
    name: &'static str,
    kind: Kind,
    default: &'static str,
    inherited: &'static str,
    doc: &'static str,
) -> Setting {
    Setting { name, kind, default, inherited: Some(inherited), effective: true, doc }
}

const fn broker(
    name: &'static str,
    kind: Kind,
    default: &'static str,
    doc: &'static str,
) -> Setting {
    Setting { name, kind, default, inherited: None, effective: true, doc }
}

const fn without_effect(setting: Setting) -> Setting {
    Setting { effective: false, ..setting }
}

const CODECS: Kind = Kind::Word(&["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"]);
const POLICIES: Kind = Kind::Words(&["compact", "delete"]);
const TIMESTAMPS: Kind = Kind::Word(&["CreateTime", "LogAppendTime"]);

/// What can be set for a topic.
pub(crate) const TOPIC: &[Setting] = &[
    topic(
        "cleanup.policy",
        POLICIES,
        "delete",
        "log.cleanup.policy",
        "delete old segments, compact by key, or both",
    ),
    without_effect(topic(
        "compression.type",
        CODECS,
        "producer",
        "compression.type",
        "batches stay as producers compressed them",
    )),
    topic(
        "delete.retention.ms",
        COUNT,
        "86400000",
        "log.cleaner.delete.retention.ms",
        "how long a compacted topic keeps tombstones",
    ),
    without_effect(topic(
        "file.delete.delay.ms",
        COUNT,
        "60000",
        "log.segment.delete.delay.ms",
        "files of deleted segments go at once",
    )),
    without_effect(topic(
        "flush.messages",
        Kind::Long(1, LONG),
        "9223372036854775807",
        "log.flush.interval.messages",
        "the durability of the broker decides",
    )),
    without_effect(topic(
        "flush.ms",
        COUNT,
        "9223372036854775807",
        "log.flush.interval.ms",
        "the durability of the broker decides",
    )),
    topic(
        "index.interval.bytes",
        Kind::Int(0, INT),
        "4096",
        "log.index.interval.bytes",
        "bytes of a log between two entries of its index",
    ),
    topic(
        "max.compaction.lag.ms",
        Kind::Long(1, LONG),
        "9223372036854775807",
        "log.cleaner.max.compaction.lag.ms",
        "when a record is compacted at the latest",
    ),
    topic(
        "max.message.bytes",
        Kind::Int(0, INT),
        "1048588",
        "message.max.bytes",
        "the largest batch",
    ),
    topic(
        "message.timestamp.after.max.ms",
        COUNT,
        "3600000",
        "log.message.timestamp.after.max.ms",
        "how far ahead of the broker a timestamp may be",
    ),
    topic(
        "message.timestamp.before.max.ms",
        COUNT,
        "9223372036854775807",
        "log.message.timestamp.before.max.ms",
        "how far behind the broker a timestamp may be",
    ),
    topic(
        "message.timestamp.type",
        TIMESTAMPS,
        "CreateTime",
        "log.message.timestamp.type",
        "the producer's time, or that of the append",
    ),
    topic(
        "min.cleanable.dirty.ratio",
        Kind::Ratio,
        "0.5",
        "log.cleaner.min.cleanable.ratio",
        "the share of a log that makes compaction worth it",
    ),
    topic(
        "min.compaction.lag.ms",
        COUNT,
        "0",
        "log.cleaner.min.compaction.lag.ms",
        "how long a record is left alone by compaction",
    ),
    without_effect(topic(
        "min.insync.replicas",
        Kind::Int(1, INT),
        "1",
        "min.insync.replicas",
        "there are no replicas",
    )),
    without_effect(topic(
        "preallocate",
        Kind::Boolean,
        "false",
        "log.preallocate",
        "files grow as they are written",
    )),
    topic(
        "retention.bytes",
        LIMIT,
        "-1",
        "log.retention.bytes",
        "the size from which a partition's oldest segments go",
    ),
    topic(
        "retention.ms",
        LIMIT,
        "604800000",
        "log.retention.ms",
        "the age at which a segment goes",
    ),
    topic(
        "segment.bytes",
        Kind::Int(14, INT),
        "1073741824",
        "log.segment.bytes",
        "the size at which a new segment begins",
    ),
    without_effect(topic(
        "segment.index.bytes",
        Kind::Int(4, INT),
        "10485760",
        "log.index.size.max.bytes",
        "indexes grow as needed",
    )),
    without_effect(topic(
        "segment.jitter.ms",
        COUNT,
        "0",
        "log.roll.jitter.ms",
        "segments of many topics end when they are due",
    )),
    topic(
        "segment.ms",
        Kind::Long(1, LONG),
        "604800000",
        "log.roll.ms",
        "the age at which a new segment begins",
    ),
    without_effect(topic(
        "unclean.leader.election.enable",
        Kind::Boolean,
        "false",
        "unclean.leader.election.enable",
        "there are no replicas",
    )),
];

/// What can be set for the broker, beside the `inherited` names of [`TOPIC`].
pub(crate) const BROKER: &[Setting] = &[
    broker(
        "auto.create.topics.enable",
        Kind::Boolean,
        "true",
        "whether asking for an unknown topic makes it, for whoever asks again",
    ),
    broker(
        "connections.max.idle.ms",
        Kind::Long(1, LONG),
        "600000",
        "a connection without a request for so long is closed",
    ),
    broker(
        "default.replication.factor",
        Kind::Int(1, 32767),
        "1",
        "replicas a topic claims to have",
    ),
    broker("delete.topic.enable", Kind::Boolean, "true", "whether topics can be deleted"),
    broker("fetch.max.bytes", Kind::Int(1024, INT), "57671680", "the largest answer to a fetch"),
    broker(
        "group.consumer.assignors",
        Kind::Words(&["uniform", "range"]),
        "uniform,range",
        "assignors that members may ask for; the first is for those that ask for none",
    ),
    broker(
        "group.consumer.heartbeat.interval.ms",
        Kind::Int(1, INT),
        "5000",
        "how often members of KIP-848 groups are to be heard of",
    ),
    broker(
        "group.consumer.max.heartbeat.interval.ms",
        Kind::Int(1, INT),
        "15000",
        "the most that a group may set for itself",
    ),
    broker(
        "group.consumer.max.session.timeout.ms",
        Kind::Int(1, INT),
        "60000",
        "the most that a group may set for itself",
    ),
    broker(
        "group.consumer.max.size",
        Kind::Int(1, INT),
        "2147483647",
        "members of a KIP-848 group",
    ),
    broker(
        "group.consumer.min.heartbeat.interval.ms",
        Kind::Int(1, INT),
        "5000",
        "the least that a group may set for itself",
    ),
    broker(
        "group.consumer.min.session.timeout.ms",
        Kind::Int(1, INT),
        "45000",
        "the least that a group may set for itself",
    ),
    broker(
        "group.consumer.session.timeout.ms",
        Kind::Int(1, INT),
        "45000",
        "a member of a KIP-848 group that is not heard of for so long is out",
    ),
    broker(
        "group.initial.rebalance.delay.ms",
        Kind::Int(0, INT),
        "0",
        "how long a new group waits for more members; 3000 in Kafka",
    ),
    broker(
        "group.max.session.timeout.ms",
        Kind::Int(1, INT),
        "1800000",
        "the longest session a member may ask for",
    ),
    broker("group.max.size", Kind::Int(1, INT), "2147483647", "members of a group"),
    broker(
        "group.min.session.timeout.ms",
        Kind::Int(1, INT),
        "6000",
        "the shortest session a member may ask for",
    ),
    broker(
        "group.share.delivery.count.limit",
        Kind::Int(1, 32_767),
        "5",
        "a record that went out to a share group so often is given up",
    ),
    broker(
        "group.share.heartbeat.interval.ms",
        Kind::Int(1, INT),
        "5000",
        "how often members of a share group are to be heard of",
    ),
    broker("group.share.max.share.sessions", Kind::Int(1, INT), "2000", "share sessions at a time"),
    broker("group.share.max.size", Kind::Int(1, INT), "200", "members of a share group"),
    broker(
        "group.share.partition.max.record.locks",
        Kind::Int(1, 10_000),
        "2000",
        "records of a partition that a share group may have under way",
    ),
    broker(
        "group.share.record.lock.duration.ms",
        Kind::Int(1, 3_600_000),
        "30000",
        "how long a member of a share group may keep a record",
    ),
    broker(
        "group.share.session.timeout.ms",
        Kind::Int(1, INT),
        "45000",
        "a member of a share group that is not heard of for so long is out",
    ),
    broker(
        "klamm.disk.max.bytes",
        LIMIT,
        "-1",
        "the size of all logs from which the oldest segments go; not a setting of Kafka",
    ),
    broker(
        "log.cleaner.backoff.ms",
        Kind::Long(1, LONG),
        "15000",
        "how often compacted topics are looked at",
    ),
    broker(
        "log.retention.check.interval.ms",
        Kind::Long(1, LONG),
        "300000",
        "how often segments are looked at for deletion",
    ),
    broker(
        "max.connections",
        Kind::Int(0, INT),
        "10000",
        "connections at a time; without a limit in Kafka",
    ),
    broker(
        "max.connections.per.ip",
        Kind::Int(0, INT),
        "2147483647",
        "connections at a time from one address",
    ),
    broker("num.partitions", Kind::Int(1, INT), "1", "partitions of a topic made without a number"),
    broker(
        "offsets.retention.minutes",
        Kind::Int(1, INT),
        "10080",
        "how long offsets of an empty group are kept",
    ),
    broker(
        "offsets.topic.num.partitions",
        Kind::Int(1, INT),
        "50",
        "partitions of __consumer_offsets when it is made",
    ),
    broker(
        "producer.id.expiration.ms",
        Kind::Int(1, INT),
        "86400000",
        "how long an idle producer is remembered",
    ),
    broker(
        "socket.receive.buffer.bytes",
        Kind::Int(-1, INT),
        "-1",
        "SO_RCVBUF of connections; -1, the default, leaves it to the system",
    ),
    broker("socket.request.max.bytes", Kind::Int(1, INT), "104857600", "the largest request"),
    broker(
        "socket.send.buffer.bytes",
        Kind::Int(-1, INT),
        "-1",
        "SO_SNDBUF of connections; -1, the default, leaves it to the system",
    ),
    broker(
        "transaction.max.timeout.ms",
        Kind::Int(1, INT),
        "900000",
        "the longest timeout a transaction may ask for",
    ),
    broker(
        "transaction.state.log.num.partitions",
        Kind::Int(1, INT),
        "50",
        "partitions of __transaction_state when it is made",
    ),
    broker(
        "transactional.id.expiration.ms",
        Kind::Int(1, INT),
        "604800000",
        "how long an idle transactional id is remembered",
    ),
    without_effect(broker("background.threads", Kind::Int(1, INT), "10", "the runtime schedules")),
    without_effect(broker(
        "group.consumer.migration.policy",
        Kind::Word(&["disabled", "downgrade", "upgrade", "bidirectional"]),
        "bidirectional",
        "a group changes its protocol while it has no members, and then always",
    )),
    without_effect(broker("num.io.threads", Kind::Int(1, INT), "8", "the runtime schedules")),
    without_effect(broker("num.network.threads", Kind::Int(1, INT), "3", "the runtime schedules")),
    without_effect(broker(
        "num.recovery.threads.per.data.dir",
        Kind::Int(1, INT),
        "2",
        "the runtime schedules",
    )),
    without_effect(broker("num.replica.fetchers", Kind::Int(1, INT), "1", "there are no replicas")),
    without_effect(broker(
        "offsets.topic.replication.factor",
        Kind::Int(1, 32767),
        "3",
        "there are no replicas",
    )),
    without_effect(broker(
        "queued.max.requests",
        Kind::Int(1, INT),
        "500",
        "each connection has its own limit",
    )),
    without_effect(broker(
        "transaction.state.log.min.isr",
        Kind::Int(1, INT),
        "2",
        "there are no replicas",
    )),
    without_effect(broker(
        "transaction.state.log.replication.factor",
        Kind::Int(1, 32767),
        "3",
        "there are no replicas",
    )),
];

/// Names in other units that stand for a topic's setting: name, the setting, its unit in that of the setting.
pub(crate) const IN_OTHER_UNITS: &[(&str, &str, i64)] = &[
    ("log.retention.hours", "retention.ms", 3_600_000),
    ("log.retention.minutes", "retention.ms", 60_000),
    ("log.roll.hours", "segment.ms", 3_600_000),
];

/// Every name there is, of topics and of the broker.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    let of_topics = TOPIC.iter().flat_map(|setting| [Some(setting.name), setting.inherited]);
    let others = IN_OTHER_UNITS.iter().map(|row| row.0);
    of_topics.flatten().chain(BROKER.iter().map(|setting| setting.name)).chain(others)
}

/// The topic's setting of that name.
pub(crate) fn topic_setting(name: &str) -> Option<&'static Setting> {
    TOPIC.iter().find(|setting| setting.name == name)
}

/// The broker's own setting of that name.
pub(crate) fn broker_setting(name: &str) -> Option<&'static Setting> {
    BROKER.iter().find(|setting| setting.name == name)
}

/// The topic's setting that takes its default from the broker's setting `name`.
pub(crate) fn inherited_from(name: &str) -> Option<&'static Setting> {
    TOPIC.iter().find(|setting| setting.inherited == Some(name))
}

#[cfg(test)]
mod tests {
    use super::{BROKER, IN_OTHER_UNITS, TOPIC, topic_setting};

    #[test]
    fn defaults_are_values_and_names_are_in_order() {
        for table in [TOPIC, BROKER] {
            for setting in table {
                assert_eq!(setting.kind.check(setting.default), Ok(()), "{}", setting.name);
            }
        }
        assert!(TOPIC.is_sorted_by_key(|setting| setting.name));
        assert!(BROKER.is_sorted_by_key(|setting| (!setting.effective, setting.name)));
        assert!(IN_OTHER_UNITS.iter().all(|row| topic_setting(row.1).is_some()));
    }
}
