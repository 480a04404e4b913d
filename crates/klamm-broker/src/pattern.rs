//! Pure: regular expressions over names, in the syntax of RE2 as far as it is about bytes.

use klamm_protocol::primitives::Str;
use regex::bytes::{Regex, RegexBuilder};
use std::collections::BTreeSet;

/// The most memory that one expression may take when compiled.
const MAX_COMPILED_BYTES: usize = 256 * 1024;

/// The longest expression.
const MAX_LENGTH: usize = 16 * 1024;

/// An expression that names match as a whole.
#[derive(Debug, Clone)]
pub(crate) struct Pattern(Regex);

impl Pattern {
    /// Compiles an expression.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn new(expression: &str) -> Result<Self, String> {
        if expression.len() > MAX_LENGTH {
            return Err(format!("the expression is longer than {MAX_LENGTH} bytes"));
        }
        // By itself first: "a)(b" is none, though it is one within brackets.
        build(expression)?;
        build(&format!("^(?:{expression})$")).map(Self)
    }

    /// Whether all of a name matches.
    pub(crate) fn matches(&self, name: &str) -> bool {
        self.0.is_match(name.as_bytes())
    }
}

/// Whether an expression can be used.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn check(expression: &str) -> Result<(), String> {
    Pattern::new(expression).map(|_| ())
}

/// The names that match as a whole; none for an expression that cannot be used.
pub(crate) fn matching(expression: &str, names: &[Str]) -> BTreeSet<Str> {
    let Ok(pattern) = Pattern::new(expression) else { return BTreeSet::new() };
    names.iter().filter(|name| pattern.matches(name)).cloned().collect()
}

fn build(expression: &str) -> Result<Regex, String> {
    // Names of topics are ASCII, and so are \d and \w in RE2.
    let mut builder = RegexBuilder::new(expression);
    builder.unicode(false).size_limit(MAX_COMPILED_BYTES).dfa_size_limit(MAX_COMPILED_BYTES);
    builder.build().map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::{check, matching};
    use klamm_protocol::primitives::Str;

    #[test]
    fn names_match_as_a_whole() {
        let names: Vec<Str> = ["a", "ab", "orders-1", "orders-x"].map(Str::from).to_vec();
        for (expression, wanted) in [
            ("a", &["a"][..]),
            ("a|ab", &["a", "ab"]),
            (r"orders-\d", &["orders-1"]),
            ("(?i)ORDERS-.*", &["orders-1", "orders-x"]),
            ("", &[]),
        ] {
            let found = matching(expression, &names);
            assert_eq!(found.iter().map(Str::as_str).collect::<Vec<_>>(), wanted, "{expression}");
        }
    }

    #[test]
    fn what_is_no_expression_is_refused() {
        for bad in ["(", "a)(b", "*", r"(\w{1000}){1000}", &"a".repeat(100_000)] {
            assert!(check(bad).is_err(), "{bad:.20}");
        }
        assert_eq!(check("orders-.*"), Ok(()));
    }
}
