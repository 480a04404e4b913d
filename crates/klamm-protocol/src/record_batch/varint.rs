//! Pure: zigzag varints as record batches use them, over plain slices.

use super::RecordError;

/// Interleaves the sign, so that small negative numbers are short too.
#[inline]
const fn zigzag(v: i64) -> u64 {
    ((v << 1) ^ (v >> 63)) as u64
}

#[inline]
const fn unzigzag(v: u64) -> i64 {
    (v >> 1) as i64 ^ -((v & 1) as i64)
}

/// The bytes of a varint below 2^21 in one little-endian word, and how many they are.
///
/// Without a branch: lengths in a real stream mix one and two bytes, and a mispredicted branch costs
/// more than all of this. The length is counted from comparisons, which do not wait for each other,
/// because the place of everything behind it waits for the length.
#[inline]
pub(super) const fn pack3(v: u32) -> (u64, usize) {
    let (second, third) = ((v >= 1 << 7) as u32, (v >= 1 << 14) as u32);
    let more = second << 7 | third << 15;
    let spread = v & 0x7f | (v & 0x3f80) << 1 | (v & 0x1f_c000) << 2;
    ((spread | more) as u64, 1 + second as usize + third as usize)
}

/// As [`pack3`], below 2^14.
#[inline]
pub(super) const fn pack2(v: u32) -> (u64, usize) {
    let second = (v >= 1 << 7) as u32;
    ((v & 0x7f | second << 7 | (v & 0x3f80) << 1) as u64, 1 + second as usize)
}

/// Writes a varint at `at`; the caller has checked that it fits. Returns the position behind it.
pub(super) fn put(out: &mut [u8], mut at: usize, v: i64) -> usize {
    let mut rest = zigzag(v);
    while rest >= 0x80 {
        out[at] = rest as u8 | 0x80;
        rest >>= 7;
        at += 1;
    }
    out[at] = rest as u8;
    at + 1
}

/// Reads a 32-bit varint at `*at` and moves behind it.
#[inline]
pub(super) fn read_i32(input: &[u8], at: &mut usize) -> Result<i32, RecordError> {
    // One and two bytes cover every length below 8 KiB and nearly every delta.
    match input.get(*at) {
        Some(&b0) if b0 < 0x80 => {
            *at += 1;
            return Ok(unzigzag(u64::from(b0)) as i32);
        }
        Some(&b0) => {
            if let Some(&b1) = input.get(*at + 1)
                && b1 < 0x80
            {
                *at += 2;
                return Ok(unzigzag(u64::from(b0 & 0x7f) | u64::from(b1) << 7) as i32);
            }
        }
        None => return Err(RecordError::Truncated),
    }
    let v = read_unsigned(input, at, 5)?;
    u32::try_from(v).map(|v| unzigzag(u64::from(v)) as i32).map_err(|_| RecordError::Varint)
}

/// Reads a 64-bit varint at `*at` and moves behind it.
#[inline]
pub(super) fn read_i64(input: &[u8], at: &mut usize) -> Result<i64, RecordError> {
    match input.get(*at) {
        Some(&b0) if b0 < 0x80 => {
            *at += 1;
            Ok(unzigzag(u64::from(b0)))
        }
        _ => read_unsigned(input, at, 10).map(unzigzag),
    }
}

#[cold]
fn read_unsigned(input: &[u8], at: &mut usize, max_len: usize) -> Result<u64, RecordError> {
    let mut value = 0u64;
    for i in 0..max_len {
        let &byte = input.get(*at + i).ok_or(RecordError::Truncated)?;
        // The tenth byte has room for one bit only.
        if i == 9 && byte > 1 {
            return Err(RecordError::Varint);
        }
        value |= u64::from(byte & 0x7f) << (7 * i);
        if byte < 0x80 {
            *at += i + 1;
            return Ok(value);
        }
    }
    Err(RecordError::Varint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn varints_round_trip(v in any::<i64>(), narrow in any::<i32>()) {
            let mut out = [0; 20];
            let end = put(&mut out, 0, v);
            prop_assert_eq!(end, crate::primitives::varlong_len(v));
            let mut at = 0;
            prop_assert_eq!(read_i64(&out[..end], &mut at), Ok(v));
            prop_assert_eq!(at, end);
            let end = put(&mut out, 0, i64::from(narrow));
            let mut at = 0;
            prop_assert_eq!(read_i32(&out[..end], &mut at), Ok(narrow));
            prop_assert_eq!(at, end);
        }

        #[test]
        fn packed_equals_written(v in prop_oneof![0..300u32, 0..1u32 << 14, 0..1u32 << 21]) {
            let mut out = [0; 20];
            let end = put(&mut out, 0, unzigzag(u64::from(v)));
            let (bits, len) = pack3(v);
            prop_assert_eq!(len, end);
            prop_assert_eq!(&bits.to_le_bytes()[..len], &out[..len]);
            if v < 1 << 14 {
                prop_assert_eq!(pack2(v), (bits, len));
            }
        }
    }

    #[test]
    fn every_cut_is_truncated_and_overlong_forms_are_refused() {
        let mut out = [0; 20];
        let end = put(&mut out, 0, i64::MIN);
        for cut in 0..end {
            assert_eq!(read_i64(&out[..cut], &mut 0), Err(RecordError::Truncated), "{cut}");
        }
        assert_eq!(read_i64(&[0xff; 11], &mut 0), Err(RecordError::Varint));
        assert_eq!(read_i32(&[0xff; 6], &mut 0), Err(RecordError::Varint));
        assert_eq!(read_i32(&[0xff, 0xff, 0xff, 0xff, 0x1f], &mut 0), Err(RecordError::Varint));
        assert_eq!(read_i32(&[0xff, 0xff, 0xff, 0xff, 0x0f], &mut 0), Ok(i32::MIN));
    }
}
