//! Pure: points in time as people type them: dates, numbers, ages.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

const NANOS_PER_MS: i128 = 1_000_000;

/// A point in time, or how far it is from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    /// Milliseconds since 1970.
    At(i64),
    /// Milliseconds after, or before, what it counts from.
    After(i64),
}

impl Moment {
    /// Thirteen digits are milliseconds, ten are seconds; a day, or day and time, in UTC unless it says
    /// otherwise; a length such as `90s`, `-1h30m`, `2d`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        match text.len() {
            13 if digits => return text.parse().ok().map(Moment::At),
            10 if digits => return Some(Moment::At(text.parse::<i64>().ok()? * 1_000)),
            _ => {}
        }
        let at = date(text).map(|time| Moment::At(time.as_millisecond()));
        at.or_else(|| length_ms(text).map(Moment::After))
    }

    /// The point in time, counted from `base_ms` if it is a length.
    pub(super) fn at(self, base_ms: i64) -> i64 {
        match self {
            Moment::At(ms) => ms,
            Moment::After(ms) => base_ms.saturating_add(ms),
        }
    }
}

/// Why `text` is no moment.
pub(super) fn explain(text: &str) -> String {
    format!(
        "{text:?} is no time: there are 2022-02-14, 2022-02-14T10:00:00Z, seconds (10 digits) or milliseconds \
         (13 digits) since 1970, and ages such as -90s, -1h30m, -2d"
    )
}

fn date(text: &str) -> Option<Timestamp> {
    if text.len() == 10 {
        let midnight = text.parse::<Date>().ok()?.at(0, 0, 0, 0);
        return TimeZone::UTC.to_timestamp(midnight).ok();
    }
    // A zone in brackets would make the date depend on this machine's tables.
    if !text.contains('T') || text.contains('[') {
        return None;
    }
    let zoned = text.parse::<Timestamp>().ok();
    zoned.or_else(|| TimeZone::UTC.to_timestamp(text.parse::<DateTime>().ok()?).ok())
}

/// Numbers with units, one after the other.
fn length_ms(text: &str) -> Option<i64> {
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest.is_empty() {
        return None;
    }
    let mut nanos = 0i128;
    while !rest.is_empty() {
        let unit_at = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(unit_at);
        let unit_end = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_end);
        nanos = nanos.checked_add(times(number, unit_nanos(unit)?)?)?;
        rest = tail;
    }
    let ms = i64::try_from(nanos / NANOS_PER_MS).ok()?;
    Some(if negative { -ms } else { ms })
}

/// A decimal number of units.
fn times(number: &str, unit: i128) -> Option<i128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    // Digits behind the ninth come to less than a nanosecond of the smaller units, and do not matter.
    let fraction = fraction.get(..9).unwrap_or(fraction);
    let digits = format!("{whole}{fraction}");
    // One parse refuses a second dot as well.
    let number: i128 = digits.parse::<u64>().ok()?.into();
    let scale = 10i128.pow(u32::try_from(fraction.len()).ok()?);
    number.checked_mul(unit).map(|nanos| nanos / scale)
}

fn unit_nanos(unit: &str) -> Option<i128> {
    Some(match unit {
        "ns" => 1,
        "us" | "µs" => 1_000,
        "ms" => NANOS_PER_MS,
        "s" => 1_000 * NANOS_PER_MS,
        "m" => 60_000 * NANOS_PER_MS,
        "h" | "hr" => 3_600_000 * NANOS_PER_MS,
        "d" => 86_400_000 * NANOS_PER_MS,
        "w" => 7 * 86_400_000 * NANOS_PER_MS,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::{Moment, length_ms};

    #[test]
    fn lengths() {
        let table = [
            ("3ms", 3),
            ("10s", 10_000),
            ("9m", 540_000),
            ("1h", 3_600_000),
            ("1hr", 3_600_000),
            ("1m3ms", 60_003),
            ("-1h30m", -5_400_000),
            ("+1.5h", 5_400_000),
            ("0.25s", 250),
            (".5s", 500),
            ("2d", 172_800_000),
            ("1w", 604_800_000),
            ("1500us", 1),
            ("999ns", 0),
        ];
        for (text, ms) in table {
            assert_eq!(length_ms(text), Some(ms), "{text}");
        }
        for text in [
            "",
            "-",
            "1",
            "h",
            "1h2",
            "1.2.3s",
            "1x",
            "- 1h",
            "--1h",
            "1e3s",
            ".s",
            "99999999999999999999s",
        ] {
            assert_eq!(length_ms(text), None, "{text}");
        }
        // Fits nanoseconds, but not milliseconds of an i64.
        assert_eq!(length_ms("18446744073709551615w"), None);
    }

    #[test]
    fn dates_are_in_utc_unless_they_say_otherwise() {
        let table = [
            ("1970-01-02", 86_400_000),
            ("1970-01-01T00:00:01Z", 1_000),
            ("1970-01-01T01:00:00+01:00", 0),
            ("1970-01-01T00:00:00.123456Z", 123),
            ("1970-01-01T00:01", 60_000),
            ("0000000001", 1_000),
            ("0000000000001", 1),
        ];
        for (text, ms) in table {
            assert_eq!(Moment::parse(text), Some(Moment::At(ms)), "{text}");
        }
        for text in
            ["1970-13-01", "1970-01-01 00:00", "1970-01-01T25:00:00Z", "12345", "1970-01-0é"]
        {
            assert_eq!(Moment::parse(text), None, "{text}");
        }
    }
}
