//! Writing wire forms into one frame; large payloads stay where they are.

use super::{EncodeError, Frame, Piece, Records, StreamedFrame, Uuid};
use bytes::Bytes;

/// Payloads from this size on are referenced, not copied: below it one `memcpy` is cheaper than
/// another piece in the vectored write.
const SPLICE_FROM_BYTES: usize = 1024;

/// Appends wire forms to a buffer; large payloads are kept by reference.
#[derive(Debug, Default)]
pub struct Encoder {
    buf: Vec<u8>,
    splices: Vec<Splice>,
    spliced: usize,
}

/// A payload that belongs at position `at` of `buf`.
#[derive(Debug)]
struct Splice {
    at: usize,
    piece: Piece,
}

impl Encoder {
    /// An empty encoder.
    pub fn new() -> Self {
        Self::default()
    }

    /// An encoder whose first four bytes are reserved for the size that [`Encoder::into_frame`] fills in.
    pub fn for_frame() -> Self {
        let mut e = Self { buf: Vec::with_capacity(256), ..Self::default() };
        e.put_i32(0);
        e
    }

    /// Bytes so far, referenced payloads included.
    pub fn len(&self) -> usize {
        self.buf.len() + self.spliced
    }

    /// Whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Finishes an encoder made by [`Encoder::for_frame`].
    ///
    /// # Errors
    /// [`EncodeError::TooLong`] when the frame does not fit an `i32` size, [`EncodeError::NotHere`] when some of it is
    /// still to be read.
    pub fn into_frame(self) -> Result<Frame, EncodeError> {
        let frame = self.into_streamed_frame()?;
        let len = frame.len();
        Ok(Frame::new(in_memory(frame.into_pieces())?, len))
    }

    /// Finishes an encoder made by [`Encoder::for_frame`]; what is still to be read stays where it is.
    ///
    /// # Errors
    /// [`EncodeError::TooLong`] when the frame does not fit an `i32` size.
    pub fn into_streamed_frame(mut self) -> Result<StreamedFrame, EncodeError> {
        let len = self.len();
        let size = i32::try_from(len - 4).map_err(|_| EncodeError::TooLong(len))?;
        self.buf[..4].copy_from_slice(&size.to_be_bytes());
        Ok(StreamedFrame::new(self.into_pieces(), len))
    }

    /// All bytes in one buffer, but for those that are still to be read.
    pub fn into_bytes(mut self) -> Bytes {
        self.splices.retain(|splice| matches!(splice.piece, Piece::Here(_)));
        self.try_into_bytes().unwrap_or_default()
    }

    /// All bytes in one buffer.
    ///
    /// # Errors
    /// [`EncodeError::NotHere`] when some of them are still to be read.
    fn try_into_bytes(self) -> Result<Bytes, EncodeError> {
        if self.splices.is_empty() {
            return Ok(self.buf.into());
        }
        Ok(in_memory(self.into_pieces())?.concat().into())
    }

    fn into_pieces(self) -> Vec<Piece> {
        let mut head = Bytes::from(self.buf);
        let mut pieces = Vec::with_capacity(2 * self.splices.len() + 1);
        let mut taken = 0;
        for splice in self.splices {
            let before = head.split_to(splice.at - taken);
            taken = splice.at;
            pieces.extend((!before.is_empty()).then_some(Piece::Here(before)));
            pieces.push(splice.piece);
        }
        pieces.extend((!head.is_empty()).then_some(Piece::Here(head)));
        pieces
    }

    /// Appends raw bytes.
    pub fn put_slice(&mut self, bytes: &[u8]) {
        self.buf.extend_from_slice(bytes);
    }

    /// Appends a payload without a length, by reference when it is large.
    pub fn put_shared(&mut self, bytes: &Bytes) {
        if bytes.len() < SPLICE_FROM_BYTES {
            return self.put_slice(bytes);
        }
        self.splice(Piece::Here(bytes.clone()));
    }

    fn splice(&mut self, piece: Piece) {
        self.spliced += piece.len();
        self.splices.push(Splice { at: self.buf.len(), piece });
    }

    /// Appends one byte, 0 or 1.
    pub fn put_bool(&mut self, v: bool) {
        self.buf.push(u8::from(v));
    }

    /// Appends one byte.
    pub fn put_i8(&mut self, v: i8) {
        self.put_slice(&v.to_be_bytes());
    }

    /// Appends two bytes.
    pub fn put_i16(&mut self, v: i16) {
        self.put_slice(&v.to_be_bytes());
    }

    /// Appends two bytes.
    pub fn put_u16(&mut self, v: u16) {
        self.put_slice(&v.to_be_bytes());
    }

    /// Appends four bytes.
    pub fn put_i32(&mut self, v: i32) {
        self.put_slice(&v.to_be_bytes());
    }

    /// Appends four bytes.
    pub fn put_u32(&mut self, v: u32) {
        self.put_slice(&v.to_be_bytes());
    }

    /// Appends eight bytes.
    pub fn put_i64(&mut self, v: i64) {
        self.put_slice(&v.to_be_bytes());
    }

    /// Appends eight bytes.
    pub fn put_f64(&mut self, v: f64) {
        self.put_slice(&v.to_be_bytes());
    }

    /// Appends sixteen bytes.
    pub fn put_uuid(&mut self, v: Uuid) {
        self.put_slice(&v.to_bytes());
    }

    /// Appends an unsigned varint, as flexible versions use for lengths and tags.
    pub fn put_uvarint(&mut self, mut v: u32) {
        while v >= 0x80 {
            self.buf.push((v as u8) | 0x80);
            v >>= 7;
        }
        self.buf.push(v as u8);
    }

    /// Appends a length or count: `i32`, or `length + 1` as a varint in flexible versions; `None` is null.
    ///
    /// # Errors
    /// [`EncodeError::TooLong`] when the length does not fit an `i32`.
    pub fn put_len(&mut self, len: Option<usize>, flexible: bool) -> Result<(), EncodeError> {
        let signed = match len {
            Some(n) => i32::try_from(n).map_err(|_| EncodeError::TooLong(n))?,
            None => -1,
        };
        if flexible {
            self.put_uvarint((i64::from(signed) + 1) as u32);
        } else {
            self.put_i32(signed);
        }
        Ok(())
    }

    /// Appends a string: `i16` length, or compact in flexible versions; `None` is null.
    ///
    /// # Errors
    /// [`EncodeError::TooLong`] over 32,767 bytes.
    pub fn put_str(&mut self, v: Option<&str>, flexible: bool) -> Result<(), EncodeError> {
        let len = match v {
            Some(s) => i16::try_from(s.len()).map_err(|_| EncodeError::TooLong(s.len()))?,
            None => -1,
        };
        if flexible {
            self.put_uvarint((i32::from(len) + 1) as u32);
        } else {
            self.put_i16(len);
        }
        self.put_slice(v.unwrap_or_default().as_bytes());
        Ok(())
    }

    /// Appends bytes with their length; `None` is null.
    ///
    /// # Errors
    /// [`EncodeError::TooLong`] when the length does not fit an `i32`.
    pub fn put_bytes(&mut self, v: Option<&Bytes>, flexible: bool) -> Result<(), EncodeError> {
        self.put_len(v.map(Bytes::len), flexible)?;
        if let Some(bytes) = v {
            self.put_shared(bytes);
        }
        Ok(())
    }

    /// Appends record batches with their length, by reference; `None` is null.
    ///
    /// # Errors
    /// [`EncodeError::TooLong`] when the length does not fit an `i32`.
    pub fn put_records(&mut self, v: Option<&Records>, flexible: bool) -> Result<(), EncodeError> {
        self.put_len(v.map(Records::len), flexible)?;
        for part in v.map(Records::parts).unwrap_or_default() {
            self.put_shared(part);
        }
        if let Some(later) = v.and_then(Records::later) {
            self.splice(Piece::Later(later));
        }
        Ok(())
    }

    /// Appends one tagged field: tag, size, and what `body` writes.
    ///
    /// # Errors
    /// Those of `body`.
    pub fn put_tagged(
        &mut self,
        tag: u32,
        body: impl FnOnce(&mut Encoder) -> Result<(), EncodeError>,
    ) -> Result<(), EncodeError> {
        let mut inner = Encoder::new();
        body(&mut inner)?;
        let bytes = inner.try_into_bytes()?;
        self.put_uvarint(tag);
        self.put_uvarint(
            u32::try_from(bytes.len()).map_err(|_| EncodeError::TooLong(bytes.len()))?,
        );
        self.put_shared(&bytes);
        Ok(())
    }
}

/// Pieces all of which are in memory.
fn in_memory(pieces: Vec<Piece>) -> Result<Vec<Bytes>, EncodeError> {
    let here = pieces.into_iter().map(|piece| match piece {
        Piece::Here(bytes) => Ok(bytes),
        Piece::Later(later) => Err(EncodeError::NotHere(later.len())),
    });
    here.collect()
}

/// Bytes an unsigned varint takes.
pub const fn uvarint_len(v: u32) -> usize {
    (38 - (v | 1).leading_zeros() as usize) / 7
}

/// Bytes a zigzag varint takes.
pub const fn varint_len(v: i32) -> usize {
    uvarint_len(((v << 1) ^ (v >> 31)) as u32)
}

/// Bytes a zigzag varlong takes.
pub const fn varlong_len(v: i64) -> usize {
    let zigzag = ((v << 1) ^ (v >> 63)) as u64;
    (70 - (zigzag | 1).leading_zeros() as usize) / 7
}
