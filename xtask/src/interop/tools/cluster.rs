//! What a cluster says of itself.

use super::call::{Call, Tools};
use super::report::Report;

/// Features, versions, names and addresses; leaders and reassignments, of which there is nothing to do.
pub(super) fn check(tools: &Tools<'_>, report: &mut Report) {
    report.calls(
        tools,
        &[
            Call::new("FeatureCommand", "describe")
                .says("Feature: group.version SupportedMinVersion:")
                .says("Feature: transaction.version SupportedMinVersion:")
                .says("FinalizedVersionLevel: 2"),
            // Produce from 0, though nothing below 3 is taken: librdkafka compresses only for who says so.
            Call::new("BrokerApiVersionsCommand", "")
                .says("Produce(0): 0 to 13 [usable: 13]")
                .says("Fetch(1): 4 to 18 [usable: 18]")
                .says("ConsumerGroupHeartbeat(68): 0 to 1 [usable: 1]"),
            Call::new("ClusterTool", "cluster-id --bootstrap-server @").says("Cluster ID: "),
            Call::new("ClusterTool", "list-endpoints --bootstrap-server @").says("1 127.0.0.1 "),
            Call::new("LeaderElectionCommand", "--election-type preferred --all-topic-partitions"),
            Call::new("reassign.ReassignPartitionsCommand", "--list")
                .says("No partition reassignments found."),
        ],
    );
}
