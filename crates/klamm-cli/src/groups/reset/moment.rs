//! Pure: moments and durations as people and Kafka's tools write them.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Span, SpanRelativeTo, Timestamp};
use std::time::Duration;

/// Reads a moment as ms since 1970: Kafka's `2026-11-21T18:00:00.000`, in UTC unless it ends with an offset or
/// `Z`; a date alone, which is its first moment; or ms since 1970.
pub(in crate::groups) fn parse_moment(text: &str) -> Result<i64, String> {
    let wrong = || {
        format!("{text:?} is no moment such as 2026-11-21T18:00:00.000, with Z or +01:00 or in UTC")
    };
    if let Ok(ms) = text.parse::<i64>() {
        return if ms >= 0 { Ok(ms) } else { Err(wrong()) };
    }
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at.as_millisecond());
    }
    let civil: DateTime = text.parse().map_err(|_| wrong())?;
    let at = civil.to_zoned(TimeZone::UTC).map_err(|_| wrong())?;
    Ok(at.timestamp().as_millisecond())
}

/// Reads a duration: Kafka's `PnDTnHnMnS`, or `7d`, `1h 30m`, `45s`. A day is 24 hours.
pub(in crate::groups) fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is no duration such as PT1H30M, P7D, 90m or 45s");
    let span: Span = text.parse().map_err(|_| wrong())?;
    let duration = span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(|_| wrong())?;
    Duration::try_from(duration).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_utc_unless_they_say_otherwise() {
        let table = [
            ("1970-01-01T00:00:01.500", 1_500),
            ("1970-01-02", 86_400_000),
            ("1970-01-01T01:00:00Z", 3_600_000),
            ("1970-01-01T01:00:00.000+01:00", 0),
            ("1970-01-01 00:01", 60_000),
            ("1700000000000", 1_700_000_000_000),
        ];
        for (text, expected) in table {
            assert_eq!(parse_moment(text), Ok(expected), "{text}");
        }
        for wrong in ["", "yesterday", "-5", "2026-13-01", "2026-02-30T00:00:00"] {
            assert!(parse_moment(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn durations_are_iso_or_plain() {
        let table = [
            ("PT1H30M", 5_400_000),
            ("P7D", 604_800_000),
            ("P1DT1S", 86_401_000),
            ("90m", 5_400_000),
            ("1h 30m", 5_400_000),
            ("1.5s", 1_500),
            ("2w", 1_209_600_000),
        ];
        for (text, expected) in table {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(expected)), "{text}");
        }
        // Months and years have no fixed length.
        for wrong in ["", "soon", "P1M", "P1Y", "-5s", "5"] {
            assert!(parse_duration(wrong).is_err(), "{wrong}");
        }
    }
}
