//! Pure: a record in a format.

use super::{Fields, Format, Number, Piece, Text, Time};

impl Format {
    /// Appends a record.
    pub(in crate::consume) fn write(&self, out: &mut Vec<u8>, fields: &Fields<'_>) {
        self.pieces.iter().for_each(|piece| piece.write(out, fields));
    }
}

impl Piece {
    fn write(&self, out: &mut Vec<u8>, fields: &Fields<'_>) {
        match self {
            Piece::Literal(bytes) => out.extend_from_slice(bytes),
            Piece::Text(text, form) => form.write(out, fields.text(*text)),
            Piece::Number(number, form) => form.write(out, fields.number(*number)),
            Piece::Time(Time::Timestamp, form) => form.write(out, fields.timestamp),
            Piece::Time(Time::AcquisitionDeadline, form) => form.write(out, 0),
            Piece::Headers(pieces) => {
                for (name, value) in fields.headers {
                    let header = Fields { key: Some(name.as_bytes()), value: *value, ..*fields };
                    pieces.iter().for_each(|piece| piece.write(out, &header));
                }
            }
        }
    }
}

impl<'a> Fields<'a> {
    fn text(&self, text: Text) -> Option<&'a [u8]> {
        match text {
            Text::Topic => Some(self.topic.as_bytes()),
            Text::Key => self.key,
            Text::Value => self.value,
        }
    }

    fn number(&self, number: Number) -> i64 {
        let length = |bytes: Option<&[u8]>| bytes.map_or(0, <[u8]>::len) as i64;
        match number {
            Number::TopicLength => self.topic.len() as i64,
            Number::KeyLength => length(self.key),
            Number::ValueLength => length(self.value),
            Number::HeaderCount => self.headers.len() as i64,
            Number::Partition => self.partition.into(),
            Number::Offset => self.offset,
            Number::LeaderEpoch => self.leader_epoch.into(),
            Number::ProducerId => self.producer_id,
            Number::ProducerEpoch => self.producer_epoch.into(),
            Number::DeliveryCount | Number::ControlBit => 0,
            Number::LogStartOffset => self.log_start,
            Number::LastStableOffset => self.last_stable,
            Number::HighWatermark => self.high_watermark,
            Number::Count => self.count.cast_signed(),
            Number::TimestampType => self.log_append_time.into(),
            Number::TransactionalBit => self.transactional.into(),
        }
    }
}
