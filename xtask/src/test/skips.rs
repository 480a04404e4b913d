//! Pure: the list of tests that may be skipped.

use super::counts::Skip;
use crate::failure::{Failure, Result};

/// Where the list is.
pub(crate) const FILE: &str = "testing/skips.txt";

/// Names with the reason each may be skipped for.
#[derive(Debug, Default)]
pub(crate) struct Listed(Vec<(String, String)>);

impl Listed {
    /// Reads lines of `name: reason`; `#` begins a comment.
    pub(crate) fn read(text: &str) -> Result<Self> {
        let lines = text.lines().map(str::trim);
        let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        let entries = lines.map(|line| match line.split_once(": ") {
            Some((name, reason)) => Ok((name.trim().to_owned(), reason.trim().to_owned())),
            None => Err(Failure::new(format!("{FILE}: {line:?} is not `name: reason`"))),
        });
        Ok(Self(entries.collect::<Result<_>>()?))
    }

    /// Whether this skip is expected.
    pub(crate) fn allows(&self, skip: &Skip) -> bool {
        self.0.iter().any(|(name, _)| *name == skip.name)
    }
}

#[cfg(test)]
mod tests {
    use super::{Listed, Skip};

    #[test]
    fn only_listed_names_may_be_skipped() {
        let listed = Listed::read("# a comment\n\nfuzz: needs a nightly compiler\n").unwrap();
        let skip = |name: &str| Skip { name: name.to_owned(), reason: String::new() };
        assert!(listed.allows(&skip("fuzz")) && !listed.allows(&skip("produce")));
        assert!(Listed::read("no reason").is_err());
    }
}
