//! Pure: durations as ISO 8601 and Java's `Duration` write them, `P1DT2H3M4.5S`.

use std::time::Duration;

/// Nanoseconds in a second.
const NANOS: u128 = 1_000_000_000;

/// Reads a duration of days, hours, minutes and seconds, of which seconds may have a fraction.
///
/// `None` for anything else: years, months and weeks, which Java does not take either, negative ones,
/// and what does not fit.
pub(super) fn parse(text: &str) -> Option<Duration> {
    let rest = text.trim().strip_prefix(['P', 'p'])?;
    let (days, time) = match rest.split_once(['T', 't']) {
        Some((_, "")) => return None,
        Some((days, time)) => (days, time),
        None => (rest, ""),
    };
    let (mut nanos, mut parts) = (0, 0);
    for (text, units) in [(days, &[('D', 86_400)][..]), (time, &[('H', 3600), ('M', 60), ('S', 1)])]
    {
        let mut text = text;
        for (unit, seconds) in units {
            let at = text.find([*unit, unit.to_ascii_lowercase()]);
            let Some((number, rest)) = at.and_then(|at| Some((&text[..at], text.get(at + 1..)?)))
            else {
                continue;
            };
            nanos += number_of_nanos(number, *unit == 'S')?.checked_mul(*seconds)?;
            (text, parts) = (rest, parts + 1);
        }
        if !text.is_empty() {
            return None;
        }
    }
    let seconds = u64::try_from(nanos / NANOS).ok()?;
    (parts > 0).then(|| Duration::new(seconds, (nanos % NANOS) as u32))
}

/// A number of seconds in nanoseconds.
fn number_of_nanos(text: &str, may_have_fraction: bool) -> Option<u128> {
    let (whole, fraction) = match text.split_once(['.', ',']) {
        Some((whole, fraction)) if may_have_fraction && fraction.len() <= 9 => (whole, fraction),
        Some(_) => return None,
        None => (text, ""),
    };
    let all_digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !all_digits(whole) || !all_digits(fraction) {
        return None;
    }
    let whole = u128::from(whole.parse::<u64>().ok()?);
    let fraction: u128 = format!("{fraction:0<9}").parse().ok()?;
    Some(whole * NANOS + fraction)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_java_reads_them() {
        let cases = [
            ("PT1H", 3_600_000),
            ("P7D", 604_800_000),
            ("P1DT2H3M4.5S", 93_784_500),
            ("PT0.000S", 0),
            ("pt15m", 900_000),
            ("PT100M", 6_000_000),
            (" PT1S ", 1_000),
        ];
        for (text, ms) in cases {
            assert_eq!(parse(text), Some(Duration::from_millis(ms)), "{text}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for text in [
            "",
            "P",
            "PT",
            "1h",
            "P1W",
            "P1M",
            "P1Y",
            "PT-1S",
            "-PT1S",
            "PT1M1H",
            "P1DT",
            "PT1.5H",
            "PT.5S",
            "PT1S1S",
            "PT1",
            "P1H",
            "PT1.0000000001S",
            "PT99999999999999999999S",
            "PT18446744073709551615H",
            "PTéS",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
