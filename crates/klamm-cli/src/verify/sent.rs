//! Pure: what the sources sent.

use super::numbers::Numbers;
use std::collections::{BTreeMap, BTreeSet};

/// What each source handed to the producer, and which of it was not acknowledged.
///
/// What was not acknowledged may be in the log or not: it is neither lost nor too much.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sent {
    sources: BTreeMap<u32, Source>,
}

#[derive(Debug, Clone, Default)]
struct Source {
    count: u64,
    unacknowledged: BTreeSet<u64>,
}

impl Sent {
    /// Books `count` more records of a source, the next ones in its sequence.
    pub(crate) fn add(&mut self, source: u32, count: u64) {
        self.sources.entry(source).or_default().count += count;
    }

    /// Books that a record got no acknowledgement, or an error.
    pub(crate) fn not_acknowledged(&mut self, source: u32, sequence: u64) {
        self.sources.entry(source).or_default().unacknowledged.insert(sequence);
    }

    /// Adds what another part of the run sent, from sources of its own.
    pub(crate) fn merge(&mut self, other: Sent) {
        self.sources.extend(other.sources);
    }

    /// Records that were sent.
    pub(crate) fn count(&self) -> u64 {
        self.sources.values().map(|source| source.count).sum()
    }

    /// Records that must be there.
    pub(crate) fn acknowledged(&self) -> u64 {
        let all = self.sources.values();
        all.map(|s| s.count - s.unacknowledged.range(..s.count).count() as u64).sum()
    }

    /// Acknowledged records that are not in `seen`, by source and sequence.
    pub(super) fn missing<'a>(
        &'a self,
        seen: &'a BTreeMap<u32, Numbers>,
    ) -> impl Iterator<Item = (u32, u64)> + 'a {
        const NONE: &Numbers = &Numbers::new();
        self.sources.iter().flat_map(move |(source, sent)| {
            let missing = seen.get(source).unwrap_or(NONE).missing_below(sent.count);
            let lost = missing.filter(|sequence| !sent.unacknowledged.contains(sequence));
            lost.map(|sequence| (*source, sequence))
        })
    }
}
