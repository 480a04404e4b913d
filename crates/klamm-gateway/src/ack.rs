//! Pure: when a request is answered.

use std::str::FromStr;

/// What a record has to have reached before its request is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Ack {
    /// The gateway's own log, synced: 202. The record reaches Kafka later, whatever happens.
    #[default]
    Wal,
    /// Kafka, by way of the log: 200 with partition and offset; 202 when Kafka takes longer than the client waits.
    Kafka,
    /// Memory: 202, and **the record is lost with the process**.
    Memory,
}

/// A name that is none of `wal`, `kafka`, `memory`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("one of wal, kafka, memory")]
pub struct NoAck;

impl FromStr for Ack {
    type Err = NoAck;

    fn from_str(name: &str) -> Result<Self, NoAck> {
        match name {
            "wal" => Ok(Ack::Wal),
            "kafka" => Ok(Ack::Kafka),
            "memory" => Ok(Ack::Memory),
            _ => Err(NoAck),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Ack, NoAck};

    #[test]
    fn names_are_read() {
        let read = |name: &str| name.parse::<Ack>();
        assert_eq!([read("wal"), read("kafka")], [Ok(Ack::Wal), Ok(Ack::Kafka)]);
        assert_eq!([read("memory"), read("Wal")], [Ok(Ack::Memory), Err(NoAck)]);
    }
}
