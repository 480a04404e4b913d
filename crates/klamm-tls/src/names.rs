//! Pure: the names in a certificate that TLS has verified. What cannot be read has no name.

use super::der::Der;
use std::fmt::Write as _;

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OID: u8 = 0x06;
const OCTETS: u8 = 0x04;
const VERSION: u8 = 0xa0;
const EXTENSIONS: u8 = 0xa3;
const COMMON_NAME: &[u8] = &[0x55, 4, 3];
const SUBJECT_ALTERNATIVE_NAME: &[u8] = &[0x55, 0x1d, 0x11];

/// Parts of a subject, extensions and alternative names are not more.
const PARTS_MAX: usize = 256;
/// No principal has a longer name.
const NAME_MAX: usize = 1_024;

/// Types that RFC 4514 and RFC 2253 have a word for, by the bytes of their OID.
const WORDS: [(&[u8], &str); 9] = [
    (COMMON_NAME, "CN"),
    (&[0x55, 4, 6], "C"),
    (&[0x55, 4, 7], "L"),
    (&[0x55, 4, 8], "ST"),
    (&[0x55, 4, 9], "STREET"),
    (&[0x55, 4, 10], "O"),
    (&[0x55, 4, 11], "OU"),
    (&[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 25], "DC"),
    (&[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 1], "UID"),
];

/// Which name in a client's certificate says who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CertificateName {
    /// The whole subject, the last part first: `CN=app,O=Acme`, as Kafka has it.
    #[default]
    Subject,
    /// The common name in the subject.
    CommonName,
    /// The first DNS name among the alternative names.
    Dns,
    /// The first URI among the alternative names; SPIFFE's for example.
    Uri,
    /// The first e-mail address among the alternative names.
    Email,
}

impl CertificateName {
    /// The name in a certificate; none if it has no such name, or one that is no name for anybody: empty, longer than 1 KiB,
    /// or with control characters.
    pub fn of(self, certificate: &[u8]) -> Option<String> {
        let names = Names::of(certificate)?;
        let name = match self {
            Self::Subject => written(names.subject)?,
            Self::CommonName => common_name(names.subject)?,
            Self::Email => names.alternative(0x81)?,
            Self::Dns => names.alternative(0x82)?,
            Self::Uri => names.alternative(0x86)?,
        };
        let usable = (1..=NAME_MAX).contains(&name.len()) && !name.chars().any(char::is_control);
        usable.then_some(name)
    }
}

/// Where the names are.
struct Names<'a> {
    subject: Der<'a>,
    /// The extensions, if there are any.
    extensions: Der<'a>,
}

impl<'a> Names<'a> {
    fn of(certificate: &'a [u8]) -> Option<Self> {
        let mut signed = Der(Der(Der(certificate).of(SEQUENCE)?).of(SEQUENCE)?);
        if signed.0.first() == Some(&VERSION) {
            signed.next()?;
        }
        // Serial number, algorithm, issuer, validity.
        for _ in 0..4 {
            signed.next()?;
        }
        let subject = Der(signed.of(SEQUENCE)?);
        // The public key and, long out of use, two unique numbers come before the extensions.
        let mut extensions = Der(&[]);
        while let Some((tag, content)) = signed.next() {
            if tag == EXTENSIONS {
                extensions = Der(Der(content).of(SEQUENCE)?);
            }
        }
        Some(Self { subject, extensions })
    }

    /// The first alternative name of this kind.
    fn alternative(&self, kind: u8) -> Option<String> {
        let mut extensions = self.extensions;
        for _ in 0..PARTS_MAX {
            let mut extension = Der(extensions.of(SEQUENCE)?);
            if extension.of(OID)? != SUBJECT_ALTERNATIVE_NAME {
                continue;
            }
            let mut found = extension.next()?;
            // Whether it is critical may stand in between.
            if found.0 != OCTETS {
                found = extension.next()?;
            }
            let mut names = Der(Der(found.1).of(SEQUENCE)?);
            let all = std::iter::from_fn(|| names.next()).take(PARTS_MAX);
            let (_, name) = all.into_iter().find(|(tag, _)| *tag == kind)?;
            return name.is_ascii().then(|| String::from_utf8(name.to_vec()).ok())?;
        }
        None
    }
}

/// The subject, the last part first: `CN=writer,OU=Unknown,O=Acme` (RFC 2253), as Kafka names who has it; none if it
/// cannot be read.
pub fn subject(certificate: &[u8]) -> Option<String> {
    written(Names::of(certificate)?.subject)
}

fn written(mut names: Der<'_>) -> Option<String> {
    let mut parts = Vec::new();
    while !names.is_empty() {
        if parts.len() == PARTS_MAX {
            return None;
        }
        let mut text = String::new();
        let mut set = Der(names.of(SET)?);
        while !set.is_empty() {
            if !text.is_empty() {
                text.push('+');
            }
            attribute(&mut text, Der(set.of(SEQUENCE)?))?;
        }
        parts.push(text);
    }
    parts.reverse();
    Some(parts.join(","))
}

/// One type and its value.
fn attribute(text: &mut String, mut pair: Der<'_>) -> Option<()> {
    let oid = pair.of(OID)?;
    let whole = pair.0;
    let (tag, value) = pair.next()?;
    let word = WORDS.iter().find(|(bytes, _)| *bytes == oid).map(|(_, word)| *word);
    if let (Some(word), Some(value)) = (word, string(tag, value)) {
        text.push_str(word);
        text.push('=');
        escape(text, &value);
        return Some(());
    }
    dotted(text, oid)?;
    text.push_str("=#");
    whole.iter().for_each(|byte| _ = write!(text, "{byte:02x}"));
    Some(())
}

fn common_name(mut names: Der<'_>) -> Option<String> {
    let mut found = None;
    for _ in 0..PARTS_MAX {
        if names.is_empty() {
            return found;
        }
        let mut pair = Der(Der(names.of(SET)?).of(SEQUENCE)?);
        if pair.of(OID)? == COMMON_NAME {
            let (tag, value) = pair.next()?;
            found = Some(string(tag, value)?);
        }
    }
    None
}

/// The value of a string type; none for types that are no strings.
fn string(tag: u8, value: &[u8]) -> Option<String> {
    match tag {
        // UTF8String, NumericString, PrintableString, IA5String.
        0x0c | 0x12 | 0x13 | 0x16 => String::from_utf8(value.to_vec()).ok(),
        // TeletexString, read as Latin-1.
        0x14 => Some(value.iter().map(|&byte| char::from(byte)).collect()),
        // BMPString.
        0x1e => {
            let (units, rest) = value.as_chunks::<2>();
            let units = units.iter().map(|unit| u16::from_be_bytes(*unit));
            rest.is_empty().then(|| char::decode_utf16(units).collect::<Result<_, _>>().ok())?
        }
        _ => None,
    }
}

/// With a backslash before everything that has a meaning in a subject.
fn escape(text: &mut String, value: &str) {
    let end = value.len().saturating_sub(1);
    for (at, c) in value.char_indices() {
        let edge = c == ' ' && (at == 0 || at == end) || c == '#' && at == 0;
        if edge || ",+\"\\<>;".contains(c) {
            text.push('\\');
        }
        text.push(c);
    }
}

/// The numbers of an OID. A number of more than 63 bits makes it no OID.
fn dotted(text: &mut String, oid: &[u8]) -> Option<()> {
    let (mut number, mut complete, mut first) = (0_u64, false, true);
    for byte in oid {
        number = number.checked_mul(128)? | u64::from(byte & 0x7f);
        complete = byte & 0x80 == 0;
        if !complete {
            continue;
        }
        if first {
            let root = (number / 40).min(2);
            let _ = write!(text, "{root}.{}", number - root * 40);
        } else {
            let _ = write!(text, ".{number}");
        }
        (number, first) = (0, false);
    }
    complete.then_some(())
}

#[cfg(test)]
mod tests {
    use super::CertificateName::{self, CommonName, Dns, Email, Subject, Uri};
    use super::subject;
    use proptest::prelude::*;
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;

    const CLIENT: &[u8] = include_bytes!("../../klamm-gateway/testdata/tls/client.pem");
    const UNNAMED: &[u8] = include_bytes!("../../klamm-gateway/testdata/tls/client-unnamed.pem");
    const ALL: [CertificateName; 5] = [Subject, CommonName, Dns, Uri, Email];

    /// Type, tag and value of attributes that stand together.
    type Part<'a> = &'a [(&'a [u8], u8, &'a [u8])];

    fn der(pem: &[u8]) -> Vec<u8> {
        CertificateDer::from_pem_slice(pem).unwrap().to_vec()
    }

    fn element(tag: u8, content: &[u8]) -> Vec<u8> {
        [&[tag, u8::try_from(content.len()).unwrap()], content].concat()
    }

    /// A certificate with this subject and nothing else that counts.
    fn with_subject(parts: &[Part<'_>]) -> Vec<u8> {
        let attribute = |(oid, tag, value): &(&[u8], u8, &[u8])| {
            element(0x30, &[element(6, oid), element(*tag, value)].concat())
        };
        let set =
            |pairs: &&[_]| element(0x31, &pairs.iter().map(attribute).collect::<Vec<_>>().concat());
        let subject = element(0x30, &parts.iter().map(set).collect::<Vec<_>>().concat());
        let before = element(0x30, &[]).repeat(4);
        element(0x30, &element(0x30, &[before, subject].concat()))
    }

    #[test]
    fn names_are_those_that_openssl_shows() {
        let client = der(CLIENT);
        for (name, expected) in [
            (Subject, "CN=app\\, the first,O=klamm"),
            (CommonName, "app, the first"),
            (Dns, "app.klamm.example"),
            (Uri, "spiffe://klamm.example/app"),
            (Email, "app@klamm.example"),
        ] {
            assert_eq!(name.of(&client).as_deref(), Some(expected));
        }
        let unnamed = der(UNNAMED);
        let names = ALL.map(|name| name.of(&unnamed));
        assert_eq!(names, [Some("O=klamm".to_owned()), None, None, None, None]);
    }

    #[test]
    fn odd_subjects_are_written_as_kafka_writes_them() {
        const CN: &[u8] = &[0x55, 4, 3];
        const O: &[u8] = &[0x55, 4, 10];
        const EMAIL: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 1];
        let table: [(&[Part<'_>], &str); 9] = [
            (&[&[(O, 12, b"Acme")], &[(CN, 12, b"writer")]], "CN=writer,O=Acme"),
            (&[&[(CN, 19, b"a,b+c")]], "CN=a\\,b\\+c"),
            (&[&[(CN, 0x14, b"caf\xe9")]], "CN=caf\u{e9}"),
            (&[&[(CN, 12, b" #x ")]], "CN=\\ #x\\ "),
            (&[&[(CN, 12, b"#x=y")]], "CN=\\#x=y"),
            (&[&[(CN, 12, b"a"), (O, 12, b"b")]], "CN=a+O=b"),
            (&[&[(CN, 0x1e, &[0, b'a', 0x20, 0xac])]], "CN=a\u{20ac}"),
            (&[&[(EMAIL, 22, b"a@b")], &[(CN, 12, b"x")]], "CN=x,1.2.840.113549.1.9.1=#1603614062"),
            (&[&[(CN, 0x1e, &[0xd8, 0])]], "2.5.4.3=#1e02d800"),
        ];
        for (parts, expected) in table {
            let certificate = with_subject(parts);
            assert_eq!(subject(&certificate).as_deref(), Some(expected));
            assert_eq!(Subject.of(&certificate).as_deref(), Some(expected));
        }
        // Nobody's name, and yet a subject.
        assert_eq!(subject(&with_subject(&[])).as_deref(), Some(""));
        assert_eq!(Subject.of(&with_subject(&[])), None);
        let none = [with_subject(&[]), with_subject(&[&[(CN, 12, b"a\nb")]])];
        assert_eq!(none.map(|certificate| CommonName.of(&certificate)), [None, None]);
        let two: &[Part<'_>] = &[&[(CN, 12, b"outer")], &[(CN, 12, b"inner")]];
        assert_eq!(CommonName.of(&with_subject(two)).as_deref(), Some("inner"));
    }

    #[test]
    fn a_cut_certificate_has_no_name() {
        let whole = der(CLIENT);
        for length in 0..whole.len() {
            assert!(ALL.iter().all(|name| name.of(&whole[..length]).is_none()), "{length}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_odd(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = subject(&bytes);
        }

        #[test]
        fn no_changed_byte_panics(at in 0_usize..600, byte: u8) {
            let mut bytes = der(CLIENT);
            let at = at % bytes.len();
            bytes[at] = byte;
            for name in ALL {
                let _ = name.of(&bytes);
            }
        }
    }
}
