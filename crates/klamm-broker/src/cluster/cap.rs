//! The cap on everything that is stored: when it is reached, the oldest segments go, whichever topic they belong to.

use super::Cluster;
use crate::partition::Partition;
use klamm_log::{DiskCap, Usage};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Appends of this part of the cap may go by between two looks at what is stored.
const LOOK_EVERY: u64 = 32;
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

    /// Has the logs give up what [`DiskCap`] says, so that the appends before the next look fit under the cap, too.
    fn make_room(&self, cap: u64) -> io::Result<()> {
        let topics = self.topics.all();
        let logs: Vec<Arc<Partition>> =
            topics.iter().flat_map(|topic| topic.partitions()).collect();
        let usages: Vec<Usage> = logs.iter().map(|log| log.usage()).collect();
        let victims = DiskCap::new(cap - cap / LOOK_EVERY).victims(&usages);
        if !victims.is_empty() && !self.cap.told.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                bytes = cap,
                "the cap on stored bytes is reached: from now on the oldest records go"
            );
        }
        victims.into_iter().try_for_each(|log| logs[log].give_up_oldest())
    }
}
