//! Pure: why a request's bytes did not become records, and where.

use super::json::{JsonError, Wrong};
use crate::schema::Mismatch;
use std::fmt::{Display, Formatter};
use thiserror::Error;

/// A place in a request's body, as an editor shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Bytes before it.
    pub offset: usize,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
}

impl Position {
    /// The place of the byte at `offset` in `text`.
    pub fn of(text: &[u8], offset: usize) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        let start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        // A byte that continues a character is none of its own.
        let characters = before[start..].iter().filter(|byte| **byte & 0xc0 != 0x80).count();
        Self { offset, line, column: characters + 1 }
    }
}

impl Display for Position {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// Why a request's bytes did not become records.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Rejected {
    /// The body is not JSON.
    #[error("{wrong} at {position}")]
    Json {
        /// What is wrong.
        wrong: Wrong,
        /// Where.
        position: Position,
    },
    /// The body is JSON, but a value in it is not what belongs there.
    #[error("expected {expected} at {position}")]
    Value {
        /// What belongs there.
        expected: &'static str,
        /// Where.
        position: Position,
    },
    /// A field that nobody knows, where that is a slip which would lose what it was to say.
    #[error("unknown field, of which the value is at {position}; there are {known}")]
    Field {
        /// Those that there are.
        known: &'static str,
        /// Where its value is.
        position: Position,
    },
    /// A text that is not UTF-8.
    #[error("not UTF-8 at {position}")]
    Utf8 {
        /// Where.
        position: Position,
    },
    /// A part of the query that cannot be understood.
    #[error("query parameter {name:?}: expected {expected}")]
    Query {
        /// The name of the parameter, as it came.
        name: String,
        /// What belongs there.
        expected: &'static str,
    },
    /// A header that cannot be understood, or is missing.
    #[error("header {name}: expected {expected}")]
    Header {
        /// Its name.
        name: String,
        /// What belongs there.
        expected: &'static str,
    },
    /// A record does not have what the route reads from it.
    #[error("record {record}: expected {expected} at {pointer}")]
    Pointer {
        /// Where in its value, as RFC 6901 has it.
        pointer: String,
        /// Its place among the records of the request, from 0.
        record: usize,
        /// What belongs there.
        expected: &'static str,
    },
    /// The value of a record is not what the schema of its route allows.
    #[error("record {record}: {mismatch}")]
    Schema {
        /// Its place among the records of the request, from 0.
        record: usize,
        /// Where in its value, and what is wrong there.
        mismatch: Mismatch,
    },
    /// A `Content-Type` that is not served.
    #[error("content type not served: {reason}")]
    MediaType {
        /// Why not.
        reason: &'static str,
    },
    /// No record in it.
    #[error("no record in the request")]
    Empty,
    /// More records than one request may bring.
    #[error("more than {limit} records in one request")]
    TooMany {
        /// How many it may bring.
        limit: usize,
    },
}

impl Rejected {
    /// The status code of the answer: 413, 415, 422, or 400.
    pub fn status(&self) -> u16 {
        match self {
            Rejected::MediaType { .. } => 415,
            Rejected::TooMany { .. } => 413,
            Rejected::Schema { .. } | Rejected::Field { .. } => 422,
            _ => 400,
        }
    }

    /// Where in the body it is wrong, if it is the body that is wrong.
    pub fn position(&self) -> Option<Position> {
        match self {
            Rejected::Json { position, .. }
            | Rejected::Value { position, .. }
            | Rejected::Field { position, .. }
            | Rejected::Utf8 { position } => Some(*position),
            _ => None,
        }
    }

    /// What was said of a line, said of the body: it is line `number`, with `start` bytes before it.
    pub(super) fn in_line(mut self, number: usize, start: usize) -> Self {
        if let Rejected::Json { position, .. }
        | Rejected::Value { position, .. }
        | Rejected::Field { position, .. }
        | Rejected::Utf8 { position } = &mut self
        {
            position.line = number;
            position.offset += start;
        }
        self
    }

    pub(super) fn json(error: JsonError, text: &[u8]) -> Self {
        Rejected::Json { wrong: error.wrong, position: Position::of(text, error.at) }
    }
}

#[cfg(test)]
mod tests {
    use super::Position;

    #[test]
    fn positions_count_lines_and_characters() {
        let text = "ab\n\u{e4}\u{1f600}x\n".as_bytes();
        let place = |offset| {
            let position = Position::of(text, offset);
            (position.line, position.column)
        };
        assert_eq!(place(0), (1, 1));
        assert_eq!(place(2), (1, 3));
        assert_eq!(place(3), (2, 1));
        assert_eq!(place(9), (2, 3), "two characters of two and four bytes before");
        assert_eq!(place(11), (3, 1));
        assert_eq!(place(99), (3, 1), "past the end is the end");
    }
}
