//! Pure: what a member of a group says it did, one line each, in the order it did it:
//!
//! ```text
//! <µs> assigned <topic>:<partition>,…      from here on it may process
//! <µs> processed <topic>:<partition> <first> <last>
//! <µs> committed <topic>:<partition> <offset>
//! <µs> revoked <topic>:<partition>,…       it has finished, and lets go
//! <µs> lost <topic>:<partition>,…          it was told that somebody else has them
//! <µs> left
//! ```

use crate::failure::{Doing, Failure, Result};

/// A partition of a topic.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Partition {
    pub(super) topic: String,
    pub(super) number: i32,
}

/// What a member did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Deed {
    Assigned(Vec<Partition>),
    Processed {
        partition: Partition,
        first: i64,
        last: i64,
    },
    Committed {
        partition: Partition,
        offset: i64,
    },
    Revoked(Vec<Partition>),
    Lost(Vec<Partition>),
    Left,
    /// The driver says so: it was killed.
    Killed,
}

/// A deed and when, in µs since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) at: u64,
    pub(super) deed: Deed,
}

impl Event {
    /// Reads a line.
    pub(super) fn read(line: &str) -> Result<Self> {
        let words: Vec<&str> = line.split(' ').collect();
        let deed = match words.get(1..).unwrap_or_default() {
            ["assigned", partitions] => Deed::Assigned(list(partitions)?),
            ["processed", partition, first, last] => Deed::Processed {
                partition: one(partition)?,
                first: first.parse().doing(line)?,
                last: last.parse().doing(line)?,
            },
            ["committed", partition, offset] => {
                Deed::Committed { partition: one(partition)?, offset: offset.parse().doing(line)? }
            }
            ["revoked", partitions] => Deed::Revoked(list(partitions)?),
            ["lost", partitions] => Deed::Lost(list(partitions)?),
            ["left"] => Deed::Left,
            _ => return Err(Failure::new(format!("not what a member says: {line:?}"))),
        };
        Ok(Self { at: words[0].parse().doing(line)?, deed })
    }
}

/// Every whole line; a member that was killed may have left half of one.
pub(super) fn read_all(text: &str) -> Result<Vec<Event>> {
    let whole = text.rfind('\n').map_or(0, |end| end + 1);
    text[..whole].lines().map(Event::read).collect()
}

fn list(words: &str) -> Result<Vec<Partition>> {
    words.split(',').map(one).collect()
}

fn one(word: &str) -> Result<Partition> {
    let (topic, number) =
        word.rsplit_once(':').ok_or_else(|| Failure::new(format!("not a partition: {word:?}")))?;
    Ok(Partition { topic: topic.to_owned(), number: number.parse().doing(word)? })
}

#[cfg(test)]
mod tests {
    use super::{Deed, Event, Partition, read_all};

    #[test]
    fn lines_are_read_strictly() {
        let partition = Partition { topic: "a:b".to_owned(), number: 3 };
        let read = Event::read("17 processed a:b:3 5 9").unwrap();
        assert_eq!(read.at, 17);
        assert_eq!(read.deed, Deed::Processed { partition, first: 5, last: 9 });
        for bad in
            ["", "17", "17 ate a:1", "x left", "17 assigned a", "17 processed a:1 5", "17 left now"]
        {
            assert!(Event::read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn half_a_line_does_not_count() {
        assert_eq!(read_all("1 left\n2 assigned a").unwrap().len(), 1);
        assert_eq!(read_all("1 le").unwrap().len(), 0);
        assert!(read_all("1 le\n").is_err());
    }
}
