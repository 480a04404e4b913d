//! Pure: which records are wanted, by what is in their bytes.

use super::args::Consume;
use super::format::Fields;
use crate::failure::{Failure, USAGE};
use regex::bytes::Regex;

/// Conditions, all of which a record has to meet.
#[derive(Debug, Default)]
pub(super) struct Filter {
    value: Vec<Regex>,
    key: Vec<Regex>,
    headers: Vec<(String, Option<Regex>)>,
}

impl Filter {
    pub(super) fn new(args: &Consume) -> Result<Self, Failure> {
        let header = |header: &String| match header.split_once('=') {
            Some((name, expression)) => Ok((name.to_owned(), Some(regex(expression)?))),
            None => Ok((header.clone(), None)),
        };
        let headers: Result<Vec<_>, Failure> = args.header.iter().map(header).collect();
        Ok(Self { value: regexes(&args.grep)?, key: regexes(&args.key_grep)?, headers: headers? })
    }

    /// Whether a record meets all conditions; null meets no expression, not even an empty one.
    pub(super) fn matches(&self, record: &Fields<'_>) -> bool {
        let found = |expression: &Regex, bytes: Option<&[u8]>| {
            bytes.is_some_and(|bytes| expression.is_match(bytes))
        };
        let header = |name: &str, expression: Option<&Regex>| {
            let mut of_name = record.headers.iter().filter(|(of, _)| *of == name);
            of_name.any(|(_, value)| expression.is_none_or(|e| found(e, *value)))
        };
        self.value.iter().all(|expression| found(expression, record.value))
            && self.key.iter().all(|expression| found(expression, record.key))
            && self.headers.iter().all(|(name, expression)| header(name, expression.as_ref()))
    }
}

/// Compiles expressions.
pub(super) fn regexes(expressions: &[String]) -> Result<Vec<Regex>, Failure> {
    expressions.iter().map(|expression| regex(expression)).collect()
}

fn regex(expression: &str) -> Result<Regex, Failure> {
    Regex::new(expression).map_err(|e| Failure::new(USAGE, e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::{Filter, regex};
    use crate::consume::format::{Fields, Header};
    use crate::consume::sample::FIELDS;

    fn filter(value: &[&str], key: &[&str], headers: &[(&str, Option<&str>)]) -> Filter {
        let all = |list: &[&str]| list.iter().map(|e| regex(e).unwrap()).collect();
        let headers =
            headers.iter().map(|(name, e)| ((*name).to_owned(), e.map(|e| regex(e).unwrap())));
        Filter { value: all(value), key: all(key), headers: headers.collect() }
    }

    #[test]
    fn all_conditions_have_to_be_met() {
        let headers: [Header<'_>; 3] = [("a", Some(b"1")), ("a", Some(b"22")), ("n", None)];
        let value = Some(&b"some ERROR \xff\n"[..]);
        let record = Fields { key: Some(b"user-7"), value, headers: &headers, ..FIELDS };
        let null = Fields { key: None, value: None, headers: &[], ..FIELDS };
        let table = [
            (filter(&[], &[], &[]), true, true),
            (filter(&["ERROR"], &[], &[]), true, false),
            (filter(&["error"], &[], &[]), false, false),
            (filter(&["(?i)error"], &[], &[]), true, false),
            (filter(&["ERROR", "some"], &[], &[]), true, false),
            (filter(&["ERROR", "none"], &[], &[]), false, false),
            (filter(&[r"(?-u:\xff)"], &[], &[]), true, false),
            (filter(&[""], &[], &[]), true, false),
            (filter(&[], &["^user-"], &[]), true, false),
            (filter(&["ERROR"], &["^7"], &[]), false, false),
            (filter(&[], &[], &[("a", None)]), true, false),
            (filter(&[], &[], &[("a", Some("^22$"))]), true, false),
            (filter(&[], &[], &[("a", Some("3"))]), false, false),
            (filter(&[], &[], &[("n", None)]), true, false),
            (filter(&[], &[], &[("n", Some(""))]), false, false),
            (filter(&[], &[], &[("a", Some("1")), ("b", None)]), false, false),
        ];
        for (i, (filter, of_record, of_null)) in table.into_iter().enumerate() {
            assert_eq!(
                (filter.matches(&record), filter.matches(&null)),
                (of_record, of_null),
                "{i}"
            );
        }
    }
}
