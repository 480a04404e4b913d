//! Membership of a consumer group, without sockets or clock.
//!
//! The tasks around a member send what `poll_request` returns, hand answers to `handle_response`,
//! act on what `poll_event` returns, and call `handle_timeout` when `poll_timeout` says so.

pub(crate) mod classic;
mod classic_requests;
#[cfg(test)]
mod classic_tests;
mod commit_verdict;
pub(crate) mod commits;
#[cfg(test)]
mod commits_tests;
pub(crate) mod consumer_protocol;
#[cfg(test)]
mod consumer_protocol_tests;
pub(crate) mod lookups;
pub(crate) mod machine;
#[cfg(test)]
mod simulation;
pub(crate) mod standalone;
pub(crate) mod subscription_protocol;
#[cfg(test)]
mod tests_setup;
mod verdict;
