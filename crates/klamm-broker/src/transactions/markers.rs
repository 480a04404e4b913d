//! The end of a transaction, written wherever it left something.
//!
//! In a Kafka cluster the coordinator sends its markers to leaders by WriteTxnMarkers. Here they take no wire, but rules
//! of faults see them as such requests, from the client [`CLIENT_ID`]: so a test can stop the end of a transaction
//! between any two of its steps. The offsets of groups count as a marker for `__consumer_offsets`.

use crate::cluster::{Cluster, InternalTopic};
use crate::fault::{Course, Keys, Seen, Target};
use crate::partition::{Checked, Partition};
use crate::transaction::WriteMarkers;
use klamm_log::{Durability, Origin, end_transaction_marker};
use klamm_protocol::api_key::ApiKey;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::primitives::Str;
use klamm_protocol::record_batch::BatchHeader;

/// Who asks for markers, for rules that look at clients.
const CLIENT_ID: &str = "transaction-coordinator";

impl Cluster {
    /// Syncs a log where an acknowledgement promises that.
    pub(super) fn make_certain(&self, log: &Partition) -> Result<(), ErrorCode> {
        if self.durability == Durability::Always { self.flush_now(log) } else { Ok(()) }
    }

    /// Writes the markers of one transaction, and has its groups take or drop its offsets.
    ///
    /// # Errors
    /// KAFKA_STORAGE_ERROR, or what a rule says; the markers before may be there then.
    pub(super) fn write_markers(
        &self,
        markers: &WriteMarkers,
        now_ms: i64,
    ) -> Result<(), ErrorCode> {
        for (topic, indexes) in &markers.partitions {
            // A topic that is gone has nothing that needs an end.
            let Some(topic) = self.topics.get(topic) else { continue };
            for partition in indexes.iter().filter_map(|&index| topic.partition(index)) {
                let target =
                    Target { topic: partition.topic().clone(), partition: Some(partition.index()) };
                self.unless_faulty(partition.leader().0, target, || {
                    self.write_marker(&partition, markers, now_ms)
                })?;
            }
        }
        if markers.groups.is_empty() {
            return Ok(());
        }
        let target =
            Target { topic: Str::from_static(InternalTopic::Offsets.name()), partition: None };
        self.unless_faulty(self.nodes.controller(), target, || {
            let (id, commit) = (markers.producer_id, markers.commit);
            let ((), written) = self.groups.act(&self.journal, now_ms, |groups| {
                groups.complete_transaction(now_ms, id, commit);
            });
            written.map(drop)
        })
    }

    fn write_marker(
        &self,
        partition: &Partition,
        markers: &WriteMarkers,
        now_ms: i64,
    ) -> Result<(), ErrorCode> {
        let (id, epoch) = (markers.producer_id, markers.producer_epoch);
        let bytes =
            end_transaction_marker(id, epoch, markers.commit, markers.coordinator_epoch, now_ms);
        let origin = Origin::Coordinator { epoch: markers.coordinator_epoch, tv2: markers.tv2 };
        // Only the bytes are stored; what the header says of them is read from there.
        let marker = Checked { bytes, header: BatchHeader::default() };
        match partition.append(partition.leader().0, marker, origin) {
            Ok(_) => self.make_certain(partition),
            // The partition was deleted a moment ago, or has seen a later end already: a marker written before a crash.
            Err(refused) if is_over(refused.code) => Ok(()),
            Err(refused) => Err(refused.code),
        }
    }

    /// Does what the coordinator asks a leader for, as far as the rules let it.
    ///
    /// The coordinator holds its lock meanwhile, so that rules which only make an answer late do nothing.
    fn unless_faulty(
        &self,
        node: i32,
        target: Target,
        write: impl FnOnce() -> Result<(), ErrorCode>,
    ) -> Result<(), ErrorCode> {
        let api = ApiKey::WriteTxnMarkers;
        let keys = &Keys::default();
        let seen = Seen { api, node, client_id: CLIENT_ID, targets: &[target], keys };
        // Without an answer the coordinator does not know, as its client does not: another try will show.
        let silence = ErrorCode::COORDINATOR_NOT_AVAILABLE;
        match self.faults.judge(&seen, false).course {
            Course::Usual => write(),
            Course::Refuse(code) => Err(code),
            Course::NoAnswer | Course::Disconnect => Err(silence),
            Course::ApplyThenError(code) => write().and(Err(code)),
            Course::ApplyThenDisconnect => write().and(Err(silence)),
        }
    }
}

fn is_over(code: ErrorCode) -> bool {
    matches!(code, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION | ErrorCode::INVALID_PRODUCER_EPOCH)
}
