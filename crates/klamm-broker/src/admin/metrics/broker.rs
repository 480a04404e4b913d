//! The broker as a whole: what it is, its process, its disk, what tests have set up.

use super::page::Page;
use crate::cluster::Cluster;
use rustix::time::{ClockId, clock_gettime};

pub(super) fn write(page: &mut Page, cluster: &Cluster) {
    let labels = [("version", env!("CARGO_PKG_VERSION")), ("release", cluster.release.name())];
    page.gauge("klamm_broker_build_info", "The broker, and the Kafka it presents itself as.")
        .sample(&labels, 1);
    let up = cluster.nodes.up(0).len();
    page.gauge("klamm_broker_nodes_up", "Nodes that accept connections.").value(up);
    process(page);
    syncs(page, cluster);
    recovery(page, cluster);
    transactions(page, cluster);
    faults(page, cluster);
}

/// Under the names that every program has; what the system does not tell is left out.
fn process(page: &mut Page) {
    let cpu = clock_gettime(ClockId::ProcessCPUTime);
    let seconds = std::time::Duration::new(cpu.tv_sec.unsigned_abs(), 0).as_secs_f64()
        + f64::from(u32::try_from(cpu.tv_nsec).unwrap_or(0)) / 1e9;
    page.counter("process_cpu_seconds_total", "CPU time of the process, user and system.")
        .value(seconds);
    if let Some(bytes) = resident_bytes() {
        page.gauge("process_resident_memory_bytes", "Memory of the process that is resident.")
            .value(bytes);
    }
    if let Ok(entries) = std::fs::read_dir("/proc/self/fd") {
        page.gauge("process_open_fds", "Open file descriptors.").value(entries.count());
    }
}

fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

fn syncs(page: &mut Page, cluster: &Cluster) {
    let storing = &cluster.metrics.storing;
    page.histogram("klamm_broker_flush_duration_seconds", "Syncs of log files to the disk.")
        .durations(&[], &storing.syncs());
    page.counter("klamm_broker_flush_failures_total", "Syncs that failed.")
        .value(storing.failed_syncs());
    if let Some(limit) = cluster.config().disk_max_bytes {
        page.gauge("klamm_broker_log_limit_bytes", "The cap on the bytes of all logs.")
            .value(limit);
    }
    let journal = cluster.journal.partition().size_bytes();
    page.gauge("klamm_broker_journal_bytes", "What topics, groups and transactions take.")
        .value(journal);
}

fn recovery(page: &mut Page, cluster: &Cluster) {
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
        page.counter(name, help).value(value);
    }
}

fn transactions(page: &mut Page, cluster: &Cluster) {
    let mut states = page.gauge("klamm_broker_transactions", "Transactional ids by state.");
    for (state, count) in cluster.transactions.count_by_state() {
        states.sample(&[("state", state)], count);
    }
}

fn faults(page: &mut Page, cluster: &Cluster) {
    let rules = cluster.faults.list();
    page.gauge("klamm_broker_fault_rules", "Fault rules in force.").value(rules.len());
    let mut struck = page.counter(
        "klamm_broker_fault_strikes_total",
        "Requests that a fault rule struck, by the number of the rule.",
    );
    for rule in &rules {
        struck.sample(&[("rule", &rule.id.to_string())], rule.struck);
    }
}
