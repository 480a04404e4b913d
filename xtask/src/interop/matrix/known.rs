//! The cells and tests that are known to fail on klamm, from `interop/known.txt`; the list may only shrink.

use super::cell::Outcome;
use super::table::Row;
use crate::failure::{Doing, Failure, Result};
use crate::place::Place;

/// Lines of `client scenario: reason`.
#[derive(Debug, Default)]
pub(in crate::interop) struct Known(Vec<(String, String)>);

impl Known {
    /// Reads the list.
    pub(in crate::interop) fn read(place: &Place) -> Result<Self> {
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

    /// Whether klamm is known to fail in this scenario; for a published suite, in this test.
    pub(in crate::interop) fn has(&self, client: &str, scenario: &str) -> bool {
        self.0.iter().any(|known| known.0 == client && known.1 == scenario)
    }

    /// What is wrong with `rows`, which have an outcome for each of `columns`: one sentence each.
    ///
    /// klamm has to do what Kafka does; where it stands alone, what the scenario asks for.
    pub(super) fn judge(&self, columns: &[&str], rows: &[Row]) -> Vec<String> {
        rows.iter().filter_map(|row| self.fault(columns, row)).collect()
    }

    fn fault(&self, columns: &[&str], row: &Row) -> Option<String> {
        let says = |what: &str| Some(format!("{} {}: {what}", row.client, row.scenario));
        let known = self.has(row.client, row.scenario);
        match (columns, row.outcomes.as_slice()) {
            (["klamm"], [Outcome::Failed(_)]) if !known => says("fails on klamm"),
            (["klamm"], [_]) => None,
            // What fails on Kafka shows nothing about klamm; the program is wrong.
            (_, [Outcome::Failed(_), ..]) => says("fails on Kafka"),
            (_, [kafka, klamm]) if kafka == klamm && known => {
                says("works; strike it from interop/known.txt")
            }
            (_, [kafka, klamm]) if kafka != klamm && !known => says("fails on klamm"),
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
            let row = Row { client, scenario: "group", outcomes };
            known.judge(&["kafka", "klamm"], &[row]).pop().unwrap_or_default()
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
    fn alone_klamm_has_to_do_what_is_asked() {
        let known = Known::parse("b group: why\n").unwrap();
        let fault = |client, outcome| {
            let row = Row { client, scenario: "group", outcomes: vec![outcome] };
            known.judge(&["klamm"], &[row]).pop().unwrap_or_default()
        };
        let failed = || Outcome::Failed("so".to_owned());
        assert_eq!(fault("a", failed()), "a group: fails on klamm");
        assert_eq!(fault("b", failed()), "");
        assert_eq!(fault("a", Outcome::Lacks("none".to_owned())), "");
        assert_eq!(fault("a", Outcome::Done), "");
    }

    #[test]
    fn an_entry_has_a_reason() {
        assert!(Known::parse("b group:\n").is_err() && Known::parse("b: why\n").is_err());
    }
}
