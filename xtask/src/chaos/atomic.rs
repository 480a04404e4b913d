//! Pure: what readers of committed records may see of transactions that a crash came upon.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

/// Where every transaction writes its number, once each.
pub(super) const PLACES: [&str; 3] = ["left/0", "left/1", "right/0"];

/// What is known of how a transaction ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// All of it is there.
    Committed,
    /// Nothing of it is there.
    Aborted,
    /// All of it or nothing: the producer was not told, and either would be right.
    Either,
}

/// One transaction.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attempt {
    /// What it wrote; greater than those of transactions before.
    pub(super) number: i64,
    pub(super) fate: Fate,
}

/// What a reader sees.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct View {
    /// Numbers in each place, in order.
    pub(super) records: BTreeMap<String, Vec<i64>>,
    /// The group's offset: the number of the last transaction that committed, -1 before the first, -2 while it is open.
    pub(super) offset: i64,
    /// Records behind the last stable offset of each place.
    pub(super) undecided: BTreeMap<String, i64>,
}

impl View {
    /// Whether no transaction is open.
    pub(super) fn is_settled(&self) -> bool {
        self.offset != -2 && self.undecided.values().all(|&records| records == 0)
    }

    /// Everything that must not be so, in words.
    pub(super) fn mistakes(&self, attempts: &[Attempt]) -> Vec<String> {
        let mut mistakes = Vec::new();
        for (place, records) in self.undecided.iter().filter(|(_, records)| **records != 0) {
            mistakes.push(format!("{records} records of {place} are undecided for good"));
        }
        for (place, numbers) in &self.records {
            if !numbers.is_sorted_by(|a, b| a < b) {
                mistakes
                    .push(format!("{place} is out of order, or has something twice: {numbers:?}"));
            }
        }
        let known: BTreeSet<i64> = attempts.iter().map(|attempt| attempt.number).collect();
        for stranger in self.records.values().flatten().filter(|number| !known.contains(number)) {
            mistakes.push(format!("{stranger} was written by nobody"));
        }
        let mut last = -1;
        for attempt in attempts {
            match self.judge(*attempt) {
                Ok(true) => last = attempt.number,
                Ok(false) => {}
                Err(mistake) => mistakes.push(mistake),
            }
        }
        if self.offset != last {
            mistakes.push(format!("the offset is {}, and the last commit {last}", self.offset));
        }
        mistakes
    }

    /// Whether a transaction is there.
    fn judge(&self, Attempt { number, fate }: Attempt) -> Result<bool, String> {
        let has =
            |place: &&&str| self.records.get(**place).is_some_and(|all| all.contains(&number));
        let places: Vec<&&str> = PLACES.iter().filter(has).collect();
        let there = places.len() == PLACES.len();
        if !there && !places.is_empty() {
            return Err(format!("of {number} only {places:?} are there"));
        }
        match fate {
            Fate::Committed if !there => Err(format!("{number} was committed and is missing")),
            Fate::Aborted if there => Err(format!("{number} was aborted and is there")),
            _ => Ok(there),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Attempt, Fate, PLACES, View};

    const ATTEMPTS: [Attempt; 4] = [
        Attempt { number: 1, fate: Fate::Committed },
        Attempt { number: 2, fate: Fate::Aborted },
        Attempt { number: 3, fate: Fate::Either },
        Attempt { number: 4, fate: Fate::Committed },
    ];

    fn view(numbers: &[i64]) -> View {
        View {
            records: PLACES.map(|place| (place.to_owned(), numbers.to_vec())).into(),
            offset: numbers.last().copied().unwrap_or(-1),
            undecided: PLACES.map(|place| (place.to_owned(), 0)).into(),
        }
    }

    #[test]
    fn what_is_whole_holds() {
        for numbers in [&[1, 4][..], &[1, 3, 4]] {
            assert_eq!(view(numbers).mistakes(&ATTEMPTS), Vec::<String>::new());
            assert!(view(numbers).is_settled());
        }
        assert_eq!(view(&[]).mistakes(&[]), Vec::<String>::new());
    }

    #[test]
    fn every_kind_of_mistake_is_caught() {
        let change = |change: fn(&mut View)| {
            let mut view = view(&[1, 4]);
            change(&mut view);
            view
        };
        for (view, says) in [
            (view(&[4]), "1 was committed and is missing"),
            (view(&[1, 2, 4]), "2 was aborted and is there"),
            (view(&[1, 4, 5]), "5 was written by nobody"),
            (view(&[4, 1]), "left/0 is out of order"),
            (view(&[1, 1, 4]), "something twice"),
            (change(|view| view.offset = 2), "the offset is 2, and the last commit 4"),
            (change(|view| view.offset = -2), "the offset is -2"),
            (change(|view| drop(view.records.insert("right/0".to_owned(), vec![1]))), "of 4 only"),
            (change(|view| view.undecided = [("left/1".to_owned(), 2)].into()), "undecided"),
        ] {
            let mistakes = view.mistakes(&ATTEMPTS).join("; ");
            assert!(mistakes.contains(says), "{says}: {mistakes:?}");
        }
    }

    #[test]
    fn what_is_undecided_is_not_settled() {
        let mut open = view(&[1]);
        open.undecided.insert("right/0".to_owned(), 1);
        assert!(!open.is_settled());
        assert!(!View { offset: -2, ..view(&[1]) }.is_settled());
    }
}
