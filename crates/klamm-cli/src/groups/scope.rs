//! Pure: which groups, topics and partitions the words of the command line mean.

use std::collections::BTreeSet;
use std::str::FromStr;

/// A topic, or some of its partitions: `orders`, `orders:0,2`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TopicScope {
    pub(super) topic: String,
    /// `None` for all.
    pub(super) partitions: Option<BTreeSet<i32>>,
}

impl FromStr for TopicScope {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // Names of topics have no colon.
        let (topic, partitions) = match text.split_once(':') {
            None => (text, None),
            Some((topic, list)) => {
                let index = |word: &str| word.trim().parse::<i32>().ok().filter(|p| *p >= 0);
                let indexes: Option<BTreeSet<i32>> = list.split(',').map(index).collect();
                let why = || format!("{list:?} is no list of partitions such as 0,1,2");
                (topic, Some(indexes.ok_or_else(why)?))
            }
        };
        match topic {
            "" => Err(format!("{text:?} names no topic")),
            _ => Ok(Self { topic: topic.to_owned(), partitions }),
        }
    }
}

/// Whether a word of the command line is a pattern and not a name.
pub(super) fn is_pattern(word: &str) -> bool {
    word.contains(['*', '?'])
}

/// Whether a name fits one of the words.
pub(super) fn fits_any(words: &[String], name: &str) -> bool {
    words.iter().any(|word| word == name || fits(word, name))
}

/// Whether a name fits a pattern in which `*` stands for any letters and `?` for one.
///
/// Time is bounded by the product of both lengths: only the last `*` is gone back to.
fn fits(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n) = (0, 0);
    let mut star = None;
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(c) if *c == '?' || *c == name[n] => {
                p += 1;
                n += 1;
            }
            _ => match star {
                // The star takes one letter more.
                Some((at, taken)) => {
                    star = Some((at, taken + 1));
                    (p, n) = (at + 1, taken + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_as_in_a_shell() {
        let table = [
            ("a", "a", true),
            ("a", "ab", false),
            ("a*", "a", true),
            ("*b", "aab", true),
            ("*b", "aba", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*", "", true),
            ("?", "", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("*ä?", "xäß", true),
            ("*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false),
        ];
        for (pattern, name, expected) in table {
            assert_eq!(fits(pattern, name), expected, "{pattern} {name}");
        }
        assert!(fits_any(&["x".to_owned(), "a*".to_owned()], "ab"));
        assert!(fits_any(&["we*ird".to_owned()], "we*ird"), "a name with a star is a name, too");
    }

    #[test]
    fn topics_come_with_partitions_or_without() {
        let scope = |text: &str| text.parse::<TopicScope>();
        let all = TopicScope { topic: "orders".to_owned(), partitions: None };
        assert_eq!(scope("orders"), Ok(all.clone()));
        let some = TopicScope { partitions: Some([0, 2].into()), ..all };
        assert_eq!(scope("orders:2,0,2"), Ok(some));
        for wrong in ["", ":1", "orders:", "orders:x", "orders:-1", "orders:1,,2"] {
            assert!(scope(wrong).is_err(), "{wrong}");
        }
    }
}
