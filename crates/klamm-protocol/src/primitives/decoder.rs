//! Reading wire forms out of one frame, within its bounds and its memory budget.

use super::{DecodeError, Records, Str, Uuid};
use bytes::Bytes;

/// Memory a decoder may hand out for each byte of input: the most a well-formed message needs is a
/// 32-byte string handle for a two-byte string.
const BUDGET_PER_INPUT_BYTE: usize = 16;
/// What a decoder may hand out whatever its input.
const BUDGET_FLOOR_BYTES: usize = 64 * 1024;

/// Reads wire forms out of one frame; strings and bytes are slices of it.
#[derive(Debug)]
pub struct Decoder {
    input: Bytes,
    at: usize,
    budget: usize,
}

impl Decoder {
    /// Starts at the first byte of `input`, with a memory budget in proportion to its length.
    pub fn new(input: Bytes) -> Self {
        let budget =
            input.len().saturating_mul(BUDGET_PER_INPUT_BYTE).saturating_add(BUDGET_FLOOR_BYTES);
        Self { input, at: 0, budget }
    }

    /// Bytes that are left.
    pub fn remaining(&self) -> usize {
        self.input.len() - self.at
    }

    /// Ends decoding.
    ///
    /// # Errors
    /// [`DecodeError::Trailing`] when bytes are left.
    pub fn finish(&self) -> Result<(), DecodeError> {
        match self.remaining() {
            0 => Ok(()),
            n => Err(DecodeError::Trailing(n)),
        }
    }

    fn advance(&mut self, n: usize) -> Result<usize, DecodeError> {
        if n > self.remaining() {
            return Err(DecodeError::Truncated { needed: n, remaining: self.remaining() });
        }
        let from = self.at;
        self.at += n;
        Ok(from)
    }

    /// Takes `bytes` of memory out of the budget.
    fn charge(&mut self, bytes: usize) -> Result<(), DecodeError> {
        self.budget = self.budget.checked_sub(bytes).ok_or(DecodeError::OverBudget(bytes))?;
        Ok(())
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let from = self.advance(N)?;
        let mut out = [0; N];
        out.copy_from_slice(&self.input[from..from + N]);
        Ok(out)
    }

    /// Takes the next `n` bytes as a slice of the input.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] when fewer are left.
    pub fn take(&mut self, n: usize) -> Result<Bytes, DecodeError> {
        let from = self.advance(n)?;
        Ok(self.input.slice(from..from + n))
    }

    /// Reads one byte as a flag; any value but 0 is true, as in Kafka.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`].
    pub fn bool(&mut self) -> Result<bool, DecodeError> {
        Ok(self.i8()? != 0)
    }

    /// Reads one byte.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`].
    pub fn i8(&mut self) -> Result<i8, DecodeError> {
        Ok(i8::from_be_bytes(self.array()?))
    }

    /// Reads two bytes.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`].
    pub fn i16(&mut self) -> Result<i16, DecodeError> {
        Ok(i16::from_be_bytes(self.array()?))
    }

    /// Reads two bytes.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`].
    pub fn u16(&mut self) -> Result<u16, DecodeError> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    /// Reads four bytes.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`].
    pub fn i32(&mut self) -> Result<i32, DecodeError> {
        Ok(i32::from_be_bytes(self.array()?))
    }

    /// Reads four bytes.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`].
    pub fn u32(&mut self) -> Result<u32, DecodeError> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    /// Reads eight bytes.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`].
    pub fn i64(&mut self) -> Result<i64, DecodeError> {
        Ok(i64::from_be_bytes(self.array()?))
    }

    /// Reads eight bytes.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`].
    pub fn f64(&mut self) -> Result<f64, DecodeError> {
        Ok(f64::from_be_bytes(self.array()?))
    }

    /// Reads sixteen bytes.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`].
    pub fn uuid(&mut self) -> Result<Uuid, DecodeError> {
        Ok(Uuid::from_bytes(self.array()?))
    }

    /// Reads an unsigned varint of at most five bytes.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`], or [`DecodeError::Varint`] when it does not fit 32 bits.
    pub fn uvarint(&mut self) -> Result<u32, DecodeError> {
        let mut value = 0u32;
        for shift in [0, 7, 14, 21, 28] {
            let [byte] = self.array::<1>()?;
            if shift == 28 && byte > 0x0f {
                return Err(DecodeError::Varint(32));
            }
            value |= u32::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(DecodeError::Varint(32))
    }

    /// Reads a length or count; null is `None`.
    ///
    /// # Errors
    /// [`DecodeError::Length`] when it is below null or larger than what is left of the input.
    pub fn len(&mut self, flexible: bool) -> Result<Option<usize>, DecodeError> {
        let n = if flexible { i64::from(self.uvarint()?) - 1 } else { i64::from(self.i32()?) };
        self.checked_len(n)
    }

    fn checked_len(&self, n: i64) -> Result<Option<usize>, DecodeError> {
        match usize::try_from(n) {
            Ok(n) if n <= self.remaining() => Ok(Some(n)),
            Err(_) if n == -1 => Ok(None),
            _ => Err(DecodeError::Length(n)),
        }
    }

    /// Reads a string of at most 32,767 bytes, in every version; null is `None`.
    ///
    /// # Errors
    /// Those of a length, and [`DecodeError::Utf8`].
    pub fn str(&mut self, flexible: bool) -> Result<Option<Str>, DecodeError> {
        let n = if flexible { i64::from(self.uvarint()?) - 1 } else { i64::from(self.i16()?) };
        if n > i64::from(i16::MAX) {
            return Err(DecodeError::Length(n));
        }
        match self.checked_len(n)? {
            Some(n) => Ok(Some(Str::from_utf8(self.take(n)?)?)),
            None => Ok(None),
        }
    }

    /// Reads bytes with their length; null is `None`.
    ///
    /// # Errors
    /// Those of a length.
    pub fn bytes(&mut self, flexible: bool) -> Result<Option<Bytes>, DecodeError> {
        match self.len(flexible)? {
            Some(n) => Ok(Some(self.take(n)?)),
            None => Ok(None),
        }
    }

    /// Reads record batches with their length; null is `None`.
    ///
    /// # Errors
    /// Those of a length, and [`DecodeError::OverBudget`].
    pub fn records(&mut self, flexible: bool) -> Result<Option<Records>, DecodeError> {
        let Some(bytes) = self.bytes(flexible)? else { return Ok(None) };
        self.charge(size_of::<Bytes>())?;
        Ok(Some(Records::from(bytes)))
    }

    /// Reads an array; null is `None`. The elements' memory is charged to the budget before any of
    /// it is allocated.
    ///
    /// # Errors
    /// Those of a length and of `element`, and [`DecodeError::OverBudget`].
    pub fn vec<T>(
        &mut self,
        flexible: bool,
        mut element: impl FnMut(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Option<Vec<T>>, DecodeError> {
        let Some(count) = self.len(flexible)? else { return Ok(None) };
        self.charge(count.saturating_mul(size_of::<T>()))?;
        let mut out = Vec::with_capacity(count);
        for _ in 0..count {
            out.push(element(self)?);
        }
        Ok(Some(out))
    }

    /// Reads the tagged fields that end a struct of a flexible version: `known` is given each tag
    /// and a decoder over its body, and says whether it knew the tag.
    ///
    /// # Errors
    /// Those of `known`; tags out of order or repeated; a known body with bytes left over.
    pub fn tagged(
        &mut self,
        mut known: impl FnMut(u32, &mut Decoder) -> Result<bool, DecodeError>,
    ) -> Result<(), DecodeError> {
        let count = self.uvarint()?;
        let mut last = None;
        for _ in 0..count {
            let tag = self.uvarint()?;
            if last.is_some_and(|l| tag <= l) {
                return Err(DecodeError::Invalid("order of tagged fields"));
            }
            last = Some(tag);
            let size = self.uvarint()? as usize;
            let mut body = Decoder { input: self.take(size)?, at: 0, budget: self.budget };
            if known(tag, &mut body)? {
                body.finish()?;
                self.budget = body.budget;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::primitives::Encoder;

    fn decoder(bytes: &[u8]) -> Decoder {
        Decoder::new(Bytes::copy_from_slice(bytes))
    }

    #[test]
    fn uvarints_are_32_bits_in_at_most_five_bytes() {
        for v in [0, 1, 127, 128, 16_383, 16_384, u32::MAX >> 1, u32::MAX] {
            let mut e = Encoder::new();
            e.put_uvarint(v);
            assert_eq!(decoder(&e.into_bytes()).uvarint(), Ok(v));
        }
        let too_large = [0xff, 0xff, 0xff, 0xff, 0x1f];
        assert_eq!(decoder(&too_large).uvarint(), Err(DecodeError::Varint(32)));
        assert_eq!(decoder(&[0x80; 6]).uvarint(), Err(DecodeError::Varint(32)));
        assert!(matches!(decoder(&[0x80; 4]).uvarint(), Err(DecodeError::Truncated { .. })));
    }

    #[test]
    fn lengths_below_null_and_beyond_the_input_are_refused() {
        assert_eq!(decoder(&[0xff; 4]).len(false), Ok(None));
        assert_eq!(decoder(&[0xff, 0xff, 0xff, 0xfe]).len(false), Err(DecodeError::Length(-2)));
        assert_eq!(decoder(&[0, 0, 0, 2, 7]).len(false), Err(DecodeError::Length(2)));
        assert_eq!(decoder(&[0, 0, 0, 1, 7]).len(false), Ok(Some(1)));
        assert_eq!(decoder(&[0]).len(true), Ok(None));
        assert_eq!(decoder(&[3, 7]).len(true), Err(DecodeError::Length(2)));
    }

    #[test]
    fn strings_are_utf8_of_at_most_32767_bytes() {
        assert_eq!(decoder(&[3, 0xc3, 0x28]).str(true), Err(DecodeError::Utf8));
        for (len, fits) in [(32_767, true), (32_768, false)] {
            let mut e = Encoder::new();
            e.put_len(Some(len), true).unwrap();
            e.put_slice(&vec![b'x'; len]);
            assert_eq!(Decoder::new(e.into_bytes()).str(true).is_ok(), fits, "{len}");
        }
    }

    #[test]
    fn arrays_are_refused_before_they_take_more_memory_than_their_input_earns() {
        const COUNT: usize = 1 << 20;
        let mut e = Encoder::new();
        e.put_len(Some(COUNT), false).unwrap();
        e.put_slice(&vec![0; COUNT]);
        let bytes = e.into_bytes();
        let read = |d: &mut Decoder| d.vec(false, |d| d.i8().map(|_| [0u64; 4]));
        let cost = COUNT * 32;
        assert_eq!(read(&mut Decoder::new(bytes.clone())), Err(DecodeError::OverBudget(cost)));
        let ok = Decoder::new(bytes).vec(false, Decoder::i8).unwrap().unwrap();
        assert_eq!((ok.len(), ok.capacity()), (COUNT, COUNT));
    }

    #[test]
    fn the_budget_is_one_for_all_arrays_of_a_message() {
        // Empty record fields cost a byte of input and a handle of memory each.
        let count = BUDGET_FLOOR_BYTES;
        let mut d = decoder(&vec![1; count]);
        let budget = count * BUDGET_PER_INPUT_BYTE + BUDGET_FLOOR_BYTES;
        let read = (0..count).take_while(|_| d.records(true).is_ok()).count();
        assert_eq!(read, budget / size_of::<Bytes>());
    }

    #[test]
    fn tagged_fields_share_the_budget_and_are_in_order() {
        let mut d = decoder(&[2, 1, 1, 9, 4, 2, 8, 7]);
        let mut seen = Vec::new();
        let before = d.budget;
        d.tagged(|tag, body| {
            seen.push((tag, body.remaining()));
            body.charge(100)?;
            body.take(body.remaining()).map(|_| true)
        })
        .unwrap();
        assert_eq!((seen, before - d.budget), (vec![(1, 1), (4, 2)], 200));
        let twice = decoder(&[2, 1, 0, 1, 0]).tagged(|_, _| Ok(false));
        assert_eq!(twice, Err(DecodeError::Invalid("order of tagged fields")));
        let left_over = decoder(&[1, 0, 2, 8, 7]).tagged(|_, body| body.i8().map(|_| true));
        assert_eq!(left_over, Err(DecodeError::Trailing(1)));
    }
}
