//! Pure: the file that says how far Kafka has everything.

use std::fmt::Write as _;

/// First line of the file.
const HEAD: &str = "klamm write-ahead log, version 1";
/// The longest id of a log, in bytes.
const MAX_INSTANCE: usize = 64;

/// How far everything is in Kafka, and which log says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cursor {
    /// The stable id of the log's directory.
    pub(super) instance: String,
    /// Everything below this sequence is in Kafka.
    pub(super) released: u64,
}

impl Cursor {
    /// The content of the file, with a checksum in its last line.
    pub(super) fn to_text(&self) -> String {
        let mut text = format!("{HEAD}\ninstance {}\nreleased {}\n", self.instance, self.released);
        let sum = checksum(&text);
        // Writing to a string does not fail.
        let _ = writeln!(text, "crc32c {sum:08x}");
        text
    }

    /// Reads the file; none when a single bit of it is not as it was.
    pub(super) fn from_text(text: &str) -> Option<Self> {
        let body = text.len().checked_sub("crc32c 00000000\n".len())?;
        let (body, sum) = text.split_at_checked(body)?;
        if sum != format!("crc32c {:08x}\n", checksum(body)) {
            return None;
        }
        let mut lines = body.strip_prefix(HEAD)?.strip_prefix('\n')?.lines();
        let instance = lines.next()?.strip_prefix("instance ")?.to_owned();
        let released = lines.next()?.strip_prefix("released ")?.parse().ok()?;
        let sound = instance.len() <= MAX_INSTANCE && lines.next().is_none();
        sound.then_some(Self { instance, released })
    }
}

fn checksum(text: &str) -> u32 {
    crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, text.as_bytes()) as u32
}

#[cfg(test)]
mod tests {
    use super::Cursor;

    #[test]
    fn a_cursor_is_read_as_it_was_written_or_not_at_all() {
        let cursor = Cursor { instance: "5f0a".to_owned(), released: u64::MAX };
        let text = cursor.to_text();
        assert_eq!(Cursor::from_text(&text), Some(cursor));
        for len in 0..text.len() {
            assert_eq!(Cursor::from_text(&text[..len]), None, "cut at {len}");
        }
        for (at, bit) in (0..text.len()).flat_map(|at| (0..7).map(move |bit| (at, bit))) {
            let mut changed = text.clone().into_bytes();
            changed[at] ^= 1 << bit;
            let changed = String::from_utf8(changed).unwrap();
            assert_eq!(Cursor::from_text(&changed), None, "bit {bit} of byte {at}");
        }
        assert_eq!(Cursor::from_text(&(text + "\n")), None);
    }
}
