//! Pure: what klamm said about every record, one line each: `<outcome> <partition> <offset|-> <task> <n>`.

use crate::failure::{Doing, Failure, Result};

/// The three answers a producer can give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It is in the log.
    Delivered,
    /// It is not, and never will be.
    NotDelivered,
    /// Nobody can tell.
    Unknown,
}

/// One record's outcome; the record's key is its task, its value `<task>:<n>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// What was said.
    pub(crate) outcome: Outcome,
    /// Where it was to go.
    pub(crate) partition: i32,
    /// Where it is, if that was said.
    pub(crate) offset: Option<i64>,
    /// Who sent it.
    pub(crate) task: u32,
    /// Its number, counted by its task from 0.
    pub(crate) n: u64,
}

impl Entry {
    /// Reads a line.
    pub(crate) fn read(line: &str) -> Result<Self> {
        let words: Vec<&str> = line.split(' ').collect();
        let &[outcome, partition, offset, task, n] = words.as_slice() else {
            return Err(Failure::new(format!("not a line of a ledger: {line:?}")));
        };
        let outcome = match outcome {
            "Delivered" => Outcome::Delivered,
            "NotDelivered" => Outcome::NotDelivered,
            "Unknown" => Outcome::Unknown,
            other => return Err(Failure::new(format!("no such outcome: {other:?}"))),
        };
        let offset = match offset {
            "-" => None,
            offset => Some(offset.parse().doing(line)?),
        };
        Ok(Self {
            outcome,
            partition: partition.parse().doing(line)?,
            offset,
            task: task.parse().doing(line)?,
            n: n.parse().doing(line)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Entry, Outcome};

    #[test]
    fn lines_are_read_strictly() {
        let entry = Entry::read("Delivered 3 17 2 900").unwrap();
        let expected =
            Entry { outcome: Outcome::Delivered, partition: 3, offset: Some(17), task: 2, n: 900 };
        assert_eq!(entry, expected);
        assert_eq!(Entry::read("Unknown 3 - 2 900").unwrap().offset, None);
        for bad in ["", "Delivered 3 17 2", "delivered 3 17 2 9", "Delivered 3 x 2 9"] {
            assert!(Entry::read(bad).is_err(), "{bad}");
        }
    }
}
