//! Pure: dates by example, as Go's `time` package has them: `2006-01-02T15:04:05Z07:00`.

use jiff::civil::DateTime;
use std::fmt::Write as _;

/// A layout that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct GoLayout(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(String),
    Sign(Sign),
    /// Separator, digits, and whether zeros at the end are left out, with the separator if all are.
    Fraction(char, usize, bool),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sign {
    LongMonth,
    Month,
    NumberMonth,
    ZeroMonth,
    LongWeekday,
    Weekday,
    Day,
    SpaceDay,
    ZeroDay,
    SpaceYearDay,
    ZeroYearDay,
    Hour,
    Hour12,
    ZeroHour12,
    Minute,
    ZeroMinute,
    Second,
    ZeroSecond,
    LongYear,
    Year,
    UpperPm,
    LowerPm,
    Zone,
    /// What UTC's offset looks like.
    Offset(&'static str),
}

/// Signs by their example; of two that fit, the first here counts.
const SIGNS: [(&str, Sign); 33] = [
    ("January", Sign::LongMonth),
    ("Jan", Sign::Month),
    ("Monday", Sign::LongWeekday),
    ("Mon", Sign::Weekday),
    ("MST", Sign::Zone),
    ("002", Sign::ZeroYearDay),
    ("01", Sign::ZeroMonth),
    ("02", Sign::ZeroDay),
    ("03", Sign::ZeroHour12),
    ("04", Sign::ZeroMinute),
    ("05", Sign::ZeroSecond),
    ("06", Sign::Year),
    ("15", Sign::Hour),
    ("1", Sign::NumberMonth),
    ("2006", Sign::LongYear),
    ("2", Sign::Day),
    ("__2", Sign::SpaceYearDay),
    ("_2", Sign::SpaceDay),
    ("3", Sign::Hour12),
    ("4", Sign::Minute),
    ("5", Sign::Second),
    ("PM", Sign::UpperPm),
    ("pm", Sign::LowerPm),
    ("-07:00:00", Sign::Offset("+00:00:00")),
    ("-070000", Sign::Offset("+000000")),
    ("-07:00", Sign::Offset("+00:00")),
    ("-0700", Sign::Offset("+0000")),
    ("-07", Sign::Offset("+00")),
    ("Z07:00:00", Sign::Offset("Z")),
    ("Z070000", Sign::Offset("Z")),
    ("Z07:00", Sign::Offset("Z")),
    ("Z0700", Sign::Offset("Z")),
    ("Z07", Sign::Offset("Z")),
];

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const WEEKDAYS: [&str; 7] =
    ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

impl GoLayout {
    /// Reads a layout; what is no sign stands for itself.
    pub(super) fn parse(layout: &str) -> Self {
        let (mut parts, mut literal, mut rest) = (Vec::new(), String::new(), layout);
        while let Some(first) = rest.chars().next() {
            let (part, len) = match part_at(rest) {
                Some(found) => found,
                None => {
                    literal.push(first);
                    rest = &rest[first.len_utf8()..];
                    continue;
                }
            };
            if !literal.is_empty() {
                parts.push(Part::Literal(std::mem::take(&mut literal)));
            }
            parts.push(part);
            rest = &rest[len..];
        }
        if !literal.is_empty() {
            parts.push(Part::Literal(literal));
        }
        Self(parts)
    }

    pub(super) fn format(&self, time: DateTime) -> String {
        let mut out = String::new();
        for part in &self.0 {
            match part {
                Part::Literal(text) => out.push_str(text),
                Part::Sign(sign) => sign.write(&mut out, time),
                Part::Fraction(separator, digits, trimmed) => {
                    let all = format!("{:09}", time.subsec_nanosecond());
                    let shown = all.get(..*digits).unwrap_or(&all);
                    let shown = if *trimmed { shown.trim_end_matches('0') } else { shown };
                    if !shown.is_empty() {
                        out.push(*separator);
                        out.push_str(shown);
                    }
                }
            }
        }
        out
    }
}

/// The sign that `rest` begins with, and its length.
fn part_at(rest: &str) -> Option<(Part, usize)> {
    if let Some(fraction) = fraction_at(rest) {
        return Some(fraction);
    }
    // An underscore and a year.
    if rest.starts_with("_2006") {
        return None;
    }
    let (example, sign) = SIGNS.into_iter().find(|(example, _)| rest.starts_with(example))?;
    let short = matches!(sign, Sign::Month | Sign::Weekday);
    // The beginning of another word.
    let goes_on = rest[example.len()..].starts_with(|c: char| c.is_ascii_lowercase());
    (!(short && goes_on)).then_some((Part::Sign(sign), example.len()))
}

/// `.000` or `,999`, if no other digit follows.
fn fraction_at(rest: &str) -> Option<(Part, usize)> {
    let separator = rest.chars().next().filter(|c| matches!(c, '.' | ','))?;
    let digit = rest[1..].chars().next().filter(|c| matches!(c, '0' | '9'))?;
    let after = rest[1..].trim_start_matches(digit);
    let digits = rest.len() - 1 - after.len();
    if after.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    Some((Part::Fraction(separator, digits.min(9), digit == '9'), 1 + digits))
}

impl Sign {
    fn write(self, out: &mut String, time: DateTime) {
        let month = MONTHS[usize::from(time.month().unsigned_abs() - 1) % 12];
        let days = time.weekday().to_monday_zero_offset().unsigned_abs();
        let weekday = WEEKDAYS[usize::from(days) % 7];
        let hour12 = (time.hour() + 11) % 12 + 1;
        let (day, year_day) = (time.day(), time.day_of_year());
        let pm = time.hour() >= 12;
        // Writing to a string cannot fail.
        let _ = match self {
            Sign::LongMonth => out.write_str(month),
            Sign::Month => out.write_str(&month[..3]),
            Sign::NumberMonth => write!(out, "{}", time.month()),
            Sign::ZeroMonth => write!(out, "{:02}", time.month()),
            Sign::LongWeekday => out.write_str(weekday),
            Sign::Weekday => out.write_str(&weekday[..3]),
            Sign::Day => write!(out, "{day}"),
            Sign::SpaceDay => write!(out, "{day:2}"),
            Sign::ZeroDay => write!(out, "{day:02}"),
            Sign::SpaceYearDay => write!(out, "{year_day:3}"),
            Sign::ZeroYearDay => write!(out, "{year_day:03}"),
            Sign::Hour => write!(out, "{:02}", time.hour()),
            Sign::Hour12 => write!(out, "{hour12}"),
            Sign::ZeroHour12 => write!(out, "{hour12:02}"),
            Sign::Minute => write!(out, "{}", time.minute()),
            Sign::ZeroMinute => write!(out, "{:02}", time.minute()),
            Sign::Second => write!(out, "{}", time.second()),
            Sign::ZeroSecond => write!(out, "{:02}", time.second()),
            Sign::LongYear if time.year() < 0 => write!(out, "{:05}", time.year()),
            Sign::LongYear => write!(out, "{:04}", time.year()),
            Sign::Year => write!(out, "{:02}", time.year().rem_euclid(100)),
            Sign::UpperPm => out.write_str(if pm { "PM" } else { "AM" }),
            Sign::LowerPm => out.write_str(if pm { "pm" } else { "am" }),
            Sign::Zone => out.write_str("UTC"),
            Sign::Offset(text) => out.write_str(text),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::GoLayout;
    use jiff::civil::date;

    #[test]
    fn layouts_as_go_has_them() {
        let time = date(2022, 3, 5).at(19, 4, 9, 749_000_000);
        let table = [
            ("2006-01-02T15:04:05Z07:00", "2022-03-05T19:04:09Z"),
            ("2006-01-02T15:04:05.999999999Z07:00", "2022-03-05T19:04:09.749Z"),
            ("Mon Jan _2 15:04:05 2006", "Sat Mar  5 19:04:09 2022"),
            ("Monday, 02-Jan-06 15:04:05 MST", "Saturday, 05-Mar-22 19:04:09 UTC"),
            ("Mon, 02 Jan 2006 15:04:05 -0700", "Sat, 05 Mar 2022 19:04:09 +0000"),
            ("3:04PM", "7:04PM"),
            ("03:4:5pm", "07:4:9pm"),
            ("January 2, 1/2", "March 5, 3/5"),
            ("002 __2", "064  64"),
            ("15:04:05.000000", "19:04:09.749000"),
            ("15:04:05,00", "19:04:09,74"),
            ("_2006", "_2022"),
            ("Janet Money -07 -07:00:00 Z0700", "Janet Money +00 +00:00:00 Z"),
            (".0x .01 naïve", ".7x .03 naïve"),
        ];
        for (layout, expected) in table {
            assert_eq!(GoLayout::parse(layout).format(time), expected, "{layout}");
        }
        let whole = date(2022, 3, 5).at(0, 0, 0, 0);
        assert_eq!(GoLayout::parse("3 05.999").format(whole), "12 00");
    }
}
