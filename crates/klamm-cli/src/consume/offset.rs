//! Pure: where reading begins and ends: the grammar of `-o`, which is rpk's and a little more.

use super::moment::{self, Moment};

/// Where a partition is read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum From {
    /// So many offsets after the first.
    Start(i64),
    /// So many offsets before the end.
    End(i64),
    At(i64),
    /// The first record that is not before this, in milliseconds since 1970.
    Time(i64),
}

/// Where reading a partition ends; the offset itself is not read any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Until {
    /// So many offsets before the end that there is when reading begins.
    End(i64),
    At(i64),
    Time(i64),
}

/// Where reading begins, and where it ends if that is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) from: From,
    pub(super) until: Option<Until>,
}

impl Range {
    /// Reads the grammar; ages count from `now_ms`.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub(super) fn parse(text: &str, now_ms: i64) -> Result<Self, String> {
        let range = match text.strip_prefix('@') {
            Some(times) => parse_times(times, now_ms),
            None => parse_offsets(text),
        }?;
        let empty = match (range.from, range.until) {
            (From::At(from), Some(Until::At(until))) => until <= from,
            (From::Time(from), Some(Until::Time(until))) => until <= from,
            (From::End(from), Some(Until::End(until))) => until >= from,
            _ => false,
        };
        if empty { Err("it ends where it begins, or before".to_owned()) } else { Ok(range) }
    }
}

fn parse_offsets(text: &str) -> Result<Range, String> {
    if text.is_empty() {
        return Err("nothing is given".to_owned());
    }
    if let Some(from) = parse_from(text) {
        return Ok(Range { from, until: None });
    }
    // Only offsets can be joined by a minus sign: elsewhere it is part of one.
    let joined = || text.split_once('-').filter(|(from, until)| joins(from, until));
    let halves = text.split_once(':').filter(|_| text != ":").or_else(joined);
    let wrong = || {
        "there are start, end, +N, -N, N, FROM:UNTIL, :end, and @TIME, @TIME:TIME for times"
            .to_owned()
    };
    let (from, until) = halves.ok_or_else(wrong)?;
    let from = if from.is_empty() { From::Start(0) } else { parse_from(from).ok_or_else(wrong)? };
    let until = match until {
        "" => None,
        "end" | "newest" => Some(Until::End(0)),
        until => match (until.strip_prefix('-'), number(until)) {
            (Some(before), _) => Some(Until::End(number(before).ok_or_else(wrong)?)),
            (None, offset) => Some(Until::At(offset.ok_or_else(wrong)?)),
        },
    };
    Ok(Range { from, until })
}

fn joins(from: &str, until: &str) -> bool {
    number(from).is_some() && (until == "end" || number(until).is_some())
}

fn parse_from(text: &str) -> Option<From> {
    match text {
        "start" | "oldest" | "beginning" | "earliest" => Some(From::Start(0)),
        "end" | "newest" | "latest" => Some(From::End(0)),
        _ => match (text.strip_prefix('+'), text.strip_prefix('-')) {
            (Some(after), _) => number(after).map(From::Start),
            (_, Some(before)) => number(before).map(From::End),
            _ => number(text).map(From::At),
        },
    }
}

/// Digits and nothing else.
fn number(text: &str) -> Option<i64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

/// Times may have colons of their own, so every colon is tried as the one between two.
fn parse_times(text: &str, now_ms: i64) -> Result<Range, String> {
    let whole = || pair(text, "", now_ms);
    let splits = text.match_indices(':').rev();
    let split = || splits.map(|(at, _)| pair(&text[..at], &text[at + 1..], now_ms));
    let first = whole();
    std::iter::once(first.clone()).chain(split()).find(Result::is_ok).unwrap_or(first)
}

fn pair(from: &str, until: &str, now_ms: i64) -> Result<Range, String> {
    let began = match from {
        "" if until.is_empty() => return Err("no time follows @".to_owned()),
        "" => None,
        from => Some(Moment::parse(from).ok_or_else(|| moment::explain(from))?),
    };
    let at = began.map(|began| began.at(now_ms));
    let from = at.map_or(From::Start(0), From::Time);
    let until = match until {
        "" => None,
        "end" => Some(Until::End(0)),
        until => {
            let ended = Moment::parse(until).ok_or_else(|| moment::explain(until))?;
            // A length counts from a date, an age from now.
            let base = at.filter(|_| matches!(began, Some(Moment::At(_)))).unwrap_or(now_ms);
            Some(Until::Time(ended.at(base)))
        }
    };
    Ok(Range { from, until })
}

#[cfg(test)]
mod tests {
    use super::{From, Range, Until};

    /// 2022-03-23T07:51:41.749Z
    const NOW: i64 = 1_648_021_901_749;
    const HOUR: i64 = 3_600_000;
    const DAY: i64 = 24 * HOUR;
    /// 2022-02-14T00:00:00Z
    const VALENTINE: i64 = 1_644_796_800_000;

    #[test]
    fn offsets() {
        use From::{At, End, Start};
        let table = [
            ("start", Start(0), None),
            ("oldest", Start(0), None),
            ("end", End(0), None),
            ("newest", End(0), None),
            (":end", Start(0), Some(Until::End(0))),
            ("start:end", Start(0), Some(Until::End(0))),
            ("+3", Start(3), None),
            ("-3", End(3), None),
            ("35", At(35), None),
            ("35:", At(35), None),
            (":23", Start(0), Some(Until::At(23))),
            ("90:91", At(90), Some(Until::At(91))),
            ("90-91", At(90), Some(Until::At(91))),
            ("90:end", At(90), Some(Until::End(0))),
            ("90-end", At(90), Some(Until::End(0))),
            ("-10:end", End(10), Some(Until::End(0))),
            ("-10:-5", End(10), Some(Until::End(5))),
            ("+2:7", Start(2), Some(Until::At(7))),
            ("start:-1", Start(0), Some(Until::End(1))),
            ("9223372036854775807", At(i64::MAX), None),
        ];
        for (text, from, until) in table {
            assert_eq!(Range::parse(text, NOW), Ok(Range { from, until }), "{text}");
        }
        for text in [
            "",
            "+a",
            "-a",
            "+",
            "-",
            "a",
            "90:39",
            "90:90",
            "90:a",
            "a:90",
            "1:2:3",
            "+-1",
            "--1",
            "9223372036854775808",
            "-5:-10",
            "end:end",
            "1.5",
            "0x10",
            "end:+1",
            "@",
        ] {
            assert!(Range::parse(text, NOW).is_err(), "{text}");
        }
    }

    #[test]
    fn times() {
        use From::{Start, Time};
        let until = |ms| Some(Until::Time(ms));
        let table = [
            ("@1648021901749", Time(NOW), None),
            ("@1648021901749:", Time(NOW), None),
            ("@1648021901", Time(NOW - 749), None),
            ("@2022-02-14", Time(VALENTINE), None),
            ("@2022-02-14:1h", Time(VALENTINE), until(VALENTINE + HOUR)),
            ("@2022-02-14:2022-02-15", Time(VALENTINE), until(VALENTINE + DAY)),
            ("@2022-02-14T00:00:00Z", Time(VALENTINE), None),
            ("@2022-02-14T00:00:00.250Z:end", Time(VALENTINE + 250), Some(Until::End(0))),
            ("@2022-02-14T01:00:00+01:00", Time(VALENTINE), None),
            ("@2022-02-14T01:00:00+01:00:90m", Time(VALENTINE), until(VALENTINE + HOUR * 3 / 2)),
            ("@2022-02-14T00:00:00", Time(VALENTINE), None),
            (
                "@2022-02-14T00:00:00Z:2022-02-14T01:00:00Z",
                Time(VALENTINE),
                until(VALENTINE + HOUR),
            ),
            ("@-48h:-24h", Time(NOW - 2 * DAY), until(NOW - DAY)),
            ("@-1m:end", Time(NOW - 60_000), Some(Until::End(0))),
            ("@:-1h", Start(0), until(NOW - HOUR)),
            ("@:1648021901749", Start(0), until(NOW)),
            ("@:end", Start(0), Some(Until::End(0))),
            ("@-1h", Time(NOW - HOUR), None),
            ("@1h", Time(NOW + HOUR), None),
            ("@-1d:-30m", Time(NOW - DAY), until(NOW - HOUR / 2)),
        ];
        for (text, from, until) in table {
            assert_eq!(Range::parse(text, NOW), Ok(Range { from, until }), "{text}");
        }
        for text in [
            "@",
            "@:",
            "@end",
            "@yesterday",
            "@2022-02-30",
            "@2022-02-14:-1h",
            "@-1h:-2h",
            "@1:2",
            "@-1h:end:",
            "@123456789012",
            "@2022-02-14:1x",
        ] {
            assert!(Range::parse(text, NOW).is_err(), "{text}");
        }
    }
}
