//! Pure: the table at the end, and the verdict.

use std::time::Duration;

use super::counts::{Counts, Skip};
use super::skips::Listed;
use crate::failure::{Failure, Result};

/// One step's line.
#[derive(Debug)]
pub(crate) struct Row {
    name: &'static str,
    counts: Counts,
    time: Duration,
}

impl Row {
    /// The line of a step; a step that could not finish counts as one failure.
    pub(crate) fn new(name: &'static str, outcome: Result<Counts>, time: Duration) -> Self {
        let failed = |failure: Failure| Counts {
            failed: 1,
            details: vec![failure.to_string()],
            ..Counts::default()
        };
        Self { name, counts: outcome.unwrap_or_else(failed), time }
    }
}

/// All steps that ran.
#[derive(Debug)]
pub(crate) struct Report {
    rows: Vec<Row>,
    listed: Listed,
    strict: bool,
}

impl Report {
    /// An empty report; when `strict`, a skip that is not listed is a failure.
    pub(crate) fn new(listed: Listed, strict: bool) -> Self {
        Self { rows: Vec::new(), listed, strict }
    }

    /// Appends a line.
    pub(crate) fn add(&mut self, row: Row) {
        self.rows.push(row);
    }

    fn skips(&self) -> impl Iterator<Item = &Skip> {
        self.rows.iter().flat_map(|row| &row.counts.skipped)
    }

    fn unlisted(&self) -> usize {
        self.skips().filter(|skip| !self.listed.allows(skip)).count()
    }

    fn passed(&self) -> usize {
        self.rows.iter().map(|row| row.counts.passed).sum()
    }

    /// How many failures there are, unlisted skips included where those count.
    pub(crate) fn failed(&self) -> usize {
        let failed: usize = self.rows.iter().map(|row| row.counts.failed).sum();
        failed + if self.strict { self.unlisted() } else { 0 }
    }

    /// What failed tests printed, a line for each step, then the name and reason of everything skipped.
    ///
    /// Failures stand here again because whoever reads the end of a long log sees no more than this.
    pub(crate) fn table(&self) -> String {
        let mut text = String::new();
        for row in self.rows.iter().filter(|row| row.counts.failed > 0) {
            text.push_str(&format!("--- {} failed:\n", row.name));
            row.counts.details.iter().for_each(|line| text.push_str(&format!("{line}\n")));
        }
        text.push_str(&format!(
            "{:12} {:6} {:>7} {:>7} {:>8} {:>8}\n",
            "step", "", "passed", "failed", "skipped", "time"
        ));
        for row in &self.rows {
            let verdict = if row.counts.failed == 0 { "ok" } else { "FAILED" };
            text.push_str(&format!(
                "{:12} {:6} {:>7} {:>7} {:>8} {:>7.1}s\n",
                row.name,
                verdict,
                row.counts.passed,
                row.counts.failed,
                row.counts.skipped.len(),
                row.time.as_secs_f64()
            ));
        }
        for skip in self.skips() {
            let note = if self.listed.allows(skip) { "" } else { " (not in testing/skips.txt)" };
            text.push_str(&format!("skipped {}: {}{note}\n", skip.name, skip.reason));
        }
        text
    }

    /// `N passed, N failed, N skipped`.
    pub(crate) fn last_line(&self) -> String {
        let skipped = self.skips().count() - if self.strict { self.unlisted() } else { 0 };
        format!("{} passed, {} failed, {skipped} skipped", self.passed(), self.failed())
    }
}

#[cfg(test)]
mod tests {
    use super::Failure;
    use super::{Counts, Listed, Report, Row};
    use std::time::Duration;

    fn report(strict: bool) -> Report {
        let mut report = Report::new(Listed::read("known: a reason").unwrap(), strict);
        let mut counts = Counts::one();
        counts.add(Counts::skip("known", "a reason"));
        counts.add(Counts::skip("surprise", "no broker"));
        report.add(Row::new("tests", Ok(counts), Duration::from_secs(1)));
        report
    }

    #[test]
    fn an_unlisted_skip_fails_only_where_it_counts() {
        assert_eq!(report(false).last_line(), "1 passed, 0 failed, 2 skipped");
        assert_eq!(report(true).last_line(), "1 passed, 1 failed, 1 skipped");
        assert_eq!((report(false).failed(), report(true).failed()), (0, 1));
        assert!(report(false).table().contains("surprise: no broker (not in"));
    }

    #[test]
    fn a_step_that_cannot_finish_is_a_failure() {
        let mut report = report(false);
        report.add(Row::new("docs", Err(Failure::new("x")), Duration::ZERO));
        assert_eq!(report.failed(), 1);
        assert!(report.table().contains("docs         FAILED"));
    }
}
