//! The broker as a whole: what it is, its process, its disk, what tests have set up.

use super::durations::durations;
use crate::cluster::Cluster;
use klamm_metrics::{Process, Text};

pub(super) fn write(text: &mut Text, cluster: &Cluster) {
    let labels = [("version", env!("CARGO_PKG_VERSION")), ("release", cluster.release.name())];
    text.gauge("klamm_broker_build_info", "The broker, and the Kafka it presents itself as.")
        .sample(&labels, 1);
    let up = cluster.nodes.up(0).len();
    text.gauge("klamm_broker_nodes_up", "Nodes that accept connections.").value(up);
    Process::read().write(text);
    syncs(text, cluster);
    recovery(text, cluster);
    transactions(text, cluster);
    faults(text, cluster);
}

fn syncs(text: &mut Text, cluster: &Cluster) {
    let storing = &cluster.metrics.storing;
    let name = "klamm_broker_flush_duration_seconds";
    let mut family = text.histogram(name, "Syncs of log files to the disk.");
    durations(&mut family, &[], &storing.syncs());
    text.counter("klamm_broker_flush_failures_total", "Syncs that failed.")
        .value(storing.failed_syncs());
    if let Some(limit) = cluster.config().disk_max_bytes {
        text.gauge("klamm_broker_log_limit_bytes", "The cap on the bytes of all logs.")
            .value(limit);
    }
    let journal = cluster.journal.partition().size_bytes();
    text.gauge("klamm_broker_journal_bytes", "What topics, groups and transactions take.")
        .value(journal);
}

fn recovery(text: &mut Text, cluster: &Cluster) {
    let storing = &cluster.metrics.storing;
    let figures = [
        (
            "klamm_broker_recovery_unclean_logs_total",
            "Logs that a crash had left open, with records to check.",
            storing.unclean_logs(),
        ),
        (
            "klamm_broker_recovery_scanned_batches_total",
            "Batches whose checksums were looked at when logs were opened.",
            storing.scanned_batches(),
        ),
        (
            "klamm_broker_recovery_truncated_bytes_total",
            "Bytes of interrupted appends, cut off when logs were opened.",
            storing.cut_bytes(),
        ),
        (
            "klamm_broker_recovery_quarantined_bytes_total",
            "Damaged bytes moved out of logs when they were opened.",
            storing.quarantined_bytes(),
        ),
    ];
    for (name, help, value) in figures {
        text.counter(name, help).value(value);
    }
}

fn transactions(text: &mut Text, cluster: &Cluster) {
    let mut states = text.gauge("klamm_broker_transactions", "Transactional ids by state.");
    for (state, count) in cluster.transactions.count_by_state() {
        states.sample(&[("state", state)], count);
    }
}

fn faults(text: &mut Text, cluster: &Cluster) {
    let rules = cluster.faults.list();
    text.gauge("klamm_broker_fault_rules", "Fault rules in force.").value(rules.len());
    let mut struck = text.counter(
        "klamm_broker_fault_strikes_total",
        "Requests that a fault rule struck, by the number of the rule.",
    );
    for rule in &rules {
        struck.sample(&[("rule", &rule.id.to_string())], rule.struck);
    }
}
