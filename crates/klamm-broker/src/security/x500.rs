//! Pure: the subject of a certificate as Kafka writes it: `CN=writer,OU=Unknown,O=Acme` (RFC 2253).
//!
//! Reads as much DER as it takes to find the subject in a certificate that TLS has already verified; whatever does not
//! fit is an error.

use std::fmt::Write as _;

/// A certificate whose subject cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the certificate's subject cannot be read")]
pub(crate) struct Unreadable;

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OID: u8 = 0x06;
const VERSION: u8 = 0xa0;

/// Relative names in a subject are not more.
const MAX_PARTS: usize = 64;

/// Types that RFC 2253 gives a keyword, by the bytes of their OID.
const KEYWORDS: [(&[u8], &str); 9] = [
    (&[0x55, 4, 3], "CN"),
    (&[0x55, 4, 6], "C"),
    (&[0x55, 4, 7], "L"),
    (&[0x55, 4, 8], "ST"),
    (&[0x55, 4, 9], "STREET"),
    (&[0x55, 4, 10], "O"),
    (&[0x55, 4, 11], "OU"),
    (&[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 25], "DC"),
    (&[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 1], "UID"),
];

/// The subject of the certificate, the last part first.
///
/// # Errors
/// [`Unreadable`]
pub(crate) fn subject(certificate: &[u8]) -> Result<String, Unreadable> {
    let mut certificate = Der(certificate);
    let mut signed = Der(Der(certificate.expect(SEQUENCE)?).expect(SEQUENCE)?);
    if signed.0.first() == Some(&VERSION) {
        signed.next()?;
    }
    // Serial number, algorithm, issuer, validity.
    for _ in 0..4 {
        signed.next()?;
    }
    let mut names = Der(signed.expect(SEQUENCE)?);
    let mut parts = Vec::new();
    while !names.0.is_empty() {
        if parts.len() == MAX_PARTS {
            return Err(Unreadable);
        }
        parts.push(relative(names.expect(SET)?)?);
    }
    parts.reverse();
    Ok(parts.join(","))
}

/// One relative name: a type and a value, or several.
fn relative(bytes: &[u8]) -> Result<String, Unreadable> {
    let mut set = Der(bytes);
    let mut out = String::new();
    while !set.0.is_empty() {
        let mut pair = Der(set.expect(SEQUENCE)?);
        let oid = pair.expect(OID)?;
        let whole = pair.0;
        let (tag, value) = pair.next()?;
        if !out.is_empty() {
            out.push('+');
        }
        let keyword = KEYWORDS.iter().find(|(bytes, _)| *bytes == oid).map(|(_, word)| *word);
        match (keyword, text(tag, value)) {
            (Some(keyword), Some(text)) => {
                out.push_str(keyword);
                out.push('=');
                escape(&mut out, &text);
            }
            _ => {
                dotted(&mut out, oid)?;
                out.push_str("=#");
                for byte in whole {
                    let _ = write!(out, "{byte:02x}");
                }
            }
        }
    }
    Ok(out)
}

/// The value of a string type; none for types that are no strings.
fn text(tag: u8, value: &[u8]) -> Option<String> {
    match tag {
        // UTF8String, NumericString, PrintableString, IA5String.
        0x0c | 0x12 | 0x13 | 0x16 => std::str::from_utf8(value).ok().map(str::to_owned),
        // TeletexString, read as Latin-1.
        0x14 => Some(value.iter().map(|&b| char::from(b)).collect()),
        // BMPString.
        0x1e => {
            let (units, rest) = value.as_chunks::<2>();
            let units = units.iter().map(|&unit| u16::from_be_bytes(unit));
            rest.is_empty().then(|| char::decode_utf16(units).collect::<Result<_, _>>().ok())?
        }
        _ => None,
    }
}

fn escape(out: &mut String, text: &str) {
    let last = text.chars().count().saturating_sub(1);
    for (i, c) in text.chars().enumerate() {
        let special = matches!(c, ',' | '+' | '"' | '\\' | '<' | '>' | ';')
            || c == '#' && i == 0
            || c == ' ' && (i == 0 || i == last);
        if special {
            out.push('\\');
        }
        out.push(c);
    }
}

fn dotted(out: &mut String, oid: &[u8]) -> Result<(), Unreadable> {
    let mut value: u64 = 0;
    let mut first = true;
    for byte in oid {
        value = value.checked_mul(128).ok_or(Unreadable)? | u64::from(byte & 0x7f);
        if byte & 0x80 != 0 {
            continue;
        }
        if first {
            let root = (value / 40).min(2);
            let _ = write!(out, "{root}.{}", value - root * 40);
        } else {
            let _ = write!(out, ".{value}");
        }
        (first, value) = (false, 0);
    }
    if first { Err(Unreadable) } else { Ok(()) }
}

/// Bytes that are still to be read.
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    /// Tag and content of the next element.
    fn next(&mut self) -> Result<(u8, &'a [u8]), Unreadable> {
        let (&[tag, short], mut rest) = self.0.split_first_chunk::<2>().ok_or(Unreadable)?;
        let mut len = usize::from(short);
        if short & 0x80 != 0 {
            let count = usize::from(short & 0x7f);
            // No certificate has 16 MiB; no length here is indefinite.
            if !(1..=3).contains(&count) || rest.len() < count {
                return Err(Unreadable);
            }
            len = rest[..count].iter().fold(0, |len, &byte| len << 8 | usize::from(byte));
            rest = &rest[count..];
        }
        let content = rest.get(..len).ok_or(Unreadable)?;
        self.0 = &rest[len..];
        Ok((tag, content))
    }

    fn expect(&mut self, tag: u8) -> Result<&'a [u8], Unreadable> {
        match self.next()? {
            (found, content) if found == tag => Ok(content),
            _ => Err(Unreadable),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Unreadable, subject};
    use proptest::prelude::*;

    fn element(tag: u8, content: &[u8]) -> Vec<u8> {
        let len = content.len();
        let mut out = match u8::try_from(len) {
            Ok(short) if short < 0x80 => vec![tag, short],
            _ => vec![tag, 0x82, (len >> 8) as u8, len as u8],
        };
        out.extend(content);
        out
    }

    fn part(pairs: &[(&[u8], u8, &[u8])]) -> Vec<u8> {
        let pairs = pairs.iter().map(|(oid, tag, value)| {
            element(0x30, &[element(6, oid), element(*tag, value)].concat())
        });
        element(0x31, &pairs.collect::<Vec<_>>().concat())
    }

    fn certificate(parts: &[Vec<u8>]) -> Vec<u8> {
        let before = [element(0xa0, &[2, 1, 2]), element(2, &[1])].concat();
        let empty = element(0x30, &[]);
        let name = element(0x30, &parts.concat());
        let signed = [before, empty.clone(), empty.clone(), empty, name].concat();
        element(0x30, &element(0x30, &signed))
    }

    const CN: &[u8] = &[0x55, 4, 3];
    const O: &[u8] = &[0x55, 4, 10];
    const EMAIL: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 1];

    #[test]
    fn subjects_as_java_writes_them() {
        let cases: [(Vec<Vec<u8>>, &str); 7] = [
            (vec![part(&[(O, 12, b"Acme")]), part(&[(CN, 12, b"writer")])], "CN=writer,O=Acme"),
            (vec![part(&[(CN, 19, b"a,b+c")])], "CN=a\\,b\\+c"),
            (vec![part(&[(CN, 12, b" #x ")])], "CN=\\ #x\\ "),
            (vec![part(&[(CN, 12, b"#x")])], "CN=\\#x"),
            (vec![part(&[(CN, 12, b"a"), (O, 12, b"b")])], "CN=a+O=b"),
            (vec![part(&[(CN, 0x1e, &[0, b'a', 0x20, 0xac])])], "CN=a\u{20ac}"),
            (
                vec![part(&[(EMAIL, 22, b"a@b")]), part(&[(CN, 12, b"x")])],
                "CN=x,1.2.840.113549.1.9.1=#1603614062",
            ),
        ];
        for (parts, expected) in cases {
            assert_eq!(subject(&certificate(&parts)).as_deref(), Ok(expected));
        }
        assert_eq!(subject(&certificate(&[])).as_deref(), Ok(""));
    }

    #[test]
    fn a_cut_certificate_is_unreadable() {
        let whole = certificate(&[part(&[(CN, 12, b"writer")])]);
        for len in 0..whole.len() {
            assert_eq!(subject(&whole[..len]), Err(Unreadable), "{len}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_odd(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = subject(&bytes);
        }

        #[test]
        fn no_flipped_byte_is_too_odd(at in 0_usize..40, byte: u8) {
            let mut bytes = certificate(&[part(&[(EMAIL, 22, b"a@b"), (CN, 12, b"x")])]);
            let at = at % bytes.len();
            bytes[at] = byte;
            let _ = subject(&bytes);
        }
    }
}
