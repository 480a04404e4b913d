//! Pure: times as Java's SimpleDateFormat writes them, as far as numbers go.

use jiff::civil::DateTime;
use std::fmt::Write as _;
use std::str::FromStr;

/// A pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JavaDate(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    /// A letter and how often it stands.
    Field(char, usize),
}

/// Letters that mean a number.
const FIELDS: &str = "yMdHmsS";

impl FromStr for JavaDate {
    type Err = String;

    fn from_str(pattern: &str) -> Result<Self, String> {
        let mut parts: Vec<Part> = Vec::new();
        let mut quoted = false;
        let mut letters = pattern.chars().peekable();
        while let Some(letter) = letters.next() {
            match letter {
                '\'' if letters.next_if_eq(&'\'').is_some() => text(&mut parts, '\''),
                '\'' => quoted = !quoted,
                _ if quoted || !letter.is_ascii_alphabetic() => text(&mut parts, letter),
                _ if FIELDS.contains(letter) => {
                    let mut count = 1;
                    while letters.next_if_eq(&letter).is_some() {
                        count += 1;
                    }
                    // Three letters and more are the month's name.
                    if letter == 'M' && count > 2 {
                        return Err("months are numbers here: MM".to_owned());
                    }
                    parts.push(Part::Field(letter, count));
                }
                _ => return Err(format!("{letter:?}: of Java's letters {FIELDS} are understood")),
            }
        }
        if quoted { Err("a quote is not closed".to_owned()) } else { Ok(Self(parts)) }
    }
}

fn text(parts: &mut Vec<Part>, letter: char) {
    match parts.last_mut() {
        Some(Part::Text(text)) => text.push(letter),
        _ => parts.push(Part::Text(letter.to_string())),
    }
}

impl JavaDate {
    /// Writes a time.
    pub(super) fn write(&self, time: DateTime) -> String {
        let mut written = String::new();
        for part in &self.0 {
            // Writing to memory does not fail.
            let _ = match part {
                Part::Text(text) => write!(written, "{text}"),
                // Two letters are the year's last two digits, any other number all of them.
                Part::Field('y', 2) => write!(written, "{:02}", time.year() % 100),
                Part::Field('y', width) => write!(written, "{:0width$}", time.year()),
                Part::Field(field, width) => write!(written, "{:0width$}", number(*field, time)),
            };
        }
        written
    }
}

fn number(field: char, time: DateTime) -> i16 {
    match field {
        'M' => i16::from(time.month()),
        'd' => i16::from(time.day()),
        'H' => i16::from(time.hour()),
        'm' => i16::from(time.minute()),
        's' => i16::from(time.second()),
        _ => time.millisecond(),
    }
}

#[cfg(test)]
mod tests {
    use super::JavaDate;
    use jiff::civil::datetime;

    #[test]
    fn times_are_written_as_java_writes_them() {
        let time = datetime(2026, 3, 7, 9, 5, 4, 21_000_000);
        for (pattern, written) in [
            ("yyyy-MM-dd HH:mm:ss:SSS", "2026-03-07 09:05:04:021"),
            ("yy/M/d H.m.s,S", "26/3/7 9.5.4,21"),
            ("yyyy-MM-dd'T'HH:mm", "2026-03-07T09:05"),
            ("HH 'o''clock' ''yyyyy", "09 o'clock '02026"),
            ("", ""),
        ] {
            assert_eq!(pattern.parse::<JavaDate>().unwrap().write(time), written, "{pattern}");
        }
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for pattern in ["EEE", "MMM", "hh:mm a", "yyyy 'open", "T"] {
            assert!(pattern.parse::<JavaDate>().is_err(), "{pattern}");
        }
    }
}
