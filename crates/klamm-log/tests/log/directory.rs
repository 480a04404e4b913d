//! A directory of the system as storage.

use crate::batch::{Batch, client, pair, records, small};
use bytes::Bytes;
use klamm_log::Log;
use klamm_log::storage::{FileStorage, Open, OpenError, Storage};
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

/// A directory of a test's own, gone when the test ends.
pub(crate) struct Directory(pub(crate) PathBuf);

impl Directory {
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("klamm-log-{}-{name}", std::process::id()));
        drop(fs::remove_dir_all(&path));
        Self(path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

#[test]
fn a_directory_belongs_to_one_process_at_a_time() {
    let dir = Directory::new("lock");
    let storage = FileStorage::open(&dir.0).unwrap();
    let second = FileStorage::open(&dir.0);
    assert!(matches!(second, Err(OpenError::InUse(_))), "{second:?}");
    drop(storage);
    FileStorage::open(&dir.0).unwrap();
}

#[test]
fn directories_of_a_newer_version_and_of_others_are_refused() {
    let dir = Directory::new("format");
    drop(FileStorage::open(&dir.0).unwrap());
    fs::write(dir.0.join("klamm.format"), "2\n").unwrap();
    let newer = FileStorage::open(&dir.0).unwrap_err();
    assert!(newer.to_string().contains("use the version that wrote it"), "{newer}");
    let dir = Directory::new("foreign");
    fs::create_dir_all(&dir.0).unwrap();
    fs::write(dir.0.join("photo.jpg"), "x").unwrap();
    assert!(matches!(FileStorage::open(&dir.0), Err(OpenError::Foreign(_))));
    assert_eq!(fs::read(dir.0.join("photo.jpg")).unwrap(), b"x");
}

#[test]
fn a_log_on_a_disk_is_what_was_written() {
    let dir = Directory::new("log");
    let mut expected = Vec::new();
    for life in 0..3 {
        let storage: Arc<dyn Storage> = Arc::new(FileStorage::open(&dir.0).unwrap());
        let (mut log, recovery) = Log::open(storage, "t-0", small(true)).unwrap();
        assert_eq!(recovery.clean, life == 2);
        assert_eq!(records(&log), expected);
        for n in 0..20 {
            // Small ones are copied behind their head, large ones are written from where they are.
            let record = pair("k", &"v".repeat(n * 400));
            let at =
                log.append(Batch::of(std::slice::from_ref(&record)).bytes(), client(0)).unwrap();
            expected.push((at.base_offset, record));
        }
        if life == 1 {
            log.close().unwrap();
        }
    }
}

#[test]
fn what_was_located_is_readable_after_its_segment_is_gone() {
    let dir = Directory::new("deleted");
    let storage = Arc::new(FileStorage::open(&dir.0).unwrap());
    let (mut log, _) = Log::open(storage, "t-0", small(true)).unwrap();
    let batch = Batch::values(&[b"still there"]).bytes();
    log.append(batch.clone(), client(0)).unwrap();
    let slices = log.locate(0, 1, 1000, true).unwrap();
    log.delete_before(1).unwrap();
    assert!(!dir.0.join("t-0/00000000000000000000.log").exists());
    assert_eq!(slices.load().unwrap().concat()[16..], batch[16..]);
}

#[test]
fn one_write_takes_any_number_of_parts() {
    let dir = Directory::new("parts");
    let storage = FileStorage::open(&dir.0).unwrap();
    let file = storage.open("f", Open::Empty).unwrap();
    let parts: Vec<Bytes> = (0..200_u8).map(|n| vec![n; usize::from(n) * 100].into()).collect();
    file.write_at(0, &parts).unwrap();
    let len = usize::try_from(file.size().unwrap()).unwrap();
    assert_eq!(file.read_at(0, len).unwrap().concat(), parts.concat());
    assert!(file.read_at(1, len).is_err(), "past the end");
}
