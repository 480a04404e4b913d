//! What the records of a load hold.

use crate::verify::{HEADER, Stamp};
use klamm::Record;
use std::sync::Arc;
use std::time::Instant;

/// Name and value of headers that every record has.
pub(crate) type Headers = Arc<Vec<(String, Vec<u8>)>>;

/// What records are made of.
#[derive(Clone)]
pub(crate) enum Content {
    /// One of these values, at random, with these headers.
    Plain { values: Arc<Vec<Vec<u8>>>, headers: Headers },
    /// One of these values, at random, and who the record is.
    Stamped(Stamped),
}

/// Records that say who they are.
#[derive(Clone)]
pub(crate) struct Stamped {
    /// Tells this run's records from others.
    pub(crate) run: u32,
    /// When the run began: stamps count from here.
    pub(crate) began: Instant,
    /// Values to choose from; what of them the stamp takes the place of does not matter.
    pub(crate) values: Arc<Vec<Vec<u8>>>,
    /// Bytes of the key, which is different for every record; 0 for none.
    pub(crate) key_size: usize,
    pub(crate) headers: Headers,
}

impl Content {
    /// What task `source` makes its records with.
    pub(super) fn maker(&self, source: u32) -> Maker {
        Maker {
            content: self.clone(),
            source,
            next: 0,
            key: Vec::new(),
            value: Vec::new(),
            header: [0; Stamp::LEN],
        }
    }
}

/// Makes the records of one task, one at a time.
pub(super) struct Maker {
    content: Content,
    source: u32,
    next: u64,
    key: Vec<u8>,
    value: Vec<u8>,
    header: [u8; Stamp::LEN],
}

impl Maker {
    /// Whose records these are.
    pub(super) fn source(&self) -> u32 {
        self.source
    }

    /// The number of the next record.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    /// Goes on to the next number: the record was accepted.
    pub(super) fn advance(&mut self) {
        self.next += 1;
    }

    /// The record with the next number.
    pub(super) fn record<'a>(&'a mut self, topic: &'a str, due: Instant) -> Record<'a> {
        match &self.content {
            Content::Plain { values, headers } => {
                with_headers(Record::to(topic).value(any_of(values)), headers)
            }
            Content::Stamped(stamped) => {
                let sent = due.saturating_duration_since(stamped.began).as_nanos() as u64;
                let stamp =
                    Stamp { run: stamped.run, source: self.source, sequence: self.next, sent };
                self.value.clear();
                self.value.extend_from_slice(any_of(&stamped.values));
                let mut record = Record::to(topic);
                let mut key = None;
                if stamped.key_size > 0 {
                    fill_key(&mut self.key, stamped.key_size, self.source, self.next);
                    record = record.key(&self.key[..]);
                    key = Some(&self.key[..]);
                }
                record = with_headers(record, &stamped.headers);
                if !stamp.write(key, &mut self.value) {
                    self.header = stamp.for_header(key, &self.value);
                    record = record.header(HEADER, &self.header);
                }
                record.value(&self.value[..])
            }
        }
    }
}

fn with_headers<'a>(record: Record<'a>, headers: &'a [(String, Vec<u8>)]) -> Record<'a> {
    headers.iter().fold(record, |record, (name, value)| record.header(name, &value[..]))
}

fn any_of(values: &[Vec<u8>]) -> &[u8] {
    &values[fastrand::usize(..values.len())]
}

/// Digits that are different for every record, as far as they fit.
fn fill_key(key: &mut Vec<u8>, size: usize, source: u32, sequence: u64) {
    use std::io::Write as _;
    key.clear();
    // Writing to memory does not fail.
    let _ = write!(key, "{sequence:020}-{source:010}");
    let digits = key.len();
    if size < digits {
        // The last digits of the sequence differ most.
        let end = digits - 11;
        let start = end.saturating_sub(size);
        key.truncate(end);
        key.drain(..start);
    }
    key.resize(size, b'0');
}

#[cfg(test)]
mod tests {
    use super::{Content, Stamped, fill_key};
    use std::collections::BTreeSet;
    use std::sync::Arc;
    use std::time::Instant;

    fn maker(values: Vec<Vec<u8>>, key_size: usize) -> super::Maker {
        let headers = Arc::new(vec![("h".to_owned(), vec![1, 2])]);
        let (run, began) = (1, Instant::now());
        Content::Stamped(Stamped { run, began, values: Arc::new(values), key_size, headers })
            .maker(4)
    }

    #[test]
    fn sizes_are_those_asked_for_and_a_short_value_gets_one_more_header() {
        let now = Instant::now();
        for size in [0, 10, 31, 32, 100] {
            let mut maker = maker(vec![vec![b'A'; size]], 7);
            let stamp = if size < 32 { "klamm-stamp".len() + 32 } else { 0 };
            assert_eq!(maker.record("t", now).payload_len(), 7 + 3 + size + stamp, "{size}");
        }
    }

    #[test]
    fn keys_differ_and_have_their_size() {
        let mut key = Vec::new();
        for size in [3, 12, 20, 25, 31, 64] {
            let keys: BTreeSet<Vec<u8>> = (0..1000)
                .map(|sequence| {
                    fill_key(&mut key, size, 1, sequence);
                    assert_eq!(key.len(), size);
                    key.clone()
                })
                .collect();
            assert_eq!(keys.len(), 1000, "{size}");
        }
    }
}
