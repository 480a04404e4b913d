//! Consumer groups: membership, assignments and committed offsets.
//!
//! A pure core: it takes requests and the time and says what to answer, when to look again and what to write down.

mod assignor;
mod change;
mod classic;
mod config;
mod consumer;
mod coordinator;
mod describe;
mod effects;
#[expect(clippy::module_inception, reason = "one group, beside what concerns all of them")]
mod group;
mod offsets;
mod restore;
mod share;
mod summary;
#[cfg(test)]
mod tests;
mod timers;
mod topic_view;

pub(crate) use self::assignor::Assignor;
pub(crate) use self::change::RestoreError;
pub(crate) use self::config::GroupConfig;
pub(crate) use self::consumer::ConsumerTimes;
pub(crate) use self::coordinator::Coordinator;
pub(crate) use self::effects::{Caller, Reply};
pub(crate) use self::share::ShareTimes;
pub(crate) use self::summary::{Position, Summary};
pub(crate) use self::topic_view::TopicView;
