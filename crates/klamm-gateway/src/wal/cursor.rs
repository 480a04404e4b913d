//! Pure: the file that says how far Kafka has everything.
//!
//! It has two places, which are written in turn and in place: whatever happens to one write, the other place has the cursor
//! before it, and no write needs room on the disk.

/// First line of a place.
const HEAD: &str = "klamm write-ahead log, version 1";
/// The longest id of a log, in bytes.
const MAX_INSTANCE: usize = 64;
/// Bytes of a place: what file systems allocate at a time.
const PLACE_BYTES: usize = 4096;
/// Bytes of the file.
pub(super) const FILE_BYTES: usize = 2 * PLACE_BYTES;

/// How far everything is in Kafka, and which log says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cursor {
    /// The stable id of the log's directory.
    pub(super) instance: String,
    /// Everything below this sequence is in Kafka.
    pub(super) released: u64,
    /// How often it was saved before.
    pub(super) saves: u64,
}

impl Cursor {
    /// Where in the file it belongs: not where the one before it is.
    pub(super) fn position(&self) -> u64 {
        if self.saves.is_multiple_of(2) { 0 } else { PLACE_BYTES as u64 }
    }

    /// The content of its place: text with a checksum in its last line, and zeros.
    pub(super) fn to_place(&self) -> Vec<u8> {
        let Self { instance, released, saves } = self;
        let body = format!("{HEAD}\ninstance {instance}\nreleased {released}\nsaves {saves}\n");
        let mut place = format!("{body}crc32c {:08x}\n", checksum(&body)).into_bytes();
        place.resize(PLACE_BYTES, 0);
        place
    }

    /// A whole file with this cursor and no other.
    pub(super) fn to_file(&self) -> Vec<u8> {
        let mut file = vec![0; FILE_BYTES];
        let at = usize::from(self.position() > 0) * PLACE_BYTES;
        file[at..at + PLACE_BYTES].copy_from_slice(&self.to_place());
        file
    }

    /// The latest cursor in a file; none when there is none of which every bit is as it was.
    pub(super) fn from_file(file: &[u8]) -> Option<Self> {
        if file.len() != FILE_BYTES {
            return None;
        }
        let places = file.chunks(PLACE_BYTES).filter_map(Self::from_place);
        places.max_by_key(|cursor| cursor.saves)
    }

    fn from_place(place: &[u8]) -> Option<Self> {
        let end = place.iter().position(|&byte| byte == 0)?;
        let text = std::str::from_utf8(&place[..end]).ok()?;
        if place[end..].iter().any(|&byte| byte != 0) {
            return None;
        }
        let body = text.len().checked_sub("crc32c 00000000\n".len())?;
        let (body, sum) = text.split_at_checked(body)?;
        if sum != format!("crc32c {:08x}\n", checksum(body)) {
            return None;
        }
        let mut lines = body.strip_prefix(HEAD)?.strip_prefix('\n')?.lines();
        let instance = lines.next()?.strip_prefix("instance ")?.to_owned();
        let released = lines.next()?.strip_prefix("released ")?.parse().ok()?;
        let saves = lines.next()?.strip_prefix("saves ")?.parse().ok()?;
        let sound = instance.len() <= MAX_INSTANCE && lines.next().is_none();
        sound.then_some(Self { instance, released, saves })
    }
}

fn checksum(text: &str) -> u32 {
    crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, text.as_bytes()) as u32
}

#[cfg(test)]
mod tests {
    use super::{Cursor, FILE_BYTES, PLACE_BYTES};

    fn cursor(released: u64, saves: u64) -> Cursor {
        Cursor { instance: "5f0a".to_owned(), released, saves }
    }

    #[test]
    fn a_cursor_is_read_as_it_was_written_or_not_at_all() {
        for saves in [6, 7] {
            let file = cursor(u64::MAX, saves).to_file();
            assert_eq!(Cursor::from_file(&file), Some(cursor(u64::MAX, saves)));
            let used = cursor(0, saves).position() as usize..FILE_BYTES;
            for (at, bit) in used.take(PLACE_BYTES).flat_map(|at| (0..8).map(move |bit| (at, bit)))
            {
                let mut changed = file.clone();
                changed[at] ^= 1 << bit;
                assert_eq!(Cursor::from_file(&changed), None, "bit {bit} of byte {at}");
            }
            assert_eq!(Cursor::from_file(&file[..FILE_BYTES - 1]), None);
        }
    }

    #[test]
    fn a_write_that_went_wrong_leaves_the_cursor_before_it() {
        let (mut file, last) = (cursor(10, 3).to_file(), cursor(20, 4));
        let at = last.position() as usize;
        assert_ne!(at, cursor(10, 3).position() as usize);
        let place = last.to_place();
        for written in 0..place.len() {
            file[at..at + written].copy_from_slice(&place[..written]);
            let expected = if written < 95 { cursor(10, 3) } else { last.clone() };
            let found = Cursor::from_file(&file).unwrap();
            assert!(found == expected || (80..110).contains(&written), "{written}: {found:?}");
        }
        file[at..at + place.len()].copy_from_slice(&place);
        assert_eq!(Cursor::from_file(&file), Some(last));
    }
}
