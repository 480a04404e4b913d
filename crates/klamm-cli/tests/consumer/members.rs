//! Members of a group, and what tests want of them.

use crate::stage::{PATIENCE, Stage, p};
use klamm::{AutoOffsetReset, Consumer, ConsumerConfig, GroupProtocol, TopicPartition};
use std::collections::BTreeSet;
use std::time::Duration;

pub(crate) const PROTOCOLS: [GroupProtocol; 2] = [GroupProtocol::Classic, GroupProtocol::Consumer];

pub(crate) fn member(protocol: GroupProtocol) -> ConsumerConfig {
    ConsumerConfig::group("g")
        .subscribe(["t"])
        .group_protocol(protocol)
        .auto_offset_reset(AutoOffsetReset::Earliest)
}

/// Waits until each of these reads something, and all of `partitions` are read by exactly one.
pub(crate) async fn settled(consumers: &[&Consumer], partitions: i32) {
    let began = tokio::time::Instant::now();
    loop {
        let owned: Vec<Vec<TopicPartition>> = consumers.iter().map(|c| c.assignment()).collect();
        let all: BTreeSet<&TopicPartition> = owned.iter().flatten().collect();
        let fair = owned.iter().all(|of| !of.is_empty());
        let count = usize::try_from(partitions).unwrap();
        if fair && all.len() == count && owned.iter().flatten().count() == count {
            return;
        }
        assert!(began.elapsed() < 3 * PATIENCE, "{owned:?}");
        for consumer in consumers {
            // They have to poll to let go.
            let _ = tokio::time::timeout(Duration::from_millis(50), consumer.poll()).await;
        }
    }
}

/// How many partitions these read.
pub(crate) fn owned(consumers: &[&Consumer]) -> usize {
    consumers.iter().map(|consumer| consumer.assignment().len()).sum()
}

/// What the group has committed.
pub(crate) async fn committed(stage: &Stage, partition: i32) -> Option<i64> {
    let looking = stage.consumer(ConsumerConfig::group("g"));
    let found = looking.committed([p(partition)]).await.unwrap();
    found[&p(partition)].as_ref().map(|at| at.offset)
}
