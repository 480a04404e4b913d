//! The first two bytes choose a message and a version; the rest is decoded as that, and what comes out
//! must survive being written and read again.

#![no_main]

use bytes::Bytes;
use klamm_protocol::for_each_message;
use klamm_protocol::message::*;
use klamm_protocol::primitives::{Decoder, Encoder, Message};
use libfuzzer_sys::fuzz_target;

type Run = fn(Bytes, u8);

fn run<M: Message>(input: Bytes, choice: u8) {
    let (first, last) = (*M::VERSIONS.start(), *M::VERSIONS.end());
    let version = first + i16::from(choice) % (last - first + 1);
    let Ok(message) = M::decode(&mut Decoder::new(input), version) else { return };
    let written = write(&message, version);
    let mut decoder = Decoder::new(written.clone());
    let again = M::decode(&mut decoder, version).expect("what was written can be read");
    decoder.finish().expect("to its end");
    // Bytes and not values are compared: a float may be none.
    assert_eq!(write(&again, version), written);
}

fn write<M: Message>(message: &M, version: i16) -> Bytes {
    let mut encoder = Encoder::new();
    message.encode(&mut encoder, version).expect("what was read can be written");
    encoder.into_bytes()
}

macro_rules! runs {
    ($($message:ident),* $(,)?) => {
        static RUNS: &[Run] = &[$(run::<$message>),*];
    };
}
for_each_message!(runs);

fuzz_target!(|data: &[u8]| {
    let [message, version, input @ ..] = data else { return };
    RUNS[usize::from(*message) % RUNS.len()](Bytes::copy_from_slice(input), *version);
});
