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

#[test]
fn bombs_stop_at_the_cap() {
    let zeroes = Bytes::from(vec![0; 8 << 20]);
    for codec in &CODECS[1..] {
        let small = compressed(*codec, std::slice::from_ref(&zeroes));
        let cap = 1 << 20;
        assert_eq!(
            decompress(*codec, &small, cap),
            Err(CodecError::TooLarge(cap)),
            "{}",
            codec.name()
        );
        assert_eq!(decompress(*codec, &small, 8 << 20).unwrap(), zeroes);
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
