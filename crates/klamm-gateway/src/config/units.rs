//! Pure: sizes and times as people write them.

use std::time::Duration;
use thiserror::Error;

/// Units of sizes; the larger ones that go into a number come first when one is written.
const BYTES: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("KB", 1_000),
    ("B", 1),
];
/// Units of times, in milliseconds. Those that end as others do come before them.
const TIMES: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("ms", 1), ("m", 60_000), ("s", 1000)];

/// A text that is no size or time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a whole number with a unit is expected")]
pub struct WrongUnit;

/// Reads `200MB`, `2 GiB` or a number of bytes.
///
/// # Errors
/// [`WrongUnit`], also for more than can be.
pub fn read_bytes(text: &str) -> Result<u64, WrongUnit> {
    read(text, &BYTES, true)
}

/// Reads `500ms`, `10 s`, `5m`, `1h` or `7d`.
///
/// # Errors
/// [`WrongUnit`], also for more than can be.
pub fn read_time(text: &str) -> Result<Duration, WrongUnit> {
    read(text, &TIMES, false).map(Duration::from_millis)
}

fn read(text: &str, units: &[(&str, u64)], bare: bool) -> Result<u64, WrongUnit> {
    let unit = units.iter().find_map(|(unit, size)| Some((text.strip_suffix(unit)?, *size)));
    let (number, unit) = unit.or(bare.then_some((text, 1))).ok_or(WrongUnit)?;
    let digits = number.trim_end();
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(WrongUnit);
    }
    let number: u64 = digits.parse().map_err(|_| WrongUnit)?;
    number.checked_mul(unit).ok_or(WrongUnit)
}

/// A size in the largest unit of which it is a multiple.
pub(super) fn write_bytes(bytes: u64) -> String {
    let unit = BYTES.iter().find(|(_, size)| bytes >= *size && bytes.is_multiple_of(*size));
    unit.map_or("0 B".to_owned(), |(unit, size)| format!("{} {unit}", bytes / size))
}

/// A time in the largest unit of which it is a multiple.
pub(super) fn write_time(time: Duration) -> String {
    let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let fits = |(_, size): &&(&str, u64)| millis >= *size && millis.is_multiple_of(*size);
    let mut largest = TIMES;
    largest.sort_by_key(|(_, size)| std::cmp::Reverse(*size));
    let unit = largest.iter().find(fits);
    unit.map_or("0 s".to_owned(), |(unit, size)| format!("{} {unit}", millis / size))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sizes_and_times_have_units() {
        assert_eq!(read_bytes("200MB"), Ok(200_000_000));
        assert_eq!(read_bytes("2 GiB"), Ok(2 << 30));
        assert_eq!([read_bytes("4096"), read_bytes("7B")], [Ok(4096), Ok(7)]);
        let table = [("500ms", 500), ("10 s", 10_000), ("5m", 300_000), ("1h", 3_600_000)];
        for (text, millis) in table {
            assert_eq!(read_time(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "B", "-1", "1.5GB", "99999999TiB", "1XB", "+1", "GiB 1"] {
            assert_eq!(read_bytes(text), Err(WrongUnit), "{text}");
        }
        for text in ["", "10", "s", "1y", "-1s", "1 s s", "99999999999999999d"] {
            assert_eq!(read_time(text), Err(WrongUnit), "{text}");
        }
        assert_eq!(
            [write_bytes(0), write_bytes(1 << 20), write_bytes(1000)],
            ["0 B", "1 MiB", "1 KB"]
        );
        let times =
            [0, 500, 60_000, 86_400_000].map(|millis| write_time(Duration::from_millis(millis)));
        assert_eq!(times, ["0 s", "500 ms", "1 m", "1 d"]);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(number in any::<u32>()) {
            let number = u64::from(number);
            prop_assert_eq!(read_bytes(&write_bytes(number)), Ok(number));
            let time = Duration::from_millis(number);
            prop_assert_eq!(read_time(&write_time(time)), Ok(time));
        }
    }
}
