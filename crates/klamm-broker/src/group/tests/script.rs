//! A coordinator with a clock of its own and members that act on command.

use crate::group::{Caller, Coordinator, GroupConfig, Reply, TopicView};
use bytes::Bytes;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::join_group_request::JoinGroupRequestProtocol;
use klamm_protocol::message::leave_group_request::MemberIdentity;
use klamm_protocol::message::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use klamm_protocol::message::sync_group_request::SyncGroupRequestAssignment;
use klamm_protocol::message::*;
use klamm_protocol::primitives::{Str, Uuid};
use std::collections::BTreeMap;

pub(super) const GROUP: &str = "g";

/// Topics with as many partitions as the map says; the id of a topic is its name.
#[derive(Debug, Default, Clone)]
pub(super) struct Topics(pub(super) BTreeMap<Str, i32>);

impl Topics {
    pub(super) fn of(topics: &[(&str, i32)]) -> Self {
        Self(topics.iter().map(|&(name, count)| (Str::from(name), count)).collect())
    }
}

pub(super) fn topic_id(name: &str) -> Uuid {
    let mut bytes = [0; 16];
    bytes.iter_mut().zip(name.bytes()).for_each(|(to, from)| *to = from);
    Uuid::from_bytes(bytes)
}

impl TopicView for Topics {
    fn names(&self) -> Vec<Str> {
        self.0.keys().cloned().collect()
    }
    fn id(&self, name: &str) -> Option<Uuid> {
        self.0.get(name.as_bytes()).map(|_| topic_id(name))
    }
    fn name(&self, id: Uuid) -> Option<Str> {
        self.0.keys().find(|name| topic_id(name) == id).cloned()
    }
    fn partition_count(&self, name: &str) -> Option<i32> {
        self.0.get(name.as_bytes()).copied()
    }
}

/// How a member asks to join.
#[derive(Debug, Clone)]
pub(super) struct Asks {
    pub(super) version: i16,
    pub(super) request: JoinGroupRequest,
}

impl Asks {
    pub(super) fn new(version: i16) -> Self {
        let request = JoinGroupRequest {
            group_id: GROUP.into(),
            session_timeout_ms: 10_000,
            rebalance_timeout_ms: 30_000,
            protocol_type: "consumer".into(),
            ..JoinGroupRequest::default()
        };
        Self { version, request }.protocols(&[("range", "")])
    }

    pub(super) fn id(mut self, id: &str) -> Self {
        self.request.member_id = id.into();
        self
    }

    pub(super) fn instance(mut self, id: &str) -> Self {
        self.request.group_instance_id = Some(id.into());
        self
    }

    pub(super) fn protocols(mut self, protocols: &[(&str, &str)]) -> Self {
        let protocol = |&(name, metadata): &(&str, &str)| JoinGroupRequestProtocol {
            name: name.into(),
            metadata: Bytes::copy_from_slice(metadata.as_bytes()),
        };
        self.request.protocols = protocols.iter().map(protocol).collect();
        self
    }
}

/// A member as it knows itself after joining.
#[derive(Debug, Clone)]
pub(super) struct Me {
    pub(super) id: String,
    pub(super) generation: i32,
}

#[derive(Debug)]
pub(super) struct Script {
    pub(super) c: Coordinator,
    pub(super) now_ms: i64,
    pub(super) topics: Topics,
    /// Answers that came after their requests.
    pub(super) late: BTreeMap<u64, Reply>,
    last_waiter: u64,
}

impl Script {
    pub(super) fn new(config: GroupConfig) -> Self {
        Self {
            c: Coordinator::new(config, 1),
            now_ms: 1_000_000,
            topics: Topics::of(&[("t", 4)]),
            late: BTreeMap::new(),
            last_waiter: 0,
        }
    }

    pub(super) fn waiter(&mut self) -> u64 {
        self.last_waiter += 1;
        self.last_waiter
    }

    /// Takes what the coordinator has to say to those who wait; nobody is answered twice.
    pub(super) fn collect(&mut self) {
        while let Some((waiter, reply)) = self.c.poll_reply() {
            assert!(self.late.insert(waiter, reply).is_none(), "{waiter} was answered twice");
        }
    }

    /// Lets time pass, deadline by deadline.
    pub(super) fn pass(&mut self, ms: i64) {
        let end = self.now_ms + ms;
        while let Some(at) = self.c.poll_timeout().filter(|at| *at <= end) {
            self.now_ms = at.max(self.now_ms);
            self.c.handle_timeout(self.now_ms);
            self.collect();
        }
        self.now_ms = end;
    }

    /// Sends a JoinGroup request; the answer if it comes at once.
    pub(super) fn send_join(&mut self, asks: &Asks) -> (u64, Option<JoinGroupResponse>) {
        let waiter = self.waiter();
        let caller = Caller { client_id: "app", client_host: "/127.0.0.1", waiter };
        let response = self.c.join_group(self.now_ms, caller, asks.version, &asks.request);
        self.collect();
        (waiter, response)
    }

    /// Joins and waits for the answer, which has to be there.
    pub(super) fn join(&mut self, asks: &Asks) -> JoinGroupResponse {
        let (waiter, response) = self.send_join(asks);
        response.unwrap_or_else(|| self.joined(waiter))
    }

    pub(super) fn joined(&mut self, waiter: u64) -> JoinGroupResponse {
        match self.late.remove(&waiter) {
            Some(Reply::Join(response)) => response,
            other => panic!("no answer to a join: {other:?}"),
        }
    }

    /// Joins as clients do, with the id that MEMBER_ID_REQUIRED gives.
    pub(super) fn enter(&mut self, asks: Asks) -> (u64, Option<JoinGroupResponse>) {
        let given = self.join(&asks);
        assert_eq!(given.error_code, ErrorCode::MEMBER_ID_REQUIRED.0);
        self.send_join(&asks.id(&given.member_id))
    }

    pub(super) fn send_sync(
        &mut self,
        me: &Me,
        assigns: &[(&str, &str)],
    ) -> (u64, Option<SyncGroupResponse>) {
        let waiter = self.waiter();
        let caller = Caller { client_id: "app", client_host: "/127.0.0.1", waiter };
        let assigns = assigns.iter().map(|&(id, assignment)| SyncGroupRequestAssignment {
            member_id: id.into(),
            assignment: Bytes::copy_from_slice(assignment.as_bytes()),
        });
        let request = SyncGroupRequest {
            group_id: GROUP.into(),
            generation_id: me.generation,
            member_id: me.id.as_str().into(),
            protocol_type: Some("consumer".into()),
            protocol_name: Some("range".into()),
            assignments: assigns.collect(),
            ..SyncGroupRequest::default()
        };
        let response = self.c.sync_group(self.now_ms, caller, 5, &request);
        self.collect();
        (waiter, response)
    }

    pub(super) fn sync(&mut self, me: &Me, assigns: &[(&str, &str)]) -> SyncGroupResponse {
        let (waiter, response) = self.send_sync(me, assigns);
        response.unwrap_or_else(|| self.synced(waiter))
    }

    pub(super) fn synced(&mut self, waiter: u64) -> SyncGroupResponse {
        match self.late.remove(&waiter) {
            Some(Reply::Sync(response)) => response,
            other => panic!("no answer to a sync: {other:?}"),
        }
    }

    pub(super) fn heartbeat(&mut self, me: &Me) -> ErrorCode {
        let request = HeartbeatRequest {
            group_id: GROUP.into(),
            generation_id: me.generation,
            member_id: me.id.as_str().into(),
            ..HeartbeatRequest::default()
        };
        let response = self.c.heartbeat(self.now_ms, &request);
        self.collect();
        ErrorCode(response.error_code)
    }

    pub(super) fn leave(&mut self, id: &str, instance: Option<&str>) -> ErrorCode {
        let identity = MemberIdentity {
            member_id: id.into(),
            group_instance_id: instance.map(Str::from),
            reason: None,
        };
        let request = LeaveGroupRequest {
            group_id: GROUP.into(),
            members: vec![identity],
            ..LeaveGroupRequest::default()
        };
        let response = self.c.leave_group(self.now_ms, 5, &request);
        self.collect();
        ErrorCode(response.members[0].error_code)
    }

    /// Commits one offset of partition 0 of topic "t".
    pub(super) fn commit(&mut self, generation: i32, id: &str, offset: i64) -> ErrorCode {
        let partition = OffsetCommitRequestPartition {
            committed_offset: offset,
            committed_metadata: Some("note".into()),
            ..OffsetCommitRequestPartition::default()
        };
        let topic = OffsetCommitRequestTopic {
            name: "t".into(),
            partitions: vec![partition],
            ..OffsetCommitRequestTopic::default()
        };
        let request = OffsetCommitRequest {
            group_id: GROUP.into(),
            generation_id_or_member_epoch: generation,
            member_id: id.into(),
            topics: vec![topic],
            ..OffsetCommitRequest::default()
        };
        let topics = self.topics.clone();
        let response = self.c.commit_offsets(self.now_ms, 9, &request, &topics);
        self.collect();
        ErrorCode(response.topics[0].partitions[0].error_code)
    }

    /// The state of the group by Kafka's name.
    pub(super) fn state(&self) -> String {
        let request = DescribeGroupsRequest { groups: vec![GROUP.into()], ..Default::default() };
        self.c.describe_groups(5, &request).groups[0].group_state.to_string()
    }
}

pub(super) fn me(response: &JoinGroupResponse) -> Me {
    assert_eq!(response.error_code, 0, "{response:?}");
    Me { id: response.member_id.to_string(), generation: response.generation_id }
}
