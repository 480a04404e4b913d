//! Pure: a record for people to read, on a terminal.

use super::format::{Fields, civil};
use std::io::Write;

const DIM: &str = "\x1b[2m";
const PLAIN: &str = "\x1b[0m";

/// Appends a line: place, time and headers dimmed, then key and value.
///
/// Signs that would steer the terminal are written as escapes, so that no record can.
pub(super) fn write_record(out: &mut Vec<u8>, fields: &Fields<'_>, colour: bool) {
    let (dim, plain) = if colour { (DIM, PLAIN) } else { ("", "") };
    let Fields { partition, offset, timestamp, .. } = *fields;
    let time = civil(timestamp).filter(|_| timestamp != -1);
    let time = time.map_or(String::new(), |time| format!(" {time:.3}Z"));
    // Writing to a vector cannot fail, here and below.
    let _ = write!(out, "{dim}{}-{partition}@{offset}{time}", fields.topic);
    for (name, value) in fields.headers {
        out.push(b' ');
        write_visible(out, Some(name.as_bytes()), false);
        out.push(b'=');
        write_visible(out, *value, false);
    }
    let _ = write!(out, "{plain} ");
    if fields.key.is_some() {
        write_visible(out, fields.key, false);
        out.push(b' ');
    }
    match fields.value {
        Some(_) => write_visible(out, fields.value, true),
        None => {
            let _ = write!(out, "{dim}null{plain}");
        }
    }
    out.push(b'\n');
}

/// Text as it is, line feeds if they may be, everything else as an escape.
fn write_visible(out: &mut Vec<u8>, bytes: Option<&[u8]>, lines: bool) {
    let Some(bytes) = bytes else {
        out.extend_from_slice(b"null");
        return;
    };
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            if c.is_control() && !(lines && matches!(c, '\n' | '\t')) {
                let _ = write!(out, "{}", c.escape_default());
            } else {
                out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::write_record;
    use crate::consume::format::{Fields, Header};
    use crate::consume::sample::FIELDS;

    fn line(fields: &Fields<'_>, colour: bool) -> String {
        let mut out = Vec::new();
        write_record(&mut out, fields, colour);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn records_for_people() {
        assert_eq!(
            line(&FIELDS, true),
            "\x1b[2morders-3@42 2022-03-23T07:51:41.749Z one=1 two=null one=\\xff\x1b[0m key value\n"
        );
        let null = Fields { key: None, value: None, headers: &[], timestamp: -1, ..FIELDS };
        assert_eq!(line(&null, false), "orders-3@42 null\n");
        assert_eq!(line(&null, true), "\x1b[2morders-3@42\x1b[0m \x1b[2mnull\x1b[0m\n");
    }

    #[test]
    fn no_record_steers_the_terminal() {
        let headers: [Header<'_>; 1] = [("h\n", Some(b"\x1b[2J"))];
        let key = Some(&b"a\nb"[..]);
        let value = Some(&b"\x1b]0;t\x07 two\nlines \xc2\x9b \xff"[..]);
        let fields = Fields { key, value, headers: &headers, ..FIELDS };
        let line = line(&fields, false);
        let says = r"h\n=\u{1b}[2J a\nb \u{1b}]0;t\u{7} two";
        assert!(line.contains(says), "{line}");
        assert!(line.ends_with("two\nlines \\u{9b} \\xff\n"), "{line}");
        assert!(!line.contains('\x1b'));
    }
}
