//! Pure: the forms that topics, keys and values can be written in.

use super::unpack::Unpack;
use crate::consume::jsonl::write_bytes;
use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD};

/// How bytes are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TextForm {
    Plain,
    Base64,
    /// Without padding.
    Base64Raw,
    Hex,
    /// As the JSON envelope has them: a string, null, or an object with Base64.
    Json,
    Unpack(Unpack),
}

/// The names there are, for messages.
pub(super) const NAMES: &str = "base64, base64raw, hex, json, unpack[…]";

impl TextForm {
    /// The forms that are a name and nothing more.
    pub(super) fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "" => Self::Plain,
            "base64" => Self::Base64,
            "base64raw" => Self::Base64Raw,
            "hex" => Self::Hex,
            "json" => Self::Json,
            _ => return None,
        })
    }

    /// Writes the bytes; null is nothing, but in JSON.
    pub(super) fn write(&self, out: &mut Vec<u8>, text: Option<&[u8]>) {
        let bytes = text.unwrap_or_default();
        match self {
            Self::Plain => out.extend_from_slice(bytes),
            Self::Base64 => out.extend_from_slice(BASE64_STANDARD.encode(bytes).as_bytes()),
            Self::Base64Raw => {
                out.extend_from_slice(BASE64_STANDARD_NO_PAD.encode(bytes).as_bytes());
            }
            Self::Hex => {
                const DIGITS: &[u8; 16] = b"0123456789abcdef";
                let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
                out.extend(digits.map(|digit| DIGITS[usize::from(digit)]));
            }
            Self::Json => write_bytes(out, text),
            Self::Unpack(unpack) => unpack.write(out, bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::TextForm;

    #[test]
    fn bytes_in_every_form() {
        let table: [(&str, Option<&[u8]>, &str); 10] = [
            ("", Some(b"foo"), "foo"),
            ("", None, ""),
            ("hex", Some(b"foo\xff"), "666f6fff"),
            ("base64", Some(b"fo"), "Zm8="),
            ("base64raw", Some(b"fo"), "Zm8"),
            ("base64", None, ""),
            ("json", Some(b"a\"\n"), r#""a\"\n""#),
            ("json", Some(b""), r#""""#),
            ("json", None, "null"),
            ("json", Some(b"\xff"), r#"{"base64":"/w=="}"#),
        ];
        for (name, bytes, expected) in table {
            let mut out = Vec::new();
            TextForm::parse(name).unwrap().write(&mut out, bytes);
            assert_eq!(String::from_utf8(out).unwrap(), expected, "{name} of {bytes:?}");
        }
    }
}
