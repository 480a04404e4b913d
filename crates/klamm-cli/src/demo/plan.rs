//! Pure: what is going to happen, in numbers.

use std::ops::RangeInclusive;
use std::time::Duration;

/// When the additional member joins, as a share of the duration.
const JOIN_AT: f64 = 0.15;
/// When a member is killed. At ten seconds and a session of six its partitions are taken over while
/// the load still runs.
const KILL_AT: f64 = 0.3;
/// The largest value that goes into a batch of a topic with default settings.
pub(super) const VALUE_MAX: usize = 1_000_000;

/// The small records: many tasks, one producer, a group that reads.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct GroupPlan {
    /// Records per second, over all tasks.
    pub(super) rate: u64,
    pub(super) duration: Duration,
    pub(super) tasks: usize,
    pub(super) partitions: i32,
    /// Bytes of each value.
    pub(super) size: usize,
    /// Members at the start.
    pub(super) members: usize,
    pub(super) session_timeout: Duration,
}

impl GroupPlan {
    pub(super) fn records(&self) -> u64 {
        records(self.rate, self.duration)
    }

    /// When one more member joins.
    pub(super) fn joins_at(&self) -> Duration {
        self.duration.mul_f64(JOIN_AT)
    }

    /// When the first member is killed; never when nobody would be left.
    pub(super) fn killed_at(&self) -> Duration {
        self.duration.mul_f64(KILL_AT)
    }

    /// What it is, in a line.
    pub(super) fn title(&self) -> String {
        use super::figures::{count, duration};
        format!("{} records/s for {}", count(self.rate), duration(self.duration))
    }

    /// How it is done, in a line.
    pub(super) fn setting(&self) -> String {
        format!(
            "{} tasks share one producer, {} partitions, {} B, a group of {}",
            self.tasks, self.partitions, self.size, self.members
        )
    }
}

/// The large records: one producer, readers that each read everything.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct LargePlan {
    pub(super) rate: u64,
    pub(super) duration: Duration,
    /// Bytes of each value, from and to.
    pub(super) sizes: RangeInclusive<usize>,
    pub(super) readers: usize,
}

impl LargePlan {
    pub(super) fn records(&self) -> u64 {
        records(self.rate, self.duration)
    }

    /// What it is, in a line.
    pub(super) fn title(&self) -> String {
        use super::figures::{bytes_range, count, duration};
        let sizes = bytes_range(&self.sizes);
        format!("{} records/s of {sizes} for {}", count(self.rate), duration(self.duration))
    }

    /// How it is done, in a line.
    pub(super) fn setting(&self) -> String {
        format!("one producer, {} consumers, each reads all", self.readers)
    }
}

fn records(rate: u64, duration: Duration) -> u64 {
    ((rate as f64 * duration.as_secs_f64()).round() as u64).max(1)
}

/// Reads `10s`, `500ms`, `2m` or a number of seconds.
pub(super) fn parse_duration(text: &str) -> Result<Duration, String> {
    const UNITS: [(&str, f64); 3] = [("ms", 0.001), ("m", 60.0), ("s", 1.0)];
    const MAX_SECS: f64 = 86_400.0;
    let unit = UNITS.iter().find_map(|(name, unit)| Some((text.strip_suffix(name)?, *unit)));
    let (number, unit) = unit.unwrap_or((text, 1.0));
    let secs = number.trim().parse::<f64>().map(|n| n * unit).ok();
    let secs = secs.filter(|s| *s > 0.0 && *s <= MAX_SECS);
    secs.map(Duration::from_secs_f64).ok_or_else(|| "a time such as 10s, 500ms or 2m".to_owned())
}

/// Reads `100000-500000`, or one size.
pub(super) fn parse_sizes(text: &str) -> Result<RangeInclusive<usize>, String> {
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    match (from.trim().parse(), to.trim().parse()) {
        (Ok(from), Ok(to)) if from <= to && to <= VALUE_MAX => Ok(from..=to),
        _ => Err(format!("bytes from and to, such as 100000-500000, at most {VALUE_MAX}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_sizes_are_read() {
        assert_eq!(parse_duration("10s"), Ok(Duration::from_secs(10)));
        assert_eq!(parse_duration("1500ms"), Ok(Duration::from_millis(1_500)));
        assert_eq!(parse_duration("2m"), Ok(Duration::from_secs(120)));
        assert_eq!(parse_duration("0.5"), Ok(Duration::from_millis(500)));
        for wrong in ["", "s", "-1s", "0s", "NaN", "inf", "1e9s", "10x"] {
            assert!(parse_duration(wrong).is_err(), "{wrong}");
        }
        assert_eq!(parse_sizes("100-200"), Ok(100..=200));
        assert_eq!(parse_sizes("300"), Ok(300..=300));
        for wrong in ["", "2-1", "1-9999999", "a-b", "-"] {
            assert!(parse_sizes(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn there_is_always_something_to_send() {
        let plan =
            LargePlan { rate: 30, duration: Duration::from_millis(10), sizes: 1..=2, readers: 5 };
        assert_eq!(plan.records(), 1);
        assert_eq!(LargePlan { duration: Duration::from_secs(10), ..plan }.records(), 300);
    }
}
