//! Pure: what the comparison came to, as a person reads it.

use std::fmt::{self, Display, Formatter};

use super::cases::Kind;
use super::load::Outcome;
use super::peers::{BARE, GIN, LIBRDKAFKA, OURS, Peer, Promise, UNSAFE};
use crate::bench::table::cell;

/// All runs of one case.
pub(crate) struct Table {
    kind: Kind,
    /// In the order of the first turn of each.
    rows: Vec<Row>,
}

struct Row {
    peer: &'static Peer,
    outcomes: Vec<Outcome>,
    failed: u32,
}

/// A figure and how it is shown.
struct Column {
    head: &'static str,
    digits: usize,
    figure: fn(&Outcome) -> f64,
}

const COLUMNS: [Column; 7] = [
    Column { head: "requests/s", digits: 0, figure: |o| o.requests_per_second },
    Column { head: "records/s", digits: 0, figure: |o| o.records_per_second },
    Column { head: "p50 ms", digits: 2, figure: |o| o.latency_ms.p50 },
    Column { head: "p99 ms", digits: 2, figure: |o| o.latency_ms.p99 },
    Column { head: "CPU us/request", digits: 1, figure: Outcome::server_cpu_us },
    Column { head: "CPU us/request of the load", digits: 1, figure: |o| o.cpu_us_per_request },
    Column { head: "peak RSS MiB", digits: 0, figure: |o| o.server_peak_mib },
];

impl Row {
    fn spread(&self, figure: fn(&Outcome) -> f64) -> Option<[f64; 3]> {
        let mut all: Vec<f64> = self.outcomes.iter().map(figure).collect();
        all.sort_by(f64::total_cmp);
        Some([*all.first()?, *all.get(all.len() / 2)?, *all.last()?])
    }

    fn median(&self, figure: fn(&Outcome) -> f64) -> Option<f64> {
        self.spread(figure).map(|[_, median, _]| median)
    }

    /// Accepted and found, over all runs.
    fn found(&self) -> String {
        if self.peer.promise == Promise::Nothing {
            return "-".to_owned();
        }
        let verdicts = || self.outcomes.iter().filter_map(|outcome| outcome.verdict.as_ref());
        let accepted: u64 = verdicts().map(|verdict| verdict.accepted).sum();
        let missing: u64 = verdicts().map(|verdict| verdict.missing).sum();
        format!("{} of {accepted}", accepted - missing)
    }
}

impl Table {
    /// Without rows yet.
    pub(crate) fn new(kind: Kind) -> Self {
        Self { kind, rows: Vec::new() }
    }

    /// Takes the outcome of a run.
    pub(crate) fn add(&mut self, peer: &'static Peer, outcome: Outcome) {
        self.row(peer).outcomes.push(outcome);
    }

    /// Notes a run without an outcome.
    pub(crate) fn fail(&mut self, peer: &'static Peer) {
        self.row(peer).failed += 1;
    }

    fn row(&mut self, peer: &'static Peer) -> &mut Row {
        let at = self.rows.iter().position(|row| row.peer == peer).unwrap_or_else(|| {
            self.rows.push(Row { peer, outcomes: Vec::new(), failed: 0 });
            self.rows.len() - 1
        });
        &mut self.rows[at]
    }

    fn median(&self, name: &str, figure: fn(&Outcome) -> f64) -> Option<f64> {
        self.rows.iter().find(|row| row.peer.name == name)?.median(figure)
    }

    /// What our gateway is held to, one line each; what cannot be said is left out.
    fn bars(&self) -> Vec<String> {
        let rate: fn(&Outcome) -> f64 = |outcome| outcome.requests_per_second;
        let mut bars = Vec::new();
        let mut least = |what: &str, ours: Option<f64>, least: Option<f64>, digits: usize| {
            if let (Some(ours), Some(least)) = (ours, least) {
                let word = if ours >= least { "holds" } else { "MISSED" };
                bars.push(format!("- {what}: {ours:.digits$}, at least {least:.digits$}: {word}"));
            }
        };
        let ours = self.median(OURS, rate);
        match self.kind {
            Kind::Single(connections) => {
                let safe = self
                    .rows
                    .iter()
                    .filter(|row| row.peer.promise == Promise::Kept && !row.peer.is_ours());
                let best = safe.filter_map(|row| row.median(rate)).reduce(f64::max);
                let share = if connections <= 64 { 1.5 } else { 1.3 };
                least(
                    "requests/s against one that keeps nothing",
                    ours,
                    self.median(UNSAFE, rate),
                    0,
                );
                let what = format!("requests/s against {share} x the best that keeps its word");
                least(&what, ours, best.map(|best| best * share), 0);
                let times = if connections <= 64 { 3.0 } else { 1.2 };
                let what = format!("requests/s against {times} x librdkafka that keeps its word");
                least(&what, ours, self.median(LIBRDKAFKA, rate).map(|rate| rate * times), 0);
                let bare = self.median(BARE, rate).map(|rate| rate * 0.5);
                least("requests/s against 0.5 x HTTP alone", ours, bare, 0);
                let together = self.median(OURS, |o| o.records_per_sync.unwrap_or_default());
                let share = (connections <= 256).then_some(f64::from(connections) * 0.3);
                least("records that share a sync", together, share, 1);
            }
            Kind::Ndjson => {
                let records = self.median(OURS, |outcome| outcome.records_per_second);
                least("records/s", records, Some(300_000.0), 0);
            }
            Kind::Lone | Kind::Overload | Kind::Restart => {}
        }
        let mut most = |what: &str, ours: Option<f64>, most: Option<f64>| {
            if let (Some(ours), Some(most)) = (ours, most) {
                let word = if ours <= most { "holds" } else { "MISSED" };
                bars.push(format!("- {what}: {ours:.2}, at most {most:.2}: {word}"));
            }
        };
        if let Kind::Single(connections) = self.kind {
            let cpu = Outcome::server_cpu_us;
            most(
                "CPU us/request against gin that sends nothing",
                self.median(OURS, cpu),
                self.median(GIN, cpu),
            );
            let p50 = self.median(OURS, |outcome| outcome.latency_ms.p50);
            most("p50 ms", p50, (connections == 64).then_some(1.5));
            // With many more, a request mostly waits for a processor.
            if connections <= 64 {
                let without = self.median(BARE, |outcome| outcome.latency_ms.p50);
                let added = p50.zip(without).map(|(with, without)| with - without);
                let bare = self.median(OURS, |outcome| outcome.bare_sync_ms.p50);
                let what = "p50 ms beyond HTTP alone against 2 bare syncs";
                most(what, added, bare.map(|ms| ms * 2.0));
                let p99 = self.median(OURS, |outcome| outcome.latency_ms.p99);
                let bare = self.median(OURS, |outcome| outcome.bare_sync_ms.p99);
                most("p99 ms against 3 x that of bare syncs", p99, bare.map(|ms| ms * 3.0));
            }
        }
        bars
    }
}

impl Display for Table {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "### {}\n", self.kind.title())?;
        let heads: Vec<&str> = COLUMNS.iter().map(|column| column.head).collect();
        writeln!(f, "| gateway | {} | accepted and found | runs |", heads.join(" | "))?;
        writeln!(f, "|---|{}---|---|", "---|".repeat(COLUMNS.len()))?;
        for row in &self.rows {
            let cells = COLUMNS.iter().map(|column| match row.spread(column.figure) {
                Some(spread) => cell(spread, column.digits),
                None => "-".to_owned(),
            });
            let cells: Vec<String> = cells.collect();
            let runs = match (row.outcomes.len(), row.failed) {
                (good, 0) => good.to_string(),
                (good, failed) => format!("{good}, {failed} failed"),
            };
            let (name, cells, found) = (row.peer.name, cells.join(" | "), row.found());
            writeln!(f, "| {name} | {cells} | {found} | {runs} |")?;
        }
        writeln!(
            f,
            "\nEach cell: minimum / **median** / maximum. CPU is of the gateway's process, until Kafka had everything."
        )?;
        for bar in self.bars() {
            writeln!(f, "{bar}")?;
        }
        Ok(())
    }
}

/// One run in few words.
pub(crate) fn short(outcome: &Outcome) -> String {
    let Outcome { requests_per_second, latency_ms, answered_otherwise, .. } = outcome;
    format!(
        "{requests_per_second:.0} requests/s, p50 {:.2} ms, p99 {:.2} ms, {:.1} us CPU per request, {answered_otherwise} refused",
        latency_ms.p50,
        latency_ms.p99,
        outcome.server_cpu_us()
    )
}

#[cfg(test)]
mod tests {
    use super::{Kind, Outcome, Table, short};
    use crate::bench::gateway::load::{Latency, Verdict};
    use crate::bench::gateway::peers::chosen;

    fn outcome(rate: f64, missing: u64) -> Outcome {
        Outcome {
            accepted: 1_000,
            requests_per_second: rate,
            records_per_second: rate * 100.0,
            server_cpu_s: 0.02,
            latency_ms: Latency { p50: 1.25, p99: 3.0, max: 4.0 },
            verdict: Some(Verdict { accepted: 1_000, missing, ..Verdict::default() }),
            records_per_sync: Some(20.0),
            bare_sync_ms: Latency { p50: 0.25, p99: 1.0, max: 2.0 },
            ..Outcome::default()
        }
    }

    fn table(kind: Kind, rates: &[(&str, f64)]) -> String {
        let mut table = Table::new(kind);
        for (name, rate) in rates {
            let peer = chosen(Some(name)).unwrap()[0];
            table.add(peer, outcome(*rate, 0));
        }
        table.to_string()
    }

    #[test]
    fn bars_are_told_with_both_figures() {
        let rates = [
            ("klamm", 40_000.0),
            ("gin-franz-go-async", 39_000.0),
            ("gin-franz-go-sync", 30_000.0),
            ("axum-rdkafka-wait", 10_000.0),
            ("gin-confluent-wait", 14_000.0),
            ("hyper-noop", 80_000.0),
        ];
        let text = table(Kind::Single(64), &rates);
        assert!(text.contains("keeps nothing: 40000, at least 39000: holds"), "{text}");
        assert!(text.contains("keeps its word: 40000, at least 45000: MISSED"), "{text}");
        assert!(text.contains("3 x librdkafka that keeps its word: 40000, at least 42000: MISSED"));
        assert!(text.contains("HTTP alone: 40000, at least 40000: holds"), "{text}");
        assert!(text.contains("p50 ms: 1.25, at most 1.50: holds"), "{text}");
        assert!(text.contains("share a sync: 20.0, at least 19.2: holds"), "{text}");
        assert!(text.contains("2 bare syncs: 0.00, at most 0.50: holds"), "{text}");
        assert!(text.contains("p99 ms against 3 x that of bare syncs: 3.00, at most 3.00: holds"));
        assert!(!text.contains("gin that sends nothing"), "{text}");
        let wide = table(Kind::Single(256), &rates);
        assert!(wide.contains("1.3 x") && wide.contains("at least 39000: holds"), "{wide}");
        let lines = table(Kind::Ndjson, &[("klamm", 2_999.0)]);
        assert!(lines.contains("records/s: 299900, at least 300000: MISSED"), "{lines}");
    }

    #[test]
    fn rows_have_as_many_cells_as_the_head_and_failures_stay_visible() {
        let mut table = Table::new(Kind::Single(8));
        table.add(chosen(Some("klamm")).unwrap()[0], outcome(5.0, 3));
        table.fail(chosen(Some("klamm")).unwrap()[0]);
        table.add(chosen(Some("gin-noop")).unwrap()[0], outcome(5.0, 0));
        table.fail(chosen(Some("axum-rdkafka-wait")).unwrap()[0]);
        let text = table.to_string();
        let rows: Vec<&str> = text.lines().filter(|line| line.starts_with('|')).collect();
        let bars = |row: &&str| row.matches('|').count();
        assert_eq!(rows.len(), 5, "{text}");
        assert!(rows.iter().all(|row| bars(row) == bars(&rows[0])), "{text}");
        assert!(text.contains("| 997 of 1000 | 1, 1 failed |"), "{text}");
        assert!(text.contains("| 0 of 0 | 0, 1 failed |"), "{text}");
    }

    #[test]
    fn units_are_beside_the_figures() {
        assert!(short(&outcome(5.0, 0)).contains("20.0 us CPU per request"));
    }
}
