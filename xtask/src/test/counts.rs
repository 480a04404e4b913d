//! Pure: how many checks passed, failed and were skipped, read from what test programs print.

/// A test that did not run, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Skip {
    /// The test, or the group of tests.
    pub(crate) name: String,
    /// What it lacked.
    pub(crate) reason: String,
}

/// The outcome of one step.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Checks that ran and held.
    pub(crate) passed: usize,
    /// Checks that ran and did not.
    pub(crate) failed: usize,
    /// Checks that did not run.
    pub(crate) skipped: Vec<Skip>,
    /// What the failed ones printed, for the end of the report.
    pub(crate) details: Vec<String>,
}

impl Counts {
    /// One check that held.
    pub(crate) fn one() -> Self {
        Self { passed: 1, ..Self::default() }
    }

    /// One check that held, or did not.
    pub(crate) fn of(holds: bool) -> Self {
        if holds { Self::one() } else { Self { failed: 1, ..Self::default() } }
    }

    /// One check that could not run.
    pub(crate) fn skip(name: &str, reason: &str) -> Self {
        let mut counts = Self::default();
        counts.skipped.push(Skip { name: name.to_owned(), reason: reason.to_owned() });
        counts
    }

    /// These and those.
    pub(crate) fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped.extend(other.skipped);
        self.details.extend(other.details);
    }
}

/// Lines of failed tests that are kept for the report.
const MAX_DETAILS: usize = 400;

/// Reads the output of `cargo test`, line by line.
///
/// A test without what it needs prints `SKIP <name>: <reason>` and returns; cargo counts it as passed, so it is
/// taken off again here.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    passed: usize,
    failed: usize,
    skipped: Vec<Skip>,
    details: Vec<String>,
    /// Between "failures:" and the result of that program.
    failing: bool,
}

impl Reader {
    /// Takes one line.
    pub(crate) fn line(&mut self, line: &str) {
        self.failing = line == "failures:" || self.failing && !line.starts_with("test result: ");
        if self.failing && self.details.len() < MAX_DETAILS {
            self.details.push(line.to_owned());
        }
        if let Some(skip) = line.strip_prefix("SKIP ") {
            let (name, reason) = skip.split_once(": ").unwrap_or((skip, ""));
            let skip = Skip { name: name.trim().to_owned(), reason: reason.trim().to_owned() };
            if !self.skipped.contains(&skip) {
                self.skipped.push(skip);
            }
        } else if let Some(result) = line.strip_prefix("test result: ") {
            self.result(result);
        }
    }

    fn result(&mut self, result: &str) {
        for part in result.split(['.', ';']) {
            let mut words = part.split_whitespace();
            let (Some(count), Some(what)) = (words.next(), words.next()) else { continue };
            let Ok(count) = count.parse::<usize>() else { continue };
            match what {
                "passed" => self.passed += count,
                "failed" => self.failed += count,
                "ignored" => self.skipped.extend((0..count).map(|_| Skip {
                    name: "ignored".to_owned(),
                    reason: "marked #[ignore]".to_owned(),
                })),
                _ => {}
            }
        }
    }

    /// The sum, for a program that ended well or not.
    pub(crate) fn finish(self, success: bool) -> Counts {
        let skipped = self.skipped.iter().filter(|skip| skip.name != "ignored").count();
        // A program that does not compile, or dies, prints no result.
        let unseen = usize::from(!success && self.failed == 0);
        Counts {
            passed: self.passed.saturating_sub(skipped),
            failed: self.failed + unseen,
            skipped: self.skipped,
            details: self.details,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Reader;

    fn read(lines: &[&str], success: bool) -> super::Counts {
        let mut reader = Reader::default();
        lines.iter().for_each(|line| reader.line(line));
        reader.finish(success)
    }

    #[test]
    fn results_of_several_programs_add_up() {
        let counts = read(
            &[
                "test result: ok. 15 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.02s",
                "test result: FAILED. 2 passed; 1 failed; 1 ignored; 0 measured; 3 filtered out; finished in 1.10s",
            ],
            false,
        );
        assert_eq!((counts.passed, counts.failed, counts.skipped.len()), (17, 1, 1));
    }

    #[test]
    fn a_skip_is_not_a_pass() {
        let counts = read(
            &[
                "SKIP real_kafka::produce: KLAMM_TEST_BOOTSTRAP is not set",
                "test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured",
            ],
            true,
        );
        assert_eq!((counts.passed, counts.failed), (2, 0));
        assert_eq!(counts.skipped[0].reason, "KLAMM_TEST_BOOTSTRAP is not set");
    }

    #[test]
    fn what_a_failed_test_printed_is_kept() {
        let counts = read(
            &[
                "test a ... FAILED",
                "failures:",
                "---- a stdout ----",
                "assertion failed",
                "failures:",
                "    a",
                "test result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured",
                "test b ... ok",
            ],
            false,
        );
        assert_eq!(counts.details.len(), 5);
        assert!(counts.details.contains(&"assertion failed".to_owned()));
    }

    #[test]
    fn a_program_that_never_came_to_its_result_has_failed() {
        assert_eq!(read(&["error: could not compile"], false).failed, 1);
    }
}
