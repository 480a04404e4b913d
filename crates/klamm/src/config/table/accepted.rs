//! Settings of Kafka's Java client that have no meaning here, and why: they are taken, so that a
//! `client.properties` need not be pruned.

use super::{Apply, Key, Scope};

const fn accepted(name: &'static str, doc: &'static str) -> Key {
    Key { name, aliases: &[], scope: Scope::Accepted, default: "-", doc, apply: Apply::Nothing }
}

pub(super) const ACCEPTED: &[Key] = &[
    accepted("key.serializer", "Keys are bytes here."),
    accepted("value.serializer", "Values are bytes here."),
    accepted("enable.metrics.push", "Client metrics are not pushed to brokers."),
    accepted("metric.reporters", "There are no Java reporters here."),
    accepted("client.dns.lookup", "All addresses of a name are tried, always."),
    accepted("ssl.truststore.type", "Stores are PEM here."),
    accepted("ssl.keystore.type", "Stores are PEM here."),
    accepted(
        "ssl.endpoint.identification.algorithm",
        "Names are always checked; `enable.ssl.certificate.verification=false` is the switch.",
    ),
    accepted(
        "partitioner.adaptive.partitioning.enable",
        "Keyless records always avoid partitions with a backlog.",
    ),
    accepted(
        "metadata.recovery.strategy",
        "The bootstrap servers are asked again whenever no known broker answers.",
    ),
];
