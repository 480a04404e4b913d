//! What producers can be told.

use super::values::{acks, flag, int, ms, partitioner};
use super::{Apply, Key, Scope};

pub(super) const PRODUCER: &[Key] = &[
    key!(
        Producer,
        "acks",
        ["request.required.acks"],
        "all",
        "0, 1 or all; less than all switches idempotence off.",
        acks
    ),
    key!(
        Producer,
        "enable.idempotence",
        [],
        "true",
        "Numbers batches so that retries never duplicate or reorder.",
        |p, v| {
            p.enable_idempotence = flag(v)?;
            Ok(())
        }
    ),
    key!(
        Producer,
        "linger.ms",
        ["queue.buffering.max.ms"],
        "5",
        "How long a batch waits for company; a record that is awaited on an idle connection does not wait.",
        |p, v| {
            p.linger = ms(v)?;
            Ok(())
        }
    ),
    key!(
        Producer,
        "batch.size",
        [],
        "65536",
        "Bytes from which a batch is sent as soon as a slot is free; 16384 in Java, where a batch cannot grow further.",
        |p, v| {
            p.batch_size = int(v)?;
            p.batch_max_bytes = p.batch_max_bytes.max(p.batch_size);
            Ok(())
        }
    ),
    key!(
        Producer,
        "batch.max.bytes",
        [],
        "1000000",
        "Bytes up to which a batch grows while no slot is free; on a slow link this, not `batch.size`, decides the rate.",
        |p, v| {
            p.batch_max_bytes = int(v)?;
            p.batch_size = p.batch_size.min(p.batch_max_bytes);
            Ok(())
        }
    ),
    key!(
        Producer,
        "buffer.memory",
        [],
        "33554432",
        "Bytes for records without an acknowledgement; callers wait when it is full.",
        |p, v| {
            p.buffer_memory = int(v)?;
            Ok(())
        }
    ),
    key!(
        Producer,
        "max.in.flight.requests.per.connection",
        ["max.in.flight"],
        "5",
        "Unanswered requests per connection and batches per partition.",
        |p, v| {
            p.max_in_flight = int(v)?;
            Ok(())
        }
    ),
    key!(
        Producer,
        "max.request.size",
        ["message.max.bytes"],
        "4194304",
        "Largest record, and about the largest request; 1 MiB in Java, too little for many full batches in one request.",
        |p, v| {
            p.max_request_size = int(v)?;
            Ok(())
        }
    ),
    key!(
        Producer,
        "max.block.ms",
        [],
        "60000",
        "How long a call may wait for memory or metadata.",
        |p, v| {
            p.max_block = ms(v)?;
            Ok(())
        }
    ),
    key!(
        Producer,
        "delivery.timeout.ms",
        ["message.timeout.ms"],
        "120000",
        "From enqueuing to an outcome.",
        |p, v| {
            p.delivery_timeout = ms(v)?;
            Ok(())
        }
    ),
    key!(
        Producer,
        "retries",
        ["message.send.max.retries"],
        "4294967295",
        "Failed tries that a batch survives; the delivery timeout is the better limit.",
        |p, v| {
            p.retries = u32::try_from(int::<u64>(v)?).unwrap_or(u32::MAX);
            Ok(())
        }
    ),
    key!(
        Producer,
        "compression.type",
        ["compression.codec"],
        "none",
        "none, gzip, snappy, lz4 or zstd.",
        |p, v| {
            p.codec = v.trim().parse().map_err(|_| "none, gzip, snappy, lz4 or zstd".to_owned())?;
            Ok(())
        }
    ),
    key!(
        Producer,
        "compression.level",
        [],
        "codec's own",
        "gzip 1 to 9 (6), lz4 1 to 17, zstd -7 to 22 (3).",
        |p, v| {
            p.level = Some(int(v)?);
            Ok(())
        }
    ),
    key!(Producer, "compression.gzip.level", [], "6", "Level for gzip.", |p, v| {
        let level = int(v)?;
        if p.codec == klamm_protocol::compression::Codec::Gzip {
            p.level = Some(level)
        };
        Ok(())
    }),
    key!(Producer, "compression.lz4.level", [], "1", "Level for lz4.", |p, v| {
        let level = int(v)?;
        if p.codec == klamm_protocol::compression::Codec::Lz4 {
            p.level = Some(level)
        };
        Ok(())
    }),
    key!(Producer, "compression.zstd.level", [], "3", "Level for zstd.", |p, v| {
        let level = int(v)?;
        if p.codec == klamm_protocol::compression::Codec::Zstd {
            p.level = Some(level)
        };
        Ok(())
    }),
    key!(
        Producer,
        "partitioner",
        ["partitioner.class"],
        "default",
        "default, round_robin, or another client's rule: see the partitioner module.",
        partitioner
    ),
];
