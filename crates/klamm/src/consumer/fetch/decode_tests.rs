use super::budget::Budget;
use super::decode::{DecodeSettings, FetchDataError, Step};
use super::samples::{SETTINGS, Sample, decoder, drain, marker, message, read, unlimited};
use super::{Batch, TimestampType};
use klamm_protocol::compression::{Codec, Compression};
use klamm_protocol::record_batch::{Attributes, BatchError};
use proptest::prelude::*;

const COMMITTED: DecodeSettings = DecodeSettings { read_committed: true, ..SETTINGS };

#[test]
fn records_before_the_wanted_offset_are_left_out() {
    let log = [Sample::new(0, 5).bytes(), Sample::new(5, 5).bytes()];
    for from in 0..10 {
        let (offsets, next, error) = read(from, &log, &[], SETTINGS);
        assert_eq!((offsets, next, error), ((from..10).collect(), 10, None));
    }
}

/// No log is like that; if an answer is, nothing comes twice and nothing is left out.
#[test]
fn batches_that_overlap_are_one_sequence() {
    let batches = [Sample::new(0, 3), Sample::new(1, 5), Sample::new(0, 9), Sample::new(9, 2)];
    let batches: Vec<Vec<u8>> = batches.iter().map(Sample::bytes).collect();
    for from in 0..11 {
        let (offsets, next, error) = read(from, &batches, &[], SETTINGS);
        assert_eq!((offsets, next, error), ((from..11).collect(), 11, None), "from {from}");
    }
}

#[test]
fn every_codec_and_every_format_in_one_answer() {
    let inner: Vec<u8> = [message(0, 1, 0, b"a"), message(1, 1, 0, b"b")].concat();
    let mut gzipped = Vec::new();
    Compression::from(Codec::Gzip).compress(&[inner.into()], &mut gzipped).unwrap();
    let log = [
        message(0, 0, 0, b"old"),
        message(2, 1, 1, &gzipped),
        Sample::new(3, 2).bytes(),
        Sample::new(5, 2).codec(Codec::Gzip).bytes(),
        Sample::new(7, 2).codec(Codec::Snappy).bytes(),
        Sample::new(9, 2).codec(Codec::Lz4).bytes(),
        Sample::new(11, 2).codec(Codec::Zstd).bytes(),
    ];
    for from in 0..13 {
        let (offsets, next, error) = read(from, &log, &[], SETTINGS);
        assert_eq!((offsets, next, error), ((from..13).collect(), 13, None));
    }
}

#[test]
fn what_has_to_be_decompressed_is_known_before() {
    let log = [
        (message(0, 0, 0, b"old"), false),
        (message(0, 1, 1, b"?"), true),
        (Sample::new(0, 2).bytes(), false),
        (Sample::new(0, 2).codec(Codec::Zstd).bytes(), true),
        (Vec::new(), false),
        (vec![0; 10], false),
    ];
    let budget = unlimited();
    for (bytes, compressed) in log {
        let decoder = decoder(0, bytes.clone(), &[], SETTINGS, &budget);
        assert_eq!(decoder.is_compressed(), compressed, "{bytes:?}");
    }
}

#[test]
fn the_rest_of_a_batch_is_a_batch() {
    let log = [Sample::new(0, 3).bytes(), Sample::new(5, 2).codec(Codec::Lz4).bytes()];
    let budget = unlimited();
    let mut decoder = decoder(0, log.concat(), &[], SETTINGS, &budget);
    let (batches, _) = drain(&mut decoder, &budget);
    let [whole] = &batches[..] else { panic!("{batches:?}") };
    let offsets = [0, 1, 2, 5, 6];
    let mut bytes = Vec::new();
    for taken in 0..5 {
        let rest = whole.after(taken).unwrap();
        let left: Vec<i64> = rest.iter().map(|record| record.offset()).collect();
        assert_eq!(left, offsets[taken..]);
        assert_eq!((rest.len(), rest.first_offset()), (5 - taken, offsets[taken]));
        assert_eq!((rest.last_offset(), rest.next_offset()), (6, 7));
        bytes.push(rest.bytes());
    }
    // All records are of one size.
    assert_eq!(bytes, [5, 4, 3, 2, 1].map(|n| n * whole.bytes() / 5));
    assert!(whole.after(5).is_none() && whole.after(6).is_none());
}

#[test]
fn compaction_gaps_and_empty_batches_are_passed_over() {
    let mut gaps = Sample::new(10, 6);
    gaps.records.retain(|(delta, _)| delta % 2 == 1 && *delta < 5);
    let mut empty = Sample::new(16, 4);
    empty.records.clear();
    let log = [gaps.bytes(), empty.bytes(), Sample::new(30, 1).bytes(), {
        let mut last = Sample::new(31, 9);
        last.records.clear();
        last.bytes()
    }];
    let (offsets, next, error) = read(10, &log, &[], SETTINGS);
    assert_eq!((offsets, next, error), (vec![11, 13, 30], 40, None));
    assert_eq!(
        read(14, &log[..2], &[], SETTINGS),
        (vec![], 20, None),
        "nothing left, but on it goes"
    );
}

#[test]
fn a_batch_that_was_cut_off_is_left_for_the_next_request() {
    let (first, second) = (Sample::new(0, 3).bytes(), Sample::new(3, 3).bytes());
    for cut in 0..second.len() {
        let log = [first.clone(), second[..cut].to_vec()];
        assert_eq!(read(0, &log, &[], SETTINGS), (vec![0, 1, 2], 3, None), "{cut}");
    }
}

#[test]
fn a_batch_that_never_fits_is_an_error_that_says_how_large_it_is() {
    let batch = Sample::new(0, 50).bytes();
    let error = read(0, &[batch[..100].to_vec()], &[], SETTINGS).2.unwrap();
    let FetchDataError::RecordTooLarge { offset: 0, needed, .. } = error else { panic!("{error}") };
    assert_eq!(needed, batch.len());
    assert!(error.to_string().contains("max.partition.fetch.bytes"));
    assert_eq!(read(0, &[], &[], SETTINGS), (vec![], 0, None), "nothing new is no error");
}

#[test]
fn every_flipped_bit_is_found_and_the_partition_stays_before_it() {
    let (first, second) = (Sample::new(0, 3).bytes(), Sample::new(3, 2).bytes());
    // Base offset, length and leader epoch are not under the checksum, nor is the format.
    for bit in 17 * 8..second.len() * 8 {
        let mut broken = second.clone();
        broken[bit / 8] ^= 1 << (bit % 8);
        let log = [first.clone(), broken, Sample::new(5, 2).bytes()];
        let (offsets, next, error) = read(0, &log, &[], SETTINGS);
        assert_eq!((offsets, next), (vec![0, 1, 2], 3), "{bit}");
        let Some(FetchDataError::Corrupt { at, .. }) = &error else { panic!("{bit}: {error:?}") };
        assert_eq!(at.first_offset, 3);
        assert!(at.next_offset > 3);
    }
    let mut broken = second;
    *broken.last_mut().unwrap() ^= 0x40;
    let error = read(3, &[broken], &[], SETTINGS).2.unwrap();
    let FetchDataError::Corrupt { at, cause } = &error else { panic!("{error}") };
    assert_eq!((at.first_offset, at.next_offset), (3, 5));
    assert!(matches!(cause, BatchError::Checksum { .. }));
    assert!(error.to_string().starts_with("t-0: the batch at offsets 3 to 4 is corrupt"));
    assert!(error.to_string().contains("skip_to(5)"));
}

#[test]
fn a_corrupt_record_is_found_before_the_first_of_its_batch_is_seen() {
    let unchecked = DecodeSettings { check_crcs: false, ..SETTINGS };
    let mut broken = Sample::new(3, 3).bytes();
    let len = broken.len();
    broken[len - 4] = 0x7f; // a length in the last record
    let log = [Sample::new(0, 3).bytes(), broken];
    let (offsets, next, error) = read(0, &log, &[], unchecked);
    assert_eq!((offsets, next), (vec![0, 1, 2], 3));
    assert!(matches!(
        error,
        Some(FetchDataError::Corrupt { cause: BatchError::Record { .. }, .. })
    ));
}

#[test]
fn offsets_out_of_order_are_corruption() {
    let mut swapped = Sample::new(0, 3);
    swapped.records.swap(0, 1);
    let (offsets, next, error) = read(0, &[swapped.bytes()], &[], SETTINGS);
    assert_eq!((offsets, next), (vec![], 0));
    assert!(matches!(error, Some(FetchDataError::Corrupt { .. })));
}

#[test]
fn checksums_are_not_looked_at_when_switched_off() {
    let mut broken = Sample::new(0, 1).bytes();
    broken[17] ^= 1;
    assert!(read(0, &[broken.clone()], &[], SETTINGS).2.is_some());
    let unchecked = DecodeSettings { check_crcs: false, ..SETTINGS };
    assert_eq!(read(0, &[broken], &[], unchecked), (vec![0], 1, None));
}

#[test]
fn unknown_codecs_and_formats_are_named_as_such() {
    let mut newer = Sample::new(0, 1);
    newer.header.attributes = Attributes(5);
    let mut body = newer.bytes();
    // `Sample` has set the codec it knows: put the unknown one back and the checksum with it.
    body[22] = 5;
    let unchecked = DecodeSettings { check_crcs: false, ..SETTINGS };
    let error = read(0, &[body], &[], unchecked).2.unwrap();
    assert!(matches!(error, FetchDataError::Unsupported { .. }), "{error}");
    let mut format = Sample::new(0, 1).bytes();
    format[16] = 3;
    let error = read(0, &[format], &[], SETTINGS).2.unwrap();
    assert!(matches!(error, FetchDataError::Unsupported { cause: BatchError::Magic(3), .. }));
}

#[test]
fn lengths_out_of_range_end_the_answer_with_an_error() {
    for length in [-1, i32::MIN, 0, 4, 13] {
        let mut broken = Sample::new(0, 1).bytes();
        broken[8..12].copy_from_slice(&i32::to_be_bytes(length));
        let error = read(0, &[broken], &[], SETTINGS).2.unwrap();
        assert!(matches!(error, FetchDataError::Corrupt { .. }), "{length}: {error}");
    }
}

#[test]
fn markers_are_never_delivered_and_move_the_position() {
    let log = [Sample::new(0, 2).of(1).bytes(), marker(2, 1, true), marker(3, 2, false)];
    for settings in [SETTINGS, COMMITTED] {
        assert_eq!(read(0, &log, &[], settings), (vec![0, 1], 4, None));
        assert_eq!(read(2, &log[1..], &[], settings), (vec![], 4, None));
    }
}

#[test]
fn what_was_aborted_is_left_out_only_if_asked() {
    let log = [
        Sample::new(0, 2).of(1).bytes(),
        Sample::new(2, 1).of(2).codec(Codec::Lz4).bytes(),
        marker(3, 1, false),
        Sample::new(4, 1).bytes(),
        Sample::new(5, 1).of(1).bytes(),
        marker(6, 2, true),
        marker(7, 1, true),
    ];
    assert_eq!(read(0, &log, &[(1, 0)], COMMITTED), (vec![2, 4, 5], 8, None));
    assert_eq!(read(0, &log, &[(1, 0)], SETTINGS), (vec![0, 1, 2, 4, 5], 8, None));
    // The fetch begins in the middle of the aborted transaction.
    assert_eq!(read(1, &log, &[(1, 0)], COMMITTED), (vec![2, 4, 5], 8, None));
}

#[test]
fn an_empty_abort_hides_no_later_commit() {
    let mut removed = Sample::new(2, 1).of(1);
    removed.header.attributes = removed.header.attributes.control();
    removed.records.clear();
    for end in [marker(2, 1, false), removed.bytes()] {
        let log = [end, Sample::new(3, 1).of(1).bytes(), marker(4, 1, true)];
        assert_eq!(read(0, &log, &[(1, 0)], COMMITTED), (vec![3], 5, None));
    }
}

/// A log, its aborted transactions, and the offsets that were committed.
type Transactions = (Vec<Vec<u8>>, Vec<(i64, i64)>, Vec<i64>);

/// What three producers do, one step after the other; each ends its transactions one way or the other.
fn transactions(steps: &[(i64, u8)]) -> Transactions {
    let (mut log, mut aborted, mut expected) = (Vec::new(), Vec::new(), Vec::new());
    let mut open: [Vec<i64>; 3] = Default::default();
    let ends = (0..3).map(|id| (id, 2));
    for (offset, (id, what)) in steps.iter().copied().chain(ends).enumerate() {
        let (offset, mine) = (offset as i64, &mut open[id as usize]);
        match what {
            0 => {
                mine.push(offset);
                log.push(Sample::new(offset, 1).of(id).bytes());
            }
            1 => {
                aborted.extend(mine.first().map(|first| (id, *first)));
                mine.clear();
                log.push(marker(offset, id, false));
            }
            _ => {
                expected.append(mine);
                log.push(marker(offset, id, true));
            }
        }
    }
    expected.sort_unstable();
    (log, aborted, expected)
}

#[test]
fn all_interleavings_of_three_transactions() {
    // Each of three producers: write, then end; producer 1 aborts, 2 commits, 0 either. 90 orders.
    let mut orders = vec![vec![]];
    for _ in 0..6 {
        let step = |order: &Vec<i64>| {
            let order = order.clone();
            (0..3).filter_map(move |id| {
                let used = order.iter().filter(|o| **o == id).count();
                (used < 2).then(|| [order.clone(), vec![id]].concat())
            })
        };
        orders = orders.iter().flat_map(step).collect();
    }
    assert_eq!(orders.len(), 90);
    for (order, zero) in orders.iter().flat_map(|order| [(order, 1u8), (order, 2)]) {
        let mut seen = [0u8; 3];
        let steps = order.iter().map(|id| {
            let at = *id as usize;
            seen[at] += 1;
            (*id, if seen[at] == 1 { 0 } else { [zero, 1, 2][at] })
        });
        let steps: Vec<_> = steps.collect();
        let (log, mut aborted, expected) = transactions(&steps);
        for _ in 0..aborted.len().max(1) {
            assert_eq!(read(0, &log, &aborted, COMMITTED).0, expected, "{steps:?} {aborted:?}");
            let by = 1.min(aborted.len());
            aborted.rotate_left(by);
        }
    }
}

#[test]
fn batches_are_cut_to_what_a_poll_hands_out() {
    let budget = unlimited();
    let log = [
        Sample::new(0, 5).bytes(),
        Sample::new(5, 4).codec(Codec::Zstd).bytes(),
        marker(9, 1, true),
    ];
    let settings = DecodeSettings { max_records: 3, ..SETTINGS };
    let mut decoder = decoder(0, log.concat(), &[], settings, &budget);
    let (batches, error) = drain(&mut decoder, &budget);
    assert_eq!(error, None);
    let shapes: Vec<_> = batches
        .iter()
        .map(|b| (b.first_offset(), b.last_offset(), b.next_offset(), b.len()))
        .collect();
    assert_eq!(shapes, [(0, 2, 3, 3), (3, 5, 6, 3), (6, 8, 10, 3)]);
    let values: Vec<_> = batches.iter().flatten().map(|r| r.value().unwrap().to_vec()).collect();
    let expected: Vec<_> = (0..9).map(|n| format!("v{n}").into_bytes()).collect();
    assert_eq!(values, expected);
    let batch = &batches[0];
    assert_eq!((batch.topic(), batch.partition(), batch.is_empty()), ("t", 0, false));
    assert_eq!((batch.high_watermark(), batch.last_stable_offset()), (1_000, 900));
    assert_eq!(batch.next_leader_epoch(), Some(3));
    assert_eq!((batch.iter().len(), batch.clone().into_records().len()), (3, 3));
    let sizes: usize = batches.iter().map(Batch::bytes).sum();
    assert_eq!(sizes, 9 * 9, "each has 7 bytes around its 2");
}

#[test]
fn records_keep_their_memory_and_give_it_back() {
    let budget = Budget::new(1 << 20, |_| {});
    let plain = Sample::new(0, 3).bytes();
    let packed = Sample::new(3, 3).codec(Codec::Gzip).bytes();
    let (answer, unpacked) = (plain.len() + packed.len(), 3 * 9);
    let mut both = decoder(0, [plain, packed].concat(), &[], SETTINGS, &budget);
    assert_eq!((budget.used(), both.undecoded()), (answer, answer));
    let (batches, _) = drain(&mut both, &budget);
    assert_eq!(both.undecoded(), 0);
    drop(both);
    assert_eq!(budget.used(), answer + unpacked);
    let mut records: Vec<_> = batches.into_iter().flat_map(Batch::into_records).collect();
    records.truncate(1);
    assert_eq!(budget.used(), answer + unpacked, "one record holds all");
    assert_eq!(records[0].value(), Some(&b"v0"[..]));
    drop(records);
    assert_eq!(budget.used(), 0);
}

#[test]
fn an_answer_that_was_decompressed_is_let_go() {
    let budget = Budget::new(1 << 20, |_| {});
    let packed = Sample::new(0, 3).codec(Codec::Lz4).bytes();
    let mut decoder = decoder(0, packed, &[], SETTINGS, &budget);
    let (batches, _) = drain(&mut decoder, &budget);
    drop(decoder);
    assert_eq!(budget.used(), 3 * 9, "only what the records lie in");
    drop(batches);
    assert_eq!(budget.used(), 0);
}

fn wide(base: i64, bytes: usize) -> Vec<u8> {
    let mut sample = Sample::new(base, 1).codec(Codec::Gzip);
    sample.records[0].1 = vec![7; bytes];
    sample.bytes()
}

#[test]
fn decompression_waits_for_memory_and_goes_on_where_it_was() {
    let log = [wide(0, 30_000), wide(1, 30_000), wide(2, 30_000)].concat();
    let budget = Budget::new(90_000, |_| {});
    let mut decoder = decoder(0, log, &[], SETTINGS, &budget);
    let Ok(Step::Batches(first)) = decoder.next(&budget, false) else { panic!("room for one") };
    assert_eq!((first.len(), decoder.position().0), (1, 1));
    assert!(matches!(decoder.next(&budget, false), Ok(Step::Blocked)));
    assert!(budget.used() <= budget.limit());
    drop(first);
    let Ok(Step::Batches(second)) = decoder.next(&budget, false) else { panic!("room again") };
    assert_eq!(second[0].first_offset(), 1);
    // Whoever waits for this partition gets one batch over the budget, and only one.
    let Ok(Step::Batches(third)) = decoder.next(&budget, true) else { panic!("urgent") };
    assert_eq!(third[0].first_offset(), 2);
    assert!(matches!(decoder.next(&budget, true), Ok(Step::Done)));
}

#[test]
fn a_batch_larger_than_the_budget_is_delivered_to_whom_it_is_urgent() {
    let budget = Budget::new(1_000, |_| {});
    let mut decoder = decoder(0, wide(0, 200_000), &[], SETTINGS, &budget);
    assert!(matches!(decoder.next(&budget, false), Ok(Step::Blocked)));
    let Ok(Step::Batches(batches)) = decoder.next(&budget, true) else { panic!("urgent") };
    assert_eq!(batches[0].iter().next().unwrap().value().unwrap().len(), 200_000);
}

#[test]
fn decompression_ends_at_its_cap() {
    let settings = DecodeSettings { decompressed_max_bytes: 50_000, ..SETTINGS };
    let error = read(0, &[wide(0, 60_000)], &[], settings).2.unwrap();
    assert!(matches!(error, FetchDataError::DecompressedTooLarge { cap: 50_000, .. }), "{error}");
    assert_eq!(read(0, &[wide(0, 40_000)], &[], settings), (vec![0], 1, None));
}

#[test]
fn append_time_stands_for_all_records_and_is_named() {
    let mut sample = Sample::new(0, 2);
    sample.header.attributes = sample.header.attributes.with_log_append_time(true);
    (sample.header.base_timestamp, sample.header.max_timestamp) = (5, 77);
    let batches = Batch::read("t", 1, sample.bytes().into(), 10).unwrap();
    for record in &batches[0] {
        assert_eq!(record.timestamp(), 77);
        assert_eq!(record.timestamp_type(), TimestampType::LogAppendTime);
        assert_eq!((record.leader_epoch(), record.topic(), record.partition()), (Some(3), "t", 1));
    }
    let owned: Vec<_> = batches[0].clone().into_records().collect();
    assert_eq!((owned[1].timestamp(), owned[1].leader_epoch()), (77, Some(3)));
    assert_eq!(owned[1].timestamp_type(), TimestampType::LogAppendTime);
    assert_eq!((owned[1].key(), owned[1].headers().count()), (None, 0));
}

proptest! {
    #[test]
    fn any_order_of_transactions_gives_the_committed_records(
        steps in proptest::collection::vec((0..3i64, 0..3u8), 0..40),
        shuffle in any::<prop::sample::Index>(),
        from in 0..43i64,
    ) {
        let (log, mut aborted, expected) = transactions(&steps);
        if !aborted.is_empty() {
            let by = shuffle.index(aborted.len());
            aborted.rotate_left(by);
            aborted.reverse();
        }
        let (offsets, next, error) = read(0, &log, &aborted, COMMITTED);
        prop_assert_eq!((&offsets, error), (&expected, None));
        prop_assert_eq!(next, log.len() as i64);
        let from = from.min(next);
        // A broker sends from the batch with the offset on, and what was aborted and not over by then.
        let later = read(from, &log[from as usize..], &aborted, COMMITTED).0;
        let seen: Vec<_> = expected.into_iter().filter(|offset| *offset >= from).collect();
        // A transaction that was over before is named in this test's list too, and hides what follows
        // of its producer up to a marker; a broker does not name it.
        let over = aborted.iter().any(|(_, first)| *first < from);
        prop_assert!(over || later == seen);
    }

    #[test]
    fn hostile_bytes_never_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..400), at in 0..200usize) {
        let sound = Sample::new(0, 4).codec(Codec::Snappy).bytes();
        let at = at.min(bytes.len());
        bytes.splice(at..at, sound);
        let settings = DecodeSettings { check_crcs: false, ..COMMITTED };
        let (_, next, _) = read(0, &[bytes], &[(1, 0)], settings);
        prop_assert!(next >= 0);
    }
}
