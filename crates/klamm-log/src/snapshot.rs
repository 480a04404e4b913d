//! Pure: what is known of producers at an offset, as a file, so that opening a log need not read all of it.
//!
//! Layout, integers big-endian: magic `KLP1`, CRC-32C of the rest, offset, count of producers, then for each: id, epoch,
//! coordinator epoch, last timestamp, start of its transaction or -1, count of batches, and for each of those two
//! sequences, two offsets, a timestamp; then the count of aborted transactions, four numbers each.

use crate::producers::{AbortedTransaction, Entry, Producers, Seen};
use std::collections::VecDeque;

const MAGIC: &[u8; 4] = b"KLP1";

/// The file's content.
pub(crate) fn encode(offset: i64, producers: &Producers) -> Vec<u8> {
    let mut out = Vec::new();
    put(&mut out, &[offset, count(producers.entries.len())]);
    for (&id, entry) in &producers.entries {
        let start = entry.transaction_start.unwrap_or(-1);
        let batches = count(entry.batches.len());
        let (epoch, coordinator) = (i64::from(entry.epoch), i64::from(entry.coordinator_epoch));
        put(&mut out, &[id, epoch, coordinator, entry.last_timestamp, start, batches]);
        for seen in &entry.batches {
            let (first, last) = (i64::from(seen.first_sequence), i64::from(seen.last_sequence));
            put(&mut out, &[first, last, seen.base_offset, seen.last_offset, seen.timestamp]);
        }
    }
    put(&mut out, &[count(producers.aborted.len())]);
    for t in &producers.aborted {
        put(&mut out, &[t.producer_id, t.first_offset, t.last_offset, t.last_stable_offset]);
    }
    let crc = checksum(&out).to_be_bytes();
    [&MAGIC[..], &crc, &out].concat()
}

/// Reads [`encode`]; none when it is damaged or something else.
pub(crate) fn decode(bytes: &[u8]) -> Option<(i64, Producers)> {
    let (crc, body) = bytes.strip_prefix(MAGIC)?.split_first_chunk::<4>()?;
    if checksum(body) != u32::from_be_bytes(*crc) {
        return None;
    }
    let mut numbers =
        body.chunks_exact(8).map(|n| i64::from_be_bytes(n.try_into().unwrap_or_default()));
    let mut next = || numbers.next();
    let mut producers = Producers::default();
    let offset = next()?;
    for _ in 0..next()? {
        let id = next()?;
        let (epoch, coordinator_epoch) = (next()?.try_into().ok()?, next()?.try_into().ok()?);
        let last_timestamp = next()?;
        let transaction_start = next().map(|start| (start >= 0).then_some(start))?;
        let mut batches = VecDeque::new();
        for _ in 0..next()? {
            batches.push_back(Seen {
                first_sequence: next()?.try_into().ok()?,
                last_sequence: next()?.try_into().ok()?,
                base_offset: next()?,
                last_offset: next()?,
                timestamp: next()?,
            });
        }
        let entry = Entry { epoch, coordinator_epoch, last_timestamp, transaction_start, batches };
        producers.restore(id, entry);
    }
    for _ in 0..next()? {
        producers.aborted.push(AbortedTransaction {
            producer_id: next()?,
            first_offset: next()?,
            last_offset: next()?,
            last_stable_offset: next()?,
        });
    }
    Some((offset, producers))
}

fn put(out: &mut Vec<u8>, numbers: &[i64]) {
    numbers.iter().for_each(|number| out.extend_from_slice(&number.to_be_bytes()));
}

fn count(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

fn checksum(bytes: &[u8]) -> u32 {
    crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, bytes) as u32
}

#[cfg(test)]
mod tests {
    use super::{decode, encode};
    use crate::producers::Producers;
    use klamm_protocol::record_batch::{Attributes, BatchHeader, ControlType};

    #[test]
    fn snapshots_survive_and_damage_is_noticed() {
        let mut producers = Producers::default();
        for (id, sequence, transactional) in
            [(1, 0, false), (1, 1, false), (2, 5, true), (3, 0, true)]
        {
            let plain = Attributes::default();
            producers.append(&BatchHeader {
                producer_id: id,
                producer_epoch: 1,
                base_sequence: sequence,
                base_offset: id * 10 + i64::from(sequence),
                attributes: if transactional { plain.transactional() } else { plain },
                ..BatchHeader::default()
            });
        }
        let marker = BatchHeader {
            producer_id: 3,
            producer_epoch: 1,
            base_offset: 40,
            ..BatchHeader::default()
        };
        producers.end_transaction(&marker, ControlType::Abort, 2);
        let bytes = encode(41, &producers);
        assert_eq!(decode(&bytes), Some((41, producers)));
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            assert_eq!(decode(&damaged), None, "byte {at}");
            assert_eq!(decode(&bytes[..at]), None, "cut at {at}");
        }
    }
}
