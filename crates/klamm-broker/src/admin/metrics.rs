//! What a broker counts, in Prometheus' text format.

use crate::cluster::Cluster;
use std::fmt::Write;

/// All metrics, one family after the other.
pub(super) fn text(cluster: &Cluster) -> String {
    let mut out = String::new();
    let topics = cluster.topics.all();
    let nodes = cluster.nodes.up().len();
    gauge(&mut out, "klamm_broker_topics", "Topics.", topics.len());
    gauge(&mut out, "klamm_broker_partitions", "Partitions.", cluster.topics.partition_count());
    gauge(&mut out, "klamm_broker_nodes_up", "Nodes that accept connections.", nodes);
    gauge(&mut out, "klamm_broker_fault_rules", "Fault rules.", cluster.faults.list().len());
    head(&mut out, "klamm_broker_requests_total", "counter", "Requests by what became of them.");
    for ((api, outcome), count) in cluster.request_log.ended() {
        // Names of APIs and errors need no escaping. Writing to a string does not fail.
        let labels = format!("api=\"{api}\",outcome=\"{outcome}\"");
        let _ = writeln!(out, "klamm_broker_requests_total{{{labels}}} {count}");
    }
    out
}

fn head(out: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn gauge(out: &mut String, name: &str, help: &str, value: usize) {
    head(out, name, "gauge", help);
    let _ = writeln!(out, "{name} {value}");
}
