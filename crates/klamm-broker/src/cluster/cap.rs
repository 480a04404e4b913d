//! The cap on everything that is stored: when it is reached, the oldest segments go, whichever topic they belong to.

use super::Cluster;
use crate::partition::Partition;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Appends of this part of the cap may go by between two looks at what is stored.
const LOOK_EVERY: u64 = 32;
/// What is left free of the cap after the oldest segments went: this part of it.
const FREE: u64 = 8;
/// A segment may take this part of the cap, so that what goes is little.
const SEGMENT_SHARE: u64 = 16;

/// What was appended since somebody looked.
#[derive(Debug, Default)]
pub(crate) struct Cap {
    appended: AtomicU64,
    looking: AtomicBool,
    told: AtomicBool,
}

impl Cluster {
    /// Segments of every log are at most this long.
    pub(super) fn segment_limit(&self) -> u64 {
        self.config().disk_max_bytes.map_or(u64::MAX, |cap| (cap / SEGMENT_SHARE).max(64 * 1024))
    }

    /// Notes an append, and makes room when it is time to look.
    pub(crate) fn appended(&self, bytes: usize) {
        let Some(cap) = self.config().disk_max_bytes else { return };
        let appended = self.cap.appended.fetch_add(bytes as u64, Ordering::Relaxed) + bytes as u64;
        if appended < cap / LOOK_EVERY || self.cap.looking.swap(true, Ordering::AcqRel) {
            return;
        }
        self.cap.appended.store(0, Ordering::Relaxed);
        if let Err(error) = self.make_room(cap) {
            tracing::error!(%error, "segments over the cap could not be removed");
        }
        self.cap.looking.store(false, Ordering::Release);
    }

    /// Removes oldest segments until an eighth of the cap is free.
    fn make_room(&self, cap: u64) -> io::Result<()> {
        let topics = self.topics.all();
        let logs: Vec<Arc<Partition>> =
            topics.iter().flat_map(|topic| topic.partitions()).collect();
        let mut used: u64 = logs.iter().map(|log| log.size_bytes()).sum();
        if used > cap - cap / LOOK_EVERY && !self.cap.told.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                bytes = cap,
                "the cap on stored bytes is reached: from now on the oldest records go"
            );
        }
        if used <= cap - cap / LOOK_EVERY {
            return Ok(());
        }
        while used > cap - cap / FREE {
            let oldest = logs.iter().filter(|log| log.size_bytes() > 0);
            let Some(oldest) = oldest.min_by_key(|log| log.oldest_timestamp()) else { break };
            let freed = oldest.drop_oldest()?;
            if freed == 0 {
                break;
            }
            used = used.saturating_sub(freed);
        }
        Ok(())
    }
}
