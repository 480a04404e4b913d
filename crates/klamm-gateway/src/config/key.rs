//! Pure: one key: what it takes, within which bounds, and what it sets.

use super::error::Wrong;
use super::given::{Given, Table, Value};
use super::units::{read_bytes, read_time, write_bytes, write_time};
use std::time::Duration;

/// One row of the table, for settings of type `T`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Key<T: 'static> {
    pub(super) name: &'static str,
    /// As it would stand in a file; `-` for nothing.
    pub(super) default: &'static str,
    pub(super) takes: Takes<T>,
    /// What it does, in a sentence or two.
    pub(super) doc: &'static str,
}

/// What a key takes, and where it goes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Takes<T: 'static> {
    Bytes(u64, u64, fn(&mut T, u64)),
    Time(Duration, Duration, fn(&mut T, Duration)),
    Count(u64, u64, fn(&mut T, u64)),
    /// More than 0, at most 1.
    Share(fn(&mut T, f64)),
    Flag(fn(&mut T, bool)),
    /// What it takes, in words.
    Other(&'static str, fn(&mut T, &Given) -> Option<()>),
    /// As `Other`, and it says itself what is wrong.
    Checked(&'static str, fn(&mut T, &Given) -> Result<(), String>),
    /// As `Other`, with keys of its own.
    Nested(&'static str, fn(&mut T, &Given) -> Result<(), Wrong>),
}

impl<T> Key<T> {
    /// What it takes, in words.
    pub(super) fn takes(&self) -> String {
        match self.takes {
            Takes::Bytes(from, to, _) => {
                format!("{} to {}", write_bytes(from), write_bytes(to))
            }
            Takes::Time(from, to, _) => format!("{} to {}", write_time(from), write_time(to)),
            Takes::Count(from, to, _) => format!("{from} to {to}"),
            Takes::Share(_) => "more than 0, at most 1".to_owned(),
            Takes::Flag(_) => "true or false".to_owned(),
            Takes::Other(words, _) | Takes::Checked(words, _) | Takes::Nested(words, _) => {
                words.to_owned()
            }
        }
    }

    /// Sets it.
    pub(super) fn set(&self, settings: &mut T, given: &Given) -> Result<(), Wrong> {
        let done = match self.takes {
            Takes::Bytes(from, to, set) => {
                let bytes = bytes(given).filter(|bytes| (from..=to).contains(bytes));
                bytes.map(|bytes| set(settings, bytes))
            }
            Takes::Time(from, to, set) => {
                let time = time(given).filter(|time| (from..=to).contains(time));
                time.map(|time| set(settings, time))
            }
            Takes::Count(from, to, set) => {
                let count = count(given).filter(|count| (from..=to).contains(count));
                count.map(|count| set(settings, count))
            }
            Takes::Share(set) => {
                let share = share(given).filter(|share| *share > 0.0 && *share <= 1.0);
                share.map(|share| set(settings, share))
            }
            Takes::Flag(set) => match given.value {
                Value::Flag(flag) => {
                    set(settings, flag);
                    Some(())
                }
                _ => None,
            },
            Takes::Other(_, set) => set(settings, given),
            Takes::Checked(_, set) => {
                let said = |reason| Wrong::new(given.at, format!("{}: {reason}", self.name));
                return set(settings, given).map_err(said);
            }
            Takes::Nested(_, set) => return set(settings, given),
        };
        let expected = || format!("{}: expected {}", self.name, self.takes());
        done.ok_or_else(|| Wrong::new(given.at, expected()))
    }
}

/// Sets everything in a table by its keys.
pub(super) fn set_all<T>(keys: &[Key<T>], settings: &mut T, table: &Table) -> Result<(), Wrong> {
    for (key, given) in table {
        let known = keys.iter().find(|known| known.name == key.name);
        let unknown = || Wrong::unknown(key.at, &key.name, keys.iter().map(|key| key.name));
        known.ok_or_else(unknown)?.set(settings, given)?;
    }
    Ok(())
}

fn bytes(given: &Given) -> Option<u64> {
    match &given.value {
        Value::Text(text) => read_bytes(text).ok(),
        Value::Number(number) => u64::try_from(*number).ok(),
        _ => None,
    }
}

fn time(given: &Given) -> Option<Duration> {
    match &given.value {
        Value::Text(text) => read_time(text).ok(),
        _ => None,
    }
}

fn count(given: &Given) -> Option<u64> {
    match given.value {
        Value::Number(number) => u64::try_from(number).ok(),
        _ => None,
    }
}

fn share(given: &Given) -> Option<f64> {
    match given.value {
        Value::Real(share) => Some(share),
        Value::Number(1) => Some(1.0),
        _ => None,
    }
}
