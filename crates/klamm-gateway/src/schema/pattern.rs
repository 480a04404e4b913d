//! Pure: regular expressions as JSON Schema has them, those of ECMA-262, read by a machine that takes linear time.

use regex::{Regex, RegexBuilder};

/// Bytes that a compiled expression may take.
const SIZE_MAX: usize = 1 << 20;

/// A regular expression that may match anywhere in a text.
#[derive(Debug)]
pub(super) struct Pattern(Regex);

impl Pattern {
    /// # Errors
    /// It is none, or asks for what cannot be had in linear time: looking around, or back.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let regex = RegexBuilder::new(&translate(text)).size_limit(SIZE_MAX).build();
        let told = |error: regex::Error| {
            let error = error.to_string();
            error.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
        };
        regex.map(Self).map_err(told)
    }

    pub(super) fn is_in(&self, text: &str) -> bool {
        self.0.is_match(text)
    }
}

/// Digits, words and blanks are those of ECMA-262, which knows few of them.
fn translate(text: &str) -> String {
    let mut translated = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            translated.push(character);
            continue;
        }
        match characters.next() {
            Some('d') => translated.push_str("[0-9]"),
            Some('D') => translated.push_str("[^0-9]"),
            Some('w') => translated.push_str("[0-9A-Za-z_]"),
            Some('W') => translated.push_str("[^0-9A-Za-z_]"),
            Some('s') => translated.push_str(BLANKS),
            Some('S') => translated.push_str(&BLANKS.replacen('[', "[^", 1)),
            Some('b') => translated.push_str(r"(?-u:\b)"),
            Some('B') => translated.push_str(r"(?-u:\B)"),
            Some(other) => translated.extend(['\\', other]),
            None => translated.push('\\'),
        }
    }
    translated
}

const BLANKS: &str = r"[\t\n\x0b\x0c\r \u{a0}\u{1680}\u{2000}-\u{200a}\u{2028}\u{2029}\u{202f}\u{205f}\u{3000}\u{feff}]";

#[cfg(test)]
mod tests {
    use super::Pattern;

    #[test]
    fn expressions_mean_what_they_mean_in_ecma_262() {
        for (pattern, yes, no) in [
            (r"^\d{2}-[\w.]+$", "12-a.b_1", "12-\u{e4}"),
            (r"^\S+\s\S+$", "a\u{a0}b", "ab"),
            (r"^[^\d]$", "\u{e4}", "7"),
            (r"^.$", "\u{1f600}", "ab"),
            (r"\bcat\b", "a cat!", "concat"),
            (r"^a\/b\\$", "a/b\\", "a/b"),
            (r"^\u0041$", "A", "u0041"),
            ("b", "abc", "ac"),
        ] {
            let parsed = Pattern::parse(pattern).unwrap();
            assert!(parsed.is_in(yes) && !parsed.is_in(no), "{pattern}");
        }
    }

    #[test]
    fn what_could_take_for_ever_is_refused() {
        for pattern in ["(?=a)", r"(a)\1", "(", "a{1000}{1000}", "\\"] {
            assert!(Pattern::parse(pattern).is_err(), "{pattern}");
        }
    }
}
