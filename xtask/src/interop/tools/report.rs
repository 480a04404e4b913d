//! How the calls went, told while they are made.

use super::call::{Call, Tools};
use crate::failure::{Failure, Result};
use crate::test::Counts;

/// Holds and failures so far.
#[derive(Debug, Default)]
pub(super) struct Report {
    counts: Counts,
}

impl Report {
    /// Makes one call after the other, whatever fails: later ones look at what earlier ones did.
    pub(super) fn calls(&mut self, tools: &Tools<'_>, calls: &[Call]) {
        for call in calls {
            self.take(&call.name(), tools.make(call).map(drop));
        }
    }

    /// Makes a call again until it answers as expected, at most `times`.
    pub(super) fn until(&mut self, tools: &Tools<'_>, call: &Call, times: usize) -> bool {
        let mut verdict = Err(Failure::new("not tried"));
        for _ in 0..times {
            verdict = tools.make(call).map(drop);
            if verdict.is_ok() {
                break;
            }
        }
        self.take(&call.name(), verdict)
    }

    /// Counts and tells one verdict; whether it is a good one.
    pub(super) fn take(&mut self, name: &str, verdict: Result<()>) -> bool {
        match verdict {
            Ok(()) => {
                println!("ok    {name}");
                self.counts.passed += 1;
                true
            }
            Err(failure) => {
                println!("FAIL  {name}: {failure}");
                self.counts.failed += 1;
                self.counts.details.push(format!("{name}: {failure}"));
                false
            }
        }
    }

    /// The sum.
    pub(super) fn counts(self) -> Counts {
        self.counts
    }
}
