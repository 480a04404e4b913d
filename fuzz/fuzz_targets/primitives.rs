//! The first half of the input says what to read, the second half is what is read.

#![no_main]

use bytes::Bytes;
use klamm_protocol::primitives::{DecodeError, Decoder};
use libfuzzer_sys::fuzz_target;

fn read(d: &mut Decoder, what: u8, depth: u8) -> Result<(), DecodeError> {
    let flexible = what & 0x80 != 0;
    match what & 0x7f {
        0 => d.bool().map(drop),
        1 => d.i8().map(drop),
        2 => d.i16().map(drop),
        3 => d.u16().map(drop),
        4 => d.i32().map(drop),
        5 => d.u32().map(drop),
        6 => d.i64().map(drop),
        7 => d.f64().map(drop),
        8 => d.uuid().map(drop),
        9 => d.uvarint().map(drop),
        10 => d.len(flexible).map(drop),
        11 => d.str(flexible).map(drop),
        12 => d.bytes(flexible).map(drop),
        13 => d.records(flexible).map(drop),
        14 if depth > 0 => d.vec(flexible, |d| read(d, what / 2, depth - 1)).map(drop),
        15 if depth > 0 => d.tagged(|tag, d| match tag {
            0..4 => read(d, tag as u8, depth - 1).map(|()| true),
            _ => Ok(false),
        }),
        n => d.take(usize::from(n)).map(drop),
    }
}

fuzz_target!(|data: &[u8]| {
    let (what, input) = data.split_at(data.len() / 2);
    let mut decoder = Decoder::new(Bytes::copy_from_slice(input));
    let mut before = decoder.remaining();
    for what in what {
        let failed = read(&mut decoder, *what, 4).is_err();
        assert!(decoder.remaining() <= before, "a decoder only goes forward");
        before = decoder.remaining();
        if failed {
            return;
        }
    }
    assert_eq!(decoder.finish().is_ok(), decoder.remaining() == 0);
});
