//! Pure: what a query says about the records of its request, and percent-encoding.

use super::Rejected;
use super::plain::Split;
use bytes::Bytes;

/// What the query of a request to a topic says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query {
    /// `key=`: the key of every record.
    pub key: Option<Bytes>,
    /// `partition=`: where they go.
    pub partition: Option<i32>,
    /// `timestamp=`: milliseconds since 1970.
    pub timestamp: Option<i64>,
    /// `split=array` or `split=lines`: what a record is.
    pub split: Option<Split>,
    /// `partial=true`: lines that are wrong keep no others from being taken.
    pub partial: bool,
}

impl Query {
    /// Reads `text`, what stands behind the question mark.
    ///
    /// # Errors
    /// [`Rejected::Query`] for a parameter that nobody knows, so that a slip of the pen is not a record without its key,
    /// or for a value that cannot be.
    pub fn parse(text: &str) -> Result<Self, Rejected> {
        let mut query = Self::default();
        for part in text.split('&').filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            query.set(name, value)?;
        }
        Ok(query)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), Rejected> {
        let wrong = |expected| Rejected::Query { name: name.to_owned(), expected };
        match name {
            "key" => {
                let decoded = decode_percent(value.as_bytes(), true);
                self.key = Some(decoded.ok_or_else(|| wrong("percent-encoding"))?.into());
            }
            "partition" => {
                let number = value.parse().ok().filter(|partition| *partition >= 0);
                self.partition = Some(number.ok_or_else(|| wrong("a partition's number"))?);
            }
            "timestamp" => {
                let time = value.parse().ok().filter(|time| *time >= 0);
                self.timestamp = Some(time.ok_or_else(|| wrong("milliseconds since 1970"))?);
            }
            "split" => match value {
                "array" => self.split = Some(Split::Array),
                "lines" => self.split = Some(Split::Lines),
                _ => return Err(wrong("array or lines")),
            },
            "partial" => match value {
                "" | "true" => self.partial = true,
                "false" => self.partial = false,
                _ => return Err(wrong("true or false")),
            },
            _ => return Err(wrong("key, partition, timestamp, split or partial")),
        }
        Ok(())
    }
}

/// What percent-encoded bytes stand for, a plus sign for a space where forms are; `None` if a sign is not followed by two
/// digits.
pub fn decode_percent(encoded: &[u8], plus_is_space: bool) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(encoded.len());
    let mut rest = encoded.iter();
    while let Some(byte) = rest.next() {
        decoded.push(match byte {
            b'%' => {
                let mut digit = || char::from(*rest.next()?).to_digit(16);
                let (high, low) = (digit()?, digit()?);
                u8::try_from(high * 16 + low).ok()?
            }
            b'+' if plus_is_space => b' ',
            byte => *byte,
        });
    }
    Some(decoded)
}

#[cfg(test)]
mod tests {
    use super::{Query, decode_percent};
    use crate::format::plain::Split;
    use bytes::Bytes;
    use proptest::prelude::*;

    #[test]
    fn what_is_said_is_understood() {
        let query =
            Query::parse("key=a+b%2Fc&partition=3&timestamp=12&split=array&&partial").unwrap();
        assert_eq!(query.key, Some(Bytes::from_static(b"a b/c")));
        assert_eq!((query.partition, query.timestamp), (Some(3), Some(12)));
        assert_eq!((query.split, query.partial), (Some(Split::Array), true));
        assert_eq!(Query::parse(""), Ok(Query::default()));
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for text in [
            "key=%4",
            "key=%zz",
            "partition=-1",
            "partition=2147483648",
            "partition",
            "timestamp=now",
            "split=xml",
            "partial=maybe",
            "partiton=1",
        ] {
            assert_eq!(Query::parse(text).unwrap_err().status(), 400, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let encoded: String = bytes.iter().map(|byte| format!("%{byte:02X}")).collect();
            prop_assert_eq!(decode_percent(encoded.as_bytes(), false), Some(bytes));
        }

        #[test]
        fn nothing_panics(text in ".{0,60}") {
            let _ = Query::parse(&text);
            let _ = decode_percent(text.as_bytes(), true);
        }
    }
}
