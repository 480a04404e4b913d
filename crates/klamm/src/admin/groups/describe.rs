//! Groups in detail: classic ones (DescribeGroups) and those of KIP-848 (ConsumerGroupDescribe).

use super::coordinated::{Answered, Question, ask_coordinators};
use super::describe_members::{MemberDescription, classic_member, consumer_member};
use super::{GroupState, GroupType};
use crate::admin::{Admin, AdminError, Named, outcome};
use crate::client::ClientInner;
use crate::connection::{Connection, RequestError};
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::{
    ConsumerGroupDescribeRequest, DescribeGroupsRequest, consumer_group_describe_response,
    describe_groups_response,
};
use klamm_protocol::primitives::Str;
use std::sync::Arc;
use std::time::Duration;

/// A group in detail.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct GroupDescription {
    /// Its id.
    pub group_id: String,
    /// By which protocol its members agree.
    pub group_type: GroupType,
    /// What it is doing.
    pub state: GroupState,
    /// The broker that coordinates it.
    pub coordinator: GroupCoordinator,
    /// What its members do together: `consumer`, `connect`, ...; empty if it never had members.
    pub protocol_type: String,
    /// By which rule partitions are assigned; empty while there is none.
    pub assignor: String,
    /// Grows whenever members or topics change (KIP-848).
    pub group_epoch: Option<i32>,
    /// The group epoch that the present assignment is for (KIP-848).
    pub assignment_epoch: Option<i32>,
    /// Its members, by client id and then by member id.
    pub members: Vec<MemberDescription>,
}

/// The broker that coordinates a group.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct GroupCoordinator {
    /// Its id.
    pub id: i32,
    /// Where it listens, as `host:port`; empty if it has left the cluster meanwhile.
    pub address: String,
}

impl Admin {
    /// Describes groups of consumers, connectors and the like; share and streams groups are reported as
    /// not found.
    ///
    /// # Errors
    /// Per group: [`AdminError`], also when there is no such group. The outer error is that of a closed client.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn describe_groups(
        &self,
        groups: Vec<String>,
    ) -> Result<Vec<Named<GroupDescription>>, AdminError> {
        self.run(|client| async move {
            let groups = groups.into_iter().map(Arc::from);
            let answers = ask_coordinators(Arc::clone(&client), Describe, groups).await;
            let described = answers.into_iter().map(|(group, answer)| {
                let answer = answer.map(|(node, description)| GroupDescription {
                    coordinator: coordinator(&client, node),
                    ..description
                });
                (group.to_string(), answer)
            });
            Ok(described.collect())
        })
        .await
    }
}

fn coordinator(client: &ClientInner, id: i32) -> GroupCoordinator {
    let cluster = client.metadata.cluster();
    let endpoint = cluster.brokers.get(&id);
    let address = endpoint.map(|e| format!("{}:{}", e.host, e.port)).unwrap_or_default();
    GroupCoordinator { id, address }
}

struct Describe;

impl Question for Describe {
    type Answer = GroupDescription;

    async fn ask(
        &self,
        to: &Connection,
        groups: &[Arc<str>],
        timeout: Duration,
    ) -> Result<Vec<Answered<GroupDescription>>, RequestError> {
        let ids: Vec<Str> = groups.iter().map(|group| Str::from(&**group)).collect();
        let (mut answers, rest) = match to.version::<ConsumerGroupDescribeRequest>(0..=1) {
            Ok(_) => describe_consumer_groups(to, ids, timeout).await?,
            Err(_) => (Vec::new(), ids),
        };
        if !rest.is_empty() {
            answers.extend(describe_classic_groups(to, rest, timeout).await?);
        }
        Ok(answers)
    }
}

/// Asks for all as groups of KIP-848; also returns those that are none.
async fn describe_consumer_groups(
    to: &Connection,
    group_ids: Vec<Str>,
    timeout: Duration,
) -> Result<(Vec<Answered<GroupDescription>>, Vec<Str>), RequestError> {
    let request = ConsumerGroupDescribeRequest { group_ids, include_authorized_operations: false };
    let answer = to.request(&request, 0..=1, timeout).await?;
    to.throttle(answer.throttle_time_ms);
    let (mut described, mut others) = (Vec::new(), Vec::new());
    for group in &answer.groups {
        match ErrorCode(group.error_code) {
            // The latter from brokers that know the request but have the protocol switched off.
            ErrorCode::GROUP_ID_NOT_FOUND | ErrorCode::UNSUPPORTED_VERSION => {
                others.push(group.group_id.clone());
            }
            _ => {
                let result = outcome(group.error_code, group.error_message.as_ref());
                let result = result.map(|()| consumer_group(group));
                described.push((Arc::from(group.group_id.as_str()), result));
            }
        }
    }
    Ok((described, others))
}

fn consumer_group(group: &consumer_group_describe_response::DescribedGroup) -> GroupDescription {
    GroupDescription {
        group_id: group.group_id.to_string(),
        group_type: GroupType::Consumer,
        state: GroupState::told(&group.group_state),
        coordinator: unknown_coordinator(),
        protocol_type: "consumer".to_owned(),
        assignor: group.assignor_name.to_string(),
        group_epoch: Some(group.group_epoch),
        assignment_epoch: Some(group.assignment_epoch),
        members: ordered(group.members.iter().map(consumer_member)),
    }
}

async fn describe_classic_groups(
    to: &Connection,
    groups: Vec<Str>,
    timeout: Duration,
) -> Result<Vec<Answered<GroupDescription>>, RequestError> {
    let request = DescribeGroupsRequest { groups, include_authorized_operations: false };
    let answer = to.request(&request, 0..=6, timeout).await?;
    to.throttle(answer.throttle_time_ms);
    let described = answer.groups.iter().map(|group| {
        let result = outcome(group.error_code, group.error_message.as_ref());
        let result = result.and_then(|()| classic_group(group));
        (Arc::from(group.group_id.as_str()), result)
    });
    Ok(described.collect())
}

/// # Errors
/// Brokers before Kafka 4.0 say of a group that does not exist that it is dead.
fn classic_group(
    group: &describe_groups_response::DescribedGroup,
) -> Result<GroupDescription, AdminError> {
    let state = GroupState::told(&group.group_state);
    if state == GroupState::Dead {
        outcome(ErrorCode::GROUP_ID_NOT_FOUND.0, None)?;
    }
    let protocol_type = group.protocol_type.as_str();
    let member = |member| classic_member(member, protocol_type);
    Ok(GroupDescription {
        group_id: group.group_id.to_string(),
        group_type: GroupType::Classic,
        state,
        coordinator: unknown_coordinator(),
        protocol_type: protocol_type.to_owned(),
        assignor: group.protocol_data.to_string(),
        group_epoch: None,
        assignment_epoch: None,
        members: ordered(group.members.iter().map(member)),
    })
}

/// Filled in by who knows whom was asked.
fn unknown_coordinator() -> GroupCoordinator {
    GroupCoordinator { id: -1, address: String::new() }
}

fn ordered(members: impl Iterator<Item = MemberDescription>) -> Vec<MemberDescription> {
    let mut members: Vec<MemberDescription> = members.collect();
    members.sort_by(|a, b| (&a.client_id, &a.member_id).cmp(&(&b.client_id, &b.member_id)));
    members
}
