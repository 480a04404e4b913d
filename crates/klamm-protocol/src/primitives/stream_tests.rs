//! What is read later is where it belongs, as long as it was said to be, and nowhere taken for bytes that are there.

use super::{EncodeError, Encoder, Later, Piece, Records, Source};
use bytes::Bytes;
use std::io;
use std::sync::Arc;

/// Bytes 0, 1, 2, … of which those from `broken` on cannot be read.
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
        buffer.iter_mut().zip(at..).for_each(|(byte, n)| *byte = n as u8);
        Ok(())
    }
}

fn counting(len: usize) -> Arc<Counting> {
    Arc::new(Counting { len, broken: usize::MAX })
}

/// The bytes of a piece, read in steps.
fn read(piece: Piece, step: usize) -> Vec<u8> {
    let mut later = match piece {
        Piece::Here(bytes) => return bytes.to_vec(),
        Piece::Later(later) => later,
    };
    let mut all = Vec::new();
    while !later.is_empty() {
        let mut part = vec![0; step.min(later.len())];
        later.read(&mut part).unwrap();
        all.extend(part);
    }
    all
}

/// A frame with records of a source, and the same with their bytes.
fn both(len: usize, flexible: bool) -> (Encoder, Encoder) {
    let source = counting(len);
    let here = Records::from(Records::from_source(source.clone()).load().unwrap());
    let [lazy, eager] = [Records::from_source(source), here].map(|records| {
        let mut e = Encoder::for_frame();
        e.put_i32(7);
        e.put_records(Some(&records), flexible).unwrap();
        e.put_shared(&Bytes::from(vec![9; 2000]));
        e.put_records(Some(&records), flexible).unwrap();
        e.put_i8(8);
        e
    });
    (lazy, eager)
}

#[test]
fn a_streamed_frame_has_the_bytes_of_one_in_memory() {
    for (len, flexible) in [(0, false), (1, true), (300, true), (5000, false), (200_000, true)] {
        let (lazy, eager) = both(len, flexible);
        let (streamed, whole) = (lazy.into_streamed_frame().unwrap(), eager.into_frame().unwrap());
        assert_eq!(streamed.len(), whole.len());
        let bytes: Vec<u8> =
            streamed.into_pieces().into_iter().flat_map(|piece| read(piece, 64_000)).collect();
        assert!(bytes == whole.parts().concat(), "{len} bytes");
    }
}

#[test]
fn cutting_a_frame_off_leaves_what_is_before() {
    let whole = both(3000, true).1.into_frame().unwrap().parts().concat();
    for len in [0, 3, 10, 11, 1000, 3011, 5000, whole.len() - 1, whole.len(), whole.len() + 1] {
        let mut cut = both(3000, true).0.into_streamed_frame().unwrap();
        cut.truncate(len);
        let expected = &whole[..len.min(whole.len())];
        assert_eq!(cut.len(), expected.len());
        let bytes: Vec<u8> =
            cut.into_pieces().into_iter().flat_map(|piece| read(piece, 999)).collect();
        assert!(bytes == expected, "{len} bytes");
    }
}

#[test]
fn where_all_has_to_be_in_memory_a_source_is_an_error() {
    assert_eq!(both(3000, false).0.into_frame().err(), Some(EncodeError::NotHere(3000)));
    let mut e = Encoder::new();
    let records = Records::from_source(counting(10));
    let tagged = e.put_tagged(0, |e| e.put_records(Some(&records), true));
    assert_eq!(tagged, Err(EncodeError::NotHere(10)));
    assert!(records.to_bytes().is_empty() && !records.is_empty());
}

#[test]
fn what_cannot_be_read_is_read_again_from_the_same_place() {
    let mut later = Later::new(Arc::new(Counting { len: 100, broken: 60 }));
    let mut buffer = [0; 50];
    later.read(&mut buffer).unwrap();
    assert!(later.read(&mut buffer).is_err());
    assert_eq!((later.len(), buffer[49]), (50, 49));
    assert!(later.read(&mut buffer[..10]).is_ok());
    assert_eq!((later.len(), buffer[0]), (40, 50));
    assert_eq!(later.read(&mut [0; 41]).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    let whole = Records::from_source(Arc::new(Counting { len: 100, broken: 60 }));
    assert!(whole.load().is_err());
}

#[test]
fn records_of_a_source_are_equal_to_themselves_alone() {
    let source = counting(10);
    let records = Records::from_source(source.clone());
    assert_eq!(records, Records::from_source(source));
    assert_ne!(records, Records::from_source(counting(10)));
    assert_ne!(records, Records::from(records.load().unwrap()));
    assert_eq!(Records::from_source(counting(0)), Records::default());
}
