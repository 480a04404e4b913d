//! A stream cut into frames: four bytes of length, then as many bytes.

use std::io::{Error, ErrorKind, Read, Result, Write};

/// A longer frame is no frame of this protocol, or none of these programs.
pub const MAX_FRAME: usize = 16 << 20;

/// Reads one frame without its length; `None` at the end of the stream.
///
/// An end inside a frame is an error.
pub fn read(from: &mut impl Read) -> Result<Option<Vec<u8>>> {
    let mut length = [0; 4];
    if from.read(&mut length[..1])? == 0 {
        return Ok(None);
    }
    from.read_exact(&mut length[1..])?;
    let length = i32::from_be_bytes(length);
    match usize::try_from(length) {
        Ok(length) if length <= MAX_FRAME => {
            let mut frame = vec![0; length];
            from.read_exact(&mut frame)?;
            Ok(Some(frame))
        }
        _ => Err(Error::new(ErrorKind::InvalidData, format!("a frame of {length} bytes"))),
    }
}

/// Moves frames until the stream ends; each is kept before it is sent on, so that whoever sees an answer
/// finds the question in its file.
pub fn relay(
    from: &mut impl Read,
    to: &mut impl Write,
    mut keep: impl FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    while let Some(frame) = read(from)? {
        keep(&frame)?;
        let mut whole = Vec::with_capacity(4 + frame.len());
        whole.extend_from_slice(&(frame.len() as u32).to_be_bytes());
        whole.extend_from_slice(&frame);
        to.write_all(&whole)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{MAX_FRAME, relay};
    use std::io::{Read, Result};

    /// Gives one byte at a time, as a socket may.
    struct Slow<'a>(&'a [u8]);

    impl Read for Slow<'_> {
        fn read(&mut self, buf: &mut [u8]) -> Result<usize> {
            let n = buf.len().min(1);
            self.0.read(&mut buf[..n])
        }
    }

    fn relayed(stream: &[u8]) -> (Result<()>, Vec<Vec<u8>>, Vec<u8>) {
        let (mut kept, mut sent) = (Vec::new(), Vec::new());
        let keep = |frame: &[u8]| {
            kept.push(frame.to_vec());
            Ok(())
        };
        let done = relay(&mut Slow(stream), &mut sent, keep);
        (done, kept, sent)
    }

    #[test]
    fn frames_are_cut_and_sent_on_as_they_came() {
        let stream = [0, 0, 0, 2, 7, 8, 0, 0, 0, 0, 0, 0, 0, 1, 9];
        let (done, kept, sent) = relayed(&stream);
        assert!(done.is_ok());
        assert_eq!(kept, [vec![7, 8], vec![], vec![9]]);
        assert_eq!(sent, stream);
    }

    #[test]
    fn streams_that_end_inside_a_frame_and_lengths_out_of_range_are_errors() {
        for cut in [1, 3, 4, 5] {
            assert!(relayed(&[0, 0, 0, 2, 7, 8][..cut]).0.is_err(), "{cut} bytes");
        }
        assert!(relayed(&[0xff; 4]).0.is_err());
        let (done, kept, _) = relayed(&(MAX_FRAME as u32 + 1).to_be_bytes());
        assert!(done.is_err() && kept.is_empty());
    }
}
