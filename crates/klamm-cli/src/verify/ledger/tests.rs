//! Records in, verdicts out.

use super::{Ledger, Sighting};
use crate::verify::verdict::Place;
use crate::verify::{Carrier, Sent, Stamp, Verdict};
use proptest::prelude::*;

const RUN: u32 = 9;

fn stamp(source: u32, sequence: u64) -> Stamp {
    Stamp { run: RUN, source, sequence, sent: sequence * 10 }
}

fn value(stamp: Stamp) -> Vec<u8> {
    let mut value = vec![b'v'; 50];
    assert!(stamp.write(None, &mut value));
    value
}

/// Shows the ledger record `sequence` of `source`.
fn saw(ledger: &mut Ledger, place: (i32, i64), source: u32, sequence: u64) -> Sighting {
    let value = value(stamp(source, sequence));
    ledger.saw(place.0, place.1, Carrier { value: Some(&value), ..Carrier::default() })
}

fn sent(counts: &[u64]) -> Sent {
    let mut sent = Sent::default();
    for (source, count) in (0..).zip(counts) {
        sent.add(source, *count);
    }
    sent
}

#[test]
fn all_that_was_sent_in_order_is_clean() {
    let mut ledger = Ledger::new(RUN);
    for n in 0..20 {
        // Two sources, two partitions, other records in between.
        let place = ((n % 2) as i32, 100 + 3 * n as i64);
        assert_eq!(
            saw(&mut ledger, place, n as u32 % 4 / 2, n / 4 * 2 + n % 2),
            Sighting::First(stamp(n as u32 % 4 / 2, n / 4 * 2 + n % 2))
        );
    }
    let verdict = ledger.verdict(&sent(&[10, 10]));
    assert_eq!(verdict, Verdict { sent: 20, acknowledged: 20, seen: 20, ..Verdict::default() });
    assert!(verdict.is_clean() && ledger.has_all(&sent(&[10, 10])));
}

#[test]
fn what_is_not_seen_is_lost() {
    let mut ledger = Ledger::new(RUN);
    for sequence in [0, 1, 4] {
        saw(&mut ledger, (0, sequence as i64), 0, sequence);
    }
    let verdict = ledger.verdict(&sent(&[6, 2]));
    assert_eq!((verdict.lost, verdict.first_lost), (5, Some((0, 2))));
    assert!(!verdict.is_clean() && !ledger.has_all(&sent(&[6, 2])));
    assert_eq!(verdict.to_string().split("; ").nth(1), Some("first lost: number 2 of task 0"));
}

#[test]
fn what_was_not_acknowledged_may_be_there_or_not() {
    let mut ledger = Ledger::new(RUN);
    let mut sent = sent(&[4]);
    for sequence in [1, 3] {
        sent.not_acknowledged(0, sequence);
    }
    for sequence in [0, 1] {
        saw(&mut ledger, (0, sequence as i64), 0, sequence);
    }
    // As many as must be there, but not those that must.
    assert_eq!((ledger.seen(), sent.acknowledged(), ledger.has_all(&sent)), (2, 2, false));
    let verdict = ledger.verdict(&sent);
    assert_eq!((verdict.lost, verdict.first_lost), (1, Some((0, 2))));
    saw(&mut ledger, (0, 2), 0, 2);
    assert!(ledger.has_all(&sent) && ledger.verdict(&sent).is_clean());
}

#[test]
fn a_second_offset_is_a_duplicate_and_the_same_offset_is_read_again() {
    let mut ledger = Ledger::new(RUN);
    saw(&mut ledger, (0, 5), 0, 0);
    assert_eq!(saw(&mut ledger, (0, 5), 0, 0), Sighting::Again);
    assert!(ledger.verdict(&sent(&[1])).is_clean(), "nothing is wrong with the log");
    assert_eq!(saw(&mut ledger, (0, 6), 0, 0), Sighting::Duplicate(stamp(0, 0)));
    assert_eq!(saw(&mut ledger, (1, 0), 0, 0), Sighting::Duplicate(stamp(0, 0)));
    let verdict = ledger.verdict(&sent(&[1]));
    assert_eq!((verdict.duplicated, verdict.read_again, verdict.seen), (2, 1, 1));
    assert_eq!(verdict.first_trouble, Some(Place { partition: 0, offset: 6 }));
}

#[test]
fn order_is_that_of_a_source_in_a_partition() {
    let mut ledger = Ledger::new(RUN);
    saw(&mut ledger, (0, 0), 0, 5);
    assert_eq!(saw(&mut ledger, (1, 0), 0, 2), Sighting::First(stamp(0, 2)), "another partition");
    assert_eq!(saw(&mut ledger, (0, 1), 1, 2), Sighting::First(stamp(1, 2)), "another source");
    assert_eq!(saw(&mut ledger, (0, 2), 0, 3), Sighting::Reordered(stamp(0, 3)));
    assert_eq!(
        saw(&mut ledger, (0, 3), 0, 4),
        Sighting::Reordered(stamp(0, 4)),
        "it is still behind 5"
    );
    assert_eq!(saw(&mut ledger, (0, 4), 0, 6), Sighting::First(stamp(0, 6)));
    assert_eq!(ledger.verdict(&sent(&[0, 0])).reordered, 2);
}

#[test]
fn a_lower_offset_for_the_first_time_is_out_of_order() {
    let mut ledger = Ledger::new(RUN);
    saw(&mut ledger, (0, 8), 0, 0);
    assert_eq!(saw(&mut ledger, (0, 7), 1, 0), Sighting::Reordered(stamp(1, 0)));
    assert_eq!(saw(&mut ledger, (0, 9), 0, 1), Sighting::First(stamp(0, 1)));
}

#[test]
fn damage_and_strangers_are_told_apart() {
    let mut ledger = Ledger::new(RUN);
    let mut damaged = value(stamp(0, 0));
    damaged[40] ^= 1;
    let carry = |value| Carrier { value, ..Carrier::default() };
    assert_eq!(ledger.saw(0, 0, carry(Some(&damaged))), Sighting::Corrupt);
    let other_run = value(Stamp { run: RUN + 1, ..stamp(0, 0) });
    assert_eq!(ledger.saw(0, 1, carry(Some(&other_run))), Sighting::Foreign);
    assert_eq!(ledger.saw(0, 2, carry(Some(b"somebody else's"))), Sighting::Foreign);
    assert_eq!(ledger.saw(0, 3, carry(None)), Sighting::Foreign);
    let verdict = ledger.verdict(&sent(&[1]));
    assert_eq!((verdict.corrupted, verdict.foreign, verdict.lost, verdict.seen), (1, 3, 1, 0));
}

#[test]
fn verdicts_add_up() {
    let mut ledger = Ledger::new(RUN);
    saw(&mut ledger, (0, 0), 0, 0);
    let mut both = ledger.verdict(&sent(&[1]));
    both.add(&Ledger::new(RUN).verdict(&sent(&[3])));
    assert_eq!((both.sent, both.seen, both.lost, both.first_lost), (4, 1, 3, Some((0, 0))));
}

proptest! {
    /// Two sources and two partitions; records are dropped, doubled and read again at will.
    #[test]
    fn counts_are_exact(fates in prop::collection::vec((0..4u8, 0..2u32, 0..2i32), 1..200)) {
        let mut ledger = Ledger::new(RUN);
        let (mut next, mut offset) = ([0u64; 2], 0i64);
        let [mut lost, mut doubled, mut again] = [0; 3];
        for (fate, source, partition) in fates {
            let sequence = next[source as usize];
            next[source as usize] += 1;
            if fate == 0 {
                lost += 1;
                continue;
            }
            offset += 2;
            saw(&mut ledger, (partition, offset), source, sequence);
            if fate == 2 {
                doubled += 1;
                saw(&mut ledger, (partition, offset + 1), source, sequence);
            } else if fate == 3 {
                again += 1;
                saw(&mut ledger, (partition, offset), source, sequence);
            }
        }
        let verdict = ledger.verdict(&sent(&next));
        let counted = (verdict.lost, verdict.duplicated, verdict.read_again, verdict.reordered);
        prop_assert_eq!(counted, (lost, doubled, again, 0));
        prop_assert_eq!(verdict.seen + verdict.lost, verdict.sent);
    }
}
