//! Pure: which topics somebody may use.

use thiserror::Error;

/// How many rules one list may have.
const RULES_MAX: usize = 10_000;

/// A list of topics: names, prefixes (`orders.*`) and `*` for all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topics {
    all: bool,
    /// Sorted.
    names: Vec<String>,
    /// Without the star.
    prefixes: Vec<String>,
}

/// Why a list of topics is none.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum WrongTopics {
    /// A star that is not at the end, or nothing at all.
    #[error("{0:?} is no topic: a name, a prefix with a star at its end, or a star alone")]
    Rule(String),
    /// Longer than a list may be.
    #[error("a list has at most {RULES_MAX} topics")]
    TooMany,
}

impl Topics {
    /// Every topic there is.
    pub fn all() -> Self {
        Self { all: true, names: Vec::new(), prefixes: Vec::new() }
    }

    /// No topic.
    pub fn none() -> Self {
        Self { all: false, names: Vec::new(), prefixes: Vec::new() }
    }

    /// From rules: `orders`, `orders.*`, `*`. An empty list is no topic.
    ///
    /// # Errors
    /// A rule is none of these, or there are too many.
    pub fn parse<S: AsRef<str>>(rules: &[S]) -> Result<Self, WrongTopics> {
        if rules.len() > RULES_MAX {
            return Err(WrongTopics::TooMany);
        }
        let mut topics = Self::none();
        for rule in rules.iter().map(AsRef::as_ref) {
            match rule.strip_suffix('*') {
                Some("") => topics.all = true,
                Some(prefix) if !prefix.contains('*') => topics.prefixes.push(prefix.to_owned()),
                None if !rule.is_empty() && !rule.contains('*') => {
                    topics.names.push(rule.to_owned());
                }
                _ => return Err(WrongTopics::Rule(rule.to_owned())),
            }
        }
        topics.names.sort_unstable();
        Ok(topics)
    }

    /// Whether `topic` is one of them.
    pub fn has(&self, topic: &str) -> bool {
        self.all
            || self.names.binary_search_by(|name| name.as_str().cmp(topic)).is_ok()
            || self.prefixes.iter().any(|prefix| topic.starts_with(prefix))
    }
}

#[cfg(test)]
mod tests {
    use super::{Topics, WrongTopics};

    #[test]
    fn names_prefixes_and_stars() {
        let table: [(&[&str], &[&str], &[&str]); 5] = [
            (&[], &[], &["a", ""]),
            (&["*"], &["a", "orders", ""], &[]),
            (&["orders"], &["orders"], &["order", "orders.eu", "Orders", ""]),
            (&["orders.*"], &["orders.", "orders.eu"], &["orders", "a.orders.eu"]),
            (&["b", "x-*", "a"], &["a", "b", "x-", "x-1"], &["c", "x", "ab"]),
        ];
        for (rules, has, has_not) in table {
            let topics = Topics::parse(rules).unwrap();
            for topic in has {
                assert!(topics.has(topic), "{rules:?} {topic}");
            }
            for topic in has_not {
                assert!(!topics.has(topic), "{rules:?} {topic}");
            }
        }
    }

    #[test]
    fn stars_elsewhere_are_refused() {
        for rule in ["", "a*b", "*a", "**", "a**"] {
            assert_eq!(Topics::parse(&["x", rule]), Err(WrongTopics::Rule(rule.to_owned())));
        }
        assert_eq!(Topics::parse(&vec!["a"; 10_001]), Err(WrongTopics::TooMany));
    }
}
