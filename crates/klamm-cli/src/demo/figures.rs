//! Pure: numbers as people read them.

use std::ops::RangeInclusive;
use std::time::Duration;

/// `1234567` as `1,234,567`.
pub(super) fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A rate: whole above 100, with one digit behind the point below.
pub(super) fn rate(per_second: f64) -> String {
    if per_second >= 100.0 { count(per_second.round() as u64) } else { format!("{per_second:.1}") }
}

/// Milliseconds with about three digits; from ten seconds on, seconds.
pub(super) fn ms(ms: f64) -> String {
    match ms {
        ms if ms >= 10_000.0 => format!("{:.1} s", ms / 1e3),
        ms if ms >= 100.0 => format!("{} ms", count(ms.round() as u64)),
        ms if ms >= 10.0 => format!("{ms:.1} ms"),
        ms => format!("{ms:.2} ms"),
    }
}

/// Bytes in units of a thousand.
pub(super) fn bytes(n: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "KB")];
    let unit = UNITS.iter().find(|(unit, _)| n >= *unit);
    unit.map_or_else(
        || format!("{n} B"),
        |(unit, name)| {
            let n = n as f64 / *unit as f64;
            if n < 10.0 && n.fract() > 0.05 {
                format!("{n:.1} {name}")
            } else {
                format!("{n:.0} {name}")
            }
        },
    )
}

/// `100-500 KB`.
pub(super) fn bytes_range(sizes: &RangeInclusive<usize>) -> String {
    let (from, to) = (bytes(*sizes.start() as u64), bytes(*sizes.end() as u64));
    match (from.split_once(' '), to.split_once(' ')) {
        _ if from == to => to,
        (Some((number, unit)), Some((_, same))) if unit == same => format!("{number}-{to}"),
        _ => format!("{from} to {to}"),
    }
}

/// `10 s`, `1.5 s`, `2 min`.
pub(super) fn duration(time: Duration) -> String {
    let secs = time.as_secs_f64();
    if secs >= 60.0 && (secs % 60.0) == 0.0 {
        format!("{:.0} min", secs / 60.0)
    } else if secs.fract() < 0.05 {
        format!("{secs:.0} s")
    } else {
        format!("{secs:.1} s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_as_people_read_them() {
        let counts = [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")];
        for (n, text) in counts {
            assert_eq!(count(n), text);
        }
        assert_eq!((rate(29.98), rate(99_999.6)), ("30.0".to_owned(), "100,000".to_owned()));
        let times =
            [(0.784, "0.78 ms"), (12.34, "12.3 ms"), (6_123.4, "6,123 ms"), (12e3, "12.0 s")];
        for (n, text) in times {
            assert_eq!(ms(n), text);
        }
        let sizes = [(12, "12 B"), (100_000, "100 KB"), (1_500_000, "1.5 MB"), (90 << 20, "94 MB")];
        for (n, text) in sizes {
            assert_eq!(bytes(n), text);
        }
        assert_eq!(bytes_range(&(100_000..=500_000)), "100-500 KB");
        assert_eq!(bytes_range(&(100..=500_000)), "100 B to 500 KB");
        assert_eq!(bytes_range(&(100..=100)), "100 B");
        assert_eq!(duration(Duration::from_secs(120)), "2 min");
        assert_eq!(duration(Duration::from_millis(1_500)), "1.5 s");
    }
}
