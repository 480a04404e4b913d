//! Pure: values of one type out of JSON, and where they are not of that type.

use super::json::{JsonError, Scanner, Wrong};
use super::{Position, Rejected};
use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use std::borrow::Cow;
use std::str::FromStr;

/// Base64 of the usual alphabet, whether or not it is filled up.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What is wrong at an offset; it becomes a [`Rejected`] where the text is at hand.
#[derive(Debug)]
pub(super) enum Fault {
    /// Not JSON.
    Json(JsonError),
    /// Not what belongs there.
    Value { expected: &'static str, at: usize },
    /// A field that nobody knows, before this.
    Field { known: &'static str, at: usize },
    /// Wrong as a whole.
    Whole(Rejected),
}

impl From<JsonError> for Fault {
    fn from(error: JsonError) -> Self {
        Fault::Json(error)
    }
}

impl From<Rejected> for Fault {
    fn from(rejected: Rejected) -> Self {
        Fault::Whole(rejected)
    }
}

impl Fault {
    fn in_text(self, text: &[u8]) -> Rejected {
        match self {
            Fault::Json(error) => Rejected::json(error, text),
            Fault::Value { expected, at } => {
                Rejected::Value { expected, position: Position::of(text, at) }
            }
            Fault::Field { known, at } => {
                Rejected::Field { known, position: Position::of(text, at) }
            }
            Fault::Whole(rejected) => rejected,
        }
    }
}

/// Reads all of `text` by `read`.
pub(super) fn whole<T>(
    text: &[u8],
    read: impl FnOnce(&mut Scanner<'_>) -> Result<T, Fault>,
) -> Result<T, Rejected> {
    let read_all = || {
        let mut scanner = Scanner::new(text)?;
        let value = read(&mut scanner)?;
        scanner.end()?;
        Ok(value)
    };
    read_all().map_err(|fault: Fault| fault.in_text(text))
}

/// That `first` begins the next value, or else what was expected.
pub(super) fn begins(
    scanner: &mut Scanner<'_>,
    first: u8,
    expected: &'static str,
) -> Result<(), Fault> {
    let at = scanner.position();
    match scanner.peek() {
        Some(byte) if byte == first => Ok(()),
        Some(_) => Err(Fault::Value { expected, at }),
        None => Err(JsonError { wrong: Wrong::Truncated, at }.into()),
    }
}

/// `None` for null, else what `read` reads.
pub(super) fn optional<'a, T>(
    scanner: &mut Scanner<'a>,
    read: impl FnOnce(&mut Scanner<'a>) -> Result<T, Fault>,
) -> Result<Option<T>, Fault> {
    if scanner.peek() == Some(b'n') {
        scanner.value()?;
        return Ok(None);
    }
    read(scanner).map(Some)
}

/// An integer that its type and `allowed` allow.
pub(super) fn integer<T: FromStr>(
    scanner: &mut Scanner<'_>,
    expected: &'static str,
    allowed: impl FnOnce(&T) -> bool,
) -> Result<T, Fault> {
    let at = scanner.position();
    let value = scanner.value()?;
    let digits = std::str::from_utf8(scanner.slice(value)).ok();
    let number = digits.and_then(|digits| digits.parse().ok()).filter(allowed);
    number.ok_or(Fault::Value { expected, at })
}

/// A partition's number.
pub(super) fn partition(scanner: &mut Scanner<'_>) -> Result<i32, Fault> {
    integer(scanner, "a partition's number", |partition| *partition >= 0)
}

/// A string.
pub(super) fn text<'a>(
    scanner: &mut Scanner<'a>,
    expected: &'static str,
) -> Result<Cow<'a, str>, Fault> {
    begins(scanner, b'"', expected)?;
    Ok(scanner.text()?)
}

/// What a string in base64 stands for.
pub(super) fn base64(scanner: &mut Scanner<'_>) -> Result<Bytes, Fault> {
    let expected = "a string in base64";
    let at = scanner.position();
    let encoded = text(scanner, expected)?;
    let decoded = BASE64.decode(encoded.as_bytes());
    decoded.map(Bytes::from).or(Err(Fault::Value { expected, at }))
}
