//! Pure: what a named request brings, in the hash that names it.

use crate::Accepted;
use crc_fast::{CrcAlgorithm, Digest};
use http::HeaderMap;
use http::request::Parts;

/// Where in the hash it stands.
const PLACE: usize = 12;

/// Whether a client names the request, rather than the event in it: then it promises that all of it is the same.
pub(super) fn is_named(headers: &HeaderMap) -> bool {
    headers.contains_key("idempotency-key") || headers.contains_key("webhook-id")
}

/// What the request with this head and body brings.
pub(super) fn of(parts: &Parts, body: &[u8]) -> [u8; 4] {
    let mut digest = Digest::new(CrcAlgorithm::Crc32Iscsi);
    for part in [parts.uri.path(), parts.uri.query().unwrap_or_default()] {
        digest.update(part.as_bytes());
        // Neither has one, so that no path and query are like others.
        digest.update(b"?");
    }
    digest.update(body);
    // The checksum has 32 bits, which are the last of these.
    let [_, _, _, _, checksum @ ..] = digest.finalize().to_be_bytes();
    checksum
}

/// Writes it into the hash of every record.
pub(super) fn mark(records: &mut [Accepted], fingerprint: [u8; 4]) {
    for hash in records.iter_mut().filter_map(|record| record.idempotency.as_mut()) {
        hash[PLACE..].copy_from_slice(&fingerprint);
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    #[test]
    fn path_query_and_body_count() {
        let of = |uri: &str, body: &str| {
            let (parts, ()) = Request::builder().uri(uri).body(()).unwrap().into_parts();
            super::of(&parts, body.as_bytes())
        };
        let one = of("/topics/a?key=1", "body");
        assert_eq!(one, of("/topics/a?key=1", "body"));
        for other in [
            of("/topics/a?key=2", "body"),
            of("/topics/a", "body"),
            of("/topics/a/partitions/1?key=1", "body"),
            of("/topics/a?key=1", "bodY"),
        ] {
            assert_ne!(one, other);
        }
    }
}
