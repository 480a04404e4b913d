//! Topics by regular expression, where this client has to match them.

use crate::config::ConfigError;
use klamm_protocol::message::MetadataResponse;
use regex::bytes::{Regex, RegexBuilder};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

/// The most memory that an expression may take when compiled.
const COMPILED_MAX_BYTES: usize = 256 * 1024;

/// An expression that names match as a whole.
#[derive(Debug, Clone)]
pub(in super::super) struct Pattern {
    expression: Arc<str>,
    compiled: Regex,
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.expression == other.expression
    }
}

impl Eq for Pattern {}

impl Pattern {
    /// # Errors
    /// [`ConfigError`] that says what is wrong with it.
    pub(in super::super) fn new(expression: &str) -> Result<Self, ConfigError> {
        let refused = |error: regex::Error| {
            ConfigError::Conflict(format!("topics cannot be subscribed to by a pattern: {error}"))
        };
        // By itself first: "a)(b" is none, though it is one within brackets.
        build(expression).map_err(refused)?;
        let compiled = build(&format!("^(?:{expression})$")).map_err(refused)?;
        Ok(Self { expression: expression.into(), compiled })
    }

    pub(super) fn expression(&self) -> &Arc<str> {
        &self.expression
    }

    fn matches(&self, name: &str) -> bool {
        self.compiled.is_match(name.as_bytes())
    }
}

fn build(expression: &str) -> Result<Regex, regex::Error> {
    // Names of topics are ASCII, and \d and \w are too where brokers match.
    let mut builder = RegexBuilder::new(expression);
    builder.unicode(false).size_limit(COMPILED_MAX_BYTES).dfa_size_limit(COMPILED_MAX_BYTES).build()
}

/// A pattern that is matched again from time to time.
#[derive(Debug)]
pub(super) struct PatternWatch {
    pattern: Pattern,
    due: Instant,
}

impl PatternWatch {
    pub(super) fn new(pattern: Pattern, now: Instant) -> Self {
        Self { pattern, due: now }
    }

    pub(super) fn is_due(&self, now: Instant) -> bool {
        now >= self.due
    }

    pub(super) fn due(&self) -> Instant {
        self.due
    }

    /// The topics were asked for, or could not be; next time is then.
    pub(super) fn asked(&mut self, next: Instant) {
        self.due = next;
    }

    /// The topics of an answer about all that match.
    pub(super) fn matching(
        &self,
        all: &MetadataResponse,
        exclude_internal: bool,
    ) -> BTreeSet<Arc<str>> {
        let topics = all.topics.iter().filter(|topic| !(exclude_internal && topic.is_internal));
        let names = topics.filter_map(|topic| topic.name.as_deref());
        names.filter(|name| self.pattern.matches(name)).map(Arc::from).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use klamm_protocol::message::metadata_response::MetadataResponseTopic;

    #[test]
    fn whole_names_match_and_internal_topics_only_on_request() {
        let topic = |name: &str| MetadataResponseTopic {
            name: Some(name.into()),
            is_internal: name.starts_with("__"),
            ..MetadataResponseTopic::default()
        };
        let names = ["orders", "orders-1", "my-orders", "__consumer_offsets"];
        let all = MetadataResponse {
            topics: names.iter().map(|name| topic(name)).collect(),
            ..MetadataResponse::default()
        };
        let matching = |expression: &str, exclude| {
            let watch = PatternWatch::new(Pattern::new(expression).unwrap(), Instant::now());
            let found = watch.matching(&all, exclude);
            found.iter().map(|name| name.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(matching(r"orders|orders-\d", true), ["orders", "orders-1"]);
        assert_eq!(matching("order", true), [""; 0]);
        assert_eq!(matching(".*s", true), ["my-orders", "orders"]);
        assert_eq!(matching(".*s", false), ["__consumer_offsets", "my-orders", "orders"]);
    }

    #[test]
    fn what_is_no_expression_is_refused() {
        for bad in ["(", "a)(b", "*", r"(\w{1000}){1000}"] {
            assert!(Pattern::new(bad).is_err(), "{bad}");
        }
    }
}
