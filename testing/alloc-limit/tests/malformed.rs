//! Malformed messages and batches: never a panic, and memory in proportion to the input.

use alloc_limit::{Counting, peak_of};
use bytes::{Buf, Bytes};
use klamm_protocol::for_each_message;
use klamm_protocol::message::*;
use klamm_protocol::primitives::{DecodeError, Decoder, Message};
use klamm_protocol::record_batch::RecordBatches;
use std::hint::black_box;

#[global_allocator]
static COUNTING: Counting = Counting;

static MESSAGES: &[u8] = include_bytes!("../../../testdata/wire/messages.bin");
static BATCHES: &[u8] = include_bytes!("../../../testdata/wire/record_batches.bin");

/// Memory may be this many times the input, and this much whatever the input.
const LIMIT_FACTOR: usize = 16;
const LIMIT_FLOOR_BYTES: usize = 64 * 1024;

/// xorshift64: the same mutations in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n.max(1) as u64) as usize
    }

    /// Some bytes changed - often to what lengths look like - and now and then the end cut off or
    /// something put behind it.
    fn mutate(&mut self, sound: &[u8]) -> Bytes {
        let mut bytes = sound.to_vec();
        for _ in 0..=self.below(3) {
            let at = self.below(bytes.len());
            let with: &[u8] = match self.below(5) {
                0 => &[0x7f, 0xff, 0xff, 0xff],
                1 => &[0xff, 0xff, 0xff, 0xff, 0x0f],
                2 => &[0, 0, 0x10, 0],
                3 => &[0xff, 0x7f],
                _ => &[self.below(256) as u8],
            };
            let end = bytes.len().min(at + with.len());
            bytes[at..end].copy_from_slice(&with[..end - at]);
        }
        match self.below(6) {
            0 => bytes.truncate(self.below(sound.len())),
            1 => bytes.extend((0..self.below(300)).map(|_| self.0 as u8)),
            _ => {}
        }
        bytes.into()
    }
}

/// One value as Kafka's classes wrote it; the layout is described beside the file.
struct Written {
    name: String,
    version: i16,
    bytes: Bytes,
}

fn written() -> Vec<Written> {
    let mut rest = Bytes::from_static(MESSAGES);
    let mut all = Vec::new();
    while !rest.is_empty() {
        let (_kind, name_len) = (rest.get_u8(), usize::from(rest.get_u8()));
        let name = String::from_utf8(rest.split_to(name_len).to_vec()).expect("a name");
        let (_made_for, version) = (rest.get_i16(), rest.get_i16());
        if let Ok(len) = usize::try_from(rest.get_i32()) {
            all.push(Written { name, version, bytes: rest.split_to(len) });
        }
    }
    all
}

fn decode<M: Message>(input: &Bytes, version: i16) -> (Result<(), DecodeError>, usize) {
    let input = input.clone();
    peak_of(|| {
        let mut decoder = Decoder::new(input);
        M::decode(&mut decoder, version).map(|message| drop(black_box(message)))
    })
}

fn decode_named(name: &str, input: &Bytes, version: i16) -> (Result<(), DecodeError>, usize) {
    macro_rules! try_each {
        ($($message:ident),* $(,)?) => {
            $(if name == stringify!($message) {
                return decode::<$message>(input, version);
            })*
        };
    }
    for_each_message!(try_each);
    panic!("no message {name}")
}

fn limit(input: &Bytes) -> usize {
    LIMIT_FACTOR * input.len() + LIMIT_FLOOR_BYTES
}

#[test]
fn the_count_counts() {
    let (held, peak) = peak_of(|| drop(vec![0u8; 1 << 20]));
    assert_eq!((held, peak), ((), 1 << 20));
    let ((), peak) = peak_of(|| (0..10).for_each(|_| drop(black_box(vec![0u8; 1000]))));
    assert_eq!(peak, 1000);
}

#[test]
fn malformed_messages_do_not_panic_and_stay_in_their_memory() {
    let written = written();
    assert!(written.len() > 1000, "{} values", written.len());
    let (mut random, mut frames, mut refused) = (Random(0x9e37_79b9_7f4a_7c15), 0, 0);
    for each in &written {
        let (result, peak) = decode_named(&each.name, &each.bytes, each.version);
        assert_eq!(result, Ok(()), "{} v{}", each.name, each.version);
        assert!(peak <= limit(&each.bytes), "{} v{}: {peak}", each.name, each.version);
        for _ in 0..10_000 / written.len() + 5 {
            let input = random.mutate(&each.bytes);
            let (result, peak) = decode_named(&each.name, &input, each.version);
            let limit = limit(&input);
            assert!(peak <= limit, "{} v{}: {peak} > {limit}: {input:?}", each.name, each.version);
            frames += 1;
            refused += usize::from(result.is_err());
        }
    }
    assert!(frames >= 10_000, "{frames} frames");
    assert!(refused > frames / 4, "{refused} of {frames} were malformed at all");
}

/// The batches of each entry; the layout is described beside the file.
fn batches() -> Vec<Bytes> {
    let mut rest = Bytes::from_static(BATCHES);
    let mut part = move || {
        let len = rest.try_get_u32().ok()? as usize;
        Some(rest.split_to(len))
    };
    std::iter::from_fn(|| part().and_then(|_name| Some((part()?, part()?).0))).collect()
}

#[test]
fn malformed_batches_do_not_panic_and_stay_in_their_memory() {
    let batches = batches();
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    let (mut frames, mut refused) = (0, 0);
    for sound in batches.iter().filter(|b| b.len() < 4096) {
        for _ in 0..10_000 / batches.len() + 100 {
            let input = random.mutate(sound);
            let (failed, peak) = peak_of(|| {
                let read = |b: klamm_protocol::record_batch::RecordBatch| b.check_records();
                let all = RecordBatches::new(input.clone()).check_crcs(false);
                all.map(|b| b.and_then(read)).filter(Result::is_err).count()
            });
            let limit = limit(&input);
            assert!(peak <= limit, "{peak} > {limit}: {input:?}");
            frames += 1;
            refused += usize::from(failed > 0);
        }
    }
    assert!(frames >= 10_000, "{frames} frames");
    assert!(refused > frames / 4, "{refused} of {frames} were malformed at all");
}

/// What a codec's own tables take, beside what comes out.
const CODEC_STATE_BYTES: usize = 512 * 1024;

#[test]
fn malformed_compressed_batches_stay_under_the_cap() {
    const CAP: usize = 1 << 20;
    let mut random = Random(0x1234_5678_9abc_def1);
    let mut worst = 0;
    for sound in batches().iter().filter(|b| b.len() < 4096) {
        for _ in 0..200 {
            let input = random.mutate(sound);
            let ((), peak) = peak_of(|| {
                for batch in RecordBatches::new(input).check_crcs(false).flatten() {
                    if let Ok(plain) = batch.decompressed(CAP) {
                        black_box(plain.check_records()).ok();
                    }
                }
            });
            worst = worst.max(peak);
        }
    }
    assert!(worst <= 2 * CAP + CODEC_STATE_BYTES, "{worst}");
}
