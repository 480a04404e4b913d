//! Pure: the table for a person.

use std::fmt::Write as _;

use super::cell::Outcome;
use super::columns::Column;

/// The widest reason that still stands in the table; all of it stands below.
const REASON: usize = 40;

/// One client in one scenario.
#[derive(Debug)]
pub(crate) struct Row {
    /// The client.
    pub(super) client: &'static str,
    /// What it was asked to do.
    pub(super) scenario: &'static str,
    /// One for each column, in their order.
    pub(super) outcomes: Vec<Outcome>,
}

impl Row {
    /// The row without a frame.
    pub(super) fn line(&self) -> String {
        let mut line = format!("{:<16} {:<18}", self.client, self.scenario);
        for outcome in &self.outcomes {
            let _ = write!(line, " {:<width$}", word(outcome), width = REASON + 6);
        }
        line.trim_end().to_owned()
    }
}

fn word(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Done => "ok".to_owned(),
        Outcome::Lacks(_) => "-".to_owned(),
        Outcome::Failed(reason) => {
            let first = reason.lines().next().unwrap_or_default();
            format!("FAIL: {}", first.chars().take(REASON).collect::<String>())
        }
    }
}

/// All rows, then every failure in full, then what clients lack.
pub(super) fn text(columns: &[Column], rows: &[Row]) -> String {
    let mut text = format!("\n{:<16} {:<18}", "client", "scenario");
    for column in columns {
        let _ = write!(text, " {:<width$}", column.name, width = REASON + 6);
    }
    let mut text = format!("{}\n", text.trim_end());
    for row in rows {
        let _ = writeln!(text, "{}", row.line());
    }
    for row in rows {
        for (column, outcome) in columns.iter().zip(&row.outcomes) {
            if let Outcome::Failed(reason) = outcome {
                let reason = reason.trim_end().replace('\n', "\n    ");
                let (client, scenario, name) = (row.client, row.scenario, column.name);
                let _ = writeln!(text, "\nFAIL {client} {scenario} on {name}:\n    {reason}");
            }
        }
    }
    for row in rows {
        if let Some(Outcome::Lacks(reason)) = row.outcomes.first() {
            let _ = writeln!(text, "- {} {}: {reason}", row.client, row.scenario);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{Column, Outcome, Row, text};

    #[test]
    fn a_failure_is_short_in_the_table_and_whole_below() {
        let long = format!("{}\nsecond line", "x".repeat(100));
        let outcomes = vec![Outcome::Done, Outcome::Failed(long)];
        let lacks = vec![Outcome::Lacks("none".into()), Outcome::Lacks("none".into())];
        let rows = [
            Row { client: "a", scenario: "group", outcomes },
            Row { client: "a", scenario: "static", outcomes: lacks },
        ];
        let printed = text(&[Column::at("kafka", "x:1"), Column::at("klamm", "x:2")], &rows);
        assert!(printed.lines().all(|line| line.len() < 130));
        assert!(printed.contains("ok  ") && printed.contains("FAIL: xxx"));
        assert!(
            printed.contains("FAIL a group on klamm:\n    x") && printed.contains("second line")
        );
        assert!(printed.contains("- a static: none"));
    }
}
