//! What is wrong with a configuration, and where.

use thiserror::Error;

/// A configuration that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("line {line}, column {column}: {reason}")]
pub struct GatewayConfigError {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// What is wrong. Values are left out where they may be secret.
    pub reason: String,
}

/// What is wrong at a byte of the text.
#[derive(Debug)]
pub(super) struct Wrong {
    pub(super) at: usize,
    pub(super) reason: String,
}

impl Wrong {
    pub(super) fn new(at: usize, reason: impl Into<String>) -> Self {
        Self { at, reason: reason.into() }
    }

    /// A key that is none of `names`.
    pub(super) fn unknown<'a>(at: usize, name: &str, names: impl Iterator<Item = &'a str>) -> Self {
        let hint = nearest(name, names).map(|near| format!("; did you mean {near}?"));
        Self::new(at, format!("unknown key {name:?}{}", hint.unwrap_or_default()))
    }

    pub(super) fn in_text(self, text: &str) -> GatewayConfigError {
        let before = text.get(..self.at).unwrap_or(text);
        let line = before.rsplit('\n').next().unwrap_or_default();
        GatewayConfigError {
            line: before.matches('\n').count() + 1,
            column: line.chars().count() + 1,
            reason: self.reason,
        }
    }
}

/// The name from which `wrong` is the fewest slips away, if they are few for its length.
fn nearest<'a>(wrong: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let (slips, name) = names.map(|name| (slips(wrong, name), name)).min()?;
    (slips <= 2 + wrong.len() / 5).then_some(name)
}

/// How many characters have to be left out, put in or exchanged.
fn slips(one: &str, other: &str) -> usize {
    let mut last: Vec<usize> = (0..=other.len()).collect();
    for (row, a) in one.bytes().enumerate() {
        let mut next = vec![row + 1];
        for (column, b) in other.bytes().enumerate() {
            let exchanged = last[column] + usize::from(a != b);
            next.push(exchanged.min(last[column + 1] + 1).min(next[column] + 1));
        }
        last = next;
    }
    last.last().copied().unwrap_or_default()
}
