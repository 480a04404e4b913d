use super::*;
use proptest::prelude::*;

const CODECS: [Codec; 5] = [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];

fn compressed(codec: Codec, parts: &[Bytes]) -> Bytes {
    let mut out = Vec::new();
    Compression::from(codec).compress(parts, &mut out).unwrap();
    out.into()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_goes_in_comes_out(
        parts in proptest::collection::vec((proptest::collection::vec(any::<u8>(), 1..40), 1..4000usize), 0..6),
    ) {
        let parts: Vec<Bytes> = parts.into_iter().map(|(unit, n)| unit.repeat(n).into()).collect();
        let whole = parts.concat();
        for codec in CODECS {
            let small = compressed(codec, &parts);
            let back = decompress(codec, &small, whole.len()).unwrap();
            prop_assert!(back == whole, "{}", codec.name());
        }
    }

    #[test]
    fn hostile_bytes_are_an_error_and_no_panic(
        raw in proptest::collection::vec(any::<u8>(), 0..200),
        flips in proptest::collection::vec((any::<u16>(), any::<u8>()), 1..5),
    ) {
        for codec in &CODECS[1..] {
            let _ = decompress(*codec, &raw.clone().into(), 1 << 20);
            let mut sound = compressed(*codec, &[raw.repeat(9).into()]).to_vec();
            for (at, mask) in &flips {
                let at = usize::from(*at) % sound.len();
                sound[at] ^= mask;
            }
            let _ = decompress(*codec, &sound.into(), 1 << 20);
        }
    }
}

/// Input that expands as far as the codec lets it: zstd says 128 KiB in four bytes.
fn bomb(codec: Codec) -> Bytes {
    if codec != Codec::Zstd {
        return compressed(codec, &vec![Bytes::from(vec![0; 1 << 20]); 8]);
    }
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0, 7 << 3];
    let run_of_zeroes: u32 = (1 << 17) << 3 | 1 << 1;
    for _ in 0..8192 {
        frame.extend_from_slice(&run_of_zeroes.to_le_bytes()[..3]);
        frame.push(0);
    }
    frame.extend_from_slice(&[1, 0, 0]);
    frame.into()
}

#[test]
fn bombs_stop_at_the_cap() {
    for codec in &CODECS[1..] {
        let (small, cap) = (bomb(*codec), 1 << 20);
        assert_eq!(decompress(*codec, &small, cap), Err(CodecError::TooLarge(cap)), "{codec:?}");
    }
}

#[test]
fn cap_is_exact() {
    let parts = [Bytes::from(vec![7; 200_000])];
    for codec in CODECS {
        let small = compressed(codec, &parts);
        assert_eq!(decompress(codec, &small, 200_000).unwrap(), parts[0], "{codec:?}");
        assert_eq!(decompress(codec, &small, 199_999), Err(CodecError::TooLarge(199_999)));
        assert_eq!(decompress(codec, &small, 0), Err(CodecError::TooLarge(0)));
    }
}

#[test]
fn every_cut_is_an_error_and_no_panic() {
    let parts = [Bytes::from(b"klamm ".repeat(50))];
    for codec in &CODECS[1..] {
        let whole = compressed(*codec, &parts);
        for cut in 0..whole.len() {
            // A stream of snappy blocks that ends between two blocks is whole.
            let between = *codec == Codec::Snappy && cut == 16;
            let got = decompress(*codec, &whole.slice(..cut), 1 << 20);
            assert_eq!(got.is_ok(), between, "{codec:?} cut at {cut}");
        }
    }
}

#[test]
fn raw_snappy_is_read_too() {
    let raw = snap::raw::Encoder::new().compress_vec(b"as librdkafka writes it").unwrap();
    assert_eq!(
        &decompress(Codec::Snappy, &raw.into(), 100).unwrap()[..],
        b"as librdkafka writes it"
    );
}

#[test]
fn gzip_of_several_members_is_read_to_the_end() {
    let two = [compressed(Codec::Gzip, &["one ".into()]), compressed(Codec::Gzip, &["two".into()])]
        .concat();
    assert_eq!(&decompress(Codec::Gzip, &two.into(), 100).unwrap()[..], b"one two");
}

#[test]
fn levels_are_checked() {
    assert!(Compression::with_level(Codec::Gzip, 9).is_ok());
    assert!(Compression::with_level(Codec::Gzip, 10).is_err());
    assert!(Compression::with_level(Codec::Zstd, 22).is_ok());
    assert!(Compression::with_level(Codec::Snappy, 1).is_err());
}

#[test]
fn snappy_streams_in_a_row_are_read_to_the_end() {
    let one = compressed(Codec::Snappy, &["one ".into()]);
    let two = compressed(Codec::Snappy, &["two".into()]);
    let got = decompress(Codec::Snappy, &[one, two].concat().into(), 100).unwrap();
    assert_eq!(&got[..], b"one two");
}

/// Frames of another encoder, with everything that Java's does not write.
fn lz4_frame(info: lz4_flex::frame::FrameInfo, content: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = lz4_flex::frame::FrameEncoder::with_frame_info(info, Vec::new());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn lz4_frames_of_every_kind_are_read() {
    use lz4_flex::frame::{BlockMode, BlockSize, FrameInfo};
    let content: Vec<u8> = (0..300_000u32).flat_map(|i| (i % 1000).to_le_bytes()).collect();
    for mode in [BlockMode::Linked, BlockMode::Independent] {
        for size in [BlockSize::Max64KB, BlockSize::Max256KB, BlockSize::Max1MB, BlockSize::Max4MB]
        {
            for checksums in [false, true] {
                let info = FrameInfo::new()
                    .block_mode(mode)
                    .block_size(size)
                    .block_checksums(checksums)
                    .content_checksum(checksums)
                    .content_size(checksums.then_some(content.len() as u64));
                let frame = lz4_frame(info, &content);
                let twice: Bytes = [&frame[..], &frame].concat().into();
                let got = decompress(Codec::Lz4, &twice, 4 << 20).unwrap();
                assert!(got == [&content[..], &content].concat(), "{mode:?} {size:?} {checksums}");
            }
        }
    }
}

#[test]
fn lz4_checksums_are_checked() {
    let info = lz4_flex::frame::FrameInfo::new().block_checksums(true).content_checksum(true);
    let frame = lz4_frame(info, &b"klamm ".repeat(50));
    for at in [6, frame.len() - 1, frame.len() - 9] {
        let mut broken = frame.clone();
        broken[at] ^= 1;
        let got = decompress(Codec::Lz4, &broken.clone().into(), 1 << 20);
        assert!(matches!(got, Err(CodecError::Corrupt { .. })), "{at}");
        // The header of message sets v0 had a wrong checksum, which is only then forgiven.
        let got = decompress_message_set(Codec::Lz4, &broken.into(), 1 << 20, 0);
        assert_eq!(got.is_ok(), at == 6, "{at}");
    }
}

#[test]
fn our_lz4_frames_are_read_by_the_library_too() {
    use std::io::Read;
    let parts = [Bytes::from(b"klamm ".repeat(40_000)), Bytes::from_static(b"and the rest")];
    let mut content = Vec::new();
    let frame = compressed(Codec::Lz4, &parts);
    lz4_flex::frame::FrameDecoder::new(&frame[..]).read_to_end(&mut content).unwrap();
    assert!(content == parts.concat());
}

#[test]
fn zstd_frames_in_a_row_are_read_to_the_end() {
    let one = compressed(Codec::Zstd, &["one ".into()]);
    let skipped = [0x50, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 9, 9];
    let two = compressed(Codec::Zstd, &[b"two".repeat(100_000).into()]);
    let got = decompress(Codec::Zstd, &[&one[..], &skipped, &two].concat().into(), 1 << 20);
    assert!(got.unwrap() == [b"one ".to_vec(), b"two".repeat(100_000)].concat());
}
