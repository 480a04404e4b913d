//! Whatever mix of pieces there is, the same bytes leave in their order, and few of them are in memory at a time.

use super::*;
use klamm_protocol::primitives::{Encoder, Records, Source};

/// Bytes that count; those from `broken` on cannot be read.
#[derive(Debug)]
struct Counting {
    len: usize,
    broken: usize,
}

impl Source for Counting {
    fn len(&self) -> usize {
        self.len
    }

    fn read(&self, at: usize, buffer: &mut [u8]) -> io::Result<()> {
        if at + buffer.len() > self.broken {
            return Err(io::Error::other("input/output error"));
        }
        buffer.iter_mut().zip(at..).for_each(|(byte, n)| *byte = (n / 3) as u8);
        Ok(())
    }
}

fn source(len: usize, broken: usize) -> Records {
    Records::from_source(Arc::new(Counting { len, broken }))
}

/// A frame with these lengths of records; every other one is in memory, if `mixed`.
fn frame(lens: &[usize], mixed: bool) -> (StreamedFrame, Vec<u8>) {
    let (mut lazy, mut eager) = (Encoder::for_frame(), Encoder::for_frame());
    for (n, &len) in lens.iter().enumerate() {
        let later = source(len, usize::MAX);
        let here = Records::from(later.load().unwrap());
        let used = if mixed && n % 2 == 0 { &here } else { &later };
        lazy.put_records(Some(used), false).unwrap();
        eager.put_records(Some(&here), false).unwrap();
    }
    let whole = eager.into_frame().unwrap().parts().concat();
    (lazy.into_streamed_frame().unwrap(), whole)
}

#[test]
fn the_same_bytes_leave_in_their_order() {
    let piece = PIECE_BYTES;
    let large = [piece - 1, piece, piece + 1, 1, 0, 3 * piece + 7, 100];
    let small: Vec<usize> = (0..500).map(|n| n * 7 % 3000).collect();
    for lens in [&large[..], &small, &[], &[1], &[2 * piece]] {
        for mixed in [false, true] {
            let (streamed, whole) = frame(lens, mixed);
            let (mut outgoing, pool) = (Outgoing::default(), Arc::new(Pieces::default()));
            outgoing.push(streamed.clone());
            outgoing.push(streamed);
            let (mut written, mut parts) = (Vec::new(), Vec::new());
            while !outgoing.is_empty() {
                outgoing.next(&mut parts, &pool).unwrap();
                assert!(!parts.is_empty() && parts.len() <= MAX_SLICES);
                assert!(parts.iter().all(|part| !part.is_empty()));
                written.extend(parts.concat());
                parts.clear();
            }
            assert!(written == [&whole[..], &whole].concat(), "mixed: {mixed}");
        }
    }
}

#[test]
fn one_piece_is_in_memory_however_large_the_answer_is() {
    let (streamed, whole) = frame(&[40 * PIECE_BYTES], false);
    let (mut outgoing, pool) = (Outgoing::default(), Arc::new(Pieces::default()));
    outgoing.push(streamed);
    let (mut places, mut writes, mut parts) = (Vec::new(), 0, Vec::new());
    while !outgoing.is_empty() {
        outgoing.next(&mut parts, &pool).unwrap();
        let read = parts.last().unwrap();
        assert!(read.len() <= PIECE_BYTES);
        places.push(read.as_ptr());
        parts.clear();
        writes += 1;
    }
    places.dedup();
    assert_eq!((places.len(), writes), (1, 40));
    assert_eq!(whole.len(), 40 * PIECE_BYTES + 8);
}

#[test]
fn small_records_of_many_partitions_leave_in_few_writes() {
    let (streamed, _) = frame(&[2000; 60], false);
    let (mut outgoing, pool) = (Outgoing::default(), Arc::new(Pieces::default()));
    outgoing.push(streamed);
    let (mut writes, mut parts) = (0, Vec::new());
    while !outgoing.is_empty() {
        outgoing.next(&mut parts, &pool).unwrap();
        parts.clear();
        writes += 1;
    }
    assert_eq!(writes, 2);
}

#[test]
fn what_cannot_be_read_is_an_error_and_not_other_bytes() {
    let mut e = Encoder::for_frame();
    e.put_records(Some(&source(4 * PIECE_BYTES, 2 * PIECE_BYTES)), false).unwrap();
    let (mut outgoing, pool) = (Outgoing::default(), Arc::new(Pieces::default()));
    outgoing.push(e.into_streamed_frame().unwrap());
    let mut parts = Vec::new();
    for _ in 0..2 {
        outgoing.next(&mut parts, &pool).unwrap();
        parts.clear();
    }
    assert!(outgoing.next(&mut parts, &pool).is_err());
}
