//! Pure: result lines into a table in Markdown.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::workloads::{Mode, Workload};
use crate::failure::{Doing, Failure, Result};

/// What a program says about one run.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Line {
    pub(crate) client: String,
    pub(crate) version: String,
    pub(crate) api: String,
    pub(crate) rec_per_s: f64,
    pub(crate) mb_per_s: f64,
    pub(crate) cpu_us_per_rec: f64,
    pub(crate) rss_mib: f64,
    #[serde(default)]
    pub(crate) secs: f64,
    #[serde(default)]
    pub(crate) cpu_s: f64,
    #[serde(default)]
    pub(crate) p50_us: f64,
    #[serde(default)]
    pub(crate) p99_us: f64,
    #[serde(default)]
    pub(crate) settings: Value,
    /// What those who read while it was sent came to.
    #[serde(default)]
    pub(crate) readers: Readers,
}

/// Several consumers of one topic, together.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Readers {
    /// CPU of all of them, in seconds.
    pub(crate) cpu_s: f64,
    /// The share of a core that one of them takes, in per cent.
    pub(crate) core_percent: f64,
    /// Records that did not come, counted at each of them.
    pub(crate) lost: u64,
    /// Records that came twice, counted at each of them.
    pub(crate) duplicated: u64,
}

impl Line {
    /// Reads the last line of what a program printed.
    pub(crate) fn read(printed: &str) -> Result<Self> {
        let last = printed.trim().lines().last();
        let last = last.ok_or_else(|| Failure::new("the program printed nothing"))?;
        serde_json::from_str(last).doing(format_args!("not a result: {last:?}"))
    }

    /// What is shown while the runs go on.
    pub(crate) fn short(&self) -> String {
        format!(
            "{} {}: {:.0} records/s, {:.3} us CPU per record",
            self.client, self.api, self.rec_per_s, self.cpu_us_per_rec
        )
    }

    /// What is kept.
    pub(crate) fn kept(&self, workload: &str, round: usize) -> Value {
        json!({
            "workload": workload, "round": round, "client": self.client, "version": self.version,
            "api": self.api, "rec_per_s": self.rec_per_s, "mb_per_s": self.mb_per_s,
            "cpu_us_per_rec": self.cpu_us_per_rec, "rss_mib": self.rss_mib,
            "secs": self.secs, "cpu_s": self.cpu_s, "p50_us": self.p50_us, "p99_us": self.p99_us,
            "readers": self.readers, "settings": self.settings,
        })
    }
}

/// All runs of one workload.
pub(crate) struct Table {
    title: &'static str,
    mode: Mode,
    rows: BTreeMap<(String, String), Vec<Line>>,
    failed: BTreeMap<(String, String), u32>,
}

impl Table {
    /// Without rows yet.
    pub(crate) fn new(workload: &Workload) -> Self {
        Self {
            title: workload.title,
            mode: workload.mode,
            rows: BTreeMap::new(),
            failed: BTreeMap::new(),
        }
    }

    /// Takes the result of a run.
    pub(crate) fn add(&mut self, line: Line) {
        let key = (line.client.clone(), line.api.clone());
        self.rows.entry(key).or_default().push(line);
    }

    /// Notes a run without a result.
    pub(crate) fn fail(&mut self, client: &str, api: &str) {
        *self.failed.entry((client.to_owned(), api.to_owned())).or_default() += 1;
    }

    /// The median of one figure of a client's good runs; `None` without any.
    pub(crate) fn median(&self, client: &str, figure: impl Fn(&Line) -> f64) -> Option<f64> {
        let (_, lines) = self.rows.iter().find(|((name, _), _)| name == client)?;
        Some(spread(lines, figure)[1])
    }
}

/// Minimum, median and maximum of one figure over the rounds.
pub(crate) fn spread(lines: &[Line], figure: impl Fn(&Line) -> f64) -> [f64; 3] {
    let mut all: Vec<f64> = lines.iter().map(figure).collect();
    all.sort_by(f64::total_cmp);
    match all.as_slice() {
        [] => [0.0; 3],
        all => [all[0], all[all.len() / 2], all[all.len() - 1]],
    }
}

/// A spread as the tables show it.
pub(crate) fn cell([min, median, max]: [f64; 3], digits: usize) -> String {
    format!("{min:.digits$} / **{median:.digits$}** / {max:.digits$}")
}

impl Display for Table {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "### {}\n", self.title)?;
        let columns = self.columns();
        let names: Vec<&str> = columns.iter().map(|column| column.name).collect();
        writeln!(f, "| client | {} | RSS MiB | runs |", names.join(" | "))?;
        writeln!(f, "|{}", "---|".repeat(columns.len() + 3))?;
        let rows = self.rows_by_cpu();
        for ((client, api), lines) in &rows {
            let version = lines.first().map_or("", |l| l.version.as_str());
            let cells: Vec<String> =
                columns.iter().map(|c| cell(spread(lines, c.figure), c.digits)).collect();
            let rss = spread(lines, |l| l.rss_mib)[2];
            let (cells, runs) = (cells.join(" | "), lines.len());
            writeln!(f, "| {client} {version} {api} | {cells} | {rss:.0} | {runs} |")?;
        }
        for ((client, api), runs) in &self.failed {
            let blank = "| ".repeat(columns.len());
            writeln!(f, "| {client} {api} | failed {blank}| {runs} |")?;
        }
        writeln!(f, "\nEach cell: minimum / **median** / maximum; sorted by the median of CPU.")?;
        if matches!(self.mode, Mode::Consume | Mode::Large | Mode::Paced) {
            for ((client, api), lines) in &rows {
                let settings = lines.first().map_or(&Value::Null, |l| &l.settings);
                writeln!(f, "- {client} {api}: `{settings}`")?;
            }
        }
        Ok(())
    }
}

/// A figure of a run.
struct Column {
    name: &'static str,
    figure: fn(&Line) -> f64,
    digits: usize,
}

impl Table {
    /// What was asked for comes first.
    fn columns(&self) -> Vec<Column> {
        let column = |name, figure, digits| Column { name, figure, digits };
        let cpu = column("client CPU us/record", |l: &Line| l.cpu_us_per_rec, 3);
        let rate = column("records/s", |l: &Line| l.rec_per_s, 0);
        let volume = column("MB/s", |l: &Line| l.mb_per_s, 0);
        match self.mode {
            Mode::Produce => vec![rate, volume, cpu],
            Mode::Consume => vec![cpu, rate, volume],
            Mode::Large => vec![
                column("wall s", |l: &Line| l.secs, 2),
                column("client CPU s", |l: &Line| l.cpu_s, 2),
                volume,
            ],
            Mode::Paced => vec![
                column("p50 ms", |l: &Line| l.p50_us / 1e3, 2),
                column("p99 ms", |l: &Line| l.p99_us / 1e3, 2),
                column("producer CPU s", |l: &Line| l.cpu_s, 2),
                column("five consumers CPU s", |l: &Line| l.readers.cpu_s, 2),
                column("a consumer's % of a core", |l: &Line| l.readers.core_percent, 2),
                column("lost", |l: &Line| l.readers.lost as f64, 0),
                column("duplicated", |l: &Line| l.readers.duplicated as f64, 0),
            ],
            Mode::Latency => {
                let p50 = column("p50 ms", |l: &Line| l.p50_us / 1e3, 3);
                vec![p50, column("p99 ms", |l: &Line| l.p99_us / 1e3, 3), cpu]
            }
        }
    }

    fn rows_by_cpu(&self) -> Vec<(&(String, String), &Vec<Line>)> {
        let mut rows: Vec<_> = self.rows.iter().collect();
        rows.sort_by(|a, b| {
            let cpu = |lines: &[Line]| spread(lines, |l| l.cpu_us_per_rec)[1];
            cpu(a.1).total_cmp(&cpu(b.1))
        });
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::{Line, Table, spread};
    use crate::bench::workloads::{FANOUT, LARGE, chosen};

    fn line(client: &str, rate: f64, cpu: f64) -> Line {
        Line::read(&format!(
            "noise\n{{\"client\":\"{client}\",\"version\":\"1\",\"api\":\"best\",\"rec_per_s\":{rate},\"mb_per_s\":1,\"cpu_us_per_rec\":{cpu},\"rss_mib\":3}}\n"
        ))
        .unwrap()
    }

    #[test]
    fn middle_of_three_is_the_median() {
        let lines = [line("x", 3.0, 0.1), line("x", 1.0, 0.1), line("x", 2.0, 0.1)];
        assert_eq!(spread(&lines, |l| l.rec_per_s), [1.0, 2.0, 3.0]);
        assert_eq!(spread(&[], |l| l.rec_per_s), [0.0; 3]);
    }

    #[test]
    fn rows_are_sorted_by_cpu_and_failures_stay_visible() {
        let (workloads, _) = chosen(Some("a")).unwrap();
        let mut table = Table::new(workloads[0]);
        table.add(line("dear", 9e6, 0.5));
        table.add(line("cheap", 1e6, 0.1));
        table.fail("broken", "default");
        let text = table.to_string();
        let at = |name: &str| text.find(name).unwrap();
        assert!(at("| cheap") < at("| dear") && at("| dear") < at("| broken"), "{text}");
        assert!(text.contains("0.100 / **0.100** / 0.100"), "{text}");
    }

    #[test]
    fn nonsense_is_no_result() {
        assert!(Line::read("").is_err());
        assert!(Line::read("panicked at …").unwrap_err().to_string().contains("panicked"));
    }

    #[test]
    fn every_row_of_a_table_has_as_many_cells_as_its_head() {
        for workload in [&LARGE, &FANOUT, chosen(Some("f")).unwrap().0[0]] {
            let mut table = Table::new(workload);
            table.add(line("fine", 1.0, 1.0));
            table.fail("broken", "default");
            let text = table.to_string();
            let rows: Vec<&str> = text.lines().filter(|line| line.starts_with('|')).collect();
            let bars = |row: &&str| row.matches('|').count();
            assert_eq!(rows.len(), 4, "{text}");
            assert!(rows.iter().all(|row| bars(row) == bars(&rows[0])), "{text}");
        }
    }

    #[test]
    fn median_is_of_the_client_asked_for() {
        let mut table = Table::new(&LARGE);
        for rate in [3.0, 1.0, 2.0] {
            table.add(line("x", rate, 0.1));
        }
        table.add(line("y", 9.0, 0.1));
        assert_eq!(table.median("x", |l| l.rec_per_s), Some(2.0));
        assert_eq!(table.median("z", |l| l.rec_per_s), None);
    }
}
