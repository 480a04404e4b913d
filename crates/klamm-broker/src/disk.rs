//! What happens beside requests: syncing to the disk, and removing what is old.

use crate::cluster::Cluster;
use crate::partition::Partition;
use klamm_log::{Durability, Flush};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// In `os` mode nothing waits for the disk; syncing now and then keeps short what is looked at after a crash.
const OS_INTERVAL: Duration = Duration::from_secs(30);

/// Syncs until `stop` says true.
///
/// With `always` a round begins as soon as something was appended, and takes everything that was appended during the
/// one before it: one sync for all that wait. Each partition's file is synced on a thread of its own choosing by the
/// runtime, so that appends and reads go on.
pub(crate) async fn flush(cluster: Arc<Cluster>, mut stop: watch::Receiver<bool>) {
    let interval = match cluster.durability {
        Durability::Memory => return,
        Durability::Os => Some(OS_INTERVAL),
        Durability::Interval(interval) => Some(interval),
        _ => None,
    };
    loop {
        tokio::select! {
            _ = stop.changed() => return,
            () = pause(&cluster, interval) => {}
        }
        round(&cluster).await;
    }
}

async fn pause(cluster: &Cluster, interval: Option<Duration>) {
    match interval {
        Some(interval) => tokio::time::sleep(interval).await,
        None => cluster.written.notified().await,
    }
}

async fn round(cluster: &Arc<Cluster>) {
    let mut syncs = tokio::task::JoinSet::new();
    for partition in cluster.logs() {
        let Some(flush) = partition.begin_flush() else { continue };
        let cluster = cluster.clone();
        syncs.spawn_blocking(move || sync(&cluster, &partition, &flush));
    }
    while syncs.join_next().await.is_some() {}
}

fn sync(cluster: &Cluster, partition: &Partition, flush: &Flush) {
    let result = cluster.metrics.storing.sync(|| flush.sync());
    partition.end_flush(flush, result);
}

/// Removes what is old, every `log.retention.check.interval.ms` of the broker's clock.
pub(crate) async fn clean(cluster: Arc<Cluster>, mut stop: watch::Receiver<bool>) {
    loop {
        let due = cluster.clock.now_ms() + cluster.config().retention_check_interval_ms;
        tokio::select! {
            _ = stop.changed() => return,
            () = cluster.clock.sleep_until(due) => {}
        }
        let cluster = cluster.clone();
        cluster.buffers.trim();
        cluster.pieces.trim();
        // Removing files may take its time.
        drop(tokio::task::spawn_blocking(move || cluster.retain()).await);
    }
}

/// Compacts, every `log.cleaner.backoff.ms` of the broker's clock.
pub(crate) async fn compact(cluster: Arc<Cluster>, mut stop: watch::Receiver<bool>) {
    loop {
        let due = cluster.clock.now_ms() + cluster.config().log_cleaner_backoff_ms;
        tokio::select! {
            _ = stop.changed() => return,
            () = cluster.clock.sleep_until(due) => {}
        }
        let cluster = cluster.clone();
        drop(tokio::task::spawn_blocking(move || cluster.compact()).await);
    }
}
