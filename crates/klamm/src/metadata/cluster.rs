//! Pure: a snapshot of the cluster, and what follows from a newer answer.

use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::MetadataResponse;
use klamm_protocol::primitives::Uuid;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Where a broker listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BrokerEndpoint {
    pub(crate) host: Arc<str>,
    pub(crate) port: u16,
}

/// One partition as metadata tells it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct PartitionInfo {
    /// `None` while there is none.
    pub(crate) leader: Option<i32>,
    /// Grows with every leader; -1 from brokers that do not tell.
    pub(crate) leader_epoch: i32,
    pub(crate) replicas: Vec<i32>,
    pub(crate) in_sync: Vec<i32>,
}

/// One topic as metadata tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Topic {
    pub(crate) name: Arc<str>,
    /// Zero from brokers that do not tell.
    pub(crate) id: Uuid,
    pub(crate) is_internal: bool,
    /// By index.
    pub(crate) partitions: Vec<PartitionInfo>,
    pub(crate) error: ErrorCode,
    /// Answers in a row that called the topic unknown.
    pub(crate) unknown_in_a_row: u32,
}

/// The cluster as of one answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Cluster {
    pub(crate) cluster_id: Option<Arc<str>>,
    pub(crate) controller: Option<i32>,
    pub(crate) brokers: BTreeMap<i32, BrokerEndpoint>,
    /// Where brokers are, of those that say so (`broker.rack`).
    pub(crate) racks: BTreeMap<i32, Arc<str>>,
    pub(crate) topics: BTreeMap<Arc<str>, Arc<Topic>>,
}

impl Cluster {
    /// Whether an answer is of the cluster this snapshot is of, as far as both say which they mean.
    pub(crate) fn is_same_cluster(&self, answer: &MetadataResponse) -> bool {
        match (&self.cluster_id, &answer.cluster_id) {
            (Some(ours), Some(theirs)) => **ours == *theirs.as_str(),
            _ => true,
        }
    }

    /// The leader of a partition, if it has one that is known.
    pub(crate) fn leader(&self, topic: &str, partition: i32) -> Option<i32> {
        let topic = self.topics.get(topic)?;
        let info = topic.partitions.get(usize::try_from(partition).ok()?)?;
        info.leader.filter(|node| self.brokers.contains_key(node))
    }

    /// The snapshot after this answer. Topics that were not asked about stay, and so do partitions
    /// whose epoch in the answer is older than the one known: the broker asked is behind.
    pub(crate) fn after(&self, answer: &MetadataResponse) -> Cluster {
        let brokers = answer.brokers.iter().filter_map(|b| {
            let port = u16::try_from(b.port).ok()?;
            Some((b.node_id, BrokerEndpoint { host: b.host.as_str().into(), port }))
        });
        let told: BTreeMap<i32, BrokerEndpoint> = brokers.collect();
        let rack = |b: &ToldBroker| Some((b.node_id, b.rack.as_deref()?.into()));
        let racks = answer.brokers.iter().filter_map(rack).collect();
        let cluster_id = answer.cluster_id.as_ref().map(|id| id.as_str().into());
        let mut next = Cluster {
            cluster_id: cluster_id.or_else(|| self.cluster_id.clone()),
            controller: Some(answer.controller_id).filter(|id| *id >= 0),
            // A broker that is still starting knows none, and the ones known are not gone for that.
            racks: if told.is_empty() { self.racks.clone() } else { racks },
            brokers: if told.is_empty() { self.brokers.clone() } else { told },
            topics: self.topics.clone(),
        };
        for told in &answer.topics {
            let Some(name) = &told.name else { continue };
            let known = self.topics.get(name.as_str());
            let topic = merge(name.as_str(), known.map(Arc::as_ref), told);
            next.topics.insert(Arc::clone(&topic.name), Arc::new(topic));
        }
        next
    }

    /// The snapshot with a leader that a broker named, or `None` if that is no news.
    pub(crate) fn with_leader(
        &self,
        topic: &str,
        partition: i32,
        leader: i32,
        epoch: i32,
        endpoints: &[(i32, BrokerEndpoint)],
    ) -> Option<Cluster> {
        let known = self.topics.get(topic)?;
        let at = usize::try_from(partition).ok()?;
        let info = known.partitions.get(at)?;
        let named = endpoints.iter().find(|(node, _)| *node == leader);
        let reachable = named.is_some() || self.brokers.contains_key(&leader);
        if epoch <= info.leader_epoch || !reachable || leader < 0 {
            return None;
        }
        let mut next = self.clone();
        next.brokers.extend(endpoints.iter().cloned());
        let mut changed = Topic::clone(known);
        let info = changed.partitions.get_mut(at)?;
        (info.leader, info.leader_epoch) = (Some(leader), epoch);
        next.topics.insert(Arc::clone(&changed.name), Arc::new(changed));
        Some(next)
    }
}

type ToldBroker = klamm_protocol::message::metadata_response::MetadataResponseBroker;
type ToldTopic = klamm_protocol::message::metadata_response::MetadataResponseTopic;

fn merge(name: &str, known: Option<&Topic>, told: &ToldTopic) -> Topic {
    let error = ErrorCode(told.error_code);
    let name = known.map_or_else(|| name.into(), |k| Arc::clone(&k.name));
    if !error.is_ok() {
        // One broker that is behind must not make a topic vanish whose records are buffered.
        let unknown = error == ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
        let (id, partitions) =
            known.map_or((Uuid::ZERO, Vec::new()), |k| (k.id, k.partitions.clone()));
        let before = known.map_or(0, |k| k.unknown_in_a_row);
        let unknown_in_a_row = if unknown { before.saturating_add(1) } else { 0 };
        return Topic {
            name,
            id,
            is_internal: told.is_internal,
            partitions,
            error,
            unknown_in_a_row,
        };
    }
    let same = known.filter(|k| k.id == told.topic_id);
    // Brokers name every partition; an index past their number is none.
    let mut partitions: Vec<PartitionInfo> =
        told.partitions.iter().map(|_| PartitionInfo::unknown()).collect();
    for p in &told.partitions {
        let Some(slot) =
            usize::try_from(p.partition_index).ok().and_then(|i| partitions.get_mut(i))
        else {
            continue;
        };
        *slot = PartitionInfo {
            leader: Some(p.leader_id).filter(|id| *id >= 0),
            leader_epoch: p.leader_epoch,
            replicas: p.replica_nodes.clone(),
            in_sync: p.isr_nodes.clone(),
        };
    }
    if let Some(known) = same {
        for (new, old) in partitions.iter_mut().zip(&known.partitions) {
            if new.leader_epoch >= 0 && new.leader_epoch < old.leader_epoch {
                *new = old.clone();
            }
        }
    }
    Topic {
        name,
        id: told.topic_id,
        is_internal: told.is_internal,
        partitions,
        error,
        unknown_in_a_row: 0,
    }
}

impl PartitionInfo {
    fn unknown() -> Self {
        Self { leader: None, leader_epoch: -1, replicas: Vec::new(), in_sync: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use klamm_protocol::message::metadata_response::{
        MetadataResponseBroker, MetadataResponsePartition,
    };

    fn answer(id: u8, leader: i32, epoch: i32, error: ErrorCode) -> MetadataResponse {
        let broker = |node_id| MetadataResponseBroker {
            node_id,
            host: "h".into(),
            port: 9092,
            ..MetadataResponseBroker::default()
        };
        let partition = MetadataResponsePartition {
            leader_id: leader,
            leader_epoch: epoch,
            ..MetadataResponsePartition::default()
        };
        let topic = ToldTopic {
            name: Some("t".into()),
            topic_id: Uuid::from_bytes([id; 16]),
            error_code: error.0,
            partitions: if error.is_ok() { vec![partition] } else { vec![] },
            ..ToldTopic::default()
        };
        MetadataResponse {
            brokers: vec![broker(1), broker(2)],
            topics: vec![topic],
            ..MetadataResponse::default()
        }
    }

    fn ok(id: u8, leader: i32, epoch: i32) -> MetadataResponse {
        answer(id, leader, epoch, ErrorCode::NONE)
    }

    #[test]
    fn older_leader_epoch_is_not_believed() {
        let cluster = Cluster::default().after(&ok(1, 1, 5)).after(&ok(1, 2, 4));
        assert_eq!(cluster.leader("t", 0), Some(1));
        assert_eq!(cluster.after(&ok(1, 2, 6)).leader("t", 0), Some(2));
    }

    #[test]
    fn recreated_topic_starts_over_with_its_epochs() {
        let cluster = Cluster::default().after(&ok(1, 1, 5)).after(&ok(2, 2, 0));
        assert_eq!(cluster.leader("t", 0), Some(2));
        assert_eq!(cluster.topics["t"].id, Uuid::from_bytes([2; 16]));
    }

    #[test]
    fn topic_that_vanishes_for_a_while_keeps_its_partitions() {
        let cluster = Cluster::default().after(&ok(1, 1, 5));
        let gone = cluster.after(&answer(1, 1, 5, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
        assert_eq!(gone.leader("t", 0), Some(1));
        assert_eq!(gone.topics["t"].unknown_in_a_row, 1);
        assert_eq!(gone.after(&ok(1, 2, 6)).topics["t"].unknown_in_a_row, 0);
    }

    #[test]
    fn partition_index_past_their_number_is_ignored() {
        for index in [1, i32::MAX, -1, i32::MIN] {
            let mut hostile = ok(1, 1, 5);
            hostile.topics[0].partitions[0].partition_index = index;
            let cluster = Cluster::default().after(&hostile);
            assert_eq!(cluster.topics["t"].partitions, [PartitionInfo::unknown()], "{index}");
        }
    }

    #[test]
    fn answer_without_brokers_forgets_none() {
        let cluster = Cluster::default().after(&ok(1, 1, 5));
        let mut starting = ok(1, 1, 5);
        starting.brokers.clear();
        assert_eq!(cluster.after(&starting).brokers, cluster.brokers);
    }

    #[test]
    fn other_cluster_is_recognised() {
        let named = |id: &str| MetadataResponse {
            cluster_id: Some(id.into()),
            ..MetadataResponse::default()
        };
        let cluster = Cluster::default().after(&named("a"));
        assert!(cluster.is_same_cluster(&named("a")) && !cluster.is_same_cluster(&named("b")));
        assert!(cluster.is_same_cluster(&MetadataResponse::default()), "an old broker names none");
    }

    #[test]
    fn leader_hint_counts_only_with_a_newer_epoch_and_a_known_node() {
        let cluster = Cluster::default().after(&ok(1, 1, 5));
        assert!(cluster.with_leader("t", 0, 2, 5, &[]).is_none(), "stale epoch");
        assert!(cluster.with_leader("t", 0, 9, 6, &[]).is_none(), "unknown node");
        let endpoint = BrokerEndpoint { host: "x".into(), port: 1 };
        let hinted = cluster.with_leader("t", 0, 9, 6, &[(9, endpoint)]).unwrap();
        assert_eq!(hinted.leader("t", 0), Some(9));
        assert_eq!(hinted.brokers.len(), 3, "merged, not replaced");
    }
}
