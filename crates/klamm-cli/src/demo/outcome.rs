//! Pure: what a part of the run came to, and whether that is as it must be.

use super::sample::{Event, Latency, Sample};
use crate::verify::Verdict;

/// A rate missed by more than this share is not held.
const RATE_TOLERANCE: f64 = 0.01;
/// From this share of the planned time on, the rate so far is that of the run.
const NEAR_THE_END: f64 = 0.98;

/// What records were read again, which a group may do after a member was killed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct ReadAgain {
    /// Of the killed member's partitions, between its last commit and its last record.
    pub(super) after_kill: u64,
    /// Any other: there is no excuse for those.
    pub(super) unexplained: u64,
}

/// CPU time, in seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Cpu {
    /// Of this process.
    pub(super) total: f64,
    /// Of that, the broker's threads; `None` when the broker is another process, or nobody tells.
    pub(super) broker: Option<f64>,
}

/// What a part of the run came to.
#[derive(Debug, Clone, Default)]
pub(super) struct Outcome {
    /// The key in JSON.
    pub(super) name: &'static str,
    pub(super) title: String,
    pub(super) setting: String,
    /// Records per second that were asked for.
    pub(super) target: f64,
    /// How often each record is read.
    pub(super) readers: u64,
    /// From the start to the last acknowledgement, in seconds.
    pub(super) seconds: f64,
    /// From the last acknowledgement until everything had been read, in seconds.
    pub(super) behind: f64,
    /// Bytes of all values, once.
    pub(super) bytes: u64,
    pub(super) verdict: Verdict,
    pub(super) again: ReadAgain,
    /// From the intended time to the acknowledgement.
    pub(super) ack: Latency,
    /// From the intended time to the application that reads; where a member was killed, without its
    /// partitions while nobody had them.
    pub(super) end_to_end: Latency,
    /// The same with those partitions, where there are any.
    pub(super) with_outage: Option<Latency>,
    pub(super) ack_curve: Vec<(f64, f64)>,
    pub(super) end_to_end_curve: Vec<(f64, f64)>,
    pub(super) cpu: Cpu,
    pub(super) peak_rss: u64,
    pub(super) samples: Vec<Sample>,
    pub(super) events: Vec<Event>,
    /// What went wrong and ended it early, or kept it from being whole.
    pub(super) troubles: Vec<String>,
}

impl Outcome {
    /// Acknowledged records per second, at the end or just before it: one late acknowledgement is latency, and
    /// says nothing of the rate.
    pub(super) fn rate(&self) -> f64 {
        let acknowledged = self.sent() - self.unacknowledged();
        let planned = self.sent() as f64 / self.target.max(1e-9);
        let near_the_end = self.samples.iter().filter(|s| s.at >= planned * NEAR_THE_END);
        let rates = near_the_end.map(|s| s.acknowledged as f64 / s.at.max(1e-9));
        rates.fold(acknowledged as f64 / self.seconds.max(1e-9), f64::max)
    }

    /// Whether the rate was what was asked for.
    pub(super) fn rate_held(&self) -> bool {
        self.rate() >= self.target * (1.0 - RATE_TOLERANCE)
    }

    /// CPU time per record sent, in microseconds, this process as a whole.
    pub(super) fn cpu_us_per_record(&self) -> f64 {
        self.cpu.total * 1e6 / self.sent().max(1) as f64
    }

    /// Records that were sent; each reader's verdict counts them anew.
    pub(super) fn sent(&self) -> u64 {
        self.verdict.sent / self.readers.max(1)
    }

    /// Records without an acknowledgement.
    pub(super) fn unacknowledged(&self) -> u64 {
        (self.verdict.sent - self.verdict.acknowledged) / self.readers.max(1)
    }

    /// Why it is not as it must be, in words; nothing if it is.
    pub(super) fn complaints(&self) -> Vec<String> {
        let v = &self.verdict;
        let counted = [
            (v.lost, "lost"),
            (v.duplicated, "twice in the log"),
            (v.reordered, "out of order"),
            (v.corrupted, "not what was sent"),
            (self.unacknowledged(), "without an acknowledgement"),
            (self.again.unexplained, "read again without need"),
        ];
        let mut complaints: Vec<String> = counted
            .iter()
            .filter(|(n, _)| *n > 0)
            .map(|(n, what)| format!("{} {what}", super::figures::count(*n)))
            .collect();
        if !self.rate_held() {
            let (rate, target) = (super::figures::rate(self.rate()), self.target);
            let target = super::figures::rate(target);
            complaints.push(format!("{rate} records/s is short of {target}"));
        }
        complaints.extend(self.troubles.iter().cloned());
        complaints
    }

    /// Whether everything is as it must be.
    pub(super) fn is_good(&self) -> bool {
        self.complaints().is_empty()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A million records in ten seconds, without a flaw.
    pub(in super::super) fn flawless() -> Outcome {
        let sent = 1_000_000;
        Outcome {
            name: "group",
            title: "100,000 records/s for 10 s".to_owned(),
            setting: "10 tasks share one producer, 50 partitions, 100 B, a group of 3".to_owned(),
            target: 100_000.0,
            readers: 1,
            seconds: 10.001,
            bytes: 100_000_000,
            verdict: Verdict { sent, acknowledged: sent, seen: sent, ..Verdict::default() },
            ..Outcome::default()
        }
    }

    #[test]
    fn a_flawless_run_is_good() {
        let outcome =
            Outcome { again: ReadAgain { after_kill: 1_000, unexplained: 0 }, ..flawless() };
        assert!(outcome.is_good(), "{:?}", outcome.complaints());
    }

    #[test]
    fn every_flaw_is_told() {
        let of = |change: fn(&mut Outcome)| {
            let mut outcome = flawless();
            change(&mut outcome);
            outcome.complaints().join("; ")
        };
        assert_eq!(of(|o| o.verdict.lost = 1_200), "1,200 lost");
        assert_eq!(of(|o| o.verdict.duplicated = 1), "1 twice in the log");
        assert_eq!(of(|o| o.verdict.reordered = 2), "2 out of order");
        assert_eq!(of(|o| o.verdict.corrupted = 3), "3 not what was sent");
        assert_eq!(of(|o| o.again.unexplained = 4), "4 read again without need");
        assert_eq!(of(|o| o.verdict.acknowledged -= 5), "5 without an acknowledgement");
        assert_eq!(of(|o| o.seconds = 10.2), "98,039 records/s is short of 100,000");
        assert_eq!(of(|o| o.troubles.push("no member came".to_owned())), "no member came");
    }

    #[test]
    fn a_late_acknowledgement_is_no_missed_rate_but_a_stall_is() {
        let sample = |at, acknowledged| Sample { at, acknowledged, ..Sample::default() };
        let mut outcome = Outcome { seconds: 10.4, ..flawless() };
        outcome.samples = vec![sample(9.0, 900_000), sample(9.9, 989_900), sample(10.4, 1_000_000)];
        assert!(outcome.rate_held(), "{}", outcome.rate());
        outcome.samples = vec![sample(9.0, 900_000), sample(9.9, 910_000), sample(10.4, 1_000_000)];
        assert!(!outcome.rate_held(), "{}", outcome.rate());
    }

    #[test]
    fn each_reader_has_its_verdict_but_records_count_once() {
        let mut outcome = Outcome { target: 30.0, readers: 5, ..flawless() };
        outcome.verdict.sent = 1_500;
        outcome.verdict.acknowledged = 1_500;
        assert_eq!((outcome.sent(), outcome.unacknowledged()), (300, 0));
        assert!((29.9..30.0).contains(&outcome.rate()) && outcome.rate_held());
    }
}
