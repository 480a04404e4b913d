//! What the comparison came to, as a person reads it.

use std::fmt::{self, Display, Formatter};

use super::cases::{Case, Outcome};
use crate::bench::table::cell;

/// All runs of one case.
pub(crate) struct Table {
    case: &'static Case,
    /// In the order of the first turn of each.
    rows: Vec<Row>,
}

struct Row {
    broker: &'static str,
    outcomes: Vec<Outcome>,
    failed: u32,
}

impl Table {
    /// Without rows yet.
    pub(crate) fn new(case: &'static Case) -> Self {
        Self { case, rows: Vec::new() }
    }

    /// Takes the outcome of a run.
    pub(crate) fn add(&mut self, broker: &'static str, outcome: Outcome) {
        self.row(broker).outcomes.push(outcome);
    }

    /// Notes a run without an outcome.
    pub(crate) fn fail(&mut self, broker: &'static str) {
        self.row(broker).failed += 1;
    }

    fn row(&mut self, broker: &'static str) -> &mut Row {
        let at = self.rows.iter().position(|row| row.broker == broker).unwrap_or_else(|| {
            self.rows.push(Row { broker, outcomes: Vec::new(), failed: 0 });
            self.rows.len() - 1
        });
        &mut self.rows[at]
    }
}

impl Row {
    fn spread(&self, figure: fn(&Outcome) -> f64) -> Option<[f64; 3]> {
        let mut all: Vec<f64> = self.outcomes.iter().map(figure).collect();
        all.sort_by(f64::total_cmp);
        Some([*all.first()?, *all.get(all.len() / 2)?, *all.last()?])
    }
}

impl Display for Table {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let columns = self.case.columns;
        writeln!(f, "### {}: {}\n", self.case.name, self.case.title)?;
        let heads: Vec<&str> = columns.iter().map(|column| column.head).collect();
        writeln!(f, "| broker | {} | runs |", heads.join(" | "))?;
        writeln!(f, "|---|{}---|", "---|".repeat(columns.len()))?;
        for row in &self.rows {
            let cells: Vec<String> = columns
                .iter()
                .map(|column| match row.spread(column.figure) {
                    Some(spread) => cell(spread, column.digits),
                    None => "-".to_owned(),
                })
                .collect();
            let runs = match (row.outcomes.len(), row.failed) {
                (good, 0) => good.to_string(),
                (good, failed) => format!("{good}, {failed} failed"),
            };
            writeln!(f, "| {} | {} | {runs} |", row.broker, cells.join(" | "))?;
        }
        Ok(())
    }
}

/// One run in few words.
pub(crate) fn short(case: &Case, outcome: &Outcome) -> String {
    let figures = case
        .columns
        .iter()
        .map(|column| format!("{} {:.*}", column.head, column.digits, (column.figure)(outcome)));
    figures.collect::<Vec<_>>().join(", ")
}

/// What there is to install of each.
pub(crate) fn sizes(sizes: &[(&str, u64, &str)]) -> String {
    let mut text = "### size\n\n| broker | MB | what |\n|---|---|---|\n".to_owned();
    for (name, bytes, what) in sizes {
        text.push_str(&format!("| {name} | {:.1} | {what} |\n", *bytes as f64 / 1e6));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{Outcome, Table, short, sizes};
    use crate::bench::brokers::cases::chosen;

    fn outcome(p50_us: f64, server_cpu_s: f64) -> Outcome {
        Outcome { requests: 1000, secs: 1.0, p50_us, server_cpu_s, ..Outcome::default() }
    }

    #[test]
    fn a_row_has_the_median_and_a_failed_run_stays_visible() {
        let case = chosen(Some("sync")).unwrap()[0];
        let mut table = Table::new(case);
        for p50 in [70.0, 10.0, 20.0] {
            table.add("klamm", outcome(p50, 0.01));
        }
        table.add("kfake", outcome(90.0, 0.09));
        table.fail("kfake");
        table.fail("kafka");
        let text = table.to_string();
        assert!(text.contains("| klamm | 10.0 / **20.0** / 70.0 |"), "{text}");
        assert!(text.contains("10.0 / **10.0** / 10.0"), "{text}");
        assert!(text.contains("| 1, 1 failed |"), "{text}");
        assert!(text.contains("| kafka | - | - | - | - | 0, 1 failed |"), "{text}");
        let bars = |line: &str| line.matches('|').count();
        let mut rows = text.lines().filter(|line| line.starts_with('|')).map(bars);
        let first = rows.next().unwrap();
        assert!(rows.all(|row| row == first), "{text}");
    }

    #[test]
    fn units_are_beside_the_figures() {
        let case = chosen(Some("sync")).unwrap()[0];
        let told = short(case, &outcome(12.34, 0.02));
        assert!(told.starts_with("p50 us 12.3, "), "{told}");
        assert!(told.contains("broker CPU us/request 20.0"), "{told}");
        assert!(sizes(&[("klamm", 12_340_000, "all")]).contains("| klamm | 12.3 | all |"));
    }
}
