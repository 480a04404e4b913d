//! Pure: `ssl.principal.mapping.rules`: which user a certificate's subject stands for.
//!
//! `RULE:^CN=(.*?),OU=ServiceUsers.*$/$1/L, DEFAULT`: the first rule whose pattern is the whole subject decides; `L` and
//! `U` change the case; `DEFAULT` takes the subject as it is. A subject no rule fits is turned away, as with Kafka.

use regex::{Captures, Regex, RegexBuilder};

/// Rules are not more.
const MAX_RULES: usize = 1000;
/// Memory that one pattern may take when it is compiled, in bytes.
const MAX_PATTERN_BYTES: usize = 1024 * 1024;

/// The rules of a listener.
#[derive(Debug, Clone, Default)]
pub(crate) struct PrincipalMapping {
    /// Empty: every subject stands for itself.
    rules: Vec<Rule>,
}

#[derive(Debug, Clone)]
enum Rule {
    Default,
    Pattern { pattern: Regex, replacement: String, case: Case },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Case {
    Same,
    Lower,
    Upper,
}

impl PrincipalMapping {
    /// Reads rules separated by commas.
    ///
    /// # Errors
    /// What is wrong with which rule.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut rules = Vec::new();
        let mut rest = text.trim();
        while !rest.is_empty() {
            if rules.len() == MAX_RULES {
                return Err(format!("more than {MAX_RULES} rules"));
            }
            let (rule, after) = next_rule(rest)?;
            rules.push(rule);
            rest = match after.trim_start().strip_prefix(',') {
                Some(after) => after.trim_start(),
                None if after.trim().is_empty() => "",
                None => return Err(format!("{after:?} where a comma or the end should be")),
            };
        }
        Ok(Self { rules })
    }

    /// The user that a subject stands for; none when no rule fits.
    pub(crate) fn user(&self, subject: &str) -> Option<String> {
        if self.rules.is_empty() {
            return Some(subject.to_owned());
        }
        self.rules.iter().find_map(|rule| rule.apply(subject))
    }
}

impl Rule {
    fn apply(&self, subject: &str) -> Option<String> {
        let Self::Pattern { pattern, replacement, case } = self else {
            return Some(subject.to_owned());
        };
        let user = expand(replacement, &pattern.captures(subject)?);
        Some(match case {
            Case::Same => user,
            Case::Lower => user.to_lowercase(),
            Case::Upper => user.to_uppercase(),
        })
    }
}

/// Cuts off one rule; returns what follows it.
fn next_rule(text: &str) -> Result<(Rule, &str), String> {
    if let Some(after) = text.strip_prefix("DEFAULT") {
        return Ok((Rule::Default, after));
    }
    let wrong = || format!("{text:?} is neither DEFAULT nor RULE:pattern/replacement/[LU]");
    let rest = text.strip_prefix("RULE:").ok_or_else(wrong)?;
    let (pattern, rest) = upto_slash(rest).ok_or_else(wrong)?;
    let (replacement, rest) = upto_slash(rest).ok_or_else(wrong)?;
    let (case, after) = match rest.as_bytes().first() {
        Some(b'L') => (Case::Lower, &rest[1..]),
        Some(b'U') => (Case::Upper, &rest[1..]),
        _ => (Case::Same, rest),
    };
    // The whole subject has to match.
    let pattern = RegexBuilder::new(&format!("^(?:{})$", pattern.replace("\\/", "/")))
        .size_limit(MAX_PATTERN_BYTES)
        .build()
        .map_err(|error| error.to_string())?;
    Ok((Rule::Pattern { pattern, replacement: replacement.to_owned(), case }, after))
}

/// Splits at the first `/` that no backslash stands before.
fn upto_slash(text: &str) -> Option<(&str, &str)> {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        if c == '/' && !escaped {
            return Some((&text[..at], &text[at + 1..]));
        }
        escaped = c == '\\' && !escaped;
    }
    None
}

/// Puts groups in place of `$N`; what a backslash stands before is taken as it is.
fn expand(replacement: &str, groups: &Captures<'_>) -> String {
    let (mut out, mut chars) = (String::new(), replacement.chars().peekable());
    while let Some(c) = chars.next() {
        match c {
            '\\' => out.extend(chars.next()),
            '$' => {
                let digit = chars.next_if(char::is_ascii_digit).and_then(|c| c.to_digit(10));
                match digit.and_then(|digit| groups.get(digit as usize)) {
                    Some(group) => out.push_str(group.as_str()),
                    None if digit.is_some() => {}
                    None => out.push('$'),
                }
            }
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::PrincipalMapping;

    const SUBJECT: &str = "CN=Duke,OU=ServiceUsers,O=Org,C=US";

    fn user(rules: &str, subject: &str) -> Option<String> {
        PrincipalMapping::parse(rules).unwrap().user(subject)
    }

    #[test]
    fn the_first_rule_that_fits_decides() {
        let rules = "RULE:^CN=(.*?),OU=ServiceUsers.*$/$1/, \
                     RULE:^CN=(.*?),OU=(.*?),O=(.*?),C=(.*?)$/$1@$2/L, RULE:^.*[Cc][Nn]=([a-zA-Z0-9.]*).*$/$1/U, \
                     DEFAULT";
        for (subject, expected) in [
            (SUBJECT, "Duke"),
            ("CN=Duke,OU=SME,O=mycp,C=US", "duke@sme"),
            ("O=x,CN=kafka1.example", "KAFKA1.EXAMPLE"),
            ("OU=nobody", "OU=nobody"),
        ] {
            assert_eq!(user(rules, subject).as_deref(), Some(expected), "{subject}");
        }
    }

    #[test]
    fn without_rules_a_subject_stands_for_itself_and_with_them_it_has_to_fit() {
        for rules in ["", " ", "DEFAULT"] {
            assert_eq!(user(rules, SUBJECT).as_deref(), Some(SUBJECT), "{rules:?}");
        }
        assert_eq!(user("RULE:CN=(.*?)/$1/", "OU=x,CN=a"), None, "the whole has to fit");
        assert_eq!(user("RULE:OU=x,CN=(.*?)/$1/", "OU=x,CN=a").as_deref(), Some("a"));
    }

    #[test]
    fn slashes_and_dollars_may_be_escaped() {
        assert_eq!(user("RULE:CN=a\\/(.*)/x\\/$1\\$1$2/", "CN=a/b").as_deref(), Some("x/b$1"));
    }

    #[test]
    fn what_is_no_rule_is_refused() {
        for wrong in ["RULE:a", "RULE:a/b", "default", "DEFAULT DEFAULT", "RULE:(/x/", "RULE:a/b/X"]
        {
            assert!(PrincipalMapping::parse(wrong).is_err(), "{wrong}");
        }
    }
}
