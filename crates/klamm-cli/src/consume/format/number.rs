//! Pure: the forms a number can be written in.

/// How a number is written; what does not fit is cut off at the top.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NumberForm {
    Ascii,
    /// As many digits as it takes.
    Hex,
    /// So many digits.
    HexDigits(u8),
    /// So many bytes.
    Big(u8),
    Little(u8),
    Bool,
}

/// The names there are, for messages.
pub(super) const NAMES: &str =
    "ascii, number, hex, hex64 to hex4, big64 to big8, little64 to little8, byte, bool";

impl NumberForm {
    pub(super) fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "ascii" | "number" => Self::Ascii,
            "hex" => Self::Hex,
            "hex64" => Self::HexDigits(16),
            "hex32" => Self::HexDigits(8),
            "hex16" => Self::HexDigits(4),
            "hex8" => Self::HexDigits(2),
            "hex4" => Self::HexDigits(1),
            "big64" => Self::Big(8),
            "big32" => Self::Big(4),
            "big16" => Self::Big(2),
            "little64" => Self::Little(8),
            "little32" => Self::Little(4),
            "little16" => Self::Little(2),
            "byte" | "big8" | "little8" => Self::Big(1),
            "bool" => Self::Bool,
            _ => return None,
        })
    }

    pub(super) fn write(self, out: &mut Vec<u8>, number: i64) {
        match self {
            Self::Ascii => out.extend_from_slice(number.to_string().as_bytes()),
            Self::Hex => out.extend_from_slice(format!("{number:x}").as_bytes()),
            Self::HexDigits(digits) => {
                let all = format!("{number:016x}");
                out.extend_from_slice(&all.as_bytes()[16 - usize::from(digits)..]);
            }
            Self::Big(bytes) => {
                out.extend_from_slice(&number.to_be_bytes()[8 - usize::from(bytes)..]);
            }
            Self::Little(bytes) => {
                out.extend_from_slice(&number.to_le_bytes()[..usize::from(bytes)]);
            }
            Self::Bool => out.extend_from_slice(if number == 0 { b"false" } else { b"true" }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::NumberForm;

    fn written(name: &str, number: i64) -> Vec<u8> {
        let mut out = Vec::new();
        NumberForm::parse(name).unwrap().write(&mut out, number);
        out
    }

    #[test]
    fn numbers_in_every_form() {
        let table: [(&str, i64, &[u8]); 24] = [
            ("ascii", -7, b"-7"),
            ("number", 7, b"7"),
            ("hex", 255, b"ff"),
            ("hex", -1, b"ffffffffffffffff"),
            ("hex64", 255, b"00000000000000ff"),
            ("hex32", 0x1_2345_6789, b"23456789"),
            ("hex16", 0x1_2345, b"2345"),
            ("hex8", 256, b"00"),
            ("hex4", 0x1f, b"f"),
            ("big64", 258, b"\0\0\0\0\0\0\x01\x02"),
            ("big32", 258, b"\0\0\x01\x02"),
            ("big16", 258, b"\x01\x02"),
            ("big8", 258, b"\x02"),
            ("little64", 258, b"\x02\x01\0\0\0\0\0\0"),
            ("little32", 258, b"\x02\x01\0\0"),
            ("little16", 258, b"\x02\x01"),
            ("little8", 258, b"\x02"),
            ("byte", 256, b"\0"),
            ("byte", -1, b"\xff"),
            ("bool", 0, b"false"),
            ("bool", -1, b"true"),
            ("big32", -1, b"\xff\xff\xff\xff"),
            ("ascii", i64::MIN, b"-9223372036854775808"),
            ("hex", 0, b"0"),
        ];
        for (name, number, expected) in table {
            assert_eq!(written(name, number), expected, "{name} of {number}");
        }
        assert_eq!(NumberForm::parse("big24"), None);
        assert_eq!(NumberForm::parse(""), None);
    }
}
