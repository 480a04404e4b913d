//! Topic and directory ids.

use std::fmt;

/// A topic or directory id; all zeroes means "none". Shown as Kafka shows it: URL-safe base64.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Uuid([u8; 16]);

impl Uuid {
    /// The id that means "none".
    pub const ZERO: Uuid = Uuid([0; 16]);

    /// Wraps sixteen bytes in network order.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The sixteen bytes in network order.
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0
    }

    /// Whether this is [`Uuid::ZERO`].
    pub fn is_zero(self) -> bool {
        self == Self::ZERO
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const ALPHABET: &[u8; 64] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        // 128 bits = 21 full sextets and one of two bits, which base64 pads with zeroes below.
        let n = u128::from_be_bytes(self.0);
        for i in 0..22u32 {
            let sextet = if i < 21 { (n >> (122 - 6 * i)) & 63 } else { (n << 4) & 63 };
            write!(f, "{}", char::from(ALPHABET[sextet as usize]))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::Uuid;

    #[test]
    fn shows_as_kafka_does() {
        assert_eq!(Uuid::ZERO.to_string(), "AAAAAAAAAAAAAAAAAAAAAA");
        // Kafka's Uuid.METADATA_TOPIC_ID: 0L, 1L.
        assert_eq!(Uuid::from_bytes(1u128.to_be_bytes()).to_string(), "AAAAAAAAAAAAAAAAAAAAAQ");
    }
}
