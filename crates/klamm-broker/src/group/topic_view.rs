//! Pure: what the coordinator wants to know of topics.

use klamm_protocol::primitives::{Str, Uuid};

/// The topics of the broker, as they are now.
#[allow(dead_code, reason = "names and counts are for groups of KIP-848")]
pub(crate) trait TopicView {
    /// Names of all topics, in order.
    fn names(&self) -> Vec<Str>;
    /// The id of a topic; `None` when it does not exist.
    fn id(&self, name: &str) -> Option<Uuid>;
    /// The topic of an id; `None` when it does not exist.
    fn name(&self, id: Uuid) -> Option<Str>;
    /// How many partitions a topic has; `None` when it does not exist.
    fn partition_count(&self, name: &str) -> Option<i32>;
}

/// The topic that a request names by name, or by id from some version on, with both.
pub(super) fn resolve(view: &dyn TopicView, name: &Str, id: Uuid) -> Option<(Str, Uuid)> {
    if id.is_zero() {
        return Some((name.clone(), view.id(name)?));
    }
    Some((view.name(id)?, id))
}
