//! Opening by what stands beside full segments: the books are those of every record, and what is beside a segment and is not
//! its own changes nothing.

use super::life::{Clients, Dice, Life, hash, records, small, verdict};
use crate::accepted::Accepted;
use crate::wal::books::Books;
use crate::wal::chapter_file::{HEAD_BYTES, Head, encode};
use crate::wal::config::{Opened, Receipt, WalConfig};
use crate::wal::core::Core;
use crate::wal::open::open;
use crate::wal::seen::{Seen, SeenSet};
use klamm_log::storage::{CountingStorage, FaultyStorage, Open, Storage};
use klamm_protocol::record_batch::BatchHeader;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

/// A process that runs for a while and is killed; its clients, and what is on the disk.
fn history(seed: u64, steps: u64) -> (FaultyStorage, Arc<Mutex<Clients>>) {
    let (storage, clients) = (FaultyStorage::new(), Arc::<Mutex<Clients>>::default());
    let mut dice = Dice::new(seed);
    let (core, _) = open(Arc::new(storage.clone()), small()).unwrap();
    let life = Life { core, clients: clients.clone() };
    let mut id = 0;
    for _ in 0..steps {
        match dice.roll(12) {
            0..7 => {
                let mut requests = Vec::new();
                for _ in 0..1 + dice.roll(3) {
                    id += 1;
                    requests.push((id, 1 + dice.roll(3), dice.roll(900) as usize));
                }
                life.append(&requests);
            }
            7 => {
                let released = clients.lock().known.released;
                life.release(released + dice.roll(9));
            }
            8 => life.core.keep(),
            9 => life.core.make_spare(),
            10 => drop(life.core.use_spare()),
            _ => life.core.seal(),
        }
        if dice.roll(4) > 0 {
            life.core.save_chapters();
        }
    }
    // The next process does not have what this one saves at its end.
    std::mem::forget(life);
    (storage, clients)
}

/// What an opened log has in memory.
fn known(core: &Core) -> (Books, SeenSet, u64, u64) {
    let desk = core.desk.lock();
    (desk.books.clone(), desk.seen.clone(), desk.mark, desk.lost)
}

fn start(storage: &FaultyStorage) -> (Core, Opened) {
    open(Arc::new(storage.clone()), small()).unwrap()
}

fn names(storage: &FaultyStorage, extension: &str) -> Vec<String> {
    let mut names = storage.list("wal").unwrap();
    names.retain(|name| name.ends_with(extension));
    names
}

fn content(storage: &FaultyStorage, name: &str) -> Vec<u8> {
    let file = storage.open(&format!("wal/{name}"), Open::Existing).unwrap();
    file.read_at(0, file.size().unwrap() as usize).unwrap().concat()
}

fn write(storage: &FaultyStorage, name: &str, content: Vec<u8>) {
    let file = storage.open(&format!("wal/{name}"), Open::Empty).unwrap();
    file.write_at(0, &[content.into()]).unwrap();
}

fn remove(storage: &FaultyStorage, extension: &str) {
    let names = names(storage, extension);
    names.iter().for_each(|name| storage.remove(&format!("wal/{name}")).unwrap());
}

#[test]
fn the_books_are_those_of_a_look_at_every_record() {
    let (mut left_out, mut files) = (0, 0);
    for seed in 0..150 {
        let (storage, clients) = history(seed, 80);
        let written: Vec<_> = names(&storage, ".books")
            .into_iter()
            .map(|name| (content(&storage, &name), name))
            .collect();
        files += written.len();
        let (core, opened) = start(&storage);
        let (quick, unread) = (known(&core), core.unread.len());
        left_out += unread;
        drop(core);
        remove(&storage, ".books");
        remove(&storage, ".summary");
        let (core, again) = start(&storage);
        assert_eq!(known(&core), quick, "seed {seed}");
        assert_eq!(again, opened, "seed {seed}");
        assert!(core.unread.is_empty());
        // What is written down of a segment that is read is what was written down when it was full.
        for (content_before, name) in &written {
            assert_eq!(&content(&storage, name), content_before, "seed {seed}: {name}");
        }
        verdict(&core, &opened, &clients.lock().known).unwrap();
    }
    assert!(left_out > 100 && files > 600, "{left_out} {files}");
}

#[test]
fn what_is_beside_a_segment_and_is_not_its_own_changes_nothing() {
    for seed in 0..150 {
        let (storage, clients) = history(seed, 60);
        let mut dice = Dice::new(seed);
        drop(start(&storage));
        let (core, opened) = start(&storage);
        let sound = known(&core);
        drop(core);
        let beside = [names(&storage, ".books"), names(&storage, ".summary")].concat();
        let contents: Vec<_> = beside.iter().map(|name| content(&storage, name)).collect();
        for name in &beside {
            let mut file = content(&storage, name);
            let other = &contents[dice.roll(contents.len() as u64) as usize];
            match dice.roll(7) {
                0 => storage.remove(&format!("wal/{name}")).unwrap(),
                1 => file.truncate(dice.roll(file.len() as u64) as usize),
                2 => {
                    let at = dice.roll(file.len() as u64) as usize;
                    file[at] ^= 1 << dice.roll(8);
                }
                3 => file.clone_from(other),
                4 => file.fill(0),
                5 => file.extend([0; 7]),
                _ => {}
            }
            write(&storage, name, file);
        }
        let (core, again) = start(&storage);
        assert_eq!((known(&core), again), (sound, opened.clone()), "seed {seed}");
        verdict(&core, &opened, &clients.lock().known).unwrap();
    }
}

/// A file with sound checksums that says what is not so: the books are wrong until the records are in Kafka, and no record is.
#[test]
fn a_file_that_lies_takes_no_record_away() {
    let (storage, clients) = history(5, 90);
    let (core, opened) = start(&storage);
    let all = records(&core).unwrap();
    let full: Vec<_> = core.log.lock().full_segments().collect();
    drop(core);
    let mut lies = 0;
    for segment in &full {
        let name = format!("{:020}.books", segment.offsets.start);
        let file = content(&storage, &name);
        let head = Head::decode(&file, file.len() as u64, segment).unwrap();
        let spans = &file[HEAD_BYTES..HEAD_BYTES + head.spans_at().1];
        let mut chapter = head.chapter(spans, segment).unwrap();
        chapter.mark = Some(u64::MAX);
        chapter.keys.clear();
        chapter.spans = Default::default();
        write(&storage, &name, encode(&chapter, segment).unwrap());
        lies += 1;
    }
    assert!(lies > 4);
    let (core, again) = start(&storage);
    assert_eq!(records(&core).unwrap(), all);
    assert_eq!((again.next, again.released), (opened.next, opened.released));
    verdict(&core, &again, &clients.lock().known).unwrap();
    // What the books do not have leaves them without harm.
    core.release(again.next);
    core.keep();
    assert_eq!((core.state().bytes, core.state().released), (0, again.next));
}

/// Wherever the reader comes to it: reads are small here and may begin at any batch.
#[test]
fn damage_that_is_met_takes_nothing_but_the_batch_it_is_in() {
    let mut tried = 0;
    for (seed, at) in (0..20).flat_map(|seed| [0, 7, 8, 11, 16, 18, 70].map(|at| (seed, at))) {
        let (storage, _) = history(seed, 90);
        let (core, _) = start(&storage);
        let (mut left, unread) = (records(&core).unwrap(), core.unread.clone());
        drop(core);
        let Some((name, position, gone)) = inner_batch(&storage, &unread) else { continue };
        storage.damage(&format!("wal/{name}"), position + at, 0x55).unwrap();
        let (core, opened) = start(&storage);
        if !opened.quarantined.is_empty() {
            // It was full so shortly before the end that every batch of it is looked at.
            continue;
        }
        left.retain(|sequence, _| !gone.contains(sequence));
        assert_eq!(mended(&core, gone.start), left, "seed {seed}, byte {at}");
        assert_eq!(core.state().set_aside.len(), 1);
        tried += 1;
    }
    assert!(tried > 50, "{tried}");
}

/// A batch of a segment that is not looked at, neither the first in it nor the last: its segment, where it is, and its sequences.
fn inner_batch(
    storage: &FaultyStorage,
    unread: &[Range<u64>],
) -> Option<(String, u64, Range<u64>)> {
    names(storage, ".log").into_iter().find_map(|name| {
        let base: u64 = name.strip_suffix(".log")?.parse().ok()?;
        unread.iter().find(|range| range.contains(&base))?;
        let file = content(storage, &name);
        let header = |at: usize| file[at..].first_chunk().map(BatchHeader::read);
        let behind = |at: usize| Some(at + header(at)?.batch_length as usize + 12);
        let second = behind(0).filter(|second| *second < file.len())?;
        // Not a seal, either.
        behind(second).filter(|third| *third < file.len() && *third > second + 100)?;
        let first = header(second)?.base_offset as u64;
        let next = first + header(second)?.last_offset_delta as u64 + 1;
        Some((name, second as u64, first..next))
    })
}

/// As [`records`], of a reader that has damage mended.
fn mended(core: &Core, segment: u64) -> BTreeMap<u64, Accepted> {
    records(core).unwrap_or_else(|_| {
        core.mend(segment).unwrap();
        records(core).unwrap()
    })
}

#[test]
fn a_request_is_answered_as_before_however_old_it_is() {
    let (storage, clients) = history(11, 200);
    let (core, _) = start(&storage);
    assert!(!core.unread.is_empty());
    let known = clients.lock().look();
    assert!(known.receipts.len() > 200);
    let oldest = core.log.lock().start_offset() as u64;
    for (&first, id) in known.receipts.range(oldest..) {
        let receipt = Receipt { first, count: known.sizes[id] as u32 };
        assert_eq!(core.desk.lock().seen.get(&hash(*id)), Some(Seen::Done(receipt)), "{id}");
    }
    drop(core);
    // Of more than are remembered it is the last that are.
    let config = WalConfig { seen_max: 20, ..small() };
    let (core, _) = open(Arc::new(storage), config).unwrap();
    let last: Vec<_> = known.receipts.values().rev().take(30).collect();
    for (n, id) in last.into_iter().enumerate() {
        assert_eq!(core.desk.lock().seen.get(&hash(*id)).is_some(), n < 20, "{n}");
    }
}

#[test]
fn opening_reads_little_of_a_long_backlog() {
    let storage = CountingStorage::default();
    let config = || WalConfig { segment_bytes: 256 << 10, ..WalConfig::default() };
    let open = || open(Arc::new(storage.clone()), config()).unwrap();
    let (core, _) = open();
    let life = Life { core, clients: Arc::default() };
    for id in 0..4000 {
        life.append(&[(id, 3, 900)]);
        life.core.save_chapters();
    }
    std::mem::forget(life);
    storage.take_read_bytes();
    let (core, opened) = open();
    let read = storage.take_read_bytes();
    assert!(opened.bytes > 10_000_000 && opened.records == 12_000, "{opened:?}");
    // The last segment twice, the first time for its checksums, and places in it.
    assert!(read < 4 * (256 << 10), "{read} bytes are read");
    // And one more when the cursor is in the middle of a segment.
    core.release(opened.next / 2);
    core.keep();
    drop(core);
    storage.take_read_bytes();
    let (core, opened) = open();
    let read = storage.take_read_bytes();
    assert!(read < 6 * (256 << 10) && opened.released > 5_000, "{read} bytes are read");
    assert_eq!(opened.records + opened.released, opened.next);
    assert_eq!(records(&core).unwrap().len() as u64, opened.records);
}
