//! Pure: the forms a timestamp can be written in, always in UTC.

use super::go_layout::GoLayout;
use super::number::NumberForm;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::fmt::strtime::{BrokenDownTime, Config, PosixCustom};
use jiff::tz::TimeZone;

/// How a point in time is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TimeForm {
    /// Milliseconds since 1970.
    Number(NumberForm),
    Strftime(String),
    Go(GoLayout),
}

impl TimeForm {
    /// A format of strftime that is known to work.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn strftime(format: &str) -> Result<Self, String> {
        let epoch = strftime(format, Timestamp::UNIX_EPOCH).map_err(|e| e.to_string())?;
        drop(epoch);
        Ok(Self::Strftime(format.to_owned()))
    }

    /// Writes the time; as a number where it has no date that can be written.
    pub(super) fn write(&self, out: &mut Vec<u8>, timestamp_ms: i64) {
        let written = match self {
            Self::Number(form) => {
                form.write(out, timestamp_ms);
                return;
            }
            Self::Strftime(format) => Timestamp::from_millisecond(timestamp_ms)
                .and_then(|time| strftime(format, time))
                .ok(),
            Self::Go(layout) => civil(timestamp_ms).map(|time| layout.format(time)),
        };
        match written {
            Some(text) => out.extend_from_slice(text.as_bytes()),
            None => NumberForm::Ascii.write(out, timestamp_ms),
        }
    }
}

fn strftime(format: &str, time: Timestamp) -> Result<String, jiff::Error> {
    let time = BrokenDownTime::from(&time.to_zoned(TimeZone::UTC));
    let config = Config::new().custom(PosixCustom::new());
    let mut text = String::new();
    time.format_with_config(&config, format, &mut text)?;
    Ok(text)
}

/// Date and time of day in UTC; `None` beyond the years that have one.
pub(in crate::consume) fn civil(timestamp_ms: i64) -> Option<DateTime> {
    let time = Timestamp::from_millisecond(timestamp_ms).ok()?;
    Some(TimeZone::UTC.to_datetime(time))
}

#[cfg(test)]
mod tests {
    use super::TimeForm;

    fn written(form: &TimeForm, ms: i64) -> String {
        let mut out = Vec::new();
        form.write(&mut out, ms);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn strftime_in_utc() {
        let ms = 1_648_021_901_749;
        let table = [
            ("%F", "2022-03-23"),
            ("%FT%T.%3fZ", "2022-03-23T07:51:41.749Z"),
            (" [%Y] ", " [2022] "),
            ("%s", "1648021901"),
            ("%a %b %e %I %p %j %Z", "Wed Mar 23 07 AM 082 UTC"),
            ("%c", "Wed Mar 23 07:51:41 2022"),
            ("%%", "%"),
        ];
        for (format, expected) in table {
            let form = TimeForm::strftime(format).unwrap();
            assert_eq!(written(&form, ms), expected, "{format}");
        }
        assert!(TimeForm::strftime("%J").is_err());
        assert!(TimeForm::strftime("%").is_err());
    }

    #[test]
    fn times_beyond_all_dates_are_numbers() {
        let form = TimeForm::strftime("%F").unwrap();
        assert_eq!(written(&form, i64::MAX), i64::MAX.to_string());
        assert_eq!(written(&form, -1), "1969-12-31");
    }
}
