//! Pure: stretches of time, what Kafka took meanwhile, and where the processors went.

use std::fmt::Write as _;

/// CPU of everybody who takes part, in seconds; none for who does not.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Cpu {
    pub(super) kafka: Option<f64>,
    pub(super) gateway: Option<f64>,
    pub(super) load: Option<f64>,
    pub(super) producer: Option<f64>,
}

/// A stretch of time.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Phase {
    pub(super) seconds: f64,
    /// That Kafka took, from whomever.
    pub(super) records: f64,
    /// For how long the processors were looked at; programs need time to start and to end.
    pub(super) looked: f64,
    pub(super) cpu: Cpu,
}

impl Cpu {
    /// What has come since an earlier look.
    pub(super) fn since(self, before: Self) -> Self {
        self.with(before, |now, before| now.map(|now| now - before.unwrap_or(0.0)))
    }

    fn and(self, other: Self) -> Self {
        self.with(other, |one, other| one.zip(other).map(|(a, b)| a + b))
    }

    fn with(self, other: Self, join: fn(Option<f64>, Option<f64>) -> Option<f64>) -> Self {
        Self {
            kafka: join(self.kafka, other.kafka),
            gateway: join(self.gateway, other.gateway),
            load: join(self.load, other.load),
            producer: join(self.producer, other.producer),
        }
    }

    fn all(self) -> [Option<f64>; 4] {
        [self.kafka, self.gateway, self.load, self.producer]
    }
}

impl Phase {
    /// Records a second.
    pub(super) fn rate(&self) -> f64 {
        self.records / self.seconds.max(1e-9)
    }

    /// Both, one after the other.
    fn and(self, other: Self) -> Self {
        Self {
            seconds: self.seconds + other.seconds,
            records: self.records + other.records,
            looked: self.looked + other.looked,
            cpu: self.cpu.and(other.cpu),
        }
    }

    fn row(&self, name: &str) -> String {
        let per_record = |cpu: Option<f64>| match cpu {
            Some(cpu) => format!("{:>9.2}", cpu * 1e6 / self.records.max(1.0)),
            None => format!("{:>9}", "-"),
        };
        let columns: String = self.cpu.all().into_iter().map(per_record).collect();
        let busy: f64 = self.cpu.all().into_iter().flatten().sum::<f64>() / self.looked.max(1e-9);
        format!("{name:<32}{:>8.1}{:>11.0}{columns}{busy:>8.2}", self.seconds, self.rate())
    }
}

/// The one in the middle, by rate; the two in the middle of an even number as one. None of none.
pub(super) fn middle(mut phases: Vec<Phase>) -> Option<Phase> {
    phases.sort_by(|a, b| a.rate().total_cmp(&b.rate()));
    let (first, end) = (phases.len().saturating_sub(1) / 2, phases.len() / 2 + 1);
    phases.into_iter().take(end).skip(first).reduce(Phase::and)
}

/// Phases with their names, one a line.
pub(super) fn table<'a>(phases: impl IntoIterator<Item = (&'a str, &'a Phase)>) -> String {
    let mut text =
        format!("{:<51}{:<36}{:>8}\n", "", "  CPU, us for each record of Kafka's", "cores");
    let names = ["kafka", "gateway", "load", "producer"];
    let names: String = names.iter().map(|name| format!("{name:>9}")).collect();
    // Writing to memory does not fail.
    let _ = writeln!(text, "{:<32}{:>8}{:>11}{names}{:>8}", "", "seconds", "records/s", "busy");
    for (name, phase) in phases {
        let _ = writeln!(text, "{}", phase.row(name));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{Cpu, Phase, middle, table};

    fn phase(records: f64) -> Phase {
        Phase { seconds: 2.0, records, looked: 2.0, ..Phase::default() }
    }

    #[test]
    fn the_middle_is_neither_the_best_nor_the_worst() {
        assert_eq!(middle(vec![]), None);
        let rate = |records: Vec<f64>| {
            middle(records.into_iter().map(phase).collect()).map(|middle| middle.rate())
        };
        for records in [vec![8.0], vec![9.0, 8.0, 1.0], vec![6.0, 10.0], vec![10.0, 99.0, 6.0, 1.0]]
        {
            assert_eq!(rate(records.clone()), Some(4.0), "{records:?}");
        }
    }

    #[test]
    fn two_in_the_middle_are_taken_together() {
        let cpu = |kafka| Cpu { kafka: Some(kafka), ..Cpu::default() };
        let phases =
            vec![Phase { cpu: cpu(3.0), ..phase(10.0) }, Phase { cpu: cpu(1.5), ..phase(6.0) }];
        let both = Phase { seconds: 4.0, records: 16.0, looked: 4.0, cpu: cpu(4.5) };
        assert_eq!(middle(phases), Some(both));
    }

    #[test]
    fn only_what_came_since_counts_and_who_takes_no_part_has_no_share() {
        let before = Cpu { kafka: Some(10.0), gateway: Some(1.0), ..Cpu::default() };
        let now = Cpu { kafka: Some(12.0), gateway: Some(1.5), load: Some(0.25), producer: None };
        let since = now.since(before);
        assert_eq!(since.all(), [Some(2.0), Some(0.5), Some(0.25), None]);
    }

    #[test]
    fn a_row_has_shares_by_record_and_all_processors() {
        let cpu = Cpu { kafka: Some(2.0), gateway: Some(1.0), load: None, producer: None };
        let text = table([("catch-up", &Phase { cpu, ..phase(1_000_000.0) })]);
        let row: Vec<&str> = text.lines().last().unwrap().split_whitespace().collect();
        assert_eq!(row, ["catch-up", "2.0", "500000", "2.00", "1.00", "-", "-", "1.50"]);
        let widths: Vec<usize> = text.lines().map(str::len).collect();
        assert!(widths.iter().all(|width| *width == widths[0]), "{text}");
    }
}
