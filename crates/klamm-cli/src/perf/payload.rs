//! What is sent.

use crate::args::PerfProduce;
use crate::failure::{DATA, Failure, USAGE};
use crate::produce::unescape;
use std::ops::RangeInclusive;

/// Generated payloads to choose from, so that compression does not see the same bytes every time.
const VARIETY: usize = 1_000;
/// Bytes that generated payloads may take together.
const VARIETY_BYTES: usize = 32 * 1024 * 1024;

/// Reads or makes the payloads.
pub(super) fn load(args: &PerfProduce) -> Result<Vec<Vec<u8>>, Failure> {
    match (&args.payload_file, args.record_size) {
        (Some(path), _) => {
            let failed = |e: std::io::Error| Failure::new(DATA, format!("{}: {e}", path.display()));
            let bytes = std::fs::read(path).map_err(failed)?;
            let delimiter = unescape(&args.payload_delimiter)?;
            let payloads = split(&bytes, &delimiter);
            if payloads.is_empty() {
                return Err(Failure::new(DATA, format!("{}: no records in it", path.display())));
            }
            Ok(payloads)
        }
        (None, Some(size)) => Ok(generate(size..=size)),
        (None, None) => {
            Err(Failure::new(USAGE, "--record-size BYTES or --payload-file FILE is needed"))
        }
    }
}

/// Random letters, of sizes in this range.
pub(crate) fn generate(sizes: RangeInclusive<usize>) -> Vec<Vec<u8>> {
    let count = (VARIETY_BYTES / (*sizes.end()).max(1)).clamp(1, VARIETY);
    let letters = |_| {
        let size = fastrand::usize(sizes.clone());
        // Java's tool draws from the capital letters too.
        std::iter::repeat_with(|| fastrand::u8(b'A'..=b'Z')).take(size).collect()
    };
    (0..count).map(letters).collect()
}

fn split(bytes: &[u8], delimiter: &[u8]) -> Vec<Vec<u8>> {
    let mut payloads = Vec::new();
    let mut rest = bytes;
    while let Some(at) = rest.windows(delimiter.len().max(1)).position(|w| w == delimiter) {
        payloads.push(rest[..at].to_vec());
        rest = &rest[at + delimiter.len()..];
    }
    payloads.push(rest.to_vec());
    payloads.retain(|p| !p.is_empty());
    payloads
}
