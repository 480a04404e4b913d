//! Connections and logins.

use crate::cluster::Cluster;
use crate::metrics::Stage;
use klamm_metrics::Text;

pub(super) fn write(text: &mut Text, cluster: &Cluster) {
    let connections = &cluster.metrics.connections;
    let nodes = connections.nodes();
    let mut family = text.gauge(
        "klamm_broker_connections",
        "Connections by the node that accepted them: in the TLS handshake, logging in, or open.",
    );
    for (node, counts) in &nodes {
        for stage in Stage::ALL {
            let labels = [("node", &*node.to_string()), ("stage", stage.name())];
            family.sample(&labels, counts.at(stage));
        }
    }
    let mut family =
        text.counter("klamm_broker_connections_accepted_total", "Connections accepted, by node.");
    for (node, counts) in &nodes {
        family.sample(&[("node", &node.to_string())], counts.accepted());
    }
    let mut family = text
        .counter("klamm_broker_connections_refused_total", "Connections refused, by the limit.");
    for (limit, count) in connections.refused() {
        family.sample(&[("limit", limit)], count);
    }
    let mut family =
        text.counter("klamm_broker_connections_closed_total", "Connections that ended, by reason.");
    for (reason, count) in connections.ended() {
        family.sample(&[("reason", reason)], count);
    }
    let mut family = text.counter(
        "klamm_broker_authentications_total",
        "Logins by mechanism (TLS: handshakes) and outcome.",
    );
    for ((mechanism, believed), count) in connections.logins() {
        let outcome = if believed { "success" } else { "failure" };
        family.sample(&[("mechanism", mechanism), ("outcome", outcome)], count);
    }
}
