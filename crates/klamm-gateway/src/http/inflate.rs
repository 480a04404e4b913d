//! Pure: bodies that come compressed, with bounds on what comes out.

use super::refused::Refused;
use bytes::Bytes;
use flate2::{Decompress, FlushDecompress, Status};
use klamm_protocol::compression::{Codec, CodecError, decompress};

/// What a body may become in any case, however small it is.
const FREE_BYTES: usize = 64 << 10;
/// Output is made room for in steps of this.
const STEP_BYTES: usize = 32 << 10;

/// How a body is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Gzip,
    /// RFC 1950, which is what HTTP calls deflate; RFC 1951 too, which is what some clients send.
    Deflate,
    Zstd,
}

impl Encoding {
    /// What a `Content-Encoding` says; `None` for a body as it is.
    ///
    /// # Errors
    /// It is an encoding that is not read here, or several.
    pub(super) fn of(header: &[u8]) -> Result<Option<Self>, Refused> {
        let is = |name: &str| header.trim_ascii().eq_ignore_ascii_case(name.as_bytes());
        Ok(match () {
            () if is("gzip") || is("x-gzip") => Some(Encoding::Gzip),
            () if is("zstd") => Some(Encoding::Zstd),
            () if is("deflate") => Some(Encoding::Deflate),
            () if is("identity") || is("") => None,
            () => return Err(Refused::encoding()),
        })
    }

    /// What `bytes` stand for: at most `limit` bytes, and at most `ratio` times as many as they are.
    ///
    /// # Errors
    /// More come out, or `bytes` are nothing of this encoding.
    pub(super) fn inflate(
        self,
        bytes: &Bytes,
        limit: usize,
        ratio: usize,
    ) -> Result<Bytes, Refused> {
        let cap = cap(bytes.len(), limit, ratio);
        let codec = match self {
            Encoding::Gzip => Codec::Gzip,
            Encoding::Zstd => Codec::Zstd,
            Encoding::Deflate => return deflate(bytes, cap),
        };
        decompress(codec, bytes, cap).map_err(|error| match error {
            CodecError::TooLarge(_) => too_large(cap),
            error => Refused::broken(error.to_string()),
        })
    }
}

/// The most that a body of `bytes` may become.
pub(super) fn cap(bytes: usize, limit: usize, ratio: usize) -> usize {
    bytes.saturating_mul(ratio).max(FREE_BYTES).min(limit)
}

fn too_large(cap: usize) -> Refused {
    Refused::too_large("what the body decompresses to", cap)
}

fn deflate(bytes: &[u8], cap: usize) -> Result<Bytes, Refused> {
    // The two bytes of a header of RFC 1950 are a multiple of 31, and the first says deflate.
    let wrapped = matches!(bytes, [a, b, ..] if a & 15 == 8 && (u16::from(*a) << 8 | u16::from(*b)) % 31 == 0);
    let mut decoder = Decompress::new(wrapped);
    let mut out: Vec<u8> = Vec::new();
    loop {
        if out.len() == out.capacity() {
            // One byte more than the cap, to see that there is more.
            let room = STEP_BYTES.max(out.len()).min((cap + 1).saturating_sub(out.len()));
            out.reserve_exact(room);
        }
        let read = usize::try_from(decoder.total_in()).unwrap_or(usize::MAX);
        let rest = bytes.get(read..).unwrap_or_default();
        let status = decoder.decompress_vec(rest, &mut out, FlushDecompress::None);
        if out.len() > cap {
            return Err(too_large(cap));
        }
        match status {
            Ok(Status::StreamEnd) => break,
            Ok(_) if out.len() == out.capacity() => {}
            Ok(_) => return Err(Refused::broken("deflate data is cut off")),
            Err(error) => return Err(Refused::broken(format!("deflate data is corrupt: {error}"))),
        }
    }
    Ok(out.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
    use klamm_protocol::compression;
    use proptest::prelude::*;
    use std::io::Write;

    fn encoded(encoding: Encoding, raw: bool, bytes: &[u8]) -> Bytes {
        let level = Compression::default();
        match (encoding, raw) {
            (Encoding::Gzip, _) => {
                let mut to = GzEncoder::new(Vec::new(), level);
                to.write_all(bytes).unwrap();
                to.finish().unwrap().into()
            }
            (Encoding::Deflate, false) => {
                let mut to = ZlibEncoder::new(Vec::new(), level);
                to.write_all(bytes).unwrap();
                to.finish().unwrap().into()
            }
            (Encoding::Deflate, true) => {
                let mut to = DeflateEncoder::new(Vec::new(), level);
                to.write_all(bytes).unwrap();
                to.finish().unwrap().into()
            }
            (Encoding::Zstd, _) => {
                let zstd: compression::Compression = Codec::Zstd.into();
                let mut to = Vec::new();
                zstd.compress(&[Bytes::copy_from_slice(bytes)], &mut to).unwrap();
                to.into()
            }
        }
    }

    const ALL: [(Encoding, bool); 4] = [
        (Encoding::Gzip, false),
        (Encoding::Deflate, false),
        (Encoding::Deflate, true),
        (Encoding::Zstd, false),
    ];

    #[test]
    fn names_are_known() {
        let table = [
            ("gzip", Some(Encoding::Gzip)),
            (" X-GZIP ", Some(Encoding::Gzip)),
            ("deflate", Some(Encoding::Deflate)),
            ("zstd", Some(Encoding::Zstd)),
            ("identity", None),
            ("", None),
        ];
        for (name, encoding) in table {
            assert_eq!(Encoding::of(name.as_bytes()).unwrap(), encoding, "{name}");
        }
        for name in ["br", "gzip, gzip", "gzip, br"] {
            assert_eq!(Encoding::of(name.as_bytes()).unwrap_err().problem.status, 415, "{name}");
        }
    }

    #[test]
    fn bombs_are_refused() {
        let zeros = vec![0; 4 << 20];
        for (encoding, raw) in ALL {
            let bomb = encoded(encoding, raw, &zeros);
            assert!(bomb.len() < zeros.len() / 500, "{encoding:?}");
            let by_ratio = encoding.inflate(&bomb, 8 << 20, 100).unwrap_err();
            let by_limit = encoding.inflate(&bomb, 1 << 20, 100_000).unwrap_err();
            assert_eq!(
                [by_ratio.problem.status, by_limit.problem.status],
                [413; 2],
                "{encoding:?}"
            );
            assert_eq!(encoding.inflate(&bomb, zeros.len(), 100_000).unwrap(), zeros);
        }
    }

    #[test]
    fn what_is_cut_off_or_something_else_is_refused() {
        for (encoding, raw) in ALL {
            let whole = encoded(encoding, raw, b"a body that is long enough to be cut, cut, cut");
            for end in 0..whole.len() {
                let cut = whole.slice(..end);
                let result = encoding.inflate(&cut, 1 << 20, 100);
                // Nothing is a good stream of no frames for some.
                assert!(result.is_err() || end == 0, "{encoding:?} {end}: {result:?}");
            }
            let text = Bytes::from_static(b"{\"plain\":true}");
            assert_eq!(encoding.inflate(&text, 1 << 20, 100).unwrap_err().problem.status, 400);
        }
    }

    proptest! {
        #[test]
        fn what_is_encoded_comes_out(bytes in prop::collection::vec(0_u8..4, 0..100_000)) {
            for (encoding, raw) in ALL {
                let inflated = encoding.inflate(&encoded(encoding, raw, &bytes), 1 << 20, 100);
                prop_assert_eq!(inflated.unwrap(), &bytes);
            }
        }

        #[test]
        fn hostile_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let bytes = Bytes::from(bytes);
            for (encoding, _) in ALL {
                let _ = encoding.inflate(&bytes, 1000, 100);
            }
        }
    }
}
