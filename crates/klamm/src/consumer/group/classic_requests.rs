//! Pure: who a member of a classic group is, and the requests that say so.

use super::machine::{GroupConfig, millis};
use super::subscription_protocol::{encode_assignment, encode_subscription};
use crate::consumer::assignor::{
    Assignor, GroupMember, MemberAssignment, RebalanceProtocol, Subscribing,
};
use crate::consumer::topic_partition::TopicPartition;
use klamm_protocol::message::join_group_request::JoinGroupRequestProtocol;
use klamm_protocol::message::leave_group_request::MemberIdentity;
use klamm_protocol::message::sync_group_request::SyncGroupRequestAssignment;
use klamm_protocol::message::*;
use klamm_protocol::primitives::Str;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The type of group that consumers form.
const PROTOCOL_TYPE: &str = "consumer";

/// What the coordinator knows a member by.
#[derive(Debug)]
pub(super) struct Identity {
    /// Empty until the coordinator has given one.
    pub(super) member_id: Arc<str>,
    /// -1 while in no generation.
    pub(super) generation: i32,
    /// The last assignment and its generation, for sticky assignors.
    last: (Vec<TopicPartition>, i32),
}

impl Default for Identity {
    fn default() -> Self {
        Self { member_id: Arc::default(), generation: -1, last: (Vec::new(), -1) }
    }
}

impl Identity {
    /// Cooperative if every assignor is.
    pub(super) fn protocol(&self, config: &GroupConfig) -> RebalanceProtocol {
        let protocols = config.assignors.iter().map(|assignor| assignor.protocol());
        protocols.min().unwrap_or(RebalanceProtocol::Eager)
    }

    /// The present generation has this assignment.
    pub(super) fn assigned(&mut self, assigned: &BTreeSet<TopicPartition>) {
        self.last = (assigned.iter().cloned().collect(), self.generation);
    }

    pub(super) fn join(
        &self,
        config: &GroupConfig,
        topics: &BTreeSet<Arc<str>>,
        owned: &BTreeSet<TopicPartition>,
        reason: Option<&'static str>,
    ) -> JoinGroupRequest {
        let offered = config.assignors.iter().filter_map(|assignor| {
            let metadata = encode_subscription(&self.member(config, &**assignor, topics, owned));
            // Only names longer than names may be fail; that assignor is then not offered.
            let metadata = metadata.ok()?;
            Some(JoinGroupRequestProtocol { name: Str::from(assignor.name()), metadata })
        });
        JoinGroupRequest {
            group_id: Str::from(&*config.group_id),
            session_timeout_ms: millis(config.session_timeout),
            rebalance_timeout_ms: millis(config.max_poll_interval),
            member_id: Str::from(&*self.member_id),
            group_instance_id: config.group_instance_id.as_deref().map(Str::from),
            protocol_type: Str::from(PROTOCOL_TYPE),
            protocols: offered.collect(),
            reason: reason.map(Str::from),
        }
    }

    fn member(
        &self,
        config: &GroupConfig,
        assignor: &dyn Assignor,
        topics: &BTreeSet<Arc<str>>,
        owned: &BTreeSet<TopicPartition>,
    ) -> GroupMember {
        let (assigned, generation) = &self.last;
        let subscribing = Subscribing { topics, assigned, generation: *generation };
        GroupMember {
            topics: topics.clone(),
            user_data: assignor.user_data(&subscribing),
            owned_partitions: owned.iter().cloned().collect(),
            generation: Some(self.generation),
            rack: config.rack.clone(),
            ..GroupMember::default()
        }
    }

    pub(super) fn sync(
        &self,
        config: &GroupConfig,
        protocol: &str,
        assignments: &BTreeMap<Arc<str>, MemberAssignment>,
    ) -> SyncGroupRequest {
        let encoded = assignments.iter().filter_map(|(member_id, assignment)| {
            let assignment = encode_assignment(assignment).ok()?;
            Some(SyncGroupRequestAssignment { member_id: Str::from(&**member_id), assignment })
        });
        SyncGroupRequest {
            group_id: Str::from(&*config.group_id),
            generation_id: self.generation,
            member_id: Str::from(&*self.member_id),
            group_instance_id: config.group_instance_id.as_deref().map(Str::from),
            protocol_type: Some(Str::from(PROTOCOL_TYPE)),
            protocol_name: Some(Str::from(protocol)),
            assignments: encoded.collect(),
        }
    }

    pub(super) fn heartbeat(&self, config: &GroupConfig) -> HeartbeatRequest {
        HeartbeatRequest {
            group_id: Str::from(&*config.group_id),
            generation_id: self.generation,
            member_id: Str::from(&*self.member_id),
            group_instance_id: config.group_instance_id.as_deref().map(Str::from),
        }
    }

    pub(super) fn leave(&self, config: &GroupConfig, reason: &str) -> LeaveGroupRequest {
        let member_id = Str::from(&*self.member_id);
        let identity = MemberIdentity {
            member_id: member_id.clone(),
            group_instance_id: config.group_instance_id.as_deref().map(Str::from),
            reason: Some(Str::from(reason)),
        };
        LeaveGroupRequest {
            group_id: Str::from(&*config.group_id),
            member_id,
            members: vec![identity],
        }
    }
}
