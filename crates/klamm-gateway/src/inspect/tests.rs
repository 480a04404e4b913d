use super::*;
use crate::accepted::Accepted;
use crate::wal::{Wal, WalConfig};
use bytes::Bytes;
use klamm_log::storage::FileStorage;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A directory that is removed with its test.
struct Dir(PathBuf);

impl Dir {
    fn new(name: &str) -> Self {
        let path =
            std::env::temp_dir().join(format!("klamm-inspect-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// Every file and what is in it.
    fn content(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut files = BTreeMap::new();
        for dir in [self.0.clone(), self.0.join("wal")] {
            for entry in std::fs::read_dir(dir).unwrap().map(Result::unwrap) {
                if entry.path().is_file() {
                    files.insert(entry.path(), std::fs::read(entry.path()).unwrap());
                }
            }
        }
        files
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn open(dir: &Path) -> Wal {
    let storage = Arc::new(FileStorage::open(dir).unwrap());
    let config = WalConfig { segment_bytes: 2000, ..WalConfig::default() };
    Wal::open(storage, config).unwrap().0
}

fn record(topic: &str, timestamp: i64) -> Accepted {
    Accepted {
        topic: topic.into(),
        partition: None,
        timestamp,
        key: None,
        value: Some(Bytes::from(vec![7; 100])),
        headers: Vec::new(),
        idempotency: None,
    }
}

/// A log with 40 records, of which `released` are in Kafka.
async fn written(dir: &Path, released: u64) -> String {
    let wal = open(dir);
    for n in 0..20 {
        wal.append(vec![record("a", 100 - n), record("b", n)]).await.unwrap();
    }
    wal.release(released);
    wal.close().await;
    wal.instance().to_owned()
}

#[tokio::test]
async fn all_that_waits_is_told_by_topic_and_nothing_is_changed() {
    let dir = Dir::new("waits");
    let instance = written(&dir.0, 0).await;
    let before = dir.content();
    let report = inspect(&dir.0).await.unwrap();
    assert_eq!(before, dir.content());
    assert_eq!(report.instance, instance);
    assert_eq!((report.read, report.opened.records), (40, 40));
    let a = Waiting { records: 20, bytes: 2000, first: 0, earliest_ms: 81 };
    assert_eq!(report.topics["a"], a);
    assert_eq!((report.topics["b"].first, report.topics["b"].earliest_ms), (1, 0));
    assert!(report.is_sound() && !report.in_use && report.damaged.is_empty());
    assert!(report.segments.len() > 1 && report.oldest_age.is_some());
}

#[tokio::test]
async fn a_gateway_may_have_it_open() {
    let dir = Dir::new("open");
    let wal = open(&dir.0);
    wal.append(vec![record("a", 5)]).await.unwrap();
    let report = inspect(&dir.0).await.unwrap();
    assert!(report.in_use);
    assert_eq!(report.read, 1);
    wal.append(vec![record("a", 6)]).await.unwrap();
    assert_eq!(inspect(&dir.0).await.unwrap().read, 2);
}

/// A gateway drops the segments that Kafka has, and a look may have found their names just before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn segments_may_go_while_it_looks() {
    let dir = Dir::new("go");
    let wal = open(&dir.0);
    let ended = Arc::new(AtomicBool::new(false));
    let writes = {
        let (wal, ended) = (wal.clone(), ended.clone());
        tokio::spawn(async move {
            let mut written = 0;
            while !ended.load(Ordering::Relaxed) {
                wal.append((0..20).map(|n| record("a", n)).collect()).await.unwrap();
                written += 20;
                wal.release(written);
            }
        })
    };
    for look in 0..200 {
        let report = inspect(&dir.0).await;
        match report {
            Ok(report) => assert!(report.in_use),
            Err(error) => panic!("look {look}: {error}"),
        }
    }
    ended.store(true, Ordering::Relaxed);
    writes.await.unwrap();
}

#[tokio::test]
async fn damage_is_told_and_left_as_it_is() {
    let dir = Dir::new("damage");
    written(&dir.0, 0).await;
    let value = |bytes: &Vec<u8>| bytes.windows(100).position(|part| part.iter().all(|b| *b == 7));
    let sound = dir.content();
    let (path, at) = sound.iter().find_map(|(path, bytes)| Some((path, value(bytes)?))).unwrap();
    let mut bytes = sound[path].clone();
    bytes[at] ^= 1;
    std::fs::write(path, &bytes).unwrap();
    let before = dir.content();
    let report = inspect(&dir.0).await.unwrap();
    assert_eq!(before, dir.content());
    assert!(!report.is_sound());
    let lost = report.opened.lost + report.unreadable;
    assert!(lost > 0 && report.read + lost == 40, "{report:?}");
    assert_eq!(report.would_set_aside.len(), 1, "{report:?}");
}

#[tokio::test]
async fn a_lost_cursor_is_told() {
    let dir = Dir::new("cursor");
    let instance = written(&dir.0, 40).await;
    assert_eq!(inspect(&dir.0).await.unwrap().instance, instance);
    std::fs::remove_file(dir.0.join("wal/cursor")).unwrap();
    let report = inspect(&dir.0).await.unwrap();
    assert!(report.opened.cursor_lost && !report.is_sound());
    assert_ne!(report.instance, instance, "what it would be called");
    assert!(!dir.0.join("wal/cursor").exists());
}

#[tokio::test]
async fn what_is_no_log_is_said_to_be_none() {
    let dir = Dir::new("none");
    assert!(matches!(inspect(&dir.0).await, Err(InspectError::NoLog(_))));
    assert!(dir.content_is_empty());
    let missing = dir.0.join("missing");
    assert!(matches!(inspect(&missing).await, Err(InspectError::NoLog(_))));
    assert!(!missing.exists());
}

impl Dir {
    fn content_is_empty(&self) -> bool {
        std::fs::read_dir(&self.0).unwrap().next().is_none()
    }
}
