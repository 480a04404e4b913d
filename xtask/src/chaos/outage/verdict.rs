//! Pure: whether anybody noticed that Kafka was away.

use std::fmt::{self, Display, Formatter};

use super::phase::{Phase, table};

/// How much more memory an outage may take: the connections that are tried, and batches that wait for a broker.
const MORE_MIB: f64 = 64.0;
/// The share that a catch-up has to reach of what Kafka takes from a bare producer and the gateway together.
const CATCH_UP: f64 = 0.8;
/// A catch-up that took less than this says nothing about a rate.
const TELLING_SECONDS: f64 = 2.0;

/// What was seen.
#[derive(Debug, Clone, Default)]
pub(super) struct Verdict {
    /// Requests that were accepted.
    pub(super) accepted: u64,
    /// Requests that were answered otherwise, or not at all.
    pub(super) errors: u64,
    /// Records that were accepted and are not in Kafka.
    pub(super) missing: u64,
    pub(super) duplicates: u64,
    /// Memory of the gateway before Kafka went, and the most while it was away.
    pub(super) calm_mib: f64,
    pub(super) peak_mib: f64,
    /// Seconds that Kafka was away.
    pub(super) away: f64,
    /// From when Kafka was back until nothing waited any more; `None` when that did not happen under load.
    pub(super) catch_up: Option<CatchUp>,
    /// What it is held against, where that was measured.
    pub(super) compared: Option<Compared>,
    /// Requests a second that were asked for.
    pub(super) asked: f64,
}

/// How what had waited went to Kafka while more came.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct CatchUp {
    pub(super) phase: Phase,
    /// Seconds until the first record came.
    pub(super) silent: f64,
}

/// A producer that has nothing to do but to send as many records.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Compared {
    /// On a machine that does nothing else.
    pub(super) idle: Phase,
    /// While the gateway accepts and delivers what it does while it catches up: records of both.
    pub(super) beside: Phase,
}

impl Verdict {
    /// Everything that is not as it must be.
    pub(super) fn wrong(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        if self.accepted == 0 {
            wrong.push("nothing was accepted".to_owned());
        }
        if self.errors > 0 {
            wrong.push(format!("{} requests were not accepted", self.errors));
        }
        if self.missing > 0 {
            wrong.push(format!("{} accepted records are not in Kafka", self.missing));
        }
        let most = self.calm_mib * 1.1 + MORE_MIB;
        if self.peak_mib > most {
            wrong.push(format!("{:.0} MiB of memory, at most {most:.0}", self.peak_mib));
        }
        match self.catch_up {
            None => wrong.push("what had waited was not in Kafka before the load ended".to_owned()),
            Some(CatchUp { phase, .. }) => {
                let least = CATCH_UP * self.compared.map_or(0.0, |with| with.beside.rate());
                let rate = phase.rate();
                if phase.seconds >= TELLING_SECONDS && rate < least {
                    wrong.push(format!("caught up at {rate:.0} records/s, at least {least:.0}"));
                }
            }
        }
        wrong
    }
}

impl CatchUp {
    fn told(&self, with: Option<&Compared>) -> String {
        let Self { phase, silent } = self;
        let (rate, seconds) = (phase.rate(), phase.seconds);
        let mut text = format!(
            "caught up in {seconds:.1} s at {rate:.0} records/s; the first came after {silent:.1} s\n"
        );
        if let Some(Compared { idle, beside }) = with {
            let (of_beside, of_idle) = (rate / beside.rate(), rate / idle.rate());
            text += &format!(
                "{of_beside:.2} of what Kafka takes when a bare producer sends as many beside the same load, which the \
                 gateway accepts and delivers meanwhile: both do the same work\n\
                 {of_idle:.2} of a bare producer on a machine that does nothing else: the load's processors are its own\n"
            );
            let phases = [
                ("bare producer, idle machine", idle),
                ("bare producer beside the load", beside),
                ("catch-up under load", phase),
            ];
            text += &table(phases);
        }
        text
    }
}

impl Display for Verdict {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { accepted, errors, missing, duplicates, asked, away, .. } = self;
        writeln!(f, "Kafka was away for {away:.0} s; {asked:.0} requests/s all the time")?;
        writeln!(f, "accepted {accepted}, errors {errors}, missing {missing}, twice {duplicates}")?;
        let (calm, peak) = (self.calm_mib, self.peak_mib);
        writeln!(f, "memory of the gateway {calm:.0} MiB before, {peak:.0} MiB at most meanwhile")?;
        if let Some(up) = self.catch_up {
            write!(f, "{}", up.told(self.compared.as_ref()))?;
        }
        for wrong in self.wrong() {
            writeln!(f, "WRONG: {wrong}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{CatchUp, Compared, Phase, Verdict};

    fn phase(seconds: f64, records: f64) -> Phase {
        Phase { seconds, records, ..Phase::default() }
    }

    fn caught_up(seconds: f64, records: f64) -> Option<CatchUp> {
        Some(CatchUp { phase: phase(seconds, records), silent: 0.5 })
    }

    fn good() -> Verdict {
        Verdict {
            accepted: 1_000,
            calm_mib: 50.0,
            peak_mib: 110.0,
            away: 60.0,
            asked: 20_000.0,
            compared: Some(Compared {
                idle: phase(5.0, 1_000_000.0),
                beside: phase(10.0, 1_000_000.0),
            }),
            catch_up: caught_up(10.0, 900_000.0),
            ..Verdict::default()
        }
    }

    #[test]
    fn nothing_may_be_noticed() {
        assert!(good().wrong().is_empty(), "{}", good());
        let wrong: [(&str, Verdict); 6] = [
            ("nothing was accepted", Verdict { accepted: 0, ..good() }),
            ("3 requests", Verdict { errors: 3, ..good() }),
            ("2 accepted records", Verdict { missing: 2, ..good() }),
            ("MiB of memory, at most 119", Verdict { peak_mib: 120.0, ..good() }),
            ("before the load ended", Verdict { catch_up: None, ..good() }),
            ("at least 80000", Verdict { catch_up: caught_up(2.0, 150_000.0), ..good() }),
        ];
        for (why, verdict) in wrong {
            let told = verdict.to_string();
            assert!(verdict.wrong().len() == 1 && told.contains(why), "{why}: {told}");
        }
    }

    #[test]
    fn both_ways_to_compare_are_told() {
        let told = good().to_string();
        for part in [
            "at 90000 records/s; the first came after 0.5 s",
            "0.90 of what Kafka takes when a bare producer",
            "0.45 of a bare producer on a machine that does nothing else",
            "catch-up under load",
        ] {
            assert!(told.contains(part), "{part}: {told}");
        }
        let told = Verdict { compared: None, ..good() }.to_string();
        assert!(told.contains("at 90000") && !told.contains("bare"), "{told}");
    }

    #[test]
    fn a_short_catch_up_says_nothing_about_a_rate() {
        assert!(Verdict { catch_up: caught_up(0.5, 10.0), ..good() }.wrong().is_empty());
    }
}
