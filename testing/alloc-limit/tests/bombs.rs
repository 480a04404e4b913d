//! Small inputs that decompress to very much: stopped at the cap, in memory that goes with the cap.

use alloc_limit::{Counting, peak_of};
use bytes::Bytes;
use klamm_protocol::compression::{Codec, CodecError, Compression, decompress};

#[global_allocator]
static COUNTING: Counting = Counting;

const CAP: usize = 1 << 20;
/// What a codec's own tables take, beside what comes out.
const CODEC_STATE_BYTES: usize = 512 * 1024;

fn zeroes(codec: Codec, mebibytes: usize) -> Bytes {
    let mut out = Vec::new();
    let parts = vec![Bytes::from(vec![0; 1 << 20]); mebibytes];
    Compression::from(codec).compress(&parts, &mut out).expect("zeroes compress");
    out.into()
}

/// A frame whose header asks for a window of `1 << window_log` and whose blocks are runs of zeroes,
/// 128 KiB in four bytes each.
fn zstd_runs(window_log: u8, blocks: usize) -> Bytes {
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0, (window_log - 10) << 3];
    let run: u32 = (1 << 17) << 3 | 1 << 1;
    for _ in 0..blocks {
        frame.extend_from_slice(&run.to_le_bytes()[..3]);
        frame.push(0);
    }
    frame.extend_from_slice(&[1, 0, 0]);
    frame.into()
}

#[track_caller]
fn stopped_at_the_cap(codec: Codec, input: &Bytes) {
    let (result, peak) = peak_of(|| decompress(codec, input, CAP));
    assert_eq!(result, Err(CodecError::TooLarge(CAP)), "{codec:?}");
    assert!(peak <= 2 * CAP + CODEC_STATE_BYTES, "{codec:?}: {peak} for {} bytes", input.len());
}

#[test]
fn gzip_snappy_and_lz4_stop_at_the_cap() {
    for codec in [Codec::Gzip, Codec::Snappy, Codec::Lz4] {
        stopped_at_the_cap(codec, &zeroes(codec, 16));
    }
}

#[test]
fn zstd_stops_at_the_cap_whatever_window_it_asks_for() {
    for window_log in [17, 20, 23, 27] {
        stopped_at_the_cap(Codec::Zstd, &zstd_runs(window_log, 8192));
    }
}

#[test]
fn window_alone_costs_nothing() {
    let (result, peak) = peak_of(|| decompress(Codec::Zstd, &zstd_runs(27, 0), CAP));
    assert_eq!(result, Ok(Bytes::new()));
    assert!(peak <= CODEC_STATE_BYTES, "{peak}");
}

#[test]
fn claimed_sizes_are_not_believed() {
    // A zstd frame of a few bytes that announces 2^40, and a snappy block that announces 2^31.
    let mut zstd = vec![0x28, 0xb5, 0x2f, 0xfd, 0xc0, 7 << 3];
    zstd.extend_from_slice(&(1u64 << 40).to_le_bytes());
    zstd.extend_from_slice(&[1, 0, 0]);
    let snappy = vec![0x80, 0x80, 0x80, 0x80, 0x08, 0, 0];
    // An lz4 block of ten bytes in a frame of 4 MiB blocks.
    let mut lz4 = vec![0x04, 0x22, 0x4d, 0x18, 0x60, 0x70, 0x73, 10, 0, 0, 0];
    lz4.extend_from_slice(&[0xff; 10]);
    for (codec, bytes) in [(Codec::Zstd, zstd), (Codec::Snappy, snappy), (Codec::Lz4, lz4)] {
        let input = Bytes::from(bytes);
        let (result, peak) = peak_of(|| decompress(codec, &input, 256 << 20));
        assert!(matches!(result, Err(CodecError::Corrupt { .. })), "{codec:?}: {result:?}");
        assert!(peak <= CODEC_STATE_BYTES, "{codec:?}: {peak}");
    }
}
