//! What consumers can be told.

use super::values::{flag, group_protocol, int, isolation_level, list, ms, offset_reset, optional};
use super::{Apply, Key, Scope};

pub(super) const CONSUMER: &[Key] = &[
    key!(
        Consumer,
        "group.id",
        [],
        "-",
        "The group whose members share the partitions and whose offsets are committed.",
        |c, v| {
            c.group_id = optional(v);
            Ok(())
        }
    ),
    key!(
        Consumer,
        "group.instance.id",
        [],
        "-",
        "Makes the member static: it keeps its partitions over a restart within the session timeout.",
        |c, v| {
            c.group_instance_id = optional(v);
            Ok(())
        }
    ),
    key!(
        Consumer,
        "group.protocol",
        [],
        "auto",
        "`consumer` (KIP-848), `classic`, or `auto`: consumer where the broker has it, because a rebalance then stops nobody who keeps its partitions; classic in Java.",
        |c, v| {
            c.group_protocol = group_protocol(v)?;
            Ok(())
        }
    ),
    key!(
        Consumer,
        "group.remote.assignor",
        [],
        "broker's",
        "Which of the broker's assignors assigns partitions, with KIP-848.",
        |c, v| {
            c.group_remote_assignor = optional(v);
            Ok(())
        }
    ),
    key!(
        Consumer,
        "partition.assignment.strategy",
        [],
        "range,cooperative-sticky",
        "Assignors of the classic protocol, the preferred one first: range, roundrobin, sticky, cooperative-sticky, or Java's class names of these.",
        |c, v| {
            c.partition_assignment_strategy = list(v);
            Ok(())
        }
    ),
    key!(
        Consumer,
        "client.rack",
        [],
        "-",
        "Where this consumer is: it reads from the closest replica (KIP-392).",
        |c, v| {
            c.client_rack = optional(v);
            Ok(())
        }
    ),
    key!(
        Consumer,
        "auto.offset.reset",
        [],
        "latest",
        "Where to begin without a committed offset, or when it exists no more: earliest, latest, `by_duration:PT1H`, or none, which is an error.",
        |c, v| {
            c.auto_offset_reset = offset_reset(v)?;
            Ok(())
        }
    ),
    key!(
        Consumer,
        "enable.auto.commit",
        [],
        "true",
        "Commits from time to time, and before partitions go, what was processed: only what a later poll or the handler's return says is done.",
        |c, v| {
            c.enable_auto_commit = flag(v)?;
            Ok(())
        }
    ),
    key!(
        Consumer,
        "auto.commit.interval.ms",
        [],
        "5000",
        "Time between automatic commits.",
        |c, v| {
            c.auto_commit_interval = ms(v)?;
            Ok(())
        }
    ),
    key!(
        Consumer,
        "fetch.min.bytes",
        [],
        "1",
        "Bytes for which the broker waits before it answers.",
        |c, v| {
            c.fetch_min_bytes = int(v)?;
            Ok(())
        }
    ),
    key!(
        Consumer,
        "fetch.max.bytes",
        [],
        "52428800",
        "Most bytes of an answer; less is asked for when memory is short. A larger batch still comes, alone.",
        |c, v| {
            c.fetch_max_bytes = int(v)?;
            Ok(())
        }
    ),
    key!(
        Consumer,
        "fetch.max.wait.ms",
        ["fetch.wait.max.ms"],
        "500",
        "How long the broker waits for `fetch.min.bytes`.",
        |c, v| {
            c.fetch_max_wait = ms(v)?;
            Ok(())
        }
    ),
    key!(
        Consumer,
        "max.partition.fetch.bytes",
        ["fetch.message.max.bytes"],
        "1048576",
        "Most bytes of one partition in an answer.",
        |c, v| {
            c.max_partition_fetch_bytes = int(v)?;
            Ok(())
        }
    ),
    key!(
        Consumer,
        "fetch.buffer.memory",
        [],
        "67108864",
        "Bytes for what was fetched and not let go yet, decompressed data included; nothing is asked for while it is full. Java has no such bound.",
        |c, v| {
            c.fetch_buffer_memory = int(v)?;
            Ok(())
        }
    ),
    key!(
        Consumer,
        "queued.max.messages.kbytes",
        [],
        "65536",
        "`fetch.buffer.memory` in units of 1024 bytes.",
        |c, v| {
            let kib: usize = int(v)?;
            c.fetch_buffer_memory = kib.saturating_mul(1024);
            Ok(())
        }
    ),
    key!(
        Consumer,
        "fetch.decompressed.max.bytes",
        [],
        "268435456",
        "Most bytes that one batch may decompress to; more is an error.",
        |c, v| {
            c.fetch_decompressed_max_bytes = int(v)?;
            Ok(())
        }
    ),
    key!(
        Consumer,
        "fetch.stall.timeout.ms",
        [],
        "30000",
        "After how long without progress a partition that has records is reported, with the cause.",
        |c, v| {
            c.fetch_stall_timeout = ms(v)?;
            Ok(())
        }
    ),
    key!(
        Consumer,
        "check.crcs",
        [],
        "true",
        "Checks the checksum of every batch; false in librdkafka.",
        |c, v| {
            c.check_crcs = flag(v)?;
            Ok(())
        }
    ),
    key!(
        Consumer,
        "isolation.level",
        [],
        "read_uncommitted",
        "`read_committed` leaves out aborted transactions and stops before open ones; the default in librdkafka.",
        |c, v| {
            c.isolation_level = isolation_level(v)?;
            Ok(())
        }
    ),
    key!(
        Consumer,
        "session.timeout.ms",
        [],
        "45000",
        "After how long without a heartbeat a member is taken for dead.",
        |c, v| {
            c.session_timeout = ms(v)?;
            Ok(())
        }
    ),
    key!(Consumer, "heartbeat.interval.ms", [], "3000", "Time between heartbeats.", |c, v| {
        c.heartbeat_interval = ms(v)?;
        Ok(())
    }),
    key!(
        Consumer,
        "max.poll.interval.ms",
        [],
        "300000",
        "How long the application may take between two polls before its partitions go to others; also how long a rebalance waits for it.",
        |c, v| {
            c.max_poll_interval = ms(v)?;
            Ok(())
        }
    ),
    key!(
        Consumer,
        "max.poll.records",
        [],
        "500",
        "Most records of a batch; what was fetched beyond it comes with the next polls.",
        |c, v| {
            c.max_poll_records = int(v)?;
            Ok(())
        }
    ),
    key!(
        Consumer,
        "exclude.internal.topics",
        [],
        "true",
        "Leaves Kafka's own topics out of what a pattern matches.",
        |c, v| {
            c.exclude_internal_topics = flag(v)?;
            Ok(())
        }
    ),
];
