//! The cells that are known to fail on klamm, from `interop/known.txt`; the list may only shrink.

use super::cell::Outcome;
use super::table::Row;
use crate::failure::{Doing, Failure, Result};
use crate::place::Place;

/// Lines of `client scenario: reason`.
#[derive(Debug, Default)]
pub(super) struct Known(Vec<(String, String)>);

impl Known {
    /// Reads the list.
    pub(super) fn read(place: &Place) -> Result<Self> {
        let text = std::fs::read_to_string(place.root().join("interop/known.txt"));
        Self::parse(&text.doing("cannot read interop/known.txt")?)
    }

    fn parse(text: &str) -> Result<Self> {
        let entry = |line: &str| {
            let (cell, reason) = line.split_once(": ")?;
            let (client, scenario) = cell.split_once(' ')?;
            (!reason.trim().is_empty()).then(|| (client.to_owned(), scenario.to_owned()))
        };
        let lines = text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
        let wrong = |line: &str| Failure::new(format!("not `client scenario: reason`: {line}"));
        lines.map(|line| entry(line).ok_or_else(|| wrong(line))).collect::<Result<_>>().map(Self)
    }

    fn has(&self, row: &Row) -> bool {
        self.0.iter().any(|(client, scenario)| client == row.client && scenario == row.scenario)
    }

    /// What is wrong with `rows`, whose first column is Kafka and whose second, if any, is klamm: one sentence each.
    pub(super) fn judge(&self, rows: &[Row]) -> Vec<String> {
        rows.iter().filter_map(|row| self.fault(row)).collect()
    }

    fn fault(&self, row: &Row) -> Option<String> {
        let says = |what: &str| Some(format!("{} {}: {what}", row.client, row.scenario));
        match row.outcomes.as_slice() {
            // What fails on Kafka shows nothing about klamm; the program is wrong.
            [Outcome::Failed(_), ..] => says("fails on Kafka"),
            [kafka, klamm] if kafka == klamm && self.has(row) => {
                says("works; strike it from interop/known.txt")
            }
            [kafka, klamm] if kafka != klamm && !self.has(row) => says("fails on klamm"),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Known, Outcome, Row};

    #[test]
    fn klamm_does_what_kafka_does_or_is_known_not_to() {
        let known = Known::parse("# cells\n\nb group: why\n").unwrap();
        let (done, lacks) = (Outcome::Done, Outcome::Lacks("none".to_owned()));
        let failed = || Outcome::Failed("so".to_owned());
        let fault = |client, outcomes: &[&Outcome]| {
            let outcomes = outcomes.iter().map(|&outcome| outcome.clone()).collect();
            known.judge(&[Row { client, scenario: "group", outcomes }]).pop().unwrap_or_default()
        };
        assert_eq!(fault("a", &[&done, &done]), "");
        assert_eq!(fault("a", &[&lacks, &lacks]), "");
        assert_eq!(fault("a", &[&done]), "");
        assert_eq!(fault("a", &[&done, &failed()]), "a group: fails on klamm");
        assert_eq!(fault("a", &[&done, &lacks]), "a group: fails on klamm");
        assert_eq!(fault("a", &[&failed(), &failed()]), "a group: fails on Kafka");
        assert_eq!(fault("b", &[&done, &failed()]), "");
        assert!(fault("b", &[&done, &done]).contains("strike it"));
    }

    #[test]
    fn an_entry_has_a_reason() {
        assert!(Known::parse("b group:\n").is_err() && Known::parse("b: why\n").is_err());
    }
}
