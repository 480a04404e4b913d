//! WriteTxnMarkers (27), versions 1-2: ends a transaction in a partition without asking its coordinator.
//!
//! Tools abort hanging transactions with it; this broker's own markers take no such way.
//!
//! - 2: which transaction protocol the marker is of (KIP-1228).

use super::{Answer, Context, Handle};
use crate::partition::Checked;
use crate::security::Operation;
use klamm_log::{Origin, end_transaction_marker};
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::write_txn_markers_request::WritableTxnMarker;
use klamm_protocol::message::write_txn_markers_response::{
    WritableTxnMarkerPartitionResult, WritableTxnMarkerResult, WritableTxnMarkerTopicResult,
};
use klamm_protocol::message::{WriteTxnMarkersRequest, WriteTxnMarkersResponse};
use klamm_protocol::record_batch::BatchHeader;
use std::ops::RangeInclusive;

impl Handle for WriteTxnMarkersRequest {
    const SERVED: RangeInclusive<i16> = 1..=2;

    async fn handle(self, cx: Context) -> Answer<WriteTxnMarkersResponse> {
        if let Err(code) = cx.check_cluster(Operation::ClusterAction) {
            return Ok(self.refuse(&cx, code));
        }
        Ok(answer(&self, |marker, topic, index| write(&cx, marker, topic, index)))
    }

    fn refuse(&self, _: &Context, code: ErrorCode) -> WriteTxnMarkersResponse {
        answer(self, |_, _, _| code)
    }
}

fn write(cx: &Context, marker: &WritableTxnMarker, topic: &str, index: i32) -> ErrorCode {
    let Some(partition) = cx.cluster.topics.get(topic).and_then(|topic| topic.partition(index))
    else {
        return ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
    };
    let (id, epoch) = (marker.producer_id, marker.producer_epoch);
    let (commit, coordinator_epoch) = (marker.transaction_result, marker.coordinator_epoch);
    let bytes = end_transaction_marker(id, epoch, commit, coordinator_epoch, cx.now_ms());
    let marker = Checked { bytes, header: BatchHeader::default() };
    let origin = Origin::Coordinator { epoch: coordinator_epoch };
    partition
        .append(cx.node_id(), marker, origin)
        .map_or_else(|refused| refused.code, |_| ErrorCode::NONE)
}

fn answer(
    request: &WriteTxnMarkersRequest,
    write: impl Fn(&WritableTxnMarker, &str, i32) -> ErrorCode,
) -> WriteTxnMarkersResponse {
    let markers = request.markers.iter().map(|marker| {
        let topics = marker.topics.iter().map(|topic| {
            let partitions = topic.partition_indexes.iter().map(|&partition_index| {
                let error_code = write(marker, &topic.name, partition_index).0;
                WritableTxnMarkerPartitionResult { partition_index, error_code }
            });
            WritableTxnMarkerTopicResult {
                name: topic.name.clone(),
                partitions: partitions.collect(),
            }
        });
        WritableTxnMarkerResult { producer_id: marker.producer_id, topics: topics.collect() }
    });
    WriteTxnMarkersResponse { markers: markers.collect() }
}
