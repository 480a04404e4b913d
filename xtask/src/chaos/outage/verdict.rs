//! Pure: whether anybody noticed that Kafka was away.

use std::fmt::{self, Display, Formatter};

/// How much more memory an outage may take: the connections that are tried, and batches that wait for a broker.
const MORE_MIB: f64 = 64.0;
/// The share of the bare producer's rate that a catch-up has to reach.
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
    /// Records a second of a producer that does nothing else; 0 when that was not measured.
    pub(super) bare: f64,
    /// Requests a second that were asked for.
    pub(super) asked: f64,
}

/// How what had waited went to Kafka while more came.
#[derive(Debug, Clone, Copy)]
pub(super) struct CatchUp {
    pub(super) seconds: f64,
    pub(super) records: u64,
}

impl CatchUp {
    fn rate(self) -> f64 {
        self.records as f64 / self.seconds.max(1e-9)
    }
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
            Some(up) if up.seconds >= TELLING_SECONDS && up.rate() < CATCH_UP * self.bare => {
                let least = CATCH_UP * self.bare;
                wrong.push(format!("caught up at {:.0} records/s, at least {least:.0}", up.rate()));
            }
            Some(_) => {}
        }
        wrong
    }
}

impl Display for Verdict {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { accepted, errors, missing, duplicates, asked, away, bare, .. } = self;
        writeln!(f, "Kafka was away for {away:.0} s; {asked:.0} requests/s all the time")?;
        writeln!(f, "accepted {accepted}, errors {errors}, missing {missing}, twice {duplicates}")?;
        let (calm, peak) = (self.calm_mib, self.peak_mib);
        writeln!(f, "memory of the gateway {calm:.0} MiB before, {peak:.0} MiB at most meanwhile")?;
        if let Some(up) = self.catch_up {
            let rate = up.rate();
            write!(f, "caught up in {:.1} s at {rate:.0} records/s", up.seconds)?;
            match *bare > 0.0 {
                true => writeln!(f, ", {:.2} of the bare producer's {bare:.0}", rate / bare)?,
                false => writeln!(f)?,
            }
        }
        for wrong in self.wrong() {
            writeln!(f, "WRONG: {wrong}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{CatchUp, Verdict};

    fn good() -> Verdict {
        Verdict {
            accepted: 1_000,
            calm_mib: 50.0,
            peak_mib: 110.0,
            away: 60.0,
            bare: 100_000.0,
            asked: 20_000.0,
            catch_up: Some(CatchUp { seconds: 10.0, records: 900_000 }),
            ..Verdict::default()
        }
    }

    #[test]
    fn nothing_may_be_noticed() {
        assert!(good().wrong().is_empty(), "{}", good());
        let told = good().to_string();
        assert!(told.contains("at 90000 records/s, 0.90 of the bare"), "{told}");
        let wrong: [(&str, Verdict); 6] = [
            ("nothing was accepted", Verdict { accepted: 0, ..good() }),
            ("3 requests", Verdict { errors: 3, ..good() }),
            ("2 accepted records", Verdict { missing: 2, ..good() }),
            ("MiB of memory, at most 119", Verdict { peak_mib: 120.0, ..good() }),
            ("before the load ended", Verdict { catch_up: None, ..good() }),
            (
                "at least 80000",
                Verdict { catch_up: Some(CatchUp { seconds: 2.0, records: 150_000 }), ..good() },
            ),
        ];
        for (why, verdict) in wrong {
            let told = verdict.to_string();
            assert!(verdict.wrong().len() == 1 && told.contains(why), "{why}: {told}");
        }
    }

    #[test]
    fn a_short_catch_up_says_nothing_about_a_rate() {
        let up = Some(CatchUp { seconds: 0.5, records: 10 });
        assert!(Verdict { catch_up: up, ..good() }.wrong().is_empty());
    }
}
