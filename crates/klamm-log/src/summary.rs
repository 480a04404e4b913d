//! Pure: what opening a log has to know of a segment that is full, as a file beside it, so that it need not be read.
//!
//! Layout, integers big-endian, 64 bits unless said otherwise: a head of fixed length - magic `KLS1`, CRC-32C of the rest of
//! the head, length of the segment, the offset behind it, its largest timestamp, that of its first batch, where its last
//! batch begins, the checksums of its first and its last batch in 32 bits each, how many marks there are and the CRC-32C of
//! all - and then the marks, three numbers each: offset, position, and the largest timestamp before it.

use crate::segment::Mark;
use std::ops::Range;

const MAGIC: &[u8; 4] = b"KLS1";
/// Bytes of magic and checksum.
const PREFIX: usize = 8;
/// Numbers in the head.
const NUMBERS: usize = 8;
/// Bytes of the head.
pub(crate) const HEAD_BYTES: usize = PREFIX + NUMBERS * 8;
/// Bytes of a mark.
const MARK_BYTES: usize = 24;

/// The head of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Summary {
    pub(crate) len: u64,
    pub(crate) next_offset: i64,
    pub(crate) max_timestamp: i64,
    pub(crate) began_ms: i64,
    pub(crate) ends: Ends,
}

/// The first and the last batch of a segment: with its length they tell it from others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ends {
    pub(crate) first_crc: u32,
    pub(crate) last_crc: u32,
    /// Where the last one begins.
    pub(crate) last_position: u64,
}

/// The file's content.
pub(crate) fn encode(summary: &Summary, marks: &[Mark]) -> Vec<u8> {
    let numbers = |mark: &Mark| [mark.offset, mark.position.cast_signed(), mark.max_timestamp];
    let marks: Vec<u8> = marks.iter().flat_map(numbers).flat_map(i64::to_be_bytes).collect();
    let Summary { len, next_offset, max_timestamp, began_ms, ends } = *summary;
    let crcs = u64::from(ends.first_crc) << 32 | u64::from(ends.last_crc);
    let head: [u64; NUMBERS] = [
        len,
        next_offset.cast_unsigned(),
        max_timestamp.cast_unsigned(),
        began_ms.cast_unsigned(),
        ends.last_position,
        crcs,
        (marks.len() / MARK_BYTES) as u64,
        u64::from(checksum(&marks)),
    ];
    let head: Vec<u8> = head.into_iter().flat_map(u64::to_be_bytes).collect();
    [&MAGIC[..], &checksum(&head).to_be_bytes(), &head, &marks].concat()
}

/// Reads the head of a file of that many bytes; none when it is damaged or something else.
pub(crate) fn decode(head: &[u8], file_bytes: u64) -> Option<Summary> {
    let [len, next_offset, max_timestamp, began_ms, last_position, crcs, marks, _] = numbers(head)?;
    let whole = marks.checked_mul(MARK_BYTES as u64)?.checked_add(HEAD_BYTES as u64)?;
    let ends = Ends { first_crc: (crcs >> 32) as u32, last_crc: crcs as u32, last_position };
    let summary = Summary {
        len,
        next_offset: next_offset.cast_signed(),
        max_timestamp: max_timestamp.cast_signed(),
        began_ms: began_ms.cast_signed(),
        ends,
    };
    (whole == file_bytes).then_some(summary)
}

/// Reads the marks of a whole file; none when they are damaged, or cannot be those of a segment with these offsets.
pub(crate) fn decode_marks(file: &[u8], offsets: Range<i64>) -> Option<Vec<Mark>> {
    let (head, marks) = file.split_at_checked(HEAD_BYTES)?;
    let [len, .., crc] = numbers(head)?;
    if u64::from(checksum(marks)) != crc {
        return None;
    }
    let number = |mark: &[u8], n: usize| mark.get(n * 8..)?.first_chunk().copied();
    let mark = |mark: &[u8]| {
        Some(Mark {
            offset: i64::from_be_bytes(number(mark, 0)?),
            position: u64::from_be_bytes(number(mark, 1)?),
            max_timestamp: i64::from_be_bytes(number(mark, 2)?),
        })
    };
    let marks: Vec<Mark> = marks.chunks(MARK_BYTES).map(mark).collect::<Option<_>>()?;
    let follows = |two: &[Mark]| {
        two[0].offset < two[1].offset
            && two[0].position < two[1].position
            && two[0].max_timestamp <= two[1].max_timestamp
    };
    let inside = |mark: &Mark| offsets.contains(&mark.offset) && mark.position < len;
    (marks.iter().all(inside) && marks.windows(2).all(follows)).then_some(marks)
}

fn numbers(head: &[u8]) -> Option<[u64; NUMBERS]> {
    let (crc, head) = head.get(..HEAD_BYTES)?.strip_prefix(MAGIC)?.split_first_chunk::<4>()?;
    if checksum(head) != u32::from_be_bytes(*crc) {
        return None;
    }
    let mut numbers = [0; NUMBERS];
    for (number, bytes) in numbers.iter_mut().zip(head.chunks_exact(8)) {
        *number = u64::from_be_bytes(bytes.try_into().ok()?);
    }
    Some(numbers)
}

fn checksum(bytes: &[u8]) -> u32 {
    crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, bytes) as u32
}

#[cfg(test)]
mod tests {
    use super::{Ends, HEAD_BYTES, Summary, decode, decode_marks, encode};
    use crate::segment::Mark;

    fn marks() -> Vec<Mark> {
        let mark = |n: i64| Mark {
            offset: 100 + n * 7,
            position: n.unsigned_abs() * 5000,
            max_timestamp: n - 1,
        };
        (0..20).map(mark).collect()
    }

    fn summary() -> Summary {
        let ends = Ends { first_crc: 7, last_crc: u32::MAX, last_position: 99_000 };
        let (next_offset, max_timestamp, began_ms) = (300, 19, -1);
        Summary { len: 100_000, next_offset, max_timestamp, began_ms, ends }
    }

    #[test]
    fn what_is_written_is_read_and_damage_is_noticed() {
        let file = encode(&summary(), &marks());
        let bytes = file.len() as u64;
        assert_eq!(decode(&file, bytes), Some(summary()));
        assert_eq!(decode(&file[..HEAD_BYTES], bytes), Some(summary()));
        assert_eq!(decode_marks(&file, 100..300), Some(marks()));
        assert_eq!(decode(&file, bytes - 1), None, "a file that was cut");
        assert_eq!(decode_marks(&file, 101..300), None, "marks of another segment");
        for at in 0..file.len() {
            let mut damaged = file.clone();
            damaged[at] ^= 1;
            assert_eq!(decode(&damaged, bytes).is_none(), at < HEAD_BYTES, "byte {at}");
            assert_eq!(decode_marks(&damaged, 100..300), None, "byte {at}");
            assert_eq!(decode_marks(&file[..at], 100..300), None, "cut at {at}");
        }
    }

    #[test]
    fn marks_that_do_not_grow_are_none() {
        let changes: [fn(&mut Vec<Mark>); 4] = [
            |marks| marks.swap(3, 4),
            |marks| marks[5].position = 0,
            |marks| marks[5].max_timestamp = -1,
            |marks| marks[19].position = 100_000,
        ];
        for change in changes {
            let mut marks = marks();
            change(&mut marks);
            assert_eq!(decode_marks(&encode(&summary(), &marks), 100..300), None);
        }
    }
}
