//! `/metrics`: what a broker counts and how it stands, as Prometheus reads it.
//!
//! One file per area, each a list of families. What grows with use is bounded: [`MAX_TOPICS`] topics are named and the
//! others summed up as `(other)`, and so many partitions, groups and offsets as the constants say; how many are left out
//! is on the text.

mod broker;
mod connections;
mod durations;
mod groups;
mod requests;
mod topics;

use crate::cluster::Cluster;
use klamm_metrics::Text;

/// Topics that are named: those with the most stored bytes.
const MAX_TOPICS: usize = 200;
/// Partitions of these topics that are named.
const MAX_PARTITIONS: usize = 2000;
/// Groups that are named: those furthest behind.
const MAX_GROUPS: usize = 200;
/// Partitions of these groups that are named: the furthest behind first.
const MAX_POSITIONS: usize = 2000;

/// The page; takes locks of the broker one after the other, and never two.
pub(super) fn text(cluster: &Cluster) -> String {
    let mut text = Text::default();
    broker::write(&mut text, cluster);
    requests::write(&mut text, cluster);
    connections::write(&mut text, cluster);
    topics::write(&mut text, cluster);
    groups::write(&mut text, cluster);
    text.finish()
}
