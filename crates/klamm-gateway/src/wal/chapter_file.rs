//! Pure: a [`Chapter`] as a file beside its segment, so that opening the log need not read the segment.
//!
//! A head of fixed length, then spans, then keys, which are read only as far back as names of requests are remembered. Each
//! part has its checksum in the head, and the head has its own; it names the segment by its sequences, its length and the
//! checksums of its first and its last batch. Integers in the head are big-endian, 64 bits; elsewhere uvarints:
//!
//! ```text
//! head:  magic `KLWB` | CRC-32C of the rest of the head | version | first sequence | the one behind the last | bytes
//!        | checksums of the two batches, 32 bits each | durable mark | length and CRC-32C of spans | the same of keys
//! spans: topics: how many, then length and bytes of each | how many spans, then of each: sequences since the last
//!        | zigzag of ms since the last | records | how many topics, then of each: which, bytes
//! keys:  how many, then of each: 16 bytes | sequences since the last | how many records | zigzag of ms since the last
//! ```

use super::books::{Need, Span, Spans};
use super::chapter::{Chapter, Key};
use super::varint::{Input, put_uvarint, unzigzag, zigzag};
use klamm_log::Full;
use std::collections::{HashMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;

/// The extension of the file's name.
pub(super) const EXTENSION: &str = "books";
const MAGIC: &[u8; 4] = b"KLWB";
const VERSION: u64 = 1;
/// Bytes of magic and checksum.
const PREFIX: usize = 8;
/// Numbers in the head.
const NUMBERS: usize = 10;
/// Bytes of the head.
pub(super) const HEAD_BYTES: usize = PREFIX + NUMBERS * 8;
/// The most that one part may have, in bytes.
const MAX_PART_BYTES: u64 = 1 << 30;
/// Bytes of a key's hash.
const HASH_BYTES: usize = 16;

/// What the head says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    mark: u64,
    spans: Part,
    keys: Part,
}

/// A part of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Part {
    bytes: u64,
    crc: u64,
}

impl Part {
    fn of(bytes: &[u8]) -> Self {
        Self { bytes: bytes.len() as u64, crc: checksum(bytes) }
    }

    fn is(self, bytes: &[u8]) -> bool {
        self == Self::of(bytes)
    }
}

/// The file's content; none for a chapter that does not have all of its segment.
pub(super) fn encode(chapter: &Chapter, segment: &Full) -> Option<Vec<u8>> {
    let sequences = sequences(segment)?;
    if chapter.broken || chapter.sequences != sequences {
        return None;
    }
    let (spans, keys) = (encode_spans(chapter), encode_keys(chapter));
    let (of_spans, of_keys) = (Part::of(&spans), Part::of(&keys));
    let head: [u64; NUMBERS] = [
        VERSION,
        sequences.start,
        sequences.end,
        segment.bytes,
        ends(segment),
        chapter.mark?,
        of_spans.bytes,
        of_spans.crc,
        of_keys.bytes,
        of_keys.crc,
    ];
    let head: Vec<u8> = head.into_iter().flat_map(u64::to_be_bytes).collect();
    let crc = (checksum(&head) as u32).to_be_bytes();
    Some([&MAGIC[..], &crc, &head, &spans, &keys].concat())
}

fn sequences(segment: &Full) -> Option<Range<u64>> {
    let Range { start, end } = segment.offsets;
    Some(u64::try_from(start).ok()?..u64::try_from(end).ok()?)
}

fn ends(segment: &Full) -> u64 {
    u64::from(segment.ends.0) << 32 | u64::from(segment.ends.1)
}

fn encode_spans(chapter: &Chapter) -> Vec<u8> {
    let mut numbers: HashMap<&str, u64> = HashMap::new();
    let (mut names, mut out) = (Vec::new(), Vec::new());
    for (topic, _) in chapter.spans.iter().flat_map(|span| &span.need.topics) {
        let next = numbers.len() as u64;
        numbers.entry(topic).or_insert_with(|| {
            names.push(topic);
            next
        });
    }
    put_uvarint(&mut out, names.len() as u64);
    for name in names {
        put_uvarint(&mut out, name.len() as u64);
        out.extend_from_slice(name.as_bytes());
    }
    put_uvarint(&mut out, chapter.spans.iter().count() as u64);
    let (mut next, mut taken_ms) = (chapter.sequences.start, 0);
    for span in chapter.spans.iter() {
        put_uvarint(&mut out, span.next - next);
        put_uvarint(&mut out, zigzag(span.taken_ms.wrapping_sub(taken_ms)));
        put_uvarint(&mut out, span.records);
        put_uvarint(&mut out, span.need.topics.len() as u64);
        for (topic, bytes) in &span.need.topics {
            put_uvarint(&mut out, numbers.get(&**topic).copied().unwrap_or_default());
            put_uvarint(&mut out, *bytes);
        }
        (next, taken_ms) = (span.next, span.taken_ms);
    }
    out
}

fn encode_keys(chapter: &Chapter) -> Vec<u8> {
    let mut out = Vec::with_capacity(chapter.keys.len() * (HASH_BYTES + 4));
    put_uvarint(&mut out, chapter.keys.len() as u64);
    let (mut next, mut taken_ms) = (chapter.sequences.start, 0);
    for key in &chapter.keys {
        out.extend_from_slice(&key.hash);
        put_uvarint(&mut out, key.first - next);
        put_uvarint(&mut out, key.count);
        put_uvarint(&mut out, zigzag(key.taken_ms.wrapping_sub(taken_ms)));
        (next, taken_ms) = (key.first + key.count, key.taken_ms);
    }
    out
}

impl Head {
    /// Reads the head of a file of that many bytes; none when it is damaged, or that of another segment.
    pub(super) fn decode(head: &[u8], file_bytes: u64, segment: &Full) -> Option<Self> {
        let (crc, head) = head.get(..HEAD_BYTES)?.strip_prefix(MAGIC)?.split_first_chunk::<4>()?;
        if checksum(head) as u32 != u32::from_be_bytes(*crc) {
            return None;
        }
        let mut fields = [0; NUMBERS];
        for (field, bytes) in fields.iter_mut().zip(head.chunks_exact(8)) {
            *field = u64::from_be_bytes(bytes.try_into().ok()?);
        }
        let [version, first, next, bytes, both, mark, spans, spans_crc, keys, keys_crc] = fields;
        let (spans, keys) =
            (Part { bytes: spans, crc: spans_crc }, Part { bytes: keys, crc: keys_crc });
        let whole = spans.bytes.checked_add(keys.bytes)?.checked_add(HEAD_BYTES as u64)?;
        let sound = version == VERSION
            && spans.bytes.max(keys.bytes) <= MAX_PART_BYTES
            && whole == file_bytes
            && (first..next) == sequences(segment)?
            && (bytes, both) == (segment.bytes, ends(segment));
        sound.then_some(Self { mark, spans, keys })
    }

    /// Where the spans are.
    pub(super) fn spans_at(&self) -> (u64, usize) {
        (HEAD_BYTES as u64, usize::try_from(self.spans.bytes).unwrap_or(usize::MAX))
    }

    /// Where the keys are.
    pub(super) fn keys_at(&self) -> (u64, usize) {
        let at = HEAD_BYTES as u64 + self.spans.bytes;
        (at, usize::try_from(self.keys.bytes).unwrap_or(usize::MAX))
    }

    /// A chapter with its spans and without its keys.
    pub(super) fn chapter(&self, spans: &[u8], segment: &Full) -> Option<Chapter> {
        let sequences = sequences(segment)?;
        let spans = self.spans.is(spans).then(|| decode_spans(spans, &sequences))??;
        let mark = Some(self.mark);
        Some(Chapter { sequences, mark, spans, ..Chapter::default() })
    }

    /// The keys of a chapter.
    pub(super) fn keys(&self, keys: &[u8], segment: &Full) -> Option<VecDeque<Key>> {
        self.keys.is(keys).then(|| decode_keys(keys, &sequences(segment)?))?
    }
}

/// Spans, if they can be those of a segment with these sequences.
fn decode_spans(bytes: &[u8], sequences: &Range<u64>) -> Option<Spans> {
    let mut input = Input::new(bytes);
    let mut topics: Vec<Arc<str>> = Vec::new();
    for _ in 0..input.uvarint()? {
        let len = usize::try_from(input.uvarint()?).ok()?;
        topics.push(std::str::from_utf8(input.take(len)?).ok()?.into());
    }
    let mut spans = Spans::default();
    let (mut next, mut taken_ms) = (sequences.start, 0_i64);
    for _ in 0..input.uvarint()? {
        let passed = input.uvarint()?;
        next = next.checked_add(passed).filter(|next| *next <= sequences.end)?;
        taken_ms = taken_ms.wrapping_add(unzigzag(input.uvarint()?));
        let records = input.uvarint().filter(|records| (1..=passed).contains(records))?;
        let mut need = Need::default();
        for _ in 0..input.uvarint()? {
            let topic = topics.get(usize::try_from(input.uvarint()?).ok()?)?;
            need.topics.push((topic.clone(), input.uvarint()?));
            need.bytes = need.bytes.checked_add(need.topics.last()?.1)?;
        }
        spans.push(Span { next, taken_ms, need, records });
    }
    input.rest().is_empty().then_some(spans)
}

/// Keys, if they can be those of a segment with these sequences.
fn decode_keys(bytes: &[u8], sequences: &Range<u64>) -> Option<VecDeque<Key>> {
    let mut input = Input::new(bytes);
    let mut keys = VecDeque::new();
    let (mut next, mut taken_ms) = (sequences.start, 0_i64);
    for _ in 0..input.uvarint()? {
        let hash = input.array::<HASH_BYTES>()?;
        let first = next.checked_add(input.uvarint()?)?;
        let count = input.uvarint()?;
        next = first.checked_add(count).filter(|next| *next <= sequences.end)?;
        taken_ms = taken_ms.wrapping_add(unzigzag(input.uvarint()?));
        keys.push_back(Key { hash, first, count, taken_ms });
    }
    input.rest().is_empty().then_some(keys)
}

fn checksum(bytes: &[u8]) -> u64 {
    crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, bytes)
}
