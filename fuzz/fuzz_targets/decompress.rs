//! The first byte chooses a codec and a direction, the rest is what is expanded, or packed and expanded.

#![no_main]

use bytes::Bytes;
use klamm_protocol::compression::{Codec, Compression, decompress};
use libfuzzer_sys::fuzz_target;

const CODECS: [Codec; 5] = [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];
/// Little, so that the fuzzer spends its time on finding paths and not on zeroing memory.
const CAP: usize = 256 * 1024;

fuzz_target!(|data: &[u8]| {
    let [choice, input @ ..] = data else { return };
    let (codec, input) = (CODECS[usize::from(choice >> 1) % 5], Bytes::copy_from_slice(input));
    if choice & 1 == 0 {
        if let Ok(out) = decompress(codec, &input, CAP) {
            assert!(out.len() <= CAP);
        }
        return;
    }
    let mut small = Vec::new();
    let middle = input.len() / 3;
    let parts = [input.slice(..middle), input.slice(middle..)];
    Compression::from(codec).compress(&parts, &mut small).expect("anything can be compressed");
    assert_eq!(decompress(codec, &small.into(), input.len()), Ok(input));
});
