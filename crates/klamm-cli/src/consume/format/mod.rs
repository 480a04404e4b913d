//! Pure: the record format of `-f`: what is written of a record, in the grammar of rpk and franz-go.
//!
//! `parse` reads the grammar, `write` applies it. Both speak of `Fields`, a record and its surroundings.

mod fields;
mod go_layout;
mod number;
mod parse;
#[cfg(test)]
mod tests;
mod text;
mod time;
mod unpack;
mod write;

pub(super) use self::fields::{Fields, Header};
pub(super) use self::time::civil;

use self::number::NumberForm;
use self::text::TextForm;
use self::time::TimeForm;

/// A format that was read: pieces to be written one after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Format {
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Literal(Vec<u8>),
    Text(Text, TextForm),
    Number(Number, NumberForm),
    Time(Time, TimeForm),
    /// Written once for each header, with its name as key.
    Headers(Vec<Piece>),
}

/// What is written as bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Text {
    Topic,
    Key,
    Value,
}

/// What is written as a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Number {
    TopicLength,
    KeyLength,
    ValueLength,
    HeaderCount,
    Partition,
    Offset,
    LeaderEpoch,
    ProducerId,
    ProducerEpoch,
    /// Of share groups, which this command is no member of: 0.
    DeliveryCount,
    LogStartOffset,
    LastStableOffset,
    HighWatermark,
    /// How many records were written, this one included.
    Count,
    TimestampType,
    TransactionalBit,
    /// Markers are never handed out: 0.
    ControlBit,
}

/// What is written as a point in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Time {
    Timestamp,
    /// Of share groups, which this command is no member of: 1970.
    AcquisitionDeadline,
}

impl Format {
    /// Value and a line feed, or with a key delimiter the key before it: what a pipe gets.
    pub(super) fn plain(key_delimiter: Option<Vec<u8>>, record_delimiter: Vec<u8>) -> Self {
        let mut pieces = Vec::new();
        if let Some(delimiter) = key_delimiter {
            pieces.push(Piece::Text(Text::Key, TextForm::Plain));
            pieces.push(Piece::Literal(delimiter));
        }
        pieces.push(Piece::Text(Text::Value, TextForm::Plain));
        pieces.push(Piece::Literal(record_delimiter));
        Self { pieces }
    }
}
